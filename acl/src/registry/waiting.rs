//! Records that wait for another one: the genesis, the parent, or what would entitle their signer.

use std::collections::{BTreeMap, BTreeSet};

use super::resource::rests_on;
use crate::bounds::{MAX_WAITING, MAX_WAITING_BYTES, MAX_WAITING_BYTES_PER_SUBJECT, MAX_WAITING_PER_SUBJECT};
use crate::ids::{PersonId, RecordId, ResourceId};
use crate::records::{Member, Record, Subject, VerifiedRecord};

/// What a record waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Awaited {
    /// This record.
    Record(RecordId),
    /// Any news of this roster, or of one within it.
    Roster(PersonId),
    /// Any news of who could ever do what in this resource.
    Resource(ResourceId),
}

/// The waiting records. In memory only: whoever sent them sends them again.
#[derive(Debug, Default, Clone)]
pub(super) struct Waiting {
    records: BTreeMap<RecordId, (VerifiedRecord, Awaited)>,
    by_subject: BTreeMap<Subject, BTreeSet<RecordId>>,
    by_awaited: BTreeMap<Awaited, BTreeSet<RecordId>>,
    /// How many waiting records build on each record, whatever they wait for first.
    built_on: BTreeMap<RecordId, usize>,
    /// On what none of them builds any more since this was last asked.
    released: Vec<RecordId>,
    bytes: usize,
    bytes_of: BTreeMap<Subject, usize>,
    /// Stored records are read back, and none may get lost.
    unbounded: bool,
}

impl Waiting {
    /// One that holds whatever waits, for reading back what was stored.
    pub(super) fn unbounded() -> Self {
        Self { unbounded: true, ..Self::default() }
    }

    pub(super) fn contains(&self, id: &RecordId) -> bool {
        self.records.contains_key(id)
    }

    /// Whether some waiting record builds on this one.
    pub(super) fn wants(&self, id: RecordId) -> bool {
        self.built_on.contains_key(&id)
    }

    /// Whose operations wait for this one, or for another that waits for it. `None` is a recovery.
    pub(super) fn authors_awaiting(&self, id: RecordId) -> BTreeSet<Option<Member>> {
        let mut authors = BTreeSet::new();
        let mut awaited = vec![id];
        // What waits for a record was signed after it, and each waits for one, so this ends.
        while let Some(id) = awaited.pop() {
            for id in self.by_awaited.get(&Awaited::Record(id)).into_iter().flatten() {
                let Some((record, _)) = self.records.get(id) else { continue };
                if let Record::RosterOperation(operation) = record.record() {
                    authors.insert(operation.author());
                    awaited.push(*id);
                }
            }
        }
        authors
    }

    /// Keeps a record, unless there are too many: then of its subject the lowest ids stay.
    pub(super) fn keep(&mut self, record: VerifiedRecord, awaited: Awaited) -> bool {
        let subject = record.subject();
        let id = record.id();
        let size = record.bytes().len();
        while self.is_full(&subject, size) {
            match self.by_subject.get(&subject).and_then(BTreeSet::last).copied() {
                Some(highest) if id < highest => self.remove(&highest),
                _ => return false,
            };
        }
        self.bytes += size;
        *self.bytes_of.entry(subject).or_default() += size;
        self.by_subject.entry(subject).or_default().insert(id);
        self.by_awaited.entry(awaited).or_default().insert(id);
        for below in builds_on(record.record()) {
            *self.built_on.entry(below).or_default() += 1;
        }
        self.records.insert(id, (record, awaited));
        true
    }

    fn is_full(&self, subject: &Subject, size: usize) -> bool {
        let of_subject = self.bytes_of.get(subject).copied().unwrap_or_default();
        !self.unbounded
            && (self.by_subject.get(subject).is_some_and(|ids| ids.len() >= MAX_WAITING_PER_SUBJECT)
                || of_subject + size > MAX_WAITING_BYTES_PER_SUBJECT
                || self.records.len() >= MAX_WAITING
                || self.bytes + size > MAX_WAITING_BYTES)
    }

    /// The resources of which some await news.
    pub(super) fn awaited_resources(&self) -> Vec<ResourceId> {
        let first = Awaited::Resource(ResourceId::from_bytes([0; 32]));
        let awaited = self.by_awaited.range(first..).filter_map(|(awaited, _)| match awaited {
            Awaited::Resource(resource) => Some(*resource),
            Awaited::Record(_) | Awaited::Roster(_) => None,
        });
        awaited.collect()
    }

    /// Takes out all that waited for this.
    pub(super) fn wake(&mut self, awaited: Awaited) -> Vec<VerifiedRecord> {
        let ids = self.by_awaited.remove(&awaited).unwrap_or_default();
        ids.iter().filter_map(|id| self.remove(id)).collect()
    }

    /// On what some of them built, and none does any more, since this was last asked.
    pub(super) fn take_released(&mut self) -> Vec<RecordId> {
        std::mem::take(&mut self.released)
    }

    /// Drops all records of a subject.
    pub(super) fn forget(&mut self, subject: &Subject) {
        for id in self.by_subject.remove(subject).unwrap_or_default() {
            self.remove(&id);
        }
    }

    fn remove(&mut self, id: &RecordId) -> Option<VerifiedRecord> {
        let (record, awaited) = self.records.remove(id)?;
        self.bytes -= record.bytes().len();
        if let Some(bytes) = self.bytes_of.get_mut(&record.subject()) {
            *bytes -= record.bytes().len();
            if *bytes == 0 {
                self.bytes_of.remove(&record.subject());
            }
        }
        take(&mut self.by_subject, &record.subject(), id);
        take(&mut self.by_awaited, &awaited, id);
        for below in builds_on(record.record()) {
            if let Some(count) = self.built_on.get_mut(&below) {
                *count -= 1;
                if *count == 0 {
                    self.built_on.remove(&below);
                    self.released.push(below);
                }
            }
        }
        Some(record)
    }
}

/// What records are needed for others that are not stored now.
#[derive(Debug, Clone, Copy)]
pub(super) struct Demand<'a> {
    pub(super) waiting: &'a Waiting,
    /// On what the records build that are being judged again.
    pub(super) built_on: &'a BTreeSet<RecordId>,
}

impl Demand<'_> {
    /// Whether one of them builds on this one.
    pub(super) fn wants(&self, id: RecordId) -> bool {
        self.waiting.wants(id) || self.built_on.contains(&id)
    }
}

/// The operations or grants that a record builds on, which a bound spares for its sake.
pub(super) fn builds_on(record: &Record) -> Vec<RecordId> {
    match record {
        Record::RosterOperation(operation) => operation.previous.clone(),
        Record::Grant(grant) => rests_on(grant).collect(),
        Record::RosterGenesis(_)
        | Record::Genesis(_)
        | Record::Revoke(_)
        | Record::Exclude(_)
        | Record::Tombstone(_)
        | Record::Keys(_) => Vec::new(),
    }
}

/// Takes one id out of an index, and the entry with the last.
fn take<K: Ord>(index: &mut BTreeMap<K, BTreeSet<RecordId>>, key: &K, id: &RecordId) {
    if let Some(ids) = index.get_mut(key) {
        ids.remove(id);
        if ids.is_empty() {
            index.remove(key);
        }
    }
}
