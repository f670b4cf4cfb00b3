//! The life of an invitation on the wire: looked at, declined, waited for, confirmed, and gone on with after either
//! side was started again.

use katori_acl::{DeviceId, ResourceId, Role, Ticket};
use katori_core::engine::{Command, Event, RequestState};
use katori_net::{Hub, JoinError, JoinState};
use tokio::sync::broadcast;
use tokio::time::timeout;

use crate::world::{DEADLINE, Device};

/// Waits until somebody asks to be let in.
async fn asked(events: &mut broadcast::Receiver<Event>) -> DeviceId {
    let wait = async {
        loop {
            if let Event::Asked { device, .. } = events.recv().await.unwrap() {
                return device;
            }
        }
    };
    timeout(DEADLINE, wait).await.expect("somebody asks in time")
}

/// Waits until the only join of a hub stands where it should.
async fn until(hub: &Hub, wanted: impl Fn(&JoinState) -> bool) {
    let mut changes = hub.join_changes();
    let wait = async {
        while !hub.joins().iter().any(|join| wanted(&join.state)) {
            changes.recv().await.unwrap();
        }
    };
    timeout(DEADLINE, wait).await.unwrap_or_else(|_| panic!("stands at {:?}", hub.joins()));
}

fn is_waiting(state: &JoinState) -> bool {
    matches!(state, JoinState::AwaitingConfirmation { .. })
}

/// Ana, a document of hers with something in it, and Ben, who waits for her to let him in.
async fn ben_waits() -> (Device, Device, ResourceId, Ticket) {
    let (ana, ben) = (Device::start("Ana").await, Device::start("Ben").await);
    let document = ana.create("groceries").await;
    ana.put(document, "milk", "one").await;
    let ticket = ana.invite_to_confirm(document, Role::Write).await;
    let mut events = ana.hub().events();
    let state = ben.hub().join(&ticket).await.unwrap();
    assert_eq!(state, JoinState::AwaitingConfirmation { by: ana.person(), name: "Ana".to_owned() });
    assert_eq!(asked(&mut events).await, ben.hub().device());
    (ana, ben, document, ticket)
}

async fn answer(ana: &Device, ben: &Device, ticket: &Ticket, admit: bool) {
    let (invite, device) = (ticket.secret().public(), ben.hub().device());
    ana.hub().command(Command::Answer { invite, device, admit }).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn looking_uses_nothing_up() {
    let (ana, ben) = (Device::start("Ana").await, Device::start("Ben").await);
    let document = ana.create("groceries").await;
    ana.put(document, "milk", "one").await;
    let ticket = ana.invite(document, Role::Read).await;
    for _ in 0..2 {
        let preview = ben.hub().preview(&ticket).await.unwrap();
        assert_eq!((preview.name.as_str(), preview.role), ("groceries", Role::Read));
        assert!(preview.changes > 0);
    }
    assert!(ben.hub().open(document).await.is_err(), "nothing was granted");
    assert!(ben.hub().joins().is_empty());
    assert_eq!(ben.hub().redeem(&ticket).await.unwrap(), document);
    let eve = Device::start("Eve").await;
    assert!(matches!(eve.hub().preview(&ticket).await, Err(JoinError::NotValid)));
    assert!(matches!(eve.hub().preview(&ana.ticket_for_device().await).await, Err(JoinError::DeviceTicket)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_can_be_declined() {
    let (ana, ben) = (Device::start("Ana").await, Device::start("Ben").await);
    let document = ana.create("groceries").await;
    let ticket = ana.invite(document, Role::Write).await;
    ben.hub().decline(&ticket).await.unwrap();
    assert!(ben.hub().open(document).await.is_err());
    let (invite, device) = (ticket.secret().public(), ben.hub().device());
    let noted = ana.hub().ask(move |engine| {
        let invite = engine.invites().find(|open| open.key == invite)?;
        Some((invite.requests.get(&device)?.state, invite.uses))
    });
    assert_eq!(noted.await.unwrap(), Some((RequestState::Declined, Some(1))), "no use is counted");
    ana.hub().command(Command::Uninvite { key: ticket.secret().public() }).await.unwrap();
    assert!(matches!(ben.hub().decline(&ticket).await, Err(JoinError::NotValid)));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_waits_is_let_in_as_soon_as_somebody_says_yes() {
    let (ana, ben, document, ticket) = ben_waits().await;
    assert!(ben.hub().open(document).await.is_err(), "nothing is given before that");
    assert!(matches!(ben.hub().redeem(&ticket).await, Err(JoinError::AwaitingConfirmation)));
    answer(&ana, &ben, &ticket, true).await;
    until(ben.hub(), |state| *state == JoinState::Joined { document }).await;
    ben.shows(document, "milk", "one").await;
    ben.hub().forget_join(&ticket.secret().public()).await;
    assert!(ben.hub().joins().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_waits_hears_a_no() {
    let (ana, ben, document, ticket) = ben_waits().await;
    answer(&ana, &ben, &ticket, false).await;
    until(ben.hub(), |state| *state == JoinState::Declined).await;
    assert!(ben.hub().open(document).await.is_err());
    assert!(matches!(ben.hub().redeem(&ticket).await, Err(JoinError::Declined)));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_waits_hears_that_the_invitation_was_revoked() {
    let (ana, ben, _, ticket) = ben_waits().await;
    ana.hub().command(Command::Uninvite { key: ticket.secret().public() }).await.unwrap();
    until(ben.hub(), |state| *state == JoinState::NotValid).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_join_goes_on_after_the_joiner_was_started_again() {
    let (ana, mut ben, document, ticket) = ben_waits().await;
    ben.cut().await;
    ben.open().await;
    until(ben.hub(), is_waiting).await;
    answer(&ana, &ben, &ticket, true).await;
    until(ben.hub(), |state| *state == JoinState::Joined { document }).await;
    ben.shows(document, "milk", "one").await;
    // What has ended is not begun again.
    ben.close().await;
    ben.open().await;
    assert!(ben.hub().joins().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_join_goes_on_after_the_inviter_was_started_again() {
    let (mut ana, ben, document, ticket) = ben_waits().await;
    ana.close().await;
    ana.open().await;
    answer(&ana, &ben, &ticket, true).await;
    until(ben.hub(), |state| *state == JoinState::Joined { document }).await;
    ben.shows(document, "milk", "one").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_join_waits_for_an_inviter_that_is_off() {
    let (mut ana, ben) = (Device::start("Ana").await, Device::start("Ben").await);
    let document = ana.create("groceries").await;
    let ticket = ana.invite(document, Role::Write).await;
    ana.close().await;
    match ben.hub().join(&ticket).await.unwrap() {
        JoinState::Connecting { tried } => assert!(tried[0].contains(&ticket.devices[0].addresses[0])),
        other => panic!("{other:?}"),
    }
    ana.open().await;
    until(ben.hub(), |state| *state == JoinState::Joined { document }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_is_in_no_message_for_people() {
    let (_ana, ben, _, ticket) = ben_waits().await;
    let shown = format!("{:?} {:?}", ben.hub().joins(), ben.hub());
    let seed = format!("{:?}", ticket.seed);
    assert!(!shown.contains(&ticket.to_string()) && !shown.contains(seed.trim_matches(['[', ']'])));
}
