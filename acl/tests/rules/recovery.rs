//! Recovery words bring in a device that outranks every other, and the next words outrank that one.

use katori_acl::bounds::{MAX_RECOVERIES, MAX_ROSTER_LENGTH, MAX_ROSTER_LENGTH_FOR_REMOVAL};
use katori_acl::{
    Capacity, DeviceKey, Inserted, Member, PersonId, Record, RecordId, RecoveryPhrase, Refusal, RosterAction,
    RosterGenesis, RosterKind, RosterOperation, VerifiedRecord,
};

use crate::world::{WRITE, World, add, assert_any_order, device, operation};

pub(crate) fn words(number: u8) -> RecoveryPhrase {
    RecoveryPhrase::from_entropy([number; 32])
}

/// A recovery by these words that commits to the next.
pub(crate) fn recovery(
    roster: PersonId,
    new: &DeviceKey,
    (by, next): (u8, u8),
    previous: &[RecordId],
) -> VerifiedRecord {
    let action = RosterAction::Recover {
        device: new.public(),
        name: "new".to_owned(),
        recovery_key: words(by).secret().public(),
        next_recovery: words(next).hash(),
        consent: new.consent(roster),
    };
    let previous = previous.to_vec();
    let operation = RosterOperation { roster, by: new.public(), person: None, previous, action };
    Record::RosterOperation(operation).sign_as_recovery(&words(by).secret()).unwrap()
}

/// Ben has a laptop and a phone, and words 1.
pub(crate) fn story() -> (World, PersonId, DeviceKey, DeviceKey) {
    let mut world = World::default();
    let (laptop, phone) = (device(1), device(2));
    let genesis = RosterGenesis {
        kind: RosterKind::Person,
        founder: laptop.public(),
        founder_person: None,
        founder_name: "laptop".to_owned(),
        name: "Ben".to_owned(),
        recovery: words(1).hash(),
        sealing: None,
        nonce: [0; 16],
    };
    let id = world.stored(Record::RosterGenesis(genesis).sign(&laptop).unwrap());
    let ben = PersonId::from_bytes(*id.as_bytes());
    world.add(ben, &laptop, &phone);
    (world, ben, laptop, phone)
}

#[test]
fn a_recovered_device_outranks_the_founder() {
    let (mut world, ben, laptop, phone) = story();
    let new = device(3);
    let heads = world.heads(ben);
    let recovered = world.stored(recovery(ben, &new, (1, 2), &heads));
    let roster = world.registry.roster(ben).unwrap();
    assert!(roster.is_full(&new.public()));
    assert_eq!(roster.recovery, words(2).hash());
    let rank = |key: &DeviceKey| roster.devices[&key.public()].rank;
    assert!(rank(&new) < rank(&laptop) && rank(&laptop) < rank(&phone));
    assert_eq!((rank(&new).generation(), rank(&new).brought_in_by()), (1, recovered));
    assert_eq!(world.registry.person_of(new.public()), Some(ben));
    // The thief has the laptop, and both remove each other without having heard.
    world.remove_seeing(ben, &laptop, &new, &[], &[recovered]);
    world.remove_seeing(ben, &laptop, &phone, &[], &[recovered]);
    world.remove_seeing(ben, &new, &laptop, &[], &[recovered]);
    assert!(world.contains(ben, &new) && world.contains(ben, &phone) && !world.contains(ben, &laptop));
    assert_any_order(&world);
}

#[test]
fn a_recovery_heard_of_last_undoes_what_the_thief_did() {
    let (mut world, ben, laptop, phone) = story();
    let heads = world.heads(ben);
    let olga = (world.person(&device(9)), device(9));
    let document = world.document(ben, &phone);
    world.remove(ben, &laptop, &phone, &[]);
    let puppet = device(4);
    world.add(ben, &laptop, &puppet);
    world.grant(document, ben, &puppet, olga.0, WRITE);
    assert!(world.role(document, olga.0).is_some());
    let new = device(3);
    // The words, and what was there before the theft.
    let recovered = world.stored(recovery(ben, &new, (1, 2), &heads));
    world.remove_seeing(ben, &new, &laptop, &[], &[recovered]);
    assert!(!world.contains(ben, &laptop) && !world.contains(ben, &puppet));
    assert!(world.contains(ben, &phone), "whom the thief removed is there again");
    assert_eq!(world.role(document, olga.0), None);
    assert_any_order(&world);
}

#[test]
fn the_next_words_outrank_all_before() {
    let (mut world, ben, laptop, _) = story();
    let (first, copy, second) = (device(3), device(4), device(5));
    let heads = world.heads(ben);
    // The words were stolen too: both recoveries count.
    let by_owner = world.stored(recovery(ben, &first, (1, 2), &heads));
    let by_thief = world.stored(recovery(ben, &copy, (1, 66), &heads));
    assert!(world.contains(ben, &first) && world.contains(ben, &copy));
    // The owner has the next words, and they settle it, whatever the thief says at the same time.
    let again = world.stored(recovery(ben, &second, (2, 3), &[by_owner, by_thief]));
    world.remove_seeing(ben, &copy, &second, &[], &[again]);
    world.remove_seeing(ben, &copy, &first, &[], &[by_owner, by_thief]);
    world.remove_seeing(ben, &second, &copy, &[], &[again]);
    let roster = world.registry.roster(ben).unwrap();
    assert_eq!(roster.devices[&second.public()].rank.generation(), 2);
    assert_eq!(roster.recovery, words(3).hash());
    assert!(world.contains(ben, &second) && world.contains(ben, &first) && !world.contains(ben, &copy));
    assert!(world.contains(ben, &laptop));
    assert_any_order(&world);
}

#[test]
fn only_the_words_committed_to_recover() {
    let (mut world, ben, laptop, _) = story();
    let new = device(3);
    let heads = world.heads(ben);
    let refused = |device: &DeviceKey| Inserted::Refused(Refusal::NotEntitled(device.public()));
    assert_eq!(world.insert(recovery(ben, &new, (7, 8), &heads)).1, refused(&new), "other words");
    let first = world.stored(recovery(ben, &new, (1, 2), &heads));
    let second = recovery(ben, &device(4), (2, 3), &heads);
    assert_eq!(world.insert(second).1, refused(&device(4)), "the recovery before it is not in its past");
    world.stored(recovery(ben, &device(4), (2, 3), &[first]));
    let club = world.group(ben, &laptop);
    let of_group = recovery(club, &new, (1, 2), &world.heads(club));
    assert_eq!(world.insert(of_group).1, Inserted::Refused(Refusal::WrongKind("a roster operation")));
    assert_any_order(&world);
}

#[test]
fn recoveries_on_top_of_each_other_are_bounded() {
    let (mut world, ben, ..) = story();
    for number in 0..=MAX_RECOVERIES {
        let step = u8::try_from(number).unwrap() + 1;
        let record = recovery(ben, &device(100 + step), (step, step + 1), &world.heads(ben));
        let inserted = world.insert(record).1;
        match number {
            MAX_RECOVERIES => {
                assert_eq!(inserted, Inserted::Refused(Refusal::TooMany("recoveries of one roster")));
            }
            _ => assert_eq!(inserted, Inserted::New),
        }
    }
}

#[test]
fn a_roster_that_a_thief_filled_up_is_still_recovered() {
    let (mut world, ben, laptop, phone) = story();
    for number in 0..MAX_ROSTER_LENGTH {
        let mut secret = [200; 32];
        secret[..2].copy_from_slice(&u16::try_from(number).unwrap().to_be_bytes());
        let junk = operation(
            ben,
            &laptop,
            &world.heads(ben),
            add(ben, &DeviceKey::from_secret(secret), Capacity::Limited),
        );
        world.insert(junk);
    }
    loop {
        let action = RosterAction::Remove { member: Member::Device(phone.public()), keep: vec![] };
        let record = operation(ben, &laptop, &world.heads(ben), action);
        if world.insert(record).1 != Inserted::New {
            break;
        }
    }
    let stored = world.registry.record_ids(&katori_acl::Subject::Roster(ben)).len();
    assert_eq!(stored, MAX_ROSTER_LENGTH_FOR_REMOVAL + 1);
    let new = device(3);
    let recovered = world.stored(recovery(ben, &new, (1, 2), &world.heads(ben)));
    world.remove_seeing(ben, &new, &laptop, &[], &[recovered]);
    world.add(ben, &new, &device(5));
    assert!(world.contains(ben, &new) && world.contains(ben, &device(5)) && !world.contains(ben, &laptop));
}

#[test]
fn words_that_were_used_do_not_hide_the_next_ones() {
    let (mut world, ben, laptop, _) = story();
    let (mine, thief, again) = (device(3), device(4), device(5));
    let heads = world.heads(ben);
    let recovered = world.stored(recovery(ben, &mine, (1, 2), &heads));
    assert_eq!(world.registry.roster(ben).unwrap().recoveries, [words(2).hash()].into());
    // A thief finds the old words, and builds on the genesis so as to come before.
    let genesis = RecordId::from_bytes(*ben.as_bytes());
    world.stored(recovery(ben, &thief, (1, 66), &[genesis]));
    let roster = world.registry.roster(ben).unwrap();
    assert_eq!(roster.recoveries, [words(2).hash(), words(66).hash()].into());
    let hash = words(2).hash();
    let previous = world.registry.heads_to_recover(ben, &hash);
    world.stored(recovery(ben, &again, (2, 3), &previous));
    let roster = world.registry.roster(ben).unwrap();
    assert_eq!(roster.recovery, words(3).hash());
    assert!(roster.recoveries.contains(&words(3).hash()) && !roster.recoveries.contains(&hash));
    let rank = |key: &DeviceKey| roster.devices[&key.public()].rank;
    assert!(rank(&again) < rank(&mine), "the later words come first");
    assert!(rank(&mine) < rank(&thief), "of equal ones those whose next words were used");
    assert!(rank(&thief) < rank(&laptop));
    // So a device of the first recovery and the thief's cannot undo each other as the thief likes.
    let heads = world.heads(ben);
    world.remove_seeing(ben, &thief, &mine, &[], &heads);
    world.remove_seeing(ben, &mine, &thief, &[], &[recovered, heads[0], heads[heads.len() - 1]]);
    assert!(world.contains(ben, &mine) && !world.contains(ben, &thief));
    assert_any_order(&world);
}
