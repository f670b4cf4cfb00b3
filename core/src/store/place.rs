//! Where a store lies, and the row in which it remembers where it lay: a store that is a copy must not go on under the
//! incarnations of the one that it was copied from.

use std::fs::Metadata;

use super::{Table, Write};

/// The row of [`Table::Settings`] in which a store remembers where it lay.
pub const PLACE_ROW: &[u8] = b"net/place";
/// Stands there for the place in a copy of a store: wherever it is opened first, it was never there before.
pub const COPIED: &[u8] = b"a copy";

/// Where a file lies on its disk: a copied or restored store lies somewhere else.
///
/// Both numbers are zero where the system has no such thing, and for stores without a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Place {
    /// The file system.
    pub device: u64,
    /// The file in it.
    pub inode: u64,
}

/// The write by which a copy of a store knows that it is one. The place of the file alone would not do: a file that
/// is copied over another lies in that one's place, and not every system can tell places apart.
#[must_use]
pub fn mark_copied() -> Write {
    Write::Put { table: Table::Settings, key: PLACE_ROW.to_vec(), value: COPIED.to_vec() }
}

#[cfg(unix)]
pub(super) fn place_of(metadata: &Metadata) -> Place {
    use std::os::unix::fs::MetadataExt;
    Place { device: metadata.dev(), inode: metadata.ino() }
}

#[cfg(not(unix))]
pub(super) fn place_of(_: &Metadata) -> Place {
    Place::default()
}
