//! The joiner's side: every device of the ticket is tried, at every address.

use std::sync::Arc;

use iroh::Endpoint;
use iroh::endpoint::{Connection, ConnectionError};
use katori_acl::{Claim, Contact, DeviceKey, InviteSecret, PersonId, ResourceId, Ticket};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::message::{JoinMessage, MAX_SMALL_BYTES, MAX_WELCOME_BYTES, MessageError, Refusal};
use super::{JOIN_TIMEOUT, JoinError, describe_contact, exporter, seems_expired};
use crate::accept::DIAL_TIMEOUT;
use crate::address::{device_of, to_dial};
use crate::greeting::{CloseCode, JOIN_ALPN};

/// What a joiner brings.
#[derive(Debug)]
pub(crate) struct Asking {
    pub(crate) secret: InviteSecret,
    pub(crate) key: DeviceKey,
    /// None when the device is to become one of the inviter's person.
    pub(crate) person: Option<PersonId>,
    pub(crate) name: String,
    pub(crate) roster: Vec<Vec<u8>>,
}

/// What a joiner was given.
#[derive(Debug)]
pub(crate) struct Given {
    pub(crate) document: Option<ResourceId>,
    pub(crate) records: Vec<Vec<u8>>,
    pub(crate) contacts: Vec<Contact>,
}

/// Redeems a ticket with whichever of its devices lets this one in.
pub(crate) async fn redeem(
    endpoint: &Endpoint,
    ticket: &Ticket,
    asking: Arc<Asking>,
) -> Result<Given, JoinError> {
    let me = device_of(endpoint.id());
    let others: Vec<&Contact> = ticket.devices.iter().filter(|contact| contact.device != me).collect();
    if others.is_empty() && !ticket.devices.is_empty() {
        return Err(JoinError::OwnTicket);
    }
    let mut dials = JoinSet::new();
    for contact in &others {
        if let Some(address) = to_dial(contact.device, &contact.addresses) {
            let endpoint = endpoint.clone();
            dials.spawn(async move { timeout(DIAL_TIMEOUT, endpoint.connect(address, JOIN_ALPN)).await });
        }
    }
    // One at a time, so that an invitation for one is not used up twice.
    let mut failure = None;
    while let Some(dialled) = dials.join_next().await {
        let Ok(Ok(Ok(connection))) = dialled else { continue };
        match ask(&connection, &asking).await {
            Ok(given) => return Ok(given),
            Err(error) => {
                tracing::info!(%error, "not let in");
                failure = Some(telling(failure, error));
            }
        }
    }
    Err(match failure {
        None | Some(JoinError::NotValid) if seems_expired(ticket) => JoinError::Expired,
        None => JoinError::Unreachable { tried: others.into_iter().map(describe_contact).collect() },
        Some(error) => error,
    })
}

/// Of two failures, the one that says more: only one of a person's devices knows an invitation, so that it is not
/// valid at another says the least.
fn telling(before: Option<JoinError>, error: JoinError) -> JoinError {
    match before {
        Some(before) if matches!(error, JoinError::NotValid) => before,
        _ => error,
    }
}

async fn ask(connection: &Connection, asking: &Asking) -> Result<Given, JoinError> {
    let result = timeout(JOIN_TIMEOUT, exchange(connection, asking)).await;
    CloseCode::Done.close(connection);
    result.unwrap_or_else(|_| Err(JoinError::Refused("it stopped answering; try again".into())))
}

async fn exchange(connection: &Connection, asking: &Asking) -> Result<Given, JoinError> {
    let told = |error: MessageError| explain(connection, &error);
    let lost = |error: ConnectionError| why_closed(&error);
    let (mut send, mut receive) = connection.open_bi().await.map_err(lost)?;
    let invite = asking.secret.public();
    JoinMessage::Hello { invite }.write(&mut send).await.map_err(told)?;
    let answer = JoinMessage::next(&mut receive, MAX_SMALL_BYTES).await.map_err(told)?;
    let JoinMessage::Challenge(challenge) = answer else { return Err(refusal_in(answer)) };
    let exporter = exporter(connection).ok_or_else(|| JoinError::Protocol("no exporter".into()))?;
    let claim = Claim {
        invite,
        challenge,
        inviter: device_of(connection.remote_id()),
        joiner: asking.key.public(),
        person: asking.person,
        exporter,
        name: asking.name.clone(),
    };
    let signed = claim.sign(&asking.secret, &asking.key)?.bytes().to_vec();
    JoinMessage::Claim { signed, roster: asking.roster.clone() }.write(&mut send).await.map_err(told)?;
    let answer = JoinMessage::next(&mut receive, MAX_WELCOME_BYTES).await.map_err(told)?;
    let JoinMessage::Welcome { document, records, contacts } = answer else { return Err(refusal_in(answer)) };
    Ok(Given { document, records, contacts })
}

fn refusal_in(message: JoinMessage) -> JoinError {
    match message {
        JoinMessage::Refused { refusal: Refusal::NotValid, .. } => JoinError::NotValid,
        JoinMessage::Refused { refusal: Refusal::Expired, .. } => JoinError::Expired,
        JoinMessage::Refused { refusal: Refusal::Version, .. } => JoinError::Version,
        JoinMessage::Refused { refusal: Refusal::Other, text } => JoinError::Refused(text),
        JoinMessage::Hello { .. }
        | JoinMessage::Challenge(_)
        | JoinMessage::Claim { .. }
        | JoinMessage::Welcome { .. } => JoinError::Protocol("a message out of turn".into()),
    }
}

/// Why the exchange broke off: if the inviter closed the connection, its reason says more than that it ended.
fn explain(connection: &Connection, error: &MessageError) -> JoinError {
    if let Some(reason) = connection.close_reason() {
        return why_closed(&reason);
    }
    match error {
        MessageError::Version => JoinError::Version,
        MessageError::TimedOut => JoinError::Refused("it stopped answering; try again".into()),
        MessageError::Ended | MessageError::Frame(_) | MessageError::Decode(_) => {
            JoinError::Protocol(error.to_string())
        }
    }
}

fn why_closed(error: &ConnectionError) -> JoinError {
    if let ConnectionError::ApplicationClosed(close) = error {
        // It has no open invitation at all, which is no more than that this one is not valid.
        if close.error_code == CloseCode::Unknown.into() {
            return JoinError::NotValid;
        }
        if close.error_code == CloseCode::Busy.into() {
            return JoinError::Refused("too many are joining at once; try again in a minute".into());
        }
    }
    JoinError::Refused(format!("the connection was lost ({error}); try again"))
}
