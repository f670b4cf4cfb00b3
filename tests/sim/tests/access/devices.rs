//! A person's devices: coming, going, and what of theirs goes with them.

use katori_acl::{Role, Subject};
use katori_core::engine::{Command, CommandError, Standing};
use katori_sim::World;

use crate::owner;

#[test]
fn a_new_device_gets_every_document_of_its_person_by_itself() {
    let mut world = World::new(1);
    let laptop = world.person("olga", 1)[0];
    let own = world.create(laptop, "own");
    let space = world.create_space(laptop, "club");
    let born = world.create_in(laptop, space, "minutes");
    let ben = world.person("ben", 1)[0];
    let bens = world.create(ben, "of ben");
    world.share(ben, bens, laptop, Role::Write);
    for document in [own, born] {
        world.write(laptop, document, "by laptop");
    }
    world.write(ben, bens, "by ben");
    world.sync(laptop, ben);
    let phone = world.pair(laptop, "phone");
    world.sync(laptop, phone);
    world.sync(laptop, phone);
    assert_eq!(world.keys(phone, own), ["by laptop"]);
    assert_eq!(world.keys(phone, born), ["by laptop"]);
    assert_eq!(
        world.keys(phone, bens),
        ["by ben"],
        "what others shared is there without being accepted again"
    );
    world.write(phone, bens, "by phone");
    world.present(phone, ben);
    world.sync(phone, ben);
    assert_eq!(world.keys(ben, bens), ["by ben", "by phone"], "what was granted to a person holds for it");
}

#[test]
fn a_removed_device_is_told_and_gets_nothing_more_and_its_work_stays() {
    let mut world = World::new(2);
    let devices = world.person("olga", 2);
    let (laptop, phone) = (devices[0], devices[1]);
    let document = world.create(laptop, "own");
    world.sync(laptop, phone);
    world.write(phone, document, "by phone");
    world.sync(laptop, phone);
    world.remove_device(laptop, phone, true);
    world.write(laptop, document, "not for the phone");
    world.sync(laptop, phone);
    assert_eq!(world.keys(phone, document), ["by phone"]);
    assert_eq!(world.keys(laptop, document), ["by phone", "not for the phone"]);
    assert!(!world.edit(phone, document, "nope"), "it knows");
    assert_eq!(world.device_role(phone, document, phone), None);
}

#[test]
fn what_a_removed_device_granted_goes_with_it_unless_it_is_kept() {
    for keep in [false, true] {
        let mut world = World::new(3);
        let devices = world.person("olga", 2);
        let (laptop, phone) = (devices[0], devices[1]);
        let document = world.create(laptop, "shared");
        world.sync(laptop, phone);
        let ben = world.member("ben", phone, document, Role::Write);
        world.write(ben, document, "by ben");
        world.sync(ben, phone);
        world.sync(laptop, phone);
        world.remove_device(laptop, phone, keep);
        let role = keep.then_some(Role::Write);
        assert_eq!(world.role(laptop, document, ben), role, "keep: {keep}");
        world.sync(laptop, ben);
        assert_eq!(world.role(ben, document, ben), role, "keep: {keep}");
        assert_eq!(world.keys(laptop, document), ["by ben"], "his work stays either way");
    }
}

#[test]
fn a_revocation_that_a_removal_makes_void_is_signed_anew_by_whoever_had_acted_on_it() {
    let (mut world, laptop, document) = owner(4);
    let phone = world.pair(laptop, "phone");
    world.sync(laptop, phone);
    let mallory = world.member("mallory", laptop, document, Role::Write);
    let ben = world.member("ben", laptop, document, Role::Admin);
    world.sync_all(&[laptop, phone, mallory, ben]);
    // The phone revokes mallory; the laptop hears of it, then removes the phone and keeps nothing.
    world.revoke(phone, document, mallory);
    world.sync(laptop, phone);
    assert_eq!(world.role(laptop, document, mallory), None);
    world.remove_device(laptop, phone, false);
    assert_eq!(world.role(laptop, document, mallory), None, "signed anew, in the same step");
    world.sync(laptop, ben);
    world.sync(laptop, mallory);
    for device in [ben, mallory] {
        assert_eq!(world.role(device, document, mallory), None, "device {device}");
    }
}

#[test]
fn another_person_with_authority_signs_anew_what_it_had_acted_on() {
    let (mut world, laptop, document) = owner(5);
    let phone = world.pair(laptop, "phone");
    world.sync(laptop, phone);
    let ben = world.member("ben", laptop, document, Role::Admin);
    world.sync_all(&[laptop, phone, ben]);
    // Ben lets mallory in, so ben stands upstream of mallory; olga's phone throws mallory out.
    let mallory = world.member("mallory", ben, document, Role::Write);
    world.sync_all(&[phone, ben]);
    world.revoke(phone, document, mallory);
    world.sync(phone, ben);
    assert_eq!(world.role(ben, document, mallory), None);
    // The laptop has heard nothing of it, and removes the phone.
    world.remove_device(laptop, phone, false);
    world.sync(laptop, ben);
    assert_eq!(world.role(ben, document, mallory), None, "ben had acted on it, and may revoke");
    world.sync(laptop, ben);
    assert_eq!(world.role(laptop, document, mallory), None);
}

#[test]
fn a_void_revocation_that_was_only_heard_of_later_lies() {
    let (mut world, laptop, document) = owner(6);
    let phone = world.pair(laptop, "phone");
    world.sync(laptop, phone);
    let mallory = world.member("mallory", laptop, document, Role::Write);
    world.sync_all(&[laptop, phone, mallory]);
    world.revoke(phone, document, mallory);
    world.remove_device(laptop, phone, false);
    world.sync(laptop, phone);
    assert_eq!(
        world.role(laptop, document, mallory),
        Some(Role::Write),
        "or a stolen phone would revoke for ever"
    );
}

#[test]
fn the_remover_answers_for_what_the_removed_device_wrote_so_that_nobody_else_has_to_sign() {
    let mut world = World::new(7);
    let devices = world.person("olga", 2);
    let (laptop, phone) = (devices[0], devices[1]);
    let document = world.create(laptop, "shared");
    world.sync(laptop, phone);
    let writers: Vec<_> =
        (0..5).map(|index| world.member(&format!("w{index}"), laptop, document, Role::Write)).collect();
    world.write(phone, document, "by phone");
    world.sync(laptop, phone);
    for writer in &writers {
        world.sync(laptop, *writer);
    }
    world.remove_device(laptop, phone, true);
    for writer in &writers {
        world.sync(laptop, *writer);
    }
    let own = world.device(laptop).document(document).history().next().map(|entry| entry.vouched_by);
    let person = world.person_of(laptop);
    assert_eq!(own, Some(vec![(world.device(laptop).id(), person)]));
    for writer in writers {
        assert_eq!(world.keys(writer, document), ["by phone"]);
        assert_eq!(
            world.device(writer).document(document).vouch_ids().len(),
            2,
            "the phone's and the laptop's"
        );
    }
}

#[test]
fn two_devices_that_remove_each_other_are_told_apart_by_rank() {
    let mut world = World::new(8);
    let devices = world.person("olga", 3);
    let (laptop, phone, tablet) = (devices[0], devices[1], devices[2]);
    let document = world.create(laptop, "own");
    world.sync_all(&devices);
    world.remove_device(phone, laptop, true);
    world.remove_device(laptop, phone, true);
    // Whichever order the tablet hears it in.
    world.sync(tablet, phone);
    world.sync(tablet, laptop);
    let id = |world: &mut World, device: usize| world.device(device).id();
    let (laptop_id, phone_id) = (id(&mut world, laptop), id(&mut world, phone));
    let person = world.person_of(tablet);
    let roster = world.device(tablet).engine.as_ref().and_then(|engine| engine.registry().roster(person));
    let roster = roster.expect("its own");
    assert!(roster.contains(&laptop_id) && !roster.contains(&phone_id), "the founder outranks the others");
    world.write(laptop, document, "still here");
    world.sync(tablet, laptop);
    assert_eq!(world.keys(tablet, document), ["still here"]);
}

#[test]
fn two_devices_that_removed_each_other_tell_each_other_when_they_meet() {
    let mut world = World::new(81);
    let devices = world.person("olga", 2);
    let (laptop, phone) = (devices[0], devices[1]);
    let document = world.create(laptop, "own");
    world.sync(laptop, phone);
    world.remove_device(phone, laptop, true);
    world.remove_device(laptop, phone, true);
    world.sync(laptop, phone);
    world.sync(laptop, phone);
    for device in [laptop, phone] {
        assert_eq!(world.device_role(device, document, laptop), Some(Role::Admin), "device {device}");
        assert_eq!(world.device_role(device, document, phone), None, "device {device}");
    }
    assert!(!world.edit(phone, document, "nope"));
}

#[test]
fn the_last_full_device_stays_and_a_strangers_cannot_be_removed() {
    let (mut world, olga, _) = owner(9);
    let ben = world.person("ben", 1)[0];
    let (own, other) = (world.device(olga).id(), world.device(ben).id());
    let refused = world.command(olga, Command::RemoveDevice { device: own, keep: true });
    assert_eq!(refused, Err(CommandError::LastDevice(own)));
    let refused = world.command(olga, Command::RemoveDevice { device: other, keep: true });
    assert_eq!(refused, Err(CommandError::NotYourDevice(other)));
}

#[test]
fn a_removed_device_keeps_no_hold_on_its_persons_other_documents() {
    let mut world = World::new(10);
    let devices = world.person("olga", 2);
    let (laptop, phone) = (devices[0], devices[1]);
    // What every person has with all its devices: the shelf.
    world.command(laptop, Command::CreateShelf).expect("the founder makes it");
    world.sync(laptop, phone);
    world.remove_device(laptop, phone, true);
    let later = world.create(laptop, "later");
    world.write(laptop, later, "private");
    world.clear_traffic();
    world.sync(laptop, phone);
    assert_eq!(world.standing(phone, later), Standing::Unknown);
    let person = world.person_of(laptop);
    let own = world.records(phone, Subject::Roster(person));
    assert_eq!(own, world.records(laptop, Subject::Roster(person)), "it hears of its removal");
}
