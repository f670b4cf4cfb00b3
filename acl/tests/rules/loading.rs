//! What a store hands back is all there again, in whatever order it comes.

use katori_acl::bounds::{MAX_WAITING, MAX_WAITING_PER_SUBJECT};
use katori_acl::{
    Audience, Capacity, Issuer, Parent, Record, Registry, StoredRecords, Subject, UnverifiedRecord,
    VerifiedRecord,
};

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

#[test]
fn rows_are_read_back_as_they_were_written() {
    let mut world = World::default();
    let olga = (world.person(&device(1)), device(1));
    let ada = (world.person(&device(2)), device(2));
    world.add(olga.0, &olga.1, &device(3));
    let club = world.group(olga.0, &olga.1);
    world.join(club, olga.0, &olga.1, ada.0, Capacity::Full);
    let space = world.space(club, &device(3));
    let other_space = world.space(olga.0, &olga.1);
    world.grant(other_space, olga.0, &olga.1, ada.0, WRITE);
    for by in [&device(1), &device(3)] {
        world.document(olga.0, by);
        world.document_in(space, olga.0, by);
        world.document_in(other_space, olga.0, by);
    }
    world.document_in(other_space, ada.0, &ada.1);
    let shared = world.document_in(space, ada.0, &ada.1);
    world.grant(shared, ada.0, &ada.1, olga.0, ADMIN);
    let rows = |records: &[VerifiedRecord]| {
        let mut rows = StoredRecords::default();
        for record in records {
            rows.add(record.id(), record.bytes()).unwrap();
            let cut = &record.bytes()[..record.bytes().len() - 1];
            assert!(StoredRecords::default().add(record.id(), cut).is_err());
        }
        rows
    };
    let expected = everything(&world.registry);
    let mut records = world.records.clone();
    for order in [0, 1] {
        let (mut loaded, left) = Registry::load_stored(rows(&records));
        assert_eq!(everything(&loaded), expected, "order {order}");
        assert_eq!(left, []);
        assert_eq!(loaded.take_changes(), katori_acl::Changes::default());
        assert_eq!(loaded.take_access_changes(), katori_acl::AccessChanges::default());
        records.reverse();
    }

    // Without the club, nobody ever owned its space.
    let gone = |record: &VerifiedRecord| record.subject() == Subject::Roster(club);
    records.retain(|record| !gone(record));
    let (loaded, left) = Registry::load_stored(rows(&records));
    let in_club = |record: &VerifiedRecord| match record.record() {
        Record::Genesis(genesis) => genesis.owner == club || genesis.space == Some(space),
        Record::Grant(grant) => grant.resource == shared,
        _ => false,
    };
    let mut expected: Vec<_> =
        records.iter().filter(|record| in_club(record)).map(VerifiedRecord::id).collect();
    expected.sort();
    let mut left = left;
    left.sort();
    assert_eq!(left, expected);
    assert!(left.iter().all(|id| !loaded.contains(id)));
}

#[test]
fn what_is_trusted_is_the_record_that_was_verified() {
    let mut world = World::default();
    let olga = world.person(&device(1));
    world.document(olga, &device(1));
    for record in &world.records {
        let read = UnverifiedRecord::decode(record.bytes()).unwrap();
        assert_eq!(&read.trusted(), record);
    }
}
