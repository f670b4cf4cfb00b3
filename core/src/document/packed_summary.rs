//! A summary in few bytes, as it is kept in memory of the many documents that rest. It never leaves the process.

use std::collections::BTreeSet;
use std::sync::Arc;

use automerge::ChangeHash;
use katori_acl::RecordId;
use katori_acl::codec::{DecodeError, Reader, Writer};

use super::{Summary, Turn};
use crate::version::{MAX_ACTOR_BYTES, VersionVector};

/// Heads and vouches of one summary.
const MAX_LISTED: usize = 1 << 20;

/// Mostly a summary takes less.
const USUAL_BYTES: usize = 256;

/// A device's name, which begins those of its actors.
type Name = [u8; 32];

/// The devices that wrote what is packed: each name is kept once, however many documents are by that device.
#[derive(Debug, Default)]
pub(crate) struct Authors(BTreeSet<Arc<Name>>);

impl Authors {
    fn shared(&mut self, name: &Name) -> Arc<Name> {
        if let Some(known) = self.0.get(name) {
            return Arc::clone(known);
        }
        let new = Arc::new(*name);
        self.0.insert(Arc::clone(&new));
        new
    }

    /// Forgets those of which nothing is packed any more.
    pub(crate) fn tidy(&mut self) {
        self.0.retain(|name| Arc::strong_count(name) > 1);
    }
}

/// See the module. The default is that of an empty document.
#[derive(Debug, Default)]
pub(crate) struct PackedSummary {
    bytes: Box<[u8]>,
    /// The author whose name is left out of the bytes.
    author: Option<Arc<Name>>,
}

impl PackedSummary {
    #[must_use]
    pub(crate) fn new(summary: &Summary, authors: &mut Authors) -> Self {
        if *summary == Summary::default() {
            return Self::default();
        }
        let author = summary.version.iter().find_map(|(actor, _)| actor.first_chunk());
        let author = author.map(|name| authors.shared(name));
        let mut writer = Writer::with_capacity(USUAL_BYTES);
        write(&mut writer, summary, author.as_deref());
        // Copied, for what is cut off the end of a piece of memory lies about in scraps too small for the next.
        Self { bytes: writer.finish().as_slice().into(), author }
    }

    /// Whether it is that of an empty document.
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    #[must_use]
    pub(crate) fn unpack(&self) -> Summary {
        if self.is_empty() {
            return Summary::default();
        }
        read(&mut Reader::new(&self.bytes), self.author.as_deref()).unwrap_or_else(|error| {
            // These bytes were made here a moment ago.
            tracing::error!(%error, "a packed summary does not unpack");
            Summary::default()
        })
    }
}

fn write(writer: &mut Writer, summary: &Summary, author: Option<&Name>) {
    let heads = |writer: &mut Writer, heads: &[ChangeHash]| {
        writer.list(heads, |writer, head| {
            writer.raw(&head.0);
        });
    };
    heads(writer, &summary.stored_heads);
    // Mostly everything is shown.
    let same = summary.heads == summary.stored_heads;
    writer.byte(u8::from(same));
    if !same {
        heads(writer, &summary.heads);
    }
    let actor = |writer: &mut Writer, actor: &[u8]| match actor.split_first_chunk() {
        Some((name, rest)) if Some(name) == author => {
            writer.byte(1).bytes(rest);
        }
        _ => {
            writer.byte(0).bytes(actor);
        }
    };
    summary.version.encode_with(writer, actor, |writer, tip| {
        // Mostly an actor's last change is a head.
        match summary.stored_heads.binary_search(tip) {
            Ok(head) => writer.uint(1 + head as u64),
            Err(_) => writer.uint(0).raw(&tip.0),
        };
    });
    writer.list(&summary.vouches, |writer, id| id.encode(writer));
    writer.uint(summary.changes).uint(summary.bytes).uint(summary.held).uint(summary.forks);
    writer.byte(u8::from(summary.owes_vouch)).byte(summary.owes_reapply.map_or(0, Turn::to_byte));
    writer.uint(summary.packs.into()).byte(u8::from(summary.owes_merge));
}

fn read(reader: &mut Reader<'_>, author: Option<&Name>) -> Result<Summary, DecodeError> {
    let heads =
        |reader: &mut Reader<'_>| reader.list("heads", MAX_LISTED, |reader| reader.array().map(ChangeHash));
    let stored_heads = heads(reader)?;
    let shown = if reader.byte()? == 1 { stored_heads.clone() } else { heads(reader)? };
    let actor = |reader: &mut Reader<'_>| {
        let left_out = reader.byte()? == 1;
        let rest = reader.bytes("actor", MAX_ACTOR_BYTES)?;
        match author {
            Some(author) if left_out => Ok(author.iter().chain(rest).copied().collect()),
            _ => Ok(rest.into()),
        }
    };
    let version = VersionVector::decode_with(reader, actor, |reader| {
        match reader.size("head", stored_heads.len())?.checked_sub(1) {
            Some(head) => stored_heads.get(head).copied().ok_or(DecodeError::Invalid("no such head")),
            None => reader.array().map(ChangeHash),
        }
    })?;
    Ok(Summary {
        stored_heads,
        heads: shown,
        version: Arc::new(version),
        vouches: reader.list("vouches", MAX_LISTED, RecordId::decode)?,
        changes: reader.uint()?,
        bytes: reader.uint()?,
        held: reader.uint()?,
        forks: reader.uint()?,
        owes_vouch: reader.byte()? == 1,
        owes_reapply: Turn::from_byte(reader.byte()?)?,
        packs: u32::try_from(reader.uint()?).unwrap_or(u32::MAX),
        owes_merge: reader.byte()? == 1,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_comes_back_as_it_was() {
        let head = |byte| ChangeHash([byte; 32]);
        let mut version = VersionVector::default();
        version.raise(&[7; 48], 3, head(1));
        version.raise(&[8; 48], 2, head(9));
        version.raise(&[8; 16], 4, head(5));
        let mut summary = Summary {
            stored_heads: vec![head(1), head(2)],
            heads: vec![head(1)],
            version: Arc::new(version),
            vouches: vec![RecordId::from_bytes([4; 32])],
            changes: 300,
            bytes: 70_000,
            held: 1,
            forks: 2,
            owes_vouch: true,
            owes_reapply: Some(Turn::Person),
            packs: 70,
            owes_merge: true,
        };
        let mut authors = Authors::default();
        let mut comes_back = |summary: &Summary| {
            assert_eq!(PackedSummary::new(summary, &mut authors).unpack(), *summary);
        };
        comes_back(&summary);
        summary.heads = summary.stored_heads.clone();
        comes_back(&summary);
        let mut foreign = VersionVector::default();
        foreign.raise(&[9; 16], 1, head(1));
        summary.version = Arc::new(foreign);
        comes_back(&summary);
        comes_back(&Summary::default());
        assert!(PackedSummary::new(&Summary::default(), &mut authors).is_empty());
    }

    #[test]
    fn an_author_of_many_documents_is_named_once() {
        let mut authors = Authors::default();
        let mut by = |device: u8, document: u8| {
            let mut version = VersionVector::default();
            let actor = [[device; 32].as_slice(), &[document; 16]].concat();
            version.raise(&actor, 1, ChangeHash([document; 32]));
            let summary = Summary {
                stored_heads: vec![ChangeHash([document; 32])],
                heads: vec![ChangeHash([document; 32])],
                version: Arc::new(version),
                vouches: vec![RecordId::from_bytes([document; 32])],
                ..Summary::default()
            };
            PackedSummary::new(&summary, &mut authors)
        };
        let packed = [by(1, 1), by(2, 2), by(1, 3)];
        assert!(packed.iter().all(|packed| packed.bytes.len() <= 2 * 32 + 16 + 20));
        assert!(packed[0].author.is_some() && packed[0].author == packed[2].author);
        let [first, second, third] = packed;
        drop(second);
        authors.tidy();
        assert_eq!(authors.0.len(), 1);
        drop((first, third));
        authors.tidy();
        assert!(authors.0.is_empty());
    }
}
