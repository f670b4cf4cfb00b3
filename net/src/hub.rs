//! The handle on everything: one hub per store, shared by all who use it.

use std::collections::BTreeSet;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use iroh::{Endpoint, Watcher};
use katori_acl::{Access, Contact, DeviceId, PersonId, ResourceId, Subject, Ticket};
use katori_core::document::DocumentLimits;
use katori_core::engine::{Answer, Command, Engine, Event, StoredEngine};
use katori_core::identity::Identity;
use katori_core::store::Store;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::timeout;

use crate::accept::Gate;
use crate::address::AddressBook;
use crate::documents::{Documents, Edits, OpenDocument};
use crate::driver::{Clock, Driver, MESSAGES, Message, Quiet, Surroundings};
use crate::endpoint::{self, Network};
use crate::error::HubError;
use crate::guests::{Greetings, Guests, JoinGate};
use crate::join::{self, Asking, Inviter, JoinError};
use crate::randomness::random;
use crate::settings;
use crate::status::{Board, PeerStatus};
use crate::storage::{SharedStore, StorageThread};

/// Events that wait for a listener. One that lags behind by more is told so, and looks at things anew.
pub const EVENT_CAPACITY: usize = 1024;
/// How long closing waits for edits to be durable.
const SAVE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long closing waits until peers were sent what is new.
const SEND_TIMEOUT: Duration = Duration::from_secs(2);
/// How long closing waits for the endpoint.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(4);

/// How a hub is to be started.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct HubConfig {
    /// Which network it uses.
    pub network: Network,
    /// Where it listens; nothing for everywhere. Without a port, the one of the last start is tried first.
    pub bind: Option<SocketAddr>,
    /// Bounds on each document.
    pub limits: DocumentLimits,
}

/// A running hub. Cheap to clone; all clones are the same hub. [`Hub::close`] ends it in peace; when the last
/// clone is dropped without that, it ends as in a power cut: what was durable is kept.
#[derive(Clone)]
pub struct Hub(Arc<Shared>);

struct Shared {
    identity: Arc<Identity>,
    network: Network,
    /// Until the hub closes: its sockets live as long as the last clone of it.
    endpoint: Mutex<Option<Endpoint>>,
    messages: mpsc::Sender<Message>,
    events: broadcast::Sender<Event>,
    quiet: watch::Receiver<Quiet>,
    board: Arc<Board>,
    book: Arc<AddressBook>,
    documents: Arc<Documents>,
    store: SharedStore,
    storage: StorageThread,
    driver: Mutex<Option<JoinHandle<()>>>,
    tasks: Vec<AbortHandle>,
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let me = self.device();
        f.debug_struct("Hub").field("device", &me).field("network", &self.0.network).finish_non_exhaustive()
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
        self.documents.close();
        self.store.take();
    }
}

/// What a store says at the start.
struct Beginning {
    identity: Identity,
    engine: StoredEngine,
    book: AddressBook,
    port: Option<u16>,
    renewals: BTreeSet<ResourceId>,
    store: Store,
}

impl Beginning {
    fn read(store: Store) -> Result<Self, HubError> {
        Ok(Self {
            identity: Identity::read(&store)?,
            engine: StoredEngine::read(&store)?,
            book: AddressBook::read(&store)?,
            port: settings::port(&store)?,
            renewals: settings::renewals(&store, store.place())?,
            store,
        })
    }
}

impl Hub {
    /// Starts the hub of a store.
    ///
    /// # Errors
    /// [`HubError`] if the store does not say who this device is, is damaged, or the network cannot be opened.
    pub async fn start(store: Store, config: HubConfig) -> Result<Self, HubError> {
        // Every signature in the store is checked, which takes its time.
        let read = tokio::task::spawn_blocking(move || Beginning::read(store)).await;
        let beginning = read.map_err(|_| HubError::Closed)??;
        let identity = Arc::new(beginning.identity);
        let guests = Arc::new(Guests::default());
        let endpoint = if config.network == Network::None {
            None
        } else {
            let (key, port) = (&identity.key, beginning.port);
            Some(endpoint::open(key, config.network, config.bind, port, Arc::clone(&guests)).await?)
        };
        let store = SharedStore::new(beginning.store);
        let (messages, received) = mpsc::channel(MESSAGES);
        let storage = StorageThread::start(store.clone(), messages.downgrade())
            .map_err(|error| HubError::StoreFailed(error.to_string().into()))?;
        let port = endpoint.as_ref().and_then(endpoint::port).filter(|port| Some(*port) != beginning.port);
        storage.put(port.map(settings::remember_port));

        let edits = Arc::<Edits>::default();
        let (limits, renewals) = (config.limits, beginning.renewals);
        let documents =
            Documents::new(Arc::clone(&identity), limits, store.clone(), renewals, Arc::clone(&edits));
        let (documents, book) = (Arc::new(documents), Arc::new(beginning.book));
        let (events, _) = broadcast::channel(EVENT_CAPACITY);
        let (quiet, watched) = watch::channel(Quiet::default());
        let board = Arc::<Board>::default();
        let gate = match endpoint.clone() {
            Some(endpoint) => Some(Arc::new(gate(endpoint, &book, &messages)?)),
            None => None,
        };
        let around = Surroundings {
            documents: Arc::clone(&documents),
            storage: storage.clone(),
            guests,
            book: Arc::clone(&book),
            board: Arc::clone(&board),
            edits,
            events: events.clone(),
            quiet,
            dial: gate.clone().map(dialling),
            messages: messages.downgrade(),
        };
        let engine = Engine::new(Arc::clone(&identity), beginning.engine, random()?);
        let driver = Driver::new(engine, around, u64::from_le_bytes(random()?));
        let driver = tokio::spawn(driver.run(received));
        let mut tasks = vec![driver.abort_handle()];
        if let Some(gate) = gate {
            tasks.push(tokio::spawn(watch_network(gate.endpoint.clone(), messages.clone())).abort_handle());
            tasks.push(tokio::spawn(gate.accept()).abort_handle());
        }
        tracing::info!(device = %identity.device().short(), network = ?config.network, "started");
        Ok(Self(Arc::new(Shared {
            identity,
            network: config.network,
            endpoint: Mutex::new(endpoint),
            messages,
            events,
            quiet: watched,
            board,
            book,
            documents,
            store,
            storage,
            driver: Mutex::new(Some(driver)),
            tasks,
        })))
    }

    /// This device.
    #[must_use]
    pub fn device(&self) -> DeviceId {
        self.0.identity.device()
    }

    /// The person it belongs to.
    #[must_use]
    pub fn person(&self) -> PersonId {
        self.0.identity.person
    }

    /// Which network it uses.
    #[must_use]
    pub fn network(&self) -> Network {
        self.0.network
    }

    /// Carries out a command, and waits until it is durable.
    ///
    /// # Errors
    /// [`HubError::Command`] says why it was not carried out.
    pub async fn command(&self, command: Command) -> Result<Answer, HubError> {
        let (reply, answer) = oneshot::channel();
        self.tell(Message::Command(command, reply)).await?;
        Ok(answer.await.map_err(|_| HubError::Closed)??)
    }

    /// Asks the engine something. The question is answered between two inputs, so it must be quick.
    ///
    /// # Errors
    /// [`HubError::Closed`] if the hub is closed, or the question panicked.
    pub async fn ask<R: Send + 'static>(
        &self,
        question: impl FnOnce(&Engine) -> R + Send + 'static,
    ) -> Result<R, HubError> {
        let (reply, answer) = oneshot::channel();
        let question = Box::new(move |engine: &Engine| {
            // Whoever asked may have stopped waiting.
            let _ = reply.send(question(engine));
        });
        self.tell(Message::Ask(question)).await?;
        answer.await.map_err(|_| HubError::Closed)
    }

    /// Opens a document that is held here, loading it if need be.
    ///
    /// # Errors
    /// [`HubError::UnknownDocument`] if it is not held, [`HubError::Unreadable`] if it cannot be loaded.
    pub async fn open(&self, id: ResourceId) -> Result<OpenDocument, HubError> {
        let access = self.held(id).await?.ok_or(HubError::UnknownDocument(id))?;
        let opened = self.0.documents.open(id, access).await?;
        // It may have been put away while it was loaded: then nothing would ever be done with it.
        if self.held(id).await?.is_none() {
            let access = opened.with(|document| Arc::clone(document.access()));
            self.0.documents.drop_document(id, access);
            return Err(HubError::UnknownDocument(id));
        }
        Ok(opened)
    }

    /// Who may do what in a document, if it is held here.
    async fn held(&self, id: ResourceId) -> Result<Option<Arc<Access>>, HubError> {
        self.ask(move |engine| {
            let held = engine.documents().any(|(held, standing, _)| held == id && standing.has_content());
            engine.access(id).filter(|_| held)
        })
        .await
    }

    /// What happens from now on. A listener that is more than [`EVENT_CAPACITY`] events behind is told so.
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.0.events.subscribe()
    }

    /// This device with its present addresses, for tickets.
    #[must_use]
    pub fn contact(&self) -> Contact {
        match self.endpoint() {
            Some(endpoint) => endpoint::contact(&endpoint),
            None => Contact { device: self.device(), addresses: Vec::new() },
        }
    }

    /// Notes where devices may be found, and dials those that are wanted. A new device's store knows nobody's
    /// address: give it those of the ticket it was paired with.
    pub async fn learn(&self, contacts: &[Contact]) {
        // If the hub is closed there is nothing to be learned for.
        let _ = self.tell(Message::Learned(contacts.to_vec())).await;
    }

    /// Redeems a ticket to a document. Its content comes by itself then.
    ///
    /// # Errors
    /// [`JoinError`] says why not, and what to do.
    pub async fn redeem(&self, ticket: &Ticket) -> Result<ResourceId, JoinError> {
        let promised = join::document_of(ticket)?;
        let endpoint = self.endpoint().ok_or(JoinError::NoNetwork)?;
        let (me, person) = (self.device(), self.person());
        let own = self.ask(move |engine| {
            let subject = Subject::Roster(person);
            let records = engine.registry().records(&subject).map(|record| record.bytes().to_vec());
            let roster = engine.registry().roster(person);
            let name = roster.and_then(|roster| roster.devices.get(&me).map(|member| member.name.clone()));
            (records.collect(), name.unwrap_or_default())
        });
        let (roster, name) = own.await?;
        let (secret, key) = (ticket.secret(), self.0.identity.key.clone());
        let asking = Arc::new(Asking { secret, key, person: Some(person), name, roster });
        let given = join::redeem(&endpoint, ticket, asking).await?;
        if given.document != Some(promised) {
            return Err(JoinError::Protocol("it gave another document than the ticket promised".into()));
        }
        // Addresses first: as soon as the grant is here, its devices are dialled.
        self.learn(&ticket.devices).await;
        self.learn(&given.contacts).await;
        let joined = Command::Joined { document: promised, records: given.records };
        self.command(joined).await.map_err(JoinError::Hub)?;
        Ok(promised)
    }

    /// How it stands with each device that something is shared with.
    #[must_use]
    pub fn peers(&self) -> Vec<PeerStatus> {
        let has_network = self.endpoint().is_some();
        let last_address = |device: &DeviceId| self.0.book.addresses(device).into_iter().next();
        self.0.board.read(Clock::default().now(), has_network, last_address)
    }

    /// Waits until nothing is left to do: every device that something is shared with, and that could be reached,
    /// has compared everything, and nothing is being worked on, stored or sent. False if that takes too long.
    pub async fn settled(&self, time_limit: Duration) -> bool {
        // What was asked for before this counts: the driver takes messages in order.
        let wait = async {
            self.ask(|_| ()).await.ok()?;
            let mut quiet = self.0.quiet.clone();
            quiet.wait_for(|quiet| quiet.settled).await.ok().map(|_| ())
        };
        timeout(time_limit, wait).await.ok().flatten().is_some()
    }

    /// Ends the hub in peace: edits become durable and are sent to whoever is connected, connections and endpoint
    /// are closed, and the store is released. Whoever calls it second waits for nothing.
    pub async fn close(&self) {
        let driver = self.0.driver.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(driver) = driver else { return };
        if timeout(SAVE_TIMEOUT, self.0.documents.saved()).await.is_err() {
            tracing::warn!("closing although not everything is saved");
        }
        let mut quiet = self.0.quiet.clone();
        // If peers do not take it now, they get it another time.
        let _ = timeout(SEND_TIMEOUT, quiet.wait_for(|quiet| quiet.idle)).await;
        // If the driver is gone already there is nothing to be closed.
        let _ = self.tell(Message::Close).await;
        if let Err(error) = driver.await {
            tracing::error!(%error, "the hub's loop failed");
        }
        for task in &self.0.tasks {
            task.abort();
        }
        let endpoint = self.0.endpoint.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(endpoint) = endpoint
            && timeout(CLOSE_TIMEOUT, endpoint.close()).await.is_err()
        {
            tracing::warn!("the endpoint did not close in time");
        }
        self.0.documents.idle().await;
        let documents = Arc::clone(&self.0.documents);
        let snapshots = tokio::task::spawn_blocking(move || documents.snapshots().collect::<Vec<_>>()).await;
        for snapshot in snapshots.unwrap_or_default() {
            // One by one: each may be large, and one that fails must not take the others with it.
            self.0.storage.put([snapshot]);
        }
        self.0.storage.flushed().await;
        self.0.documents.close();
        let store = self.0.store.take();
        let closed =
            tokio::task::spawn_blocking(move || store.and_then(Arc::into_inner).map(Store::close)).await;
        if let Ok(Some(Err(error))) = closed {
            tracing::warn!(%error, "the store did not close well; what was saved is kept");
        }
    }

    fn endpoint(&self) -> Option<Endpoint> {
        self.0.endpoint.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn tell(&self, message: Message) -> Result<(), HubError> {
        self.0.messages.send(message).await.map_err(|_| HubError::Closed)
    }
}

fn gate(
    endpoint: Endpoint,
    book: &Arc<AddressBook>,
    messages: &mpsc::Sender<Message>,
) -> Result<Gate, HubError> {
    let inviter = Inviter { endpoint: endpoint.clone(), book: Arc::clone(book), messages: messages.clone() };
    Ok(Gate {
        endpoint,
        instance: random()?,
        book: Arc::clone(book),
        messages: messages.clone(),
        joins: JoinGate::new(),
        inviter,
        greetings: Greetings::default(),
    })
}

fn dialling(gate: Arc<Gate>) -> Box<dyn Fn(DeviceId) + Send> {
    Box::new(move |peer| {
        let (gate, messages) = (Arc::clone(&gate), gate.messages.clone());
        let dial = tokio::spawn(async move { gate.dial(peer).await });
        tokio::spawn(async move {
            if let Err(error) = dial.await {
                tracing::error!(peer = %peer.short(), %error, "a dial failed");
                // If the driver is gone nobody waits for this.
                let _ = messages.send(Message::DialFailed { peer }).await;
            }
        });
    })
}

/// Tells the driver when this device's addresses change.
async fn watch_network(endpoint: Endpoint, messages: mpsc::Sender<Message>) {
    let mut address = endpoint.watch_addr();
    while address.updated().await.is_ok() {
        if messages.send(Message::NetworkChanged).await.is_err() {
            return;
        }
    }
}
