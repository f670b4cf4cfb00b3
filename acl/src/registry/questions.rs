//! What the stored records say.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::resource::ResourceSet;
use super::{Registry, Voices};
use crate::access::{Access, Explanation, Forest, LinkStatus, Principal, lasts};
use crate::ids::{DeviceId, PersonId, RecordId, ResourceId};
use crate::records::{Grant, Issuer, Member, Parent, Record, ResourceKind, Signer, Subject, VerifiedRecord};
use crate::role::Role;
use crate::roster::Roster;
use crate::story::{StoryEntry, resource_story, roster_story};

/// Rosters and groups: who belongs to whom.
impl Registry {
    /// The roster of a person or group, as it stands.
    #[must_use]
    pub fn roster(&self, id: PersonId) -> Option<Arc<Roster>> {
        self.rosters.get(&id).cloned()
    }

    /// The person whose device this is now. Where several claim it, with its consent, the one in which it is
    /// most senior, then the one of the lowest id.
    #[must_use]
    pub fn person_of(&self, device: DeviceId) -> Option<PersonId> {
        let claims = self.rosters.persons_of(&device).filter_map(|person| {
            let member = self.rosters.get(&person)?.devices.get(&device)?;
            Some((member.rank.without_id(), person))
        });
        claims.min().map(|(_, person)| person)
    }

    /// The person whose device this is or ever was, by signatures alone. The present one, if there is one.
    #[must_use]
    pub fn person_ever_of(&self, device: DeviceId) -> Option<PersonId> {
        self.person_of(device).or_else(|| self.rosters.persons_of(&device).next())
    }

    /// All persons whose device this is or ever was, by signatures alone.
    #[must_use]
    pub fn persons_ever_of(&self, device: DeviceId) -> Vec<PersonId> {
        self.rosters.persons_of(&device).collect()
    }

    /// The groups that have this person or group as a member now, by itself.
    #[must_use]
    pub fn groups_of(&self, member: PersonId) -> Vec<PersonId> {
        let now =
            |group: &PersonId| self.rosters.get(group).is_some_and(|roster| roster.contains_person(&member));
        self.rosters.groups_of(&member).filter(now).collect()
    }

    /// Whether a device may sign for this person or group now. For an invitation no device does.
    #[must_use]
    pub fn speaks_for(&self, who: Issuer, device: DeviceId) -> bool {
        Voices::now(&self.rosters, []).names_of(&device).contains(&who)
    }

    /// The person's shelf: of several the one of the lowest id, those first whose device still speaks for the
    /// person, so that a stolen phone cannot put another in its place.
    #[must_use]
    pub fn shelf_of(&self, person: PersonId) -> Option<ResourceId> {
        let roster = self.rosters.get(&person)?;
        let shelves = self.shelves.get(&person)?.iter().filter_map(|shelf| {
            let set = self.resources.get(shelf)?;
            let genesis = Subject::Resource(*shelf).genesis();
            Some((!roster.speaks_in(&set.genesis.by, &genesis), *shelf))
        });
        shelves.min().map(|(_, shelf)| shelf)
    }
}

/// Documents and spaces: who may do what.
impl Registry {
    /// Whether this is a document, a space or a shelf.
    #[must_use]
    pub fn kind_of(&self, resource: ResourceId) -> Option<ResourceKind> {
        self.resources.get(&resource).map(|set| set.genesis.kind)
    }

    /// The space that a document was born in.
    #[must_use]
    pub fn space_of(&self, document: ResourceId) -> Option<ResourceId> {
        self.resources.get(&document)?.genesis.space
    }

    /// The documents born in a space, in order.
    #[must_use]
    pub fn documents_in(&self, space: ResourceId) -> Vec<ResourceId> {
        self.documents.get(&space).into_iter().flatten().copied().collect()
    }

    /// Who may do what in a document, space or shelf. What is granted in its space is joined in.
    #[must_use]
    pub fn access(&self, resource: ResourceId) -> Option<Arc<Access>> {
        let set = self.resources.get(&resource)?;
        // A space is born in none, so this goes one step up at most.
        let space = self.space_set(set).map(|space| space.access(&self.rosters, None));
        Some(Arc::clone(set.access(&self.rosters, space)))
    }

    fn space_set(&self, set: &ResourceSet) -> Option<&ResourceSet> {
        self.resources.get(&set.genesis.space?)
    }

    /// The resources that name this person or group as owner, issuer or audience: by itself, through groups it
    /// is or was in, and through the space they were born in.
    #[must_use]
    pub fn resources_naming(&self, roster: PersonId) -> Vec<ResourceId> {
        self.resources_naming_any(&self.rosters.above_ever(roster)).into_iter().collect()
    }

    pub(super) fn resources_naming_any(&self, rosters: &BTreeSet<PersonId>) -> BTreeSet<ResourceId> {
        let named = rosters.iter().filter_map(|roster| self.naming.get(roster)).flatten();
        let mut resources: BTreeSet<ResourceId> = named.copied().collect();
        let born: Vec<ResourceId> =
            resources.iter().filter_map(|space| self.documents.get(space)).flatten().copied().collect();
        resources.extend(born);
        resources
    }

    /// What the removal of a member by another builds on: the heads of the roster without what that member
    /// removed. A removal that names another one grants that it came first, and one that answers a thief's must
    /// not. Where the member has filled the roster up, what it alone stands behind is left out.
    #[must_use]
    pub fn heads_to_remove(&self, roster: PersonId, member: Member, by: Member) -> Vec<RecordId> {
        let log = self.rosters.log(&roster);
        log.map(|log| log.heads_to_remove(member, by, &self.rosters)).unwrap_or_default()
    }

    /// What a recovery by the key of this hash builds on: the heads of the roster, as many as fit, and what
    /// committed to that key.
    #[must_use]
    pub fn heads_to_recover(&self, roster: PersonId, recovery: &[u8; 32]) -> Vec<RecordId> {
        let log = self.rosters.log(&roster);
        log.map(|log| log.heads_to_recover(recovery, &self.rosters)).unwrap_or_default()
    }

    /// A person or group, and the groups that it is or ever was in, by itself or through other groups.
    #[must_use]
    pub fn rosters_above(&self, member: PersonId) -> BTreeSet<PersonId> {
        self.rosters.above_ever(member)
    }

    /// A person or group, and those that are or ever were in it, by themselves or through other groups.
    #[must_use]
    pub fn rosters_below(&self, group: PersonId) -> BTreeSet<PersonId> {
        self.rosters.below_ever(group)
    }

    /// The rosters on which access to a resource depends: those it names, those its space names, and whoever
    /// is or was in a group among them.
    #[must_use]
    pub fn rosters_named_by(&self, resource: ResourceId) -> Vec<PersonId> {
        let Some(set) = self.resources.get(&resource) else { return Vec::new() };
        let mut named: BTreeSet<PersonId> =
            set.named().chain(self.space_set(set).into_iter().flat_map(ResourceSet::named)).collect();
        let within: Vec<PersonId> = named.iter().flat_map(|id| self.rosters.below_ever(*id)).collect();
        named.extend(within);
        named.into_iter().collect()
    }

    /// What somebody who lost its role is still served: the genesis, the chains of its own grants, and what
    /// ended them, here and in the space. Nothing for who never had a role.
    #[must_use]
    pub fn limited_records_for(&self, resource: ResourceId, person: PersonId) -> Vec<VerifiedRecord> {
        let forests = self.forests(resource);
        let mut ids: BTreeSet<RecordId> =
            forests.iter().flat_map(|forest| forest.records_about(person)).collect();
        if !ids.is_empty() {
            // A role in the space is one here, and what ended it is told with what it was in.
            ids.extend(forests.iter().map(|forest| Subject::Resource(forest.set.id).genesis()));
            ids.extend(forests.iter().filter_map(|forest| forest.tombstone));
        }
        ids.iter().filter_map(|id| self.records.get(id)).cloned().collect()
    }

    /// Why somebody has a role, or what is missing.
    #[must_use]
    pub fn explain(&self, who: Principal, resource: ResourceId) -> Explanation {
        let persons = match who {
            Principal::Person(person) => vec![person],
            Principal::Device(device) => self.persons_ever_of(device),
        };
        Explanation::new(who, resource, &persons, &self.forests(resource), self.access(resource))
    }

    /// In whose name, and under what, a device may grant this role now, with or without `share`: as its own
    /// person if that may, else as a group. The genesis is the parent of the owner's grants, else of those that
    /// may be passed on the grant that lasts longest, then the strongest. The new grant must not outlive it.
    #[must_use]
    pub fn authority(&self, device: DeviceId, resource: ResourceId, role: Role) -> Option<(Issuer, Parent)> {
        self.living_forest(resource)?.authority(&device, role, |_| true, |_| true)
    }

    /// The same for a grant that is to last this long, in milliseconds since 1970; none is for ever.
    #[must_use]
    pub fn authority_for(
        &self,
        device: DeviceId,
        resource: ResourceId,
        role: Role,
        expires: Option<u64>,
    ) -> Option<(Issuer, Parent)> {
        let enough = |grant: &Grant| lasts(grant.expires, expires);
        self.living_forest(resource)?.authority(&device, role, enough, |_| true)
    }

    /// The same for one that redeems an invitation: in a name from which the invitation came.
    #[must_use]
    pub fn authority_to_redeem(
        &self,
        device: DeviceId,
        resource: ResourceId,
        role: Role,
        expires: Option<u64>,
        invitation: RecordId,
    ) -> Option<(Issuer, Parent)> {
        let forest = self.living_forest(resource)?;
        let enough = |grant: &Grant| lasts(grant.expires, expires);
        forest.authority(&device, role, enough, |name| forest.set.is_above(name, invitation))
    }

    fn living_forest(&self, resource: ResourceId) -> Option<Forest<'_>> {
        if self.access(resource)?.deleted { None } else { self.forest(resource) }
    }

    /// The live grants that a revocation signed by this device would end, and in whose name: its own person's
    /// if that is upstream, else a group's. What comes from the space is revoked in the space.
    #[must_use]
    pub fn revocable(&self, device: DeviceId, resource: ResourceId) -> BTreeMap<RecordId, Issuer> {
        self.forest(resource).map(|forest| forest.revocable(&device)).unwrap_or_default()
    }

    /// The revocations that count now, whatever else became of their targets.
    #[must_use]
    pub fn counted_revocations(&self, resource: ResourceId) -> BTreeSet<RecordId> {
        self.forest(resource).map(|forest| forest.counted_revocations()).unwrap_or_default()
    }

    /// The grants that count now.
    #[must_use]
    pub fn live_grants(&self, resource: ResourceId) -> BTreeSet<RecordId> {
        let Some(forest) = self.forest(resource) else { return BTreeSet::new() };
        let live = forest.grants().filter(|(.., status)| *status == LinkStatus::Live);
        live.map(|(id, ..)| id).collect()
    }

    /// What became of a grant, if it is stored.
    #[must_use]
    pub fn grant_status(&self, grant: RecordId) -> Option<LinkStatus> {
        match self.records.get(&grant)?.record() {
            Record::Grant(found) => Some(self.forest(found.resource)?.status(&grant)),
            Record::RosterGenesis(_)
            | Record::RosterOperation(_)
            | Record::Genesis(_)
            | Record::Revoke(_)
            | Record::Exclude(_)
            | Record::Tombstone(_)
            | Record::Keys(_) => None,
        }
    }

    /// The stored grants, revocations, tombstones and exclusions that a device signed, and the shelves it
    /// began: what its removal may keep. Looks at all records; it is asked when a device goes.
    #[must_use]
    pub fn records_signed_by(&self, device: DeviceId) -> Vec<RecordId> {
        let signed = self.records.iter().filter(|(_, record)| match record.record() {
            Record::Grant(grant) => grant.by == Signer::Device(device),
            Record::Revoke(revoke) => revoke.by == device,
            Record::Tombstone(tombstone) => tombstone.by == device,
            Record::Exclude(exclude) => exclude.by == device,
            Record::Genesis(genesis) => genesis.by == device && genesis.kind == ResourceKind::Shelf,
            // What it did in a group is its person's word there.
            Record::RosterOperation(operation) => operation.by == device && operation.person.is_some(),
            Record::RosterGenesis(_) | Record::Keys(_) => false,
        });
        signed.map(|(id, _)| *id).collect()
    }

    /// All that was signed about access, as it reads: each record after those it rests on, with what became of
    /// it. For a resource its space is told too; for a roster its operations are.
    #[must_use]
    pub fn story(&self, subject: Subject) -> Vec<StoryEntry> {
        match subject {
            Subject::Roster(roster) => self
                .rosters
                .log(&roster)
                .map(|log| roster_story(roster, log, &self.rosters))
                .unwrap_or_default(),
            Subject::Resource(resource) => match self.access(resource) {
                Some(access) => resource_story(&self.forests(resource), &access),
                None => Vec::new(),
            },
        }
    }

    fn forest(&self, resource: ResourceId) -> Option<Forest<'_>> {
        self.resources.get(&resource).map(|set| Forest::evaluate(set, &self.rosters))
    }

    /// The grants of a resource, and those of its space.
    fn forests(&self, resource: ResourceId) -> Vec<Forest<'_>> {
        let set = self.resources.get(&resource);
        let sets = set.into_iter().chain(set.and_then(|set| self.space_set(set)));
        sets.map(|set| Forest::evaluate(set, &self.rosters)).collect()
    }
}
