//! The grants of one resource, each with what became of it.
//!
//! Every grant has one parent, so this is one walk from the genesis down.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use crate::bounds::MAX_DEPTH;
use crate::ids::{DeviceId, PersonId, RecordId};
use crate::records::{Audience, Grant, Issuer, Parent, ResourceKind, Revoke, Signer};
use crate::registry::{ResourceSet, Rosters, Voices, gives_back};
use crate::role::Role;

/// What became of a grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LinkStatus {
    /// It counts.
    Live,
    /// Somebody upstream, or its own audience, ended it; or, where an invitation's key signed it, another
    /// redemption of that invitation by the same person.
    Revoked {
        /// The revocation.
        record: RecordId,
        /// In whose name.
        issuer: Issuer,
    },
    /// The device that signed it no longer speaks for its issuer, and no removal kept this grant.
    SignerRemoved(DeviceId),
    /// The invitation had been redeemed as often as it allows, by redemptions that come before it.
    UsedUp,
    /// A grant above it, the nearest, does not count.
    ParentEnded(RecordId),
}

/// In which order the redemptions of an invitation are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Precedence {
    /// Signed by a device whose word it still is, under a grant that stands.
    Stands,
    /// Signed by the invitation's key. Whoever holds a ticket displaces nobody that was let in.
    Bearer,
    /// Signed by a device, and of no effect now: a device that was removed displaces nobody.
    Ended,
}

/// The grants of one resource, evaluated.
pub(crate) struct Forest<'a> {
    pub(crate) set: &'a ResourceSet,
    voices: Voices<'a>,
    status: BTreeMap<RecordId, LinkStatus>,
    /// All grants, with their depth, parents first.
    order: Vec<(u8, RecordId)>,
    /// By invitation, the persons that it let in.
    redeemed: BTreeMap<RecordId, BTreeSet<Audience>>,
    used_up: BTreeSet<RecordId>,
    /// What the keys of invitations signed for persons of whom a redemption was revoked, and by what.
    turned_away: BTreeMap<RecordId, (RecordId, Issuer)>,
    /// The counted tombstone of the lowest id.
    pub(crate) tombstone: Option<RecordId>,
}

impl<'a> Forest<'a> {
    pub(crate) fn evaluate(set: &'a ResourceSet, rosters: &'a Rosters) -> Self {
        let mut order: Vec<(u8, RecordId)> =
            set.grants.iter().map(|(id, stored)| (stored.depth, *id)).collect();
        order.sort_unstable();
        let mut forest = Self {
            set,
            voices: Voices::now(rosters, set.named()),
            status: BTreeMap::new(),
            order: Vec::new(),
            redeemed: BTreeMap::new(),
            used_up: BTreeSet::new(),
            turned_away: BTreeMap::new(),
            tombstone: None,
        };
        let counted = set
            .tombstones
            .iter()
            .find(|(id, tombstone)| forest.voices.speaks_in(set.genesis.owner, &tombstone.by, id));
        forest.tombstone = counted.map(|(id, _)| *id);
        forest.order = order;
        forest.follow();
        if forest.count_redemptions() {
            forest.follow();
        }
        forest
    }

    /// Says of every grant what became of it, from the genesis down.
    fn follow(&mut self) {
        for at in 0..self.order.len() {
            let Some((_, id)) = self.order.get(at).copied() else { continue };
            if let Some(stored) = self.set.grants.get(&id) {
                let status = self.status_of(id, &stored.grant);
                self.status.insert(id, status);
            }
        }
    }

    /// Finds what came too late for an invitation, or comes back by it. A person uses it once, in order of
    /// [`Precedence`] and then of ids, and it stays used if that one is revoked: that must not admit another.
    /// Whether there is any such.
    fn count_redemptions(&mut self) -> bool {
        let mut redemptions: Vec<(RecordId, Precedence, RecordId)> = Vec::new();
        let mut revoked: BTreeMap<(RecordId, Audience), (RecordId, Issuer)> = BTreeMap::new();
        for (id, stored) in &self.set.grants {
            let grant = &stored.grant;
            let Some(invitation) = redeemed_by(grant) else { continue };
            redemptions.push((invitation, self.precedence(*id, grant), *id));
            if let Some((record, revoke)) = self.revocation(*id) {
                revoked.entry((invitation, grant.to)).or_insert((record, revoke.issuer));
            }
        }
        redemptions.sort_unstable();
        for (invitation, precedence, id) in redemptions {
            let Some(to) = self.set.grants.get(&id).map(|stored| stored.grant.to) else { continue };
            let uses = self.set.grants.get(&invitation).and_then(|stored| stored.grant.uses);
            let persons = self.redeemed.entry(invitation).or_default();
            let room = uses.is_none_or(|uses| u32::try_from(persons.len()).is_ok_and(|used| used < uses));
            if room {
                persons.insert(to);
            } else if !persons.contains(&to) {
                self.used_up.insert(id);
            }
            if let (Precedence::Bearer, Some(revoked)) = (precedence, revoked.get(&(invitation, to))) {
                self.turned_away.insert(id, *revoked);
            }
        }
        !self.used_up.is_empty() || !self.turned_away.is_empty()
    }

    /// Which redemptions of an invitation come first, uses not consulted.
    fn precedence(&self, id: RecordId, grant: &Grant) -> Precedence {
        let Signer::Device(device) = grant.by else { return Precedence::Bearer };
        let stands = match grant.parent {
            Parent::Genesis => true,
            Parent::Grant(parent) => self.status(&parent) == LinkStatus::Live,
        };
        if stands && self.voices.issues(grant.issuer, &device, &id) {
            Precedence::Stands
        } else {
            Precedence::Ended
        }
    }

    /// What became of a grant, whose parent has been looked at already.
    fn status_of(&self, id: RecordId, grant: &Grant) -> LinkStatus {
        if let Signer::Device(device) = grant.by
            && !self.voices.issues(grant.issuer, &device, &id)
        {
            return LinkStatus::SignerRemoved(device);
        }
        if let Some((record, revoke)) = self.revocation(id) {
            return LinkStatus::Revoked { record, issuer: revoke.issuer };
        }
        if let Some((record, issuer)) = self.turned_away.get(&id).copied() {
            return LinkStatus::Revoked { record, issuer };
        }
        if self.used_up.contains(&id) {
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

    /// The counted revocation of a grant of the lowest id.
    fn revocation(&self, grant: RecordId) -> Option<(RecordId, &'a Revoke)> {
        let revocations = self.set.revocations.get(&grant)?;
        revocations.iter().find(|(id, revoke)| self.counts(id, revoke)).map(|(id, revoke)| (*id, revoke))
    }

    /// Whether a revocation counts, whatever else became of its target.
    pub(crate) fn counts(&self, id: &RecordId, revoke: &Revoke) -> bool {
        let target = self.set.grants.get(&revoke.target);
        target.is_some_and(|target| gives_back(revoke, &target.grant))
            || self.voices.issues(revoke.issuer, &revoke.by, id)
    }

    /// All revocations that count.
    pub(crate) fn counted_revocations(&self) -> BTreeSet<RecordId> {
        let all = self.set.revocations.values().flatten();
        all.filter(|(id, revoke)| self.counts(id, revoke)).map(|(id, _)| *id).collect()
    }

    pub(crate) fn voices(&self) -> &Voices<'a> {
        &self.voices
    }

    pub(crate) fn rosters(&self) -> &'a Rosters {
        self.voices.rosters()
    }

    /// What became of a grant.
    pub(crate) fn status(&self, grant: &RecordId) -> LinkStatus {
        self.status.get(grant).copied().unwrap_or(LinkStatus::ParentEnded(*grant))
    }

    /// How many persons an invitation let in.
    pub(crate) fn redeemed(&self, invitation: &RecordId) -> usize {
        self.redeemed.get(invitation).map_or(0, BTreeSet::len)
    }

    /// All grants, and what became of each.
    pub(crate) fn grants(&self) -> impl Iterator<Item = (RecordId, &'a Grant, u8, LinkStatus)> {
        let grants = self.set.grants.iter();
        grants.map(|(id, stored)| (*id, &*stored.grant, stored.depth, self.status(id)))
    }

    fn live(&self) -> impl Iterator<Item = (RecordId, &'a Grant, u8)> {
        self.grants().filter_map(|(id, grant, depth, status)| {
            (status == LinkStatus::Live).then_some((id, grant, depth))
        })
    }

    /// The live grants that a revocation signed by this device would end, and in whose name: in that of the
    /// first of its names that is upstream.
    pub(crate) fn revocable(&self, device: &DeviceId) -> BTreeMap<RecordId, Issuer> {
        let names = self.voices.names_of(device);
        let places: BTreeMap<Issuer, usize> =
            names.iter().enumerate().map(|(place, name)| (*name, place)).collect();
        let place = |issuer: Issuer| places.get(&issuer).copied();
        let owner = names.iter().position(|name| self.set.is_owner(*name));
        let person = self.rosters().persons_of(device).next();
        let mut upstream: BTreeMap<RecordId, usize> = BTreeMap::new();
        let mut revocable = BTreeMap::new();
        for (_, id) in &self.order {
            let Some(stored) = self.set.grants.get(id) else { continue };
            let above = match stored.grant.parent {
                Parent::Genesis => owner,
                Parent::Grant(parent) => upstream.get(&parent).copied(),
            };
            let by_chain = first(above, place(stored.grant.issuer));
            if let Some(place) = by_chain {
                upstream.insert(*id, place);
            }
            if self.status(id) != LinkStatus::Live {
                continue;
            }
            let audience = issuer_for(stored.grant.to).and_then(place);
            let own = person.filter(|_| stored.grant.to == Audience::Device(*device)).map(Issuer::Person);
            let name = first(by_chain, audience).and_then(|place| names.get(place).copied()).or(own);
            revocable.extend(name.map(|name| (*id, name)));
        }
        revocable
    }

    /// In whose name, and under what, a device may grant this role: in that of the first of its names that may
    /// and that is `allowed`. Of the grants that are `enough` it is the one that lasts longest, then the
    /// strongest, then that of the lowest id.
    pub(crate) fn authority(
        &self,
        device: &DeviceId,
        role: Role,
        enough: impl Fn(&Grant) -> bool,
        allowed: impl Fn(Issuer) -> bool,
    ) -> Option<(Issuer, Parent)> {
        if self.tombstone.is_some() || self.set.genesis.kind == ResourceKind::Shelf {
            return None;
        }
        let mut best: BTreeMap<Issuer, (Lasting, Role, Reverse<RecordId>)> = BTreeMap::new();
        for (id, grant, depth) in self.live() {
            let Some(issuer) = issuer_for(grant.to) else { continue };
            if grant.share && grant.role >= role && depth < MAX_DEPTH && enough(grant) {
                let this = (lasting(grant.expires), grant.role, Reverse(id));
                let best = best.entry(issuer).or_insert(this);
                *best = this.max(*best);
            }
        }
        self.voices.names_of(device).into_iter().filter(|name| allowed(*name)).find_map(|name| {
            let parent = match best.get(&name) {
                _ if self.set.is_owner(name) => Parent::Genesis,
                Some((.., Reverse(id))) => Parent::Grant(*id),
                None => return None,
            };
            Some((name, parent))
        })
    }

    /// The genesis, the chains of a person's grants, and the records that ended them.
    pub(crate) fn records_about(&self, person: PersonId) -> BTreeSet<RecordId> {
        let within = self.rosters().above_ever(person);
        let roster = self.rosters().get(&person);
        let own = |grant: &Grant| match grant.to {
            Audience::Person(to) => to == person,
            Audience::Group(group) => within.contains(&group),
            Audience::Device(device) => roster.is_some_and(|roster| roster.ever_contained(&device)),
            Audience::Invite(_) => false,
        };
        let mut records: BTreeSet<RecordId> = BTreeSet::new();
        for (id, ..) in self.grants().filter(|(_, grant, ..)| own(grant)) {
            for link in self.set.grounds(id) {
                records.insert(link);
                let revocations = self.set.revocations.get(&link).into_iter().flatten();
                records.extend(revocations.filter(|(id, revoke)| self.counts(id, revoke)).map(|(id, _)| *id));
            }
            if self.used_up.contains(&id) {
                records.extend(self.earlier_redemptions(id));
            }
        }
        if !records.is_empty() || within.contains(&self.set.genesis.owner) {
            records.insert(RecordId::from_bytes(*self.set.id.as_bytes()));
            records.extend(self.tombstone);
        }
        records
    }

    /// The redemptions for which this one came too late, with all that they rest on.
    fn earlier_redemptions(&self, late: RecordId) -> Vec<RecordId> {
        let of = |id: &RecordId| redeemed_by(&self.set.grants.get(id)?.grant);
        let Some(invitation) = of(&late) else { return Vec::new() };
        let counted = self.set.grants.keys().filter(|id| !self.used_up.contains(id));
        let earlier = counted.filter(|id| of(id) == Some(invitation));
        earlier.flat_map(|id| self.set.grounds(*id)).collect()
    }
}

/// The invitation that a grant answers.
fn redeemed_by(grant: &Grant) -> Option<RecordId> {
    match (grant.issuer, grant.parent) {
        (Issuer::Invite(_), Parent::Grant(invitation)) => Some(invitation),
        _ => grant.redeems,
    }
}

/// For how long something lasts, in the order of that: whether for ever, or else until when.
type Lasting = (bool, Option<u64>);

fn lasting(expires: Option<u64>) -> Lasting {
    (expires.is_none(), expires)
}

/// Whether something lasts as long as another.
pub(crate) fn lasts(expires: Option<u64>, until: Option<u64>) -> bool {
    lasting(expires) >= lasting(until)
}

/// In whose name a device of whom something was granted to passes it on.
fn issuer_for(to: Audience) -> Option<Issuer> {
    match to {
        Audience::Person(person) => Some(Issuer::Person(person)),
        Audience::Group(group) => Some(Issuer::Group(group)),
        Audience::Device(_) | Audience::Invite(_) => None,
    }
}

/// The lesser of two places, of which either may be missing.
fn first(one: Option<usize>, other: Option<usize>) -> Option<usize> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
