//! Strangers, and peers that do not keep to the protocol: they are closed, and nobody else notices.

use katori_acl::{DeviceKey, Role};
use katori_net::{JOIN_ALPN, SYNC_ALPN};

use crate::by_hand::{Talk, message};
use crate::world::{DEADLINE, Device, Stranger, close_code, pair_with, secret, write};

const UNKNOWN: u64 = 0x4001;
const PROTOCOL: u64 = 0x4002;
const TIMED_OUT: u64 = 0x4005;
const BUSY: u64 = 0x4006;

/// A device of Ben's that Ana knows, and that speaks by hand; Cleo is the one who must not notice.
async fn known_stranger() -> (Device, Device, katori_acl::ResourceId, Stranger) {
    let (ana, cleo, document) = Box::pin(pair_with(Role::Write)).await;
    let mut ben = Device::start("Ben").await;
    let ticket = ana.invite(document, Role::Read).await;
    ben.hub().redeem(&ticket).await.unwrap();
    ben.close().await;
    let stranger = Stranger::with_key(&ben.identity.key).await;
    (ana, cleo, document, stranger)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_is_turned_away() {
    let (ana, ben, document) = pair_with(Role::Write).await;
    let stranger = Stranger::with_key(&DeviceKey::from_secret(secret())).await;
    let connection = stranger.connect(&ana.hub().contact(), SYNC_ALPN).await;
    assert_eq!(close_code(&connection).await, UNKNOWN);
    ana.put(document, "milk", "two").await;
    ben.shows(document, "milk", "two").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_greeting_closes_the_connection() {
    let (ana, cleo, document, stranger) = known_stranger().await;
    let contact = ana.hub().contact();
    let garbage: [&[u8]; 4] = [
        // A length of four gigabytes, one above what a greeting may have, none at all, and no greeting.
        &[0xff, 0xff, 0xff, 0xff, 1],
        &[0, 0, 4, 1, 1],
        &[0, 0, 0, 0],
        &[0, 0, 0, 3, 9, 9, 9],
    ];
    for bytes in garbage {
        let connection = stranger.connect(&contact, SYNC_ALPN).await;
        let (mut send, _receive) = connection.open_bi().await.unwrap();
        send.write_all(bytes).await.unwrap();
        assert_eq!(close_code(&connection).await, PROTOCOL, "{bytes:?}");
    }
    let connection = stranger.connect(&contact, SYNC_ALPN).await;
    let (mut send, _receive) = connection.open_bi().await.unwrap();
    send.write_all(&[0, 0, 0, 9, 1, 1]).await.unwrap();
    send.finish().unwrap();
    assert_eq!(close_code(&connection).await, PROTOCOL, "half a greeting");
    ana.put(document, "milk", "two").await;
    cleo.shows(document, "milk", "two").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_who_says_nothing_is_not_waited_for() {
    let (ana, _cleo, document, stranger) = known_stranger().await;
    let ticket = ana.invite(document, Role::Read).await;
    let contact = ana.hub().contact();
    let silent = stranger.connect(&contact, SYNC_ALPN).await;
    let half = stranger.connect(&contact, SYNC_ALPN).await;
    let (mut send, _receive) = half.open_bi().await.unwrap();
    send.write_all(&[0, 0, 0]).await.unwrap();
    let joining = stranger.connect(&contact, JOIN_ALPN).await;
    assert_eq!(close_code(&silent).await, TIMED_OUT);
    assert_eq!(close_code(&half).await, TIMED_OUT);
    assert_ne!(close_code(&joining).await, 0);
    drop(ticket);
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_do_not_close_the_door_to_whoever_was_invited() {
    let (ana, ben) = (Device::start("Ana").await, Device::start("Ben").await);
    let document = ana.create("groceries").await;
    let (ticket, contact) = (ana.invite(document, Role::Read).await, ana.hub().contact());
    let stranger = Stranger::with_key(&DeviceKey::from_secret(secret())).await;
    // As many as may knock at once, with invitations that they made up.
    let forged = katori_acl::Ticket { seed: secret(), ..ticket.clone() };
    let mut held = Vec::new();
    for _ in 0..4 {
        held.push(Talk::greet(&stranger, &contact, &forged).await);
    }
    let one_more = stranger.connect(&contact, JOIN_ALPN).await;
    let (mut send, _receive) = one_more.open_bi().await.unwrap();
    write(&mut send, &message(1, forged.secret().public().as_bytes())).await;
    assert_eq!(close_code(&one_more).await, BUSY);
    // And many that say nothing.
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(stranger.connect(&contact, JOIN_ALPN).await);
    }
    assert_eq!(close_code(silent.last().unwrap()).await, BUSY);
    assert_eq!(ben.hub().redeem(&ticket).await.unwrap(), document);
    drop((held, silent));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_frame_closes_the_link_and_no_other() {
    let (ana, cleo, document, stranger) = known_stranger().await;
    let contact = ana.hub().contact();
    for bytes in [&[0xff; 8][..], &[0, 0x80, 0, 1, 1], &[0, 0, 0, 0]] {
        let mut wire = stranger.link(&contact).await;
        wire.send.write_all(bytes).await.unwrap();
        assert_eq!(close_code(&wire.connection).await, PROTOCOL, "{bytes:?}");
    }
    let mut wire = stranger.link(&contact).await;
    wire.send.write_all(&[0, 0, 0, 50, 1, 2, 3]).await.unwrap();
    wire.send.finish().unwrap();
    assert_eq!(close_code(&wire.connection).await, PROTOCOL, "half a frame");
    let mut wire = stranger.link(&contact).await;
    write(&mut wire.send, b"\xeeno frame of this version").await;
    assert_eq!(close_code(&wire.connection).await, PROTOCOL, "the engine closes it");
    ana.put(document, "milk", "two").await;
    cleo.shows(document, "milk", "two").await;
    assert!(cleo.hub().settled(DEADLINE).await);
}
