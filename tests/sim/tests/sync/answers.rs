//! What the one who is ahead answers to what the other says it has, when the usual answer does not do.

use katori_core::store::{Table, Write};
use katori_core::wire::MAX_LACKING;
use katori_sim::Rogue;

use super::*;

fn is_version(frame: &Frame) -> bool {
    matches!(frame, Frame::Version { .. })
}

fn has_settled(world: &mut World, device: DeviceIndex) -> bool {
    world.device(device).events.iter().any(|event| matches!(event, Event::Settled { .. }))
}

/// The answer in changes names the vouches that are not here any more; if they are many, it says what is here instead.
#[test]
fn whoever_lacks_many_vouches_says_what_it_has() {
    for writers in [4, MAX_LACKING, MAX_LACKING + 1, 2 * MAX_LACKING] {
        let (mut world, olga, ben, document) = shared(1);
        let others: Vec<DeviceIndex> = (0..writers)
            .map(|index| world.member(&format!("writer {index}"), olga, document, Role::Write))
            .collect();
        for round in 0..2 {
            for writer in &others {
                world.write(*writer, document, &format!("round {round} by {writer}"));
                world.sync(*writer, olga);
            }
            if round == 0 {
                world.sync(ben, olga);
            }
        }
        world.clear_traffic();
        world.sync(ben, olga);
        let said = [(olga, ben), (ben, olga)].map(|(from, to)| world.traffic(from, to).frames);
        let said = said.map(|frames| frames.iter().filter(|frame| is_version(frame)).count());
        assert_eq!(said, [usize::from(writers > MAX_LACKING), 1], "{writers} vouches were replaced");
        let digests = [olga, ben].map(|device| world.device(device).document(document).summary().digest());
        assert_eq!(digests[0], digests[1]);
    }
}

/// What one is about to be sent may be replaced, while the document is busy, by what it has already.
#[test]
fn whoever_lacks_nothing_any_more_is_told_so() {
    for seed in 0..100 {
        let (mut world, olga, ben, document) = shared(seed);
        let dan = world.member("dan", olga, document, Role::Write);
        world.write(olga, document, "one");
        world.sync_all(&[olga, ben, dan]);
        let heads = world.device(olga).heads(document);
        let rogue = Rogue::of(&mut world, dan, document);
        let [old, new] = [1, 2].map(|counter| rogue.frame(&[], vec![rogue.vouch(counter, &heads)]));
        for (device, frame) in [(olga, &old), (ben, &new)] {
            world.connect(dan, device);
            world.run();
            world.impersonate(dan, device, frame);
            world.run();
            world.disconnect(dan, device);
        }
        world.connect(dan, olga);
        world.run();
        world.device(ben).events.clear();
        world.connect(ben, olga);
        let some = world.random(30);
        world.run_some(some);
        world.impersonate(dan, olga, &new);
        world.run();
        assert!(has_settled(&mut world, ben), "seed {seed}");
        let vouches = [olga, ben].map(|device| world.device(device).document(document).vouch_ids());
        assert_eq!(vouches[0], vouches[1], "seed {seed}");
    }
}

#[test]
fn whoever_lacks_what_cannot_be_read_hears_what_it_is() {
    let (mut world, olga, ben, document) = shared(1);
    world.write(olga, document, "one");
    world.sync(olga, ben);
    world.write(olga, document, "two");
    world.crash(olga);
    let mut image = world.device(olga).image();
    for write in &mut image {
        if let Write::Put { table: Table::Packs, value, .. } = write {
            value.fill(7);
        }
    }
    world.device(olga).restore(&image);
    world.device(olga).damaged = true;
    world.start(olga);
    world.run();
    world.device(ben).events.clear();
    world.clear_traffic();
    world.sync(ben, olga);
    let said = world.traffic(olga, ben).frames;
    assert_eq!(said.iter().filter(|frame| is_version(frame)).count(), 1, "{said:?}");
    assert!(!has_settled(&mut world, ben));
    let unreadable = |event: &Event| matches!(event, Event::Unreadable { .. });
    assert!(world.device(olga).events.iter().any(unreadable));
    assert_eq!(world.keys(ben, document), ["one"]);
}

/// What one hears to be all cannot be kept: one asks what else there is, and not for ever.
#[test]
fn whoever_cannot_keep_the_answer_asks_once_more() {
    let (mut world, olga, ben, document) = shared(1);
    world.write(olga, document, "one");
    world.sync(olga, ben);
    world.write(olga, document, "two");
    let rogue = Rogue::of(&mut world, olga, document);
    let mut base = world.copy(olga, document);
    rogue.change(&mut base, rogue.actor(9), "missing");
    let orphan = rogue.change(&mut base, rogue.actor(9), "orphan");
    let Frame::Changes { document, pack, vouches, more, .. } = rogue.frame(&[orphan], Vec::new()) else {
        unreachable!("it is one")
    };
    let answer = Frame::Changes { document, pack, vouches, more, has_all_but: Some(Vec::new()) };
    world.clear_traffic();
    world.connect(ben, olga);
    while !world.traffic(ben, olga).frames.iter().any(is_version) {
        world.run_some(1);
    }
    world.impersonate(olga, ben, &answer);
    world.impersonate(olga, ben, &answer);
    world.run();
    let asks = |frame: &Frame| matches!(frame, Frame::Have { subject, .. } if *subject == Subject::Resource(document));
    let asked = world.traffic(ben, olga).frames.into_iter().filter(asks).count();
    assert_eq!(asked, 1);
    assert_eq!(world.keys(ben, document).len(), 2);
}
