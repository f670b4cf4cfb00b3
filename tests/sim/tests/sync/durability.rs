//! What is on the disk, and when: before others hear of it, and after a crash.

use super::*;

#[test]
fn nobody_is_settled_before_what_it_lacked_is_durable() {
    for seed in 0..200 {
        let (mut world, olga, ben, document) = shared(seed);
        world.write(olga, document, "first");
        world.sync(olga, ben);
        world.write(olga, document, "second");
        let heads = world.device(olga).heads(document);
        // He writes as well meanwhile, at any moment or not at all.
        let mut steps_to_his = seed % 30;
        let before = world.device(ben).events.len();
        world.connect(olga, ben);
        loop {
            let device = world.device(ben);
            let is_settled =
                device.events.iter().skip(before).any(|event| matches!(event, Event::Settled { .. }));
            let stored = Summary::read(&device.store, &document).expect("its row reads");
            let is_durable = stored.is_some_and(|stored| stored.version.contains(&heads[0]));
            assert!(is_durable || !is_settled, "seed {seed}");
            if is_settled {
                break;
            }
            world.run_some(1);
            if steps_to_his == 1 {
                world.edit(ben, document, "his");
            }
            steps_to_his = steps_to_his.saturating_sub(1);
        }
    }
}

#[test]
fn nothing_is_offered_before_it_is_durable() {
    // Whatever the moment at which a device dies, no peer has a change that the device itself lost.
    for seed in 0..200 {
        let (mut world, olga, ben, document) = shared(seed);
        world.connect(olga, ben);
        world.run();
        for index in 0..6 {
            world.edit(olga, document, &format!("key {index}"));
            let some = world.random(12);
            world.run_some(some);
        }
        world.crash(olga);
        world.run();
        let at_ben: BTreeSet<String> = world.keys(ben, document).into_iter().collect();
        world.start(olga);
        world.run();
        let at_olga: BTreeSet<String> = world.keys(olga, document).into_iter().collect();
        assert!(at_ben.is_subset(&at_olga), "seed {seed}: ben has {at_ben:?}, olga {at_olga:?}");
        // And olga goes on without forking herself.
        world.write(olga, document, "after");
        world.sync(olga, ben);
        assert!(world.keys(ben, document).contains(&"after".to_owned()), "seed {seed}");
        assert!(world.device(ben).document(document).forkers().is_empty());
    }
}

#[test]
fn what_is_stored_is_sent_at_once_and_not_before() {
    // What a peer lacks is worked out while the disk is busy. Mostly that is done before the disk is.
    let mut at_once = 0;
    for seed in 0..100 {
        let (mut world, olga, ben, document) = shared(seed);
        world.connect(olga, ben);
        world.run();
        world.clear_traffic();
        world.edit(olga, document, "key");
        let head = world.device(olga).heads(document)[0];
        loop {
            world.run_some(1);
            let is_sent = changes_crossed(&world, olga, ben).contains(&head);
            let stored = Summary::read(&world.device(olga).store, &document).expect("its row reads");
            let is_stored = stored.is_some_and(|stored| stored.version.contains(&head));
            assert!(is_stored || !is_sent, "seed {seed}");
            if is_stored {
                at_once += usize::from(is_sent);
                break;
            }
        }
        world.run();
        assert_eq!(world.keys(ben, document), ["key"], "seed {seed}");
        assert_eq!(changes_crossed(&world, olga, ben), [head], "seed {seed}");
    }
    assert!(at_once > 50, "{at_once} of 100");
}

#[test]
fn what_was_announced_as_durable_survives_a_crash() {
    for seed in 100..160 {
        let (mut world, olga, _, document) = shared(seed);
        world.device(olga).events.clear();
        for index in 0..10 {
            world.edit(olga, document, &format!("key {index:02}"));
            let some = world.random(8);
            world.run_some(some);
        }
        let mut durable = 0;
        for event in &world.device(olga).events {
            if let Event::Durable { number, .. } = event {
                durable = usize::try_from(*number).expect("a small number").max(durable);
            }
        }
        world.crash(olga);
        world.start(olga);
        let keys = world.keys(olga, document);
        assert!(keys.len() >= durable, "seed {seed}: {durable} were acknowledged, {} are there", keys.len());
    }
}

#[test]
fn a_full_disk_is_reported_reading_goes_on_and_nothing_acknowledged_is_lost() {
    let (mut world, olga, ben, document) = shared(8);
    world.write(olga, document, "acknowledged");
    world.device(olga).events.clear();
    world.device(olga).store.full();
    world.edit(olga, document, "too late");
    world.run();
    let events = std::mem::take(&mut world.device(olga).events);
    assert!(events.iter().any(|event| matches!(event, Event::StoreFailed { .. })), "{events:?}");
    assert!(!events.iter().any(|event| matches!(event, Event::Durable { .. })), "{events:?}");
    assert!(world.keys(olga, document).contains(&"acknowledged".to_owned()), "reading goes on");
    assert!(world.command(olga, Command::Create { name: "another".to_owned(), space: None }).is_err());
    world.clear_traffic();
    world.sync(olga, ben);
    assert!(
        !world.keys(ben, document).contains(&"too late".to_owned()),
        "what is not durable is not offered"
    );
    world.crash(olga);
    world.start(olga);
    assert_eq!(world.keys(olga, document), ["acknowledged"]);
}

#[test]
fn edits_that_come_together_share_commits_and_signatures() {
    let (mut world, olga, _, document) = shared(14);
    let others: Vec<ResourceId> = (0..10).map(|index| world.create(olga, &format!("d{index}"))).collect();
    let before = world.device(olga).commits_made();
    for index in 0..200 {
        world.edit(olga, document, &format!("key {index}"));
        world.edit(olga, others[index % others.len()], &format!("key {index}"));
    }
    world.run();
    let commits = world.device(olga).commits_made() - before;
    assert!(commits < 20, "{commits} commits for 400 edits");
    assert_eq!(world.keys(olga, document).len(), 200);
    assert_eq!(world.device(olga).document(document).vouch_ids().len(), 1, "one vouch covers them all");
}

#[test]
fn an_edit_that_was_not_written_yet_takes_nothing_along_when_a_device_dies() {
    // An edit on top of somebody's work, their revocation, and a death at any moment of it.
    for steps in 0..60 {
        let (mut world, olga, ben, document) = shared(17);
        let anna = world.person("anna", 1)[0];
        world.share(olga, document, anna, Role::Write);
        world.sync_all(&[olga, ben, anna]);
        world.write(anna, document, "annas");
        world.sync(anna, ben);
        world.revoke(olga, document, anna);
        world.connect(olga, ben);
        world.run_some(steps / 2);
        world.edit(ben, document, "unwritten");
        world.run_some(steps);
        world.crash(ben);
        world.start(ben);
        world.run();
        world.sync_all(&[olga, ben]);
        for device in [olga, ben] {
            let keys = world.keys(device, document);
            assert!(keys.contains(&"annas".to_owned()), "after {steps} steps, device {device}: {keys:?}");
        }
    }
}
