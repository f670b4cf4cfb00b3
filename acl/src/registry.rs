//! The set of stored records, and what it says.
//!
//! A record is worth storing if its signer could ever have held what it takes, by signatures alone: as if
//! nothing had been revoked and no device removed. So the stored set, like every answer, is a function of the
//! set of records that came, and not of the order in which they did.

mod log;
mod resource;
mod slots;
mod waiting;

pub(crate) use log::RosterLog;
pub(crate) use resource::{ResourceSet, Rosters};

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use thiserror::Error;

use crate::access::{Access, Explanation, Forest, Principal};
use crate::ids::{DeviceId, PersonId, RecordId, ResourceId};
use crate::records::{Capacity, Genesis, Parent, Record, ResourceKind, RosterKind, Subject, VerifiedRecord};
use crate::role::Role;
use crate::roster::Roster;
use resource::{named_by, require};
use waiting::{Awaited, Waiting};

/// What became of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Inserted {
    /// It is stored, and was not before.
    New,
    /// It was stored already.
    Known,
    /// Its genesis, its parent, or what entitles its signer is not here yet. It is held, in memory, for that.
    Waiting,
    /// It is not kept.
    Refused(Refusal),
}

/// Why a record is not kept.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Refusal {
    /// This version cannot evaluate it, and keeps nothing that it cannot judge.
    #[error("this version of Katori does not know {0} yet")]
    NotYet(&'static str),
    /// The device was not, in the operation's own past, a full member of the roster.
    #[error("device {} may not change this roster", .0.short())]
    NotEntitled(DeviceId),
    /// What is to be removed was never there.
    #[error("device {} is no member of this roster", .0.short())]
    NotAMember(DeviceId),
    /// The signing key is not one of the issuer's.
    #[error("the grant is signed by another key than its issuer's")]
    WrongSigner,
    /// The parent was not granted to the issuer, or not to be passed on.
    #[error("the issuer was not given this to pass on")]
    NotTheIssuersToGive,
    /// Role or expiry are beyond the parent's.
    #[error("the grant gives more than the one it rests on")]
    ExceedsParent,
    /// Too many grants on top of each other.
    #[error("the grant has been passed on too many times")]
    TooDeep,
    /// A revocation by somebody who is not upstream of the grant.
    #[error("only those a grant came through, or its own audience, can revoke it")]
    NotUpstream,
    /// There are too many of its kind, and those with lower ids stay.
    #[error("there are too many {0}")]
    TooMany(&'static str),
}

/// What the registry does with a record that it does not store, or not now.
#[derive(Debug)]
enum Verdict {
    Wait(Awaited),
    Refused(Refusal),
}

/// What inserting has changed: what a store has to write and delete.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Records that are stored now. Besides those inserted as new, these are records that had waited.
    pub stored: BTreeSet<RecordId>,
    /// Records that are no longer stored, because a bound was reached and they had the highest ids.
    pub dropped: BTreeSet<RecordId>,
}

/// The set of stored records, and its memoised evaluation.
#[derive(Debug, Default)]
pub struct Registry {
    records: BTreeMap<RecordId, VerifiedRecord>,
    subjects: BTreeMap<Subject, BTreeSet<RecordId>>,
    rosters: Rosters,
    resources: BTreeMap<ResourceId, ResourceSet>,
    /// The rosters that ever had a device, by signatures alone.
    persons_of: BTreeMap<DeviceId, BTreeSet<PersonId>>,
    /// The resources that name a roster.
    naming: BTreeMap<PersonId, BTreeSet<ResourceId>>,
    waiting: Waiting,
    changes: Changes,
}

impl Registry {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in a record, and those that had waited for it (see [`Registry::take_changes`]).
    pub fn insert(&mut self, record: VerifiedRecord) -> Inserted {
        let mut queue = Vec::new();
        let outcome = self.insert_one(record, &mut queue);
        // Each record in the queue has left the waiting set or the stored one; a record wakes others only by
        // being stored, so this ends.
        while let Some(next) = queue.pop() {
            self.insert_one(next, &mut queue);
        }
        outcome
    }

    fn insert_one(&mut self, record: VerifiedRecord, queue: &mut Vec<VerifiedRecord>) -> Inserted {
        let id = record.id();
        if self.records.contains_key(&id) {
            return Inserted::Known;
        }
        if self.waiting.contains(&id) {
            return Inserted::Waiting;
        }
        match self.place(&record) {
            Ok(dropped) => {
                self.store(record, dropped, queue);
                Inserted::New
            }
            Err(Verdict::Refused(refusal)) => Inserted::Refused(refusal),
            Err(Verdict::Wait(awaited)) if self.waiting.keep(record, awaited) => Inserted::Waiting,
            Err(Verdict::Wait(_)) => Inserted::Refused(Refusal::TooMany("records that wait for others")),
        }
    }

    /// Puts a record where it belongs, if it is worth storing. Returns those that had to go for it.
    fn place(&mut self, record: &VerifiedRecord) -> Result<Vec<RecordId>, Verdict> {
        let id = record.id();
        let wanted = self.waiting.wants(id);
        let genesis = record.subject().genesis();
        match (record.record(), record.subject()) {
            (Record::RosterGenesis(genesis), Subject::Roster(person)) => {
                if genesis.kind == RosterKind::Group {
                    return Err(Verdict::Refused(Refusal::NotYet("groups")));
                }
                self.rosters.insert(person, RosterLog::new(person, genesis.clone()));
                Ok(Vec::new())
            }
            (Record::RosterOperation(operation), Subject::Roster(person)) => {
                let log = self.rosters.get_mut(&person);
                let log = log.ok_or(Verdict::Wait(Awaited::Record(genesis)))?;
                log.insert(id, operation, wanted)
            }
            (Record::Genesis(genesis), Subject::Resource(resource)) => {
                self.judge_genesis(genesis)?;
                self.resources.insert(resource, ResourceSet::new(resource, genesis.clone()));
                Ok(Vec::new())
            }
            (Record::Exclude(_), _) => Err(Verdict::Refused(Refusal::NotYet("exclusions"))),
            (Record::Keys(_), _) => Err(Verdict::Refused(Refusal::NotYet("keys of sealed content"))),
            (record, subject) => {
                let Subject::Resource(resource) = subject else {
                    return Err(Verdict::Refused(Refusal::NotYet("this kind of record")));
                };
                let set = self.resources.get_mut(&resource);
                let set = set.ok_or(Verdict::Wait(Awaited::Record(genesis)))?;
                match record {
                    Record::Grant(grant) => set.insert_grant(id, grant, &self.rosters, wanted),
                    Record::Revoke(revoke) => {
                        set.insert_revoke(id, revoke, &self.rosters).map(|()| Vec::new())
                    }
                    Record::Tombstone(tombstone) => {
                        set.insert_tombstone(id, tombstone, &self.rosters).map(|()| Vec::new())
                    }
                    Record::RosterGenesis(_)
                    | Record::RosterOperation(_)
                    | Record::Genesis(_)
                    | Record::Exclude(_)
                    | Record::Keys(_) => Err(Verdict::Refused(Refusal::NotYet("this kind of record"))),
                }
            }
        }
    }

    fn judge_genesis(&self, genesis: &Genesis) -> Result<(), Verdict> {
        if genesis.kind == ResourceKind::Space || genesis.space.is_some() {
            return Err(Verdict::Refused(Refusal::NotYet("spaces")));
        }
        require(&self.rosters, genesis.owner, genesis.by, Capacity::Full)
    }

    /// Enters a record that has been placed into the indexes, and wakes what waited for it.
    fn store(&mut self, record: VerifiedRecord, dropped: Vec<RecordId>, queue: &mut Vec<VerifiedRecord>) {
        let (id, subject) = (record.id(), record.subject());
        self.subjects.entry(subject).or_default().insert(id);
        if let Subject::Resource(resource) = subject {
            for person in named_by(record.record()) {
                self.naming.entry(person).or_default().insert(resource);
            }
        }
        self.records.insert(id, record);
        if !self.changes.dropped.remove(&id) {
            self.changes.stored.insert(id);
        }
        queue.extend(self.waiting.wake(Awaited::Record(id)));
        let evicted = !dropped.is_empty();
        for dropped in dropped {
            self.records.remove(&dropped);
            if let Some(ids) = self.subjects.get_mut(&subject) {
                ids.remove(&dropped);
            }
            if !self.changes.stored.remove(&dropped) {
                self.changes.dropped.insert(dropped);
            }
        }
        match subject {
            Subject::Roster(person) => self.roster_changed(person, evicted, queue),
            Subject::Resource(resource) if evicted => self.drop_names(resource),
            Subject::Resource(_) => {}
        }
    }

    fn roster_changed(&mut self, person: PersonId, evicted: bool, queue: &mut Vec<VerifiedRecord>) {
        queue.extend(self.waiting.wake(Awaited::Roster(person)));
        let Some(log) = self.rosters.get(&person) else { return };
        for device in log.roster().ever.keys() {
            self.persons_of.entry(*device).or_default().insert(person);
        }
        let naming = self.naming.get(&person).cloned().unwrap_or_default();
        for resource in naming {
            if evicted {
                // Rare: what only the dropped operation entitled must go too, so all is judged again.
                let subject = Subject::Resource(resource);
                let records: Vec<_> = self.records(&subject).cloned().collect();
                self.drop_subject(&subject);
                for record in &records {
                    if !self.changes.stored.remove(&record.id()) {
                        self.changes.dropped.insert(record.id());
                    }
                }
                queue.extend(records);
            } else if let Some(set) = self.resources.get_mut(&resource) {
                set.invalidate();
            }
        }
        if evicted {
            let ever = self.rosters.get(&person).map(|log| log.roster().ever.clone()).unwrap_or_default();
            self.persons_of.retain(|device, persons| {
                if !ever.contains_key(device) {
                    persons.remove(&person);
                }
                !persons.is_empty()
            });
        }
    }

    /// Drops from the index what a resource no longer names.
    fn drop_names(&mut self, resource: ResourceId) {
        let Some(set) = self.resources.get(&resource) else { return };
        self.naming.retain(|person, resources| {
            if !set.names(person) {
                resources.remove(&resource);
            }
            !resources.is_empty()
        });
    }

    /// What a store has to write and delete since this was last called.
    pub fn take_changes(&mut self) -> Changes {
        std::mem::take(&mut self.changes)
    }

    /// Whether a record is stored.
    #[must_use]
    pub fn contains(&self, id: &RecordId) -> bool {
        self.records.contains_key(id)
    }

    /// A stored record.
    #[must_use]
    pub fn record(&self, id: &RecordId) -> Option<&VerifiedRecord> {
        self.records.get(id)
    }

    /// The ids of all stored records of a subject, ascending.
    #[must_use]
    pub fn record_ids(&self, subject: &Subject) -> Vec<RecordId> {
        self.subjects.get(subject).into_iter().flatten().copied().collect()
    }

    /// All stored records of a subject, by ascending id.
    pub fn records(&self, subject: &Subject) -> impl Iterator<Item = &VerifiedRecord> {
        let ids = self.subjects.get(subject).into_iter().flatten();
        ids.filter_map(|id| self.records.get(id))
    }

    /// BLAKE3 over the ids of all stored records of a subject: equal exactly if the sets are.
    #[must_use]
    pub fn digest(&self, subject: &Subject) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        for id in self.subjects.get(subject).into_iter().flatten() {
            hasher.update(id.as_bytes());
        }
        *hasher.finalize().as_bytes()
    }

    /// All subjects of which something is stored, in order.
    pub fn subjects(&self) -> impl Iterator<Item = Subject> {
        self.subjects.keys().copied()
    }

    /// Drops all records of a subject. Nothing is signed; the same records can come again.
    pub fn forget(&mut self, subject: &Subject) {
        let ids = self.record_ids(subject);
        self.drop_subject(subject);
        self.waiting.forget(subject);
        for id in ids {
            self.changes.stored.remove(&id);
            self.changes.dropped.remove(&id);
        }
    }

    fn drop_subject(&mut self, subject: &Subject) {
        for id in self.subjects.remove(subject).unwrap_or_default() {
            self.records.remove(&id);
        }
        match subject {
            Subject::Roster(person) => {
                self.rosters.remove(person);
                self.persons_of.retain(|_, persons| {
                    persons.remove(person);
                    !persons.is_empty()
                });
                for resource in self.naming.get(person).cloned().unwrap_or_default() {
                    if let Some(set) = self.resources.get_mut(&resource) {
                        set.invalidate();
                    }
                }
            }
            Subject::Resource(resource) => {
                let Some(set) = self.resources.remove(resource) else { return };
                for person in set.named() {
                    if let Some(resources) = self.naming.get_mut(&person) {
                        resources.remove(resource);
                        if resources.is_empty() {
                            self.naming.remove(&person);
                        }
                    }
                }
            }
        }
    }

    /// A person's roster, as it stands.
    #[must_use]
    pub fn roster(&self, person: PersonId) -> Option<Arc<Roster>> {
        self.rosters.get(&person).map(|log| Arc::clone(log.roster()))
    }

    /// The person whose device this is now. Where several claim it, the one in which it is most senior (nobody
    /// can make a founder of somebody else's device), then the one of the lowest id.
    #[must_use]
    pub fn person_of(&self, device: DeviceId) -> Option<PersonId> {
        let claims = self.persons_of.get(&device)?.iter().filter_map(|person| {
            let member = self.rosters.get(person)?.roster().devices.get(&device)?;
            Some((member.rank.0, *person))
        });
        claims.min().map(|(_, person)| person)
    }

    /// The person whose device this is or ever was, by signatures alone. The present one, if there is one.
    #[must_use]
    pub fn person_ever_of(&self, device: DeviceId) -> Option<PersonId> {
        self.person_of(device).or_else(|| self.persons_of.get(&device)?.first().copied())
    }

    /// All persons whose device this is or ever was, by signatures alone.
    #[must_use]
    pub fn persons_ever_of(&self, device: DeviceId) -> Vec<PersonId> {
        self.persons_of.get(&device).into_iter().flatten().copied().collect()
    }

    /// Who may do what in a document.
    #[must_use]
    pub fn access(&self, resource: ResourceId) -> Option<Arc<Access>> {
        self.resources.get(&resource).map(|set| Arc::clone(set.access(&self.rosters)))
    }

    /// The documents that name this person as owner, issuer or audience.
    #[must_use]
    pub fn resources_naming(&self, person: PersonId) -> Vec<ResourceId> {
        self.naming.get(&person).into_iter().flatten().copied().collect()
    }

    /// The rosters on which access to a document depends.
    #[must_use]
    pub fn rosters_named_by(&self, resource: ResourceId) -> Vec<PersonId> {
        self.resources.get(&resource).into_iter().flat_map(ResourceSet::named).collect()
    }

    /// What somebody who lost its role is still served: the genesis, the chains of its own grants, and what
    /// ended them. Nothing for who never had a role.
    #[must_use]
    pub fn limited_records_for(&self, resource: ResourceId, person: PersonId) -> Vec<VerifiedRecord> {
        let Some(forest) = self.forest(resource) else { return Vec::new() };
        let ids = forest.records_about(person);
        ids.iter().filter_map(|id| self.records.get(id)).cloned().collect()
    }

    /// Why somebody has a role, or what is missing.
    #[must_use]
    pub fn explain(&self, who: Principal, resource: ResourceId) -> Explanation {
        let persons = match who {
            Principal::Person(person) => vec![person],
            Principal::Device(device) => self.persons_ever_of(device),
        };
        Explanation::new(who, resource, &persons, self.forest(resource).as_ref(), self.access(resource))
    }

    /// The live grants that a revocation for this person would end.
    #[must_use]
    pub fn revocable_by(&self, person: PersonId, resource: ResourceId) -> Vec<RecordId> {
        self.forest(resource).map(|forest| forest.revocable_by(person)).unwrap_or_default()
    }

    /// The parent under which a person may grant this role, with or without `share`: the genesis for the
    /// owner, else its own strongest grant that may be passed on. The new grant must not outlive it.
    #[must_use]
    pub fn grant_parent_for(&self, person: PersonId, resource: ResourceId, role: Role) -> Option<Parent> {
        self.forest(resource)?.parent_for(person, role)
    }

    fn forest(&self, resource: ResourceId) -> Option<Forest<'_>> {
        self.resources.get(&resource).map(|set| Forest::evaluate(set, &self.rosters))
    }
}
