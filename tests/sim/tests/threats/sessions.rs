//! What crosses a connection, against those who replay it, probe it, or are not allowed any more.

use std::collections::BTreeSet;

use katori_acl::{ResourceId, Role, Subject};
use katori_core::engine::{Command, Event, MAX_OFFERS, MAX_UNKNOWN_SUBJECTS, Standing};
use katori_core::reconcile::Entry;
use katori_core::version::VersionVector;
use katori_core::wire::Frame;
use katori_sim::{DeviceIndex, World};

use crate::scene;

/// What somebody may say it has of a subject.
const SOME: Entry = Entry { records: [1; 32], content: [1; 32] };

/// T2, T18: every frame of an earlier session is played again, in order and backwards, to the one it was meant for and
/// to others. (Replays reset state in Matrix's "state resets"; here a batch is a member of a set.)
#[test]
fn replayed_frames_change_nothing() {
    let (mut world, [olga, mallory, ben, rita], document) = scene(1);
    world.clear_traffic();
    world.write(ben, document, "by ben");
    world.sync(olga, ben);
    world.write(olga, document, "by olga");
    world.sync(olga, ben);
    world.revoke(olga, document, ben);
    world.sync(olga, ben);
    let mut frames = world.traffic(ben, olga).frames;
    frames.extend(world.traffic(olga, ben).frames);
    let everything = |world: &mut World, device: DeviceIndex| {
        let heads = (world.device(device).heads(document), world.device(device).stored_heads(document));
        (heads, world.records(device, Subject::Resource(document)))
    };
    world.sync_all(&[olga, rita]);
    let before = (everything(&mut world, olga), everything(&mut world, rita));
    for (from, to) in [(ben, olga), (mallory, olga), (olga, rita), (mallory, rita)] {
        world.connect(from, to);
        world.run();
        for frame in frames.iter().chain(frames.iter().rev()) {
            world.impersonate(from, to, frame);
        }
        world.disconnect(from, to);
        world.run();
    }
    let after = (everything(&mut world, olga), everything(&mut world, rita));
    assert_eq!(before, after);
    world.write(olga, document, "and it goes on");
    world.sync(olga, rita);
    assert!(world.keys(rita, document).contains(&"and it goes on".to_owned()));
}

/// T16, T28: a peer asks, in every way there is, for a document in which it has no role and for one that is not there.
/// (Subduction answers the two differently.)
#[test]
fn not_allowed_looks_like_not_there() {
    let (mut world, [olga, mallory, ..], _) = scene(2);
    let private = world.create(olga, "private");
    world.write(olga, private, "secret");
    let nowhere = ResourceId::from_bytes([9; 32]);
    let mut answers = Vec::new();
    for document in [private, nowhere] {
        world.connect(mallory, olga);
        world.run();
        world.clear_traffic();
        let version = VersionVector::default();
        let subject = Subject::Resource(document);
        for frame in [
            Frame::Inventory { entries: vec![(subject, SOME)] },
            Frame::Want { subjects: vec![subject] },
            Frame::Have { subject, ids: Vec::new() },
            Frame::Records { subject, records: Vec::new(), vouches: Vec::new(), answer: true, size: None },
            Frame::Records { subject, records: Vec::new(), vouches: Vec::new(), answer: false, size: None },
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
            world.impersonate(mallory, olga, &frame);
        }
        let frames = world.traffic(olga, mallory).frames;
        let shapes: Vec<String> =
            frames.iter().map(|frame| format!("{frame:?}").replace(&format!("{document:?}"), "it")).collect();
        answers.push(shapes);
        world.disconnect(mallory, olga);
        world.run();
    }
    assert_eq!(answers[0], answers[1]);
}

/// T14, T15: grants to me by the thousand. (The "gift certificate" that Keyhive's notes call collection stuffing.)
#[test]
fn unsolicited_grants_by_the_thousand_cost_an_offer_each_and_no_more() {
    let mut world = World::new(3);
    let (olga, mallory) = (world.person("olga", 1)[0], world.person("mallory", 1)[0]);
    world.introduce(olga, mallory);
    world.connect(olga, mallory);
    let junk: Vec<ResourceId> =
        (0..1_100).map(|index| world.create(mallory, &format!("junk {index}"))).collect();
    for (index, document) in junk.iter().enumerate() {
        if index % 50 == 0 {
            world.write(mallory, *document, "stuffing");
        }
        world.grant(mallory, *document, olga, Role::Admin);
    }
    world.run();
    let engine = world.device(olga).engine.as_ref().expect("running");
    let offered = engine.documents().filter(|(_, standing, _)| *standing == Standing::Offered).count();
    let accepted = engine.documents().filter(|(_, standing, _)| *standing == Standing::Accepted).count();
    assert!(offered <= MAX_OFFERS, "{offered} offers");
    assert_eq!(accepted, 0, "nothing is taken by itself");
    let crossed = world.traffic(mallory, olga).frames;
    assert!(!crossed.iter().any(|frame| matches!(frame, Frame::Changes { .. })), "and no content comes");
    // Her own work goes on, and so do offers of others.
    world.disconnect(olga, mallory);
    let own = world.create(olga, "own");
    world.write(olga, own, "mine");
    assert_eq!(world.keys(olga, own), ["mine"]);
}

/// An inventory of subjects that are nowhere.
fn nothing_of(numbers: std::ops::Range<u32>) -> Frame {
    let subject = |number: u32| {
        let mut id = [0; 32];
        id[..4].copy_from_slice(&number.to_be_bytes());
        Subject::Resource(ResourceId::from_bytes(id))
    };
    Frame::Inventory { entries: numbers.map(|number| (subject(number), SOME)).collect() }
}

/// T16, T28: how often a peer may ask for what comes to nothing tells it nothing of what is known here.
#[test]
fn what_is_known_here_does_not_show_in_how_much_a_peer_may_ask() {
    let mut asked = Vec::new();
    for known in [true, false] {
        let (mut world, [olga, mallory, ..], _) = scene(6);
        let dora = world.person("dora", 1)[0];
        if known {
            let private = world.create(olga, "private");
            world.share(olga, private, dora, Role::Read);
        }
        world.connect(mallory, olga);
        world.run();
        world.clear_traffic();
        let almost_all = u32::try_from(MAX_UNKNOWN_SUBJECTS - 1).expect("small");
        world.impersonate(mallory, olga, &nothing_of(0..almost_all));
        let entries = vec![(Subject::Roster(world.person_of(dora)), SOME)];
        world.impersonate(mallory, olga, &Frame::Inventory { entries });
        world.impersonate(mallory, olga, &nothing_of(almost_all..almost_all + 1));
        asked.push(world.traffic(olga, mallory).frames.len());
    }
    assert_eq!(asked[0], asked[1]);
}

/// T13, T14: a peer names subjects without end.
#[test]
fn subjects_without_end_are_bounded() {
    let (mut world, [olga, mallory, ben, _], document) = scene(4);
    world.connect(mallory, olga);
    world.connect(ben, olga);
    world.run();
    world.clear_traffic();
    world.impersonate(mallory, olga, &nothing_of(0..4_000));
    let asked = world.traffic(olga, mallory).frames.len();
    assert!(asked <= MAX_UNKNOWN_SUBJECTS + 8, "{asked} questions");
    let suspicious = |event: &Event| matches!(event, Event::Suspicious { .. });
    assert!(world.device(olga).events.iter().any(suspicious));
    world.write(ben, document, "undisturbed");
    assert!(world.keys(olga, document).contains(&"undisturbed".to_owned()));
}

/// T17: whoever is revoked in the middle of an exchange gets the word and no content after it, whichever side speaks.
/// (`access cut_off` counts the frames.)
#[test]
fn revoked_mid_stream_hands_over_nothing_that_counts() {
    for steps in (0..120).step_by(5) {
        let (mut world, [olga, mallory, ben, _], document) = scene(5);
        for index in 0..20 {
            world.edit(mallory, document, &format!("m{index}"));
        }
        world.connect(mallory, olga);
        world.run_some(steps);
        world.revoke(olga, document, mallory);
        world.sync_all(&[olga, ben]);
        let (at_olga, at_ben) = (world.keys(olga, document), world.keys(ben, document));
        assert_eq!(at_olga, at_ben, "after {steps} steps");
        // What olga had accepted when she revoked stays; what came later is held back, and nothing else happens.
        let (stored, shown) = world.device(olga).document(document).counts();
        assert_eq!(stored - shown, world.device(olga).held(document).len());
        let distinct: BTreeSet<_> = at_olga.into_iter().collect();
        assert!(distinct.contains("first"));
    }
}

/// T15, T16: a stranger's document that names mine as the space it was born in is none of mine.
#[test]
fn document_that_claims_my_space_is_not_taken() {
    use katori_acl::{Genesis, Record, ResourceKind};
    let mut world = World::new(6);
    let (olga, mallory) = (world.person("olga", 1)[0], world.person("mallory", 1)[0]);
    let space = world.create_space(olga, "club");
    let shared = world.create(olga, "shared");
    world.share(olga, shared, mallory, Role::Read);
    let key = world.device(mallory).identity.key.clone();
    let genesis = Record::Genesis(Genesis {
        kind: ResourceKind::Document,
        owner: world.person_of(mallory),
        space: Some(space),
        name: "intruder".to_owned(),
        nonce: [1; 16],
        alias: [2; 16],
        by: key.public(),
    });
    let genesis = genesis.sign(&key).expect("well-formed");
    let subject = genesis.subject();
    let records = vec![genesis.bytes().to_vec()];
    world.connect(mallory, olga);
    world.run();
    world.impersonate(mallory, olga, &Frame::Inventory { entries: vec![(subject, SOME)] });
    let frame = Frame::Records { subject, records, vouches: Vec::new(), answer: true, size: None };
    world.impersonate(mallory, olga, &frame);
    let Subject::Resource(document) = subject else { panic!("a document") };
    let standing = world.standing(olga, document);
    assert_eq!(standing, Standing::Unknown, "mallory may not write in the space");
    let engine = world.device(olga).engine.as_ref().expect("running");
    assert!(engine.registry().documents_in(space).is_empty());
    let list = Command::Forget { document };
    assert!(world.command(olga, list).is_err(), "there is nothing to put away");
}
