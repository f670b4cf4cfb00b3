//! New devices that wait for a person here to compare digits.
//!
//! One attempt at a time for each invitation, and an attempt that does not end in agreement is a failure, however
//! it ended: somebody in the middle who goes away when the digits turn out wrong has had its guess all the same.
//! Three failures within a minute end the invitation.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use katori_acl::{DeviceId, InviteKey};
use tokio::sync::{broadcast, oneshot, watch};

use super::digits::Digits;

/// Failures within [`FAILURE_WINDOW`] that end an invitation.
const MAX_FAILURES: usize = 3;
/// See [`MAX_FAILURES`].
const FAILURE_WINDOW: Duration = Duration::from_mins(1);
/// New devices that wait at the same time: more digits than these no person compares.
const PAIRINGS_AT_ONCE: usize = 4;
/// Requests that wait for a listener; the list has them all anyway.
const NEWS: usize = 16;

/// A new device shows digits, and waits for somebody here to say that they are the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairingRequest {
    /// Names this request, for the answer.
    pub id: u64,
    /// The new device.
    pub device: DeviceId,
    /// What it is called.
    pub name: String,
    /// What both screens show.
    pub digits: Digits,
}

/// How a pairing ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PairingEnd {
    /// The new device is one of this person's.
    Paired,
    /// Somebody here said that the digits differ.
    RefusedHere,
    /// Somebody at the new device said that the digits differ.
    RefusedThere,
    /// The new device says that this one did not keep to what it had committed to. Nobody honest says so unless
    /// somebody is in the middle.
    CommitmentBroken,
    /// Nobody compared the digits in time, here or there.
    Unconfirmed,
    /// The connection was lost, or the device could not be taken in.
    BrokenOff,
    /// There is no such request any more.
    Gone,
}

/// Requests, and the failures of each invitation.
pub(crate) struct Pairings {
    state: Mutex<State>,
    news: broadcast::Sender<PairingRequest>,
}

#[derive(Default)]
struct State {
    made: u64,
    open: BTreeMap<u64, Open>,
    failures: BTreeMap<InviteKey, VecDeque<Instant>>,
}

struct Open {
    invite: InviteKey,
    /// None until there are digits.
    request: Option<PairingRequest>,
    answer: Option<oneshot::Sender<bool>>,
    end: watch::Sender<Option<PairingEnd>>,
}

impl fmt::Debug for Pairings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pairings").finish_non_exhaustive()
    }
}

/// One attempt. Dropped without [`Attempt::end`], it has broken off.
#[derive(Debug)]
pub(super) struct Attempt {
    id: u64,
    invite: InviteKey,
    answer: oneshot::Receiver<bool>,
    pairings: Arc<Pairings>,
    end: PairingEnd,
}

impl Pairings {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { state: Mutex::default(), news: broadcast::channel(NEWS).0 })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins an attempt, unless one by the same invitation is under way, or too many are.
    pub(super) fn begin(self: &Arc<Self>, invite: InviteKey) -> Option<Attempt> {
        let mut state = self.state();
        if state.open.len() >= PAIRINGS_AT_ONCE || state.open.values().any(|open| open.invite == invite) {
            return None;
        }
        state.made += 1;
        let id = state.made;
        let (sender, answer) = oneshot::channel();
        let end = watch::Sender::new(None);
        state.open.insert(id, Open { invite, request: None, answer: Some(sender), end });
        Some(Attempt { id, invite, answer, pairings: Arc::clone(self), end: PairingEnd::BrokenOff })
    }

    /// Whether an invitation has failed too often of late.
    pub(super) fn is_locked(&self, invite: InviteKey, now: Instant) -> bool {
        let mut state = self.state();
        for failures in state.failures.values_mut() {
            failures.retain(|at| now.duration_since(*at) < FAILURE_WINDOW);
        }
        state.failures.retain(|_, failures| !failures.is_empty());
        state.failures.get(&invite).is_some_and(|failures| failures.len() >= MAX_FAILURES)
    }

    /// Requests from now on.
    pub(crate) fn listen(&self) -> broadcast::Receiver<PairingRequest> {
        self.news.subscribe()
    }

    /// Requests that wait.
    pub(crate) fn requests(&self) -> Vec<PairingRequest> {
        self.state().open.values().filter_map(|open| open.request.clone()).collect()
    }

    /// Answers a request, and waits for its end.
    pub(crate) async fn answer(&self, id: u64, same: bool) -> PairingEnd {
        let end = {
            let mut state = self.state();
            let Some(open) = state.open.get_mut(&id).filter(|open| open.request.is_some()) else {
                return PairingEnd::Gone;
            };
            if let Some(answer) = open.answer.take() {
                // If the attempt has just ended, it says how.
                let _ = answer.send(same);
            }
            open.end.subscribe()
        };
        let mut end = end;
        end.wait_for(Option::is_some).await.ok().and_then(|end| *end).unwrap_or(PairingEnd::Gone)
    }
}

impl Attempt {
    /// Shows the digits to whoever listens.
    pub(super) fn show(&self, device: DeviceId, name: String, digits: Digits) {
        let request = PairingRequest { id: self.id, device, name, digits };
        if let Some(open) = self.pairings.state().open.get_mut(&self.id) {
            open.request = Some(request.clone());
        }
        // Nobody need be listening.
        let _ = self.pairings.news.send(request);
    }

    /// What the person here says. To be asked no more once it has answered.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub(super) async fn answer(&mut self) -> bool {
        (&mut self.answer).await.unwrap_or(false)
    }

    /// Ends the attempt.
    pub(super) fn end(mut self, end: PairingEnd) {
        self.end = end;
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        let mut state = self.pairings.state();
        if self.end != PairingEnd::Paired {
            state.failures.entry(self.invite).or_default().push_back(Instant::now());
        }
        if let Some(open) = state.open.remove(&self.id) {
            open.end.send_replace(Some(self.end));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invite(byte: u8) -> InviteKey {
        InviteKey::from_bytes([byte; 32])
    }

    #[test]
    fn three_failures_within_a_minute_lock_one_invitation() {
        let pairings = Pairings::new();
        let start = Instant::now();
        for failures in 0..MAX_FAILURES {
            assert!(!pairings.is_locked(invite(1), start), "after {failures}");
            drop(pairings.begin(invite(1)).unwrap());
        }
        pairings.begin(invite(2)).unwrap().end(PairingEnd::Paired);
        assert!(pairings.is_locked(invite(1), Instant::now()));
        assert!(!pairings.is_locked(invite(2), Instant::now()));
        assert!(!pairings.is_locked(invite(1), Instant::now() + FAILURE_WINDOW));
        assert!(pairings.state().failures.is_empty());
    }

    #[test]
    fn one_attempt_at_a_time_for_each_invitation() {
        let pairings = Pairings::new();
        let first = pairings.begin(invite(1)).unwrap();
        assert!(pairings.begin(invite(1)).is_none());
        drop(first);
        let held: Vec<_> = (1..=4).map(|byte| pairings.begin(invite(byte)).unwrap()).collect();
        assert!(pairings.begin(invite(9)).is_none());
        drop(held);
        assert!(pairings.begin(invite(9)).is_some());
    }

    #[tokio::test]
    async fn whoever_answers_learns_how_it_ended() {
        let pairings = Pairings::new();
        let mut attempt = pairings.begin(invite(1)).unwrap();
        assert_eq!(pairings.answer(1, true).await, PairingEnd::Gone, "there are no digits yet");
        let mut requests = pairings.listen();
        let digits = Digits::of(123_456);
        attempt.show(DeviceId::from_bytes([2; 32]), "phone".to_owned(), digits);
        let request = requests.recv().await.unwrap();
        assert_eq!(pairings.requests(), std::slice::from_ref(&request));
        let (end, ()) = tokio::join!(pairings.answer(request.id, true), async {
            assert!(attempt.answer().await);
            attempt.end(PairingEnd::RefusedThere);
        });
        assert_eq!(end, PairingEnd::RefusedThere);
        assert!(pairings.requests().is_empty());
    }
}
