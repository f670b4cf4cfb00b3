//! The stored operations of one roster, and which of them are worth storing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use super::slots::{Admission, Slots};
use super::waiting::Awaited;
use super::{Refusal, Verdict};
use crate::bounds::{MAX_PREVIOUS, MAX_ROSTER_FORKS, MAX_ROSTER_LENGTH, MAX_ROSTER_LENGTH_FOR_REMOVAL};
use crate::ids::{DeviceId, PersonId, RecordId};
use crate::records::{Capacity, Member, RosterAction, RosterGenesis, RosterOperation};
use crate::roster::{Roster, StoredOperation, added, evaluate};

/// Author of an operation, and how many lie before it.
type Slot = (DeviceId, usize);

/// One roster's records. Every operation's whole past is here.
#[derive(Debug)]
pub(crate) struct RosterLog {
    id: PersonId,
    genesis: RosterGenesis,
    operations: BTreeMap<RecordId, StoredOperation>,
    slots: Slots<Slot>,
    memo: OnceLock<Arc<Roster>>,
}

impl RosterLog {
    pub(super) fn new(id: PersonId, genesis: RosterGenesis) -> Self {
        let slots = Slots::new(MAX_ROSTER_FORKS);
        Self { id, genesis, operations: BTreeMap::new(), slots, memo: OnceLock::new() }
    }

    /// The roster as it stands.
    pub(crate) fn roster(&self) -> &Arc<Roster> {
        self.memo.get_or_init(|| Arc::new(evaluate(self.id, &self.genesis, &self.operations, self.heads())))
    }

    /// Takes in an operation if it is worth storing. Says which others had to go for it.
    pub(super) fn insert(
        &mut self,
        id: RecordId,
        operation: &RosterOperation,
        wanted: bool,
    ) -> Result<Vec<RecordId>, Verdict> {
        let ancestors = self.past(operation)?;
        self.judge(operation, &ancestors)?;
        let slot = (operation.by, ancestors.len());
        let evicted = match self.slots.admit(slot, id, wanted) {
            Admission::Full => return Err(Verdict::Refused(Refusal::TooMany("operations of one device"))),
            Admission::Kept => None,
            Admission::Evicts(other) => Some(other),
        };
        for parent in &operation.previous {
            self.slots.add_child(*parent);
        }
        self.operations.insert(id, StoredOperation { operation: operation.clone(), ancestors });
        let dropped = evicted.map(|evicted| self.evict(evicted)).unwrap_or_default();
        self.memo = OnceLock::new();
        Ok(dropped)
    }

    /// All that lies before an operation, the genesis included.
    fn past(&self, operation: &RosterOperation) -> Result<BTreeSet<RecordId>, Verdict> {
        let genesis = RecordId::from_bytes(*self.id.as_bytes());
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

    /// Whether, by signatures alone, an operation could ever have counted. Only its own past is asked, so the
    /// answer is the same whenever it comes.
    fn judge(&self, operation: &RosterOperation, ancestors: &BTreeSet<RecordId>) -> Result<(), Verdict> {
        let refuse = |refusal| Err(Verdict::Refused(refusal));
        let limit = match &operation.action {
            RosterAction::Add { member: Member::Device(_), .. } => MAX_ROSTER_LENGTH,
            RosterAction::Remove { member: Member::Device(device), .. } => {
                if self.capacity_in(ancestors, device).is_none() {
                    return refuse(Refusal::NotAMember(*device));
                }
                MAX_ROSTER_LENGTH_FOR_REMOVAL
            }
            RosterAction::Add { member: Member::Person(_), .. }
            | RosterAction::Remove { member: Member::Person(_), .. } => {
                return refuse(Refusal::NotYet("a person as a member of a roster"));
            }
            RosterAction::Recover { .. } => return refuse(Refusal::NotYet("recovery")),
        };
        if ancestors.len() > limit {
            return refuse(Refusal::TooMany("operations of one roster"));
        }
        if self.capacity_in(ancestors, &operation.by) != Some(Capacity::Full) {
            return refuse(Refusal::NotEntitled(operation.by));
        }
        Ok(())
    }

    /// The most that a device was added as within these operations.
    fn capacity_in(&self, operations: &BTreeSet<RecordId>, device: &DeviceId) -> Option<Capacity> {
        if *device == self.genesis.founder {
            return Some(Capacity::Full);
        }
        operations
            .iter()
            .filter_map(|id| self.operations.get(id).and_then(added))
            .filter(|(_, added, _)| added == device)
            .map(|(_, _, capacity)| capacity)
            .max()
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
                    Some(((parent.operation.by, parent.ancestors.len()), *previous))
                })
                .collect();
            queue.extend(self.slots.remove((stored.operation.by, stored.ancestors.len()), id, &parents));
            dropped.push(id);
        }
        dropped
    }

    /// The operations that none builds on.
    fn heads(&self) -> Vec<RecordId> {
        let built_on: BTreeSet<&RecordId> =
            self.operations.values().flat_map(|stored| &stored.operation.previous).collect();
        let genesis = RecordId::from_bytes(*self.id.as_bytes());
        if self.operations.is_empty() {
            return vec![genesis];
        }
        let heads = self.operations.keys().filter(|id| !built_on.contains(id));
        heads.take(MAX_PREVIOUS).copied().collect()
    }
}
