//! Reaching the devices of a ticket: the first that answers is asked first.
//!
//! Each next one is dialled when those before it have failed, or have taken longer than a head start. So a device
//! that is off costs little, and nobody who could be asked is kept waiting with an open connection for long.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use iroh::endpoint::Connection;
use iroh::{Endpoint, EndpointAddr};
use katori_acl::{Contact, DeviceId};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::accept::DIAL_TIMEOUT;
use crate::address::{device_of, to_dial};
use crate::greeting::{CloseCode, JOIN_ALPN};

/// How long one device has before the next is dialled as well: a few round trips around the world.
const HEAD_START: Duration = Duration::from_millis(500);

/// Dials under way, and devices still to be dialled.
#[derive(Debug)]
pub(super) struct Reach<'a> {
    endpoint: &'a Endpoint,
    waiting: VecDeque<&'a Contact>,
    dials: JoinSet<Option<Connection>>,
    all: Vec<&'a Contact>,
    /// Those that have been dialled a second time.
    again: BTreeSet<DeviceId>,
}

impl<'a> Reach<'a> {
    pub(super) fn new(endpoint: &'a Endpoint, contacts: impl IntoIterator<Item = &'a Contact>) -> Self {
        let all: Vec<&Contact> = contacts.into_iter().collect();
        let (waiting, dials, again) = (all.iter().copied().collect(), JoinSet::new(), BTreeSet::new());
        Self { endpoint, waiting, dials, all, again }
    }

    /// The next device that could be reached; nothing when there are no more.
    pub(super) async fn next(&mut self) -> Option<Connection> {
        loop {
            if self.dials.is_empty() {
                self.dial_next()?;
            }
            tokio::select! {
                dialled = self.dials.join_next() => {
                    let Some(connection) = dialled.and_then(Result::ok).flatten() else { continue };
                    let reason = connection.close_reason();
                    if !reason.is_some_and(|reason| CloseCode::TimedOut.is_in(&reason)) {
                        return Some(connection);
                    }
                    // It was kept waiting for its turn too long.
                    self.dial_again(device_of(connection.remote_id()));
                }
                () = sleep(HEAD_START), if !self.waiting.is_empty() => {
                    self.dial_next();
                }
            }
        }
    }

    /// A device is to be dialled a second time. No more: with one that always closes it would never end.
    fn dial_again(&mut self, device: DeviceId) {
        if self.again.insert(device) {
            self.waiting.extend(self.all.iter().copied().find(|contact| contact.device == device));
        }
    }

    /// Dials the next device that has a valid id; nothing if there is none.
    fn dial_next(&mut self) -> Option<()> {
        while let Some(contact) = self.waiting.pop_front() {
            if let Some(address) = to_dial(contact.device, &contact.addresses) {
                self.dials.spawn(dial(self.endpoint.clone(), address));
                return Some(());
            }
        }
        None
    }
}

async fn dial(endpoint: Endpoint, address: EndpointAddr) -> Option<Connection> {
    timeout(DIAL_TIMEOUT, endpoint.connect(address, JOIN_ALPN)).await.ok()?.ok()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use katori_acl::DeviceKey;

    use super::*;
    use crate::endpoint::{self, Network};
    use crate::guests::Guests;

    #[tokio::test]
    async fn a_device_that_always_closes_is_dialled_twice() {
        let (key, bind) = (DeviceKey::from_secret([1; 32]), Some(([127, 0, 0, 1], 0).into()));
        let guests = Arc::<Guests>::default();
        let endpoint = endpoint::open(&key, Network::Offline, bind, None, guests).await.unwrap();
        let other = Contact { device: DeviceKey::from_secret([2; 32]).public(), addresses: Vec::new() };
        let mut reach = Reach::new(&endpoint, [&other]);
        assert!(reach.dial_next().is_some());
        reach.dial_again(other.device);
        assert!(reach.dial_next().is_some());
        reach.dial_again(other.device);
        assert!(reach.dial_next().is_none());
        endpoint.close().await;
    }
}
