//! Whom to dial, and when: a pure machine, so that its patience can be tested without waiting.
//!
//! Each wanted device is dialled until there is a link, ever less often: at once when it comes to be wanted,
//! when its link breaks, when an address is learned, and when the network changes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use katori_acl::DeviceId;
use katori_core::time::Timestamp;

/// The wait after the first failure; it doubles with each.
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// The longest wait: a device that comes back dials by itself, so this is for those that cannot.
const LONGEST_WAIT: Duration = Duration::from_mins(1);
/// A link that lived for less counts as a failure, so that two that keep closing on each other slow down.
const STEADY: Duration = Duration::from_secs(10);
/// Dials under way at the same time: each holds a socket's attention and up to 8 seconds.
const DIALS_AT_ONCE: usize = 16;
/// The same in the background, and how many times longer the waits are then.
const DIALS_IN_BACKGROUND: usize = 2;
const PATIENCE_IN_BACKGROUND: u32 = 8;

/// How a wanted device stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Waiting { until: Timestamp },
    Dialling,
    Linked { since: Timestamp },
}

#[derive(Debug)]
struct Wanted {
    standing: Standing,
    failures: u32,
    /// Something has come up while it was being dialled that makes another attempt worth while.
    again: bool,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Dialer {
    wanted: BTreeMap<DeviceId, Wanted>,
    dice: u64,
    background: bool,
}

impl Dialer {
    /// `seed` spreads the waits of several devices.
    pub(crate) fn new(seed: u64) -> Self {
        Self { wanted: BTreeMap::new(), dice: seed | 1, background: false }
    }

    /// In the background fewer are dialled, and less often.
    pub(crate) fn set_background(&mut self, background: bool) {
        self.background = background;
    }

    fn dials_at_once(&self) -> usize {
        if self.background { DIALS_IN_BACKGROUND } else { DIALS_AT_ONCE }
    }

    /// The devices that are worth dialling now.
    pub(crate) fn set_wanted(&mut self, now: Timestamp, wanted: &BTreeSet<DeviceId>) {
        self.wanted.retain(|device, state| {
            wanted.contains(device) || matches!(state.standing, Standing::Linked { .. })
        });
        for device in wanted {
            self.wanted.entry(*device).or_insert(Wanted {
                standing: Standing::Waiting { until: now },
                failures: 0,
                again: false,
            });
        }
    }

    /// There is a link.
    pub(crate) fn linked(&mut self, now: Timestamp, device: DeviceId) {
        let standing = Standing::Linked { since: now };
        let state = self.wanted.entry(device).or_insert(Wanted { standing, failures: 0, again: false });
        state.standing = standing;
    }

    /// The link is gone.
    pub(crate) fn unlinked(&mut self, now: Timestamp, device: DeviceId, still_wanted: bool) {
        if !still_wanted {
            self.wanted.remove(&device);
            return;
        }
        let Some(state) = self.wanted.get_mut(&device) else { return };
        let Standing::Linked { since } = state.standing else { return };
        if now.since(since) < STEADY {
            self.failed_attempt(now, device);
        } else {
            state.failures = 0;
            state.standing = Standing::Waiting { until: now };
        }
    }

    /// A dial came to nothing.
    pub(crate) fn failed(&mut self, now: Timestamp, device: DeviceId) {
        if let Some(state) = self.wanted.get_mut(&device)
            && state.standing == Standing::Dialling
        {
            if std::mem::take(&mut state.again) {
                state.failures += 1;
                state.standing = Standing::Waiting { until: now };
            } else {
                self.failed_attempt(now, device);
            }
        }
    }

    fn failed_attempt(&mut self, now: Timestamp, device: DeviceId) {
        let dice = self.roll();
        let patience = if self.background { PATIENCE_IN_BACKGROUND } else { 1 };
        if let Some(state) = self.wanted.get_mut(&device) {
            state.failures = state.failures.saturating_add(1);
            state.standing = Standing::Waiting { until: now + wait(state.failures, dice) * patience };
        }
    }

    /// Something was learned of where a device is.
    pub(crate) fn nudge(&mut self, now: Timestamp, device: &DeviceId) {
        if let Some(state) = self.wanted.get_mut(device) {
            match state.standing {
                Standing::Waiting { .. } => state.standing = Standing::Waiting { until: now },
                Standing::Dialling => state.again = true,
                Standing::Linked { .. } => {}
            }
        }
    }

    /// There is a link that may be dead.
    pub(crate) fn dial_again(&mut self, now: Timestamp, device: &DeviceId) {
        if let Some(state) = self.wanted.get_mut(device)
            && matches!(state.standing, Standing::Linked { .. })
        {
            state.standing = Standing::Waiting { until: now };
        }
    }

    /// The network changed.
    pub(crate) fn nudge_all(&mut self, now: Timestamp) {
        let devices: Vec<DeviceId> = self.wanted.keys().copied().collect();
        for device in devices {
            self.nudge(now, &device);
        }
    }

    /// Whom to dial now; they count as being dialled from here on.
    pub(crate) fn take_due(&mut self, now: Timestamp) -> Vec<DeviceId> {
        let mut room = self.dials_at_once().saturating_sub(self.dialling());
        let mut due = Vec::new();
        for (device, state) in &mut self.wanted {
            if room > 0
                && let Standing::Waiting { until } = state.standing
                && until <= now
            {
                state.standing = Standing::Dialling;
                state.again = false;
                due.push(*device);
                room -= 1;
            }
        }
        due
    }

    /// When to look again; nothing while as many are being dialled as may be.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        if self.dialling() >= self.dials_at_once() {
            return None;
        }
        let waits = self.wanted.values().filter_map(|state| match state.standing {
            Standing::Waiting { until } => Some(until),
            Standing::Dialling | Standing::Linked { .. } => None,
        });
        waits.min()
    }

    /// How each wanted device stands, and whether it has been tried in vain.
    pub(crate) fn standings(&self) -> impl Iterator<Item = (DeviceId, Standing, bool)> {
        self.wanted.iter().map(|(device, state)| (*device, state.standing, state.failures > 0))
    }

    fn dialling(&self) -> usize {
        self.wanted.values().filter(|state| state.standing == Standing::Dialling).count()
    }

    /// A xorshift: nothing here needs to be unpredictable, only unequal.
    fn roll(&mut self) -> u64 {
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        self.dice
    }
}

/// The wait after so many failures: between three quarters and five quarters of the plain one.
fn wait(failures: u32, dice: u64) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    let plain = FIRST_WAIT.saturating_mul(1 << doublings).min(LONGEST_WAIT);
    let quarter = u64::try_from(plain.as_millis() / 4).unwrap_or(0).max(1);
    plain.mul_f32(0.75) + Duration::from_millis(dice % (2 * quarter))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_000_000);

    fn device(byte: u8) -> DeviceId {
        DeviceId::from_bytes([byte; 32])
    }

    #[test]
    fn failures_wait_longer_and_longer_up_to_a_minute() {
        let mut dialer = Dialer::new(7);
        dialer.set_wanted(NOW, &BTreeSet::from([device(1)]));
        let (mut now, mut last) = (NOW, Duration::ZERO);
        for attempt in 0..12 {
            assert_eq!(dialer.take_due(now), [device(1)], "attempt {attempt}");
            assert_eq!(dialer.take_due(now), []);
            dialer.failed(now, device(1));
            let due = dialer.next_due().unwrap();
            let waited = due.since(now);
            assert!(waited >= last.mul_f32(0.6) && waited <= LONGEST_WAIT.mul_f32(1.25), "{waited:?}");
            (now, last) = (due, waited);
        }
        assert!(last >= LONGEST_WAIT.mul_f32(0.75));
        dialer.nudge_all(now);
        assert_eq!(dialer.next_due(), Some(now));
    }

    #[test]
    fn a_broken_link_is_dialled_at_once_unless_it_was_short() {
        let mut dialer = Dialer::new(7);
        dialer.set_wanted(NOW, &BTreeSet::from([device(1)]));
        dialer.linked(NOW, device(1));
        assert_eq!(dialer.next_due(), None);
        let later = NOW + STEADY;
        dialer.unlinked(later, device(1), true);
        assert_eq!(dialer.next_due(), Some(later));
        dialer.linked(later, device(1));
        dialer.unlinked(later, device(1), true);
        assert!(dialer.next_due().unwrap() > later);
        dialer.linked(later, device(1));
        dialer.unlinked(later, device(1), false);
        assert_eq!(dialer.standings().count(), 0);
    }

    #[test]
    fn a_link_that_may_be_dead_is_dialled_and_kept_if_that_fails() {
        let mut dialer = Dialer::new(7);
        dialer.set_wanted(NOW, &BTreeSet::from([device(1)]));
        dialer.linked(NOW, device(1));
        dialer.nudge_all(NOW);
        assert_eq!(dialer.take_due(NOW), [], "a link is dialled again only for a reason");
        dialer.dial_again(NOW, &device(1));
        assert_eq!(dialer.take_due(NOW), [device(1)]);
        dialer.linked(NOW, device(1));
        assert_eq!((dialer.take_due(NOW), dialer.next_due()), (Vec::new(), None));
    }

    #[test]
    fn an_address_learned_while_dialling_makes_another_dial() {
        let mut dialer = Dialer::new(7);
        dialer.set_wanted(NOW, &BTreeSet::from([device(1)]));
        assert_eq!(dialer.take_due(NOW), [device(1)]);
        dialer.nudge(NOW, &device(1));
        dialer.failed(NOW, device(1));
        assert_eq!(dialer.take_due(NOW), [device(1)]);
    }

    #[test]
    fn few_are_dialled_at_once() {
        let mut dialer = Dialer::new(7);
        dialer.set_wanted(NOW, &(0..100).map(device).collect());
        assert_eq!(dialer.take_due(NOW).len(), DIALS_AT_ONCE);
        assert_eq!((dialer.take_due(NOW).len(), dialer.next_due()), (0, None));
        dialer.failed(NOW, device(0));
        assert_eq!(dialer.take_due(NOW).len(), 1);
    }

    #[test]
    fn in_the_background_fewer_are_dialled_and_less_often() {
        let mut dialer = Dialer::new(7);
        dialer.set_background(true);
        dialer.set_wanted(NOW, &(0..100).map(device).collect());
        assert_eq!(dialer.take_due(NOW).len(), DIALS_IN_BACKGROUND);
        dialer.failed(NOW, device(0));
        dialer.set_wanted(NOW, &BTreeSet::from([device(0)]));
        assert!(dialer.next_due().unwrap().since(NOW) >= FIRST_WAIT.mul_f32(0.75) * PATIENCE_IN_BACKGROUND);
    }
}
