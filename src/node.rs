//! One store with its identity and its endpoint: where an app begins.

mod find;
mod listen;

use std::collections::BTreeMap;
use std::path::Path;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use katori_acl::{DeviceId, PersonId, Role, Ticket, TicketKind};
use katori_core::engine::{Answer, Command, Event, Standing};
use katori_core::gate;
use katori_net::{Hub, PeerStatus};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::builder::NodeBuilder;
use crate::doc::{Doc, DocumentId, Shared};
use crate::error::Error;
use crate::invite;
use crate::who::{KnownNames, Names, Who};

pub use find::MIN_PREFIX;

/// How long [`Node::join`] waits for the first content: long enough for a relay, short enough for a person.
pub const JOIN_WAIT: Duration = Duration::from_secs(5);
/// How much longer it waits once an inviter has compared everything with it. What the comparison showed to be
/// missing is on its way then; if the document is empty, nothing comes.
const EMPTY_WAIT: Duration = Duration::from_secs(1);

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
    /// The name it was born with.
    pub name: String,
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

/// A device of this person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceInfo {
    /// Its id.
    pub device: DeviceId,
    /// What it is called.
    pub name: String,
    /// Whether it may sign for the person, and not only write.
    pub full: bool,
    /// Whether it is the one this runs on.
    pub this: bool,
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
    hub: Hub,
    names: Arc<KnownNames>,
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

    pub(crate) async fn start(hub: Hub) -> Result<Self, Error> {
        let names = Arc::new(KnownNames::default());
        let events = hub.events();
        names.set(hub.ask(Names::read).await?);
        let documents = Mutex::new(BTreeMap::new());
        let inner = Arc::new(Inner { hub, names, documents, listener: Mutex::new(None) });
        let listener = tokio::spawn(listen::listen(Arc::downgrade(&inner), events));
        *inner.listener.lock().unwrap_or_else(PoisonError::into_inner) = Some(listener);
        Ok(Self { inner })
    }

    /// Who this device is.
    #[must_use]
    pub fn me(&self) -> Me {
        let Who { person_name, device_name, .. } = self.inner.me();
        let hub = &self.inner.hub;
        Me { person: hub.person(), person_name, device: hub.device(), device_name }
    }

    /// The process that owns store and endpoint, for what this handle does not offer.
    #[must_use]
    pub fn hub(&self) -> &Hub {
        &self.inner.hub
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
        let created = self.inner.hub.command(Command::Create { name: name.to_owned() }).await?;
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
        let changes = tokio::task::spawn_blocking(move || gate::import(&file, &gate::Limits::default()))
            .await
            .map_err(|_| Error::Interrupted)??;
        let doc = self.create(name).await?;
        let adopted = match doc.adopt(&changes) {
            Ok(commit) => commit.await,
            Err(error) => Err(error),
        };
        let Err(error) = adopted else { return Ok(doc) };
        let deleted = self.delete(doc.id()).await.is_ok();
        Err(Error::ImportUndone { reason: Box::new(error), document: doc.id(), deleted })
    }

    /// Joins the document that a ticket invites to. What the ticket gives is durable before anything else
    /// happens; then this waits up to [`JOIN_WAIT`] for the first content.
    ///
    /// ```
    /// use katori::{ROOT, Role, Transactable};
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (directory, other) = (tempfile::tempdir()?, tempfile::tempdir()?);
    /// # let open = |directory: &tempfile::TempDir, name| katori::Node::builder(directory.path())
    /// #     .person_name(name).network(katori::Network::Offline)
    /// #     .bind(([127, 0, 0, 1], 0).into()).open_or_init();
    /// # let (ana, ben) = (open(&directory, "Ana").await?, open(&other, "Ben").await?);
    /// let list = ana.create("groceries").await?;
    /// list.change(|edit| edit.put(ROOT, "milk", 2))?.await?;
    /// let ticket = list.invite(Role::Write).await?;
    ///
    /// let his = ben.join(&ticket).await?;
    /// assert_eq!(his.view_json(), list.view_json());
    /// assert_eq!(his.members().await?[0].who.person_name, "Ana");
    /// # ana.close().await;
    /// # ben.close().await;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Join`] with what to do; a ticket that could not be redeemed can be tried again.
    pub async fn join(&self, ticket: &Ticket) -> Result<Doc, Error> {
        if ticket.kind == TicketKind::Device {
            return Err(Error::WrongTicket(
                "this ticket pairs a device: make a new store with it, this one has its person already",
            ));
        }
        let events = self.inner.hub.events();
        let id = Box::pin(self.inner.hub.redeem(ticket)).await?;
        let doc = self.inner.document(id).await?;
        let inviters = ticket.devices.iter().map(|contact| contact.device).collect();
        // Without content in time the document is joined all the same.
        let _ = timeout(JOIN_WAIT, first_content(&doc, inviters, events)).await;
        Ok(doc)
    }

    /// Takes a document that somebody granted to this person, or that was put away.
    pub async fn accept(&self, id: DocumentId) -> Result<Doc, Error> {
        self.inner.hub.command(Command::Accept { document: id }).await?;
        self.inner.document(id).await
    }

    /// Deletes a document for everybody and for ever. Only its owner can.
    pub async fn delete(&self, id: DocumentId) -> Result<(), Error> {
        self.inner.hub.command(Command::Delete { document: id }).await?;
        self.inner.let_go(id);
        Ok(())
    }

    /// Puts a document away, here only; [`accept`](Self::accept) brings it back.
    pub async fn forget(&self, id: DocumentId) -> Result<(), Error> {
        self.inner.hub.command(Command::Forget { document: id }).await?;
        self.inner.let_go(id);
        Ok(())
    }

    /// A ticket for another device of this person; [`NodeBuilder::pair`] redeems it within
    /// [`PAIRING_LIFETIME`](crate::PAIRING_LIFETIME), while this node runs.
    pub async fn invite_device(&self) -> Result<Ticket, Error> {
        invite::to_pair(&self.inner.hub, &self.inner.me()).await
    }

    /// The devices of this person.
    pub async fn devices(&self) -> Result<Vec<DeviceInfo>, Error> {
        let (person, me) = (self.inner.hub.person(), self.inner.hub.device());
        let roster = self.inner.hub.ask(move |engine| engine.registry().roster(person)).await?;
        let Some(roster) = roster else { return Ok(Vec::new()) };
        let device = |(device, member): (&DeviceId, &katori_acl::RosterMember)| DeviceInfo {
            device: *device,
            name: member.name.clone(),
            full: roster.is_full(device),
            this: *device == me,
        };
        Ok(roster.devices.iter().map(device).collect())
    }

    /// The devices with which something is shared, connected or not.
    #[must_use]
    pub fn peers(&self) -> Vec<PeerInfo> {
        let names = self.inner.names.get();
        let peers = self.inner.hub.peers().into_iter();
        peers.map(|status| PeerInfo { who: names.device(status.device), status }).collect()
    }

    /// Waits until all that could be connected have compared everything they share with this device; false if
    /// that takes longer than `timeout`.
    pub async fn settled(&self, timeout: Duration) -> bool {
        self.inner.hub.settled(timeout).await
    }

    /// Saves what is not saved yet, closes the connections and releases the store. Watchers end.
    pub async fn close(self) {
        self.inner.hub.close().await;
        self.inner.end_watchers();
    }
}

impl Inner {
    fn me(&self) -> Who {
        self.names.get().device(self.hub.device())
    }

    /// The document, opened once however many hold it, so that all see each other's edits.
    async fn document(&self, id: DocumentId) -> Result<Doc, Error> {
        let open = self.hub.open(id).await?;
        let mut documents = self.documents.lock().unwrap_or_else(PoisonError::into_inner);
        documents.retain(|_, shared| shared.strong_count() > 0);
        if let Some(shared) = documents.get(&id).and_then(Weak::upgrade) {
            return Ok(Doc::new(shared));
        }
        let shared = Arc::new(Shared::new(open, self.hub.clone(), Arc::clone(&self.names)));
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

/// Ends when the document shows something, or when it seems to be empty at an inviter's too.
async fn first_content(doc: &Doc, inviters: Vec<DeviceId>, mut events: Receiver<Event>) {
    let mut compared = pin!(async {
        loop {
            match events.recv().await {
                Ok(Event::Settled { peer }) if inviters.contains(&peer) => break,
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            }
        }
        sleep(EMPTY_WAIT).await;
    });
    let mut changes = doc.watch();
    while doc.heads().is_empty() {
        tokio::select! {
            () = &mut compared => return,
            change = changes.next() => if change.is_none() { return },
        }
    }
}
