//! What is kept, what waits, and what a former member is still served.

use katori_acl::{Audience, Inserted, Issuer, Keys, Record, Refusal, Registry, Role, Subject};

use crate::world::{ADMIN, Terms, WRITE, World, device, everything};

#[test]
fn records_wait_for_what_they_build_on_in_any_order() {
    let mut world = World::default();
    let (laptop, phone) = (device(1), device(2));
    let ben = world.person(&laptop);
    world.add(ben, &laptop, &phone);
    let ada = (world.person(&device(3)), device(3));
    let cy = world.person(&device(4));
    let document = world.document(ben, &phone);
    let to_ada = world.grant(document, ben, &phone, ada.0, ADMIN);
    let to_cy = world.grant(document, ada.0, &ada.1, cy, WRITE.under(to_ada));
    world.revoke(document, ada.0, &ada.1, to_cy);

    let mut backwards = Registry::new();
    let count = world.records.len();
    for (at, record) in world.records.iter().rev().enumerate() {
        let inserted = backwards.insert(record.clone());
        assert!(matches!(inserted, Inserted::New | Inserted::Waiting), "{inserted:?}");
        if inserted == Inserted::Waiting && at + 1 < count {
            assert_eq!(backwards.insert(record.clone()), Inserted::Waiting, "still");
        }
    }
    assert_eq!(everything(&backwards), everything(&world.registry));
    let changes = backwards.take_changes();
    assert_eq!(changes.stored, world.records.iter().map(katori_acl::VerifiedRecord::id).collect());
    assert!(changes.dropped.is_empty());
    assert_eq!(backwards.insert(world.records[0].clone()), Inserted::Known);
}

#[test]
fn a_former_member_is_served_what_ended_its_role_and_no_more() {
    let mut world = World::default();
    let olga = (world.person(&device(1)), device(1));
    let (ada, ben) = ((world.person(&device(2)), device(2)), world.person(&device(3)));
    let stranger = world.person(&device(4));
    let document = world.document(olga.0, &olga.1);
    let to_ada = world.grant(document, olga.0, &olga.1, ada.0, ADMIN);
    let to_ben = world.grant(document, ada.0, &ada.1, ben, WRITE.under(to_ada));
    world.grant(document, olga.0, &olga.1, stranger, WRITE);
    let end = world.revoke(document, ada.0, &ada.1, to_ben);
    let served = |person| {
        let records = world.registry.limited_records_for(document, person);
        records.iter().map(katori_acl::VerifiedRecord::id).collect::<Vec<_>>()
    };
    let mut expected = vec![Subject::Resource(document).genesis(), to_ada, to_ben, end];
    expected.sort();
    assert_eq!(served(ben), expected);
    let nobody = katori_acl::PersonId::from_bytes([0; 32]);
    assert!(served(nobody).is_empty());
}

#[test]
fn what_cannot_be_judged_yet_is_refused_with_a_word() {
    let mut world = World::default();
    let olga = (world.person(&device(1)), device(1));
    let document = world.document(olga.0, &olga.1);
    let keys = Keys { resource: document, epoch: 1, previous: vec![], sealed: vec![], by: olga.1.public() };
    let ada = world.person(&device(2));
    let terms = Terms { role: Role::Relay, ..WRITE };
    let relay = world.grant_of(document, olga.0, &olga.1, Audience::Person(ada), terms);
    for record in [Record::Keys(keys), Record::Grant(relay)] {
        let inserted = world.insert(record.sign(&olga.1).unwrap()).1;
        let Inserted::Refused(refusal @ Refusal::NotYet(_)) = inserted else { panic!("{inserted:?}") };
        assert!(refusal.to_string().starts_with("this version of Katori does not know "));
    }
}

#[test]
fn what_names_whom_is_known_and_forgotten() {
    let mut world = World::default();
    let olga = (world.person(&device(1)), device(1));
    let ada = world.person(&device(2));
    let document = world.document(olga.0, &olga.1);
    let grant = world.grant(document, olga.0, &olga.1, ada, WRITE);
    assert_eq!(world.registry.resources_naming(ada), [document]);
    let mut named = vec![olga.0, ada];
    named.sort();
    assert_eq!(world.registry.rosters_named_by(document), named);
    let revocable = |key: &katori_acl::DeviceKey| world.registry.revocable(key.public(), document);
    assert_eq!(revocable(&device(2)), [(grant, Issuer::Person(ada))].into());
    assert_eq!(revocable(&olga.1), [(grant, Issuer::Person(olga.0))].into());
    assert_eq!(revocable(&device(9)), [].into());
    let before = world.registry.digest(&Subject::Resource(document));
    world.registry.forget(&Subject::Resource(document));
    assert!(world.registry.access(document).is_none());
    assert!(world.registry.resources_naming(ada).is_empty());
    assert!(!world.registry.contains(&grant));
    for record in world.records.clone() {
        world.registry.insert(record);
    }
    assert_eq!(world.registry.digest(&Subject::Resource(document)), before);
    assert_eq!(world.role(document, ada), Some(Role::Write));
    world.registry.forget(&Subject::Roster(olga.0));
    assert_eq!(world.role(document, ada), None, "without the issuer's roster nothing can be judged");
}
