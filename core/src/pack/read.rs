//! Reading a pack.

use automerge::ChangeHash;
use katori_acl::codec::{DecodeError, Reader, Writer};

use super::PackError;
use super::format::{IN_COLUMNS, Prefix, RAW, Streams, digest, read_relative};
use crate::deflate::{self, Malformed};
use crate::gate::{COLUMNS, GateError, Limits, RawChange, Sections, import, inspect, is_whole, seal};

/// Rebuilds the changes of a pack, or of a whole document that stands in its place, each through the gate, in the order in which they were packed.
///
/// Memory is bounded by [`Limits::pack_bytes`], and time by the length of what is rebuilt.
///
/// # Errors
/// [`PackError`]; then nothing of the pack is returned.
pub fn unpack(bytes: &[u8], limits: &Limits) -> Result<Vec<RawChange>, PackError> {
    if is_whole(bytes) {
        return import(bytes, limits).map_err(PackError::Whole);
    }
    let mut reader = Reader::new(bytes);
    let prefix = Prefix::read(&mut reader, limits)?;
    let inflated = inflate(reader.raw(reader.remaining())?, prefix.inflated)?;
    let mut reader = Reader::new(&inflated);
    let streams = Streams::try_make(|| reader.bytes("stream", prefix.inflated).map(Stream::new))?;
    reader.finish()?;
    // Each change takes a byte to say how it is carried, so the count is believed only as far as there are.
    let mut unpacker = Unpacker::new(streams, limits, prefix.changes.min(inflated.len()))?;
    let mut left = prefix.rebuilt;
    for index in 0..prefix.changes {
        let change = unpacker.change().map_err(|error| match error {
            Failure::Decode(error) => error.into(),
            Failure::Gate(error) => PackError::Change { index, error },
        })?;
        left = left
            .checked_sub(change.bytes().len())
            .ok_or(DecodeError::Invalid("the changes are longer than the pack says"))?;
        unpacker.changes.push(change);
    }
    unpacker.finish(left, &prefix)
}

fn inflate(deflated: &[u8], length: usize) -> Result<Vec<u8>, PackError> {
    let inflated = deflate::inflate(deflated, length).map_err(|Malformed| PackError::Inflate)?;
    if inflated.len() == length { Ok(inflated) } else { Err(PackError::Inflate) }
}

/// A [`Reader`] that can be made of nothing.
#[derive(Debug)]
struct Stream<'a>(Reader<'a>);

impl<'a> Stream<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self(Reader::new(bytes))
    }
}

impl Default for Stream<'_> {
    fn default() -> Self {
        Self::new(&[])
    }
}

enum Failure {
    Decode(DecodeError),
    Gate(GateError),
}

impl From<DecodeError> for Failure {
    fn from(error: DecodeError) -> Self {
        Self::Decode(error)
    }
}

struct Unpacker<'a> {
    limits: &'a Limits,
    streams: Streams<Stream<'a>>,
    /// Each actor, and the last of its sequence numbers.
    actors: Vec<(&'a [u8], u64)>,
    outside: Vec<ChangeHash>,
    time: i64,
    changes: Vec<RawChange>,
}

impl<'a> Unpacker<'a> {
    fn new(mut streams: Streams<Stream<'a>>, limits: &'a Limits, changes: usize) -> Result<Self, PackError> {
        let mut actors = Vec::new();
        while streams.actors.0.remaining() > 0 {
            actors.push((streams.actors.0.bytes("actor", limits.actor_bytes)?, 0));
        }
        let mut outside = Vec::new();
        while streams.outside.0.remaining() > 0 {
            outside.push(ChangeHash(streams.outside.0.array()?));
        }
        Ok(Self { limits, streams, actors, outside, time: 0, changes: Vec::with_capacity(changes) })
    }

    fn change(&mut self) -> Result<RawChange, Failure> {
        match self.streams.form.0.byte()? {
            RAW => {
                let bytes = self.streams.raw.0.bytes("change", self.limits.change_bytes)?;
                inspect(bytes, self.limits).map_err(Failure::Gate)
            }
            IN_COLUMNS => self.rebuild(),
            found => Err(DecodeError::Unknown { what: "form of a change", found: found.into() }.into()),
        }
    }

    fn rebuild(&mut self) -> Result<RawChange, Failure> {
        let (deps, expected_op) = self.dependencies()?;
        let start_op = expected_op.wrapping_add_signed(self.streams.start_op.0.int()?);
        let own = self.streams.actor.0.size("place of an actor", self.actors.len())?;
        let other_actors = self.other_actors()?;
        let (actor, last) = self.actors.get_mut(own).ok_or(NO_ACTOR)?;
        *last = last.wrapping_add(1).wrapping_add_signed(self.streams.sequence.0.int()?);
        let (actor, seq) = (*actor, *last);
        self.time = self.time.wrapping_add(self.streams.time.0.int()?);
        let message = self.streams.message.0.bytes("message", self.limits.message_bytes)?;
        let extra = self.streams.extra.0.bytes("footer", self.limits.change_bytes)?;

        let present = self.streams.present.0.uint()?;
        let mut relative: [Vec<u8>; COLUMNS.len()] = Default::default();
        let mut columns: [&[u8]; COLUMNS.len()] = Default::default();
        let parts = columns.iter_mut().zip(&mut relative).zip(COLUMNS).zip(&mut self.streams.columns);
        for (bit, (((bytes, relative), column), (lengths, contents))) in parts.enumerate() {
            if present >> bit & 1 == 0 {
                continue;
            }
            let length = lengths.0.size("column", self.limits.change_bytes)?;
            *bytes = if column.is_difference() {
                *relative = read_relative(&mut contents.0, length, start_op)?;
                relative
            } else {
                contents.0.raw(length)?
            };
        }
        let time = self.time;
        let sections = Sections { deps, actor, seq, start_op, time, message, other_actors, columns, extra };
        let mut data = Writer::new();
        sections.write(&mut data);
        seal(&data.finish(), self.limits).map_err(Failure::Gate)
    }

    /// The dependencies, and the operation after the last of those in this pack.
    fn dependencies(&mut self) -> Result<(Vec<ChangeHash>, u64), DecodeError> {
        let mut last = 0;
        let (changes, outside) = (&self.changes, &self.outside);
        let deps =
            self.streams.dependencies.0.list("dependencies", self.limits.change_dependencies, |reader| {
                let reference = reader.uint()?;
                let place = usize::try_from(reference >> 1).ok();
                let found = if reference & 1 == 1 {
                    place.and_then(|place| outside.get(place)).copied()
                } else {
                    let index = place.and_then(|distance| changes.len().checked_sub(distance));
                    let change = index.and_then(|index| changes.get(index));
                    last = last.max(change.map_or(0, |change| change.header().max_op()));
                    change.map(RawChange::hash)
                };
                found.ok_or(DecodeError::Invalid("a dependency refers to nothing in the pack"))
            })?;
        Ok((deps, last.saturating_add(1)))
    }

    fn other_actors(&mut self) -> Result<Vec<&'a [u8]>, DecodeError> {
        let actors = &self.actors;
        self.streams.actor.0.list("actors", self.limits.change_actors, |reader| {
            let place = reader.size("place of an actor", actors.len())?;
            actors.get(place).map(|(actor, _)| *actor).ok_or(NO_ACTOR)
        })
    }

    fn finish(self, left: usize, prefix: &Prefix) -> Result<Vec<RawChange>, PackError> {
        for stream in self.streams.into_list() {
            stream.0.finish()?;
        }
        if left > 0 || digest(&self.changes) != prefix.digest {
            return Err(PackError::Digest);
        }
        Ok(self.changes)
    }
}

const NO_ACTOR: DecodeError = DecodeError::Invalid("an actor is not in the pack's table");
