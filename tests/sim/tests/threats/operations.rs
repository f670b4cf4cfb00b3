//! Clocks that are wrong, disks that are copied or set back, keys used twice.

use std::time::Duration;

use katori_acl::{Principal, Role};
use katori_core::engine::{Command, Offer};
use katori_sim::World;

use crate::scene;

const YEAR: i64 = 365 * 24 * 3600 * 1000;

/// T27: a clock a year ahead or behind decides nothing in a document. (Matrix and others order by wall clocks.)
#[test]
fn clock_a_year_off_both_ways_shows_the_same_document() {
    for skew in [-YEAR, YEAR] {
        let mut world = World::new(1);
        let olga = world.person("olga", 1)[0];
        let document = world.create(olga, "scene");
        let ben = world.member("ben", olga, document, Role::Write);
        let carl = world.member("carl", olga, document, Role::Write);
        world.skew(ben, skew);
        for round in 0..5 {
            for device in [olga, ben, carl] {
                world.write(device, document, &format!("{device}-{round}"));
            }
            world.sync_all(&[olga, ben, carl]);
        }
        world.revoke(olga, document, carl);
        world.sync(olga, ben);
        world.write(ben, document, "after");
        world.sync(olga, ben);
        assert_eq!(world.device(olga).heads(document), world.device(ben).heads(document), "skew {skew}");
        assert_eq!(world.keys(olga, document).len(), 16);
        assert!(world.device(ben).held(document).is_empty() && world.device(olga).held(document).is_empty());
    }
}

/// T27: an expiry is about connections. A device whose clock runs ahead ends it early for itself, and what was written
/// in time stays, there as everywhere.
#[test]
fn expiry_by_a_wrong_clock_takes_nothing_out_of_a_document() {
    for skew in [-YEAR, YEAR] {
        let mut world = World::new(2);
        let olga = world.person("olga", 1)[0];
        let document = world.create(olga, "scene");
        let carl = world.member("carl", olga, document, Role::Write);
        let ben = world.person("ben", 1)[0];
        world.introduce(ben, olga);
        let expires = Some(world.now().0 + 3_600_000);
        let offer = Offer { role: Role::Write, share: false, expires };
        let to = Principal::Person(world.person_of(ben));
        world.command(olga, Command::Grant { document, to, offer }).expect("granted");
        world.sync(olga, ben);
        world.accept(ben, document);
        world.sync(olga, ben);
        world.write(ben, document, "in time");
        world.sync(olga, ben);
        world.skew(carl, skew);
        world.sync(olga, carl);
        world.pass(Duration::from_mins(1));
        world.sync(olga, carl);
        for device in [olga, carl] {
            assert_eq!(world.keys(device, document), ["in time"], "skew {skew}, device {device}");
            assert!(world.device(device).held(document).is_empty());
        }
        assert_eq!(world.role(carl, document, ben), Some(Role::Write), "nobody above has ended it yet");
    }
}

/// T29: a phone is restored from a backup, and goes on writing; it neither forks itself nor loses what it had sent.
/// (A restored device that reuses sequence numbers is how Automerge documents wedge for good.)
#[test]
fn restored_backup_forks_nothing_and_gets_back_what_it_had_sent() {
    let (mut world, [olga, _, ben, rita], document) = scene(3);
    world.write(ben, document, "before");
    let image = world.device(ben).image();
    world.write(ben, document, "after the backup");
    world.write(ben, document, "and more");
    world.sync(ben, olga);
    world.crash(ben);
    world.device(ben).restore(&image);
    world.start(ben);
    assert_eq!(world.keys(ben, document), ["before", "first"]);
    // It writes before it hears of its own past.
    world.write(ben, document, "from the backup");
    world.sync_all(&[olga, ben, rita]);
    world.write(ben, document, "last");
    world.sync_all(&[olga, ben, rita]);
    for device in [olga, ben, rita] {
        let keys = world.keys(device, document);
        assert_eq!(
            keys,
            ["after the backup", "and more", "before", "first", "from the backup", "last"],
            "device {device}"
        );
        assert!(world.device(device).document(document).forkers().is_empty());
        assert!(world.device(device).held(document).is_empty());
    }
}

/// T29: one key used from two stores at once, both writing. It is not a fork, and nothing is lost; copies cannot meet
/// each other, since they are one device to everybody else.
#[test]
fn key_used_from_two_stores_forks_nothing() {
    let (mut world, [olga, _, ben, rita], document) = scene(4);
    let copy = world.clone_device(ben);
    for round in 0..6 {
        world.write(ben, document, &format!("original {round}"));
        world.write(copy, document, &format!("copy {round}"));
        let (first, second) = if round % 2 == 0 { (ben, copy) } else { (copy, ben) };
        world.sync(olga, first);
        world.sync(rita, second);
        world.sync(olga, second);
        world.sync(olga, first);
    }
    world.sync_all(&[olga, ben, rita]);
    world.sync_all(&[olga, copy, rita]);
    for device in [olga, ben, copy, rita] {
        assert_eq!(world.keys(device, document).len(), 13, "device {device}");
        assert!(world.device(device).document(document).forkers().is_empty());
        assert!(world.device(device).held(document).is_empty());
    }
    let person = world.person_of(ben);
    let vouched = world.device(olga).document(document).history().all(|entry| {
        entry.author.is_none()
            || entry.vouched_by.iter().any(|(_, by)| *by == person)
            || entry.author.is_some()
    });
    assert!(vouched);
}

/// T29: a copied disk in a thief's hands is the device: removing it ends both.
#[test]
fn cloned_device_is_removed_with_the_one_it_was_copied_from() {
    let mut world = World::new(5);
    let devices = world.person("olga", 2);
    let (laptop, phone) = (devices[0], devices[1]);
    let document = world.create(laptop, "own");
    world.write(laptop, document, "first");
    world.sync(laptop, phone);
    let thiefs = world.clone_device(phone);
    world.remove_device(laptop, phone, true);
    world.write(laptop, document, "not for thieves");
    world.sync(laptop, thiefs);
    assert!(!world.keys(thiefs, document).contains(&"not for thieves".to_owned()));
    assert!(!world.edit(thiefs, document, "nope"), "its own engine knows by now");
    world.write(laptop, document, "later");
    assert_eq!(world.keys(laptop, document), ["first", "later", "not for thieves"]);
}

/// T29: a backup from before a revocation does not bring the revoked one back, not even at the restored device itself
/// once it has met anybody.
#[test]
fn restored_backup_of_the_owner_learns_again_whom_it_had_revoked() {
    let (mut world, [olga, mallory, ben, _], document) = scene(6);
    let image = world.device(olga).image();
    world.revoke(olga, document, mallory);
    world.sync(olga, ben);
    world.crash(olga);
    world.device(olga).restore(&image);
    world.start(olga);
    assert_eq!(world.role(olga, document, mallory), Some(Role::Write), "it does not know");
    world.sync(olga, ben);
    assert_eq!(world.role(olga, document, mallory), None, "ben tells it");
    world.write(olga, document, "goes on");
    world.sync(olga, ben);
    assert!(world.keys(ben, document).contains(&"goes on".to_owned()));
}

/// T9, T29: two copies of one disk accept two branches of somebody's fork. Neither outbids the other for ever.
#[test]
fn key_used_from_two_stores_on_two_branches_of_a_fork_comes_to_rest() {
    let (mut world, [olga, mallory, ben, rita], document) = scene(7);
    let copy = world.clone_device(olga);
    let rogue = katori_sim::Rogue::of(&mut world, mallory, document);
    let base = world.copy(mallory, document);
    for (counter, to) in [(10, olga), (11, copy)] {
        let branch = rogue.change(&mut base.clone(), rogue.actor(1), &format!("branch {counter}"));
        let vouch = rogue.vouch(counter, &[branch.hash()]);
        crate::send(&mut world, &rogue, [mallory, to], &[branch], vec![vouch]);
        world.write(to, document, &format!("on {counter}"));
    }
    let mut last = Vec::new();
    for round in 0.. {
        for store in [olga, copy] {
            for friend in [ben, rita] {
                world.sync(store, friend);
            }
        }
        world.sync(ben, rita);
        let all: Vec<_> = [olga, copy, ben, rita]
            .into_iter()
            .map(|device| (world.keys(device, document), world.device(device).document(document).vouch_ids()))
            .collect();
        if all == last {
            break;
        }
        assert!(round < 6, "still moving: {all:?}");
        last = all;
    }
    assert!(last.iter().all(|(keys, _)| *keys == last[0].0), "{last:?}");
    for key in ["on 10", "on 11"] {
        assert!(last[0].0.contains(&key.to_owned()), "{:?}", last[0].0);
    }
}
