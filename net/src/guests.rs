//! Who may connect: devices that are known here, and, while an invitation is open, anybody who wants to join.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use iroh::endpoint::{AfterHandshakeOutcome, Connection, EndpointHooks};
use katori_acl::DeviceId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::address::device_of;
use crate::greeting::{CloseCode, JOIN_ALPN};

/// Attempts to join within [`JOIN_WINDOW`], of all strangers together: no person redeems more tickets, and an
/// attempt costs two signatures to check.
const JOIN_ATTEMPTS: usize = 30;
/// See [`JOIN_ATTEMPTS`].
const JOIN_WINDOW: Duration = Duration::from_mins(1);
/// Attempts to join at the same time.
const JOINS_AT_ONCE: usize = 4;
/// Connections of one device that are being greeted. An honest one has one, or two when it has just moved.
const GREETINGS_PER_DEVICE: usize = 4;

/// Who may connect. Shared between the driver, which knows, and the endpoint, which asks.
#[derive(Debug, Default)]
pub(crate) struct Guests {
    known: RwLock<BTreeSet<DeviceId>>,
    invites_open: AtomicBool,
}

impl Guests {
    pub(crate) fn set_known(&self, known: BTreeSet<DeviceId>) {
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = known;
    }

    pub(crate) fn is_known(&self, device: &DeviceId) -> bool {
        self.known.read().unwrap_or_else(PoisonError::into_inner).contains(device)
    }

    pub(crate) fn set_invites_open(&self, open: bool) {
        self.invites_open.store(open, Ordering::Release);
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
        let welcome = if connection.alpn() == JOIN_ALPN {
            // Who joined a moment ago may have lost the answer on the way, and asks again.
            self.0.invites_open.load(Ordering::Acquire) || self.0.is_known(&peer)
        } else {
            self.0.is_known(&peer)
        };
        if welcome {
            return AfterHandshakeOutcome::Accept;
        }
        tracing::info!(peer = %peer.short(), alpn = %String::from_utf8_lossy(connection.alpn()), "refused a stranger");
        let code = CloseCode::Unknown;
        AfterHandshakeOutcome::Reject { error_code: code.into(), reason: code.reason().into() }
    }
}

/// Lets few attempts to join through.
#[derive(Debug)]
pub(crate) struct JoinGate {
    recent: Mutex<VecDeque<Instant>>,
    at_once: Arc<Semaphore>,
}

impl JoinGate {
    pub(crate) fn new() -> Self {
        Self { recent: Mutex::default(), at_once: Arc::new(Semaphore::new(JOINS_AT_ONCE)) }
    }

    /// Room for one attempt, if there is any now.
    pub(crate) fn enter(&self, now: Instant) -> Option<OwnedSemaphorePermit> {
        let permit = Arc::clone(&self.at_once).try_acquire_owned().ok()?;
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        while recent.front().is_some_and(|at| now.duration_since(*at) >= JOIN_WINDOW) {
            recent.pop_front();
        }
        if recent.len() >= JOIN_ATTEMPTS {
            return None;
        }
        recent.push_back(now);
        Some(permit)
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
        let held: Vec<_> = (0..JOINS_AT_ONCE).map(|_| gate.enter(start).unwrap()).collect();
        assert!(gate.enter(start).is_none());
        drop(held);
        for _ in JOINS_AT_ONCE..JOIN_ATTEMPTS {
            assert!(gate.enter(start).is_some());
        }
        assert!(gate.enter(start).is_none());
        assert!(gate.enter(start + JOIN_WINDOW).is_some());
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
