//! `ChangePack`: the immutable form in which a run of changes is sent and stored.
//!
//! A raw change of one keystroke takes 110 bytes, nearly all of which say what the changes before it said:
//! the hash it builds on, its actor, the same columns. A pack writes each such thing once or as a difference,
//! keeps like with like, and deflates the result: about two bytes for that keystroke. From it the exact bytes
//! are rebuilt and inspected again, so that every hash is computed anew and none is believed.
//!
//! Invariants: a pack never changes; unpacking costs no more than its bounds, whoever made it; a change that
//! would not come back byte for byte is carried as it is.
//! Where a pack may stand, a whole document as Automerge saves it may stand as well, and tells itself from packs by its
//! first bytes: [`unpack`] reads both.
//! Not here: which changes belong together, and where packs are kept (`store`).

mod format;
mod read;
mod write;

use katori_acl::codec::{DecodeError, Reader};
use thiserror::Error;

use crate::gate::{GateError, Limits, RawChange};

pub use read::unpack;
pub use write::pack;

/// The version this program writes. It reads every version up to it.
pub const PACK_VERSION: u8 = 1;
/// Changes in one pack, a million: the longest history known is a quarter of that, and the tables of a pack are
/// held in memory while it is read.
pub const MAX_PACK_CHANGES: usize = 1 << 20;
/// Bytes of the changes in one pack, rebuilt, and of its columns, inflated: 256 MiB. Packs come from peers and
/// deflate can shrink a thousandfold, so this is what one of them can make us hold.
pub const MAX_PACK_BYTES: usize = 256 << 20;

/// Why a pack could not be read. Nothing of it was kept; ask for it again, from another peer if need be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PackError {
    /// Written by a newer version of Katori.
    #[error("change pack of version {found}; this program reads up to {PACK_VERSION}, update it")]
    Version {
        /// The version that was found.
        found: u8,
    },
    /// The bytes end early, go on too long, or hold a value that cannot be.
    #[error("malformed change pack: {0}")]
    Malformed(#[from] DecodeError),
    /// The deflated part does not inflate to the length it says.
    #[error("the change pack cannot be inflated: it was damaged")]
    Inflate,
    /// A change in it does not pass the gate.
    #[error("change {index} of the pack: {error}")]
    Change {
        /// Its place in the pack, from 0.
        index: usize,
        /// Why it was refused.
        error: GateError,
    },
    /// A whole document that does not pass the gate.
    #[error("a whole document: {0}")]
    Whole(GateError),
    /// The rebuilt changes are not those that were packed.
    #[error("the changes rebuilt from the pack are not those that were packed: it was damaged")]
    Digest,
}

/// How many changes a pack holds, by its own word: nothing is inflated or checked.
///
/// # Errors
/// [`PackError`] if this is no pack, or a newer one.
pub fn count(bytes: &[u8]) -> Result<usize, PackError> {
    format::Prefix::read(&mut Reader::new(bytes), &Limits::default()).map(|prefix| prefix.changes)
}

/// Splits a list of changes into parts that each fit one pack.
pub fn batches(changes: &[RawChange]) -> impl Iterator<Item = &[RawChange]> {
    let mut rest = changes;
    std::iter::from_fn(move || {
        let mut bytes = 0usize;
        let fitting = rest.iter().take(MAX_PACK_CHANGES).take_while(|change| {
            bytes = bytes.saturating_add(change.bytes().len());
            bytes <= MAX_PACK_BYTES
        });
        let (batch, after) = rest.split_at_checked(fitting.count())?;
        rest = after;
        (!batch.is_empty()).then_some(batch)
    })
}
