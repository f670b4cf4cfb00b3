//! `katori/join/1`: how somebody who holds a ticket gets in, without being known before.
//!
//! The joiner names the invitation, the inviter answers with a challenge, and the joiner signs it together with
//! both ends and the connection itself, with the key that the ticket carries and with its device's. So nothing is
//! ever shown that would be of use to anybody else. The inviter's device answers with an ordinary grant to the
//! joiner's person, or says that somebody has to let it in first, or what it would get, or that it noted a no.
//! When a device joins its own person, both screens show six digits first.
//!
//! The same protocol lets in those who need no ticket: a device that is not known, and that presents what entitles
//! it.

mod comparison;
mod digits;
mod introduction;
mod inviter;
mod joiner;
mod message;
mod pairings;
mod reach;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use iroh::Endpoint;
use katori_acl::{
    ClaimError, Contact, DeviceKey, PersonId, Registry, ResourceId, Subject, Ticket, TicketKind,
    UnverifiedRecord, VerifiedRecord,
};
use thiserror::Error;

use crate::endpoint::{self, Network};
use crate::error::HubError;
use crate::guests::Guests;
use message::{Intent, JoinMessage};

pub use digits::Digits;
pub(crate) use introduction::Presented;
pub(crate) use inviter::Inviter;
pub(crate) use joiner::{Asking, Given, Joining, decline, look, redeem};
pub(crate) use pairings::Pairings;
pub use pairings::{PairingEnd, PairingRequest};

/// How long one step of joining may take.
const STEP_TIMEOUT: Duration = Duration::from_secs(10);
/// How long joining may take in all, people not counted.
const JOIN_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a joiner stays connected while somebody at the inviter is to let it in; then it comes again by itself.
const WAITING_TIME: Duration = Duration::from_mins(10);

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
    /// The connection to the inviter's device broke off, or it has no room now.
    #[error("the inviter's device could not be asked to the end: {0}; nothing was changed: try again")]
    Interrupted(String),
    /// The inviter's device refused.
    #[error("the inviter's device refused: {0}")]
    Refused(String),
    /// Somebody there has to let this one in first.
    #[error("the inviter has to confirm this first; it goes on by itself when that is done")]
    AwaitingConfirmation,
    /// The inviter said no.
    #[error("the inviter said no; ask them, and for a new invitation")]
    Declined,
    /// The six digits were not the same on both screens.
    #[error(
        "the digits were said to differ, {}; nothing was granted: somebody may be in between, \
         so make a new ticket and hand it over in person",
        if *by_us { "here" } else { "on the other device" }
    )]
    DigitsRefused {
        /// Whether that was said here.
        by_us: bool,
    },
    /// Nobody compared the digits in time.
    #[error("nobody confirmed the digits in time; nothing was granted: try again with both devices at hand")]
    Unconfirmed,
    /// What the inviter's device revealed does not fit what it had committed to.
    #[error(
        "the inviter's device did not keep to its commitment, as nobody honest does; nothing was granted: \
         make a new ticket and hand it over in person"
    )]
    CommitmentBroken,
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
    /// The ticket gives a lost roster back, and nothing else.
    #[error("this ticket is for recovering a person; use it together with the recovery words")]
    RecoveryTicket,
    /// There are as many joins under way as may be.
    #[error("{0} joins are under way already; forget one that is not wanted any more")]
    TooManyJoins(usize),
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

/// Whether a ticket is over by this device's clock. Only used to explain a failure: the inviter's clock counts.
fn seems_expired(ticket: &Ticket) -> bool {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    ticket.is_expired(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Makes a new device, which has no store yet, one of a person's. Returns the person's roster, in which it is.
///
/// `confirm` is shown the six digits, and says whether the other screen shows the same; it has two minutes.
/// Nothing is granted before somebody has confirmed them there as well.
///
/// # Errors
/// [`JoinError`]; nothing has changed then, unless the connection broke in the very last step.
pub async fn pair(
    ticket: &Ticket,
    device_name: &str,
    key: DeviceKey,
    network: Network,
    bind: Option<SocketAddr>,
    confirm: impl AsyncFnOnce(Digits) -> bool,
) -> Result<Vec<VerifiedRecord>, JoinError> {
    match ticket.kind {
        TicketKind::Device => {}
        TicketKind::Document { .. } => return Err(JoinError::DocumentTicket),
        TicketKind::Recovery { .. } => return Err(JoinError::RecoveryTicket),
    }
    let endpoint = alone(&key, network, bind).await?;
    let asking = new_device(ticket, device_name, &key, ticket.person);
    let given = answered_digits(&endpoint, ticket, &asking, confirm).await;
    endpoint.close().await;
    let (records, registry) = roster_in(&given?, ticket.person)?;
    if registry.roster(ticket.person).is_some_and(|roster| roster.contains(&key.public())) {
        return Ok(records);
    }
    Err(JoinError::Protocol("a roster without this device".into()))
}

async fn answered_digits(
    endpoint: &Endpoint,
    ticket: &Ticket,
    asking: &Asking,
    confirm: impl AsyncFnOnce(Digits) -> bool,
) -> Result<Given, JoinError> {
    let asked = joiner::ask(endpoint, ticket, asking, Intent::Join).await?;
    let JoinMessage::Commitment(commitment) = asked.answer else {
        // Whoever lets a device in without digits is not who this one was to be paired with.
        return Err(JoinError::Protocol("it shows no digits".into()));
    };
    comparison::confirm(asked, commitment, confirm).await
}

/// Gets the roster of a person who lost every device, from a device of a friend, or of the person, that holds it.
/// Also returns where that device and the person's are found.
///
/// # Errors
/// [`JoinError`]; nothing has changed then.
pub async fn recover_roster(
    ticket: &Ticket,
    key: DeviceKey,
    network: Network,
    bind: Option<SocketAddr>,
) -> Result<(Vec<VerifiedRecord>, Vec<Contact>), JoinError> {
    let person = match ticket.kind {
        TicketKind::Recovery { person } => person,
        TicketKind::Document { .. } => return Err(JoinError::DocumentTicket),
        TicketKind::Device => return Err(JoinError::DeviceTicket),
    };
    let endpoint = alone(&key, network, bind).await?;
    let asking = new_device(ticket, RECOVERING, &key, person);
    let given = redeem(&endpoint, ticket, &asking, || {}).await;
    endpoint.close().await;
    let given = given?;
    let (records, registry) = roster_in(&given, person)?;
    if registry.roster(person).is_none() {
        return Err(JoinError::Protocol("no roster of the person to be recovered".into()));
    }
    Ok((records, given.contacts))
}

/// What a device is called while it has no place in any roster.
const RECOVERING: &str = "recovering";

/// An endpoint for a device that has no hub.
async fn alone(key: &DeviceKey, network: Network, bind: Option<SocketAddr>) -> Result<Endpoint, JoinError> {
    if network == Network::None {
        return Err(JoinError::NoNetwork);
    }
    Ok(endpoint::open(key, network, bind, None, Arc::new(Guests::default())).await?)
}

fn new_device(ticket: &Ticket, name: &str, key: &DeviceKey, person: PersonId) -> Asking {
    Asking {
        secret: ticket.secret(),
        key: key.clone(),
        joins: Joining::Becoming(person),
        name: name.to_owned(),
        roster: Vec::new(),
    }
}

/// Checks that what was given is the roster of a person and nothing else, and evaluates it.
fn roster_in(given: &Given, person: PersonId) -> Result<(Vec<VerifiedRecord>, Registry), JoinError> {
    let wrong = |what: String| JoinError::Protocol(what);
    let mut registry = Registry::new();
    let mut records = Vec::new();
    for bytes in &given.records {
        let record = UnverifiedRecord::decode(bytes)
            .and_then(UnverifiedRecord::verify)
            .map_err(|error| wrong(error.to_string()))?;
        if record.subject() != Subject::Roster(person) {
            return Err(wrong("a record of another person".into()));
        }
        registry.insert(record.clone());
        records.push(record);
    }
    Ok((records, registry))
}

/// Which document a ticket is for.
pub(crate) fn document_of(ticket: &Ticket) -> Result<ResourceId, JoinError> {
    match ticket.kind {
        TicketKind::Document { resource, .. } => Ok(resource),
        TicketKind::Device => Err(JoinError::DeviceTicket),
        TicketKind::Recovery { .. } => Err(JoinError::RecoveryTicket),
    }
}

/// A device of a ticket, for a message.
fn describe_contact(contact: &Contact) -> String {
    let places =
        if contact.addresses.is_empty() { "no address".to_owned() } else { contact.addresses.join(" ") };
    format!("{} at {places}", contact.device.short())
}
