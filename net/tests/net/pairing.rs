//! A new device of a person: six digits on both screens, and what those in between can do.

use katori_acl::{DeviceKey, Ticket};
use katori_net::{Digits, JoinError, Network, PairingEnd, PairingRequest, pair};
use tokio::sync::{broadcast, mpsc};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::by_hand::{Talk, message};
use crate::world::{ANYWHERE, DEADLINE, Device, Stranger, secret};

const COMMITMENT: u8 = 9;
const NONCE: u8 = 10;
const REVEAL: u8 = 11;
const VERDICT: u8 = 12;
const REFUSED: u8 = 5;

type Paired = Result<usize, JoinError>;

/// Pairs in the background, with a person who answers this; says what digits were shown, and how it went.
fn pair_saying(ticket: &Ticket, same: bool) -> (JoinHandle<Paired>, mpsc::UnboundedReceiver<Digits>) {
    let (shown, digits) = mpsc::unbounded_channel();
    let ticket = ticket.clone();
    let key = DeviceKey::from_secret(secret());
    let pairing = tokio::spawn(async move {
        let confirm = async move |digits| {
            shown.send(digits).unwrap();
            same
        };
        pair(&ticket, "phone", key, Network::Offline, ANYWHERE, confirm).await.map(|roster| roster.len())
    });
    (pairing, digits)
}

/// A new device that speaks the protocol by hand, as far as the inviter's commitment.
struct Visit {
    ana: Device,
    ticket: Ticket,
    /// Its endpoint, which the talk needs for as long as it lasts.
    _stranger: Stranger,
    requests: broadcast::Receiver<PairingRequest>,
    talk: Talk,
    commitment: Vec<u8>,
}

impl Visit {
    async fn begin() -> Self {
        let ana = Device::start("Ana").await;
        let ticket = ana.ticket_for_device().await;
        let key = DeviceKey::from_secret(secret());
        let stranger = Stranger::with_key(&key).await;
        let requests = ana.hub().pairings();
        let mut talk = Talk::greet(&stranger, &ana.hub().contact(), &ticket).await;
        talk.claim_as_new_device(&key).await;
        let commitment = talk.hear_of_kind(COMMITMENT).await;
        Self { ana, ticket, _stranger: stranger, requests, talk, commitment }
    }
}

async fn next_request(requests: &mut broadcast::Receiver<PairingRequest>) -> PairingRequest {
    timeout(DEADLINE, requests.recv()).await.expect("a request in time").unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn both_screens_show_the_same_digits_and_the_documents_come() {
    let ana = Device::start("Ana").await;
    let document = ana.create("groceries").await;
    ana.put(document, "milk", "one").await;
    let ticket = ana.ticket_for_device().await;
    assert!(matches!(ana.hub().redeem(&ticket).await, Err(JoinError::DeviceTicket)));
    let mut requests = ana.hub().pairings();
    let (pairing, mut digits) = pair_saying(&ticket, true);
    let request = next_request(&mut requests).await;
    assert_eq!(ana.hub().pairing_requests(), std::slice::from_ref(&request));
    assert_eq!(digits.recv().await.unwrap(), request.digits);
    assert_eq!(request.name, "phone");
    assert_eq!(ana.devices().await, 1, "nothing is granted before both have confirmed");
    assert_eq!(ana.hub().answer_pairing(request.id, true).await, PairingEnd::Paired);
    assert_eq!(pairing.await.unwrap().unwrap(), 2);
    assert_eq!((ana.devices().await, ana.hub().pairing_requests().len()), (2, 0));
    assert_eq!(ana.hub().answer_pairing(request.id, true).await, PairingEnd::Gone);
    let (again, _) = pair_saying(&ticket, true);
    assert!(matches!(again.await.unwrap(), Err(JoinError::NotValid)));

    let phone = ana.second_device().await;
    phone.until_held(document).await;
    phone.shows(document, "milk", "one").await;
    phone.put(document, "milk", "two").await;
    ana.shows(document, "milk", "two").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn digits_refused_at_the_inviter_grant_nothing() {
    let ana = Device::start("Ana").await;
    let ticket = ana.ticket_for_device().await;
    let mut requests = ana.hub().pairings();
    let (pairing, _digits) = pair_saying(&ticket, true);
    let request = next_request(&mut requests).await;
    assert_eq!(ana.hub().answer_pairing(request.id, false).await, PairingEnd::RefusedHere);
    assert!(matches!(pairing.await.unwrap(), Err(JoinError::DigitsRefused { by_us: false })));
    assert_eq!(ana.devices().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn digits_refused_at_the_new_device_grant_nothing_and_three_times_end_the_invitation() {
    let ana = Device::start("Ana").await;
    let ticket = ana.ticket_for_device().await;
    for attempt in 0..3 {
        let mut requests = ana.hub().pairings();
        let (pairing, _digits) = pair_saying(&ticket, false);
        let request = next_request(&mut requests).await;
        let end = ana.hub().answer_pairing(request.id, true).await;
        // The refusal may have come before the answer was given.
        assert!(matches!(end, PairingEnd::RefusedThere | PairingEnd::Gone), "{end:?} in {attempt}");
        let paired = pairing.await.unwrap();
        assert!(matches!(paired, Err(JoinError::DigitsRefused { by_us: true })), "{paired:?} in {attempt}");
    }
    let (pairing, mut digits) = pair_saying(&ticket, true);
    assert!(matches!(pairing.await.unwrap(), Err(JoinError::NotValid)));
    assert!(digits.recv().await.is_none(), "no digits are shown any more");
    assert_eq!(ana.devices().await, 1);
    assert_eq!(ana.hub().ask(|engine| engine.invites().count()).await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_inviter_reveals_has_to_fit_its_commitment() {
    let ana = Device::start("Ana").await;
    let mut ticket = ana.ticket_for_device().await;
    let rogue = Stranger::with_key(&DeviceKey::from_secret(secret())).await;
    ticket.devices = vec![rogue.contact()];
    let (pairing, mut digits) = pair_saying(&ticket, true);
    let mut talk = Talk::receive(&rogue, &ticket).await;
    talk.say(&talk.commitment([1; 32])).await;
    talk.hear_of_kind(NONCE).await;
    // It has seen the other's nonce, and would like to choose its own now.
    talk.say(&message(REVEAL, &[2; 32])).await;
    assert_eq!(talk.hear_of_kind(VERDICT).await, [3], "it is told why");
    talk.connection.close(0u32.into(), b"");
    assert!(matches!(pairing.await.unwrap(), Err(JoinError::CommitmentBroken)));
    assert!(digits.recv().await.is_none(), "no digits were shown");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inviter_that_shows_no_digits_is_not_believed() {
    let ana = Device::start("Ana").await;
    let mut ticket = ana.ticket_for_device().await;
    let rogue = Stranger::with_key(&DeviceKey::from_secret(secret())).await;
    ticket.devices = vec![rogue.contact()];
    let (pairing, mut digits) = pair_saying(&ticket, true);
    let mut talk = Talk::receive(&rogue, &ticket).await;
    // A welcome with no document, no records and no contacts.
    talk.say(&message(4, &[0, 0, 0])).await;
    assert!(matches!(pairing.await.unwrap(), Err(JoinError::Protocol(_))));
    assert!(digits.recv().await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_device_that_confirms_by_itself_still_needs_the_person_here() {
    let Visit { ana, mut requests, mut talk, commitment, _stranger, .. } = Visit::begin().await;
    talk.say(&message(NONCE, &[5; 32])).await;
    let revealed = talk.hear_of_kind(REVEAL).await;
    assert_eq!(talk.commitment(revealed.clone().try_into().unwrap())[2..], commitment);
    talk.say(&message(VERDICT, &[1])).await;
    let request = next_request(&mut requests).await;
    let expected = talk.digits(&revealed, &[5; 32]);
    assert_eq!(u64::from(request.digits.number()), expected, "as the description of the protocol says");
    assert_eq!(ana.hub().answer_pairing(request.id, false).await, PairingEnd::RefusedHere);
    assert_eq!(talk.hear().await, [1, REFUSED, 6, 0]);
    assert_eq!(ana.devices().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn digits_that_nobody_looked_at_grant_nothing() {
    let Visit { ana, ticket, mut requests, mut talk, _stranger, .. } = Visit::begin().await;
    // A second device with the same ticket does not get in between.
    let (second, mut digits) = pair_saying(&ticket, true);
    assert!(matches!(second.await.unwrap(), Err(JoinError::Interrupted(_))));
    assert!(digits.recv().await.is_none());
    talk.say(&message(NONCE, &[5; 32])).await;
    talk.hear_of_kind(REVEAL).await;
    let request = next_request(&mut requests).await;
    talk.say(&message(VERDICT, &[4])).await;
    assert_eq!(talk.hear().await, [1, REFUSED, 7, 0]);
    let end = ana.hub().answer_pairing(request.id, true).await;
    assert!(matches!(end, PairingEnd::Unconfirmed | PairingEnd::Gone), "{end:?}");
    assert_eq!(ana.devices().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_device_that_goes_away_leaves_no_request() {
    let Visit { ana, mut requests, mut talk, _stranger, .. } = Visit::begin().await;
    talk.say(&message(NONCE, &[5; 32])).await;
    let request = next_request(&mut requests).await;
    talk.connection.close(0u32.into(), b"");
    let end = ana.hub().answer_pairing(request.id, true).await;
    assert!(matches!(end, PairingEnd::BrokenOff | PairingEnd::Gone), "{end:?}");
    assert_eq!(ana.devices().await, 1);
}

/// Somebody in the middle who holds the ticket, with a connection to Ana's hub and one to a new device.
struct Middle {
    _endpoint: Stranger,
    to_ana: Talk,
    to_phone: Talk,
    pairing: JoinHandle<Paired>,
    digits: mpsc::UnboundedReceiver<Digits>,
}

impl Middle {
    async fn between(ana: &Device) -> Self {
        let ticket = ana.ticket_for_device().await;
        let key = DeviceKey::from_secret(secret());
        let endpoint = Stranger::with_key(&key).await;
        let mut altered = ticket.clone();
        altered.devices = vec![endpoint.contact()];
        let (pairing, digits) = pair_saying(&altered, true);
        let to_phone = Talk::receive(&endpoint, &altered).await;
        let mut to_ana = Talk::greet(&endpoint, &ana.hub().contact(), &ticket).await;
        to_ana.claim_as_new_device(&key).await;
        Self { _endpoint: endpoint, to_ana, to_phone, pairing, digits }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_in_the_middle_makes_the_screens_differ() {
    let ana = Device::start("Ana").await;
    let mut requests = ana.hub().pairings();
    let Middle { _endpoint, mut to_ana, mut to_phone, pairing, mut digits } = Middle::between(&ana).await;
    // It has to commit to the phone before it knows the phone's nonce, and to send Ana one before it knows hers.
    to_ana.hear_of_kind(COMMITMENT).await;
    to_phone.say(&to_phone.commitment([1; 32])).await;
    let phones = to_phone.hear_of_kind(NONCE).await;
    to_ana.say(&message(NONCE, &phones)).await;
    to_ana.hear_of_kind(REVEAL).await;
    to_phone.say(&message(REVEAL, &[1; 32])).await;
    let request = next_request(&mut requests).await;
    // Equal once in a million runs.
    assert_ne!(digits.recv().await.unwrap(), request.digits);
    assert_eq!(to_phone.hear_of_kind(VERDICT).await, [1]);
    to_ana.say(&message(VERDICT, &[1])).await;
    assert_eq!(ana.hub().answer_pairing(request.id, false).await, PairingEnd::RefusedHere);
    to_phone.say(&message(REFUSED, &[6, 0])).await;
    assert!(matches!(pairing.await.unwrap(), Err(JoinError::DigitsRefused { by_us: false })));
    assert_eq!(ana.devices().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_in_the_middle_who_passes_everything_on_is_found_out_by_the_commitment() {
    let ana = Device::start("Ana").await;
    let Middle { _endpoint, mut to_ana, mut to_phone, pairing, mut digits } = Middle::between(&ana).await;
    let commitment = to_ana.hear_of_kind(COMMITMENT).await;
    to_phone.say(&message(COMMITMENT, &commitment)).await;
    let nonce = to_phone.hear_of_kind(NONCE).await;
    to_ana.say(&message(NONCE, &nonce)).await;
    let revealed = to_ana.hear_of_kind(REVEAL).await;
    to_phone.say(&message(REVEAL, &revealed)).await;
    assert_eq!(to_phone.hear_of_kind(VERDICT).await, [3]);
    to_phone.connection.close(0u32.into(), b"");
    assert!(matches!(pairing.await.unwrap(), Err(JoinError::CommitmentBroken)));
    assert!(digits.recv().await.is_none());
}
