//! Two views of one storage, so that a store can be looked at without being touched.
//!
//! [`Shared`] passes everything on. [`Overlay`] passes on reads alone and keeps writes in memory: a database
//! opened over it may repair itself as it likes while the file stays as it is. That is how a file is examined
//! before it is opened, and how reading goes on after the disk refused a write.

use std::collections::BTreeMap;
use std::io;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::{BackendError, StorageBackend};

/// How an overlay divides the storage; the page size of redb, so that most writes are whole pages.
const PAGE_BYTES: usize = 4096;

/// Most pages an overlay holds (256 MiB). A repair writes its allocator tables, far less than this.
const MAX_PAGES: usize = 65_536;

/// A storage that several databases use one after another.
#[derive(Debug, Clone)]
pub(super) struct Shared(Arc<dyn StorageBackend>);

impl Shared {
    pub(super) fn new(backend: impl StorageBackend) -> Shared {
        Shared(Arc::new(backend))
    }

    /// A view of it as it is now, whose writes stay in memory.
    pub(super) fn overlay(&self) -> io::Result<Overlay> {
        let length = self.0.len()?;
        Ok(Overlay {
            below: self.clone(),
            layer: Mutex::new(Layer { length, visible_below: length, pages: BTreeMap::new() }),
        })
    }
}

/// Where redb notes that a file has to be repaired, and by which bit: the byte after its magic number.
const REPAIR_BYTE: usize = 9;
const REPAIR_BIT: u8 = 2;

impl Overlay {
    /// The same view of a database that says of itself that it has to be repaired: what it notes beside its trees is
    /// not believed then, but found out anew.
    pub(super) fn needing_repair(self) -> io::Result<Overlay> {
        let mut byte = [0];
        self.read(REPAIR_BYTE as u64, &mut byte)?;
        self.write(REPAIR_BYTE as u64, &byte.map(|byte| byte | REPAIR_BIT))?;
        Ok(self)
    }
}

/// A storage whose writes stay in memory.
#[derive(Debug)]
pub(super) struct Overlay {
    below: Shared,
    layer: Mutex<Layer>,
}

#[derive(Debug)]
struct Layer {
    length: u64,
    /// Where the storage below ends for this view: less than its length once the view was cut shorter.
    visible_below: u64,
    pages: BTreeMap<u64, Vec<u8>>,
}

/// The part of one page that a read or write touches.
struct Span {
    page: u64,
    start: usize,
    length: usize,
}

fn spans(offset: u64, length: usize) -> impl Iterator<Item = Span> {
    let mut at = offset;
    let mut left = length;
    std::iter::from_fn(move || {
        if left == 0 {
            return None;
        }
        let start = usize::try_from(at % PAGE_BYTES as u64).unwrap_or(0);
        let length = left.min(PAGE_BYTES - start);
        let span = Span { page: at / PAGE_BYTES as u64, start, length };
        at += length as u64;
        left -= length;
        Some(span)
    })
}

impl Layer {
    /// The bytes of a page as the storage below has them, zeros where it ends.
    fn page_below(&self, below: &dyn StorageBackend, page: u64) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; PAGE_BYTES];
        let offset = page.saturating_mul(PAGE_BYTES as u64);
        let there = self.visible_below.saturating_sub(offset).min(PAGE_BYTES as u64);
        let there = usize::try_from(there).unwrap_or(0);
        if let Some(part) = bytes.get_mut(..there)
            && !part.is_empty()
        {
            below.read(offset, part)?;
        }
        Ok(bytes)
    }

    fn set_length(&mut self, length: u64) {
        if length < self.length {
            self.visible_below = self.visible_below.min(length);
            self.pages.split_off(&length.div_ceil(PAGE_BYTES as u64));
            let kept = usize::try_from(length % PAGE_BYTES as u64).unwrap_or(0);
            if let Some(last) = self.pages.get_mut(&(length / PAGE_BYTES as u64)) {
                last.iter_mut().skip(kept).for_each(|byte| *byte = 0);
            }
        }
        self.length = length;
    }
}

fn out_of_range() -> io::Error {
    io::Error::from(io::ErrorKind::UnexpectedEof)
}

impl Overlay {
    fn layer(&self) -> MutexGuard<'_, Layer> {
        self.layer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StorageBackend for Overlay {
    fn len(&self) -> io::Result<u64> {
        Ok(self.layer().length)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let layer = self.layer();
        if offset.saturating_add(out.len() as u64) > layer.length {
            return Err(out_of_range());
        }
        if layer.pages.is_empty() && offset.saturating_add(out.len() as u64) <= layer.visible_below {
            return self.below.read(offset, out);
        }
        let mut rest = out;
        for span in spans(offset, rest.len()) {
            let (part, after) = rest.split_at_mut_checked(span.length).ok_or_else(out_of_range)?;
            rest = after;
            let from_below;
            let page = if let Some(page) = layer.pages.get(&span.page) {
                page
            } else {
                from_below = layer.page_below(&self.below, span.page)?;
                &from_below
            };
            let bytes = page.get(span.start..span.start + span.length).ok_or_else(out_of_range)?;
            part.copy_from_slice(bytes);
        }
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.layer().set_length(length);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut layer = self.layer();
        let mut rest = data;
        for span in spans(offset, data.len()) {
            let (part, after) = rest.split_at_checked(span.length).ok_or_else(out_of_range)?;
            rest = after;
            let mut page = match layer.pages.remove(&span.page) {
                Some(page) => page,
                None if layer.pages.len() >= MAX_PAGES => {
                    return Err(io::Error::other("a view in memory grew past its bound"));
                }
                None => layer.page_below(&self.below, span.page)?,
            };
            if let Some(target) = page.get_mut(span.start..span.start + span.length) {
                target.copy_from_slice(part);
            }
            layer.pages.insert(span.page, page);
        }
        layer.length = layer.length.max(offset.saturating_add(data.len() as u64));
        Ok(())
    }

    fn close(&self) -> io::Result<()> {
        self.below.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.below.try_lock_range(start, end)
    }

    fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.below.try_lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.below.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.below.query_lock_range(start, end)
    }
}

impl StorageBackend for Shared {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, out)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.0.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.0.try_lock_range(start, end)
    }

    fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.0.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.0.query_lock_range(start, end)
    }
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "the numbers are small")]
mod tests {
    use super::*;
    use redb::backends::InMemoryBackend;

    #[test]
    fn an_overlay_behaves_like_memory_and_leaves_what_is_below() {
        let original: Vec<u8> = (0..10_000_u32).map(|at| (at % 251) as u8).collect();
        let below = Shared::new(InMemoryBackend::new());
        below.set_len(10_000).unwrap();
        below.write(0, &original).unwrap();
        let overlay = below.overlay().unwrap();
        let mut model = original.clone();
        let mut state = 7_u64;
        let mut dice = |bound: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % bound
        };
        for round in 0..2_000_u32 {
            if dice(10) == 0 {
                let length = dice(30_000);
                overlay.set_len(length).unwrap();
                model.resize(length as usize, 0);
            } else {
                let start = dice(model.len() as u64 + 1) as usize;
                let length = dice(9_000).min((model.len() - start) as u64) as usize;
                overlay.write(start as u64, &vec![round as u8; length]).unwrap();
                model[start..start + length].fill(round as u8);
            }
            let mut found = vec![0; model.len()];
            overlay.read(0, &mut found).unwrap();
            assert!(found == model, "round {round}");
        }
        let mut found = vec![0; 10_000];
        below.read(0, &mut found).unwrap();
        assert!(found == original);
        assert!(overlay.read(model.len() as u64, &mut [0]).is_err());
    }
}
