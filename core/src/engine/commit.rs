//! Group commit: one transaction at a time, holding whatever has gathered while the last one was being written.

use std::collections::VecDeque;
use std::sync::Arc;

use katori_acl::{DeviceId, ResourceId};

use super::{Action, Answer, CommandError, CommandId, CommitId, Engine, Event};
use crate::store::Write;
use crate::time::Timestamp;

/// What happens when a commit is durable.
#[derive(Debug)]
pub(super) enum After {
    /// A document's step is complete.
    Document(ResourceId),
    /// A change of access is complete.
    Access,
    /// A command is answered.
    Reply(CommandId, Box<Answer>),
    /// Peers are told that what they sent is durable.
    Receipt(ResourceId, DeviceId),
    /// Local edits are durable.
    Durable(ResourceId, u64),
    /// A document's content is gone.
    Removed(ResourceId),
}

/// Bytes of writes that share a commit. What one input led to is never parted; what follows waits for the next.
const GROUP_BYTES: usize = 64 << 20;

/// What one input led to: stored all or nothing, then acted on.
#[derive(Debug, Default)]
struct Group {
    writes: Vec<Write>,
    after: Vec<After>,
}

impl Group {
    fn is_empty(&self) -> bool {
        self.writes.is_empty() && self.after.is_empty()
    }

    fn size(&self) -> usize {
        let sizes = self.writes.iter().map(|write| match write {
            Write::Put { key, value, .. } => key.len() + value.len(),
            Write::Delete { key, .. } => key.len(),
            Write::DeletePrefix { prefix, .. } => prefix.len(),
        });
        sizes.sum()
    }
}

#[derive(Debug, Default)]
pub(super) struct Commits {
    next: u64,
    open: Group,
    waiting: VecDeque<Group>,
    in_flight: Option<(CommitId, Vec<After>)>,
    /// A commit begins when the driver says so, instead of with the first input that wants one.
    gathers: bool,
}

impl Engine {
    /// Adds to what the present input leads to.
    pub(super) fn write(&mut self, writes: impl IntoIterator<Item = Write>) {
        self.commits.open.writes.extend(writes);
    }

    /// Does something when all that was written so far is durable.
    pub(super) fn after(&mut self, after: After) {
        self.commits.open.after.push(after);
    }

    /// From now on a commit begins only by [`Engine::begin_commit`], so that what several inputs lead to shares one.
    pub fn gather_commits(&mut self) {
        self.commits.gathers = true;
    }

    /// How many inputs led to something that waits for a commit, if one can begin.
    #[must_use]
    pub fn gathered(&self) -> usize {
        if self.commits.in_flight.is_some() { 0 } else { self.commits.waiting.len() }
    }

    /// Ends what the present input led to.
    pub(super) fn end_input(&mut self, now: Timestamp) {
        let group = std::mem::take(&mut self.commits.open);
        if let Some(error) = &self.failed {
            // Nothing is stored any more: whoever waits is told, and nothing is kept for later.
            let error: Arc<str> = Arc::from(error.as_str());
            for after in group.after {
                if let After::Reply(id, _) = after {
                    let result = Err(CommandError::StoreFailed(Arc::clone(&error)));
                    self.act(Action::Reply { id, result });
                }
            }
            return;
        }
        if !group.is_empty() {
            self.commits.waiting.push_back(group);
        }
        if !self.commits.gathers {
            self.begin_commit(now);
        }
    }

    /// Begins the next commit, if none is under way and something waits for one. What peers are to be told of it is
    /// made ready meanwhile.
    pub fn begin_commit(&mut self, now: Timestamp) {
        if self.commits.in_flight.is_some() {
            return;
        }
        let Some(mut together) = self.commits.waiting.pop_front() else { return };
        let mut size = together.size();
        while let Some(next) = self.commits.waiting.front().map(Group::size)
            && size + next <= GROUP_BYTES
            && let Some(next) = self.commits.waiting.pop_front()
        {
            size += next.size();
            together.writes.extend(next.writes);
            together.after.extend(next.after);
        }
        self.commits.next += 1;
        let commit = CommitId(self.commits.next);
        self.act(Action::Persist { commit, writes: together.writes });
        for after in &together.after {
            if let After::Document(document) = after {
                self.serve_ahead(now, *document);
            }
        }
        self.commits.in_flight = Some((commit, together.after));
    }

    pub(super) fn stored(&mut self, now: Timestamp, commit: CommitId) {
        let Some((_, after)) = self.commits.in_flight.take_if(|(id, _)| *id == commit) else { return };
        let mut ready = Vec::new();
        for after in after {
            match after {
                After::Document(document) => ready.extend(self.document_stored(now, document)),
                After::Access => self.access_stored(now),
                After::Reply(id, answer) => self.act(Action::Reply { id, result: Ok(*answer) }),
                After::Receipt(document, peer) => self.send_receipt(now, document, peer),
                After::Removed(document) => {
                    self.removing.remove(&document);
                    self.advance(now, document);
                }
                After::Durable(document, number) => {
                    self.act(Action::Notify(Event::Durable { document, number }));
                }
            }
        }
        // As if it had been worked out only now, after all else that the commit leads to.
        for (document, number, outcome) in ready {
            self.worked(now, document, number, outcome);
        }
    }

    /// The store is done for: whatever waited for it is told so, and nothing is acknowledged from now on.
    pub(super) fn store_failed(&mut self, commit: CommitId, error: String) {
        let in_flight = self.commits.in_flight.take_if(|(id, _)| *id == commit);
        let open = std::mem::take(&mut self.commits.open);
        let waiting = std::mem::take(&mut self.commits.waiting).into_iter().chain([open]);
        let waiting = waiting.flat_map(|group| group.after);
        for after in in_flight.into_iter().flat_map(|(_, after)| after).chain(waiting) {
            if let After::Reply(id, _) = after {
                let result = Err(CommandError::StoreFailed(Arc::from(error.as_str())));
                self.act(Action::Reply { id, result });
            }
        }
        let mut unanswered = self.take_access_replies();
        unanswered.extend(std::mem::take(&mut self.pending).into_keys());
        for state in self.documents.values_mut() {
            unanswered.extend(std::mem::take(&mut state.work.commands).into_iter().map(|(id, _)| id));
        }
        unanswered.sort_unstable();
        unanswered.dedup();
        for id in unanswered {
            let result = Err(CommandError::StoreFailed(Arc::from(error.as_str())));
            self.act(Action::Reply { id, result });
        }
        if self.failed.is_none() {
            self.failed = Some(error.clone());
            self.act(Action::Notify(Event::StoreFailed { error }));
        }
    }
}
