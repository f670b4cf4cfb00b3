//! What a loaded document costs in memory, from what is known of it before it is loaded.
//!
//! Measured with a counting allocator, each document loaded from its store (bytes of heap, and what is counted here):
//!
//! | document | changes | their bytes | heap | counted |
//! |---|---|---|---|---|
//! | one value | 1 | 89 | 19,640 | 21,170 |
//! | 40,000 keystrokes | 40,000 | 5,542,325 | 27,263,113 | 31,585,130 |
//! | 10,000 values, each a change | 10,000 | 1,300,348 | 6,899,393 | 7,741,176 |
//! | 1,000 changes of ten values | 1,000 | 310,718 | 1,035,455 | 1,153,916 |
//! | a text of 100,000, one change | 1 | 100,140 | 219,761 | 221,272 |
//!
//! While it is being loaded a document takes up to five times that for a moment, which is why big ones are loaded one
//! at a time.

use katori_core::wire::Size;

/// A document with next to nothing in it.
const FLOOR_BYTES: u64 = 20 << 10;
/// A change: its place in the graph and in Automerge's, and their indexes.
const CHANGE_BYTES: u64 = 512;
/// A byte of a change: as it was written, and as Automerge shows it.
const CONTENT_BYTES: u64 = 2;

/// Bytes of memory that a document of this size takes when it is loaded.
pub(super) fn cost(size: Size) -> u64 {
    let changes = size.changes.saturating_mul(CHANGE_BYTES);
    let content = size.bytes.saturating_mul(CONTENT_BYTES);
    FLOOR_BYTES.saturating_add(changes).saturating_add(content)
}
