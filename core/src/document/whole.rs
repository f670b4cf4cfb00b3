//! Whole documents: the form in which a newcomer gets one, and in which a long history is kept.
//!
//! A document chunk of Automerge's holds every change in a tenth of the bytes, and is loaded in a fifth of the time
//! that applying them takes. It stands where otherwise packs stand, on the wire and in the store, and tells itself
//! from those by its first byte. Nothing is lost in it: every change can be had back from it byte for byte, its hash
//! being computed anew whenever the chunk is loaded.
//!
//! A change that came in a chunk has no bytes of its own in memory until somebody asks for them
//! ([`Document::raw`]): then they come from what is shown, or from the chunk, which stays in memory beside the graph.
//!
//! A chunk is served and written only of a document of which everything is admitted. From a peer it is taken in at
//! once where nothing is stored of the document yet and a writer vouches for what is to come, for it costs what a
//! document costs before anything is known of it; otherwise it is taken apart under narrow limits, and its changes
//! are treated like those of a pack.

use std::convert::Infallible;
use std::sync::Arc;

use automerge::{Automerge, ReadDoc, SaveOptions};

use super::bits::Bits;
use super::graph::Graph;
use super::serve::Want;
use super::{Document, EditError, Edited, IngestReport, Unstorable, holds_write};
use crate::gate::{
    GateError, Limits, Opened, RawChange, Whole, guarded, import, open_stored, open_whole_and, whole_heads,
};
use crate::store::Write;

/// Bytes of a whole document on the wire, 4 MiB: half of what one frame may have. Beyond that, packs are sent.
const WHOLE_BYTES: usize = 4 << 20;
/// Changes below which packs are sent: they are as small, and nobody has to take them apart.
const WHOLE_CHANGES: u32 = 16;
/// Operations of a whole document from a peer, 4 million: Automerge takes up to a kilobyte for each while it loads.
const WHOLE_OPERATIONS: u64 = 4 << 20;
/// Operations for each byte of it, and for none: a text has some two for each, and few bytes that stand for millions are
/// none. What compresses better is sent in packs.
const OPERATIONS_PER_BYTE: u64 = 32;
const OPERATIONS_IN_FEW_BYTES: u64 = 1 << 14;
/// The part of these limits that holds for a document of which no writer's word is known.
const UNKNOWN: u64 = 8;
/// Changes up to which each is fetched by itself.
const FEW: usize = 16;

/// A whole document, of which the first changes of the graph came.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) bytes: Arc<[u8]>,
    /// How many changes of the graph, from the first on, are in it.
    pub(super) changes: u32,
    /// The row it is in, in the store or in what the present step writes.
    pub(super) row: Option<u64>,
}

impl Document {
    /// What is shown as one chunk, if it can be had.
    pub(super) fn save(&self) -> Option<Vec<u8>> {
        let options = || SaveOptions { retain_orphans: false, ..SaveOptions::default() };
        guarded("saving a document", || self.automerge.save_with_options(options())).ok()
    }

    /// Whether all that is stored is shown, and rests on what is signed.
    pub(super) fn is_settled(&self) -> bool {
        self.pinned.is_empty()
            && self.unflushed.is_empty()
            && self.loaded.is_none()
            && self.admitted.len() == self.graph.len() as usize
    }

    /// The whole document, for a peer that has nothing of it.
    pub(super) fn whole_for(&self, want: &Want) -> Option<Vec<u8>> {
        let has_nothing = want.known.version.is_empty() && self.graph.present(&want.receipt).next().is_none();
        if want.own_only || !has_nothing || self.graph.len() < WHOLE_CHANGES || !self.is_settled() {
            return None;
        }
        let whole = match &self.chunk {
            Some(chunk) if chunk.changes == self.graph.len() => chunk.bytes.to_vec(),
            _ => self.save()?,
        };
        (whole.len() <= WHOLE_BYTES && self.fits_whole(whole.len())).then_some(whole)
    }

    /// Whether a peer takes all of this in at once, by the bounds that it has there.
    fn fits_whole(&self, length: usize) -> bool {
        let writers = self.vouches.iter().any(|vouch| holds_write(&self.access, &vouch.device));
        let limits = whole_limits(&self.limits.gate, if writers { 1 } else { UNKNOWN }, length);
        self.graph.fits(&limits)
    }

    /// Takes in a whole document that a peer sent, if that can be done at once. Otherwise its changes come back.
    pub(super) fn take_whole(
        &mut self,
        bytes: &[u8],
        report: &mut IngestReport,
        writes: &mut Vec<Write>,
    ) -> Result<Vec<RawChange>, GateError> {
        let heads = whole_heads(bytes)?;
        let present: Vec<u32> = self.graph.present(&heads).collect();
        if !heads.is_empty() && present.len() == heads.len() {
            let mut known = Bits::default();
            self.graph.mark(present, &mut known);
            report.known += known.len();
            report.received.merge(&self.graph.version_of(&known));
            return Ok(Vec::new());
        }
        let part = if self.is_arriving() { 1 } else { UNKNOWN };
        let limits = whole_limits(&self.limits.gate, part, bytes.len());
        if !self.is_arriving() || self.graph.len() > 0 || !self.orphans.is_empty() {
            return import(bytes, &limits);
        }
        let graph = &mut self.graph;
        let (opened, placed) =
            open_whole_and(bytes, &limits, |changes| graph.insert_whole(changes, bytes.len()).is_ok())?;
        let whole = match opened {
            Opened::Changes(changes) => return Ok(changes),
            Opened::Judged(whole) => whole,
        };
        if placed == Some(true) {
            self.note_whole(*whole, None);
            report.new += self.graph.len() as usize;
            report.received.merge(&self.graph.version());
            for index in self.graph.present(self.vouches.awaited()).collect::<Vec<_>>() {
                let superseded = self.vouches.appeared(&self.graph, index);
                writes.extend(superseded.iter().map(|id| self.remove_vouch(id)));
            }
        } else {
            self.graph = Graph::new(self.id);
            report.refused += 1;
        }
        Ok(Vec::new())
    }

    /// Puts a whole document of our own store into an empty graph.
    pub(super) fn place_stored(&mut self, bytes: &[u8], row: Option<u64>) -> Result<(), GateError> {
        let graph = &mut self.graph;
        let (whole, placed) = open_stored(bytes, |changes| graph.insert_whole(changes, bytes.len()))?;
        placed.map_err(|_| GateError::Disagrees { what: "order of changes" })?;
        self.note_whole(whole, row);
        Ok(())
    }

    /// Its changes are in the graph. What Automerge made of it waits to be shown.
    fn note_whole(&mut self, whole: Whole, row: Option<u64>) {
        let (automerge, bytes) = whole.into_parts();
        self.chunk = Some(Chunk { bytes, changes: self.graph.len(), row });
        self.loaded = Some(Box::new(automerge));
    }

    /// Takes an imported file as this document's own beginning: vouched for, written by nobody that can be named.
    ///
    /// # Errors
    /// [`EditError`] if the document may not be written, or the file's changes do not link.
    pub fn adopt_file(&mut self, file: Opened) -> Result<Edited<()>, EditError<Infallible>> {
        let whole = match file {
            Opened::Judged(whole) if self.graph.len() == 0 && self.may_write() => whole,
            Opened::Judged(whole) => {
                let changes = whole.changes(&self.limits.gate).map_err(Unstorable::from)?;
                return self.adopt(&changes);
            }
            Opened::Changes(changes) => return self.adopt(&changes),
        };
        let (graph, bytes) = (&mut self.graph, whole.bytes().len());
        let placed = whole.with_changes(|changes| graph.insert_whole(changes, bytes));
        let placed = placed.map_err(Unstorable::from).and_then(|placed| placed.map_err(Unstorable::from));
        if let Err(error) = placed {
            self.graph = Graph::new(self.id);
            return Err(error.into());
        }
        self.note_whole(*whole, None);
        let all = 0..self.graph.len();
        let heads = self.graph.heads();
        for head in self.graph.present(&heads).collect::<Vec<_>>() {
            self.vouches.stand_behind(&self.graph, self.me.device(), head);
        }
        let shown = self.show(&Bits::all_below(all.end));
        self.edits += u64::from(all.end);
        self.unflushed.extend(all);
        Ok(Edited { result: (), hash: None, number: self.edits, shown })
    }

    /// The write of a whole document that came in and is not in the store.
    pub(super) fn write_chunk(&mut self) -> Option<Write> {
        let row = self.next_pack;
        let chunk = self.chunk.as_mut().filter(|chunk| chunk.row.is_none())?;
        chunk.row = Some(row);
        let bytes = chunk.bytes.to_vec();
        Some(self.write_pack(bytes))
    }

    /// Shows the whole document that was loaded, if all of it is wanted and nothing is shown yet. Returns whether it
    /// is.
    pub(super) fn show_loaded(&mut self, wanted: &Bits) -> bool {
        let Some(loaded) = self.loaded.take().filter(|_| self.admitted.is_empty()) else { return false };
        let heads = loaded.get_heads();
        let mut under = Bits::default();
        if heads == self.graph.heads() {
            under = Bits::all_below(self.graph.len());
        } else {
            let indices: Vec<u32> = self.graph.present(&heads).collect();
            if indices.len() != heads.len() {
                return false;
            }
            self.graph.mark(indices, &mut under);
        }
        if under.is_empty() || !under.is_subset(wanted) || loaded.stats().num_changes != under.len() as u64 {
            return false;
        }
        self.automerge = *loaded;
        self.automerge.set_actor(self.actor());
        self.admitted = under;
        true
    }

    /// Sees to it that the bytes of these changes are at hand, if they are many: to fetch each by itself would take
    /// longer.
    pub(super) fn fetch(&self, indices: &[u32]) {
        let without = |index: &&u32| self.graph.node(**index).is_some_and(|node| node.bytes().is_none());
        if indices.iter().filter(without).take(FEW + 1).count() > FEW {
            self.fetch_all();
        }
    }

    /// The bytes of one change, from what is shown or from the chunk.
    pub(super) fn fetch_one(&self, index: u32) -> Option<&Arc<[u8]>> {
        let node = self.graph.node(index)?;
        if node.bytes().is_none() && self.admitted.contains(index) {
            let change = guarded("giving back a change", || self.automerge.get_change_by_hash(&node.hash));
            if let Ok(Some(change)) = change {
                node.note_bytes(change.raw_bytes());
            }
        }
        if node.bytes().is_none() {
            self.fetch_all();
        }
        node.bytes()
    }

    fn fetch_all(&self) {
        let Some(chunk) = &self.chunk else { return };
        let all_shown = Bits::all_below(chunk.changes).is_subset(&self.admitted);
        if !(all_shown && self.note_changes(&self.automerge, chunk.changes)) {
            match open_stored(&chunk.bytes, |_| ()) {
                Ok((whole, ())) => _ = self.note_changes(whole.automerge(), chunk.changes),
                Err(error) => tracing::error!(document = %self.id, %error, "a whole document cannot be read"),
            }
        }
    }

    /// Notes the bytes of all changes of a document; returns whether the first of the graph all have theirs then.
    fn note_changes(&self, automerge: &Automerge, count: u32) -> bool {
        let noted = guarded("giving back changes", || {
            for change in automerge.get_changes(&[]) {
                let node = self.graph.index(&change.hash()).and_then(|index| self.graph.node(index));
                if let Some(node) = node {
                    node.note_bytes(change.raw_bytes());
                }
            }
        });
        noted.is_ok()
            && (0..count).all(|index| self.graph.node(index).is_some_and(|node| node.bytes().is_some()))
    }
}

/// The limits for a whole document from a peer, or a part of them.
fn whole_limits(limits: &Limits, part: u64, length: usize) -> Limits {
    let most = (length as u64).saturating_mul(OPERATIONS_PER_BYTE).saturating_add(OPERATIONS_IN_FEW_BYTES);
    let bytes = usize::try_from(part).map_or(0, |part| limits.pack_bytes / part);
    let changes = limits.pack_changes as u64 / part;
    Limits {
        document_bytes: limits.document_bytes.min(WHOLE_BYTES),
        document_inflated_bytes: limits.document_inflated_bytes.min(bytes),
        document_operations: limits.document_operations.min(WHOLE_OPERATIONS / part).min(most),
        document_changes: limits.document_changes.min(changes),
        ..limits.clone()
    }
}
