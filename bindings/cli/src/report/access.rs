//! Why somebody may do what, and what would change.

use serde::{Deserialize, Serialize};

use super::WhoReport;

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
    /// The space that the document was born in, where it was granted there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub space: Option<String>,
    /// The groups by which it reaches whom was asked about, the outermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
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

/// What a step would change, or did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsequencesReport {
    /// What the step is.
    pub step: String,
    /// What changes in each document and space.
    pub places: Vec<PlaceReport>,
    /// Devices that are connected and share nothing with this one after it.
    pub cut_off: Vec<WhoReport>,
    /// Grants and revocations that count no more, besides those that are ended on purpose.
    pub void: u64,
}

/// What changes in one document or space.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlaceReport {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Whether it is a space.
    pub is_space: bool,
    /// People and groups whose role changes.
    pub people: Vec<RoleChangeReport>,
    /// Devices whose role changes.
    pub devices: Vec<RoleChangeReport>,
}

/// A role before and after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleChangeReport {
    /// Whose.
    pub who: WhoReport,
    /// The role before.
    pub before: Option<String>,
    /// The role after.
    pub after: Option<String>,
}

/// What became of somebody's role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevokedReport {
    /// Whose.
    pub who: WhoReport,
    /// In which document or space.
    pub name: String,
    /// The role that is left, by grants one does not stand upstream of.
    pub remaining: Option<String>,
    /// Whether their devices were asked to delete their copies.
    pub asked_to_delete: bool,
    /// In a sentence.
    pub done: String,
}

/// Who was given what, by whom, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoryReport {
    /// Of what.
    pub name: String,
    /// The signed records, each after those it rests on.
    pub entries: Vec<StoryEntryReport>,
}

/// One signed record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoryEntryReport {
    /// Its id.
    pub record: String,
    /// How far from the beginning.
    pub depth: u64,
    /// In words.
    pub text: String,
    /// Whether it counts.
    pub counts: bool,
    /// Why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub void_because: Option<String>,
    /// The records it rests on.
    pub rests_on: Vec<String>,
}
