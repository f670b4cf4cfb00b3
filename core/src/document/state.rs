//! How a document lies in the store, and how it comes back.
//!
//! The history is the truth: packs of changes, and the vouches over them. The row of state beside them holds
//! what history does not say (the incarnation, the counter of vouches, pins, lost work) and a summary, from which the
//! document is compared with peers without loading it.
//!
//! The first of the packs may be a whole document ([`whole`](super::whole)), which Automerge loads as it is; the packs
//! after it are applied to that. Older stores have a snapshot beside the packs instead, which is a cache.
//!
//! What is read from our own store passed the gate and was verified before it was written. Hashes are computed again,
//! signatures are not checked again: whoever could alter the store could take this device's key as well.

use std::collections::BTreeMap;
use std::sync::Arc;

use automerge::{Automerge, ChangeHash, LoadOptions, TextEncoding};
use katori_acl::codec::{DecodeError, Reader, Writer};
use katori_acl::{Access, RecordId, ResourceId};
use thiserror::Error;

use super::{Bits, Document, DocumentLimits, Peer, Turn};
use crate::gate::{guarded, is_whole};
use crate::identity::Identity;
use crate::pack::{PackError, unpack};
use crate::store::{Entry, Storage, StoreError, Table, VOUCH_MARK, Write};
use crate::version::VersionVector;
use crate::vouch::{UnverifiedVouch, VouchError};

/// Version 1 says nothing of packs.
const STATE_VERSION: u8 = 2;
/// Changes whose failure in Automerge is remembered; of more, the rest fail again at the next opening.
const MAX_FAILED: usize = 1 << 12;
/// Heads, pins or failures in one row of state.
const MAX_LISTED: usize = 1 << 20;

/// What a document is, in short: enough to compare it with a peer's without loading it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Heads of all stored changes, those held back included. Ascending.
    pub stored_heads: Vec<ChangeHash>,
    /// Heads of what is admitted. Ascending.
    pub heads: Vec<ChangeHash>,
    /// What is stored, exactly.
    pub version: Arc<VersionVector>,
    /// The vouches kept. Ascending.
    pub vouches: Vec<RecordId>,
    /// How many changes are stored.
    pub changes: u64,
    /// How many bytes they have, as Automerge writes each.
    pub bytes: u64,
    /// How many of them are held back.
    pub held: u64,
    /// Places where an actor has two changes of one sequence number.
    pub forks: u64,
    /// Something accepted would have lost its cover and is pinned: [`Document::discharge`] is due when the exchange
    /// in progress is over.
    pub owes_vouch: bool,
    /// Honest work lies on a losing branch, and at this turn [`Document::reapply`] is for this device to do.
    pub owes_reapply: Option<Turn>,
    /// Packs in the store beside the whole document.
    pub packs: u32,
    /// They are worth a [`Document::merge`], when there is nothing else to do.
    pub owes_merge: bool,
}

impl Summary {
    /// A digest over the ids of what is stored, and of nothing derived from it.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        let mut writer = Writer::new();
        writer.list(&self.stored_heads, |writer, head| {
            writer.raw(&head.0);
        });
        writer.list(&self.vouches, |writer, id| id.encode(writer));
        *blake3::hash(&writer.finish()).as_bytes()
    }
}

/// Why a stored document cannot be opened. Nothing is changed on disk.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The store cannot be read.
    #[error("a document cannot be read: {0}")]
    Store(#[from] StoreError),
    /// A pack of its history is damaged.
    #[error("the history of a document is damaged: {0}; its other parts are kept as they are")]
    Pack(#[from] PackError),
    /// A vouch is damaged.
    #[error("a vouch of a document is damaged: {0}")]
    Vouch(#[from] VouchError),
    /// The row of state is damaged or of another version.
    #[error("the state of a document is damaged: {0}")]
    State(#[from] DecodeError),
    /// Changes whose dependencies are missing.
    #[error("{0} changes of a document build on others that are not in the store")]
    Gap(usize),
}

/// Everything the store has of one document.
#[derive(Debug, Clone, Default)]
pub struct Stored {
    state: Option<Vec<u8>>,
    packs: Vec<Entry>,
    vouches: Vec<Vec<u8>>,
    snapshot: Option<Vec<u8>>,
}

fn key(document: &ResourceId, rest: &[u8]) -> Vec<u8> {
    [document.as_bytes(), rest].concat()
}

/// The key of a document's row of state in [`Table::Documents`].
fn state_key(document: &ResourceId) -> Vec<u8> {
    key(document, b"state")
}

/// With which the keys of a document's vouches in [`Table::Documents`] begin. The id of the vouch follows.
#[must_use]
pub fn vouches_of(document: &ResourceId) -> Vec<u8> {
    key(document, VOUCH_MARK)
}

fn vouch_key(document: &ResourceId, id: &RecordId) -> Vec<u8> {
    [document.as_bytes().as_slice(), VOUCH_MARK, id.as_bytes()].concat()
}

/// The rows of a document's packs in the order in which they are read: the last whole document first, for it depends
/// on nothing.
pub(crate) fn in_reading_order(packs: &[Entry]) -> impl Iterator<Item = &Entry> {
    let whole = packs.iter().rposition(|(_, pack)| is_whole(pack));
    let first = whole.and_then(|place| packs.get(place));
    let others = packs.iter().enumerate().filter(move |(place, _)| whole != Some(*place));
    first.into_iter().chain(others.map(|(_, pack)| pack))
}

impl Stored {
    /// Reads everything the store has of a document.
    pub fn read(storage: &dyn Storage, document: &ResourceId) -> Result<Self, StoreError> {
        let prefix = document.as_bytes();
        Ok(Self {
            state: storage.get(Table::Documents, &state_key(document))?,
            packs: storage.scan(Table::Packs, prefix)?,
            vouches: storage
                .scan(Table::Documents, &vouches_of(document))?
                .into_iter()
                .map(|(_, bytes)| bytes)
                .collect(),
            snapshot: storage.get(Table::Snapshots, prefix)?,
        })
    }
}

impl Summary {
    /// Whether somebody has all of it.
    #[must_use]
    pub fn is_known_to(&self, peer: &Peer) -> bool {
        self.vouches.iter().all(|id| peer.vouches.contains(id)) && peer.version.covers(&self.version)
    }

    /// Reads the summary of a stored document, if it has one, without loading it.
    pub fn read(storage: &dyn Storage, document: &ResourceId) -> Result<Option<Self>, LoadError> {
        let Some(bytes) = storage.get(Table::Documents, &state_key(document))? else { return Ok(None) };
        Ok(Some(Self::decode(&bytes)?))
    }

    /// The summary in a document's row of state.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        State::decode(bytes).map(|state| state.summary)
    }
}

/// The writes that remove everything of a document's content.
#[must_use]
pub fn remove_content(document: &ResourceId) -> Vec<Write> {
    let prefix = document.as_bytes().to_vec();
    let mut writes: Vec<Write> = [Table::Packs, Table::Snapshots, Table::Receipts]
        .into_iter()
        .map(|table| Write::DeletePrefix { table, prefix: prefix.clone() })
        .collect();
    writes.push(Write::DeletePrefix { table: Table::Documents, prefix: vouches_of(document) });
    writes.push(Write::Delete { table: Table::Documents, key: state_key(document) });
    writes
}

#[derive(Debug, Default)]
struct State {
    incarnation: [u8; 8],
    counter: u64,
    next_pack: u64,
    pinned: Vec<ChangeHash>,
    failed: Vec<ChangeHash>,
    lost_work: Vec<ChangeHash>,
    not_reapplied: Vec<ChangeHash>,
    needless: Vec<ChangeHash>,
    summary: Summary,
}

fn write_hashes(writer: &mut Writer, hashes: &[ChangeHash]) {
    writer.list(hashes, |writer, hash| {
        writer.raw(&hash.0);
    });
}

fn read_hashes(reader: &mut Reader<'_>) -> Result<Vec<ChangeHash>, DecodeError> {
    reader.list("hashes", MAX_LISTED, |reader| reader.array().map(ChangeHash))
}

impl State {
    fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.byte(STATE_VERSION).raw(&self.incarnation).uint(self.counter).uint(self.next_pack);
        write_hashes(&mut writer, &self.pinned);
        write_hashes(&mut writer, &self.failed);
        let summary = &self.summary;
        write_hashes(&mut writer, &summary.stored_heads);
        write_hashes(&mut writer, &summary.heads);
        summary.version.encode(&mut writer);
        writer.list(&summary.vouches, |writer, id| id.encode(writer));
        writer.uint(summary.changes).uint(summary.bytes).uint(summary.held).uint(summary.forks);
        write_hashes(&mut writer, &self.lost_work);
        write_hashes(&mut writer, &self.not_reapplied);
        writer.byte(summary.owes_reapply.map_or(0, Turn::to_byte));
        write_hashes(&mut writer, &self.needless);
        writer.uint(summary.packs.into()).byte(u8::from(summary.owes_merge));
        writer.finish()
    }

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let version = reader.byte()?;
        if !(1..=STATE_VERSION).contains(&version) {
            return Err(DecodeError::Unknown {
                what: "version of a document's state",
                found: version.into(),
            });
        }
        let mut state = Self {
            incarnation: reader.array()?,
            counter: reader.uint()?,
            next_pack: reader.uint()?,
            pinned: read_hashes(&mut reader)?,
            failed: read_hashes(&mut reader)?,
            summary: Summary {
                stored_heads: read_hashes(&mut reader)?,
                heads: read_hashes(&mut reader)?,
                version: Arc::new(VersionVector::decode(&mut reader)?),
                vouches: reader.list("vouches", MAX_LISTED, RecordId::decode)?,
                changes: reader.uint()?,
                bytes: reader.uint()?,
                held: reader.uint()?,
                forks: reader.uint()?,
                ..Summary::default()
            },
            lost_work: Vec::new(),
            not_reapplied: Vec::new(),
            needless: Vec::new(),
        };
        // A row from before lost work was noted ends here.
        if reader.remaining() > 0 {
            state.lost_work = read_hashes(&mut reader)?;
            state.not_reapplied = read_hashes(&mut reader)?;
            state.summary.owes_reapply = Turn::from_byte(reader.byte()?)?;
            state.needless = read_hashes(&mut reader)?;
        }
        if version > 1 {
            let packs = reader.size("packs", u32::MAX as usize)?;
            state.summary.packs = u32::try_from(packs).unwrap_or(u32::MAX);
            state.summary.owes_merge = reader.byte()? == 1;
        }
        reader.finish()?;
        state.summary.owes_vouch = !state.pinned.is_empty();
        Ok(state)
    }
}

impl Document {
    /// What the document is, in short.
    #[must_use]
    pub fn summary(&self) -> Summary {
        Summary {
            stored_heads: self.graph.heads(),
            heads: self.heads(),
            version: Arc::new(self.version()),
            vouches: self.vouches.ids(),
            changes: self.graph.len().into(),
            bytes: self.graph.bytes(),
            held: u64::from(self.graph.len()) - self.admitted.len() as u64,
            forks: self.graph.forks().len() as u64,
            owes_vouch: !self.pinned.is_empty(),
            owes_reapply: self.owes_reapply(),
            packs: u32::try_from(self.loose_packs()).unwrap_or(u32::MAX),
            owes_merge: self.owes_merge(),
        }
    }

    /// The row of state, to be written with whatever else a step writes.
    pub(super) fn write_state(&self, summary: &Summary) -> Write {
        let state = State {
            incarnation: self.incarnation,
            counter: self.counter,
            next_pack: self.next_pack,
            pinned: self.pinned.iter().copied().collect(),
            failed: self.failed.iter().copied().take(MAX_FAILED).collect(),
            lost_work: self.lost_work.iter().copied().collect(),
            not_reapplied: self.not_reapplied.iter().copied().collect(),
            needless: self.needless.iter().copied().collect(),
            summary: summary.clone(),
        };
        Write::Put { table: Table::Documents, key: state_key(&self.id), value: state.encode() }
    }

    /// The write that stores a pack of these bytes under the next number.
    pub(super) fn write_pack(&mut self, bytes: Vec<u8>) -> Write {
        let key = key(&self.id, &self.next_pack.to_be_bytes());
        self.rows.insert(self.next_pack, bytes.len());
        self.next_pack += 1;
        Write::Put { table: Table::Packs, key, value: bytes }
    }

    /// The writes that remove every pack that is known of, and the snapshot.
    pub(super) fn remove_packs(&mut self) -> Vec<Write> {
        let rows = std::mem::take(&mut self.rows);
        let packs = rows.into_keys().map(|number| key(&self.id, &number.to_be_bytes()));
        let mut writes: Vec<Write> = packs.map(|key| Write::Delete { table: Table::Packs, key }).collect();
        writes.push(Write::Delete { table: Table::Snapshots, key: self.id.as_bytes().to_vec() });
        writes
    }

    pub(super) fn write_vouch(&self, id: &RecordId, bytes: &[u8]) -> Write {
        Write::Put { table: Table::Documents, key: vouch_key(&self.id, id), value: bytes.to_vec() }
    }

    pub(super) fn remove_vouch(&self, id: &RecordId) -> Write {
        Write::Delete { table: Table::Documents, key: vouch_key(&self.id, id) }
    }

    /// A snapshot of what is shown, for a faster opening, if it loads again and agrees. A document that is stored as a
    /// whole needs none.
    #[must_use]
    pub fn snapshot(&self) -> Option<Write> {
        if self.chunk.is_some() {
            return None;
        }
        let bytes = self.save()?;
        let again = load_snapshot(&bytes)?;
        (again.get_heads() == self.automerge.get_heads()).then(|| Write::Put {
            table: Table::Snapshots,
            key: self.id.as_bytes().to_vec(),
            value: bytes,
        })
    }

    /// Opens a stored document.
    ///
    /// # Errors
    /// [`LoadError`] if a part is damaged; nothing is changed.
    pub fn load(
        id: ResourceId,
        me: Arc<Identity>,
        access: Arc<Access>,
        limits: DocumentLimits,
        seed: [u8; 32],
        stored: &Stored,
    ) -> Result<Self, LoadError> {
        let mut document = Self::new(id, me, access, limits, seed);
        let mut accepted = Vec::new();
        if let Some(bytes) = &stored.state {
            let state = State::decode(bytes)?;
            accepted = state.summary.heads;
            document.incarnation = state.incarnation;
            document.automerge.set_actor(document.actor());
            document.counter = state.counter;
            document.next_pack = state.next_pack;
            document.pinned = state.pinned.into_iter().collect();
            document.failed = state.failed.into_iter().collect();
            document.lost_work = state.lost_work.into_iter().collect();
            document.not_reapplied = state.not_reapplied.into_iter().collect();
            document.needless = state.needless.into_iter().collect();
        }
        // A pack is never written over, whatever the row of state says.
        let number = |key: &[u8]| key.last_chunk::<8>().map_or(0, |bytes| u64::from_be_bytes(*bytes));
        document.rows = stored.packs.iter().map(|(key, pack)| (number(key), pack.len())).collect();
        let last = document.rows.keys().last().copied();
        document.next_pack = document.next_pack.max(last.map_or(0, |last| last.saturating_add(1)));
        let mut waiting = BTreeMap::new();
        let mut packs = in_reading_order(&stored.packs).peekable();
        if let Some((key, pack)) = packs.next_if(|(_, pack)| is_whole(pack)) {
            document.place_stored(pack, Some(number(key))).map_err(PackError::Whole)?;
        }
        for (_, pack) in packs {
            for change in unpack(pack, &document.limits.gate)? {
                if document.graph.absent(&change.header().deps).is_empty() {
                    if document.graph.insert(&change).is_err() {
                        waiting.insert(change.header().hash, change);
                    }
                } else {
                    waiting.insert(change.header().hash, change);
                }
            }
        }
        if !waiting.is_empty() {
            return Err(LoadError::Gap(waiting.len()));
        }
        for bytes in &stored.vouches {
            let vouch = UnverifiedVouch::decode(bytes)?.believe();
            document.vouches.add(&document.graph, vouch);
        }
        document.counter = document.counter.max(document.vouches.counter(document.me.device()));
        // Whichever store signed it: what it says is what was accepted here since.
        document.signed = document.vouches.latest().get(&document.me.device()).map(|word| word.id());
        let wanted = document.accepted_on_opening(&accepted);
        if document.loaded.is_none() {
            document.loaded = stored.snapshot.as_deref().and_then(load_snapshot).map(Box::new);
        }
        document.bring(&wanted);
        Ok(document)
    }

    /// What is to be shown. Access may have changed since the document was last open: what had been accepted then
    /// is pinned just as if it had been open.
    fn accepted_on_opening(&mut self, heads: &[ChangeHash]) -> Bits {
        let mut accepted = Bits::default();
        self.graph.mark(self.graph.present(heads), &mut accepted);
        self.verdict_pinning(&accepted, heads)
    }
}

fn load_snapshot(bytes: &[u8]) -> Option<Automerge> {
    let options = || LoadOptions::new().text_encoding(TextEncoding::UnicodeCodePoint);
    guarded("loading a snapshot", || Automerge::load_with_options(bytes, options()).ok()).ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_from_before_lost_work_was_noted_is_read() {
        let hash = ChangeHash([3; 32]);
        let mut state = State { counter: 7, pinned: vec![hash], ..State::default() };
        state.summary.owes_vouch = true;
        let bytes = state.encode();
        let mut first = bytes.strip_suffix(&[0, 0, 0, 0, 0, 0]).unwrap().to_vec();
        first[0] = 1;
        let before = first.as_slice();
        let read = State::decode(before).unwrap();
        assert_eq!((read.counter, read.pinned, read.lost_work), (7, vec![hash], vec![]));
        assert_eq!(read.summary, state.summary);
        state.lost_work = vec![hash];
        state.not_reapplied = vec![ChangeHash([4; 32])];
        state.needless = vec![ChangeHash([5; 32])];
        state.summary.owes_reapply = Some(Turn::Person);
        (state.summary.packs, state.summary.owes_merge) = (300, true);
        let bytes = state.encode();
        let read = State::decode(&bytes).unwrap();
        assert_eq!((read.lost_work, read.not_reapplied), (state.lost_work, state.not_reapplied));
        assert_eq!(read.needless, state.needless);
        assert_eq!(read.summary, state.summary);
        for cut in before.len() + 1..bytes.len() {
            assert!(State::decode(&bytes[..cut]).is_err(), "a row cut off at {cut} is no row");
        }
    }
}
