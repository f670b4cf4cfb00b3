//! Counting what is sent and received. Katori counts by connection, and two devices that dial each other at once make
//! one connection too many, so what an earlier one had carried is added.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use katori::{DeviceId, Node};
use tokio::sync::Notify;
use tokio::time::interval;

use crate::protocol::{Traffic, now};

/// How often the counters are looked at.
const LOOK: Duration = Duration::from_millis(5);

/// All traffic of a node since it was opened.
#[derive(Debug, Default)]
pub(super) struct Meter {
    totals: Arc<Mutex<Totals>>,
    looked: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Totals {
    devices: BTreeMap<DeviceId, Counted>,
    /// When the last message came or went.
    last: Option<u64>,
}

#[derive(Debug, Default)]
struct Counted {
    /// Of connections that are no more.
    before: Traffic,
    now: Traffic,
}

impl Meter {
    /// Counts for as long as the node is open.
    pub(super) fn follow(&self, node: &Node) {
        let (totals, looked, node) = (Arc::clone(&self.totals), Arc::clone(&self.looked), node.clone());
        tokio::spawn(async move {
            let mut looks = interval(LOOK);
            loop {
                looks.tick().await;
                totals.lock().unwrap_or_else(PoisonError::into_inner).note(&node);
                looked.notify_waiters();
            }
        });
    }

    /// Waits until the counters have been looked at again.
    pub(super) async fn look(&self) {
        self.looked.notified().await;
    }

    /// The traffic, and the moment of the last message.
    pub(super) fn read(&self) -> (Traffic, Option<u64>) {
        let totals = self.totals.lock().unwrap_or_else(PoisonError::into_inner);
        let all = totals.devices.values();
        (all.fold(Traffic::default(), |sum, counted| sum + counted.before + counted.now), totals.last)
    }
}

impl Totals {
    fn note(&mut self, node: &Node) {
        for peer in node.peers() {
            let status = peer.status;
            let traffic = Traffic {
                sent_bytes: status.sent_bytes,
                received_bytes: status.received_bytes,
                sent_messages: status.sent_frames,
                received_messages: status.received_frames,
            };
            let known = self.devices.entry(status.device).or_default();
            if traffic == known.now {
                continue;
            }
            if traffic.sent_bytes < known.now.sent_bytes || traffic.received_bytes < known.now.received_bytes
            {
                known.before = known.before + known.now;
            }
            known.now = traffic;
            self.last = Some(now());
        }
    }
}
