//! Invitations from beginning to end: looked at, confirmed, declined, used up, revoked.

use katori::{Error, InvitationState, InviteOptions, JoinError, JoinState, RequestState, Role};
use serde_json::json;

use crate::house::{Home, two, until, until_asked, within};

#[tokio::test]
async fn a_ticket_can_be_looked_at_without_using_it() {
    let (ana, ben) = (Home::new("Ana", "laptop").open().await, Home::new("Ben", "phone").open().await);
    let list = ana.create("groceries").await.unwrap();
    list.put(&json!({ "milk": 2 })).unwrap().await.unwrap();
    let ticket = list.invite(Role::Write).await.unwrap();
    for _ in 0..2 {
        let preview = within(ben.preview(&ticket)).await.unwrap();
        assert_eq!((preview.name.as_str(), preview.role, preview.changes), ("groceries", Role::Write, 1));
        assert!(preview.bytes > 0);
    }
    assert!(ben.docs().await.unwrap().is_empty());
    let invitation = ana.invitations().await.unwrap().remove(0);
    assert_eq!((invitation.uses_left, invitation.state), (Some(1), InvitationState::Open));
    within(ben.join(&ticket)).await.unwrap();
    let invitation = list.invitations().await.unwrap().remove(0);
    assert_eq!((invitation.uses_left, invitation.state), (Some(0), InvitationState::UsedUp));
    assert_eq!(invitation.guests[0].person.as_ref().unwrap().to_string(), "Ben");
    assert_eq!(invitation.guests[0].state, RequestState::Admitted);
    ana.close().await;
    ben.close().await;
}

#[tokio::test]
async fn nothing_is_sent_before_somebody_says_yes() {
    let (ana, ben) = (Home::new("Ana", "laptop").open().await, Home::new("Ben", "phone").open().await);
    let list = ana.create("groceries").await.unwrap();
    list.put(&json!({ "milk": 2 })).unwrap().await.unwrap();
    let ticket = list.invite_with(InviteOptions::new(Role::Write).confirm(true)).await.unwrap();
    let waiting = within(ben.join(&ticket)).await;
    assert!(matches!(waiting, Err(Error::Join(JoinError::AwaitingConfirmation))), "{waiting:?}");
    assert!(matches!(ben.joins()[0].state, JoinState::AwaitingConfirmation { .. }));
    assert!(ben.docs().await.unwrap().is_empty());

    let invitation = ana.invitations().await.unwrap().remove(0);
    let guest = &invitation.guests[0];
    assert_eq!((guest.name.as_str(), guest.state), ("phone", RequestState::Waiting));
    assert_eq!(list.members().await.unwrap().len(), 1);
    ana.answer_request(invitation.key, guest.device, true).await.unwrap();
    until_asked(&ben, || async { ben.doc("groceries").await.is_ok() }).await;
    let his = ben.doc("groceries").await.unwrap();
    until(&his, |his| his.view_json()["milk"] == 2).await;
    ana.close().await;
    ben.close().await;
}

#[tokio::test]
async fn a_no_is_an_answer_on_either_side() {
    let (ana, ben) = (Home::new("Ana", "laptop").open().await, Home::new("Ben", "phone").open().await);
    let list = ana.create("groceries").await.unwrap();
    // Ana's.
    let ticket = list.invite_with(InviteOptions::new(Role::Write).confirm(true)).await.unwrap();
    let begun = within(ben.begin_join(&ticket)).await.unwrap();
    assert!(matches!(begun, JoinState::AwaitingConfirmation { .. }), "{begun:?}");
    let key = ticket.secret().public();
    ana.answer_request(key, ben.me().device, false).await.unwrap();
    until_asked(&ben, || async { ben.joins().iter().any(|join| join.state == JoinState::Declined) }).await;
    ben.forget_join(key).await;
    assert!(ben.joins().is_empty());
    // Ben's.
    let ticket = list.invite(Role::Write).await.unwrap();
    within(ben.decline(&ticket)).await.unwrap();
    let key = ticket.secret().public();
    let invitations = ana.invitations().await.unwrap();
    let invitation = invitations.iter().find(|invitation| invitation.key == key).unwrap();
    assert_eq!(invitation.guests[0].state, RequestState::Declined);
    assert_eq!(list.members().await.unwrap().len(), 1);
    ana.close().await;
    ben.close().await;
}

#[tokio::test]
async fn a_revoked_invitation_lets_nobody_in_and_those_who_came_stay() {
    let two = two(Role::Write).await;
    let ticket = two.hers.invite_with(InviteOptions::new(Role::Read).uses(None)).await.unwrap();
    let cleo = Home::new("Cleo", "desk").open().await;
    within(cleo.join(&ticket)).await.unwrap();
    two.ana.revoke_invitation(ticket.secret().public()).await.unwrap();
    let dora = Home::new("Dora", "tablet").open().await;
    let late = within(dora.join(&ticket)).await;
    assert!(matches!(late, Err(Error::Join(JoinError::NotValid))), "{late:?}");
    assert_eq!(two.hers.members().await.unwrap().len(), 3);
    assert!(two.ana.revoke_invitation(ticket.secret().public()).await.is_err());
    for node in [two.ana, two.ben, cleo, dora] {
        node.close().await;
    }
}

#[tokio::test]
async fn another_device_of_the_inviter_lets_people_in() {
    let laptop = Home::new("Ana", "laptop").open().await;
    let phone = Home::new("Ana", "phone").paired_with(&laptop).await;
    let list = laptop.create("groceries").await.unwrap();
    until_asked(&phone, || async { phone.doc("groceries").await.is_ok() }).await;
    let ticket = list.invite(Role::Write).await.unwrap();
    assert_eq!(ticket.devices.len(), 2);
    // The invitation is known there, and the laptop sleeps.
    until_asked(&phone, || async { !phone.invitations().await.unwrap().is_empty() }).await;
    assert!(!phone.invitations().await.unwrap()[0].here);
    laptop.close().await;
    let ben = Home::new("Ben", "desk").open().await;
    let his = within(ben.join(&ticket)).await.unwrap();
    assert!(his.may_write());
    phone.close().await;
    ben.close().await;
}

#[tokio::test]
async fn a_join_goes_on_after_both_were_started_again() {
    let homes = (Home::new("Ana", "laptop"), Home::new("Ben", "phone"));
    let (ana, ben) = (homes.0.open().await, homes.1.open().await);
    let list = ana.create("groceries").await.unwrap();
    let ticket = list.invite_with(InviteOptions::new(Role::Write).confirm(true)).await.unwrap();
    within(ben.begin_join(&ticket)).await.unwrap();
    ben.close().await;
    ana.close().await;
    let (ana, ben) = (homes.0.open().await, homes.1.open().await);
    assert_eq!(ben.joins().len(), 1);
    let invitation = ana.invitations().await.unwrap().remove(0);
    assert_eq!(invitation.guests[0].state, RequestState::Waiting);
    ana.answer_request(invitation.key, invitation.guests[0].device, true).await.unwrap();
    // Her address is the one that the ticket names, unless another program took the port meanwhile.
    until_asked(&ben, || async { ben.doc("groceries").await.is_ok() }).await;
    until_asked(&ben, || async { ben.joins().iter().all(|join| join.state.has_ended()) }).await;
    ana.close().await;
    ben.close().await;
}
