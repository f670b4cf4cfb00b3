//! The story of a resource or roster: every record once, each after those it rests on, with what became of it.

use std::collections::BTreeSet;

use katori_acl::{
    Capacity, EntryStatus, Exclude, Issuer, Record, RecordId, Registry, ResourceId, StoryEntry, StoryKind,
    Subject, VoidReason,
};

use crate::world::{ADMIN, WRITE, World, add_person, device, group_operation};

fn find(story: &[StoryEntry], record: RecordId) -> &StoryEntry {
    story.iter().find(|entry| entry.record == record).unwrap()
}

/// Every stored record once, and none before what it rests on.
fn assert_reads(registry: &Registry, subjects: &[Subject], story: &[StoryEntry]) {
    let mut told = BTreeSet::new();
    for entry in story {
        assert!(entry.rests_on.iter().all(|below| told.contains(below)), "{entry:?}");
        assert!(told.insert(entry.record), "twice: {entry:?}");
    }
    let stored: BTreeSet<_> = subjects.iter().flat_map(|subject| registry.record_ids(subject)).collect();
    assert_eq!(told, stored);
}

#[test]
fn the_story_of_a_document_tells_what_became_of_everything() {
    let mut world = World::default();
    let olga = (world.person(&device(1)), device(1));
    let (ada, ben) = ((world.person(&device(2)), device(2)), (world.person(&device(3)), device(3)));
    let phone = device(9);
    world.add(olga.0, &olga.1, &phone);
    let space = world.space(olga.0, &olga.1);
    let in_space = world.grant(space, olga.0, &olga.1, ben.0, WRITE);
    let document = world.document_in(space, ben.0, &ben.1);
    let to_ada = world.grant(document, ben.0, &ben.1, ada.0, ADMIN);
    let to_olga = world.grant(document, ada.0, &ada.1, olga.0, WRITE.under(to_ada));
    let exclude =
        Exclude { resource: document, changes: vec![[7; 32]], reason: "spam".to_owned(), by: ada.1.public() };
    let exclude = world.stored(Record::Exclude(exclude).sign(&ada.1).unwrap());
    let by_phone = world.revoke(space, olga.0, &phone, in_space);
    let end = world.revoke(document, ben.0, &ben.1, to_ada);
    world.remove(olga.0, &olga.1, &phone, &[]);
    let deleted = world.delete(space, &phone);

    let story = world.registry.story(Subject::Resource(document));
    assert_reads(&world.registry, &[Subject::Resource(space), Subject::Resource(document)], &story);
    let status = |record| find(&story, record).status;
    let issuer = Issuer::Person(ben.0);
    assert_eq!(status(to_ada), EntryStatus::Revoked { record: end, issuer });
    assert_eq!(status(to_olga), EntryStatus::ParentEnded(to_ada));
    assert_eq!(status(end), EntryStatus::Counts);
    assert_eq!(status(exclude), EntryStatus::NoAdmin(ada.1.public()));
    assert_eq!(status(by_phone), EntryStatus::SignerRemoved(phone.public()));
    assert_eq!(status(deleted), EntryStatus::SignerRemoved(phone.public()));
    assert_eq!(status(in_space), EntryStatus::Counts);
    let entry = find(&story, in_space);
    assert_eq!(
        (entry.of, entry.kind, entry.by),
        (Subject::Resource(space), StoryKind::Grant, Some(olga.1.public()))
    );
    assert_eq!((entry.name, entry.depth), (Some(Issuer::Person(olga.0)), 1));
    assert_eq!(find(&story, to_olga).rests_on, [to_ada]);
    assert!(story[0].kind == StoryKind::Begin && story[0].record == Subject::Resource(space).genesis());
    assert!(status(by_phone).to_string().starts_with("void because device"));
    assert_eq!(world.registry.counted_revocations(document), [end].into());
    assert_eq!(world.registry.counted_revocations(space), [].into());
    assert!(world.registry.story(Subject::Resource(ResourceId::from_bytes([0; 32]))).is_empty());
}

#[test]
fn the_story_of_a_roster_tells_what_is_void_and_why() {
    let mut world = World::default();
    let (laptop, phone, puppet) = (device(1), device(2), device(3));
    let ben = world.person(&laptop);
    let added = world.add(ben, &laptop, &phone);
    let removed = world.remove(ben, &laptop, &phone, &[]);
    let behind = world.add_seeing(ben, &phone, &puppet, &[added]);
    let chained = world.add_seeing(ben, &puppet, &device(4), &[behind]);
    let story = world.registry.story(Subject::Roster(ben));
    assert_reads(&world.registry, &[Subject::Roster(ben)], &story);
    let status = |record| find(&story, record).status;
    assert!(status(added).counts() && status(removed).counts());
    assert_eq!(status(behind), EntryStatus::Void(VoidReason::AuthorRemoved(removed)));
    assert_eq!(status(chained), EntryStatus::Void(VoidReason::NeverMember));
    let kinds: Vec<_> = story.iter().map(|entry| entry.kind).collect();
    assert_eq!(kinds[..2], [StoryKind::Begin, StoryKind::Add]);
    assert_eq!(find(&story, chained).depth, 3);
}

#[test]
fn the_story_of_a_group_names_who_spoke() {
    let mut world = World::default();
    let (ada, ben) = ((world.person(&device(1)), device(1)), (world.person(&device(2)), device(2)));
    let phone = device(9);
    world.add(ben.0, &ben.1, &phone);
    let club = world.group(ada.0, &ada.1);
    let joined = world.join(club, ada.0, &ada.1, ben.0, Capacity::Full);
    let cy = world.person(&device(3));
    let by_phone = group_operation(club, ben.0, &phone, &world.heads(club), add_person(cy, Capacity::Full));
    let by_phone = world.stored(by_phone);
    world.remove(ben.0, &ben.1, &phone, &[]);
    let story = world.registry.story(Subject::Roster(club));
    assert_reads(&world.registry, &[Subject::Roster(club)], &story);
    assert_eq!(find(&story, joined).name, Some(Issuer::Person(ada.0)));
    let entry = find(&story, by_phone);
    assert_eq!((entry.name, entry.by), (Some(Issuer::Person(ben.0)), Some(phone.public())));
    assert_eq!(entry.status, EntryStatus::Void(VoidReason::NotItsWord));
}

#[test]
fn the_story_says_of_no_removal_that_counts_that_it_is_void() {
    let mut world = World::default();
    let (laptop, phone, tablet) = (device(1), device(2), device(3));
    let ben = world.person(&laptop);
    world.add(ben, &laptop, &phone);
    world.add(ben, &laptop, &tablet);
    let heads = world.heads(ben);
    let by_laptop = world.remove_seeing(ben, &laptop, &tablet, &[], &heads);
    // Less senior, and without having heard: it counts after the laptop's.
    let by_phone = world.remove_seeing(ben, &phone, &laptop, &[], &heads);
    assert!(!world.contains(ben, &tablet) && !world.contains(ben, &laptop));
    let story = world.registry.story(Subject::Roster(ben));
    assert!(find(&story, by_laptop).status.counts() && find(&story, by_phone).status.counts());
}
