//! Groups of people: one grant for all of them, whoever they are by then.

use katori_acl::{Capacity, Genesis, PersonId, Principal, Record, ResourceId, ResourceKind, Role, Subject};
use katori_core::engine::{Command, CommandError, Standing};
use katori_sim::{DeviceIndex, World};

use crate::{offer, owner};

fn grant_to_group(world: &mut World, by: DeviceIndex, document: ResourceId, group: PersonId, role: Role) {
    let grant = Command::Grant { document, to: Principal::Person(group), offer: offer(role) };
    world.command(by, grant).expect("granted to the group");
}

/// Takes what was offered, having met whoever offers it.
fn take(world: &mut World, by: DeviceIndex, document: ResourceId, who: DeviceIndex) {
    world.sync(by, who);
    world.accept(who, document);
    world.sync(by, who);
}

#[test]
fn a_grant_to_a_group_is_one_to_everybody_in_it() {
    let (mut world, olga, document) = owner(1);
    let (ben, carl) = (world.person("ben", 2), world.person("carl", 1)[0]);
    let group = world.create_group(olga, "choir");
    world.add_member(olga, group, ben[0], Capacity::Limited);
    world.add_member(olga, group, carl, Capacity::Limited);
    grant_to_group(&mut world, olga, document, group, Role::Write);
    world.write(olga, document, "first");
    for member in [ben[0], ben[1], carl] {
        take(&mut world, olga, document, member);
        world.write(member, document, &format!("by {member}"));
        world.sync(olga, member);
    }
    world.sync_all(&[olga, ben[0], ben[1], carl]);
    let expected = world.keys(olga, document);
    assert_eq!(expected.len(), 4);
    for member in [ben[0], ben[1], carl] {
        assert_eq!(world.keys(member, document), expected);
        assert!(world.device(member).held(document).is_empty());
    }
}

#[test]
fn what_people_of_a_group_in_a_group_gave_away_stays_when_that_group_goes() {
    let (mut world, olga, document) = owner(21);
    let (ben, carl) = (world.person("ben", 1)[0], world.person("carl", 1)[0]);
    let (outer, inner) = (world.create_group(olga, "house"), world.create_group(olga, "choir"));
    world.add_member(olga, inner, ben, Capacity::Full);
    let nested = Command::AddMember { group: outer, member: inner, capacity: Capacity::Full };
    world.command(olga, nested).expect("a group in a group");
    grant_to_group(&mut world, olga, document, outer, Role::Admin);
    take(&mut world, olga, document, ben);
    world.grant(ben, document, carl, Role::Write);
    world.sync(olga, ben);
    take(&mut world, ben, document, carl);
    assert_eq!(world.role(olga, document, carl), Some(Role::Write));
    world.command(olga, Command::RemoveMember { group: outer, member: inner }).expect("removed");
    world.sync_all(&[olga, ben, carl]);
    assert_eq!(world.role(olga, document, ben), None, "the inner group is out");
    for device in [olga, carl] {
        assert_eq!(
            world.role(device, document, carl),
            Some(Role::Write),
            "device {device}: ben's guest stays"
        );
    }
}

#[test]
fn who_comes_into_a_group_later_gets_everything_it_has() {
    let (mut world, olga, document) = owner(2);
    let ben = world.person("ben", 1)[0];
    let group = world.create_group(olga, "choir");
    world.add_member(olga, group, ben, Capacity::Limited);
    grant_to_group(&mut world, olga, document, group, Role::Write);
    take(&mut world, olga, document, ben);
    world.write(ben, document, "old");
    world.sync(olga, ben);
    let carl = world.person("carl", 1)[0];
    world.add_member(olga, group, carl, Capacity::Limited);
    take(&mut world, olga, document, carl);
    assert_eq!(world.keys(carl, document), ["old"]);
    world.write(carl, document, "new");
    world.sync(olga, carl);
    world.sync(olga, ben);
    assert_eq!(world.keys(ben, document), ["new", "old"], "ben heard of carl from olga");
}

#[test]
fn who_goes_from_a_group_loses_what_it_has_and_is_told() {
    let (mut world, olga, document) = owner(3);
    let (ben, carl) = (world.person("ben", 1)[0], world.person("carl", 1)[0]);
    let group = world.create_group(olga, "choir");
    world.add_member(olga, group, ben, Capacity::Limited);
    world.add_member(olga, group, carl, Capacity::Limited);
    grant_to_group(&mut world, olga, document, group, Role::Write);
    take(&mut world, olga, document, ben);
    take(&mut world, olga, document, carl);
    world.write(ben, document, "by ben");
    world.sync(olga, ben);
    let member = world.person_of(ben);
    world.command(olga, Command::RemoveMember { group, member }).expect("removed");
    world.write(olga, document, "without ben");
    world.sync(olga, ben);
    assert_eq!(world.keys(ben, document), ["by ben"]);
    assert_eq!(world.keys(olga, document), ["by ben", "without ben"], "what was accepted stays");
    world.sync(olga, carl);
    assert_eq!(world.keys(carl, document), ["by ben", "without ben"], "carl is as he was");
    assert_eq!(world.role(ben, document, ben), None, "ben is told");
    assert!(!world.edit(ben, document, "nope"));
    assert_eq!(world.standing(ben, document), Standing::Left);
}

#[test]
fn a_group_in_a_group_counts_as_everybody_in_it() {
    let (mut world, olga, document) = owner(4);
    let (ben, carl) = (world.person("ben", 1)[0], world.person("carl", 1)[0]);
    let inner = world.create_group(ben, "sopranos");
    world.add_member(ben, inner, carl, Capacity::Limited);
    let outer = world.create_group(olga, "choir");
    world.introduce(ben, olga);
    world.introduce(carl, olga);
    let roster = world.records(ben, Subject::Roster(inner));
    world.command(olga, Command::Meet { roster }).expect("olga meets the sopranos");
    let add = Command::AddMember { group: outer, member: inner, capacity: Capacity::Limited };
    world.command(olga, add).expect("a group is a member");
    grant_to_group(&mut world, olga, document, outer, Role::Write);
    world.write(olga, document, "first");
    for member in [ben, carl] {
        take(&mut world, olga, document, member);
        world.write(member, document, &format!("by {member}"));
        world.sync(olga, member);
    }
    world.sync_all(&[olga, ben, carl]);
    assert_eq!(world.keys(olga, document).len(), 3);
    assert_eq!(world.keys(carl, document), world.keys(olga, document));
    // The inner group is ben's to change, and what it changes holds in the outer one.
    let member = world.person_of(carl);
    world.command(ben, Command::RemoveMember { group: inner, member }).expect("removed");
    world.sync(ben, olga);
    assert_eq!(world.role(olga, document, carl), None);
    assert_eq!(world.role(olga, document, ben), Some(Role::Write));
}

#[test]
fn what_a_group_granted_stands_when_the_member_who_signed_it_goes() {
    let (mut world, olga, document) = owner(5);
    let ben = world.person("ben", 1)[0];
    let group = world.create_group(olga, "board");
    world.add_member(olga, group, ben, Capacity::Full);
    grant_to_group(&mut world, olga, document, group, Role::Admin);
    take(&mut world, olga, document, ben);
    let carl = world.member("carl", ben, document, Role::Write);
    world.write(carl, document, "by carl");
    world.sync_all(&[olga, ben, carl]);
    let member = world.person_of(ben);
    world.command(olga, Command::RemoveMember { group, member }).expect("removed");
    world.sync(olga, carl);
    for device in [olga, carl] {
        assert_eq!(world.role(device, document, ben), None);
        assert_eq!(
            world.role(device, document, carl),
            Some(Role::Write),
            "the group granted it, and is there still"
        );
    }
    world.write(carl, document, "more");
    world.sync(olga, carl);
    assert_eq!(world.keys(olga, document), ["by carl", "more"]);
}

#[test]
fn a_group_outlives_the_device_that_made_it() {
    let mut world = World::new(51);
    let devices = world.person("olga", 2);
    let (laptop, phone) = (devices[0], devices[1]);
    let document = world.create(laptop, "document");
    let ben = world.person("ben", 1)[0];
    let group = world.create_group(laptop, "choir");
    world.add_member(laptop, group, ben, Capacity::Full);
    grant_to_group(&mut world, laptop, document, group, Role::Write);
    take(&mut world, laptop, document, ben);
    world.write(ben, document, "by ben");
    world.sync_all(&[laptop, phone, ben]);
    world.remove_device(phone, laptop, true);
    world.sync(phone, ben);
    for device in [phone, ben] {
        assert_eq!(world.role(device, document, ben), Some(Role::Write), "device {device}");
        assert_eq!(world.keys(device, document), ["by ben"], "device {device}");
    }
    let carl = world.person("carl", 1)[0];
    world.add_member(phone, group, carl, Capacity::Limited);
    assert_eq!(world.role(phone, document, carl), Some(Role::Write), "and it goes on");
}

#[test]
fn a_limited_member_uses_what_the_group_has_and_gives_nothing_away() {
    let (mut world, olga, document) = owner(6);
    let (ben, carl) = (world.person("ben", 1)[0], world.person("carl", 1)[0]);
    let group = world.create_group(olga, "board");
    world.add_member(olga, group, ben, Capacity::Limited);
    grant_to_group(&mut world, olga, document, group, Role::Admin);
    take(&mut world, olga, document, ben);
    world.introduce(carl, ben);
    let to = Principal::Person(world.person_of(carl));
    let refused = world.command(ben, Command::Grant { document, to, offer: offer(Role::Read) });
    assert!(matches!(refused, Err(CommandError::NotAllowed { .. })), "{refused:?}");
    let member = world.person_of(carl);
    let refused = world.command(ben, Command::AddMember { group, member, capacity: Capacity::Full });
    assert_eq!(refused, Err(CommandError::NotYourGroup(group)));
}

#[test]
fn a_group_may_own_a_document_and_any_full_member_stands_for_it() {
    let mut world = World::new(7);
    let (olga, ben) = (world.person("olga", 1)[0], world.person("ben", 1)[0]);
    let group = world.create_group(olga, "household");
    world.add_member(olga, group, ben, Capacity::Full);
    let key = world.device(olga).identity.key.clone();
    let genesis = Record::Genesis(Genesis {
        kind: ResourceKind::Document,
        owner: group,
        space: None,
        name: "shopping".to_owned(),
        nonce: [3; 16],
        alias: [4; 16],
        by: key.public(),
    });
    let genesis = genesis.sign(&key).expect("a good record");
    let Subject::Resource(document) = genesis.subject() else { panic!("a genesis of a document") };
    let records = vec![genesis.bytes().to_vec()];
    world.command(olga, Command::Joined { document, records }).expect("taken");
    world.write(olga, document, "by olga");
    take(&mut world, olga, document, ben);
    world.write(ben, document, "by ben");
    world.sync(olga, ben);
    assert_eq!(world.keys(olga, document), ["by ben", "by olga"]);
    // Who founded the group may go; what is the group's stays the group's.
    let rita = world.member("rita", ben, document, Role::Read);
    let member = world.person_of(olga);
    world.command(ben, Command::RemoveMember { group, member }).expect("ben is a full member too");
    world.sync(ben, rita);
    assert_eq!(world.role(rita, document, olga), None);
    assert_eq!(world.role(rita, document, ben), Some(Role::Admin));
    assert_eq!(world.keys(rita, document), ["by ben", "by olga"]);
}
