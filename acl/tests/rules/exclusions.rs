//! An Admin's word that changes stay out: worth as much as the Admin is now.

use katori_acl::bounds::MAX_EXCLUSIONS_PER_DEVICE;
use katori_acl::{
    ChangeHash, DeviceKey, Exclude, Inserted, Record, Refusal, Registry, ResourceId, Role, Subject,
    VerifiedRecord,
};

use crate::world::{ADMIN, WRITE, World, assert_any_order, device, everything};

fn exclude(resource: ResourceId, by: &DeviceKey, change: u16) -> VerifiedRecord {
    let mut hash: ChangeHash = [0; 32];
    hash[..2].copy_from_slice(&change.to_be_bytes());
    let (changes, reason) = (vec![hash], "spam".to_owned());
    Record::Exclude(Exclude { resource, changes, reason, by: by.public() }).sign(by).unwrap()
}

fn excluded(world: &World, document: ResourceId) -> Vec<u8> {
    world.registry.access(document).unwrap().excluded().iter().map(|hash| hash[1]).collect()
}

#[test]
fn an_admins_word_counts_while_the_admin_is_one() {
    let mut world = World::default();
    let olga = (world.person(&device(1)), device(1));
    let (ada, ben) = ((world.person(&device(2)), device(2)), (world.person(&device(3)), device(3)));
    let document = world.document(olga.0, &olga.1);
    let early = exclude(document, &ada.1, 4);
    assert_eq!(world.insert(early).1, Inserted::Waiting);
    let to_ada = world.grant(document, olga.0, &olga.1, ada.0, ADMIN);
    world.grant(document, olga.0, &olga.1, ben.0, WRITE);
    let by_ada = world.stored(exclude(document, &ada.1, 1));
    world.stored(exclude(document, &olga.1, 2));
    assert_eq!(world.insert(exclude(document, &ben.1, 3)).1, Inserted::Waiting, "a writer is no Admin");
    assert_eq!(excluded(&world, document), [1, 2, 4]);
    let access = world.registry.access(document).unwrap();
    let found = access.exclusions().iter().find(|exclusion| exclusion.record == by_ada).unwrap();
    assert_eq!((found.by, found.reason.as_str(), found.changes.len()), (ada.1.public(), "spam", 1));
    world.revoke(document, olga.0, &olga.1, to_ada);
    assert_eq!(excluded(&world, document), [2], "her word ends with her role");
    assert!(world.registry.contains(&by_ada), "and is kept, for she was one");
    world.stored(exclude(document, &olga.1, 1));
    assert_eq!(excluded(&world, document), [1, 2], "whoever revokes signs it anew");
    assert_any_order(&world);
}

#[test]
fn an_admin_of_the_space_excludes_in_its_documents() {
    let mut world = World::default();
    let olga = (world.person(&device(1)), device(1));
    let ada = (world.person(&device(2)), device(2));
    let space = world.space(olga.0, &olga.1);
    let document = world.document_in(space, olga.0, &olga.1);
    assert_eq!(world.insert(exclude(document, &ada.1, 1)).1, Inserted::Waiting);
    assert_eq!(excluded(&world, document), []);
    let to_ada = world.grant(space, olga.0, &olga.1, ada.0, ADMIN);
    assert_eq!(excluded(&world, document), [1], "it had only come early");
    let in_space = Inserted::Refused(Refusal::WrongKind("an exclusion"));
    assert_eq!(world.insert(exclude(space, &olga.1, 1)).1, in_space, "a space has no changes");
    world.revoke(space, olga.0, &olga.1, to_ada);
    assert_eq!(excluded(&world, document), []);
    assert_any_order(&world);
}

#[test]
fn of_the_exclusions_of_one_device_the_lowest_ids_stay() {
    let mut world = World::default();
    let olga = (world.person(&device(1)), device(1));
    let ada = (world.person(&device(2)), device(2));
    let document = world.document(olga.0, &olga.1);
    world.grant(document, olga.0, &olga.1, ada.0, ADMIN);
    let count = u16::try_from(MAX_EXCLUSIONS_PER_DEVICE).unwrap() + 20;
    for change in 0..count {
        world.insert(exclude(document, &ada.1, change));
    }
    let subject = Subject::Resource(document);
    assert_eq!(world.registry.record_ids(&subject).len(), 2 + MAX_EXCLUSIONS_PER_DEVICE);
    world.stored(exclude(document, &olga.1, 1_000));
    let mut backwards = Registry::new();
    for record in world.records.iter().rev() {
        backwards.insert(record.clone());
    }
    assert_eq!(everything(&backwards), everything(&world.registry));
    assert_eq!(world.role(document, ada.0), Some(Role::Admin));
}

#[test]
fn what_an_evicted_grant_entitled_goes_with_it() {
    let mut world = World::default();
    let olga = (world.person(&device(1)), device(1));
    let rogue = (world.person(&device(2)), device(2));
    let puppet = (world.person(&device(3)), device(3));
    let guest = world.person(&device(4));
    let space = world.space(olga.0, &olga.1);
    let to_rogue = world.grant(space, olga.0, &olga.1, rogue.0, ADMIN);
    let mut grants: Vec<VerifiedRecord> = (0..katori_acl::bounds::MAX_GRANTS_PER_SIGNER)
        .map(|_| {
            let to = katori_acl::Audience::Person(guest);
            let grant = world.grant_of(space, rogue.0, &rogue.1, to, WRITE.under(to_rogue));
            Record::Grant(grant).sign(&rogue.1).unwrap()
        })
        .collect();
    // One grant more, to the puppet, of an id above those of all others.
    let last = grants.iter().map(VerifiedRecord::id).max().unwrap();
    let to_puppet = loop {
        let to = katori_acl::Audience::Person(puppet.0);
        let grant = world.grant_of(space, rogue.0, &rogue.1, to, ADMIN.under(to_rogue));
        let record = Record::Grant(grant).sign(&rogue.1).unwrap();
        if record.id() > last {
            break record;
        }
    };
    let first = grants.pop().unwrap();
    world.insert(to_puppet.clone());
    let of_olga = world.document_in(space, olga.0, &olga.1);
    let of_puppet = world.document_in(space, puppet.0, &puppet.1);
    world.stored(exclude(of_olga, &puppet.1, 1));
    for record in grants {
        world.insert(record);
    }
    assert!(world.registry.access(of_puppet).is_some());
    assert_eq!(excluded(&world, of_olga), [1]);
    world.insert(first);
    assert!(!world.registry.contains(&to_puppet.id()));
    assert!(world.registry.access(of_puppet).is_none(), "the document's birth rested on it");
    assert_eq!(excluded(&world, of_olga), [], "and so did the exclusion");
    assert_eq!(world.registry.record_ids(&Subject::Resource(of_olga)).len(), 1);
    let mut again = Registry::new();
    for _ in 0..3 {
        for record in world.records.iter().rev() {
            again.insert(record.clone());
        }
    }
    assert_eq!(everything(&again), everything(&world.registry));
}
