//! All rosters of a founder and three other devices: who adds and removes whom, having seen what.
//!
//! An operation names any set of earlier ones, none of which lies before another. Only operations that are
//! stored are built upon: that the others are not is what the rule says too, and is compared for each.

use std::collections::{BTreeMap, BTreeSet};

use katori_acl::{Capacity, DeviceKey, Member, PersonId, RecordId, Registry, VerifiedRecord};

use crate::cast::{adding, device, operation, person, registry, removing, roster_of};
use crate::rosters::{NESTING, Oracle, When};
use crate::{records_at_most, renamings};

const DEVICES: u8 = 4;

/// An operation: by whom, about whom, adding or removing, after which earlier ones (as a set of places).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Done {
    /// All that lies before it, as bits.
    past: u32,
    by: u8,
    whom: u8,
    adds: bool,
}

/// The operations of a roster, in an order in which they could have been signed.
type Log = Vec<Done>;

const FOUNDER: u8 = 0;

fn has(past: u32, place: usize) -> bool {
    past >> place & 1 == 1
}

/// The operations in a past that lie before no other in it.
fn heads(log: &[Done], past: u32) -> Vec<usize> {
    let inside = |place: &usize| has(past, *place);
    let last = |place: &usize| !(0..log.len()).any(|other| has(past, other) && has(log[other].past, *place));
    (0..log.len()).filter(inside).filter(last).collect()
}

/// Whether a device was ever added within a past.
fn belonged(log: &[Done], past: u32, whom: u8) -> bool {
    whom == FOUNDER
        || (0..log.len()).any(|place| has(past, place) && log[place].adds && log[place].whom == whom)
}

/// All pasts that an operation may have: sets that hold with each operation what lies before it.
fn pasts(log: &[Done]) -> Vec<u32> {
    let all = 0..1_u32 << log.len();
    let closed = |past: &u32| {
        (0..log.len()).filter(|place| has(*past, *place)).all(|place| log[place].past & !past == 0)
    };
    all.filter(closed).collect()
}

/// All logs with one operation more.
fn grown(log: &[Done]) -> Vec<Log> {
    let mut all = Vec::new();
    for past in pasts(log) {
        for by in 0..DEVICES {
            for whom in 0..DEVICES {
                for adds in [true, false] {
                    let done = Done { past, by, whom, adds };
                    let entitled = belonged(log, past, by) && (adds || belonged(log, past, whom));
                    if entitled && !log.contains(&done) {
                        all.push(log.iter().copied().chain([done]).collect());
                    }
                }
            }
        }
    }
    all
}

/// A log with other names for all but the founder, as the set of its operations: each with its whole past
/// spelled out, so that places do not matter.
fn spelled(log: &[Done], names: &[u8]) -> BTreeSet<String> {
    let name = |who: u8| if who == FOUNDER { FOUNDER } else { names[usize::from(who) - 1] };
    let mut words: Vec<String> = Vec::new();
    for done in log {
        let mut before: Vec<&str> =
            heads(log, done.past).into_iter().map(|place| words[place].as_str()).collect();
        before.sort_unstable();
        let sign = if done.adds { '+' } else { '-' };
        words.push(format!("({}{}{sign}{})", before.concat(), name(done.by), name(done.whom)));
    }
    words.into_iter().collect()
}

struct Cast {
    keys: Vec<DeviceKey>,
    roster: PersonId,
    genesis: VerifiedRecord,
    signed: BTreeMap<(Vec<RecordId>, u8, u8, bool), VerifiedRecord>,
}

impl Cast {
    fn new() -> Self {
        let keys: Vec<_> = (1..=DEVICES).map(device).collect();
        let genesis = person(&keys[0], 1);
        Self { keys, roster: roster_of(&genesis), genesis, signed: BTreeMap::new() }
    }

    fn records(&mut self, log: &[Done]) -> Vec<VerifiedRecord> {
        let mut records: Vec<VerifiedRecord> = Vec::new();
        for done in log {
            let mut previous: Vec<RecordId> =
                heads(log, done.past).into_iter().map(|place| records[place].id()).collect();
            if previous.is_empty() {
                previous.push(self.genesis.id());
            }
            previous.sort();
            let (keys, roster) = (&self.keys, self.roster);
            let key = (previous, done.by, done.whom, done.adds);
            let record = self.signed.entry(key).or_insert_with_key(|(previous, by, whom, adds)| {
                let whom = &keys[usize::from(*whom)];
                let action = if *adds { adding(roster, whom, Capacity::Full) } else { removing(whom, &[]) };
                operation(roster, &keys[usize::from(*by)], previous, action)
            });
            records.push(record.clone());
        }
        records
    }

    fn members(&self, registry: &Registry) -> Vec<bool> {
        let roster = registry.roster(self.roster).unwrap();
        self.keys.iter().map(|key| roster.contains(&key.public())).collect()
    }
}

#[test]
fn every_small_roster() {
    let size = records_at_most(5);
    let names = renamings(&[1, 2, 3]);
    let mut cast = Cast::new();
    let stage = registry([&cast.genesis]);
    // By what all that differ in names and places alone have in common.
    let mut level: BTreeMap<BTreeSet<String>, Log> = BTreeMap::from([(BTreeSet::new(), Log::new())]);
    let mut logs: Vec<Log> = vec![Log::new()];
    for _ in 1..size {
        let grown = level.values().flat_map(|log| grown(log));
        let nameless = |log: &Log| names.iter().map(|names| spelled(log, names)).min().unwrap_or_default();
        level = grown.map(|log| (nameless(&log), log)).collect();
        logs.extend(level.values().cloned());
    }
    let (mut worlds, mut removed) = (0_u64, 0_u64);
    for log in logs {
        worlds += 1;
        let records = cast.records(&log);
        let oracle = Oracle::new(records.iter().chain([&cast.genesis]));
        let book = oracle.book(cast.roster, When::Now, NESTING).unwrap();
        let expected: Vec<bool> =
            cast.keys.iter().map(|key| book.contains(Member::Device(key.public()), When::Now)).collect();
        removed += u64::from(!expected[0]);
        let mut forwards = stage.clone();
        let mut backwards = stage.clone();
        for (first, last) in records.iter().zip(records.iter().rev()) {
            forwards.insert(first.clone());
            backwards.insert(last.clone());
        }
        assert_eq!(cast.members(&forwards), expected, "{log:?}");
        assert_eq!(cast.members(&backwards), expected, "backwards: {log:?}");
    }
    println!("{worlds} rosters of up to {size} records, up to names; {removed} without their founder");
}
