//! `explain` gives the chain behind a role, or what is missing.

use katori_acl::{LinkStatus, Missing, Principal, ResourceId, Role};

use crate::world::{ADMIN, WRITE, World, device};

#[test]
fn a_role_is_explained_by_its_chain() {
    let mut world = World::default();
    let olga = (world.person(&device(1)), device(1));
    let (ada, cy) = ((world.person(&device(2)), device(2)), (world.person(&device(3)), device(3)));
    let document = world.document(olga.0, &olga.1);
    let to_ada = world.grant(document, olga.0, &olga.1, ada.0, ADMIN);
    let to_cy = world.grant(document, ada.0, &ada.1, cy.0, WRITE.under(to_ada));

    let why = world.registry.explain(Principal::Device(cy.1.public()), document);
    assert_eq!((why.role, why.missing), (Some(Role::Write), None));
    assert_eq!(why.chains.len(), 1);
    assert_eq!(why.chains[0].through, Some(cy.0));
    let links: Vec<_> = why.chains[0].links.iter().map(|link| (link.grant, link.status)).collect();
    assert_eq!(links, [(to_ada, LinkStatus::Live), (to_cy, LinkStatus::Live)]);
    let text = why.to_string();
    assert!(text.contains("has write in") && text.contains(&to_cy.short()), "{text}");
    let why = world.registry.explain(Principal::Person(olga.0), document);
    assert!(why.chains[0].owner && why.to_string().contains("owner"));

    let end = world.revoke(document, olga.0, &olga.1, to_ada);
    let why = world.registry.explain(Principal::Person(cy.0), document);
    assert_eq!((why.role, why.missing), (None, Some(Missing::AllEnded)));
    let links: Vec<_> = why.chains[0].links.iter().map(|link| link.status).collect();
    let issuer = katori_acl::Issuer::Person(olga.0);
    assert_eq!(links, [LinkStatus::Revoked { record: end, issuer }, LinkStatus::ParentEnded(to_ada)]);
    assert!(why.to_string().contains("revoked by person"), "{why}");
}

#[test]
fn what_is_missing_is_named() {
    let mut world = World::default();
    let olga = (world.person(&device(1)), device(1));
    let ada = (world.person(&device(2)), device(2));
    let document = world.document(olga.0, &olga.1);
    let missing = |world: &World, who| world.registry.explain(who, document).missing;
    let phone = device(3);
    assert_eq!(missing(&world, Principal::Person(ada.0)), Some(Missing::NeverGranted));
    assert_eq!(missing(&world, Principal::Device(phone.public())), Some(Missing::UnknownDevice));
    world.add(olga.0, &olga.1, &phone);
    assert_eq!(missing(&world, Principal::Device(phone.public())), None);
    world.remove(olga.0, &olga.1, &phone, &[]);
    let removed = Some(Missing::DeviceRemoved(olga.0));
    assert_eq!(missing(&world, Principal::Device(phone.public())), removed);
    world.delete(document, &olga.1);
    assert_eq!(missing(&world, Principal::Person(olga.0)), Some(Missing::Deleted));
    let elsewhere = ResourceId::from_bytes([0; 32]);
    let why = world.registry.explain(Principal::Person(olga.0), elsewhere);
    assert_eq!(why.missing, Some(Missing::UnknownResource));
    assert!(why.to_string().contains("nothing is known of it here"));
}
