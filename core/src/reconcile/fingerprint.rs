//! What is kept of a subject, and the hashes over many of them.

use std::fmt;

use katori_acl::codec::{DecodeError, Reader, Writer};

use super::Item;
use super::range::parts;

/// Bytes of an item as it is hashed and sent.
const ITEM_BYTES: usize = 33 + 64;
/// The domains of the two hashes, as keys: no block is spent on them, and two fingerprints are one block.
const ITEMS: &[u8; 32] = b"katori/reconcile/items/version-1";
const HALVES: &[u8; 32] = b"katori/reconcile/halves/version1";

/// What a device has of a subject, as two digests.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// Of its records.
    pub records: [u8; 32],
    /// Of its content.
    pub content: [u8; 32],
}

impl Entry {
    /// Appends the 64 bytes.
    pub fn encode(&self, writer: &mut Writer) {
        writer.raw(&self.records).raw(&self.content);
    }

    /// Takes 64 bytes.
    ///
    /// # Errors
    /// [`DecodeError`] if there are fewer.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { records: reader.array()?, content: reader.array()? })
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Entry(")?;
        write_start(f, &self.records)?;
        write!(f, ", ")?;
        write_start(f, &self.content)?;
        write!(f, ")")
    }
}

/// A hash over everything that a set has in a range. Equal fingerprints: equal subjects with equal entries.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Takes the bytes as they are.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Of few items, in order.
    pub(super) fn of_items(items: &[Item]) -> Self {
        let mut bytes = Vec::with_capacity(items.len() * ITEM_BYTES);
        for (subject, entry) in items {
            // As they are encoded, without the writer's growing.
            let (tag, id) = parts(subject);
            bytes.push(tag);
            bytes.extend_from_slice(id);
            bytes.extend_from_slice(&entry.records);
            bytes.extend_from_slice(&entry.content);
        }
        Self(*blake3::keyed_hash(ITEMS, &bytes).as_bytes())
    }

    /// Of two neighbours.
    pub(super) fn of_halves(lower: &Self, upper: &Self) -> Self {
        let mut both = [0; 64];
        both.iter_mut().zip(lower.0.iter().chain(&upper.0)).for_each(|(to, from)| *to = *from);
        Self(*blake3::keyed_hash(HALVES, &both).as_bytes())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint(")?;
        write_start(f, &self.0)?;
        write!(f, ")")
    }
}

/// What a set has in a range, in short. Of the whole set it is the greeting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// How many entries.
    pub count: u64,
    /// The hash over them.
    pub fingerprint: Fingerprint,
}

impl Summary {
    /// Appends the count, and the fingerprint unless the count is zero.
    pub fn encode(&self, writer: &mut Writer) {
        writer.uint(self.count);
        if self.count > 0 {
            writer.raw(self.fingerprint.as_bytes());
        }
    }

    /// Takes a summary.
    ///
    /// # Errors
    /// [`DecodeError`] if it is none.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let count = reader.uint()?;
        let fingerprint = if count == 0 { Fingerprint::of_items(&[]) } else { Fingerprint(reader.array()?) };
        Ok(Self { count, fingerprint })
    }
}

fn write_start(f: &mut fmt::Formatter<'_>, bytes: &[u8; 32]) -> fmt::Result {
    bytes.iter().take(4).try_for_each(|byte| write!(f, "{byte:02x}"))
}
