//! What is in documents, and who put it there.

use serde::{Deserialize, Serialize};

use super::WhoReport;
use crate::patch::PatchReport;

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
    /// The change on the losing branch of a fork that this one applies again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reapplies: Option<String>,
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
    /// Which part of the rule keeps it out: `writer`, `author`, `exclusion`, `closure`, `fork` or `local`.
    pub rule: String,
    /// What that part says.
    pub rule_says: String,
    /// Devices that vouch for it, and why that does not count now.
    pub uncounted: Vec<UncountedReport>,
    /// What can be done about it.
    pub remedy: String,
}

/// A device that vouches for a change in vain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UncountedReport {
    /// Which.
    pub who: WhoReport,
    /// Why that does not count: `no_write` or `forked`.
    pub why: String,
}

/// What was taken in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TakenInReport {
    /// The changes.
    pub taken_in: Vec<String>,
    /// How many are still held back.
    pub still_held: u64,
}

/// Two or more changes that one device wrote in one place, as no honest one does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForkReport {
    /// The device, where its own signatures prove it.
    pub device: Option<WhoReport>,
    /// The place: the number of the change among those of its actor.
    pub sequence: u64,
    /// The changes.
    pub branches: Vec<BranchReport>,
    /// The ids of the vouches by which the device signed them.
    pub proof: Vec<String>,
    /// Who decided which one stays; nobody where the lower hash did, or nothing had to be decided.
    pub decided_by: Option<WhoReport>,
    /// How it was decided: `word`, `lower_hash` or `needless`.
    pub decision: String,
    /// How many changes are on losing branches.
    pub losing: u64,
    /// Honest work that could not be applied again; it is in the conflict copy.
    pub not_reapplied: Vec<String>,
}

/// One of several changes in one place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BranchReport {
    /// The change.
    pub hash: String,
    /// Whether it is the one that is shown.
    pub stays: bool,
}

/// Who wrote a part of what is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlameReport {
    /// `text`, `element` or `key`.
    pub kind: String,
    /// The first character, or the element, counted from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<u64>,
    /// The key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The characters of a text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The change that put it there.
    pub hash: String,
    /// Who wrote it, where a signature proves it.
    pub who: Option<WhoReport>,
    /// Who stands behind it.
    pub vouched_by: Vec<WhoReport>,
    /// When, in milliseconds since 1970 by its author's clock.
    pub time_ms: i64,
}
