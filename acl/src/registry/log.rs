//! The stored operations of one roster, and which of them are worth storing.

mod heads;
mod total;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use super::rosters::Rosters;
use super::slots::{Admission, Slots};
use super::voices::Voices;
use super::waiting::{Awaited, Demand};
use super::{Refusal, Verdict};
use crate::bounds::{
    MAX_NESTING, MAX_RECOVERIES, MAX_ROSTER_FORKS, MAX_ROSTER_LENGTH, MAX_ROSTER_LENGTH_FOR_REMOVAL,
    MAX_ROSTER_LENGTH_PER_RECOVERY,
};
use crate::ids::{PersonId, RecordId, RecoveryKey};
use crate::records::{Capacity, Member, RosterAction, RosterGenesis, RosterKind, RosterOperation};
use crate::roster::{Evaluated, Roster, StoredOperation, added, evaluate};
use total::Total;

/// Whose word an operation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Author {
    Member(Member),
    Recovery(RecoveryKey),
}

/// Author of an operation, and how many lie before it.
type Slot = (Author, usize);

/// What was found out about an operation that is worth storing.
#[derive(Debug)]
pub(super) struct Judged {
    ancestors: BTreeSet<RecordId>,
    generation: usize,
}

/// One roster's records. Every operation's whole past is here.
#[derive(Debug, Clone)]
pub(crate) struct RosterLog {
    id: PersonId,
    genesis: RosterGenesis,
    operations: BTreeMap<RecordId, StoredOperation>,
    slots: Slots<Slot>,
    /// Every member that some stored operation ever added, with the most it was added as.
    ever: BTreeMap<Member, Capacity>,
    /// The evaluation with so many groups within each other, and one more in each; a person's is the last.
    memo: [OnceLock<Arc<Roster>>; MAX_NESTING],
}

impl RosterLog {
    pub(super) fn new(id: PersonId, genesis: RosterGenesis) -> Self {
        let mut log = Self {
            id,
            genesis,
            operations: BTreeMap::new(),
            slots: Slots::new(MAX_ROSTER_FORKS),
            ever: BTreeMap::new(),
            memo: Default::default(),
        };
        log.note_ever();
        log
    }

    pub(crate) fn kind(&self) -> RosterKind {
        self.genesis.kind
    }

    pub(crate) fn genesis(&self) -> &RosterGenesis {
        &self.genesis
    }

    /// The operations, by id.
    pub(crate) fn operations(&self) -> &BTreeMap<RecordId, StoredOperation> {
        &self.operations
    }

    /// Every member that some stored operation ever added, with the most it was added as.
    pub(crate) fn ever(&self) -> &BTreeMap<Member, Capacity> {
        &self.ever
    }

    /// The roster as it stands when groups are looked into `level` deep.
    pub(super) fn at<'a>(&'a self, rosters: &'a Rosters, level: usize) -> Option<&'a Arc<Roster>> {
        let level = if self.kind() == RosterKind::Person { MAX_NESTING } else { level };
        let memo = self.memo.get(level.checked_sub(1)?)?;
        Some(memo.get_or_init(|| Arc::new(self.evaluate(rosters, level).roster)))
    }

    /// The roster, and what of its log does not count. An operation in the name of a group within is judged
    /// one level less deep, so that groups in a circle come to an end.
    pub(crate) fn evaluate(&self, rosters: &Rosters, level: usize) -> Evaluated {
        let voices = Voices::new(rosters, level.saturating_sub(1), [self.id]);
        let mut evaluated = evaluate(self.id, &self.genesis, &self.operations, |id, operation| {
            operation.person.is_none_or(|person| voices.speaks_in(person, &operation.by, id))
        });
        evaluated.roster.heads = self.heads(&evaluated.void);
        evaluated
    }

    /// Something that the evaluation rests on has changed.
    pub(super) fn invalidate(&mut self) {
        self.memo = Default::default();
    }

    /// Whether, by signatures alone, an operation could ever have counted. Of this roster only its own past is
    /// asked, so the answer is the same whenever it comes; others may still come to say that its device speaks
    /// for whom it names.
    pub(super) fn judge(&self, operation: &RosterOperation, rosters: &Rosters) -> Result<Judged, Verdict> {
        let ancestors = self.past(operation)?;
        let refuse = |refusal| Err(Verdict::Refused(refusal));
        let group = self.kind() == RosterKind::Group;
        if group != operation.person.is_some() {
            return refuse(Refusal::WrongKind("a roster operation"));
        }
        let named = match &operation.action {
            RosterAction::Add { member, .. } | RosterAction::Remove { member, .. } => Some(*member),
            RosterAction::Rename { member, .. } => *member,
            RosterAction::Recover { device, .. } => Some(Member::Device(*device)),
        };
        if named.is_some_and(|member| group != matches!(member, Member::Person(_))) {
            return refuse(Refusal::WrongKind("a member of a roster"));
        }
        let generation = self.recovers(operation, &ancestors)?;
        let author = operation.author();
        let recovered = author.map_or(generation, |author| self.generation_in(&ancestors, author));
        if ancestors.len() > length_limit(&operation.action, recovered) {
            return refuse(Refusal::TooMany("operations of one roster"));
        }
        match &operation.action {
            RosterAction::Remove { member, .. } | RosterAction::Rename { member: Some(member), .. }
                if self.capacity_in(&ancestors, *member).is_none() =>
            {
                return refuse(Refusal::NotAMember(*member));
            }
            RosterAction::Remove { .. }
            | RosterAction::Rename { .. }
            | RosterAction::Add { .. }
            | RosterAction::Recover { .. } => {}
        }
        if author.is_some_and(|author| self.capacity_in(&ancestors, author) != Some(Capacity::Full)) {
            return refuse(Refusal::NotEntitled(operation.by));
        }
        match operation.person {
            Some(person) if !rosters.ever_speaks(person, operation.by, Capacity::Full) => {
                Err(Verdict::Wait(Awaited::Roster(person)))
            }
            Some(_) | None => Ok(Judged { ancestors, generation }),
        }
    }

    /// How many recoveries a recovery makes with those it rests on. The key must be one that the genesis or a
    /// recovery in its past committed to.
    fn recovers(
        &self,
        operation: &RosterOperation,
        ancestors: &BTreeSet<RecordId>,
    ) -> Result<usize, Verdict> {
        let RosterAction::Recover { recovery_key, .. } = &operation.action else { return Ok(0) };
        let hash = recovery_key.hash();
        let earlier = ancestors.iter().filter_map(|id| self.operations.get(id)).filter(|stored| {
            matches!(&stored.operation.action,
                RosterAction::Recover { next_recovery, .. } if *next_recovery == hash)
        });
        let first = (self.genesis.recovery == hash).then_some(0);
        let rests_on = earlier.map(|stored| stored.generation).chain(first).max();
        match rests_on {
            None => Err(Verdict::Refused(Refusal::NotEntitled(operation.by))),
            Some(MAX_RECOVERIES..) => Err(Verdict::Refused(Refusal::TooMany("recoveries of one roster"))),
            Some(generation) => Ok(generation + 1),
        }
    }

    /// Takes in an operation that was judged worth storing. Says which others had to go for it.
    pub(super) fn insert(
        &mut self,
        id: RecordId,
        operation: &RosterOperation,
        judged: Judged,
        demand: Demand<'_>,
    ) -> Result<Vec<RecordId>, Verdict> {
        let Judged { ancestors, generation } = judged;
        let slot = slot(operation, &ancestors);
        let (brought_in_by, hands) = self.brought_in_by(operation.author(), &ancestors);
        let operation = operation.clone();
        let stored = StoredOperation { operation, ancestors, generation, brought_in_by, hands };
        let evicted = match self.slots.admit(slot, id, demand.wants(id)) {
            Admission::Full => return Err(Verdict::Refused(Refusal::TooMany("operations of one member"))),
            Admission::Evicts(other) => Some(other),
            Admission::Kept => match self.total_with(id, &stored, demand) {
                Total::Fits => None,
                Total::Instead(other) => Some(other),
                Total::Full => {
                    self.slots.remove(slot, id, &[]);
                    return Err(Verdict::Refused(Refusal::TooMany("operations of one roster in all")));
                }
            },
        };
        let operation = &stored.operation;
        for parent in &operation.previous {
            self.slots.add_child(*parent);
        }
        if let Some(entry) = added(operation) {
            let most = self.ever.entry(entry.member).or_insert(entry.capacity);
            *most = entry.capacity.max(*most);
        }
        self.operations.insert(id, stored);
        let dropped = evicted.map(|evicted| self.evict(evicted)).unwrap_or_default();
        if !dropped.is_empty() {
            self.note_ever();
        }
        self.invalidate();
        Ok(dropped)
    }

    /// Drops an operation that lies beyond the bound and on which nothing builds, though it was waited for.
    pub(super) fn drop_spare(&mut self, id: RecordId) -> Vec<RecordId> {
        let spare =
            |stored: &StoredOperation| self.slots.is_spare(slot(&stored.operation, &stored.ancestors), id);
        if !self.operations.get(&id).is_some_and(spare) {
            return Vec::new();
        }
        let dropped = self.evict(id);
        self.note_ever();
        self.invalidate();
        dropped
    }

    /// All that lies before an operation, the genesis included.
    fn past(&self, operation: &RosterOperation) -> Result<BTreeSet<RecordId>, Verdict> {
        let genesis = self.origin();
        let mut ancestors = BTreeSet::from([genesis]);
        for previous in &operation.previous {
            if *previous == genesis {
                continue;
            }
            let Some(stored) = self.operations.get(previous) else {
                return Err(Verdict::Wait(Awaited::Record(*previous)));
            };
            ancestors.insert(*previous);
            ancestors.extend(&stored.ancestors);
        }
        Ok(ancestors)
    }

    fn origin(&self) -> RecordId {
        RecordId::from_bytes(*self.id.as_bytes())
    }

    fn founder(&self) -> Member {
        self.genesis.founder_person.map_or(Member::Device(self.genesis.founder), Member::Person)
    }

    /// The most that a member was added as within these operations.
    fn capacity_in(&self, operations: &BTreeSet<RecordId>, member: Member) -> Option<Capacity> {
        if member == self.founder() {
            return Some(Capacity::Full);
        }
        let stored = operations.iter().filter_map(|id| self.operations.get(id));
        let entries = stored.filter_map(|stored| added(&stored.operation));
        entries.filter(|entry| entry.member == member).map(|entry| entry.capacity).max()
    }

    /// The latest recovery, within these operations, that brought a member in.
    fn generation_in(&self, operations: &BTreeSet<RecordId>, member: Member) -> usize {
        let stored = operations.iter().filter_map(|id| self.operations.get(id));
        let own = stored.filter(|stored| {
            stored.generation > 0 && added(&stored.operation).is_some_and(|entry| entry.member == member)
        });
        own.map(|stored| stored.generation).max().unwrap_or(0)
    }

    fn note_ever(&mut self) {
        let mut ever = BTreeMap::from([(self.founder(), Capacity::Full)]);
        for entry in self.operations.values().filter_map(|stored| added(&stored.operation)) {
            let most = ever.entry(entry.member).or_insert(entry.capacity);
            *most = entry.capacity.max(*most);
        }
        self.ever = ever;
    }

    /// Drops an operation that nothing builds on, and what is left without a child by that.
    fn evict(&mut self, first: RecordId) -> Vec<RecordId> {
        let mut queue = vec![first];
        let mut dropped = Vec::new();
        while let Some(id) = queue.pop() {
            let Some(stored) = self.operations.remove(&id) else { continue };
            let parents: Vec<(Slot, RecordId)> = stored
                .operation
                .previous
                .iter()
                .filter_map(|previous| {
                    let parent = self.operations.get(previous)?;
                    Some((slot(&parent.operation, &parent.ancestors), *previous))
                })
                .collect();
            queue.extend(self.slots.remove(slot(&stored.operation, &stored.ancestors), id, &parents));
            dropped.push(id);
        }
        dropped
    }
}

/// How many operations may lie before one of this kind, by an author of this many recoveries.
fn length_limit(action: &RosterAction, recovered: usize) -> usize {
    match action {
        RosterAction::Add { .. } | RosterAction::Rename { .. } if recovered == 0 => MAX_ROSTER_LENGTH,
        RosterAction::Add { .. }
        | RosterAction::Rename { .. }
        | RosterAction::Remove { .. }
        | RosterAction::Recover { .. } => {
            MAX_ROSTER_LENGTH_FOR_REMOVAL + recovered * MAX_ROSTER_LENGTH_PER_RECOVERY
        }
    }
}

fn slot(operation: &RosterOperation, ancestors: &BTreeSet<RecordId>) -> Slot {
    let author = match &operation.action {
        RosterAction::Recover { recovery_key, .. } => Author::Recovery(*recovery_key),
        RosterAction::Add { .. } | RosterAction::Remove { .. } | RosterAction::Rename { .. } => {
            Author::Member(operation.person.map_or(Member::Device(operation.by), Member::Person))
        }
    };
    (author, ancestors.len())
}
