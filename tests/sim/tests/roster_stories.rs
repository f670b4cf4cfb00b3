//! S7 and S8 of the admission model: a device is lost, and what of its person's word and work goes with it.
#![allow(clippy::indexing_slicing, clippy::expect_used, reason = "a test fails where it stands")]

use katori_acl::{Capacity, Member, Record, ResourceId, Role, RosterAction, RosterOperation};
use katori_core::engine::Command;
use katori_sim::{DeviceIndex, Rogue, World};

/// Olga with a phone and a laptop, and a document.
fn olga(seed: u64) -> (World, [DeviceIndex; 2], ResourceId) {
    let mut world = World::new(seed);
    let devices = world.person("olga", 2);
    let document = world.create(devices[0], "story");
    world.sync(devices[0], devices[1]);
    (world, [devices[0], devices[1]], document)
}

#[test]
fn s7_a_revocation_by_a_lost_laptop_of_which_its_phone_had_heard_stands() {
    let (mut world, [phone, laptop], document) = olga(7);
    let mallory = world.member("mallory", phone, document, Role::Write);
    let ben = world.member("ben", phone, document, Role::Write);
    world.sync_all(&[phone, laptop, mallory, ben]);
    world.revoke(laptop, document, mallory);
    world.sync(laptop, phone);
    world.remove_device(phone, laptop, false);
    world.sync_all(&[phone, ben, mallory]);
    for device in [phone, ben] {
        assert_eq!(world.role(device, document, mallory), None, "device {device}");
    }
}

#[test]
fn s7_an_invitee_of_a_lost_laptop_goes_and_what_a_writer_had_accepted_stays() {
    let (mut world, [phone, laptop], document) = olga(71);
    let ben = world.member("ben", phone, document, Role::Write);
    world.sync_all(&[phone, laptop, ben]);
    let anna = world.member("anna", laptop, document, Role::Write);
    world.write(anna, document, "x");
    world.sync(anna, laptop);
    world.present(anna, ben);
    world.sync(anna, ben);
    assert_eq!(world.keys(ben, document), ["x"]);
    // The phone has heard nothing of anna.
    world.remove_device(phone, laptop, true);
    world.sync_all(&[phone, ben]);
    for device in [phone, ben] {
        assert_eq!(world.role(device, document, anna), None, "device {device}");
        assert_eq!(world.keys(device, document), ["x"], "device {device}: ben answers for it");
    }
    // One word makes it good again.
    world.grant(phone, document, anna, Role::Write);
    world.sync(phone, anna);
    world.write(anna, document, "y");
    world.sync(phone, anna);
    assert_eq!(world.keys(phone, document), ["x", "y"]);
}

#[test]
fn s7_what_only_the_invitee_of_a_lost_laptop_had_is_held_back() {
    let (mut world, [phone, laptop], document) = olga(72);
    let anna = world.member("anna", laptop, document, Role::Write);
    world.write(anna, document, "x");
    world.remove_device(phone, laptop, true);
    world.present(anna, phone);
    world.sync(anna, phone);
    assert!(world.keys(phone, document).is_empty());
    assert_eq!(world.role(phone, document, anna), None);
}

#[test]
fn s8_a_removed_key_never_comes_back_and_back_dated_work_of_a_thief_never_counts() {
    let mut world = World::new(8);
    let owner = world.person("olga", 1)[0];
    let document = world.create(owner, "story");
    let anna = world.person("anna", 2);
    world.share(owner, document, anna[0], Role::Write);
    world.sync(owner, anna[1]);
    world.accept(anna[1], document);
    world.sync(owner, anna[1]);
    world.remove_device(anna[0], anna[1], true);
    world.sync(owner, anna[0]);
    let thief = Rogue::of(&mut world, anna[1], document);
    let forged = thief.change(&mut world.copy(anna[1], document), thief.actor(9), "thief");
    let hash = forged.hash();
    // The thief's work is carried to olga by whoever still may.
    let frame = thief.frame(&[forged], vec![thief.vouch(60, &[hash])]);
    world.connect(anna[0], owner);
    world.run();
    world.impersonate(anna[0], owner, &frame);
    world.disconnect(anna[0], owner);
    assert!(world.keys(owner, document).is_empty());
    assert_eq!(world.device(owner).held(document).len(), 1);
    // The phone is found, and added with the key it had: that is void, and its work stays out.
    let (key, person) = (world.device(anna[0]).identity.key.clone(), world.person_of(anna[0]));
    let back = world.device(anna[1]).identity.key.clone();
    let registry = world.device(anna[0]).engine.as_ref().expect("running").registry();
    let previous = registry.roster(person).expect("her own").heads();
    let add = Record::RosterOperation(RosterOperation {
        roster: person,
        person: None,
        by: key.public(),
        previous,
        action: RosterAction::Add {
            member: Member::Device(back.public()),
            name: "found again".to_owned(),
            capacity: Capacity::Full,
            sealing: None,
            consent: Some(back.consent(person)),
        },
    });
    let add = add.sign(&key).expect("a well-formed record").bytes().to_vec();
    for device in [anna[0], owner] {
        world.command(device, Command::Meet { roster: vec![add.clone()] }).expect("heard");
        assert_eq!(world.device_role(device, document, anna[1]), None, "device {device}");
    }
    world.sync(anna[0], owner);
    assert!(world.keys(owner, document).is_empty(), "not even after that");
}
