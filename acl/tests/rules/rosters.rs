//! Who belongs to a person when its devices add and remove each other without having heard of it.

use katori_acl::{Capacity, Inserted, Member, Refusal, RosterAction};

use crate::world::{World, add, device, operation};

#[test]
fn a_removed_device_is_gone_and_never_returns() {
    let mut world = World::default();
    let (laptop, phone) = (device(1), device(2));
    let ben = world.person(&laptop);
    world.add(ben, &laptop, &phone);
    assert!(world.contains(ben, &phone));
    assert_eq!(world.registry.person_of(phone.public()), Some(ben));
    world.remove(ben, &laptop, &phone, &[]);
    assert!(!world.contains(ben, &phone));
    world.add(ben, &laptop, &phone);
    assert!(!world.contains(ben, &phone), "adding the same key again is void");
    assert_eq!(world.registry.person_of(phone.public()), None);
    assert_eq!(world.registry.person_ever_of(phone.public()), Some(ben));
}

#[test]
fn of_two_that_remove_each_other_the_senior_stays() {
    let mut world = World::default();
    let (laptop, phone, tablet) = (device(1), device(2), device(3));
    let ben = world.person(&laptop);
    world.add(ben, &laptop, &phone);
    world.add(ben, &laptop, &tablet);
    let heads = world.heads(ben);
    world.remove_seeing(ben, &tablet, &phone, &[], &heads);
    world.remove_seeing(ben, &phone, &tablet, &[], &heads);
    assert!(world.contains(ben, &phone) && !world.contains(ben, &tablet));
    world.remove_seeing(ben, &phone, &laptop, &[], &heads);
    world.remove_seeing(ben, &laptop, &phone, &[], &heads);
    assert!(world.contains(ben, &laptop) && !world.contains(ben, &phone));
    assert!(world.contains(ben, &tablet), "the phone's removal of the tablet is void with the phone's word");
}

#[test]
fn of_three_in_a_circle_the_founder_decides() {
    let mut world = World::default();
    let (laptop, phone, tablet) = (device(1), device(2), device(3));
    let ben = world.person(&laptop);
    world.add(ben, &laptop, &phone);
    world.add(ben, &laptop, &tablet);
    let heads = world.heads(ben);
    world.remove_seeing(ben, &phone, &tablet, &[], &heads);
    world.remove_seeing(ben, &tablet, &laptop, &[], &heads);
    world.remove_seeing(ben, &laptop, &phone, &[], &heads);
    // The laptop removes the phone first; the phone's word is void, so the tablet's stands.
    assert!(!world.contains(ben, &phone));
    assert!(world.contains(ben, &tablet));
    assert!(!world.contains(ben, &laptop));
}

#[test]
fn a_removal_that_its_author_knew_of_still_counts() {
    let mut world = World::default();
    let (laptop, phone, tablet) = (device(1), device(2), device(3));
    let ben = world.person(&laptop);
    world.add(ben, &laptop, &phone);
    world.add(ben, &laptop, &tablet);
    world.remove(ben, &phone, &tablet, &[]);
    world.remove(ben, &laptop, &phone, &[]);
    assert!(
        !world.contains(ben, &tablet),
        "the laptop had seen the phone's removal when it removed the phone"
    );
}

#[test]
fn a_removed_device_adds_nobody_behind_its_removers_back() {
    let mut world = World::default();
    let (laptop, phone, puppet, second, tablet) = (device(1), device(2), device(3), device(4), device(5));
    let ben = world.person(&laptop);
    let added = world.add(ben, &laptop, &phone);
    world.add(ben, &laptop, &tablet);
    let kept = device(6);
    world.add(ben, &phone, &kept);
    world.remove(ben, &laptop, &phone, &[]);
    let first = world.add_seeing(ben, &phone, &puppet, &[added]);
    let chained = world.add_seeing(ben, &puppet, &second, &[first]);
    world.remove_seeing(ben, &second, &laptop, &[], &[chained]);
    world.remove_seeing(ben, &puppet, &laptop, &[], &[first]);
    assert!(!world.contains(ben, &puppet) && !world.contains(ben, &second));
    assert!(world.contains(ben, &laptop) && world.contains(ben, &tablet));
    assert!(world.contains(ben, &kept), "what the remover had seen stands");
}

#[test]
fn a_void_add_gives_no_seniority() {
    let mut world = World::default();
    let (laptop, thief, mule, phone) = (device(1), device(2), device(3), device(4));
    let ben = world.person(&laptop);
    let thief_added = world.add(ben, &laptop, &thief);
    world.add(ben, &laptop, &device(5));
    world.add(ben, &laptop, &phone);
    world.add(ben, &laptop, &mule);
    let heads = world.heads(ben);
    world.remove(ben, &laptop, &thief, &[]);
    // The thief, removed already, claims to have added the mule long ago.
    let back_dated = world.add_seeing(ben, &thief, &mule, &[thief_added]);
    let mut seen = heads.clone();
    seen.push(back_dated);
    world.remove_seeing(ben, &mule, &phone, &[], &seen);
    world.remove_seeing(ben, &phone, &mule, &[], &heads);
    assert!(world.contains(ben, &phone) && !world.contains(ben, &mule));
}

#[test]
fn a_limited_device_signs_nothing_for_the_roster() {
    let mut world = World::default();
    let (laptop, tv, phone) = (device(1), device(2), device(3));
    let ben = world.person(&laptop);
    let record = operation(ben, &laptop, &world.heads(ben), add(ben, &tv, Capacity::Limited));
    assert_eq!(world.insert(record).1, Inserted::New);
    let roster = world.registry.roster(ben).unwrap();
    assert!(roster.contains(&tv.public()) && !roster.is_full(&tv.public()));
    let refused = Inserted::Refused(Refusal::NotEntitled(tv.public()));
    let record = operation(ben, &tv, &world.heads(ben), add(ben, &phone, Capacity::Full));
    assert_eq!(world.insert(record).1, refused);
    let remove = RosterAction::Remove { member: Member::Device(laptop.public()), keep: vec![] };
    let record = operation(ben, &tv, &world.heads(ben), remove);
    assert_eq!(world.insert(record).1, refused);
}

#[test]
fn a_stranger_changes_nothing_and_nothing_of_his_is_kept() {
    let mut world = World::default();
    let (laptop, stranger) = (device(1), device(9));
    let ben = world.person(&laptop);
    let record = operation(ben, &stranger, &world.heads(ben), add(ben, &stranger, Capacity::Full));
    let (id, inserted) = world.insert(record);
    assert_eq!(inserted, Inserted::Refused(Refusal::NotEntitled(stranger.public())));
    assert!(!world.registry.contains(&id));
    let remove = RosterAction::Remove { member: Member::Device(stranger.public()), keep: vec![] };
    let record = operation(ben, &laptop, &world.heads(ben), remove);
    assert_eq!(
        world.insert(record).1,
        Inserted::Refused(Refusal::NotAMember(Member::Device(stranger.public())))
    );
}

#[test]
fn what_several_removals_keep_adds_up() {
    let mut world = World::default();
    let (laptop, phone, tablet) = (device(1), device(2), device(3));
    let ben = world.person(&laptop);
    world.add(ben, &laptop, &phone);
    world.add(ben, &laptop, &tablet);
    let document = world.document(ben, &laptop);
    let ada = world.person(&device(7));
    let cy = world.person(&device(8));
    let to_ada = world.grant(document, ben, &tablet, ada, crate::world::WRITE);
    let to_cy = world.grant(document, ben, &tablet, cy, crate::world::WRITE);
    let heads = world.heads(ben);
    world.remove_seeing(ben, &laptop, &tablet, &[to_ada], &heads);
    assert!(world.role(document, ada).is_some() && world.role(document, cy).is_none());
    world.remove_seeing(ben, &phone, &tablet, &[to_cy], &heads);
    assert!(world.role(document, ada).is_some() && world.role(document, cy).is_some());
    let roster = world.registry.roster(ben).unwrap();
    assert!(roster.kept(&tablet.public(), &to_ada) && roster.kept(&tablet.public(), &to_cy));
}

#[test]
fn nobody_takes_over_a_device_by_naming_it() {
    let mut world = World::default();
    let (laptop, mallory) = (device(1), device(2));
    let ben = world.person(&laptop);
    let other = world.person(&mallory);
    world.add(other, &mallory, &laptop);
    assert_eq!(world.registry.person_of(laptop.public()), Some(ben));
}

#[test]
fn nobody_keeps_its_own_work_by_leaving() {
    let mut world = World::default();
    let (laptop, stolen, phone) = (device(1), device(2), device(3));
    let ben = world.person(&laptop);
    world.add(ben, &laptop, &stolen);
    world.add(ben, &laptop, &phone);
    let document = world.document(ben, &laptop);
    let (ada, mallory) = (world.person(&device(7)), world.person(&device(8)));
    let to_ada = world.grant(document, ben, &stolen, ada, crate::world::WRITE);
    let to_mallory = world.grant(document, ben, &stolen, mallory, crate::world::WRITE);
    let member = Member::Device(stolen.public());
    let left = world.remove(ben, &stolen, &stolen, &[to_ada, to_mallory]);
    assert!(world.role(document, ada).is_none() && world.role(document, mallory).is_none());
    let roster = world.registry.roster(ben).unwrap();
    assert!(!roster.contains(&stolen.public()) && roster.has_left(&member));
    // Another device says what of it goes on counting, whether or not it has seen that.
    let by = Member::Device(phone.public());
    let previous = world.registry.heads_to_remove(ben, member, by);
    assert!(!previous.contains(&left));
    world.remove_seeing(ben, &phone, &stolen, &[to_ada], &previous);
    assert!(world.role(document, ada).is_some() && world.role(document, mallory).is_none());
    assert!(!world.registry.roster(ben).unwrap().has_left(&member));
    crate::world::assert_any_order(&world);
}
