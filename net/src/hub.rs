//! The handle on everything: one hub per store, shared by all who use it.

mod closing;
mod flushing;
mod joining;
mod measuring;
mod pacing;

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use iroh::{Endpoint, EndpointAddr, Watcher};
use katori_acl::{Access, Contact, DeviceId, PersonId, ResourceId, Ticket};
use katori_core::document::DocumentLimits;
use katori_core::engine::{Answer, Command, Engine, Event, StoredEngine};
use katori_core::identity::Identity;
use katori_core::store::Store;
use katori_core::wire::Size;
use tokio::sync::{broadcast, mpsc, watch};
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::timeout;

use crate::accept::Gate;
use crate::address::AddressBook;
use crate::documents::{DOCUMENT_MEMORY, Documents, Edits, OpenDocument, REST_AFTER};
use crate::driver::{self, Clock, Driver, MESSAGES, Message, Quiet, Surroundings};
use crate::endpoint::{self, Network};
use crate::error::HubError;
use crate::greeting::Instance;
use crate::guests::{Greetings, Guests};
use crate::join::{Inviter, Pairings, Presented};
use crate::joins::{self, Joins};
use crate::pace::Pace;
use crate::randomness::random;
use crate::settings;
use crate::sought::Sought;
use crate::status::{Board, PeerStatus};
use crate::storage::{SharedStore, StorageThread};

pub use flushing::{Flushed, PeerFlush};

/// Events that wait for a listener. One that lags behind by more is told so, and looks at things anew.
pub const EVENT_CAPACITY: usize = 1024;

/// How a hub is to be started.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct HubConfig {
    /// Which network it uses.
    pub network: Network,
    /// Where it listens; nothing for everywhere. Without a port, the one of the last start is tried first.
    pub bind: Option<SocketAddr>,
    /// Bounds on each document.
    pub limits: DocumentLimits,
    /// Bytes of memory that documents may take, 256 MiB. One that is in use stays although there are more; of the
    /// others, those that were not used for longest go.
    pub memory: u64,
    /// How long a document stays in memory that nobody uses, a minute.
    pub rest_after: Duration,
    /// The only devices that are dialled; nothing for every device with which something is shared.
    pub through: Option<BTreeSet<DeviceId>>,
}

impl Default for HubConfig {
    fn default() -> Self {
        Self {
            network: Network::default(),
            bind: None,
            limits: DocumentLimits::default(),
            memory: DOCUMENT_MEMORY,
            rest_after: REST_AFTER,
            through: None,
        }
    }
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
    pace: Arc<Pace>,
    store: SharedStore,
    storage: StorageThread,
    joins: Arc<Joins>,
    pairings: Arc<Pairings>,
    /// Counts what may let those in who wait.
    answers: watch::Sender<u64>,
    driver: Mutex<Option<JoinHandle<()>>>,
    /// Set once closing has begun; true when it is over.
    closed: OnceLock<watch::Receiver<bool>>,
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
        self.joins.stop();
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
    joins: Vec<(Ticket, bool)>,
    sought: Sought,
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
            joins: joins::read(&store)?,
            sought: Sought::read(&store)?,
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
        let documents = Documents::new(
            Arc::clone(&identity),
            limits,
            store.clone(),
            renewals,
            Arc::clone(&edits),
            config.memory,
        );
        let (documents, book) = (Arc::new(documents), Arc::new(beginning.book));
        let (events, _) = broadcast::channel(EVENT_CAPACITY);
        let (quiet, watched) = watch::channel(Quiet::default());
        let (board, pace) = (Arc::<Board>::default(), Arc::<Pace>::default());
        let (pairings, answers) = (Pairings::new(), watch::Sender::new(0));
        let instance = random()?;
        let gate = endpoint.clone().map(|endpoint| {
            let (messages, pairings) = (messages.clone(), Arc::clone(&pairings));
            let (book, guests) = (Arc::clone(&book), Arc::clone(&guests));
            Arc::new(gate(endpoint, instance, book, guests, messages, pairings, answers.subscribe()))
        });
        let around = Surroundings {
            documents: Arc::clone(&documents),
            storage: storage.clone(),
            guests,
            book: Arc::clone(&book),
            board: Arc::clone(&board),
            edits,
            pace: Arc::clone(&pace),
            events: events.clone(),
            quiet,
            dial: gate.clone().map(dialling),
            rest_after: config.rest_after,
            through: config.through,
            messages: messages.downgrade(),
        };
        let engine = Engine::new(Arc::clone(&identity), beginning.engine, random()?);
        let driver = Driver::new(engine, around, beginning.sought, u64::from_le_bytes(random()?));
        let driver = tokio::spawn(driver.run(received));
        let joins = Joins::start(
            Arc::clone(&identity),
            endpoint.clone(),
            messages.clone(),
            storage.clone(),
            beginning.joins,
        );
        let mut tasks = vec![driver.abort_handle()];
        if let Some(gate) = gate {
            let watching = watch_network(Arc::clone(&gate), messages.clone(), Arc::clone(&joins));
            tasks.push(tokio::spawn(watching).abort_handle());
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
            pace,
            store,
            storage,
            joins,
            pairings,
            answers,
            driver: Mutex::new(Some(driver)),
            closed: OnceLock::new(),
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
        let answers =
            matches!(command, Command::Answer { .. } | Command::Uninvite { .. } | Command::SetBlocked { .. });
        let answer = driver::command(&self.0.messages, command).await.ok_or(HubError::Closed)??;
        if answers {
            // Those who wait to be let in ask anew.
            self.0.answers.send_modify(|count| *count += 1);
        }
        Ok(answer)
    }

    /// Asks the engine something. The question is answered between two inputs, so it must be quick.
    ///
    /// # Errors
    /// [`HubError::Closed`] if the hub is closed, or the question panicked.
    pub async fn ask<R: Send + 'static>(
        &self,
        question: impl FnOnce(&Engine) -> R + Send + 'static,
    ) -> Result<R, HubError> {
        driver::ask(&self.0.messages, question).await.ok_or(HubError::Closed)
    }

    /// Opens a document that is held here, loading it if need be.
    ///
    /// # Errors
    /// [`HubError::UnknownDocument`] if it is not held, [`HubError::Unreadable`] if it cannot be loaded.
    pub async fn open(&self, id: ResourceId) -> Result<OpenDocument, HubError> {
        let (access, size) = self.held(id).await?.ok_or(HubError::UnknownDocument(id))?;
        let opened = self.0.documents.open(id, access, size).await?;
        // It may have been put away while it was loaded: then nothing would ever be done with it. And who may do what
        // may have changed.
        let documents = Arc::clone(&self.0.documents);
        let before = opened.with(|document| Arc::clone(document.access()));
        let held = self.ask(move |engine| {
            let access = engine.access(id).filter(|_| engine.holds_content(id));
            let held = access.is_some();
            // Here and now, while the engine says so: a moment later there may be another in its place.
            match access {
                Some(access) => documents.refresh(id, access),
                None => documents.drop_document(id, before),
            }
            held
        });
        if held.await? { Ok(opened) } else { Err(HubError::UnknownDocument(id)) }
    }

    /// Who may do what in a document, and how large it is, if it is held here.
    async fn held(&self, id: ResourceId) -> Result<Option<(Arc<Access>, Size)>, HubError> {
        self.ask(move |engine| {
            let access = engine.access(id).filter(|_| engine.holds_content(id))?;
            Some((access, engine.stored_size(id)))
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

    /// These devices with the addresses at which they were last, as far as they are known, for tickets that any of
    /// them may answer.
    #[must_use]
    pub fn contacts(&self, devices: &[DeviceId]) -> Vec<Contact> {
        let me = self.device();
        let contact = |device: &DeviceId| {
            if *device == me { Some(self.contact()) } else { self.0.book.contact(*device) }
        };
        devices.iter().filter_map(contact).collect()
    }

    /// Notes where devices may be found, and dials those that are wanted. A new device's store knows nobody's
    /// address: give it those of the ticket it was paired with.
    pub async fn learn(&self, contacts: &[Contact]) {
        // If the hub is closed there is nothing to be learned for.
        let _ = self.tell(Message::Learned(contacts.to_vec())).await;
    }

    /// Dials devices with which nothing is known to be shared, until they have said what is: a person who comes back
    /// after losing every device knows nothing but whom to ask. Goes on after a restart; for a store that is still
    /// to be made there is [`rows_to_seek`](crate::rows_to_seek). Whoever is blocked is not looked for any more.
    pub async fn seek(&self, contacts: &[Contact]) {
        // If the hub is closed there is nothing to be found. The question is answered when the rows are handed in.
        let told = self.tell(Message::Sought(contacts.to_vec())).await;
        if told.is_ok() && self.ask(|_| ()).await.is_ok() {
            self.0.storage.flushed().await;
        }
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

    pub(crate) fn shared_store(&self) -> SharedStore {
        self.0.store.clone()
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
    instance: Instance,
    book: Arc<AddressBook>,
    guests: Arc<Guests>,
    messages: mpsc::Sender<Message>,
    pairings: Arc<Pairings>,
    answers: watch::Receiver<u64>,
) -> Gate {
    let inviter =
        Inviter::new(endpoint.clone(), Arc::clone(&book), guests, messages.clone(), pairings, answers);
    Gate {
        endpoint,
        instance: Mutex::new(instance),
        book,
        messages,
        inviter,
        presented: Presented::default(),
        greetings: Greetings::default(),
    }
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
async fn watch_network(gate: Arc<Gate>, messages: mpsc::Sender<Message>, joins: Arc<Joins>) {
    let mut address = gate.endpoint.watch_addr();
    let mut before = direct_addresses(&address.get());
    while let Ok(changed) = address.updated().await {
        let now = direct_addresses(&changed);
        let has_moved = !before.is_subset(&now);
        before = now;
        if has_moved {
            gate.renew_instance();
        }
        joins.nudge();
        if messages.send(Message::NetworkChanged { has_moved }).await.is_err() {
            return;
        }
    }
}

fn direct_addresses(address: &EndpointAddr) -> BTreeSet<IpAddr> {
    address.ip_addrs().map(SocketAddr::ip).collect()
}
