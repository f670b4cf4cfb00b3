//! How records leave: forgotten here, or dropped because what entitled them was.

use std::collections::{BTreeMap, BTreeSet};

use super::Registry;
use super::resource::named_by;
use super::waiting::builds_on;
use crate::access::AccessClass;
use crate::ids::{RecordId, ResourceId};
use crate::records::{Record, ResourceKind, Subject, VerifiedRecord};
use crate::role::Role;

impl Registry {
    /// Drops all records of a subject. Nothing is signed; the same records can come again.
    pub fn forget(&mut self, subject: &Subject) {
        let ids = self.record_ids(subject);
        self.drop_subject(subject);
        self.waiting.forget(subject);
        if let Subject::Resource(resource) = subject {
            self.touched.forget(resource);
        }
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
                for resource in self.awake_naming(&above) {
                    self.invalidate(resource);
                }
                for class in self.classes_naming_any(&above) {
                    self.invalidate_class(&class);
                }
            }
            Subject::Resource(resource) => self.drop_resource(*resource),
        }
    }

    fn drop_resource(&mut self, resource: ResourceId) {
        self.note_rights(resource);
        self.dormant.remove(&resource);
        self.leave_indexes(resource);
        for document in self.documents.get(&resource).cloned().into_iter().flatten() {
            self.invalidate(document);
        }
        for class in self.dormant.classes_in(resource).copied().collect::<Vec<_>>() {
            self.invalidate_class(&class);
        }
    }

    /// Takes an awake resource out.
    pub(super) fn leave_indexes(&mut self, resource: ResourceId) {
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
        self.note_dropped(id, subject);
    }

    /// Drops a record that was stored beyond a bound because others built on it, if none does any more: those
    /// that waited have been judged, and are not kept.
    pub(super) fn drop_spare(&mut self, id: RecordId, queue: &mut Vec<VerifiedRecord>) {
        if self.waiting.wants(id) {
            return;
        }
        let Some(subject) = self.records.get(&id).map(VerifiedRecord::subject) else { return };
        if let Subject::Resource(resource) = subject {
            self.note_rights(resource);
        }
        let dropped = match subject {
            Subject::Roster(roster) => self.rosters.log_mut(&roster).map(|log| log.drop_spare(id)),
            Subject::Resource(resource) => self.resources.get_mut(&resource).map(|set| set.drop_spare(id)),
        };
        let dropped = dropped.unwrap_or_default();
        if !dropped.is_empty() {
            self.changed(subject, dropped, queue);
        }
    }

    fn note_dropped(&mut self, id: &RecordId, subject: &Subject) {
        if !self.changes.stored.remove(id) {
            self.changes.dropped.insert(*id, *subject);
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
            self.note_dropped(&record.id(), &record.subject());
            self.built_on.extend(builds_on(record.record()));
        }
        // The last is taken first.
        records.sort_by_key(|(place, record)| std::cmp::Reverse((*place, record.id())));
        queue.extend(records.into_iter().map(|(_, record)| record));
    }

    /// Judges again what in a resource rests on who was ever entitled: its exclusions, or its very birth.
    pub(super) fn judge_entitled_again(&mut self, resource: ResourceId, queue: &mut Vec<VerifiedRecord>) {
        if self.is_orphaned(&resource) {
            self.judge_again(&[Subject::Resource(resource)], queue);
            return;
        }
        let Some(set) = self.resources.get(&resource) else { return };
        let exclusions = set.exclusions.iter().filter(|(_, exclude)| !self.ever_admin(resource, exclude.by));
        let unentitled: Vec<RecordId> = exclusions.map(|(id, _)| *id).collect();
        self.note_rights(resource);
        for id in unentitled {
            queue.extend(self.records.get(&id).cloned());
            self.drop_record(&Subject::Resource(resource), &id);
            if let Some(set) = self.resources.get_mut(&resource) {
                set.drop_exclude(&id);
            }
        }
    }

    /// The same for the dormant documents of one class, which rest on the same.
    pub(super) fn judge_births_again(&mut self, class: &AccessClass, queue: &mut Vec<VerifiedRecord>) {
        let members: Vec<ResourceId> = self.dormant.members(class).collect();
        if members.first().is_some_and(|first| self.is_orphaned(first)) {
            let subjects: Vec<Subject> = members.into_iter().map(Subject::Resource).collect();
            self.judge_again(&subjects, queue);
        }
    }

    /// Judges again the dormant resources that are in doubt, each family as one.
    pub(super) fn judge_doubtful(&mut self, queue: &mut Vec<VerifiedRecord>) {
        for class in std::mem::take(&mut self.doubtful) {
            let families = self.dormant.families_of(class);
            let void = families.filter(|family| self.judge_genesis(family.class, family.by).is_err());
            let void: Vec<Subject> =
                void.flat_map(|family| self.dormant.members_of(family)).map(Subject::Resource).collect();
            if !void.is_empty() {
                self.judge_again(&void, queue);
            }
        }
    }

    /// Whether the owner of a document could never have written in its space.
    fn is_orphaned(&self, resource: &ResourceId) -> bool {
        let class = self.genesis_class(resource);
        class.and_then(|class| Some((class.owner, class.space?))).is_some_and(|(owner, space)| {
            let known = self.genesis_class(&space).is_some();
            known && self.ever_role(space, &self.rosters.reached_ever([owner])) < Some(Role::Write)
        })
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
