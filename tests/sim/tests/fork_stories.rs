//! Forks: a device that writes two changes in one place, told to the real engine. S1 to S17 are the admission model's
//! hand stories; the others are what followed from them. Threat T9 (equivocation) of the notes on access, throughout.
#![allow(clippy::indexing_slicing, clippy::expect_used, reason = "a test fails where it stands")]

use std::collections::BTreeSet;
use std::time::Duration;

use automerge::{Automerge, ChangeHash};
use katori_acl::{Capacity, Principal, ResourceId, Role};
use katori_core::document::{Decision, HeldReason};
use katori_core::engine::{Command, Offer};
use katori_core::gate::RawChange;
use katori_sim::{DeviceIndex, Rogue, World};

fn send(
    world: &mut World,
    rogue: &Rogue,
    [from, to]: [DeviceIndex; 2],
    changes: &[&RawChange],
    vouches: Vec<Vec<u8>>,
) {
    world.connect(from, to);
    world.run();
    let changes: Vec<RawChange> = changes.iter().map(|change| (*change).clone()).collect();
    world.impersonate(from, to, &rogue.frame(&changes, vouches));
    world.disconnect(from, to);
    world.run();
}

/// A change in the place of another one, whose hash is lower: it can be ground.
fn lower(rogue: &Rogue, base: &Automerge, than: &RawChange) -> RawChange {
    let tries = (0..).map(|index| rogue.change(&mut base.clone(), rogue.actor(1), &format!("fork {index}")));
    tries.into_iter().find(|change| change.hash() < than.hash()).expect("one in a few")
}

fn shows(world: &mut World, device: DeviceIndex, document: ResourceId, key: &str) -> bool {
    world.keys(device, document).contains(&key.to_owned())
}

/// How many stored changes say that they apply another one again.
fn marks(world: &mut World, device: DeviceIndex, document: ResourceId) -> usize {
    world.device(device).document(document).history().filter(|entry| entry.reapplies.is_some()).count()
}

/// Olga owns a document; Mallory has two devices, of which the first forks and the second is its accomplice; Ben comes
/// after her.
struct Collusion {
    world: World,
    document: ResourceId,
    olga: DeviceIndex,
    ben: DeviceIndex,
    forker: DeviceIndex,
    accomplice: DeviceIndex,
    rogue: Rogue,
    second: Rogue,
    /// What the fork branches from.
    empty: Automerge,
    /// The forker's honest change.
    old: RawChange,
}

impl Collusion {
    fn new(seed: u64) -> Self {
        let mut world = World::new(seed);
        let olga = world.person("olga", 1)[0];
        let document = world.create(olga, "story");
        let mallory = world.person("mallory", 2);
        let (forker, accomplice) = (mallory[0], mallory[1]);
        world.share(olga, document, forker, Role::Write);
        world.sync(olga, accomplice);
        world.accept(accomplice, document);
        let ben = world.member("ben", olga, document, Role::Write);
        world.sync_all(&[olga, ben, forker, accomplice]);
        let rogue = Rogue::of(&mut world, forker, document);
        let second = Rogue::of(&mut world, accomplice, document);
        let empty = world.copy(forker, document);
        let old = rogue.change(&mut empty.clone(), rogue.actor(1), "old");
        Self { world, document, olga, ben, forker, accomplice, rogue, second, empty, old }
    }

    /// The forker's honest change reaches somebody.
    fn hand_old_to(&mut self, to: DeviceIndex) {
        let vouches = vec![self.rogue.vouch(1, &[self.old.hash()])];
        send(&mut self.world, &self.rogue, [self.forker, to], &[&self.old], vouches);
    }

    /// A branch of lower hash in the place of the honest change, for which both devices vouch.
    fn forge(&self) -> (RawChange, Vec<Vec<u8>>) {
        let forged = lower(&self.rogue, &self.empty, &self.old);
        let vouches = [&self.rogue, &self.second].map(|device| device.vouch(99, &[forged.hash()]));
        (forged, vouches.into())
    }

    fn hand_forgery_to(&mut self, to: DeviceIndex) {
        let (forged, vouches) = self.forge();
        send(&mut self.world, &self.rogue, [self.forker, to], &[&forged], vouches);
    }

    /// Olga and Ben show the honest branch, and what Ben wrote on it.
    fn honest_branch_stays(&mut self) {
        self.world.sync_all(&[self.olga, self.ben]);
        for device in [self.olga, self.ben] {
            for key in ["old", "by ben"] {
                assert!(shows(&mut self.world, device, self.document, key), "device {device}: {key}");
            }
        }
    }
}

#[test]
fn s1_an_old_fork_that_an_accomplice_vouches_for_evicts_nothing() {
    let mut story = Collusion::new(1);
    let (olga, ben, document) = (story.olga, story.ben, story.document);
    for to in [olga, ben] {
        story.hand_old_to(to);
    }
    story.world.write(ben, document, "by ben");
    story.world.sync(olga, ben);
    story.world.write(olga, document, "by olga");
    story.world.sync(olga, ben);
    let expected = story.world.keys(olga, document);
    // Years later, even after she is out: a branch of lower hash in the place of what everything rests on.
    story.hand_forgery_to(olga);
    assert_eq!(story.world.keys(olga, document), expected, "while ben is away");
    story.world.revoke(olga, document, story.forker);
    story.hand_forgery_to(ben);
    story.world.sync_all(&[olga, ben]);
    for device in [olga, ben] {
        assert_eq!(story.world.keys(device, document), expected, "device {device}");
        let forkers = story.world.device(device).document(document).forkers();
        assert!(forkers.contains(&story.rogue.device()));
    }
}

#[test]
fn s1b_an_owner_that_never_edited_protects_what_it_had_accepted() {
    let mut story = Collusion::new(2);
    let (olga, ben) = (story.olga, story.ben);
    story.hand_old_to(ben);
    story.world.write(ben, story.document, "by ben");
    story.world.sync(ben, olga);
    story.hand_forgery_to(ben);
    story.honest_branch_stays();
}

#[test]
fn s1b_the_word_of_the_forkers_own_person_counts_for_nothing_even_against_a_junior() {
    let mut story = Collusion::new(3);
    let ben = story.ben;
    story.hand_old_to(ben);
    story.world.write(ben, story.document, "by ben");
    // Olga has seen nothing of it, and Mallory was let in before ben: ben's word decides.
    story.hand_forgery_to(ben);
    story.honest_branch_stays();
}

#[test]
fn s1c_an_accomplice_that_throws_the_forker_out_is_still_of_its_person() {
    let mut story = Collusion::new(3);
    let ben = story.ben;
    story.hand_old_to(ben);
    story.world.write(ben, story.document, "by ben");
    story.hand_forgery_to(ben);
    story.world.remove_device(story.accomplice, story.forker, true);
    story.world.sync(story.accomplice, ben);
    story.honest_branch_stays();
}

#[test]
fn s1d_people_in_one_group_are_not_one_person() {
    let mut world = World::new(4);
    let olga = world.person("olga", 1)[0];
    let document = world.create(olga, "story");
    let group = world.create_group(olga, "choir");
    let people = ["mallory", "ben", "carl"].map(|name| world.person(name, 1)[0]);
    for person in people {
        world.add_member(olga, group, person, Capacity::Limited);
    }
    let offer = Offer { role: Role::Write, share: false, expires: None };
    let grant = Command::Grant { document, to: Principal::Person(group), offer };
    world.command(olga, grant).expect("granted");
    for person in people {
        world.sync(olga, person);
        world.accept(person, document);
        world.sync(olga, person);
    }
    let [mallory, ben, carl] = people;
    world.sync_all(&[olga, mallory, ben, carl]);
    let rogue = Rogue::of(&mut world, mallory, document);
    let empty = world.copy(mallory, document);
    let old = rogue.change(&mut empty.clone(), rogue.actor(1), "old");
    send(&mut world, &rogue, [mallory, ben], &[&old], vec![rogue.vouch(1, &[old.hash()])]);
    world.write(ben, document, "by ben");
    world.sync(ben, carl);
    world.write(carl, document, "by carl");
    world.sync(ben, carl);
    let forged = lower(&rogue, &empty, &old);
    send(&mut world, &rogue, [mallory, ben], &[&forged], vec![rogue.vouch(99, &[forged.hash()])]);
    world.sync_all(&[ben, carl]);
    for device in [ben, carl] {
        assert!(
            shows(&mut world, device, document, "old"),
            "device {device}: those who stand behind it decide"
        );
    }
    assert_eq!(marks(&mut world, ben, document), 0, "nothing had to be written again");
}

#[test]
fn s14_a_fork_in_three_ends_the_same_in_every_order_and_costs_nobody_anything() {
    let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    let mut survivors = BTreeSet::new();
    for order in orders {
        let mut world = World::new(14);
        let olga = world.person("olga", 1)[0];
        let document = world.create(olga, "story");
        let honest = ["anna", "ben", "carl"].map(|name| world.member(name, olga, document, Role::Write));
        let mallory = world.member("mallory", olga, document, Role::Write);
        let [anna, ben, carl] = honest;
        let all = [olga, anna, ben, carl];
        world.sync_all(&[olga, anna, ben, carl, mallory]);
        let rogue = Rogue::of(&mut world, mallory, document);
        let empty = world.copy(mallory, document);
        for (index, device) in honest.into_iter().enumerate() {
            let branch = rogue.change(&mut empty.clone(), rogue.actor(1), &format!("branch {index}"));
            let vouch = rogue.vouch(1 + index as u64, &[branch.hash()]);
            send(&mut world, &rogue, [mallory, device], &[&branch], vec![vouch]);
            world.write(device, document, &format!("on {index}"));
        }
        let pairs = [(anna, ben), (ben, carl), (anna, carl)];
        for pair in order {
            let (one, other) = pairs[pair];
            world.sync(one, other);
        }
        world.sync_all(&all);
        world.sync_all(&all);
        let expected = world.keys(olga, document);
        for device in all {
            assert_eq!(world.keys(device, document), expected, "{order:?}, device {device}");
            assert_eq!(world.device(device).heads(document), world.device(olga).heads(document));
        }
        for index in 0..3 {
            assert!(expected.contains(&format!("on {index}")), "{order:?}: {expected:?}");
        }
        let branches: Vec<_> = expected.into_iter().filter(|key| key.starts_with("branch")).collect();
        assert_eq!(branches.len(), 1, "{order:?}: {branches:?}");
        survivors.extend(branches);
    }
    assert_eq!(survivors.len(), 1, "the same one, whoever met whom first: {survivors:?}");
}

#[test]
fn s15_what_a_forker_wrote_before_stays_and_what_rests_on_it_too() {
    let mut world = World::new(15);
    let olga = world.person("olga", 1)[0];
    let document = world.create(olga, "story");
    let (mallory, ben) = (
        world.member("mallory", olga, document, Role::Write),
        world.member("ben", olga, document, Role::Write),
    );
    world.sync_all(&[olga, mallory, ben]);
    let rogue = Rogue::of(&mut world, mallory, document);
    let mut base = world.copy(mallory, document);
    let old = rogue.change(&mut base, rogue.actor(1), "old");
    for to in [olga, ben] {
        send(&mut world, &rogue, [mallory, to], &[&old], vec![rogue.vouch(1, &[old.hash()])]);
    }
    world.write(ben, document, "by ben");
    world.sync(olga, ben);
    let one = rogue.change(&mut base.clone(), rogue.actor(1), "one");
    let two = rogue.change(&mut base.clone(), rogue.actor(1), "two");
    let vouches = vec![rogue.vouch(8, &[one.hash()]), rogue.vouch(9, &[two.hash()])];
    send(&mut world, &rogue, [mallory, olga], &[&one, &two], vouches);
    world.sync(olga, ben);
    for device in [olga, ben] {
        assert_eq!(world.keys(device, document), ["by ben", "old"], "device {device}");
        let held = world.device(device).held(document);
        assert!(held.iter().all(|held| held.uncounted.iter().all(|voucher| voucher.forked)), "{held:?}");
    }
}

#[test]
fn s16_five_people_on_five_branches_come_to_rest_on_one() {
    for seed in 0..6 {
        let mut world = World::new(160 + seed);
        let olga = world.person("olga", 1)[0];
        let document = world.create(olga, "story");
        let mut honest = vec![olga];
        for index in 0..4 {
            honest.push(world.member(&format!("p{index}"), olga, document, Role::Write));
        }
        let mallory = world.member("mallory", olga, document, Role::Write);
        world.sync_all(&honest);
        world.sync(olga, mallory);
        let rogue = Rogue::of(&mut world, mallory, document);
        let empty = world.copy(mallory, document);
        for (index, device) in honest.iter().enumerate() {
            let branch = rogue.change(&mut empty.clone(), rogue.actor(1), &format!("branch {index}"));
            let vouch = rogue.vouch(1 + index as u64, &[branch.hash()]);
            send(&mut world, &rogue, [mallory, *device], &[&branch], vec![vouch]);
            world.write(*device, document, &format!("on {index}"));
        }
        let branch = |world: &mut World, device| {
            world.keys(device, document).into_iter().find(|key| key.starts_with("branch"))
        };
        let mut last: Vec<_> = honest.iter().map(|device| branch(&mut world, *device)).collect();
        let mut switches = vec![0; honest.len()];
        for _ in 0..30 {
            let one = usize::try_from(world.random(5)).expect("small");
            let other = usize::try_from(world.random(5)).expect("small");
            world.sync(honest[one], honest[other]);
            for (index, device) in honest.iter().enumerate() {
                let now = branch(&mut world, *device);
                if now != last[index] {
                    switches[index] += 1;
                    last[index] = now;
                }
            }
        }
        world.sync_all(&honest);
        world.sync_all(&honest);
        assert!(switches.iter().all(|count| *count <= 5), "seed {seed}: {switches:?}");
        let expected = world.keys(olga, document);
        for device in &honest {
            assert_eq!(world.keys(*device, document), expected, "seed {seed}, device {device}");
        }
        for index in 0..5 {
            assert!(expected.contains(&format!("on {index}")), "seed {seed}: {expected:?}");
        }
    }
}

#[test]
fn s17_two_crossed_forks_leave_a_branch_of_each() {
    let mut world = World::new(17);
    let olga = world.person("olga", 1)[0];
    let document = world.create(olga, "story");
    let [anna, ben, carl, dora] =
        ["anna!", "ben!", "carl", "dora"].map(|name| world.member(name, olga, document, Role::Write));
    world.sync_all(&[olga, anna, ben, carl, dora]);
    let (a, b) = (Rogue::of(&mut world, anna, document), Rogue::of(&mut world, ben, document));
    let empty = world.copy(anna, document);
    // a1 <- b1 and b2 <- a2, so that the winner of each fork rests on the loser of the other, if both go at once.
    let crossed = (0..).map(|index| {
        let (mut one, mut two) = (empty.clone(), empty.clone());
        let a1 = a.change(&mut one, a.actor(1), &format!("a1 {index}"));
        let b1 = b.change(&mut one, b.actor(1), &format!("b1 {index}"));
        let b2 = b.change(&mut two, b.actor(1), &format!("b2 {index}"));
        let a2 = a.change(&mut two, a.actor(1), &format!("a2 {index}"));
        [a1, b1, b2, a2]
    });
    let [a1, b1, b2, a2] = crossed
        .into_iter()
        .find(|[a1, b1, b2, a2]| a2.hash() < a1.hash() && b1.hash() < b2.hash())
        .expect("one in a few");
    let vouches = vec![a.vouch(1, &[a1.hash()]), b.vouch(1, &[b1.hash()])];
    send(&mut world, &a, [anna, carl], &[&a1, &b1], vouches);
    let vouches = vec![a.vouch(2, &[a2.hash()]), b.vouch(2, &[b2.hash()])];
    send(&mut world, &b, [ben, dora], &[&b2, &a2], vouches);
    world.write(carl, document, "by carl");
    world.write(dora, document, "by dora");
    world.sync_all(&[olga, carl, dora]);
    world.sync_all(&[olga, carl, dora]);
    let expected = world.keys(olga, document);
    for device in [olga, carl, dora] {
        assert_eq!(world.keys(device, document), expected, "device {device}");
    }
    assert!(
        expected.contains(&"by carl".to_owned()) && expected.contains(&"by dora".to_owned()),
        "{expected:?}"
    );
    let of = |name: &str| expected.iter().filter(|key| key.starts_with(name)).count();
    assert_eq!((of("a1") + of("a2"), of("b1") + of("b2")), (1, 1), "{expected:?}");
}

/// Olga accepts one branch of a fork; ben, on the other, writes. Everybody else has met neither.
fn losing_side(seed: u64, bens: usize) -> (World, [DeviceIndex; 3], Vec<DeviceIndex>, ResourceId) {
    let mut world = World::new(seed);
    let olga = world.person("olga", 1)[0];
    let document = world.create(olga, "story");
    let ben = world.person("ben", bens);
    world.share(olga, document, ben[0], Role::Write);
    for device in &ben[1..] {
        world.sync(olga, *device);
        world.accept(*device, document);
        world.sync(olga, *device);
    }
    let carl = world.member("carl", olga, document, Role::Write);
    let mallory = world.member("mallory", olga, document, Role::Write);
    world.sync_all(&[olga, ben[0], carl, mallory]);
    let rogue = Rogue::of(&mut world, mallory, document);
    let empty = world.copy(mallory, document);
    for (index, device) in [olga, ben[0]].into_iter().enumerate() {
        let branch = rogue.change(&mut empty.clone(), rogue.actor(1), &format!("branch {index}"));
        let vouch = rogue.vouch(1 + index as u64, &[branch.hash()]);
        send(&mut world, &rogue, [mallory, device], &[&branch], vec![vouch]);
    }
    world.write(olga, document, "by olga");
    world.write(ben[0], document, "by ben");
    (world, [olga, carl, mallory], ben, document)
}

#[test]
fn lost_work_is_written_again_by_its_author_and_marked() {
    let (mut world, [olga, carl, _], ben, document) = losing_side(20, 1);
    let original = world.device(ben[0]).heads(document);
    world.hurry(Some(Duration::from_secs(6)));
    world.sync(olga, ben[0]);
    world.sync(olga, ben[0]);
    world.sync(olga, carl);
    world.hurry(None);
    for device in [olga, ben[0], carl] {
        assert_eq!(world.keys(device, document), ["branch 0", "by ben", "by olga"], "device {device}");
        let view = world.device(device).document(document);
        let again: Vec<_> =
            view.history().filter_map(|entry| Some((entry.reapplies?, entry.author))).collect();
        assert_eq!(again.len(), 1, "device {device}: {again:?}");
        assert_eq!(vec![again[0].0], original);
        let fork = &view.forks()[0];
        assert!(
            fork.not_reapplied.is_empty() && fork.branches.iter().filter(|branch| branch.stays).count() == 1
        );
        assert!(matches!(fork.decision, Decision::Word { .. }), "{fork:?}");
        let author = again[0].1;
        assert_eq!(author, Some(world.device(ben[0]).id()), "device {device}");
        let held = world.device(device).held(document);
        let lost = held.iter().find(|held| vec![held.hash] == original).expect("the original is held back");
        assert!(matches!(lost.reason, HeldReason::LostFork { reapplied: Some(_), .. }), "{lost:?}");
    }
    world.sync_all(&[olga, ben[0], carl]);
    assert_eq!(marks(&mut world, carl, document), 1, "and nobody does it twice");
}

#[test]
fn lost_work_of_a_device_that_stays_away_is_written_again_by_another_of_its_person() {
    let (mut world, [olga, carl, _], ben, document) = losing_side(21, 2);
    world.hurry(Some(Duration::from_secs(1)));
    world.sync(ben[0], ben[1]);
    world.crash(ben[0]);
    world.hurry(Some(Duration::from_secs(5)));
    world.sync(olga, ben[1]);
    assert!(!shows(&mut world, ben[1], document, "by ben"), "the author may come back yet");
    world.run_for(Duration::from_secs(40));
    assert!(shows(&mut world, ben[1], document, "by ben"));
    world.hurry(None);
    world.sync_all(&[olga, ben[1], carl]);
    world.start(ben[0]);
    world.sync_all(&[olga, ben[0], ben[1], carl]);
    for device in [olga, ben[0], ben[1], carl] {
        assert!(shows(&mut world, device, document, "by ben"), "device {device}");
        assert_eq!(marks(&mut world, device, document), 1, "device {device}");
    }
}

#[test]
fn lost_work_of_somebody_who_is_gone_is_written_again_by_a_writer_that_had_accepted_it() {
    let (mut world, [olga, carl, _], ben, document) = losing_side(22, 1);
    world.hurry(Some(Duration::from_secs(1)));
    world.sync(ben[0], carl);
    assert!(shows(&mut world, carl, document, "by ben"));
    world.crash(ben[0]);
    world.hurry(Some(Duration::from_secs(5)));
    world.sync(olga, carl);
    assert!(!shows(&mut world, carl, document, "by ben"), "carl waits for ben");
    // A restart in between forgets nothing.
    world.crash(carl);
    world.start(carl);
    world.run_for(Duration::from_mins(4));
    assert!(shows(&mut world, carl, document, "by ben"));
    world.hurry(None);
    world.sync(olga, carl);
    assert!(shows(&mut world, olga, document, "by ben"));
    let view = world.device(olga).document(document);
    let author = view.history().find(|entry| entry.reapplies.is_some()).and_then(|entry| entry.author);
    assert_eq!(author, Some(world.device(carl).id()), "and it says who wrote it");
}

#[test]
fn the_lost_branch_can_be_looked_at_as_a_copy() {
    let (mut world, [olga, ..], ben, document) = losing_side(23, 1);
    world.sync_all(&[olga, ben[0]]);
    let forks = world.device(olga).document(document).forks();
    let loser = forks[0].branches.iter().find(|branch| !branch.stays).expect("one lost").hash;
    let copy = world.device(olga).document(document).lost_branch(loser).expect("a copy");
    let keys: Vec<String> = automerge::ReadDoc::keys(&copy, automerge::ROOT).collect();
    assert!(keys.contains(&"branch 1".to_owned()) && keys.contains(&"by ben".to_owned()), "{keys:?}");
    assert!(world.device(olga).document(document).lost_branch(ChangeHash([0; 32])).is_none());
}

#[test]
fn a_word_that_covers_both_branches_decides_nothing() {
    let mut world = World::new(24);
    let olga = world.person("olga", 1)[0];
    let document = world.create(olga, "story");
    let accomplice = world.member("accomplice", olga, document, Role::Write);
    let ben = world.member("ben", olga, document, Role::Write);
    let mallory = world.member("mallory", olga, document, Role::Write);
    world.sync_all(&[olga, accomplice, ben, mallory]);
    let (rogue, second) =
        (Rogue::of(&mut world, mallory, document), Rogue::of(&mut world, accomplice, document));
    let empty = world.copy(mallory, document);
    let old = rogue.change(&mut empty.clone(), rogue.actor(1), "old");
    send(&mut world, &rogue, [mallory, ben], &[&old], vec![rogue.vouch(1, &[old.hash()])]);
    world.write(ben, document, "by ben");
    let forged = lower(&rogue, &empty, &old);
    // Another person, let in before ben, whose latest word covers both, and an older one the forged branch alone.
    let vouches = vec![
        rogue.vouch(9, &[forged.hash()]),
        second.vouch(3, &[forged.hash()]),
        second.vouch(9, &[old.hash(), forged.hash()]),
    ];
    send(&mut world, &rogue, [mallory, ben], &[&forged], vouches);
    world.sync_all(&[olga, ben]);
    for device in [olga, ben] {
        assert!(shows(&mut world, device, document, "old"), "device {device}: ben's word is the only one");
        assert!(shows(&mut world, device, document, "by ben"));
    }
}

#[test]
fn lost_work_that_somebody_else_wrote_again_is_still_owed_when_that_is_lost_too() {
    let mut world = World::new(25);
    let olga = world.person("olga", 1)[0];
    let document = world.create(olga, "story");
    let [carl, ben, wanda, mallory] =
        ["carl", "ben", "wanda", "mallory"].map(|name| world.member(name, olga, document, Role::Write));
    world.sync_all(&[olga, carl, ben, wanda, mallory]);
    let rogue = Rogue::of(&mut world, mallory, document);
    let empty = world.copy(mallory, document);
    let branches: Vec<RawChange> = (0..3)
        .map(|index| rogue.change(&mut empty.clone(), rogue.actor(1), &format!("branch {index}")))
        .collect();
    for (counter, (branch, to)) in branches.iter().zip([ben, carl, olga]).enumerate() {
        let vouch = rogue.vouch(1 + counter as u64, &[branch.hash()]);
        send(&mut world, &rogue, [mallory, to], &[branch], vec![vouch]);
        world.write(to, document, &format!("by {to}"));
    }
    let bens = format!("by {ben}");
    // Wanda accepts ben's work, loses it to carl's branch, and in the end writes it again. Then she is a forker too.
    world.sync(ben, wanda);
    world.sync(carl, wanda);
    assert!(shows(&mut world, wanda, document, &bens));
    assert_eq!(marks(&mut world, wanda, document), 1);
    let forker = Rogue::of(&mut world, wanda, document);
    let base = world.copy(wanda, document);
    let two = ["one", "two"].map(|key| forker.change(&mut base.clone(), forker.actor(1), key));
    let vouches: Vec<_> =
        two.iter().zip(50..).map(|(change, counter)| forker.vouch(counter, &[change.hash()])).collect();
    for to in [carl, ben] {
        send(&mut world, &forker, [wanda, to], &[&two[0], &two[1]], vouches.clone());
    }
    world.sync(ben, carl);
    assert!(shows(&mut world, ben, document, &bens));
    // Olga's branch beats carl's, and with it goes what wanda wrote again.
    world.sync_all(&[olga, carl, ben]);
    world.sync_all(&[olga, carl, ben]);
    for device in [olga, carl, ben] {
        for writer in [olga, carl, ben] {
            assert!(
                shows(&mut world, device, document, &format!("by {writer}")),
                "device {device} lacks {writer}'s"
            );
        }
    }
}
