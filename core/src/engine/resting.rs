//! What a driver asks to decide what it keeps in memory.

use katori_acl::ResourceId;

use super::Engine;
use super::content::Phase;
use crate::wire::Size;

impl Engine {
    /// Whether nothing of a document is being worked on, waits to be signed, or is on its way to the disk. Until then
    /// it must stay in memory: what is stored of it is not all there is.
    #[must_use]
    pub fn is_at_rest(&self, document: ResourceId) -> bool {
        let work = self.documents.get(&document).map(|state| &state.work);
        work.is_none_or(|work| work.phase == Phase::Idle && !work.dirty)
    }

    /// How large what is stored of a document is; nothing of one that is not held.
    #[must_use]
    pub fn stored_size(&self, document: ResourceId) -> Size {
        let summary = self.documents.get(&document).map(|state| &state.summary);
        summary.map_or_else(Size::default, |summary| Size { changes: summary.changes, bytes: summary.bytes })
    }
}
