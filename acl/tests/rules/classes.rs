//! Documents that differ in nothing but their names are of one class, and changes are told once for all of them.

use std::sync::Arc;

use katori_acl::{AccessChange, Registry, ResourceKind, Role};

use crate::world::{Terms, WRITE, World, device};

#[test]
fn those_without_records_of_their_own_share_who_may_do_what() {
    let mut world = World::default();
    let olga = (world.person(&device(1)), device(1));
    let ada = world.person(&device(2));
    let space = world.space(olga.0, &olga.1);
    let (one, other) = (world.document(olga.0, &olga.1), world.document(olga.0, &olga.1));
    let born = world.document_in(space, olga.0, &olga.1);
    let registry = &world.registry;
    let class = registry.class_of(one).unwrap();
    assert_eq!((class.owner, class.kind, class.space), (olga.0, ResourceKind::Document, None));
    assert_eq!(registry.class_of(other), Some(class));
    assert_ne!(registry.class_of(born), Some(class));
    let rights = |registry: &Registry, id| Arc::clone(registry.rights(id).unwrap());
    assert!(Arc::ptr_eq(&rights(registry, one), &rights(registry, other)));
    assert!(Arc::ptr_eq(registry.rights_of_class(&class).unwrap(), &rights(registry, one)));
    let access = |id| registry.access(id).unwrap();
    assert_eq!((access(one).resource, access(other).resource), (one, other));
    assert!(Arc::ptr_eq(access(one).rights(), access(other).rights()));

    world.grant(one, olga.0, &olga.1, ada, WRITE);
    assert_eq!(world.registry.class_of(one), None);
    assert_eq!(world.registry.class_of(other), Some(class));
    assert_eq!((world.role(one, ada), world.role(other, ada)), (Some(Role::Write), None));
    let (classes, awake) = world.registry.classes_naming(ada);
    assert_eq!((classes, awake), ([].into(), [one].into()));
}

#[test]
fn a_change_of_a_roster_is_told_once_for_all_of_a_class() {
    let mut world = World::default();
    let olga = (world.person(&device(1)), device(1));
    let ada = (world.person(&device(2)), device(2));
    let space = world.space(olga.0, &olga.1);
    let plain: Vec<_> = (0..20).map(|_| world.document(olga.0, &olga.1)).collect();
    let born: Vec<_> = (0..20).map(|_| world.document_in(space, olga.0, &olga.1)).collect();
    let shared = world.document(olga.0, &olga.1);
    world.grant(shared, olga.0, &olga.1, ada.0, WRITE);
    let class_of = |world: &World, id| world.registry.class_of(id).unwrap();
    let (of_plain, of_born) = (class_of(&world, plain[0]), class_of(&world, born[0]));
    let of_space = class_of(&world, space);
    world.registry.take_access_changes();
    for id in [plain[0], born[0], space, shared] {
        assert!(world.registry.rights(id).is_some());
    }

    world.add(olga.0, &olga.1, &device(3));
    let changes = world.registry.take_access_changes();
    let told: Vec<_> = changes.classes.keys().copied().collect();
    assert_eq!(told, [of_plain, of_born, of_space]);
    assert_eq!(changes.resources.keys().copied().collect::<Vec<_>>(), [shared]);
    assert!(changes.classes.values().chain(changes.resources.values()).all(AccessChange::only_gains));
    assert!(plain.iter().all(|id| world.registry.rights(*id).unwrap().writers().count() == 2));

    world.remove(olga.0, &olga.1, &device(3), &[]);
    let changes = world.registry.take_access_changes();
    assert_eq!(changes.classes.len(), 3);
    assert!(!changes.classes.values().any(AccessChange::only_gains));

    // What is granted in the space reaches what was born there, and nothing else.
    world.grant(space, olga.0, &olga.1, ada.0, WRITE);
    let changes = world.registry.take_access_changes();
    assert_eq!(changes.classes.keys().copied().collect::<Vec<_>>(), [of_born]);
    assert!(changes.classes[&of_born].only_gains() && changes.resources[&space].only_gains());
    assert_eq!(world.role(born[7], ada.0), Some(Role::Write));
    assert_eq!(world.role(plain[7], ada.0), None);

    // A document that is new, or no longer one of many, is told by itself.
    let new = world.document(olga.0, &olga.1);
    world.grant(plain[3], olga.0, &olga.1, ada.0, WRITE);
    let changes = world.registry.take_access_changes();
    assert!(changes.classes.is_empty());
    assert_eq!(changes.resources.len(), 2);
    assert_eq!(changes.resources[&new].before, None);
    assert!(changes.resources[&plain[3]].only_gains());
    world.delete(plain[3], &olga.1);
    assert!(!world.registry.take_access_changes().resources[&plain[3]].only_gains());
}

#[test]
fn who_leaves_a_class_between_two_changes_had_what_all_of_it_had() {
    let mut world = World::default();
    let olga = (world.person(&device(1)), device(1));
    let ada = world.person(&device(2));
    let space = world.space(olga.0, &olga.1);
    let [one, other] = [(); 2].map(|()| world.document_in(space, olga.0, &olga.1));
    let granted = world.grant(space, olga.0, &olga.1, ada, WRITE);
    let ask = |world: &World| [one, other].map(|id| world.registry.rights(id).is_some());
    ask(&world);
    world.registry.take_access_changes();

    world.revoke(space, olga.0, &olga.1, granted);
    let mut changes = world.registry.take_access_changes();
    ask(&world);
    world.grant(one, olga.0, &olga.1, ada, Terms { role: Role::Read, ..WRITE });
    let later = world.registry.take_access_changes();
    assert!(later.only_gain_in(&world.registry, one), "by itself it is more");
    changes.extend(later);
    ask(&world);
    for document in [one, other] {
        assert!(!changes.only_gain_in(&world.registry, document), "ada writes no more");
    }
    let untouched = world.document(olga.0, &olga.1);
    assert!(changes.only_gain_in(&world.registry, untouched));
}
