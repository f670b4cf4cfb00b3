//! The stored records of one document, and which of them are worth storing.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use super::log::RosterLog;
use super::slots::{Admission, Slots};
use super::waiting::Awaited;
use super::{Refusal, Verdict};
use crate::access::Access;
use crate::bounds::{MAX_DEPTH, MAX_GRANTS_PER_ISSUER};
use crate::ids::{DeviceId, PersonId, RecordId, ResourceId};
use crate::records::{Audience, Capacity, Genesis, Grant, Issuer, Parent, Record, Revoke, Signer, Tombstone};
use crate::role::Role;

/// Rosters by person, as far as they are known.
pub(crate) type Rosters = BTreeMap<PersonId, RosterLog>;

/// A grant and the number of grants from it up to the genesis, itself included.
#[derive(Debug)]
pub(crate) struct StoredGrant {
    pub(crate) grant: Grant,
    pub(crate) depth: u8,
}

/// One resource's records. The parent of every grant and the target of every revocation are here, and every
/// one of them would count if nothing had ever been revoked or removed.
#[derive(Debug)]
pub(crate) struct ResourceSet {
    pub(crate) id: ResourceId,
    pub(crate) genesis: Genesis,
    pub(crate) grants: BTreeMap<RecordId, StoredGrant>,
    /// By target, in order of their ids.
    pub(crate) revocations: BTreeMap<RecordId, BTreeMap<RecordId, Revoke>>,
    pub(crate) tombstones: BTreeMap<RecordId, Tombstone>,
    slots: Slots<(Issuer, u8)>,
    /// The rosters that grants name, and how many times.
    named: BTreeMap<PersonId, u32>,
    memo: OnceLock<Arc<Access>>,
}

impl ResourceSet {
    pub(super) fn new(id: ResourceId, genesis: Genesis) -> Self {
        Self {
            id,
            named: BTreeMap::from([(genesis.owner, 1)]),
            genesis,
            grants: BTreeMap::new(),
            revocations: BTreeMap::new(),
            tombstones: BTreeMap::new(),
            slots: Slots::new(MAX_GRANTS_PER_ISSUER),
            memo: OnceLock::new(),
        }
    }

    /// Who may do what.
    pub(super) fn access(&self, rosters: &Rosters) -> &Arc<Access> {
        self.memo.get_or_init(|| Arc::new(Access::evaluate(self, rosters)))
    }

    /// A roster that is named here has changed.
    pub(super) fn invalidate(&mut self) {
        self.memo = OnceLock::new();
    }

    /// The rosters on which the answer depends.
    pub(super) fn named(&self) -> impl Iterator<Item = PersonId> {
        self.named.keys().copied()
    }

    pub(super) fn names(&self, person: &PersonId) -> bool {
        self.named.contains_key(person)
    }

    /// The grants from this one up, itself first.
    pub(crate) fn chain(&self, grant: RecordId) -> impl Iterator<Item = (RecordId, &StoredGrant)> {
        let first = self.grants.get(&grant).map(|stored| (grant, stored));
        std::iter::successors(first, |(_, stored)| match stored.grant.parent {
            Parent::Genesis => None,
            Parent::Grant(parent) => self.grants.get(&parent).map(|stored| (parent, stored)),
        })
    }

    /// Whether a revocation for this issuer, signed by this device, would count against this grant.
    pub(crate) fn is_upstream(&self, issuer: Issuer, by: Option<&DeviceId>, target: RecordId) -> bool {
        let Some(stored) = self.grants.get(&target) else { return false };
        issuer == Issuer::Person(self.genesis.owner)
            || issuer_is(stored.grant.to, issuer)
            || by.is_some_and(|by| stored.grant.to == Audience::Device(*by))
            || self.chain(target).any(|(_, above)| above.grant.issuer == issuer)
    }

    /// Takes in a grant if it is worth storing. Says which others had to go for it.
    pub(super) fn insert_grant(
        &mut self,
        id: RecordId,
        grant: &Grant,
        rosters: &Rosters,
        wanted: bool,
    ) -> Result<Vec<RecordId>, Verdict> {
        let depth = self.judge_grant(grant)?;
        match (grant.issuer, grant.by) {
            (Issuer::Person(person), Signer::Device(device)) => {
                require(rosters, person, device, Capacity::Full)?;
            }
            (Issuer::Invite(key), Signer::Invite(by)) if key == by => {}
            _ => return Err(Verdict::Refused(Refusal::WrongSigner)),
        }
        let evicted = match self.slots.admit((grant.issuer, depth), id, wanted) {
            Admission::Full => return Err(Verdict::Refused(Refusal::TooMany("grants of one issuer"))),
            Admission::Kept => None,
            Admission::Evicts(other) => Some(other),
        };
        if let Parent::Grant(parent) = grant.parent {
            self.slots.add_child(parent);
        }
        for person in issuing_person(grant.issuer).into_iter().chain(audience_person(grant.to)) {
            *self.named.entry(person).or_default() += 1;
        }
        self.grants.insert(id, StoredGrant { grant: grant.clone(), depth });
        self.invalidate();
        Ok(evicted.map(|evicted| self.evict(evicted)).unwrap_or_default())
    }

    /// Whether a grant stays within its parent, and how deep it stands.
    fn judge_grant(&self, grant: &Grant) -> Result<u8, Verdict> {
        let refuse = |refusal| Err(Verdict::Refused(refusal));
        if matches!(grant.issuer, Issuer::Group(_)) || matches!(grant.to, Audience::Group(_)) {
            return refuse(Refusal::NotYet("groups"));
        }
        if grant.role == Role::Relay {
            return refuse(Refusal::NotYet("the relay role"));
        }
        let parent = match grant.parent {
            Parent::Genesis if grant.issuer == Issuer::Person(self.genesis.owner) => return Ok(1),
            Parent::Genesis => return refuse(Refusal::NotTheIssuersToGive),
            Parent::Grant(parent) => match self.grants.get(&parent) {
                Some(stored) => stored,
                None => return Err(Verdict::Wait(Awaited::Record(parent))),
            },
        };
        let above = &parent.grant;
        if !issuer_is(above.to, grant.issuer) || !above.share {
            return refuse(Refusal::NotTheIssuersToGive);
        }
        let outlives = match (above.expires, grant.expires) {
            (Some(above), Some(below)) => below > above,
            (Some(_), None) => true,
            (None, _) => false,
        };
        if grant.role > above.role || outlives {
            return refuse(Refusal::ExceedsParent);
        }
        if parent.depth >= MAX_DEPTH {
            return refuse(Refusal::TooDeep);
        }
        Ok(parent.depth + 1)
    }

    /// Takes in a revocation if it is worth storing.
    pub(super) fn insert_revoke(
        &mut self,
        id: RecordId,
        revoke: &Revoke,
        rosters: &Rosters,
    ) -> Result<(), Verdict> {
        let Some(target) = self.grants.get(&revoke.target) else {
            return Err(Verdict::Wait(Awaited::Record(revoke.target)));
        };
        let Issuer::Person(person) = revoke.issuer else {
            return Err(Verdict::Refused(Refusal::NotYet("groups")));
        };
        // A device gives back its own grant, whatever it may do for its person.
        let own = target.grant.to == Audience::Device(revoke.by);
        if !self.is_upstream(revoke.issuer, Some(&revoke.by), revoke.target) {
            return Err(Verdict::Refused(Refusal::NotUpstream));
        }
        require(rosters, person, revoke.by, if own { Capacity::Limited } else { Capacity::Full })?;
        self.revocations.entry(revoke.target).or_default().insert(id, revoke.clone());
        *self.named.entry(person).or_default() += 1;
        self.invalidate();
        Ok(())
    }

    /// Takes in a tombstone if it is worth storing.
    pub(super) fn insert_tombstone(
        &mut self,
        id: RecordId,
        tombstone: &Tombstone,
        rosters: &Rosters,
    ) -> Result<(), Verdict> {
        require(rosters, self.genesis.owner, tombstone.by, Capacity::Full)?;
        self.tombstones.insert(id, tombstone.clone());
        self.invalidate();
        Ok(())
    }

    /// Drops a grant that nothing builds on with its revocations, and what is left without a child by that.
    fn evict(&mut self, first: RecordId) -> Vec<RecordId> {
        let mut queue = vec![first];
        let mut dropped = Vec::new();
        while let Some(id) = queue.pop() {
            let Some(stored) = self.grants.remove(&id) else { continue };
            let revocations = self.revocations.remove(&id).unwrap_or_default();
            let Grant { issuer, to, .. } = stored.grant;
            let revokers = revocations.values().map(|revoke| revoke.issuer);
            let issuers = std::iter::once(issuer).chain(revokers).filter_map(issuing_person);
            for person in issuers.chain(audience_person(to)) {
                self.unname(person);
            }
            let parent = match stored.grant.parent {
                Parent::Genesis => None,
                Parent::Grant(parent) => {
                    self.grants.get(&parent).map(|above| ((above.grant.issuer, above.depth), parent))
                }
            };
            queue.extend(self.slots.remove((stored.grant.issuer, stored.depth), id, parent.as_slice()));
            dropped.push(id);
            dropped.extend(revocations.into_keys());
        }
        dropped
    }

    fn unname(&mut self, person: PersonId) {
        if let Some(count) = self.named.get_mut(&person) {
            *count -= 1;
            if *count == 0 {
                self.named.remove(&person);
            }
        }
    }
}

/// Requires that a device ever was one of a person's, by signatures alone. A roster that does not say so yet
/// may still come to.
pub(super) fn require(
    rosters: &Rosters,
    person: PersonId,
    device: DeviceId,
    least: Capacity,
) -> Result<(), Verdict> {
    let capacity = rosters.get(&person).and_then(|log| log.roster().ever.get(&device));
    match capacity {
        Some(capacity) if *capacity >= least => Ok(()),
        _ => Err(Verdict::Wait(Awaited::Roster(person))),
    }
}

/// Whether whom a grant is to, and in whose name another is made, are the same.
fn issuer_is(to: Audience, issuer: Issuer) -> bool {
    match (to, issuer) {
        (Audience::Person(to), Issuer::Person(issuer)) | (Audience::Group(to), Issuer::Group(issuer)) => {
            to == issuer
        }
        (Audience::Invite(to), Issuer::Invite(issuer)) => to == issuer,
        // A grant to a device is not passed on.
        _ => false,
    }
}

/// The rosters that a record of a resource names.
pub(super) fn named_by(record: &Record) -> impl Iterator<Item = PersonId> + use<> {
    let (issuer, other) = match record {
        Record::Genesis(genesis) => (None, Some(genesis.owner)),
        Record::Grant(grant) => (Some(grant.issuer), audience_person(grant.to)),
        Record::Revoke(revoke) => (Some(revoke.issuer), None),
        Record::RosterGenesis(_)
        | Record::RosterOperation(_)
        | Record::Exclude(_)
        | Record::Tombstone(_)
        | Record::Keys(_) => (None, None),
    };
    issuer.and_then(issuing_person).into_iter().chain(other)
}

fn audience_person(to: Audience) -> Option<PersonId> {
    match to {
        Audience::Person(person) | Audience::Group(person) => Some(person),
        Audience::Device(_) | Audience::Invite(_) => None,
    }
}

fn issuing_person(issuer: Issuer) -> Option<PersonId> {
    match issuer {
        Issuer::Person(person) | Issuer::Group(person) => Some(person),
        Issuer::Invite(_) => None,
    }
}
