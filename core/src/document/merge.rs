//! Merging packs: of many small ones, and the whole document before them, one whole document is made.
//!
//! Packs are written as changes come, a few hundred bytes each for a keystroke, and every one is read at each
//! opening. A merge writes all that is stored as one chunk ([`whole`](super::whole)) and removes what it stands for,
//! in one write, so that a power cut finds either. It is only made of a document of which everything is admitted,
//! and what would be written is loaded again first and held against the graph, change by change.
//!
//! It removes only packs that this document knows of: one that a commit under way has written since stays, and is
//! read beside the chunk.
//!
//! A merge costs what saving and loading cost, 0.6 s for a text of 260,000 keystrokes, so the more changes there are
//! the more packs are let grow.

use super::whole::Chunk;
use super::{Document, Done};
use crate::gate::open_stored;
use crate::store::Write;

/// Packs that are not worth a merge, however many bytes they have, and those that are, however few.
const FEW_PACKS: usize = 8;
const MANY_PACKS: usize = 64;
/// For so many changes stored, one pack more is let grow.
const CHANGES_PER_PACK: usize = 512;
/// Bytes of packs that are not worth a merge of a small document, 64 KiB.
const FEW_BYTES: usize = 64 << 10;

impl Document {
    /// How many packs there are beside the whole document.
    pub(super) fn loose_packs(&self) -> usize {
        self.rows.len() - usize::from(self.chunk_row().is_some())
    }

    fn chunk_row(&self) -> Option<u64> {
        self.chunk.as_ref().and_then(|chunk| chunk.row)
    }

    /// Whether [`Document::merge`] is worth while.
    pub(super) fn owes_merge(&self) -> bool {
        let all_shown = self.admitted.len() == self.graph.len() as usize && self.pinned.is_empty();
        if !all_shown || self.unmergeable == Some(self.graph.len()) {
            return false;
        }
        let many = MANY_PACKS + self.graph.len() as usize / CHANGES_PER_PACK;
        let packs = self.loose_packs();
        if packs <= FEW_PACKS || packs > many {
            return packs > many;
        }
        let whole = self.chunk_row().and_then(|row| self.rows.get(&row)).copied().unwrap_or(0);
        self.rows.values().sum::<usize>() - whole > whole / 2 + FEW_BYTES
    }

    /// Writes all that is stored as one, in place of what it stands for. Local edits are signed and written with it.
    /// `None` if that is not worth while, or not possible now; then nothing has changed.
    pub fn merge(&mut self) -> Option<Done> {
        if !self.owes_merge() || self.loaded.is_some() {
            return None;
        }
        let bytes = self.save()?;
        let graph = &self.graph;
        // What is merged can be read by everything that reads whole documents.
        let same = graph.fits(&self.limits.gate)
            && bytes.len() <= self.limits.gate.document_bytes
            && open_stored(&bytes, |changes| {
                changes.len() == graph.len() as usize && changes.iter().all(|said| graph.contains(&said.hash))
            })
            .is_ok_and(|(_, same)| same);
        if !same {
            tracing::warn!(document = %self.id, "a document is kept in packs: as a whole it does not come back");
            self.unmergeable = Some(graph.len());
            return None;
        }
        let mut writes: Vec<Write> = self.remove_packs();
        self.graph.forget_bytes(bytes.len());
        self.chunk = Some(Chunk { bytes: bytes.into(), changes: self.graph.len(), row: None });
        writes.extend(self.write_chunk());
        Some(self.conclude(writes))
    }
}
