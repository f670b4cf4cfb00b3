//! Tickets: what lets somebody in whose key is not yet known.

use std::time::Duration;

use katori_acl::{Role, Ticket, TicketKind};
use katori_core::engine::{Command, Offer};
use katori_net::Hub;

use crate::clock::{milliseconds, random};
use crate::doc::DocumentId;
use crate::error::Error;
use crate::who::Who;

/// How long a ticket is good for unless somebody says otherwise: a week, since a ticket lies about in chats.
pub const TICKET_LIFETIME: Duration = Duration::from_hours(7 * 24);
/// How long a ticket that pairs a device is good for: a quarter of an hour, since both are at hand.
pub const PAIRING_LIFETIME: Duration = Duration::from_mins(15);

/// What an invitation to a document gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct InviteOptions {
    /// The role of whoever joins. It lasts until it is revoked.
    pub role: Role,
    /// How long the ticket can be redeemed; nothing for any time.
    pub expires: Option<Duration>,
    /// How many can redeem it; nothing for any number.
    pub uses: Option<u32>,
    /// Whether they may give the role to others. By default an admin may.
    pub share: bool,
}

impl InviteOptions {
    /// One person, within a week.
    #[must_use]
    pub fn new(role: Role) -> Self {
        Self { role, expires: Some(TICKET_LIFETIME), uses: Some(1), share: role == Role::Admin }
    }

    /// How long the ticket can be redeemed; nothing for any time.
    #[must_use]
    pub fn expires(self, expires: Option<Duration>) -> Self {
        Self { expires, ..self }
    }

    /// How many can redeem it; nothing for any number.
    #[must_use]
    pub fn uses(self, uses: Option<u32>) -> Self {
        Self { uses, ..self }
    }

    /// Whether they may give the role to others.
    #[must_use]
    pub fn share(self, share: bool) -> Self {
        Self { share, ..self }
    }
}

/// Opens an invitation to a document and writes its ticket.
pub(crate) async fn to_document(
    hub: &Hub,
    me: &Who,
    document: DocumentId,
    name: String,
    options: InviteOptions,
) -> Result<Ticket, Error> {
    let InviteOptions { role, expires, uses, share } = options;
    let expires = expires.map(milliseconds);
    let kind = TicketKind::Document { resource: document, name, role };
    let ticket = ticket(hub, me, kind, expires)?;
    let offer = Offer { role, share, expires };
    let key = ticket.secret().public();
    hub.command(Command::Invite { document, offer, key, uses }).await?;
    Ok(ticket)
}

/// Opens an invitation for another device of this person and writes its ticket.
pub(crate) async fn to_pair(hub: &Hub, me: &Who) -> Result<Ticket, Error> {
    let expires = Some(milliseconds(PAIRING_LIFETIME));
    let ticket = ticket(hub, me, TicketKind::Device, expires)?;
    hub.command(Command::InviteDevice { key: ticket.secret().public(), expires }).await?;
    Ok(ticket)
}

/// Only the device that made an invitation can let somebody in by it, so the ticket names no other.
fn ticket(hub: &Hub, me: &Who, kind: TicketKind, expires: Option<u64>) -> Result<Ticket, Error> {
    Ok(Ticket {
        kind,
        person: hub.person(),
        person_name: me.person_name.clone(),
        devices: vec![hub.contact()],
        seed: random()?,
        expires,
    })
}
