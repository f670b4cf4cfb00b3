//! Places of which each of many may have so many.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Counts what each of many has open, so that one cannot take up the room for all.
#[derive(Debug)]
pub(crate) struct Tally<K: Ord>(Arc<Mutex<BTreeMap<K, usize>>>);

/// A place in a tally.
#[derive(Debug)]
pub(crate) struct TallyPlace<K: Ord> {
    key: K,
    counts: Arc<Mutex<BTreeMap<K, usize>>>,
}

impl<K: Ord> Default for Tally<K> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<K: Ord + Copy> Tally<K> {
    /// A place for one that has fewer than so many.
    pub(crate) fn enter(&self, key: K, most: usize) -> Option<TallyPlace<K>> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(key).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        Some(TallyPlace { key, counts: Arc::clone(&self.0) })
    }

    /// Whether nobody has a place.
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }
}

impl<K: Ord> Drop for TallyPlace<K> {
    fn drop(&mut self) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.key);
            }
        }
    }
}
