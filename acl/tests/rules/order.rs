//! Random records of hostile people: one answer for every order and duplication, and revocations only deny.

use std::collections::BTreeSet;

use katori_acl::{
    Audience, Capacity, DeviceKey, Member, Parent, PersonId, Record, RecordId, Registry, ResourceId, Role,
    RosterAction, Subject, VerifiedRecord,
};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use crate::rule::Rule;
use crate::world::{Terms, WRITE, World, add, device, everything, operation, revocation};

const PERSONS: u8 = 4;
const DEVICES: u8 = 4;

/// One thing that somebody signs, entitled or not; the registry sorts that out.
#[derive(Debug, Clone)]
enum Step {
    Add { person: u8, by: u8, device: u8, limited: bool, seen: u8 },
    Remove { person: u8, by: u8, device: u8, keep: Vec<u8>, seen: u8 },
    Grant { issuer: u8, by: u8, to: u8, role: u8, share: bool, parent: u8 },
    Revoke { issuer: u8, by: u8, target: u8 },
    Delete { by: u8 },
}

fn step() -> impl Strategy<Value = Step> {
    let choice = 0u8..;
    let keep = prop::collection::vec(0u8.., 0..4);
    prop_oneof![
        4 => (0..PERSONS, 0..DEVICES, 0..PERSONS * DEVICES, any::<bool>(), choice.clone())
            .prop_map(|(person, by, device, limited, seen)| Step::Add { person, by, device, limited, seen }),
        3 => (0..PERSONS, 0..DEVICES, 0..DEVICES, keep, choice.clone())
            .prop_map(|(person, by, device, keep, seen)| Step::Remove { person, by, device, keep, seen }),
        6 => (0..PERSONS, 0..DEVICES, 0..PERSONS, 0u8..4, any::<bool>(), choice.clone())
            .prop_map(|(issuer, by, to, role, share, parent)| {
                Step::Grant { issuer, by, to, role, share, parent }
            }),
        3 => (0..PERSONS, 0..DEVICES, choice).prop_map(|(issuer, by, target)| Step::Revoke { issuer, by, target }),
        1 => (0..DEVICES).prop_map(|by| Step::Delete { by }),
    ]
}

struct Play {
    world: World,
    persons: Vec<PersonId>,
    document: ResourceId,
    grants: Vec<RecordId>,
}

fn key(person: u8, number: u8) -> DeviceKey {
    device(1 + person * DEVICES + number)
}

fn pick<T: Copy>(items: &[T], choice: u8) -> Option<T> {
    items.get(usize::from(choice) % items.len().max(1)).copied()
}

impl Play {
    fn new() -> Self {
        let mut world = World::default();
        let persons: Vec<PersonId> = (0..PERSONS).map(|person| world.person(&key(person, 0))).collect();
        for person in 0..PERSONS {
            world.add(persons[usize::from(person)], &key(person, 0), &key(person, 1));
        }
        let document = world.document(persons[0], &key(0, 0));
        Self { world, persons, document, grants: Vec::new() }
    }

    /// Either the heads, or any one operation: somebody who has not heard of the others.
    fn seen(&self, person: PersonId, choice: u8) -> Vec<RecordId> {
        let stored = self.world.registry.record_ids(&Subject::Roster(person));
        match choice {
            0..128 => self.world.heads(person),
            _ => pick(&stored, choice).into_iter().collect(),
        }
    }

    fn take(&mut self, step: &Step) {
        let person = |number: u8| self.persons[usize::from(number)];
        let record = match *step {
            Step::Add { person: owner, by, device: new, limited, seen } => {
                let capacity = if limited { Capacity::Limited } else { Capacity::Full };
                let seen = self.seen(person(owner), seen);
                operation(
                    person(owner),
                    &key(owner, by),
                    &seen,
                    add(person(owner), &device(1 + new), capacity),
                )
            }
            Step::Remove { person: owner, by, device, ref keep, seen } => {
                let seen = self.seen(person(owner), seen);
                let member = Member::Device(key(owner, device).public());
                let keep = keep.iter().filter_map(|choice| pick(&self.grants, *choice)).collect();
                let action = RosterAction::Remove { member, keep };
                operation(person(owner), &key(owner, by), &seen, action)
            }
            Step::Grant { issuer, by, to, role, share, parent } => {
                let role = Role::ALL[usize::from(role)];
                let parent = match pick(&self.grants, parent) {
                    Some(grant) if issuer != 0 => Parent::Grant(grant),
                    _ => Parent::Genesis,
                };
                let terms = Terms { role, share, parent, ..WRITE };
                let (issuer, by, to) = (person(issuer), key(issuer, by), Audience::Person(person(to)));
                let grant = self.world.grant_of(self.document, issuer, &by, to, terms);
                let record = Record::Grant(grant).sign(&by).unwrap();
                self.grants.push(record.id());
                record
            }
            Step::Revoke { issuer, by, target } => {
                let Some(target) = pick(&self.grants, target) else { return };
                let record = revocation(self.document, person(issuer), &key(issuer, by), target);
                self.grants.push(record.id());
                record
            }
            Step::Delete { by } => {
                let by = key(0, by);
                let tombstone = katori_acl::Tombstone { resource: self.document, by: by.public() };
                Record::Tombstone(tombstone).sign(&by).unwrap()
            }
        };
        self.world.insert(record);
    }
}

fn registry(records: &[VerifiedRecord]) -> Registry {
    let mut registry = Registry::new();
    for record in records {
        registry.insert(record.clone());
    }
    registry
}

fn played(steps: &[Step]) -> Play {
    let mut play = Play::new();
    for step in steps {
        play.take(step);
    }
    play
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, rng_seed: RngSeed::Fixed(7), ..ProptestConfig::default() })]

    #[test]
    fn one_answer_for_every_order(
        steps in prop::collection::vec(step(), 1..50),
        order in any::<prop::sample::Index>(),
        seed in any::<u64>(),
    ) {
        let play = played(&steps);
        let mut records = play.world.records.clone();
        let twice = records[order.index(records.len())].clone();
        records.push(twice);
        // A fixed mixing of the seed and the position orders them.
        let mut shuffled: Vec<_> = records.into_iter().enumerate().collect();
        shuffled.sort_by_key(|(at, _)| blake3_of(seed, *at));
        let shuffled: Vec<_> = shuffled.into_iter().map(|(_, record)| record).collect();
        prop_assert_eq!(everything(&registry(&shuffled)), everything(&play.world.registry));
    }

    #[test]
    fn the_answer_is_the_one_of_the_rule_as_written(steps in prop::collection::vec(step(), 1..60)) {
        let play = played(&steps);
        let mut rule = Rule::default();
        for subject in play.world.registry.subjects() {
            rule.records.extend(play.world.registry.records(&subject).cloned());
        }
        for person in &play.persons {
            let roster = play.world.registry.roster(*person).unwrap();
            prop_assert_eq!(roster.devices.keys().copied().collect::<BTreeSet<_>>(), rule.devices(*person));
            let expected = rule.role(*person, play.document);
            prop_assert_eq!(play.world.role(play.document, *person), expected);
        }
    }

    #[test]
    fn revocations_only_deny(steps in prop::collection::vec(step(), 1..50)) {
        let play = played(&steps);
        let is_revoke = |record: &&VerifiedRecord| matches!(record.record(), Record::Revoke(_));
        let without: Vec<_> =
            play.world.records.iter().filter(|record| !is_revoke(record)).cloned().collect();
        let without = registry(&without).access(play.document).unwrap();
        let with = play.world.registry.access(play.document).unwrap();
        for (person, standing) in with.members() {
            prop_assert!(standing.role <= without.role_of_person(&person));
            prop_assert_eq!(standing.ever, without.ever_role_of_person(&person));
            prop_assert!(standing.role <= standing.ever);
        }
        prop_assert_eq!(with.role_of_person(&play.persons[0]).is_none(), with.deleted);
    }

    #[test]
    fn a_memoised_answer_is_the_answer(steps in prop::collection::vec(step(), 1..50)) {
        let mut play = Play::new();
        for step in &steps {
            play.take(step);
            // Asking after each step fills every memo, which the next must throw away where it has to.
            everything(&play.world.registry);
        }
        prop_assert_eq!(everything(&registry(&play.world.records)), everything(&play.world.registry));
    }
}

/// Some order of positions that depends on the seed.
fn blake3_of(seed: u64, at: usize) -> [u8; 32] {
    *katori_acl::record_id("order", &[seed.to_be_bytes(), (at as u64).to_be_bytes()].concat()).as_bytes()
}
