//! Collecting what a read returns, under a bound in bytes.

use super::{Entry, StoreError};

/// Entries gathered so far, and their size.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    entries: Vec<Entry>,
    bytes: usize,
    limit: usize,
    is_full: bool,
}

impl Gathered {
    pub(super) fn up_to(limit: usize) -> Gathered {
        Gathered { entries: Vec::new(), bytes: 0, limit, is_full: false }
    }

    /// Adds an entry if it is the first or still fits; false means there is no room for more.
    pub(super) fn add(&mut self, key: &[u8], value: &[u8]) -> bool {
        let bytes = self.bytes.saturating_add(key.len()).saturating_add(value.len());
        self.is_full = bytes > self.limit;
        if !self.is_full || self.entries.is_empty() {
            self.entries.push((key.to_vec(), value.to_vec()));
            self.bytes = bytes;
        }
        !self.is_full
    }

    /// What fitted.
    pub(super) fn page(self) -> Vec<Entry> {
        self.entries
    }

    /// Everything, or the report that it did not fit.
    pub(super) fn everything(self) -> Result<Vec<Entry>, StoreError> {
        if self.is_full { Err(StoreError::ScanTooLarge { limit: self.limit }) } else { Ok(self.entries) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stops_at_the_bound_but_never_before_the_first() {
        let mut found = Gathered::up_to(4);
        assert!(found.add(b"a", b"1"));
        assert!(found.add(b"b", b"2"));
        assert!(!found.add(b"c", b"3"));
        assert_eq!(found.page().len(), 2);

        let mut found = Gathered::up_to(4);
        assert!(!found.add(b"large", b"entry"));
        assert!(matches!(found.everything(), Err(StoreError::ScanTooLarge { limit: 4 })));

        let mut found = Gathered::up_to(4);
        assert!(!found.add(b"large", b"entry"));
        assert_eq!(found.page().len(), 1);
    }
}
