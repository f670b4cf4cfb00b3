//! Documents and spaces, who shares them, and what lets people in.

use serde::{Deserialize, Serialize};

use super::WhoReport;

/// A document in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentReport {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// `accepted`, `offered`, `rejected`, `forgotten`, `left` (the role is lost, the content readable), `erased` (it was
    /// asked for that when the role was lost) or `deleted`.
    pub standing: String,
    /// The role one has in it.
    pub role: Option<String>,
    /// Whose it is.
    pub owner: WhoReport,
    /// How many changes are stored.
    pub changes: u64,
    /// How many of those are held back.
    pub held: u64,
    /// The space it was born in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub space: Option<String>,
}

/// A space in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpaceReport {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// As of a document.
    pub standing: String,
    /// The role one has in it.
    pub role: Option<String>,
    /// Whose it is.
    pub owner: WhoReport,
    /// How many documents of it are known here.
    pub documents: u64,
}

/// A space with what is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpaceContentReport {
    /// The space.
    pub space: SpaceReport,
    /// Its documents.
    pub documents: Vec<DocumentReport>,
    /// Its people.
    pub members: Vec<MemberReport>,
}

/// Somebody with a role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberReport {
    /// Who.
    pub who: WhoReport,
    /// `person`, `group` or `device`.
    pub kind: String,
    /// The role.
    pub role: String,
    /// Whether it is the owner.
    pub owner: bool,
    /// Who gave it; nobody for the owner.
    pub via: Option<String>,
    /// The group by which they have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Whether they have it by the space that the document was born in.
    #[serde(default)]
    pub through_space: bool,
    /// Until when, in milliseconds since 1970.
    pub expires_ms: Option<u64>,
    /// The names of its devices.
    pub devices: Vec<String>,
    /// Whether one of its devices has everything that is stored here, and has said so.
    pub synced: bool,
}

/// A ticket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TicketReport {
    /// Its text.
    pub ticket: String,
    /// What it is for: `document` (or space), `device` or `recovery`.
    pub purpose: String,
    /// The document or space it leads to.
    pub document: Option<String>,
    /// The role it gives.
    pub role: Option<String>,
    /// The id of the invitation, which is no secret.
    pub invitation: String,
    /// Whether somebody here says yes to each who comes.
    pub confirm: bool,
    /// Until when, in milliseconds since 1970.
    pub expires_ms: Option<u64>,
    /// Whether a hub runs that it can be used with.
    pub hub: bool,
}

/// An invitation that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvitationReport {
    /// Its id, which is no secret.
    pub id: String,
    /// What it is for: `document` (or space), `device` or `recovery`.
    pub purpose: String,
    /// The document or space, or the person that it brings back.
    pub name: Option<String>,
    /// The id of that.
    pub target: Option<String>,
    /// The role it gives.
    pub role: Option<String>,
    /// Who made it.
    pub by: Option<WhoReport>,
    /// Whether it was made on this device, which then knows who came.
    pub here: bool,
    /// `open`, `used_up`, `expired` or `ended`.
    pub state: String,
    /// Until when, in milliseconds since 1970.
    pub expires_ms: Option<u64>,
    /// How many may still use it; nothing for any number.
    pub uses_left: Option<u32>,
    /// Whether somebody here says yes to each who comes.
    pub confirm: bool,
    /// Who came.
    pub guests: Vec<GuestReport>,
}

/// Somebody who came with an invitation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuestReport {
    /// Who.
    pub who: WhoReport,
    /// `waiting`, `admitted`, `refused` or `declined`.
    pub state: String,
}

/// A ticket that is used here, and how it stands with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinReport {
    /// The id of the invitation.
    pub invitation: String,
    /// The document or space it leads to.
    pub document: String,
    /// What the inviter calls that.
    pub name: String,
    /// The role that was promised.
    pub role: String,
    /// Who invited.
    pub by: WhoReport,
    /// `connecting`, `awaiting_confirmation`, `joined`, `declined`, `expired`, `not_valid` or `refused`.
    pub state: String,
    /// What more is known: who was tried, or why it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Whether a hub runs that goes on with it.
    pub hub: bool,
}

/// What a ticket leads to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreviewReport {
    /// The name.
    pub name: String,
    /// The id.
    pub document: String,
    /// The role it gives.
    pub role: String,
    /// What the inviter calls itself.
    pub inviter: String,
    /// How many documents a space has.
    pub documents: u64,
    /// How many changes there are.
    pub changes: u64,
    /// How many bytes they have.
    pub bytes: u64,
    /// Until when, in milliseconds since 1970.
    pub expires_ms: Option<u64>,
}

/// What was granted and waits for a yes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfferReport {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Whether it is a space.
    pub is_space: bool,
    /// Who gives it.
    pub from: Option<WhoReport>,
    /// The role.
    pub role: Option<String>,
    /// How many changes it has, once a device that holds it has said so.
    pub changes: Option<u64>,
    /// How many bytes they have.
    pub bytes: Option<u64>,
}
