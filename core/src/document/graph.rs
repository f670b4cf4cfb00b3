//! The graph of a document's stored changes: who wrote which, in what order, on what they build. It holds the
//! exact bytes of each change, but for those that came in a whole document, and knows nothing of access or of
//! Automerge's own state.
//!
//! Invariant: the set is closed downward (a change comes in only when all its dependencies are here), and
//! indices are given in that order, so a dependency always has a lower index than what builds on it. From this
//! it follows that whoever has a change has everything under it, on which [`Graph::missing`] rests.

use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, OnceLock};

use automerge::ChangeHash;
use katori_acl::{DeviceId, ResourceId};

use super::bits::Bits;
use super::mark;
use crate::actor::{Claim, claim};
use crate::gate::{Limits, Link, LinkError, RawChange, Said};
use crate::version::VersionVector;

/// What a change builds on, ascending: mostly one other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Dependencies {
    One([u32; 1]),
    Several(Box<[u32]>),
}

impl Dependencies {
    fn of(mut indices: impl Iterator<Item = u32>) -> Self {
        match (indices.next(), indices.next()) {
            (Some(one), None) => Self::One([one]),
            (one, two) => Self::Several(one.into_iter().chain(two).chain(indices).collect()),
        }
    }
}

impl Deref for Dependencies {
    type Target = [u32];

    fn deref(&self) -> &[u32] {
        match self {
            Self::One(one) => one,
            Self::Several(several) => several,
        }
    }
}

impl DerefMut for Dependencies {
    fn deref_mut(&mut self) -> &mut [u32] {
        match self {
            Self::One(one) => one,
            Self::Several(several) => several,
        }
    }
}

/// One stored change.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) hash: ChangeHash,
    pub(crate) actor: u32,
    pub(crate) sequence: u64,
    pub(crate) max_op: u64,
    pub(crate) time: i64,
    pub(crate) dependencies: Dependencies,
    pub(crate) operations: u64,
    /// The change as its author made it. One that came in a whole document has none until somebody asks.
    bytes: OnceLock<Arc<[u8]>>,
}

impl Node {
    pub(crate) fn bytes(&self) -> Option<&Arc<[u8]>> {
        self.bytes.get()
    }

    /// Notes the bytes, which are always the same.
    pub(crate) fn note_bytes(&self, bytes: &[u8]) {
        self.bytes.get_or_init(|| bytes.into());
    }

    /// How many bytes the change has, at least about.
    pub(crate) fn size(&self) -> usize {
        /// What a change takes besides its operations.
        const HEADER: usize = 160;
        /// What an operation takes, if it is small.
        const OPERATION: usize = 16;
        let operations = usize::try_from(self.operations).unwrap_or(usize::MAX);
        let estimate = || HEADER + 32 * self.dependencies.len() + operations.saturating_mul(OPERATION);
        self.bytes().map_or_else(estimate, |bytes| bytes.len())
    }

    /// The counter of the first operation.
    pub(crate) fn start_op(&self) -> u64 {
        (self.max_op + 1).saturating_sub(self.operations)
    }
}

/// One actor and its changes.
#[derive(Debug)]
struct Actor {
    id: Arc<[u8]>,
    claim: Claim,
    /// Changes of the actor that no other of its changes follows: one, or one for each branch of a fork.
    tips: BTreeSet<u32>,
    /// The first change stored at each sequence number, from 1.
    first: Vec<u32>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Graph {
    document: ResourceId,
    nodes: Vec<Node>,
    by_hash: BTreeMap<ChangeHash, u32>,
    actors: Vec<Actor>,
    by_actor: BTreeMap<Arc<[u8]>, u32>,
    heads: BTreeSet<u32>,
    /// Places where one actor has more than one change of one sequence number.
    forks: BTreeMap<(u32, u64), Vec<u32>>,
    /// How many changes lie under each branch of a fork, by what it builds on: branches mostly share that.
    under: BTreeMap<Box<[u32]>, usize>,
    /// Changes that say of themselves which change they apply again, and those that say so of each.
    reapplies: BTreeMap<u32, ChangeHash>,
    reapplied: BTreeMap<ChangeHash, Vec<u32>>,
    /// For each device that some actor claims: the changes of those actors.
    claimed: BTreeMap<DeviceId, Bits>,
    unclaimed: Bits,
    bytes: u64,
    operations: u64,
}

impl Graph {
    pub(crate) fn new(document: ResourceId) -> Self {
        Self {
            document,
            nodes: Vec::new(),
            by_hash: BTreeMap::new(),
            actors: Vec::new(),
            by_actor: BTreeMap::new(),
            heads: BTreeSet::new(),
            forks: BTreeMap::new(),
            under: BTreeMap::new(),
            reapplies: BTreeMap::new(),
            reapplied: BTreeMap::new(),
            claimed: BTreeMap::new(),
            bytes: 0,
            operations: 0,
            unclaimed: Bits::default(),
        }
    }

    pub(crate) fn len(&self) -> u32 {
        u32::try_from(self.nodes.len()).unwrap_or(u32::MAX)
    }

    pub(crate) fn node(&self, index: u32) -> Option<&Node> {
        self.nodes.get(index as usize)
    }

    pub(crate) fn index(&self, hash: &ChangeHash) -> Option<u32> {
        // Mostly it is the last one that is built on.
        if self.nodes.last().is_some_and(|last| last.hash == *hash) {
            return self.len().checked_sub(1);
        }
        self.by_hash.get(hash).copied()
    }

    pub(crate) fn contains(&self, hash: &ChangeHash) -> bool {
        self.by_hash.contains_key(hash)
    }

    pub(crate) fn hashes(&self, indices: impl IntoIterator<Item = u32>) -> Vec<ChangeHash> {
        let mut hashes: Vec<_> =
            indices.into_iter().filter_map(|index| self.node(index)).map(|node| node.hash).collect();
        hashes.sort_unstable();
        hashes
    }

    /// The hashes of these, sorted.
    pub(crate) fn hashes_of(&self, indices: &Bits) -> Vec<ChangeHash> {
        if indices.len() == self.nodes.len() {
            return self.by_hash.keys().copied().collect();
        }
        self.hashes(indices.iter())
    }

    /// The indices of those hashes that are here.
    pub(crate) fn present<'a>(
        &'a self,
        hashes: impl IntoIterator<Item = &'a ChangeHash>,
    ) -> impl Iterator<Item = u32> {
        hashes.into_iter().filter_map(|hash| self.index(hash))
    }

    /// Heads of everything stored, sorted.
    pub(crate) fn heads(&self) -> Vec<ChangeHash> {
        self.hashes(self.heads.iter().copied())
    }

    pub(crate) fn claim(&self, index: u32) -> Claim {
        let actor = self.node(index).and_then(|node| self.actors.get(node.actor as usize));
        actor.map_or(Claim::Other, |actor| actor.claim)
    }

    /// Which changes each device is said to have written, by syntax alone.
    pub(crate) fn claimed(&self) -> &BTreeMap<DeviceId, Bits> {
        &self.claimed
    }

    /// Changes whose actor is no device of this document.
    pub(crate) fn unclaimed(&self) -> &Bits {
        &self.unclaimed
    }

    /// Places with more than one change of one actor and sequence.
    pub(crate) fn forks(&self) -> &BTreeMap<(u32, u64), Vec<u32>> {
        &self.forks
    }

    pub(crate) fn claim_of_actor(&self, actor: u32) -> Claim {
        self.actors.get(actor as usize).map_or(Claim::Other, |actor| actor.claim)
    }

    /// How many bytes all changes have together: those of a whole document as it came, others each by itself.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How many operations all changes have together.
    pub(crate) fn operations(&self) -> u64 {
        self.operations
    }

    /// Whether all changes together are within what a whole document may be.
    pub(crate) fn fits(&self, limits: &Limits) -> bool {
        self.operations <= limits.document_operations
            && u64::from(self.len()) <= limits.document_changes
            && self.bytes <= limits.document_inflated_bytes as u64
    }

    /// All that is stored is in a whole document of so many bytes: the bytes of the changes need not be kept.
    pub(crate) fn forget_bytes(&mut self, whole: usize) {
        for node in &mut self.nodes {
            node.bytes = OnceLock::new();
        }
        self.bytes = whole as u64;
    }

    /// How many actors there are.
    pub(crate) fn actors(&self) -> usize {
        self.actors.len()
    }

    /// Whether an actor id is known here.
    pub(crate) fn knows(&self, actor: &[u8]) -> bool {
        self.by_actor.contains_key(actor)
    }

    /// The last changes of one actor id, under which all its others lie: one for each branch.
    pub(crate) fn tips_of(&self, actor: &[u8]) -> impl Iterator<Item = u32> {
        let actor = self.by_actor.get(actor).and_then(|index| self.actors.get(*index as usize));
        actor.into_iter().flat_map(|actor| &actor.tips).copied()
    }

    /// Which of `header`'s dependencies are not here.
    pub(crate) fn absent<'a>(&self, dependencies: &'a [ChangeHash]) -> Vec<&'a ChangeHash> {
        dependencies.iter().filter(|hash| !self.contains(hash)).collect()
    }

    /// Stores a change whose dependencies are all here, and returns its index.
    pub(crate) fn insert(&mut self, change: &RawChange) -> Result<u32, LinkError> {
        let header = change.header();
        if let Some(index) = self.index(&header.hash) {
            return Ok(index);
        }
        // Automerge looks these up without asking whether they are there.
        if !header.other_actors.iter().all(|actor| self.by_actor.contains_key(actor.as_slice())) {
            return Err(LinkError::UnknownActor);
        }
        let index = self.add(&header.into(), Some(change.shared_bytes()))?;
        self.by_hash.insert(header.hash, index);
        self.bytes += change.bytes().len() as u64;
        Ok(index)
    }

    /// Stores all changes of a whole document of so many bytes in a graph that is empty, each after those it builds
    /// on. Where one of them does not follow from those, the graph is of no use any more.
    pub(crate) fn insert_whole(&mut self, changes: &[Said<'_>], bytes: usize) -> Result<(), LinkError> {
        self.by_hash = changes.iter().map(|said| said.hash).zip(0..).collect();
        if !self.nodes.is_empty() || self.by_hash.len() < changes.len() {
            return Err(LinkError::PreviousNotBelow);
        }
        self.nodes.reserve_exact(changes.len());
        for said in changes {
            self.add(said, None)?;
        }
        self.bytes = bytes as u64;
        Ok(())
    }

    fn add(&mut self, said: &Said<'_>, bytes: Option<Arc<[u8]>>) -> Result<u32, LinkError> {
        let index = self.len();
        let mut dependencies = Dependencies::of(self.present(said.deps).filter(|under| *under < index));
        if dependencies.len() < said.deps.len() {
            return Err(LinkError::PreviousNotBelow);
        }
        dependencies.sort_unstable();
        let previous = self.previous(said, &dependencies);
        let link = previous.and_then(|index| self.node(index)).map(|node| Link {
            hash: node.hash,
            seq: node.sequence,
            max_op: node.max_op,
        });
        let under = dependencies.iter().filter_map(|index| self.node(*index)).map(|node| node.max_op);
        // `previous` has looked for itself whether it lies below.
        said.follows(link, under, || previous.is_some())?;
        let claim = claim(said.actor, &self.document);

        let at = self.actor_index(said.actor, claim);
        if let Some(actor) = self.actors.get_mut(at as usize) {
            if let Some(previous) = previous {
                actor.tips.remove(&previous);
            }
            actor.tips.insert(index);
            let place = usize::try_from(said.seq - 1).unwrap_or(usize::MAX);
            match actor.first.get(place) {
                None => actor.first.push(index),
                Some(first) => {
                    self.forks.entry((at, said.seq)).or_insert_with(|| vec![*first]).push(index);
                }
            }
        }
        if let Some(original) = said.message.and_then(mark::read) {
            self.reapplies.insert(index, original);
            self.reapplied.entry(original).or_default().push(index);
        }
        match claim {
            Claim::Device(device) => self.claimed.entry(device).or_default().insert(index),
            Claim::Other => self.unclaimed.insert(index),
        };
        for dependency in dependencies.iter() {
            self.heads.remove(dependency);
        }
        self.heads.insert(index);
        self.operations += said.operations;
        self.nodes.push(Node {
            hash: said.hash,
            actor: at,
            sequence: said.seq,
            max_op: said.max_op(),
            time: said.time,
            dependencies,
            operations: said.operations,
            bytes: bytes.map_or_else(OnceLock::new, OnceLock::from),
        });
        let branches = self.forks.get(&(at, said.seq)).map_or(&[][..], Vec::as_slice);
        // The first branch was no branch when it came in.
        let uncounted: Vec<u32> =
            branches.iter().copied().filter(|branch| branches.len() == 2 || *branch == index).collect();
        for branch in uncounted {
            self.count_under(branch);
        }
        Ok(index)
    }

    fn count_under(&mut self, branch: u32) {
        let Some(node) = self.node(branch) else { return };
        if !self.under.contains_key(&*node.dependencies) {
            let dependencies: Box<[u32]> = (*node.dependencies).into();
            let under = self.mark(dependencies.iter().copied(), &mut Bits::default()).len();
            self.under.insert(dependencies, under);
        }
    }

    /// The change of the same actor, one number lower, that lies under a new one.
    fn previous(&self, said: &Said<'_>, dependencies: &[u32]) -> Option<u32> {
        let place = usize::try_from(said.seq).ok()?.checked_sub(2)?;
        let actor = *self.by_actor.get(said.actor)?;
        let direct = dependencies.iter().copied().find(|index| {
            self.node(*index).is_some_and(|node| node.actor == actor && node.sequence + 1 == said.seq)
        });
        if direct.is_some() {
            return direct;
        }
        // Programs other than ours may leave out a dependency that another one implies.
        let first = self.actors.get(actor as usize)?.first.get(place);
        let forked = self.forks.get(&(actor, said.seq - 1)).map_or(&[][..], Vec::as_slice);
        first.into_iter().chain(forked).copied().find(|candidate| self.covers(dependencies, &[*candidate]))
    }

    fn actor_index(&mut self, id: &[u8], claim: Claim) -> u32 {
        if let Some(index) = self.by_actor.get(id) {
            return *index;
        }
        let index = u32::try_from(self.actors.len()).unwrap_or(u32::MAX);
        let id: Arc<[u8]> = id.into();
        self.by_actor.insert(Arc::clone(&id), index);
        self.actors.push(Actor { id, claim, tips: BTreeSet::new(), first: Vec::new() });
        index
    }

    /// Marks everything under `from` in `marked`, and returns what was not marked before, ascending.
    /// Amortised, the cost is what is newly marked.
    pub(crate) fn mark(&self, from: impl IntoIterator<Item = u32>, marked: &mut Bits) -> Vec<u32> {
        let mut new = Vec::new();
        let mut left: Vec<u32> = from.into_iter().collect();
        while let Some(index) = left.pop() {
            if marked.insert(index) {
                new.push(index);
                let dependencies = self.node(index).map_or(&[][..], |node| &node.dependencies);
                left.extend(dependencies.iter().copied().filter(|index| !marked.contains(*index)));
            }
        }
        new.sort_unstable();
        new
    }

    /// Whether every target is one of `from` or lies under them. Looks no lower than the lowest target.
    pub(crate) fn covers(&self, from: &[u32], targets: &[u32]) -> bool {
        let Some(lowest) = targets.iter().min() else { return true };
        let mut seen = BTreeSet::new();
        let mut left: Vec<u32> = from.to_vec();
        while let Some(index) = left.pop() {
            if index >= *lowest && seen.insert(index) {
                left.extend(self.node(index).map_or(&[][..], |node| &*node.dependencies));
            }
        }
        targets.iter().all(|target| seen.contains(target))
    }

    /// How many changes lie under a branch of a fork.
    pub(crate) fn under_branch(&self, index: u32) -> usize {
        self.node(index).and_then(|node| self.under.get(&*node.dependencies)).copied().unwrap_or_default()
    }

    /// A change and all that builds on it.
    pub(crate) fn above(&self, index: u32) -> Bits {
        let mut above: Bits = [index].into_iter().collect();
        for index in index + 1..self.len() {
            let dependencies = self.node(index).map_or(&[][..], |node| &node.dependencies);
            if dependencies.iter().any(|under| above.contains(*under)) {
                above.insert(index);
            }
        }
        above
    }

    /// The change that this one says it applies again.
    pub(crate) fn reapplies(&self, index: u32) -> Option<ChangeHash> {
        self.reapplies.get(&index).copied()
    }

    /// The changes that say they apply this one again.
    pub(crate) fn reapplied(&self, original: &ChangeHash) -> &[u32] {
        self.reapplied.get(original).map_or(&[], Vec::as_slice)
    }

    /// The bytes of an actor id.
    pub(crate) fn actor_id(&self, actor: u32) -> Option<&[u8]> {
        self.actors.get(actor as usize).map(|actor| &*actor.id)
    }

    /// The change that has an operation, as `of` knows it: on the branch under `of`, if its actor has several.
    pub(crate) fn holder(&self, actor: &[u8], counter: u64, of: u32) -> Option<u32> {
        self.holder_where(actor, counter, |index| self.covers(&[of], &[index]))
    }

    /// The change that has an operation, of those shown.
    pub(crate) fn holder_shown(&self, actor: &[u8], counter: u64, shown: &Bits) -> Option<u32> {
        self.holder_where(actor, counter, |index| shown.contains(index))
    }

    fn holder_where(&self, actor: &[u8], counter: u64, is_meant: impl Fn(u32) -> bool) -> Option<u32> {
        let at = *self.by_actor.get(actor)?;
        let actor = self.actors.get(at as usize)?;
        let has = |index: &u32| {
            self.node(*index).is_some_and(|node| node.start_op() <= counter && counter <= node.max_op)
        };
        let last = |index: &u32| self.node(*index).is_some_and(|node| node.max_op < counter);
        let forks = self.forks.range((at, 0)..=(at, u64::MAX));
        if forks.clone().next().is_none() {
            // An actor's operations are numbered upwards.
            return actor.first.get(actor.first.partition_point(last)).copied().filter(has);
        }
        let others = forks.flat_map(|(_, branches)| branches);
        let mut found = actor.first.iter().chain(others).copied().filter(has);
        found.find(|index| is_meant(*index))
    }

    /// What is stored, exactly: each actor's last change, one for each branch.
    pub(crate) fn version(&self) -> VersionVector {
        let mut version = VersionVector::default();
        for actor in &self.actors {
            for tip in actor.tips.iter().filter_map(|index| self.node(*index)) {
                version.insert(&actor.id, tip.sequence, tip.hash);
            }
        }
        version
    }

    /// The same of a part that is closed downward.
    pub(crate) fn version_of(&self, part: &Bits) -> VersionVector {
        if part.len() == self.nodes.len() {
            return self.version();
        }
        let mut version = VersionVector::default();
        for index in part.iter() {
            if let Some(node) = self.node(index)
                && let Some(actor) = self.actors.get(node.actor as usize)
            {
                version.raise(&actor.id, node.sequence, node.hash);
            }
        }
        version
    }

    /// The stored changes that somebody with this version, and everything under these heads, lacks. Ascending.
    ///
    /// A tip that is not here and lies beyond what is stored of its actor is taken for a continuation of it; if
    /// it is a fork instead, that shows when its changes arrive, and the versions are compared again.
    pub(crate) fn missing(&self, version: &VersionVector, heads: &[ChangeHash]) -> Vec<u32> {
        let mut known: Vec<u32> = self.present(heads).collect();
        for (actor, tips) in version.iter() {
            let Some(mine) = self.by_actor.get(actor).and_then(|index| self.actors.get(*index as usize))
            else {
                continue;
            };
            for (sequence, tip) in tips {
                match self.index(tip) {
                    Some(index) => known.push(index),
                    None if mine.tips.len() == 1 => known.extend(
                        mine.tips
                            .iter()
                            .copied()
                            .filter(|index| self.node(*index).is_some_and(|node| node.sequence < sequence)),
                    ),
                    None => {}
                }
            }
        }
        self.not_under(&known)
    }

    /// What is stored and not under `known`, ascending. The walk goes from the heads down in order of index and
    /// stops where everything left is known: its cost is the difference, not the history.
    pub(crate) fn not_under(&self, known: &[u32]) -> Vec<u32> {
        let mut queue: BinaryHeap<u32> = BinaryHeap::new();
        let mut is_known: BTreeMap<u32, bool> = BTreeMap::new();
        let mut unknown_left = 0usize;
        let push = |queue: &mut BinaryHeap<u32>,
                    left: &mut usize,
                    marks: &mut BTreeMap<u32, bool>,
                    index: u32,
                    known: bool| {
            match marks.insert(index, known) {
                None => {
                    queue.push(index);
                    *left += usize::from(!known);
                }
                Some(false) if known => *left -= 1,
                Some(true) if !known => {
                    marks.insert(index, true);
                }
                Some(_) => {}
            }
        };
        for index in known {
            push(&mut queue, &mut unknown_left, &mut is_known, *index, true);
        }
        for index in &self.heads {
            push(&mut queue, &mut unknown_left, &mut is_known, *index, false);
        }
        let mut missing = Vec::new();
        while unknown_left > 0 {
            let Some(index) = queue.pop() else { break };
            let known = is_known.remove(&index).unwrap_or(false);
            if !known {
                unknown_left -= 1;
                missing.push(index);
            }
            for dependency in self.node(index).map_or(&[][..], |node| &*node.dependencies) {
                push(&mut queue, &mut unknown_left, &mut is_known, *dependency, known);
            }
        }
        missing.reverse();
        missing
    }
}
