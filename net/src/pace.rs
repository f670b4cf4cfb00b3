//! How fast a hub goes: the cap on what each peer is sent, and whether the app is in the background.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::meter;

/// The lowest cap. At less a frame would stop for so long between two pieces that the peer gives it up.
pub(crate) const LEAST_BYTES_PER_SECOND: u64 = 1 << 10;
/// A piece of a frame is what may be sent in this time, so that a changed cap counts soon.
const PIECE_TIME: Duration = Duration::from_millis(250);
/// The largest piece. Larger ones gain nothing.
const PIECE_BYTES: usize = 16 << 10;
/// How long a bucket fills: what was not sent for longer is lost.
const BURST: Duration = Duration::from_millis(500);

/// See the module. Shared by all links.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    /// For each peer; nothing means no cap.
    bytes_per_second: AtomicU64,
    background: AtomicBool,
}

impl Pace {
    pub(crate) fn set_bandwidth(&self, bytes_per_second: Option<u64>) {
        let cap = bytes_per_second.map_or(0, |cap| cap.max(LEAST_BYTES_PER_SECOND));
        self.bytes_per_second.store(cap, Ordering::Relaxed);
    }

    pub(crate) fn bandwidth(&self) -> Option<u64> {
        Some(self.bytes_per_second.load(Ordering::Relaxed)).filter(|cap| *cap > 0)
    }

    pub(crate) fn set_background(&self, background: bool) {
        self.background.store(background, Ordering::Relaxed);
    }

    pub(crate) fn is_background(&self) -> bool {
        self.background.load(Ordering::Relaxed)
    }
}

/// What one link may send now: a token bucket, kept as the time at which it is full.
#[derive(Debug)]
pub(crate) struct Bucket {
    pace: Arc<Pace>,
    /// When all that was sent would have left at the present cap.
    paid: Instant,
}

impl Bucket {
    pub(crate) fn new(pace: Arc<Pace>) -> Self {
        Self { pace, paid: Instant::now() }
    }

    /// In pieces of how many bytes frames are to be sent; nothing if there is no cap.
    pub(crate) fn piece(&self) -> Option<usize> {
        let each = self.pace.bandwidth()? / 4;
        Some(usize::try_from(each).unwrap_or(PIECE_BYTES).min(PIECE_BYTES))
    }

    /// Waits until as many bytes may leave.
    pub(crate) async fn take(&mut self, bytes: usize) {
        let begun = Instant::now();
        while let Some(cap) = self.pace.bandwidth() {
            let now = Instant::now();
            let due = self.paid.max(now.checked_sub(BURST).unwrap_or(now));
            if due <= now {
                self.paid = due + cost(bytes, cap);
                break;
            }
            // The cap may be another by then.
            sleep((due - now).min(PIECE_TIME)).await;
        }
        let waited = begun.elapsed();
        if waited > Duration::ZERO && self.pace.bandwidth().is_some() {
            meter::waited_for_bandwidth(waited);
        }
    }
}

/// How long this many bytes take.
fn cost(bytes: usize, bytes_per_second: u64) -> Duration {
    let nanoseconds = (bytes as u64).saturating_mul(1_000_000_000) / bytes_per_second.max(1);
    Duration::from_nanos(nanoseconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_leaves_follows_the_cap() {
        let pace = Arc::<Pace>::default();
        let mut bucket = Bucket::new(Arc::clone(&pace));
        let begun = Instant::now();
        bucket.take(10 << 20).await;
        assert_eq!((begun.elapsed(), bucket.piece()), (Duration::ZERO, None), "no cap, no wait");

        pace.set_bandwidth(Some(64 << 10));
        let begun = Instant::now();
        let piece = bucket.piece().unwrap();
        for _ in 0..40 {
            bucket.take(piece).await;
        }
        let (sent, waited) = (40 * piece as u64, begun.elapsed().as_secs_f64());
        assert_eq!(sent, 640 << 10);
        assert!((9.0..=10.0).contains(&waited), "{sent} bytes at 64 KiB/s in {waited} s");

        // What was not used is not saved up for ever.
        sleep(Duration::from_mins(1)).await;
        let begun = Instant::now();
        for _ in 0..8 {
            bucket.take(piece).await;
        }
        assert!(begun.elapsed() >= Duration::from_secs(1), "{:?}", begun.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_cap_that_is_lifted_lets_go_at_once() {
        let pace = Arc::<Pace>::default();
        pace.set_bandwidth(Some(1));
        assert_eq!(pace.bandwidth(), Some(LEAST_BYTES_PER_SECOND));
        let mut bucket = Bucket::new(Arc::clone(&pace));
        bucket.take(1 << 20).await;
        let lifted = async {
            sleep(Duration::from_secs(1)).await;
            pace.set_bandwidth(None);
        };
        let begun = Instant::now();
        tokio::join!(bucket.take(1), lifted);
        assert!(begun.elapsed() <= Duration::from_secs(1) + PIECE_TIME);
    }
}
