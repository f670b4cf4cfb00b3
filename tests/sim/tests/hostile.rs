//! Peers that may write, and mean harm: what they send is bounded, held back or refused, and nobody else's
//! document or session suffers.
#![allow(clippy::indexing_slicing, clippy::expect_used, reason = "a test fails where it stands")]

use automerge::{Automerge, ChangeHash};
use katori_acl::{ResourceId, Role};
use katori_core::document::{DocumentLimits, HeldReason};
use katori_core::engine::Event;
use katori_core::gate::{Limits, RawChange, inspect};
use katori_core::pack::pack;
use katori_core::wire::Frame;
use katori_sim::{DeviceIndex, Rogue, World};
use sha2::{Digest, Sha256};

/// Olga owns a document; Mallory and Ben may write in it; all three are connected to Olga.
fn scene(seed: u64) -> (World, DeviceIndex, DeviceIndex, DeviceIndex, ResourceId) {
    let mut world = World::new(seed);
    let olga = world.person("olga", 1)[0];
    let mallory = world.person("mallory", 1)[0];
    let ben = world.person("ben", 1)[0];
    let document = world.create(olga, "scene");
    world.share(olga, document, mallory, Role::Write);
    world.share(olga, document, ben, Role::Write);
    world.write(olga, document, "first");
    world.sync_all(&[olga, mallory, ben]);
    world.connect(olga, mallory);
    world.connect(olga, ben);
    world.run();
    (world, olga, mallory, ben, document)
}

fn copy(world: &mut World, index: DeviceIndex, document: ResourceId) -> Automerge {
    world.device(index).document(document).automerge().clone()
}

/// Olga and Ben still work together, on this document and on others.
fn assert_unharmed(world: &mut World, olga: DeviceIndex, ben: DeviceIndex, document: ResourceId) {
    world.write(olga, document, "from olga");
    world.write(ben, document, "from ben");
    world.run();
    for device in [olga, ben] {
        let keys = world.keys(device, document);
        for key in ["first", "from olga", "from ben"] {
            assert!(keys.contains(&key.to_owned()), "device {device} lacks {key}: {keys:?}");
        }
        let saved = world.device(device).document(document).automerge().save();
        assert!(Automerge::load(&saved).is_ok(), "what device {device} saves loads again");
    }
    assert_eq!(world.device(olga).heads(document), world.device(ben).heads(document));
}

fn suspicions(world: &mut World, index: DeviceIndex) -> usize {
    let events = &world.device(index).events;
    events.iter().filter(|event| matches!(event, Event::Suspicious { .. })).count()
}

/// T11, T13: bytes that are no frame.
#[test]
fn garbage_ends_the_session_and_nothing_else() {
    let (mut world, olga, mallory, ben, document) = scene(1);
    for bytes in [vec![], vec![0; 40], vec![255; 200], b"GET / HTTP/1.1".to_vec()] {
        world.connect(olga, mallory);
        world.run();
        world.impersonate_bytes(mallory, olga, bytes);
        let connected = world.device(olga).engine.as_ref().map(|engine| engine.connected_peers().count());
        assert_eq!(connected, Some(1), "only ben is left");
    }
    assert_unharmed(&mut world, olga, ben, document);
}

/// T11: damaged packs. Automerge's own loaders return Ok on some of these.
#[test]
fn packs_with_flipped_or_missing_bytes_are_counted_and_dropped() {
    let (mut world, olga, mallory, ben, document) = scene(2);
    let rogue = Rogue::of(&mut world, mallory, document);
    let mut base = copy(&mut world, mallory, document);
    let changes: Vec<RawChange> =
        (0..20).map(|index| rogue.change(&mut base, rogue.actor(1), &format!("k{index}"))).collect();
    let good = pack(&changes);
    for round in 0..600 {
        let mut bytes = good.clone();
        if round % 3 == 0 {
            bytes.truncate(usize::try_from(world.random(good.len() as u64)).expect("small"));
        } else {
            let at = usize::try_from(world.random(good.len() as u64)).expect("small");
            bytes[at] ^= 1 << world.random(8);
        }
        let frame = Frame::Changes {
            document,
            pack: Some(bytes),
            vouches: Vec::new(),
            more: false,
            has_all_but: None,
        };
        world.impersonate(mallory, olga, &frame);
    }
    assert!(suspicions(&mut world, olga) > 500);
    assert_eq!(world.keys(olga, document), ["first"]);
    assert_unharmed(&mut world, olga, ben, document);
}

/// T13, orphan flood and a gap in sequence: Automerge queues such changes without end.
#[test]
fn a_flood_of_orphans_is_bounded_and_a_missing_sequence_waits() {
    let (mut world, olga, mallory, ben, document) = scene(3);
    let rogue = Rogue::of(&mut world, mallory, document);
    let mut base = copy(&mut world, mallory, document);
    let missing = rogue.change(&mut base, rogue.actor(1), "missing");
    let orphans: Vec<RawChange> =
        (0..3000).map(|index| rogue.change(&mut base, rogue.actor(1), &format!("o{index}"))).collect();
    let frame = rogue.frame(&orphans, vec![rogue.vouch(1, &base.get_heads())]);
    world.impersonate(mallory, olga, &frame);
    let (stored, _) = world.device(olga).document(document).counts();
    assert_eq!(stored, 1, "no orphan is stored");
    assert!(suspicions(&mut world, olga) > 0, "what was over the budget is reported");
    assert_unharmed(&mut world, olga, ben, document);
    // When the missing one comes, what waited within the budget takes its place.
    let frame = rogue.frame(&[missing], Vec::new());
    world.impersonate(mallory, olga, &frame);
    let (stored, _) = world.device(olga).document(document).counts();
    assert!((1000..1100).contains(&stored), "{stored} are stored now");
}

/// Refits the checksum of a chunk whose body was changed.
fn refit(bytes: &mut [u8]) {
    let digest = Sha256::digest(&bytes[8..]);
    bytes[4..8].copy_from_slice(&digest[..4]);
}

/// T11: the mutation fuzz under which Automerge panics or saves what it cannot load again.
#[test]
fn mutated_changes_that_pass_the_gate_poison_nobody() {
    let (mut world, olga, mallory, ben, document) = scene(4);
    let rogue = Rogue::of(&mut world, mallory, document);
    let mut passed = 0u64;
    // As it was: after a fork the others send Mallory's device what she had made.
    let honest = copy(&mut world, mallory, document);
    for round in 0..1500u64 {
        let mut base = honest.clone();
        let incarnation = u8::try_from(round % 250).expect("small");
        let change = rogue.change(&mut base, rogue.actor(incarnation), "mutant");
        let mut bytes = change.bytes().to_vec();
        for _ in 0..=world.random(3) {
            let at = 9 + usize::try_from(world.random(bytes.len() as u64 - 9)).expect("small");
            bytes[at] = u8::try_from(world.random(256)).expect("a byte");
        }
        refit(&mut bytes);
        let Ok(mutant) = inspect(&bytes, &Limits::default()) else { continue };
        passed += 1;
        let frame = rogue.frame(std::slice::from_ref(&mutant), vec![rogue.vouch(round, &[mutant.hash()])]);
        world.impersonate(mallory, olga, &frame);
    }
    assert!(passed > 20, "{passed} mutants passed the first gate");
    world.run();
    assert_unharmed(&mut world, olga, ben, document);
    world.crash(olga);
    world.start(olga);
    assert!(world.keys(olga, document).contains(&"from ben".to_owned()), "and it opens again");
}

/// T9: one device, two changes in one place, each shown to another person. Automerge refuses the second for ever.
#[test]
fn a_fork_wedges_nothing_the_owners_branch_stays_and_the_other_is_reported() {
    let (mut world, olga, mallory, ben, document) = scene(5);
    let rogue = Rogue::of(&mut world, mallory, document);
    let one = rogue.change(&mut world.copy(mallory, document), rogue.actor(1), "one");
    let two = rogue.change(&mut world.copy(mallory, document), rogue.actor(1), "two");
    world.disconnect(olga, ben);
    let frame = rogue.frame(std::slice::from_ref(&one), vec![rogue.vouch(1, &[one.hash()])]);
    world.impersonate(mallory, olga, &frame);
    assert!(world.keys(olga, document).contains(&"one".to_owned()));
    world.connect(mallory, ben);
    world.run();
    let frame = rogue.frame(std::slice::from_ref(&two), vec![rogue.vouch(2, &[two.hash()])]);
    world.impersonate(mallory, ben, &frame);
    world.disconnect(mallory, ben);
    world.disconnect(mallory, olga);
    // Both accepted a branch, and go on working; then they meet.
    world.write(olga, document, "olga on one");
    world.write(ben, document, "ben on two");
    world.sync_all(&[olga, ben]);
    world.sync_all(&[olga, ben]);
    assert_eq!(world.device(olga).stored_heads(document), world.device(ben).stored_heads(document));
    assert_eq!(world.device(olga).heads(document), world.device(ben).heads(document));
    for device in [olga, ben] {
        let keys = world.keys(device, document);
        assert_eq!(
            keys,
            ["ben on two", "first", "olga on one", "one"],
            "whatever the hashes, nothing honest is lost"
        );
        let proven = world.device(device).document(document).forkers().clone();
        assert_eq!(proven, [rogue.device()].into_iter().collect(), "the fork is proven against mallory");
        let held = world.device(device).held(document);
        let lost = |held: &katori_core::document::Held| matches!(held.reason, HeldReason::LostFork { .. });
        assert!(held.iter().any(lost), "{held:?}");
        let forks = world.device(device).document(document).forks();
        let stays: Vec<_> =
            forks[0].branches.iter().filter(|branch| branch.stays).map(|branch| branch.hash).collect();
        assert_eq!((forks.len(), stays), (1, vec![one.hash()]));
        assert!(forks[0].proof.len() >= 2, "both of mallory's vouches are shown");
    }
    world.connect(olga, ben);
    assert_unharmed(&mut world, olga, ben, document);
}

/// T14: a heap of work that nobody vouches for.
#[test]
fn what_is_held_back_has_a_budget() {
    let (mut world, olga, mallory, ben, document) = scene(6);
    let mut limits = DocumentLimits::default();
    limits.held_bytes = 20_000;
    world.limit(olga, limits);
    world.revoke(olga, document, mallory);
    let rogue = Rogue::of(&mut world, mallory, document);
    let mut base = copy(&mut world, ben, document);
    let changes: Vec<RawChange> =
        (0..400).map(|index| rogue.change(&mut base, rogue.actor(1), &format!("h{index}"))).collect();
    // An honest reader carries it, as it should.
    let frame = rogue.frame(&changes, vec![rogue.vouch(1, &base.get_heads())]);
    world.impersonate(ben, olga, &frame);
    let held = world.device(olga).held(document);
    let bytes: usize = held
        .iter()
        .map(|held| changes.iter().find(|c| c.hash() == held.hash).map_or(0, |c| c.bytes().len()))
        .sum();
    assert!(!held.is_empty() && bytes <= 20_000, "{} held back, {bytes} bytes", held.len());
    assert!(suspicions(&mut world, olga) > 0);
}

/// T17: what somebody who was revoked may still hand over.
#[test]
fn somebody_who_lost_the_role_hands_over_little_and_once() {
    let (mut world, olga, mallory, ben, document) = scene(7);
    world.disconnect(olga, mallory);
    world.revoke(olga, document, mallory);
    let rogue = Rogue::of(&mut world, mallory, document);
    let mut base = copy(&mut world, mallory, document);
    world.connect(olga, mallory);
    world.run();
    let before = world.device(olga).document(document).counts().0;
    let change = rogue.change(&mut base, rogue.actor(1), "late");
    let late = rogue.frame(std::slice::from_ref(&change), vec![rogue.vouch(50, &[change.hash()])]);
    world.impersonate(mallory, olga, &late);
    // The engine of mallory's device had used the one session already, or this did: in either case, no more.
    let mut more = Vec::new();
    for index in 0..50 {
        more.push(rogue.change(&mut base, rogue.actor(1), &format!("more {index}")));
    }
    let frame = rogue.frame(&more, vec![rogue.vouch(51, &base.get_heads())]);
    for _ in 0..3 {
        world.disconnect(olga, mallory);
        world.connect(olga, mallory);
        world.run();
        world.impersonate(mallory, olga, &frame);
    }
    let after = world.device(olga).document(document).counts().0;
    assert!(after <= before + 1, "{} changes came in", after - before);
    assert_eq!(world.keys(olga, document), ["first"]);
    assert_unharmed(&mut world, olga, ben, document);
}

/// T12, T13: vouches without end.
#[test]
fn a_heap_of_vouches_is_bounded() {
    let (mut world, olga, mallory, ben, document) = scene(8);
    let rogue = Rogue::of(&mut world, mallory, document);
    for counter in 0..500u64 {
        let mut hash = [0; 32];
        hash[..8].copy_from_slice(&counter.to_be_bytes());
        let frame = rogue.frame(&[], vec![rogue.vouch(counter, &[ChangeHash(hash)])]);
        world.impersonate(mallory, olga, &frame);
    }
    let kept = world.device(olga).document(document).vouch_ids().len();
    assert!(kept <= katori_core::document::MAX_VOUCHES_PER_DEVICE + 3, "{kept} vouches are kept");
    assert_unharmed(&mut world, olga, ben, document);
}

/// T9, T13: a fork in a hundred.
#[test]
fn a_hundred_branches_of_one_actor_close_no_session_and_keep_no_store_shut() {
    let (mut world, olga, mallory, ben, document) = scene(10);
    let rogue = Rogue::of(&mut world, mallory, document);
    let branches: Vec<RawChange> = (0..100)
        .map(|index| {
            let mut base = Automerge::new();
            rogue.change(&mut base, automerge::ActorId::from(vec![7; 16]), &format!("b{index}"))
        })
        .collect();
    world.revoke(olga, document, mallory);
    world.impersonate(ben, olga, &rogue.frame(&branches, Vec::new()));
    world.sync_all(&[olga, ben]);
    world.crash(olga);
    world.start(olga);
    world.connect(olga, ben);
    world.run();
    let (stored, _) = world.device(olga).document(document).counts();
    assert!(stored <= 65, "{stored} changes are kept");
    assert_unharmed(&mut world, olga, ben, document);
}
