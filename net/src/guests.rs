//! Who may connect: devices that are known here, and, for joining, anybody, few at a time.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use iroh::endpoint::{AfterHandshakeOutcome, Connection, EndpointHooks};
use katori_acl::DeviceId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::address::device_of;
use crate::greeting::{CloseCode, JOIN_ALPN};

/// The time over which attempts to join and introductions are counted.
const JOIN_WINDOW: Duration = Duration::from_mins(1);
/// Attempts to join within [`JOIN_WINDOW`], of all strangers together: no person redeems more tickets, and an
/// attempt costs two signatures to check.
const JOINS: Share = Share { at_once: 4, in_window: 30 };
/// Introductions likewise: each may cost thousands of signatures, and an honest device makes one.
const INTRODUCTIONS: Share = Share { at_once: 2, in_window: 12 };
/// Connections of strangers that have said nothing yet. They are as cheap to make as to close.
const SILENT_AT_ONCE: usize = 16;
/// Connections of one device that are being greeted. An honest one has one, or two when it has just moved.
const GREETINGS_PER_DEVICE: usize = 4;

/// Who may connect. Shared between the driver, which knows, and the endpoint, which asks.
#[derive(Debug, Default)]
pub(crate) struct Guests {
    known: RwLock<BTreeSet<DeviceId>>,
}

impl Guests {
    pub(crate) fn set_known(&self, known: BTreeSet<DeviceId>) {
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = known;
    }

    pub(crate) fn is_known(&self, device: &DeviceId) -> bool {
        self.known.read().unwrap_or_else(PoisonError::into_inner).contains(device)
    }
}

/// Refuses, right after the handshake, whom no protocol is for.
#[derive(Debug)]
pub(crate) struct Doorkeeper(pub(crate) Arc<Guests>);

impl EndpointHooks for Doorkeeper {
    async fn after_handshake<'a>(&'a self, connection: &'a Connection) -> AfterHandshakeOutcome {
        // Whom this side dials it has chosen.
        if connection.side().is_client() {
            return AfterHandshakeOutcome::Accept;
        }
        let peer = device_of(connection.remote_id());
        // Joining is for those who are not known; who among them is let in is seen from what they show.
        if connection.alpn() == JOIN_ALPN || self.0.is_known(&peer) {
            return AfterHandshakeOutcome::Accept;
        }
        tracing::info!(peer = %peer.short(), alpn = %String::from_utf8_lossy(connection.alpn()), "refused a stranger");
        let code = CloseCode::Unknown;
        AfterHandshakeOutcome::Reject { error_code: code.into(), reason: code.reason().into() }
    }
}

/// How many of something there may be.
#[derive(Debug, Clone, Copy)]
struct Share {
    at_once: usize,
    in_window: usize,
}

/// Counts against a share.
#[derive(Debug)]
struct Turnstile {
    share: Share,
    recent: Mutex<VecDeque<Instant>>,
    at_once: Arc<Semaphore>,
}

impl Turnstile {
    fn new(share: Share) -> Self {
        Self { share, recent: Mutex::default(), at_once: Arc::new(Semaphore::new(share.at_once)) }
    }

    fn enter(&self, now: Instant) -> Option<JoinPlace> {
        let permit = Arc::clone(&self.at_once).try_acquire_owned().ok()?;
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        while recent.front().is_some_and(|at| now.duration_since(*at) >= JOIN_WINDOW) {
            recent.pop_front();
        }
        if recent.len() >= self.share.in_window {
            return None;
        }
        recent.push_back(now);
        Some(JoinPlace { _permit: permit })
    }
}

/// Lets few strangers through at a time. Joining and introductions have shares of their own, so that neither takes
/// up the room of the other.
#[derive(Debug)]
pub(crate) struct JoinGate {
    silent: Arc<Semaphore>,
    joins: Turnstile,
    introductions: Turnstile,
}

/// A place that a stranger takes up until this is dropped.
#[derive(Debug)]
pub(crate) struct JoinPlace {
    _permit: OwnedSemaphorePermit,
}

impl JoinGate {
    pub(crate) fn new() -> Self {
        Self {
            silent: Arc::new(Semaphore::new(SILENT_AT_ONCE)),
            joins: Turnstile::new(JOINS),
            introductions: Turnstile::new(INTRODUCTIONS),
        }
    }

    /// Room for a stranger who has not said yet what it wants.
    pub(crate) fn arrive(&self) -> Option<JoinPlace> {
        let permit = Arc::clone(&self.silent).try_acquire_owned().ok()?;
        Some(JoinPlace { _permit: permit })
    }

    /// Room for one attempt to join, if there is any now.
    pub(crate) fn enter_to_join(&self, now: Instant) -> Option<JoinPlace> {
        self.joins.enter(now)
    }

    /// Room for one introduction, if there is any now.
    pub(crate) fn enter_to_introduce(&self, now: Instant) -> Option<JoinPlace> {
        self.introductions.enter(now)
    }
}

/// Counts the connections of each device that have not been greeted yet, so that one device cannot take up the
/// room for all.
#[derive(Debug, Default)]
pub(crate) struct Greetings(Arc<Mutex<BTreeMap<DeviceId, usize>>>);

/// A place for one connection to be greeted.
#[derive(Debug)]
pub(crate) struct GreetingPlace {
    device: DeviceId,
    counts: Arc<Mutex<BTreeMap<DeviceId, usize>>>,
}

impl Greetings {
    /// A place for a connection of this device, if it has not too many.
    pub(crate) fn enter(&self, device: DeviceId) -> Option<GreetingPlace> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(device).or_default();
        if *count >= GREETINGS_PER_DEVICE {
            return None;
        }
        *count += 1;
        Some(GreetingPlace { device, counts: Arc::clone(&self.0) })
    }
}

impl Drop for GreetingPlace {
    fn drop(&mut self) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.device) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.device);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_to_join_are_few() {
        let (gate, start) = (JoinGate::new(), Instant::now());
        let held: Vec<_> = (0..JOINS.at_once).map(|_| gate.enter_to_join(start).unwrap()).collect();
        assert!(gate.enter_to_join(start).is_none());
        drop(held);
        for _ in JOINS.at_once..JOINS.in_window {
            assert!(gate.enter_to_join(start).is_some());
        }
        assert!(gate.enter_to_join(start).is_none());
        assert!(gate.enter_to_introduce(start).is_some(), "introductions have a share of their own");
        assert!(gate.enter_to_join(start + JOIN_WINDOW).is_some());
    }

    #[test]
    fn introductions_are_fewer() {
        let (gate, start) = (JoinGate::new(), Instant::now());
        for _ in 0..INTRODUCTIONS.in_window {
            assert!(gate.enter_to_introduce(start).is_some());
        }
        assert!(gate.enter_to_introduce(start).is_none());
        assert!(gate.enter_to_join(start).is_some());
        assert!(gate.enter_to_introduce(start + JOIN_WINDOW).is_some());
    }

    #[test]
    fn one_device_does_not_take_up_the_room_for_all() {
        let (greetings, one, other) =
            (Greetings::default(), DeviceId::from_bytes([1; 32]), DeviceId::from_bytes([2; 32]));
        let held: Vec<_> = (0..GREETINGS_PER_DEVICE).map(|_| greetings.enter(one).unwrap()).collect();
        assert!(greetings.enter(one).is_none() && greetings.enter(other).is_some());
        drop(held);
        assert!(greetings.enter(one).is_some());
        assert!(greetings.0.lock().unwrap().is_empty());
    }
}
