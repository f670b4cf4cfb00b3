//! Who may do what in one document, space or shelf: the evaluation of its grants.
//!
//! Of documents that nobody granted anything in there may be a hundred thousand, and who may do what is the same in
//! all that have one owner and one space. So [`Rights`] say nothing that is one document's alone, and are shared;
//! [`Access`] adds the document's own id and name.

mod explain;
mod forest;
mod standing;

pub use explain::{Chain, ChainLink, Explanation, Missing, Principal};
pub use forest::LinkStatus;
pub(crate) use forest::{Forest, lasts};
use standing::OWNERS_RANK;
pub use standing::Standing;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;
use std::sync::Arc;

use crate::bounds::MAX_NESTING;
use crate::ids::{DeviceId, InviteKey, PersonId, RecordId, ResourceId};
use crate::records::{Audience, ChangeHash, Grant, ResourceKind, RosterKind, Signer};
use crate::registry::{ResourceSet, Rosters};
use crate::role::Role;

/// Who may do what in one document, space or shelf, as the stored records have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// Of what.
    pub resource: ResourceId,
    /// The name it was born with.
    pub name: String,
    rights: Arc<Rights>,
}

impl Access {
    pub(crate) fn new(resource: ResourceId, name: String, rights: Arc<Rights>) -> Self {
        Self { resource, name, rights }
    }

    /// Who may do what, without what is this document's alone.
    #[must_use]
    pub fn rights(&self) -> &Arc<Rights> {
        &self.rights
    }
}

impl Deref for Access {
    type Target = Rights;

    fn deref(&self) -> &Rights {
        &self.rights
    }
}

/// Of what a resource is one, by its genesis: those that have no other record are all of one class if these are
/// the same, and then everybody may do the same in them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccessClass {
    /// Whose it is: a person, or a group.
    pub owner: PersonId,
    /// Document, space or shelf.
    pub kind: ResourceKind,
    /// The space it was born in.
    pub space: Option<ResourceId>,
}

/// Who may do what in a document, space or shelf, or in each of those of one [`AccessClass`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rights {
    /// Document, space or shelf.
    pub kind: ResourceKind,
    /// The space it was born in, whose grants apply here too.
    pub space: Option<ResourceId>,
    /// Whose it is: a person, or a group.
    pub owner: PersonId,
    /// Whether its owner, or that of its space, has deleted it. Then nobody has a role.
    pub deleted: bool,
    persons: BTreeMap<PersonId, Standing>,
    groups: BTreeMap<PersonId, Standing>,
    devices: BTreeMap<DeviceId, Standing>,
    persons_of: BTreeMap<DeviceId, BTreeSet<PersonId>>,
    invitations: Vec<Invitation>,
    excluded: BTreeSet<ChangeHash>,
    exclusions: Vec<Exclusion>,
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
    /// Whether those that redeem it may pass it on.
    pub share: bool,
    /// Whether only the device that made it lets people in by it.
    pub confirm: bool,
    /// The key that signed it.
    pub by: Signer,
    /// How often it may be redeemed; none is no limit.
    pub uses: Option<u32>,
    /// How many persons have redeemed it, as far as uses allow.
    pub redeemed: usize,
    /// Until when.
    pub expires: Option<u64>,
}

/// An exclusion that counts: its device is one of an Admin now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exclusion {
    /// The record.
    pub record: RecordId,
    /// The device that signed it.
    pub by: DeviceId,
    /// The changes that stay out.
    pub changes: Vec<ChangeHash>,
    /// Why, in its author's words.
    pub reason: String,
}

impl Rights {
    /// Those in a resource of which nothing but the genesis is stored; `space` are those in its space.
    pub(crate) fn of_class(class: AccessClass, rosters: &Rosters, space: Option<&Self>) -> Self {
        let mut rights = Self::none(class, space.is_some_and(|space| space.deleted));
        rights.note_owner(rosters);
        rights.spread(rosters, space);
        rights
    }

    /// Nothing for anybody.
    fn none(class: AccessClass, deleted: bool) -> Self {
        let AccessClass { owner, kind, space } = class;
        Self {
            kind,
            space,
            owner,
            deleted,
            persons: BTreeMap::new(),
            groups: BTreeMap::new(),
            devices: BTreeMap::new(),
            persons_of: BTreeMap::new(),
            invitations: Vec::new(),
            excluded: BTreeSet::new(),
            exclusions: Vec::new(),
        }
    }

    pub(crate) fn evaluate(set: &ResourceSet, rosters: &Rosters, space: Option<&Self>) -> Self {
        let forest = Forest::evaluate(set, rosters);
        let deleted = forest.tombstone.is_some() || space.is_some_and(|space| space.deleted);
        let mut rights = Self::none(set.class(), deleted);
        rights.note_owner(rosters);
        for (id, grant, depth, status) in forest.grants() {
            let live = status == LinkStatus::Live && !rights.deleted;
            match grant.to {
                Audience::Invite(key) if live => rights.note_invitation(id, key, grant, &forest),
                Audience::Invite(_) => {}
                Audience::Person(person) => {
                    note(rights.persons.entry(person).or_default(), id, grant, depth, live);
                }
                Audience::Group(group) => {
                    note(rights.groups.entry(group).or_default(), id, grant, depth, live);
                }
                Audience::Device(device) => {
                    note(rights.devices.entry(device).or_default(), id, grant, depth, live);
                }
            }
        }
        rights.spread(rosters, space);
        rights.note_exclusions(set);
        rights
    }

    /// Gives what was noted to all whom it reaches, and adds what comes from the space.
    fn spread(&mut self, rosters: &Rosters, space: Option<&Self>) {
        self.spread_to_persons(rosters);
        self.spread_to_devices(rosters);
        if let (Some(space), Some(id)) = (space, self.space) {
            self.join_space(id, space);
        }
    }

    fn note_owner(&mut self, rosters: &Rosters) {
        let owner = match rosters.kind(&self.owner) {
            Some(RosterKind::Group) => self.groups.entry(self.owner).or_default(),
            Some(RosterKind::Person) | None => self.persons.entry(self.owner).or_default(),
        };
        // A shelf is written by all devices, and nobody grants anything in it.
        let (role, share) = match self.kind {
            ResourceKind::Document | ResourceKind::Space => (Role::Admin, true),
            ResourceKind::Shelf => (Role::Write, false),
        };
        owner.note_ever(Some(role));
        if !self.deleted {
            owner.note_live(role, share, 0, OWNERS_RANK, None);
        }
    }

    fn note_invitation(&mut self, id: RecordId, key: InviteKey, grant: &Grant, forest: &Forest<'_>) {
        let Grant { role, share, confirm, by, uses, expires, .. } = *grant;
        let redeemed = forest.redeemed(&id);
        self.invitations.push(Invitation {
            grant: id,
            key,
            role,
            share,
            confirm,
            by,
            uses,
            redeemed,
            expires,
        });
    }

    /// Gives the persons of each group what it holds, through the groups within it too. Each group is met once
    /// at each depth, whichever way leads there.
    fn spread_to_persons(&mut self, rosters: &Rosters) {
        let mut layer = self.groups.clone();
        for _ in 0..MAX_NESTING {
            let mut within: BTreeMap<PersonId, Standing> = BTreeMap::new();
            for (group, standing) in layer {
                let Some(roster) = rosters.get(&group) else { continue };
                for member in roster.ever_persons.keys() {
                    let theirs = match rosters.kind(member) {
                        Some(RosterKind::Group) => within.entry(*member).or_default(),
                        Some(RosterKind::Person) | None => self.persons.entry(*member).or_default(),
                    };
                    theirs.note_ever(standing.ever);
                    if roster.contains_person(member) {
                        theirs.join(&standing);
                    }
                }
            }
            layer = within;
        }
    }

    /// Gives each device what its persons hold, beside its own.
    fn spread_to_devices(&mut self, rosters: &Rosters) {
        for (person, standing) in &self.persons {
            let Some(roster) = rosters.get(person) else { continue };
            for device in roster.ever.keys() {
                self.persons_of.entry(*device).or_default().insert(*person);
                let own = self.devices.entry(*device).or_default();
                own.note_ever(standing.ever);
                if roster.contains(device) {
                    own.join(standing);
                }
            }
        }
    }

    /// Adds the roles that people have in the space.
    fn join_space(&mut self, id: ResourceId, space: &Self) {
        let deleted = self.deleted;
        let genesis = RecordId::from_bytes(*id.as_bytes());
        let join = |own: &mut Standing, standing: &Standing| {
            own.note_ever(standing.ever);
            if !deleted {
                own.join_from_space(standing, genesis);
            }
        };
        for (person, standing) in &space.persons {
            join(self.persons.entry(*person).or_default(), standing);
        }
        for (group, standing) in &space.groups {
            join(self.groups.entry(*group).or_default(), standing);
        }
        for (device, standing) in &space.devices {
            join(self.devices.entry(*device).or_default(), standing);
        }
        for (device, persons) in &space.persons_of {
            self.persons_of.entry(*device).or_default().extend(persons);
        }
    }

    /// An exclusion counts while its device is one of an Admin, as a vouch counts while its device writes:
    /// whoever ends an Admin's role signs anew what is to stay out.
    fn note_exclusions(&mut self, set: &ResourceSet) {
        for (id, exclude) in &set.exclusions {
            if self.role_of_device(&exclude.by) != Some(Role::Admin) {
                continue;
            }
            self.excluded.extend(&exclude.changes);
            self.exclusions.push(Exclusion {
                record: *id,
                by: exclude.by,
                changes: exclude.changes.clone(),
                reason: exclude.reason.clone(),
            });
        }
    }

    /// Whether nobody who wrote before wrote with less right, or less seniority, and nothing stays out that did not
    /// then: all changes that were admitted, if none was held back, are so still.
    #[must_use]
    pub fn only_gains(&self, before: &Self) -> bool {
        let keeps = |(device, before): (&DeviceId, &Standing)| {
            before.role < Some(Role::Write)
                || self.devices.get(device).is_some_and(|now| {
                    now.role >= Some(Role::Write) && (now.depth, now.rank) == (before.depth, before.rank)
                })
        };
        self.deleted <= before.deleted
            && self.excluded.is_subset(&before.excluded)
            && before.devices.iter().all(keeps)
            && before
                .devices
                .keys()
                .all(|device| self.persons_of_device(device) == before.persons_of_device(device))
    }

    /// What a device may do, expiry not consulted: a clock never decides what is in a document.
    #[must_use]
    pub fn role_of_device(&self, device: &DeviceId) -> Option<Role> {
        self.devices.get(device)?.role
    }

    /// What a device may do in a connection at this time, in milliseconds since 1970, with
    /// [`EXPIRY_GRACE_MS`](crate::bounds::EXPIRY_GRACE_MS) of grace.
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

    /// All that a person holds, by itself, through groups and through the space.
    #[must_use]
    pub fn standing_of_person(&self, person: &PersonId) -> Option<&Standing> {
        self.persons.get(person)
    }

    /// All that a device holds, through its persons and by itself.
    #[must_use]
    pub fn standing_of_device(&self, device: &DeviceId) -> Option<&Standing> {
        self.devices.get(device)
    }

    /// The persons among the members whose rosters ever held this device, by signatures alone: no removal takes one
    /// away. Nobody is told of the rosters of others, so of a device to which something was granted by itself there
    /// may be none.
    #[must_use]
    pub fn persons_of_device(&self, device: &DeviceId) -> &BTreeSet<PersonId> {
        static NOBODY: BTreeSet<PersonId> = BTreeSet::new();
        self.persons_of.get(device).unwrap_or(&NOBODY)
    }

    /// All persons that hold or ever held something, the owner among them if it is one.
    pub fn members(&self) -> impl Iterator<Item = (PersonId, &Standing)> {
        self.persons.iter().map(|(person, standing)| (*person, standing))
    }

    /// All groups to which something is or ever was granted, the owner among them if it is one. Their persons
    /// are members each.
    pub fn groups(&self) -> impl Iterator<Item = (PersonId, &Standing)> {
        self.groups.iter().map(|(group, standing)| (*group, standing))
    }

    /// All devices that hold or ever held something.
    pub fn devices(&self) -> impl Iterator<Item = (DeviceId, &Standing)> {
        self.devices.iter().map(|(device, standing)| (*device, standing))
    }

    /// The devices that hold Write, or more, now.
    pub fn writers(&self) -> impl Iterator<Item = DeviceId> {
        let writers = self.devices.iter().filter(|(_, standing)| standing.role >= Some(Role::Write));
        writers.map(|(device, _)| *device)
    }

    /// The live grants to invitations, by id.
    #[must_use]
    pub fn invites(&self) -> &[Invitation] {
        &self.invitations
    }

    /// The changes that stay out, by the word of some Admin.
    #[must_use]
    pub fn excluded(&self) -> &BTreeSet<ChangeHash> {
        &self.excluded
    }

    /// The exclusions that count, by id: who keeps what out, and why.
    #[must_use]
    pub fn exclusions(&self) -> &[Exclusion] {
        &self.exclusions
    }
}

fn note(standing: &mut Standing, id: RecordId, grant: &Grant, depth: u8, live: bool) {
    standing.note_ever(Some(grant.role));
    if live {
        standing.note_live(grant.role, grant.share, depth, id, grant.expires);
    }
}
