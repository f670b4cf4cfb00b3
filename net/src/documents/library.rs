//! What loading a document takes, and whom edits are told to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use katori_acl::{Access, DeviceId, ResourceId};
use katori_core::document::{Document, DocumentLimits, Stored};
use katori_core::engine::{Outcome, Task};
use katori_core::identity::Identity;
use tokio::sync::Notify;

use super::saving::Ended;
use super::table::Hold;
use crate::randomness::random;
use crate::storage::SharedStore;
use crate::tally::Tally;

/// Documents that apps have edited since the engine was last told, each kept in memory until it is. Edits are told by
/// the document, not one by one, so however fast they come this stays small.
#[derive(Debug, Default)]
pub(crate) struct Edits {
    documents: Mutex<BTreeMap<ResourceId, Arc<Hold>>>,
    pub(crate) made: Notify,
}

impl Edits {
    fn documents(&self) -> MutexGuard<'_, BTreeMap<ResourceId, Arc<Hold>>> {
        self.documents.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, document: ResourceId, hold: Arc<Hold>) {
        let before = self.documents().insert(document, hold);
        self.made.notify_one();
        drop(before);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.documents().is_empty()
    }

    pub(crate) fn take(&self) -> BTreeMap<ResourceId, Arc<Hold>> {
        std::mem::take(&mut *self.documents())
    }
}

/// What loading a document takes.
#[derive(Debug)]
pub(super) struct Library {
    pub(super) identity: Arc<Identity>,
    pub(super) limits: DocumentLimits,
    pub(super) store: SharedStore,
    pub(super) edits: Arc<Edits>,
    /// Documents to be written under a new incarnation.
    pub(super) renewals: Mutex<BTreeSet<ResourceId>>,
    /// The documents that stay in memory for what each peer sent.
    pub(super) orphans: Tally<DeviceId>,
    /// Documents of which edits were lost to a fault, and nobody has asked since.
    pub(super) lost: Mutex<BTreeSet<ResourceId>>,
    /// The hub has ended, or its store has.
    pub(super) ended: OnceLock<Ended>,
}

impl Library {
    /// What a task comes to without loading the document, if it can be had so.
    pub(super) fn run_stored(&self, id: ResourceId, task: &Task) -> Option<Outcome> {
        let store = self.store.get()?;
        task.run_stored(&*store, &id)
    }

    pub(super) fn load(&self, id: ResourceId, access: Arc<Access>) -> Result<Document, String> {
        let store = self.store.get().ok_or("the store is closed")?;
        let stored = Stored::read(&*store, &id).map_err(|error| error.to_string())?;
        let seed = random().map_err(|error| error.to_string())?;
        let (me, limits) = (Arc::clone(&self.identity), self.limits.clone());
        let loaded = std::panic::catch_unwind(|| Document::load(id, me, access, limits, seed, &stored));
        let mut document = loaded
            .map_err(|_| "a fault came up while it was loaded".to_owned())?
            .map_err(|error| error.to_string())?;
        if self.renewals().contains(&id) {
            document.renew_incarnation();
        }
        Ok(document)
    }

    pub(super) fn renewals(&self) -> MutexGuard<'_, BTreeSet<ResourceId>> {
        self.renewals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn lost(&self) -> MutexGuard<'_, BTreeSet<ResourceId>> {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A document with nothing in it, for those who hold on to one whose content was removed.
    pub(super) fn empty(&self, id: ResourceId, access: Arc<Access>) -> Document {
        // Nothing is ever signed or stored of it, so its incarnation need not be unpredictable.
        Document::new(id, Arc::clone(&self.identity), access, self.limits.clone(), [0; 32])
    }

    /// An app has edited a document.
    pub(super) fn edited(&self, id: ResourceId, hold: Arc<Hold>) {
        // When it is over nobody takes edits any more, and nobody would let go of the document.
        if self.ended.get().is_none() {
            self.edits.note(id, hold);
        }
    }
}
