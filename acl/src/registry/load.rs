//! Reading back what was stored.
//!
//! What a store hands back was judged before, and comes in no order. Records may wait here for others without any
//! bound, since there are no more of them than were stored: of those that a device keeps none gets lost by being
//! read before what it rests on.
//!
//! Most of what is stored are documents of which there is nothing but the genesis. Those are not even read as
//! records, but packed at once, and judged together with all that have the same owner, space and device.

use std::collections::BTreeSet;

use super::Registry;
use super::dormant::Dormant;
use super::waiting::{Waiting, builds_on};
use crate::ids::{RecordId, ResourceId};
use crate::records::{Packed, Record, RecordError, ResourceKind, Subject, UnverifiedRecord, VerifiedRecord};

/// The bytes of records as this device stored them, on their way to [`Registry::load_stored`].
#[derive(Debug, Default)]
pub struct StoredRecords {
    /// Geneses, not judged yet.
    births: Dormant,
    records: Vec<VerifiedRecord>,
}

impl StoredRecords {
    /// Adds one, quickest in the order of the ids. Neither ids nor signatures are looked at again: see
    /// [`UnverifiedRecord::trusted`].
    ///
    /// # Errors
    /// If these bytes are no record.
    pub fn add(&mut self, id: RecordId, bytes: &[u8]) -> Result<(), RecordError> {
        match Packed::new(bytes)? {
            Some((family, packed)) => {
                self.births.insert_packed(ResourceId::from_bytes(*id.as_bytes()), family, packed);
            }
            None => self.records.push(UnverifiedRecord::decode(bytes)?.trusted()),
        }
        Ok(())
    }
}

impl Registry {
    /// Reads back stored records. Says which of them are worth storing no more: none, unless the store was
    /// damaged or written by another version. Nothing counts as changed by it.
    #[must_use]
    pub fn load(records: Vec<VerifiedRecord>) -> (Self, Vec<RecordId>) {
        Self::read_back(records, Dormant::default())
    }

    /// The same from what this device stored.
    #[must_use]
    pub fn load_stored(stored: StoredRecords) -> (Self, Vec<RecordId>) {
        let StoredRecords { mut births, mut records } = stored;
        let subjects: BTreeSet<Subject> = records.iter().map(VerifiedRecord::subject).collect();
        for subject in subjects {
            if let Subject::Resource(id) = subject {
                records.extend(births.take(&id));
            }
        }
        Self::read_back(records, births)
    }

    /// `births` are of resources that have no other records.
    fn read_back(mut records: Vec<VerifiedRecord>, mut births: Dormant) -> (Self, Vec<RecordId>) {
        let mut registry = Self { waiting: Waiting::unbounded(), ..Self::default() };
        let mut ids: Vec<RecordId> = records.iter().map(VerifiedRecord::id).collect();
        // The last is taken first.
        records.sort_by_key(|record| std::cmp::Reverse((turn(record.record()), record.id())));
        let rosters = records.partition_point(|record| turn(record.record()) > LAST_OF_ROSTERS);
        let on_rosters = records.split_off(rosters);
        registry.settle_all(on_rosters);
        let spaces = births.take_all_of(|family| family.class.kind == ResourceKind::Space);
        let mut late = registry.take_births(spaces);
        registry.settle_all(records);
        late.extend(registry.take_births(births));
        ids.extend(late.iter().map(VerifiedRecord::id));
        registry.settle_all(late);
        registry.waiting = Waiting::default();
        (registry.changes, registry.touched) = Default::default();
        ids.retain(|id| !registry.contains(id));
        (registry, ids)
    }

    /// Takes in stored records, the last first. What others build on was kept beyond the bounds for their sake, and
    /// is kept again.
    fn settle_all(&mut self, records: Vec<VerifiedRecord>) {
        self.built_on = records.iter().flat_map(|record| builds_on(record.record())).collect();
        self.settle(records);
    }

    /// Takes in those geneses that are worth storing as things stand, and gives back the others, read.
    fn take_births(&mut self, mut births: Dormant) -> Vec<VerifiedRecord> {
        let others = births.take_all_of(|family| self.judge_genesis(family.class, family.by).is_err());
        self.dormant.absorb(births);
        others.ids().filter_map(|id| others.record(&id).cloned()).collect()
    }
}

/// The last turn of a record of a roster.
const LAST_OF_ROSTERS: u8 = 1;

/// Whose turn it is: first what others rest on, so that few have to wait.
fn turn(record: &Record) -> u8 {
    match record {
        Record::RosterGenesis(_) => 0,
        Record::RosterOperation(_) => LAST_OF_ROSTERS,
        Record::Genesis(genesis) => 2 + u8::from(genesis.space.is_some()),
        Record::Grant(_) => 4,
        Record::Revoke(_) | Record::Tombstone(_) | Record::Exclude(_) | Record::Keys(_) => 5,
    }
}
