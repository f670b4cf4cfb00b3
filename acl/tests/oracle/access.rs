//! Who holds which role: the rule of the design, sentence by sentence, with no thought for speed.
//!
//! Written from the design alone, and not from the code it is compared with.

use std::collections::BTreeSet;

use katori_acl::bounds::MAX_DEPTH;
use katori_acl::{
    Audience, ChangeHash, DeviceId, Genesis, Grant, Issuer, Parent, PersonId, Record, RecordId, ResourceId,
    ResourceKind, Revoke, Role, RosterKind, Signer, Tombstone,
};

use crate::rosters::{NESTING, Oracle, When};

impl<'a> Oracle<'a> {
    /// The genesis of something that its owner could make.
    pub(crate) fn genesis(&self, resource: ResourceId) -> Option<&'a Genesis> {
        let id = RecordId::from_bytes(*resource.as_bytes());
        let Some(Record::Genesis(genesis)) = self.records.get(&id) else { return None };
        let signed = self.speaks(genesis.owner, genesis.by, id, When::Ever, NESTING);
        let born = match (genesis.kind, genesis.space) {
            (ResourceKind::Document, Some(space)) => self.may_create_in(space, genesis.owner),
            (ResourceKind::Document | ResourceKind::Space | ResourceKind::Shelf, None) => true,
            (ResourceKind::Space | ResourceKind::Shelf, Some(_)) => false,
        };
        let shelf_of_a_group = genesis.kind == ResourceKind::Shelf && self.is_group(genesis.owner);
        (signed && born && !shelf_of_a_group).then_some(genesis)
    }

    /// Whether this person or group ever held Write in a space.
    fn may_create_in(&self, space: ResourceId, who: PersonId) -> bool {
        let Some(genesis) = self.genesis(space) else { return false };
        if genesis.kind != ResourceKind::Space {
            return false;
        }
        let directly = genesis.owner == who
            || self.grants(space).into_iter().any(|(id, grant)| {
                let to = matches!(grant.to, Audience::Person(one) | Audience::Group(one) if one == who);
                to && grant.role >= Role::Write && self.rests(id, grant, genesis, When::Ever)
            });
        directly || self.role_of_person(space, who, When::Ever) >= Some(Role::Write)
    }

    pub(crate) fn is_group(&self, roster: PersonId) -> bool {
        let id = RecordId::from_bytes(*roster.as_bytes());
        matches!(self.records.get(&id), Some(Record::RosterGenesis(genesis)) if genesis.kind == RosterKind::Group)
    }

    fn grants(&self, resource: ResourceId) -> Vec<(RecordId, &'a Grant)> {
        let grants = self.records.iter().filter_map(|(id, record)| match record {
            Record::Grant(grant) if grant.resource == resource => Some((*id, grant)),
            _ => None,
        });
        grants.collect()
    }

    fn grant(&self, resource: ResourceId, id: RecordId) -> Option<&'a Grant> {
        match self.records.get(&id) {
            Some(Record::Grant(grant)) if grant.resource == resource => Some(grant),
            _ => None,
        }
    }

    fn owner(&self, genesis: &Genesis) -> Issuer {
        if self.is_group(genesis.owner) {
            Issuer::Group(genesis.owner)
        } else {
            Issuer::Person(genesis.owner)
        }
    }

    /// Whether a record is signed by somebody who speaks for the issuer it names.
    fn signed_for(&self, issuer: Issuer, by: Signer, record: RecordId, when: When) -> bool {
        match (issuer, by) {
            (Issuer::Person(who), Signer::Device(device)) => {
                !self.is_group(who) && self.speaks(who, device, record, when, NESTING)
            }
            (Issuer::Group(who), Signer::Device(device)) => {
                self.is_group(who) && self.speaks(who, device, record, when, NESTING)
            }
            (Issuer::Invite(key), Signer::Invite(signer)) => key == signer,
            _ => false,
        }
    }

    /// The grants from this one up to the genesis, this one first; none if they do not reach it in time.
    fn chain(&self, id: RecordId, grant: &'a Grant) -> Option<Vec<(RecordId, &'a Grant)>> {
        let mut chain = vec![(id, grant)];
        while let Some((_, Grant { parent: Parent::Grant(parent), .. })) = chain.last() {
            if chain.len() >= usize::from(MAX_DEPTH) {
                return None;
            }
            chain.push((*parent, self.grant(grant.resource, *parent)?));
        }
        Some(chain)
    }

    /// Whether a grant rests on its genesis: each link signed, the issuer's to give, and no more than the
    /// link above. Revocations are another matter.
    fn rests(&self, id: RecordId, grant: &'a Grant, genesis: &Genesis, when: When) -> bool {
        let Some(chain) = self.chain(id, grant) else { return false };
        chain.iter().enumerate().all(|(at, (id, grant))| {
            let given = match chain.get(at + 1) {
                None => grant.issuer == self.owner(genesis),
                Some((_, above)) => passed_on(above, grant),
            };
            let known = grant.role != Role::Relay && genesis.kind != ResourceKind::Shelf;
            let signed = self.signed_for(grant.issuer, grant.by, *id, when);
            known && given && signed && self.redeems(grant, genesis, when)
        })
    }

    /// Whether a grant that answers an invitation is by somebody it came from, gives no more than it does, and is
    /// among as many as it has uses.
    fn redeems(&self, grant: &'a Grant, genesis: &Genesis, when: When) -> bool {
        let within = grant.redeems.is_none_or(|id| {
            self.grant(grant.resource, id).is_some_and(|offer| {
                matches!(offer.to, Audience::Invite(_))
                    && grant.role <= offer.role
                    && (offer.share || !grant.share)
                    && (!offer.confirm || offer.by == grant.by)
                    && self.rests(id, offer, genesis, When::Ever)
                    && self.came_from(grant.issuer, id, offer, genesis)
            })
        });
        within
            && (when == When::Ever
                || answers(grant).into_iter().all(|offer| {
                    self.has_use_for(grant, offer, genesis) && !self.is_turned_away(grant, offer, genesis)
                }))
    }

    /// Whether an invitation is the owner's, or came through this issuer.
    fn came_from(&self, issuer: Issuer, id: RecordId, offer: &'a Grant, genesis: &Genesis) -> bool {
        let through = |chain: Vec<(RecordId, &Grant)>| chain.iter().any(|(_, link)| link.issuer == issuer);
        issuer == self.owner(genesis) || self.chain(id, offer).is_some_and(through)
    }

    /// All that answers an invitation, by signatures alone.
    fn redemptions(
        &self,
        resource: ResourceId,
        offer: RecordId,
        genesis: &Genesis,
    ) -> Vec<(RecordId, &'a Grant)> {
        let mut all = self.grants(resource);
        all.retain(|(id, other)| {
            answers(other).contains(&offer) && self.rests(*id, other, genesis, When::Ever)
        });
        all
    }

    /// Persons are let in by those that stand first, then by the key, then by what has ended, and of each the
    /// lowest ids first.
    fn has_use_for(&self, grant: &Grant, offer: RecordId, genesis: &Genesis) -> bool {
        let Some(Grant { uses: Some(uses), .. }) = self.grant(grant.resource, offer) else { return true };
        let mut redemptions = self.redemptions(grant.resource, offer, genesis);
        redemptions.sort_by_key(|(id, other)| {
            let rank = match other.by {
                Signer::Invite(_) => 1,
                Signer::Device(_) if self.stands(*id, other, genesis) => 0,
                Signer::Device(_) => 2,
            };
            (rank, *id)
        });
        let mut let_in: Vec<Audience> = Vec::new();
        for (_, other) in redemptions {
            if !let_in.contains(&other.to) {
                let_in.push(other.to);
            }
        }
        let place = let_in.iter().position(|to| *to == grant.to);
        place.is_some_and(|place| u32::try_from(place).is_ok_and(|place| place < *uses))
    }

    /// Whether it is its signer's word still, and nothing above it has ended, uses left aside.
    fn stands(&self, id: RecordId, grant: &'a Grant, genesis: &Genesis) -> bool {
        let Some(chain) = self.chain(id, grant) else { return false };
        chain.iter().all(|(one, link)| {
            self.signed_for(link.issuer, link.by, *one, When::Now)
                && (*one == id || !self.is_ended(*one, link, genesis))
        })
    }

    /// Whether an invitation's key lets somebody back in, of whom a redemption of it was revoked.
    fn is_turned_away(&self, grant: &Grant, offer: RecordId, genesis: &Genesis) -> bool {
        matches!(grant.by, Signer::Invite(_))
            && self
                .redemptions(grant.resource, offer, genesis)
                .into_iter()
                .any(|(id, other)| other.to == grant.to && self.is_ended(id, other, genesis))
    }

    /// Whether somebody upstream of this very grant has ended it: the owner, the issuer of it or of one above
    /// it, or its own audience.
    fn is_ended(&self, id: RecordId, grant: &'a Grant, genesis: &Genesis) -> bool {
        let Some(chain) = self.chain(id, grant) else { return true };
        let mut upstream: BTreeSet<Issuer> = chain.iter().map(|(_, link)| link.issuer).collect();
        upstream.insert(self.owner(genesis));
        match grant.to {
            Audience::Person(person) => upstream.insert(Issuer::Person(person)),
            Audience::Group(group) => upstream.insert(Issuer::Group(group)),
            Audience::Device(_) | Audience::Invite(_) => false,
        };
        self.records.iter().any(|(revocation, record)| {
            let Record::Revoke(Revoke { resource, target, issuer, by, .. }) = record else { return false };
            if *resource != grant.resource || *target != id {
                return false;
            }
            // A device gives back what it was given itself, wherever it may belong by now.
            let itself = grant.to == Audience::Device(*by)
                && matches!(issuer, Issuer::Person(person) if self.devices(*person, When::Ever).contains(by));
            let signed = self.signed_for(*issuer, Signer::Device(*by), *revocation, When::Now);
            let from = upstream.contains(issuer) || grant.to == Audience::Device(*by);
            itself || (from && signed)
        })
    }

    /// Whether a grant gives something: it rests on the genesis, and nothing on the way has been ended.
    pub(crate) fn is_live(&self, id: RecordId, grant: &'a Grant, genesis: &Genesis) -> bool {
        self.rests(id, grant, genesis, When::Now)
            && self
                .chain(id, grant)
                .is_some_and(|chain| chain.iter().all(|(id, link)| !self.is_ended(*id, link, genesis)))
    }

    /// Deleted by the owner, or with the space it was born in.
    pub(crate) fn is_deleted(&self, resource: ResourceId) -> bool {
        let Some(genesis) = self.genesis(resource) else { return false };
        let by_owner = self.records.iter().any(|(id, record)| {
            matches!(record, Record::Tombstone(Tombstone { resource: one, by }) if *one == resource
                && self.speaks(genesis.owner, *by, *id, When::Now, NESTING))
        });
        by_owner || genesis.space.is_some_and(|space| self.is_deleted(space))
    }

    /// The grants that give somebody something, with what and to whom.
    fn given(&self, resource: ResourceId, when: When) -> Vec<(Audience, Role)> {
        let Some(genesis) = self.genesis(resource) else { return Vec::new() };
        if when == When::Now && self.is_deleted(resource) {
            return Vec::new();
        }
        let role = if genesis.kind == ResourceKind::Shelf { Role::Write } else { Role::Admin };
        let owner = match self.owner(genesis) {
            Issuer::Group(group) => Audience::Group(group),
            _ => Audience::Person(genesis.owner),
        };
        let grants = self.grants(resource).into_iter().filter(|(id, grant)| match when {
            When::Now => self.is_live(*id, grant, genesis),
            When::Ever => self.rests(*id, grant, genesis, When::Ever),
        });
        let own = grants.map(|(_, grant)| (grant.to, grant.role)).chain([(owner, role)]);
        let above = genesis.space.map(|space| self.given(space, when)).unwrap_or_default();
        own.chain(above).collect()
    }

    pub(crate) fn role_of_person(&self, resource: ResourceId, who: PersonId, when: When) -> Option<Role> {
        let given = self.given(resource, when).into_iter().filter(|(to, _)| match to {
            Audience::Person(person) => *person == who,
            Audience::Group(group) => {
                self.is_group(*group) && self.persons(*group, when, NESTING).contains(&who)
            }
            Audience::Device(_) | Audience::Invite(_) => false,
        });
        given.map(|(_, role)| role).max()
    }

    pub(crate) fn role_of_device(
        &self,
        resource: ResourceId,
        device: DeviceId,
        persons: &[PersonId],
        when: When,
    ) -> Option<Role> {
        let persons = persons.iter().filter(|person| self.devices(**person, when).contains(&device));
        let through = persons.filter_map(|person| self.role_of_person(resource, *person, when)).max();
        let own = self.given(resource, when).into_iter().filter(|(to, _)| *to == Audience::Device(device));
        own.map(|(_, role)| role).max().max(through)
    }

    /// What Admins keep out of a document: the word of one ends with the role.
    pub(crate) fn excluded(&self, resource: ResourceId, persons: &[PersonId]) -> BTreeSet<ChangeHash> {
        if self.genesis(resource).is_none_or(|genesis| genesis.kind != ResourceKind::Document) {
            return BTreeSet::new();
        }
        let exclusions = self.records.values().filter_map(|record| match record {
            Record::Exclude(exclude) if exclude.resource == resource => Some(exclude),
            _ => None,
        });
        exclusions
            .filter(|exclude| {
                self.role_of_device(resource, exclude.by, persons, When::Now) == Some(Role::Admin)
            })
            .flat_map(|exclude| exclude.changes.iter().copied())
            .collect()
    }
}

/// The invitations that a grant answers: the one whose key signs it, and the one it names.
fn answers(grant: &Grant) -> Vec<RecordId> {
    let by_key = match (grant.issuer, grant.parent) {
        (Issuer::Invite(_), Parent::Grant(parent)) => Some(parent),
        _ => None,
    };
    by_key.into_iter().chain(grant.redeems).collect()
}

/// Whether the audience of one grant may give another by it.
fn passed_on(above: &Grant, grant: &Grant) -> bool {
    let (theirs, shared) = match above.to {
        Audience::Person(person) => (grant.issuer == Issuer::Person(person), above.share),
        Audience::Group(group) => (grant.issuer == Issuer::Group(group), above.share),
        // Whoever holds the ticket lets one person in, where it says so.
        Audience::Invite(key) => {
            (grant.issuer == Issuer::Invite(key) && matches!(grant.to, Audience::Person(_)), above.offline)
        }
        Audience::Device(_) => (false, false),
    };
    let shorter = match (above.expires, grant.expires) {
        (Some(above), Some(own)) => own <= above,
        (Some(_), None) => false,
        (None, _) => true,
    };
    theirs && shared && shorter && grant.role <= above.role && (above.share || !grant.share)
}
