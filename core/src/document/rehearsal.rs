//! Calling Automerge on a copy of what is shown, so that who edits does not wait while it takes in what came.
//!
//! To apply one change to a text of 260,000 operations takes Automerge 27 ms; to copy that document takes 3. Whoever
//! shares a document between threads takes a step in two: [`Document::begin_ingest`] puts what came into the graph and
//! copies what is shown, [`Begun::play`] applies to the copy while others go on reading and editing, and
//! [`Document::end_ingest`] applies the rule of admission as ever and shows the copy, if that is exactly what the rule
//! admits. If it is not, Automerge is called as if there were no copy: a rehearsal decides nothing.

use automerge::{Automerge, Change, ChangeHash, Patch, PatchLog, ReadDoc};
use katori_acl::DeviceId;

use super::bits::Bits;
use super::materialise::apply_to;
use super::{Batch, Document, Done, IngestReport};
use crate::gate::{RawChange, decode, guarded};
use crate::store::Write;

/// Operations of a document, and bytes of changes that come to it, below which Automerge is called as it is: it takes
/// less than a millisecond.
const WORTH_A_COPY: u64 = 10_000;

/// What came is in the graph; the rule of admission has not been applied to it.
#[derive(Debug)]
pub struct Begun {
    reports: Vec<IngestReport>,
    writes: Vec<Write>,
    rehearsal: Option<Box<Rehearsal>>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Rehearsal {
    automerge: Automerge,
    /// The heads of what is shown, all of which is in the copy.
    heads: Vec<ChangeHash>,
    /// What comes to be shown by it.
    changes: Vec<RawChange>,
    hashes: Vec<ChangeHash>,
    /// If somebody watches, what shows a watcher of `heads` what the copy shows.
    patches: Option<Vec<Patch>>,
    played: bool,
    failed: bool,
}

impl Begun {
    pub(super) fn new(reports: Vec<IngestReport>, writes: Vec<Write>) -> Self {
        Self { reports, writes, rehearsal: None }
    }

    /// Whether there is something to apply to a copy, or to catch up with: [`Begun::play`] is worth while.
    #[must_use]
    pub fn is_behind(&self, document: &Document) -> bool {
        self.rehearsal.as_ref().is_some_and(|rehearsal| {
            let is_current = rehearsal.played && rehearsal.heads == document.automerge.get_heads();
            !rehearsal.failed && !is_current
        })
    }

    /// Edits that were made since the copy was, to be given to [`Begun::play`].
    #[must_use]
    pub fn missed(&self, document: &Document) -> Missed {
        let heads = document.automerge.get_heads();
        let since = self.rehearsal.as_ref().map_or(&heads, |rehearsal| &rehearsal.heads);
        if *since == heads {
            return Missed { heads, changes: Vec::new() };
        }
        let changes = guarded("giving back changes", || document.automerge.get_changes(since));
        Missed { heads, changes: changes.unwrap_or_default() }
    }

    /// Applies to the copy what came, once, and what was missed.
    pub fn play(&mut self, missed: Missed) {
        if let Some(rehearsal) = &mut self.rehearsal {
            rehearsal.failed |= guarded("rehearsing", || rehearsal.play(missed)).ok().flatten().is_none();
        }
    }
}

/// Edits of a document that a rehearsal did not know of.
#[derive(Debug)]
pub struct Missed {
    heads: Vec<ChangeHash>,
    changes: Vec<Change>,
}

impl Rehearsal {
    fn play(&mut self, missed: Missed) -> Option<()> {
        if !self.played {
            self.played = true;
            let changes: Option<Vec<_>> = self.changes.iter().map(|raw| decode(raw).ok()).collect();
            let log = if self.patches.is_some() { PatchLog::active() } else { PatchLog::inactive() };
            let patches = apply_to(&mut self.automerge, changes?, &self.hashes, log)?;
            self.patches = self.patches.take().map(|_| patches);
        }
        if missed.heads == self.heads {
            return Some(());
        }
        self.automerge.apply_changes(missed.changes).ok()?;
        self.heads = missed.heads;
        if !self.automerge.get_missing_deps(&self.heads).is_empty() {
            return None;
        }
        if self.patches.is_some() {
            // A watcher has seen the edits already, so what came is told as a difference to them.
            self.patches = Some(self.automerge.diff(&self.heads, &self.automerge.get_heads()));
        }
        Some(())
    }
}

impl Document {
    /// The first half of [`Document::ingest`]: puts what peers sent into the graph. Between the two the document may be
    /// read and edited, and nothing else; what it returns must be stored by the end of the second.
    pub fn begin_ingest(&mut self, batches: Vec<(DeviceId, Batch)>) -> Begun {
        let incoming: usize = batches.iter().flat_map(|(_, batch)| &batch.packs).map(Vec::len).sum();
        let before = self.graph.len();
        let mut begun = self.take(batches);
        self.arriving = (before..self.graph.len()).collect();
        if self.graph.operations().saturating_add(incoming as u64) >= WORTH_A_COPY {
            begun.rehearsal = self.rehearse();
        }
        begun
    }

    /// The second half: applies the rule of admission, and shows what it admits.
    pub fn end_ingest(&mut self, begun: Begun) -> Done {
        self.arriving = Bits::default();
        self.rehearsal = begun.rehearsal.filter(|rehearsal| rehearsal.played && !rehearsal.failed);
        let done = self.conclude(begun.writes);
        self.rehearsal = None;
        Done { ingested: begun.reports, ..done }
    }

    /// A copy of what is shown, and what will come to be shown, if nothing goes.
    fn rehearse(&self) -> Option<Box<Rehearsal>> {
        let wanted = self.within_operations(&self.evaluate(true, &self.admitted, None).admitted);
        if self.loaded.is_some() || !self.admitted.is_subset(&wanted) || wanted == self.admitted {
            return None;
        }
        let mut new = wanted;
        new.subtract(&self.admitted);
        let indices: Vec<u32> = new.iter().collect();
        self.fetch(&indices);
        let changes: Option<Vec<RawChange>> = indices.iter().map(|index| self.raw(*index)).collect();
        Some(Box::new(Rehearsal {
            automerge: guarded("copying a document", || self.automerge.clone()).ok()?,
            heads: self.automerge.get_heads(),
            changes: changes?,
            hashes: self.graph.hashes_of(&new),
            patches: self.watched.then(Vec::new),
            played: false,
            failed: false,
        }))
    }

    /// Shows a copy to which exactly these changes were applied. Returns what changed in what is shown, if there is such
    /// a copy.
    pub(super) fn show_rehearsed(&mut self, new: &Bits) -> Option<Vec<Patch>> {
        let rehearsal = self.rehearsal.take()?;
        let is_it = rehearsal.heads == self.automerge.get_heads()
            && rehearsal.hashes == self.graph.hashes_of(new)
            && (rehearsal.patches.is_some() || !self.watched);
        if !is_it {
            return None;
        }
        self.automerge = rehearsal.automerge;
        self.automerge.set_actor(self.actor());
        self.admitted.extend(&new.iter().collect::<Vec<u32>>());
        Some(rehearsal.patches.filter(|_| self.watched).unwrap_or_default())
    }
}
