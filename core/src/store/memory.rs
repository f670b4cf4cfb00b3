//! A store in memory, for tests and the simulator, with the failures a disk has.
//!
//! A commit may be taken apart: [`MemoryStore::stage`] begins it and [`MemoryStore::finish`] makes it durable, so
//! that a simulated disk takes simulated time. [`MemoryStore::crash`] is a power cut: what was durable survives,
//! and of the commits under way as many as the caller's dice say.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::gather::Gathered;
use super::{
    Entry, MAX_SCAN_BYTES, Storage, StoreError, Table, Visit, Write, check_sizes, is_empty_range, key_bounds,
};

type Image = BTreeMap<Table, BTreeMap<Vec<u8>, Vec<u8>>>;

/// A [`Storage`] that forgets everything when it is dropped.
#[derive(Debug, Default)]
pub struct MemoryStore {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    durable: Image,
    pending: VecDeque<Vec<Write>>,
    commits_left: Option<u64>,
    full: bool,
    failed: bool,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> MemoryStore {
        MemoryStore::default()
    }

    /// Lets `commits` more commits pass; the disk fails at the one after.
    pub fn fail_after(&self, commits: u64) {
        self.state().commits_left = Some(commits);
    }

    /// Makes every later commit find the disk full.
    pub fn full(&self) {
        self.state().full = true;
    }

    /// Begins a commit: checked, in order, but neither durable nor visible yet.
    ///
    /// # Errors
    /// Those of [`Storage::commit`].
    pub fn stage(&self, writes: &[Write]) -> Result<(), StoreError> {
        check_sizes(writes)?;
        let mut state = self.state();
        state.admit_commit()?;
        state.pending.push_back(writes.to_vec());
        Ok(())
    }

    /// Makes the oldest commit under way durable; false when there is none.
    pub fn finish(&self) -> bool {
        self.state().finish_oldest()
    }

    /// How many commits are under way.
    #[must_use]
    pub fn staged(&self) -> usize {
        self.state().pending.len()
    }

    /// What a power cut leaves: the durable image, and the first `in_doubt` of the commits under way.
    #[must_use]
    pub fn crash(self, in_doubt: usize) -> MemoryStore {
        let mut state = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        for _ in 0..in_doubt {
            if !state.finish_oldest() {
                break;
            }
        }
        MemoryStore { state: Mutex::new(State { durable: state.durable, ..State::default() }) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock with the image half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn admit_commit(&mut self) -> Result<(), StoreError> {
        if self.failed {
            return Err(StoreError::Failed);
        }
        if self.full {
            self.failed = true;
            return Err(StoreError::DiskFull);
        }
        match &mut self.commits_left {
            Some(0) => {
                self.failed = true;
                Err(StoreError::Io(io::Error::other("the simulated disk failed")))
            }
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn finish_oldest(&mut self) -> bool {
        let Some(writes) = self.pending.pop_front() else {
            return false;
        };
        for write in writes {
            let entries = self.durable.entry(write.table()).or_default();
            match write {
                Write::Put { key, value, .. } => {
                    entries.insert(key, value);
                }
                Write::Delete { key, .. } => {
                    entries.remove(&key);
                }
                Write::DeletePrefix { prefix, .. } => entries.retain(|key, _| !key.starts_with(&prefix)),
            }
        }
        true
    }

    fn gather(
        &self,
        table: Table,
        prefix: &[u8],
        after: Option<&[u8]>,
        add: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) {
        let bounds = key_bounds(prefix, after);
        if is_empty_range(&bounds) {
            return;
        }
        for (key, value) in
            self.durable.get(&table).into_iter().flat_map(|entries| entries.range(bounds.clone()))
        {
            if !add(key, value) {
                break;
            }
        }
    }
}

impl Storage for MemoryStore {
    fn commit(&self, writes: &[Write]) -> Result<(), StoreError> {
        self.stage(writes)?;
        while self.finish() {}
        Ok(())
    }

    fn visit(&self, table: Table, take: &mut Visit<'_>) -> Result<(), StoreError> {
        self.state().gather(table, &[], None, &mut |key, value| take(key, value).is_continue());
        Ok(())
    }

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.state().durable.get(&table).and_then(|entries| entries.get(key)).cloned())
    }

    fn scan(&self, table: Table, prefix: &[u8]) -> Result<Vec<Entry>, StoreError> {
        let mut found = Gathered::up_to(MAX_SCAN_BYTES);
        self.state().gather(table, prefix, None, &mut |key, value| found.add(key, value));
        found.everything()
    }

    fn scan_keys(&self, table: Table, prefix: &[u8]) -> Result<Vec<Vec<u8>>, StoreError> {
        let mut found = Gathered::up_to(MAX_SCAN_BYTES);
        self.state().gather(table, prefix, None, &mut |key, _| found.add(key, &[]));
        Ok(found.everything()?.into_iter().map(|(key, _)| key).collect())
    }

    fn page(
        &self,
        table: Table,
        prefix: &[u8],
        after: Option<&[u8]>,
        max_bytes: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        let mut found = Gathered::up_to(max_bytes);
        self.state().gather(table, prefix, after, &mut |key, value| found.add(key, value));
        Ok(found.page())
    }
}
