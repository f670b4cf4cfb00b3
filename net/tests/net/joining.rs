//! Tickets: used twice, expired, replayed, out of reach, and for another device.

use katori_acl::codec::{Reader, Writer};
use katori_acl::{Claim, Contact, DeviceKey, InviteKey, Role, Ticket, TicketKind};
use katori_core::engine::Command;
use katori_core::identity::Identity;
use katori_net::{JOIN_ALPN, JoinError, Network, pair};

use crate::world::{Device, Stranger, close_code, invite_secret, pair_with, read, secret, write};

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
async fn a_new_device_becomes_one_of_the_person() {
    let ana = Device::start("Ana").await;
    let document = ana.create("groceries").await;
    ana.put(document, "milk", "one").await;
    let ticket = Ticket {
        kind: TicketKind::Device,
        person: ana.person(),
        person_name: "Ana".to_owned(),
        devices: vec![ana.hub().contact()],
        seed: secret(),
        expires: None,
    };
    let key = ticket.secret().public();
    ana.hub().command(Command::InviteDevice { key, expires: None }).await.unwrap();
    assert!(matches!(ana.hub().redeem(&ticket).await, Err(JoinError::DeviceTicket)));

    let key = DeviceKey::from_secret(secret());
    let bind = Some(([127, 0, 0, 1], 0).into());
    let roster = pair(&ticket, "phone", key.clone(), Network::Offline, bind).await.unwrap();
    assert_eq!(roster.len(), 2);
    let mut phone = Device::with(Identity { key: key.clone(), person: ana.person() }, roster);
    phone.open().await;
    phone.hub().learn(&ticket.devices).await;
    phone.until_held(document).await;
    phone.shows(document, "milk", "one").await;
    phone.put(document, "milk", "two").await;
    ana.shows(document, "milk", "two").await;

    let again = pair(&ticket, "phone", DeviceKey::from_secret(secret()), Network::Offline, bind).await;
    assert!(matches!(again, Err(JoinError::NotValid)));
}

/// The steps of joining, by hand: hello, and the challenge that comes back.
async fn challenge(
    stranger: &Stranger,
    contact: &Contact,
    invite: InviteKey,
) -> (iroh::endpoint::Connection, iroh::endpoint::SendStream, iroh::endpoint::RecvStream, [u8; 32]) {
    let connection = stranger.connect(contact, JOIN_ALPN).await;
    let (mut send, mut receive) = connection.open_bi().await.unwrap();
    let mut hello = Writer::new();
    invite.encode(hello.byte(1).byte(1));
    write(&mut send, &hello.finish()).await;
    let bytes = read(&mut receive).await;
    let mut reader = Reader::new(&bytes);
    assert_eq!((reader.byte(), reader.byte()), (Ok(1), Ok(2)), "a challenge");
    let challenge = reader.array().unwrap();
    (connection, send, receive, challenge)
}

fn exporter(connection: &iroh::endpoint::Connection) -> [u8; 32] {
    let mut bytes = [0; 32];
    connection.export_keying_material(&mut bytes, b"katori/join/1", &[]).unwrap();
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_is_of_no_use_on_another_connection() {
    let (ana, ben) = (Device::start("Ana").await, Device::resting("Ben"));
    let document = ana.create("groceries").await;
    let ticket = ana.invite(document, Role::Write).await;
    let (contact, invite) = (ana.hub().contact(), ticket.secret().public());
    let stranger = Stranger::with_key(&ben.identity.key).await;
    let claim = |challenge, exporter| Claim {
        invite,
        challenge,
        inviter: ana.hub().device(),
        joiner: ben.identity.device(),
        person: Some(ben.person()),
        exporter,
        name: "laptop".to_owned(),
    };
    let message = |claim: Claim| {
        let signed = claim.sign(&invite_secret(&ticket), &ben.identity.key).unwrap();
        let mut writer = Writer::new();
        writer.byte(1).byte(3).bytes(signed.bytes()).list(&ben.roster, |writer, record| {
            writer.bytes(record.bytes());
        });
        writer.finish()
    };

    // A claim for this very device and invitation, signed for another connection of the two.
    let (first, _send, _receive, old_challenge) = challenge(&stranger, &contact, invite).await;
    let old_exporter = exporter(&first);
    for replayed in [false, true] {
        let (connection, mut send, mut receive, fresh) = challenge(&stranger, &contact, invite).await;
        // Replayed whole, or signed anew with the other connection's exporter.
        let signed_for = if replayed { old_challenge } else { fresh };
        write(&mut send, &message(claim(signed_for, old_exporter))).await;
        assert_eq!(read(&mut receive).await[..3], [1, 5, 3], "a refusal");
        connection.close(0u32.into(), b"");
    }
    // The invitation is not used up by any of that.
    let (connection, mut send, mut receive, fresh) = challenge(&stranger, &contact, invite).await;
    write(&mut send, &message(claim(fresh, exporter(&connection)))).await;
    assert_eq!(read(&mut receive).await[..2], [1, 4], "a welcome");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_joins_where_nothing_is_open() {
    let (ana, _ben, _) = pair_with(Role::Write).await;
    let stranger = Stranger::with_key(&DeviceKey::from_secret(secret())).await;
    let connection = stranger.connect(&ana.hub().contact(), JOIN_ALPN).await;
    assert_eq!(close_code(&connection).await, 0x4001);
}
