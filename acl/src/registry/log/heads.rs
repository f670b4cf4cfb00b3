//! On what the next operation of a roster builds.
//!
//! Normally on all heads. A member that fills the roster up, with more on parallel branches than may lie before
//! one operation, would be beyond removal by that; so what does not fit is left out, what the member alone
//! stands behind before all else.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::{RosterLog, Rosters, length_limit};
use crate::bounds::{MAX_NESTING, MAX_PREVIOUS, MAX_ROSTER_LENGTH, MAX_ROSTER_LENGTH_PER_RECOVERY};
use crate::ids::RecordId;
use crate::records::{Capacity, Member, RosterAction, RosterKind};
use crate::roster::{StoredOperation, VoidReason, added};

/// Operations that do not count, and why.
type Void = BTreeMap<RecordId, VoidReason>;

impl RosterLog {
    /// The operations that none builds on. Where they are more than an operation may name or see, without void
    /// ones.
    pub(super) fn heads(&self, void: &Void) -> Vec<RecordId> {
        let mut heads = self.heads_without(&BTreeSet::new());
        let few = self.operations.len() < MAX_ROSTER_LENGTH && heads.len() <= MAX_PREVIOUS;
        if !few && !self.fit(&heads, MAX_ROSTER_LENGTH) {
            heads = self.heads_without(&self.unheeded(|id, _| void.contains_key(id)));
            heads.truncate(MAX_PREVIOUS);
        }
        heads
    }

    /// What a removal of `member` by `author` builds on: all but that member's removal of the author, or of itself,
    /// as far as it fits. A removal that names another one grants that it came first, and one by which a device answers a
    /// thief's must not. What else the member removed stays removed.
    pub(crate) fn heads_to_remove(&self, member: Member, author: Member, rosters: &Rosters) -> Vec<RecordId> {
        let void = &self.evaluate(rosters, MAX_NESTING).void;
        let own = |stored: &StoredOperation| stored.operation.author() == Some(member);
        let removes = |stored: &StoredOperation| {
            own(stored)
                && matches!(&stored.operation.action, RosterAction::Remove { member: gone, .. } if *gone == author || *gone == member)
        };
        let brought = self.brought_by(member, author, void);
        let theirs =
            |stored: &StoredOperation| stored.operation.author().is_some_and(|by| brought.contains(&by));
        // Without these in its past, nobody would believe the removal.
        let needed: BTreeSet<RecordId> =
            [author, member].into_iter().filter_map(|member| self.entry_of(member, void)).collect();
        let room = self.room(&needed, self.generation_in(&needed, author), 0);
        if member == author {
            let void = std::iter::once_with(|| self.unheeded(|id, _| void.contains_key(id)));
            return self.first_that_fits(
                std::iter::once(BTreeSet::new()).chain(void),
                &needed,
                room,
                &theirs,
            );
        }
        let answered = self.kind() == RosterKind::Person;
        let removals =
            std::iter::once_with(|| self.with_later(self.ids_of(|_, stored| answered && removes(stored))));
        let void = std::iter::once_with(|| self.unheeded(|id, _| void.contains_key(id)));
        // Where somebody floods, all of it: others may have another part of it. By the founder everybody came.
        let flooded = self.is_flooded() && member != self.founder();
        let flood = std::iter::once_with(|| self.unheeded(|_, stored| flooded && theirs(stored)));
        let alone = std::iter::once_with(|| self.unheeded(|_, stored| own(stored)));
        // Then whoever it brought in and signed most: one, two, four of them and so on, so that this ends soon.
        let busiest = self.busiest(&brought);
        let counts = std::iter::successors(Some(1), |count| Some(count * 2));
        let puppets = counts.take_while(|count| *count < 2 * busiest.len()).map(|count| {
            let gone: BTreeSet<&Member> = busiest.iter().take(count).chain([&member]).collect();
            self.unheeded(|_, stored| stored.operation.author().is_some_and(|by| gone.contains(&by)))
        });
        let left_out = removals.chain(void).chain(flood).chain(alone).chain(puppets);
        self.first_that_fits(left_out, &needed, room, &theirs)
    }

    /// What a recovery by the key of this hash builds on: all, as far as it fits.
    pub(crate) fn heads_to_recover(&self, recovery: &[u8; 32], rosters: &Rosters) -> Vec<RecordId> {
        let void = &self.evaluate(rosters, MAX_NESTING).void;
        let committed = self.operations.iter().filter(|(_, stored)| {
            matches!(&stored.operation.action,
                RosterAction::Recover { next_recovery, .. } if next_recovery == recovery)
        });
        let rests_on = committed.max_by_key(|(_, stored)| stored.generation);
        let generation = 1 + rests_on.map_or(0, |(_, stored)| stored.generation);
        let needed = rests_on.map(|(id, _)| *id).into_iter().collect();
        // Whoever is back has to remove and add others after it.
        let room = self.room(&needed, generation, MAX_ROSTER_LENGTH_PER_RECOVERY);
        let void = std::iter::once_with(|| self.unheeded(|id, _| void.contains_key(id)));
        self.first_that_fits(std::iter::once(BTreeSet::new()).chain(void), &needed, room, &|_| false)
    }

    /// How many operations the next removal or recovery sees at most: what it cannot do without, and then so few
    /// that others still have room after it.
    fn room(&self, needed: &BTreeSet<RecordId>, generation: usize, reserve: usize) -> usize {
        let limit =
            length_limit(&RosterAction::Remove { member: self.founder(), keep: Vec::new() }, generation);
        let least = self.up_to(needed).len() + MAX_ROSTER_LENGTH_PER_RECOVERY;
        least.min(limit - reserve).max(MAX_ROSTER_LENGTH)
    }

    /// The heads without the first of these, the first two, and so on, until they fit; at last those operations
    /// that do, the ones of `junior` members after the others.
    fn first_that_fits(
        &self,
        steps: impl Iterator<Item = BTreeSet<RecordId>>,
        needed: &BTreeSet<RecordId>,
        room: usize,
        junior: &dyn Fn(&StoredOperation) -> bool,
    ) -> Vec<RecordId> {
        let spared = self.up_to(needed);
        let mut left_out = BTreeSet::new();
        for step in steps {
            left_out.extend(step);
            left_out.retain(|id| !spared.contains(id));
            let heads = self.heads_without(&left_out);
            if self.fit(&heads, room) {
                return heads;
            }
        }
        self.chosen(&left_out, spared, room, junior)
    }

    /// Goes back from the heads, the longest branches first, and takes what still fits.
    fn chosen(
        &self,
        left_out: &BTreeSet<RecordId>,
        mut seen: BTreeSet<RecordId>,
        room: usize,
        junior: &dyn Fn(&StoredOperation) -> bool,
    ) -> Vec<RecordId> {
        let key = |id: &RecordId| {
            let stored = self.operations.get(id)?;
            Some((!junior(stored), stored.ancestors.len(), *id))
        };
        let mut open: BTreeSet<_> = self.heads_without(left_out).iter().filter_map(key).collect();
        while let Some((.., id)) = open.pop_last() {
            let Some(stored) = self.operations.get(&id).filter(|_| !seen.contains(&id)) else { continue };
            let more = stored.ancestors.difference(&seen).take(room).count() + 1;
            let with = || seen.iter().chain(&stored.ancestors).chain([&id]).copied().collect();
            if seen.len() + more <= room && self.heads_within(&with()).len() <= MAX_PREVIOUS {
                seen = with();
            } else {
                open.extend(stored.operation.previous.iter().filter_map(key));
            }
        }
        self.heads_within(&seen)
    }

    /// Whether an operation may name all of these, and see what lies before them.
    fn fit(&self, heads: &[RecordId], room: usize) -> bool {
        heads.len() <= MAX_PREVIOUS && self.up_to(&heads.iter().copied().collect()).len() <= room
    }

    /// These and all that lies before them, the genesis in any case.
    fn up_to(&self, ids: &BTreeSet<RecordId>) -> BTreeSet<RecordId> {
        let stored = ids.iter().filter_map(|id| self.operations.get(id));
        let before = stored.flat_map(|stored| &stored.ancestors);
        before.chain(ids).copied().chain([self.origin()]).collect()
    }

    /// These and all that builds on them.
    fn with_later(&self, ids: BTreeSet<RecordId>) -> BTreeSet<RecordId> {
        let later = self.ids_of(|_, stored| ids.iter().any(|id| stored.ancestors.contains(id)));
        ids.into_iter().chain(later).collect()
    }

    /// The operations of one kind that none of another kind builds on.
    fn unheeded(&self, kind: impl Fn(&RecordId, &StoredOperation) -> bool) -> BTreeSet<RecordId> {
        let heeded = self.up_to(&self.ids_of(|id, stored| !kind(id, stored)));
        self.operations.keys().filter(|id| !heeded.contains(*id)).copied().collect()
    }

    fn ids_of(&self, kind: impl Fn(&RecordId, &StoredOperation) -> bool) -> BTreeSet<RecordId> {
        self.operations.iter().filter(|(id, stored)| kind(id, stored)).map(|(id, _)| *id).collect()
    }

    /// What brought a member in: what counts first, as the most, by the latest recovery, and then the earliest.
    /// Nothing but the genesis for the founder.
    fn entry_of(&self, member: Member, void: &Void) -> Option<RecordId> {
        let entries = self.operations.iter().filter_map(|(id, stored)| {
            let entry = added(&stored.operation).filter(|entry| entry.member == member)?;
            let full = entry.capacity == Capacity::Full;
            let earliest = Reverse((stored.ancestors.len(), *id));
            Some((!void.contains_key(id), full, stored.generation, earliest, *id))
        });
        let entry = entries.max().map(|(.., id)| id);
        entry.filter(|id| member != self.founder() || self.is_recovery(id))
    }

    fn is_recovery(&self, id: &RecordId) -> bool {
        self.operations.get(id).is_some_and(|stored| stored.generation > 0)
    }

    /// A member, and those that it alone brought in, by others too; without `author`.
    fn brought_by(&self, member: Member, author: Member, void: &Void) -> BTreeSet<Member> {
        let authors: BTreeSet<Member> =
            self.operations.values().filter_map(|stored| stored.operation.author()).collect();
        let by: BTreeMap<Member, Member> = authors
            .into_iter()
            .filter(|by| *by != author)
            .filter_map(|by| {
                let entry = self.operations.get(&self.entry_of(by, void)?)?;
                Some((by, entry.operation.author()?))
            })
            .collect();
        let mut brought = BTreeSet::from([member]);
        loop {
            let before = brought.len();
            brought.extend(
                by.iter().filter(|(_, by)| brought.contains(by)).map(|(one, _)| *one).collect::<Vec<_>>(),
            );
            if brought.len() == before {
                return brought;
            }
        }
    }

    /// Some members by how much they signed, those of the most first.
    fn busiest(&self, among: &BTreeSet<Member>) -> Vec<Member> {
        let mut signed: BTreeMap<Member, usize> = BTreeMap::new();
        let authors = self.operations.values().filter_map(|stored| stored.operation.author());
        for author in authors.filter(|author| among.contains(author)) {
            *signed.entry(author).or_default() += 1;
        }
        let mut busiest: Vec<(Reverse<usize>, Member)> =
            signed.into_iter().map(|(member, count)| (Reverse(count), member)).collect();
        busiest.sort();
        busiest.into_iter().map(|(_, member)| member).collect()
    }

    fn heads_without(&self, left_out: &BTreeSet<RecordId>) -> Vec<RecordId> {
        self.heads_within(&self.operations.keys().filter(|id| !left_out.contains(*id)).copied().collect())
    }

    /// Those of these that no other of these builds on; the genesis if there are none.
    fn heads_within(&self, among: &BTreeSet<RecordId>) -> Vec<RecordId> {
        let stored = among.iter().filter_map(|id| self.operations.get(id));
        let built_on: BTreeSet<&RecordId> = stored.flat_map(|stored| &stored.operation.previous).collect();
        let heads = among.iter().filter(|id| self.operations.contains_key(*id) && !built_on.contains(id));
        let heads: Vec<RecordId> = heads.copied().collect();
        if heads.is_empty() { vec![self.origin()] } else { heads }
    }
}
