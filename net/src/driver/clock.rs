//! The clock that the engine is driven by.

use std::time::SystemTime;

use katori_core::time::Timestamp;

/// Milliseconds since 1970, by this device's clock, and never less than before.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    /// What was said last.
    last: Timestamp,
    /// How far ahead of the system's clock that is, since it was set back.
    ahead: u64,
}

impl Clock {
    pub(crate) fn now(&mut self) -> Timestamp {
        self.read(system())
    }

    fn read(&mut self, system: u64) -> Timestamp {
        let mut now = system.saturating_add(self.ahead);
        if now < self.last.0 {
            // Set back: time goes on from where it was, so that whatever waits does not wait for longer.
            self.ahead += self.last.0 - now;
            now = self.last.0;
        }
        self.last = Timestamp(now);
        self.last
    }
}

/// Milliseconds since 1970.
fn system() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_set_back_goes_on() {
        let mut clock = Clock::default();
        assert_eq!(clock.read(1_000), Timestamp(1_000));
        assert_eq!(clock.read(400), Timestamp(1_000));
        assert_eq!(clock.read(450), Timestamp(1_050));
    }
}
