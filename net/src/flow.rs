//! Flow control of what was received and not dealt with yet, and counts of what went over a link.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use katori_core::wire::MAX_FRAME_BYTES;
use tokio::sync::Notify;

use crate::pace::Pace;

/// Bytes received from one peer that the engine has not dealt with: two frames of the largest size, so that one
/// can come while another is taken in. The next is read when it is sure to fit.
pub(crate) const RECEIVE_BYTES: usize = 2 * MAX_FRAME_BYTES;

/// What was received from one peer and not dealt with yet.
#[derive(Debug, Default)]
pub(crate) struct Credit {
    outstanding: AtomicUsize,
    freed: Notify,
    pace: Arc<Pace>,
}

impl Credit {
    pub(crate) fn new(pace: Arc<Pace>) -> Self {
        Self { pace, ..Self::default() }
    }

    pub(crate) fn take(&self, bytes: usize) {
        self.outstanding.fetch_add(bytes, Ordering::AcqRel);
    }

    /// Gives back bytes that were dealt with. Those of an earlier connection of the same peer may be among
    /// them, so this never goes below nothing.
    pub(crate) fn give_back(&self, bytes: usize) {
        let less = |outstanding: usize| Some(outstanding.saturating_sub(bytes));
        // The closure never refuses, so there is nothing to be told.
        let _ = self.outstanding.fetch_update(Ordering::AcqRel, Ordering::Acquire, less);
        self.freed.notify_one();
    }

    /// Waits until one more frame is sure to fit. In the background that is when all before it is dealt with.
    pub(crate) async fn room(&self) {
        let room = || if self.pace.is_background() { 0 } else { RECEIVE_BYTES - MAX_FRAME_BYTES };
        while self.outstanding.load(Ordering::Acquire) > room() {
            self.freed.notified().await;
        }
    }
}

/// What went over a link.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) sent_frames: AtomicU64,
    pub(crate) sent_bytes: AtomicU64,
    pub(crate) received_frames: AtomicU64,
    pub(crate) received_bytes: AtomicU64,
}

impl Counters {
    pub(crate) fn sent(&self, bytes: usize) {
        self.sent_frames.fetch_add(1, Ordering::Relaxed);
        self.sent_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn received(&self, bytes: usize) {
        self.received_frames.fetch_add(1, Ordering::Relaxed);
        self.received_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_frame_is_read_when_it_is_sure_to_fit() {
        let credit = Credit::default();
        credit.room().await;
        credit.take(MAX_FRAME_BYTES);
        credit.room().await;
        credit.take(1);
        let room = credit.room();
        tokio::pin!(room);
        assert!(
            std::future::poll_fn(|context| std::task::Poll::Ready(room.as_mut().poll(context).is_pending()))
                .await
        );
        credit.give_back(usize::MAX);
        room.await;
    }
}
