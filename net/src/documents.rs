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
mod saving;
mod table;

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::available_parallelism;
use std::time::Duration;

use katori_acl::{Access, ResourceId};
use katori_core::document::DocumentLimits;
use katori_core::engine::{Outcome, Task, Work};
use katori_core::identity::Identity;
use katori_core::store::Write;
use katori_core::wire::Size;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::error::HubError;
use crate::meter;
use crate::storage::SharedStore;

use ledger::User;
pub(crate) use library::Edits;
use library::Library;
use opened::Opened;
pub use opened::{Edit, OpenDocument};
use saving::Ended;
pub use saving::Saving;
pub use table::MemoryStatus;
pub(crate) use table::{Hold, UnderWay};
use table::{Slot, Table};

/// Size above which a document counts as big. Opening one may take two thousand times its file in memory for a
/// moment, so big ones are opened one at a time.
const BIG: Size = Size { changes: 5_000, bytes: 1 << 20 };
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
    big: Semaphore,
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
        let library = Library { identity, limits, store, edits, renewals, ended: OnceLock::new() };
        Self { table: Table::new(memory, workers()), library: Arc::new(library), big: Semaphore::new(1) }
    }

    /// A document, loaded if need be.
    pub(crate) async fn open(
        &self,
        id: ResourceId,
        access: Arc<Access>,
        size: Size,
    ) -> Result<OpenDocument, HubError> {
        let granted = self.table.turn(id, User::App, size).await.ok_or(HubError::Closed)?;
        match self.load(id, access, size, granted.hold.slot()).await {
            Ok(opened) => Ok(OpenDocument::new(opened, granted.hold)),
            Err(reason) => Err(HubError::Unreadable { document: id, reason: reason.into() }),
        }
    }

    async fn load(
        &self,
        id: ResourceId,
        access: Arc<Access>,
        size: Size,
        slot: &Slot,
    ) -> Result<Arc<Opened>, String> {
        let opened = slot
            .opened
            .get_or_try_init(|| async {
                let is_big = size.changes > BIG.changes || size.bytes > BIG.bytes;
                let _one_at_a_time = if is_big { self.big.acquire().await.ok() } else { None };
                let (library, news) = (Arc::clone(&self.library), Arc::clone(&slot.news));
                let load = move || {
                    let span = tracing::debug_span!("load", document = %id.short(), changes = size.changes);
                    let begun = std::time::Instant::now();
                    let opened =
                        span.in_scope(|| Opened::load(id, access, size, news, library).map(Arc::new));
                    meter::loaded(begun.elapsed());
                    opened
                };
                let loaded = tokio::task::spawn_blocking(load).await;
                loaded.unwrap_or_else(|error| Err(error.to_string()))
            })
            .await?;
        if slot.dropped.load(Ordering::Acquire) {
            opened.end(Ended::NotHeld);
        }
        Ok(Arc::clone(opened))
    }

    /// Who may do what in a document has changed, and one that is in memory is to know.
    pub(crate) fn refresh(&self, id: ResourceId, access: Arc<Access>) {
        self.table.tell(&id, Some(access));
    }

    /// Carries out work on a document, when it is its turn.
    pub(crate) fn work(
        self: &Arc<Self>,
        id: ResourceId,
        work: Work,
        size: Size,
    ) -> impl Future<Output = Worked> + Send + 'static {
        // The work says so itself.
        self.table.tell(&id, None);
        let documents = Arc::clone(self);
        async move { documents.carry_out(id, work, size).await }
    }

    async fn carry_out(&self, id: ResourceId, work: Work, size: Size) -> Worked {
        let Some(granted) = self.table.turn(id, User::Task, size).await else {
            return Worked { outcome: Outcome::Failed("this was closed".into()), hold: None };
        };
        // Whoever has nothing of a document at rest is sent its rows as they are.
        let mut work = work;
        if granted.hold.slot().opened.get().is_none() && matches!(work.task, Task::Serve(_)) {
            let library = Arc::clone(&self.library);
            let served =
                tokio::task::spawn_blocking(move || (library.run_stored(id, &work.task), work)).await;
            match served {
                Ok((None, again)) => work = again,
                Ok((Some(outcome), _)) => {
                    drop(granted.worker);
                    return Worked { outcome, hold: Some((granted.hold, granted.under_way)) };
                }
                Err(error) => {
                    let outcome = Outcome::Failed(error.to_string());
                    return Worked { outcome, hold: Some((granted.hold, granted.under_way)) };
                }
            }
        }
        // Loading is the heavier half of most work: it takes a worker's place as well.
        let outcome = match self.load(id, Arc::clone(&work.access), size, granted.hold.slot()).await {
            Ok(opened) => {
                let worked =
                    tokio::task::spawn_blocking(move || meter::task(id, work, |work| opened.work(work)));
                worked.await.unwrap_or_else(|error| Outcome::Failed(error.to_string()))
            }
            Err(reason) => Outcome::Failed(reason),
        };
        drop(granted.worker);
        Worked { outcome, hold: Some((granted.hold, granted.under_way)) }
    }

    /// Lets go of a document whose content is being removed.
    pub(crate) fn drop_document(&self, id: ResourceId, access: Arc<Access>) {
        let Some(slot) = self.table.remove(&id) else { return };
        if let Some(opened) = slot.opened.get().cloned() {
            // It may have to wait for an edit to end; the driver must not.
            tokio::task::spawn_blocking(move || opened.empty(access));
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

    /// Waits until every edit so far is durable, or cannot be; says of which documents they are not.
    pub(crate) async fn saved(&self) -> BTreeSet<ResourceId> {
        let mut unsaved = BTreeSet::new();
        for opened in self.table.loaded() {
            let saving = opened.saving_everything();
            if let Err(error) = saving.await {
                tracing::warn!(document = %opened.id().short(), %error, "edits were not saved");
                unsaved.insert(opened.id());
            }
        }
        unsaved
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

/// Tasks at the same time.
fn workers() -> usize {
    available_parallelism().map_or(FEWEST_WORKERS, |processors| processors.get().max(FEWEST_WORKERS))
}
