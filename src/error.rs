//! The one error of the facade: what happened, what was kept, and what to do.

use std::path::PathBuf;

use automerge::{AutomergeError, ChangeHash};
use katori_acl::{ResourceId, SignError};
use katori_core::check::RepairError;
use katori_core::document::{EditError, Unstorable};
use katori_core::engine::CommandError;
use katori_core::gate::GateError;
use katori_core::identity::RecoverError;
use katori_core::store::{OpenError, StoreError};
use katori_net::{HubError, JoinError};
use thiserror::Error;

/// Why something could not be done.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The store cannot be opened or made.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// The store cannot be read or written.
    #[error(transparent)]
    Storage(#[from] StoreError),
    /// The store was not repaired.
    #[error(transparent)]
    Repair(RepairError),
    /// The directory of the store cannot be made.
    #[error("the directory {} cannot be made ({source}); choose another or check its permissions", path.display())]
    Directory {
        /// Which.
        path: PathBuf,
        /// What the file system said.
        source: std::io::Error,
    },
    /// The hub failed or was closed.
    #[error(transparent)]
    Hub(HubError),
    /// What was asked for was not done. Nothing has changed.
    #[error(transparent)]
    Command(CommandError),
    /// A ticket could not be redeemed.
    #[error(transparent)]
    Join(#[from] JoinError),
    /// The ticket is for something else than what was wanted.
    #[error("{0}")]
    WrongTicket(&'static str),
    /// No document, device or person answers to this name.
    #[error("no {what} is called `{name}` here, and no id of one begins so")]
    NotFound {
        /// What was looked for.
        what: &'static str,
        /// The name or id that was given.
        name: String,
    },
    /// Several answer to this name.
    #[error("several {what}s answer to `{name}`: {}; give the id, or enough of it", candidates.join(", "))]
    Ambiguous {
        /// What was looked for.
        what: &'static str,
        /// The name or id that was given.
        name: String,
        /// All that answer to it: name and beginning of the id.
        candidates: Vec<String>,
    },
    /// The document or space was offered and not accepted yet.
    #[error("{} was offered and is inert until it is accepted: accept it first", .0.short())]
    NotAccepted(ResourceId),
    /// What was joined or accepted is a space and not a document.
    #[error("{} is a space: it was taken all the same, so open it as a space", .0.short())]
    IsASpace(ResourceId),
    /// The shelf, which a person's devices share, has not reached this device.
    #[error(
        "what you call things and people is kept by your devices together, and that has not come to this one yet; \
         nothing was changed: connect it with another of them once"
    )]
    NoShelf,
    /// The shelf holds so many entries that the new one is not read.
    #[error(
        "your devices keep so many names, blocks or accepted documents together that this one has no effect; the \
         others stay: one of your devices writes what no Katori writes, so find and remove it"
    )]
    ShelfFull,
    /// A name is empty, long, or more than one line.
    #[error("a name is one line of 1 to {limit} bytes; nothing was changed: give another")]
    NotAName {
        /// The most bytes.
        limit: usize,
    },
    /// Nobody refuses their own devices.
    #[error("that is yourself; nothing was changed: to get rid of a device, remove it")]
    Yourself,
    /// Nobody else who may write has said to have everything that is here.
    #[error(
        "{changes} changes are on this device and, as far as it knows, on none of anybody else who may write; you have \
         not left: connect with one of them first, or leave all the same and leave them behind"
    )]
    LeftBehind {
        /// How many changes.
        changes: usize,
    },
    /// A new device is only let in when somebody compares the digits that both screens show.
    #[error(
        "nobody would compare the digits on this device; nothing was done: say how with `confirm_digits`"
    )]
    NobodyConfirms,
    /// The words bring nobody back.
    #[error(transparent)]
    Recover(#[from] RecoverError),
    /// The file with the recovery words cannot be read, written or erased.
    #[error("the recovery words at {} cannot be kept or erased ({source}); look at the file", path.display())]
    RecoveryWords {
        /// Which file.
        path: PathBuf,
        /// What the file system said.
        source: std::io::Error,
    },
    /// The document was put away or deleted here, or the node was closed, while somebody held it open.
    #[error(
        "document {} is not open any more: it was put away or deleted, or the node was closed; nothing was changed",
        .0.short()
    )]
    NotOpen(ResourceId),
    /// This device may read the document, not write it.
    #[error(
        "this device may read the document, not write it; nothing was changed: ask an admin of it for write"
    )]
    ReadOnly,
    /// The owner deleted the document.
    #[error("the document was deleted by its owner; nothing was changed")]
    Deleted,
    /// More at once than one change may hold.
    #[error(
        "the edit has {operations} operations and one change holds {limit}; nothing was changed: make it in several"
    )]
    TooLarge {
        /// How many operations it has.
        operations: u64,
        /// How many it may have.
        limit: u64,
    },
    /// Every peer would refuse the change.
    #[error("the edit cannot be stored; nothing was changed: {0}")]
    Unstorable(#[from] Unstorable),
    /// Automerge refused a step; an edit it was part of was rolled back.
    #[error("automerge refused a step, and nothing was changed: {0}")]
    Automerge(#[from] AutomergeError),
    /// The file to import was refused.
    #[error("the file was not imported, and nothing was changed: {0}")]
    Import(#[from] GateError),
    /// The file was good, and its content could not be stored in the document that was made for it.
    #[error(
        "the import failed: {reason}. Document {} that was made for it {}",
        document.short(),
        if *deleted { "was deleted again" } else { "could not be deleted again: delete it, and try once more" }
    )]
    ImportUndone {
        /// What happened.
        reason: Box<Error>,
        /// The document.
        document: ResourceId,
        /// Whether it was deleted again.
        deleted: bool,
    },
    /// The document does not have the shape of the type, or the value is none that a document can hold.
    #[error("the document and the type do not fit, and nothing was changed: {0}")]
    Typed(#[from] serde_json::Error),
    /// A document is a map at its root.
    #[error(
        "a document is a map at its root, so only a struct or a map can be put there; nothing was changed"
    )]
    NotAMap,
    /// Deeper than [`MAX_DEPTH`](crate::MAX_DEPTH).
    #[error("the value is nested more than {limit} deep; nothing was changed: flatten it")]
    TooDeep {
        /// The bound.
        limit: usize,
    },
    /// Nothing, or nothing of that kind, lies at this path.
    #[error("there is no {what} at `{path}`")]
    NoSuchPath {
        /// What was looked for.
        what: &'static str,
        /// Where.
        path: String,
    },
    /// This change is not in the document.
    #[error("change {0} is not in the document: it never was, it is held back, or it has not arrived yet")]
    UnknownHeads(ChangeHash),
    /// A name is too long or holds what no name may.
    #[error("the record cannot be signed, and nothing was made: {0}")]
    Sign(#[from] SignError),
    /// The system has no randomness to give.
    #[error("the system gave no randomness for a key ({0}); nothing was made")]
    Randomness(getrandom::Error),
    /// The runtime ended before the work was done.
    #[error("the work was cut off because the program is ending")]
    Interrupted,
}

impl From<HubError> for Error {
    fn from(error: HubError) -> Self {
        if let HubError::Command(error) = error { Self::Command(error) } else { Self::Hub(error) }
    }
}

impl From<RepairError> for Error {
    fn from(error: RepairError) -> Self {
        if let RepairError::Open(error) = error { Self::Store(error) } else { Self::Repair(error) }
    }
}

impl Error {
    /// Why an edit did not take place.
    pub(crate) fn edit<E: Into<Self>>(error: EditError<E>) -> Self {
        match error {
            EditError::ReadOnly => Self::ReadOnly,
            EditError::Deleted => Self::Deleted,
            EditError::TooLarge { operations, limit } => Self::TooLarge { operations, limit },
            EditError::Refused(error) => Self::Unstorable(error),
            EditError::Edit(error) => error.into(),
            _ => Self::Interrupted,
        }
    }
}

impl From<std::convert::Infallible> for Error {
    fn from(never: std::convert::Infallible) -> Self {
        match never {}
    }
}
