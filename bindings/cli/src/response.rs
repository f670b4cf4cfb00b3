//! What comes back: events while a request is under way, and one response.

use serde::{Deserialize, Serialize};

use crate::report::{
    ChangeReport, ConflictReport, ContentReport, DeviceReport, DocumentReport, EditReport, EditedReport,
    ExplanationReport, ExportedReport, HeldReport, IdentityReport, MemberReport, PeerReport, StatusReport,
    TakenInReport, TicketReport,
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
    /// Who has a role.
    Members(Vec<MemberReport>),
    /// Why somebody has a role.
    Explanation(ExplanationReport),
    /// What is held back.
    Held(Vec<HeldReport>),
    /// What was taken in.
    TakenIn(TakenInReport),
    /// The devices one talks to.
    Peers(Vec<PeerReport>),
    /// The history.
    Log(Vec<EditReport>),
    /// How the store is.
    Status(Box<StatusReport>),
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
}

impl Response {
    /// What `--json` prints: the report itself, without the name of its kind.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        if let Self::Done(message) = self {
            return serde_json::json!({ "done": message });
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
            Self::Changed(_) | Self::Ticket(_) => Some(bare(serde_json::to_value(self))),
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
