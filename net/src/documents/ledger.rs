//! Which documents are in memory, who uses each, and what they cost together: a pure book, kept by
//! [`Table`](super::table::Table).
//!
//! A document is held by apps or by work on it, and stays as long as it is. What nobody holds stays as long as there
//! is room, the least recently used goes first, and not for long when all is quiet.

use std::collections::BTreeMap;

use katori_acl::ResourceId;
use tokio::time::Instant;

/// Who holds a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum User {
    /// An app has it open, for as long as it likes.
    App,
    /// It is being worked on, or what came of that is on its way to the disk: this ends by itself.
    Task,
}

/// One entry, so that a document that was let go and loaded again is not taken for the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entered {
    pub(super) id: ResourceId,
    serial: u64,
}

#[derive(Debug)]
struct Entry<T> {
    serial: u64,
    value: T,
    cost: u64,
    apps: usize,
    tasks: usize,
    /// It has in memory what is nowhere else, or somebody wants to hear what happens to it.
    stays: bool,
    /// Its place among those that nobody uses, and since when nobody does.
    unused: Option<(u64, Instant)>,
}

impl<T> Entry<T> {
    fn is_pinned(&self) -> bool {
        self.apps > 0 || self.stays
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Ledger<T> {
    entries: BTreeMap<ResourceId, Entry<T>>,
    unused: BTreeMap<u64, ResourceId>,
    budget: u64,
    /// What all cost, and what those cost that stay whatever work comes to its end.
    bytes: u64,
    pinned: u64,
    /// What those cost that nobody uses.
    idle: u64,
    serials: u64,
}

impl<T: Clone> Ledger<T> {
    pub(super) fn new(budget: u64) -> Self {
        let (entries, unused) = (BTreeMap::new(), BTreeMap::new());
        Self { entries, unused, budget, bytes: 0, pinned: 0, idle: 0, serials: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn budget(&self) -> u64 {
        self.budget
    }

    pub(super) fn set_budget(&mut self, budget: u64) {
        self.budget = budget;
    }

    pub(super) fn get(&self, id: &ResourceId) -> Option<&T> {
        self.entries.get(id).map(|entry| &entry.value)
    }

    pub(super) fn is_held_by_app(&self, id: &ResourceId) -> bool {
        self.entries.get(id).is_some_and(|entry| entry.apps > 0)
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &T> {
        self.entries.values().map(|entry| &entry.value)
    }

    /// Whether a document of this cost fits when everything goes that nobody uses.
    pub(super) fn fits(&self, cost: u64) -> bool {
        (self.bytes - self.idle).saturating_add(cost) <= self.budget
    }

    /// Whether it would fit if besides that all work came to its end.
    pub(super) fn may_ever_fit(&self, cost: u64) -> bool {
        self.pinned.saturating_add(cost) <= self.budget
    }

    /// Counts somebody who holds a document, which is entered with this cost if it is new.
    pub(super) fn hold(
        &mut self,
        id: ResourceId,
        user: User,
        cost: u64,
        new: impl FnOnce() -> T,
    ) -> (Entered, T) {
        let mut entry = self.take(id).unwrap_or_else(|| {
            self.serials += 1;
            Entry { serial: self.serials, value: new(), cost, apps: 0, tasks: 0, stays: false, unused: None }
        });
        entry.unused = None;
        match user {
            User::App => entry.apps += 1,
            User::Task => entry.tasks += 1,
        }
        let held = (Entered { id, serial: entry.serial }, entry.value.clone());
        self.put(id, entry);
        held
    }

    /// Counts one less, and says what it costs now; nothing if it was never loaded.
    pub(super) fn release(
        &mut self,
        entered: Entered,
        user: User,
        now: Instant,
        cost: Option<u64>,
        stays: bool,
    ) -> Option<T> {
        if self.entries.get(&entered.id)?.serial != entered.serial {
            return None;
        }
        let mut entry = self.take(entered.id)?;
        match user {
            User::App => entry.apps = entry.apps.saturating_sub(1),
            User::Task => entry.tasks = entry.tasks.saturating_sub(1),
        }
        entry.stays = stays;
        entry.cost = cost.unwrap_or(entry.cost);
        if entry.apps == 0 && entry.tasks == 0 && !stays {
            if cost.is_none() {
                // What could not be loaded takes no room.
                return Some(entry.value);
            }
            self.serials += 1;
            entry.unused = Some((self.serials, now));
        }
        self.put(entered.id, entry);
        None
    }

    pub(super) fn remove(&mut self, id: &ResourceId) -> Option<T> {
        self.take(*id).map(|entry| entry.value)
    }

    /// Lets go of what nobody uses, the least recently used first, until this much more fits.
    pub(super) fn make_room(&mut self, cost: u64) -> Vec<T> {
        let mut gone = Vec::new();
        while self.bytes.saturating_add(cost) > self.budget
            && let Some(id) = self.unused.values().next().copied()
        {
            gone.extend(self.remove(&id));
        }
        gone
    }

    /// Lets go of what nobody has used since then.
    pub(super) fn rest(&mut self, since: Instant) -> Vec<T> {
        let mut gone = Vec::new();
        while let Some(id) = self.unused.values().next().copied()
            && self.first_unused().is_some_and(|first| first <= since)
        {
            gone.extend(self.remove(&id));
        }
        gone
    }

    /// Since when the one that was not used for longest is not.
    pub(super) fn first_unused(&self) -> Option<Instant> {
        let id = self.unused.values().next()?;
        self.entries.get(id)?.unused.map(|(_, since)| since)
    }

    pub(super) fn clear(&mut self) -> Vec<T> {
        let all: Vec<ResourceId> = self.entries.keys().copied().collect();
        all.iter().filter_map(|id| self.remove(id)).collect()
    }

    fn take(&mut self, id: ResourceId) -> Option<Entry<T>> {
        let entry = self.entries.remove(&id)?;
        self.bytes -= entry.cost;
        if entry.is_pinned() {
            self.pinned -= entry.cost;
        }
        if let Some((turn, _)) = entry.unused {
            self.idle -= entry.cost;
            self.unused.remove(&turn);
        }
        Some(entry)
    }

    fn put(&mut self, id: ResourceId, entry: Entry<T>) {
        self.bytes += entry.cost;
        if entry.is_pinned() {
            self.pinned += entry.cost;
        }
        if let Some((turn, _)) = entry.unused {
            self.idle += entry.cost;
            self.unused.insert(turn, id);
        }
        self.entries.insert(id, entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(byte: u8) -> ResourceId {
        ResourceId::from_bytes([byte; 32])
    }

    fn used(ledger: &mut Ledger<u8>, byte: u8, now: Instant) {
        let (entered, value) = ledger.hold(id(byte), User::Task, 10, || byte);
        assert_eq!(value, byte);
        assert_eq!(ledger.release(entered, User::Task, now, Some(10), false), None);
    }

    #[test]
    fn the_least_recently_used_goes_first_and_what_is_held_stays() {
        let (mut ledger, now) = (Ledger::new(50), Instant::now());
        let (open, _) = ledger.hold(id(0), User::App, 10, || 0);
        for byte in 1..5 {
            used(&mut ledger, byte, now);
        }
        used(&mut ledger, 1, now);
        assert_eq!((ledger.bytes(), ledger.len()), (50, 5));
        assert!(ledger.fits(40) && !ledger.fits(41) && ledger.may_ever_fit(40));
        assert_eq!(ledger.make_room(20), [2, 3]);
        assert_eq!(ledger.make_room(100), [4, 1]);
        assert_eq!((ledger.bytes(), ledger.len()), (10, 1));
        ledger.release(open, User::App, now, Some(10), false);
        assert_eq!(ledger.make_room(50), [0]);
    }

    #[test]
    fn work_makes_room_when_it_ends_and_an_open_document_does_not() {
        let (mut ledger, now) = (Ledger::new(20), Instant::now());
        let (open, _) = ledger.hold(id(1), User::App, 10, || 1);
        let (worked, _) = ledger.hold(id(2), User::Task, 10, || 2);
        assert!(!ledger.fits(10) && ledger.may_ever_fit(10) && !ledger.may_ever_fit(11));
        // It has grown, and somebody watches it.
        ledger.release(worked, User::Task, now, Some(30), true);
        assert_eq!((ledger.bytes(), ledger.make_room(10)), (40, vec![]));
        assert!(!ledger.may_ever_fit(1));
        ledger.release(open, User::App, now, Some(10), false);
        assert_eq!(ledger.make_room(10), [1]);
    }

    #[test]
    fn what_was_let_go_and_comes_back_is_another() {
        let (mut ledger, now) = (Ledger::new(50), Instant::now());
        let (before, _) = ledger.hold(id(1), User::App, 10, || 1);
        assert_eq!(ledger.remove(&id(1)), Some(1));
        let (_, value) = ledger.hold(id(1), User::App, 10, || 2);
        ledger.release(before, User::App, now, Some(10), false);
        assert!(value == 2 && ledger.is_held_by_app(&id(1)));
    }

    #[test]
    fn what_could_not_be_loaded_takes_no_room() {
        let (mut ledger, now) = (Ledger::new(50), Instant::now());
        let (failed, _) = ledger.hold(id(1), User::Task, 10, || 1);
        assert_eq!(ledger.release(failed, User::Task, now, None, false), Some(1));
        assert_eq!((ledger.bytes(), ledger.len()), (0, 0));
    }

    #[test]
    fn in_quiet_everything_goes_in_the_end() {
        let (mut ledger, start) = (Ledger::new(50), Instant::now());
        let later = start + std::time::Duration::from_mins(1);
        used(&mut ledger, 1, start);
        used(&mut ledger, 2, later);
        assert_eq!((ledger.rest(start), ledger.first_unused()), (vec![1], Some(later)));
        assert_eq!((ledger.rest(later), ledger.first_unused()), (vec![2], None));
    }
}
