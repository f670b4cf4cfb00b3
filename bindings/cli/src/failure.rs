//! Why a command failed: a sentence for people, a code for scripts.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Why a command failed.
#[derive(Debug, Clone, PartialEq, Eq, Error, Serialize, Deserialize)]
#[error("{message}")]
pub struct Failure {
    /// Which kind of failure.
    pub code: FailureCode,
    /// What happened, what was kept, and what to do.
    pub message: String,
}

/// The kinds of failure, each with an exit code that stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FailureCode {
    /// It failed.
    Failed,
    /// The request makes no sense.
    Usage,
    /// No such document, person, device, place or file.
    NotFound,
    /// The store is missing, busy or unusable.
    Store,
    /// Whoever asks may not do that.
    NotAllowed,
    /// A ticket is invalid, used up or expired.
    Ticket,
    /// Nobody could be reached.
    Unreachable,
    /// The store is damaged.
    Damaged,
}

impl FailureCode {
    /// The exit code of the process.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Usage => 2,
            Self::NotFound => 3,
            Self::Store => 4,
            Self::NotAllowed => 5,
            Self::Ticket => 6,
            Self::Unreachable => 7,
            Self::Damaged => 8,
        }
    }
}

impl Failure {
    /// A failure of one kind.
    pub fn new(code: FailureCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self::new(FailureCode::Failed, message)
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(FailureCode::Usage, message)
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(FailureCode::NotFound, message)
    }

    pub(crate) fn store(message: impl Into<String>) -> Self {
        Self::new(FailureCode::Store, message)
    }

    /// A file that could not be read or written.
    pub(crate) fn file(file: &std::path::Path, error: &std::io::Error) -> Self {
        let missing = error.kind() == std::io::ErrorKind::NotFound;
        let code = if missing { FailureCode::NotFound } else { FailureCode::Failed };
        Self::new(code, format!("{}: {error}", file.display()))
    }
}
