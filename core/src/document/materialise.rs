//! Bringing the Automerge document to exactly what is admitted.
//!
//! Automerge panics on some input that passes every check (automerge 0.12, measured), so it is only called
//! guarded; after a panic the document in memory is dropped and built again from what went well, and the change
//! that did it is held back on this device.

use automerge::{Automerge, Change, ChangeHash, Patch, PatchLog, ReadDoc, TextEncoding};

use super::bits::Bits;
use super::{Document, Shown};
use crate::gate::{RawChange, confirm, decode, guarded};

/// A document that counts text in Unicode code points, on every platform.
pub(super) fn empty() -> Automerge {
    Automerge::new_with_encoding(TextEncoding::UnicodeCodePoint)
}

impl Document {
    /// The change at an index, as the gate saw it. What is stored passed the gate before it was stored.
    pub(super) fn raw(&self, index: u32) -> Option<RawChange> {
        let node = self.graph.node(index)?;
        let bytes = self.fetch_one(index)?;
        RawChange::inspected(bytes, node.hash, node.operations).ok()
    }

    pub(super) fn decoded(&self, index: u32) -> Option<Change> {
        decode(&self.raw(index)?).ok()
    }

    /// Makes the Automerge document hold `wanted`, given that it holds `self.admitted`; what Automerge cannot
    /// apply goes into `self.failed`. Returns what changed in what is shown.
    pub(super) fn show(&mut self, wanted: &Bits) -> Option<Shown> {
        let (mut shown, new) = self.bring(wanted)?;
        shown.admitted = self.graph.hashes_of(&new);
        Some(shown)
    }

    /// The same, without naming what was admitted.
    pub(super) fn bring(&mut self, wanted: &Bits) -> Option<(Shown, Bits)> {
        let wanted = &self.within_operations(wanted);
        if *wanted == self.admitted {
            // A whole document that was loaded waits until it can be shown.
            return None;
        }
        let mut new = wanted.clone();
        new.subtract(&self.admitted);
        let mut gone = self.admitted.clone();
        gone.subtract(wanted);
        let mut shown = Shown { withdrawn: gone.len(), ..Shown::default() };
        if self.show_loaded(wanted) {
            if self.watched {
                shown.patches = self.automerge.current_state();
            }
            let mut left = wanted.clone();
            left.subtract(&self.admitted);
            let indices: Vec<u32> = left.iter().collect();
            shown.patches.extend(self.apply_surviving(&indices));
        } else if gone.is_empty()
            && let Some(patches) = self.show_rehearsed(&new)
        {
            shown.patches = patches;
            shown.rehearsed = true;
        } else if gone.is_empty() {
            let indices: Vec<u32> = new.iter().collect();
            shown.patches = self.apply_surviving(&indices);
        } else {
            self.admitted.intersect_with(wanted);
            self.rebuild();
            let indices: Vec<u32> = new.iter().collect();
            self.apply_surviving(&indices);
            shown.rebuilt = true;
            if self.watched {
                shown.patches = self.automerge.current_state();
            }
        }
        new.intersect_with(&self.admitted);
        Some((shown, new))
    }

    /// As much of `wanted` as may be shown. What goes beyond is held back here for as long as there is no room.
    pub(super) fn within_operations(&self, wanted: &Bits) -> Bits {
        if self.graph.operations() <= self.limits.operations {
            return wanted.clone();
        }
        let mut left = self.limits.operations;
        let mut within = Bits::default();
        for index in wanted.iter() {
            let Some(node) = self.graph.node(index) else { continue };
            let builds = node.dependencies.iter().all(|under| within.contains(*under));
            if builds && node.operations <= left {
                left -= node.operations;
                within.insert(index);
            }
        }
        within
    }

    /// Builds the Automerge document from `self.admitted`.
    pub(super) fn rebuild(&mut self) {
        self.automerge = empty();
        self.automerge.set_actor(self.actor());
        let indices: Vec<u32> = self.admitted.iter().collect();
        self.admitted = Bits::default();
        let watched = std::mem::replace(&mut self.watched, false);
        self.apply_surviving(&indices);
        self.watched = watched;
    }

    /// Applies changes given in order; those on which Automerge fails are recorded, with the rest applied
    /// around them. Failures are searched by halves, so one bad change among n costs log n attempts.
    fn apply_surviving(&mut self, indices: &[u32]) -> Vec<Patch> {
        let mut patches = Vec::new();
        let mut left = vec![indices.to_vec()];
        while let Some(batch) = left.pop() {
            let ready = self.ready(&batch);
            if ready.is_empty() {
                continue;
            }
            match self.apply(&ready) {
                Some(new) => {
                    patches.extend(new);
                    self.admitted.extend(&ready);
                }
                None => match ready.as_slice() {
                    [bad] => {
                        if let Some(node) = self.graph.node(*bad) {
                            tracing::warn!(hash = %node.hash, "automerge cannot apply this change; it is held back here");
                            self.failed.insert(node.hash);
                        }
                    }
                    several => {
                        let (first, second) = several.split_at(several.len() / 2);
                        left.push(second.to_vec());
                        left.push(first.to_vec());
                    }
                },
            }
        }
        patches
    }

    /// Those of a batch, in order, whose dependencies are applied or come before them in it.
    fn ready(&self, batch: &[u32]) -> Vec<u32> {
        let mut ready = Bits::default();
        for index in batch {
            if let Some(node) = self.graph.node(*index)
                && !self.failed.contains(&node.hash)
                && node
                    .dependencies
                    .iter()
                    .all(|under| self.admitted.contains(*under) || ready.contains(*under))
            {
                ready.insert(*index);
            }
        }
        ready.iter().collect()
    }

    /// One call into Automerge. `None` after a failure, with the document built anew without the batch.
    fn apply(&mut self, indices: &[u32]) -> Option<Vec<Patch>> {
        self.fetch(indices);
        let changes: Option<Vec<Change>> = indices.iter().map(|index| self.decoded(*index)).collect();
        let log = if self.watched { PatchLog::active() } else { PatchLog::inactive() };
        let hashes = self.graph.hashes(indices.iter().copied());
        let automerge = &mut self.automerge;
        let outcome = guarded("applying changes", || apply_to(automerge, changes?, &hashes, log));
        if let Ok(Some(patches)) = outcome {
            return Some(patches);
        }
        let held = std::mem::take(&mut self.admitted);
        self.automerge = empty();
        self.automerge.set_actor(self.actor());
        let good: Vec<u32> = held.iter().collect();
        self.fetch(&good);
        let changes: Vec<Change> = good.iter().filter_map(|index| self.decoded(*index)).collect();
        let automerge = &mut self.automerge;
        if matches!(guarded("rebuilding", || automerge.apply_changes(changes)), Ok(Ok(()))) {
            self.admitted = held;
        } else {
            // What went well before does so no more: nothing is shown rather than something wrong.
            tracing::error!(document = %self.id, "a document cannot be rebuilt from its admitted changes");
            self.automerge = empty();
        }
        None
    }
}

/// Applies changes to a document; nothing if it does not hold them all then. To be called guarded.
pub(super) fn apply_to(
    automerge: &mut Automerge,
    changes: Vec<Change>,
    hashes: &[ChangeHash],
    mut log: PatchLog,
) -> Option<Vec<Patch>> {
    let before = automerge.get_heads();
    automerge.apply_changes_log_patches(changes, &mut log).ok()?;
    confirm(automerge, &before, hashes).ok()?;
    // Automerge keeps changes whose dependencies it lacks in a queue of its own; here that is a defect.
    automerge.get_missing_deps(&[]).is_empty().then(|| automerge.make_patches(&mut log))
}

impl Extend<u32> for Bits {
    fn extend<I: IntoIterator<Item = u32>>(&mut self, indices: I) {
        for index in indices {
            self.insert(index);
        }
    }
}

impl<'a> Extend<&'a u32> for Bits {
    fn extend<I: IntoIterator<Item = &'a u32>>(&mut self, indices: I) {
        self.extend(indices.into_iter().copied());
    }
}
