//! What a store hands back is all there again, in whatever order it comes.

use katori_acl::bounds::{MAX_WAITING, MAX_WAITING_PER_SUBJECT};
use katori_acl::{Audience, Capacity, Issuer, Parent, Record, Registry};

use crate::world::{ADMIN, WRITE, World, device, everything, revocation};

#[test]
fn nothing_stored_is_lost_however_it_is_ordered() {
    let mut world = World::default();
    let olga = (world.person(&device(1)), device(1));
    let ada = (world.person(&device(2)), device(2));
    world.add(ada.0, &ada.1, &device(3));
    let club = world.group(olga.0, &olga.1);
    world.join(club, olga.0, &olga.1, ada.0, Capacity::Full);
    let space = world.space(club, &device(3));
    world.document_in(space, olga.0, &olga.1);
    while world.records.len() < MAX_WAITING + MAX_WAITING_PER_SUBJECT {
        let document = world.document(olga.0, &olga.1);
        let to_ada = world.grant(document, olga.0, &olga.1, ada.0, ADMIN);
        for number in 0..MAX_WAITING_PER_SUBJECT + 8 {
            let to = Audience::Group(club);
            let terms = WRITE.under(to_ada);
            let grant = world.grant_by(document, Issuer::Person(ada.0), &ada.1, to, terms);
            assert!(matches!(grant.parent, Parent::Grant(_)));
            let grant = world.stored(Record::Grant(grant).sign(&device(2)).unwrap());
            if number % 16 == 0 {
                world.stored(revocation(document, olga.0, &olga.1, grant));
            }
        }
    }
    let expected = everything(&world.registry);
    // What rests on others comes before it.
    let mut records = world.records.clone();
    records.reverse();
    let mut inserted = Registry::new();
    for record in &records {
        inserted.insert(record.clone());
    }
    assert_ne!(everything(&inserted), expected, "so many do not wait for others");
    let (mut loaded, left) = Registry::load(records);
    assert!(left.is_empty());
    assert_eq!(loaded.take_changes(), katori_acl::Changes::default());
    assert_eq!(everything(&loaded), expected);
}

#[test]
fn what_counts_no_more_is_named() {
    let mut world = World::default();
    let olga = (world.person(&device(1)), device(1));
    let document = world.document(olga.0, &olga.1);
    let to_ada = world.person(&device(2));
    let grant = world.grant(document, olga.0, &olga.1, to_ada, WRITE);
    let lost = world.records.iter().position(|record| record.id().as_bytes() == document.as_bytes());
    world.records.remove(lost.unwrap());
    let (loaded, left) = Registry::load(world.records);
    assert_eq!(left, [grant]);
    assert!(!loaded.contains(&grant));
}
