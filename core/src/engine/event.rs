//! What the engine tells whoever listens.

use std::collections::BTreeSet;

use katori_acl::{DeviceId, InviteKey, PersonId, ResourceId};

use crate::document::Shown;

/// What happened, for whoever listens.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// A document shows something else, through changes from elsewhere or a change of access.
    Changed {
        /// Which.
        document: ResourceId,
        /// What.
        shown: Shown,
    },
    /// Local edits up to this number are durable.
    Durable {
        /// Of which document.
        document: ResourceId,
        /// The number.
        number: u64,
    },
    /// Documents, roles or offers are others than before.
    Access {
        /// Which document.
        document: ResourceId,
    },
    /// More or less of a document is held back than before.
    Held {
        /// Which.
        document: ResourceId,
        /// How many changes.
        held: u64,
    },
    /// A peer made durable what we had.
    Receipt {
        /// Which document.
        document: ResourceId,
        /// Who.
        peer: DeviceId,
    },
    /// The devices that may connect, and those worth dialling, are others than before.
    Peers {
        /// Devices that ever had a role in anything held here, or belong to the same person.
        known: BTreeSet<DeviceId>,
        /// Those with which something is shared now.
        wanted: BTreeSet<DeviceId>,
    },
    /// Somebody waits to be let in by an invitation, for somebody here to say yes or no.
    Asked {
        /// By which.
        invite: InviteKey,
        /// The device that asks.
        device: DeviceId,
        /// Whose it is.
        person: Option<PersonId>,
        /// What the device is called.
        name: String,
    },
    /// Records about a device or person came in.
    Roster {
        /// Whose roster.
        person: PersonId,
    },
    /// A peer sent something that no honest device sends; it was dropped and counted.
    Suspicious {
        /// Who.
        peer: DeviceId,
        /// What.
        what: &'static str,
    },
    /// An exchange with a peer has come to rest: both have compared everything they share, and what the peer has of it is
    /// durable here.
    Settled {
        /// Who.
        peer: DeviceId,
    },
    /// The store takes no more. What was acknowledged before is kept, reading goes on, nothing new is kept.
    StoreFailed {
        /// Why.
        error: String,
    },
    /// A document cannot be opened.
    Unreadable {
        /// Which.
        document: ResourceId,
        /// Why.
        error: String,
    },
}
