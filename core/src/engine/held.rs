//! What the engine holds of each document: little, for there may be a hundred thousand of them and most rest.
//!
//! A document at rest takes its summary in packed form and a few words. What is wanted of it is unpacked when it is
//! looked at, and packed again at the next [`DocumentState::rest`].

use std::collections::BTreeSet;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use katori_acl::DeviceId;
use once_cell::race::OnceBox;

use super::audience::Circle;
use super::content::Held;
use super::rows::Standing;
use crate::document::{Authors, PackedSummary, Summary};
use crate::wire::Size;

/// What the engine holds of one document.
#[derive(Debug)]
pub(super) struct DocumentState {
    pub(super) standing: Standing,
    /// This person left it: a new grant does not bring it back unasked.
    pub(super) given_up: bool,
    /// What ended this person's role asked that its copy be dropped.
    pub(super) erase_asked: bool,
    /// Whom it lets in.
    pub(super) circle: Option<Arc<Circle>>,
    pub(super) summary: HeldSummary,
    pub(super) work: Work,
}

/// What few documents have, whether something waits or not.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Rare {
    /// Devices that handed over in a last session.
    pub(super) farewells: BTreeSet<DeviceId>,
    /// Vouches that travel with a revocation signed here.
    pub(super) escort: Vec<Vec<u8>>,
    /// Of an offer: how many changes and bytes its peers say it has.
    pub(super) offered: Option<Size>,
}

impl Rare {
    pub(super) const NOTHING: Self = Self { farewells: BTreeSet::new(), escort: Vec::new(), offered: None };
}

impl DocumentState {
    pub(super) fn new(standing: Standing) -> Self {
        Self {
            standing,
            given_up: false,
            erase_asked: false,
            circle: None,
            summary: HeldSummary::default(),
            work: Work::default(),
        }
    }

    /// Lets go of what is not needed until something happens to the document.
    pub(super) fn rest(&mut self, authors: &mut Authors) {
        self.summary.rest(authors);
        self.work.0.take_if(|work| work.is_idle() && work.rare == Rare::NOTHING);
    }
}

/// The summary of a document that the engine holds. It is packed while nobody looks at it, so look at those of many
/// documents by [`HeldSummary::glance`].
#[derive(Debug, Default)]
pub struct HeldSummary {
    open: OnceBox<Summary>,
    /// Nothing, if the summary has changed since it was packed, or is that of an empty document.
    packed: PackedSummary,
}

impl HeldSummary {
    pub(super) fn new(summary: &Summary, authors: &mut Authors) -> Self {
        Self { open: OnceBox::new(), packed: PackedSummary::new(summary, authors) }
    }

    /// Puts another in its place.
    pub(super) fn set(&mut self, summary: Summary) {
        self.open = OnceBox::with_value(Box::new(summary));
        self.packed = PackedSummary::default();
    }

    /// A copy of the summary: none is kept unpacked for it.
    #[must_use]
    pub fn glance(&self) -> Summary {
        self.open.get().cloned().unwrap_or_else(|| self.packed.unpack())
    }

    /// The summary's digest, without keeping it unpacked.
    pub(super) fn digest(&self) -> [u8; 32] {
        match self.open.get() {
            Some(open) => open.digest(),
            None => self.packed.unpack().digest(),
        }
    }

    fn rest(&mut self, authors: &mut Authors) {
        if let Some(open) = self.open.get() {
            if self.packed.is_empty() {
                self.packed = PackedSummary::new(open, authors);
            }
            self.open = OnceBox::new();
        }
    }
}

impl Deref for HeldSummary {
    type Target = Summary;

    fn deref(&self) -> &Summary {
        self.open.get_or_init(|| Box::new(self.packed.unpack()))
    }
}

/// What waits to be done on a document, and what few have: mostly nothing.
#[derive(Debug, Default)]
pub(super) struct Work(Option<Box<Held>>);

impl Work {
    /// Takes out what waits.
    pub(super) fn take(&mut self) -> Held {
        let Some(mut work) = self.0.take() else { return Held::default() };
        let rare = std::mem::take(&mut work.rare);
        if rare != Rare::NOTHING {
            self.rare = rare;
        }
        *work
    }

    /// What waits, if anything may.
    pub(super) fn waiting(&mut self) -> Option<&mut Held> {
        self.0.as_deref_mut()
    }
}

impl Deref for Work {
    type Target = Held;

    fn deref(&self) -> &Held {
        static NOTHING: Held = Held::NOTHING;
        self.0.as_deref().unwrap_or(&NOTHING)
    }
}

impl DerefMut for Work {
    fn deref_mut(&mut self) -> &mut Held {
        self.0.get_or_insert_default()
    }
}

#[cfg(test)]
mod tests {
    use automerge::ChangeHash;

    use super::*;

    #[test]
    fn a_document_at_rest_is_what_it_was_and_takes_little() {
        assert!(size_of::<DocumentState>() <= 56);
        let mut state = DocumentState::new(Standing::Accepted);
        let mut authors = Authors::default();
        let nothing = state.summary.digest();
        assert_eq!(nothing, Summary::default().digest());
        let summary = Summary { stored_heads: vec![ChangeHash([1; 32])], changes: 3, ..Summary::default() };
        state.summary.set(summary.clone());
        state.work.dirty = true;
        state.work.rare.farewells.insert(DeviceId::from_bytes([2; 32]));
        state.rest(&mut authors);
        assert!(state.summary.open.get().is_none() && state.work.0.is_some());
        assert_eq!(state.summary.digest(), summary.digest());
        assert!(state.summary.open.get().is_none(), "a digest opens nothing");
        assert_eq!(*state.summary, summary);
        assert!(state.work.take().dirty);
        state.rest(&mut authors);
        assert_eq!(state.work.rare.farewells.len(), 1, "what is kept of a document does not wait");
        assert!(!state.work.dirty);
        state.work.rare.farewells.clear();
        state.rest(&mut authors);
        assert!(state.work.0.is_none());
    }
}
