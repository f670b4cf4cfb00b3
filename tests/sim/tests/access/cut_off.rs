//! A peer that is revoked while it is connected hears one word about the document, and nothing after it.

use katori_acl::{ResourceId, Role, Subject};
use katori_core::engine::{Command, Standing};
use katori_core::wire::Frame;
use katori_sim::{DeviceIndex, World};

use crate::owner;

/// The frames about a document that crossed, by name.
fn about(world: &World, from: DeviceIndex, to: DeviceIndex, document: ResourceId) -> Vec<&'static str> {
    let is_about = |frame: &Frame| match frame {
        Frame::Inventory { entries } => {
            entries.iter().any(|(subject, _)| *subject == Subject::Resource(document))
        }
        Frame::Want { subjects } => subjects.contains(&Subject::Resource(document)),
        Frame::Greeting { .. } | Frame::Ranges { .. } => false,
        Frame::Have { subject, .. } | Frame::Records { subject, .. } => {
            *subject == Subject::Resource(document)
        }
        Frame::Version { document: of, .. }
        | Frame::Changes { document: of, .. }
        | Frame::Receipt { document: of, .. } => *of == document,
    };
    world.traffic(from, to).frames.iter().filter(|frame| is_about(frame)).map(Frame::name).collect()
}

#[test]
fn revoked_while_connected_hears_the_word_and_then_nothing() {
    let (mut world, olga, document) = owner(1);
    let ben = world.member("ben", olga, document, Role::Write);
    let other = world.create(olga, "other");
    world.share(olga, other, ben, Role::Read);
    world.connect(olga, ben);
    world.run();
    world.write(ben, document, "in time");
    world.clear_traffic();
    world.revoke(olga, document, ben);
    assert_eq!(about(&world, olga, ben, document), ["records"], "the word that says so");
    assert_eq!(world.standing(ben, document), Standing::Left, "within one round trip");
    world.clear_traffic();
    for index in 0..10 {
        world.write(olga, document, &format!("secret {index}"));
    }
    let carl = world.member("carl", olga, document, Role::Write);
    world.write(carl, document, "by carl");
    world.sync(olga, carl);
    world.run();
    assert!(about(&world, olga, ben, document).is_empty(), "{:?}", about(&world, olga, ben, document));
    // What else they share goes on, on the same connection.
    world.write(olga, other, "hello");
    assert_eq!(world.keys(ben, other), ["hello"]);
    assert_eq!(world.keys(ben, document), ["in time"]);
}

#[test]
fn cut_off_holds_for_whoever_hears_of_the_revocation_from_others() {
    let (mut world, olga, document) = owner(2);
    let anna = world.member("anna", olga, document, Role::Write);
    let ben = world.member("ben", olga, document, Role::Write);
    world.sync_all(&[olga, anna, ben]);
    world.connect(anna, ben);
    world.connect(olga, anna);
    world.run();
    world.clear_traffic();
    world.revoke(olga, document, ben);
    assert_eq!(about(&world, anna, ben, document), ["records"]);
    world.clear_traffic();
    world.write(anna, document, "after");
    world.write(olga, document, "after that");
    assert!(about(&world, anna, ben, document).is_empty());
    assert!(world.keys(ben, document).is_empty());
}

#[test]
fn revoked_mid_stream_gets_no_frame_of_content_after_the_word() {
    for steps in (0..400).step_by(7) {
        let (mut world, olga, document) = owner(3);
        let ben = world.person("ben", 1)[0];
        world.grant(olga, document, ben, Role::Write);
        world.sync(olga, ben);
        for index in 0..40 {
            world.write(olga, document, &format!("k{index}"));
        }
        world.accept(ben, document);
        world.clear_traffic();
        world.connect(olga, ben);
        world.run_some(steps);
        let person = world.person_of(ben);
        let terms = katori_core::engine::RevokeTerms::default();
        let revoke = Command::Revoke { document, from: katori_acl::Principal::Person(person), terms };
        world.command(olga, revoke).expect("revoked");
        world.write(olga, document, "secret");
        let frames = world.traffic(olga, ben).frames;
        let says_so = |frame: &Frame| {
            matches!(frame, Frame::Records { subject, records, .. }
            if *subject == Subject::Resource(document) && records.iter().any(|bytes| is_revocation(bytes)))
        };
        let told = frames.iter().position(says_so).expect("he is told");
        let after =
            frames.iter().skip(told + 1).filter(|frame| matches!(frame, Frame::Changes { .. })).count();
        assert_eq!(after, 0, "after {steps} steps");
        assert!(!world.keys(ben, document).contains(&"secret".to_owned()), "after {steps} steps");
    }
}

fn is_revocation(bytes: &[u8]) -> bool {
    use katori_acl::{Record, UnverifiedRecord};
    let record = UnverifiedRecord::decode(bytes).and_then(UnverifiedRecord::verify).expect("a good record");
    matches!(record.record(), Record::Revoke(_))
}

#[test]
fn a_removed_device_is_cut_off_by_friends_too() {
    let (mut world, olga, document) = owner(4);
    let phones = world.person("ben", 2);
    world.share(olga, document, phones[0], Role::Write);
    world.sync(olga, phones[1]);
    world.accept(phones[1], document);
    world.sync(olga, phones[1]);
    world.connect(olga, phones[0]);
    world.connect(olga, phones[1]);
    world.run();
    world.clear_traffic();
    world.remove_device(phones[0], phones[1], true);
    world.run();
    world.clear_traffic();
    world.write(olga, document, "not for the lost one");
    assert!(about(&world, olga, phones[1], document).is_empty());
    assert_eq!(world.keys(phones[0], document), ["not for the lost one"]);
    assert!(!world.keys(phones[1], document).contains(&"not for the lost one".to_owned()));
}
