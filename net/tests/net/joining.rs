//! Tickets: used twice, raced for, expired, replayed and out of reach.

use katori_acl::{Claim, DeviceKey, Role};
use katori_core::engine::Command;
use katori_net::JoinError;

use crate::by_hand::{JOIN, Talk, claim_message};
use crate::world::{Device, Stranger, secret};

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_for_one_lets_in_one() {
    let (ana, ben) = (Device::start("Ana").await, Device::start("Ben").await);
    let document = ana.create("groceries").await;
    let ticket = ana.invite(document, Role::Write).await;
    // Another one stays open, so that it is not the missing of any that refuses.
    let _other = ana.invite(document, Role::Read).await;
    ben.hub().redeem(&ticket).await.unwrap();
    let eve = Device::start("Eve").await;
    assert!(matches!(eve.hub().redeem(&ticket).await, Err(JoinError::NotValid)));
    let mut forged = ticket;
    forged.seed = secret();
    assert!(
        matches!(eve.hub().redeem(&forged).await, Err(JoinError::NotValid)),
        "used up and unknown look alike"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_invitation_looks_like_one_that_never_was() {
    let (ana, ben) = (Device::start("Ana").await, Device::start("Ben").await);
    let document = ana.create("groceries").await;
    let ticket = ana.invite(document, Role::Write).await;
    ana.hub().command(Command::Uninvite { key: ticket.secret().public() }).await.unwrap();
    assert!(matches!(ben.hub().redeem(&ticket).await, Err(JoinError::NotValid)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_invitation_says_so() {
    let (ana, ben) = (Device::start("Ana").await, Device::start("Ben").await);
    let document = ana.create("groceries").await;
    let ticket = ana.invite_until(document, Role::Write, Some(1)).await;
    assert!(matches!(ben.hub().redeem(&ticket).await, Err(JoinError::Expired)));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_who_cannot_be_reached_is_named() {
    let (mut ana, ben) = (Device::start("Ana").await, Device::start("Ben").await);
    let document = ana.create("groceries").await;
    let mut ticket = ana.invite(document, Role::Write).await;
    assert!(matches!(ana.hub().redeem(&ticket).await, Err(JoinError::OwnTicket)));
    ana.close().await;
    ticket.devices[0].addresses.truncate(1);
    match ben.hub().redeem(&ticket).await {
        Err(error @ JoinError::Unreachable { .. }) => {
            assert!(error.to_string().contains(&ticket.devices[0].addresses[0]), "{error}");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_is_of_no_use_on_another_connection() {
    let (ana, ben) = (Device::start("Ana").await, Device::resting("Ben"));
    let document = ana.create("groceries").await;
    let ticket = ana.invite(document, Role::Write).await;
    let contact = ana.hub().contact();
    let stranger = Stranger::with_key(&ben.identity.key).await;

    // A claim for this very device and invitation, signed for another connection of the two.
    let first = Talk::greet(&stranger, &contact, &ticket).await;
    for replayed in [false, true] {
        let mut talk = Talk::greet(&stranger, &contact, &ticket).await;
        // Replayed whole, or signed anew with the other connection's exporter.
        let challenge = if replayed { first.challenge } else { talk.challenge };
        let claim = Claim { challenge, exporter: first.exporter(), ..talk.claim_of(&ben) };
        talk.say(&claim_message(JOIN, claim, &ticket, &ben)).await;
        assert_eq!(talk.hear().await[..3], [1, 5, 3], "a refusal");
        talk.connection.close(0u32.into(), b"");
    }
    // The invitation is not used up by any of that.
    let mut talk = Talk::greet(&stranger, &contact, &ticket).await;
    let claim = talk.claim_of(&ben);
    talk.say(&claim_message(JOIN, claim, &ticket, &ben)).await;
    assert_eq!(talk.hear().await[..2], [1, 4], "a welcome");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invite_proof_replayed_by_a_third_party_is_refused() {
    let (ana, ben) = (Device::start("Ana").await, Device::resting("Ben"));
    let document = ana.create("groceries").await;
    let ticket = ana.invite(document, Role::Write).await;
    let contact = ana.hub().contact();
    let honest = Stranger::with_key(&ben.identity.key).await;
    let thief = Stranger::with_key(&DeviceKey::from_secret(secret())).await;

    let victim = Talk::greet(&honest, &contact, &ticket).await;
    let captured = claim_message(JOIN, victim.claim_of(&ben), &ticket, &ben);
    let mut replay = Talk::greet(&thief, &contact, &ticket).await;
    replay.say(&captured).await;
    assert_eq!(replay.hear().await[..3], [1, 5, 3], "a refusal");

    // What the thief took does not keep the victim out.
    let mut victim = victim;
    victim.say(&captured).await;
    assert_eq!(victim.hear().await[..2], [1, 4], "a welcome");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_joins_where_nothing_is_open() {
    let (ana, ben) = (Device::start("Ana").await, Device::resting("Ben"));
    let document = ana.create("groceries").await;
    let ticket = ana.invite(document, Role::Write).await;
    ana.hub().command(Command::Uninvite { key: ticket.secret().public() }).await.unwrap();
    let stranger = Stranger::with_key(&ben.identity.key).await;
    let mut talk = Talk::greet(&stranger, &ana.hub().contact(), &ticket).await;
    let claim = talk.claim_of(&ben);
    talk.say(&claim_message(JOIN, claim, &ticket, &ben)).await;
    assert_eq!(talk.hear().await, [1, 5, 1, 0], "not valid, and not a word more");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_who_race_for_one_use_are_not_both_let_in() {
    let (ana, ben, eve) =
        (Device::start("Ana").await, Device::start("Ben").await, Device::start("Eve").await);
    let document = ana.create("groceries").await;
    let ticket = ana.invite(document, Role::Write).await;
    let (first, second) = tokio::join!(ben.hub().redeem(&ticket), eve.hub().redeem(&ticket));
    let refused = |result: &Result<_, JoinError>| matches!(result, Err(JoinError::NotValid));
    assert!(first.is_ok() && refused(&second) || second.is_ok() && refused(&first), "{first:?} {second:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_does_not_know_an_invitation_is_passed_over_at_once() {
    let (ana, ben) = (Device::start("Ana").await, Device::start("Ben").await);
    let (other, mut off) = (Device::start("Ana").await, Device::start("Ana").await);
    let document = ana.create("groceries").await;
    let mut ticket = ana.invite(document, Role::Write).await;
    let sleeping = off.hub().contact();
    off.close().await;
    ticket.devices.insert(0, sleeping.clone());
    ticket.devices.insert(0, other.hub().contact());
    assert_eq!(ben.hub().redeem(&ticket).await.unwrap(), document);

    // While the one that may know it is off, it is not said to be invalid.
    let eve = Device::start("Eve").await;
    ticket.devices = vec![other.hub().contact(), sleeping.clone()];
    match eve.hub().redeem(&ticket).await {
        Err(JoinError::Unreachable { tried }) => {
            assert!(tried[0].contains(&sleeping.addresses[0]), "{tried:?}");
        }
        other => panic!("{other:?}"),
    }
    assert!(eve.hub().joins().is_empty(), "nothing was changed");
}
