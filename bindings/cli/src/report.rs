//! What the program tells, as data: the fields of `--json`.

use serde::{Deserialize, Serialize};

use crate::patch::PatchReport;

/// A person and one of its devices, as far as they are known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WhoReport {
    /// "Ana (laptop)".
    pub name: String,
    /// The person's id.
    pub person: Option<String>,
    /// The device's id.
    pub device: Option<String>,
}

/// Who one is in this store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdentityReport {
    /// The person's id.
    pub person: String,
    /// What the person is called.
    pub person_name: String,
    /// The device's id.
    pub device: String,
    /// What the device is called.
    pub device_name: String,
    /// The words that bring the person back, where they were just made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery_words: Option<String>,
}

/// A document in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentReport {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// `accepted`, `offered`, `forgotten`, `left` (the role is lost, the content readable) or `deleted`.
    pub standing: String,
    /// The role one has in it.
    pub role: Option<String>,
    /// Whose it is.
    pub owner: WhoReport,
    /// How many changes are stored.
    pub changes: u64,
    /// How many of those are held back.
    pub held: u64,
}

/// What is in a document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ContentReport {
    /// The document's id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The heads it is shown at.
    pub heads: Vec<String>,
    /// The value, text objects as strings.
    pub value: serde_json::Value,
    /// The places in it that were written at once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conflicts: Vec<ConflictReport>,
}

/// A place that was written by several at once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConflictReport {
    /// Where: keys and positions, from the root down.
    pub path: Vec<serde_json::Value>,
    /// The values, the one that is shown first.
    pub values: Vec<ConflictingReport>,
}

/// One of several values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConflictingReport {
    /// The value.
    pub value: serde_json::Value,
    /// Who wrote it; nobody for what was imported.
    pub who: Option<WhoReport>,
    /// The change that wrote it.
    pub change: Option<String>,
    /// Whether it is the one that is shown.
    pub shown: bool,
}

/// A document was edited.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EditedReport {
    /// The change, unless nothing had to change.
    pub hash: Option<String>,
    /// The document's heads after it.
    pub heads: Vec<String>,
}

/// A document was written out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportedReport {
    /// Into which file.
    pub file: Option<String>,
    /// How many bytes.
    pub bytes: u64,
    /// What was written, where there is no file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
}

/// A ticket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TicketReport {
    /// Its text.
    pub ticket: String,
    /// The document it leads to; none for a device of one's own.
    pub document: Option<String>,
    /// The role it gives.
    pub role: Option<String>,
    /// Until when, in milliseconds since 1970.
    pub expires_ms: Option<u64>,
    /// Whether a hub runs that it can be used with.
    pub hub: bool,
}

/// One of this person's devices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceReport {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Whether it is the one this was asked at.
    pub this: bool,
}

/// Somebody with a role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberReport {
    /// Who.
    pub who: WhoReport,
    /// The role.
    pub role: String,
    /// Who gave it; nobody for the owner.
    pub via: Option<String>,
    /// Until when, in milliseconds since 1970.
    pub expires_ms: Option<u64>,
    /// The names of its devices.
    pub devices: Vec<String>,
    /// Whether one of its devices has everything that is stored here, and has said so.
    pub synced: bool,
}

/// Why somebody has a role, or has none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExplanationReport {
    /// About whom.
    pub who: String,
    /// The role, if there is one.
    pub role: Option<String>,
    /// All ways in which something was granted, live or not.
    pub chains: Vec<ChainReport>,
    /// In words, line by line.
    pub lines: Vec<String>,
}

/// One way from the beginning of a document to whom is asked about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainReport {
    /// The person whose device it is, when asked about a device.
    pub through: Option<String>,
    /// Whether it is the owner's own, without any grant.
    pub owner: bool,
    /// Whether all of it counts.
    pub live: bool,
    /// The grants, from the first down.
    pub grants: Vec<GrantReport>,
}

/// One grant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantReport {
    /// Its id.
    pub grant: String,
    /// In whose name.
    pub issuer: PartyReport,
    /// To whom.
    pub to: PartyReport,
    /// The role it gives.
    pub role: String,
    /// Until when, in milliseconds since 1970.
    pub expires_ms: Option<u64>,
    /// `live`, `revoked`, `signer_removed`, `used_up`, `parent_ended` or `ended`.
    pub status: String,
    /// Who revoked it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<PartyReport>,
    /// The record that ended it, or the grant above it that ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<String>,
}

/// Whoever gives or gets a role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartyReport {
    /// `person`, `group`, `device` or `invitation`.
    pub kind: String,
    /// Its id.
    pub id: String,
    /// What a person is called, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// A change that is held back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldReport {
    /// The change.
    pub hash: String,
    /// Whose name it bears.
    pub who: Option<WhoReport>,
    /// Whether that device signed for it.
    pub signed: bool,
    /// When, in milliseconds since 1970 by its author's clock.
    pub time_ms: i64,
    /// How many operations it has.
    pub operations: u64,
    /// Why it is held back.
    pub reason: String,
}

/// What was taken in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TakenInReport {
    /// The changes.
    pub taken_in: Vec<String>,
    /// How many are still held back.
    pub still_held: u64,
}

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

/// One change of the history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EditReport {
    /// The change.
    pub hash: String,
    /// Who wrote it, where a signature proves it.
    pub who: Option<WhoReport>,
    /// Who stands behind it.
    pub vouched_by: Vec<WhoReport>,
    /// When, in milliseconds since 1970 by its author's clock.
    pub time_ms: i64,
    /// How many operations it has.
    pub operations: u64,
    /// What it builds on.
    pub dependencies: Vec<String>,
}

/// A change of what a document shows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChangeReport {
    /// `local`, `remote`, `rebuilt` or `missed`.
    pub origin: String,
    /// Who, where it came from elsewhere.
    pub who: Vec<WhoReport>,
    /// The heads after it.
    pub heads: Vec<String>,
    /// What changed.
    pub patches: Vec<PatchReport>,
    /// How many patches more there were than are listed.
    pub more_patches: u64,
    /// How many changes are shown no longer.
    pub withdrawn: u64,
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
}
