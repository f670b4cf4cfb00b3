//! What sync costs and promises, counted on the in-memory driver.
#![allow(
    clippy::indexing_slicing,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails where it stands"
)]

mod answers;
mod durability;

use std::collections::BTreeSet;
use std::time::Duration;

use automerge::ChangeHash;
use katori_acl::{Claim, InviteSecret, Principal, ResourceId, Role, Subject};
use katori_core::document::Summary;
use katori_core::engine::{Answer, Command, CommandError, Event, Offer};
use katori_core::gate::Limits;
use katori_core::pack::unpack;
use katori_core::reconcile::Entry;
use katori_core::wire::Frame;
use katori_sim::{DeviceIndex, World};

/// What somebody may say it has of a subject.
const SOME: Entry = Entry { records: [1; 32], content: [1; 32] };

fn shared(seed: u64) -> (World, DeviceIndex, DeviceIndex, ResourceId) {
    let mut world = World::new(seed);
    let olga = world.person("olga", 1)[0];
    let ben = world.person("ben", 1)[0];
    let document = world.create(olga, "shared");
    world.share(olga, document, ben, Role::Write);
    (world, olga, ben, document)
}

/// The hashes of all changes that crossed in one direction, in order.
fn changes_crossed(world: &World, from: DeviceIndex, to: DeviceIndex) -> Vec<ChangeHash> {
    let mut hashes = Vec::new();
    for frame in world.traffic(from, to).frames {
        if let Frame::Changes { pack: Some(pack), .. } = frame {
            let changes = unpack(&pack, &Limits::default()).expect("an honest pack");
            hashes.extend(changes.iter().map(katori_core::gate::RawChange::hash));
        }
    }
    hashes
}

#[test]
fn a_reconnect_with_nothing_new_costs_one_round_trip() {
    let (mut world, olga, ben, document) = shared(1);
    for index in 0..20 {
        world.write(olga, document, &format!("key {index}"));
        world.create(olga, "private");
    }
    world.sync(olga, ben);
    world.clear_traffic();
    world.sync(olga, ben);
    for (from, to) in [(olga, ben), (ben, olga)] {
        let traffic = world.traffic(from, to);
        assert_eq!(traffic.frames.len(), 1, "one frame each way: {:?}", traffic.frames);
        assert!(matches!(traffic.frames[0], Frame::Greeting { .. }));
        assert!(traffic.bytes < 50, "{} bytes", traffic.bytes);
    }
}

#[test]
fn whoever_only_lacks_changes_sends_none() {
    let (mut world, olga, ben, document) = shared(1);
    for round in 0..3 {
        world.write(olga, document, &format!("round {round}"));
        world.sync(olga, ben);
    }
    world.write(olga, document, "one more");
    world.clear_traffic();
    world.sync(olga, ben);
    assert_eq!(world.keys(ben, document).len(), 4);
    let is_content = |frame: &Frame| matches!(frame, Frame::Changes { .. } | Frame::Receipt { .. });
    let content = |from, to| world.traffic(from, to).frames.into_iter().filter(is_content);
    let (given, answered): (Vec<Frame>, Vec<Frame>) =
        (content(olga, ben).collect(), content(ben, olga).collect());
    assert!(
        matches!(&given[..], [Frame::Changes { vouches, pack: Some(_), .. }] if vouches.len() == 1),
        "a change and the vouch over it: {given:?}"
    );
    assert!(matches!(answered[..], [Frame::Receipt { .. }]), "no vouch that was replaced: {answered:?}");
    let own = world.device(ben).document(document).vouch_ids();
    assert_eq!(world.device(olga).document(document).vouch_ids(), own);
}

/// Who has the older one says what it has; the answer is changes, or what the other has if it is not all there.
#[test]
fn what_is_here_of_a_document_is_said_by_who_lacks_something() {
    let is_version = |frame: &Frame| matches!(frame, Frame::Version { .. });
    for writers in [&[0][..], &[1], &[0, 1]] {
        for seed in 0..8 {
            let (mut world, olga, ben, document) = shared(seed);
            world.write(olga, document, "first");
            world.sync(olga, ben);
            for writer in writers {
                world.write([olga, ben][*writer], document, &format!("by {writer}"));
            }
            world.clear_traffic();
            world.sync(olga, ben);
            let said = [(olga, ben), (ben, olga)].map(|(from, to)| world.traffic(from, to).frames);
            let said = said.iter().flatten().filter(|frame| is_version(frame)).count();
            assert_eq!(said, writers.len(), "{writers:?} wrote, seed {seed}");
            for device in [olga, ben] {
                assert_eq!(world.keys(device, document).len(), 1 + writers.len(), "seed {seed}");
            }
            let digests =
                [olga, ben].map(|device| world.device(device).document(document).summary().digest());
            assert_eq!(digests[0], digests[1], "seed {seed}");
            world.clear_traffic();
            world.sync(olga, ben);
            assert_eq!(world.traffic(olga, ben).frames.len(), 1, "nothing is left to say, seed {seed}");
        }
    }
}

/// Three meet at once and write meanwhile, so that what one lacked comes from another: nobody waits for an answer for ever.
#[test]
fn everybody_comes_to_rest_whoever_brings_what_was_lacking() {
    for seed in 0..150 {
        let (mut world, olga, ben, document) = shared(seed);
        let carl = world.person("carl", 1)[0];
        world.share(olga, document, carl, Role::Write);
        world.sync_all(&[olga, ben, carl]);
        world.write(olga, document, "one");
        world.sync(olga, carl);
        let before = [olga, ben, carl].map(|device| world.device(device).events.len());
        for (one, other) in [(ben, olga), (ben, carl), (olga, carl)] {
            world.connect(one, other);
            let some = world.random(12);
            world.run_some(some);
            if world.random(2) == 0 {
                let writer = [olga, ben, carl][usize::try_from(world.random(3)).expect("small")];
                world.edit(writer, document, &format!("by {writer} before {other}"));
            }
        }
        world.run();
        for (device, before) in [olga, ben, carl].into_iter().zip(before) {
            let at_rest: BTreeSet<_> = world.device(device).events[before..]
                .iter()
                .filter_map(|event| if let Event::Settled { peer } = event { Some(*peer) } else { None })
                .collect();
            assert_eq!(at_rest.len(), 2, "{device}, seed {seed}");
        }
        let digests =
            [olga, ben, carl].map(|device| world.device(device).document(document).summary().digest());
        assert!(digests[0] == digests[1] && digests[1] == digests[2], "seed {seed}");
    }
}

#[test]
fn no_change_crosses_a_connection_twice_in_one_direction() {
    let (mut world, olga, ben, document) = shared(2);
    let carl = world.person("carl", 1)[0];
    world.share(olga, document, carl, Role::Write);
    world.sync_all(&[olga, ben, carl]);
    world.clear_traffic();
    for (a, b) in [(olga, ben), (ben, carl), (olga, carl)] {
        world.connect(a, b);
    }
    for round in 0..30 {
        for device in [olga, ben, carl] {
            world.edit(device, document, &format!("{device}-{round}"));
            let some = world.random(40);
            world.run_some(some);
        }
    }
    world.run();
    let heads = world.device(olga).heads(document);
    for (from, to) in [(olga, ben), (ben, olga), (ben, carl), (carl, ben), (olga, carl), (carl, olga)] {
        let crossed = changes_crossed(&world, from, to);
        let distinct: BTreeSet<_> = crossed.iter().collect();
        assert_eq!(crossed.len(), distinct.len(), "{from} to {to}");
        assert_eq!(world.device(to).heads(document), heads);
    }
    assert_eq!(world.keys(carl, document).len(), 90);
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    let history = |seed: u64| {
        let (mut world, olga, ben, document) = shared(seed);
        world.connect(olga, ben);
        for round in 0..40 {
            let writer = if world.random(2) == 0 { olga } else { ben };
            world.edit(writer, document, &format!("key {}", round % 7));
            let some = world.random(30);
            world.run_some(some);
            if world.random(9) == 0 {
                world.disconnect(olga, ben);
                world.crash(ben);
                world.start(ben);
                world.connect(olga, ben);
            }
        }
        world.run();
        (world.trace(), world.device(olga).heads(document))
    };
    assert_eq!(history(7), history(7));
    assert_ne!(history(7).0, history(8).0);
}

#[test]
fn links_that_are_cut_at_any_moment_lose_nothing() {
    for seed in 200..240 {
        let (mut world, olga, ben, document) = shared(seed);
        for round in 0..12 {
            world.connect(olga, ben);
            world.edit(olga, document, &format!("o{round}"));
            world.edit(ben, document, &format!("b{round}"));
            let some = world.random(25);
            world.run_some(some);
            world.disconnect(olga, ben);
        }
        world.sync(olga, ben);
        world.sync(olga, ben);
        assert_eq!(world.keys(olga, document).len(), 24, "seed {seed}");
        assert_eq!(world.device(olga).heads(document), world.device(ben).heads(document), "seed {seed}");
        assert!(world.device(olga).held(document).is_empty(), "seed {seed}");
    }
}

#[test]
fn a_document_is_not_there_for_who_has_no_role_in_it() {
    let (mut world, olga, ben, shared) = shared(3);
    let private = world.create(olga, "private");
    world.write(olga, private, "secret");
    let nowhere = ResourceId::from_bytes([9; 32]);
    world.write(ben, shared, "so that there is something to compare");
    world.connect(ben, olga);
    world.run();
    for frame in world.traffic(olga, ben).frames {
        let bytes = frame.encode();
        assert!(bytes.windows(32).all(|window| window != private.as_bytes()), "{frame:?}");
    }
    let mut answers = Vec::new();
    for document in [private, nowhere] {
        world.clear_traffic();
        let version = katori_core::version::VersionVector::default();
        for frame in [
            Frame::Inventory { entries: vec![(Subject::Resource(document), SOME)] },
            Frame::Have { subject: Subject::Resource(document), ids: Vec::new() },
            Frame::Version { document, version, vouches: Vec::new() },
            Frame::Changes {
                document,
                pack: None,
                vouches: vec![vec![1, 2, 3]],
                more: false,
                has_all_but: None,
            },
            Frame::Receipt { document, heads: Vec::new() },
        ] {
            world.impersonate(ben, olga, &frame);
        }
        let frames: Vec<String> =
            world.traffic(olga, ben).frames.iter().map(|frame| shape(frame, document)).collect();
        answers.push(frames);
    }
    assert_eq!(answers[0], answers[1], "not allowed and not there look the same");
}

/// A frame without the id it is about.
fn shape(frame: &Frame, document: ResourceId) -> String {
    let debug = format!("{frame:?}");
    debug.replace(&format!("{document:?}"), "it")
}

#[test]
fn a_grant_made_while_connected_is_offered_at_once_and_content_follows_acceptance() {
    let (mut world, olga, ben, _) = shared(4);
    let second = world.create(olga, "second");
    world.write(olga, second, "hello");
    world.connect(olga, ben);
    world.run();
    let to = world.person_of(ben);
    let offer = Offer { role: Role::Read, share: false, expires: None };
    world
        .command(olga, Command::Grant { document: second, to: Principal::Person(to), offer })
        .expect("granted");
    world.run();
    let crossed = changes_crossed(&world, olga, ben);
    world.accept(ben, second);
    world.run();
    assert_eq!(world.keys(ben, second), ["hello"]);
    assert!(changes_crossed(&world, olga, ben).len() > crossed.len());
    assert!(!world.edit(ben, second, "nope"), "a reader cannot write");
    // Revoked while connected: the next edit does not reach him.
    world.revoke(olga, second, ben);
    world.clear_traffic();
    world.write(olga, second, "later");
    assert!(changes_crossed(&world, olga, ben).is_empty());
}

#[test]
fn an_expired_grant_ends_the_exchange_and_is_revoked_upstream() {
    let (mut world, olga, ben, _) = shared(5);
    let brief = world.create(olga, "brief");
    let to = world.person_of(ben);
    let expires = Some(world.now().0 + 60_000);
    let offer = Offer { role: Role::Write, share: false, expires };
    world
        .command(olga, Command::Grant { document: brief, to: Principal::Person(to), offer })
        .expect("granted");
    world.sync(olga, ben);
    world.accept(ben, brief);
    world.write(ben, brief, "in time");
    world.sync(olga, ben);
    assert_eq!(world.keys(olga, brief), ["in time"]);
    world.pass(Duration::from_mins(30));
    let role = |world: &mut World| {
        let person = world.person_of(ben);
        let access = world.device(olga).engine.as_ref().and_then(|engine| engine.access(brief));
        access.and_then(|access| access.role_of_person(&person))
    };
    assert_eq!(role(&mut world), None, "the real revocation was written");
    assert_eq!(world.keys(olga, brief), ["in time"], "what was accepted stays");
}

#[test]
fn a_deleted_document_is_gone_everywhere_and_does_not_come_back() {
    let (mut world, olga, ben, document) = shared(6);
    world.write(ben, document, "content");
    world.sync(olga, ben);
    world.connect(olga, ben);
    world.run();
    world.command(olga, Command::Delete { document }).expect("the owner deletes");
    assert!(world.device(ben).shows(document).is_empty(), "at once, where there is a connection");
    world.disconnect(olga, ben);
    for device in [olga, ben] {
        let standing = world.device(device).engine.as_ref().and_then(|engine| {
            engine.documents().find(|(id, ..)| *id == document).map(|(_, standing, _)| standing)
        });
        assert_eq!(standing, Some(katori_core::engine::Standing::Deleted), "device {device}");
        assert!(world.device(device).shows(document).is_empty());
    }
    assert!(!world.edit(ben, document, "again"));
    world.sync(olga, ben);
    assert!(world.device(ben).shows(document).is_empty());
}

#[test]
fn a_device_that_dies_between_hearing_of_a_revocation_and_signing_keeps_what_it_accepted() {
    for steps in 0..120 {
        let (mut world, olga, ben, document) = shared(9);
        let anna = world.person("anna", 1)[0];
        let rita = world.person("rita", 1)[0];
        world.share(olga, document, anna, Role::Write);
        world.share(olga, document, rita, Role::Read);
        world.sync_all(&[olga, ben, anna, rita]);
        // Only ben, of those who stay, has anna's work when he hears that she is out.
        world.write(anna, document, "annas");
        world.sync(anna, ben);
        world.revoke(olga, document, anna);
        world.connect(olga, ben);
        world.run_some(steps);
        world.crash(ben);
        world.run();
        world.start(ben);
        world.run();
        world.sync_all(&[olga, ben, rita]);
        for device in [olga, ben, rita] {
            assert_eq!(world.keys(device, document), ["annas"], "after {steps} steps, device {device}");
        }
    }
}

/// Redeems an invitation as the join protocol would, and gives what comes of it to the joiner.
fn redeem(
    world: &mut World,
    inviter: DeviceIndex,
    joiner: DeviceIndex,
    secret: &InviteSecret,
) -> Result<Vec<Vec<u8>>, CommandError> {
    let identity = std::sync::Arc::clone(&world.device(joiner).identity);
    let claim = Claim {
        invite: secret.public(),
        challenge: [1; 32],
        inviter: world.device(inviter).id(),
        joiner: identity.device(),
        person: Some(identity.person),
        consent: None,
        exporter: [2; 32],
        name: "device".to_owned(),
    };
    let claim =
        claim.sign(secret, &identity.key).and_then(katori_acl::SignedClaim::verify).expect("a good claim");
    let engine = world.device(joiner).engine.as_ref().expect("running");
    let subject = Subject::Roster(identity.person);
    let roster = engine.registry().records(&subject).map(|record| record.bytes().to_vec()).collect();
    let answer = world.command(inviter, Command::Redeem { claim: Box::new(claim), roster })?;
    let Answer::Joined { records, .. } = answer else { panic!("redeeming answered {answer:?}") };
    Ok(records)
}

#[test]
fn an_invitation_is_redeemed_once_and_what_it_gives_comes_in_whatever_order() {
    for reversed in [false, true] {
        let mut world = World::new(11);
        let olga = world.person("olga", 1)[0];
        let ben = world.person("ben", 1)[0];
        let carl = world.person("carl", 1)[0];
        let document = world.create(olga, "invited");
        world.write(olga, document, "hello");
        let secret = InviteSecret::from_secret([5; 32]);
        let offer = Offer { role: Role::Write, share: false, expires: None };
        let invite = Command::Invite { document, offer, key: secret.public(), uses: Some(1), confirm: false };
        world.command(olga, invite).expect("invited");
        let mut records = redeem(&mut world, olga, ben, &secret).expect("redeemed");
        assert_eq!(
            redeem(&mut world, olga, carl, &secret),
            Err(CommandError::InviteInvalid),
            "it is used up"
        );
        let again = redeem(&mut world, olga, ben, &secret).expect("an answer that was lost can be had again");
        assert!(again.len() >= records.len());
        if reversed {
            records.reverse();
        }
        world.command(ben, Command::Joined { document, records }).expect("joined");
        world.sync(olga, ben);
        world.write(ben, document, "thanks");
        world.sync(olga, ben);
        assert_eq!(world.keys(olga, document), ["hello", "thanks"]);
        assert_eq!(world.keys(ben, document), ["hello", "thanks"]);
    }
}

#[test]
fn an_invitation_that_was_withdrawn_lets_nobody_in() {
    let mut world = World::new(12);
    let olga = world.person("olga", 1)[0];
    let ben = world.person("ben", 1)[0];
    let document = world.create(olga, "invited");
    let secret = InviteSecret::from_secret([6; 32]);
    let offer = Offer { role: Role::Write, share: false, expires: None };
    let invite = Command::Invite { document, offer, key: secret.public(), uses: None, confirm: false };
    world.command(olga, invite).expect("invited");
    world.command(olga, Command::Uninvite { key: secret.public() }).expect("withdrawn");
    assert_eq!(redeem(&mut world, olga, ben, &secret), Err(CommandError::InviteInvalid));
    let nothing = Command::Joined { document, records: Vec::new() };
    assert!(world.command(ben, nothing).is_err(), "an id alone opens nothing");
}

#[test]
fn who_is_revoked_keeps_on_screen_what_had_been_accepted_even_after_restarts() {
    let (mut world, olga, ben, document) = shared(13);
    world.write(ben, document, "accepted");
    world.sync(olga, ben);
    world.revoke(olga, document, ben);
    world.crash(olga);
    world.start(olga);
    world.write(olga, document, "not for ben");
    world.sync(olga, ben);
    assert_eq!(world.keys(ben, document), ["accepted"], "it came with the revocation that it is vouched for");
}

#[test]
fn a_ticket_does_not_undo_a_revocation() {
    let mut world = World::new(15);
    let olga = world.person("olga", 1)[0];
    let ben = world.person("ben", 1)[0];
    let document = world.create(olga, "invited");
    let secret = InviteSecret::from_secret([7; 32]);
    let offer = Offer { role: Role::Write, share: false, expires: None };
    let invite = Command::Invite { document, offer, key: secret.public(), uses: None, confirm: false };
    world.command(olga, invite).expect("invited");
    redeem(&mut world, olga, ben, &secret).expect("redeemed");
    world.revoke(olga, document, ben);
    assert_eq!(redeem(&mut world, olga, ben, &secret), Err(CommandError::InviteInvalid));
}

#[test]
fn what_was_forgotten_comes_back_whole_when_it_is_accepted_again() {
    for connected in [false, true] {
        let (mut world, olga, ben, document) = shared(16);
        world.write(olga, document, "one");
        world.write(ben, document, "two");
        world.sync(olga, ben);
        if connected {
            world.connect(olga, ben);
            world.run();
        }
        world.command(ben, Command::Forget { document }).expect("put away");
        world.write(olga, document, "meanwhile");
        world.accept(ben, document);
        if !connected {
            world.sync(olga, ben);
        }
        world.write(olga, document, "after");
        world.sync(olga, ben);
        assert_eq!(world.keys(ben, document), ["after", "meanwhile", "one", "two"], "connected: {connected}");
    }
}

#[test]
fn a_role_regained_and_lost_again_gives_another_last_session() {
    let (mut world, olga, ben, document) = shared(18);
    for round in 0..3 {
        world.revoke(olga, document, ben);
        world.write(ben, document, &format!("late {round}"));
        world.sync(olga, ben);
        assert_eq!(world.device(olga).held(document).len(), 1, "round {round}");
        let changes = world.device(olga).held(document).iter().map(|held| held.hash).collect();
        world.command(olga, Command::TakeIn { document, changes }).expect("taken in");
        world.grant(olga, document, ben, Role::Write);
        world.sync(olga, ben);
        world.sync(olga, ben);
    }
    assert_eq!(world.keys(ben, document), ["late 0", "late 1", "late 2"]);
}

#[test]
fn ordinary_reconnects_of_two_devices_draw_no_new_incarnations() {
    let mut world = World::new(19);
    let devices = world.person("olga", 2);
    let (laptop, phone) = (devices[0], devices[1]);
    let document = world.create(laptop, "own");
    world.sync(laptop, phone);
    for round in 0..10 {
        world.write(laptop, document, &format!("l{round}"));
        world.write(phone, document, &format!("p{round}"));
        world.write(laptop, document, &format!("m{round}"));
        world.sync(laptop, phone);
    }
    let version = world.device(laptop).document(document).version();
    assert_eq!(version.iter().count(), 2, "one actor for each device");
    assert_eq!(world.keys(phone, document).len(), 30);
}
