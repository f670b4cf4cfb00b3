//! The stored records themselves.

use super::Registry;
use crate::ids::{PersonId, RecordId, ResourceId};
use crate::records::{Subject, VerifiedRecord};

impl Registry {
    /// Whether a record is stored.
    #[must_use]
    pub fn contains(&self, id: &RecordId) -> bool {
        self.records.contains_key(id) || self.dormant.contains(&begun_by(id))
    }

    /// A stored record.
    #[must_use]
    pub fn record(&self, id: &RecordId) -> Option<&VerifiedRecord> {
        self.records.get(id).or_else(|| self.dormant.record(&begun_by(id)))
    }

    /// The ids of all stored records of a subject, ascending.
    #[must_use]
    pub fn record_ids(&self, subject: &Subject) -> Vec<RecordId> {
        self.ids_of(subject).collect()
    }

    /// All stored records of a subject, by ascending id.
    pub fn records(&self, subject: &Subject) -> impl Iterator<Item = &VerifiedRecord> {
        self.ids_of(subject).filter_map(|id| self.record(&id))
    }

    /// Whether anything of a subject is stored.
    #[must_use]
    pub fn knows(&self, subject: &Subject) -> bool {
        self.is_dormant(subject) || self.subjects.get(subject).is_some_and(|ids| !ids.is_empty())
    }

    /// BLAKE3 over the ids of all stored records of a subject: equal exactly if the sets are.
    #[must_use]
    pub fn digest(&self, subject: &Subject) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        for id in self.ids_of(subject) {
            hasher.update(id.as_bytes());
        }
        *hasher.finalize().as_bytes()
    }

    fn ids_of(&self, subject: &Subject) -> impl Iterator<Item = RecordId> + use<'_> {
        let dormant = self.is_dormant(subject).then(|| subject.genesis());
        self.subjects.get(subject).into_iter().flatten().copied().chain(dormant)
    }

    /// All subjects of which something is stored, in order.
    pub fn subjects(&self) -> impl Iterator<Item = Subject> {
        let mut awake = self.subjects.keys().copied().peekable();
        let mut dormant = self.dormant.ids().map(Subject::Resource).peekable();
        std::iter::from_fn(move || match (awake.peek(), dormant.peek()) {
            (Some(one), Some(other)) if one < other => awake.next(),
            (_, Some(_)) => dormant.next(),
            (_, None) => awake.next(),
        })
    }

    /// The documents, spaces and shelves of which more may be stored than their genesis, in order: a few of many.
    pub fn beyond_genesis(&self) -> impl Iterator<Item = ResourceId> {
        self.resources.keys().copied()
    }

    /// The persons and groups of which something is stored, in order.
    pub fn known_rosters(&self) -> impl Iterator<Item = PersonId> {
        self.subjects.keys().map_while(|subject| match subject {
            Subject::Roster(roster) => Some(*roster),
            Subject::Resource(_) => None,
        })
    }
}

/// The resource that this record would be the genesis of.
fn begun_by(id: &RecordId) -> ResourceId {
    ResourceId::from_bytes(*id.as_bytes())
}
