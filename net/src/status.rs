//! How it stands with each device that is worth a connection, for people to look at.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use iroh::endpoint::{Connection, Path, WeakConnectionHandle};
use katori_acl::DeviceId;
use katori_core::time::Timestamp;

use crate::address::to_text;
use crate::dialer::Standing;
use crate::flow::Counters;

/// How it stands with one device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerStatus {
    /// Which.
    pub device: DeviceId,
    /// Whether there is a connection.
    pub state: PeerState,
    /// Where it is, or was last.
    pub address: Option<String>,
    /// Bytes of frames sent over this connection.
    pub sent_bytes: u64,
    /// Bytes of frames received over this connection.
    pub received_bytes: u64,
    /// Frames sent over this connection.
    pub sent_frames: u64,
    /// Frames received over this connection.
    pub received_frames: u64,
}

/// Whether there is a connection to a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PeerState {
    /// There is one.
    Connected {
        /// Whether it goes straight there, instead of through a relay.
        direct: bool,
        /// How long a packet takes there and back.
        rtt: Duration,
        /// Since when.
        since: Timestamp,
    },
    /// It is being dialled.
    Connecting,
    /// It could not be reached, and is tried again.
    Waiting {
        /// How long until then.
        retry_in: Duration,
    },
    /// Nothing is being done about it: there is no network.
    Offline,
}

/// What the driver knows of one device.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) standing: Standing,
    pub(crate) link: Option<(WeakConnectionHandle, Arc<Counters>)>,
}

/// Where the driver writes how it stands, and everybody may read it.
#[derive(Debug, Default)]
pub(crate) struct Board {
    entries: Mutex<BTreeMap<DeviceId, Entry>>,
}

impl Board {
    fn entries(&self) -> MutexGuard<'_, BTreeMap<DeviceId, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set(&self, entries: BTreeMap<DeviceId, Entry>) {
        *self.entries() = entries;
    }

    /// How it stands with each device. `last_address` is asked for those without a connection.
    pub(crate) fn read(
        &self,
        now: Timestamp,
        has_network: bool,
        last_address: impl Fn(&DeviceId) -> Option<String>,
    ) -> Vec<PeerStatus> {
        let entries = self.entries().clone();
        let status = |(device, entry): (DeviceId, Entry)| {
            let connection = entry.link.as_ref().and_then(|(weak, _)| weak.upgrade());
            let path = connection.as_ref().and_then(path_of);
            let state = match entry.standing {
                _ if !has_network => PeerState::Offline,
                Standing::Linked { since } => {
                    let (direct, rtt) =
                        path.as_ref().map_or((false, Duration::ZERO), |path| (path.direct, path.rtt));
                    PeerState::Connected { direct, rtt, since }
                }
                Standing::Dialling => PeerState::Connecting,
                Standing::Waiting { until } => PeerState::Waiting { retry_in: until.since(now) },
            };
            let counters = entry.link.map(|(_, counters)| counters).unwrap_or_default();
            let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
            PeerStatus {
                device,
                state,
                address: path.and_then(|path| path.address).or_else(|| last_address(&device)),
                sent_bytes: count(&counters.sent_bytes),
                received_bytes: count(&counters.received_bytes),
                sent_frames: count(&counters.sent_frames),
                received_frames: count(&counters.received_frames),
            }
        };
        entries.into_iter().map(status).collect()
    }
}

/// The way that a connection takes now.
pub(crate) struct Way {
    pub(crate) direct: bool,
    pub(crate) rtt: Duration,
    pub(crate) address: Option<String>,
}

/// The way that a connection takes now, if it is still open.
pub(crate) fn path_of(connection: &Connection) -> Option<Way> {
    let paths = connection.paths();
    let path = paths.iter().find(Path::is_selected).or_else(|| paths.iter().next())?;
    Some(Way { direct: path.is_ip(), rtt: path.rtt(), address: to_text(path.remote_addr()) })
}
