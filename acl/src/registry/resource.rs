//! The stored records of one document, space or shelf, and which of them are worth storing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use super::rosters::Rosters;
use super::slots::{Admission, Slots};
use super::waiting::Awaited;
use super::{Refusal, Verdict};
use crate::access::{AccessClass, Rights, lasts};
use crate::bounds::{MAX_DEPTH, MAX_EXCLUSIONS_PER_DEVICE, MAX_GRANTS_PER_SIGNER};
use crate::ids::{DeviceId, PersonId, RecordId, ResourceId};
use crate::records::{
    Audience, Capacity, Exclude, Genesis, Grant, Issuer, Parent, Record, ResourceKind, Revoke, Signer,
    Tombstone,
};
use crate::role::Role;

/// In whose name a grant is, the key that signed it, and how deep it stands. Each key has its own room, so that
/// one that was removed takes none from the others of its person.
type Slot = (Issuer, Signer, u8);

/// A grant and the number of grants from it up to the genesis, itself included.
#[derive(Debug, Clone)]
pub(crate) struct StoredGrant {
    /// Apart, since a tree of one entry has room for eleven.
    pub(crate) grant: Box<Grant>,
    pub(crate) depth: u8,
}

/// One resource's records. The parent of every grant and the target of every revocation are here, and every
/// one of them would count if nothing had ever been revoked or removed.
#[derive(Debug, Clone)]
pub(crate) struct ResourceSet {
    pub(crate) id: ResourceId,
    pub(crate) genesis: Genesis,
    pub(crate) grants: BTreeMap<RecordId, StoredGrant>,
    /// By target, in order of their ids.
    pub(crate) revocations: BTreeMap<RecordId, BTreeMap<RecordId, Revoke>>,
    pub(crate) tombstones: BTreeMap<RecordId, Tombstone>,
    pub(crate) exclusions: BTreeMap<RecordId, Exclude>,
    /// How many grants give each role to each.
    ever: BTreeMap<Audience, BTreeMap<Role, u32>>,
    slots: Slots<Slot>,
    exclusion_slots: Slots<DeviceId>,
    /// The rosters that records name, and how many times.
    named: BTreeMap<PersonId, u32>,
    memo: OnceLock<Arc<Rights>>,
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
            exclusions: BTreeMap::new(),
            ever: BTreeMap::new(),
            slots: Slots::new(MAX_GRANTS_PER_SIGNER),
            exclusion_slots: Slots::new(MAX_EXCLUSIONS_PER_DEVICE),
            memo: OnceLock::new(),
        }
    }

    /// Who may do what; `space` is who may in the space it was born in.
    pub(super) fn rights(&self, rosters: &Rosters, space: Option<&Arc<Rights>>) -> &Arc<Rights> {
        self.memo.get_or_init(|| Arc::new(Rights::evaluate(self, rosters, space.map(AsRef::as_ref))))
    }

    /// The same, if somebody has asked for it since something changed.
    pub(super) fn known_rights(&self) -> Option<Arc<Rights>> {
        self.memo.get().cloned()
    }

    /// Of what it is one.
    pub(crate) fn class(&self) -> AccessClass {
        self.genesis.class()
    }

    /// Whether it has no record but its genesis.
    pub(super) fn is_bare(&self) -> bool {
        self.grants.is_empty() && self.tombstones.is_empty() && self.exclusions.is_empty()
    }

    /// Something on which the answer depends has changed.
    pub(super) fn invalidate(&mut self) {
        self.memo = OnceLock::new();
    }

    /// The rosters that records of this resource name.
    pub(crate) fn named(&self) -> impl Iterator<Item = PersonId> {
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

    /// A grant, and all that have to be stored for it to be: those above it, and the invitations redeemed.
    pub(crate) fn grounds(&self, grant: RecordId) -> BTreeSet<RecordId> {
        let mut grounds = BTreeSet::from([grant]);
        let mut open = vec![grant];
        while let Some(id) = open.pop() {
            let below = self.grants.get(&id).into_iter().flat_map(|stored| rests_on(&stored.grant));
            open.extend(below.filter(|id| grounds.insert(*id)));
        }
        grounds
    }

    /// The most that was ever granted to any of these.
    pub(super) fn ever_granted(&self, to: impl IntoIterator<Item = Audience>) -> Option<Role> {
        let roles = to.into_iter().filter_map(|to| self.ever.get(&to)?.keys().next_back().copied());
        roles.max()
    }

    /// Whether something is issued in the owner's name.
    pub(crate) fn is_owner(&self, issuer: Issuer) -> bool {
        issuing_roster(issuer) == Some(self.genesis.owner)
    }

    /// Whether a revocation for this issuer, signed by this device, would count against this grant.
    fn is_upstream(&self, issuer: Issuer, by: &DeviceId, target: RecordId) -> bool {
        let Some(stored) = self.grants.get(&target) else { return false };
        issuer_is(stored.grant.to, issuer)
            || stored.grant.to == Audience::Device(*by)
            || self.is_above(issuer, target)
    }

    /// Whether a grant came from this issuer: the owner, or who issued it or one above it.
    pub(crate) fn is_above(&self, issuer: Issuer, grant: RecordId) -> bool {
        self.is_owner(issuer) || self.chain(grant).any(|(_, above)| above.grant.issuer == issuer)
    }

    /// Takes in a grant if it is worth storing. Says which others had to go for it.
    pub(super) fn insert_grant(
        &mut self,
        id: RecordId,
        grant: &Grant,
        rosters: &Rosters,
        wanted: bool,
    ) -> Result<Vec<RecordId>, Verdict> {
        if self.genesis.kind == ResourceKind::Shelf {
            return Err(Verdict::Refused(Refusal::WrongKind("a grant in a shelf")));
        }
        let depth = self.judge_grant(grant)?;
        self.judge_redemption(grant)?;
        match (grant.issuer, grant.by) {
            (Issuer::Person(_) | Issuer::Group(_), Signer::Device(device)) => {
                rosters.require(grant.issuer, device, Capacity::Full)?;
            }
            (Issuer::Invite(key), Signer::Invite(by)) if key == by => {}
            _ => return Err(Verdict::Refused(Refusal::WrongSigner)),
        }
        // First, so that what it rests on does not go for it.
        for below in rests_on(grant) {
            self.slots.add_child(below);
        }
        let evicted = match self.slots.admit(slot(grant, depth), id, wanted) {
            Admission::Full => {
                for below in rests_on(grant) {
                    self.slots.take_child(below);
                }
                return Err(Verdict::Refused(Refusal::TooMany("grants signed by one key")));
            }
            Admission::Kept => None,
            Admission::Evicts(other) => Some(other),
        };
        for roster in issuing_roster(grant.issuer).into_iter().chain(audience_roster(grant.to)) {
            self.name(roster);
        }
        *self.ever.entry(grant.to).or_default().entry(grant.role).or_default() += 1;
        self.grants.insert(id, StoredGrant { grant: Box::new(grant.clone()), depth });
        self.invalidate();
        Ok(evicted.map(|evicted| self.evict(evicted)).unwrap_or_default())
    }

    /// Whether a grant stays within its parent, and how deep it stands.
    fn judge_grant(&self, grant: &Grant) -> Result<u8, Verdict> {
        let refuse = |refusal| Err(Verdict::Refused(refusal));
        if grant.role == Role::Relay {
            return refuse(Refusal::NotYet("the relay role"));
        }
        let parent = match grant.parent {
            Parent::Genesis if self.is_owner(grant.issuer) => return Ok(1),
            Parent::Genesis => return refuse(Refusal::NotTheIssuersToGive),
            Parent::Grant(parent) => match self.grants.get(&parent) {
                Some(stored) => stored,
                None => return Err(Verdict::Wait(Awaited::Record(parent))),
            },
        };
        let above = &parent.grant;
        // An invitation's own key lets in persons if it says so, even where they may not pass it on.
        let allowed = match above.to {
            Audience::Invite(_) => matches!(grant.to, Audience::Person(_)) && above.offline,
            Audience::Person(_) | Audience::Group(_) | Audience::Device(_) => above.share,
        };
        if !allowed || !issuer_is(above.to, grant.issuer) {
            return refuse(Refusal::NotTheIssuersToGive);
        }
        if exceeds(grant, above) || !lasts(above.expires, grant.expires) {
            return refuse(Refusal::ExceedsParent);
        }
        if parent.depth >= MAX_DEPTH {
            return refuse(Refusal::TooDeep);
        }
        Ok(parent.depth + 1)
    }

    /// Whether a grant may answer the invitation that it says it does.
    fn judge_redemption(&self, grant: &Grant) -> Result<(), Verdict> {
        let Some(redeems) = grant.redeems else { return Ok(()) };
        let Some(StoredGrant { grant: invitation, .. }) = self.grants.get(&redeems) else {
            return Err(Verdict::Wait(Awaited::Record(redeems)));
        };
        if !matches!(invitation.to, Audience::Invite(_)) {
            return Err(Verdict::Refused(Refusal::NoInvitation));
        }
        if exceeds(grant, invitation) {
            return Err(Verdict::Refused(Refusal::ExceedsParent));
        }
        if invitation.confirm && grant.by != invitation.by {
            return Err(Verdict::Refused(Refusal::NotConfirmed));
        }
        if !self.is_above(grant.issuer, redeems) {
            return Err(Verdict::Refused(Refusal::NotTheirInvitation));
        }
        Ok(())
    }

    /// Takes in a revocation if it is worth storing.
    pub(super) fn insert_revoke(
        &mut self,
        id: RecordId,
        revoke: &Revoke,
        rosters: &Rosters,
    ) -> Result<(), Verdict> {
        if self.genesis.kind == ResourceKind::Shelf {
            return Err(Verdict::Refused(Refusal::WrongKind("a revocation in a shelf")));
        }
        let Some(target) = self.grants.get(&revoke.target) else {
            return Err(Verdict::Wait(Awaited::Record(revoke.target)));
        };
        let own = gives_back(revoke, &target.grant);
        if !self.is_upstream(revoke.issuer, &revoke.by, revoke.target) {
            return Err(Verdict::Refused(Refusal::NotUpstream));
        }
        rosters.require(revoke.issuer, revoke.by, if own { Capacity::Limited } else { Capacity::Full })?;
        self.revocations.entry(revoke.target).or_default().insert(id, revoke.clone());
        if let Some(roster) = issuing_roster(revoke.issuer) {
            self.name(roster);
        }
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
        rosters.require_owner(self.genesis.owner, tombstone.by)?;
        self.tombstones.insert(id, tombstone.clone());
        self.invalidate();
        Ok(())
    }

    /// Takes in an exclusion, whose device could ever have been an Admin. Says which other had to go for it.
    pub(super) fn insert_exclude(
        &mut self,
        id: RecordId,
        exclude: &Exclude,
    ) -> Result<Vec<RecordId>, Verdict> {
        let evicted = match self.exclusion_slots.admit(exclude.by, id, false) {
            Admission::Full => return Err(Verdict::Refused(Refusal::TooMany("exclusions of one device"))),
            Admission::Kept => None,
            Admission::Evicts(other) => Some(other),
        };
        self.exclusions.insert(id, exclude.clone());
        if let Some(evicted) = &evicted {
            self.drop_exclude(evicted);
        }
        self.invalidate();
        Ok(evicted.into_iter().collect())
    }

    /// Drops an exclusion.
    pub(super) fn drop_exclude(&mut self, id: &RecordId) {
        if let Some(exclude) = self.exclusions.remove(id) {
            self.exclusion_slots.remove(exclude.by, *id, &[]);
            self.invalidate();
        }
    }

    /// Drops a grant that lies beyond the bound and on which nothing builds, though it was waited for.
    pub(super) fn drop_spare(&mut self, id: RecordId) -> Vec<RecordId> {
        let spare = |stored: &StoredGrant| self.slots.is_spare(slot(&stored.grant, stored.depth), id);
        if !self.grants.get(&id).is_some_and(spare) {
            return Vec::new();
        }
        self.invalidate();
        self.evict(id)
    }

    /// Drops a grant that nothing builds on with its revocations, and what is left without a child by that.
    fn evict(&mut self, first: RecordId) -> Vec<RecordId> {
        let mut queue = vec![first];
        let mut dropped = Vec::new();
        while let Some(id) = queue.pop() {
            let Some(stored) = self.grants.remove(&id) else { continue };
            let revocations = self.revocations.remove(&id).unwrap_or_default();
            let Grant { issuer, to, .. } = *stored.grant;
            let revokers = revocations.values().map(|revoke| revoke.issuer);
            let issuers = std::iter::once(issuer).chain(revokers).filter_map(issuing_roster);
            for roster in issuers.chain(audience_roster(to)) {
                self.unname(roster);
            }
            self.ungrant(&stored.grant);
            let below: Vec<_> = rests_on(&stored.grant)
                .filter_map(|below| {
                    let found = self.grants.get(&below)?;
                    Some((slot(&found.grant, found.depth), below))
                })
                .collect();
            queue.extend(self.slots.remove(slot(&stored.grant, stored.depth), id, &below));
            dropped.push(id);
            dropped.extend(revocations.into_keys());
        }
        dropped
    }

    fn name(&mut self, roster: PersonId) {
        *self.named.entry(roster).or_default() += 1;
    }

    fn ungrant(&mut self, grant: &Grant) {
        let Some(roles) = self.ever.get_mut(&grant.to) else { return };
        if let Some(count) = roles.get_mut(&grant.role) {
            *count -= 1;
            if *count == 0 {
                roles.remove(&grant.role);
            }
        }
        if roles.is_empty() {
            self.ever.remove(&grant.to);
        }
    }

    fn unname(&mut self, roster: PersonId) {
        if let Some(count) = self.named.get_mut(&roster) {
            *count -= 1;
            if *count == 0 {
                self.named.remove(&roster);
            }
        }
    }
}

fn slot(grant: &Grant, depth: u8) -> Slot {
    (grant.issuer, grant.by, depth)
}

/// Whether a device gives back what was granted to it: that is its own to do, whatever it may do for its person.
pub(crate) fn gives_back(revoke: &Revoke, target: &Grant) -> bool {
    matches!(revoke.issuer, Issuer::Person(_)) && target.to == Audience::Device(revoke.by)
}

/// The grants that a grant builds on: its parent, and the invitation that it redeems.
pub(crate) fn rests_on(grant: &Grant) -> impl Iterator<Item = RecordId> + use<> {
    let parent = match grant.parent {
        Parent::Genesis => None,
        Parent::Grant(parent) => Some(parent),
    };
    parent.into_iter().chain(grant.redeems)
}

/// Whether a grant gives more than one that it rests on.
fn exceeds(grant: &Grant, above: &Grant) -> bool {
    grant.role > above.role || (grant.share && !above.share)
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
        Record::Grant(grant) => (Some(grant.issuer), audience_roster(grant.to)),
        Record::Revoke(revoke) => (Some(revoke.issuer), None),
        Record::RosterGenesis(_)
        | Record::RosterOperation(_)
        | Record::Exclude(_)
        | Record::Tombstone(_)
        | Record::Keys(_) => (None, None),
    };
    issuer.and_then(issuing_roster).into_iter().chain(other)
}

fn audience_roster(to: Audience) -> Option<PersonId> {
    match to {
        Audience::Person(person) | Audience::Group(person) => Some(person),
        Audience::Device(_) | Audience::Invite(_) => None,
    }
}

fn issuing_roster(issuer: Issuer) -> Option<PersonId> {
    match issuer {
        Issuer::Person(person) | Issuer::Group(person) => Some(person),
        Issuer::Invite(_) => None,
    }
}
