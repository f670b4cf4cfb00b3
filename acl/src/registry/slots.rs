//! Bounds that do not depend on the order of arrival.
//!
//! Each record falls into a slot (its author, and how deep it stands). A slot keeps the records of the lowest
//! ids, and any on which a kept record builds. Which ones these are is a function of the set of all records.

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::RecordId;

/// What a slot does with a new record.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// There is room.
    Kept,
    /// There is room once this other record is dropped, which nothing builds on.
    Evicts(RecordId),
    /// There is none: it has the highest id, and nothing builds on it.
    Full,
}

/// The slots of one subject.
#[derive(Debug, Clone)]
pub(super) struct Slots<K> {
    limit: usize,
    held: BTreeMap<K, BTreeSet<RecordId>>,
    children: BTreeMap<RecordId, u32>,
}

impl<K: Ord + Copy> Slots<K> {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, held: BTreeMap::new(), children: BTreeMap::new() }
    }

    /// Admits a record. `wanted` says that a waiting record builds on it.
    pub(super) fn admit(&mut self, slot: K, id: RecordId, wanted: bool) -> Admission {
        let held = self.held.entry(slot).or_default();
        held.insert(id);
        if held.len() <= self.limit {
            return Admission::Kept;
        }
        // Before this record, whatever lay beyond the limit had children; it can have pushed one more there.
        match held.iter().nth(self.limit).copied() {
            Some(beyond) if beyond == id && wanted => Admission::Kept,
            Some(beyond) if id > beyond && wanted => Admission::Kept,
            Some(beyond) if id >= beyond => {
                held.remove(&id);
                Admission::Full
            }
            Some(beyond) if !self.children.contains_key(&beyond) => Admission::Evicts(beyond),
            _ => Admission::Kept,
        }
    }

    /// Whether a kept record builds on this one.
    pub(super) fn has_children(&self, id: &RecordId) -> bool {
        self.children.contains_key(id)
    }

    /// Notes that a kept record builds on this one.
    pub(super) fn add_child(&mut self, parent: RecordId) {
        *self.children.entry(parent).or_default() += 1;
    }

    /// Takes back the note that a record builds on this one, which was not kept.
    pub(super) fn take_child(&mut self, parent: RecordId) {
        if let Some(children) = self.children.get_mut(&parent) {
            *children -= 1;
            if *children == 0 {
                self.children.remove(&parent);
            }
        }
    }

    /// Whether a record lies beyond the bound of its slot, and no kept record builds on it.
    pub(super) fn is_spare(&self, slot: K, id: RecordId) -> bool {
        let beyond = |held: &BTreeSet<RecordId>| held.range(..id).count() >= self.limit;
        !self.children.contains_key(&id) && self.held.get(&slot).is_some_and(beyond)
    }

    /// Drops a record from its slot. Returns those it built on that are to be dropped with it.
    pub(super) fn remove(&mut self, slot: K, id: RecordId, parents: &[(K, RecordId)]) -> Vec<RecordId> {
        if let Some(held) = self.held.get_mut(&slot) {
            held.remove(&id);
        }
        let mut dropped = Vec::new();
        for (slot, parent) in parents {
            self.take_child(*parent);
            if self.is_spare(*slot, *parent) {
                dropped.push(*parent);
            }
        }
        dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(byte: u8) -> RecordId {
        RecordId::from_bytes([byte; 32])
    }

    #[test]
    fn the_lowest_ids_stay_in_any_order() {
        for order in [[1, 2, 3], [3, 2, 1], [2, 3, 1], [3, 1, 2]] {
            let mut slots = Slots::new(2);
            let mut kept = BTreeSet::new();
            for byte in order {
                match slots.admit((), id(byte), false) {
                    Admission::Kept => _ = kept.insert(byte),
                    Admission::Full => {}
                    Admission::Evicts(other) => {
                        slots.remove((), other, &[]);
                        kept.retain(|kept| id(*kept) != other);
                        kept.insert(byte);
                    }
                }
            }
            assert_eq!(kept, BTreeSet::from([1, 2]), "{order:?}");
        }
    }

    #[test]
    fn what_others_build_on_stays_until_they_go() {
        let mut slots = Slots::new(1);
        assert_eq!(slots.admit(0, id(9), false), Admission::Kept);
        slots.add_child(id(9));
        assert_eq!(slots.admit(0, id(5), false), Admission::Kept);
        assert_eq!(slots.admit(0, id(7), false), Admission::Full);
        assert_eq!(slots.admit(0, id(8), true), Admission::Kept);
        assert_eq!(slots.remove(1, id(20), &[(0, id(9))]), [id(9)]);
    }

    #[test]
    fn what_is_only_wanted_is_spare_until_something_builds_on_it() {
        let mut slots = Slots::new(1);
        assert_eq!(slots.admit(0, id(1), false), Admission::Kept);
        assert_eq!(slots.admit(0, id(2), true), Admission::Kept);
        assert!(!slots.is_spare(0, id(1)));
        assert!(slots.is_spare(0, id(2)));
        slots.add_child(id(2));
        assert!(!slots.is_spare(0, id(2)));
        slots.take_child(id(2));
        assert!(slots.is_spare(0, id(2)));
    }
}
