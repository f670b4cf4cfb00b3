//! Applying honest work again that lay on the losing branch of a fork.
//!
//! Who builds on a branch that loses has done nothing wrong. Its author's device makes the edit anew on what is
//! shown, else another device of that person, else any writer that had accepted it; the new change says in its
//! message which one it stands for, so that nobody does it twice knowingly. It is an ordinary change of whoever
//! makes it. What cannot be made anew, because what it edits is gone, is in the conflict copy
//! ([`Document::lost_branch`]) and reported with the [`Fork`](super::Fork).

mod lost_work;
mod replay;

use std::collections::BTreeMap;

use automerge::transaction::{CommitOptions, Transactable};
use automerge::{ChangeHash, Patch, PatchLog};

use super::{Document, Done, Shown, mark};
use crate::gate::guarded;
use replay::{Decoded, Replay};

pub use lost_work::{MAX_LOST_WORK, Turn};

/// What came of applying a change again.
enum Again {
    /// A new change, and whether it does all that the old one did.
    Made { hash: ChangeHash, patches: Vec<Patch>, complete: bool },
    /// All that it did is so already. What made it so may itself go one day, so it is not forgotten.
    Needless,
    /// What it edits is gone.
    Impossible,
}

impl Document {
    /// Applies lost work again, as far as it is this device's at this turn or an earlier one, and signs it in the same
    /// step. The new changes bear the times of those they stand for. Whoever may not write does nothing.
    pub fn reapply(&mut self, turn: Turn) -> Done {
        let owed = if self.may_reapply() { self.owed() } else { BTreeMap::new() };
        let (mut made, mut decoded) = (Shown::default(), Decoded::default());
        for index in owed.into_iter().filter(|(_, at)| *at <= turn).map(|(index, _)| index) {
            let Some(original) = self.graph.node(index).map(|node| node.hash) else { continue };
            let origin = self.origin(index, original);
            match self.apply_again(index, &origin, &mut decoded) {
                Again::Made { hash, patches, complete } => {
                    made.patches.extend(patches);
                    made.admitted.push(hash);
                    if !complete {
                        self.not_reapplied.insert(original);
                    }
                }
                Again::Needless => {
                    self.needless.insert(original);
                }
                Again::Impossible => {
                    tracing::info!(%original, "lost work cannot be applied again; it is in the conflict copy");
                    self.not_reapplied.insert(original);
                }
            }
        }
        let mut done = self.conclude(Vec::new());
        if !made.admitted.is_empty() {
            done.shown = Some(match done.shown.take() {
                // What was built anew holds the new changes too.
                Some(mut shown) if shown.rebuilt => {
                    shown.admitted.extend(made.admitted);
                    shown
                }
                shown => {
                    let then = shown.unwrap_or_default();
                    made.patches.extend(then.patches);
                    made.admitted.extend(then.admitted);
                    made
                }
            });
        }
        done
    }

    fn apply_again(&mut self, index: u32, origin: &ChangeHash, decoded: &mut Decoded) -> Again {
        self.choose_incarnation();
        let before = self.automerge.get_heads();
        let below = self.graph.present(&before).filter_map(|index| self.graph.node(index));
        let start = below.map(|node| node.max_op).max().unwrap_or(0) + 1;
        let options = CommitOptions::default()
            .with_time(self.graph.node(index).map_or(0, |node| node.time))
            .with_message(mark::write(origin));
        let (limit, watched) = (self.limits.gate.change_operations, self.watched);
        let actor = self.actor();
        let mut automerge = std::mem::replace(&mut self.automerge, super::materialise::empty());
        let outcome = guarded("applying a change again", || {
            let log = if watched { PatchLog::active() } else { PatchLog::inactive() };
            let mut replay = Replay::new(self, index, actor, start, decoded);
            let mut transaction = automerge.transaction_log_patches(log).ok()?;
            let complete = replay.run(&mut transaction);
            if transaction.pending_ops() as u64 > limit {
                transaction.rollback();
                return None;
            }
            let (hash, mut log) = transaction.commit_with(options);
            let patches = if watched { automerge.make_patches(&mut log) } else { Vec::new() };
            Some((hash, patches, complete))
        });
        self.automerge = automerge;
        match outcome {
            Ok(Some((Some(hash), patches, complete))) => match self.record(&before) {
                Ok(()) => Again::Made { hash, patches, complete },
                Err(_) => Again::Impossible,
            },
            Ok(Some((None, _, true))) => Again::Needless,
            Ok(_) => Again::Impossible,
            Err(_) => {
                self.rebuild();
                Again::Impossible
            }
        }
    }
}
