//! Time as the engine sees it: a number that its driver hands in.

use std::ops::Add;
use std::time::Duration;

/// Milliseconds since the Unix epoch, by the clock of this device, which is trusted for delays and expiry and
/// for nothing that decides what is in a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// Whole seconds, as Automerge stamps its changes.
    #[must_use]
    pub fn seconds(self) -> i64 {
        (self.0 / 1000).cast_signed()
    }

    /// How long ago `earlier` was; zero if it lies ahead.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;
    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)))
    }
}
