//! A shelf: what a person keeps for its own devices, and nobody else's ever.

use katori_acl::{
    Audience, Capacity, Exclude, Inserted, Issuer, Record, RecordId, Refusal, ResourceKind, Revoke, Role,
};

use crate::world::{ADMIN, World, add, assert_any_order, device, operation};

#[test]
fn all_devices_of_a_person_write_its_shelf_and_nobody_else() {
    let mut world = World::default();
    let (laptop, phone, tv, stranger) = (device(1), device(2), device(3), device(4));
    let ben = world.person(&laptop);
    let ada = world.person(&stranger);
    let shelf = world.resource(ResourceKind::Shelf, None, ben, &laptop);
    assert_eq!(world.registry.kind_of(shelf), Some(ResourceKind::Shelf));
    world.add(ben, &laptop, &phone);
    let record = operation(ben, &laptop, &world.heads(ben), add(ben, &tv, Capacity::Limited));
    world.stored(record);
    let role = |world: &World, key: &katori_acl::DeviceKey| {
        world.registry.access(shelf).unwrap().role_of_device(&key.public())
    };
    for key in [&laptop, &phone, &tv] {
        assert_eq!(role(&world, key), Some(Role::Write));
    }
    assert_eq!(world.registry.authority(laptop.public(), shelf, Role::Read), None);
    let grant = world.grant_of(shelf, ben, &laptop, Audience::Person(ada), ADMIN);
    let refused = |what| Inserted::Refused(Refusal::WrongKind(what));
    assert_eq!(world.insert(Record::Grant(grant).sign(&laptop).unwrap()).1, refused("a grant in a shelf"));
    let (target, issuer) = (RecordId::from_bytes([1; 32]), Issuer::Person(ben));
    let revoke = Revoke { resource: shelf, target, issuer, erase: false, by: laptop.public() };
    let inserted = world.insert(Record::Revoke(revoke).sign(&laptop).unwrap()).1;
    assert_eq!(inserted, refused("a revocation in a shelf"));
    let exclude =
        Exclude { resource: shelf, changes: vec![[1; 32]], reason: String::new(), by: laptop.public() };
    assert_eq!(world.insert(Record::Exclude(exclude).sign(&laptop).unwrap()).1, refused("an exclusion"));
    assert_eq!(role(&world, &stranger), None);
    world.remove(ben, &laptop, &phone, &[]);
    assert_eq!(role(&world, &phone), None);
    assert_any_order(&world);
}

#[test]
fn a_stolen_phone_puts_no_other_shelf_in_its_place() {
    let mut world = World::default();
    let (laptop, phone) = (device(1), device(2));
    let ben = world.person(&laptop);
    assert_eq!(world.registry.shelf_of(ben), None);
    world.add(ben, &laptop, &phone);
    let shelves = [(); 4].map(|()| world.resource(ResourceKind::Shelf, None, ben, &laptop));
    let lowest = shelves.iter().min().copied();
    assert_eq!(world.registry.shelf_of(ben), lowest);
    world.remove(ben, &laptop, &phone, &[]);
    // The thief tries until the id is lower.
    let lower = loop {
        let record = world.genesis(ResourceKind::Shelf, None, ben, &phone);
        if record.id().as_bytes() < lowest.unwrap().as_bytes() {
            break world.stored(record);
        }
    };
    assert!(world.registry.contains(&lower));
    assert_eq!(world.registry.shelf_of(ben), lowest);
    assert!(world.registry.records_signed_by(phone.public()).contains(&lower));
    world.registry.forget(&katori_acl::Subject::Resource(lowest.unwrap()));
    assert!(world.registry.shelf_of(ben).is_some_and(|shelf| shelves.contains(&shelf)));
}

#[test]
fn a_group_has_no_shelf() {
    let mut world = World::default();
    let ada = (world.person(&device(1)), device(1));
    let club = world.group(ada.0, &ada.1);
    let record = world.genesis(ResourceKind::Shelf, None, club, &ada.1);
    assert_eq!(world.insert(record).1, Inserted::Refused(Refusal::WrongKind("a shelf")));
}
