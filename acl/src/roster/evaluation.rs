//! The rule of rosters.
//!
//! Two members can remove each other at once, so rank decides: whom recovery brought in before all others (the
//! later words first, and of equal ones those whose next words were used), then the founder, then fewer operations before the one that added a member, ties by its
//! id. Removals are taken from the most senior remover down, of one remover the earlier first; one counts unless its author is no valid member by
//! then, or is removed by a counted one that had not seen it. What a removed member wrote into the roster
//! without its remover having seen it is void, and so is everything by members that only void operations had
//! added. In a group an operation is void, too, if its device does not speak for the member it names. A removed
//! member never returns; one that is added again is as senior as the first time and may do the most of what it
//! was added for. What goes on counting of what a removed one signed, those say who removed it, and not itself.
//! A recovery rests on nobody's place in the roster, so nothing makes it void.
//!
//! The registry stores only operations whose author was, in the operation's own past, the founder or added as
//! `full`; that is taken for granted here.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::{Rank, Roster, RosterMember};
use crate::bounds::MAX_RECOVERIES;
use crate::ids::{PersonId, RecordId};
use crate::records::{Capacity, Member, RosterAction, RosterGenesis, RosterOperation};

/// One operation, and all that lies before it. The genesis is among them.
#[derive(Debug, Clone)]
pub(crate) struct StoredOperation {
    pub(crate) operation: RosterOperation,
    pub(crate) ancestors: BTreeSet<RecordId>,
    /// For a recovery, how many recoveries it makes with those it rests on; 0 for all else.
    pub(crate) generation: usize,
    /// What brought its author in, in its own past; nothing for a recovery.
    pub(crate) brought_in_by: Option<RecordId>,
    /// Through how many hands its author's place has come since the genesis or a recovery; 0 for a recovery.
    pub(crate) hands: usize,
}

/// Why an operation of a roster does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum VoidReason {
    /// The device does not speak for the member in whose name it signed.
    NotItsWord,
    /// Its author was removed by this operation, which had not seen it.
    AuthorRemoved(RecordId),
    /// Only void operations had added its author.
    NeverMember,
}

impl fmt::Display for VoidReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotItsWord => f.write_str("its device does not speak for whom it names"),
            Self::AuthorRemoved(removal) => {
                write!(f, "its author was removed by {}, which had not seen it", removal.short())
            }
            Self::NeverMember => f.write_str("its author was added by void operations alone"),
        }
    }
}

/// Who is brought in, and as what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry<'a> {
    pub(crate) member: Member,
    pub(crate) name: &'a str,
    pub(crate) capacity: Capacity,
    pub(crate) sealing: Option<[u8; 32]>,
}

/// A roster, and what of its log does not count.
#[derive(Debug)]
pub(crate) struct Evaluated {
    pub(crate) roster: Roster,
    pub(crate) void: BTreeMap<RecordId, VoidReason>,
}

/// Evaluates a roster. `speaks` says whether the device of an operation speaks for the member it names.
pub(crate) fn evaluate(
    id: PersonId,
    genesis: &RosterGenesis,
    operations: &BTreeMap<RecordId, StoredOperation>,
    speaks: impl Fn(&RecordId, &RosterOperation) -> bool,
) -> Evaluated {
    let mut evaluation = Evaluation::new(id, genesis, operations);
    for (id, stored) in operations {
        if stored.operation.author().is_some() && !speaks(id, &stored.operation) {
            evaluation.make_void(vec![*id], VoidReason::NotItsWord);
        }
    }
    evaluation.settle_removals();
    let roster = evaluation.roster(id);
    Evaluated { roster, void: evaluation.void }
}

/// Who an operation brings in, if anybody.
pub(crate) fn added(operation: &RosterOperation) -> Option<Entry<'_>> {
    match &operation.action {
        RosterAction::Add { member, name, capacity, sealing, .. } => {
            Some(Entry { member: *member, name, capacity: *capacity, sealing: *sealing })
        }
        RosterAction::Recover { device, name, .. } => {
            Some(Entry { member: Member::Device(*device), name, capacity: Capacity::Full, sealing: None })
        }
        RosterAction::Remove { .. } | RosterAction::Rename { .. } => None,
    }
}

/// Whom the genesis brings in.
fn founded(genesis: &RosterGenesis) -> Entry<'_> {
    Entry {
        member: genesis.founder_person.map_or(Member::Device(genesis.founder), Member::Person),
        name: &genesis.founder_name,
        capacity: Capacity::Full,
        sealing: genesis.sealing,
    }
}

/// Whom an operation removes, if anybody, and what it keeps.
fn removes(operation: &RosterOperation) -> Option<(Member, &[RecordId])> {
    match &operation.action {
        RosterAction::Remove { member, keep } => Some((*member, keep)),
        RosterAction::Add { .. } | RosterAction::Recover { .. } | RosterAction::Rename { .. } => None,
    }
}

struct Evaluation<'a> {
    origin: RecordId,
    genesis: &'a RosterGenesis,
    operations: &'a BTreeMap<RecordId, StoredOperation>,
    /// The operations of each member.
    by: BTreeMap<Member, Vec<RecordId>>,
    /// What brought each member in, most senior first.
    entries: BTreeMap<Member, BTreeSet<Rank>>,
    /// The recoveries on which another one rests.
    continued: BTreeSet<RecordId>,
    /// The counted removals of each member.
    counted: BTreeMap<Member, BTreeSet<RecordId>>,
    void: BTreeMap<RecordId, VoidReason>,
}

impl<'a> Evaluation<'a> {
    fn new(
        id: PersonId,
        genesis: &'a RosterGenesis,
        operations: &'a BTreeMap<RecordId, StoredOperation>,
    ) -> Self {
        let origin = RecordId::from_bytes(*id.as_bytes());
        let continued = continued(operations);
        let founder = BTreeSet::from([Rank::new(0, false, 0, origin)]);
        let mut entries = BTreeMap::from([(founded(genesis).member, founder)]);
        let mut by: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (id, stored) in operations {
            if let Some(author) = stored.operation.author() {
                by.entry(author).or_default().push(*id);
            }
            if let Some(entry) = added(&stored.operation) {
                let continued = continued.contains(id);
                let rank = Rank::new(stored.generation, continued, stored.ancestors.len(), *id);
                entries.entry(entry.member).or_default().insert(rank);
            }
        }
        let (counted, void) = (BTreeMap::new(), BTreeMap::new());
        Self { origin, genesis, operations, by, entries, continued, counted, void }
    }

    /// Counts removals from the most senior remover down.
    fn settle_removals(&mut self) {
        let authors = self.operations.iter().filter(|(_, stored)| removes(&stored.operation).is_some());
        let authors = authors
            .filter_map(|(id, stored)| Some((stored.operation.author()?, stored.ancestors.len(), *id)));
        let mut queue: BTreeSet<(Rank, usize, RecordId)> =
            authors.filter_map(|(author, before, id)| Some((self.rank(&author)?, before, id))).collect();
        while let Some((rank, before, id)) = queue.pop_first() {
            let Some(stored) = self.operations.get(&id) else { continue };
            let Some(author) = stored.operation.author() else { continue };
            // A void `Add` gives no seniority, and which ones are void may have changed since. Ranks only
            // get worse, so a removal comes back at most once for each `Add` of its author.
            match self.rank(&author) {
                Some(now) if now == rank => {}
                Some(now) => {
                    queue.insert((now, before, id));
                    continue;
                }
                None => continue,
            }
            if !self.void.contains_key(&id) {
                self.count(id, stored);
            }
        }
    }

    fn count(&mut self, id: RecordId, stored: &StoredOperation) {
        let Some((member, _)) = removes(&stored.operation) else { return };
        self.counted.entry(member).or_default().insert(id);
        let own = self.by.get(&member).into_iter().flatten();
        let unseen = own.filter(|own| **own != id && !stored.ancestors.contains(*own)).copied().collect();
        self.make_void(unseen, VoidReason::AuthorRemoved(id));
    }

    /// Makes these void, and with them what is by members that only void operations added.
    fn make_void(&mut self, first: Vec<RecordId>, reason: VoidReason) {
        let mut suspects: Vec<(RecordId, VoidReason)> = first.into_iter().map(|id| (id, reason)).collect();
        while let Some((suspect, reason)) = suspects.pop() {
            // What has counted stands, though less senior ones remove its author later.
            if self.void.contains_key(&suspect) || self.has_counted(&suspect) {
                continue;
            }
            self.void.insert(suspect, reason);
            let operation = self.operations.get(&suspect).map(|stored| &stored.operation);
            let Some(orphan) = operation.and_then(added) else { continue };
            let own = self.by.get(&orphan.member).into_iter().flatten();
            let own =
                own.filter(|own| !self.void.contains_key(*own) && !self.was_member(&orphan.member, own));
            suspects.extend(own.map(|own| (*own, VoidReason::NeverMember)));
        }
    }

    fn has_counted(&self, id: &RecordId) -> bool {
        let removed = self.operations.get(id).and_then(|stored| removes(&stored.operation));
        removed.and_then(|(member, _)| self.counted.get(&member)).is_some_and(|counted| counted.contains(id))
    }

    /// Whether, in the past of its own operation, a member was brought in as full by what is not void.
    fn was_member(&self, member: &Member, operation: &RecordId) -> bool {
        let Some(stored) = self.operations.get(operation) else { return false };
        self.valid_entries(member).any(|rank| {
            stored.ancestors.contains(&rank.id)
                && self.entry(&rank.id).is_some_and(|entry| entry.capacity == Capacity::Full)
        })
    }

    fn entry(&self, id: &RecordId) -> Option<Entry<'a>> {
        if *id == self.origin {
            return Some(founded(self.genesis));
        }
        added(&self.operations.get(id)?.operation)
    }

    fn valid_entries(&self, member: &Member) -> impl Iterator<Item = Rank> {
        let entries = self.entries.get(member).into_iter().flatten();
        entries.filter(|rank| !self.void.contains_key(&rank.id)).copied()
    }

    fn rank(&self, member: &Member) -> Option<Rank> {
        self.valid_entries(member).next()
    }

    fn roster(&self, id: PersonId) -> Roster {
        let (mut name, names) = self.names();
        let mut roster = Roster {
            id,
            name: name.take().unwrap_or(&self.genesis.name).to_owned(),
            kind: self.genesis.kind,
            devices: BTreeMap::new(),
            persons: BTreeMap::new(),
            removed: BTreeMap::new(),
            removed_persons: BTreeMap::new(),
            ever: BTreeMap::new(),
            ever_persons: BTreeMap::new(),
            recovery: self.recovery(),
            recoveries: self.recoveries(),
            left: BTreeSet::new(),
            heads: Vec::new(),
        };
        for (member, removals) in &self.counted {
            // A keep speaks for what a member might sign, not for one that void words alone let sign.
            let signed = self.valid_entries(member).filter_map(|rank| self.entry(&rank.id));
            let full = signed.map(|entry| entry.capacity).max() == Some(Capacity::Full);
            let removals = removals.iter().filter_map(|id| Some(&self.operations.get(id)?.operation));
            let by_others: Vec<_> =
                removals.filter(|operation| operation.author() != Some(*member)).collect();
            if by_others.is_empty() {
                roster.left.insert(*member);
            }
            let kept = by_others.iter().filter(|_| full).filter_map(|operation| removes(operation));
            let kept = kept.flat_map(|(_, keep)| keep).copied().collect();
            match member {
                Member::Device(device) => _ = roster.removed.insert(*device, kept),
                Member::Person(person) => _ = roster.removed_persons.insert(*person, kept),
            }
        }
        for (member, ranks) in &self.entries {
            let capacities = ranks.iter().filter_map(|rank| Some(self.entry(&rank.id)?.capacity));
            let Some(most) = capacities.max() else { continue };
            match member {
                Member::Device(device) => _ = roster.ever.insert(*device, most),
                Member::Person(person) => _ = roster.ever_persons.insert(*person, most),
            }
            let Some(rank) = self.rank(member).filter(|_| !self.counted.contains_key(member)) else {
                continue;
            };
            let Some(entry) = self.entry(&rank.id) else { continue };
            let name = names.get(member).copied().unwrap_or(entry.name).to_owned();
            let valid = || self.valid_entries(member).filter_map(|rank| self.entry(&rank.id));
            let capacity = valid().map(|entry| entry.capacity).max().unwrap_or(entry.capacity);
            let sealing = valid().find_map(|entry| entry.sealing);
            let found = RosterMember { name, capacity, rank, sealing };
            match member {
                Member::Device(device) => _ = roster.devices.insert(*device, found),
                Member::Person(person) => _ = roster.persons.insert(*person, found),
            }
        }
        roster
    }

    /// The name of the roster, and of members, where a valid operation changed them: of several the one with
    /// the most before it, then of the lowest id.
    fn names(&self) -> (Option<&'a str>, BTreeMap<Member, &'a str>) {
        let mut latest: BTreeMap<Option<Member>, (usize, &str)> = BTreeMap::new();
        for (id, stored) in self.operations {
            let RosterAction::Rename { member, name } = &stored.operation.action else { continue };
            if self.void.contains_key(id) {
                continue;
            }
            let ancestors = stored.ancestors.len();
            // In order of ids, so that of equals the first stays.
            if latest.get(member).is_none_or(|(most, _)| ancestors > *most) {
                latest.insert(*member, (ancestors, name));
            }
        }
        let own = latest.get(&None).map(|(_, name)| *name);
        (own, latest.into_iter().filter_map(|(member, (_, name))| Some((member?, name))).collect())
    }

    /// What the most senior recovery committed to, or else the genesis.
    fn recovery(&self) -> [u8; 32] {
        let recoveries = self.operations.iter().filter_map(|(id, stored)| match &stored.operation.action {
            RosterAction::Recover { next_recovery, .. } => {
                let continued = self.continued.contains(id);
                let rank = Rank::new(stored.generation, continued, stored.ancestors.len(), *id);
                Some((rank, *next_recovery))
            }
            RosterAction::Add { .. } | RosterAction::Remove { .. } | RosterAction::Rename { .. } => None,
        });
        recoveries.min().map_or(self.genesis.recovery, |(_, next)| next)
    }

    /// What was committed to and not used yet, where it can still be.
    fn recoveries(&self) -> BTreeSet<[u8; 32]> {
        let mut open = BTreeSet::from([self.genesis.recovery]);
        let mut used = BTreeSet::new();
        for stored in self.operations.values() {
            if let RosterAction::Recover { recovery_key, next_recovery, .. } = &stored.operation.action {
                used.insert(recovery_key.hash());
                if stored.generation < MAX_RECOVERIES {
                    open.insert(*next_recovery);
                }
            }
        }
        open.difference(&used).copied().collect()
    }
}

/// The recoveries on which another one rests: one by the words that they committed to.
fn continued(operations: &BTreeMap<RecordId, StoredOperation>) -> BTreeSet<RecordId> {
    let committed = |id: &RecordId, hash: [u8; 32]| {
        operations.get(id).is_some_and(|stored| {
            matches!(&stored.operation.action,
                RosterAction::Recover { next_recovery, .. } if *next_recovery == hash)
        })
    };
    let mut continued = BTreeSet::new();
    for stored in operations.values() {
        if let RosterAction::Recover { recovery_key, .. } = &stored.operation.action {
            let hash = recovery_key.hash();
            continued.extend(stored.ancestors.iter().filter(|id| committed(id, hash)).copied());
        }
    }
    continued
}
