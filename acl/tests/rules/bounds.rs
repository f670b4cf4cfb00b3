//! What a hostile member can make others keep is bounded, and which records stay does not depend on the order
//! in which they come.

use katori_acl::bounds::{
    MAX_EXCLUDED_CHANGES, MAX_GRANTS_PER_SIGNER, MAX_ROSTER_FORKS, MAX_WAITING_BYTES_PER_SUBJECT,
    MAX_WAITING_PER_SUBJECT,
};
use katori_acl::{
    Audience, Capacity, Exclude, Inserted, Record, Registry, ResourceId, Role, Subject, VerifiedRecord,
};

use crate::world::{ADMIN, WRITE, World, add, device, everything, operation};

fn registry(records: impl IntoIterator<Item = VerifiedRecord>) -> Registry {
    let mut registry = Registry::new();
    for record in records {
        registry.insert(record);
    }
    registry
}

#[test]
fn of_the_grants_of_one_issuer_the_lowest_ids_stay() {
    let mut world = World::default();
    let olga = (world.person(&device(1)), device(1));
    let flooder = (world.person(&device(2)), device(2));
    let guest = world.person(&device(3));
    let document = world.document(olga.0, &olga.1);
    let to_flooder = world.grant(document, olga.0, &olga.1, flooder.0, ADMIN);
    for _ in 0..MAX_GRANTS_PER_SIGNER + 20 {
        let terms = WRITE.under(to_flooder);
        let grant = world.grant_of(document, flooder.0, &flooder.1, Audience::Person(guest), terms);
        world.insert(Record::Grant(grant).sign(&flooder.1).unwrap());
    }
    let subject = Subject::Resource(document);
    assert_eq!(world.registry.record_ids(&subject).len(), MAX_GRANTS_PER_SIGNER + 2);
    let backwards = registry(world.records.iter().rev().cloned());
    assert!(backwards.record_ids(&subject).len() <= MAX_GRANTS_PER_SIGNER + 2);
    // Backwards, most of them wait, and fewer may wait than may be stored: they are sent again until nothing is
    // new, which the grant they all rest on may need a turn for.
    let mut backwards = backwards;
    for _ in 0..2 {
        for record in world.records.iter().rev() {
            backwards.insert(record.clone());
        }
    }
    assert_eq!(everything(&backwards), everything(&world.registry));
    // The owner's word still fits.
    world.revoke(document, olga.0, &olga.1, to_flooder);
    assert_eq!(world.role(document, guest), None);
    assert_eq!(world.role(document, olga.0), Some(Role::Admin));
}

#[test]
fn a_device_that_forks_its_roster_keeps_the_lowest_ids() {
    let mut world = World::default();
    let (laptop, rogue) = (device(1), device(2));
    let ben = world.person(&laptop);
    world.add(ben, &laptop, &rogue);
    let heads = world.heads(ben);
    for number in 0..20 {
        let action = add(ben, &device(100 + number), Capacity::Full);
        let record = operation(ben, &rogue, &heads, action);
        world.insert(record);
    }
    let subject = Subject::Roster(ben);
    assert_eq!(world.registry.record_ids(&subject).len(), 2 + MAX_ROSTER_FORKS);
    let other = registry(world.records.iter().rev().cloned());
    assert_eq!(everything(&other), everything(&world.registry));
    // The removal fits, and what it builds on stays whatever comes later.
    world.remove(ben, &laptop, &rogue, &[]);
    for number in 20..60 {
        let action = add(ben, &device(100 + number), Capacity::Full);
        let record = operation(ben, &rogue, &heads, action);
        world.insert(record);
    }
    assert!(!world.contains(ben, &rogue));
    let count = world.registry.record_ids(&subject).len();
    assert!(count <= 3 + 2 * MAX_ROSTER_FORKS, "{count}");
}

#[test]
fn what_an_evicted_operation_entitled_goes_with_it() {
    let mut world = World::default();
    let (laptop, rogue, guest) = (device(1), device(2), device(3));
    let ben = world.person(&laptop);
    let ada = world.person(&guest);
    world.add(ben, &laptop, &rogue);
    let heads = world.heads(ben);
    let mut forks: Vec<VerifiedRecord> = (0..8)
        .map(|number| operation(ben, &rogue, &heads, add(ben, &device(100 + number), Capacity::Full)))
        .collect();
    forks.sort_by_key(VerifiedRecord::id);
    let highest = forks.pop().unwrap();
    let Record::RosterOperation(operation) = highest.record() else { panic!() };
    let katori_acl::RosterAction::Add { member: katori_acl::Member::Device(puppet), .. } = operation.action
    else {
        panic!()
    };
    let puppet = (100..108).map(device).find(|key| key.public() == puppet).unwrap();
    world.insert(highest);
    let document = world.document(ben, &laptop);
    let grant = world.grant(document, ben, &puppet, ada, WRITE);
    assert_eq!(world.role(document, ada), Some(Role::Write));
    let (founded, space) = (world.document(ben, &puppet), world.space(ben, &puppet));
    let born = world.document_in(space, ben, &laptop);
    let plain: Vec<_> = (0..20).map(|_| world.document(ben, &laptop)).collect();
    for fork in forks {
        world.insert(fork);
    }
    let is_known = |id: &ResourceId| world.registry.kind_of(*id).is_some();
    assert!(![founded, space, born].iter().any(is_known), "it founded them, or where they were born");
    assert!(plain.iter().all(is_known) && is_known(&document));
    assert!(!world.contains(ben, &puppet));
    assert!(!world.registry.contains(&grant));
    assert_eq!(world.role(document, ada), None);
    assert_eq!(world.registry.person_ever_of(puppet.public()), None);
    let changes = world.registry.take_changes();
    assert!(!changes.stored.contains(&grant));
    let stored = |id: &ResourceId| changes.stored.contains(&Subject::Resource(*id).genesis());
    assert!(plain.iter().all(stored) && !stored(&founded) && !stored(&born));
    let other = registry(world.records.iter().rev().cloned());
    assert_eq!(everything(&other), everything(&world.registry));
}

#[test]
fn few_records_wait() {
    let mut world = World::default();
    let olga = (world.person(&device(1)), device(1));
    let guest = world.person(&device(2));
    let document = world.document(olga.0, &olga.1);
    let nowhere = katori_acl::RecordId::from_bytes([7; 32]);
    let mut refused = 0;
    for _ in 0..MAX_WAITING_PER_SUBJECT + 50 {
        let terms = WRITE.under(nowhere);
        let grant = world.grant_of(document, olga.0, &olga.1, Audience::Person(guest), terms);
        let inserted = world.insert(Record::Grant(grant).sign(&olga.1).unwrap()).1;
        refused += usize::from(matches!(inserted, Inserted::Refused(_)));
        assert!(inserted == Inserted::Waiting || refused > 0);
    }
    assert!(refused > 0 && refused <= 50);
    assert_eq!(world.registry.record_ids(&Subject::Resource(document)).len(), 1);
}

#[test]
fn the_waiting_records_of_one_subject_are_bounded_in_bytes() {
    let mut world = World::default();
    let olga = (world.person(&device(1)), device(1));
    let document = world.document(olga.0, &olga.1);
    let mut waiting = 0;
    for number in 0..64_u8 {
        let mut changes = vec![[0; 32]; MAX_EXCLUDED_CHANGES];
        for (place, change) in changes.iter_mut().enumerate() {
            change[..2].copy_from_slice(&u16::try_from(place).unwrap().to_be_bytes());
        }
        let by = device(100 + number).public();
        let exclude = Exclude { resource: document, changes, reason: String::new(), by };
        let record = Record::Exclude(exclude).sign(&device(100 + number)).unwrap();
        assert!(record.bytes().len() > MAX_WAITING_BYTES_PER_SUBJECT / 64);
        waiting += record.bytes().len() * usize::from(world.insert(record).1 == Inserted::Waiting);
    }
    // Some of these made room for others, so this counts at least all that wait.
    assert!(waiting < 64 * 32 * 1024);
    // What others wait for is none of their business.
    let other = world.document(olga.0, &olga.1);
    let exclude =
        Exclude { resource: other, changes: vec![[1; 32]], reason: String::new(), by: device(9).public() };
    let record = Record::Exclude(exclude).sign(&device(9)).unwrap();
    assert_eq!(world.insert(record).1, Inserted::Waiting);
}
