//! How it travels: the iroh endpoint, joining, and the loop that drives the engine.
//!
//! In reading order: an endpoint lets in whoever is known; a greeting makes a connection a link; the driver feeds the
//! engine from links, workers, storage and timers, and carries out what it wants; the dialler keeps links to whom
//! it wants; joining is for those who are not known yet; and the [`Hub`] is the handle on all of it.
//!
//! Deliberately not here: who may do what (`katori-acl`), what is sent to whom (`katori-core`), and what an app
//! sees (`katori`).

mod address;
mod error;
mod framing;
mod meter;
mod pace;
mod randomness;
mod settings;
mod sought;
mod tally;

mod endpoint;
mod guests;

mod flow;
mod greeting;
mod link;

mod dialer;
mod documents;
mod driver;
mod status;
mod storage;

mod accept;
mod backup;
mod join;
mod joins;

mod hub;

pub use documents::{DOCUMENT_MEMORY, Edit, MemoryStatus, OpenDocument, REST_AFTER, Saving};
pub use endpoint::Network;
pub use error::HubError;
pub use greeting::JOIN_ALPN;
pub use hub::{EVENT_CAPACITY, Flushed, Hub, HubConfig, PeerFlush};
pub use join::{Digits, JoinError, PairingEnd, PairingRequest, pair, recover_roster};
pub use joins::{Join, JoinState};
pub use katori_core::engine::Preview;
pub use katori_core::store::Copied;
pub use katori_core::wire::SYNC_ALPN;
pub use sought::rows_to_seek;
pub use status::{PeerState, PeerStatus};
