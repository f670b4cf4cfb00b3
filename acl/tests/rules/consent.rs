//! Nobody puts somebody else's device into a roster: the device itself has to have agreed.

use katori_acl::{
    Capacity, Member, PersonId, Record, RecordError, RosterAction, RosterOperation, SignError,
    UnverifiedRecord,
};

use crate::world::{World, add, device, operation};

fn operation_of(roster: PersonId, previous: Vec<katori_acl::RecordId>, action: RosterAction) -> Record {
    let by = device(1).public();
    Record::RosterOperation(RosterOperation { roster, by, person: None, previous, action })
}

#[test]
fn a_device_belongs_only_where_it_agreed_to() {
    let mut world = World::default();
    let (mallory, victim) = (device(1), device(2));
    let roster = world.person(&mallory);
    let of_victim = world.person(&victim);
    let add = |consent| RosterAction::Add {
        member: Member::Device(victim.public()),
        name: "mine now".to_owned(),
        capacity: Capacity::Full,
        sealing: None,
        consent,
    };
    let heads = world.heads(roster);
    let sign = |action| operation_of(roster, heads.clone(), action).sign(&mallory);
    assert!(matches!(sign(add(None)), Err(SignError::Invalid(_))));
    assert_eq!(sign(add(Some(victim.consent(of_victim)))).unwrap_err(), SignError::NoConsent);
    assert_eq!(sign(add(Some(mallory.consent(roster)))).unwrap_err(), SignError::NoConsent);
    assert!(sign(add(Some(victim.consent(roster)))).is_ok());
    assert_eq!(world.registry.person_of(victim.public()), Some(of_victim));
}

#[test]
fn a_record_of_others_is_checked_for_it() {
    let mut world = World::default();
    let (laptop, phone) = (device(1), device(2));
    let ben = world.person(&laptop);
    let record = operation(ben, &laptop, &world.heads(ben), add(ben, &phone, Capacity::Full));
    let (payload, _) = record.bytes().split_at(record.bytes().len() - 64);
    // The consent stands last in the payload; what is signed over it is right, and it is not.
    let mut payload = payload.to_vec();
    let last = payload.len() - 1;
    payload[last] ^= 1;
    let signature = laptop.sign("roster-operation", &payload);
    payload.extend_from_slice(&signature.0);
    let read = UnverifiedRecord::decode(&payload).unwrap();
    assert_eq!(read.verify().unwrap_err(), RecordError::NoConsent);
    let read = UnverifiedRecord::decode(record.bytes()).unwrap();
    assert_eq!(read.verify().unwrap(), record);
}

#[test]
fn a_device_that_agreed_to_two_is_where_it_is_most_senior() {
    let mut world = World::default();
    let (laptop, phone, other) = (device(1), device(2), device(3));
    let (ben, ada) = (world.person(&laptop), world.person(&other));
    world.add(ada, &other, &device(4));
    world.add(ada, &other, &phone);
    assert_eq!(world.registry.person_of(phone.public()), Some(ada));
    world.add(ben, &laptop, &phone);
    assert_eq!(world.registry.person_of(phone.public()), Some(ben));
    let mut both = vec![ada, ben];
    both.sort();
    assert_eq!(world.registry.persons_ever_of(phone.public()), both);
}
