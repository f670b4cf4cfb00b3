//! The set of stored records, and what it says.
//!
//! A record is worth storing if its signer could ever have held what it takes, by signatures alone: as if
//! nothing had been revoked and nobody removed. So the stored set, like every answer, is a function of the
//! set of records that came, and not of the order in which they did. The one exception is a roster that
//! somebody floods (`log/total.rs`): of the flood, stores may keep different parts.

mod changes;
mod dormant;
mod forget;
mod load;
mod log;
mod pages;
mod questions;
mod records;
mod resource;
mod rosters;
mod slots;
mod voices;
mod waiting;

pub use changes::{AccessChange, AccessChanges, Changes};
pub use load::StoredRecords;
pub(crate) use log::RosterLog;
pub(crate) use resource::{ResourceSet, StoredGrant, gives_back, rests_on};
pub(crate) use rosters::Rosters;
pub(crate) use voices::Voices;

use std::collections::{BTreeMap, BTreeSet};

use thiserror::Error;

use crate::access::AccessClass;
use crate::ids::{DeviceId, PersonId, RecordId, ResourceId};
use crate::records::{
    Audience, Exclude, Genesis, Member, Record, ResourceKind, RosterGenesis, RosterKind, Subject,
    VerifiedRecord,
};
use crate::role::Role;
use changes::Touched;
use dormant::Dormant;
use resource::named_by;
use waiting::{Awaited, Demand, Waiting};

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
    /// It does not belong in a roster or resource of this kind.
    #[error("{0} does not fit the kind of what it is part of")]
    WrongKind(&'static str),
    /// In the operation's own past the device was no full member of the roster, or the recovery key not the
    /// one that was committed to.
    #[error("device {} may not change this roster", .0.short())]
    NotEntitled(DeviceId),
    /// Who is to be removed or renamed was never there.
    #[error("{0} is no member of this roster")]
    NotAMember(Member),
    /// The signing key is not one of the issuer's.
    #[error("the grant is signed by another key than its issuer's")]
    WrongSigner,
    /// The parent was not granted to the issuer, or not to be passed on.
    #[error("the issuer was not given this to pass on")]
    NotTheIssuersToGive,
    /// Role, share or expiry are beyond the parent's, or beyond those of the invitation it redeems.
    #[error("the grant gives more than the one it rests on")]
    ExceedsParent,
    /// What a grant says it redeems is none.
    #[error("what the grant redeems is no invitation")]
    NoInvitation,
    /// Who redeems an invitation for somebody is not whom it came from.
    #[error("only those whom an invitation came from let people in by it")]
    NotTheirInvitation,
    /// By this invitation only the device that made it lets people in.
    #[error("only the device that made the invitation lets people in by it")]
    NotConfirmed,
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

/// The set of stored records, and its memoised evaluation. A clone is for trying something out.
#[derive(Debug, Default, Clone)]
pub struct Registry {
    rosters: Rosters,
    /// The resources that have no record but their genesis. Everything below is about the others.
    dormant: Dormant,
    records: BTreeMap<RecordId, VerifiedRecord>,
    subjects: BTreeMap<Subject, BTreeSet<RecordId>>,
    resources: BTreeMap<ResourceId, ResourceSet>,
    /// The documents born in each space.
    documents: BTreeMap<ResourceId, BTreeSet<ResourceId>>,
    /// The shelves of each person.
    shelves: BTreeMap<PersonId, BTreeSet<ResourceId>>,
    /// The resources whose own records name a roster.
    naming: BTreeMap<PersonId, BTreeSet<ResourceId>>,
    waiting: Waiting,
    /// On what the records build that are being judged again.
    built_on: BTreeSet<RecordId>,
    /// The classes whose members may have lost what entitled whoever founded them.
    doubtful: BTreeSet<AccessClass>,
    changes: Changes,
    touched: Touched,
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
        self.settle(queue);
        outcome
    }

    /// Takes in what is queued, the last first, and what that wakes.
    fn settle(&mut self, mut queue: Vec<VerifiedRecord>) {
        // Each record in the queue has left the waiting set or the stored one; a record wakes others only by
        // being stored, so this ends.
        loop {
            while let Some(next) = queue.pop() {
                self.insert_one(next, &mut queue);
            }
            self.judge_doubtful(&mut queue);
            let unwanted: BTreeSet<RecordId> =
                std::mem::take(&mut self.built_on).into_iter().chain(self.waiting.take_released()).collect();
            if unwanted.is_empty() && queue.is_empty() {
                break;
            }
            for id in unwanted {
                self.drop_spare(id, &mut queue);
            }
        }
    }

    fn insert_one(&mut self, record: VerifiedRecord, queue: &mut Vec<VerifiedRecord>) -> Inserted {
        let id = record.id();
        if self.contains(&id) {
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
        let demand = Demand { waiting: &self.waiting, built_on: &self.built_on };
        match (record.record(), record.subject()) {
            (Record::RosterGenesis(genesis), Subject::Roster(roster)) => {
                self.judge_founding(genesis)?;
                self.rosters.insert(roster, RosterLog::new(roster, genesis.clone()));
                Ok(Vec::new())
            }
            (Record::RosterOperation(operation), Subject::Roster(roster)) => {
                let missing = Verdict::Wait(Awaited::Record(record.subject().genesis()));
                let Some(log) = self.rosters.log(&roster) else { return Err(missing) };
                let judged = log.judge(operation, &self.rosters)?;
                let log = self.rosters.log_mut(&roster).ok_or(missing)?;
                log.insert(id, operation, judged, demand)
            }
            (Record::Genesis(genesis), Subject::Resource(resource)) => {
                self.judge_genesis(genesis.class(), genesis.by)?;
                self.touched.note(resource, || None);
                self.dormant.insert(resource, record);
                Ok(Vec::new())
            }
            (Record::Keys(_), _) => Err(Verdict::Refused(Refusal::NotYet("keys of sealed content"))),
            (record, Subject::Resource(resource)) => {
                let wanted = demand.wants(id);
                self.place_in(resource, id, record, wanted)
            }
            (_, Subject::Roster(_)) => Err(Verdict::Refused(Refusal::WrongKind("a record of a resource"))),
        }
    }

    /// The same for a record of a resource that is not its genesis.
    fn place_in(
        &mut self,
        resource: ResourceId,
        id: RecordId,
        record: &Record,
        wanted: bool,
    ) -> Result<Vec<RecordId>, Verdict> {
        if let Record::Exclude(exclude) = record {
            self.judge_exclude(exclude)?;
        }
        if let Some(set) = self.resources.get_mut(&resource) {
            let before = set.known_rights();
            let dropped = place_in_set(set, id, record, &self.rosters, wanted)?;
            self.touched.note(resource, || before);
            return Ok(dropped);
        }
        let Some(set) = self.dormant.set(&resource) else {
            return Err(Verdict::Wait(Awaited::Record(Subject::Resource(resource).genesis())));
        };
        let mut set = set.clone();
        let dropped = place_in_set(&mut set, id, record, &self.rosters, wanted)?;
        self.note_rights(resource);
        self.wake_as(set);
        Ok(dropped)
    }

    /// Takes a resource from the dormant ones.
    fn wake_as(&mut self, set: ResourceSet) {
        if let Some(record) = self.dormant.record(&set.id).cloned() {
            self.enter(record);
        }
        self.dormant.remove(&set.id);
        self.resources.insert(set.id, set);
    }

    /// Keeps a resource unpacked until the next [`Registry::rest`], as those with several records are. Nothing
    /// answers differently.
    pub fn wake(&mut self, resource: ResourceId) {
        if let Some(set) = self.dormant.set(&resource).cloned() {
            self.wake_as(set);
        }
    }

    /// Lets go of what is remembered only because somebody asked for it, and packs each resource that has no record
    /// but its genesis. Nothing is lost, and nothing answers differently.
    pub fn rest(&mut self) {
        let bare = self.resources.values().filter(|set| set.is_bare());
        let bare: Vec<ResourceId> = bare.map(|set| set.id).collect();
        for resource in bare {
            let subject = Subject::Resource(resource);
            let Some(genesis) = self.records.remove(&subject.genesis()) else { continue };
            self.subjects.remove(&subject);
            self.leave_indexes(resource);
            self.dormant.insert(resource, &genesis);
        }
        self.dormant.rest();
    }

    /// A person founds itself; a group is founded in the name of somebody for whom the device could speak.
    fn judge_founding(&self, genesis: &RosterGenesis) -> Result<(), Verdict> {
        match genesis.founder_person {
            Some(person) => self.rosters.require_owner(person, genesis.founder),
            None => Ok(()),
        }
    }

    fn judge_genesis(&self, class: AccessClass, by: DeviceId) -> Result<(), Verdict> {
        self.rosters.require_owner(class.owner, by)?;
        if class.kind == ResourceKind::Shelf && self.rosters.kind(&class.owner) != Some(RosterKind::Person) {
            return Err(Verdict::Refused(Refusal::WrongKind("a shelf")));
        }
        match class.space {
            Some(space) => self.judge_birth(class.owner, space),
            None => Ok(()),
        }
    }

    /// Only who ever held Write in a space has documents born in it.
    fn judge_birth(&self, owner: PersonId, space: ResourceId) -> Result<(), Verdict> {
        let wait = Err(Verdict::Wait(Awaited::Resource(space)));
        let Some(class) = self.genesis_class(&space) else { return wait };
        if class.kind != ResourceKind::Space {
            return Err(Verdict::Refused(Refusal::WrongKind("a document")));
        }
        if self.ever_role(space, &self.rosters.reached_ever([owner])) < Some(Role::Write) {
            return wait;
        }
        Ok(())
    }

    /// Only who ever was an Admin excludes, and only where there are changes.
    fn judge_exclude(&self, exclude: &Exclude) -> Result<(), Verdict> {
        let Some(class) = self.genesis_class(&exclude.resource) else {
            return Err(Verdict::Wait(Awaited::Record(Subject::Resource(exclude.resource).genesis())));
        };
        if class.kind != ResourceKind::Document {
            return Err(Verdict::Refused(Refusal::WrongKind("an exclusion")));
        }
        if self.ever_admin(exclude.resource, exclude.by) {
            Ok(())
        } else {
            Err(Verdict::Wait(Awaited::Resource(exclude.resource)))
        }
    }

    /// Whether a device could ever have been an Admin's, here or in the space, by signatures alone.
    fn ever_admin(&self, resource: ResourceId, device: DeviceId) -> bool {
        let who = self.rosters.reached_ever(self.rosters.persons_of(&device));
        let space = self.genesis_class(&resource).and_then(|class| class.space);
        [Some(resource), space].into_iter().flatten().any(|resource| {
            let set = self.resources.get(&resource);
            let own = set.and_then(|set| set.ever_granted([Audience::Device(device)]));
            self.ever_role(resource, &who).max(own) >= Some(Role::Admin)
        })
    }

    /// What any of these persons and groups could ever have done in a document or space.
    fn ever_role(&self, resource: ResourceId, who: &BTreeSet<PersonId>) -> Option<Role> {
        if who.contains(&self.genesis_class(&resource)?.owner) {
            return Some(Role::Admin);
        }
        let audiences = who.iter().flat_map(|who| match self.rosters.kind(who) {
            Some(RosterKind::Group) => [Some(Audience::Group(*who)), None],
            Some(RosterKind::Person) | None => [Some(Audience::Person(*who)), None],
        });
        self.resources.get(&resource)?.ever_granted(audiences.flatten())
    }

    /// Of which class a resource was when nothing but its genesis was known of it.
    #[must_use]
    pub fn genesis_class(&self, resource: &ResourceId) -> Option<AccessClass> {
        match self.resources.get(resource) {
            Some(set) => Some(set.class()),
            None => self.dormant.class_of(resource),
        }
    }

    /// Takes in a record that has been placed, and wakes what waited for it.
    fn store(&mut self, record: VerifiedRecord, dropped: Vec<RecordId>, queue: &mut Vec<VerifiedRecord>) {
        let (id, subject) = (record.id(), record.subject());
        if !self.is_dormant(&subject) {
            self.enter(record);
        }
        if self.changes.dropped.remove(&id).is_none() {
            self.changes.stored.insert(id);
        }
        queue.extend(self.waiting.wake(Awaited::Record(id)));
        self.changed(subject, dropped, queue);
    }

    /// Enters a record of what is not dormant into the indexes.
    fn enter(&mut self, record: VerifiedRecord) {
        let (id, subject) = (record.id(), record.subject());
        self.subjects.entry(subject).or_default().insert(id);
        if let Subject::Resource(resource) = subject {
            for roster in named_by(record.record()) {
                self.naming.entry(roster).or_default().insert(resource);
            }
            if let Record::Genesis(genesis) = record.record() {
                self.index_genesis(resource, genesis);
            }
        }
        self.records.insert(id, record);
    }

    fn is_dormant(&self, subject: &Subject) -> bool {
        match subject {
            Subject::Resource(resource) => self.dormant.contains(resource),
            Subject::Roster(_) => false,
        }
    }

    /// Takes note that a subject changed, and these had to go.
    fn changed(&mut self, subject: Subject, dropped: Vec<RecordId>, queue: &mut Vec<VerifiedRecord>) {
        let fewer = !dropped.is_empty();
        for dropped in dropped {
            self.drop_record(&subject, &dropped);
        }
        match subject {
            Subject::Roster(roster) => self.roster_changed(roster, fewer, queue),
            Subject::Resource(resource) => self.resource_changed(resource, fewer, queue),
        }
    }

    fn index_genesis(&mut self, resource: ResourceId, genesis: &Genesis) {
        if let Some(space) = genesis.space {
            self.documents.entry(space).or_default().insert(resource);
        }
        if genesis.kind == ResourceKind::Shelf {
            self.shelves.entry(genesis.owner).or_default().insert(resource);
        }
    }

    /// Takes note that a roster changed, in all that rests on it. `fewer` says that records of it were dropped.
    fn roster_changed(&mut self, roster: PersonId, fewer: bool, queue: &mut Vec<VerifiedRecord>) {
        self.rosters.changed(&roster, fewer);
        let above = self.rosters.above_ever(roster);
        for id in &above {
            queue.extend(self.waiting.wake(Awaited::Roster(*id)));
        }
        if fewer {
            // Rare: what only the dropped operation entitled must go too, so all of it is judged again.
            let groups = above.iter().filter(|id| **id != roster).map(|id| Subject::Roster(*id));
            let (spaces, others): (BTreeSet<AccessClass>, _) = self
                .classes_naming_any(&above)
                .into_iter()
                .partition(|class| class.kind == ResourceKind::Space);
            let spaces = spaces.iter().flat_map(|class| self.dormant.members(class));
            let resources = self.awake_naming(&above).into_iter().chain(spaces).map(Subject::Resource);
            let subjects: Vec<Subject> = groups.chain(resources).collect();
            self.judge_again(&subjects, queue);
            // Nothing rests on any of these, and there may be many: they are judged when all else is.
            self.classes_changed(&others, queue);
            self.doubtful.extend(others);
        } else {
            for resource in self.awake_naming(&above) {
                self.invalidate(resource);
                queue.extend(self.waiting.wake(Awaited::Resource(resource)));
            }
            self.classes_changed(&self.classes_naming_any(&above), queue);
        }
    }

    /// Takes note that a resource changed, in the documents born in it too.
    fn resource_changed(&mut self, resource: ResourceId, fewer: bool, queue: &mut Vec<VerifiedRecord>) {
        queue.extend(self.waiting.wake(Awaited::Resource(resource)));
        let documents = self.documents.get(&resource).cloned().unwrap_or_default();
        for document in &documents {
            self.invalidate(*document);
            queue.extend(self.waiting.wake(Awaited::Resource(*document)));
        }
        let classes: BTreeSet<AccessClass> = self.dormant.classes_in(resource).copied().collect();
        self.classes_changed(&classes, queue);
        if fewer {
            self.judge_entitled_again(resource, queue);
            for document in documents {
                self.judge_entitled_again(document, queue);
            }
            for class in classes {
                self.judge_births_again(&class, queue);
            }
        }
    }

    /// Takes note that something changed on which access to the dormant resources of these classes depends.
    fn classes_changed(&mut self, classes: &BTreeSet<AccessClass>, queue: &mut Vec<VerifiedRecord>) {
        for class in classes {
            self.invalidate_class(class);
        }
        for resource in self.waiting.awaited_resources() {
            if self.dormant.class_of(&resource).is_some_and(|class| classes.contains(&class)) {
                queue.extend(self.waiting.wake(Awaited::Resource(resource)));
            }
        }
    }
}

/// Puts a record of a resource that is not its genesis into the set, if it is worth storing.
fn place_in_set(
    set: &mut ResourceSet,
    id: RecordId,
    record: &Record,
    rosters: &Rosters,
    wanted: bool,
) -> Result<Vec<RecordId>, Verdict> {
    match record {
        Record::Grant(grant) => set.insert_grant(id, grant, rosters, wanted),
        Record::Revoke(revoke) => set.insert_revoke(id, revoke, rosters).map(|()| Vec::new()),
        Record::Tombstone(tombstone) => set.insert_tombstone(id, tombstone, rosters).map(|()| Vec::new()),
        Record::Exclude(exclude) => set.insert_exclude(id, exclude),
        Record::RosterGenesis(_) | Record::RosterOperation(_) | Record::Genesis(_) | Record::Keys(_) => {
            Err(Verdict::Refused(Refusal::WrongKind("a record of a roster")))
        }
    }
}
