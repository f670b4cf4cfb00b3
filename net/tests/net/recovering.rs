//! The roster of somebody who lost every device, from a friend.

use katori_acl::{DeviceKey, Role, Subject, TicketKind};
use katori_core::engine::Command;
use katori_net::{JoinError, Network, recover_roster};

use crate::world::{ANYWHERE, pair_with, secret};

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
