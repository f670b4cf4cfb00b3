//! The rule of access once more, as the design words it: nothing memoised, nothing incremental, everything
//! computed again at each step. Slow, and short enough to be read against the text.

use std::collections::{BTreeMap, BTreeSet};

use katori_acl::{
    Audience, Capacity, DeviceId, Grant, Issuer, Member, Parent, PersonId, Record, RecordId, ResourceId,
    Role, RosterAction, RosterOperation, Signer, VerifiedRecord,
};

/// Stored records, by nobody's order.
#[derive(Default)]
pub(crate) struct Rule {
    pub(crate) records: Vec<VerifiedRecord>,
}

type Operations<'a> = BTreeMap<RecordId, &'a RosterOperation>;

fn past(operations: &Operations<'_>, id: RecordId) -> BTreeSet<RecordId> {
    let mut past = BTreeSet::new();
    let mut open = vec![id];
    while let Some(next) = open.pop() {
        for previous in operations.get(&next).map_or(&[][..], |operation| &operation.previous) {
            if past.insert(*previous) {
                open.push(*previous);
            }
        }
    }
    // The genesis lies before everything.
    past
}

fn adds(operation: &RosterOperation) -> Option<(DeviceId, Capacity)> {
    match operation.action {
        RosterAction::Add { member: Member::Device(device), capacity, .. } => Some((device, capacity)),
        _ => None,
    }
}

fn removes(operation: &RosterOperation) -> Option<(DeviceId, &Vec<RecordId>)> {
    match &operation.action {
        RosterAction::Remove { member: Member::Device(device), keep } => Some((*device, keep)),
        _ => None,
    }
}

impl Rule {
    fn operations(&self, person: PersonId) -> (DeviceId, Operations<'_>) {
        let mut founder = None;
        let mut operations = BTreeMap::new();
        for record in &self.records {
            match record.record() {
                Record::RosterGenesis(genesis) if record.id().as_bytes() == person.as_bytes() => {
                    founder = Some(genesis.founder);
                }
                Record::RosterOperation(operation) if operation.roster == person => {
                    operations.insert(record.id(), operation);
                }
                _ => {}
            }
        }
        (founder.unwrap(), operations)
    }

    /// Operations that are void under these counted removals.
    fn void(founder: DeviceId, operations: &Operations<'_>, counted: &[RecordId]) -> BTreeSet<RecordId> {
        let mut void = BTreeSet::new();
        loop {
            let before = void.len();
            for (id, operation) in operations {
                let behind = counted.iter().any(|removal| {
                    let (device, _) = removes(operations[removal]).unwrap();
                    device == operation.by && removal != id && !past(operations, *removal).contains(id)
                });
                let entitled = operation.by == founder
                    || past(operations, *id).iter().any(|before| {
                        !void.contains(before)
                            && operations.get(before).and_then(|operation| adds(operation))
                                == Some((operation.by, Capacity::Full))
                    });
                if behind || !entitled {
                    void.insert(*id);
                }
            }
            if void.len() == before {
                return void;
            }
        }
    }

    /// The most senior operation that adds a device and is not void.
    fn rank(
        founder: DeviceId,
        operations: &Operations<'_>,
        void: &BTreeSet<RecordId>,
        device: DeviceId,
    ) -> Option<(usize, RecordId)> {
        if device == founder {
            return Some((0, RecordId::from_bytes([0; 32])));
        }
        let added = operations.iter().filter(|(id, operation)| {
            !void.contains(*id) && adds(operation).is_some_and(|(added, _)| added == device)
        });
        added.map(|(id, _)| (past(operations, *id).len(), *id)).min()
    }

    fn counted(founder: DeviceId, operations: &Operations<'_>) -> Vec<RecordId> {
        let mut counted = Vec::new();
        let mut open: BTreeSet<RecordId> = operations
            .iter()
            .filter(|(_, operation)| removes(operation).is_some())
            .map(|(id, _)| *id)
            .collect();
        loop {
            let void = Self::void(founder, operations, &counted);
            let next = open.iter().filter(|id| !void.contains(*id)).filter_map(|id| {
                let rank = Self::rank(founder, operations, &void, operations[id].by)?;
                Some((rank, past(operations, *id).len(), *id))
            });
            let Some((_, _, next)) = next.min() else { return counted };
            open.remove(&next);
            counted.push(next);
        }
    }

    /// The devices of a person.
    pub(crate) fn devices(&self, person: PersonId) -> BTreeSet<DeviceId> {
        self.members(person).into_keys().collect()
    }

    fn members(&self, person: PersonId) -> BTreeMap<DeviceId, Capacity> {
        let (founder, operations) = self.operations(person);
        let counted = Self::counted(founder, &operations);
        let void = Self::void(founder, &operations, &counted);
        let mut members = BTreeMap::from([(founder, Capacity::Full)]);
        for (_, operation) in operations.iter().filter(|(id, _)| !void.contains(*id)) {
            if let Some((device, capacity)) = adds(operation) {
                let most = members.entry(device).or_insert(capacity);
                *most = capacity.max(*most);
            }
        }
        for removal in counted {
            members.remove(&removes(operations[&removal]).unwrap().0);
        }
        members
    }

    fn speaks(&self, person: PersonId, device: DeviceId, record: RecordId) -> bool {
        let (founder, operations) = self.operations(person);
        let counted = Self::counted(founder, &operations);
        let void = Self::void(founder, &operations, &counted);
        let was_full = device == founder
            || operations.iter().any(|(id, operation)| {
                !void.contains(id) && adds(operation) == Some((device, Capacity::Full))
            });
        let kept = counted.iter().any(|removal| {
            let (removed, keep) = removes(operations[removal]).unwrap();
            was_full && removed == device && operations[removal].by != device && keep.contains(&record)
        });
        kept || self.members(person).get(&device) == Some(&Capacity::Full)
    }

    fn grant(&self, id: RecordId) -> Option<&Grant> {
        self.records.iter().find(|record| record.id() == id).and_then(|record| match record.record() {
            Record::Grant(grant) => Some(grant),
            _ => None,
        })
    }

    /// Whether a grant counts, by walking up to the genesis.
    fn is_live(&self, id: RecordId, owner: PersonId) -> bool {
        let Some(grant) = self.grant(id) else { return false };
        let (Issuer::Person(issuer), Signer::Device(by)) = (grant.issuer, grant.by) else { return false };
        let mut upstream = BTreeSet::from([Issuer::Person(owner), grant.issuer]);
        if let Audience::Person(to) = grant.to {
            upstream.insert(Issuer::Person(to));
        }
        let mut above = grant.parent;
        while let Parent::Grant(parent) = above {
            let parent = self.grant(parent).unwrap();
            upstream.insert(parent.issuer);
            above = parent.parent;
        }
        let revoked = self.records.iter().any(|record| match record.record() {
            Record::Revoke(revoke) if revoke.target == id && upstream.contains(&revoke.issuer) => {
                let Issuer::Person(issuer) = revoke.issuer else { return false };
                self.speaks(issuer, revoke.by, record.id())
            }
            _ => false,
        });
        let rests = match grant.parent {
            Parent::Genesis => issuer == owner,
            Parent::Grant(parent) => {
                let above = self.grant(parent).unwrap();
                above.to == Audience::Person(issuer)
                    && above.share
                    && grant.role <= above.role
                    && self.is_live(parent, owner)
            }
        };
        rests && !revoked && self.speaks(issuer, by, id)
    }

    /// What a person may do.
    pub(crate) fn role(&self, person: PersonId, resource: ResourceId) -> Option<Role> {
        let mut owner = None;
        for record in &self.records {
            if let Record::Genesis(genesis) = record.record() {
                owner = Some(genesis.owner);
            }
        }
        let owner = owner.unwrap();
        let deleted = self.records.iter().any(|record| match record.record() {
            Record::Tombstone(tombstone) => {
                tombstone.resource == resource && self.speaks(owner, tombstone.by, record.id())
            }
            _ => false,
        });
        if deleted {
            return None;
        }
        if person == owner {
            return Some(Role::Admin);
        }
        let granted = self.records.iter().filter(|record| {
            self.grant(record.id()).is_some_and(|grant| grant.to == Audience::Person(person))
                && self.is_live(record.id(), owner)
        });
        granted.filter_map(|record| self.grant(record.id())).map(|grant| grant.role).max()
    }
}
