//! One store with its identity and its endpoint: where an app begins.

mod find;
mod listen;
mod pace;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use katori_acl::{DeviceId, PersonId, Role};
use katori_core::engine::{Answer, Command, Standing};
use katori_core::gate;
use katori_net::{Hub, PeerStatus};
use tokio::task::JoinHandle;

use crate::base::Base;
use crate::builder::NodeBuilder;
use crate::doc::{Doc, DocumentId, Shared};
use crate::error::Error;
use crate::space::SpaceId;
use crate::who::Who;

pub use find::MIN_PREFIX;
pub(crate) use find::{document_info, pick};
pub use pace::{FlushReport, PeerFlushReport};

/// Who this device is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Me {
    /// The person.
    pub person: PersonId,
    /// What it calls itself.
    pub person_name: String,
    /// This device of it.
    pub device: DeviceId,
    /// What that is called.
    pub device_name: String,
}

/// A document, without opening it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocInfo {
    /// Its id.
    pub id: DocumentId,
    /// What it is called here, else the name it was born with.
    pub name: String,
    /// The space it was born in.
    pub space: Option<SpaceId>,
    /// Whether it is held here, offered, or was put away.
    pub standing: Standing,
    /// Whose it is.
    pub owner: Who,
    /// What this device may do with it.
    pub role: Option<Role>,
    /// How many changes are stored.
    pub changes: u64,
    /// How many of them are held back.
    pub held: u64,
}

/// A device of somebody with whom something is shared.
#[derive(Debug, Clone)]
pub struct PeerInfo {
    /// Whose.
    pub who: Who,
    /// Whether and how it is connected.
    pub status: PeerStatus,
}

/// One store with its identity and its endpoint. A cheap handle: clones are the same node.
///
/// Two processes cannot open one store.
#[derive(Debug, Clone)]
pub struct Node {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    base: Arc<Base>,
    directory: PathBuf,
    /// Documents that somebody holds open.
    documents: Mutex<BTreeMap<DocumentId, Weak<Shared>>>,
    listener: Mutex<Option<JoinHandle<()>>>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        let listener = self.listener.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(listener) = listener.take() {
            listener.abort();
        }
    }
}

impl Node {
    /// Opens the store in this directory, or makes one with the user's and the host's names. `~/` stands for the
    /// home directory.
    ///
    /// # Errors
    /// [`Error::Store`] if it is in use, or cannot be read or made.
    pub async fn open(directory: impl AsRef<Path>) -> Result<Self, Error> {
        Self::builder(directory).open_or_init().await
    }

    /// Opens or makes a store as one says.
    pub fn builder(directory: impl AsRef<Path>) -> NodeBuilder {
        NodeBuilder::new(directory.as_ref())
    }

    pub(crate) async fn start(hub: Hub, directory: PathBuf) -> Result<Self, Error> {
        let events = hub.events();
        let base = Arc::new(Base::new(hub).await?);
        // Without it everything else works; it is looked for again whenever something comes to be known.
        if let Err(error) = base.open_shelf().await {
            tracing::warn!(%error, "the shelf cannot be opened");
        }
        let documents = Mutex::new(BTreeMap::new());
        let inner = Arc::new(Inner { base, directory, documents, listener: Mutex::new(None) });
        let listener = tokio::spawn(listen::listen(Arc::downgrade(&inner), events));
        *inner.listener.lock().unwrap_or_else(PoisonError::into_inner) = Some(listener);
        Ok(Self { inner })
    }

    pub(crate) fn base(&self) -> &Arc<Base> {
        &self.inner.base
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.inner.directory
    }

    pub(crate) async fn open_document(&self, id: DocumentId) -> Result<Doc, Error> {
        self.inner.document(id).await
    }

    /// Who this device is.
    #[must_use]
    pub fn me(&self) -> Me {
        let Who { person_name, device_name, .. } = self.inner.base.me();
        let hub = self.hub();
        Me { person: hub.person(), person_name, device: hub.device(), device_name }
    }

    /// The process that owns store and endpoint, for what this handle does not offer.
    #[must_use]
    pub fn hub(&self) -> &Hub {
        &self.inner.base.hub
    }

    /// A new, empty document, owned by this person.
    ///
    /// ```
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let directory = tempfile::tempdir()?;
    /// # let node = katori::Node::builder(directory.path())
    /// #     .network(katori::Network::None).open_or_init().await?;
    /// let list = node.create("groceries").await?;
    /// assert_eq!(list.name(), "groceries");
    /// assert_eq!(node.doc("groceries").await?.id(), list.id());
    /// # node.close().await;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn create(&self, name: &str) -> Result<Doc, Error> {
        self.create_in(name, None).await
    }

    pub(crate) async fn create_in(&self, name: &str, space: Option<SpaceId>) -> Result<Doc, Error> {
        let created = self.hub().command(Command::Create { name: name.to_owned(), space }).await?;
        let Answer::Created(id) = created else { return Err(Error::Interrupted) };
        self.inner.document(id).await
    }

    /// A new document with the content and the history of a native `.automerge` file. What is in it is vouched
    /// for by this device, and shown as written by nobody that can be named.
    ///
    /// # Errors
    /// [`Error::Import`] if the file is damaged or too large: then no document is made. [`Error::ImportUndone`] if
    /// the content could not be stored: then the document is deleted again.
    pub async fn import(&self, name: &str, automerge_file: &[u8]) -> Result<Doc, Error> {
        let file = automerge_file.to_owned();
        let opened = tokio::task::spawn_blocking(move || gate::open_file(&file, &gate::Limits::default()))
            .await
            .map_err(|_| Error::Interrupted)??;
        let doc = self.create(name).await?;
        let adopted = match doc.adopt(opened) {
            Ok(commit) => commit.await,
            Err(error) => Err(error),
        };
        let Err(error) = adopted else { return Ok(doc) };
        let deleted = self.delete(doc.id()).await.is_ok();
        Err(Error::ImportUndone { reason: Box::new(error), document: doc.id(), deleted })
    }

    /// Deletes a document or space for everybody and for ever. Only its owner can.
    pub async fn delete(&self, id: DocumentId) -> Result<(), Error> {
        self.inner.base.tell(Command::Delete { document: id }).await?;
        self.inner.let_go(id);
        Ok(())
    }

    /// Puts a document or space away, here only; [`accept`](Self::accept) brings it back.
    pub async fn forget(&self, id: DocumentId) -> Result<(), Error> {
        self.inner.base.tell(Command::Forget { document: id }).await?;
        self.inner.let_go(id);
        Ok(())
    }

    /// The devices with which something is shared, connected or not.
    #[must_use]
    pub fn peers(&self) -> Vec<PeerInfo> {
        let names = self.inner.base.names.get();
        let peers = self.inner.base.hub.peers().into_iter();
        peers.map(|status| PeerInfo { who: names.device(status.device), status }).collect()
    }

    /// Waits until all that could be connected have compared everything they share with this device; false if
    /// that takes longer than `timeout`.
    pub async fn settled(&self, timeout: Duration) -> bool {
        self.inner.base.hub.settled(timeout).await
    }

    /// Saves what is not saved yet, closes the connections and releases the store. Watchers end.
    pub async fn close(self) {
        self.inner.base.hub.close().await;
        self.inner.end_watchers();
    }
}

impl Inner {
    /// The document, opened once however many hold it, so that all see each other's edits.
    async fn document(&self, id: DocumentId) -> Result<Doc, Error> {
        let open = self.base.hub.open(id).await?;
        let mut documents = self.documents.lock().unwrap_or_else(PoisonError::into_inner);
        documents.retain(|_, shared| shared.strong_count() > 0);
        if let Some(shared) = documents.get(&id).and_then(Weak::upgrade) {
            return Ok(Doc::new(shared));
        }
        let shared = Arc::new(Shared::new(open, Arc::clone(&self.base)));
        documents.insert(id, Arc::downgrade(&shared));
        Ok(Doc::new(shared))
    }

    fn open_document(&self, id: DocumentId) -> Option<Arc<Shared>> {
        self.documents.lock().unwrap_or_else(PoisonError::into_inner).get(&id).and_then(Weak::upgrade)
    }

    /// Ends the watchers of a document, and has it opened anew if it comes back.
    fn let_go(&self, id: DocumentId) {
        let held = self.documents.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
        if let Some(shared) = held.and_then(|held| held.upgrade()) {
            shared.end();
        }
    }

    fn open_documents(&self) -> Vec<Arc<Shared>> {
        let documents = self.documents.lock().unwrap_or_else(PoisonError::into_inner);
        documents.values().filter_map(Weak::upgrade).collect()
    }

    fn end_watchers(&self) {
        for shared in self.open_documents() {
            shared.end();
        }
    }
}
