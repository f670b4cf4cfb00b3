//! Invitations made on this device.

use std::collections::BTreeSet;

use katori_acl::{DeviceId, InviteKey, RecordId, ResourceId, Role};

/// An invitation made on this device, that is still open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenInvite {
    /// Its key.
    pub key: InviteKey,
    /// To what.
    pub purpose: InvitePurpose,
    /// When it ends, in milliseconds since 1970.
    pub expires: Option<u64>,
    /// How many may still use it; nothing for any number.
    pub uses: Option<u32>,
    /// Devices that used it. One whose answer was lost on the way may ask again.
    pub used_by: BTreeSet<DeviceId>,
}

/// What an invitation is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvitePurpose {
    /// A role in a document.
    Document {
        /// Which.
        document: ResourceId,
        /// What.
        role: Role,
        /// The grant to the invitation's key.
        grant: RecordId,
        /// Whether the joiner may pass it on.
        share: bool,
    },
    /// Another device of this person.
    Device,
}
