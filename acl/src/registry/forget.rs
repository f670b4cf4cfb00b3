//! How records leave: forgotten here, or dropped because what entitled them was.

use std::collections::{BTreeMap, BTreeSet};

use super::Registry;
use super::resource::named_by;
use super::waiting::builds_on;
use crate::ids::{RecordId, ResourceId};
use crate::records::{Record, ResourceKind, Subject, VerifiedRecord};
use crate::role::Role;

impl Registry {
    /// Drops all records of a subject. Nothing is signed; the same records can come again.
    pub fn forget(&mut self, subject: &Subject) {
        let ids = self.record_ids(subject);
        self.drop_subject(subject);
        self.waiting.forget(subject);
        for id in ids {
            self.changes.stored.remove(&id);
            self.changes.dropped.remove(&id);
        }
    }

    fn drop_subject(&mut self, subject: &Subject) {
        for id in self.subjects.remove(subject).unwrap_or_default() {
            self.records.remove(&id);
        }
        match subject {
            Subject::Roster(roster) => {
                let above = self.rosters.above_ever(*roster);
                self.rosters.remove(roster);
                for resource in self.resources_naming_any(&above) {
                    if let Some(set) = self.resources.get_mut(&resource) {
                        set.invalidate();
                    }
                }
            }
            Subject::Resource(resource) => self.drop_resource(*resource),
        }
    }

    fn drop_resource(&mut self, resource: ResourceId) {
        let Some(set) = self.resources.remove(&resource) else { return };
        for roster in set.named() {
            without(&mut self.naming, &roster, &resource);
        }
        if let Some(space) = set.genesis.space {
            without(&mut self.documents, &space, &resource);
        }
        if set.genesis.kind == ResourceKind::Shelf {
            without(&mut self.shelves, &set.genesis.owner, &resource);
        }
        for document in self.documents.get(&resource).into_iter().flatten() {
            if let Some(set) = self.resources.get_mut(document) {
                set.invalidate();
            }
        }
    }

    /// Drops one record that a bound left no room for.
    pub(super) fn drop_record(&mut self, subject: &Subject, id: &RecordId) {
        let record = self.records.remove(id);
        if let Some(ids) = self.subjects.get_mut(subject) {
            ids.remove(id);
        }
        if let (Subject::Resource(resource), Some(record)) = (subject, record) {
            let set = self.resources.get(resource);
            for roster in named_by(record.record()) {
                if set.is_none_or(|set| !set.names(&roster)) {
                    without(&mut self.naming, &roster, resource);
                }
            }
        }
        self.note_dropped(id);
    }

    /// Drops a record that was stored beyond a bound because others built on it, if none does any more: those
    /// that waited have been judged, and are not kept.
    pub(super) fn drop_spare(&mut self, id: RecordId, queue: &mut Vec<VerifiedRecord>) {
        if self.waiting.wants(id) {
            return;
        }
        let Some(subject) = self.records.get(&id).map(VerifiedRecord::subject) else { return };
        let dropped = match subject {
            Subject::Roster(roster) => self.rosters.log_mut(&roster).map(|log| log.drop_spare(id)),
            Subject::Resource(resource) => self.resources.get_mut(&resource).map(|set| set.drop_spare(id)),
        };
        let dropped = dropped.unwrap_or_default();
        if !dropped.is_empty() {
            self.changed(subject, dropped, queue);
        }
    }

    fn note_dropped(&mut self, id: &RecordId) {
        if !self.changes.stored.remove(id) {
            self.changes.dropped.insert(*id);
        }
    }

    /// Takes out whole subjects and queues their records, so that those of a kind on which others rest are
    /// judged before them.
    pub(super) fn judge_again(&mut self, subjects: &[Subject], queue: &mut Vec<VerifiedRecord>) {
        let mut records: Vec<(Place, VerifiedRecord)> = Vec::new();
        for subject in subjects {
            records.extend(self.records(subject).map(|record| (self.place_of(record), record.clone())));
        }
        for subject in subjects {
            self.drop_subject(subject);
        }
        for (_, record) in &records {
            self.note_dropped(&record.id());
            self.built_on.extend(builds_on(record.record()));
        }
        // The last is taken first.
        records.sort_by_key(|(place, record)| std::cmp::Reverse((*place, record.id())));
        queue.extend(records.into_iter().map(|(_, record)| record));
    }

    /// Judges again what in a resource rests on who was ever entitled: its exclusions, or its very birth.
    pub(super) fn judge_entitled_again(&mut self, resource: ResourceId, queue: &mut Vec<VerifiedRecord>) {
        let Some(set) = self.resources.get(&resource) else { return };
        let orphaned = set.genesis.space.is_some_and(|space| {
            let space = self.resources.get(&space);
            let who = self.rosters.reached_ever([set.genesis.owner]);
            space.is_some_and(|space| self.ever_role(space, &who) < Some(Role::Write))
        });
        if orphaned {
            self.judge_again(&[Subject::Resource(resource)], queue);
            return;
        }
        let exclusions = set.exclusions.iter().filter(|(_, exclude)| !self.ever_admin(set, exclude.by));
        let unentitled: Vec<RecordId> = exclusions.map(|(id, _)| *id).collect();
        for id in unentitled {
            queue.extend(self.records.get(&id).cloned());
            self.drop_record(&Subject::Resource(resource), &id);
            if let Some(set) = self.resources.get_mut(&resource) {
                set.drop_exclude(&id);
            }
        }
    }

    fn place_of(&self, record: &VerifiedRecord) -> Place {
        let (kind, depth) = match record.record() {
            Record::RosterGenesis(_) => (0, 0),
            Record::RosterOperation(operation) => {
                let stored = self.rosters.log(&operation.roster);
                let stored = stored.and_then(|log| log.operations().get(&record.id()));
                (1, stored.map_or(0, |stored| stored.ancestors.len()))
            }
            Record::Genesis(genesis) => (2, usize::from(genesis.space.is_some())),
            Record::Grant(grant) => {
                let set = self.resources.get(&grant.resource);
                let stored = set.and_then(|set| set.grants.get(&record.id()));
                (3, stored.map_or(0, |stored| stored.depth.into()))
            }
            Record::Revoke(_) | Record::Tombstone(_) | Record::Exclude(_) | Record::Keys(_) => (4, 0),
        };
        Place { kind, depth }
    }
}

/// Where a record stands among those that are judged again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    kind: u8,
    depth: usize,
}

/// Takes one resource out of an index, and the entry with the last.
fn without<K: Ord>(index: &mut BTreeMap<K, BTreeSet<ResourceId>>, key: &K, resource: &ResourceId) {
    if let Some(resources) = index.get_mut(key) {
        resources.remove(resource);
        if resources.is_empty() {
            index.remove(key);
        }
    }
}
