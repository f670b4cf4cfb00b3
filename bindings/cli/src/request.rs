//! What can be asked of a store, by a command line or over a hub's socket.

mod people;
mod role;
mod sharing;
mod text;

use std::path::PathBuf;
use std::time::Duration;

use clap::Subcommand;
use serde::{Deserialize, Serialize};

use crate::duration::parse_duration;
use crate::format::Format;
use crate::path::Path;

pub use people::{ContactRequest, DeviceRequest, GroupRequest, RecoveryRequest};
pub use role::RoleName;
pub use sharing::{InvitesRequest, JoinsRequest, SpaceRequest, YesNo};
pub use text::{Position, TextEdit};

/// Shown at the end of the help of `backup`.
const BACKUP: &str = "\
The file is this device as it is now, with its secret key: whoever has it can read and write as you. Only you may read
the file; keep it as you keep a key.

If the store is lost, put the file into an empty folder as `katori.redb`, and name that folder with --store. Never use
the copy while the store, or another copy, is in use. For another device of yours there is `katori device add`.";

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
        /// In a space, whose people all have their role in it
        #[arg(long = "in", value_name = "SPACE")]
        #[serde(default)]
        space: Option<String>,
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
    /// Call a document or space something else, on your own devices only
    Rename {
        /// The document or space
        document: String,
        /// What to call it (else: the name it was born with)
        name: Option<String>,
    },
    /// Your devices
    Device {
        /// What about them
        #[command(subcommand)]
        request: DeviceRequest,
    },
    /// The people you know
    Contact {
        /// What about them
        #[command(subcommand)]
        request: ContactRequest,
    },
    /// Groups of people, usable wherever a person is
    Group {
        /// What about them
        #[command(subcommand)]
        request: GroupRequest,
    },
    /// Spaces: documents that are shared together
    Space {
        /// What about them
        #[command(subcommand)]
        request: SpaceRequest,
    },
    /// Coming back after all devices are lost
    Recovery {
        /// What about it
        #[command(subcommand)]
        request: RecoveryRequest,
    },
    /// Invite somebody into a document or space: prints a ticket
    Invite {
        /// The document or space
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
        /// Nothing is sent before you say yes, with `katori invites answer`
        #[arg(long)]
        #[serde(default)]
        confirm: bool,
        /// Stay until the ticket was used
        #[arg(long)]
        wait: bool,
    },
    /// Invitations: who came with them, and yes or no to those who wait
    Invites {
        /// What about them
        #[command(subcommand)]
        request: InvitesRequest,
    },
    /// Show what a ticket leads to, without using it
    Look {
        /// The ticket
        ticket: String,
    },
    /// Use a ticket that somebody gave you
    Join {
        /// The ticket
        ticket: String,
        /// Stay until it is decided
        #[arg(long)]
        #[serde(default)]
        wait: bool,
    },
    /// The tickets you use
    Joins {
        /// What about them
        #[command(subcommand)]
        request: JoinsRequest,
    },
    /// Say no to a ticket that somebody gave you
    Decline {
        /// The ticket
        ticket: String,
    },
    /// List what was granted to you and waits for a yes
    Offers,
    /// Take a document or space that was offered to you
    Accept {
        /// Its name or id
        document: String,
    },
    /// Say no to a document or space that was offered to you
    Reject {
        /// Its name or id
        document: String,
    },
    /// List who has a role in a document or space
    Members {
        /// The document or space
        document: String,
    },
    /// Give a role to somebody you know
    Grant {
        /// The document or space
        document: String,
        /// Whom: a person or group, by name or id
        who: String,
        /// What they may do
        #[arg(long, value_enum, default_value = "write")]
        role: RoleName,
    },
    /// Change what somebody may do, up or down
    Role {
        /// The document or space
        document: String,
        /// Whose role: a person or group, by name or id
        who: String,
        /// What they may do from now on
        #[arg(value_enum)]
        role: RoleName,
    },
    /// End what somebody may do in a document or space
    Revoke {
        /// The document or space
        document: String,
        /// Whose role: a person or group, by name or id
        who: String,
        /// Those whom they let in stay, and have it from you
        #[arg(long)]
        #[serde(default)]
        keep_invitees: bool,
        /// Ask their devices to delete their copies, which cannot be forced
        #[arg(long)]
        #[serde(default)]
        delete_copy: bool,
        /// Show what would change, and do nothing
        #[arg(long)]
        #[serde(default)]
        dry_run: bool,
    },
    /// Give up your own role in a document or space
    Leave {
        /// The document or space
        document: String,
        /// Even if nobody else has all that you wrote
        #[arg(long)]
        #[serde(default)]
        anyway: bool,
    },
    /// Explain why somebody has a role, or has none
    Why {
        /// A person, group or device, by name or id
        who: String,
        /// The document or space
        document: String,
    },
    /// Tell who was given what in a document or space, by whom, and what became of it
    Access {
        /// The document or space
        document: String,
        /// As a graph, for `dot -Tsvg`
        #[arg(long)]
        #[serde(default)]
        dot: bool,
    },
    /// List the changes that are held back, and why
    Held {
        /// The document
        document: String,
    },
    /// Explain each change that is held back: who, when, which rule, and what to do
    WhyHeld {
        /// The document
        document: String,
    },
    /// Take in changes that are held back
    TakeIn {
        /// Of which document
        document: String,
        /// Which, by the first letters of their hashes (else: all)
        changes: Vec<String>,
    },
    /// Keep changes out of a document, for everybody
    Exclude {
        /// The document
        document: String,
        /// Which, by the first letters of their hashes
        #[arg(required = true)]
        changes: Vec<String>,
        /// Why, for people to read
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// Show where a device wrote two changes in one place: the proof, and which one stays
    Forks {
        /// The document
        document: String,
        /// The document as it would be with this losing branch, by the first letters of its hash
        #[arg(long, value_name = "HASH")]
        copy: Option<String>,
    },
    /// Show who wrote each part, where a signature proves it
    Blame {
        /// The document
        document: String,
        /// Of what, as in `items` or `story`
        #[arg(default_value = "")]
        path: Path,
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
    /// Save everything, and get it to everybody who can be reached
    Flush {
        /// How long this may take
        #[arg(long, value_parser = parse_duration, value_name = "TIME", default_value = "5s")]
        timeout: Duration,
    },
    /// Copy the store into a new file, while it is in use. The file holds this device's secret key
    #[command(after_help = BACKUP)]
    Backup {
        /// The file, which must not be there yet
        file: PathBuf,
    },
    /// Delete a document or space of yours, for everybody and for ever
    Delete {
        /// The document or space
        document: String,
        /// It is meant, so do not ask
        #[arg(long)]
        #[serde(default)]
        yes: bool,
    },
    /// Put a document or space away, on this device only
    Forget {
        /// The document or space
        document: String,
        /// It is meant, so do not ask
        #[arg(long)]
        #[serde(default)]
        yes: bool,
    },
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
                | Self::Look { .. }
                | Self::Decline { .. }
                | Self::Invite { .. }
                | Self::Leave { anyway: false, .. }
                | Self::Watch { .. }
                | Self::Flush { .. }
                | Self::Device { request: DeviceRequest::Add }
                | Self::Recovery { request: RecoveryRequest::Help { .. } }
        )
    }
}
