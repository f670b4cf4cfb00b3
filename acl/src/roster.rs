//! Who belongs to a person now: the evaluation of its roster.
//!
//! Two devices can remove each other at once, so rank decides: how many operations lie before the one that
//! added a device (ties by its id), the founder first. Removals are taken from the most senior remover down;
//! one counts unless its author is no valid member by then, or is removed by a counted one that the author had
//! not seen. What a removed device wrote into the roster without its remover having seen it is void, and so is
//! everything by devices that only void operations had added. A removed device never returns.
//!
//! The registry stores only operations whose author was, in the operation's own past, the founder or added as
//! `full`; that is taken for granted here.

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::{DeviceId, PersonId, RecordId};
use crate::records::{Capacity, Member, RosterAction, RosterGenesis, RosterKind, RosterOperation};

/// Rank of a member: operations before its `Add`, and the `Add`. The lowest is the most senior.
type Rank = (usize, RecordId);

/// One operation, and all that lies before it. The genesis is among them.
#[derive(Debug)]
pub(crate) struct StoredOperation {
    pub(crate) operation: RosterOperation,
    pub(crate) ancestors: BTreeSet<RecordId>,
}

/// A device as its roster has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RosterMember {
    /// What it is called.
    pub name: String,
    /// How much it may do.
    pub capacity: Capacity,
    /// Seniority: operations before the one that added it, and that one; lower is more senior.
    pub rank: (usize, RecordId),
    /// The public key to which things are sealed for it.
    pub sealing: Option<[u8; 32]>,
}

/// A person as the stored records have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roster {
    /// The person.
    pub id: PersonId,
    /// What it calls itself.
    pub name: String,
    /// Person or group.
    pub kind: RosterKind,
    /// Its devices now.
    pub devices: BTreeMap<DeviceId, RosterMember>,
    /// Devices that were removed, and what they had signed that goes on counting.
    pub removed: BTreeMap<DeviceId, BTreeSet<RecordId>>,
    /// Every device that some stored operation ever added, with the most it was added as.
    pub ever: BTreeMap<DeviceId, Capacity>,
    /// BLAKE3 of the recovery key.
    pub recovery: [u8; 32],
    heads: Vec<RecordId>,
}

impl Roster {
    /// Whether this device belongs to the person now.
    #[must_use]
    pub fn contains(&self, device: &DeviceId) -> bool {
        self.devices.contains_key(device)
    }

    /// Whether this device may now sign for the person.
    #[must_use]
    pub fn is_full(&self, device: &DeviceId) -> bool {
        self.devices.get(device).is_some_and(|member| member.capacity == Capacity::Full)
    }

    /// Whether this device belonged to the person by signatures alone, as if nothing had been removed.
    #[must_use]
    pub fn ever_contained(&self, device: &DeviceId) -> bool {
        self.ever.contains_key(device)
    }

    /// Whether a counted removal of this device lists this record among those that go on counting.
    #[must_use]
    pub fn kept(&self, device: &DeviceId, record: &RecordId) -> bool {
        self.removed.get(device).is_some_and(|keep| keep.contains(record))
    }

    /// Whether what this device signed in this record counts as the person's word.
    #[must_use]
    pub fn speaks_in(&self, device: &DeviceId, record: &RecordId) -> bool {
        self.is_full(device) || self.kept(device, record)
    }

    /// The operations that no other builds on: the `previous` of the next one. Where somebody signed more
    /// than fit, those of the lowest ids.
    #[must_use]
    pub fn heads(&self) -> Vec<RecordId> {
        self.heads.clone()
    }
}

/// Evaluates a roster.
pub(crate) fn evaluate(
    id: PersonId,
    genesis: &RosterGenesis,
    operations: &BTreeMap<RecordId, StoredOperation>,
    heads: Vec<RecordId>,
) -> Roster {
    let mut evaluation = Evaluation::new(genesis, operations);
    evaluation.settle_removals();
    let removed = evaluation.kept_of_removed();
    let devices = evaluation.members(genesis, id, &removed);
    let mut ever: BTreeMap<DeviceId, Capacity> = BTreeMap::from([(genesis.founder, Capacity::Full)]);
    for (_, device, capacity) in operations.values().filter_map(added) {
        let most = ever.entry(device).or_insert(capacity);
        *most = capacity.max(*most);
    }
    Roster {
        id,
        name: genesis.name.clone(),
        kind: genesis.kind,
        devices,
        removed,
        ever,
        recovery: genesis.recovery,
        heads,
    }
}

/// The name, device and capacity that an operation adds, if it adds a device.
pub(crate) fn added(stored: &StoredOperation) -> Option<(&str, DeviceId, Capacity)> {
    match &stored.operation.action {
        RosterAction::Add { member: Member::Device(device), name, capacity, .. } => {
            Some((name, *device, *capacity))
        }
        RosterAction::Add { member: Member::Person(_), .. }
        | RosterAction::Remove { .. }
        | RosterAction::Recover { .. } => None,
    }
}

/// The device that an operation removes, if it removes one.
pub(crate) fn removes(stored: &StoredOperation) -> Option<(DeviceId, &[RecordId])> {
    match &stored.operation.action {
        RosterAction::Remove { member: Member::Device(device), keep } => Some((*device, keep)),
        RosterAction::Remove { member: Member::Person(_), .. }
        | RosterAction::Add { .. }
        | RosterAction::Recover { .. } => None,
    }
}

struct Evaluation<'a> {
    founder: DeviceId,
    operations: &'a BTreeMap<RecordId, StoredOperation>,
    /// The operations of each device.
    by: BTreeMap<DeviceId, Vec<RecordId>>,
    /// The operations that added each device, most senior first.
    adds: BTreeMap<DeviceId, BTreeSet<Rank>>,
    /// The counted removals of each device.
    counted: BTreeMap<DeviceId, Vec<RecordId>>,
    void: BTreeSet<RecordId>,
}

impl<'a> Evaluation<'a> {
    fn new(genesis: &RosterGenesis, operations: &'a BTreeMap<RecordId, StoredOperation>) -> Self {
        let mut by: BTreeMap<_, Vec<_>> = BTreeMap::new();
        let mut adds: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for (id, stored) in operations {
            by.entry(stored.operation.by).or_default().push(*id);
            if let Some((_, device, _)) = added(stored) {
                adds.entry(device).or_default().insert((stored.ancestors.len(), *id));
            }
        }
        let counted = BTreeMap::new();
        Self { founder: genesis.founder, operations, by, adds, counted, void: BTreeSet::new() }
    }

    /// Counts removals from the most senior remover down.
    fn settle_removals(&mut self) {
        let removals = self.operations.iter().filter(|(_, stored)| removes(stored).is_some());
        let mut queue: BTreeSet<(Rank, RecordId)> =
            removals.filter_map(|(id, stored)| Some((self.rank(&stored.operation.by)?, *id))).collect();
        while let Some((rank, id)) = queue.pop_first() {
            let Some(stored) = self.operations.get(&id) else { continue };
            // A void `Add` gives no seniority, and which ones are void may have changed since. Ranks only
            // get worse, so a removal comes back at most once for each `Add` of its author.
            match self.rank(&stored.operation.by) {
                Some(now) if now == rank => {}
                Some(now) => {
                    queue.insert((now, id));
                    continue;
                }
                None => continue,
            }
            if !self.void.contains(&id) {
                self.count(id, stored);
            }
        }
    }

    fn count(&mut self, id: RecordId, stored: &StoredOperation) {
        let Some((device, _)) = removes(stored) else { return };
        self.counted.entry(device).or_default().push(id);
        let mut suspects: Vec<RecordId> = self
            .by
            .get(&device)
            .into_iter()
            .flatten()
            .filter(|own| **own != id && !stored.ancestors.contains(*own))
            .copied()
            .collect();
        while let Some(suspect) = suspects.pop() {
            if !self.void.insert(suspect) {
                continue;
            }
            let Some((_, orphan, _)) = self.operations.get(&suspect).and_then(added) else { continue };
            let own = self.by.get(&orphan).into_iter().flatten();
            suspects.extend(own.filter(|own| !self.void.contains(*own) && !self.was_member(&orphan, own)));
        }
    }

    /// Whether, in the past of its own operation, a device was the founder or added as full by an operation
    /// that is not void.
    fn was_member(&self, device: &DeviceId, operation: &RecordId) -> bool {
        if *device == self.founder {
            return true;
        }
        let Some(stored) = self.operations.get(operation) else { return false };
        self.valid_adds(device).any(|(_, add)| {
            stored.ancestors.contains(&add)
                && self
                    .operations
                    .get(&add)
                    .and_then(added)
                    .is_some_and(|(_, _, capacity)| capacity == Capacity::Full)
        })
    }

    fn valid_adds(&self, device: &DeviceId) -> impl Iterator<Item = Rank> {
        let adds = self.adds.get(device).into_iter().flatten();
        adds.filter(|(_, add)| !self.void.contains(add)).copied()
    }

    fn rank(&self, device: &DeviceId) -> Option<Rank> {
        if *device == self.founder {
            return Some((0, RecordId::from_bytes([0; 32])));
        }
        self.valid_adds(device).next()
    }

    fn kept_of_removed(&self) -> BTreeMap<DeviceId, BTreeSet<RecordId>> {
        let keep_of = |id: &RecordId| self.operations.get(id).and_then(removes).map(|(_, keep)| keep);
        self.counted
            .iter()
            .map(|(device, removals)| {
                (*device, removals.iter().filter_map(keep_of).flatten().copied().collect())
            })
            .collect()
    }

    fn members(
        &self,
        genesis: &RosterGenesis,
        id: PersonId,
        removed: &BTreeMap<DeviceId, BTreeSet<RecordId>>,
    ) -> BTreeMap<DeviceId, RosterMember> {
        let founder = RosterMember {
            name: genesis.founder_name.clone(),
            capacity: Capacity::Full,
            rank: (0, RecordId::from_bytes(*id.as_bytes())),
            sealing: genesis.sealing,
        };
        let mut members = BTreeMap::from([(self.founder, founder)]);
        for device in self.adds.keys() {
            let Some(rank) = self.valid_adds(device).next() else { continue };
            let action = self.operations.get(&rank.1).map(|stored| &stored.operation.action);
            if let Some(RosterAction::Add { name, capacity, sealing, .. }) = action {
                members.entry(*device).or_insert_with(|| RosterMember {
                    name: name.clone(),
                    capacity: *capacity,
                    rank,
                    sealing: *sealing,
                });
            }
        }
        members.retain(|device, _| !removed.contains_key(device));
        members
    }
}
