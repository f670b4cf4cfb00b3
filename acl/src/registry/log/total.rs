//! How many operations a roster holds in all.
//!
//! Each operation belongs to the branch of what had brought its author in, which belongs to the branch of what
//! had brought in that one's author, and so on up to the genesis, or to a recovery, which begins a branch of its
//! own. All of that lies in an operation's own past, so nobody moves it elsewhere later.
//!
//! In a full roster the heaviest branch pays, the innermost one that holds more than honest devices ever sign:
//! whoever floods the roster, and all whom it brings in for that. Of that branch those that lie after the fewest
//! others stay, removals before all else; a new operation goes in the place of the last one, or is refused if it
//! would be the last itself. So whoever is of another branch finds room however full the roster is: the owner
//! who removes the flooder, a recovery, honest devices that go on. What a stored operation builds on stays, and
//! what a waiting one builds on goes last.
//!
//! **Local, and not proven to be the same everywhere.** Where nobody else builds on a flood, the tests find the
//! same part of it kept in every order of arrival. Where somebody does, or where forks push each other out in a
//! full roster, two stores may keep different parts of it, for as long as it is full. Of what those of other
//! branches sign neither drops anything.
//!
//! What is not promised: whoever came in by the flooder shares its room; and of many hostile devices, each of
//! which signs no more than honest ones do, nobody can say which they are.

use std::collections::{BTreeMap, BTreeSet};

use super::{Demand, RosterLog};
use crate::bounds::{MAX_ROSTER_LENGTH, MAX_ROSTER_OPERATIONS};
use crate::ids::RecordId;
use crate::records::{Capacity, Member, RosterAction, RosterOperation};
use crate::roster::{StoredOperation, added};

/// Whether there is room for one operation more.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Total {
    Fits,
    /// Once this other one has gone.
    Instead(RecordId),
    Full,
}

/// How soon an operation has to go; the greatest goes first: by how deep it lies in the heaviest branch, whether
/// nothing that waits builds on it, whether it ends nobody's place, how many operations lie before it, and its id.
type Weight = (usize, bool, bool, usize, RecordId);

impl RosterLog {
    /// What brought in the author of an operation, of several what came by the fewest hands, and by how many. A
    /// recovery rests on nobody's place, and has none.
    pub(super) fn brought_in_by(
        &self,
        author: Option<Member>,
        ancestors: &BTreeSet<RecordId>,
    ) -> (Option<RecordId>, usize) {
        let Some(author) = author else { return (None, 0) };
        if author == self.founder() {
            return (Some(self.origin()), 1);
        }
        let entries = ancestors.iter().filter_map(|id| {
            let stored = self.operations.get(id)?;
            let entry = added(&stored.operation)?;
            let own = entry.member == author && entry.capacity == Capacity::Full;
            own.then_some((stored.hands, stored.ancestors.len(), *id))
        });
        entries.min().map_or((None, 0), |(hands, _, id)| (Some(id), hands + 1))
    }

    /// Whether a roster has so many operations that somebody floods it.
    pub(super) fn is_flooded(&self) -> bool {
        self.operations.len() >= MAX_ROSTER_OPERATIONS / 2
    }

    /// Whether an operation still fits into the whole, and which one has to go for it.
    pub(super) fn total_with(&self, id: RecordId, new: &StoredOperation, demand: Demand<'_>) -> Total {
        if self.operations.len() < MAX_ROSTER_OPERATIONS {
            return Total::Fits;
        }
        let depths = self.depths_in_heaviest(new);
        let weigh = |id: RecordId, stored: &StoredOperation, wanted: bool| -> Weight {
            let depth = depth_under(&depths, stored.brought_in_by);
            (depth, !wanted, !ends_a_place(&stored.operation), stored.ancestors.len(), id)
        };
        let childless = self.operations.iter().filter(|(id, _)| !self.slots.has_children(id));
        let others = childless.filter(|(id, _)| !new.ancestors.contains(*id));
        let Some(last) = others.map(|(id, stored)| weigh(*id, stored, demand.wants(*id))).max() else {
            return Total::Full;
        };
        let own = weigh(id, new, false);
        if last > own || self.is_needed_outside(own.0, &demand.waiting.authors_awaiting(id), &depths) {
            Total::Instead(last.4)
        } else {
            Total::Full
        }
    }

    /// Whether one of these authors lies less deep in the heaviest branch than this. What those of the same branch
    /// wait for is not let in for them, or two stores would exchange the same operations for ever.
    fn is_needed_outside(
        &self,
        depth: usize,
        authors: &BTreeSet<Option<Member>>,
        depths: &BTreeMap<RecordId, usize>,
    ) -> bool {
        let outside = |entry: RecordId| depth_under(depths, Some(entry)) < depth;
        if authors.contains(&None) || authors.contains(&Some(self.founder())) && outside(self.origin()) {
            return true;
        }
        let awaiting = |stored: &StoredOperation| {
            added(&stored.operation).is_some_and(|entry| authors.contains(&Some(entry.member)))
        };
        !authors.is_empty() && self.operations.iter().any(|(id, stored)| awaiting(stored) && outside(*id))
    }

    /// For the genesis and all that brought somebody in: how deep in the heaviest branch those lie whom it
    /// brought in. The new operation counts, so that of two equal branches neither pushes the other out.
    fn depths_in_heaviest(&self, new: &StoredOperation) -> BTreeMap<RecordId, usize> {
        let mut by_place: Vec<(usize, RecordId)> =
            self.operations.iter().map(|(id, stored)| (stored.ancestors.len(), *id)).collect();
        by_place.sort_unstable();
        let above = |id: &RecordId| self.operations.get(id).and_then(|stored| stored.brought_in_by);
        // From the last to the first, so that each branch is whole when it is counted into the one above.
        let mut sizes: BTreeMap<RecordId, usize> =
            new.brought_in_by.map(|entry| (entry, 1)).into_iter().collect();
        for (_, id) in by_place.iter().rev() {
            let own = sizes.get(id).copied().unwrap_or(0);
            if let Some(entry) = above(id) {
                *sizes.entry(entry).or_default() += own + 1;
            }
        }
        let mut within: BTreeMap<Option<RecordId>, (usize, RecordId)> = BTreeMap::new();
        for (entry, size) in sizes.iter().filter(|(_, size)| **size >= MAX_ROSTER_LENGTH) {
            let heaviest = within.entry(above(entry)).or_insert((*size, *entry));
            *heaviest = (*heaviest).max((*size, *entry));
        }
        let path = std::iter::successors(within.get(&None), |(_, entry)| within.get(&Some(*entry)));
        let mut depths: BTreeMap<RecordId, usize> =
            path.enumerate().map(|(step, (_, entry))| (*entry, step + 1)).collect();
        for (_, id) in by_place {
            if let Some(depth) = above(&id).and_then(|entry| depths.get(&entry).copied()) {
                depths.entry(id).or_insert(depth);
            }
        }
        depths
    }
}

/// How deep those lie whom this brought in.
fn depth_under(depths: &BTreeMap<RecordId, usize>, entry: Option<RecordId>) -> usize {
    entry.and_then(|entry| depths.get(&entry)).copied().unwrap_or(0)
}

/// Whether an operation removes somebody, or recovers.
fn ends_a_place(operation: &RosterOperation) -> bool {
    match operation.action {
        RosterAction::Remove { .. } | RosterAction::Recover { .. } => true,
        RosterAction::Add { .. } | RosterAction::Rename { .. } => false,
    }
}
