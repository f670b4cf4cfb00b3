//! Devices with stores in a directory of their own, and peers that speak the protocols by hand.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use automerge::transaction::Transactable;
use automerge::{ROOT, ReadDoc};
use iroh::endpoint::{Connection, ConnectionError, RecvStream, SendStream, presets};
use iroh::{Endpoint, EndpointAddr, EndpointId, RelayMode, SecretKey};
use katori_acl::{
    Contact, DeviceId, DeviceKey, InviteSecret, PersonId, ResourceId, Role, Ticket, TicketKind,
    VerifiedRecord,
};
use katori_core::engine::{Answer, Command, Event, Offer};
use katori_core::identity::{Founding, Identity};
use katori_core::store::{OpenError, Store, Write};
use katori_core::wire::Frame;
use katori_net::{Hub, HubConfig, JOIN_ALPN, Network, OpenDocument, PairingEnd, SYNC_ALPN, pair};
use tempfile::TempDir;
use tokio::time::timeout;

/// Longer than anything here takes on a busy machine: reached only by a test that fails.
pub(crate) const DEADLINE: Duration = Duration::from_mins(1);

/// Makes keys and seeds differ within a run.
static NEXT: AtomicU64 = AtomicU64::new(1);

/// A secret that no other in this run equals.
pub(crate) fn secret() -> [u8; 32] {
    let mut secret = [0x5a; 32];
    secret[..8].copy_from_slice(&NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    secret
}

/// A device with a store, and its hub while it is up.
pub(crate) struct Device {
    _directory: TempDir,
    path: PathBuf,
    pub(crate) identity: Identity,
    pub(crate) roster: Vec<VerifiedRecord>,
    hub: Option<Hub>,
}

/// Any port of this machine.
pub(crate) const ANYWHERE: Option<SocketAddr> = Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0));

pub(crate) fn config(network: Network) -> HubConfig {
    let mut config = HubConfig::default();
    config.network = network;
    config.bind = ANYWHERE;
    config
}

impl Device {
    /// The first device of a new person, with its hub up.
    pub(crate) async fn start(name: &str) -> Self {
        let mut device = Self::resting(name);
        device.open().await;
        device
    }

    /// The first device of a new person, whose hub is not up.
    pub(crate) fn resting(name: &str) -> Self {
        let founding = Founding {
            person_name: name.to_owned(),
            device_name: "laptop".to_owned(),
            recovery: secret(),
            nonce: [0; 16],
        };
        let (identity, genesis) = Identity::found(DeviceKey::from_secret(secret()), founding).unwrap();
        Self::with(identity, vec![genesis])
    }

    /// A device of a person whose roster is known.
    pub(crate) fn with(identity: Identity, roster: Vec<VerifiedRecord>) -> Self {
        Self::with_rows(identity, roster, Vec::new())
    }

    /// The same, with more in its new store.
    pub(crate) fn with_rows(identity: Identity, roster: Vec<VerifiedRecord>, more: Vec<Write>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store");
        let rows = [identity.rows(&roster), more].concat();
        Store::create(&path, &rows).unwrap().close().unwrap();
        Self { _directory: directory, path, identity, roster, hub: None }
    }

    pub(crate) async fn open(&mut self) {
        self.open_with(config(Network::Offline)).await;
    }

    pub(crate) async fn open_with(&mut self, config: HubConfig) {
        let store = Store::open(&self.path).unwrap();
        self.hub = Some(Hub::start(store, config).await.unwrap());
    }

    pub(crate) async fn close(&mut self) {
        if let Some(hub) = self.hub.take() {
            hub.close().await;
        }
    }

    /// Lets go of the hub without closing it, as a power cut does, and waits until the store is free.
    pub(crate) async fn cut(&mut self) {
        drop(self.hub.take());
        let free = async {
            while matches!(Store::open(&self.path).map(Store::close), Err(OpenError::Locked { .. })) {
                tokio::task::yield_now().await;
            }
        };
        timeout(DEADLINE, free).await.expect("the store is let go of");
    }

    pub(crate) fn hub(&self) -> &Hub {
        self.hub.as_ref().unwrap()
    }

    pub(crate) fn person(&self) -> PersonId {
        self.identity.person
    }

    pub(crate) async fn create(&self, name: &str) -> ResourceId {
        match self.hub().command(Command::Create { name: name.to_owned(), space: None }).await.unwrap() {
            Answer::Created(document) => document,
            other => panic!("{other:?}"),
        }
    }

    /// An invitation for one, or with other terms.
    pub(crate) async fn invite(&self, document: ResourceId, role: Role) -> Ticket {
        self.invite_until(document, role, None).await
    }

    pub(crate) async fn invite_until(
        &self,
        document: ResourceId,
        role: Role,
        expires: Option<u64>,
    ) -> Ticket {
        self.invite_with(document, role, expires, false).await
    }

    /// An invitation for one, whom somebody here has to let in.
    pub(crate) async fn invite_to_confirm(&self, document: ResourceId, role: Role) -> Ticket {
        self.invite_with(document, role, None, true).await
    }

    async fn invite_with(
        &self,
        document: ResourceId,
        role: Role,
        expires: Option<u64>,
        confirm: bool,
    ) -> Ticket {
        let kind = TicketKind::Document { resource: document, name: "groceries".to_owned(), role };
        let ticket = Ticket { expires, ..self.ticket(kind) };
        let offer = Offer { role, share: false, expires };
        let key = ticket.secret().public();
        let invite = Command::Invite { document, offer, key, uses: Some(1), confirm };
        self.hub().command(invite).await.unwrap();
        ticket
    }

    /// A ticket that names this device, and of which it has not been told yet.
    pub(crate) fn ticket(&self, kind: TicketKind) -> Ticket {
        Ticket {
            kind,
            person: self.person(),
            person_name: "Ana".to_owned(),
            devices: vec![self.hub().contact()],
            seed: secret(),
            expires: None,
        }
    }

    /// A ticket for another device of this person.
    pub(crate) async fn ticket_for_device(&self) -> Ticket {
        let ticket = self.ticket(TicketKind::Device);
        let key = ticket.secret().public();
        self.hub().command(Command::InviteDevice { key, expires: None }).await.unwrap();
        ticket
    }

    /// How many devices this person has, as this device sees it.
    pub(crate) async fn devices(&self) -> usize {
        let person = self.person();
        let count = self.hub().ask(move |engine| engine.registry().roster(person).map(|it| it.devices.len()));
        count.await.unwrap().unwrap()
    }

    /// A second device of this person, paired and up.
    pub(crate) async fn second_device(&self) -> Self {
        let ticket = self.ticket_for_device().await;
        let key = DeviceKey::from_secret(secret());
        let mut requests = self.hub().pairings();
        let joining = pair(&ticket, "phone", key.clone(), Network::Offline, ANYWHERE, async |_| true);
        let answering = async {
            let request = requests.recv().await.unwrap();
            self.hub().answer_pairing(request.id, true).await
        };
        let (roster, end) = tokio::join!(joining, answering);
        assert_eq!(end, PairingEnd::Paired);
        let mut second = Self::with(Identity { key, person: self.person() }, roster.unwrap());
        second.open().await;
        second.hub().learn(&ticket.devices).await;
        second
    }

    pub(crate) async fn document(&self, document: ResourceId) -> OpenDocument {
        self.hub().open(document).await.unwrap()
    }

    /// Puts a value, and waits until it is durable.
    pub(crate) async fn put(&self, document: ResourceId, key: &str, value: &str) {
        let open = self.document(document).await;
        let ((), hash, saving, _) = open.edit(|edit| edit.put(ROOT, key, value)).unwrap();
        assert!(hash.is_some());
        saving.await.unwrap();
    }

    /// Waits until a document shows a value.
    pub(crate) async fn shows(&self, document: ResourceId, key: &str, value: &str) {
        let mut events = self.hub().events();
        let open = self.document(document).await;
        let shown = || open.with(|document| text(document.automerge().get(ROOT, key)));
        let wait = async {
            while shown().as_deref() != Some(value) {
                events.recv().await.unwrap();
            }
        };
        timeout(DEADLINE, wait)
            .await
            .unwrap_or_else(|_| panic!("{key} never was {value}, but {:?}", shown()));
    }

    /// Waits until a document is held.
    pub(crate) async fn until_held(&self, document: ResourceId) {
        let mut events = self.hub().events();
        let wait = async {
            while self.hub().open(document).await.is_err() {
                while !matches!(events.recv().await.unwrap(), Event::Access { .. }) {}
            }
        };
        timeout(DEADLINE, wait).await.expect("the document comes in time");
    }
}

fn text(
    found: Result<Option<(automerge::Value<'_>, automerge::ObjId)>, automerge::AutomergeError>,
) -> Option<String> {
    found.unwrap().and_then(|(value, _)| value.as_str().map(str::to_owned))
}

/// Two devices of two people, with a document that the first made and the second joined with a role.
pub(crate) async fn pair_with(role: Role) -> (Device, Device, ResourceId) {
    let (ana, ben) = (Device::start("Ana").await, Device::start("Ben").await);
    let document = ana.create("groceries").await;
    ana.put(document, "milk", "one").await;
    let ticket = ana.invite(document, role).await;
    assert_eq!(ben.hub().redeem(&ticket).await.unwrap(), document);
    ben.shows(document, "milk", "one").await;
    (ana, ben, document)
}

/// Somebody who speaks to hubs without being one.
pub(crate) struct Stranger {
    pub(crate) endpoint: Endpoint,
}

impl Stranger {
    pub(crate) async fn with_key(key: &DeviceKey) -> Self {
        let endpoint = Endpoint::builder(presets::Minimal)
            .secret_key(SecretKey::from_bytes(&key.to_secret()))
            .alpns(vec![SYNC_ALPN.to_vec(), JOIN_ALPN.to_vec()])
            .relay_mode(RelayMode::Disabled)
            .clear_ip_transports()
            .bind_addr("127.0.0.1:0")
            .unwrap()
            .bind()
            .await
            .unwrap();
        Self { endpoint }
    }

    /// Where it may be found.
    pub(crate) fn contact(&self) -> Contact {
        let device = DeviceId::from_bytes(*self.endpoint.id().as_bytes());
        let addresses = self.endpoint.bound_sockets().iter().map(ToString::to_string).collect();
        Contact { device, addresses }
    }

    /// The next connection that comes in.
    pub(crate) async fn accept(&self) -> Connection {
        let incoming = timeout(DEADLINE, self.endpoint.accept()).await.unwrap().unwrap();
        incoming.accept().unwrap().await.unwrap()
    }

    pub(crate) async fn connect(&self, contact: &Contact, alpn: &[u8]) -> Connection {
        let id = EndpointId::from_bytes(contact.device.as_bytes()).unwrap();
        let mut address = EndpointAddr::new(id);
        for text in &contact.addresses {
            address = address.with_ip_addr(text.parse().unwrap());
        }
        timeout(DEADLINE, self.endpoint.connect(address, alpn)).await.unwrap().unwrap()
    }

    /// A connection to a hub that knows this device, after hello and welcome.
    pub(crate) async fn link(&self, contact: &Contact) -> Wire {
        let connection = self.connect(contact, SYNC_ALPN).await;
        let (mut send, mut receive) = connection.open_bi().await.unwrap();
        // A hello: its kind, the version, an instance, no addresses.
        write(&mut send, &[1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]).await;
        let welcome = read(&mut receive).await;
        assert_eq!(welcome[..2], [2, 1], "a welcome");
        Wire { connection, send, receive }
    }
}

/// A link, spoken by hand.
pub(crate) struct Wire {
    pub(crate) connection: Connection,
    pub(crate) send: SendStream,
    pub(crate) receive: RecvStream,
}

impl Wire {
    pub(crate) async fn say(&mut self, frame: &Frame) {
        write(&mut self.send, &frame.encode()).await;
    }

    /// Says something to one who may have gone.
    pub(crate) async fn try_say(&mut self, frame: &Frame) {
        let bytes = frame.encode();
        let length = u32::try_from(bytes.len()).unwrap().to_be_bytes();
        // If it has gone, that is seen when it is listened to.
        let _ = self.send.write_all(&[length.as_slice(), &bytes].concat()).await;
    }

    /// The next frame; nothing when the other side has closed.
    pub(crate) async fn try_hear(&mut self) -> Option<Frame> {
        let frame = async {
            let mut length = [0; 4];
            self.receive.read_exact(&mut length).await.ok()?;
            let mut bytes = vec![0; u32::from_be_bytes(length) as usize];
            self.receive.read_exact(&mut bytes).await.ok()?;
            Some(Frame::decode(&bytes).unwrap())
        };
        timeout(DEADLINE, frame).await.expect("a frame or the end in time")
    }

    pub(crate) async fn hear(&mut self) -> Frame {
        Frame::decode(&read(&mut self.receive).await).unwrap()
    }
}

pub(crate) async fn write(send: &mut SendStream, bytes: &[u8]) {
    send.write_all(&u32::try_from(bytes.len()).unwrap().to_be_bytes()).await.unwrap();
    send.write_all(bytes).await.unwrap();
}

pub(crate) async fn read(receive: &mut RecvStream) -> Vec<u8> {
    let frame = async {
        let mut length = [0; 4];
        receive.read_exact(&mut length).await.unwrap();
        let mut bytes = vec![0; u32::from_be_bytes(length) as usize];
        receive.read_exact(&mut bytes).await.unwrap();
        bytes
    };
    timeout(DEADLINE, frame).await.expect("a frame in time")
}

/// Waits until the other side closes a connection, and says with what code.
pub(crate) async fn close_code(connection: &Connection) -> u64 {
    match timeout(DEADLINE, connection.closed()).await.expect("closed in time") {
        ConnectionError::ApplicationClosed(close) => close.error_code.into_inner(),
        other => panic!("{other}"),
    }
}

/// The secret of a ticket, for those who claim by hand.
pub(crate) fn invite_secret(ticket: &Ticket) -> InviteSecret {
    ticket.secret()
}
