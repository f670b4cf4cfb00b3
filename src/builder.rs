//! Opening a store, or making one: for a new person, or as another device of a person there is.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use katori_acl::{DeviceKey, RecoveryPhrase, Ticket, TicketKind};
use katori_core::identity::{Founding, Identity};
use katori_core::store::{OpenError, Storage, Store, Table, Write};
use katori_net::{Hub, HubConfig, Network};

use crate::clock::random;
use crate::error::Error;
use crate::host;
use crate::node::Node;

/// The store in the directory of a node.
pub const STORE_FILE: &str = "katori.redb";
/// Where the bytes behind the recovery words lie until they have been shown.
const RECOVERY_ROW: &[u8] = b"recovery";

/// How to open a node. Made by [`Node::builder`].
#[derive(Debug, Clone)]
pub struct NodeBuilder {
    directory: PathBuf,
    network: Network,
    bind: Option<SocketAddr>,
    person_name: Option<String>,
    device_name: Option<String>,
}

impl NodeBuilder {
    pub(crate) fn new(directory: &Path) -> Self {
        let directory = host::expand_home(directory);
        Self { directory, network: Network::Default, bind: None, person_name: None, device_name: None }
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
        let phrase = RecoveryPhrase::from_entropy(random()?);
        let store = self.found(&phrase, Vec::new()).await?;
        Ok((self.start(store).await?, phrase))
    }

    /// Opens the store that is there, or makes one. The recovery words of a new one are kept until
    /// [`take_recovery_phrase`](Self::take_recovery_phrase) shows them.
    ///
    /// # Errors
    /// [`Error::Store`] if it is in use, or cannot be read or made.
    pub async fn open_or_init(self) -> Result<Node, Error> {
        match self.clone().open().await {
            Err(Error::Store(OpenError::Missing { .. })) => {}
            other => return other,
        }
        let phrase = RecoveryPhrase::from_entropy(random()?);
        let unseen = Write::Put {
            table: Table::Settings,
            key: RECOVERY_ROW.to_vec(),
            value: phrase.to_entropy().to_vec(),
        };
        let store = self.found(&phrase, vec![unseen]).await?;
        self.start(store).await
    }

    /// Makes a store as another device of the person that gave this ticket, whose device must be reachable.
    ///
    /// # Errors
    /// [`Error::Store`] if there is a store already, in which case the ticket is not used; [`Error::Join`] if
    /// it cannot be redeemed.
    pub async fn pair(self, ticket: &Ticket) -> Result<Node, Error> {
        if ticket.kind != TicketKind::Device {
            return Err(Error::WrongTicket(
                "this ticket invites to a document: open a store and join it there",
            ));
        }
        let path = self.prepare().await?;
        if path.symlink_metadata().is_ok() {
            return Err(OpenError::AlreadyExists { path }.into());
        }
        let key = DeviceKey::from_secret(random()?);
        let identity = Identity { key: key.clone(), person: ticket.person };
        let name = self.device_name.clone().unwrap_or_else(host::device_name);
        let roster = Box::pin(katori_net::pair(ticket, &name, key, self.network, self.bind)).await?;
        let rows = identity.rows(&roster);
        let store = blocking(move || Ok(Store::create(path, &rows)?)).await?;
        let node = self.start(store).await?;
        node.hub().learn(&ticket.devices).await;
        Ok(node)
    }

    /// The recovery words of a store that [`open_or_init`](Self::open_or_init) made, the first time they are
    /// asked for; they are erased with that. The store must not be open.
    ///
    /// # Errors
    /// [`Error::Store`] if the store is missing or in use.
    pub async fn take_recovery_phrase(self) -> Result<Option<RecoveryPhrase>, Error> {
        let path = self.store_path();
        blocking(move || {
            let store = Store::open(path)?;
            let row = store.get(Table::Settings, RECOVERY_ROW)?;
            let entropy = row.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
            if entropy.is_some() {
                let erase = Write::Delete { table: Table::Settings, key: RECOVERY_ROW.to_vec() };
                store.commit(&[erase])?;
            }
            store.close()?;
            Ok(entropy.map(RecoveryPhrase::from_entropy))
        })
        .await
    }

    fn store_path(&self) -> PathBuf {
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

    async fn found(&self, phrase: &RecoveryPhrase, mut rows: Vec<Write>) -> Result<Store, Error> {
        let path = self.prepare().await?;
        let founding = Founding {
            person_name: self.person_name.clone().unwrap_or_else(host::person_name),
            device_name: self.device_name.clone().unwrap_or_else(host::device_name),
            recovery: phrase.hash(),
            nonce: random()?,
        };
        let (identity, genesis) = Identity::found(DeviceKey::from_secret(random()?), founding)?;
        rows.extend(identity.rows(&[genesis]));
        blocking(move || Ok(Store::create(path, &rows)?)).await
    }

    async fn start(&self, store: Store) -> Result<Node, Error> {
        let mut config = HubConfig::default();
        config.network = self.network;
        config.bind = self.bind;
        // An endpoint's future is tens of kilobytes, which callers would carry on their stacks.
        let hub = Box::pin(Hub::start(store, config)).await?;
        Node::start(hub).await
    }
}

/// Runs what touches the disk where it may wait.
async fn blocking<R: Send + 'static>(
    work: impl FnOnce() -> Result<R, Error> + Send + 'static,
) -> Result<R, Error> {
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(Error::Interrupted))
}
