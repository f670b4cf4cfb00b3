//! `katori/join/1`: how somebody who holds a ticket gets in, without being known before.
//!
//! The joiner names the invitation, the inviter answers with a challenge, and the joiner signs it together with
//! both ends and the connection itself, with the key that the ticket carries and with its device's. So nothing is
//! ever shown that would be of use to anybody else. The inviter's device answers with an ordinary grant to the
//! joiner's person, or, when a device joins its own person, with a place in the roster.

mod inviter;
mod joiner;
mod message;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use iroh::endpoint::Connection;
use katori_acl::{
    ClaimError, Contact, DeviceKey, Registry, ResourceId, Subject, Ticket, TicketKind, UnverifiedRecord,
    VerifiedRecord,
};
use thiserror::Error;

use crate::endpoint::{self, Network};
use crate::error::HubError;
use crate::guests::Guests;

pub(crate) use inviter::Inviter;
pub(crate) use joiner::{Asking, Given, redeem};

/// How long one step of joining may take.
const STEP_TIMEOUT: Duration = Duration::from_secs(10);
/// How long joining may take in all.
const JOIN_TIMEOUT: Duration = Duration::from_secs(30);
/// What binds a claim to its connection.
const EXPORTER_LABEL: &[u8] = b"katori/join/1";

/// Why a ticket was not redeemed. Nothing has changed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum JoinError {
    /// The invitation has expired.
    #[error("the invitation has expired; ask for a new one")]
    Expired,
    /// The invitation is used up or revoked, or never was. A stranger is not told which.
    #[error("the invitation is not valid any more; ask for a new one")]
    NotValid,
    /// No device of the ticket could be reached.
    #[error(
        "none of the inviter's devices could be reached ({}); nothing was changed: \
         try again when one of them is on and connected",
        describe(tried)
    )]
    Unreachable {
        /// Which, and where they were looked for.
        tried: Vec<String>,
    },
    /// The inviter's device refused.
    #[error("the inviter's device refused: {0}")]
    Refused(String),
    /// What came was not of the protocol.
    #[error("what the inviter's device said is not of this protocol: {0}; update both programs")]
    Protocol(String),
    /// The inviter's device speaks another version.
    #[error("the inviter's device speaks another version of the protocol; update both programs")]
    Version,
    /// The ticket was made on this very device.
    #[error("this ticket was made on this device; give it to somebody else")]
    OwnTicket,
    /// The ticket is for another device of a person, not for a document.
    #[error("this ticket makes a new device one of a person's; use it where there is no store yet")]
    DeviceTicket,
    /// The ticket is for a document, not for another device.
    #[error("this ticket is for a document; open or make a store first, and join with it")]
    DocumentTicket,
    /// There is no network.
    #[error("joining needs a network, and this was opened without one")]
    NoNetwork,
    /// The claim could not be made, mostly because the device's name is too long.
    #[error("asking to be let in failed ({0}); try a shorter name for this device")]
    Claim(#[from] ClaimError),
    /// Something here failed.
    #[error(transparent)]
    Hub(#[from] HubError),
}

fn describe(tried: &[String]) -> String {
    if tried.is_empty() { "the ticket names none".to_owned() } else { tried.join(", ") }
}

/// The value that only the two ends of a connection share.
fn exporter(connection: &Connection) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    connection.export_keying_material(&mut bytes, EXPORTER_LABEL, &[]).ok()?;
    Some(bytes)
}

/// Whether a ticket is over by this device's clock. Only used to explain a failure: the inviter's clock counts.
fn seems_expired(ticket: &Ticket) -> bool {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    ticket.is_expired(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Makes a new device, which has no store yet, one of a person's. Returns the person's roster, in which it is.
///
/// # Errors
/// [`JoinError`]; nothing has changed then, unless the connection broke in the very last step.
pub async fn pair(
    ticket: &Ticket,
    device_name: &str,
    key: DeviceKey,
    network: Network,
    bind: Option<SocketAddr>,
) -> Result<Vec<VerifiedRecord>, JoinError> {
    if ticket.kind != TicketKind::Device {
        return Err(JoinError::DocumentTicket);
    }
    if network == Network::None {
        return Err(JoinError::NoNetwork);
    }
    let endpoint = endpoint::open(&key, network, bind, None, Arc::new(Guests::default())).await?;
    let asking = Asking {
        secret: ticket.secret(),
        key: key.clone(),
        person: None,
        name: device_name.to_owned(),
        roster: Vec::new(),
    };
    let given = redeem(&endpoint, ticket, Arc::new(asking)).await;
    endpoint.close().await;
    roster(ticket, &key, &given?)
}

/// Checks that what was given is the roster that the ticket promised, with this device in it.
fn roster(ticket: &Ticket, key: &DeviceKey, given: &Given) -> Result<Vec<VerifiedRecord>, JoinError> {
    let wrong = |what: String| JoinError::Protocol(what);
    let mut registry = Registry::new();
    let mut records = Vec::new();
    for bytes in &given.records {
        let record = UnverifiedRecord::decode(bytes)
            .and_then(UnverifiedRecord::verify)
            .map_err(|error| wrong(error.to_string()))?;
        if record.subject() != Subject::Roster(ticket.person) {
            return Err(wrong("a record of another person".into()));
        }
        registry.insert(record.clone());
        records.push(record);
    }
    let roster = registry.roster(ticket.person);
    if roster.is_some_and(|roster| roster.contains(&key.public())) {
        return Ok(records);
    }
    Err(wrong("a roster without this device".into()))
}

/// Which document a ticket is for.
pub(crate) fn document_of(ticket: &Ticket) -> Result<ResourceId, JoinError> {
    match ticket.kind {
        TicketKind::Document { resource, .. } => Ok(resource),
        TicketKind::Device => Err(JoinError::DeviceTicket),
    }
}

/// A device of a ticket, for a message.
fn describe_contact(contact: &Contact) -> String {
    let places =
        if contact.addresses.is_empty() { "no address".to_owned() } else { contact.addresses.join(" ") };
    format!("{} at {places}", contact.device.short())
}
