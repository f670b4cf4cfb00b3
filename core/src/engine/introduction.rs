//! How a device that a peer does not know yet shows what entitles it: a friend's new phone, or somebody whom a
//! friend invited while this device slept.

use std::collections::BTreeSet;

use katori_acl::{DeviceId, PersonId, ResourceId, Role, Subject, UnverifiedRecord, VerifiedRecord};

use super::{Engine, Standing};
use crate::time::Timestamp;

/// Documents whose grants one introduction may hold. One is enough to be let in; the rest comes by syncing.
const MAX_INTRODUCED: usize = 16;
/// Bytes of one introduction.
pub const MAX_INTRODUCTION_BYTES: usize = 512 << 10;

impl Engine {
    /// What this device presents to one that does not know it: its person's roster, the chains of grants by which
    /// it may sync what both share, and the rosters of those who signed them.
    #[must_use]
    pub fn introduction_for(&self, peer: DeviceId) -> Vec<Vec<u8>> {
        let reads = |document: &ResourceId| {
            let access = self.registry.access(*document);
            access.is_some_and(|access| access.role_of_device(&peer) >= Some(Role::Read))
        };
        let mut shared: Vec<ResourceId> = self
            .documents
            .iter()
            .filter(|(_, state)| state.standing == Standing::Accepted)
            .map(|(document, _)| *document)
            .filter(reads)
            .collect();
        // Whoever owns something cannot be refused; then what needs the fewest words.
        shared.sort_by_key(|document| self.registry.record_ids(&Subject::Resource(*document)).len());
        shared.truncate(MAX_INTRODUCED);
        let mut rosters: BTreeSet<PersonId> = BTreeSet::from([self.me.person]);
        let mut subjects: Vec<Vec<VerifiedRecord>> = Vec::new();
        for document in shared {
            for resource in self.registry.space_of(document).into_iter().chain([document]) {
                rosters.extend(self.registry.rosters_named_by(resource));
                subjects.push(self.registry.limited_records_for(resource, self.me.person));
            }
        }
        let rosters = rosters
            .into_iter()
            .map(|person| self.registry.records(&Subject::Roster(person)).cloned().collect::<Vec<_>>());
        let mut room = MAX_INTRODUCTION_BYTES;
        let mut seen = BTreeSet::new();
        let mut records = Vec::new();
        for record in rosters.chain(subjects).flatten() {
            if seen.insert(record.id())
                && let Some(rest) = room.checked_sub(record.bytes().len())
            {
                room = rest;
                records.push(record.bytes().to_vec());
            }
        }
        records
    }

    /// Takes in what a device presents, as far as it concerns what is held here.
    pub(super) fn introduced(&mut self, now: Timestamp, peer: DeviceId, records: &[Vec<u8>]) {
        let size: usize = records.iter().map(Vec::len).sum();
        if size > MAX_INTRODUCTION_BYTES || self.blocked(&peer) {
            return;
        }
        let known = |subject: &Subject| match subject {
            Subject::Roster(_) => true,
            Subject::Resource(document) => {
                self.standing(*document) == Standing::Accepted || self.registry.kind_of(*document).is_some()
            }
        };
        let mut unknown_rosters = BTreeSet::new();
        let mut wanted = Vec::new();
        for bytes in records {
            let Ok(record) = UnverifiedRecord::decode(bytes) else { continue };
            let subject = record.subject();
            if !known(&subject) {
                continue;
            }
            if let Subject::Roster(person) = subject
                && self.registry.roster(person).is_none()
            {
                unknown_rosters.insert(person);
            }
            wanted.push(bytes.clone());
        }
        self.admit_given(now, &wanted);
        // What entitles nobody is not kept for a stranger.
        for person in unknown_rosters {
            if self.registry.resources_naming(person).is_empty() {
                self.forget_roster(person);
            }
        }
    }
}
