//! Many entries in order of their keys, close together, in pages that a clone shares until it changes them.
//!
//! A tree of single entries has a few hundred bytes for each that stands alone; this has none, and a clone of a
//! hundred thousand entries copies as many words as there are pages.

use std::sync::Arc;

/// Entries on one page. A change moves, or after a clone copies, one page; a question looks at its first entry or
/// halves it.
const PAGE: usize = 128;

/// By how much a page grows at once, so that little of it is empty.
const STEP: usize = 16;

/// What has a key to stand under.
pub(super) trait Keyed {
    type Key: Ord;

    fn key(&self) -> &Self::Key;
}

/// The entries, each key once. No page is empty.
#[derive(Debug, Clone)]
pub(super) struct Pages<T>(Vec<Arc<Vec<T>>>);

impl<T> Default for Pages<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Keyed + Clone> Pages<T> {
    /// The page on which a key stands, or would, and where.
    fn place(&self, key: &T::Key) -> (usize, Result<usize, usize>) {
        // What comes in order stands after everything.
        if let Some(page) = self.0.last()
            && page.last().is_some_and(|last| last.key() < key)
        {
            return (self.0.len() - 1, Err(page.len()));
        }
        let after = self.0.partition_point(|page| page.first().is_some_and(|first| first.key() <= key));
        let at = after.saturating_sub(1);
        let within =
            self.0.get(at).map_or(Err(0), |page| page.binary_search_by(|entry| entry.key().cmp(key)));
        (at, within)
    }

    pub(super) fn get(&self, key: &T::Key) -> Option<&T> {
        let (page, within) = self.place(key);
        self.0.get(page)?.get(within.ok()?)
    }

    /// Enters this under its key, in place of what stood there.
    pub(super) fn insert(&mut self, entry: T) {
        let (at, within) = self.place(entry.key());
        let Some(page) = self.0.get_mut(at).map(Arc::make_mut) else {
            self.0.push(Arc::new(vec![entry]));
            return;
        };
        match within {
            Ok(within) => {
                if let Some(known) = page.get_mut(within) {
                    *known = entry;
                }
            }
            Err(within) if page.len() < PAGE => {
                if page.len() == page.capacity() {
                    page.reserve_exact(STEP);
                }
                page.insert(within, entry);
            }
            // What comes in order leaves full pages behind, and the next will be full as well.
            Err(within) if within == page.len() => {
                let last = at + 1 == self.0.len();
                let mut next = Vec::with_capacity(if last { PAGE } else { STEP });
                next.push(entry);
                self.0.insert(at + 1, Arc::new(next));
            }
            Err(within) => {
                let mut rest = page.split_off(PAGE / 2);
                page.shrink_to(PAGE / 2 + STEP);
                match within.checked_sub(PAGE / 2) {
                    Some(within) => rest.insert(within, entry),
                    None => page.insert(within, entry),
                }
                self.0.insert(at + 1, Arc::new(rest));
            }
        }
    }

    pub(super) fn remove(&mut self, key: &T::Key) -> Option<T> {
        let (at, within) = self.place(key);
        let within = within.ok()?;
        let page = Arc::make_mut(self.0.get_mut(at)?);
        let removed = page.remove(within);
        if page.is_empty() {
            self.0.remove(at);
        }
        Some(removed)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter().flat_map(|page| page.iter())
    }

    /// Those from a key on, which need not be there.
    pub(super) fn from<'a>(&'a self, key: &T::Key) -> impl Iterator<Item = &'a T> + use<'a, T> {
        let (page, Ok(within) | Err(within)) = self.place(key);
        let first = self.0.get(page).and_then(|page| page.get(within..)).unwrap_or_default();
        first.iter().chain(self.0.iter().skip(page + 1).flat_map(|page| page.iter()))
    }

    /// Changes those entries that are chosen. Pages without one stay as they are.
    pub(super) fn change(&mut self, chosen: impl Fn(&T) -> bool, mut change: impl FnMut(&mut T)) {
        for page in self.0.iter_mut().filter(|page| page.iter().any(&chosen)) {
            Arc::make_mut(page).iter_mut().filter(|entry| chosen(entry)).for_each(&mut change);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::ids::ResourceId;

    impl Keyed for ResourceId {
        type Key = Self;

        fn key(&self) -> &Self {
            self
        }
    }

    fn id(number: u16) -> ResourceId {
        let mut bytes = [0; 32];
        // Far from in order.
        bytes[..2].copy_from_slice(&number.wrapping_mul(40_503).to_be_bytes());
        ResourceId::from_bytes(bytes)
    }

    #[test]
    fn they_are_the_set_that_was_entered_and_not_removed() {
        let mut pages = Pages::default();
        let mut set = BTreeSet::new();
        for number in 0..3000 {
            pages.insert(id(number));
            pages.insert(id(number / 2));
            set.extend([id(number), id(number / 2)]);
            if number % 3 == 0 {
                assert_eq!(pages.remove(&id(number / 3)).is_some(), set.remove(&id(number / 3)));
            }
        }
        assert!(pages.iter().eq(&set));
        let all_from = |number| pages.from(&id(number)).eq(set.range(id(number)..));
        assert!((0..4000).step_by(7).all(all_from));
        assert!((0..4000).all(|number| pages.get(&id(number)).is_some() == set.contains(&id(number))));
        let mut in_order = Pages::default();
        for id in &set {
            in_order.insert(*id);
        }
        assert!(in_order.iter().eq(&set));
        assert_eq!(in_order.0.len(), set.len().div_ceil(PAGE), "what comes in order fills its pages");
        for one in &set {
            assert_eq!(pages.remove(one), Some(*one));
        }
        assert!(pages.is_empty());
    }

    #[test]
    fn a_clone_shares_what_neither_changes() {
        let mut pages = Pages::default();
        for number in 0..4 * PAGE {
            let mut bytes = [0; 32];
            bytes[..4].copy_from_slice(&u32::try_from(number).unwrap_or_default().to_be_bytes());
            pages.insert(ResourceId::from_bytes(bytes));
        }
        let clone = pages.clone();
        let first = *pages.iter().next().unwrap();
        pages.remove(&first);
        let shared = pages.0.iter().zip(&clone.0).filter(|(one, other)| Arc::ptr_eq(one, other));
        assert_eq!(shared.count(), 3);
        assert_eq!(clone.get(&first), Some(&first));
        assert_eq!(pages.get(&first), None);
    }
}
