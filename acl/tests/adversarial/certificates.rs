//! Who holds what by grants to keys, devices and persons, and what becomes of floods.

use katori_acl::bounds::{MAX_GRANTS_PER_SIGNER, MAX_WAITING_PER_SUBJECT};
use katori_acl::{
    Audience, Capacity, Grant, Inserted, Parent, PersonId, Record, Refusal, ResourceKind, Role, Subject,
};

use crate::cast::{
    adding, beginning, device, document, excluding, granting, operation, person, registry, resource_of,
    revoking, roster_of,
};
use crate::story::Story;

/// T12. A member with `share` signs 100,000 grants. A fixed number is kept, the same ones whatever the order,
/// everybody else keeps what he had, and the answer is there at once.
#[test]
fn a_hundred_thousand_grants_by_one_member() {
    const MANY: u64 = 100_000;
    let mut story = Story::new();
    let nobody = PersonId::from_bytes([9; 32]);
    let flood: Vec<_> = (0..MANY)
        .map(|number| {
            let grant = granting(story.document, story.ben.id, &story.ben.key, Audience::Person(nobody));
            let (parent, nonce) = (Parent::Grant(story.to_ben), number.to_be_bytes());
            Record::Grant(Grant { parent, nonce, ..grant }).sign(&story.ben.key).unwrap()
        })
        .collect();
    let mut backwards = story.registry.clone();
    for record in &flood {
        story.tell(record.clone());
    }
    for record in flood.iter().rev().step_by(10).chain(&flood) {
        backwards.insert(record.clone());
    }
    let subject = Subject::Resource(story.document);
    let kept = story.registry.record_ids(&subject);
    assert_eq!(kept.len(), 4 + MAX_GRANTS_PER_SIGNER);
    assert_eq!(backwards.record_ids(&subject), kept);
    assert_eq!(story.role(&story.ada), Some(Role::Admin));
    assert_eq!(story.role(&story.cy), Some(Role::Write));
    // And one revocation ends them all.
    story.stored(story.revoke(&story.olga, story.to_ben));
    assert_eq!(story.registry.access(story.document).unwrap().role_of_person(&nobody), None);
}

/// T13. Grants under a parent that is not here are held for it up to a bound; when it comes, that many are.
#[test]
fn grants_that_wait_are_few() {
    let mut story = Story::new();
    let parent = story.admin(&story.ben, &story.mallory, Parent::Grant(story.to_ben));
    for number in 0..2 * u64::try_from(MAX_WAITING_PER_SUBJECT).unwrap() {
        let (nonce, parent) = (number.to_be_bytes(), Parent::Grant(parent.id()));
        let grant = story.grant(&story.mallory, &story.cy, |grant| Grant { parent, nonce, ..grant });
        let full = Inserted::Refused(Refusal::TooMany("records that wait for others"));
        let inserted = story.tell(grant);
        assert!(inserted == Inserted::Waiting || inserted == full);
    }
    let subject = Subject::Resource(story.document);
    assert_eq!(story.registry.record_ids(&subject).len(), 4);
    story.stored(parent);
    assert_eq!(story.registry.record_ids(&subject).len(), 5 + MAX_WAITING_PER_SUBJECT);
}

/// T14, T15. Documents that strangers make and grant to me by the thousand are their own affair: nothing of
/// mine changes, and nothing is signed in my name. (That I see none of them before I accept is the engine's.)
#[test]
fn unsolicited_grants_by_the_thousand() {
    let mut story = Story::new();
    let before = format!("{:?}", story.registry.access(story.document));
    for number in 0..1000_u32 {
        let by = &story.mallory;
        let mut genesis = document(by.id, &by.key, 0);
        if let Record::Genesis(gift) = genesis.record() {
            let mut gift = gift.clone();
            gift.nonce[..4].copy_from_slice(&number.to_be_bytes());
            genesis = Record::Genesis(gift).sign(&by.key).unwrap();
        }
        let gift = granting(resource_of(&genesis), by.id, &by.key, Audience::Person(story.cy.id));
        let gift = Record::Grant(Grant { role: Role::Admin, share: true, ..gift }).sign(&by.key).unwrap();
        story.stored(genesis);
        story.stored(gift);
    }
    assert_eq!(format!("{:?}", story.registry.access(story.document)), before);
    assert_eq!(story.registry.resources_naming(story.cy.id).len(), 1001);
    assert_eq!(story.registry.resources_naming(story.ada.id).len(), 1);
}

/// T15. keyline's gift certificate raises somebody's power over his head. Here he gives it back: his own
/// revocation ends it, and what he has by others stays.
#[test]
fn a_gift_is_given_back() {
    let mut story = Story::new();
    let gift = story.admin(&story.ben, &story.cy, Parent::Grant(story.to_ben));
    let id = story.stored(gift);
    assert_eq!(story.role(&story.cy), Some(Role::Admin));
    story.stored(story.revoke(&story.cy, id));
    assert_eq!(story.role(&story.cy), Some(Role::Write));
}

/// T16. What is granted to a person holds for devices added later; what is granted to a device is its alone.
#[test]
fn person_and_device_as_audience() {
    let mut story = Story::new();
    let (phone, kiosk) = (device(20), device(21));
    let grant = granting(story.document, story.olga.id, &story.olga.key, Audience::Device(kiosk.public()));
    story.stored(Record::Grant(grant).sign(&story.olga.key).unwrap());
    story.stored(operation(
        story.cy.id,
        &story.cy.key,
        &[story.cy.genesis()],
        adding(story.cy.id, &phone, Capacity::Full),
    ));
    assert_eq!(story.role_of_device(&phone), Some(Role::Write));
    let home = person(&kiosk, 30);
    let owner = roster_of(&home);
    story.stored(home);
    assert_eq!(story.role_of_device(&kiosk), Some(Role::Write));
    assert_eq!(story.registry.access(story.document).unwrap().role_of_person(&owner), None);
}

/// T5. Ending a grant in a space leaves what was granted in a document of it, and the other way round.
#[test]
fn space_revocation_and_document_grant() {
    let mut story = Story::new();
    let space = beginning(ResourceKind::Space, story.olga.id, None, &story.olga.key, 3);
    let place = resource_of(&space);
    let within = beginning(ResourceKind::Document, story.olga.id, Some(place), &story.olga.key, 4);
    let inside = resource_of(&within);
    story.stored(space);
    story.stored(within);
    let sign = |resource, role| {
        let grant = granting(resource, story.olga.id, &story.olga.key, Audience::Person(story.mallory.id));
        Record::Grant(Grant { role, ..grant }).sign(&story.olga.key).unwrap()
    };
    let (in_space, in_document) = (sign(place, Role::Write), sign(inside, Role::Read));
    let (end_space, end_document) = (
        revoking(place, story.olga.id, &story.olga.key, in_space.id()),
        revoking(inside, story.olga.id, &story.olga.key, in_document.id()),
    );
    let role = |story: &Story| story.registry.access(inside).unwrap().role_of_person(&story.mallory.id);
    story.stored(in_space);
    assert_eq!(role(&story), Some(Role::Write));
    story.stored(in_document);
    assert_eq!(role(&story), Some(Role::Write));
    story.stored(end_space);
    assert_eq!(role(&story), Some(Role::Read));
    story.stored(end_document);
    assert_eq!(role(&story), None);
}

/// T16. Nobody but who owns something deletes it, and nobody but an Admin keeps changes out of it.
#[test]
fn a_writer_deletes_and_excludes_nothing() {
    let mut story = Story::new();
    for who in [3, 4, 5] {
        story.tell(crate::cast::deleting(story.document, &device(who)));
    }
    for who in [4, 5] {
        story.tell(excluding(story.document, &device(who), who));
    }
    let access = story.registry.access(story.document).unwrap();
    assert!(!access.deleted);
    assert!(access.excluded().is_empty());
    story.tell(excluding(story.document, &device(3), 3));
    assert_eq!(story.registry.access(story.document).unwrap().excluded().len(), 1);
}

/// T15, and Matrix' room ids before MSC4291, which anybody could squat: an id is the hash of a signed genesis,
/// so no other record can have it, and nothing begins in the name of somebody who did not sign.
#[test]
fn an_id_is_not_squatted() {
    let story = Story::new();
    let mine = document(story.olga.id, &story.olga.key, 50);
    let Record::Genesis(genesis) = mine.record() else { panic!("a genesis") };
    let mut theirs = genesis.clone();
    theirs.by = story.mallory.key.public();
    let stolen = Record::Genesis(theirs.clone()).sign(&story.mallory.key).unwrap();
    assert_ne!(stolen.id(), mine.id());
    let mut registry = story.registry;
    // Olga may yet say that this is a device of hers, so it waits; she does not.
    assert_eq!(registry.insert(stolen.clone()), Inserted::Waiting);
    assert!(registry.access(resource_of(&stolen)).is_none());
    theirs.owner = story.mallory.id;
    let own = Record::Genesis(theirs).sign(&story.mallory.key).unwrap();
    assert_eq!(registry.insert(own.clone()), Inserted::New);
    assert_ne!(resource_of(&own), resource_of(&mine));
}

/// T3. The same records twice, in parts, and in every order of six: one answer.
#[test]
fn order_duplication_partition_shuffles_converge() {
    let story = Story::new();
    let revoke = story.revoke(&story.ada, story.to_cy);
    let again = story.write(&story.ben, &story.cy, Parent::Grant(story.to_ben));
    let subject = Subject::Resource(story.document);
    let mut records: Vec<_> = story.registry.records(&subject).cloned().chain([revoke, again]).collect();
    let people: Vec<_> = [1, 2, 3, 4].into_iter().map(|number| person(&device(number), number)).collect();
    let mut answers = std::collections::BTreeSet::new();
    let mut orders = 0;
    permute(&mut records, 0, &mut |order| {
        let registry = registry(order.iter().take(2).chain(&people).chain(order).chain(order.iter().rev()));
        answers.insert((registry.digest(&subject), format!("{:?}", registry.access(story.document))));
        orders += 1;
    });
    assert_eq!((orders, answers.len()), (720, 1));
}

fn permute<T>(items: &mut [T], from: usize, each: &mut impl FnMut(&[T])) {
    if from == items.len() {
        return each(items);
    }
    for other in from..items.len() {
        items.swap(from, other);
        permute(items, from + 1, each);
        items.swap(from, other);
    }
}
