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
use crate::document::{Summary, pack_summary, unpack_summary};
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
    pub(super) rare: Rare,
}

/// What few documents have.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct More {
    /// Devices that handed over in a last session.
    pub(super) farewells: BTreeSet<DeviceId>,
    /// Vouches that travel with a revocation signed here.
    pub(super) escort: Vec<Vec<u8>>,
    /// Of an offer: how many changes and bytes its peers say it has.
    pub(super) offered: Option<Size>,
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
            rare: Rare::default(),
        }
    }

    /// Lets go of what is not needed until something happens to the document.
    pub(super) fn rest(&mut self) {
        self.summary.rest();
        self.work.0.take_if(|work| work.is_idle());
        self.rare.0.take_if(|rare| **rare == More::default());
    }
}

/// The summary of a document that the engine holds. It is packed while nobody looks at it, so look at those of many
/// documents by [`HeldSummary::glance`].
#[derive(Debug, Default)]
pub struct HeldSummary {
    open: OnceBox<Summary>,
    /// Nothing, if the summary has changed since it was packed, or is that of an empty document.
    packed: Box<[u8]>,
}

impl HeldSummary {
    pub(super) fn new(summary: &Summary) -> Self {
        Self { open: OnceBox::new(), packed: pack_summary(summary) }
    }

    /// Puts another in its place.
    pub(super) fn set(&mut self, summary: Summary) {
        self.open = OnceBox::with_value(Box::new(summary));
        self.packed = Box::default();
    }

    /// A copy of the summary: none is kept unpacked for it.
    #[must_use]
    pub fn glance(&self) -> Summary {
        self.open.get().cloned().unwrap_or_else(|| unpack_summary(&self.packed))
    }

    /// The summary's digest, without keeping it unpacked.
    pub(super) fn digest(&self) -> [u8; 32] {
        match self.open.get() {
            Some(open) => open.digest(),
            None => unpack_summary(&self.packed).digest(),
        }
    }

    fn rest(&mut self) {
        if let Some(open) = self.open.get() {
            if self.packed.is_empty() {
                self.packed = pack_summary(open);
            }
            self.open = OnceBox::new();
        }
    }
}

impl Deref for HeldSummary {
    type Target = Summary;

    fn deref(&self) -> &Summary {
        self.open.get_or_init(|| Box::new(unpack_summary(&self.packed)))
    }
}

/// What waits to be done on a document, mostly nothing.
#[derive(Debug, Default)]
pub(super) struct Work(Option<Box<Held>>);

impl Work {
    /// All of it; nothing is left.
    pub(super) fn take(&mut self) -> Held {
        self.0.take().map(|work| *work).unwrap_or_default()
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

/// What few documents have.
#[derive(Debug, Default)]
pub(super) struct Rare(Option<Box<More>>);

impl Deref for Rare {
    type Target = More;

    fn deref(&self) -> &More {
        static NOTHING: More = More { farewells: BTreeSet::new(), escort: Vec::new(), offered: None };
        self.0.as_deref().unwrap_or(&NOTHING)
    }
}

impl DerefMut for Rare {
    fn deref_mut(&mut self) -> &mut More {
        self.0.get_or_insert_default()
    }
}

#[cfg(test)]
mod tests {
    use automerge::ChangeHash;

    use super::*;

    #[test]
    fn a_summary_at_rest_is_what_it_was() {
        let mut state = DocumentState::new(Standing::Accepted);
        let nothing = state.summary.digest();
        assert_eq!(nothing, Summary::default().digest());
        let summary = Summary { stored_heads: vec![ChangeHash([1; 32])], changes: 3, ..Summary::default() };
        state.summary.set(summary.clone());
        state.work.dirty = true;
        state.rare.farewells.insert(DeviceId::from_bytes([2; 32]));
        state.rest();
        assert!(state.summary.open.get().is_none() && state.work.0.is_some() && state.rare.0.is_some());
        assert_eq!(state.summary.digest(), summary.digest());
        assert!(state.summary.open.get().is_none(), "a digest opens nothing");
        assert_eq!(*state.summary, summary);
        state.work.dirty = false;
        state.rare.farewells.clear();
        state.rest();
        assert!(state.work.0.is_none() && state.rare.0.is_none());
    }
}
