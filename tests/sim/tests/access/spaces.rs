//! Spaces: what is granted in one holds for every document born in it, and nothing of one is kept unasked.

use katori_acl::{ResourceId, Role, Subject};
use katori_core::engine::{Command, CommandError, MAX_UNKNOWN_SUBJECTS, Standing};
use katori_sim::{DeviceIndex, World};

/// Olga owns a space with one document in it.
fn space(seed: u64) -> (World, DeviceIndex, ResourceId, ResourceId) {
    let mut world = World::new(seed);
    let olga = world.person("olga", 1)[0];
    let space = world.create_space(olga, "club");
    let document = world.create_in(olga, space, "minutes");
    world.write(olga, document, "first");
    (world, olga, space, document)
}

#[test]
fn a_grant_in_a_space_covers_what_was_born_before_it_and_after_it() {
    let (mut world, olga, space, before) = space(1);
    let ben = world.member("ben", olga, space, Role::Write);
    world.sync(olga, ben);
    assert_eq!(world.keys(ben, before), ["first"]);
    let after = world.create_in(olga, space, "accounts");
    world.write(olga, after, "second");
    world.sync(olga, ben);
    assert_eq!(world.keys(ben, after), ["second"], "nobody granted or accepted anything again");
    world.write(ben, before, "by ben");
    // Ben writes in the space, so what he makes there is shared as well.
    let bens = world.create_in(ben, space, "songs");
    world.write(ben, bens, "third");
    world.sync(olga, ben);
    assert_eq!(world.keys(olga, before), ["by ben", "first"]);
    assert_eq!(world.keys(olga, bens), ["third"]);
    assert!(world.device(olga).held(before).is_empty());
}

#[test]
fn a_large_space_comes_in_one_session() {
    let (mut world, olga, space, first) = space(12);
    let others: Vec<ResourceId> =
        (0..MAX_UNKNOWN_SUBJECTS + 100).map(|_| world.create_in(olga, space, "one of many")).collect();
    world.write(olga, others[0], "there");
    let ben = world.person("ben", 1)[0];
    world.grant(olga, space, ben, Role::Read);
    world.connect(olga, ben);
    world.run();
    world.command(ben, Command::Accept { document: space }).expect("ben accepts");
    world.run();
    assert_eq!(world.keys(ben, first), ["first"]);
    assert_eq!(world.keys(ben, others[0]), ["there"]);
    let missing = others.iter().filter(|document| world.standing(ben, **document) != Standing::Accepted);
    assert_eq!(missing.count(), 0);
}

#[test]
fn what_is_made_in_a_space_while_both_are_connected_comes_at_once() {
    let (mut world, olga, space, _) = space(2);
    let ben = world.member("ben", olga, space, Role::Read);
    world.connect(olga, ben);
    world.run();
    let document = world.create_in(olga, space, "live");
    world.write(olga, document, "now");
    assert_eq!(world.keys(ben, document), ["now"]);
}

#[test]
fn who_is_let_in_later_gets_the_whole_history() {
    let (mut world, olga, space, document) = space(3);
    let ben = world.member("ben", olga, space, Role::Write);
    for index in 0..20 {
        let writer = if index % 2 == 0 { olga } else { ben };
        world.write(writer, document, &format!("k{index:02}"));
        world.sync(olga, ben);
    }
    let carl = world.member("carl", olga, space, Role::Read);
    world.sync(olga, carl);
    assert_eq!(world.device(carl).heads(document), world.device(olga).heads(document));
    let history = world.device(carl).document(document).history().count();
    assert_eq!(history, 21, "every change, and not only the last state");
}

#[test]
fn nothing_of_a_space_that_was_not_accepted_is_kept() {
    let (mut world, olga, space, document) = space(4);
    let ben = world.person("ben", 1)[0];
    world.grant(olga, space, ben, Role::Write);
    world.sync(olga, ben);
    assert_eq!(world.standing(ben, space), Standing::Offered);
    assert_eq!(world.standing(ben, document), Standing::Unknown);
    assert!(world.records(ben, Subject::Resource(document)).is_empty(), "not even its genesis");
    for index in 0..30 {
        let more = world.create_in(olga, space, &format!("d{index}"));
        world.write(olga, more, "stuffing");
    }
    world.sync(olga, ben);
    let known = world.device(ben).engine.as_ref().map(|engine| engine.documents().count());
    assert_eq!(known, Some(1), "the offer of the space, and nothing else");
    world.accept(ben, space);
    world.sync(olga, ben);
    let held = world.device(ben).engine.as_ref().map(|engine| engine.documents().count());
    assert_eq!(held, Some(32));
    assert_eq!(world.keys(ben, document), ["first"]);
}

#[test]
fn who_has_one_document_of_a_space_knows_who_writes_in_it() {
    let (mut world, olga, space, document) = space(5);
    let other = world.create_in(olga, space, "not for rita");
    world.write(olga, other, "secret");
    let ben = world.member("ben", olga, space, Role::Write);
    world.sync(olga, ben);
    world.write(ben, document, "by ben");
    world.sync(olga, ben);
    let rita = world.member("rita", olga, document, Role::Read);
    world.sync(olga, rita);
    assert_eq!(world.keys(rita, document), ["by ben", "first"]);
    assert_eq!(world.role(rita, document, ben), Some(Role::Write), "by a grant in the space");
    assert!(world.device(rita).held(document).is_empty());
    assert_eq!(world.standing(rita, space), Standing::Unknown, "which she has no role in");
    assert_eq!(world.standing(rita, other), Standing::Unknown);
    assert!(world.records(rita, Subject::Resource(other)).is_empty());
    // And she hears when that ends.
    world.revoke(olga, space, ben);
    world.sync(olga, rita);
    assert_eq!(world.role(rita, document, ben), None);
    assert_eq!(world.keys(rita, document), ["by ben", "first"], "what was accepted stays");
}

#[test]
fn a_role_in_a_space_that_ends_takes_all_its_documents_and_says_so() {
    let (mut world, olga, space, document) = space(6);
    let ben = world.member("ben", olga, space, Role::Write);
    let second = world.create_in(olga, space, "second");
    world.sync(olga, ben);
    world.revoke(olga, space, ben);
    world.write(olga, document, "not for ben");
    world.sync(olga, ben);
    for document in [document, second] {
        assert!(!world.edit(ben, document, "nope"));
        assert_eq!(world.role(ben, document, ben), None);
        assert_eq!(world.standing(ben, document), Standing::Left);
    }
    assert_eq!(world.keys(ben, document), ["first"], "what he has stays readable");
    let third = world.create_in(olga, space, "third");
    world.sync(olga, ben);
    assert_eq!(world.standing(ben, third), Standing::Unknown);
}

#[test]
fn a_document_granted_by_itself_outlives_the_role_in_its_space() {
    let (mut world, olga, space, document) = space(7);
    let ben = world.member("ben", olga, space, Role::Write);
    world.grant(olga, document, ben, Role::Read);
    world.sync(olga, ben);
    world.revoke(olga, space, ben);
    world.write(olga, document, "later");
    world.sync(olga, ben);
    assert_eq!(world.role(ben, document, ben), Some(Role::Read));
    assert_eq!(world.keys(ben, document), ["first", "later"]);
    assert_eq!(world.standing(ben, space), Standing::Left);
}

#[test]
fn less_in_the_space_and_something_in_the_document_at_once_is_less() {
    for seed in 50..60 {
        let (mut world, olga, space, document) = space(seed);
        let ben = world.member("ben", olga, space, Role::Write);
        let carl = world.member("carl", olga, space, Role::Write);
        world.sync_all(&[olga, ben, carl]);
        world.write(ben, document, "by ben");
        world.sync(ben, carl);
        // Several changes of access come one upon the other.
        let friends = world.person("dora", 3);
        for device in &friends {
            world.grant(olga, space, *device, Role::Read);
        }
        world.revoke(olga, space, ben);
        world.grant(olga, document, ben, Role::Read);
        world.sync(olga, carl);
        assert!(world.keys(carl, document).contains(&"by ben".to_owned()), "seed {seed}");
        assert!(
            world.keys(olga, document).contains(&"by ben".to_owned()),
            "carl vouches for it, seed {seed}"
        );
    }
}

#[test]
fn a_deleted_space_takes_its_documents_with_it_for_ever() {
    let (mut world, olga, space, document) = space(8);
    let ben = world.member("ben", olga, space, Role::Admin);
    world.sync(olga, ben);
    let rita = world.member("rita", olga, document, Role::Read);
    world.sync(ben, rita);
    world.command(olga, Command::Delete { document: space }).expect("the owner deletes");
    world.sync_all(&[olga, ben, rita]);
    for device in [olga, ben, rita] {
        assert_eq!(world.standing(device, document), Standing::Deleted, "device {device}");
        assert!(world.device(device).shows(document).is_empty());
    }
    let refused = world.command(ben, Command::Create { name: "again".to_owned(), space: Some(space) });
    assert_eq!(refused, Err(CommandError::UnknownSpace(space)));
    world.sync_all(&[olga, ben, rita]);
    assert!(world.device(ben).shows(document).is_empty());
}

#[test]
fn who_leaves_a_space_leaves_its_documents() {
    let (mut world, olga, space, document) = space(9);
    let ben = world.member("ben", olga, space, Role::Write);
    world.sync(olga, ben);
    world.write(ben, document, "by ben");
    world.sync(olga, ben);
    world.command(ben, Command::Leave { document: space }).expect("ben leaves");
    world.sync(olga, ben);
    assert_eq!(world.role(olga, document, ben), None);
    world.write(olga, document, "without him");
    world.sync(olga, ben);
    assert!(!world.keys(ben, document).contains(&"without him".to_owned()));
    assert_eq!(world.keys(olga, document), ["by ben", "first", "without him"]);
}

#[test]
fn a_space_that_is_put_away_is_put_away_with_all_that_is_in_it_here_and_now_only() {
    let (mut world, olga, space, document) = space(10);
    let ben = world.member("ben", olga, space, Role::Write);
    world.sync(olga, ben);
    world.command(ben, Command::Forget { document: space }).expect("put away");
    assert_eq!(world.standing(ben, document), Standing::Forgotten);
    let later = world.create_in(olga, space, "later");
    world.write(olga, later, "content");
    world.sync(olga, ben);
    let engine = world.device(ben).engine.as_ref();
    assert!(!engine.is_some_and(|engine| engine.holds_content(later)), "nothing new comes of it");
    assert_eq!(
        world.role(olga, document, ben),
        Some(Role::Write),
        "nobody else is told, and nothing is signed"
    );
    world.accept(ben, space);
    world.sync(olga, ben);
    assert_eq!(world.keys(ben, document), ["first"]);
    assert_eq!(world.keys(ben, later), ["content"]);
}

#[test]
fn only_who_writes_in_a_space_makes_documents_in_it() {
    let (mut world, olga, space, _) = space(11);
    let rita = world.member("rita", olga, space, Role::Read);
    let refused = world.command(rita, Command::Create { name: "mine".to_owned(), space: Some(space) });
    assert!(matches!(refused, Err(CommandError::NotAllowed { .. })), "{refused:?}");
    let stranger = world.person("stranger", 1)[0];
    let refused = world.command(stranger, Command::Create { name: "mine".to_owned(), space: Some(space) });
    assert_eq!(refused, Err(CommandError::UnknownSpace(space)));
}
