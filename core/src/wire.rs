//! The frames of `katori/sync/1`, as both sides of a connection exchange them. `docs/protocol.md` has them byte
//! by byte. A frame is decoded whole and bounded before anything in it is acted on.

use automerge::ChangeHash;
use katori_acl::codec::{DecodeError, Reader, Writer};
use katori_acl::{RecordId, ResourceId, Subject};

use crate::reconcile::{Entry, Message, Summary};
use crate::version::VersionVector;

/// The protocol's name in the TLS handshake.
pub const SYNC_ALPN: &[u8] = b"katori/sync/1";

/// Bytes of one frame. A pack of 4 MiB of raw changes that do not compress still fits.
pub const MAX_FRAME_BYTES: usize = 8 << 20;
/// Entries in one inventory frame; a longer inventory is several frames.
pub const MAX_ENTRIES: usize = 4096;
/// Records in one frame, and ids in one list of records: as many as a subject may have.
pub const MAX_RECORDS: usize = 1 << 16;
/// Vouches that may be asked for with changes. Who lacks more compares versions.
pub const MAX_LACKING: usize = 16;
/// Bytes of one signed record.
pub const MAX_RECORD_BYTES: usize = 64 << 10;
/// Vouches in one frame.
pub const MAX_VOUCHES: usize = 4096;
/// Bytes of one vouch.
const MAX_VOUCH_BYTES: usize = crate::vouch::MAX_VOUCH_BYTES;
/// Heads in a receipt.
const MAX_HEADS: usize = 1 << 14;

/// How large a document is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Size {
    /// How many changes it has.
    pub changes: u64,
    /// How many bytes they have, as Automerge writes each.
    pub bytes: u64,
}

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// What both may sync, in short, as far as the sender knows: the first frame of each side.
    Greeting {
        /// Of the whole of it.
        summary: Summary,
    },
    /// How parts of it compare.
    Ranges {
        /// See [`crate::reconcile`].
        message: Message,
    },
    /// Digests of what has come to be shared since.
    Inventory {
        /// Each subject with what the sender has of it.
        entries: Vec<(Subject, Entry)>,
    },
    /// "Of these subjects I have nothing; send me all of them."
    Want {
        /// Rosters, documents and spaces.
        subjects: Vec<Subject>,
    },
    /// "Of this subject I have these records; send me the others."
    Have {
        /// A roster, document or space.
        subject: Subject,
        /// Ids, ascending.
        ids: Vec<RecordId>,
    },
    /// Records of a subject.
    Records {
        /// Which.
        subject: Subject,
        /// Signed records.
        records: Vec<Vec<u8>>,
        /// Vouches by the sending device, which travel with a revocation it signed.
        vouches: Vec<Vec<u8>>,
        /// Whether this answers a [`Frame::Have`]; otherwise it tells of something new.
        answer: bool,
        /// How large the document is, for whoever has not accepted it yet.
        size: Option<Size>,
    },
    /// "Of this document I have this; send me the rest, now and as it comes."
    Version {
        /// Which.
        document: ResourceId,
        /// Changes that the sender has.
        version: VersionVector,
        /// Vouches that the sender has.
        vouches: Vec<RecordId>,
    },
    /// Changes of a document, and vouches over them.
    Changes {
        /// Which.
        document: ResourceId,
        /// A pack of changes.
        pack: Option<Vec<u8>>,
        /// Signed vouches.
        vouches: Vec<Vec<u8>>,
        /// Whether more of the same answer follows.
        more: bool,
        /// If it answers a [`Frame::Version`]: the sender has all of that but these vouches, and sends no version of its own.
        has_all_but: Option<Vec<RecordId>>,
    },
    /// "I have made everything under these durable."
    Receipt {
        /// Of which document.
        document: ResourceId,
        /// Heads of what the sender has stored.
        heads: Vec<ChangeHash>,
    },
}

impl Frame {
    /// The frame's bytes, without a length before them.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        match self {
            Self::Inventory { entries } => {
                writer.byte(1).list(entries, |writer, (subject, entry)| {
                    subject.encode(writer);
                    entry.encode(writer);
                });
            }
            Self::Greeting { summary } => summary.encode(writer.byte(7)),
            Self::Ranges { message } => message.encode(writer.byte(8)),
            Self::Want { subjects } => {
                writer.byte(9).list(subjects, |writer, subject| subject.encode(writer));
            }
            Self::Have { subject, ids } => {
                subject.encode(writer.byte(2));
                writer.list(ids, |writer, id| id.encode(writer));
            }
            Self::Records { subject, records, vouches, answer, size } => {
                subject.encode(writer.byte(3));
                write_blobs(&mut writer, records);
                write_blobs(&mut writer, vouches);
                writer.byte(u8::from(*answer)).option(*size, |writer, size| {
                    writer.uint(size.changes).uint(size.bytes);
                });
            }
            Self::Version { document, version, vouches } => {
                document.encode(writer.byte(4));
                version.encode(&mut writer);
                writer.list(vouches, |writer, id| id.encode(writer));
            }
            Self::Changes { document, pack, vouches, more, has_all_but } => {
                document.encode(writer.byte(5));
                writer.option(pack.as_deref(), |writer, pack| {
                    writer.bytes(pack);
                });
                write_blobs(&mut writer, vouches);
                writer.byte(u8::from(*more)).option(has_all_but.as_deref(), |writer, ids| {
                    writer.list(ids, |writer, id| id.encode(writer));
                });
            }
            Self::Receipt { document, heads } => {
                document.encode(writer.byte(6));
                writer.list(heads, |writer, head| {
                    writer.raw(&head.0);
                });
            }
        }
        writer.finish()
    }

    /// Reads one frame.
    ///
    /// # Errors
    /// [`DecodeError`] if the bytes are no frame of this version, or out of bounds.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        if bytes.len() > MAX_FRAME_BYTES {
            let (found, limit) = (bytes.len() as u64, MAX_FRAME_BYTES as u64);
            return Err(DecodeError::TooLarge { what: "frame", found, limit });
        }
        let mut reader = Reader::new(bytes);
        let frame = match reader.byte()? {
            1 => Self::Inventory {
                entries: reader.list("inventory", MAX_ENTRIES, |reader| {
                    Ok((Subject::decode(reader)?, Entry::decode(reader)?))
                })?,
            },
            2 => Self::Have {
                subject: Subject::decode(&mut reader)?,
                ids: reader.list("records", MAX_RECORDS, RecordId::decode)?,
            },
            3 => Self::Records {
                subject: Subject::decode(&mut reader)?,
                records: read_blobs(&mut reader, "records", MAX_RECORDS, MAX_RECORD_BYTES)?,
                vouches: read_blobs(&mut reader, "vouches", MAX_VOUCHES, MAX_VOUCH_BYTES)?,
                answer: read_flag(&mut reader)?,
                size: reader.option(|reader| Ok(Size { changes: reader.uint()?, bytes: reader.uint()? }))?,
            },
            4 => Self::Version {
                document: ResourceId::decode(&mut reader)?,
                version: VersionVector::decode(&mut reader)?,
                vouches: reader.list("vouches", MAX_RECORDS, RecordId::decode)?,
            },
            5 => {
                let document = ResourceId::decode(&mut reader)?;
                let pack = reader.option(|reader| Ok(reader.bytes("pack", MAX_FRAME_BYTES)?.to_vec()))?;
                let vouches = read_blobs(&mut reader, "vouches", MAX_VOUCHES, MAX_VOUCH_BYTES)?;
                let more = read_flag(&mut reader)?;
                let has_all_but =
                    reader.option(|reader| reader.list("vouches", MAX_LACKING, RecordId::decode))?;
                Self::Changes { document, pack, vouches, more, has_all_but }
            }
            6 => Self::Receipt {
                document: ResourceId::decode(&mut reader)?,
                heads: reader.list("heads", MAX_HEADS, |reader| reader.array().map(ChangeHash))?,
            },
            7 => Self::Greeting { summary: Summary::decode(&mut reader)? },
            8 => Self::Ranges { message: Message::decode(&mut reader)? },
            9 => Self::Want { subjects: reader.list("subjects", MAX_ENTRIES, Subject::decode)? },
            found => return Err(DecodeError::Unknown { what: "frame", found: found.into() }),
        };
        reader.finish()?;
        Ok(frame)
    }

    /// A word for traces.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Greeting { .. } => "greeting",
            Self::Ranges { .. } => "ranges",
            Self::Inventory { .. } => "inventory",
            Self::Want { .. } => "want",
            Self::Have { .. } => "have",
            Self::Records { .. } => "records",
            Self::Version { .. } => "version",
            Self::Changes { .. } => "changes",
            Self::Receipt { .. } => "receipt",
        }
    }
}

/// A word for the kind of an encoded frame, by its first byte.
#[must_use]
pub fn frame_name(kind: u8) -> &'static str {
    match kind {
        1 => "inventory",
        2 => "have",
        3 => "records",
        4 => "version",
        5 => "changes",
        6 => "receipt",
        7 => "greeting",
        8 => "ranges",
        9 => "want",
        _ => "other",
    }
}

fn write_blobs(writer: &mut Writer, blobs: &[Vec<u8>]) {
    writer.list(blobs, |writer, blob| {
        writer.bytes(blob);
    });
}

fn read_blobs(
    reader: &mut Reader<'_>,
    what: &'static str,
    count: usize,
    size: usize,
) -> Result<Vec<Vec<u8>>, DecodeError> {
    reader.list(what, count, |reader| Ok(reader.bytes(what, size)?.to_vec()))
}

fn read_flag(reader: &mut Reader<'_>) -> Result<bool, DecodeError> {
    match reader.byte()? {
        0 => Ok(false),
        1 => Ok(true),
        found => Err(DecodeError::Unknown { what: "flag", found: found.into() }),
    }
}
