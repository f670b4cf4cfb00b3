//! Names in a roster change by operations like any other.

use katori_acl::{
    Capacity, DeviceKey, Inserted, Member, PersonId, RecordId, Refusal, RosterAction, VerifiedRecord,
};

use crate::world::{World, add, assert_any_order, device, group_operation, operation};

fn rename(
    roster: PersonId,
    by: &DeviceKey,
    previous: &[RecordId],
    member: Option<Member>,
    name: &str,
) -> VerifiedRecord {
    operation(roster, by, previous, RosterAction::Rename { member, name: name.to_owned() })
}

#[test]
fn the_name_given_after_the_most_operations_stays() {
    let mut world = World::default();
    let (laptop, phone) = (device(1), device(2));
    let ben = world.person(&laptop);
    world.add(ben, &laptop, &phone);
    let member = Some(Member::Device(phone.public()));
    let name = |world: &World| world.registry.roster(ben).unwrap().devices[&phone.public()].name.clone();
    assert_eq!(name(&world), "next");
    world.stored(rename(ben, &laptop, &world.heads(ben), member, "phone"));
    world.stored(rename(ben, &phone, &world.heads(ben), member, "old phone"));
    assert_eq!(name(&world), "old phone");
    world.stored(rename(ben, &laptop, &world.heads(ben), None, "Benjamin"));
    assert_eq!(world.registry.roster(ben).unwrap().name, "Benjamin");
    assert_eq!(name(&world), "old phone");
    // Two at once: the lower id.
    let heads = world.heads(ben);
    let (one, two) =
        (rename(ben, &laptop, &heads, member, "one"), rename(ben, &phone, &heads, member, "two"));
    let expected = if one.id() < two.id() { "one" } else { "two" };
    world.stored(one);
    world.stored(two);
    assert_eq!(name(&world), expected);
    let founder = Some(Member::Device(laptop.public()));
    world.stored(rename(ben, &phone, &world.heads(ben), founder, "laptop"));
    assert_eq!(world.registry.roster(ben).unwrap().devices[&laptop.public()].name, "laptop");
    assert_any_order(&world);
}

#[test]
fn a_void_or_unentitled_name_does_not_count() {
    let mut world = World::default();
    let (laptop, thief, tv) = (device(1), device(2), device(3));
    let ben = world.person(&laptop);
    let added = world.add(ben, &laptop, &thief);
    let record = operation(ben, &laptop, &world.heads(ben), add(ben, &tv, Capacity::Limited));
    world.stored(record);
    world.remove(ben, &laptop, &thief, &[]);
    world.stored(rename(ben, &thief, &[added], None, "Mallory"));
    assert_eq!(world.registry.roster(ben).unwrap().name, "somebody");
    let by_tv = rename(ben, &tv, &world.heads(ben), None, "TV");
    assert_eq!(world.insert(by_tv).1, Inserted::Refused(Refusal::NotEntitled(tv.public())));
    let stranger = Member::Device(device(9).public());
    let of_stranger = rename(ben, &laptop, &world.heads(ben), Some(stranger), "x");
    assert_eq!(world.insert(of_stranger).1, Inserted::Refused(Refusal::NotAMember(stranger)));
    assert_any_order(&world);
}

#[test]
fn groups_and_their_members_have_names() {
    let mut world = World::default();
    let ada = (world.person(&device(1)), device(1));
    let ben = (world.person(&device(2)), device(2));
    let club = world.group(ada.0, &ada.1);
    world.join(club, ada.0, &ada.1, ben.0, Capacity::Full);
    for (member, name) in [(None, "chess"), (Some(Member::Person(ben.0)), "Benny")] {
        let action = RosterAction::Rename { member, name: name.to_owned() };
        world.stored(group_operation(club, ben.0, &ben.1, &world.heads(club), action));
    }
    let roster = world.registry.roster(club).unwrap();
    assert_eq!((roster.name.as_str(), roster.persons[&ben.0].name.as_str()), ("chess", "Benny"));
    assert_any_order(&world);
}
