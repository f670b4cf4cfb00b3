//! The roster of somebody who lost every device, from a friend.

use katori_acl::{Contact, DeviceKey, RecoveryPhrase, Role, Subject, TicketKind, VerifiedRecord};
use katori_core::engine::Command;
use katori_core::identity::{Founding, Identity};
use katori_net::{JoinError, Network, recover_roster, rows_to_seek};
use tokio::time::timeout;

use crate::world::{ANYWHERE, DEADLINE, Device, pair_with, secret};

#[tokio::test(flavor = "multi_thread")]
async fn a_friend_hands_over_the_roster() {
    let (ana, mut ben, _) = pair_with(Role::Write).await;
    let lost = ben.hub().contact();
    ben.close().await;
    let person = ben.person();
    let ticket = ana.ticket(TicketKind::Recovery { person });
    let key = ticket.secret().public();
    ana.hub().command(Command::InviteRecovery { key, person, expires: None }).await.unwrap();

    let recover = || recover_roster(&ticket, DeviceKey::from_secret(secret()), Network::Offline, ANYWHERE);
    let (records, contacts) = recover().await.unwrap();
    assert!(records.iter().all(|record| record.subject() == Subject::Roster(person)));
    assert_eq!(records.len(), ben.roster.len());
    let devices: Vec<_> = contacts.iter().map(|contact| contact.device).collect();
    assert_eq!(devices, [ana.hub().device(), lost.device]);
    assert!(matches!(recover().await, Err(JoinError::NotValid)), "once");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_kind_of_ticket_does_one_thing() {
    let (ana, ben, document) = pair_with(Role::Write).await;
    let recovery = ana.ticket(TicketKind::Recovery { person: ben.person() });
    assert!(matches!(ben.hub().redeem(&recovery).await, Err(JoinError::RecoveryTicket)));
    let recover = |ticket| async move {
        recover_roster(&ticket, DeviceKey::from_secret(secret()), Network::Offline, ANYWHERE).await
    };
    let invitation = ana.invite(document, Role::Read).await;
    assert!(matches!(recover(invitation).await, Err(JoinError::DocumentTicket)));
    let device = ana.ticket_for_device().await;
    assert!(matches!(recover(device).await, Err(JoinError::DeviceTicket)));
}

/// Ana, who is off, where she is found, and Ben, who shared something with her before he lost his only device.
async fn friends() -> (Device, Contact, Identity, Vec<VerifiedRecord>) {
    let (words, next) = (RecoveryPhrase::from_entropy(secret()), RecoveryPhrase::from_entropy(secret()));
    let founding = Founding {
        person_name: "Ben".to_owned(),
        device_name: "laptop".to_owned(),
        recovery: words.hash(),
        nonce: [0; 16],
    };
    let (identity, genesis) = Identity::found(DeviceKey::from_secret(secret()), founding).unwrap();
    let (mut ana, mut lost) = (Device::start("Ana").await, Device::with(identity, vec![genesis]));
    lost.open().await;
    let document = ana.create("groceries").await;
    lost.hub().redeem(&ana.invite(document, Role::Write).await).await.unwrap();
    lost.close().await;
    let contact = ana.hub().contact();
    ana.close().await;
    let (key, roster) = (DeviceKey::from_secret(secret()), lost.roster.clone());
    let (identity, roster) = Identity::recover(key, &words, &next, roster, "phone".to_owned()).unwrap();
    (ana, contact, identity, roster)
}

/// Waits until Ana has heard from Ben that he is back.
async fn until_heard(ana: &Device, ben: &Device) {
    let (person, device) = (ben.person(), ben.hub().device());
    let mut events = ana.hub().events();
    let wait = async {
        let heard = move || {
            ana.hub().ask(move |engine| {
                engine.registry().roster(person).is_some_and(|roster| roster.contains(&device))
            })
        };
        while !heard().await.unwrap() {
            events.recv().await.unwrap();
        }
    };
    timeout(DEADLINE, wait).await.expect("he is heard in time");
}

#[tokio::test(flavor = "multi_thread")]
async fn whom_to_ask_is_kept_over_a_restart() {
    let (mut ana, contact, identity, roster) = friends().await;
    let mut ben = Device::with(identity, roster);
    ben.open().await;
    ben.hub().seek(&[contact]).await;
    ben.cut().await;
    ana.open().await;
    ben.open().await;
    until_heard(&ana, &ben).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_knows_whom_to_ask_from_its_first_row_on() {
    let (mut ana, contact, identity, roster) = friends().await;
    let mut ben = Device::with_rows(identity, roster, rows_to_seek(&[contact]));
    ana.open().await;
    ben.open().await;
    until_heard(&ana, &ben).await;
}
