//! Local edits: applied at once, signed and written at the next flush.

use automerge::transaction::{CommitOptions, Transactable, Transaction};
use automerge::{ChangeHash, PatchLog};
use thiserror::Error;

use super::graph::Graph;
use super::{Document, Done, Shown};
use crate::gate::{GateError, LinkError, RawChange, inspect};
use crate::pack::pack;
use crate::store::Write;
use crate::time::Timestamp;

/// Bytes of raw changes in one pack, so that a pack fits a frame and inflating it is bounded.
pub(super) const PACK_RAW_BYTES: usize = 4 << 20;
/// Changes in one pack.
pub(super) const PACK_CHANGES: usize = 1 << 16;

/// Why an edit did not take place. The document is as it was before.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EditError<E> {
    /// This device may read the document, not write it.
    #[error(
        "this device does not hold write in the document; nothing was changed: ask an admin of it for write"
    )]
    ReadOnly,
    /// The owner deleted the document.
    #[error("the document was deleted by its owner; nothing was changed")]
    Deleted,
    /// More at once than one change may hold.
    #[error(
        "the edit is too large for one change ({operations} operations, {limit} allowed); nothing was changed: make it in several"
    )]
    TooLarge {
        /// How many operations it has.
        operations: u64,
        /// How many it may have.
        limit: u64,
    },
    /// The change that came of it would be refused by every peer.
    #[error("the edit cannot be stored; nothing was changed: {0}")]
    Refused(#[from] Unstorable),
    /// The edit itself failed, and was rolled back.
    #[error("{0}")]
    Edit(E),
}

/// A change that cannot be stored, because every peer would refuse it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Unstorable {
    /// It does not pass the gate.
    #[error(transparent)]
    Gate(#[from] GateError),
    /// It does not follow from what it builds on.
    #[error(transparent)]
    Link(#[from] LinkError),
}

/// An edit that has been applied.
#[derive(Debug)]
pub struct Edited<R> {
    /// What the edit returned.
    pub result: R,
    /// The change that came of it; nothing if the edit changed nothing.
    pub hash: Option<ChangeHash>,
    /// Its number: it is durable when a flush up to this number is stored.
    pub number: u64,
    /// What happened to the document, if somebody watches it.
    pub shown: Option<Shown>,
}

impl Document {
    /// Edits the document. Applied at once; durable and signed when the flush that follows is stored.
    ///
    /// # Errors
    /// [`EditError`]; the document is then as it was.
    pub fn edit<R, E>(
        &mut self,
        now: Timestamp,
        edit: impl FnOnce(&mut Transaction<'_>) -> Result<R, E>,
    ) -> Result<Edited<R>, EditError<E>> {
        if self.access.deleted {
            return Err(EditError::Deleted);
        }
        if !self.may_write() {
            return Err(EditError::ReadOnly);
        }
        self.choose_incarnation();
        let before = self.automerge.get_heads();
        let log = if self.watched { PatchLog::active() } else { PatchLog::inactive() };
        // A log made a moment ago belongs to no other document, so this cannot mismatch.
        let Ok(mut transaction) = self.automerge.transaction_log_patches(log) else {
            return Err(EditError::ReadOnly);
        };
        let result = match edit(&mut transaction) {
            Ok(result) => result,
            Err(error) => {
                transaction.rollback();
                return Err(EditError::Edit(error));
            }
        };
        let (operations, limit) = (transaction.pending_ops() as u64, self.limits.gate.change_operations);
        if operations > limit {
            transaction.rollback();
            return Err(EditError::TooLarge { operations, limit });
        }
        let (hash, mut log) = transaction.commit_with(CommitOptions::default().with_time(now.seconds()));
        let Some(hash) = hash else {
            return Ok(Edited { result, hash: None, number: self.edits, shown: None });
        };
        let patches = if self.watched { self.automerge.make_patches(&mut log) } else { Vec::new() };
        self.record(&before)?;
        let shown = Shown { patches, admitted: vec![hash], ..Shown::default() };
        Ok(Edited { result, hash: Some(hash), number: self.edits, shown: Some(shown) })
    }

    /// Puts the change just made into the graph; if that fails, undoes it.
    pub(super) fn record(&mut self, before: &[ChangeHash]) -> Result<(), Unstorable> {
        let made = self.automerge.get_changes(before);
        for change in &made {
            let recorded = inspect(change.raw_bytes(), &self.limits.gate)
                .map_err(Unstorable::from)
                .and_then(|raw| self.graph.insert(&raw).map_err(Unstorable::from));
            match recorded {
                Ok(index) => self.stand_behind(index),
                Err(error) => {
                    self.rebuild();
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    fn stand_behind(&mut self, index: u32) {
        self.vouches.stand_behind(&self.graph, self.me.device(), index);
        self.admitted.insert(index);
        self.unflushed.push(index);
        self.edits += 1;
    }

    /// Draws a new incarnation if any change of ours under the present one is not admitted: to write on would
    /// be to write a second change in the same place.
    pub(super) fn choose_incarnation(&mut self) {
        let actor = self.actor();
        if self.graph.tips_of(actor.to_bytes()).any(|tip| !self.admitted.contains(tip)) {
            self.draw_incarnation();
        }
    }

    /// Takes the history of an imported file as this document's own beginning: vouched for, written by nobody
    /// that can be named.
    ///
    /// # Errors
    /// [`EditError`] if the document is not empty, may not be written, or the file's changes do not link.
    pub fn adopt(
        &mut self,
        changes: &[RawChange],
    ) -> Result<Edited<()>, EditError<std::convert::Infallible>> {
        if !self.may_write() {
            return Err(EditError::ReadOnly);
        }
        // All of them fit each other, or none is taken.
        let mut trial = Graph::new(self.id);
        for change in changes.iter().filter(|_| self.graph.len() == 0) {
            trial.insert(change).map_err(Unstorable::from)?;
        }
        let mut added = Vec::new();
        for change in changes {
            let index = self.graph.insert(change).map_err(Unstorable::from)?;
            self.vouches.stand_behind(&self.graph, self.me.device(), index);
            added.push(index);
        }
        let mut wanted = self.admitted.clone();
        wanted.extend(&added);
        let shown = self.show(&wanted);
        self.edits += added.len() as u64;
        self.unflushed.extend(&added);
        Ok(Edited { result: (), hash: None, number: self.edits, shown })
    }

    /// Whether there are edits that no flush has written yet.
    #[must_use]
    pub fn is_dirty(&self) -> bool {
        !self.unflushed.is_empty()
    }

    /// Signs and hands out what was edited since the last flush: one vouch, however many edits.
    pub fn flush(&mut self) -> Done {
        self.conclude(Vec::new())
    }

    /// Writes local edits and signs them. Every step does, so that what a step writes of the document's state never
    /// speaks of changes that are not stored with it.
    pub(super) fn hand_out(&mut self, writes: &mut Vec<Write>) {
        let unflushed = std::mem::take(&mut self.unflushed);
        let Some(last) = unflushed.last() else { return };
        // What came as a whole is written as a whole.
        writes.extend(self.write_chunk());
        let whole = self.chunk.as_ref().map_or(0, |chunk| chunk.changes);
        let by_themselves: Vec<u32> = unflushed.iter().copied().filter(|index| *index >= whole).collect();
        writes.extend(self.write_packs(&by_themselves));
        let mut heads = self.automerge.get_heads();
        let shown: Vec<u32> = self.graph.present(&heads).collect();
        if !self.graph.covers(&shown, &[*last]) {
            // It was withdrawn before it was written; it is signed all the same, for it is ours.
            heads.extend(self.graph.hashes([*last]));
        }
        self.sign_vouch(&heads, writes);
        if self.may_write() {
            self.pinned.clear();
        }
    }

    /// Stores changes, given ascending, as packs.
    pub(super) fn write_packs(&mut self, indices: &[u32]) -> Vec<Write> {
        let mut writes = Vec::new();
        for run in self.runs(indices) {
            let bytes = pack(&run);
            writes.push(self.write_pack(bytes));
        }
        writes
    }

    /// Changes cut into runs that each make one pack.
    pub(super) fn runs(&self, indices: &[u32]) -> Vec<Vec<RawChange>> {
        self.fetch(indices);
        let mut runs = Vec::new();
        let mut run: Vec<RawChange> = Vec::new();
        let mut size = 0;
        for raw in indices.iter().filter_map(|index| self.raw(*index)) {
            if !run.is_empty() && (size + raw.bytes().len() > PACK_RAW_BYTES || run.len() >= PACK_CHANGES) {
                runs.push(std::mem::take(&mut run));
                size = 0;
            }
            size += raw.bytes().len();
            run.push(raw);
        }
        if !run.is_empty() {
            runs.push(run);
        }
        runs
    }
}
