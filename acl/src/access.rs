//! Who may do what in one document: the evaluation of its grants.

mod explain;
mod forest;

pub use explain::{Chain, ChainLink, Explanation, Missing, Principal};
pub(crate) use forest::Forest;
pub use forest::LinkStatus;

use std::collections::BTreeMap;

use crate::bounds::EXPIRY_GRACE_MS;
use crate::ids::{DeviceId, InviteKey, PersonId, RecordId, ResourceId};
use crate::records::{Audience, Grant};
use crate::registry::{ResourceSet, Rosters};
use crate::role::Role;

/// Who may do what in one document, as the stored records have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// The document.
    pub resource: ResourceId,
    /// Whose it is.
    pub owner: PersonId,
    /// The name it was born with.
    pub name: String,
    /// Whether the owner has deleted it. Then nobody has a role.
    pub deleted: bool,
    persons: BTreeMap<PersonId, Standing>,
    devices: BTreeMap<DeviceId, Standing>,
    invitations: Vec<Invitation>,
}

/// What one person or device holds in one document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The role now, expiry not consulted.
    pub role: Option<Role>,
    /// The role by signatures alone, as if nothing had been revoked and no device removed.
    pub ever: Option<Role>,
    /// Whether some live grant may be passed on.
    pub share: bool,
    /// Depth of the shallowest live grant of Write, 0 for the owner, 255 without one.
    pub depth: u8,
    /// The id of that grant, the lowest of equally shallow ones; the genesis for the owner.
    pub rank: RecordId,
    /// Until when the role lasts; none is for ever.
    pub expires: Option<u64>,
    /// Until when each role lasts that some live grant gives.
    until: BTreeMap<Role, Option<u64>>,
}

/// A live grant to the key of an invitation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Invitation {
    /// The grant.
    pub grant: RecordId,
    /// The key.
    pub key: InviteKey,
    /// The role it gives.
    pub role: Role,
    /// Whether it may be redeemed offline.
    pub share: bool,
    /// How often it may be redeemed; none is no limit.
    pub uses: Option<u32>,
    /// Until when.
    pub expires: Option<u64>,
}

impl Access {
    pub(crate) fn evaluate(set: &ResourceSet, rosters: &Rosters) -> Self {
        let forest = Forest::evaluate(set, rosters);
        let mut access = Self {
            resource: set.id,
            owner: set.genesis.owner,
            name: set.genesis.name.clone(),
            deleted: forest.tombstone.is_some(),
            persons: BTreeMap::new(),
            devices: BTreeMap::new(),
            invitations: Vec::new(),
        };
        let owner = access.persons.entry(set.genesis.owner).or_default();
        owner.note_ever(Role::Admin);
        if !access.deleted {
            owner.note_live(Role::Admin, true, 0, RecordId::from_bytes(*set.id.as_bytes()), None);
        }
        for (id, grant, depth, status) in forest.grants() {
            access.note(id, grant, depth, status == LinkStatus::Live);
        }
        access.spread_to_devices(&forest);
        access
    }

    fn note(&mut self, id: RecordId, grant: &Grant, depth: u8, live: bool) {
        let live = live && !self.deleted;
        let standing = match grant.to {
            Audience::Person(person) => self.persons.entry(person).or_default(),
            Audience::Device(device) => self.devices.entry(device).or_default(),
            Audience::Invite(key) => {
                if live {
                    let Grant { role, share, uses, expires, .. } = *grant;
                    self.invitations.push(Invitation { grant: id, key, role, share, uses, expires });
                }
                return;
            }
            Audience::Group(_) => return,
        };
        standing.note_ever(grant.role);
        if live {
            standing.note_live(grant.role, grant.share, depth, id, grant.expires);
        }
    }

    /// Gives each device what its persons hold, beside its own.
    fn spread_to_devices(&mut self, forest: &Forest<'_>) {
        for (person, standing) in &self.persons {
            let Some(roster) = forest.roster(*person) else { continue };
            for device in roster.ever.keys() {
                let own = self.devices.entry(*device).or_default();
                if let Some(ever) = standing.ever {
                    own.note_ever(ever);
                }
                if roster.contains(device) {
                    own.join(standing);
                }
            }
        }
    }

    /// What a device may do, expiry not consulted: a clock never decides what is in a document.
    #[must_use]
    pub fn role_of_device(&self, device: &DeviceId) -> Option<Role> {
        self.devices.get(device)?.role
    }

    /// What a device may do in a connection at this time, in milliseconds since 1970, with
    /// [`EXPIRY_GRACE_MS`] of grace.
    #[must_use]
    pub fn unexpired_role_of_device(&self, device: &DeviceId, now_ms: u64) -> Option<Role> {
        self.devices.get(device)?.unexpired(now_ms)
    }

    /// What a device could ever have done by signatures alone: whether its records are worth storing.
    #[must_use]
    pub fn ever_role_of_device(&self, device: &DeviceId) -> Option<Role> {
        self.devices.get(device)?.ever
    }

    /// What a person may do, expiry not consulted.
    #[must_use]
    pub fn role_of_person(&self, person: &PersonId) -> Option<Role> {
        self.persons.get(person)?.role
    }

    /// What a person could ever have done by signatures alone.
    #[must_use]
    pub fn ever_role_of_person(&self, person: &PersonId) -> Option<Role> {
        self.persons.get(person)?.ever
    }

    /// All that a person holds.
    #[must_use]
    pub fn standing_of_person(&self, person: &PersonId) -> Option<&Standing> {
        self.persons.get(person)
    }

    /// All that a device holds, through its persons and by itself.
    #[must_use]
    pub fn standing_of_device(&self, device: &DeviceId) -> Option<&Standing> {
        self.devices.get(device)
    }

    /// All persons that hold or ever held something, the owner among them.
    pub fn members(&self) -> impl Iterator<Item = (PersonId, &Standing)> {
        self.persons.iter().map(|(person, standing)| (*person, standing))
    }

    /// All devices that hold or ever held something.
    pub fn devices(&self) -> impl Iterator<Item = (DeviceId, &Standing)> {
        self.devices.iter().map(|(device, standing)| (*device, standing))
    }

    /// The live grants to invitations, by id.
    #[must_use]
    pub fn invites(&self) -> &[Invitation] {
        &self.invitations
    }
}

impl Default for Standing {
    /// Nothing, now and ever.
    fn default() -> Self {
        Self {
            role: None,
            ever: None,
            share: false,
            depth: u8::MAX,
            rank: RecordId::from_bytes([0xff; 32]),
            expires: None,
            until: BTreeMap::new(),
        }
    }
}

impl Standing {
    /// The role at this time, with grace.
    #[must_use]
    pub fn unexpired(&self, now_ms: u64) -> Option<Role> {
        let lasts =
            |until: &Option<u64>| until.is_none_or(|until| now_ms <= until.saturating_add(EXPIRY_GRACE_MS));
        self.until.iter().rev().find(|(_, until)| lasts(until)).map(|(role, _)| *role)
    }

    fn note_ever(&mut self, role: Role) {
        self.ever = self.ever.max(Some(role));
    }

    fn note_live(&mut self, role: Role, share: bool, depth: u8, id: RecordId, expires: Option<u64>) {
        self.share |= share;
        if role >= Role::Write {
            (self.depth, self.rank) = (self.depth, self.rank).min((depth, id));
        }
        self.note_until(role, expires);
    }

    fn note_until(&mut self, role: Role, expires: Option<u64>) {
        let longest = self.until.entry(role).or_insert(expires);
        *longest = longest.zip(expires).map(|(longest, expires)| longest.max(expires));
        self.role = self.role.max(Some(role));
        self.expires = self.role.and_then(|role| self.until.get(&role).copied().flatten());
    }

    /// Adds what another standing has now.
    fn join(&mut self, other: &Self) {
        self.share |= other.share;
        (self.depth, self.rank) = (self.depth, self.rank).min((other.depth, other.rank));
        for (role, expires) in &other.until {
            self.note_until(*role, *expires);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strongest_unexpired_role_counts() {
        let id = RecordId::from_bytes([1; 32]);
        let mut standing = Standing::default();
        standing.note_live(Role::Read, false, 2, id, None);
        standing.note_live(Role::Write, false, 1, id, Some(1_000));
        assert_eq!(standing.role, Some(Role::Write));
        assert_eq!(standing.expires, Some(1_000));
        assert_eq!(standing.unexpired(1_000 + EXPIRY_GRACE_MS), Some(Role::Write));
        assert_eq!(standing.unexpired(1_001 + EXPIRY_GRACE_MS), Some(Role::Read));
        standing.note_live(Role::Write, false, 1, id, None);
        assert_eq!(standing.unexpired(u64::MAX), Some(Role::Write));
        assert_eq!(standing.expires, None);
    }
}
