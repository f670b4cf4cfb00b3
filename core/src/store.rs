//! Where a hub keeps everything: one file of byte keys and byte values, in named tables.
//!
//! Nothing here knows what the bytes mean; the typed layer lies above. Invariants:
//!
//! - A [`Storage::commit`] is one transaction. It is kept whole or not at all, and when it has returned `Ok` it
//!   survives a power cut.
//! - After a failed commit nothing more is saved until the store is opened anew, so what is kept is always a
//!   prefix of what was committed. What was saved stays readable.
//! - Opening never destroys: a file that is refused is left byte for byte as it was found.
//!
//! Deliberately not here: batching commits of several documents into one (the driver does it), wrapping secrets,
//! and any clock, thread or randomness.

mod backend;
mod backup;
mod connection;
mod create;
mod error;
mod file;
mod gather;
mod memory;
mod place;
mod redb_errors;
mod upgrade;

pub use backup::{BackupError, Copied, Unreadable};
pub use error::{OpenError, StoreError};
pub use file::Store;
pub use memory::MemoryStore;
pub use place::{COPIED, PLACE_ROW, Place, mark_copied};

pub(crate) use backup::copy_what_can_be_read;
pub(crate) use create::{beside, sync_directory};
pub(crate) use upgrade::VOUCH_MARK;

use std::ops::{Bound, ControlFlow};

use redb::TableDefinition;

/// The version of the layout of a store; a file with a higher one is refused and left alone, one with a
/// lower one is brought to this when it is opened.
pub const SCHEMA_VERSION: u32 = 2;

/// Longest key. Keys are a few ids of 32 bytes and a counter, so this is ample, and it keeps
/// several keys on each page of the tree.
pub const MAX_KEY_BYTES: usize = 1024;

/// Largest value. Above it lies no pack or snapshot that a phone could load; a longer history is several packs.
pub const MAX_VALUE_BYTES: usize = 64 * 1024 * 1024;

/// Most bytes of keys and values in one commit, so that a transaction fits in memory.
pub const MAX_COMMIT_BYTES: usize = 256 * 1024 * 1024;

/// Most bytes one [`Storage::scan`] or [`Storage::scan_keys`] returns; whoever may meet more asks by
/// [`Storage::page`].
pub const MAX_SCAN_BYTES: usize = 1024 * 1024 * 1024;

/// One named table of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Table {
    /// This device's own keys, choices and counters.
    Settings,
    /// Signed records: rosters, grants, revocations, exclusions.
    Records,
    /// What is known of each document without loading it: heads, version vector, digest. Beside it the signed words of
    /// devices that stand behind heads: an edit writes both, and writes less where they lie side by side.
    Documents,
    /// The history of documents, as packs of changes.
    Packs,
    /// Automerge snapshots, a cache for opening.
    Snapshots,
    /// What peers have said they made durable.
    Receipts,
    /// Invites made here, and how often they were used.
    Invites,
    /// People known to this person.
    Contacts,
    /// Last known addresses of devices.
    Addresses,
    /// Changes and records held back, and why.
    Held,
}

impl Table {
    /// Every table, in order.
    pub const ALL: [Table; 10] = [
        Table::Settings,
        Table::Records,
        Table::Documents,
        Table::Packs,
        Table::Snapshots,
        Table::Receipts,
        Table::Invites,
        Table::Contacts,
        Table::Addresses,
        Table::Held,
    ];

    /// The name on disk, which never changes.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Table::Settings => "settings",
            Table::Records => "records",
            Table::Documents => "documents",
            Table::Packs => "packs",
            Table::Snapshots => "snapshots",
            Table::Receipts => "receipts",
            Table::Invites => "invites",
            Table::Contacts => "contacts",
            Table::Addresses => "addresses",
            Table::Held => "held",
        }
    }

    const fn definition(self) -> TableDefinition<'static, &'static [u8], &'static [u8]> {
        TableDefinition::new(self.name())
    }
}

/// One step of a commit. Steps take effect in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// Sets a key to a value, whatever it was before.
    Put {
        /// Where.
        table: Table,
        /// At most [`MAX_KEY_BYTES`] long.
        key: Vec<u8>,
        /// At most [`MAX_VALUE_BYTES`] long.
        value: Vec<u8>,
    },
    /// Removes a key; one that is not there is no error.
    Delete {
        /// Where.
        table: Table,
        /// Which.
        key: Vec<u8>,
    },
    /// Removes every key that begins with these bytes.
    DeletePrefix {
        /// Where.
        table: Table,
        /// Which; empty means the whole table.
        prefix: Vec<u8>,
    },
}

impl Write {
    /// The table it writes to.
    #[must_use]
    pub const fn table(&self) -> Table {
        match self {
            Write::Put { table, .. } | Write::Delete { table, .. } | Write::DeletePrefix { table, .. } => {
                *table
            }
        }
    }
}

/// A key and its value.
pub type Entry = (Vec<u8>, Vec<u8>);

/// Takes a key and its value, and says whether to go on.
pub type Visit<'a> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'a;

/// What the layers above need of a store.
///
/// Reads see what is committed and nothing else. Each single read is a consistent view; two reads are two views.
pub trait Storage: Send + Sync {
    /// Makes all writes durable, in one transaction, before it returns.
    ///
    /// # Errors
    /// Oversized writes are refused and nothing happens. After any other error nothing more is saved until the
    /// store is opened anew; whether *this* commit is kept shows then.
    fn commit(&self, writes: &[Write]) -> Result<(), StoreError>;

    /// Hands out every entry of a table, in order and without copying it, until it is told to stop. Whoever takes them
    /// must not use the store meanwhile.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn visit(&self, table: Table, take: &mut Visit<'_>) -> Result<(), StoreError>;

    /// The value of a key.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// Every entry whose key begins with `prefix`, in order of keys.
    ///
    /// # Errors
    /// When the store cannot be read, and above [`MAX_SCAN_BYTES`].
    fn scan(&self, table: Table, prefix: &[u8]) -> Result<Vec<Entry>, StoreError>;

    /// Every key that begins with `prefix`, in order.
    ///
    /// # Errors
    /// When the store cannot be read, and above [`MAX_SCAN_BYTES`].
    fn scan_keys(&self, table: Table, prefix: &[u8]) -> Result<Vec<Vec<u8>>, StoreError>;

    /// Entries whose keys begin with `prefix` and come after `after`, in order, until `max_bytes` of keys and
    /// values are reached. The first is returned however large it is, so an empty page means the end.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn page(
        &self,
        table: Table,
        prefix: &[u8],
        after: Option<&[u8]>,
        max_bytes: usize,
    ) -> Result<Vec<Entry>, StoreError>;
}

type KeyBounds = (Bound<Vec<u8>>, Bound<Vec<u8>>);

/// The bounds between which lie the keys that begin with `prefix` and come after `after`.
fn key_bounds(prefix: &[u8], after: Option<&[u8]>) -> KeyBounds {
    let lower = match after {
        Some(after) if after >= prefix => Bound::Excluded(after.to_vec()),
        _ => Bound::Included(prefix.to_vec()),
    };
    let mut end = prefix.to_vec();
    while end.last() == Some(&u8::MAX) {
        end.pop();
    }
    let upper = match end.last_mut() {
        Some(last) => {
            *last += 1;
            Bound::Excluded(end)
        }
        None => Bound::Unbounded,
    };
    (lower, upper)
}

/// Whether nothing can lie between the two bounds, which ordered maps refuse by a panic.
fn is_empty_range(bounds: &KeyBounds) -> bool {
    match bounds {
        (Bound::Included(low) | Bound::Excluded(low), Bound::Excluded(high)) => low >= high,
        _ => false,
    }
}

/// The bytes of all keys and values, if each and all are within their bounds.
fn check_sizes(writes: &[Write]) -> Result<usize, StoreError> {
    let mut total = 0_usize;
    for write in writes {
        let (key, value) = match write {
            Write::Put { key, value, .. } => (key.len(), value.len()),
            Write::Delete { key, .. } => (key.len(), 0),
            Write::DeletePrefix { prefix, .. } => (prefix.len(), 0),
        };
        if key > MAX_KEY_BYTES {
            return Err(StoreError::KeyTooLong { length: key, limit: MAX_KEY_BYTES });
        }
        if value > MAX_VALUE_BYTES {
            return Err(StoreError::ValueTooLarge { length: value, limit: MAX_VALUE_BYTES });
        }
        total = total.saturating_add(key).saturating_add(value);
    }
    if total > MAX_COMMIT_BYTES {
        return Err(StoreError::CommitTooLarge { length: total, limit: MAX_COMMIT_BYTES });
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(prefix: &[u8], after: Option<&[u8]>, key: &[u8]) -> bool {
        let (low, high) = key_bounds(prefix, after);
        let above = match &low {
            Bound::Included(low) => key >= low.as_slice(),
            Bound::Excluded(low) => key > low.as_slice(),
            Bound::Unbounded => true,
        };
        above && !matches!(&high, Bound::Excluded(high) if key >= high.as_slice())
    }

    #[test]
    fn bounds_hold_exactly_the_keys_with_the_prefix() {
        let edges = [0x00, 0x01, 0x7f, 0xfe, 0xff];
        let mut keys = vec![vec![]];
        for a in edges {
            keys.push(vec![a]);
            for b in edges {
                keys.push(vec![a, b]);
                keys.extend(edges.iter().map(|c| vec![a, b, *c]));
            }
        }
        for prefix in &keys {
            for key in &keys {
                assert_eq!(holds(prefix, None, key), key.starts_with(prefix), "{prefix:?} {key:?}");
                for after in &keys {
                    let expected = key.starts_with(prefix) && key > after;
                    let bounds = key_bounds(prefix, Some(after));
                    let found = !is_empty_range(&bounds) && holds(prefix, Some(after), key);
                    assert_eq!(found, expected, "{prefix:?} after {after:?}: {key:?}");
                }
            }
        }
    }

    #[test]
    fn names_on_disk_are_these_for_ever() {
        let names: Vec<&str> = Table::ALL.iter().map(|table| table.name()).collect();
        let expected = "settings records documents packs snapshots receipts invites contacts addresses held";
        assert_eq!(names.join(" "), expected);
    }
}
