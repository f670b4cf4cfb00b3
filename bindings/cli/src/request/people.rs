//! What is asked about one's devices, people one knows, groups of people, and coming back.

use clap::Subcommand;
use serde::{Deserialize, Serialize};

/// What about one's devices.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceRequest {
    /// Add a device: prints a ticket for `katori init --join`, then asks whether both screens show the same digits
    Add,
    /// List your devices
    Ls,
    /// Call a device something else, for everybody
    Rename {
        /// Which, by name or id
        device: String,
        /// What to call it
        name: String,
    },
    /// Remove a lost device for ever; what it granted and revoked for you goes on counting
    Revoke {
        /// Which, by name or id
        device: String,
        /// Show what would change, and do nothing
        #[arg(long)]
        #[serde(default)]
        dry_run: bool,
        /// What it granted and revoked for you counts no more: somebody else had it in hand
        #[arg(long)]
        #[serde(default)]
        void: bool,
    },
    /// Whether a new device shows the same digits. Only ever said by somebody who was shown them.
    #[command(skip)]
    Answer {
        /// Which pairing.
        pairing: u64,
        /// Whether the digits are the same.
        same: bool,
    },
}

/// What about the people one knows.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContactRequest {
    /// List the people you know
    Ls,
    /// Compare the safety number with somebody, and note that they are who they say
    Verify {
        /// Whom, by name or id
        who: String,
        /// How you compared, as in `on the phone`
        #[arg(long, value_name = "TEXT")]
        how: Option<String>,
        /// Somebody compared the number and says that it is the same.
        #[arg(skip)]
        #[serde(default)]
        same: bool,
    },
    /// Call somebody what you like, on your own devices only
    Rename {
        /// Whom, by name or id
        who: String,
        /// What to call them (else: what they call themselves)
        name: Option<String>,
    },
    /// Refuse somebody's devices
    Block {
        /// Whose, by name or id
        who: String,
    },
    /// Let somebody's devices connect again
    Unblock {
        /// Whose, by name or id
        who: String,
    },
}

/// What about groups of people.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupRequest {
    /// Make a group, with you as its first member
    New {
        /// What to call it
        name: String,
    },
    /// List the groups you know
    Ls,
    /// List who is in a group
    Members {
        /// The group
        group: String,
    },
    /// Take somebody into a group
    Add {
        /// The group
        group: String,
        /// Whom, by name or id; another group is a member too
        who: String,
        /// They may change who is in it, and grant in its name
        #[arg(long)]
        #[serde(default)]
        full: bool,
    },
    /// Take somebody out of a group
    Remove {
        /// The group
        group: String,
        /// Whom, by name or id
        who: String,
    },
}

/// What about coming back after all devices are lost.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand, Serialize, Deserialize)]
#[command(disable_help_subcommand = true)]
#[serde(rename_all = "snake_case")]
pub enum RecoveryRequest {
    /// Show the recovery words that are still kept here
    Words {
        /// They are written down: erase them here
        #[arg(long)]
        #[serde(default)]
        done: bool,
    },
    /// Print a ticket for somebody who lost everything, for `katori recover`
    Help {
        /// Whom, by name or id; without it, yourself
        who: Option<String>,
    },
}
