//! What comes back: events while a request is under way, and one response.

use serde::{Deserialize, Serialize};

use crate::report::{
    BackupReport, BlameReport, ChangeReport, CheckReport, ConflictReport, ConsequencesReport, ContactReport,
    ContentReport, DeviceReport, DocumentReport, EditReport, EditedReport, ExplanationReport, ExportedReport,
    FlushedReport, ForkReport, GroupReport, HeldReport, IdentityReport, InvitationReport, JoinReport,
    MemberReport, OfferReport, PairingReport, PeerReport, PreviewReport, RevokedReport, SafetyReport,
    SpaceContentReport, SpaceReport, StatusReport, StoryReport, TakenInReport, TicketReport, WordsReport,
};

/// How a request went.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Response {
    /// It is done; a sentence says what.
    Done(String),
    /// Who one is.
    Identity(IdentityReport),
    /// A document that was made or taken.
    Document(DocumentReport),
    /// The documents.
    Documents(Vec<DocumentReport>),
    /// What is in a document.
    Content(ContentReport),
    /// What was written at once in a document.
    Conflicts(Vec<ConflictReport>),
    /// A document was edited.
    Edited(EditedReport),
    /// A document was written out.
    Exported(ExportedReport),
    /// A ticket.
    Ticket(TicketReport),
    /// The devices of this person.
    Devices(Vec<DeviceReport>),
    /// The people one knows.
    Contacts(Vec<ContactReport>),
    /// What to compare with somebody.
    Safety(SafetyReport),
    /// A group that was made or changed.
    Group(GroupReport),
    /// The groups.
    Groups(Vec<GroupReport>),
    /// A space that was made or taken.
    Space(SpaceReport),
    /// The spaces.
    Spaces(Vec<SpaceReport>),
    /// What is in a space.
    SpaceContent(Box<SpaceContentReport>),
    /// The words that bring one back.
    Words(WordsReport),
    /// The invitations that were made.
    Invitations(Vec<InvitationReport>),
    /// How it stands with a ticket.
    Join(JoinReport),
    /// How it stands with all tickets.
    Joins(Vec<JoinReport>),
    /// What a ticket leads to.
    Preview(PreviewReport),
    /// What waits for a yes.
    Offers(Vec<OfferReport>),
    /// Who has a role.
    Members(Vec<MemberReport>),
    /// What became of somebody's role.
    Revoked(RevokedReport),
    /// What would change.
    Consequences(ConsequencesReport),
    /// Why somebody has a role.
    Explanation(ExplanationReport),
    /// Who was given what.
    Story(StoryReport),
    /// The same as a graph, in Graphviz's language.
    Dot(String),
    /// What is held back.
    Held(Vec<HeldReport>),
    /// What is held back, explained one by one.
    HeldExplained(Vec<HeldReport>),
    /// Where devices wrote two changes in one place.
    Forks(Vec<ForkReport>),
    /// Who wrote each part.
    Blame(Vec<BlameReport>),
    /// What was taken in.
    TakenIn(TakenInReport),
    /// How far a flush came.
    Flushed(FlushedReport),
    /// The devices one talks to.
    Peers(Vec<PeerReport>),
    /// The history.
    Log(Vec<EditReport>),
    /// How the store is.
    Status(Box<StatusReport>),
    /// A copy of the store.
    Backup(BackupReport),
    /// Whether the store is sound.
    Checked(Box<CheckReport>),
}

/// What happens while a request is under way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event {
    /// The document is being watched from here on, and is at these heads.
    Watching {
        /// The heads.
        heads: Vec<String>,
    },
    /// The document changed.
    Changed(ChangeReport),
    /// Something long has come this far.
    Progress {
        /// What is going on.
        what: String,
        /// How much is done.
        done: u64,
        /// Of how much; 0 if that is not known.
        total: u64,
    },
    /// A ticket that waits to be used.
    Ticket(TicketReport),
    /// A new device shows digits, and somebody here has to say whether they are the same.
    Pairing(PairingReport),
}

impl Response {
    /// What `--json` prints: the report itself, without the name of its kind.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        if let Self::Done(message) = self {
            return serde_json::json!({ "done": message });
        }
        if let Self::Dot(graph) = self {
            return serde_json::json!({ "dot": graph });
        }
        bare(serde_json::to_value(self))
    }
}

impl Event {
    /// What `--json` prints of an event, if it prints it.
    #[must_use]
    pub fn to_json(&self) -> Option<serde_json::Value> {
        match self {
            Self::Watching { heads } => Some(serde_json::json!({ "watching": true, "heads": heads })),
            Self::Changed(_) | Self::Ticket(_) | Self::Pairing(_) => Some(bare(serde_json::to_value(self))),
            Self::Progress { .. } => None,
        }
    }
}

/// The content of an enum that is written as `{"kind": content}`.
fn bare(value: Result<serde_json::Value, serde_json::Error>) -> serde_json::Value {
    match value {
        Ok(serde_json::Value::Object(fields)) => {
            fields.into_iter().next().map_or_else(Default::default, |(_, inner)| inner)
        }
        _ => serde_json::Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_the_bare_report() {
        assert_eq!(Response::Documents(Vec::new()).to_json(), serde_json::json!([]));
        let edited =
            Response::Edited(EditedReport { hash: Some("ab".to_owned()), heads: vec!["ab".to_owned()] });
        assert_eq!(edited.to_json(), serde_json::json!({ "hash": "ab", "heads": ["ab"] }));
        assert_eq!(Response::Done("deleted".to_owned()).to_json(), serde_json::json!({ "done": "deleted" }));
    }

    #[test]
    fn progress_is_not_for_scripts() {
        assert_eq!(Event::Progress { what: "importing".to_owned(), done: 1, total: 2 }.to_json(), None);
    }
}
