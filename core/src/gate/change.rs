//! One raw change, taken apart and checked without Automerge.

use std::collections::BTreeSet;
use std::sync::Arc;

use automerge::ChangeHash;
use katori_acl::codec::{Reader, Writer};

use super::chunk::{self, Frame};
use super::columns::{COLUMNS, Column, count_operations};
use super::{GateError, Limits, read_signed, write_signed};

/// The largest operation counter and sequence number. Automerge keeps both in 32 bits and panics beyond; half of
/// them leaves room to say so instead.
pub(super) const MAX_COUNTER: u64 = i32::MAX as u64;
/// The largest distance of a time from 1970, 2^53 seconds: Automerge's own arithmetic on larger ones loses bits,
/// and then the saved document cannot be loaded.
pub(super) const MAX_TIME: u64 = 1 << 53;
/// A footer that says who the author is. Automerge writes one on an actor's first change, and refuses the whole
/// batch in which it meets a second.
const AUTHOR_FOOTER: u8 = 1;

/// What a change says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Its name: the SHA-256 of the chunk.
    pub hash: ChangeHash,
    /// Who claims to have made it.
    pub actor: Vec<u8>,
    /// Its place among the actor's changes, from 1.
    pub seq: u64,
    /// The counter of its first operation, from 1.
    pub start_op: u64,
    /// How many operations it has.
    pub operations: u64,
    /// The changes it builds on, each named once.
    pub deps: Vec<ChangeHash>,
    /// When its author says it was made, in seconds since 1970.
    pub time: i64,
    /// The author's remark.
    pub message: Option<String>,
    /// The other actors whose operations it refers to, ascending: each must have a change among its ancestors,
    /// or Automerge panics.
    pub other_actors: Vec<Vec<u8>>,
}

impl Header {
    /// The counter of the last operation, or the one before the first if there is none.
    #[must_use]
    pub fn max_op(&self) -> u64 {
        self.start_op.saturating_sub(1).saturating_add(self.operations)
    }
}

/// The bytes of one raw change, inspected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawChange {
    header: Header,
    bytes: Arc<[u8]>,
}

impl RawChange {
    /// What it says of itself.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Its name.
    #[must_use]
    pub fn hash(&self) -> ChangeHash {
        self.header.hash
    }

    /// The raw chunk, as its author made it.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The same bytes, shared.
    #[must_use]
    pub fn shared_bytes(&self) -> Arc<[u8]> {
        Arc::clone(&self.bytes)
    }

    /// A change that was inspected before, and whose bytes have not left us since.
    pub(crate) fn inspected(bytes: &Arc<[u8]>, hash: ChangeHash, operations: u64) -> Result<Self, GateError> {
        let sections = Sections::read_chunk(bytes)?;
        let message = std::str::from_utf8(sections.message).ok().filter(|message| !message.is_empty());
        let header = sections.header(hash, operations, message);
        Ok(Self { header, bytes: Arc::clone(bytes) })
    }

    /// The parts of the chunk, for packing.
    pub(crate) fn sections(&self) -> Result<Sections<'_>, GateError> {
        Sections::read_chunk(&self.bytes)
    }
}

/// Takes one raw, undeflated change chunk apart and checks everything that can be checked by itself.
///
/// Time and memory are bounded by the length of `bytes`, whatever its run lengths say.
///
/// # Errors
/// [`GateError`] says what was wrong; nothing was kept.
pub fn inspect(bytes: &[u8], limits: &Limits) -> Result<RawChange, GateError> {
    GateError::at_most("bytes of a change", bytes.len() as u64, limits.change_bytes as u64)?;
    let mut reader = Reader::new(bytes);
    let frame = Frame::read(&mut reader)?;
    reader.finish()?;
    if frame.kind != chunk::CHANGE {
        return Err(GateError::ChunkType { found: frame.kind });
    }
    let hash = frame.verify()?;
    let header = check(frame.data, hash, limits)?;
    Ok(RawChange { header, bytes: bytes.into() })
}

/// Makes a change of the data inside its frame, and inspects it.
pub(crate) fn seal(data: &[u8], limits: &Limits) -> Result<RawChange, GateError> {
    GateError::at_most("bytes of a change", data.len() as u64, limits.change_bytes as u64)?;
    let (bytes, hash) = chunk::frame_change(data);
    GateError::at_most("bytes of a change", bytes.len() as u64, limits.change_bytes as u64)?;
    let header = check(data, hash, limits)?;
    Ok(RawChange { header, bytes: bytes.into() })
}

/// The parts of a change chunk, in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sections<'a> {
    pub(crate) deps: Vec<ChangeHash>,
    pub(crate) actor: &'a [u8],
    pub(crate) seq: u64,
    pub(crate) start_op: u64,
    pub(crate) time: i64,
    pub(crate) message: &'a [u8],
    pub(crate) other_actors: Vec<&'a [u8]>,
    /// The bytes of each column, empty where it is absent.
    pub(crate) columns: [&'a [u8]; COLUMNS.len()],
    /// What follows the columns: the author's footer.
    pub(crate) extra: &'a [u8],
}

impl<'a> Sections<'a> {
    /// Splits a chunk, without looking at its checksum.
    pub(crate) fn read_chunk(chunk: &'a [u8]) -> Result<Self, GateError> {
        Self::read(Frame::read(&mut Reader::new(chunk))?.data)
    }

    /// Splits the data of a chunk. Counts are believed only as far as there are bytes.
    pub(crate) fn read(data: &'a [u8]) -> Result<Self, GateError> {
        let mut reader = Reader::new(data);
        let most = data.len();
        let deps = reader.list("dependencies", most / 32, |reader| reader.array().map(ChangeHash))?;
        let actor = reader.bytes("actor", most)?;
        let seq = reader.uint()?;
        let start_op = reader.uint()?;
        let time = read_signed(&mut reader)?;
        let message = reader.bytes("message", most)?;
        let other_actors = reader.list("actors", most, |reader| reader.bytes("actor", most))?;
        let count = reader.size("columns", COLUMNS.len())?;
        let mut lengths = [0; COLUMNS.len()];
        let mut from = 0;
        for _ in 0..count {
            let spec = reader.uint()?;
            let length = reader.size("column", most)?;
            // Ascending, each at most once, none empty, none that Automerge would drop.
            let unknown = || GateError::not_canonical("the list of columns");
            let rest = COLUMNS.get(from..).unwrap_or_default();
            let skipped =
                rest.iter().position(|column| u64::from(column.spec()) == spec).ok_or_else(unknown)?;
            let place = lengths.get_mut(from + skipped).ok_or_else(unknown)?;
            if length == 0 {
                return Err(unknown());
            }
            *place = length;
            from += skipped + 1;
        }
        let mut columns: [&[u8]; COLUMNS.len()] = Default::default();
        for (column, length) in columns.iter_mut().zip(lengths) {
            *column = reader.raw(length)?;
        }
        let extra = reader.raw(reader.remaining())?;
        Ok(Self { deps, actor, seq, start_op, time, message, other_actors, columns, extra })
    }

    /// Puts the parts together again: the data of the chunk they were read from.
    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.list(&self.deps, |writer, hash| _ = writer.raw(&hash.0));
        writer.bytes(self.actor).uint(self.seq).uint(self.start_op);
        write_signed(writer, self.time);
        writer.bytes(self.message);
        writer.list(&self.other_actors, |writer, actor| _ = writer.bytes(actor));
        let present = || COLUMNS.iter().zip(self.columns).filter(|(_, bytes)| !bytes.is_empty());
        writer.uint(present().count() as u64);
        for (column, bytes) in present() {
            writer.uint(column.spec().into()).uint(bytes.len() as u64);
        }
        for bytes in self.columns {
            writer.raw(bytes);
        }
        writer.raw(self.extra);
    }

    fn header(&self, hash: ChangeHash, operations: u64, message: Option<&str>) -> Header {
        Header {
            hash,
            actor: self.actor.to_vec(),
            seq: self.seq,
            start_op: self.start_op,
            operations,
            deps: self.deps.clone(),
            time: self.time,
            message: message.map(str::to_owned),
            other_actors: self.other_actors.iter().map(|actor| actor.to_vec()).collect(),
        }
    }

    /// The bytes of one column.
    pub(crate) fn column(&self, column: Column) -> &'a [u8] {
        self.columns.get(column as usize).copied().unwrap_or_default()
    }
}

fn check(data: &[u8], hash: [u8; 32], limits: &Limits) -> Result<Header, GateError> {
    let sections = Sections::read(data)?;
    let length = |bytes: &[u8]| bytes.len() as u64;
    GateError::at_most("dependencies", sections.deps.len() as u64, limits.change_dependencies as u64)?;
    GateError::at_most("actors", sections.other_actors.len() as u64 + 1, limits.change_actors as u64)?;
    GateError::at_most("bytes of the message", length(sections.message), limits.message_bytes as u64)?;
    for actor in sections.other_actors.iter().chain([&sections.actor]) {
        GateError::at_most("bytes of an actor id", length(actor), limits.actor_bytes as u64)?;
    }
    let deps = sections.deps.len();
    if deps > 1 && sections.deps.iter().collect::<BTreeSet<_>>().len() < deps {
        return Err(GateError::not_canonical("the list of dependencies"));
    }
    if !sections.other_actors.is_sorted_by(|one, next| one < next)
        || sections.other_actors.contains(&sections.actor)
    {
        return Err(GateError::not_canonical("the list of actors"));
    }
    if sections.seq == 0 || sections.start_op == 0 {
        return Err(GateError::not_canonical("a sequence or operation number of zero"));
    }
    GateError::at_most("sequence number", sections.seq, MAX_COUNTER)?;
    GateError::at_most("operation number", sections.start_op, MAX_COUNTER)?;
    GateError::at_most("time", sections.time.unsigned_abs(), MAX_TIME)?;
    if sections.seq > 1 && sections.extra.first() == Some(&AUTHOR_FOOTER) {
        return Err(GateError::not_canonical("an author on a later change"));
    }
    let message = match sections.message {
        [] => None,
        bytes => Some(std::str::from_utf8(bytes).map_err(|_| GateError::not_canonical("the message"))?),
    };
    let operations = count_operations(&sections, limits)?;
    let header = sections.header(ChangeHash(hash), operations, message);
    GateError::at_most("operation number", header.max_op(), MAX_COUNTER)?;
    Ok(header)
}
