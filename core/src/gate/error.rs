//! Why the gate refused something.

use katori_acl::codec::DecodeError;
use thiserror::Error;

use super::Panicked;

/// Why bytes were refused. Nothing of what was refused is kept, and nothing else is touched by it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum GateError {
    /// More of something than the limits allow.
    #[error("{what}: {found} is more than the {limit} allowed; the change was refused")]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// How much there is, or at least.
        found: u64,
        /// How much is allowed.
        limit: u64,
    },
    /// The bytes do not begin as Automerge's do.
    #[error("these bytes are no automerge chunk")]
    NotAutomerge,
    /// A kind of chunk that is not accepted here: peers send raw changes only.
    #[error("automerge chunk of type {found} is not accepted here; send raw, undeflated changes")]
    ChunkType {
        /// The type that was found.
        found: u8,
    },
    /// The chunk's checksum is not that of its contents.
    #[error("the checksum does not fit: the bytes were damaged on their way")]
    Checksum,
    /// The bytes end early, go on too long, or hold a malformed number or text.
    #[error("malformed automerge data: {0}")]
    Malformed(#[from] DecodeError),
    /// Readable, but not as Automerge writes it: such a change can make a saved document unreadable.
    #[error("{what} is not as automerge writes it; the change was refused")]
    NotCanonical {
        /// Which part.
        what: &'static str,
    },
    /// Deflated data that does not inflate.
    #[error("the deflated {what} cannot be inflated: the file is damaged")]
    Inflate {
        /// Which part.
        what: &'static str,
    },
    /// Automerge itself refused it.
    #[error("automerge refused {what}: {message}")]
    Refused {
        /// What it was given.
        what: &'static str,
        /// In its own words.
        message: String,
    },
    /// Automerge read something else than the gate did.
    #[error("automerge reads another {what} than the header says; the change was refused")]
    Disagrees {
        /// Which field.
        what: &'static str,
    },
    /// Automerge panicked. The document it was working on has to be dropped.
    #[error(transparent)]
    Panicked(#[from] Panicked),
    /// A file that refers to changes it does not contain.
    #[error("the file lacks {missing} changes it refers to; save it again as a complete document")]
    Incomplete {
        /// How many are missing.
        missing: usize,
    },
}

impl GateError {
    pub(super) const fn not_canonical(what: &'static str) -> Self {
        Self::NotCanonical { what }
    }

    /// Checks a size or count against its limit.
    pub(super) fn at_most(what: &'static str, found: u64, limit: u64) -> Result<(), Self> {
        if found > limit { Err(Self::TooLarge { what, found, limit }) } else { Ok(()) }
    }
}
