//! How far a flush came.

use serde::{Deserialize, Serialize};

use super::WhoReport;

/// How far a flush came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlushedReport {
    /// Whether everything is durable here, and with everybody who is connected.
    pub complete: bool,
    /// Documents with edits that are not durable on this device.
    pub unsaved: Vec<String>,
    /// Documents of which edits were lost to a fault in the hub.
    pub lost: Vec<String>,
    /// The devices that are connected.
    pub peers: Vec<FlushedPeerReport>,
}

/// How far a flush came with one device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlushedPeerReport {
    /// Whose.
    pub who: WhoReport,
    /// It has not said yet what it has of everything.
    pub comparing: bool,
    /// Documents of which it has not said to have everything.
    pub behind: Vec<String>,
}
