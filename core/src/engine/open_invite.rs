//! Invitations made on this device.

use std::collections::{BTreeMap, BTreeSet};

use katori_acl::{DeviceId, InviteKey, PersonId, RecordId, ResourceId, Role};

/// Devices that may wait at one invitation to be let in. Whoever comes later is told to try again.
pub const MAX_REQUESTS: usize = 64;

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
    /// Whether somebody here says yes or no to each who comes.
    pub confirm: bool,
    /// Those who came, and what they were told.
    pub requests: BTreeMap<DeviceId, JoinRequest>,
}

/// Somebody who came with an invitation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinRequest {
    /// Who, unless a device wants to become one of this person's.
    pub person: Option<PersonId>,
    /// What the device is called.
    pub name: String,
    /// How far it is.
    pub state: RequestState,
    /// Its roster, for when it is let in.
    pub roster: Vec<Vec<u8>>,
}

/// How far somebody is who came with an invitation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum RequestState {
    /// Waits for somebody here to say yes or no.
    Waiting,
    /// Was let in.
    Admitted,
    /// Was turned away here.
    Refused,
    /// Said no to the invitation.
    Declined,
}

/// What an invitation is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvitePurpose {
    /// A role in a document or space.
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
    /// The roster of somebody who has lost all devices.
    Recovery {
        /// Who.
        person: PersonId,
    },
}

impl OpenInvite {
    /// One that nobody has used.
    #[must_use]
    pub fn new(key: InviteKey, purpose: InvitePurpose, expires: Option<u64>, uses: Option<u32>) -> Self {
        Self {
            key,
            purpose,
            expires,
            uses,
            used_by: BTreeSet::new(),
            confirm: false,
            requests: BTreeMap::new(),
        }
    }

    /// Whether it has ended by this time, in milliseconds since 1970.
    #[must_use]
    pub fn is_over(&self, now_ms: u64) -> bool {
        self.expires.is_some_and(|expires| expires <= now_ms)
    }
}
