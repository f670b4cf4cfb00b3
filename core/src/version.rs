//! Version vectors: exactly what a side has of a document, in the size of its actors and not of its history.
//!
//! An actor's changes are a chain of hashes, so its last one says all (Parker et al., "Detection of Mutual
//! Inconsistency in Distributed Systems", 1983, with hashes for the counters' trust). A forked actor has one
//! tip for each branch.

use std::collections::BTreeMap;
use std::sync::Arc;

use automerge::ChangeHash;
use katori_acl::codec::{DecodeError, Reader, Writer};

/// Actors in one vector on the wire. A document with more is still stored and shown; comparing it by range
/// comes with range reconciliation.
pub const MAX_ACTORS: usize = 1 << 16;
/// Branches of one actor in one vector. Honest actors have one.
pub const MAX_BRANCHES: usize = 1 << 10;
/// Bytes of one actor id. Device actors have 48; other programs use 16.
pub const MAX_ACTOR_BYTES: usize = 64;

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VersionVector(BTreeMap<Arc<[u8]>, BTreeMap<ChangeHash, u64>>);

impl VersionVector {
    /// Adds a tip.
    pub fn insert(&mut self, actor: &Arc<[u8]>, sequence: u64, tip: ChangeHash) {
        self.0.entry(Arc::clone(actor)).or_default().insert(tip, sequence);
    }

    /// Notes that everything up to this tip is there too. A single lower tip of the actor gives way to it.
    pub fn raise(&mut self, actor: &[u8], sequence: u64, tip: ChangeHash) {
        let Some(tips) = self.0.get_mut(actor) else {
            self.insert(&actor.into(), sequence, tip);
            return;
        };
        if tips.len() == 1 && tips.values().all(|lower| *lower < sequence) {
            tips.clear();
        }
        tips.insert(tip, sequence);
    }

    /// Notes that everything in `other` is there too.
    pub fn merge(&mut self, other: &Self) {
        for (actor, tips) in &other.0 {
            for (tip, sequence) in tips {
                self.raise(actor, *sequence, *tip);
            }
        }
    }

    /// Whether every tip of `other` is one of these.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        other.0.iter().all(|(actor, tips)| {
            self.0.get(actor).is_some_and(|mine| tips.keys().all(|tip| mine.contains_key(tip)))
        })
    }

    /// Each actor, with the sequence number and hash of each of its tips.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], impl Iterator<Item = (u64, &ChangeHash)>)> {
        self.0.iter().map(|(actor, tips)| (&**actor, tips.iter().map(|(tip, sequence)| (*sequence, tip))))
    }

    /// Whether of every actor there is at least as much as in `other`, by sequence numbers.
    #[must_use]
    pub fn reaches(&self, other: &Self) -> bool {
        other.0.iter().all(|(actor, tips)| {
            let most = self.0.get(actor).and_then(|mine| mine.values().max());
            tips.values().max() <= most
        })
    }

    /// How many tips there are.
    #[must_use]
    pub fn tips(&self) -> usize {
        self.0.values().map(BTreeMap::len).sum()
    }

    /// Whether this change is a tip.
    #[must_use]
    pub fn contains(&self, tip: &ChangeHash) -> bool {
        self.0.values().any(|tips| tips.contains_key(tip))
    }

    /// Whether nothing is stored.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Appends the vector.
    pub fn encode(&self, writer: &mut Writer) {
        let actor = |writer: &mut Writer, actor: &[u8]| {
            writer.bytes(actor);
        };
        self.encode_with(writer, actor, |writer, tip| {
            writer.raw(&tip.0);
        });
    }

    /// The same with actors and tips written in another way.
    pub(crate) fn encode_with(
        &self,
        writer: &mut Writer,
        mut write_actor: impl FnMut(&mut Writer, &[u8]),
        mut write_tip: impl FnMut(&mut Writer, &ChangeHash),
    ) {
        writer.list(&self.0, |writer, (actor, tips)| {
            write_actor(writer, actor);
            writer.list(tips, |writer, (tip, sequence)| {
                write_tip(writer, tip);
                writer.uint(*sequence);
            });
        });
    }

    /// Takes a vector.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let actor = |reader: &mut Reader<'_>| Ok(reader.bytes("actor", MAX_ACTOR_BYTES)?.into());
        Self::decode_with(reader, actor, |reader| reader.array().map(ChangeHash))
    }

    /// The same where actors and tips were written in another way.
    pub(crate) fn decode_with(
        reader: &mut Reader<'_>,
        mut read_actor: impl FnMut(&mut Reader<'_>) -> Result<Arc<[u8]>, DecodeError>,
        mut read_tip: impl FnMut(&mut Reader<'_>) -> Result<ChangeHash, DecodeError>,
    ) -> Result<Self, DecodeError> {
        let not_canonical = |reader: &Reader<'_>| DecodeError::NotCanonical {
            what: "version vector",
            offset: reader.offset(),
        };
        let mut vector = BTreeMap::<Arc<[u8]>, BTreeMap<ChangeHash, u64>>::new();
        reader.list("actors", MAX_ACTORS, |reader| {
            let actor = read_actor(reader)?;
            let mut tips = BTreeMap::new();
            reader.list("branches", MAX_BRANCHES, |reader| {
                let (tip, sequence) = (read_tip(reader)?, reader.uint()?);
                if tips.last_key_value().is_some_and(|(last, _)| *last >= tip) {
                    return Err(not_canonical(reader));
                }
                tips.insert(tip, sequence);
                Ok(())
            })?;
            if tips.is_empty() || vector.last_key_value().is_some_and(|(last, _)| *last >= actor) {
                return Err(not_canonical(reader));
            }
            vector.insert(actor, tips);
            Ok(())
        })?;
        Ok(Self(vector))
    }
}
