//! What a driver asks: what it must keep in memory, and what still has to leave this device.

use katori_acl::{DeviceId, ResourceId};

use super::Engine;
use super::content::{Phase, covers};
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

    /// Whether a connected device has not said yet what it has of everything that it may have.
    #[must_use]
    pub fn is_comparing(&self, peer: DeviceId) -> bool {
        self.sessions.get(&peer).is_some_and(|session| !session.is_compared())
    }

    /// The documents that a connected device holds and of which it has not said to have made durable what is shown
    /// here.
    #[must_use]
    pub fn behind(&self, peer: DeviceId) -> Vec<ResourceId> {
        let Some(session) = self.sessions.get(&peer) else { return Vec::new() };
        let is_behind = |document: &ResourceId| {
            let Some(state) = self.documents.get(document) else { return false };
            let receipt = self.receipts.get(&(*document, peer));
            let holds = receipt.is_some() || session.known(document).is_some();
            holds
                && state.standing.has_content()
                && !covers(receipt.map(Vec::as_slice).unwrap_or_default(), &state.summary.glance().heads)
                && self.access(*document).is_some_and(|access| access.role_of_device(&peer).is_some())
        };
        self.documents.keys().filter(|document| is_behind(document)).copied().collect()
    }
}
