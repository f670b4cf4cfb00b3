//! Edits of a text, as they are typed.

use std::str::FromStr;

use clap::Subcommand;
use serde::{Deserialize, Serialize};

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
