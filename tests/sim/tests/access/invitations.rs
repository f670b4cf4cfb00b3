//! Invitations from being made to being used up: every state is a value that somebody can ask for.

use std::time::Duration;

use katori_acl::{InviteSecret, ResourceId, Role, Subject};
use katori_core::engine::{Answer, Command, CommandError, Event, Offer, RequestState};
use katori_sim::{DeviceIndex, World};

use crate::{offer, owner};

fn state(
    world: &mut World,
    inviter: DeviceIndex,
    secret: &InviteSecret,
    who: DeviceIndex,
) -> Option<RequestState> {
    let device = world.device(who).id();
    let engine = world.device(inviter).engine.as_ref().expect("running");
    let invite = engine.invites().find(|invite| invite.key == secret.public())?;
    invite.requests.get(&device).map(|request| request.state)
}

fn answer(world: &mut World, inviter: DeviceIndex, secret: &InviteSecret, who: DeviceIndex, admit: bool) {
    let device = world.device(who).id();
    let answer = Command::Answer { invite: secret.public(), device, admit };
    world.command(inviter, answer).expect("answered");
}

#[test]
fn who_is_to_be_confirmed_waits_and_nothing_is_sent_until_somebody_says_yes() {
    let (mut world, olga, document) = owner(1);
    world.write(olga, document, "hello");
    let ben = world.person("ben", 1)[0];
    let secret = world.invite(olga, document, offer(Role::Write), None, true);
    assert_eq!(world.redeem(olga, ben, &secret), Ok(Answer::Waiting));
    assert_eq!(world.redeem(olga, ben, &secret), Ok(Answer::Waiting), "asking again changes nothing");
    let asked = |event: &&Event| matches!(event, Event::Asked { .. });
    assert_eq!(world.device(olga).events.iter().filter(asked).count(), 1, "and asks once");
    assert_eq!(state(&mut world, olga, &secret, ben), Some(RequestState::Waiting));
    world.sync(olga, ben);
    assert!(world.records(ben, Subject::Resource(document)).is_empty());
    assert_eq!(world.role(olga, document, ben), None);
    // The inviter's device restarts, and still knows who waits.
    world.crash(olga);
    world.start(olga);
    assert_eq!(state(&mut world, olga, &secret, ben), Some(RequestState::Waiting));
    answer(&mut world, olga, &secret, ben, true);
    assert_eq!(state(&mut world, olga, &secret, ben), Some(RequestState::Admitted));
    assert_eq!(world.join(olga, ben, &secret), Ok(()));
    world.sync(olga, ben);
    assert_eq!(world.keys(ben, document), ["hello"]);
}

#[test]
fn who_was_admitted_while_away_finds_the_document_on_offer() {
    let (mut world, olga, document) = owner(2);
    world.write(olga, document, "hello");
    let ben = world.person("ben", 1)[0];
    let secret = world.invite(olga, document, offer(Role::Read), None, true);
    world.redeem(olga, ben, &secret).expect("heard");
    answer(&mut world, olga, &secret, ben, true);
    world.sync(olga, ben);
    world.accept(ben, document);
    world.sync(olga, ben);
    assert_eq!(world.keys(ben, document), ["hello"]);
}

#[test]
fn who_is_turned_away_is_told_so_and_stays_out() {
    let (mut world, olga, document) = owner(3);
    let ben = world.person("ben", 1)[0];
    let secret = world.invite(olga, document, offer(Role::Write), None, true);
    world.redeem(olga, ben, &secret).expect("heard");
    answer(&mut world, olga, &secret, ben, false);
    assert_eq!(world.redeem(olga, ben, &secret), Err(CommandError::Declined));
    world.crash(olga);
    world.start(olga);
    assert_eq!(world.redeem(olga, ben, &secret), Err(CommandError::Declined), "after a restart too");
    assert_eq!(state(&mut world, olga, &secret, ben), Some(RequestState::Refused));
    assert_eq!(world.role(olga, document, ben), None);
}

#[test]
fn no_more_are_admitted_than_an_invitation_has_uses() {
    let (mut world, olga, document) = owner(4);
    let (ben, carl) = (world.person("ben", 1)[0], world.person("carl", 1)[0]);
    let secret = world.invite(olga, document, offer(Role::Write), Some(1), true);
    assert_eq!(world.redeem(olga, ben, &secret), Ok(Answer::Waiting));
    assert_eq!(world.redeem(olga, carl, &secret), Ok(Answer::Waiting), "waiting uses nothing up");
    answer(&mut world, olga, &secret, carl, true);
    let device = world.device(ben).id();
    let late = Command::Answer { invite: secret.public(), device, admit: true };
    assert_eq!(world.command(olga, late), Err(CommandError::InviteInvalid));
    assert_eq!(world.role(olga, document, ben), None);
    assert_eq!(world.role(olga, document, carl), Some(Role::Write));
}

#[test]
fn who_says_no_to_an_invitation_is_seen_to_have_said_so() {
    let (mut world, olga, document) = owner(5);
    let ben = world.person("ben", 1)[0];
    let secret = world.invite(olga, document, offer(Role::Write), Some(1), false);
    let claim = world.claim(olga, ben, &secret);
    world.command(olga, Command::Decline { claim }).expect("noted");
    assert_eq!(state(&mut world, olga, &secret, ben), Some(RequestState::Declined));
    assert_eq!(world.role(olga, document, ben), None);
    let carl = world.person("carl", 1)[0];
    assert_eq!(world.join(olga, carl, &secret), Ok(()), "the use is still there for somebody else");
}

#[test]
fn whoever_an_invitation_came_through_lets_people_in_while_the_inviter_sleeps() {
    let (mut world, olga, document) = owner(6);
    let phone = world.pair(olga, "phone");
    world.sync(olga, phone);
    let anna = world.member("anna", olga, document, Role::Admin);
    let ida = world.member("ida", olga, document, Role::Admin);
    world.write(olga, document, "hello");
    let tablet = world.pair(anna, "tablet");
    world.sync_all(&[olga, phone, anna, ida, tablet]);
    let secret = world.invite(anna, document, offer(Role::Write), Some(2), false);
    world.sync_all(&[olga, phone, anna, ida, tablet]);
    world.crash(anna);
    let (ben, carl, dora) =
        (world.person("ben", 1)[0], world.person("carl", 1)[0], world.person("dora", 1)[0]);
    let refused = world.join(ida, ben, &secret);
    assert!(refused.is_err(), "not by an admin beside her: {refused:?}");
    assert_eq!(world.join(tablet, ben, &secret), Ok(()), "by another device of hers");
    world.sync(tablet, ben);
    assert_eq!(world.keys(ben, document), ["hello"]);
    world.sync(phone, tablet);
    assert_eq!(world.join(phone, carl, &secret), Ok(()), "by the owner's");
    world.sync(phone, carl);
    assert_eq!(world.keys(carl, document), ["hello"]);
    world.sync(phone, tablet);
    for device in [phone, tablet] {
        assert_eq!(
            world.join(device, dora, &secret),
            Err(CommandError::InviteInvalid),
            "both know it is used up"
        );
    }
}

#[test]
fn a_writer_lets_nobody_in_by_an_admins_invitation() {
    let (mut world, olga, document) = owner(7);
    let ben = world.member("ben", olga, document, Role::Write);
    let secret = world.invite(olga, document, offer(Role::Write), None, false);
    world.sync(olga, ben);
    let carl = world.person("carl", 1)[0];
    assert!(world.join(ben, carl, &secret).is_err());
    assert_eq!(world.role(ben, document, carl), None);
}

#[test]
fn an_invitation_that_wants_confirming_is_answered_by_its_own_device_alone() {
    let (mut world, olga, document) = owner(8);
    let anna = world.member("anna", olga, document, Role::Admin);
    let secret = world.invite(olga, document, offer(Role::Write), None, true);
    world.sync(olga, anna);
    let ben = world.person("ben", 1)[0];
    assert_eq!(world.redeem(anna, ben, &secret), Err(CommandError::InviteInvalid));
}

#[test]
fn of_those_who_race_for_one_use_exactly_one_stays() {
    for order in 0..2 {
        let (mut world, olga, document) = owner(90 + order);
        let phone = world.pair(olga, "phone");
        world.sync(olga, phone);
        let secret = world.invite(olga, document, offer(Role::Write), Some(1), false);
        world.sync(olga, phone);
        // Both admit somebody before they hear of each other.
        let (ben, carl) = (world.person("ben", 1)[0], world.person("carl", 1)[0]);
        assert_eq!(world.join(olga, ben, &secret), Ok(()));
        assert_eq!(world.join(phone, carl, &secret), Ok(()));
        for (device, joiner) in [(olga, ben), (phone, carl)] {
            world.write(joiner, document, &format!("by {joiner}"));
            world.sync(device, joiner);
        }
        let everybody = if order == 0 { [olga, phone, ben, carl] } else { [carl, ben, phone, olga] };
        world.sync_all(&everybody);
        let roles = |world: &mut World, at: DeviceIndex| [ben, carl].map(|who| world.role(at, document, who));
        let expected = roles(&mut world, olga);
        assert_eq!(expected.iter().flatten().count(), 1, "one of them: {expected:?}");
        for device in everybody {
            assert_eq!(roles(&mut world, device), expected, "device {device}");
        }
        let (loser, winner) = if expected[0].is_some() { (carl, ben) } else { (ben, carl) };
        assert!(!world.edit(loser, document, "nope"));
        let keys = world.keys(olga, document);
        assert!(keys.contains(&format!("by {winner}")), "{keys:?}");
    }
}

#[test]
fn an_invitation_ends_by_the_clock() {
    let (mut world, olga, document) = owner(10);
    let ben = world.person("ben", 1)[0];
    let expires = Some(world.now().0 + 60_000);
    let brief = Offer { role: Role::Write, share: false, expires };
    let secret = world.invite(olga, document, brief, None, false);
    let phone = world.pair(olga, "phone");
    world.sync(olga, phone);
    let device = InviteSecret::from_secret([9; 32]);
    world.command(olga, Command::InviteDevice { key: device.public(), expires }).expect("invited");
    world.pass(Duration::from_secs(61));
    let late = world.redeem(olga, ben, &secret);
    assert!(matches!(late, Err(CommandError::InviteExpired | CommandError::InviteInvalid)), "{late:?}");
    assert_eq!(world.redeem(phone, ben, &secret), Err(CommandError::InviteExpired));
    assert!(world.redeem(olga, ben, &device).is_err());
    assert_eq!(world.role(olga, document, ben), None);
}

#[test]
fn an_invitation_is_ended_by_any_device_that_stands_above_it_and_who_came_by_it_stays() {
    let (mut world, olga, document) = owner(11);
    let phone = world.pair(olga, "phone");
    world.sync(olga, phone);
    let anna = world.member("anna", olga, document, Role::Admin);
    let secret = world.invite(anna, document, offer(Role::Write), None, false);
    let ben = world.person("ben", 1)[0];
    assert_eq!(world.join(anna, ben, &secret), Ok(()));
    world.sync_all(&[olga, phone, anna, ben]);
    world.command(phone, Command::Uninvite { key: secret.public() }).expect("the owner's phone ends it");
    world.sync_all(&[olga, phone, anna, ben]);
    let carl = world.person("carl", 1)[0];
    for device in [olga, phone, anna] {
        assert_eq!(world.join(device, carl, &secret), Err(CommandError::InviteInvalid), "device {device}");
    }
    assert_eq!(world.role(olga, document, ben), Some(Role::Write));
}

#[test]
fn what_is_behind_a_ticket_can_be_seen_before_it_is_used() {
    let (mut world, olga, document) = owner(12);
    for index in 0..5 {
        world.write(olga, document, &format!("k{index}"));
    }
    let space = world.create_space(olga, "club");
    let born = world.create_in(olga, space, "minutes");
    world.write(olga, born, "one");
    let phone = world.pair(olga, "phone");
    world.sync(olga, phone);
    let secret = world.invite(olga, document, offer(Role::Read), None, false);
    let to_space = world.invite(olga, space, offer(Role::Write), None, false);
    world.sync(olga, phone);
    let ben = world.person("ben", 1)[0];
    for device in [olga, phone] {
        let none = InviteSecret::from_secret([8; 32]);
        let claims = [&secret, &to_space, &none].map(|secret| world.claim(device, ben, secret));
        let now = world.now();
        let engine = world.device(device).engine.as_ref().expect("running");
        let [preview, of_space, nothing] = claims.map(|claim| engine.preview_for(now, &claim));
        let (preview, of_space) =
            (preview.expect("an open invitation"), of_space.expect("an open invitation"));
        assert_eq!((preview.name.as_str(), preview.role), ("document", Role::Read));
        assert_eq!((preview.changes, preview.documents), (5, 0));
        assert_eq!((of_space.changes, of_space.documents), (1, 1));
        assert_eq!(nothing, None);
    }
    // An offer that came without a ticket shows its size as well.
    world.grant(olga, document, ben, Role::Read);
    world.sync(olga, ben);
    let size = world.device(ben).engine.as_ref().and_then(|engine| engine.offered_size(document));
    assert_eq!(size.map(|size| size.changes), Some(5));
}

#[test]
fn an_invitation_to_one_document_opens_no_other() {
    let (mut world, olga, document) = owner(13);
    let other = world.create(olga, "other");
    world.write(olga, other, "secret");
    let ben = world.person("ben", 1)[0];
    let secret = world.invite(olga, document, offer(Role::Write), None, false);
    let Ok(Answer::Joined { records, .. }) = world.redeem(olga, ben, &secret) else { panic!("redeemed") };
    // Ben claims that the records are those of the other one.
    assert_eq!(
        world.command(ben, Command::Joined { document: other, records }),
        Err(CommandError::InviteInvalid)
    );
    world.sync(olga, ben);
    assert_eq!(world.role(olga, other, ben), None);
    assert!(world.records(ben, Subject::Resource(other)).is_empty());
}

#[test]
fn a_ticket_for_a_device_lets_nobody_in_who_does_not_agree_to_be_one() {
    let mut world = World::new(14);
    let (olga, ben) = (world.person("olga", 1)[0], world.person("ben", 1)[0]);
    let secret = InviteSecret::from_secret([5; 32]);
    world.command(olga, Command::InviteDevice { key: secret.public(), expires: None }).expect("invited");
    // Ben's device belongs to ben, and gives no word that it belongs to olga.
    assert_eq!(world.redeem(olga, ben, &secret), Err(CommandError::JoinerUnknown));
    let person = world.person_of(olga);
    let device = world.device(ben).id();
    let roster = world.device(olga).engine.as_ref().and_then(|engine| engine.registry().roster(person));
    assert!(!roster.expect("her own").contains(&device));
}

#[test]
fn an_answer_that_was_lost_on_the_way_can_be_had_again() {
    let (mut world, olga, document) = owner(15);
    world.write(olga, document, "hello");
    let (ben, carl) = (world.person("ben", 1)[0], world.person("carl", 1)[0]);
    let secret = world.invite(olga, document, offer(Role::Write), Some(1), false);
    world.redeem(olga, ben, &secret).expect("redeemed, and the answer is lost");
    world.crash(olga);
    world.start(olga);
    assert_eq!(world.join(olga, carl, &secret), Err(CommandError::InviteInvalid));
    assert_eq!(world.join(olga, ben, &secret), Ok(()));
    world.sync(olga, ben);
    assert_eq!(world.keys(ben, document), ["hello"]);
    assert_eq!(grants(&mut world, olga, document), 2, "the invitation's and ben's, once");
}

fn grants(world: &mut World, device: DeviceIndex, document: ResourceId) -> usize {
    let engine = world.device(device).engine.as_ref().expect("running");
    engine.registry().live_grants(document).len()
}
