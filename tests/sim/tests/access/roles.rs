//! Roles that change: up, down, away, given back, and what becomes of those who came by them.

use katori_acl::{Principal, Role};
use katori_core::engine::{Answer, Command, CommandError, Invitees, RevokeTerms, Standing};

use crate::{offer, owner};

fn instead(role: Role) -> RevokeTerms {
    RevokeTerms { instead: Some(offer(role)), ..RevokeTerms::default() }
}

#[test]
fn a_reader_that_is_promoted_writes_at_once() {
    let (mut world, olga, document) = owner(1);
    let ben = world.member("ben", olga, document, Role::Read);
    world.connect(olga, ben);
    world.run();
    assert!(!world.edit(ben, document, "too early"));
    world.grant(olga, document, ben, Role::Write);
    world.run();
    world.write(ben, document, "by ben");
    assert_eq!(world.keys(olga, document), ["by ben"]);
}

#[test]
fn demoted_writer_keeps_reading() {
    let (mut world, olga, document) = owner(2);
    let ben = world.member("ben", olga, document, Role::Write);
    world.write(ben, document, "accepted");
    world.sync(olga, ben);
    world.write(ben, document, "unseen");
    let answer = world.revoke_with(olga, document, ben, instead(Role::Read));
    assert_eq!(answer, Ok(Answer::Revoked { remaining: Some(Role::Read) }));
    world.write(olga, document, "later");
    world.sync(olga, ben);
    assert_eq!(world.role(ben, document, ben), Some(Role::Read));
    assert_eq!(world.standing(ben, document), Standing::Accepted);
    assert!(!world.edit(ben, document, "nope"));
    for device in [olga, ben] {
        assert_eq!(world.keys(device, document), ["accepted", "later"], "device {device}");
        assert_eq!(
            world.device(device).held(document).len(),
            1,
            "what no writer had seen waits to be taken in"
        );
    }
    let changes = world.device(olga).held(document).iter().map(|held| held.hash).collect();
    world.command(olga, Command::TakeIn { document, changes }).expect("taken in");
    world.sync(olga, ben);
    assert_eq!(world.keys(ben, document), ["accepted", "later", "unseen"]);
}

#[test]
fn those_whom_a_demoted_admin_let_in_go_or_stay_as_is_said() {
    for invitees in [Invitees::Drop, Invitees::Keep] {
        let (mut world, olga, document) = owner(3);
        let ben = world.member("ben", olga, document, Role::Admin);
        let carl = world.member("carl", ben, document, Role::Write);
        let dora = world.person("dora", 1)[0];
        world.grant(ben, document, dora, Role::Read);
        world.write(carl, document, "by carl");
        world.sync_all(&[olga, ben, carl, dora]);
        let terms = RevokeTerms { invitees, ..instead(Role::Write) };
        world.revoke_with(olga, document, ben, terms).expect("demoted");
        world.sync_all(&[olga, ben, carl, dora]);
        let stays = |role| (invitees == Invitees::Keep).then_some(role);
        assert_eq!(world.role(olga, document, ben), Some(Role::Write), "{invitees:?}");
        for device in [olga, carl] {
            let role = world.role(device, document, carl);
            assert_eq!(role, stays(Role::Write), "{invitees:?}, device {device}");
        }
        assert_eq!(world.role(olga, document, dora), stays(Role::Read), "{invitees:?}");
        assert_eq!(world.keys(olga, document), ["by carl"]);
        let refused = world.command(
            ben,
            Command::Grant {
                document,
                to: Principal::Person(world.person_of(dora)),
                offer: offer(Role::Read),
            },
        );
        assert!(matches!(refused, Err(CommandError::NotAllowed { .. })));
    }
}

#[test]
fn those_who_are_sponsored_anew_go_on_as_if_nothing_had_happened() {
    let (mut world, olga, document) = owner(4);
    let ben = world.member("ben", olga, document, Role::Admin);
    let carl = world.member("carl", ben, document, Role::Admin);
    let dora = world.member("dora", carl, document, Role::Write);
    world.sync_all(&[olga, ben, carl, dora]);
    let terms = RevokeTerms { invitees: Invitees::Keep, ..RevokeTerms::default() };
    world.revoke_with(olga, document, ben, terms).expect("revoked");
    world.sync_all(&[olga, ben, carl, dora]);
    for device in [olga, carl, dora] {
        assert_eq!(world.role(device, document, ben), None);
        assert_eq!(world.role(device, document, carl), Some(Role::Admin), "device {device}");
        assert_eq!(world.role(device, document, dora), Some(Role::Write), "two steps below, device {device}");
    }
    world.write(dora, document, "by dora");
    let erik = world.member("erik", carl, document, Role::Read);
    world.sync_all(&[olga, carl, dora, erik]);
    assert_eq!(world.keys(erik, document), ["by dora"]);
    assert!(!world.edit(ben, document, "nope"));
}

#[test]
fn a_role_by_another_branch_is_reported_as_what_is_left() {
    let (mut world, olga, document) = owner(5);
    let ben = world.member("ben", olga, document, Role::Admin);
    let carl = world.member("carl", olga, document, Role::Admin);
    world.sync_all(&[olga, ben, carl]);
    let dora = world.member("dora", ben, document, Role::Read);
    world.grant(carl, document, dora, Role::Write);
    world.sync_all(&[olga, ben, carl, dora]);
    let answer = world.revoke_with(ben, document, dora, RevokeTerms::default());
    assert_eq!(
        answer,
        Ok(Answer::Revoked { remaining: Some(Role::Write) }),
        "carl's grant is not ben's to end"
    );
    let refused = world.revoke_with(ben, document, carl, RevokeTerms::default());
    let carls = Principal::Person(world.person_of(carl));
    assert_eq!(refused, Err(CommandError::NothingToRevoke(carls)), "admins of different branches");
    let answer = world.revoke_with(olga, document, dora, RevokeTerms::default());
    assert_eq!(answer, Ok(Answer::Revoked { remaining: None }), "the owner stands above both");
}

#[test]
fn nobody_takes_anything_from_the_owner() {
    let (mut world, olga, document) = owner(6);
    let ben = world.member("ben", olga, document, Role::Admin);
    let refused = world.revoke_with(ben, document, olga, RevokeTerms::default());
    assert_eq!(refused, Err(CommandError::OwnerStays));
    assert_eq!(world.command(olga, Command::Leave { document }), Err(CommandError::OwnerCannotLeave));
    let refused = world.command(ben, Command::Delete { document });
    assert!(matches!(refused, Err(CommandError::NotAllowed { .. })));
}

#[test]
fn who_leaves_with_a_receipt_leaves_nothing_behind() {
    let (mut world, olga, document) = owner(7);
    let ben = world.member("ben", olga, document, Role::Write);
    world.write(ben, document, "last");
    world.sync(olga, ben);
    let id = world.device(olga).id();
    let heads = world.device(ben).stored_heads(document);
    let engine = world.device(ben).engine.as_ref().expect("running");
    assert_eq!(engine.receipt(document, id), Some(&heads[..]), "olga made it durable");
    world.command(ben, Command::Leave { document }).expect("ben leaves");
    world.sync(olga, ben);
    assert_eq!(world.keys(olga, document), ["last"]);
    assert_eq!(world.role(olga, document, ben), None);
    assert_eq!(world.standing(ben, document), Standing::Left);
}

#[test]
fn who_has_left_says_so_to_each_who_has_not_heard() {
    let (mut world, olga, document) = owner(9);
    let carl = world.member("carl", olga, document, Role::Write);
    let bens = world.person("ben", 2);
    let (laptop, phone) = (bens[0], bens[1]);
    world.grant(olga, document, laptop, Role::Write);
    for device in [laptop, phone] {
        world.sync(olga, device);
        // One of ben's devices may have taken it for both.
        let _ = world.command(device, Command::Accept { document });
        world.sync(olga, device);
    }
    world.command(laptop, Command::Leave { document }).expect("ben leaves");
    // Carl hears of it, and tells nobody.
    world.sync(laptop, carl);
    assert_eq!(world.standing(laptop, document), Standing::Left);
    assert_eq!(world.role(phone, document, phone), Some(Role::Write), "the phone has not heard");
    world.sync(laptop, phone);
    assert_eq!(world.role(phone, document, phone), None);
    world.sync(laptop, olga);
    assert_eq!(world.role(olga, document, laptop), None);
}

#[test]
fn an_offer_that_is_rejected_is_given_back() {
    let (mut world, olga, document) = owner(8);
    let ben = world.person("ben", 1)[0];
    world.grant(olga, document, ben, Role::Write);
    world.sync(olga, ben);
    world.command(ben, Command::Reject { document }).expect("no, thank you");
    assert_eq!(world.standing(ben, document), Standing::Rejected);
    world.crash(ben);
    world.start(ben);
    world.sync(olga, ben);
    assert_eq!(world.role(olga, document, ben), None, "olga hears of it");
    world.sync(olga, ben);
    assert_eq!(world.standing(ben, document), Standing::Forgotten, "and that is the end of it");
    let refused = world.command(ben, Command::Reject { document });
    assert_eq!(refused, Err(CommandError::NotOffered(document)));
}

#[test]
fn who_takes_a_role_away_may_ask_for_the_copy_to_be_dropped() {
    for connected in [false, true] {
        let (mut world, olga, document) = owner(9);
        let phones = world.person("ben", 2);
        world.share(olga, document, phones[0], Role::Write);
        world.sync(olga, phones[1]);
        world.accept(phones[1], document);
        world.sync(olga, phones[1]);
        world.write(phones[0], document, "by ben");
        world.sync(olga, phones[0]);
        if connected {
            world.connect(olga, phones[0]);
            world.run();
        }
        let terms = RevokeTerms { erase: true, ..RevokeTerms::default() };
        world.revoke_with(olga, document, phones[0], terms).expect("revoked");
        if !connected {
            world.sync(olga, phones[0]);
        }
        world.sync(olga, phones[1]);
        for phone in phones {
            assert_eq!(
                world.standing(phone, document),
                Standing::Erased,
                "device {phone}, connected: {connected}"
            );
            world.crash(phone);
            world.start(phone);
            let left = world.device(phone).image();
            let holds = |write: &katori_core::store::Write| format!("{write:?}").contains("by ben");
            assert!(!left.iter().any(holds), "nothing of it is on the disk");
            assert_eq!(world.standing(phone, document), Standing::Erased, "after a restart too");
        }
        assert_eq!(world.keys(olga, document), ["by ben"], "olga keeps hers");
        // It can be given again, and is on offer then.
        world.disconnect(olga, 1);
        world.grant(olga, document, 1, Role::Read);
        world.sync(olga, 1);
        assert_eq!(world.standing(1, document), Standing::Offered);
    }
}

#[test]
fn a_grant_to_one_device_is_a_grant_to_no_other() {
    let (mut world, olga, document) = owner(10);
    let phones = world.person("ben", 2);
    world.introduce(phones[0], olga);
    let to = Principal::Device(world.device(phones[0]).id());
    world.command(olga, Command::Grant { document, to, offer: offer(Role::Write) }).expect("granted");
    world.write(olga, document, "hello");
    world.sync(olga, phones[0]);
    world.accept(phones[0], document);
    world.sync(olga, phones[0]);
    world.sync(olga, phones[1]);
    assert_eq!(world.keys(phones[0], document), ["hello"]);
    assert_eq!(world.device_role(olga, document, phones[1]), None);
    assert_eq!(world.standing(phones[1], document), Standing::Unknown);
    world.write(phones[0], document, "thanks");
    world.sync(olga, phones[0]);
    assert_eq!(world.keys(olga, document), ["hello", "thanks"]);
}
