//! The grants of one resource, each with what became of it.
//!
//! Every grant has one parent, so this is one walk from the genesis down.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::bounds::MAX_DEPTH;
use crate::ids::{DeviceId, PersonId, RecordId};
use crate::records::{Audience, Grant, Issuer, Parent, Revoke, Signer};
use crate::registry::{ResourceSet, RosterLog, Rosters};
use crate::role::Role;
use crate::roster::Roster;

/// What became of a grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LinkStatus {
    /// It counts.
    Live,
    /// Somebody upstream, or its own audience, ended it.
    Revoked {
        /// The revocation.
        record: RecordId,
        /// In whose name.
        issuer: Issuer,
    },
    /// The device that signed it is no longer one of its person's, and its removal did not keep this grant.
    SignerRemoved(DeviceId),
    /// The invitation had been redeemed as often as it allows, by redemptions of lower ids.
    UsedUp,
    /// A grant above it, the nearest, does not count.
    ParentEnded(RecordId),
}

/// The grants of one resource, evaluated.
pub(crate) struct Forest<'a> {
    pub(crate) set: &'a ResourceSet,
    rosters: &'a Rosters,
    status: BTreeMap<RecordId, LinkStatus>,
    /// The counted tombstone of the lowest id.
    pub(crate) tombstone: Option<RecordId>,
}

impl<'a> Forest<'a> {
    pub(crate) fn evaluate(set: &'a ResourceSet, rosters: &'a Rosters) -> Self {
        let tombstone = set.tombstones.iter().find(|(id, tombstone)| {
            roster(rosters, set.genesis.owner).is_some_and(|roster| roster.speaks_in(&tombstone.by, id))
        });
        let tombstone = tombstone.map(|(id, _)| *id);
        let mut forest = Self { set, rosters, status: BTreeMap::new(), tombstone };
        let mut order: Vec<(u8, RecordId)> =
            set.grants.iter().map(|(id, stored)| (stored.depth, *id)).collect();
        order.sort_unstable();
        let mut redeemed: BTreeMap<RecordId, u32> = BTreeMap::new();
        for (_, id) in order {
            if let Some(stored) = set.grants.get(&id) {
                let status = forest.status_of(id, &stored.grant, &mut redeemed);
                forest.status.insert(id, status);
            }
        }
        forest
    }

    /// What became of a grant, whose parent has been looked at already.
    fn status_of(&self, id: RecordId, grant: &Grant, redeemed: &mut BTreeMap<RecordId, u32>) -> LinkStatus {
        // Uses are counted by signatures alone: otherwise revoking one redemption would admit another.
        let used_up = self.redeems_too_often(grant, redeemed);
        if let (Issuer::Person(person), Signer::Device(device)) = (grant.issuer, grant.by)
            && !self.speaks(person, &device, &id)
        {
            return LinkStatus::SignerRemoved(device);
        }
        if let Some((record, revoke)) = self.revocation(id) {
            return LinkStatus::Revoked { record, issuer: revoke.issuer };
        }
        if used_up {
            return LinkStatus::UsedUp;
        }
        match grant.parent {
            Parent::Grant(parent) => match self.status(&parent) {
                LinkStatus::Live => LinkStatus::Live,
                LinkStatus::ParentEnded(above) => LinkStatus::ParentEnded(above),
                LinkStatus::Revoked { .. } | LinkStatus::SignerRemoved(_) | LinkStatus::UsedUp => {
                    LinkStatus::ParentEnded(parent)
                }
            },
            Parent::Genesis => LinkStatus::Live,
        }
    }

    fn redeems_too_often(&self, grant: &Grant, redeemed: &mut BTreeMap<RecordId, u32>) -> bool {
        let (Issuer::Invite(_), Parent::Grant(invitation)) = (grant.issuer, grant.parent) else {
            return false;
        };
        let uses = self.set.grants.get(&invitation).and_then(|stored| stored.grant.uses);
        let redeemed = redeemed.entry(invitation).or_default();
        *redeemed = redeemed.saturating_add(1);
        uses.is_some_and(|uses| *redeemed > uses)
    }

    /// The counted revocation of a grant of the lowest id.
    fn revocation(&self, grant: RecordId) -> Option<(RecordId, &'a Revoke)> {
        let revocations = self.set.revocations.get(&grant)?;
        revocations.iter().find(|(id, revoke)| self.counts(id, revoke)).map(|(id, revoke)| (*id, revoke))
    }

    fn counts(&self, id: &RecordId, revoke: &Revoke) -> bool {
        let Issuer::Person(person) = revoke.issuer else { return false };
        let target = self.set.grants.get(&revoke.target);
        // A device that gives back its own grant needs nobody's word for it.
        target.is_some_and(|target| target.grant.to == Audience::Device(revoke.by))
            || self.speaks(person, &revoke.by, id)
    }

    fn speaks(&self, person: PersonId, device: &DeviceId, record: &RecordId) -> bool {
        roster(self.rosters, person).is_some_and(|roster| roster.speaks_in(device, record))
    }

    pub(crate) fn roster(&self, person: PersonId) -> Option<&'a Arc<Roster>> {
        roster(self.rosters, person)
    }

    /// What became of a grant.
    pub(crate) fn status(&self, grant: &RecordId) -> LinkStatus {
        self.status.get(grant).copied().unwrap_or(LinkStatus::ParentEnded(*grant))
    }

    /// All grants, and what became of each.
    pub(crate) fn grants(&self) -> impl Iterator<Item = (RecordId, &'a Grant, u8, LinkStatus)> {
        let grants = self.set.grants.iter();
        grants.map(|(id, stored)| (*id, &stored.grant, stored.depth, self.status(id)))
    }

    fn live(&self) -> impl Iterator<Item = (RecordId, &'a Grant, u8)> {
        self.grants().filter_map(|(id, grant, depth, status)| {
            (status == LinkStatus::Live).then_some((id, grant, depth))
        })
    }

    /// The live grants that a revocation for this person would end.
    pub(crate) fn revocable_by(&self, person: PersonId) -> Vec<RecordId> {
        let issuer = Issuer::Person(person);
        let live = self.live().map(|(id, ..)| id);
        live.filter(|id| self.set.is_upstream(issuer, None, *id)).collect()
    }

    /// The parent under which a person may grant this.
    pub(crate) fn parent_for(&self, person: PersonId, role: Role) -> Option<Parent> {
        if self.tombstone.is_some() {
            return None;
        }
        if person == self.set.genesis.owner {
            return Some(Parent::Genesis);
        }
        self.live()
            .filter(|(_, grant, depth)| {
                grant.to == Audience::Person(person)
                    && grant.share
                    && grant.role >= role
                    && *depth < MAX_DEPTH
            })
            .max_by(|(id, grant, _), (other_id, other, _)| {
                grant.role.cmp(&other.role).then_with(|| other_id.cmp(id))
            })
            .map(|(id, ..)| Parent::Grant(id))
    }

    /// The genesis, the chains of a person's grants, and the records that ended them.
    pub(crate) fn records_about(&self, person: PersonId) -> BTreeSet<RecordId> {
        let own = |grant: &Grant| match grant.to {
            Audience::Person(to) => to == person,
            Audience::Device(device) => {
                self.roster(person).is_some_and(|roster| roster.ever_contained(&device))
            }
            Audience::Group(_) | Audience::Invite(_) => false,
        };
        let mut records: BTreeSet<RecordId> = BTreeSet::new();
        for (id, ..) in self.grants().filter(|(_, grant, ..)| own(grant)) {
            for (link, _) in self.set.chain(id) {
                records.insert(link);
                let revocations = self.set.revocations.get(&link).into_iter().flatten();
                records.extend(revocations.filter(|(id, revoke)| self.counts(id, revoke)).map(|(id, _)| *id));
            }
        }
        if !records.is_empty() || person == self.set.genesis.owner {
            records.insert(RecordId::from_bytes(*self.set.id.as_bytes()));
            records.extend(self.tombstone);
        }
        records
    }
}

fn roster(rosters: &Rosters, person: PersonId) -> Option<&Arc<Roster>> {
    rosters.get(&person).map(RosterLog::roster)
}
