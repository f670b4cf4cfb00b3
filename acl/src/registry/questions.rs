//! What the stored records say.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::resource::ResourceSet;
use super::{Registry, Voices};
use crate::access::{Access, AccessClass, Explanation, Forest, LinkStatus, Principal, Rights, lasts};
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
        let shelves = self.shelves_of(person).filter_map(|shelf| {
            let awake = self.resources.get(&shelf).map(|set| set.genesis.by);
            let by = awake.or_else(|| self.dormant.family(&shelf).map(|family| family.by))?;
            Some((!roster.speaks_in(&by, &Subject::Resource(shelf).genesis()), shelf))
        });
        shelves.min().map(|(_, shelf)| shelf)
    }

    /// All shelves of a person that are known here, in no order that means anything.
    pub fn shelves_of(&self, person: PersonId) -> impl Iterator<Item = ResourceId> {
        let class = AccessClass { owner: person, kind: ResourceKind::Shelf, space: None };
        let awake = self.shelves.get(&person).into_iter().flatten().copied();
        awake.chain(self.dormant.members(&class))
    }
}

/// Documents and spaces: who may do what.
impl Registry {
    /// Whether this is a document, a space or a shelf.
    #[must_use]
    pub fn kind_of(&self, resource: ResourceId) -> Option<ResourceKind> {
        self.genesis_class(&resource).map(|class| class.kind)
    }

    /// The space that a document was born in.
    #[must_use]
    pub fn space_of(&self, document: ResourceId) -> Option<ResourceId> {
        self.genesis_class(&document)?.space
    }

    /// The documents born in a space, in order.
    #[must_use]
    pub fn documents_in(&self, space: ResourceId) -> Vec<ResourceId> {
        let mut born: Vec<ResourceId> = self.born_in(space).collect();
        born.sort_unstable();
        born
    }

    /// The same, each once and in no order that means anything, without a copy.
    pub fn born_in(&self, space: ResourceId) -> impl Iterator<Item = ResourceId> {
        let dormant = self.dormant.classes_in(space).flat_map(|class| self.dormant.members(class));
        self.documents.get(&space).into_iter().flatten().copied().chain(dormant)
    }

    /// The spaces known here, in no order that means anything.
    pub fn spaces(&self) -> impl Iterator<Item = ResourceId> {
        let awake = self.resources.values().filter(|set| set.genesis.kind == ResourceKind::Space);
        let classes = self.dormant.classes().filter(|class| class.kind == ResourceKind::Space);
        awake.map(|set| set.id).chain(classes.flat_map(|class| self.dormant.members(class)))
    }

    /// Of what this is one, if no record of it is stored but its genesis. In all resources of a class everybody may
    /// do the same, the same rosters tell why, and none was granted, excluded or deleted by itself.
    #[must_use]
    pub fn class_of(&self, resource: ResourceId) -> Option<AccessClass> {
        match self.resources.get(&resource) {
            Some(set) => set.is_bare().then(|| set.class()),
            None => self.dormant.class_of(&resource),
        }
    }

    /// Who may do what in a document, space or shelf. What is granted in its space is joined in.
    #[must_use]
    pub fn access(&self, resource: ResourceId) -> Option<Arc<Access>> {
        let rights = Arc::clone(self.rights(resource)?);
        let name = match self.resources.get(&resource) {
            Some(set) => set.genesis.name.clone(),
            None => self.dormant.name(&resource)?,
        };
        Some(Arc::new(Access::new(resource, name, rights)))
    }

    /// The same without what is this document's alone: nothing is copied, and all of a class have one.
    #[must_use]
    pub fn rights(&self, resource: ResourceId) -> Option<&Arc<Rights>> {
        match self.resources.get(&resource) {
            // A space is born in none, so this goes one step up at most.
            Some(set) => {
                Some(set.rights(&self.rosters, set.genesis.space.and_then(|space| self.rights(space))))
            }
            None => self.rights_of_class(&self.dormant.class_of(&resource)?),
        }
    }

    /// The same for all of a class. Nothing if there is none of it.
    #[must_use]
    pub fn rights_of_class(&self, class: &AccessClass) -> Option<&Arc<Rights>> {
        let rights = &self.dormant.class(class)?.rights;
        Some(rights.get_or_init(|| {
            let space = class.space.and_then(|space| self.rights(space));
            Arc::new(Rights::of_class(*class, &self.rosters, space.map(AsRef::as_ref)))
        }))
    }

    /// A resource, awake or unpacked for as long as it takes.
    fn set(&self, resource: ResourceId) -> Option<&ResourceSet> {
        self.resources.get(&resource).or_else(|| self.dormant.set(&resource))
    }

    /// The resources that name this person or group as owner, issuer or audience: by itself, through groups it
    /// is or was in, and through the space they were born in.
    #[must_use]
    pub fn resources_naming(&self, roster: PersonId) -> Vec<ResourceId> {
        self.resources_naming_any(&self.rosters.above_ever(roster)).into_iter().collect()
    }

    /// Whether some resource that [names](Registry::resources_naming) this person or group is such a one. Asks
    /// no further when one is.
    pub fn names_any(&self, roster: PersonId, mut is_such: impl FnMut(ResourceId) -> bool) -> bool {
        let above = self.rosters.above_ever(roster);
        self.awake_naming(&above).into_iter().any(&mut is_such)
            || self
                .classes_naming_any(&above)
                .iter()
                .any(|class| self.dormant.members(class).any(&mut is_such))
    }

    /// The [classes](Registry::class_of) of the resources that [name](Registry::resources_naming) this person or
    /// group, and those of these resources that have records of their own.
    #[must_use]
    pub fn classes_naming(&self, roster: PersonId) -> (BTreeSet<AccessClass>, BTreeSet<ResourceId>) {
        let above = self.rosters.above_ever(roster);
        (self.classes_naming_any(&above), self.awake_naming(&above))
    }

    pub(super) fn resources_naming_any(&self, rosters: &BTreeSet<PersonId>) -> BTreeSet<ResourceId> {
        let mut resources = self.awake_naming(rosters);
        let classes = self.classes_naming_any(rosters);
        resources.extend(classes.iter().flat_map(|class| self.dormant.members(class)));
        resources
    }

    /// Those that are awake among the resources naming any of these, or born in a space that does.
    pub(super) fn awake_naming(&self, rosters: &BTreeSet<PersonId>) -> BTreeSet<ResourceId> {
        let mut resources = self.naming_themselves(rosters);
        let spaces = self.classes_of_any(rosters).filter(|class| class.kind == ResourceKind::Space);
        let dormant = spaces.flat_map(|class| self.dormant.members(class));
        let within = |space: ResourceId| self.documents.get(&space).into_iter().flatten().copied();
        let born: Vec<ResourceId> = resources.iter().copied().chain(dormant).flat_map(within).collect();
        resources.extend(born);
        resources
    }

    /// The classes of those that are dormant.
    pub(super) fn classes_naming_any(&self, rosters: &BTreeSet<PersonId>) -> BTreeSet<AccessClass> {
        let mut classes: BTreeSet<AccessClass> = self.classes_of_any(rosters).copied().collect();
        let spaces = classes.iter().filter(|class| class.kind == ResourceKind::Space);
        let dormant = spaces.flat_map(|class| self.dormant.members(class));
        let spaces = self.naming_themselves(rosters).into_iter().chain(dormant);
        let born: Vec<AccessClass> =
            spaces.flat_map(|space| self.dormant.classes_in(space)).copied().collect();
        classes.extend(born);
        classes
    }

    fn naming_themselves(&self, rosters: &BTreeSet<PersonId>) -> BTreeSet<ResourceId> {
        rosters.iter().filter_map(|roster| self.naming.get(roster)).flatten().copied().collect()
    }

    fn classes_of_any<'a>(&'a self, owners: &'a BTreeSet<PersonId>) -> impl Iterator<Item = &'a AccessClass> {
        owners.iter().flat_map(|owner| self.dormant.classes_of(*owner))
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
        self.named_rosters(resource).to_vec()
    }

    /// The same, of which all of a class have one.
    #[must_use]
    pub fn named_rosters(&self, resource: ResourceId) -> Arc<[PersonId]> {
        let class = self.dormant.class_of(&resource);
        match class.as_ref().and_then(|class| self.dormant.class(class)) {
            Some(class) => Arc::clone(class.rosters.get_or_init(|| self.all_named(resource))),
            None => self.all_named(resource),
        }
    }

    fn all_named(&self, resource: ResourceId) -> Arc<[PersonId]> {
        let Some(class) = self.genesis_class(&resource) else { return Arc::default() };
        let mut named = BTreeSet::new();
        for resource in class.space.into_iter().chain([resource]) {
            named.extend(self.genesis_class(&resource).map(|class| class.owner));
            named.extend(self.resources.get(&resource).into_iter().flat_map(ResourceSet::named));
        }
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
        ids.iter().filter_map(|id| self.record(id)).cloned().collect()
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
        self.awake_forest(resource).map(|forest| forest.revocable(&device)).unwrap_or_default()
    }

    /// The revocations that count now, whatever else became of their targets.
    #[must_use]
    pub fn counted_revocations(&self, resource: ResourceId) -> BTreeSet<RecordId> {
        self.awake_forest(resource).map(|forest| forest.counted_revocations()).unwrap_or_default()
    }

    /// The grants that count now.
    #[must_use]
    pub fn live_grants(&self, resource: ResourceId) -> BTreeSet<RecordId> {
        let Some(forest) = self.awake_forest(resource) else { return BTreeSet::new() };
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
        let shelves = self.dormant.shelves_by(device).map(|shelf| Subject::Resource(shelf).genesis());
        let mut signed: Vec<RecordId> = signed.map(|(id, _)| *id).chain(shelves).collect();
        signed.sort_unstable();
        signed
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
        self.set(resource).map(|set| Forest::evaluate(set, &self.rosters))
    }

    /// The same where there may be grants.
    fn awake_forest(&self, resource: ResourceId) -> Option<Forest<'_>> {
        self.resources.get(&resource).map(|set| Forest::evaluate(set, &self.rosters))
    }

    /// The grants of a resource, and those of its space.
    fn forests(&self, resource: ResourceId) -> Vec<Forest<'_>> {
        let resources = [Some(resource), self.space_of(resource)];
        resources.into_iter().flatten().filter_map(|resource| self.forest(resource)).collect()
    }
}
