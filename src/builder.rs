//! Opening a store, or making one: for a new person, as another device of a person there is, or for one who comes
//! back after losing every device.

use std::collections::BTreeSet;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

use katori_acl::{DeviceId, DeviceKey, RecoveryPhrase, Ticket, TicketKind};
use katori_core::engine::{Engine, StoredEngine};
use katori_core::identity::{Founding, Identity};
use katori_core::store::{OpenError, Store, Write};
use katori_net::{Digits, Hub, HubConfig, HubError, Network};

use crate::clock::random;
use crate::error::Error;
use crate::host;
use crate::node::Node;
use crate::recovery::{WordsFile, believed};

/// The store in the directory of a node.
pub const STORE_FILE: &str = "katori.redb";

/// Shows digits, and says whether the other screen shows the same.
type Confirm = dyn Fn(Digits) -> Pin<Box<dyn Future<Output = bool> + Send>> + Send + Sync;

/// How to open a node. Made by [`Node::builder`].
#[derive(Clone)]
pub struct NodeBuilder {
    directory: PathBuf,
    network: Network,
    bind: Option<SocketAddr>,
    person_name: Option<String>,
    device_name: Option<String>,
    confirm: Option<Arc<Confirm>>,
    memory: Option<u64>,
    through: Option<BTreeSet<DeviceId>>,
}

impl fmt::Debug for NodeBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeBuilder")
            .field("directory", &self.directory)
            .field("network", &self.network)
            .field("bind", &self.bind)
            .finish_non_exhaustive()
    }
}

impl NodeBuilder {
    pub(crate) fn new(directory: &Path) -> Self {
        Self {
            directory: host::expand_home(directory),
            network: Network::Default,
            bind: None,
            person_name: None,
            device_name: None,
            confirm: None,
            memory: None,
            through: None,
        }
    }

    /// How to reach others. The default goes directly where it can, and through a relay where it must.
    #[must_use]
    pub fn network(mut self, network: Network) -> Self {
        self.network = network;
        self
    }

    /// The address to listen on; by default any, on the port of the last time.
    #[must_use]
    pub fn bind(mut self, address: SocketAddr) -> Self {
        self.bind = Some(address);
        self
    }

    /// What the person of a new store calls itself; by default the name of the user.
    #[must_use]
    pub fn person_name(mut self, name: &str) -> Self {
        self.person_name = Some(name.to_owned());
        self
    }

    /// What the device of a new store is called; by default the name of the host.
    #[must_use]
    pub fn device_name(mut self, name: &str) -> Self {
        self.device_name = Some(name.to_owned());
        self
    }

    /// Bytes of memory that documents may take, 256 MiB by default. One that somebody holds open stays in memory
    /// although there are more; of the others those go that were not used for longest, and are loaded again when they
    /// are wanted.
    #[must_use]
    pub fn memory(mut self, bytes: u64) -> Self {
        self.memory = Some(bytes);
        self
    }

    /// Dials these devices and no others: everything goes through them, as in a crowd around one hub that is always
    /// there. By default every device is dialled with which something is shared, so that nobody depends on anybody,
    /// at the price of a connection for each pair. Others may still connect to this device, and whoever a ticket
    /// names is dialled as ever.
    #[must_use]
    pub fn through(mut self, devices: impl IntoIterator<Item = DeviceId>) -> Self {
        self.through = Some(devices.into_iter().collect());
        self
    }

    /// Who compares the six digits when this device is [paired](Self::pair): shows them, and says whether the other
    /// screen shows the same. There are two minutes for it.
    #[must_use]
    pub fn confirm_digits<F>(mut self, confirm: impl Fn(Digits) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = bool> + Send + 'static,
    {
        self.confirm = Some(Arc::new(move |digits| Box::pin(confirm(digits))));
        self
    }

    /// Opens the store that is there.
    ///
    /// # Errors
    /// [`Error::Store`] if there is none, if it is in use, or if it cannot be read; it is left as it is.
    pub async fn open(self) -> Result<Node, Error> {
        let path = self.store_path();
        let store = blocking(move || Ok(Store::open(path)?)).await?;
        self.start(store).await
    }

    /// Makes a new person with a first device, and the words that bring the person back after all its devices
    /// are lost. They are shown this once and kept nowhere.
    ///
    /// # Errors
    /// [`Error::Store`] if there is a store already; it is left as it is.
    pub async fn init(self) -> Result<(Node, RecoveryPhrase), Error> {
        let path = self.prepare_new().await?;
        let phrase = RecoveryPhrase::from_entropy(random()?);
        let store = self.found(path, &phrase, None).await?;
        Ok((self.start(store).await?, phrase))
    }

    /// Opens the store that is there, or makes one. The recovery words of a new one are kept until
    /// [`Node::forget_recovery_words`].
    ///
    /// # Errors
    /// [`Error::Store`] if it is in use, or cannot be read or made.
    pub async fn open_or_init(self) -> Result<Node, Error> {
        match self.clone().open().await {
            Err(Error::Store(OpenError::Missing { .. })) => {}
            other => return other,
        }
        let path = self.prepare_new().await?;
        let phrase = RecoveryPhrase::from_entropy(random()?);
        let store = self.found(path, &phrase, Some(phrase.clone())).await?;
        self.start(store).await
    }

    /// Makes a store as another device of the person that gave this ticket, whose device must be reachable. Both
    /// screens show six digits, and somebody compares them: see [`confirm_digits`](Self::confirm_digits) for this
    /// one, and [`Node::pairings`] for the other.
    ///
    /// # Errors
    /// [`Error::Store`] if there is a store already, and [`Error::NobodyConfirms`]: the ticket is not used then.
    /// [`Error::Join`] if it cannot be redeemed.
    pub async fn pair(self, ticket: &Ticket) -> Result<Node, Error> {
        match ticket.kind {
            TicketKind::Device => {}
            TicketKind::Document { .. } => {
                return Err(Error::WrongTicket(
                    "this ticket invites to a document: open a store and join it there",
                ));
            }
            TicketKind::Recovery { .. } => {
                return Err(Error::WrongTicket("this ticket brings a person back: recover with it"));
            }
        }
        let confirm = self.confirm.clone().ok_or(Error::NobodyConfirms)?;
        let path = self.prepare_new().await?;
        let key = DeviceKey::from_secret(random()?);
        let identity = Identity { key: key.clone(), person: ticket.person };
        let name = self.new_device_name();
        let (network, bind) = (self.network, self.bind);
        let confirm = async move |digits| confirm(digits).await;
        let roster = Box::pin(katori_net::pair(ticket, &name, key, network, bind, confirm)).await?;
        let store = self.create(path, identity.rows(&roster), None).await?;
        let node = self.start(store).await?;
        node.hub().learn(&ticket.devices).await;
        Ok(node)
    }

    /// Makes a store for a person who has lost every device, on this new one: with the words, and a ticket that a
    /// friend's device gave by [`Node::help_recover`]. This device outranks every other then: remove those that are
    /// lost with [`Node::remove_device`]. The documents come from whoever has them. The words count no more; new
    /// ones are kept until [`Node::forget_recovery_words`].
    ///
    /// # Errors
    /// [`Error::Store`] if there is a store already; [`Error::Join`] if the ticket cannot be redeemed;
    /// [`Error::Recover`] if the words are not this person's. Nothing has changed then.
    pub async fn recover(self, words: &RecoveryPhrase, ticket: &Ticket) -> Result<Node, Error> {
        if !matches!(ticket.kind, TicketKind::Recovery { .. }) {
            return Err(Error::WrongTicket(
                "this ticket is not for recovering: ask a friend for one that is",
            ));
        }
        let path = self.prepare_new().await?;
        let key = DeviceKey::from_secret(random()?);
        let asked = katori_net::recover_roster(ticket, key.clone(), self.network, self.bind);
        let (roster, contacts) = Box::pin(asked).await?;
        let next = RecoveryPhrase::from_entropy(random()?);
        let (identity, roster) = Identity::recover(key, words, &next, roster, self.new_device_name())?;
        // Nothing says yet what is shared with whom. Whom to ask is kept from the first, so that this comes to its end
        // when it is cut short here.
        let mut rows = identity.rows(&roster);
        rows.extend(katori_net::rows_to_seek(&[ticket.devices.clone(), contacts].concat()));
        let store = self.create(path, rows, Some(next)).await?;
        self.start(store).await
    }

    /// The recovery words of this store, if they were not taken yet; they are erased here with that. An app shows
    /// them by [`Node::recovery_words`], which leaves them until they are written down.
    ///
    /// # Errors
    /// [`Error::RecoveryWords`] if their file cannot be read or erased, and [`Error::Store`] if the store, which says
    /// whether they are still those that bring its person back, is in use or cannot be read.
    pub async fn take_recovery_phrase(self) -> Result<Option<RecoveryPhrase>, Error> {
        let (file, path) = (WordsFile::beside(&self.directory), self.store_path());
        blocking(move || {
            let kept = file.read()?;
            if kept.is_empty() {
                return Ok(None);
            }
            let store = match Store::open(path) {
                Err(OpenError::Missing { .. }) => return Ok(None),
                opened => opened?,
            };
            let identity = Identity::read(&store).map_err(HubError::from)?;
            let stored = StoredEngine::read(&store).map_err(HubError::from)?;
            let phrase = believed(&Engine::new(Arc::new(identity), stored, random()?), kept);
            if phrase.is_some() {
                file.erase()?;
            }
            Ok(phrase)
        })
        .await
    }

    fn new_device_name(&self) -> String {
        self.device_name.clone().unwrap_or_else(host::device_name)
    }

    pub(crate) fn store_path(&self) -> PathBuf {
        self.directory.join(STORE_FILE)
    }

    /// Makes the directory, readable by its owner alone.
    async fn prepare(&self) -> Result<PathBuf, Error> {
        let (directory, path) = (self.directory.clone(), self.store_path());
        blocking(move || {
            host::make_private_directory(&directory)
                .map_err(|source| Error::Directory { path: directory, source })
        })
        .await?;
        Ok(path)
    }

    /// The same, where there must be no store yet.
    async fn prepare_new(&self) -> Result<PathBuf, Error> {
        let path = self.prepare().await?;
        if path.symlink_metadata().is_ok() {
            return Err(OpenError::AlreadyExists { path }.into());
        }
        Ok(path)
    }

    async fn found(
        &self,
        path: PathBuf,
        phrase: &RecoveryPhrase,
        keep: Option<RecoveryPhrase>,
    ) -> Result<Store, Error> {
        let founding = Founding {
            person_name: self.person_name.clone().unwrap_or_else(host::person_name),
            device_name: self.new_device_name(),
            recovery: phrase.hash(),
            nonce: random()?,
        };
        let (identity, genesis) = Identity::found(DeviceKey::from_secret(random()?), founding)?;
        self.create(path, identity.rows(&[genesis]), keep).await
    }

    /// Makes the store, and keeps the words that its person is recovered by from then on, if they are to be kept.
    /// What lay there of a store that was never made is erased.
    async fn create(
        &self,
        path: PathBuf,
        rows: Vec<Write>,
        keep: Option<RecoveryPhrase>,
    ) -> Result<Store, Error> {
        let file = WordsFile::beside(&self.directory);
        blocking(move || {
            // The words first: a person whose words were never kept could not come back.
            let words = keep.map(|phrase| file.write_new(&phrase)).transpose()?;
            let store = Store::create(path, &rows);
            let done = match (words, &store) {
                (Some(words), Ok(_)) => words.keep(),
                (Some(words), Err(_)) => words.discard(),
                (None, Ok(_)) => file.erase(),
                (None, Err(_)) => Ok(()),
            };
            if let Err(error) = done {
                // Whoever reads words asks the store which are right, under whatever name they lie.
                tracing::warn!(%error, "old recovery words are left, or new ones under another name");
            }
            Ok(store?)
        })
        .await
    }

    async fn start(self, store: Store) -> Result<Node, Error> {
        let mut config = HubConfig::default();
        config.network = self.network;
        config.bind = self.bind;
        config.memory = self.memory.unwrap_or(config.memory);
        config.through = self.through;
        // An endpoint's future is tens of kilobytes, which callers would carry on their stacks.
        let hub = Box::pin(Hub::start(store, config)).await?;
        Node::start(hub, self.directory).await
    }
}

/// Runs what touches the disk where it may wait.
pub(crate) async fn blocking<R: Send + 'static>(
    work: impl FnOnce() -> Result<R, Error> + Send + 'static,
) -> Result<R, Error> {
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(Error::Interrupted))
}
