//! Two devices find out where their sets differ, at the price of the difference and not of the sets.
//!
//! Range-based set reconciliation: Aljoscha Meyer, "Range-Based Set Reconciliation", SRDS 2023
//! (arXiv 2212.13567). Both name the fingerprint of the whole set. If they differ, one names the fingerprints of
//! the ranges in it, the other says which of them are the same and splits or lists those that are not, and so
//! on, until everything that differs has been listed. A [`Range`] is a prefix of the bits of a subject.
//!
//! - A [`Tree`] keeps a set of `(subject, entry)` under a tree of hashes whose shape is a function of the set
//!   alone, so that equal sets have equal fingerprints however they came about (the property of Auvolat and
//!   Taiani, "Merkle Search Trees: Efficient State-Based CRDTs in Open Networks", SRDS 2019; here in a binary
//!   radix tree, which needs no luck in the keys).
//! - [`respond`] answers the parts of one message: a pure function of the tree and the message, within a
//!   [`Budget`].
//! - An [`Exchange`] is what one side keeps of one run with one peer: what it greeted with, its budget, and whose
//!   turn it is.
//!
//! # Why a hash tree
//!
//! The fingerprint of a range is BLAKE3 over the ids and digests in it, by way of the tree's nodes. The crates
//! that do this, `negentropy` and `rbsr`, add up the hashes of the elements modulo 2^256, which makes any range
//! cheap to sum up. But a sum is no collision-resistant hash: whoever may add subjects and changes chooses the
//! summands, and finds a set with a given sum far below 2^128 steps (Wagner, "A Generalized Birthday Problem",
//! 2002). An insider could in this way make a set with a revocation and one without look the same, and the
//! revocation would never be asked for. A secret key in the hashes helps only as long as nobody inside has it,
//! and one for each pair of peers would hash everything again for each. With a hash tree it takes a collision of
//! BLAKE3.
//!
//! Between two peers, ranges that probably are the same and entries that probably are known are told by the beginning of a
//! keyed hash instead ([`Brief`]), under a key that only the two have.
//!
//! # Bounds
//!
//! The 257 bits of a subject bound the depth of the tree. Ids are hashes, so whoever wants many subjects with a
//! long common prefix must search for them; it then costs others at most one step, and one empty range of a few
//! bytes, for each bit of the prefix. Messages are bounded by [`MAX_PARTS`] and [`MAX_MESSAGE_ENTRIES`] and
//! refused while they are read if their ranges overlap or do not ascend. What is sent for a peer's message is a
//! small multiple of the message and of what an honest run needs.
//!
//! Not here: which subjects a peer may know of, and what is done about one that differs. A subject that changes
//! here while a run goes on is told to the peer on its own, as at any other time; the run does not notice.

mod brief;
mod budget;
mod exchange;
mod fingerprint;
mod node;
mod part;
mod range;
mod respond;
mod tree;
mod view;

#[cfg(test)]
mod tests;

pub use brief::{Brief, BriefSummary, Secret, Speaks, Told};
pub use budget::{Budget, OverBudget};
pub use exchange::{Exchange, Turn};
pub use fingerprint::{Entry, Fingerprint, Summary};
pub use part::{MAX_MESSAGE_ENTRIES, MAX_PART_ENTRIES, MAX_PARTS, Message, Part, messages};
pub use range::Range;
pub use respond::{Findings, Response, Side, respond};
pub use tree::{Iter, Tree};

/// One element of the set.
type Item = (katori_acl::Subject, Entry);
