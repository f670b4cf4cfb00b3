//! Whoever is blocked is refused, whatever it comes with.

use std::collections::BTreeSet;

use katori_acl::{Contact, DeviceKey, Role, Ticket};
use katori_core::engine::Command;
use katori_core::identity::Identity;
use katori_net::{JoinError, SYNC_ALPN};

use crate::by_hand::{Talk, claim_message};
use crate::world::{Device, Stranger, close_code, pair_with, secret};

const UNKNOWN: u64 = 0x4001;

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_blocked_is_cut_off_and_refused() {
    let (ana, mut ben, document) = pair_with(Role::Write).await;
    let stranger_key = ben.identity.key.clone();
    let persons = BTreeSet::from([ben.person()]);
    ana.hub().command(Command::SetBlocked { persons }).await.unwrap();
    // An invitation that is good for everybody else.
    let other = ana.create("diary").await;
    let ticket = ana.invite(other, Role::Write).await;
    let redeemed = ben.hub().redeem(&ticket).await;
    assert!(matches!(redeemed, Err(JoinError::NotValid)), "{redeemed:?}");
    ben.close().await;
    let stranger = Stranger::with_key(&stranger_key).await;
    let connection = stranger.connect(&ana.hub().contact(), SYNC_ALPN).await;
    assert_eq!(close_code(&connection).await, UNKNOWN);
    stranger.endpoint.close().await;

    ana.hub().command(Command::SetBlocked { persons: BTreeSet::new() }).await.unwrap();
    ana.put(document, "milk", "two").await;
    ben.open().await;
    ben.shows(document, "milk", "two").await;
    assert_eq!(ben.hub().redeem(&ticket).await.unwrap(), other);
}

/// What a device hears that comes with a ticket and wants this.
async fn answer(device: &Device, contact: &Contact, ticket: &Ticket, intent: u8) -> Vec<u8> {
    let stranger = Stranger::with_key(&device.identity.key).await;
    let mut talk = Talk::greet(&stranger, contact, ticket).await;
    let claim = talk.claim_of(device);
    talk.say(&claim_message(intent, claim, ticket, device)).await;
    let answer = talk.hear().await;
    stranger.endpoint.close().await;
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn to_be_blocked_looks_like_a_ticket_that_never_was() {
    let (ana, mut ben, _) = pair_with(Role::Write).await;
    ben.close().await;
    let document = ana.create("diary").await;
    let ticket = ana.invite(document, Role::Write).await;
    let forged = Ticket { seed: secret(), ..ticket.clone() };
    let persons = BTreeSet::from([ben.person()]);
    ana.hub().command(Command::SetBlocked { persons }).await.unwrap();
    // A device that his roster does not name (yet), for all that Ana knows.
    let key = DeviceKey::from_secret(secret());
    let phone = Device::with(Identity { key, person: ben.person() }, ben.roster.clone());
    let (eve, contact) = (Device::resting("Eve"), ana.hub().contact());
    for intent in 1..=3 {
        let unknown = answer(&eve, &contact, &forged, intent).await;
        assert_eq!(unknown, [1, 5, 1, 0], "refused, not valid, no text");
        assert_eq!(answer(&ben, &contact, &ticket, intent).await, unknown, "intent {intent}");
        assert_eq!(answer(&phone, &contact, &ticket, intent).await, unknown, "intent {intent}, new device");
    }
    // The invitation is as it was.
    let cleo = Device::start("Cleo").await;
    assert_eq!(cleo.hub().redeem(&ticket).await.unwrap(), document);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_blocked_is_not_looked_for() {
    let (ana, ben, _) = pair_with(Role::Write).await;
    let dials = || ben.hub().peers().iter().any(|peer| peer.device == ana.hub().device());
    assert!(dials());
    let persons = BTreeSet::from([ana.person()]);
    ben.hub().command(Command::SetBlocked { persons }).await.unwrap();
    ben.hub().seek(&[ana.hub().contact()]).await;
    ben.hub().ask(|_| ()).await.unwrap();
    assert!(!dials());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_to_somebody_who_comes_to_be_blocked_is_closed() {
    let (ana, mut ben, _) = pair_with(Role::Write).await;
    let key = ben.identity.key.clone();
    ben.close().await;
    let stranger = Stranger::with_key(&key).await;
    let wire = stranger.link(&ana.hub().contact()).await;
    let persons = BTreeSet::from([ben.person()]);
    ana.hub().command(Command::SetBlocked { persons }).await.unwrap();
    assert_ne!(close_code(&wire.connection).await, 0);
}
