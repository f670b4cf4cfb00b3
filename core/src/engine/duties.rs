//! What this device owes in a document, and when it is due: vouches, and work on a losing branch that is to be written
//! again.

use katori_acl::ResourceId;

use super::{Engine, REAPPLY_DELAYS, Timer, VOUCH_DELAY};
use crate::document::Turn;
use crate::time::Timestamp;

/// How often a vouch that is owed is put off while an exchange is in progress, which a peer could draw out.
const MAX_POSTPONED: u8 = 15;

impl Engine {
    /// Sees to it that a vouch that is owed is signed soon, unless others make it unnecessary.
    pub(super) fn schedule_discharge(&mut self, now: Timestamp, document: ResourceId) {
        let Some(state) = self.documents.get_mut(&document) else { return };
        if state.summary.owes_vouch && state.work.discharge_postponed.is_none() {
            state.work.discharge_postponed = Some(0);
            let delay = self.random_delay(VOUCH_DELAY);
            self.schedule(now + delay, Timer::Discharge(document));
        }
    }

    /// Sees to it that work on the losing branch of a fork is written again: by its author, or else by whoever had
    /// accepted it.
    pub(super) fn schedule_reapply(&mut self, now: Timestamp, document: ResourceId) {
        let Some(state) = self.documents.get_mut(&document) else { return };
        let Some(turn) = state.summary.owes_reapply else { return };
        if state.work.reapply_turn.is_some_and(|scheduled| scheduled <= turn) {
            return;
        }
        state.work.reapply_turn = Some(turn);
        let [author, person, writer] = REAPPLY_DELAYS;
        let delay = match turn {
            Turn::Author => self.random_delay(author),
            Turn::Person => person + self.random_delay(author),
            Turn::Writer => writer + self.random_delay(person),
        };
        self.schedule(now + delay, Timer::Reapply(document));
    }

    pub(super) fn reapply_due(&mut self, now: Timestamp, document: ResourceId) {
        let Some(state) = self.documents.get_mut(&document) else { return };
        let turn = state.work.reapply_turn.take();
        state.work.reapply = turn.filter(|_| state.summary.owes_reapply.is_some());
        self.advance(now, document);
    }

    /// A vouch that is owed because of what was signed here does not wait for others to make it unnecessary.
    pub(super) fn discharge_at_once(&mut self, now: Timestamp, document: ResourceId) {
        if let Some(state) = self.documents.get_mut(&document)
            && state.summary.owes_vouch
        {
            state.work.discharge = true;
            self.advance(now, document);
        }
    }

    pub(super) fn discharge_due(&mut self, now: Timestamp, document: ResourceId) {
        let busy = self.sessions.values().any(|session| session.is_exchanging(document));
        let Some(state) = self.documents.get_mut(&document) else { return };
        let postponed = state.work.discharge_postponed.unwrap_or(0);
        if busy && postponed < MAX_POSTPONED {
            state.work.discharge_postponed = Some(postponed + 1);
            let delay = self.random_delay(VOUCH_DELAY);
            self.schedule(now + delay, Timer::Discharge(document));
            return;
        }
        state.work.discharge_postponed = None;
        state.work.discharge = true;
        self.advance(now, document);
    }
}
