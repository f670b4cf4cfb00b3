//! Records that wait for another one: the genesis, the parent, or the roster that would entitle their signer.

use std::collections::{BTreeMap, BTreeSet};

use crate::bounds::{MAX_WAITING, MAX_WAITING_BYTES, MAX_WAITING_PER_SUBJECT};
use crate::ids::{PersonId, RecordId};
use crate::records::{Subject, VerifiedRecord};

/// What a record waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Awaited {
    /// This record.
    Record(RecordId),
    /// Any news of this roster.
    Roster(PersonId),
}

/// The waiting records. In memory only: whoever sent them sends them again.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    records: BTreeMap<RecordId, (VerifiedRecord, Awaited)>,
    by_subject: BTreeMap<Subject, BTreeSet<RecordId>>,
    by_awaited: BTreeMap<Awaited, BTreeSet<RecordId>>,
    bytes: usize,
}

impl Waiting {
    pub(super) fn contains(&self, id: &RecordId) -> bool {
        self.records.contains_key(id)
    }

    /// Whether some record waits for this one.
    pub(super) fn wants(&self, id: RecordId) -> bool {
        self.by_awaited.contains_key(&Awaited::Record(id))
    }

    /// Keeps a record, unless there are too many: then of its subject the lowest ids stay.
    pub(super) fn keep(&mut self, record: VerifiedRecord, awaited: Awaited) -> bool {
        let subject = record.subject();
        let id = record.id();
        let of_subject = self.by_subject.get(&subject);
        let highest = of_subject.and_then(BTreeSet::last).copied();
        let full = of_subject.is_some_and(|ids| ids.len() >= MAX_WAITING_PER_SUBJECT)
            || self.records.len() >= MAX_WAITING
            || self.bytes + record.bytes().len() > MAX_WAITING_BYTES;
        if full {
            match highest {
                Some(highest) if id < highest => self.remove(&highest),
                _ => return false,
            };
        }
        self.bytes += record.bytes().len();
        self.by_subject.entry(subject).or_default().insert(id);
        self.by_awaited.entry(awaited).or_default().insert(id);
        self.records.insert(id, (record, awaited));
        true
    }

    /// Takes out all that waited for this.
    pub(super) fn wake(&mut self, awaited: Awaited) -> Vec<VerifiedRecord> {
        let ids = self.by_awaited.remove(&awaited).unwrap_or_default();
        ids.iter().filter_map(|id| self.remove(id)).collect()
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
        take(&mut self.by_subject, &record.subject(), id);
        take(&mut self.by_awaited, &awaited, id);
        Some(record)
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
