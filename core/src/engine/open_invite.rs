//! Invitations made on this device.

use std::collections::BTreeMap;

use katori_acl::{Claim, DeviceId, InviteKey, PersonId, RecordId, ResourceId, Role};

/// Devices that are noted with one invitation: of those that wait to be let in, whoever comes later is told to try
/// again; of the others the noted ones give way.
pub const MAX_REQUESTS: usize = 64;
/// Devices that may ask again by an invitation of bounded use because their answer was lost. Of more, an answer
/// that is asked for again counts as another use.
pub(super) const MAX_USED_BY: usize = 4096;

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
    /// Devices that used it, each for the person it came as. One whose answer was lost on the way may ask again.
    pub used_by: BTreeMap<DeviceId, Option<PersonId>>,
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

impl JoinRequest {
    pub(super) fn of(claim: &Claim, state: RequestState) -> Self {
        Self { person: claim.person, name: claim.name.clone(), state }
    }
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
            used_by: BTreeMap::new(),
            confirm: false,
            requests: BTreeMap::new(),
        }
    }

    /// Notes somebody who came. Says whether there was room: those who wait give way to nobody.
    pub(super) fn note(&mut self, device: DeviceId, request: JoinRequest) -> bool {
        if self.requests.len() >= MAX_REQUESTS && !self.requests.contains_key(&device) {
            let ended = self.requests.iter().find(|(_, request)| request.state != RequestState::Waiting);
            let Some(ended) = ended.map(|(device, _)| *device) else { return false };
            self.requests.remove(&ended);
        }
        self.requests.insert(device, request);
        true
    }

    /// Whether it has ended by this time, in milliseconds since 1970.
    #[must_use]
    pub fn is_over(&self, now_ms: u64) -> bool {
        self.expires.is_some_and(|expires| expires <= now_ms)
    }
}
