//! Groups of people: the same rule as for the devices of a person, and usable wherever a person is.

use katori_acl::bounds::MAX_NESTING;
use katori_acl::{
    Audience, Capacity, DeviceKey, Inserted, Issuer, LinkStatus, Member, Missing, Parent, PersonId,
    Principal, Record, RecordId, Refusal, ResourceId, Role, RosterAction, Tombstone,
};

use crate::world::{
    ADMIN, WRITE, World, add_person, assert_any_order, device, group_operation, revocation_by,
};

type Somebody = (PersonId, DeviceKey);

/// Olga has a document and gives it to a club that Ada founded, of which Ben is a full and Cy a limited member.
struct Story {
    world: World,
    document: ResourceId,
    club: PersonId,
    olga: Somebody,
    ada: Somebody,
    ben: Somebody,
    cy: Somebody,
    to_club: RecordId,
}

fn story() -> Story {
    let mut world = World::default();
    let mut person = |number| {
        let key = device(number);
        (world.person(&key), key)
    };
    let (olga, ada, ben, cy) = (person(1), person(2), person(3), person(4));
    let document = world.document(olga.0, &olga.1);
    let club = world.group(ada.0, &ada.1);
    world.join(club, ada.0, &ada.1, ben.0, Capacity::Full);
    world.join(club, ada.0, &ada.1, cy.0, Capacity::Limited);
    let to_club = world.give(document, Issuer::Person(olga.0), &olga.1, Audience::Group(club), ADMIN);
    Story { world, document, club, olga, ada, ben, cy, to_club }
}

#[test]
fn what_a_group_is_given_its_persons_have() {
    let Story { mut world, document, club, olga, ada, ben, cy, .. } = story();
    for (person, key) in [&ada, &ben, &cy] {
        assert_eq!(world.role(document, *person), Some(Role::Admin));
        let access = world.registry.access(document).unwrap();
        assert_eq!(access.role_of_device(&key.public()), Some(Role::Admin));
        assert_eq!(access.standing_of_person(person).unwrap().depth, 1);
    }
    let access = world.registry.access(document).unwrap();
    assert_eq!(access.groups().map(|(group, _)| group).collect::<Vec<_>>(), [club]);
    assert_eq!(access.writers().count(), 4);
    let phone = device(30);
    world.add(cy.0, &cy.1, &phone);
    let access = world.registry.access(document).unwrap();
    assert_eq!(access.role_of_device(&phone.public()), Some(Role::Admin), "a device added later");
    world.part(club, ben.0, &ben.1, cy.0, &[]);
    assert_eq!(world.role(document, cy.0), None);
    assert_eq!(world.ever(document, cy.0), Some(Role::Admin), "by signatures alone");
    assert_eq!(world.registry.groups_of(ben.0), [club]);
    assert_eq!(world.registry.groups_of(cy.0), []);
    let mut named = vec![olga.0, club, ada.0, ben.0, cy.0];
    named.sort();
    assert_eq!(world.registry.rosters_named_by(document), named);
    assert_eq!(world.registry.resources_naming(cy.0), [document], "what was, too: others have to hear of it");
    assert_any_order(&world);
}

#[test]
fn a_full_member_grants_and_revokes_for_the_group() {
    let Story { mut world, document, club, olga, ben, cy, to_club, .. } = story();
    let dee = (world.person(&device(5)), device(5));
    let name = Issuer::Group(club);
    let parent = Some((name, Parent::Grant(to_club)));
    assert_eq!(world.registry.authority(ben.1.public(), document, Role::Write), parent);
    assert_eq!(world.registry.authority(cy.1.public(), document, Role::Write), None, "a limited member");
    assert!(world.registry.speaks_for(name, ben.1.public()));
    assert!(!world.registry.speaks_for(name, cy.1.public()));
    assert!(!world.registry.speaks_for(Issuer::Person(club), ben.1.public()));
    let to_dee = world.give(document, name, &ben.1, Audience::Person(dee.0), WRITE.under(to_club));
    assert_eq!(world.role(document, dee.0), Some(Role::Write));
    assert_eq!(world.registry.revocable(ben.1.public(), document), [(to_club, name), (to_dee, name)].into());
    assert_eq!(world.registry.live_grants(document), [to_club, to_dee].into());

    let by_limited = world.grant_by(document, name, &cy.1, Audience::Person(dee.0), ADMIN.under(to_club));
    assert_eq!(world.insert(Record::Grant(by_limited).sign(&cy.1).unwrap()).1, Inserted::Waiting);
    let as_person = world.grant_of(document, ben.0, &ben.1, Audience::Person(dee.0), ADMIN.under(to_club));
    let inserted = world.insert(Record::Grant(as_person).sign(&ben.1).unwrap()).1;
    assert_eq!(
        inserted,
        Inserted::Refused(Refusal::NotTheIssuersToGive),
        "it was given to the club, not to Ben"
    );
    let wrong = world.grant_by(document, Issuer::Group(olga.0), &olga.1, Audience::Person(dee.0), WRITE);
    let inserted = world.insert(Record::Grant(wrong).sign(&olga.1).unwrap()).1;
    assert_eq!(inserted, Inserted::Refused(Refusal::WrongKind("an issuer")));

    let end = revocation_by(document, name, &ben.1, to_dee);
    world.stored(end);
    assert_eq!(world.role(document, dee.0), None);
    assert_any_order(&world);
}

#[test]
fn what_the_group_gave_stands_when_its_signer_leaves_if_it_is_kept() {
    for keep in [false, true] {
        let Story { mut world, document, club, ada, ben, to_club, .. } = story();
        let (dee, eve) = (world.person(&device(5)), world.person(&device(6)));
        let name = Issuer::Group(club);
        let to_dee = world.give(document, name, &ben.1, Audience::Person(dee), WRITE.under(to_club));
        let to_eve = world.give(document, name, &ben.1, Audience::Person(eve), WRITE.under(to_club));
        let signed = world.registry.records_signed_by(ben.1.public());
        assert!(signed.contains(&to_dee) && signed.contains(&to_eve) && signed.len() == 2);
        let kept = if keep { vec![to_dee] } else { vec![] };
        world.part(club, ada.0, &ada.1, ben.0, &kept);
        assert_eq!(world.role(document, dee).is_some(), keep);
        assert_eq!(world.role(document, eve), None);
        let status = world.registry.grant_status(to_eve);
        assert_eq!(status, Some(LinkStatus::SignerRemoved(ben.1.public())));
        assert_any_order(&world);
    }
}

#[test]
fn a_device_lost_by_its_person_no_longer_speaks_for_the_group() {
    let Story { mut world, document, club, ben, to_club, .. } = story();
    let phone = device(30);
    world.add(ben.0, &ben.1, &phone);
    let (dee, eve) = ((world.person(&device(5)), device(5)), world.person(&device(6)));
    let name = Issuer::Group(club);
    let kept = world.give(document, name, &phone, Audience::Person(dee.0), WRITE.under(to_club));
    world.give(document, name, &phone, Audience::Person(eve), WRITE.under(to_club));
    let added = group_operation(club, ben.0, &phone, &world.heads(club), add_person(eve, Capacity::Full));
    let added = world.stored(added);
    assert!(world.registry.roster(club).unwrap().contains_person(&eve));
    world.remove(ben.0, &ben.1, &phone, &[kept]);
    assert_eq!(world.role(document, dee.0), Some(Role::Write), "the removal kept this grant");
    assert!(!world.registry.roster(club).unwrap().contains_person(&eve), "what the phone signed is void");
    assert_eq!(world.role(document, eve), None);
    assert!(world.registry.contains(&added), "and stored, for it could have counted");
    assert_any_order(&world);
}

#[test]
fn of_two_that_remove_each_other_the_senior_stays() {
    let Story { mut world, document, club, ada, ben, cy, .. } = story();
    let heads = world.heads(club);
    let remove = |gone: PersonId| RosterAction::Remove { member: Member::Person(gone), keep: vec![] };
    world.stored(group_operation(club, ben.0, &ben.1, &heads, remove(ada.0)));
    assert_eq!(world.role(document, ada.0), None);
    world.stored(group_operation(club, ada.0, &ada.1, &heads, remove(ben.0)));
    assert_eq!((world.role(document, ada.0), world.role(document, ben.0)), (Some(Role::Admin), None));
    assert_eq!(world.role(document, cy.0), Some(Role::Admin));
    world.join(club, ada.0, &ada.1, ben.0, Capacity::Full);
    assert_eq!(world.role(document, ben.0), None, "a removed person never returns");
    assert_any_order(&world);
}

#[test]
fn groups_within_groups_reach_so_far_and_no_further() {
    let Story { mut world, document, club, ada, .. } = story();
    let mut inner = club;
    let mut groups = Vec::new();
    let mut persons: Vec<Somebody> = Vec::new();
    for number in 0..MAX_NESTING {
        let key = device(20 + u8::try_from(number).unwrap());
        let person = world.person(&key);
        let group = world.group(person, &key);
        let founder = if number == 0 { ada.clone() } else { persons[number - 1].clone() };
        world.join(inner, founder.0, &founder.1, group, Capacity::Full);
        groups.push(group);
        persons.push((person, key));
        inner = group;
    }
    let role = |world: &World, number: usize| world.role(document, persons[number].0);
    assert_eq!((role(&world, 0), role(&world, 1)), (Some(Role::Admin), Some(Role::Admin)));
    assert_eq!(world.registry.access(document).unwrap().ever_role_of_person(&persons[2].0), None, "too deep");
    assert!(world.registry.speaks_for(Issuer::Group(club), persons[1].1.public()));
    assert!(!world.registry.speaks_for(Issuer::Group(club), persons[2].1.public()));
    assert!(world.registry.speaks_for(Issuer::Group(groups[0]), persons[2].1.public()));
    // A member of a group within signs for that one, as a member of the outer one.
    let dee = world.person(&device(40));
    let operation =
        group_operation(club, groups[0], &persons[1].1, &world.heads(club), add_person(dee, Capacity::Full));
    world.stored(operation);
    assert_eq!(world.role(document, dee), Some(Role::Admin));
    // It goes when that group does, and only what nobody else had seen with it.
    world.part(club, ada.0, &ada.1, groups[0], &[]);
    assert_eq!((role(&world, 0), role(&world, 1)), (None, None));
    assert_eq!(world.role(document, dee), Some(Role::Admin));
    assert_any_order(&world);
}

#[test]
fn groups_in_a_circle_are_harmless() {
    let Story { mut world, document, club, olga, ada, ben, .. } = story();
    let ring: Vec<PersonId> = (0..3).map(|_| world.group(ben.0, &ben.1)).collect();
    for (at, group) in ring.iter().enumerate() {
        world.join(*group, ben.0, &ben.1, ring[(at + 1) % ring.len()], Capacity::Full);
    }
    world.join(ring[0], ben.0, &ben.1, ring[0], Capacity::Full);
    world.join(club, ada.0, &ada.1, ring[0], Capacity::Full);
    world.join(ring[2], ben.0, &ben.1, club, Capacity::Full);
    let dee = world.person(&device(5));
    world.join(ring[1], ben.0, &ben.1, dee, Capacity::Full);
    assert_eq!(world.role(document, dee), Some(Role::Admin));
    // One group of the circle removes the other in the name of the third: an end comes, and one answer.
    let gone = RosterAction::Remove { member: Member::Person(ring[0]), keep: vec![] };
    world.stored(group_operation(club, ring[0], &device(5), &world.heads(club), gone));
    assert_eq!(world.role(document, dee), None);
    assert_eq!(world.role(document, olga.0), Some(Role::Admin));
    assert_any_order(&world);
}

#[test]
fn a_group_owns_documents() {
    let Story { mut world, club, ada, ben, cy, .. } = story();
    let document = world.document(club, &ben.1);
    for (person, _) in [&ada, &ben, &cy] {
        assert_eq!(world.role(document, *person), Some(Role::Admin));
    }
    let name = Issuer::Group(club);
    assert_eq!(
        world.registry.authority(ada.1.public(), document, Role::Admin),
        Some((name, Parent::Genesis))
    );
    let dee = world.person(&device(5));
    let grant = world.grant_of(document, ada.0, &ada.1, Audience::Person(dee), WRITE);
    let inserted = world.insert(Record::Grant(grant).sign(&ada.1).unwrap()).1;
    assert_eq!(inserted, Inserted::Refused(Refusal::NotTheIssuersToGive), "not Ada's, but the club's");
    world.give(document, name, &ada.1, Audience::Person(dee), WRITE);
    assert_eq!(world.role(document, dee), Some(Role::Write));
    let by_limited = Tombstone { resource: document, by: cy.1.public() };
    assert_eq!(world.insert(Record::Tombstone(by_limited).sign(&cy.1).unwrap()).1, Inserted::Waiting);
    let deleted = world.delete(document, &ben.1);
    assert!(world.registry.access(document).unwrap().deleted);
    world.part(club, ada.0, &ada.1, ben.0, &[]);
    assert!(!world.registry.access(document).unwrap().deleted, "Ben's word went with him");
    assert!(world.registry.contains(&deleted));
    assert_eq!(world.role(document, dee), Some(Role::Write));
    assert_any_order(&world);
}

#[test]
fn a_stranger_changes_no_group() {
    let Story { mut world, club, ben, .. } = story();
    let mallory = (world.person(&device(9)), device(9));
    let heads = world.heads(club);
    let add = || add_person(mallory.0, Capacity::Full);
    let own = group_operation(club, mallory.0, &mallory.1, &heads, add());
    assert_eq!(world.insert(own).1, Inserted::Refused(Refusal::NotEntitled(mallory.1.public())));
    let forged = group_operation(club, ben.0, &mallory.1, &heads, add());
    assert_eq!(world.insert(forged).1, Inserted::Waiting, "Ben may yet say that this is his device");
    let nameless = crate::world::operation(club, &ben.1, &heads, add());
    assert_eq!(world.insert(nameless).1, Inserted::Refused(Refusal::WrongKind("a roster operation")));
    let device_in_group = crate::world::add(club, &mallory.1, Capacity::Full);
    let record = group_operation(club, ben.0, &ben.1, &heads, device_in_group);
    assert_eq!(world.insert(record).1, Inserted::Refused(Refusal::WrongKind("a member of a roster")));
    let person_in_person = crate::world::operation(ben.0, &ben.1, &world.heads(ben.0), add());
    assert_eq!(
        world.insert(person_in_person).1,
        Inserted::Refused(Refusal::WrongKind("a member of a roster"))
    );
    assert!(!world.registry.roster(club).unwrap().contains_person(&mallory.0));
}

#[test]
fn a_chain_through_groups_is_explained() {
    let Story { mut world, document, club, ada, cy, to_club, .. } = story();
    let inner = world.group(cy.0, &cy.1);
    let dee = (world.person(&device(5)), device(5));
    world.join(inner, cy.0, &cy.1, dee.0, Capacity::Full);
    world.join(club, ada.0, &ada.1, inner, Capacity::Limited);
    let why = world.registry.explain(Principal::Device(dee.1.public()), document);
    assert_eq!((why.role, why.missing), (Some(Role::Admin), None));
    assert_eq!(why.chains.len(), 1);
    assert_eq!((why.chains[0].groups.as_slice(), why.chains[0].belongs), (&[club, inner][..], true));
    assert_eq!(why.chains[0].links[0].grant, to_club);
    assert!(why.chains[0].is_live() && why.to_string().contains("member of group"), "{why}");
    world.part(club, ada.0, &ada.1, inner, &[]);
    let why = world.registry.explain(Principal::Person(dee.0), document);
    assert_eq!((why.role, why.missing), (None, Some(Missing::GroupLeft(club))));
    assert!(!why.chains[0].is_live() && why.to_string().contains("no longer"), "{why}");
    let served = world.registry.limited_records_for(document, dee.0);
    assert_eq!(served.len(), 2, "the genesis, and the grant it had through the club");
}
