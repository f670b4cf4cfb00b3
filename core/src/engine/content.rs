//! Work on documents: one task at a time for each, the most pressing first, and what follows from its outcome.

use std::collections::{BTreeMap, BTreeSet};

use automerge::ChangeHash;
use katori_acl::{DeviceId, ResourceId, ResourceKind, Subject};

use super::commit::After;
use super::held::Rare;
use super::serving::{Ahead, serve};
use super::{
    Action, Answer, CommandError, CommandId, Engine, Event, HIGH_WATER, Outcome, Standing, Task, Work,
};
use crate::document::{Batch, Done, IngestReport, Peer, Summary, Turn};
use crate::time::Timestamp;

/// How far a document's present step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Phase {
    /// Nothing is under way.
    #[default]
    Idle,
    /// A task runs.
    Working(Kind, u64),
    /// Its writes are on their way to the disk.
    Storing,
}

/// Which task runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Reevaluate,
    Serve,
    Ingest,
    Command(CommandId),
    Other,
}

/// What waits to be done on a document.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each says that one thing waits")]
pub(super) struct Held {
    pub(super) phase: Phase,
    /// Only while the present step is being stored.
    pub(super) ahead: Option<Ahead>,
    /// Access has changed; these vouches came with the change.
    pub(super) reevaluate: Option<Vec<Vec<u8>>>,
    /// Local edits want a flush.
    pub(super) dirty: bool,
    pub(super) commands: Vec<(CommandId, Task)>,
    /// What peers sent: of each, what it may send, and what it hands over.
    pub(super) ingest: BTreeMap<(DeviceId, bool), Batch>,
    /// The last step was a reevaluation: what peers sent is not put off by the next.
    pub(super) let_in: bool,
    /// Bytes of frames in `ingest`, to be acknowledged when they are taken in.
    pub(super) received: BTreeMap<DeviceId, usize>,
    pub(super) discharge: bool,
    /// A timer for the vouch that is owed runs, and was put off so many times.
    pub(super) discharge_postponed: Option<u8>,
    pub(super) reapply: Option<Turn>,
    /// Peers that are to be told what is here when the present step is stored.
    pub(super) tell_version: BTreeSet<DeviceId>,
    /// Its packs are to be merged.
    pub(super) merge: bool,
    /// A timer for what is to be written again runs, for this device in this turn.
    pub(super) reapply_turn: Option<Turn>,
    pub(super) serve: BTreeSet<DeviceId>,
    pub(super) hand_over: BTreeSet<DeviceId>,
    /// Peers that have gone, whose changes wait for others.
    pub(super) forget_orphans: BTreeSet<DeviceId>,
    pub(super) rare: Rare,
}

impl Held {
    /// Nothing at all.
    pub(super) const NOTHING: Self = Self {
        phase: Phase::Idle,
        ahead: None,
        reevaluate: None,
        dirty: false,
        commands: Vec::new(),
        ingest: BTreeMap::new(),
        let_in: false,
        received: BTreeMap::new(),
        discharge: false,
        discharge_postponed: None,
        reapply: None,
        merge: false,
        tell_version: BTreeSet::new(),
        reapply_turn: None,
        serve: BTreeSet::new(),
        hand_over: BTreeSet::new(),
        forget_orphans: BTreeSet::new(),
        rare: Rare::NOTHING,
    };

    /// Whether nothing waits, and nothing is under way.
    pub(super) fn is_idle(&self) -> bool {
        self.phase == Phase::Idle
            && self.reevaluate.is_none()
            && !self.dirty
            && self.commands.is_empty()
            && self.ingest.is_empty()
            && self.received.is_empty()
            && !self.discharge
            && self.discharge_postponed.is_none()
            && self.reapply.is_none()
            && !self.merge
            && self.reapply_turn.is_none()
            && self.tell_version.is_empty()
            && self.serve.is_empty()
            && self.hand_over.is_empty()
            && self.forget_orphans.is_empty()
    }
}

impl Engine {
    /// Begins a document's next task, if none is under way.
    pub(super) fn advance(&mut self, now: Timestamp, document: ResourceId) {
        if self.failed.is_some() || self.documents.get(&document).is_none_or(|state| state.work.is_idle()) {
            return;
        }
        let Some(access) = self.registry.access(document) else { return };
        if !self.holds_content(document) {
            return;
        }
        self.put_aside(document);
        self.answer_who_lacks_nothing(now, document);
        let Some(state) = self.documents.get(&document) else { return };
        if state.work.phase != Phase::Idle
            || !state.standing.has_content()
            || self.removing.contains(&document)
        {
            return;
        }
        let wants = self.wants(now, document);
        let awaits_access = self.awaits_access(document);
        let Some(state) = self.documents.get_mut(&document) else { return };
        let held = &mut state.work;
        let ingest_first = held.let_in && !held.ingest.is_empty();
        let (kind, task) = if let Some(vouches) = held.reevaluate.take_if(|_| !ingest_first) {
            held.let_in = true;
            (Kind::Reevaluate, Task::Reevaluate { vouches })
        } else if !held.forget_orphans.is_empty() {
            let peers = std::mem::take(&mut held.forget_orphans);
            (Kind::Serve, Task::ForgetOrphans(peers))
        } else if !wants.is_empty() && (!held.dirty || held.hand_over.is_empty()) {
            (Kind::Serve, serve(held, &mut self.sessions, document, wants))
        } else if !held.commands.is_empty() {
            let (id, task) = held.commands.remove(0);
            (Kind::Command(id), task)
        } else if std::mem::take(&mut held.dirty) {
            (Kind::Other, Task::Flush)
        } else if !held.ingest.is_empty() && (!awaits_access || held.let_in) {
            held.let_in = false;
            let batches = std::mem::take(&mut held.ingest).into_iter();
            (Kind::Ingest, Task::Ingest(batches.map(|((peer, _), batch)| (peer, batch)).collect()))
        } else if std::mem::take(&mut held.discharge) {
            (Kind::Other, Task::Discharge)
        } else if let Some(turn) = held.reapply.take() {
            (Kind::Other, Task::Reapply(turn))
        } else if std::mem::take(&mut held.merge) {
            (Kind::Other, Task::Merge)
        } else {
            return;
        };
        self.works += 1;
        let number = self.works;
        held.phase = Phase::Working(kind, number);
        self.act(Action::Work { document, work: Work { number, access, task } });
    }

    /// Notes whether what a peer has of a document is durable here.
    pub(super) fn note_progress(&mut self, peer: DeviceId, document: ResourceId) {
        if let Some(state) = self.documents.get(&document)
            && let Some(session) = self.sessions.get_mut(&peer)
        {
            let under_way = state.work.phase == Phase::Storing || state.work.received.contains_key(&peer);
            session.note_settled(document, &state.summary, under_way);
        }
    }

    pub(super) fn worked(&mut self, now: Timestamp, document: ResourceId, number: u64, outcome: Outcome) {
        let Some(state) = self.documents.get_mut(&document) else { return };
        if let Some(ahead) = state.work.ahead.as_mut().filter(|ahead| ahead.number == number) {
            ahead.outcome = Some(outcome);
            return;
        }
        // Work that was under way when a document was let go is nobody's any more.
        let Phase::Working(kind, expected) = state.work.phase else { return };
        if number != expected {
            return;
        }
        state.work.phase = Phase::Idle;
        match outcome {
            Outcome::Done(done) => self.done(now, document, kind, *done),
            Outcome::TakeInRefused(error) => {
                if let Kind::Command(id) = kind {
                    self.act(Action::Reply { id, result: Err(CommandError::TakeIn(error)) });
                }
                self.advance(now, document);
            }
            Outcome::Failed(error) => {
                tracing::error!(%document, error, "a document cannot be opened");
                if let Kind::Command(id) = kind
                    && !self.vouched_for(id, document)
                {
                    let result = Err(CommandError::Unreadable(error.as_str().into()));
                    self.act(Action::Reply { id, result });
                }
                if kind == Kind::Reevaluate {
                    self.reevaluated(now, document, Vec::new(), None);
                }
                if kind == Kind::Serve {
                    self.answer_all_covered(now, document);
                }
                let senders = self.documents.get(&document).map(|state| state.work.received.clone());
                self.consume(document);
                self.act(Action::Notify(Event::Unreadable { document, error }));
                if kind == Kind::Ingest {
                    for peer in senders.unwrap_or_default().into_keys() {
                        self.ask_again(now, peer, document);
                    }
                }
                self.advance(now, document);
            }
        }
    }

    fn done(&mut self, now: Timestamp, document: ResourceId, kind: Kind, done: Done) {
        if done.outdated
            && let Some(state) = self.documents.get_mut(&document)
        {
            state.work.reevaluate.get_or_insert_default();
        }
        if kind == Kind::Serve {
            for served in done.served {
                self.send_served(now, document, served);
            }
            for session in self.sessions.values_mut() {
                session.note_served(&document);
            }
            self.advance(now, document);
            return;
        }
        self.before_change(now, document);
        self.inventories.touch(Subject::Resource(document));
        let Some(state) = self.documents.get_mut(&document) else { return };
        let (forks, held) = (state.summary.forks, state.summary.held);
        state.summary.set(done.summary);
        let now_held = state.summary.held;
        state.work.phase = Phase::Storing;
        let forked = state.summary.forks > forks;
        self.note_merge(now, document);
        self.schedule_discharge(now, document);
        self.schedule_reapply(now, document);
        if now_held != held {
            self.act(Action::Notify(Event::Held { document, held: now_held }));
        }
        if let Some(shown) = done.shown {
            self.act(Action::Notify(Event::Changed { document, shown }));
        }
        if kind == Kind::Reevaluate {
            self.reevaluated(now, document, done.writes, done.flushed);
            return;
        }
        self.write(done.writes);
        if kind == Kind::Ingest {
            self.consume(document);
            for report in done.ingested {
                self.ingested(now, document, report);
            }
            if forked {
                self.ask_versions_again(now, document);
            }
        }
        if let Kind::Command(id) = kind {
            if !done.escort.is_empty()
                && let Some(state) = self.documents.get_mut(&document)
            {
                state.work.rare.escort = done.escort;
                let row = state.row(document);
                self.write([row]);
            }
            self.vouched(id, document);
        }
        self.document_written(document, done.flushed);
    }

    /// The writes of a document's step are on their way.
    pub(super) fn document_written(&mut self, document: ResourceId, flushed: Option<u64>) {
        if let Some(number) = flushed {
            self.after(After::Durable(document, number));
        }
        self.after(After::Document(document));
    }

    /// Tells the peers whose frames were taken in that they may send more.
    pub(super) fn consume(&mut self, document: ResourceId) {
        let Some(state) = self.documents.get_mut(&document) else { return };
        for (peer, bytes) in std::mem::take(&mut state.work.received) {
            if [false, true].iter().any(|farewell| state.work.ingest.contains_key(&(peer, *farewell))) {
                // More came meanwhile; a frame is counted with the last of its peer's.
                *state.work.received.entry(peer).or_default() += bytes;
            } else {
                self.actions.push_back(Action::Consumed { peer, bytes });
            }
        }
    }

    fn ingested(&mut self, now: Timestamp, document: ResourceId, report: IngestReport) {
        let Some(peer) = report.from else { return };
        let is_kept = !report.is_hostile() && report.over_budget == 0 && report.orphans == 0;
        if !is_kept && self.sessions.get(&peer).is_some_and(|session| session.is_unsaid(&document)) {
            self.ask_again(now, peer, document);
        }
        if report.is_hostile() {
            self.suspicious(peer, "changes that no honest device sends");
        } else if report.over_budget > 0 {
            self.suspicious(peer, "more changes than there is room for");
        }
        if report.orphans > 0 {
            if let Some(session) = self.sessions.get_mut(&peer) {
                session.orphans_in.insert(document);
            } else if let Some(state) = self.documents.get_mut(&document) {
                // Whoever sent them has gone meanwhile.
                state.work.forget_orphans.insert(peer);
            }
        }
        if let Some(known) = self.sessions.get_mut(&peer).and_then(|session| session.known_mut(&document)) {
            known.version.merge(&report.received);
            known.vouches.extend(report.vouches);
            self.note_progress(peer, document);
            self.note_sent(document, peer, &report.received);
            self.after(After::Receipt(document, peer));
        }
    }

    /// The step of a document is durable: peers may be told, and the next begins. Returns what peers are to be told, if
    /// that is ready.
    #[must_use]
    pub(super) fn document_stored(
        &mut self,
        now: Timestamp,
        document: ResourceId,
    ) -> Option<(ResourceId, u64, Outcome)> {
        let mut ready = None;
        if let Some(state) = self.documents.get_mut(&document) {
            state.work.phase = Phase::Idle;
            if let Some(Ahead { number, outcome }) = state.work.ahead.take() {
                state.work.phase = Phase::Working(Kind::Serve, number);
                ready = outcome.map(|outcome| (document, number, outcome));
            }
            for peer in std::mem::take(&mut state.work.tell_version) {
                self.send_version(now, peer, document);
            }
        }
        self.announce_what_is_stored(now, document);
        self.serve_followers(now, document);
        let peers: Vec<DeviceId> = self.sessions.keys().copied().collect();
        for peer in peers {
            self.note_progress(peer, document);
            self.note_settled(peer);
        }
        ready
    }

    /// What a lost role left unsent has been handed over: the document is kept, and synced no more.
    pub(super) fn departed(&mut self, now: Timestamp, document: ResourceId, peer: DeviceId) {
        if let Some(session) = self.sessions.get_mut(&peer) {
            session.handed_over.remove(&document);
        }
        if !self.is_departing(now, document, &peer) {
            return;
        }
        let after = match self.standing(document) {
            Standing::Accepted if self.is_to_be_erased(document) => Standing::Erased,
            Standing::Accepted => Standing::Left,
            Standing::Rejected => Standing::Forgotten,
            Standing::Unknown
            | Standing::Offered
            | Standing::Forgotten
            | Standing::Left
            | Standing::Deleted
            | Standing::Erased => return,
        };
        self.set_standing(document, after);
        self.begin_access_change(now);
    }

    pub(super) fn drained(&mut self, now: Timestamp, peer: DeviceId, bytes: usize) {
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        let was_full = session.queued >= HIGH_WATER;
        session.queued = session.queued.saturating_sub(bytes);
        if session.queued == 0 {
            for document in session.handed_over.clone() {
                self.departed(now, document, peer);
            }
        }
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        if was_full && session.queued < HIGH_WATER {
            for document in std::mem::take(&mut session.put_aside) {
                self.serve_one(now, document, peer);
            }
            self.send_wanted(now, peer);
        }
    }

    /// Queues what a peer sent of a document.
    pub(super) fn queue_ingest(
        &mut self,
        now: Timestamp,
        document: ResourceId,
        peer: DeviceId,
        size: usize,
        batch: Batch,
    ) {
        let Some(state) = self.documents.get_mut(&document) else { return };
        *state.work.received.entry(peer).or_default() += size;
        let queued = state.work.ingest.entry((peer, batch.farewell)).or_default();
        queued.packs.extend(batch.packs);
        queued.vouches.extend(batch.vouches);
        queued.farewell = batch.farewell;
        self.advance(now, document);
    }

    /// Adds a task that a command asked for.
    pub(super) fn queue_command(&mut self, now: Timestamp, document: ResourceId, id: CommandId, task: Task) {
        let is_space = self.registry.kind_of(document) == Some(ResourceKind::Space);
        match self.documents.get_mut(&document) {
            Some(state) if state.standing == Standing::Accepted && !is_space => {
                state.work.commands.push((id, task));
            }
            _ => self.act(Action::Reply { id, result: Err(CommandError::UnknownDocument(document)) }),
        }
        self.advance(now, document);
    }

    /// A command's task is done: a revocation that waited for its vouch goes on, others are answered.
    fn vouched(&mut self, id: CommandId, document: ResourceId) {
        if !self.vouched_for(id, document) {
            self.after(After::Reply(id, Box::new(Answer::Done)));
        }
    }
}

/// Heads that a peer made durable, as a key for comparing.
pub(super) fn covers(receipt: &[ChangeHash], heads: &[ChangeHash]) -> bool {
    heads.iter().all(|head| receipt.contains(head))
}

/// What a peer has when it has all that we have.
pub(super) fn everything(summary: &Summary) -> Peer {
    Peer { version: (*summary.version).clone(), vouches: summary.vouches.iter().copied().collect() }
}
