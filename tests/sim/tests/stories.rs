//! The hand stories of the admission model, told to the real engine: each is a history on which a looser
//! wording of the rule of admission broke. The names S2 to S20 are the model's.
#![allow(clippy::indexing_slicing, clippy::expect_used, reason = "a test fails where it stands")]

use std::collections::BTreeSet;

use automerge::Automerge;
use katori_acl::{ResourceId, Role};
use katori_core::document::HeldReason;
use katori_core::engine::Command;
use katori_sim::{DeviceIndex, Rogue, World};

/// An owner with one device, and a document of theirs.
fn owner(seed: u64) -> (World, DeviceIndex, ResourceId) {
    let mut world = World::new(seed);
    let owner = world.person("olga", 1)[0];
    let document = world.create(owner, "story");
    (world, owner, document)
}

fn member(world: &mut World, name: &str, by: DeviceIndex, document: ResourceId, role: Role) -> DeviceIndex {
    let member = world.person(name, 1)[0];
    world.share(by, document, member, role);
    member
}

fn copy(world: &mut World, index: DeviceIndex, document: ResourceId) -> Automerge {
    world.device(index).document(document).automerge().clone()
}

#[test]
fn two_people_write_and_see_the_same() {
    let (mut world, olga, document) = owner(1);
    let ben = member(&mut world, "ben", olga, document, Role::Write);
    world.write(olga, document, "milk");
    world.write(ben, document, "bread");
    world.sync(olga, ben);
    assert_eq!(world.keys(olga, document), ["bread", "milk"]);
    assert_eq!(world.keys(ben, document), ["bread", "milk"]);
    assert_eq!(world.device(olga).heads(document), world.device(ben).heads(document));
    assert!(world.device(ben).held(document).is_empty());
}

#[test]
fn s2_a_revoked_writer_cannot_take_back_its_vouch() {
    let (mut world, olga, document) = owner(2);
    let anna = member(&mut world, "anna", olga, document, Role::Write);
    let ben = member(&mut world, "ben", olga, document, Role::Write);
    let carl = member(&mut world, "carl", olga, document, Role::Read);
    world.sync_all(&[olga, anna, ben, carl]);
    world.write(anna, document, "small");
    let small = world.device(anna).heads(document);
    world.write(anna, document, "used");
    world.sync(anna, ben);
    world.write(ben, document, "on top");
    world.sync(ben, olga);
    world.revoke(olga, document, anna);
    world.sync(olga, ben);
    let rogue = Rogue::of(&mut world, anna, document);
    let less = rogue.frame(&[], vec![rogue.vouch(99, &small)]);
    world.connect(ben, olga);
    world.run();
    world.impersonate(ben, olga, &less);
    world.sync_all(&[olga, ben, carl]);
    for device in [olga, ben, carl] {
        assert_eq!(world.keys(device, document), ["on top", "small", "used"], "device {device}");
    }
}

#[test]
fn s3_two_vouches_with_one_counter_both_count() {
    let (mut world, olga, document) = owner(3);
    let anna = member(&mut world, "anna", olga, document, Role::Write);
    let ben = member(&mut world, "ben", olga, document, Role::Write);
    let rogue = Rogue::of(&mut world, anna, document);
    let a = rogue.change(&mut copy(&mut world, anna, document), rogue.actor(1), "a");
    let b = rogue.change(&mut copy(&mut world, anna, document), rogue.actor(2), "b");
    let changes = [a.clone(), b.clone()];
    for (to, vouched) in [(olga, &a), (ben, &b)] {
        world.connect(anna, to);
        world.run();
        let frame = rogue.frame(&changes, vec![rogue.vouch(1, &[vouched.header().hash])]);
        world.impersonate(anna, to, &frame);
        world.disconnect(anna, to);
    }
    world.sync(olga, ben);
    assert_eq!(world.keys(olga, document), ["a", "b"]);
    assert_eq!(world.keys(ben, document), ["a", "b"]);
}

#[test]
fn s5_what_only_a_reader_had_seen_is_held_back_until_it_is_taken_in() {
    let (mut world, olga, document) = owner(5);
    let anna = member(&mut world, "anna", olga, document, Role::Write);
    let ben = member(&mut world, "ben", olga, document, Role::Read);
    world.write(olga, document, "first");
    world.sync_all(&[olga, anna, ben]);
    world.sync(anna, ben);
    world.write(anna, document, "x");
    world.sync(anna, ben);
    assert_eq!(world.keys(ben, document), ["first", "x"]);
    world.revoke(olga, document, anna);
    world.sync(olga, ben);
    for device in [olga, ben] {
        assert_eq!(world.keys(device, document), ["first"]);
        let held = world.device(device).held(document);
        assert_eq!(held.len(), 1);
        assert_eq!(held[0].reason, HeldReason::NoWriterVouches);
        assert!(held[0].signed);
    }
    let x = world.device(olga).held(document)[0].hash;
    world.command(olga, Command::TakeIn { document, changes: vec![x] }).expect("olga takes it in");
    world.sync(olga, ben);
    for device in [olga, ben] {
        assert_eq!(world.keys(device, document), ["first", "x"]);
        assert!(world.device(device).held(document).is_empty());
    }
}

#[test]
fn s6_who_writes_leaves_and_syncs_once_leaves_work_held_back() {
    let (mut world, olga, document) = owner(6);
    let anna = member(&mut world, "anna", olga, document, Role::Write);
    world.write(anna, document, "kept");
    world.sync(olga, anna);
    world.write(anna, document, "late");
    world.command(anna, Command::Leave { document }).expect("anna leaves");
    world.sync(anna, olga);
    let held = world.device(olga).held(document);
    assert_eq!(held.len(), 1, "the last work came, and is held back");
    assert_eq!(held[0].device, Some(world.device(anna).id()));
    assert_eq!(world.keys(olga, document), ["kept"], "what a writer had accepted stays");
    let changes = vec![held[0].hash];
    world.command(olga, Command::TakeIn { document, changes }).expect("olga takes it in");
    assert_eq!(world.keys(olga, document), ["kept", "late"]);
}

#[test]
fn s10_a_current_writer_answers_for_what_it_launders() {
    let (mut world, olga, document) = owner(10);
    let anna = member(&mut world, "anna", olga, document, Role::Write);
    let ben = member(&mut world, "ben", olga, document, Role::Write);
    world.write(olga, document, "first");
    world.sync_all(&[olga, anna, ben]);
    world.revoke(olga, document, anna);
    world.sync(olga, ben);
    let rogue = Rogue::of(&mut world, anna, document);
    let dated_back = rogue.change(&mut copy(&mut world, anna, document), rogue.actor(7), "back-dated");
    let hash = dated_back.header().hash;
    let frame = rogue.frame(&[dated_back], vec![rogue.vouch(9, &[hash])]);
    world.connect(ben, olga);
    world.run();
    world.impersonate(ben, olga, &frame);
    assert_eq!(world.keys(olga, document), ["first"], "olga knows of the revocation and holds it back");
    assert_eq!(world.device(olga).held(document).len(), 1);

    let accomplice = Rogue::of(&mut world, ben, document);
    let frame = accomplice.frame(&[], vec![accomplice.vouch(99, &[hash])]);
    world.impersonate(ben, olga, &frame);
    assert_eq!(world.keys(olga, document), ["back-dated", "first"], "a current writer answers for it");
    world.disconnect(ben, olga);
    world.revoke(olga, document, ben);
    assert_eq!(world.keys(olga, document), ["back-dated", "first"], "and it stays when he goes");
}

#[test]
fn s12_a_sole_writer_that_never_edited_keeps_what_it_accepted() {
    let (mut world, olga, document) = owner(12);
    let anna = member(&mut world, "anna", olga, document, Role::Write);
    let ben = member(&mut world, "ben", olga, document, Role::Read);
    world.write(anna, document, "x");
    world.sync(anna, olga);
    assert!(world.device(olga).document(document).vouch_ids().len() == 1, "olga has signed nothing yet");
    world.revoke(olga, document, anna);
    world.sync(olga, ben);
    assert_eq!(world.keys(olga, document), ["x"]);
    assert_eq!(world.keys(ben, document), ["x"]);
}

#[test]
fn s12b_a_writer_that_never_edited_signs_when_the_author_leaves() {
    let (mut world, olga, document) = owner(121);
    let anna = member(&mut world, "anna", olga, document, Role::Write);
    let ben = member(&mut world, "ben", olga, document, Role::Read);
    world.write(anna, document, "x");
    world.sync(anna, olga);
    world.command(anna, Command::Leave { document }).expect("anna leaves");
    world.sync(anna, olga);
    assert_eq!(world.keys(olga, document), ["x"], "olga pinned it, and signed");
    world.sync(olga, ben);
    assert_eq!(world.keys(ben, document), ["x"]);
    world.crash(olga);
    world.start(olga);
    assert_eq!(world.keys(olga, document), ["x"]);
}

#[test]
fn s13_nothing_flaps_once_a_writer_has_accepted_it() {
    let (mut world, olga, document) = owner(13);
    let anna = member(&mut world, "anna", olga, document, Role::Write);
    let ben = member(&mut world, "ben", olga, document, Role::Read);
    world.sync_all(&[olga, anna, ben]);
    world.write(anna, document, "x");
    world.sync(anna, ben);
    let mut shown = Vec::new();
    for _ in 0..3 {
        world.revoke(olga, document, anna);
        world.sync(olga, ben);
        shown.push(world.keys(ben, document).len());
        world.grant(olga, document, anna, Role::Write);
        world.sync(olga, ben);
        shown.push(world.keys(ben, document).len());
    }
    // Syncing with ben gave olga the change while anna held write: she has accepted it since.
    assert_eq!(shown[0], 0, "nobody who writes had accepted it");
    assert_eq!(shown[1..], [1; 5], "it came back, was accepted, and never goes again");
}

#[test]
fn s18_a_device_does_not_fork_itself_after_its_work_was_held_back() {
    let (mut world, olga, document) = owner(18);
    let anna = member(&mut world, "anna", olga, document, Role::Write);
    let ben = member(&mut world, "ben", olga, document, Role::Write);
    world.revoke(olga, document, anna);
    world.write(anna, document, "unaware");
    world.sync(olga, anna);
    assert!(world.keys(anna, document).is_empty(), "held back on anna's own screen too");
    assert_eq!(world.device(olga).held(document).len(), 1);
    world.grant(olga, document, anna, Role::Write);
    world.sync(olga, anna);
    world.write(anna, document, "again");
    world.sync_all(&[olga, anna, ben]);
    for device in [olga, anna, ben] {
        assert_eq!(world.keys(device, document), ["again", "unaware"], "device {device}");
        assert!(world.device(device).document(document).forkers().is_empty());
    }
}

#[test]
fn s19_work_survives_a_chain_of_removals() {
    let (mut world, olga, document) = owner(19);
    let ben = member(&mut world, "ben", olga, document, Role::Admin);
    let carl = member(&mut world, "carl", olga, document, Role::Admin);
    let anna = member(&mut world, "anna", olga, document, Role::Write);
    world.sync_all(&[olga, ben, carl]);
    world.sync(anna, ben);
    world.write(anna, document, "x");
    world.sync(anna, ben);
    world.revoke(olga, document, anna);
    world.sync(olga, ben);
    world.sync(ben, carl);
    assert_eq!(world.keys(carl, document), ["x"]);
    world.revoke(olga, document, ben);
    world.sync(olga, carl);
    assert_eq!(world.keys(carl, document), ["x"]);
    world.sync(carl, olga);
    world.revoke(olga, document, carl);
    assert_eq!(world.keys(olga, document), ["x"]);
}

#[test]
fn s19_what_only_somebody_who_was_revoked_too_had_heard_is_held_back() {
    let (mut world, olga, document) = owner(191);
    let ben = member(&mut world, "ben", olga, document, Role::Admin);
    let anna = member(&mut world, "anna", olga, document, Role::Write);
    world.sync_all(&[olga, ben, anna]);
    world.write(anna, document, "x");
    world.sync(anna, ben);
    world.revoke(olga, document, anna);
    world.revoke(olga, document, ben);
    world.sync(ben, olga);
    assert!(world.keys(olga, document).is_empty(), "nobody who still writes had accepted it");
    assert!(world.device(olga).held(document).is_empty(), "ben hands over his own work, and he has none");
    world.sync(anna, olga);
    let held = world.device(olga).held(document);
    assert_eq!(held.len(), 1, "its author's last session brings it, for olga to take in");
    let changes = vec![held[0].hash];
    world.command(olga, Command::TakeIn { document, changes }).expect("taken in");
    assert_eq!(world.keys(olga, document), ["x"]);
}

#[test]
fn s20_a_vouch_that_comes_before_its_change_takes_nothing_away() {
    let (mut world, olga, document) = owner(20);
    let anna = member(&mut world, "anna", olga, document, Role::Write);
    let ben = member(&mut world, "ben", olga, document, Role::Read);
    world.sync_all(&[olga, anna, ben]);
    world.write(anna, document, "one");
    world.sync(anna, ben);
    world.write(anna, document, "two");
    let rogue = Rogue::of(&mut world, anna, document);
    let bare = rogue.frame(&[], vec![rogue.vouch(50, &world.device(anna).heads(document))]);
    world.connect(anna, ben);
    // Before anything else crosses: only the newer vouch.
    world.impersonate(anna, ben, &bare);
    world.disconnect(anna, ben);
    assert!(world.keys(ben, document).contains(&"one".to_owned()));
}

#[test]
fn a_stranger_to_writing_is_held_back_wherever_an_honest_peer_carries_it() {
    let (mut world, olga, document) = owner(30);
    let ben = member(&mut world, "ben", olga, document, Role::Write);
    let rita = member(&mut world, "rita", olga, document, Role::Read);
    world.write(olga, document, "first");
    world.sync_all(&[olga, ben, rita]);
    let rogue = Rogue::of(&mut world, rita, document);
    let change = rogue.change(&mut copy(&mut world, rita, document), rogue.actor(1), "by a reader");
    let hash = change.header().hash;
    let frame = rogue.frame(&[change], vec![rogue.vouch(1, &[hash])]);
    world.connect(rita, ben);
    world.run();
    world.impersonate(rita, ben, &frame);
    world.disconnect(rita, ben);
    world.sync(ben, olga);
    for device in [ben, olga] {
        assert_eq!(world.keys(device, document), ["first"], "device {device}");
        let held = world.device(device).held(document);
        assert_eq!(held.len(), 1, "device {device} carries it on, held back");
        assert_eq!(held[0].hash, hash);
    }
}

#[test]
fn a_writer_cannot_write_under_another_devices_name() {
    let (mut world, olga, document) = owner(31);
    let anna = member(&mut world, "anna", olga, document, Role::Write);
    let ben = member(&mut world, "ben", olga, document, Role::Write);
    world.write(olga, document, "first");
    world.sync_all(&[olga, anna, ben]);
    let rogue = Rogue::of(&mut world, anna, document);
    let victim = world.device(ben).id();
    let mut base = copy(&mut world, anna, document);
    let forged = rogue.change(&mut base, rogue.forged_actor(&victim, [9; 8]), "forged");
    let on_top = rogue.change(&mut base, rogue.actor(3), "on top");
    let heads = [on_top.header().hash];
    let hash = forged.header().hash;
    let frame = rogue.frame(&[forged, on_top], vec![rogue.vouch(7, &heads)]);
    world.connect(anna, olga);
    world.run();
    world.impersonate(anna, olga, &frame);
    world.disconnect(anna, olga);
    world.sync(olga, ben);
    for device in [olga, ben] {
        assert_eq!(world.keys(device, document), ["first"], "device {device}");
        let held = world.device(device).held(document);
        let reasons: BTreeSet<String> = held.iter().map(|held| held.reason.to_string()).collect();
        assert_eq!(held.len(), 2);
        assert!(reasons.iter().any(|reason| reason.contains("never vouched")), "{reasons:?}");
    }
    // Not even a writer's word takes it in.
    let refused = world.command(olga, Command::TakeIn { document, changes: vec![hash] });
    assert!(refused.is_err());
    assert_eq!(world.keys(olga, document), ["first"]);
}

#[test]
fn s4_a_revocation_makes_nobody_sign_if_the_revoker_had_it_all() {
    for writers in [5, 10] {
        let (mut world, olga, document) = owner(40);
        let others: Vec<DeviceIndex> = (0..writers)
            .map(|index| member(&mut world, &format!("w{index}"), olga, document, Role::Write))
            .collect();
        let carl = member(&mut world, "carl", olga, document, Role::Write);
        for other in &others {
            world.write(*other, document, &format!("by {other}"));
            world.sync(olga, *other);
        }
        world.write(carl, document, "by carl");
        world.sync(carl, olga);
        for other in &others {
            world.sync(carl, *other);
            world.sync(olga, *other);
        }
        world.sync(olga, carl);
        let before: Vec<usize> =
            others.iter().map(|other| world.device(*other).document(document).vouch_ids().len()).collect();
        world.revoke(olga, document, carl);
        for (other, before) in others.iter().zip(before) {
            world.sync(olga, *other);
            let now = world.device(*other).document(document).vouch_ids().len();
            // Olga's own is the only one that may be new: it came with the word.
            assert!(
                now <= before + 1,
                "{writers} writers: device {other} has {now} vouches, and had {before}"
            );
            assert!(world.keys(*other, document).contains(&"by carl".to_owned()));
        }
    }
}

#[test]
fn s4_of_many_who_have_what_the_revoker_lacks_few_sign() {
    let (mut world, olga, document) = owner(41);
    let others: Vec<DeviceIndex> =
        (0..8).map(|index| member(&mut world, &format!("w{index}"), olga, document, Role::Write)).collect();
    let carl = member(&mut world, "carl", olga, document, Role::Write);
    let mut all = others.clone();
    all.extend([olga, carl]);
    world.sync_all(&all);
    world.write(carl, document, "by carl");
    for other in &others {
        world.sync(carl, *other);
    }
    world.revoke(olga, document, carl);
    // They hear of it one after another, each in an exchange that ends before it decides.
    for other in &others {
        world.sync(olga, *other);
    }
    let vouches = world.device(olga).document(document).vouch_ids().len();
    assert!(vouches <= 4, "carl's, and one that stands for it, or a few: {vouches}");
    assert_eq!(world.keys(olga, document), ["by carl"]);
    for other in others {
        assert_eq!(world.keys(other, document), ["by carl"], "device {other}");
    }
}

#[test]
fn s9_a_current_writer_cannot_take_its_vouch_back() {
    let (mut world, olga, document) = owner(9);
    let anna = member(&mut world, "anna", olga, document, Role::Write);
    let ben = member(&mut world, "ben", olga, document, Role::Write);
    let carl = member(&mut world, "carl", olga, document, Role::Read);
    world.sync_all(&[olga, anna, ben, carl]);
    world.write(anna, document, "x");
    world.sync(anna, olga);
    world.sync(anna, ben);
    let rogue = Rogue::of(&mut world, ben, document);
    let all = rogue.frame(&[], vec![rogue.vouch(1, &world.device(ben).heads(document))]);
    world.connect(ben, olga);
    world.run();
    world.impersonate(ben, olga, &all);
    world.disconnect(ben, olga);
    world.command(anna, Command::Leave { document }).expect("anna leaves");
    world.sync(anna, olga);
    world.sync(olga, carl);
    assert_eq!(world.keys(carl, document), ["x"]);
    // Ben signs over less, and sends that to the reader, while nobody else who writes is there.
    let fresh = rogue.change(&mut Automerge::new(), rogue.actor(5), "mine");
    let hash = fresh.header().hash;
    world.connect(ben, carl);
    world.run();
    world.impersonate(ben, carl, &rogue.frame(&[fresh], vec![rogue.vouch(50, &[hash])]));
    world.disconnect(ben, carl);
    assert_eq!(world.keys(carl, document), ["mine", "x"]);
}
