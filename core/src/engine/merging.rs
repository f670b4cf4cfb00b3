//! When the packs of a document are merged: in the background, never in the way of an edit.

use std::time::Duration;

use katori_acl::ResourceId;

use super::Engine;
use crate::time::Timestamp;

/// How long a document whose history lies in many packs is left alone before they are merged, so that nobody who
/// edits it waits for that.
pub const MERGE_AFTER: Duration = Duration::from_secs(20);
/// Packs beyond which they are merged all the same.
const MERGE_AT_ONCE: u32 = 4096;

impl Engine {
    /// Notes whether the packs of a document are worth merging.
    pub(super) fn note_merge(&mut self, now: Timestamp, document: ResourceId) {
        let Some(state) = self.documents.get(&document) else { return };
        if state.summary.owes_merge {
            let urgent = state.summary.packs > MERGE_AT_ONCE;
            self.to_merge.insert(document, if urgent { Timestamp(0) } else { now });
        } else {
            self.to_merge.remove(&document);
        }
    }

    /// Merges the packs of documents that have not changed for a while.
    pub(super) fn merge_what_rests(&mut self, now: Timestamp) {
        let rests = |_: &ResourceId, changed: &mut Timestamp| now.since(*changed) >= MERGE_AFTER;
        let due: Vec<ResourceId> =
            self.to_merge.extract_if(.., rests).map(|(document, _)| document).collect();
        for document in due {
            if let Some(state) = self.documents.get_mut(&document) {
                state.work.merge = true;
            }
            self.advance(now, document);
        }
    }
}
