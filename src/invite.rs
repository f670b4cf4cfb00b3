//! Tickets: what lets somebody in whose key is not yet known.

use std::time::Duration;

use katori_acl::bounds::MAX_TICKET_DEVICES;
use katori_acl::{DeviceId, PersonId, ResourceId, Role, Ticket, TicketKind};
use katori_core::engine::{Command, Offer};

use crate::base::Base;
use crate::clock::{milliseconds, random};
use crate::error::Error;

/// How long a ticket is good for unless somebody says otherwise: a week, since a ticket lies about in chats.
pub const TICKET_LIFETIME: Duration = Duration::from_hours(7 * 24);
/// How long a ticket that pairs a device is good for: a quarter of an hour, since both are at hand.
pub const PAIRING_LIFETIME: Duration = Duration::from_mins(15);
/// How long a ticket is good for that helps somebody to recover: two days, since a new device has to be found.
pub const RECOVERY_LIFETIME: Duration = Duration::from_hours(48);

/// What an invitation to a document or space gives.
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
    /// Whether somebody here says yes or no to each who comes, before anything is sent. Then only this device can
    /// let them in, else any device of this person that the ticket names.
    pub confirm: bool,
}

impl InviteOptions {
    /// One person, within a week.
    #[must_use]
    pub fn new(role: Role) -> Self {
        Self {
            role,
            expires: Some(TICKET_LIFETIME),
            uses: Some(1),
            share: role == Role::Admin,
            confirm: false,
        }
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

    /// Whether somebody here says yes or no to each who comes.
    #[must_use]
    pub fn confirm(self, confirm: bool) -> Self {
        Self { confirm, ..self }
    }
}

/// Opens an invitation to a document or space and writes its ticket.
pub(crate) async fn to_resource(
    base: &Base,
    id: ResourceId,
    options: InviteOptions,
) -> Result<Ticket, Error> {
    let InviteOptions { role, expires, uses, share, confirm } = options;
    let expires = expires.map(milliseconds);
    let person = base.hub.person();
    let found = base.hub.ask(move |engine| {
        let roster = engine.registry().roster(person);
        let full =
            roster.iter().flat_map(|roster| roster.devices.keys().filter(|device| roster.is_full(device)));
        Some((engine.access(id)?.name.clone(), full.copied().collect::<Vec<DeviceId>>()))
    });
    let missing = || Error::NotFound { what: "document", name: id.to_string() };
    let (name, full) = found.await?.ok_or_else(missing)?;
    let others = if confirm { Vec::new() } else { full };
    let ticket = ticket(base, TicketKind::Document { resource: id, name, role }, &others, expires)?;
    let (offer, key) = (Offer { role, share, expires }, ticket.secret().public());
    base.tell(Command::Invite { document: id, offer, key, uses, confirm }).await?;
    Ok(ticket)
}

/// Opens an invitation for another device of this person and writes its ticket.
pub(crate) async fn to_pair(base: &Base) -> Result<Ticket, Error> {
    let expires = Some(milliseconds(PAIRING_LIFETIME));
    let ticket = ticket(base, TicketKind::Device, &[], expires)?;
    base.tell(Command::InviteDevice { key: ticket.secret().public(), expires }).await?;
    Ok(ticket)
}

/// Opens an invitation for somebody who has lost all devices and writes its ticket.
pub(crate) async fn to_recover(base: &Base, person: PersonId) -> Result<Ticket, Error> {
    let expires = Some(milliseconds(RECOVERY_LIFETIME));
    let ticket = ticket(base, TicketKind::Recovery { person }, &[], expires)?;
    base.tell(Command::InviteRecovery { key: ticket.secret().public(), person, expires }).await?;
    Ok(ticket)
}

/// A ticket that this device answers, and those others of its person as far as they fit and can be found.
fn ticket(base: &Base, kind: TicketKind, others: &[DeviceId], expires: Option<u64>) -> Result<Ticket, Error> {
    let me = base.hub.device();
    let others: Vec<DeviceId> = others.iter().copied().filter(|device| *device != me).collect();
    let mut devices = vec![base.hub.contact()];
    devices.extend(base.hub.contacts(&others));
    devices.truncate(MAX_TICKET_DEVICES);
    Ok(Ticket {
        kind,
        person: base.hub.person(),
        person_name: base.own_name(),
        devices,
        seed: random()?,
        expires,
    })
}
