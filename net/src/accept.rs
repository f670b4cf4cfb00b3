//! Connections that come in, and connections that go out, until they are links.
//!
//! Our own loop instead of iroh's router, which closes the whole endpoint when one handler panics and bounds
//! nothing. Each connection has a task of its own, a bound on how many there are, and a limit on every step.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use iroh::endpoint::{Connection, Incoming};
use iroh::{Endpoint, EndpointAddr};
use katori_acl::DeviceId;
use katori_core::engine::Engine;
use katori_core::reconcile::Secret;
use katori_core::wire::SYNC_ALPN;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::timeout;
use tracing::Instrument;

use crate::address::{AddressBook, device_of, to_dial};
use crate::driver::{self, Candidate, Message};
use crate::endpoint::{contact, exporter};
use crate::greeting::{CloseCode, Greeted, Greeting, GreetingError, Hello, Instance, JOIN_ALPN};
use crate::guests::{Greetings, Source};
use crate::join::{Inviter, Presented};
use crate::link::{self, Admitted};
use crate::meter;
use crate::randomness::random;
use crate::status::path_of;

/// Connections that have come in and are not links yet. A stranger holds such a place for no longer than a
/// handshake takes; beyond this many, newcomers are turned away.
const ARRIVALS: usize = 64;
/// How long a handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a dial may take: iroh itself would wait 30 seconds for an address that is dead.
pub(crate) const DIAL_TIMEOUT: Duration = Duration::from_secs(8);
/// How long a refusal may take to arrive.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(1);

/// What it takes to make a connection a link.
#[derive(Debug)]
pub(crate) struct Gate {
    pub(crate) endpoint: Endpoint,
    /// Drawn at the start, and whenever this device has moved.
    pub(crate) instance: Mutex<Instance>,
    pub(crate) book: Arc<AddressBook>,
    pub(crate) messages: mpsc::Sender<Message>,
    pub(crate) inviter: Inviter,
    pub(crate) presented: Presented,
    pub(crate) greetings: Greetings,
}

impl Gate {
    /// Takes connections in until the endpoint closes.
    pub(crate) async fn accept(self: Arc<Self>) {
        let arrivals = Arc::new(Semaphore::new(ARRIVALS));
        while let Some(incoming) = self.endpoint.accept().await {
            if arrivals.available_permits() < ARRIVALS / 2 && !incoming.remote_addr_validated() {
                // Makes those who forge their address go away, and everybody else come again.
                if let Err(error) = incoming.retry() {
                    tracing::debug!(%error, "no retry");
                }
                continue;
            }
            let Ok(place) = Arc::clone(&arrivals).try_acquire_owned() else {
                tracing::warn!("too many connections at once; one was turned away");
                incoming.refuse();
                continue;
            };
            let gate = Arc::clone(&self);
            // A panic in it ends this task and nothing else.
            tokio::spawn(async move {
                if let Some((greeted, admitted, welcome)) = gate.arrive(incoming, place).await {
                    let span = tracing::info_span!("link", peer = %greeted.peer.short(), dialled = "there");
                    link::run(greeted, admitted, Some(welcome), gate.messages.clone()).instrument(span).await;
                }
            });
        }
    }

    async fn arrive(
        &self,
        incoming: Incoming,
        place: OwnedSemaphorePermit,
    ) -> Option<(Greeted, Admitted, Vec<u8>)> {
        let source = Source::of(&incoming.remote_addr());
        let accepting =
            incoming.accept().inspect_err(|error| tracing::debug!(%error, "no handshake")).ok()?;
        let connection = match timeout(HANDSHAKE_TIMEOUT, accepting).await {
            Ok(Ok(connection)) => connection,
            Ok(Err(error)) => {
                tracing::debug!(%error, "a handshake failed");
                return None;
            }
            Err(_) => return None,
        };
        if connection.alpn() == JOIN_ALPN {
            self.inviter.receive(connection, source, place).await;
            return None;
        }
        self.greet(connection).await
    }

    async fn greet(&self, connection: Connection) -> Option<(Greeted, Admitted, Vec<u8>)> {
        let peer = device_of(connection.remote_id());
        let Some(_place) = self.greetings.enter(peer) else {
            CloseCode::Busy.close(&connection);
            return None;
        };
        let mut greeted = match Greeted::dialled(connection).await {
            Ok(greeted) => greeted,
            Err(error) => {
                tracing::info!(peer = %peer.short(), %error, "no greeting");
                return None;
            }
        };
        match self.admit(&greeted, false).await {
            Ok(admitted) => Some((greeted, admitted, Greeting::Welcome(self.hello()).encode())),
            Err(code) => {
                let refusal = Greeting::Refused(code.reason().into()).encode();
                let told = async {
                    crate::framing::write_frame(&mut greeted.send, &refusal).await.ok()?;
                    greeted.send.finish().ok()?;
                    greeted.send.stopped().await.ok()
                };
                // Whether it arrives or not, the connection is closed with the same reason.
                let _ = timeout(REFUSAL_TIMEOUT, told).await;
                code.close(&greeted.connection);
                None
            }
        }
    }

    /// This device has moved: what it dials from now on takes the place of what others had dialled.
    pub(crate) fn renew_instance(&self) {
        match random() {
            Ok(instance) => *self.instance.lock().unwrap_or_else(PoisonError::into_inner) = instance,
            Err(error) => tracing::warn!(%error, "no new instance"),
        }
    }

    /// Dials a device and runs the link that comes of it, or tells the driver that none did.
    pub(crate) async fn dial(&self, peer: DeviceId) {
        let reached = self.reach(peer).await;
        meter::dialled(reached.is_some());
        if let Some((greeted, admitted)) = reached {
            let span = tracing::info_span!("link", peer = %peer.short(), dialled = "here");
            link::run(greeted, admitted, None, self.messages.clone()).instrument(span).await;
        } else {
            // If the driver is gone nobody waits for this.
            let _ = self.messages.send(Message::DialFailed { peer }).await;
        }
    }

    async fn reach(&self, peer: DeviceId) -> Option<(Greeted, Admitted)> {
        let address = to_dial(peer, &self.book.addresses(&peer))?;
        let mut greeted = self.knock(address.clone()).await;
        if matches!(greeted, Err(GreetingError::Unknown)) && self.introduce(peer, address.clone()).await {
            greeted = self.knock(address).await;
        }
        let greeted =
            greeted.inspect_err(|error| tracing::info!(peer = %peer.short(), %error, "no link")).ok()?;
        match self.admit(&greeted, true).await {
            Ok(admitted) => Some((greeted, admitted)),
            Err(code) => {
                code.close(&greeted.connection);
                None
            }
        }
    }

    /// Dials, and says hello.
    async fn knock(&self, address: EndpointAddr) -> Result<Greeted, GreetingError> {
        let dialled = timeout(DIAL_TIMEOUT, self.endpoint.connect(address, SYNC_ALPN)).await;
        let connection = dialled.map_err(|_| GreetingError::TimedOut)?;
        let connection = connection.map_err(|error| GreetingError::Lost(error.to_string()))?;
        // The peer may have got through meanwhile: a second link in the place of the first would send again what is
        // on its way.
        if !self.is_needed(device_of(connection.remote_id())).await {
            CloseCode::Superseded.close(&connection);
            return Err(GreetingError::Refused(CloseCode::Superseded.reason().to_owned()));
        }
        Greeted::dialling(connection, self.hello()).await
    }

    /// Whether there is no link to a device yet, or one that it may not find any more.
    async fn is_needed(&self, peer: DeviceId) -> bool {
        let (reply, answer) = oneshot::channel();
        let asked = self.messages.send(Message::IsNeeded(peer, reply)).await;
        asked.is_ok() && answer.await.unwrap_or(false)
    }

    /// Presents what entitles this device to one that does not know it. Says whether it does now.
    async fn introduce(&self, peer: DeviceId, address: EndpointAddr) -> bool {
        let question = move |engine: &Engine| engine.introduction_for(peer);
        let Some(records) = driver::ask(&self.messages, question).await else { return false };
        self.presented.present(&self.endpoint, peer, address, records).await
    }

    fn hello(&self) -> Hello {
        let instance = *self.instance.lock().unwrap_or_else(PoisonError::into_inner);
        Hello { instance, addresses: contact(&self.endpoint).addresses }
    }

    async fn admit(&self, greeted: &Greeted, dialled_here: bool) -> Result<Admitted, CloseCode> {
        let mut addresses: Vec<String> =
            path_of(&greeted.connection).and_then(|path| path.address).into_iter().collect();
        addresses.extend(greeted.hello.addresses.iter().cloned());
        let Some(secret) = exporter(&greeted.connection, SYNC_ALPN) else {
            return Err(CloseCode::Protocol);
        };
        let candidate = Candidate {
            peer: greeted.peer,
            instance: greeted.hello.instance,
            dialled_here,
            addresses,
            connection: Some(greeted.connection.weak_handle()),
            secret: Secret::from_bytes(secret),
        };
        let (reply, answer) = oneshot::channel();
        self.messages.send(Message::Candidate(candidate, reply)).await.map_err(|_| CloseCode::Done)?;
        answer.await.unwrap_or(Err(CloseCode::Done))
    }
}
