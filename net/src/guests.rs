//! Who may connect: devices that are known here, and, for joining, anybody, few at a time.

use std::collections::{BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use iroh::endpoint::{AfterHandshakeOutcome, Connection, EndpointHooks, IncomingAddr};
use katori_acl::DeviceId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::address::device_of;
use crate::greeting::{CloseCode, JOIN_ALPN};
use crate::tally::{Tally, TallyPlace};

/// The time over which attempts to join and introductions are counted.
const JOIN_WINDOW: Duration = Duration::from_mins(1);
/// Attempts to join within [`JOIN_WINDOW`], of all strangers together: no person redeems more tickets, and an
/// attempt costs two signatures to check.
const JOINS: Share = Share { at_once: 4, in_window: 30 };
/// Attempts that name an invitation that is known here, which a stranger cannot guess: whoever was invited gets in
/// although strangers knock. Enough for a room full of people with one link.
const INVITED: Share = Share { at_once: 8, in_window: 60 };
/// Introductions likewise: each may cost thousands of signatures, and an honest device makes one.
const INTRODUCTIONS: Share = Share { at_once: 2, in_window: 12 };
/// Connections of strangers that have said nothing yet: half of all that may be arriving.
const SILENT_AT_ONCE: usize = 32;
/// Of them, those of one device. An honest one asks at once, and perhaps introduces itself besides.
const SILENT_PER_DEVICE: usize = 2;
/// Of them, those from one address. Devices are free to make up, addresses are not; a household shares one.
const SILENT_PER_ADDRESS: usize = 8;
/// Of them, those that come through relays, which do not say from where.
const SILENT_RELAYED: usize = 16;
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

/// Where a connection comes from, as far as somebody who makes up devices cannot choose it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Source {
    /// An address.
    V4(Ipv4Addr),
    /// A network: one host has all the addresses in it.
    V6([u16; 4]),
    /// Through a relay, or in a way that this version does not know.
    Relayed,
}

impl Source {
    pub(crate) fn of(address: &IncomingAddr) -> Self {
        let IncomingAddr::Ip(address) = address else { return Self::Relayed };
        match address.ip().to_canonical() {
            IpAddr::V4(address) => Self::V4(address),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                Self::V6([a, b, c, d])
            }
        }
    }

    fn silent_at_once(self) -> usize {
        match self {
            Self::V4(_) | Self::V6(_) => SILENT_PER_ADDRESS,
            Self::Relayed => SILENT_RELAYED,
        }
    }
}

/// Lets few strangers through at a time. Those who name an invitation that is known here, others who would join, and
/// introductions have shares of their own, so that none takes up the room of another.
#[derive(Debug)]
pub(crate) struct JoinGate {
    silent: Arc<Semaphore>,
    silent_devices: Tally<DeviceId>,
    silent_sources: Tally<Source>,
    invited: Turnstile,
    joins: Turnstile,
    introductions: Turnstile,
}

/// A place that a stranger takes up until this is dropped.
#[derive(Debug)]
pub(crate) struct JoinPlace {
    _permit: OwnedSemaphorePermit,
}

/// A place that a stranger takes up until it has said what it wants.
#[derive(Debug)]
pub(crate) struct SilentPlace {
    _device: TallyPlace<DeviceId>,
    _source: TallyPlace<Source>,
    _permit: OwnedSemaphorePermit,
}

impl JoinGate {
    pub(crate) fn new() -> Self {
        Self {
            silent: Arc::new(Semaphore::new(SILENT_AT_ONCE)),
            silent_devices: Tally::default(),
            silent_sources: Tally::default(),
            invited: Turnstile::new(INVITED),
            joins: Turnstile::new(JOINS),
            introductions: Turnstile::new(INTRODUCTIONS),
        }
    }

    /// Room for a stranger who has not said yet what it wants.
    pub(crate) fn arrive(&self, device: DeviceId, source: Source) -> Option<SilentPlace> {
        Some(SilentPlace {
            _device: self.silent_devices.enter(device, SILENT_PER_DEVICE)?,
            _source: self.silent_sources.enter(source, source.silent_at_once())?,
            _permit: Arc::clone(&self.silent).try_acquire_owned().ok()?,
        })
    }

    /// Room for one attempt to join with an invitation that is known here, if there is any now.
    pub(crate) fn enter_invited(&self, now: Instant) -> Option<JoinPlace> {
        self.invited.enter(now).or_else(|| self.enter_to_join(now))
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

/// Counts the connections of each device that have not been greeted yet.
#[derive(Debug, Default)]
pub(crate) struct Greetings(Tally<DeviceId>);

/// A place for one connection to be greeted.
#[derive(Debug)]
pub(crate) struct GreetingPlace {
    _place: TallyPlace<DeviceId>,
}

impl Greetings {
    /// A place for a connection of this device, if it has not too many.
    pub(crate) fn enter(&self, device: DeviceId) -> Option<GreetingPlace> {
        Some(GreetingPlace { _place: self.0.enter(device, GREETINGS_PER_DEVICE)? })
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
    fn strangers_leave_room_for_whoever_was_invited() {
        let (gate, start) = (JoinGate::new(), Instant::now());
        while gate.enter_to_join(start).is_some() {}
        for _ in 0..INVITED.in_window {
            assert!(gate.enter_invited(start).is_some());
        }
        assert!(gate.enter_invited(start).is_none());
        assert!(gate.enter_to_introduce(start).is_some());
    }

    #[test]
    fn nobody_closes_the_door_by_silence() {
        let device = |number: usize| {
            let mut bytes = [0; 32];
            bytes[..8].copy_from_slice(&number.to_be_bytes());
            DeviceId::from_bytes(bytes)
        };
        let from = |text: &str| Source::of(&IncomingAddr::Ip(text.parse().unwrap()));
        let (gate, home) = (JoinGate::new(), from("192.0.2.7:1"));
        let mut held: Vec<_> = (0..9).filter_map(|_| gate.arrive(device(0), home)).collect();
        assert_eq!(held.len(), SILENT_PER_DEVICE, "of one device");
        held.extend((1..99).filter_map(|number| gate.arrive(device(number), home)));
        assert_eq!(held.len(), SILENT_PER_ADDRESS, "of one address");
        assert!(gate.arrive(device(100), from("[::ffff:192.0.2.7]:9")).is_none(), "the same address");
        held.extend((100..199).filter_map(|number| gate.arrive(device(number), Source::Relayed)));
        assert_eq!(held.len(), SILENT_PER_ADDRESS + SILENT_RELAYED, "through relays");
        let (one, same) = (from("[2001:db8:1:2::3]:4"), from("[2001:db8:1:2:9:9:9:9]:4"));
        assert_eq!(one, same, "one network");
        assert!(gate.arrive(device(200), one).is_some(), "others find room");
        drop(held);
        assert!(gate.silent_devices.is_empty());
        assert!(gate.silent_sources.is_empty());
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
        assert!(greetings.0.is_empty());
    }
}
