//! Each key has its own room in a resource, and nothing keeps what has no place there but what builds on it.

use katori_acl::bounds::MAX_GRANTS_PER_SIGNER;
use katori_acl::{
    Audience, Capacity, DeviceKey, Grant, Inserted, PersonId, Record, ResourceId, Role, VerifiedRecord,
};

use crate::world::{ADMIN, WRITE, World, add, device, invitation, operation};

/// Grants of this device's to a guest, under the genesis.
fn flood(world: &mut World, document: ResourceId, owner: PersonId, by: &DeviceKey, count: usize) {
    let guest = PersonId::from_bytes([9; 32]);
    for _ in 0..count {
        let grant = world.grant_of(document, owner, by, Audience::Person(guest), WRITE);
        world.insert(Record::Grant(grant).sign(by).unwrap());
    }
}

/// A grant with an id beyond those of all others.
fn last(world: &mut World, mut grant: Grant, by: &DeviceKey) -> VerifiedRecord {
    let highest = world.records.iter().map(VerifiedRecord::id).max().unwrap();
    loop {
        grant.nonce = world.nonce().to_be_bytes();
        let record = Record::Grant(grant.clone()).sign(by).unwrap();
        if record.id() > highest {
            break record;
        }
    }
}

#[test]
fn a_removed_device_takes_no_room_from_the_others_of_its_person() {
    let mut world = World::default();
    let (olga, phone) = ((world.person(&device(1)), device(1)), device(2));
    world.add(olga.0, &olga.1, &phone);
    let guest = world.person(&device(3));
    let document = world.document(olga.0, &olga.1);
    world.remove(olga.0, &olga.1, &phone, &[]);
    let grant = world.grant_of(document, olga.0, &olga.1, Audience::Person(guest), WRITE);
    flood(&mut world, document, olga.0, &phone, MAX_GRANTS_PER_SIGNER);
    let to_guest = last(&mut world, grant, &olga.1);
    world.stored(to_guest);
    flood(&mut world, document, olga.0, &phone, 10);
    assert_eq!(world.role(document, guest), Some(Role::Write));
}

#[test]
fn what_is_only_waited_for_is_not_kept_beyond_the_bound() {
    let mut world = World::default();
    let olga = (world.person(&device(1)), device(1));
    let stranger = (world.person(&device(2)), device(2));
    let document = world.document(olga.0, &olga.1);
    flood(&mut world, document, olga.0, &olga.1, MAX_GRANTS_PER_SIGNER);
    let grant = world.grant_of(document, olga.0, &olga.1, Audience::Person(olga.0), ADMIN);
    let beyond = last(&mut world, grant, &olga.1);
    assert!(matches!(world.insert(beyond.clone()).1, Inserted::Refused(_)));
    // Junk, for the stranger was given nothing.
    let terms = WRITE.under(beyond.id());
    let to = Audience::Person(stranger.0);
    let junk = world.grant_of(document, stranger.0, &stranger.1, to, terms);
    let (junk, _) = world.insert(Record::Grant(junk).sign(&stranger.1).unwrap());
    world.insert(beyond.clone());
    assert!(!world.registry.contains(&junk));
    assert!(!world.registry.contains(&beyond.id()));
    assert!(!world.registry.take_changes().stored.contains(&beyond.id()));
    // And what does build on it.
    let child = world.grant_of(document, olga.0, &olga.1, to, terms);
    let (child, _) = world.insert(Record::Grant(child).sign(&olga.1).unwrap());
    world.insert(beyond.clone());
    assert!(world.registry.contains(&child) && world.registry.contains(&beyond.id()));
}

#[test]
fn an_operation_that_is_only_waited_for_is_not_kept_beyond_the_bound() {
    let mut world = World::default();
    let (laptop, rogue) = (device(1), device(2));
    let ben = world.person(&laptop);
    world.add(ben, &laptop, &rogue);
    let heads = world.heads(ben);
    let mut forks: Vec<VerifiedRecord> = (0..8)
        .map(|number| operation(ben, &rogue, &heads, add(ben, &device(100 + number), Capacity::Full)))
        .collect();
    forks.sort_by_key(VerifiedRecord::id);
    let (beyond, other) = (forks.pop().unwrap(), forks.pop().unwrap());
    for fork in forks {
        world.insert(fork);
    }
    let junk = operation(ben, &device(50), &[beyond.id()], add(ben, &device(51), Capacity::Full));
    assert_eq!(world.insert(junk).1, Inserted::Waiting);
    world.insert(beyond.clone());
    assert!(!world.registry.contains(&beyond.id()));
    assert_eq!(world.registry.person_ever_of(device(51).public()), None);
    // An operation that waits for two of them keeps the first until both are here.
    let mut seen = vec![beyond.id(), other.id()];
    seen.sort();
    let honest = operation(ben, &laptop, &seen, add(ben, &device(52), Capacity::Full));
    assert_eq!(world.insert(honest).1, Inserted::Waiting);
    world.insert(beyond.clone());
    assert!(world.registry.contains(&beyond.id()));
    world.insert(other.clone());
    assert!(world.registry.contains(&other.id()) && world.registry.contains(&beyond.id()));
    assert!(world.contains(ben, &device(52)));
}

#[test]
fn a_redemption_does_not_push_out_its_own_invitation() {
    let mut world = World::default();
    let olga = (world.person(&device(1)), device(1));
    let guest = world.person(&device(2));
    let document = world.document(olga.0, &olga.1);
    flood(&mut world, document, olga.0, &olga.1, MAX_GRANTS_PER_SIGNER - 1);
    let to = Audience::Invite(invitation(40).public());
    let grant = world.grant_of(document, olga.0, &olga.1, to, WRITE);
    let invite = last(&mut world, grant, &olga.1);
    let invite = world.stored(invite);
    let terms = WRITE.redeeming(invite);
    let grant = world.grant_of(document, olga.0, &olga.1, Audience::Person(guest), terms);
    let answer = Record::Grant(grant).sign(&olga.1).unwrap();
    assert!(answer.id() < invite);
    world.stored(answer);
    assert!(world.registry.contains(&invite));
    assert_eq!(world.role(document, guest), Some(Role::Write));
    // One for which there is no room is not kept.
    let grant = world.grant_of(document, olga.0, &olga.1, Audience::Person(guest), terms);
    let late = last(&mut world, grant, &olga.1);
    assert!(matches!(world.insert(late).1, Inserted::Refused(_)));
}
