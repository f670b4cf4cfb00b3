//! One document as this device holds it: its stored changes and vouches, what of them is admitted, and the
//! Automerge document that shows it.
//!
//! A `Document` is a value: it does no I/O and knows no clock. Whoever calls it persists the [`Write`]s it
//! returns, all of one call in one transaction, and tells peers nothing before they are durable. The Automerge
//! document holds exactly the admitted changes; everything else waits in the graph, never in Automerge.

mod admission;
mod bits;
mod blame;
mod edit;
mod fork;
mod graph;
mod held;
mod ingest;
mod mark;
mod materialise;
mod merge;
mod packed_summary;
mod reapply;
mod refresh;
mod rehearsal;
mod seniority;
mod serve;
mod serve_stored;
mod settle;
mod settlement;
mod state;
mod vouches;
mod whole;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use automerge::{ActorId, Automerge, ChangeHash, Patch};
use katori_acl::{Access, DeviceId, RecordId, ResourceId, Role};

use crate::actor::device_actor;
use crate::gate::{self, RawChange};
use crate::identity::Identity;
use crate::store::Write;
use crate::version::VersionVector;
use bits::Bits;
use graph::Graph;
use rehearsal::Rehearsal;
use settlement::Settled;
use vouches::Vouches;
use whole::Chunk;

pub use blame::{BlameError, BlamePart, BlameSpan};
pub use edit::{EditError, Edited, Unstorable};
pub use fork::{Branch, Decision, Fork};
pub use held::{Held, HeldReason, HistoryEntry, Rule, Voucher};
pub use ingest::{Batch, IngestReport};
pub(crate) use packed_summary::{Authors, PackedSummary};
pub use reapply::{MAX_LOST_WORK, Turn};
pub use rehearsal::{Begun, Missed};
pub use serve::{Peer, Served, Want};
pub use serve_stored::serve_stored;
pub use settle::TakeInError;
pub(crate) use state::in_reading_order;
pub use state::{LoadError, Stored, Summary, remove_content, vouches_of};
pub use vouches::MAX_VOUCHES_PER_DEVICE;

/// Bounds on one document.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DocumentLimits {
    /// What one change or file may hold.
    pub gate: gate::Limits,
    /// Bytes of changes held back, 64 MiB.
    pub held_bytes: usize,
    /// The same while more is on its way that a writer vouches for, 1 GiB: a large document is held back while it
    /// arrives, until the vouch that covers it can count.
    pub document_bytes: usize,
    /// Operations of what is shown of a document, 20 million: what Automerge can still open on a laptop. What goes
    /// beyond is held back on this device.
    pub operations: u64,
    /// Changes from one peer that wait for others they build on: 1,024. They are not persisted and not
    /// acknowledged, so that the peer sends them again when they are dropped.
    pub orphans: usize,
    /// Bytes of those, 4 MiB.
    pub orphan_bytes: usize,
    /// Changes that a former member may hand over in its last session: 1,000.
    pub farewell_changes: usize,
    /// Bytes of those, 256 KiB.
    pub farewell_bytes: usize,
}

impl Default for DocumentLimits {
    fn default() -> Self {
        Self {
            gate: gate::Limits::default(),
            held_bytes: 64 << 20,
            document_bytes: 1 << 30,
            operations: 20_000_000,
            orphans: 1024,
            orphan_bytes: 4 << 20,
            farewell_changes: 1000,
            farewell_bytes: 256 << 10,
        }
    }
}

/// What a step changed in what is shown.
#[derive(Debug, Clone, Default)]
pub struct Shown {
    /// What happened to the Automerge document, if somebody watches it.
    pub patches: Vec<Patch>,
    /// The document was built anew, because something was admitted no longer; the patches build it from empty.
    pub rebuilt: bool,
    /// The changes that were admitted.
    pub admitted: Vec<ChangeHash>,
    /// How many changes were shown before and are held back now.
    pub withdrawn: usize,
    /// They had been applied to a copy while others could read and edit.
    pub rehearsed: bool,
}

/// What a step on a document leads to.
#[derive(Debug, Clone, Default)]
pub struct Done {
    /// To be stored, all or nothing.
    pub writes: Vec<Write>,
    /// What the document is now, in short.
    pub summary: Summary,
    /// What changed in what is shown.
    pub shown: Option<Shown>,
    /// Local edits up to this number are in `writes`.
    pub flushed: Option<u64>,
    /// This device's vouch, signed for a revocation that follows and travels with it.
    pub escort: Vec<Vec<u8>>,
    /// What became of each batch.
    pub ingested: Vec<IngestReport>,
    /// What peers are to be sent.
    pub served: Vec<Served>,
    /// Who may do what has changed in a way that takes [`Document::reevaluate`], which was not this step.
    pub outdated: bool,
}

/// See the module.
#[derive(Debug)]
pub struct Document {
    id: ResourceId,
    me: Arc<Identity>,
    limits: DocumentLimits,
    access: Arc<Access>,
    graph: Graph,
    vouches: Vouches,
    /// What the rule admits; the Automerge document holds exactly these.
    admitted: Bits,
    forkers: BTreeSet<DeviceId>,
    settled: Vec<Settled>,
    /// What is on a losing branch, and by which of the forks settled.
    losing: BTreeMap<u32, usize>,
    /// Honest changes that were accepted here and lost with a branch.
    lost_work: BTreeSet<ChangeHash>,
    /// Those of them that could not be applied again, or not all of them.
    not_reapplied: BTreeSet<ChangeHash>,
    /// Those of them that need no applying as long as nothing that is shown goes: all that they did is so.
    needless: BTreeSet<ChangeHash>,
    /// Heads accepted here that nobody's vouch covers any more.
    pinned: BTreeSet<ChangeHash>,
    /// Changes on which Automerge failed here.
    failed: BTreeSet<ChangeHash>,
    orphans: BTreeMap<DeviceId, Vec<RawChange>>,
    /// What is in the graph by the first half of a step, and not judged yet.
    arriving: Bits,
    automerge: Automerge,
    /// A copy of it to which was applied what the step under way may show.
    rehearsal: Option<Box<Rehearsal>>,
    /// The whole document that came or was written last, and that Automerge made of it, until that is shown.
    chunk: Option<Chunk>,
    loaded: Option<Box<Automerge>>,
    incarnation: [u8; 8],
    /// Randomness for incarnations, and how many were drawn from it.
    seed: [u8; 32],
    drawn: u64,
    counter: u64,
    /// The last vouch that this store signed.
    signed: Option<RecordId>,
    next_pack: u64,
    /// The rows of packs in the store, by their numbers: how many bytes each has.
    rows: BTreeMap<u64, usize>,
    /// With so many changes, the document did not come back from a merge.
    unmergeable: Option<u32>,
    /// Local changes that no flush has written yet, and their number in all.
    unflushed: Vec<u32>,
    edits: u64,
    /// Somebody wants patches.
    watched: bool,
    /// This device held Write until the step that is under way.
    wrote: bool,
}

impl Document {
    /// A document with nothing in it. `seed` must be fresh randomness: incarnations are drawn from it.
    #[must_use]
    pub fn new(
        id: ResourceId,
        me: Arc<Identity>,
        access: Arc<Access>,
        limits: DocumentLimits,
        seed: [u8; 32],
    ) -> Self {
        let mut document = Self {
            id,
            me,
            limits,
            access,
            graph: Graph::new(id),
            vouches: Vouches::default(),
            admitted: Bits::default(),
            forkers: BTreeSet::new(),
            settled: Vec::new(),
            losing: BTreeMap::new(),
            lost_work: BTreeSet::new(),
            not_reapplied: BTreeSet::new(),
            needless: BTreeSet::new(),
            pinned: BTreeSet::new(),
            failed: BTreeSet::new(),
            orphans: BTreeMap::new(),
            arriving: Bits::default(),
            automerge: materialise::empty(),
            rehearsal: None,
            chunk: None,
            loaded: None,
            incarnation: [0; 8],
            seed,
            drawn: 0,
            counter: 0,
            signed: None,
            next_pack: 0,
            rows: BTreeMap::new(),
            unmergeable: None,
            unflushed: Vec::new(),
            edits: 0,
            watched: false,
            wrote: false,
        };
        document.draw_incarnation();
        document
    }

    /// The document's id.
    #[must_use]
    pub fn id(&self) -> ResourceId {
        self.id
    }

    /// The Automerge document: what is admitted, and nothing else.
    #[must_use]
    pub fn automerge(&self) -> &Automerge {
        &self.automerge
    }

    /// Who may do what, as of the last step.
    #[must_use]
    pub fn access(&self) -> &Arc<Access> {
        &self.access
    }

    /// Whether patches are wanted of what changes.
    pub fn set_watched(&mut self, watched: bool) {
        self.watched = watched;
    }

    /// What is stored, exactly.
    #[must_use]
    pub fn version(&self) -> VersionVector {
        self.graph.version()
    }

    /// The ids of the vouches kept.
    #[must_use]
    pub fn vouch_ids(&self) -> Vec<RecordId> {
        self.vouches.ids()
    }

    /// Whether this device holds Write now.
    #[must_use]
    pub fn may_write(&self) -> bool {
        holds_write(&self.access, &self.me.device())
    }

    /// Devices that are proven to have signed two histories of their own.
    #[must_use]
    pub fn forkers(&self) -> &BTreeSet<DeviceId> {
        &self.forkers
    }

    /// Heads of what is admitted.
    #[must_use]
    pub fn heads(&self) -> Vec<ChangeHash> {
        self.automerge.get_heads()
    }

    /// Heads of everything stored, held back included.
    #[must_use]
    pub fn stored_heads(&self) -> Vec<ChangeHash> {
        self.graph.heads()
    }

    /// How many changes are stored, and how many of them are admitted.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        (self.graph.len() as usize, self.admitted.len())
    }

    fn actor(&self) -> ActorId {
        device_actor(&self.me.device(), &self.id, self.incarnation)
    }

    fn draw_incarnation(&mut self) {
        let mut hasher = blake3::Hasher::new_keyed(&self.seed);
        hasher.update(self.id.as_bytes()).update(&self.drawn.to_le_bytes());
        self.drawn += 1;
        if let Some(incarnation) = hasher.finalize().as_bytes().first_chunk() {
            self.incarnation = *incarnation;
        }
        self.automerge.set_actor(self.actor());
    }

    /// This document was read while a commit of its own was still under way: what it writes next must meet nothing
    /// of that.
    pub fn assume_behind(&mut self) {
        /// More than any one commit has of either.
        const AHEAD: u64 = 1 << 20;
        self.next_pack = self.next_pack.saturating_add(AHEAD);
        self.counter = self.counter.saturating_add(AHEAD);
        self.draw_incarnation();
    }

    /// Ends the present incarnation: the store was copied, restored, or is behind its own past.
    pub fn renew_incarnation(&mut self) {
        self.draw_incarnation();
    }

    fn held_bytes(&self) -> usize {
        // Mostly nothing is, and then nobody need look.
        if self.admitted.len() == self.graph.len() as usize {
            return 0;
        }
        let mut held = Bits::all_below(self.graph.len());
        held.subtract(&self.admitted);
        held.iter().filter_map(|index| self.graph.node(index)).map(graph::Node::size).sum()
    }
}

fn holds_write(access: &Access, device: &DeviceId) -> bool {
    !access.deleted && access.role_of_device(device).is_some_and(|role| role >= Role::Write)
}
