//! A roster holds so many operations. Beyond that whoever signs most gives way, and nobody else.

use katori_acl::bounds::{MAX_ROSTER_FORKS, MAX_ROSTER_LENGTH, MAX_ROSTER_OPERATIONS};
use katori_acl::{
    Capacity, DeviceKey, Inserted, Member, PersonId, Record, RecordId, Refusal, Registry, RosterAction,
    Subject, VerifiedRecord,
};

use crate::world::{World, add, device, everything, operation};

const FULL: Inserted = Inserted::Refused(Refusal::TooMany("operations of one roster in all"));

/// A laptop, its phone, and a rogue device that filled the roster up with two puppets.
struct Filled {
    world: World,
    ben: PersonId,
    /// On which the phone builds.
    honest: RecordId,
    /// What found no room.
    refused: Vec<VerifiedRecord>,
}

fn laptop() -> DeviceKey {
    device(1)
}

fn phone() -> DeviceKey {
    device(2)
}

fn rogue() -> DeviceKey {
    device(3)
}

impl Filled {
    fn new() -> Self {
        let mut world = World::default();
        let ben = world.person(&laptop());
        let honest = world.add(ben, &laptop(), &phone());
        let mut last = world.add_seeing(ben, &laptop(), &rogue(), &[honest]);
        let puppets = [device(100), device(101)];
        for puppet in &puppets {
            last = world.add_seeing(ben, &rogue(), puppet, &[last]);
        }
        let mut filled = Self { world, ben, honest, refused: Vec::new() };
        for by in std::iter::once(&rogue()).chain(&puppets) {
            filled.sign_as_much_as_fits(by, last);
        }
        assert_eq!(filled.held(), MAX_ROSTER_OPERATIONS);
        filled
    }

    fn sign_as_much_as_fits(&mut self, by: &DeviceKey, after: RecordId) {
        for branch in 0..MAX_ROSTER_FORKS {
            let mut previous = after;
            for step in MAX_ROSTER_LENGTH / 4..MAX_ROSTER_LENGTH {
                let name = format!("{branch} {step}");
                let action = RosterAction::Rename { member: None, name };
                let record = operation(self.ben, by, &[previous], action);
                previous = record.id();
                match self.world.insert(record.clone()).1 {
                    Inserted::New => {}
                    Inserted::Waiting => break,
                    inserted => {
                        assert_eq!(inserted, FULL);
                        self.refused.push(record);
                    }
                }
            }
        }
    }

    fn held(&self) -> usize {
        self.world.registry.record_ids(&Subject::Roster(self.ben)).len() - 1
    }

    fn adds(&self, by: &DeviceKey, new: &DeviceKey, after: RecordId) -> VerifiedRecord {
        operation(self.ben, by, &[after], add(self.ben, new, Capacity::Full))
    }
}

#[test]
fn in_a_full_roster_the_heaviest_branch_gives_way() {
    let mut filled = Filled::new();
    let (ben, honest) = (filled.ben, filled.honest);
    assert!(!filled.refused.is_empty());
    filled.world.registry.take_changes();
    let before = filled.world.registry.clone();
    // What was refused finds no room when it comes again, and nothing moves.
    for record in filled.refused.clone() {
        assert_ne!(filled.world.registry.insert(record), Inserted::New);
    }
    assert_eq!(filled.world.registry.take_changes(), katori_acl::Changes::default());
    // One of the others goes on, and one of the rogue's goes for it.
    let added = filled.adds(&phone(), &device(10), honest);
    let added = filled.world.stored(added);
    let changes = filled.world.registry.take_changes();
    assert_eq!(changes.stored, [added].into());
    assert_eq!(changes.dropped.len(), 1);
    let gone = before.record(changes.dropped.first_key_value().unwrap().0).unwrap().record();
    let Record::RosterOperation(gone) = gone else { panic!("an operation") };
    assert!([rogue(), device(100), device(101)].iter().any(|key| key.public() == gone.by));
    assert_eq!(filled.held(), MAX_ROSTER_OPERATIONS);
    // And all of it goes with the rogue.
    let (member, by) = (Member::Device(rogue().public()), Member::Device(laptop().public()));
    let previous = filled.world.registry.heads_to_remove(ben, member, by);
    filled.world.remove_seeing(ben, &laptop(), &rogue(), &[], &previous);
    let roster = filled.world.registry.roster(ben).unwrap();
    let members: Vec<_> = roster.devices.keys().copied().collect();
    let mut expected = [laptop(), phone(), device(10)].map(|key| key.public());
    expected.sort();
    assert_eq!(members, expected);
    assert_eq!(filled.held(), MAX_ROSTER_OPERATIONS);
}

#[test]
fn a_full_roster_is_read_back_as_it_was() {
    let filled = Filled::new();
    let stored = filled.world.registry.records(&Subject::Roster(filled.ben)).cloned().collect();
    let (loaded, left) = Registry::load(stored);
    assert!(left.is_empty());
    assert_eq!(everything(&loaded), everything(&filled.world.registry));
}

#[test]
fn what_one_of_the_others_builds_on_finds_room() {
    let mut filled = Filled::new();
    let rests_on = |record: &VerifiedRecord| match record.record() {
        Record::RosterOperation(operation) => operation.previous[0],
        _ => panic!("an operation"),
    };
    let registry = &filled.world.registry;
    let beyond = filled.refused.iter().find(|record| registry.contains(&rests_on(record))).unwrap().clone();
    // A puppet that builds on what was refused brings nothing in.
    let action = RosterAction::Rename { member: None, name: "more".to_owned() };
    let more = operation(filled.ben, &device(101), &[beyond.id()], action);
    assert_eq!(filled.world.insert(more).1, Inserted::Waiting);
    assert_eq!(filled.world.insert(beyond.clone()).1, FULL);
    // The laptop had it before it was full there.
    let remove = RosterAction::Remove { member: Member::Device(rogue().public()), keep: vec![] };
    let removal = operation(filled.ben, &laptop(), &[beyond.id()], remove);
    assert_eq!(filled.world.insert(removal.clone()).1, Inserted::Waiting);
    assert_eq!(filled.world.insert(beyond.clone()).1, Inserted::New);
    assert!(filled.world.registry.contains(&removal.id()) && filled.world.registry.contains(&beyond.id()));
    assert!(!filled.world.contains(filled.ben, &rogue()));
    assert_eq!(filled.held(), MAX_ROSTER_OPERATIONS);
}
