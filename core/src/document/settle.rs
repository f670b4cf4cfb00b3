//! Applying the rule of admission after anything it rests on has changed, and the duty to vouch.

use std::sync::Arc;

use automerge::ChangeHash;
use katori_acl::Access;
use thiserror::Error;

use super::admission::{AtHome, Grounds, Verdict, evaluate};
use super::bits::Bits;
use super::held::HeldReason;
use super::settlement::losing_sides;
use super::vouches::Added;
use super::{Document, Done, Shown};
use crate::store::Write;
use crate::vouch::{MAX_VOUCH_HEADS, UnverifiedVouch, VerifiedVouch};

/// Why held-back changes cannot be taken in. Nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TakeInError {
    /// Only a writer's vouch takes something in.
    #[error(
        "this device does not hold write in the document, so its word takes nothing in; ask somebody who does"
    )]
    NotAWriter,
    /// No such change is held back here.
    #[error("no change {0} is held back here")]
    NotHeld(ChangeHash),
    /// The change cannot come in by a writer's word alone.
    #[error("change {change} cannot be taken in: {reason}")]
    Impossible {
        /// The change, or one it builds on.
        change: ChangeHash,
        /// What stands against it.
        reason: HeldReason,
    },
}

impl Document {
    /// The rule applied to what is stored. `accepted` is what was shown before, `instead` a branch that is to win.
    pub(super) fn evaluate(&self, pinned: bool, accepted: &Bits, instead: Option<u32>) -> Verdict {
        let pins = self.pins();
        let failed: Bits = self.graph.present(&self.failed).collect();
        let (device, person) = (self.me.device(), self.me.person);
        let home = AtHome { device, person, signed: self.signed, pinned: &pins, accepted };
        let grounds = Grounds {
            access: &self.access,
            at_home: Some(home).filter(|_| pinned && !self.pinned.is_empty()),
            failed: &failed,
            instead,
        };
        evaluate(&self.graph, &self.vouches, &grounds, &self.admitted)
    }

    pub(super) fn pins(&self) -> Bits {
        let mut pins = Bits::default();
        if !self.pinned.is_empty() {
            self.graph.mark(self.graph.present(&self.pinned), &mut pins);
        }
        pins
    }

    /// What is to be shown, noting forkers and forks on the way.
    fn verdict(&mut self, accepted: &Bits) -> Bits {
        let verdict = self.evaluate(true, accepted, None);
        self.forkers = verdict.forkers;
        self.losing = losing_sides(&self.graph, &verdict.settled);
        self.settled = verdict.settled;
        verdict.admitted
    }

    /// What is to be shown, given what was accepted. If some of that would lose its cover and this device holds
    /// Write, the accepted heads are pinned first: they count as its word at home until it signs or need not.
    pub(super) fn verdict_pinning(&mut self, accepted: &Bits, heads: &[ChangeHash]) -> Bits {
        let mut wanted = self.verdict(accepted);
        // Who wrote until this step may write again by the next: a role can go and come back in one exchange.
        if !accepted.is_subset(&wanted) && (self.may_write() || self.wrote) {
            self.pinned.extend(heads);
            wanted = self.verdict(accepted);
        }
        self.note_lost_work(accepted, &wanted);
        wanted
    }

    /// Applies the rule to what is stored now.
    pub(super) fn settle(&mut self) -> Option<Shown> {
        let wanted = self.verdict_pinning(&self.admitted.clone(), &self.automerge.get_heads());
        let shown = self.show(&wanted);
        self.forget_found_work();
        shown
    }

    /// Ends a step: applies the rule and gathers what is to be written and told.
    pub(super) fn conclude(&mut self, mut writes: Vec<Write>) -> Done {
        self.hand_out(&mut writes);
        let shown = self.settle();
        let summary = self.summary();
        writes.push(self.write_state(&summary));
        Done { writes, summary, shown, flushed: Some(self.edits), ..Done::default() }
    }

    /// Rosters or grants have changed; with them came vouches by whoever changed them.
    pub fn reevaluate(&mut self, access: Arc<Access>, vouches: &[Vec<u8>]) -> Done {
        self.wrote = self.may_write();
        self.access = access;
        let mut writes = Vec::new();
        for bytes in vouches {
            self.admit_vouch(bytes, &mut writes);
        }
        let done = self.conclude(writes);
        self.wrote = false;
        done
    }

    /// Keeps a vouch that came in, if its device could ever have held Write here. Whether that is so is judged
    /// by signatures alone, as if nobody had been removed, so that it does not depend on the order of arrival.
    pub(super) fn admit_vouch(&mut self, bytes: &[u8], writes: &mut Vec<Write>) -> bool {
        let Ok(vouch) = UnverifiedVouch::decode(bytes) else { return false };
        if self.vouches.contains(&vouch.id()) {
            return true;
        }
        let claimed = vouch.claimed();
        let ever = self.access.ever_role_of_device(&claimed.device);
        if claimed.document != self.id || ever.is_none_or(|role| role < katori_acl::Role::Write) {
            return false;
        }
        let Ok(vouch) = vouch.verify() else { return false };
        if vouch.device == self.me.device() && vouch.counter > self.counter {
            // Our own word from a past this store does not know: go on above it, under a new incarnation. One with
            // a lower counter is an old word of ours that another has superseded.
            self.counter = self.counter.max(vouch.counter);
            self.renew_incarnation();
        }
        self.keep_vouch(vouch, writes);
        true
    }

    fn keep_vouch(&mut self, vouch: VerifiedVouch, writes: &mut Vec<Write>) {
        let (id, bytes) = (vouch.id(), Arc::clone(vouch.bytes()));
        if let Added::Kept(dropped) = self.vouches.add(&self.graph, vouch) {
            writes.push(self.write_vouch(&id, &bytes));
            writes.extend(dropped.iter().map(|id| self.remove_vouch(id)));
        }
    }

    /// Signs a vouch over these heads.
    pub(crate) fn sign_vouch(&mut self, heads: &[ChangeHash], writes: &mut Vec<Write>) {
        for heads in heads.chunks(MAX_VOUCH_HEADS) {
            self.counter += 1;
            let me = Arc::clone(&self.me);
            let vouch = VerifiedVouch::sign(&me.key, self.id, me.person, self.counter, heads.to_vec());
            self.signed = Some(vouch.id());
            self.keep_vouch(vouch, writes);
        }
    }

    /// Signs over everything accepted, whether that is needed or not: for the step that revokes somebody.
    pub fn vouch(&mut self) -> Done {
        let mut writes = Vec::new();
        let heads = self.automerge.get_heads();
        if self.may_write() && !heads.is_empty() {
            self.sign_vouch(&heads, &mut writes);
            self.pinned.clear();
        }
        Done { escort: self.latest_word(), ..self.conclude(writes) }
    }

    /// Does what [`Summary::owes_vouch`](super::Summary::owes_vouch) asked for: signs over what is accepted if it still
    /// lacks cover, or if this device's last word names a branch that lost; and lifts the pins. If this device holds
    /// Write no more, they are lifted without a signature.
    pub fn discharge(&mut self) -> Done {
        let mut writes = Vec::new();
        if !self.pinned.is_empty() {
            let unpinned = self.evaluate(false, &self.admitted, None);
            let heads = self.automerge.get_heads();
            let needed = !self.admitted.is_subset(&unpinned.admitted) || self.stands_behind_a_loser();
            if self.may_write() && needed && !heads.is_empty() {
                self.sign_vouch(&heads, &mut writes);
            }
            self.pinned.clear();
        }
        self.conclude(writes)
    }

    /// Whether this device's latest word names a branch that gave way here, and not the one that stays.
    fn stands_behind_a_loser(&self) -> bool {
        let Some(word) = self.vouches.latest().remove(&self.me.device()) else { return false };
        let mut under = Bits::default();
        self.graph.mark(self.graph.present(&word.heads), &mut under);
        self.settled.iter().any(|fork| {
            !under.contains(fork.winner) && fork.losers.iter().any(|loser| under.contains(*loser))
        })
    }

    /// Takes in changes that are held back, with all they build on: a writer's word over them. Their own
    /// authors must have vouched for them; without that nobody's word takes a device's change in.
    ///
    /// # Errors
    /// [`TakeInError`] says which change stands against it, and why.
    pub fn take_in(&mut self, changes: &[ChangeHash]) -> Result<Done, TakeInError> {
        if !self.may_write() {
            return Err(TakeInError::NotAWriter);
        }
        let mut chosen = Vec::new();
        for hash in changes {
            let index = self.graph.index(hash).filter(|index| !self.admitted.contains(*index));
            chosen.push(index.ok_or(TakeInError::NotHeld(*hash))?);
        }
        let mut under = self.admitted.clone();
        for index in self.graph.mark(chosen, &mut under) {
            let reason = self.reason(index);
            if let Some(
                reason @ (HeldReason::NotVouchedByAuthor { .. }
                | HeldReason::LostFork { .. }
                | HeldReason::Excluded
                | HeldReason::FailedHere),
            ) = reason
            {
                let change = self.graph.hashes([index]).pop().unwrap_or(ChangeHash([0; 32]));
                return Err(TakeInError::Impossible { change, reason });
            }
        }
        let mut heads = self.automerge.get_heads();
        heads.extend(changes);
        let mut writes = Vec::new();
        self.sign_vouch(&heads, &mut writes);
        self.pinned.clear();
        Ok(self.conclude(writes))
    }
}
