//! The joiner's side: the devices of the ticket are asked one after another, until one says something that tells.

use iroh::Endpoint;
use iroh::endpoint::{Connection, ConnectionError, RecvStream, SendStream};
use katori_acl::{Claim, Contact, DeviceId, DeviceKey, InviteSecret, PersonId, ResourceId, Ticket};
use katori_core::engine::Preview;
use tokio::time::{Instant, timeout, timeout_at};

use super::digits::Transcript;
use super::message::{
    Intent, JoinMessage, MAX_SMALL_BYTES, MAX_WELCOME_BYTES, MessageError, Refusal, Verdict,
};
use super::reach::Reach;
use super::{JOIN_TIMEOUT, JoinError, STEP_TIMEOUT, WAITING_TIME, describe_contact, seems_expired};
use crate::address::device_of;
use crate::endpoint::exporter;
use crate::greeting::{CloseCode, JOIN_ALPN};

/// What a joiner brings.
#[derive(Debug)]
pub(crate) struct Asking {
    pub(crate) secret: InviteSecret,
    pub(crate) key: DeviceKey,
    pub(crate) joins: Joining,
    pub(crate) name: String,
    pub(crate) roster: Vec<Vec<u8>>,
}

/// As whom it joins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Joining {
    /// As a device of this person.
    As(PersonId),
    /// As a new device, which is to become one of this person's.
    Becoming(PersonId),
}

/// What a joiner was given.
#[derive(Debug)]
pub(crate) struct Given {
    pub(crate) document: Option<ResourceId>,
    pub(crate) records: Vec<Vec<u8>>,
    pub(crate) contacts: Vec<Contact>,
}

/// An exchange in which the claim has been answered, and not with a refusal.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) connection: Connection,
    pub(super) send: SendStream,
    pub(super) receive: RecvStream,
    pub(super) transcript: Transcript,
    pub(super) answer: JoinMessage,
}

/// Redeems a ticket. If somebody has to let this one in first, `waiting` is called, and it stays to hear the answer,
/// for a little longer than an inviter has it stay.
pub(crate) async fn redeem(
    endpoint: &Endpoint,
    ticket: &Ticket,
    asking: &Asking,
    waiting: impl Fn(),
) -> Result<Given, JoinError> {
    let Asked { connection, mut receive, mut answer, .. } =
        ask(endpoint, ticket, asking, Intent::Join).await?;
    let until = Instant::now() + WAITING_TIME + STEP_TIMEOUT;
    let mut has_waited = false;
    let given = loop {
        if answer != JoinMessage::Waiting {
            break given(answer);
        }
        has_waited = true;
        waiting();
        let next = JoinMessage::whenever(&mut receive, MAX_WELCOME_BYTES);
        match in_time(until, next).await {
            Ok(next) => answer = next,
            Err(error) => break Err(explain(&connection, &error)),
        }
    };
    CloseCode::Done.close(&connection);
    let is_maker = maker(ticket) == Some(device_of(connection.remote_id()));
    match given {
        // That the connection ended while somebody is to let this one in is no answer; nor is what another device
        // says than the one that made the ticket, which alone knows who was let in.
        Err(error) if has_waited && (!is_maker || matches!(error, JoinError::Interrupted(_))) => {
            tracing::info!(%error, "goes on waiting to be let in");
            Err(JoinError::AwaitingConfirmation)
        }
        given => given,
    }
}

/// What an inviter says who has had this one wait, if it does before all of that takes too long.
async fn in_time(
    until: Instant,
    next: impl Future<Output = Result<JoinMessage, MessageError>>,
) -> Result<JoinMessage, MessageError> {
    timeout_at(until, next).await.unwrap_or(Err(MessageError::TimedOut))
}

/// The device that made a ticket.
fn maker(ticket: &Ticket) -> Option<DeviceId> {
    ticket.devices.first().map(|contact| contact.device)
}

/// Asks what a ticket lets in to.
pub(crate) async fn look(
    endpoint: &Endpoint,
    ticket: &Ticket,
    asking: &Asking,
) -> Result<Preview, JoinError> {
    let asked = ask(endpoint, ticket, asking, Intent::Look).await?;
    CloseCode::Done.close(&asked.connection);
    let JoinMessage::Preview(preview) = asked.answer else { return Err(refusal_in(asked.answer)) };
    Ok(preview)
}

/// Says no to an invitation.
pub(crate) async fn decline(endpoint: &Endpoint, ticket: &Ticket, asking: &Asking) -> Result<(), JoinError> {
    let asked = ask(endpoint, ticket, asking, Intent::Decline).await?;
    CloseCode::Done.close(&asked.connection);
    if asked.answer == JoinMessage::Noted { Ok(()) } else { Err(refusal_in(asked.answer)) }
}

/// Asks the devices of a ticket one at a time, so that an invitation for one is not used up twice.
pub(super) async fn ask(
    endpoint: &Endpoint,
    ticket: &Ticket,
    asking: &Asking,
    intent: Intent,
) -> Result<Asked, JoinError> {
    let me = device_of(endpoint.id());
    let others: Vec<&Contact> = ticket.devices.iter().filter(|contact| contact.device != me).collect();
    if others.is_empty() && !ticket.devices.is_empty() {
        return Err(JoinError::OwnTicket);
    }
    let mut reach = Reach::new(endpoint, others.iter().copied());
    let (mut failure, mut heard) = (None, Vec::new());
    while let Some(connection) = reach.next().await {
        let device = device_of(connection.remote_id());
        let asked = timeout(JOIN_TIMEOUT, exchange(&connection, asking, intent)).await;
        let silent = || Err(JoinError::Interrupted("it stopped answering".into()));
        match asked.unwrap_or_else(|_| silent()) {
            Ok(asked) => return Ok(asked),
            // The person who made the ticket has said no: no other device is asked behind that person's back.
            Err(JoinError::Declined) if maker(ticket) == Some(device) => return Err(JoinError::Declined),
            // What is wrong here is wrong for every device.
            Err(error @ JoinError::Claim(_)) => return Err(error),
            Err(error) => {
                tracing::info!(device = %device.short(), %error, "not let in");
                CloseCode::Done.close(&connection);
                if !matches!(error, JoinError::Interrupted(_)) {
                    heard.push(device);
                }
                failure = Some(more_telling(failure, error));
            }
        }
    }
    Err(conclude(ticket, &others, &heard, failure))
}

/// Why nobody let this one in, from what all of them said. What some say ends nothing while others are merely off:
/// the one that knows the invitation may be among those, and one that does not may say anything.
fn conclude(
    ticket: &Ticket,
    others: &[&Contact],
    heard: &[DeviceId],
    failure: Option<JoinError>,
) -> JoinError {
    let silent = others.iter().filter(|contact| !heard.contains(&contact.device));
    let tried: Vec<String> = silent.map(|contact| describe_contact(contact)).collect();
    match failure {
        None | Some(JoinError::NotValid | JoinError::Expired) if seems_expired(ticket) => JoinError::Expired,
        Some(error) if matches!(error, JoinError::Interrupted(_)) || tried.is_empty() => error,
        _ => JoinError::Unreachable { tried },
    }
}

/// Of two failures, the one that says more: mostly one device alone knows an invitation, so that it is not valid
/// at another says the least, and that a connection broke off says little.
fn more_telling(before: Option<JoinError>, error: JoinError) -> JoinError {
    let weight = |error: &JoinError| {
        let little = matches!(error, JoinError::Interrupted(_));
        if matches!(error, JoinError::NotValid) {
            0
        } else if little {
            1
        } else {
            2
        }
    };
    match before {
        Some(before) if weight(&before) >= weight(&error) => before,
        _ => error,
    }
}

async fn exchange(connection: &Connection, asking: &Asking, intent: Intent) -> Result<Asked, JoinError> {
    let told = |error: MessageError| explain(connection, &error);
    let lost = |error: ConnectionError| why_closed(&error);
    let (mut send, mut receive) = connection.open_bi().await.map_err(lost)?;
    let (invite, inviter) = (asking.secret.public(), device_of(connection.remote_id()));
    JoinMessage::Hello { invite }.write(&mut send).await.map_err(told)?;
    let answer = JoinMessage::next(&mut receive, MAX_SMALL_BYTES).await.map_err(told)?;
    let JoinMessage::Challenge(challenge) = answer else { return Err(refusal_in(answer)) };
    let (person, consent) = match asking.joins {
        Joining::As(person) => (Some(person), None),
        Joining::Becoming(person) => (None, Some(asking.key.consent(person))),
    };
    let no_exporter = || JoinError::Interrupted("the connection was lost".into());
    let claim = Claim {
        invite,
        challenge,
        inviter,
        joiner: asking.key.public(),
        person,
        consent,
        exporter: exporter(connection, JOIN_ALPN).ok_or_else(no_exporter)?,
        name: asking.name.clone(),
    };
    let signed = claim.sign(&asking.secret, &asking.key)?.bytes().to_vec();
    let transcript = Transcript::of(connection, inviter, asking.key.public(), invite, &signed);
    let transcript = transcript.ok_or_else(no_exporter)?;
    let claim = JoinMessage::Claim { intent, signed, roster: asking.roster.clone() };
    claim.write(&mut send).await.map_err(told)?;
    let answer = JoinMessage::next(&mut receive, MAX_WELCOME_BYTES).await.map_err(told)?;
    if matches!(answer, JoinMessage::Refused { .. }) {
        return Err(refusal_in(answer));
    }
    Ok(Asked { connection: connection.clone(), send, receive, transcript, answer })
}

/// What a welcome gives.
pub(super) fn given(message: JoinMessage) -> Result<Given, JoinError> {
    let JoinMessage::Welcome { document, records, contacts } = message else {
        return Err(refusal_in(message));
    };
    Ok(Given { document, records, contacts })
}

/// What a message says that is not the one that was hoped for.
pub(super) fn refusal_in(message: JoinMessage) -> JoinError {
    match message {
        JoinMessage::Refused { refusal: Refusal::NotValid, .. } => JoinError::NotValid,
        JoinMessage::Refused { refusal: Refusal::Expired, .. } => JoinError::Expired,
        JoinMessage::Refused { refusal: Refusal::Version, .. } => JoinError::Version,
        JoinMessage::Refused { refusal: Refusal::Declined, .. } => JoinError::Declined,
        JoinMessage::Refused { refusal: Refusal::Digits, .. } => JoinError::DigitsRefused { by_us: false },
        JoinMessage::Refused { refusal: Refusal::Unconfirmed, .. } => JoinError::Unconfirmed,
        JoinMessage::Refused { refusal: Refusal::Later, text } => JoinError::Interrupted(text),
        JoinMessage::Refused { refusal: Refusal::Other, text } => JoinError::Refused(text),
        JoinMessage::Hello { .. }
        | JoinMessage::Challenge(_)
        | JoinMessage::Claim { .. }
        | JoinMessage::Welcome { .. }
        | JoinMessage::Waiting
        | JoinMessage::Preview(_)
        | JoinMessage::Noted
        | JoinMessage::Commitment(_)
        | JoinMessage::Nonce(_)
        | JoinMessage::Reveal(_)
        | JoinMessage::Verdict(Verdict::Same | Verdict::Different | Verdict::Broken | Verdict::Unanswered)
        | JoinMessage::Introduce { .. }
        | JoinMessage::Known => JoinError::Protocol("a message out of turn".into()),
    }
}

/// Why the exchange broke off: if the inviter closed the connection, its reason says more than that it ended.
pub(super) fn explain(connection: &Connection, error: &MessageError) -> JoinError {
    if let Some(reason) = connection.close_reason() {
        return why_closed(&reason);
    }
    match error {
        MessageError::Version => JoinError::Version,
        MessageError::TimedOut => JoinError::Interrupted("it stopped answering".into()),
        MessageError::Ended => JoinError::Interrupted("it went away".into()),
        MessageError::OutOfTurn | MessageError::Frame(_) | MessageError::Decode(_) => {
            JoinError::Protocol(error.to_string())
        }
    }
}

fn why_closed(error: &ConnectionError) -> JoinError {
    if CloseCode::Busy.is_in(error) {
        return JoinError::Interrupted("too many are joining at once; wait a minute".into());
    }
    JoinError::Interrupted(error.to_string())
}

#[cfg(test)]
mod tests {
    use katori_acl::TicketKind;

    use super::*;

    fn contact(byte: u8) -> Contact {
        Contact { device: DeviceId::from_bytes([byte; 32]), addresses: Vec::new() }
    }

    #[test]
    fn that_one_of_several_does_not_know_an_invitation_says_the_least() {
        let (a, b) = (contact(1), contact(2));
        let ticket = Ticket {
            kind: TicketKind::Device,
            person: PersonId::from_bytes([3; 32]),
            person_name: "Ana".to_owned(),
            devices: vec![a.clone(), b.clone()],
            seed: [4; 32],
            expires: None,
        };
        let others = [&a, &b];
        let not_valid = || Some(JoinError::NotValid);
        let all = conclude(&ticket, &others, &[a.device, b.device], not_valid());
        assert!(matches!(all, JoinError::NotValid));
        let JoinError::Unreachable { tried } = conclude(&ticket, &others, &[a.device], not_valid()) else {
            panic!("the other one was not asked");
        };
        assert_eq!(tried, [describe_contact(&b)]);
        let refused = || JoinError::Refused("no".into());
        assert!(matches!(more_telling(not_valid(), refused()), JoinError::Refused(_)));
        assert!(matches!(more_telling(Some(refused()), JoinError::NotValid), JoinError::Refused(_)));
        for said in [refused(), JoinError::Declined, JoinError::Expired, JoinError::Version] {
            let JoinError::Unreachable { tried } = conclude(&ticket, &others, &[b.device], Some(said)) else {
                panic!("the one that made the ticket was not asked");
            };
            assert_eq!(tried, [describe_contact(&a)]);
        }
        let all = conclude(&ticket, &others, &[a.device, b.device], Some(refused()));
        assert!(matches!(all, JoinError::Refused(_)));
        let lost = JoinError::Interrupted("gone".into());
        assert!(matches!(more_telling(not_valid(), lost), JoinError::Interrupted(_)));
        let over = Ticket { expires: Some(1), ..ticket };
        assert!(matches!(conclude(&over, &others, &[a.device], not_valid()), JoinError::Expired));
    }

    #[tokio::test]
    async fn whoever_has_it_wait_is_not_waited_for_without_end() {
        let until = Instant::now();
        let silent = std::future::pending();
        assert!(matches!(in_time(until, silent).await, Err(MessageError::TimedOut)));
    }
}
