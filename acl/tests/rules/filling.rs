//! A device that fills its roster up, with more on parallel branches than may lie before one operation, is removed
//! all the same, and the words still bring the person back.

use katori_acl::bounds::{MAX_ROSTER_FORKS, MAX_ROSTER_LENGTH};
use katori_acl::{Capacity, DeviceKey, Inserted, Member, PersonId, RecordId, RosterAction};

use crate::recovery::{recovery, story, words};
use crate::world::{World, add, device, operation};

/// As many renamings side by side, and on top of each other, as a roster takes.
fn fill(world: &mut World, ben: PersonId, by: &DeviceKey, from: RecordId) {
    for branch in 0..MAX_ROSTER_FORKS {
        let mut previous = from;
        for step in 0..MAX_ROSTER_LENGTH {
            let action = RosterAction::Rename { member: None, name: format!("{branch} {step}") };
            let (id, inserted) = world.insert(operation(ben, by, &[previous], action));
            if inserted != Inserted::New {
                break;
            }
            previous = id;
        }
    }
    assert!(world.records.len() > MAX_ROSTER_FORKS * (MAX_ROSTER_LENGTH - 10));
}

fn member(key: &DeviceKey) -> Member {
    Member::Device(key.public())
}

#[test]
fn a_device_that_filled_the_roster_is_removed() {
    for through_a_puppet in [false, true] {
        let mut world = World::default();
        let (laptop, stolen, tablet, puppet) = (device(1), device(2), device(3), device(4));
        let ben = world.person(&laptop);
        world.add(ben, &laptop, &stolen);
        world.add(ben, &stolen, &tablet);
        let mut last = world.add(ben, &tablet, &device(5));
        if through_a_puppet {
            last = world.add(ben, &stolen, &puppet);
        }
        fill(&mut world, ben, if through_a_puppet { &puppet } else { &stolen }, last);
        let previous = world.registry.heads_to_remove(ben, member(&stolen), member(&laptop));
        world.remove_seeing(ben, &laptop, &stolen, &[], &previous);
        assert!(!world.contains(ben, &stolen) && !world.contains(ben, &puppet));
        assert!(world.contains(ben, &tablet), "others had built on what it did before");
        assert!(world.contains(ben, &device(5)));
        // The roster goes on.
        let record = operation(ben, &laptop, &world.heads(ben), add(ben, &device(6), Capacity::Full));
        assert_eq!(world.insert(record).1, Inserted::New);
        assert!(world.contains(ben, &device(6)));
        assert_eq!(world.registry.roster(ben).unwrap().name, "somebody");
    }
}

#[test]
fn nobody_reaches_so_deep_that_its_remover_does_not_fit() {
    let mut world = World::default();
    let (laptop, stolen) = (device(1), device(2));
    let ben = world.person(&laptop);
    let last = world.add(ben, &laptop, &stolen);
    fill(&mut world, ben, &stolen, last);
    // The laptop has unknowingly built on each branch.
    let tips: Vec<RecordId> = world.registry.record_ids(&katori_acl::Subject::Roster(ben));
    for tip in tips {
        let action = RosterAction::Remove { member: member(&stolen), keep: vec![] };
        let before = world.registry.clone();
        if before.story(katori_acl::Subject::Roster(ben)).iter().any(|entry| entry.rests_on.contains(&tip)) {
            continue;
        }
        world.insert(operation(ben, &laptop, &[tip], action));
    }
    let previous = world.registry.heads_to_remove(ben, member(&stolen), member(&laptop));
    world.remove_seeing(ben, &laptop, &stolen, &[], &previous);
    assert!(!world.contains(ben, &stolen));
}

#[test]
fn words_bring_back_who_was_locked_out_of_a_full_roster() {
    let (mut world, ben, laptop, phone) = story();
    let first = device(3);
    let heads = world.heads(ben);
    let recovered = world.stored(recovery(ben, &first, (1, 2), &heads));
    fill(&mut world, ben, &laptop, recovered);
    let new = device(6);
    let previous = world.registry.heads_to_recover(ben, &words(2).hash());
    world.stored(recovery(ben, &new, (2, 3), &previous));
    assert!(world.contains(ben, &new));
    let previous = world.registry.heads_to_remove(ben, member(&laptop), member(&new));
    world.remove_seeing(ben, &new, &laptop, &[], &previous);
    world.add(ben, &new, &device(7));
    assert!(!world.contains(ben, &laptop) && world.contains(ben, &phone) && world.contains(ben, &first));
    assert!(world.contains(ben, &device(7)));
}
