//! What is said of a subject or a range to somebody who most likely has it as well: a few bytes.
//!
//! A brief is the beginning of BLAKE3 keyed with a secret that the two ends of one connection have and nobody else. Who
//! does not know the key cannot look for two things of one brief, so their length is a matter of chance alone: two
//! subjects that differ are taken for the same once in 2^48 times, two ranges once in 2^96, and the next connection has
//! another key. Each end could find such things, and would mislead itself.

use std::fmt;

use katori_acl::Subject;
use katori_acl::codec::{DecodeError, Reader, Writer};

use super::fingerprint::{Entry, Summary};
use super::range::parts;

const SUBJECT_BYTES: usize = 6;
const RANGE_BYTES: usize = 12;

/// What only the two ends of one connection know: keying material of its TLS session.
#[derive(Clone, Copy)]
pub struct Secret([u8; 32]);

impl Secret {
    /// Takes the bytes as they are. Both ends must have the same.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    fn brief<const LENGTH: usize>(&self, kind: u8, parts: &[&[u8]]) -> [u8; LENGTH] {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        hasher.update(&[kind]);
        for part in parts {
            hasher.update(part);
        }
        let mut brief = [0; LENGTH];
        hasher.finalize_xof().fill(&mut brief);
        brief
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret")
    }
}

/// A subject and its entry in 18 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Brief {
    pub(super) subject: [u8; SUBJECT_BYTES],
    records: [u8; SUBJECT_BYTES],
    content: [u8; SUBJECT_BYTES],
}

impl Brief {
    pub(super) fn of(secret: &Secret, subject: &Subject, entry: &Entry) -> Self {
        let (tag, id) = parts(subject);
        Self {
            subject: secret.brief(0, &[&[tag], id]),
            records: secret.brief(1, &[&[tag], id, &entry.records]),
            content: secret.brief(2, &[&[tag], id, &entry.content]),
        }
    }

    /// What this says to somebody whose own entry and brief of the same subject are these.
    pub(super) fn beside(&self, mine: &Entry, brief: &Self) -> Told {
        let told = |same: bool, digest| if same { Some(digest) } else { None };
        Told {
            records: told(self.records == brief.records, mine.records),
            content: told(self.content == brief.content, mine.content),
        }
    }

    pub(super) fn encode(&self, writer: &mut Writer) {
        writer.raw(&self.subject).raw(&self.records).raw(&self.content);
    }

    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { subject: reader.array()?, records: reader.array()?, content: reader.array()? })
    }
}

/// Which side says first what it has, of a subject that both have otherwise. If it is the one that lacks something, the
/// other need not say more than that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaks {
    /// The one that says this.
    First,
    /// The other one.
    Second,
}

impl Speaks {
    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match reader.byte()? {
            0 => Ok(Self::First),
            1 => Ok(Self::Second),
            found => Err(DecodeError::Unknown { what: "side", found: found.into() }),
        }
    }
}

/// What the other side has of a subject, as far as it said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// The digest of its records; none if all that is known is that it is another than here.
    pub records: Option<[u8; 32]>,
    /// The same of its content.
    pub content: Option<[u8; 32]>,
}

impl Told {
    /// Whether it is what this entry says.
    #[must_use]
    pub fn is(&self, entry: &Entry) -> bool {
        self.records == Some(entry.records) && self.content == Some(entry.content)
    }
}

impl From<Entry> for Told {
    fn from(entry: Entry) -> Self {
        Self { records: Some(entry.records), content: Some(entry.content) }
    }
}

/// What a set has in a range, in short, to somebody who has the secret: 12 bytes and the count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BriefSummary {
    /// How many entries.
    pub count: u64,
    /// The beginning of a keyed hash of the fingerprint; zeros if there are no entries.
    pub fingerprint: [u8; RANGE_BYTES],
}

impl BriefSummary {
    /// The same as a summary says.
    #[must_use]
    pub fn of(secret: &Secret, summary: &Summary) -> Self {
        let Summary { count, fingerprint } = summary;
        let brief = if *count == 0 { [0; RANGE_BYTES] } else { secret.brief(3, &[fingerprint.as_bytes()]) };
        Self { count: *count, fingerprint: brief }
    }

    pub(super) fn encode(&self, writer: &mut Writer) {
        writer.uint(self.count);
        if self.count > 0 {
            writer.raw(&self.fingerprint);
        }
    }

    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let count = reader.uint()?;
        let fingerprint = if count == 0 { [0; RANGE_BYTES] } else { reader.array()? };
        Ok(Self { count, fingerprint })
    }
}
