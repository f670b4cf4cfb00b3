//! Reading back what was stored.
//!
//! What a store hands back was judged before, and comes in no order. Records may wait here for others without any
//! bound, since there are no more of them than were stored: of those that a device keeps none gets lost by being
//! read before what it rests on.

use super::Registry;
use super::waiting::{Waiting, builds_on};
use crate::ids::RecordId;
use crate::records::{Record, VerifiedRecord};

impl Registry {
    /// Reads back stored records. Says which of them are worth storing no more: none, unless the store was
    /// damaged or written by another version. Nothing counts as changed by it.
    #[must_use]
    pub fn load(mut records: Vec<VerifiedRecord>) -> (Self, Vec<RecordId>) {
        let mut registry = Self { waiting: Waiting::unbounded(), ..Self::default() };
        let ids: Vec<RecordId> = records.iter().map(VerifiedRecord::id).collect();
        // What others build on was kept beyond the bounds for their sake, and is kept again.
        registry.built_on = records.iter().flat_map(|record| builds_on(record.record())).collect();
        // The last is taken first.
        records.sort_by_key(|record| std::cmp::Reverse((turn(record.record()), record.id())));
        registry.settle(records);
        registry.waiting = Waiting::default();
        registry.take_changes();
        let left = ids.into_iter().filter(|id| !registry.contains(id)).collect();
        (registry, left)
    }
}

/// Whose turn it is: first what others rest on, so that few have to wait.
fn turn(record: &Record) -> u8 {
    match record {
        Record::RosterGenesis(_) => 0,
        Record::RosterOperation(_) => 1,
        Record::Genesis(genesis) => 2 + u8::from(genesis.space.is_some()),
        Record::Grant(_) => 4,
        Record::Revoke(_) | Record::Tombstone(_) | Record::Exclude(_) | Record::Keys(_) => 5,
    }
}
