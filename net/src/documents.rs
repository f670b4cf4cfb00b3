//! The documents in memory: each is loaded once, however many ask for it, and shared between the workers and
//! the apps that have it open.

mod opened;
mod saving;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use katori_acl::{Access, ResourceId};
use katori_core::document::{Document, DocumentLimits, Stored, Summary};
use katori_core::engine::{Outcome, Work};
use katori_core::identity::Identity;
use katori_core::store::Write;
use tokio::sync::{Notify, OnceCell, Semaphore};

use crate::error::HubError;
use crate::randomness::random;
use crate::storage::SharedStore;

use opened::Opened;
pub use opened::{Edit, OpenDocument};
use saving::Ended;
pub use saving::Saving;

/// Changes above which a document counts as big. Opening one may take two thousand times its file in memory for
/// a moment, so big ones are opened one at a time.
const BIG_DOCUMENT_CHANGES: u64 = 5_000;
/// Tasks on documents at the same time, big and small: enough to keep the processors of a laptop busy.
const WORKERS: usize = 8;

/// Documents that apps have edited since the engine was last told. Edits are told by the document, not one by
/// one, so however fast they come this stays small.
#[derive(Debug, Default)]
pub(crate) struct Edits {
    documents: Mutex<BTreeSet<ResourceId>>,
    pub(crate) made: Notify,
}

impl Edits {
    fn note(&self, document: ResourceId) {
        self.documents.lock().unwrap_or_else(PoisonError::into_inner).insert(document);
        self.made.notify_one();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.documents.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    pub(crate) fn take(&self) -> BTreeSet<ResourceId> {
        std::mem::take(&mut *self.documents.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What loading a document takes.
#[derive(Debug)]
pub(crate) struct Library {
    identity: Arc<Identity>,
    limits: DocumentLimits,
    store: SharedStore,
    edits: Arc<Edits>,
    /// Documents to be written under a new incarnation.
    renewals: Mutex<BTreeSet<ResourceId>>,
    /// The hub has ended, or its store has.
    ended: OnceLock<Ended>,
}

/// The table of documents.
#[derive(Debug)]
pub(crate) struct Documents {
    slots: Mutex<BTreeMap<ResourceId, Arc<Slot>>>,
    library: Arc<Library>,
    big: Semaphore,
    workers: Semaphore,
}

#[derive(Debug, Default)]
struct Slot {
    opened: OnceCell<Arc<Opened>>,
    /// The document was dropped while it was being loaded.
    dropped: AtomicBool,
}

impl Library {
    fn load(&self, id: ResourceId, access: Arc<Access>) -> Result<Document, String> {
        let store = self.store.get().ok_or("the store is closed")?;
        let stored = Stored::read(&*store, &id).map_err(|error| error.to_string())?;
        let seed = random().map_err(|error| error.to_string())?;
        let (me, limits) = (Arc::clone(&self.identity), self.limits.clone());
        let loaded = std::panic::catch_unwind(|| Document::load(id, me, access, limits, seed, &stored));
        let mut document = loaded
            .map_err(|_| "a fault came up while it was loaded".to_owned())?
            .map_err(|error| error.to_string())?;
        if self.renewals.lock().unwrap_or_else(PoisonError::into_inner).contains(&id) {
            document.renew_incarnation();
        }
        Ok(document)
    }

    /// A document with nothing in it, for those who hold on to one whose content was removed.
    fn empty(&self, id: ResourceId, access: Arc<Access>) -> Document {
        // Nothing is ever signed or stored of it, so its incarnation need not be unpredictable.
        Document::new(id, Arc::clone(&self.identity), access, self.limits.clone(), [0; 32])
    }

    fn is_big(&self, id: ResourceId) -> bool {
        let summary = self.store.get().and_then(|store| Summary::read(&*store, &id).ok().flatten());
        summary.is_some_and(|summary| summary.changes > BIG_DOCUMENT_CHANGES)
    }
}

impl Documents {
    pub(crate) fn new(
        identity: Arc<Identity>,
        limits: DocumentLimits,
        store: SharedStore,
        renewals: BTreeSet<ResourceId>,
        edits: Arc<Edits>,
    ) -> Self {
        let renewals = Mutex::new(renewals);
        let library = Library { identity, limits, store, edits, renewals, ended: OnceLock::new() };
        Self {
            slots: Mutex::default(),
            library: Arc::new(library),
            big: Semaphore::new(1),
            workers: Semaphore::new(WORKERS),
        }
    }

    fn slots(&self) -> MutexGuard<'_, BTreeMap<ResourceId, Arc<Slot>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A document, loaded if need be.
    pub(crate) async fn open(&self, id: ResourceId, access: Arc<Access>) -> Result<OpenDocument, HubError> {
        let reason = match self.load(id, access).await {
            Ok(opened) => return Ok(OpenDocument::new(opened)),
            Err(reason) => reason,
        };
        Err(HubError::Unreadable { document: id, reason: reason.into() })
    }

    async fn load(&self, id: ResourceId, access: Arc<Access>) -> Result<Arc<Opened>, String> {
        let slot = Arc::clone(self.slots().entry(id).or_default());
        let opened = slot
            .opened
            .get_or_try_init(|| async {
                let library = Arc::clone(&self.library);
                let is_big = tokio::task::spawn_blocking(move || library.is_big(id)).await;
                let _one_at_a_time = match is_big {
                    Ok(true) => self.big.acquire().await.ok(),
                    Ok(false) | Err(_) => None,
                };
                let library = Arc::clone(&self.library);
                let load = move || Opened::load(id, access, library).map(Arc::new);
                let loaded = tokio::task::spawn_blocking(load).await;
                loaded.unwrap_or_else(|error| Err(error.to_string()))
            })
            .await?;
        if slot.dropped.load(Ordering::Acquire) {
            opened.end(Ended::NotHeld);
        }
        Ok(Arc::clone(opened))
    }

    /// Carries out work on a document.
    pub(crate) async fn work(&self, id: ResourceId, work: Work) -> Outcome {
        // Loading is the heavier half of most work: it takes a worker's place as well.
        let _room = self.workers.acquire().await;
        let opened = match self.load(id, Arc::clone(&work.access)).await {
            Ok(opened) => opened,
            Err(reason) => return Outcome::Failed(reason),
        };
        let worked = tokio::task::spawn_blocking(move || opened.work(work)).await;
        worked.unwrap_or_else(|error| Outcome::Failed(error.to_string()))
    }

    /// Lets go of a document whose content is being removed.
    pub(crate) fn drop_document(&self, id: ResourceId, access: Arc<Access>) {
        let Some(slot) = self.slots().remove(&id) else { return };
        slot.dropped.store(true, Ordering::Release);
        if let Some(opened) = slot.opened.get().cloned() {
            // It may have to wait for an edit to end; the driver must not.
            tokio::task::spawn_blocking(move || opened.empty(access));
        }
    }

    fn loaded(&self) -> Vec<Arc<Opened>> {
        self.slots().values().filter_map(|slot| slot.opened.get().cloned()).collect()
    }

    /// Local edits up to this number are durable. Returns a write to be made, if there is one.
    pub(crate) fn durable(&self, id: ResourceId, number: u64) -> Option<Write> {
        let slot = self.slots().get(&id).cloned()?;
        slot.opened.get()?.durable(number);
        let renewed = self.library.renewals.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
        renewed.then(|| crate::settings::renewed(&id))
    }

    /// The store takes no more: whoever waits for it is told so.
    pub(crate) fn store_failed(&self, error: &str) {
        self.end(&Ended::StoreFailed(error.into()));
    }

    /// The hub is closed: whoever waits for it is told so.
    pub(crate) fn close(&self) {
        self.end(&Ended::Closed);
        self.slots().clear();
    }

    fn end(&self, ended: &Ended) {
        // The first reason stays.
        let _ = self.library.ended.set(ended.clone());
        for opened in self.loaded() {
            opened.end(ended.clone());
        }
    }

    /// Waits until every edit so far is durable, or cannot be.
    pub(crate) async fn saved(&self) {
        for opened in self.loaded() {
            let saving = opened.saving_everything();
            if let Err(error) = saving.await {
                tracing::warn!(document = %opened.id().short(), %error, "edits were not saved");
            }
        }
    }

    /// Snapshots of what is in memory, for a faster opening.
    pub(crate) fn snapshots(&self) -> impl Iterator<Item = Write> {
        self.loaded().into_iter().filter_map(|opened| opened.snapshot())
    }

    /// Waits until nobody works on a document.
    pub(crate) async fn idle(&self) {
        // The semaphore is never closed, and never has fewer than this.
        let _everybody = self.workers.acquire_many(u32::try_from(WORKERS).unwrap_or(u32::MAX)).await;
    }
}
