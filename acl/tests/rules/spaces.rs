//! Documents born in a space: what is granted there holds in them, now and later.

use katori_acl::{
    Audience, Capacity, DeviceKey, Inserted, Issuer, Parent, PersonId, Principal, Record, Refusal,
    ResourceId, ResourceKind, Role,
};

use crate::world::{ADMIN, Terms, WRITE, World, assert_any_order, device};

type Somebody = (PersonId, DeviceKey);

/// Olga's space, in which Ada is an Admin and Ben writes; Ben's document, born in it.
struct Story {
    world: World,
    space: ResourceId,
    document: ResourceId,
    olga: Somebody,
    ada: Somebody,
    ben: Somebody,
    cy: Somebody,
}

fn story() -> Story {
    let mut world = World::default();
    let mut person = |number| {
        let key = device(number);
        (world.person(&key), key)
    };
    let (olga, ada, ben, cy) = (person(1), person(2), person(3), person(4));
    let space = world.space(olga.0, &olga.1);
    world.grant(space, olga.0, &olga.1, ada.0, ADMIN);
    world.grant(space, olga.0, &olga.1, ben.0, WRITE);
    let document = world.document_in(space, ben.0, &ben.1);
    Story { world, space, document, olga, ada, ben, cy }
}

#[test]
fn what_is_granted_in_the_space_holds_in_its_documents_now_and_later() {
    let Story { mut world, space, document, olga, ada, ben, cy } = story();
    let role = |world: &World, person: &Somebody| world.role(document, person.0);
    assert_eq!(role(&world, &olga), Some(Role::Admin));
    assert_eq!(role(&world, &ada), Some(Role::Admin));
    assert_eq!(role(&world, &ben), Some(Role::Admin), "it is his");
    assert_eq!(role(&world, &cy), None);
    let access = world.registry.access(document).unwrap();
    let depth = |person: &Somebody| access.standing_of_person(&person.0).unwrap().depth;
    assert_eq!((depth(&ben), depth(&olga), depth(&ada)), (0, 1, 2), "its owner is the most senior");
    assert!(!access.standing_of_person(&ada.0).unwrap().share, "what is granted there is passed on there");
    assert_eq!((access.space, access.owner), (Some(space), ben.0));
    let read = Terms { role: Role::Read, ..WRITE };
    let to_cy = world.grant(space, olga.0, &olga.1, cy.0, read);
    assert_eq!(role(&world, &cy), Some(Role::Read));
    let own = world.grant(document, ben.0, &ben.1, cy.0, WRITE);
    assert_eq!(role(&world, &cy), Some(Role::Write), "the stronger of both");
    world.revoke(document, ben.0, &ben.1, own);
    assert_eq!(role(&world, &cy), Some(Role::Read));
    world.revoke(space, olga.0, &olga.1, to_cy);
    assert_eq!(role(&world, &cy), None);
    let tablet = device(30);
    world.add(ada.0, &ada.1, &tablet);
    let access = world.registry.access(document).unwrap();
    assert_eq!(access.role_of_device(&tablet.public()), Some(Role::Admin));
    assert_any_order(&world);
}

#[test]
fn who_holds_what_and_where_is_known() {
    let Story { world, space, document, olga, ada, ben, cy } = story();
    let registry = &world.registry;
    assert_eq!(registry.kind_of(space), Some(ResourceKind::Space));
    assert_eq!(registry.kind_of(document), Some(ResourceKind::Document));
    assert_eq!((registry.space_of(document), registry.space_of(space)), (Some(space), None));
    assert_eq!(registry.documents_in(space), [document]);
    let mut both = vec![space, document];
    both.sort();
    assert_eq!(registry.resources_naming(ada.0), both);
    assert_eq!(registry.resources_naming(cy.0), []);
    let mut named = vec![olga.0, ada.0, ben.0];
    named.sort();
    assert_eq!(registry.rosters_named_by(document), named);
    // In the document nobody but its owner has a grant to pass on, or to end.
    let owner = Some((Issuer::Person(ben.0), Parent::Genesis));
    assert_eq!(registry.authority(ben.1.public(), document, Role::Write), owner);
    assert_eq!(registry.authority(ada.1.public(), document, Role::Read), None);
    assert!(registry.revocable(olga.1.public(), document).is_empty());
    assert_eq!(registry.revocable(olga.1.public(), space).len(), 2);
}

#[test]
fn only_who_ever_held_write_has_documents_born_in_a_space() {
    let Story { mut world, space, document, olga, ada, cy, .. } = story();
    let record = world.genesis(ResourceKind::Document, Some(space), cy.0, &cy.1);
    let born = ResourceId::from_bytes(*record.id().as_bytes());
    assert_eq!(world.insert(record).1, Inserted::Waiting);
    let to_cy = world.grant(space, olga.0, &olga.1, cy.0, WRITE);
    assert_eq!(world.role(born, cy.0), Some(Role::Admin), "it had only come early");
    assert_eq!(world.role(born, ada.0), Some(Role::Admin));
    world.revoke(space, olga.0, &olga.1, to_cy);
    assert_eq!(world.role(born, cy.0), Some(Role::Admin), "the document stays his");
    assert_eq!(world.role(document, cy.0), None);
    let in_document = world.genesis(ResourceKind::Document, Some(document), olga.0, &olga.1);
    assert_eq!(world.insert(in_document).1, Inserted::Refused(Refusal::WrongKind("a document")));
    assert_any_order(&world);
}

#[test]
fn a_group_in_a_space_has_its_documents_and_makes_them() {
    let Story { mut world, space, document, olga, cy, .. } = story();
    let dee = (world.person(&device(5)), device(5));
    let club = world.group(cy.0, &cy.1);
    world.give(space, Issuer::Person(olga.0), &olga.1, Audience::Group(club), WRITE);
    assert_eq!(world.role(document, cy.0), Some(Role::Write));
    assert_eq!(world.role(document, dee.0), None);
    world.join(club, cy.0, &cy.1, dee.0, Capacity::Full);
    assert_eq!(world.role(document, dee.0), Some(Role::Write), "who joins the club later");
    let of_dee = world.document_in(space, dee.0, &dee.1);
    let of_club = world.document_in(space, club, &dee.1);
    for born in [of_dee, of_club] {
        assert_eq!(world.role(born, dee.0), Some(Role::Admin));
        assert_eq!(world.role(born, olga.0), Some(Role::Admin));
    }
    assert_eq!(world.role(of_club, cy.0), Some(Role::Admin));
    assert_eq!(world.role(of_dee, cy.0), Some(Role::Write));
    world.part(club, cy.0, &cy.1, dee.0, &[]);
    assert_eq!(world.role(document, dee.0), None);
    assert_any_order(&world);
}

#[test]
fn documents_go_with_their_space() {
    let Story { mut world, space, document, olga, ben, .. } = story();
    let phone = device(30);
    world.add(olga.0, &olga.1, &phone);
    world.delete(space, &phone);
    let access = world.registry.access(document).unwrap();
    assert!(access.deleted && access.writers().next().is_none());
    assert_eq!(access.ever_role_of_person(&ben.0), Some(Role::Admin));
    assert_eq!(world.registry.authority(ben.1.public(), document, Role::Read), None);
    world.remove(olga.0, &olga.1, &phone, &[]);
    assert_eq!(world.role(document, ben.0), Some(Role::Admin), "a stolen phone's word does not count");
    world.delete(space, &olga.1);
    assert_eq!(world.role(document, ben.0), None);
    assert_any_order(&world);
}

#[test]
fn a_role_by_the_space_is_explained_and_its_end_is_served() {
    let Story { mut world, space, document, olga, cy, .. } = story();
    let to_cy = world.grant(space, olga.0, &olga.1, cy.0, WRITE);
    let why = world.registry.explain(Principal::Person(cy.0), document);
    assert_eq!((why.role, why.chains.len()), (Some(Role::Write), 1));
    assert_eq!(why.chains[0].space, Some(space));
    assert_eq!(why.chains[0].links[0].grant, to_cy);
    assert!(why.to_string().contains("by the space"), "{why}");
    let end = world.revoke(space, olga.0, &olga.1, to_cy);
    let served = world.registry.limited_records_for(document, cy.0);
    let served: Vec<_> = served.iter().map(katori_acl::VerifiedRecord::id).collect();
    assert!(served.contains(&to_cy) && served.contains(&end) && served.len() == 4, "and both geneses");
    let nobody = world.person(&device(9));
    assert!(world.registry.limited_records_for(document, nobody).is_empty());
}

#[test]
fn the_persons_of_a_device_are_those_whose_rosters_ever_held_it_here_or_in_the_space() {
    let Story { mut world, document, olga, ada, ben, cy, .. } = story();
    let tablet = device(30);
    world.add(ada.0, &ada.1, &tablet);
    let access = world.registry.access(document).unwrap();
    let persons = |device: &DeviceKey| access.persons_of_device(&device.public()).iter().copied();
    assert!(persons(&tablet).eq([ada.0]), "through the space");
    assert!(persons(&ben.1).eq([ben.0]) && persons(&olga.1).eq([olga.0]));
    assert_eq!(persons(&cy.1).count(), 0, "who never had anything is nobody here");
    world.remove(ada.0, &ada.1, &tablet, &[]);
    let access = world.registry.access(document).unwrap();
    assert_eq!(access.role_of_device(&tablet.public()), None);
    assert!(access.persons_of_device(&tablet.public()).iter().eq([&ada.0]), "no removal takes that away");
    assert_any_order(&world);
}

#[test]
fn a_space_that_is_forgotten_gives_nothing_until_it_comes_again() {
    let Story { mut world, space, document, ada, ben, .. } = story();
    assert_eq!(world.role(document, ada.0), Some(Role::Admin));
    world.registry.forget(&katori_acl::Subject::Resource(space));
    assert_eq!((world.role(document, ada.0), world.role(document, ben.0)), (None, Some(Role::Admin)));
    for record in world.records.clone() {
        world.registry.insert(record);
    }
    assert_eq!(world.role(document, ada.0), Some(Role::Admin));
    assert_any_order(&world);
}

#[test]
fn only_a_document_is_born_in_a_space() {
    let Story { space, olga, .. } = story();
    let genesis = katori_acl::Genesis {
        kind: ResourceKind::Space,
        owner: olga.0,
        space: Some(space),
        name: String::new(),
        nonce: [0; 16],
        alias: [0; 16],
        by: olga.1.public(),
    };
    assert!(Record::Genesis(genesis).sign(&olga.1).is_err());
}
