//! Exclusions: an admin's word that something stays out, for everybody.

use katori_acl::{ResourceId, Role};
use katori_core::document::{HeldReason, TakeInError};
use katori_core::engine::{Command, CommandError};
use katori_sim::{DeviceIndex, World};

use crate::owner;

fn exclude(world: &mut World, by: DeviceIndex, document: ResourceId, key: &str) -> automerge::ChangeHash {
    let changes = world.copy(by, document).get_changes(&[]);
    let bears = |change: &automerge::Change| {
        change.raw_bytes().windows(key.len()).any(|window| window == key.as_bytes())
    };
    let hash = changes.iter().find(|change| bears(change)).expect("it is shown").hash();
    let reason = "spam".to_owned();
    world.command(by, Command::Exclude { document, changes: vec![hash], reason }).expect("excluded");
    hash
}

#[test]
fn what_an_admin_excludes_is_gone_for_everybody_with_what_builds_on_it() {
    let (mut world, olga, document) = owner(1);
    let anna = world.member("anna", olga, document, Role::Admin);
    let ben = world.member("ben", olga, document, Role::Write);
    world.write(olga, document, "first");
    world.sync_all(&[olga, anna, ben]);
    world.write(ben, document, "spam");
    world.write(ben, document, "on top");
    world.sync_all(&[olga, anna, ben]);
    let hash = exclude(&mut world, anna, document, "spam");
    world.sync_all(&[olga, anna, ben]);
    for device in [olga, anna, ben] {
        assert_eq!(world.keys(device, document), ["first"], "device {device}");
        let held = world.device(device).held(document);
        let spam = held.iter().find(|held| held.hash == hash).expect("it is kept and shown as held back");
        assert_eq!(spam.reason, HeldReason::Excluded);
        assert!(held.iter().any(|held| held.reason == HeldReason::BuildsOnHeld { on: hash }));
    }
    // Not even the owner's vouch brings it back while the word stands, and everybody can go on.
    let refused = world.command(olga, Command::TakeIn { document, changes: vec![hash] });
    assert!(matches!(refused, Err(CommandError::TakeIn(TakeInError::Impossible { .. }))), "{refused:?}");
    world.write(ben, document, "better");
    world.sync_all(&[olga, anna, ben]);
    assert_eq!(world.keys(anna, document), ["better", "first"]);
    assert!(world.device(olga).document(document).forkers().is_empty());
}

#[test]
fn a_writer_excludes_nothing() {
    let (mut world, olga, document) = owner(2);
    let ben = world.member("ben", olga, document, Role::Write);
    world.write(olga, document, "first");
    world.sync(olga, ben);
    let changes = world.device(ben).heads(document);
    let refused = world.command(ben, Command::Exclude { document, changes, reason: String::new() });
    assert!(matches!(refused, Err(CommandError::NotAllowed { .. })), "{refused:?}");
}

#[test]
fn who_takes_an_admins_role_away_stands_in_for_what_it_excluded() {
    let (mut world, olga, document) = owner(3);
    let anna = world.member("anna", olga, document, Role::Admin);
    let ben = world.member("ben", olga, document, Role::Write);
    world.write(ben, document, "spam");
    world.sync_all(&[olga, anna, ben]);
    exclude(&mut world, anna, document, "spam");
    world.sync_all(&[olga, anna, ben]);
    world.revoke(olga, document, anna);
    world.sync_all(&[olga, ben]);
    for device in [olga, ben] {
        assert!(world.keys(device, document).is_empty(), "device {device}");
    }
    let by: Vec<_> =
        world.access(ben, document).expect("known").exclusions().iter().map(|one| one.by).collect();
    assert_eq!(by, [world.device(olga).id()], "olga signed it anew");
}

#[test]
fn an_exclusion_arrives_before_what_it_excludes_and_still_counts() {
    let (mut world, olga, document) = owner(4);
    let ben = world.member("ben", olga, document, Role::Write);
    let carl = world.member("carl", olga, document, Role::Read);
    world.sync_all(&[olga, ben, carl]);
    world.write(ben, document, "spam");
    world.sync(olga, ben);
    exclude(&mut world, olga, document, "spam");
    world.crash(carl);
    world.start(carl);
    world.sync(olga, carl);
    assert!(world.keys(carl, document).is_empty());
    world.sync(ben, carl);
    assert!(world.keys(carl, document).is_empty());
    assert_eq!(world.device(carl).held(document).len(), 1);
}

#[test]
fn an_admin_who_goes_by_himself_leaves_his_exclusions_to_the_owner_or_they_end() {
    let (mut world, olga, document) = owner(5);
    let anna = world.member("anna", olga, document, Role::Admin);
    let ben = world.member("ben", olga, document, Role::Write);
    world.write(ben, document, "spam");
    world.sync_all(&[olga, anna, ben]);
    exclude(&mut world, anna, document, "spam");
    world.sync_all(&[olga, anna, ben]);
    world.command(anna, Command::Leave { document }).expect("anna leaves");
    world.sync_all(&[olga, anna, ben]);
    // Nobody took it away, so nobody stood in: it shows again, the same everywhere, and can be excluded anew.
    assert_eq!(world.keys(olga, document), world.keys(ben, document));
    assert_eq!(world.keys(olga, document), ["spam"]);
    exclude(&mut world, olga, document, "spam");
    world.sync(olga, ben);
    assert!(world.keys(ben, document).is_empty());
}
