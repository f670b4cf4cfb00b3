//! Introductions: how a device that is not known gets in without a ticket, because what it presents entitles it.
//!
//! A friend's new device, or somebody whom a friend invited, brings the roster operations and the chain of grants.
//! Whoever they entitle is known from then on and dials again; everybody else is closed on as a stranger is, so
//! that nobody learns from it what is held here.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use iroh::endpoint::Connection;
use iroh::{Endpoint, EndpointAddr};
use katori_acl::{DeviceId, UnverifiedRecord};
use katori_core::engine::{Answer, Command, MAX_INTRODUCTION_BYTES};
use tokio::time::timeout;

use super::inviter::Inviter;
use super::message::{JoinMessage, MAX_INTRODUCTION_RECORDS, MAX_SMALL_BYTES, MessageError};
use super::{JOIN_TIMEOUT, STEP_TIMEOUT};
use crate::accept::DIAL_TIMEOUT;
use crate::driver;
use crate::greeting::{CloseCode, JOIN_ALPN};

/// After how long the same records are presented again: the other side may have learned since what makes them
/// count.
const PRESENT_AGAIN: Duration = Duration::from_mins(5);

/// What became of an introduction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Introduced {
    /// This device is known there now.
    Known,
    /// It is not, for what it presented.
    Unknown,
    /// The other side could not be asked.
    NotHeard,
}

/// Whether records fit one introduction.
fn fits(records: &[Vec<u8>]) -> bool {
    let bytes: usize = records.iter().map(Vec::len).sum();
    records.len() <= MAX_INTRODUCTION_RECORDS && bytes <= MAX_INTRODUCTION_BYTES
}

/// What was presented to whom in vain, so that it is not shown again and again.
#[derive(Debug, Default)]
pub(crate) struct Presented(Mutex<BTreeMap<DeviceId, (blake3::Hash, Instant)>>);

impl Presented {
    /// Presents records to a device that does not know this one, unless the same were in vain a while ago. Says
    /// whether this device is known there now.
    pub(crate) async fn present(
        &self,
        endpoint: &Endpoint,
        peer: DeviceId,
        address: EndpointAddr,
        records: Vec<Vec<u8>>,
    ) -> bool {
        if !fits(&records) {
            tracing::warn!(peer = %peer.short(), records = records.len(), "more than can be presented");
            return false;
        }
        let mut hasher = blake3::Hasher::new();
        for record in &records {
            hasher.update(record);
        }
        let digest = hasher.finalize();
        if records.is_empty() || self.was_in_vain(peer, digest, Instant::now()) {
            return false;
        }
        let introduced = introduce(endpoint, address, records).await;
        tracing::info!(peer = %peer.short(), ?introduced, "presented what entitles this device");
        if introduced == Introduced::Unknown {
            self.presented().insert(peer, (digest, Instant::now()));
        }
        introduced == Introduced::Known
    }

    fn presented(&self) -> MutexGuard<'_, BTreeMap<DeviceId, (blake3::Hash, Instant)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn was_in_vain(&self, peer: DeviceId, digest: blake3::Hash, now: Instant) -> bool {
        let mut presented = self.presented();
        presented.retain(|_, (_, at)| now.duration_since(*at) < PRESENT_AGAIN);
        presented.get(&peer).is_some_and(|(before, _)| *before == digest)
    }
}

async fn introduce(endpoint: &Endpoint, address: EndpointAddr, records: Vec<Vec<u8>>) -> Introduced {
    let dialled = timeout(DIAL_TIMEOUT, endpoint.connect(address, JOIN_ALPN)).await;
    let Ok(Ok(connection)) = dialled else { return Introduced::NotHeard };
    let answer = timeout(JOIN_TIMEOUT, present(&connection, records)).await;
    let closed_on = connection.close_reason().map(|reason| CloseCode::Unknown.is_in(&reason));
    CloseCode::Done.close(&connection);
    match (answer, closed_on) {
        (Ok(Ok(JoinMessage::Known)), _) => Introduced::Known,
        (_, Some(true)) => Introduced::Unknown,
        _ => Introduced::NotHeard,
    }
}

async fn present(connection: &Connection, records: Vec<Vec<u8>>) -> Result<JoinMessage, MessageError> {
    let streams = connection.open_bi().await;
    let (mut send, mut receive) = streams.map_err(|_| MessageError::Ended)?;
    JoinMessage::Introduce { records }.write(&mut send).await?;
    let answer = JoinMessage::next(&mut receive, MAX_SMALL_BYTES).await;
    if answer.is_err() {
        // The reason comes with the end of the connection, a moment after that of the stream.
        let _ = timeout(STEP_TIMEOUT, connection.closed()).await;
    }
    answer
}

impl Inviter {
    /// Takes in what somebody presents; says whether it is known now.
    pub(super) async fn introduced(&self, peer: DeviceId, records: Vec<Vec<u8>>) -> bool {
        // Checked here first, so that the engine is not kept busy with junk.
        let checked = tokio::task::spawn_blocking(move || are_signed(&records).then_some(records)).await;
        let Ok(Some(records)) = checked else {
            tracing::info!(peer = %peer.short(), "an introduction does not verify");
            return false;
        };
        let introduced = driver::command(&self.messages, Command::Introduced { peer, records }).await;
        let known = matches!(introduced, Some(Ok(Answer::Done))) && self.guests.is_known(&peer);
        tracing::info!(peer = %peer.short(), known, "introduced");
        known
    }
}

fn are_signed(records: &[Vec<u8>]) -> bool {
    records.iter().all(|bytes| UnverifiedRecord::decode(bytes).and_then(UnverifiedRecord::verify).is_ok())
}

#[cfg(test)]
mod tests {
    use super::super::message::MAX_INTRODUCE_BYTES;
    use super::*;

    #[test]
    fn what_fits_can_be_sent_and_what_does_not_is_not() {
        let many = vec![vec![7; MAX_INTRODUCTION_BYTES / MAX_INTRODUCTION_RECORDS]; MAX_INTRODUCTION_RECORDS];
        let large = vec![vec![7; MAX_INTRODUCTION_BYTES / 8]; 8];
        for records in [many, large] {
            assert!(fits(&records));
            assert!(JoinMessage::Introduce { records }.encode().len() <= MAX_INTRODUCE_BYTES);
        }
        assert!(!fits(&vec![vec![7; 1]; MAX_INTRODUCTION_RECORDS + 1]));
        assert!(!fits(&vec![vec![7; 60 << 10]; 9]));
    }
}
