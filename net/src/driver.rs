//! The loop that owns the engine: everything that happens comes to it as a message, and everything the engine
//! wants is carried out here. It never waits for anything but messages, so nothing can wait for it in a circle.

mod clock;
mod gathering;
mod links;
mod message;

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use katori_acl::{Contact, DeviceId, ResourceId};
use katori_core::engine::{
    Action, Answer, CloseReason, Command, CommandError, CommandId, Engine, Event, Input, Timer,
};
use katori_core::time::Timestamp;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until};

use crate::address::AddressBook;
use crate::dialer::{Dialer, Standing};
use crate::documents::{Documents, Edits, Hold, Worked};
use crate::greeting::CloseCode;
use crate::guests::Guests;
use crate::link::{Admitted, LinkId};
use crate::meter;
use crate::pace::Pace;
use crate::sought::Sought;
use crate::status::{Board, Entry};
use crate::storage::StorageThread;
pub(crate) use clock::Clock;
use gathering::Gathering;
pub(crate) use links::Candidate;
use links::Links;
pub(crate) use message::{Message, ask, command};

/// Messages that wait for the driver. Senders wait when there are more; what one peer can have waiting is
/// bounded by its flow control besides.
pub(crate) const MESSAGES: usize = 256;
/// How long closing waits for links to end in peace.
const LAST_WORDS: Duration = Duration::from_secs(3);
/// How long edits gather in the background before they are signed and stored: each commit wakes the disk, and each
/// frame the radio.
const GATHER: Duration = Duration::from_millis(500);
/// Documents of which the time until the first receipt is measured at once.
const MEASURED_RECEIPTS: usize = 1024;
/// The longest the driver sleeps, so that a clock that was set forward is noticed.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);

/// Waits until there are edits, and some time has passed.
async fn edits_due(edits: &Edits, from: Instant) {
    sleep_until(from).await;
    edits.made.notified().await;
}

/// How quiet it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Quiet {
    /// Nothing is being worked on, stored or sent.
    pub(crate) idle: bool,
    /// Besides, everybody who could be reached has compared everything.
    pub(crate) settled: bool,
}

/// What the driver works with, and shares.
pub(crate) struct Surroundings {
    pub(crate) documents: Arc<Documents>,
    pub(crate) storage: StorageThread,
    pub(crate) guests: Arc<Guests>,
    pub(crate) book: Arc<AddressBook>,
    pub(crate) board: Arc<Board>,
    pub(crate) edits: Arc<Edits>,
    pub(crate) pace: Arc<Pace>,
    pub(crate) events: broadcast::Sender<Event>,
    pub(crate) quiet: watch::Sender<Quiet>,
    /// Dials a device, and tells of it.
    pub(crate) dial: Option<Box<dyn Fn(DeviceId) + Send>>,
    /// How long a document stays in memory that nobody uses.
    pub(crate) rest_after: Duration,
    /// The only devices that are dialled, if there are such.
    pub(crate) through: Option<BTreeSet<DeviceId>>,
    /// Where those who work for the driver answer.
    pub(crate) messages: mpsc::WeakSender<Message>,
}

/// See the module.
pub(crate) struct Driver {
    engine: Engine,
    clock: Clock,
    around: Surroundings,
    links: Links,
    dialer: Dialer,
    known: BTreeSet<DeviceId>,
    wanted: BTreeSet<DeviceId>,
    sought: Sought,
    timers: BTreeSet<(Timestamp, u64, Timer)>,
    timers_set: u64,
    replies: BTreeMap<CommandId, oneshot::Sender<Result<Answer, CommandError>>>,
    commands: u64,
    /// Tasks that run, and commits under way.
    working: usize,
    storing: usize,
    /// What waits for the next commit.
    gathering: Gathering,
    /// What keeps documents in memory until all that was done on them is durable.
    holds: BTreeMap<ResourceId, Kept>,
    /// When to look for documents that nobody has used for long.
    rest: Instant,
    /// Edits wait until then.
    edits_from: Instant,
    /// Since when edits of these documents are durable here and nowhere else.
    unreceipted: BTreeMap<ResourceId, Instant>,
    /// How it stands with a peer is not as it was when it was put up.
    is_news: bool,
    /// Everybody who could be reached has compared everything.
    compared: bool,
    closing: Option<Instant>,
}

/// Keeps a document in memory, for an app that edited it or for work that was done on it.
#[expect(dead_code, reason = "what counts is when it is dropped")]
enum Kept {
    Edited(Arc<Hold>),
    Worked(Hold),
}

impl Driver {
    pub(crate) fn new(engine: Engine, around: Surroundings, sought: Sought, dice: u64) -> Self {
        let links = Links::new(engine.me().device(), Arc::clone(&around.pace));
        Self {
            engine,
            clock: Clock::default(),
            around,
            links,
            dialer: Dialer::new(dice),
            known: BTreeSet::new(),
            wanted: BTreeSet::new(),
            sought,
            timers: BTreeSet::new(),
            timers_set: 0,
            replies: BTreeMap::new(),
            commands: 0,
            working: 0,
            storing: 0,
            gathering: Gathering::default(),
            holds: BTreeMap::new(),
            rest: Instant::now(),
            edits_from: Instant::now(),
            unreceipted: BTreeMap::new(),
            is_news: true,
            compared: false,
            closing: None,
        }
    }

    /// Runs until it is told to close, or everybody who could tell it anything is gone.
    pub(crate) async fn run(mut self, mut messages: mpsc::Receiver<Message>) {
        self.engine.gather_commits();
        self.handle(Input::Started);
        self.welcome_and_dial();
        let edits = Arc::clone(&self.around.edits);
        loop {
            self.dial();
            self.begin_commit(self.working > 0 || !messages.is_empty());
            self.report();
            if self.is_all_stored() {
                self.around.storage.put(self.sought.take_ended());
            }
            if self.closing.is_some_and(|by| self.links.is_empty() || Instant::now() >= by) {
                self.begin_commit(false);
                return;
            }
            tokio::select! {
                message = messages.recv() => match message {
                    Some(message) => self.take(message),
                    None => return,
                },
                () = edits_due(&edits, self.edits_from) => {
                    if self.around.pace.is_background() {
                        self.edits_from = Instant::now() + GATHER;
                    }
                    for (document, hold) in edits.take() {
                        self.handle(Input::Edited { document });
                        self.keep(document, Kept::Edited(hold));
                    }
                }
                () = sleep_until(self.next_wake()) => {}
            }
            self.fire_timers();
            self.let_documents_rest();
        }
    }

    /// Keeps a document in memory until all that was done on it is durable.
    fn keep(&mut self, document: ResourceId, kept: Kept) {
        if !self.engine.is_at_rest(document) {
            self.holds.insert(document, kept);
        }
    }

    /// Lets go of documents that nobody has used for long.
    fn let_documents_rest(&mut self) {
        let now = Instant::now();
        if now >= self.rest {
            self.rest = self.around.documents.rest(now, self.around.rest_after);
        }
    }

    fn next_wake(&mut self) -> Instant {
        let now = self.clock.now();
        let timer = self.timers.first().map(|(at, _, _)| *at);
        let dial = self.around.dial.as_ref().and_then(|_| self.dialer.next_due());
        let wait =
            timer.into_iter().chain(dial).min().map_or(LONGEST_SLEEP, |at| at.since(now).min(LONGEST_SLEEP));
        let wake = (Instant::now() + wait).min(self.rest);
        let wake = self.gathering.until().map_or(wake, |until| wake.min(until));
        self.closing.map_or(wake, |by| wake.min(by))
    }

    fn fire_timers(&mut self) {
        let now = self.clock.now();
        while let Some((at, _, _)) = self.timers.first()
            && *at <= now
        {
            if let Some((_, _, timer)) = self.timers.pop_first() {
                self.handle(Input::Timer(timer));
            }
        }
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Input(input) => {
                let stored = matches!(input, Input::Stored { .. } | Input::StoreFailed { .. });
                if stored {
                    self.storing = self.storing.saturating_sub(1);
                }
                self.handle(input);
                if stored {
                    let engine = &self.engine;
                    self.holds.retain(|document, _| !engine.is_at_rest(*document));
                    self.around.documents.set_storing(!self.is_all_stored());
                }
            }
            Message::Worked { document, number, worked: Worked { outcome, hold } } => {
                self.working = self.working.saturating_sub(1);
                self.handle(Input::Worked { document, number, outcome });
                if let Some((hold, under_way)) = hold {
                    self.keep(document, Kept::Worked(hold));
                    // Only now that what follows from it has begun, or waits for a commit.
                    self.around.documents.set_storing(!self.is_all_stored());
                    drop(under_way);
                }
            }
            Message::Frame { peer, link, frame } => {
                if self.links.is_current(peer, link) {
                    self.handle(Input::Received { peer, frame });
                }
            }
            Message::Drained { peer, link, bytes } => {
                if self.links.drained(peer, link, bytes) {
                    self.handle(Input::Drained { peer, bytes });
                }
            }
            Message::Candidate(candidate, reply) => {
                let peer = candidate.peer;
                let admitted = self.admit(candidate);
                // The connection may have gone away while it waited for the answer.
                if let Err(Ok(unused)) = reply.send(admitted) {
                    self.link_down(peer, unused.id);
                }
            }
            Message::IsNeeded(peer, reply) => {
                // The dial may have been given up.
                let _ = reply.send(!self.links.is_well_linked(&peer));
            }
            Message::LinkDown { peer, link } => self.link_down(peer, link),
            Message::DialFailed { peer } => {
                self.is_news = true;
                let now = self.clock.now();
                if self.links.is_linked(&peer) {
                    self.dialer.linked(now, peer);
                } else {
                    self.dialer.failed(now, peer);
                }
            }
            Message::Command(command, reply) => {
                self.commands += 1;
                let id = CommandId(self.commands);
                self.replies.insert(id, reply);
                let blocks = matches!(command, Command::SetBlocked { .. });
                self.handle(Input::Command { id, command });
                if blocks {
                    // Nobody who is blocked is looked for.
                    self.welcome_and_dial();
                }
            }
            Message::Ask(question) => {
                // Whoever asks and then looks whether it is quiet sees what was before the question.
                self.report();
                let engine = &self.engine;
                if catch_unwind(AssertUnwindSafe(|| question(engine))).is_err() {
                    tracing::error!("a question to the engine panicked");
                }
            }
            Message::Learned(contacts) => self.learn(&contacts),
            Message::Sought(contacts) => {
                let me = self.engine.me().device();
                let others = contacts.iter().map(|contact| contact.device).filter(|device| *device != me);
                let writes = self.sought.seek(others);
                self.learn(&contacts);
                self.around.storage.put(writes);
                self.welcome_and_dial();
            }
            Message::Paced => self.dialer.set_background(self.around.pace.is_background()),
            Message::Hurry => self.edits_from = Instant::now(),
            Message::NetworkChanged { has_moved } => {
                self.is_news = true;
                let now = self.clock.now();
                self.dialer.nudge_all(now);
                if has_moved {
                    // Who dialled this device does not find it any more: it dials instead.
                    for peer in self.links.leave_behind() {
                        self.dialer.dial_again(now, &peer);
                    }
                }
            }
            Message::Close => {
                self.closing = Some(Instant::now() + LAST_WORDS);
                self.links.close_in_peace();
            }
        }
    }

    fn link_down(&mut self, peer: DeviceId, link: LinkId) {
        if self.links.remove(peer, link) {
            self.is_news = true;
            meter::connected(self.links.len());
            tracing::info!(peer = %peer.short(), "unlinked");
            let now = self.clock.now();
            let wanted = self.wanted.contains(&peer) || self.sought.devices().contains(&peer);
            self.dialer.unlinked(now, peer, wanted);
            self.handle(Input::Disconnected { peer });
        }
    }

    fn learn(&mut self, contacts: &[Contact]) {
        let (now, me) = (self.clock.now(), self.engine.me().device());
        for contact in contacts.iter().filter(|contact| contact.device != me) {
            let write = self.around.book.learn(contact.device, &contact.addresses);
            if write.is_some() {
                self.is_news = true;
                self.dialer.nudge(now, &contact.device);
            }
            self.around.storage.put(write);
        }
    }

    /// Makes a connection a link, or says why not.
    fn admit(&mut self, candidate: Candidate) -> Result<Admitted, CloseCode> {
        let (peer, secret) = (candidate.peer, candidate.secret);
        if self.closing.is_some() {
            return Err(CloseCode::Done);
        }
        if !self.around.guests.is_known(&peer) {
            return Err(CloseCode::Unknown);
        }
        let addresses = candidate.addresses.clone();
        let (admitted, replaced) = self.links.admit(candidate)?;
        if replaced {
            self.handle(Input::Disconnected { peer });
        }
        self.is_news = true;
        meter::linked();
        meter::connected(self.links.len());
        let now = self.clock.now();
        self.dialer.linked(now, peer);
        self.learn(&[Contact { device: peer, addresses }]);
        tracing::info!(peer = %peer.short(), "linked");
        self.handle(Input::Connected { peer, secret });
        Ok(admitted)
    }

    fn dial(&mut self) {
        let now = self.clock.now();
        let Some(dial) = &self.around.dial else { return };
        if self.closing.is_some() {
            return;
        }
        for peer in self.dialer.take_due(now) {
            self.is_news = true;
            tracing::debug!(peer = %peer.short(), "dialling");
            dial(peer);
        }
    }

    /// Hands an input to the engine and carries out what it wants.
    fn handle(&mut self, input: Input) {
        self.engine.handle(self.clock.now(), input);
        self.carry_out_all();
    }

    /// Begins a commit if its time has come.
    fn begin_commit(&mut self, others: bool) {
        if self.gathering.is_over(Instant::now(), self.engine.gathered(), others) {
            self.engine.begin_commit(self.clock.now());
            self.carry_out_all();
        }
    }

    /// Whether nothing waits for a commit, or for the end of one.
    fn is_all_stored(&self) -> bool {
        self.storing == 0 && self.engine.gathered() == 0
    }

    fn carry_out_all(&mut self) {
        while let Some(action) = self.engine.poll_action() {
            self.carry_out(action);
        }
    }

    fn carry_out(&mut self, action: Action) {
        match action {
            Action::Send { peer, frame } => self.links.send(peer, frame),
            Action::Consumed { peer, bytes } => self.links.consumed(peer, bytes),
            // What was queued before says why, so it leaves first.
            Action::Close { peer, reason: CloseReason::NothingShared } => {
                self.links.part(peer, CloseCode::NothingShared);
            }
            // Whoever is blocked sees what a stranger sees.
            Action::Close { peer, reason: CloseReason::Blocked } => self.links.stop(peer, CloseCode::Unknown),
            Action::Close { peer, .. } => self.links.stop(peer, CloseCode::Protocol),
            Action::Work { document, work } => {
                self.working += 1;
                let (number, messages) = (work.number, self.around.messages.clone());
                let size = self.engine.stored_size(document);
                self.around.documents.work(document, work, size, move |worked| {
                    if let Some(messages) = messages.upgrade() {
                        // If the driver is gone nobody waits for the outcome.
                        let _ = messages.blocking_send(Message::Worked { document, number, worked });
                    }
                });
            }
            Action::Refresh { document, access } => self.around.documents.refresh(document, access),
            Action::Drop { document, access } => self.around.documents.drop_document(document, access),
            Action::Persist { commit, writes } => {
                self.storing += 1;
                self.around.documents.set_storing(true);
                self.around.storage.commit(commit, writes);
            }
            Action::Schedule { at, timer } => {
                self.timers_set += 1;
                self.timers.insert((at, self.timers_set, timer));
            }
            Action::Notify(event) => self.notify(event),
            Action::Reply { id, result } => {
                if let Some(reply) = self.replies.remove(&id) {
                    // Whoever asked may have stopped waiting.
                    let _ = reply.send(result);
                }
            }
            other => tracing::error!(?other, "an action that this version cannot carry out"),
        }
    }

    /// Lets in, and dials, whom the engine knows, and whom this device looks for until it does.
    fn welcome_and_dial(&mut self) {
        self.is_news = true;
        let (known, engine) = (&self.known, &self.engine);
        self.sought.end(|device| known.contains(device) || engine.blocked(device));
        let sought = self.sought.devices();
        let known: BTreeSet<DeviceId> = self.known.union(sought).copied().collect();
        let dialled =
            |device: &&DeviceId| self.around.through.as_ref().is_none_or(|through| through.contains(*device));
        let wanted: BTreeSet<DeviceId> = self.wanted.iter().filter(dialled).chain(sought).copied().collect();
        self.links.keep_only(&known);
        self.around.guests.set_known(known);
        let now = self.clock.now();
        self.dialer.set_wanted(now, &wanted);
    }

    fn notify(&mut self, event: Event) {
        match &event {
            Event::Durable { document, number } => {
                if self.unreceipted.len() < MEASURED_RECEIPTS {
                    self.unreceipted.entry(*document).or_insert_with(Instant::now);
                }
                let write = self.around.documents.durable(*document, *number);
                self.around.storage.put(write);
            }
            Event::Receipt { document, .. } => {
                if let Some(since) = self.unreceipted.remove(document) {
                    meter::receipt(since.elapsed());
                }
            }
            Event::Peers { known, wanted } => {
                self.known.clone_from(known);
                self.wanted.clone_from(wanted);
                self.welcome_and_dial();
            }
            Event::Settled { peer } => {
                meter::exchanged();
                self.is_news = true;
                self.links.settled(*peer);
            }
            Event::StoreFailed { error } => self.around.documents.store_failed(error),
            Event::Suspicious { peer, what } => {
                meter::suspicious();
                tracing::warn!(peer = %peer.short(), what, "suspicious");
            }
            Event::Changed { .. }
            | Event::Access { .. }
            | Event::Roster { .. }
            | Event::Unreadable { .. }
            | _ => {}
        }
        // Nobody need be listening.
        let _ = self.around.events.send(event);
    }

    /// Puts up how it stands, for those who ask without waiting for an answer.
    fn report(&mut self) {
        if std::mem::take(&mut self.is_news) {
            let entries = self.dialer.standings().map(|(device, standing, _)| {
                let link = self.links.watch(&device);
                (device, Entry { standing, link })
            });
            self.around.board.set(entries.collect());
            let mut standings = self.dialer.standings();
            self.compared = standings.all(|(device, standing, tried)| match standing {
                Standing::Linked { .. } => self.links.is_settled(&device),
                Standing::Waiting { .. } => tried,
                Standing::Dialling => false,
            });
        }
        let idle = self.working == 0
            && self.is_all_stored()
            && self.around.edits.is_empty()
            && self.links.all_sent();
        let quiet = Quiet { idle, settled: idle && (self.compared || self.around.dial.is_none()) };
        self.around.quiet.send_if_modified(|before| std::mem::replace(before, quiet) != quiet);
    }
}
