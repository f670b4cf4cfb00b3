//! How a store and its connections are.

use serde::{Deserialize, Serialize};

use super::{IdentityReport, WhoReport};

/// A device one talks to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PeerReport {
    /// Who.
    pub who: WhoReport,
    /// `connected`, `connecting`, `waiting` or `offline`.
    pub state: String,
    /// Whether the connection goes through no relay.
    pub direct: Option<bool>,
    /// The time there and back, in milliseconds.
    pub round_trip_ms: Option<f64>,
    /// Where it is.
    pub address: Option<String>,
    /// Bytes sent to it.
    pub sent_bytes: u64,
    /// Bytes received from it.
    pub received_bytes: u64,
}

/// How a store is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusReport {
    /// Its folder.
    pub store: String,
    /// Who one is in it.
    pub me: IdentityReport,
    /// Whether a hub runs on it.
    pub hub: bool,
    /// Where that hub can be reached.
    pub addresses: Vec<String>,
    /// How many documents there are.
    pub documents: u64,
    /// How many changes they have.
    pub changes: u64,
    /// How many of those are held back.
    pub held: u64,
    /// How many devices are connected.
    pub connected: u64,
    /// Of how many that are known and wanted.
    pub peers: u64,
    /// How many spaces there are.
    pub spaces: u64,
    /// How many documents and spaces are offered and wait for a yes.
    pub offers: u64,
    /// How many people wait to be let in.
    pub waiting: u64,
    /// Whether the recovery words are still kept here.
    pub recovery_words_kept: bool,
}
