//! What is asked about spaces, invitations, and tickets one was given.

use clap::{Subcommand, ValueEnum};
use serde::{Deserialize, Serialize};

/// What about spaces.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SpaceRequest {
    /// Make a space: documents that are shared together
    New {
        /// What to call it
        name: String,
    },
    /// List the spaces
    Ls,
    /// Show the documents and people of a space
    Show {
        /// Which
        space: String,
    },
}

/// What about invitations that were made.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InvitesRequest {
    /// List the invitations, and who came with them
    Ls,
    /// End an invitation; those who came in by it stay
    Revoke {
        /// Which, by the first letters of its id
        invitation: String,
    },
    /// Say yes or no to somebody who waits to be let in; without an answer, show who waits
    Answer {
        /// The answer
        answer: Option<YesNo>,
        /// To whom, by name or id, where several wait
        who: Option<String>,
    },
}

/// What about tickets that one uses.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JoinsRequest {
    /// List the tickets you use, and how it stands with each
    Ls,
    /// Stop using a ticket
    Forget {
        /// Which, by the first letters of its id, or what it leads to
        join: String,
    },
}

/// An answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum YesNo {
    /// Let them in
    Yes,
    /// Turn them away
    No,
}
