//! What can be asked of a store, by a command line or over a hub's socket.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{Subcommand, ValueEnum};
use serde::{Deserialize, Serialize};

use crate::duration::parse_duration;
use crate::format::Format;
use crate::path::Path;

/// One command, as it is carried out.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Request {
    /// Show who you are here, and what this device is called
    Id,
    /// Make a document
    New {
        /// What to call it
        name: String,
    },
    /// List the documents
    Ls {
        /// Those put away or deleted too
        #[arg(long)]
        #[serde(default)]
        all: bool,
    },
    /// Show what is in a document
    Cat {
        /// Its name, id, or the first letters of its id
        document: String,
        /// Only what lies there, as in `items/milk`
        #[arg(default_value = "")]
        path: Path,
        /// As it was at these heads (separated by commas)
        #[arg(long, value_name = "HEADS", value_delimiter = ',')]
        at: Vec<String>,
        /// The places there that were written at once: all values, and who wrote each
        #[arg(long, conflicts_with = "at")]
        #[serde(default)]
        conflicts: bool,
    },
    /// Set a value; what is no JSON is a string
    Set {
        /// The document
        document: String,
        /// Where, as in `items/milk`
        path: Path,
        /// JSON, or a plain word
        #[arg(allow_hyphen_values = true)]
        value: String,
    },
    /// Remove a value
    Unset {
        /// The document
        document: String,
        /// Where
        path: Path,
    },
    /// Edit text; the first insertion makes it. Positions are Unicode code points
    Text {
        /// The document
        document: String,
        /// Where the text is
        path: Path,
        /// What to do with it
        #[command(subcommand)]
        edit: TextEdit,
    },
    /// Make a document from a file: JSON, text, or `.automerge` with its history
    Import {
        /// The file
        file: PathBuf,
        /// What to call the document (else: the file's name)
        #[arg(long)]
        name: Option<String>,
        /// What the file is (else: by its ending)
        #[arg(long = "as", value_enum, value_name = "FORMAT")]
        format: Option<Format>,
    },
    /// Write a document into a file
    Export {
        /// The document
        document: String,
        /// The file, which must not be there yet; `-` shows JSON or text
        #[arg(default_value = "-")]
        file: PathBuf,
        /// Which text, for `--as text`
        #[arg(long, default_value = "text")]
        path: Path,
        /// What to write (else: by the file's ending)
        #[arg(long = "as", value_enum, value_name = "FORMAT")]
        format: Option<Format>,
    },
    /// Your devices
    Device {
        /// What about them
        #[command(subcommand)]
        request: DeviceRequest,
    },
    /// Invite somebody into a document: prints a ticket
    Invite {
        /// The document
        document: String,
        /// What the guest may do
        #[arg(long, value_enum, default_value = "write")]
        role: RoleName,
        /// How long the ticket works, as in `30m` or `1d` (else: a week)
        #[arg(long, value_parser = parse_duration, value_name = "TIME")]
        expires: Option<Duration>,
        /// How many may use it (else: one)
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
        uses: Option<u32>,
        /// The guest may pass the role on
        #[arg(long)]
        share: bool,
        /// Stay until the ticket was used
        #[arg(long)]
        wait: bool,
    },
    /// Use a ticket that somebody gave you
    Join {
        /// The ticket
        ticket: String,
    },
    /// List who has a role in a document
    Members {
        /// The document
        document: String,
    },
    /// Give a role to somebody you know
    Grant {
        /// The document
        document: String,
        /// Whom, by name or id
        who: String,
        /// What they may do
        #[arg(long, value_enum, default_value = "write")]
        role: RoleName,
    },
    /// Take a document that was offered to you
    Accept {
        /// Its id
        document: String,
    },
    /// End what somebody may do in a document
    Revoke {
        /// The document
        document: String,
        /// Whose role, by name or id
        who: String,
    },
    /// Give up your own role in a document
    Leave {
        /// The document
        document: String,
    },
    /// Explain why somebody has a role, or has none
    Why {
        /// A person or device, by name or id
        who: String,
        /// The document
        document: String,
    },
    /// List the changes that are held back, and why
    Held {
        /// The document
        document: String,
    },
    /// Take in changes that are held back
    TakeIn {
        /// The document
        document: String,
        /// Which, by the first letters of their hashes (else: all)
        changes: Vec<String>,
    },
    /// List the devices this one talks to
    Peers,
    /// Show changes as they happen
    Watch {
        /// The document
        document: String,
    },
    /// Show who changed a document, and when
    Log {
        /// The document
        document: String,
    },
    /// Show how the store is
    Status,
    /// Delete a document of yours, for everybody and for ever
    Delete {
        /// The document
        document: String,
        /// It is meant, so do not ask
        #[arg(long)]
        #[serde(default)]
        yes: bool,
    },
    /// Put a document away, on this device only
    Forget {
        /// The document
        document: String,
        /// It is meant, so do not ask
        #[arg(long)]
        #[serde(default)]
        yes: bool,
    },
}

/// What about one's devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceRequest {
    /// Print a ticket for `katori init --join` on another device of yours
    Add {
        /// Stay until the ticket was used
        #[arg(long)]
        wait: bool,
    },
    /// List them
    Ls,
}

/// One step on a text.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TextEdit {
    /// Put text in
    Insert {
        /// Before which character, counted from 0, or `end`
        position: Position,
        /// What
        #[arg(allow_hyphen_values = true)]
        text: String,
    },
    /// Take characters out
    Delete {
        /// From which character on
        position: Position,
        /// How many
        count: usize,
    },
    /// Take characters out and put others in
    Splice {
        /// From which character on
        position: Position,
        /// How many to take out
        count: usize,
        /// What to put in
        #[arg(allow_hyphen_values = true)]
        text: String,
    },
}

/// A position in a text, in Unicode code points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Position {
    /// Before this character, counted from 0.
    At(usize),
    /// After the last.
    End,
}

impl FromStr for Position {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "end" {
            return Ok(Self::End);
        }
        text.parse().map(Self::At).map_err(|_| format!("`{text}` is no position: a number from 0, or `end`"))
    }
}

/// A role that can be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RoleName {
    /// Reads
    Read,
    /// Reads and writes
    Write,
    /// Reads, writes, grants and revokes
    Admin,
}

impl From<RoleName> for katori::Role {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::Read => Self::Read,
            RoleName::Write => Self::Write,
            RoleName::Admin => Self::Admin,
        }
    }
}

impl Request {
    /// The same request with a yes, if it is one that may want it.
    #[must_use]
    pub fn confirmed(&self) -> Option<Self> {
        let mut confirmed = self.clone();
        if let Self::Delete { yes, .. } | Self::Forget { yes, .. } = &mut confirmed
            && !*yes
        {
            *yes = true;
            return Some(confirmed);
        }
        None
    }

    /// Whether it means nothing without the network, so that a command without a hub opens the endpoint.
    #[must_use]
    pub fn needs_network(&self) -> bool {
        matches!(
            self,
            Self::Join { .. }
                | Self::Invite { .. }
                | Self::Watch { .. }
                | Self::Device { request: DeviceRequest::Add { .. } }
        )
    }
}
