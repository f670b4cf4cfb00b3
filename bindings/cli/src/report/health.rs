//! Copies of a store, and whether it is sound.

use serde::{Deserialize, Serialize};

/// A copy of a store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupReport {
    /// The file.
    pub file: String,
    /// How many rows it has.
    pub rows: u64,
    /// How large it is, in bytes.
    pub bytes: u64,
}

/// One thing that is wrong with a store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindingReport {
    /// What: `database`, `identity`, `key`, `row`, `uncounted`, `orphan`, `standing`, `unfounded`, `gap`, `state`,
    /// `behind`, `snapshot`, `history` or `too_large`.
    pub fault: String,
    /// In which table.
    pub table: Option<String>,
    /// The key, in hexadecimal, if it is about one row; of orphans what the keys begin with.
    pub key: Option<String>,
    /// Of which document.
    pub document: Option<String>,
    /// The same in words.
    pub message: String,
    /// What `--repair` does about it: `set_aside`, `keep_what_links`, `rebuild`, `copy_over` or `nothing`.
    pub remedy: String,
    /// Whether something is lost or wrong; false for what mends itself, and for what is only large.
    pub damage: bool,
}

/// Rows that a damaged file could not give back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnreadableReport {
    /// In which table.
    pub table: String,
    /// The last key before them, in hexadecimal.
    pub after: Option<String>,
    /// The first key after them.
    pub before: Option<String>,
}

/// What a check found, and a repair did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckReport {
    /// The file.
    pub file: String,
    /// Whether nothing is damaged; of a repair, whether nothing is any more.
    pub clean: bool,
    /// What was found.
    pub findings: Vec<FindingReport>,
    /// How many findings there are beyond those.
    pub more: u64,
    /// Whether a repair was asked for.
    pub repaired: bool,
    /// What is still wrong after a repair.
    pub left: Vec<FindingReport>,
    /// The file as it was before the repair.
    pub copy: Option<String>,
    /// The store with the rows that were taken out.
    pub set_aside: Option<String>,
    /// What the file could not give back.
    pub unreadable: Vec<UnreadableReport>,
    /// How many documents and spaces there are.
    pub documents: u64,
    /// How many changes of documents were verified.
    pub changes: u64,
    /// How many signed records.
    pub records: u64,
    /// How many vouches.
    pub vouches: u64,
    /// How many rows.
    pub rows: u64,
    /// How long the file is.
    pub file_bytes: u64,
}
