//! What can go wrong with a store, in words a person can act on.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// Why a store could not be read or written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The disk, or this user's share of it, is full.
    #[error(
        "the disk is full: everything saved before is kept and can be read, this change is not; \
         free some space and start again"
    )]
    DiskFull,
    /// The disk refused a read or a write.
    #[error(
        "the disk failed ({0}): everything saved before is kept, this change is not; \
         check the disk and start again"
    )]
    Io(#[source] io::Error),
    /// An earlier commit failed, so this one was not tried.
    #[error(
        "saving stopped at an earlier error: what was saved before it is kept and can be read, \
         nothing since is saved; free some space or check the disk, and start again"
    )]
    Failed,
    /// The file holds something the store did not write there.
    #[error("the store is damaged ({detail}): nothing was changed; stop, and restore it from a copy")]
    Damaged {
        /// What the database reported.
        detail: String,
    },
    /// A key is over its bound; nothing was written.
    #[error("a key of {length} bytes is longer than the {limit} allowed; nothing was saved")]
    KeyTooLong {
        /// Its length.
        length: usize,
        /// The bound.
        limit: usize,
    },
    /// A value is over its bound; nothing was written.
    #[error("a value of {length} bytes is larger than the {limit} allowed; nothing was saved")]
    ValueTooLarge {
        /// Its length.
        length: usize,
        /// The bound.
        limit: usize,
    },
    /// A commit is over its bound; nothing was written.
    #[error("a commit of {length} bytes is larger than the {limit} allowed; nothing was saved, split it")]
    CommitTooLarge {
        /// Its length.
        length: usize,
        /// The bound.
        limit: usize,
    },
    /// A scan found more than it may return.
    #[error("more than {limit} bytes lie under one prefix; read them page by page")]
    ScanTooLarge {
        /// The bound.
        limit: usize,
    },
}

/// Why a store could not be opened or created. A file that was there is left as it was.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// There is no such file.
    #[error("there is no store at {}; create one first", path.display())]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// Something is already there, so nothing was created.
    #[error("there is already something at {}; it was left as it is, open it instead", path.display())]
    AlreadyExists {
        /// Where.
        path: PathBuf,
    },
    /// Another process has it open, or is creating it.
    #[error("{} is in use by another process; close that one first", path.display())]
    Locked {
        /// Which store.
        path: PathBuf,
    },
    /// A newer version of Katori wrote it.
    #[error(
        "{} was written by a newer version (layout {found}, this version knows up to {known}); \
         it was left as it is, update this program",
        path.display()
    )]
    NewerSchema {
        /// Which store.
        path: PathBuf,
        /// The version in the file.
        found: u32,
        /// The highest version known here.
        known: u32,
    },
    /// It is something else than a store of Katori.
    #[error("{} is not a Katori store ({detail}); it was left as it is", path.display())]
    NotADatabase {
        /// Which file.
        path: PathBuf,
        /// How that shows.
        detail: String,
    },
    /// It is a store, but parts of it are gone or changed.
    #[error("{} is damaged ({detail}); it was left as it is, restore it from a copy", path.display())]
    Damaged {
        /// Which store.
        path: PathBuf,
        /// What the database reported.
        detail: String,
    },
    /// There is no room to create or open it.
    #[error("there is no room on the disk of {}; free some space and start again", path.display())]
    DiskFull {
        /// Which store.
        path: PathBuf,
    },
    /// The file system refused.
    #[error("{} cannot be opened ({source}); check its permissions and the disk", path.display())]
    Io {
        /// Which store.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// The first entries of a new store are over a bound; nothing was created.
    #[error("the first entries do not fit: {0}")]
    Initial(#[source] StoreError),
}
