//! What is in a document, against writers, readers and those who were removed.

use katori_acl::Role;
use katori_core::document::HeldReason;
use katori_core::engine::Command;
use katori_sim::{Rogue, World};

use crate::{scene, send};

/// T10, T16: a change under another device's actor, carried by an honest reader. Matrix and Automerge repositories take
/// an author's name from the content; authority here is computed from the signature and never from the sender.
#[test]
fn forged_author_is_held_back_whoever_carries_it() {
    let (mut world, [olga, mallory, ben, rita], document) = scene(1);
    let rogue = Rogue::of(&mut world, mallory, document);
    let victim = world.device(ben).id();
    let forged =
        rogue.change(&mut world.copy(mallory, document), rogue.forged_actor(&victim, [9; 8]), "forged");
    let hash = forged.hash();
    send(&mut world, &rogue, [mallory, rita], &[forged], vec![rogue.vouch(7, &[hash])]);
    world.sync(rita, olga);
    world.sync(olga, ben);
    for device in [olga, ben, rita] {
        assert_eq!(world.keys(device, document), ["first"], "device {device}");
        let held = world.device(device).held(document);
        assert_eq!(held[0].reason, HeldReason::NotVouchedByAuthor { device: victim });
        assert!(!held[0].signed);
    }
}

/// T10: the author that Automerge's own bytes name is not believed; what is shown is the device that signed. (Automerge
/// keeps an author nobody checks.)
#[test]
fn author_shown_is_the_device_that_signed() {
    let (mut world, [olga, mallory, ben, _], document) = scene(2);
    world.write(ben, document, "by ben");
    world.sync(olga, ben);
    let rogue = Rogue::of(&mut world, mallory, document);
    // An actor of another form, as an imported file has: anybody may have written it, so nobody is named.
    let foreign = automerge::ActorId::from(vec![7; 16]);
    let change = rogue.change(&mut world.copy(mallory, document), foreign, "imported");
    let hash = change.hash();
    send(&mut world, &rogue, [mallory, olga], &[change], vec![rogue.vouch(3, &[hash])]);
    let view = world.device(olga).document(document);
    let authors: Vec<_> = view.history().map(|entry| (entry.hash, entry.author)).collect();
    let imported = view.history().find(|entry| entry.hash == hash).expect("it is shown");
    assert_eq!(imported.author, None);
    assert_eq!(imported.vouched_by.len(), 1, "vouched for by mallory, written by nobody that can be named");
    let ben = world.device(ben).id();
    assert_eq!(authors.iter().filter(|(_, author)| *author == Some(ben)).count(), 1);
}

/// T7, T8: a removed writer dates its work back and gives it to a peer that has not heard; that honest peer passes it
/// on to those who have. (p2panda and Keyhive discuss it; a signature on each change alone does not stop it.)
#[test]
fn back_dated_writes_through_an_honest_peer_stay_out() {
    let (mut world, [olga, mallory, ben, rita], document) = scene(3);
    world.revoke(olga, document, mallory);
    let rogue = Rogue::of(&mut world, mallory, document);
    let mut old = world.copy(mallory, document);
    let change = rogue.change(&mut old, rogue.actor(4), "back-dated");
    let hash = change.hash();
    // Rita reads, and has not heard. What she carries nobody vouches for who still may.
    send(&mut world, &rogue, [mallory, rita], &[change], vec![rogue.vouch(70, &[hash])]);
    assert_eq!(world.keys(rita, document), ["back-dated", "first"], "she cannot know yet");
    world.sync(rita, olga);
    world.sync(olga, ben);
    for device in [olga, ben, rita] {
        assert_eq!(world.keys(device, document), ["first"], "device {device}");
    }
}

/// T7: what a removed writer wrote before, beside, after, and what a writer had adopted. (Willow's and p2panda's
/// matrices of removal.)
#[test]
fn removed_writer_matrix() {
    let (mut world, [olga, mallory, ben, _], document) = scene(4);
    // Past: accepted by olga. Adopted: accepted by ben alone. Concurrent: written before she hears. Future: after.
    world.write(mallory, document, "past");
    world.sync(mallory, olga);
    world.write(mallory, document, "adopted");
    world.sync(mallory, ben);
    world.write(mallory, document, "concurrent");
    world.revoke(olga, document, mallory);
    world.sync(olga, ben);
    world.sync(mallory, olga);
    assert!(!world.edit(mallory, document, "future"), "an honest engine refuses");
    let rogue = Rogue::of(&mut world, mallory, document);
    let future = rogue.change(&mut world.copy(ben, document), rogue.actor(9), "future");
    let hash = future.hash();
    send(&mut world, &rogue, [ben, olga], &[future], vec![rogue.vouch(90, &[hash])]);
    world.sync(olga, ben);
    for device in [olga, ben] {
        assert_eq!(world.keys(device, document), ["adopted", "first", "past"], "device {device}");
        let held = world.device(device).held(document);
        assert_eq!(held.len(), 2, "the concurrent one and the future one can be taken in: {held:?}");
        assert!(held.iter().all(|held| held.reason == HeldReason::NoWriterVouches && held.signed));
    }
}

/// T9, T11: somebody who only reads signs vouches over everything, and over work of its own.
#[test]
fn reader_that_vouches_gives_no_cover() {
    let (mut world, [olga, mallory, ben, rita], document) = scene(5);
    world.write(mallory, document, "unseen");
    world.sync(mallory, rita);
    world.revoke(olga, document, mallory);
    let rogue = Rogue::of(&mut world, rita, document);
    let unseen = world.device(rita).heads(document);
    let own = rogue.change(&mut world.copy(rita, document), rogue.actor(1), "by a reader");
    let hash = own.hash();
    let vouches = vec![rogue.vouch(1, &unseen), rogue.vouch(2, &[hash])];
    send(&mut world, &rogue, [rita, olga], &[own], vouches);
    world.sync(olga, ben);
    for device in [olga, ben] {
        assert_eq!(world.keys(device, document), ["first"], "device {device}");
        assert_eq!(world.device(device).held(document).len(), 2);
    }
}

/// T7 and notes 3.6: what is held back is still held back, for the same reason, after a restart.
#[test]
fn held_back_survives_restart() {
    let (mut world, [olga, mallory, ben, _], document) = scene(6);
    world.revoke(olga, document, mallory);
    let rogue = Rogue::of(&mut world, mallory, document);
    let victim = world.device(ben).id();
    let mut base = world.copy(mallory, document);
    let own = rogue.change(&mut base, rogue.actor(1), "own");
    let forged = rogue.change(&mut base, rogue.forged_actor(&victim, [3; 8]), "forged");
    let heads = [forged.hash()];
    send(&mut world, &rogue, [ben, olga], &[own, forged], vec![rogue.vouch(9, &heads)]);
    let before = world.device(olga).held(document);
    assert_eq!(before.len(), 2);
    world.crash(olga);
    world.start(olga);
    assert_eq!(world.device(olga).held(document), before);
    world.sync(olga, ben);
    assert_eq!(world.device(ben).held(document), before, "and everybody holds the same back");
}

/// T11, T29: a document built anew from what is stored shows what the one in memory does, after all kinds of trouble.
#[test]
fn rebuild_equals_incremental() {
    for seed in 0..12 {
        let (mut world, [olga, mallory, ben, rita], document) = scene(700 + seed);
        let rogue = Rogue::of(&mut world, mallory, document);
        for round in 0..12 {
            let one = [olga, ben][usize::try_from(world.random(2)).expect("small")];
            world.edit(one, document, &format!("h{round}"));
            world.run();
            let mut base = world.copy(mallory, document);
            let incarnation = u8::try_from(world.random(3)).expect("small");
            let change = rogue.change(&mut base, rogue.actor(incarnation), &format!("r{round}"));
            let vouch = rogue.vouch(round, &[change.hash()]);
            if world.random(2) == 0 {
                send(&mut world, &rogue, [mallory, one], &[change], vec![vouch]);
            }
            match world.random(6) {
                0 => {
                    let _ = world.revoke_with(
                        olga,
                        document,
                        mallory,
                        katori_core::engine::RevokeTerms::default(),
                    );
                }
                1 => world.grant(olga, document, mallory, Role::Write),
                2 => world.sync_all(&[olga, ben, rita]),
                _ => world.sync(olga, ben),
            }
        }
        world.sync_all(&[olga, ben, rita]);
        for device in [olga, ben, rita] {
            let shows = |world: &mut World| {
                (world.device(device).heads(document), world.device(device).held(document))
            };
            let incremental = shows(&mut world);
            world.crash(device);
            world.start(device);
            assert_eq!(shows(&mut world), incremental, "seed {seed}, device {device}");
        }
    }
}

/// T7: nobody's word but its author's makes a forgery that person's work, not even that of the one who takes it in.
#[test]
fn forgery_is_not_taken_in_by_anybody_but_whose_name_it_bears() {
    let (mut world, [olga, mallory, ben, _], document) = scene(8);
    let rogue = Rogue::of(&mut world, mallory, document);
    let victim = world.device(ben).id();
    let forged =
        rogue.change(&mut world.copy(mallory, document), rogue.forged_actor(&victim, [9; 8]), "forged");
    let hash = forged.hash();
    send(&mut world, &rogue, [mallory, olga], &[forged], vec![rogue.vouch(7, &[hash])]);
    let refused = world.command(olga, Command::TakeIn { document, changes: vec![hash] });
    assert!(refused.is_err(), "{refused:?}");
    assert_eq!(world.keys(olga, document), ["first"]);
}
