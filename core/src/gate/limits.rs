//! What the gate lets through at most.

use crate::pack::{MAX_PACK_BYTES, MAX_PACK_CHANGES};

/// Bounds on what comes in. The defaults are generous for people and small for machines.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of one raw change, 4 MiB: a book pasted at once fits, and a peer's frame stays small.
    pub change_bytes: usize,
    /// Operations of one change, 500,000: about two seconds of Automerge's time at the worst.
    pub change_operations: u64,
    /// Bytes that the names in one change (map keys, names of marks) take once their runs are expanded, 32 MiB:
    /// one long key repeated half a million times would be gigabytes.
    pub change_name_bytes: u64,
    /// Direct dependencies of one change, 1,024: one for each device that edited apart at the same time.
    pub change_dependencies: usize,
    /// Actors one change refers to, its own included, 4,096: each takes an entry in tables of the document.
    pub change_actors: usize,
    /// Bytes of an actor id, 64: ours take 48, random ones 16, and Automerge itself knows no bound.
    pub actor_bytes: usize,
    /// Bytes of the commit message, 4,096: it is kept for ever, and shown.
    pub message_bytes: usize,
    /// Changes of one pack, a million: a pack's tables are held in memory while it is read.
    pub pack_changes: usize,
    /// Bytes of one pack, inflated, and of its changes, rebuilt, 256 MiB each: a quarter of a million keystrokes
    /// take a tenth of that, and a deflated megabyte could claim a thousand.
    pub pack_bytes: usize,
    /// Bytes of a file to import, 64 MiB.
    pub document_bytes: usize,
    /// Bytes of that file once its columns are inflated and its names expanded, 512 MiB: deflate can shrink
    /// a thousandfold what Automerge then holds in memory several times.
    pub document_inflated_bytes: usize,
    /// Operations of a file to import, 20 million.
    pub document_operations: u64,
    /// Changes of a file to import, 2 million: each is rebuilt with its own header.
    pub document_changes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            change_bytes: 4 << 20,
            change_operations: 500_000,
            change_name_bytes: 32 << 20,
            change_dependencies: 1_024,
            change_actors: 4_096,
            actor_bytes: 64,
            message_bytes: 4_096,
            pack_changes: MAX_PACK_CHANGES,
            pack_bytes: MAX_PACK_BYTES,
            document_bytes: 64 << 20,
            document_inflated_bytes: 512 << 20,
            document_operations: 20_000_000,
            document_changes: 2_000_000,
        }
    }
}
