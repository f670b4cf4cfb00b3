//! The documents in memory: each is loaded once, however many ask for it, and shared between the workers and
//! the apps that have it open.
//!
//! A document that an app holds stays as it is: a handle is never reloaded behind an app's back, because looking at a
//! document neither waits for the disk nor fails. One that nobody holds, whose edits are durable, and on which nothing
//! is being done may go at any time, and is loaded again when something is to be done on it.

mod cost;
mod ledger;
mod library;
mod line;
mod opened;
mod orphans;
mod saving;
mod table;

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::available_parallelism;
use std::time::Duration;

use katori_acl::{Access, ResourceId};
use katori_core::document::DocumentLimits;
use katori_core::engine::{Outcome, Task, Work};
use katori_core::gate::is_whole;
use katori_core::identity::Identity;
use katori_core::store::Write;
use katori_core::wire::Size;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;
use tokio::time::Instant;

use crate::error::HubError;
use crate::meter;
use crate::storage::SharedStore;
use crate::tally::Tally;

use ledger::User;
pub(crate) use library::Edits;
use library::Library;
use opened::Opened;
pub use opened::{Edit, OpenDocument};
use saving::Ended;
pub use saving::Saving;
pub use table::MemoryStatus;
use table::{Granted, Slot, Table};
pub(crate) use table::{Hold, UnderWay};

/// Size above which a document counts as big. Opening one may take two thousand times its file in memory for a
/// moment, so big ones are opened one at a time.
const BIG: Size = Size { changes: 5_000, bytes: 1 << 20 };
/// Bytes of whole documents above which taking them in is as heavy as that: they have a tenth of the bytes of their
/// changes.
const BIG_WHOLE: usize = 100 << 10;
/// Tasks on documents at the same time where the system does not say how many processors there are, and the fewest
/// anywhere: one may have to wait for an app that looks at its document.
const FEWEST_WORKERS: usize = 2;

/// Memory that documents may take by default, as long as more is not in use at the same time.
pub const DOCUMENT_MEMORY: u64 = 256 << 20;
/// How long a document stays in memory by default when nobody uses it.
pub const REST_AFTER: Duration = Duration::from_mins(1);

/// The table of documents.
#[derive(Debug)]
pub(crate) struct Documents {
    table: Arc<Table>,
    library: Arc<Library>,
    big: Arc<Semaphore>,
}

/// What came of work on a document, which stays in memory until that has been dealt with.
#[derive(Debug)]
pub(crate) struct Worked {
    pub(crate) outcome: Outcome,
    pub(crate) hold: Option<(Hold, Option<UnderWay>)>,
}

impl Documents {
    /// In the runtime that is to do the work.
    pub(crate) fn new(
        identity: Arc<Identity>,
        limits: DocumentLimits,
        store: SharedStore,
        renewals: BTreeSet<ResourceId>,
        edits: Arc<Edits>,
        memory: u64,
    ) -> Self {
        let renewals = Mutex::new(renewals);
        let (ended, lost, orphans) = (OnceLock::new(), Mutex::default(), Tally::default());
        let library = Library { identity, limits, store, edits, renewals, orphans, lost, ended };
        let big = Arc::new(Semaphore::new(1));
        Self { table: Table::new(memory, workers()), library: Arc::new(library), big }
    }

    /// A document, loaded if need be.
    pub(crate) async fn open(
        self: &Arc<Self>,
        id: ResourceId,
        access: Arc<Access>,
        size: Size,
    ) -> Result<OpenDocument, HubError> {
        let granted = self.table.turn(id, User::App, size).await.ok_or(HubError::Closed)?;
        if let Some(opened) = granted.hold.slot().opened.get().cloned() {
            return Ok(OpenDocument::new(opened, granted.hold));
        }
        let alone = alone(&self.big, is_big(size)).await;
        let documents = Arc::clone(self);
        // It is held, and alone if it is big, as long as it is being loaded, whether somebody still waits for it or not.
        let load = move || {
            let loaded = documents.load(id, access, size, granted.hold.slot());
            drop(alone);
            (loaded, granted.hold)
        };
        let unreadable = |reason: String| HubError::Unreadable { document: id, reason: reason.into() };
        let (loaded, hold) = spawn_blocking(load).await.map_err(|error| unreadable(error.to_string()))?;
        Ok(OpenDocument::new(loaded.map_err(unreadable)?, hold))
    }

    /// On a thread for what takes long. Whoever else is loading it is waited for. If it is big, the caller has made sure
    /// of being alone.
    fn load(
        &self,
        id: ResourceId,
        access: Arc<Access>,
        size: Size,
        slot: &Slot,
    ) -> Result<Arc<Opened>, String> {
        let load = || async {
            let span = tracing::debug_span!("load", document = %id.short(), changes = size.changes);
            let begun = std::time::Instant::now();
            let (library, news) = (Arc::clone(&self.library), Arc::clone(&slot.news));
            let opened = span.in_scope(|| Opened::load(id, access, size, news, library).map(Arc::new));
            meter::loaded(begun.elapsed());
            opened
        };
        let opened = Handle::current().block_on(slot.opened.get_or_try_init(load))?;
        if slot.dropped.load(Ordering::Acquire) {
            opened.end(Ended::NotHeld);
        }
        Ok(Arc::clone(opened))
    }

    /// Who may do what in a document has changed, and one that is in memory is to know.
    pub(crate) fn refresh(&self, id: ResourceId, access: Arc<Access>) {
        self.table.tell(&id, Some(access));
    }

    /// Carries out work on a document, when it is its turn, and hands over what came of it on the thread that did it:
    /// each that is woken on the way takes as long as a small task.
    pub(crate) fn work(
        self: &Arc<Self>,
        id: ResourceId,
        work: Work,
        size: Size,
        done: impl FnOnce(Worked) + Send + 'static,
    ) {
        // The work says so itself.
        self.table.tell(&id, None);
        // It waits from now on, and not from when the future is first polled: a document that is dropped after this is
        // not the one that the work is for, and another of the same id is not either.
        let turn = self.table.turn(id, User::Task, size);
        let documents = Arc::clone(self);
        tokio::spawn(async move {
            let granted = turn.await;
            spawn_blocking(move || {
                let Some(Granted { hold, worker, under_way }) = granted else {
                    let outcome = Outcome::Failed("this was closed, or the document dropped".into());
                    return done(Worked { outcome, hold: None });
                };
                let outcome = catch_unwind(AssertUnwindSafe(|| documents.carry_out(id, work, size, &hold)));
                let outcome = outcome.unwrap_or_else(|_| {
                    Outcome::Failed("a fault came up while it was being worked on".into())
                });
                done(Worked { outcome, hold: Some((hold, under_way)) });
                // Only now, so that no more threads than workers wait for whoever is told.
                drop(worker);
            });
        });
    }

    /// On a thread for what takes long.
    fn carry_out(&self, id: ResourceId, work: Work, size: Size, hold: &Hold) -> Outcome {
        let is_loaded = hold.slot().opened.initialized();
        // Whoever has nothing of a document at rest is sent its rows as they are.
        if !is_loaded
            && matches!(work.task, Task::Serve(_))
            && let Some(outcome) = self.library.run_stored(id, &work.task)
        {
            return outcome;
        }
        let is_big = takes_in_big(&work.task) || (is_big(size) && !is_loaded);
        let _alone = Handle::current().block_on(alone(&self.big, is_big));
        match self.load(id, Arc::clone(&work.access), size, hold.slot()) {
            Ok(opened) => meter::task(id, work, |work| opened.work(work)),
            Err(reason) => Outcome::Failed(reason),
        }
    }

    /// Lets go of a document whose content is being removed.
    pub(crate) fn drop_document(&self, id: ResourceId, access: Arc<Access>) {
        let Some(slot) = self.table.remove(&id) else { return };
        if let Some(opened) = slot.opened.get().cloned() {
            // It may have to wait for an edit to end; the driver must not.
            spawn_blocking(move || opened.empty(access));
        }
    }

    /// Lets go of what nobody has used for so long, and says when to look again.
    pub(crate) fn rest(&self, now: Instant, after: Duration) -> Instant {
        let since = now.checked_sub(after).and_then(|since| self.table.rest(since));
        since.unwrap_or(now) + after
    }

    /// Whether a commit is under way, after which something may go.
    pub(crate) fn set_storing(&self, storing: bool) {
        self.table.set_storing(storing);
    }

    /// One task at a time, or as many as there are processors.
    pub(crate) fn set_background(&self, background: bool) {
        self.table.set_workers(if background { 1 } else { workers() });
    }

    /// Memory that documents may take.
    pub(crate) fn set_memory(&self, bytes: u64) {
        self.table.set_budget(bytes);
    }

    pub(crate) fn status(&self) -> MemoryStatus {
        self.table.status()
    }

    /// Local edits up to this number are durable. Returns a write to be made, if there is one.
    ///
    /// The id says of which document in memory: the engine begins nothing on one that was dropped and is here again
    /// before the removal of the first is durable, and commits are durable in their order.
    pub(crate) fn durable(&self, id: ResourceId, number: u64) -> Option<Write> {
        self.table.get(&id)?.durable(number);
        let renewed = self.library.renewals().remove(&id);
        renewed.then(|| crate::settings::renewed(&id))
    }

    /// The store takes no more: whoever waits for it is told so.
    pub(crate) fn store_failed(&self, error: &str) {
        self.end(&Ended::StoreFailed(error.into()));
    }

    /// The hub is closed: whoever waits for it is told so.
    pub(crate) fn close(&self) {
        self.end(&Ended::Closed);
        drop(self.library.edits.take());
        self.table.clear();
    }

    fn end(&self, ended: &Ended) {
        // The first reason stays.
        let _ = self.library.ended.set(ended.clone());
        for opened in self.table.loaded() {
            opened.end(ended.clone());
        }
    }

    /// Waits until every edit so far is durable, or cannot be: [`unsaved`](Self::unsaved) and
    /// [`take_lost`](Self::take_lost) say which are not.
    pub(crate) async fn saved(&self) {
        let loaded = self.table.loaded();
        // All from the same moment, so that no edit is missed while another is waited for.
        let savings: Vec<_> = loaded.iter().map(|opened| (opened.id(), opened.saving_everything())).collect();
        drop(loaded);
        for (id, saving) in savings {
            if let Err(error) = saving.await {
                tracing::warn!(document = %id.short(), %error, "edits were not saved");
            }
        }
    }

    /// Documents of which edits were lost to a fault since this was asked last.
    pub(crate) fn take_lost(&self) -> BTreeSet<ResourceId> {
        std::mem::take(&mut *self.library.lost())
    }

    /// Documents with edits that are not durable yet.
    pub(crate) fn unsaved(&self) -> BTreeSet<ResourceId> {
        let loaded = self.table.loaded().into_iter();
        loaded.filter(|opened| opened.has_unsaved()).map(|opened| opened.id()).collect()
    }

    /// Snapshots of what is in memory, for a faster opening.
    pub(crate) fn snapshots(&self) -> impl Iterator<Item = Write> {
        self.table.loaded().into_iter().filter_map(|opened| opened.snapshot())
    }

    /// Begins nothing more, and waits until nobody works on a document.
    pub(crate) async fn idle(&self) {
        self.table.stop();
        self.table.idle().await;
    }
}

/// Whether a task takes in whole documents that are big.
fn takes_in_big(task: &Task) -> bool {
    let Task::Ingest(batches) = task else { return false };
    let packs = batches.iter().flat_map(|(_, batch)| &batch.packs);
    packs.filter(|pack| is_whole(pack)).map(Vec::len).sum::<usize>() > BIG_WHOLE
}

/// Whether loading a document takes so much memory that one is loaded at a time.
fn is_big(size: Size) -> bool {
    size.changes > BIG.changes || size.bytes > BIG.bytes
}

/// What only one may have at a time, if this is big.
async fn alone(big: &Arc<Semaphore>, is_big: bool) -> Option<OwnedSemaphorePermit> {
    if is_big { Arc::clone(big).acquire_owned().await.ok() } else { None }
}

/// Tasks at the same time.
fn workers() -> usize {
    available_parallelism().map_or(FEWEST_WORKERS, |processors| processors.get().max(FEWEST_WORKERS))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use katori_acl::{DeviceId, DeviceKey, Genesis, Record, Registry, ResourceKind};
    use katori_core::document::Batch;
    use katori_core::identity::Founding;
    use katori_core::store::Store;
    use tempfile::TempDir;
    use tokio::runtime::Runtime;

    use super::*;

    /// Documents over a store that has none, and who may do what in one.
    fn documents(folder: &TempDir) -> (Arc<Documents>, Arc<Access>) {
        let (person_name, device_name) = ("Ana".to_owned(), "laptop".to_owned());
        let founding = Founding { person_name, device_name, recovery: [0; 32], nonce: [0; 16] };
        let key = DeviceKey::from_secret([1; 32]);
        let genesis = |owner| Genesis {
            kind: ResourceKind::Document,
            owner,
            space: None,
            name: "groceries".to_owned(),
            nonce: [0; 16],
            alias: [0; 16],
            by: key.public(),
        };
        let (identity, roster) = Identity::found(key.clone(), founding).unwrap();
        let genesis = Record::Genesis(genesis(identity.person)).sign(&key).unwrap();
        let id = ResourceId::from_bytes(*genesis.id().as_bytes());
        let mut registry = Registry::default();
        registry.insert(roster);
        registry.insert(genesis);
        let store = Store::create(folder.path().join("store"), &[]).unwrap();
        let (identity, store) = (Arc::new(identity), SharedStore::new(store));
        let (limits, edits) = (DocumentLimits::default(), Arc::default());
        let documents = Documents::new(identity, limits, store, BTreeSet::new(), edits, DOCUMENT_MEMORY);
        (Arc::new(documents), registry.access(id).unwrap())
    }

    #[test]
    fn a_big_document_that_nobody_waits_for_any_more_is_alone_until_it_is_loaded() {
        let (runtime, folder) = (Runtime::new().unwrap(), TempDir::new().unwrap());
        let _entered = runtime.enter();
        let (documents, access) = documents(&folder);
        // Loading goes no further than this.
        let renewals = documents.library.renewals();
        let opening = runtime.spawn({
            let documents = Arc::clone(&documents);
            let size = Size { changes: BIG.changes + 1, bytes: 0 };
            async move { documents.open(access.resource, access, size).await.map(drop) }
        });
        while documents.big.available_permits() > 0 {
            std::thread::yield_now();
        }
        opening.abort();
        assert!(runtime.block_on(opening).unwrap_err().is_cancelled());
        assert_eq!((documents.big.available_permits(), documents.status().documents), (0, 1), "it goes on");
        drop(renewals);
        assert!(runtime.block_on(alone(&documents.big, true)).is_some());
    }

    #[test]
    fn whoever_is_slow_to_be_told_keeps_no_more_threads_than_workers() {
        let (runtime, folder) = (Runtime::new().unwrap(), TempDir::new().unwrap());
        let _entered = runtime.enter();
        let (documents, access) = documents(&folder);
        let slow = Arc::new(Mutex::new(()));
        let not_yet = slow.lock().unwrap();
        let (told, tells) = mpsc::channel();
        let all = workers() + 3;
        for number in 0..all {
            let (told, slow) = (told.clone(), Arc::clone(&slow));
            let work = Work { number: 0, access: Arc::clone(&access), task: Task::Flush };
            let id = ResourceId::from_bytes([u8::try_from(number).unwrap(); 32]);
            documents.work(id, work, Size::default(), move |worked| {
                told.send(matches!(worked.outcome, Outcome::Done(_))).unwrap();
                drop(slow.lock());
            });
        }
        assert!(tells.iter().take(workers()).all(|done| done));
        assert_eq!((documents.status().working, documents.status().waiting), (workers(), 3));
        drop(not_yet);
        assert!(tells.iter().take(3).all(|done| done));
    }

    #[test]
    fn a_big_whole_document_is_taken_in_alone() {
        let pack = |first: &[u8], bytes| [first, &vec![0; bytes]].concat();
        let ingest = |packs| {
            let batch = Batch { packs, ..Batch::default() };
            Task::Ingest(vec![(DeviceId::from_bytes([1; 32]), batch)])
        };
        let whole = [0x85, 0x6f, 0x4a, 0x83];
        assert!(takes_in_big(&ingest(vec![pack(&whole, BIG_WHOLE)])));
        assert!(!takes_in_big(&ingest(vec![pack(&whole, BIG_WHOLE / 2), pack(&[1], BIG_WHOLE)])));
        assert!(!takes_in_big(&Task::Flush));
    }
}
