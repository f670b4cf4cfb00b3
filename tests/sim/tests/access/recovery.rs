//! Coming back with 24 words after every device is lost or stolen.

use katori_acl::{DeviceKey, RecoveryPhrase, Role, Subject, UnverifiedRecord, VerifiedRecord};
use katori_core::engine::Standing;
use katori_core::identity::{Identity, RecoverError};
use katori_sim::{DeviceIndex, World};

/// Olga has a laptop, a phone, and a document that she shares with ben.
fn scene(seed: u64) -> (World, [DeviceIndex; 3], katori_acl::ResourceId) {
    let mut world = World::new(seed);
    let devices = world.person("olga", 2);
    let document = world.create(devices[0], "shared");
    world.sync(devices[0], devices[1]);
    world.write(devices[0], document, "before");
    let ben = world.member("ben", devices[0], document, Role::Write);
    world.sync_all(&[devices[0], devices[1], ben]);
    (world, [devices[0], devices[1], ben], document)
}

/// Meets a friend as a device that the friend does not know yet.
fn come_back(world: &mut World, new: DeviceIndex, friend: DeviceIndex) {
    world.present(new, friend);
    world.sync(new, friend);
}

#[test]
fn the_documents_come_back_from_a_friend() {
    let (mut world, [laptop, phone, ben], document) = scene(1);
    let own = world.create(laptop, "never shared");
    world.crash(laptop);
    world.crash(phone);
    let person = world.person_of(laptop);
    let new = world.recover(person, ben);
    come_back(&mut world, new, ben);
    assert_eq!(world.standing(new, document), Standing::Accepted, "it is her own");
    assert_eq!(world.keys(new, document), ["before"]);
    assert_eq!(
        world.standing(new, own),
        Standing::Unknown,
        "what nobody else had is gone, and nothing says otherwise"
    );
    world.write(new, document, "after");
    world.sync(new, ben);
    assert_eq!(world.keys(ben, document), ["after", "before"]);
    assert_eq!(world.device_role(ben, document, new), Some(Role::Admin));
}

#[test]
fn what_a_thief_removed_with_the_laptop_is_void() {
    let (mut world, [laptop, phone, ben], document) = scene(2);
    // The thief holds the founding device. Olga comes back through ben, who has heard nothing yet.
    world.remove_device(laptop, phone, false);
    let person = world.person_of(laptop);
    let new = world.recover(person, ben);
    come_back(&mut world, new, ben);
    world.remove_device(new, laptop, true);
    world.sync(new, ben);
    // Now the thief shows its removal around, in whatever order it is heard.
    world.sync(laptop, ben);
    world.sync(phone, ben);
    world.sync(new, ben);
    let ids = [laptop, phone, new].map(|device| world.device(device).id());
    for device in [ben, new] {
        let roster = world.device(device).engine.as_ref().and_then(|engine| engine.registry().roster(person));
        let roster = roster.expect("known");
        assert!(!roster.contains(&ids[0]), "device {device}: the laptop is out");
        assert!(roster.contains(&ids[1]), "device {device}: the phone is in");
        assert!(roster.contains(&ids[2]), "device {device}: the new one is in");
    }
    assert_eq!(world.device_role(ben, document, laptop), None);
}

#[test]
fn the_recovered_device_outranks_even_a_removal_that_it_had_not_seen() {
    let (mut world, [laptop, _, ben], document) = scene(3);
    let person = world.person_of(laptop);
    let new = world.recover(person, ben);
    come_back(&mut world, new, ben);
    world.sync(ben, laptop);
    // The thief sees the recovery and removes the new device at once; the new device removes the thief's.
    world.remove_device(laptop, new, false);
    world.remove_device(new, laptop, true);
    world.sync(laptop, ben);
    world.sync(new, ben);
    assert_eq!(world.device_role(ben, document, new), Some(Role::Admin));
    assert_eq!(world.device_role(ben, document, laptop), None);
}

#[test]
fn the_lost_devices_go_and_what_they_granted_is_kept() {
    let (mut world, [laptop, phone, ben], document) = scene(4);
    let rita = world.member("rita", laptop, document, Role::Read);
    world.sync(laptop, ben);
    world.crash(laptop);
    world.crash(phone);
    let person = world.person_of(laptop);
    let new = world.recover(person, ben);
    come_back(&mut world, new, ben);
    world.remove_device(new, laptop, true);
    world.remove_device(new, phone, true);
    world.sync(new, ben);
    world.present(new, rita);
    world.sync(new, rita);
    for device in [ben, rita] {
        assert_eq!(world.role(device, document, ben), Some(Role::Write), "device {device}");
        assert_eq!(world.role(device, document, rita), Some(Role::Read), "device {device}");
        assert_eq!(world.keys(device, document), ["before"], "device {device}: the laptop's work stays");
    }
    assert!(world.device(ben).held(document).is_empty());
}

#[test]
fn words_that_were_used_once_bring_nobody_back_again() {
    let (mut world, [laptop, _, ben], _) = scene(5);
    let person = world.person_of(laptop);
    let old = world.words(person);
    let new = world.recover(person, ben);
    come_back(&mut world, new, ben);
    let attempt = |world: &mut World, words: &RecoveryPhrase| {
        let roster: Vec<VerifiedRecord> = world
            .records(ben, Subject::Roster(person))
            .iter()
            .map(|bytes| UnverifiedRecord::decode(bytes).and_then(UnverifiedRecord::verify).expect("good"))
            .collect();
        let next = RecoveryPhrase::from_entropy([7; 32]);
        Identity::recover(DeviceKey::from_secret([8; 32]), words, &next, roster, "again".to_owned())
    };
    assert!(matches!(attempt(&mut world, &old), Err(RecoverError::WrongWords(_))));
    let wrong = RecoveryPhrase::from_entropy([9; 32]);
    assert!(matches!(attempt(&mut world, &wrong), Err(RecoverError::WrongWords(_))));
    let current = world.words(person);
    assert!(attempt(&mut world, &current).is_ok(), "the new words work, once");
}

#[test]
fn recovery_by_two_friends_at_once_ends_in_one_roster() {
    let (mut world, [laptop, _, ben], document) = scene(6);
    let carl = world.member("carl", laptop, document, Role::Write);
    let person = world.person_of(laptop);
    let words = world.words(person);
    let roster = |world: &mut World, from: DeviceIndex| -> Vec<VerifiedRecord> {
        let records = world.records(from, Subject::Roster(person));
        let verify = |bytes: &Vec<u8>| UnverifiedRecord::decode(bytes).and_then(UnverifiedRecord::verify);
        records.iter().map(|bytes| verify(bytes).expect("good")).collect()
    };
    let mut recovered = Vec::new();
    for (seed, friend) in [(20, ben), (30, carl)] {
        let known = roster(&mut world, friend);
        let next = RecoveryPhrase::from_entropy([seed; 32]);
        let key = DeviceKey::from_secret([seed + 1; 32]);
        let (identity, records) =
            Identity::recover(key, &words, &next, known, "back".to_owned()).expect("the words");
        let records: Vec<Vec<u8>> = records.iter().map(|record| record.bytes().to_vec()).collect();
        let peer = identity.device();
        world.command(friend, katori_core::engine::Command::Introduced { peer, records }).expect("heard");
        recovered.push(peer);
    }
    world.sync(ben, carl);
    let rosters: Vec<_> = [ben, carl]
        .into_iter()
        .map(|device| {
            world.device(device).engine.as_ref().and_then(|engine| engine.registry().roster(person))
        })
        .map(|roster| roster.expect("known"))
        .collect();
    assert_eq!(rosters[0], rosters[1], "both friends know the same");
    assert!(recovered.iter().any(|device| rosters[0].contains(device)), "and somebody is back");
}
