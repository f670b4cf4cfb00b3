//! The sync engine: which peer is told what, in what order, and what is stored before anything is told.
//!
//! A pure state machine. A driver hands it [`Input`]s with the time and carries out the [`Action`]s it queues:
//!
//! 1. call [`Engine::handle`] with one input, at a time that never runs backwards;
//! 2. take actions with [`Engine::poll_action`] until there is none, and carry them out in that order;
//! 3. answer [`Action::Work`] with [`Input::Worked`] and [`Action::Persist`] with [`Input::Stored`] or
//!    [`Input::StoreFailed`], whenever they are done, and wake it with [`Input::Timer`] as scheduled.
//!
//! What is slow is an action: work on a document ([`Task`]) runs on a worker, one task for a document at a time,
//! so that documents never wait for each other. A document's next task begins when the writes of the last one
//! are durable, so nothing is offered to a peer before that, and everything that came meanwhile is done in one. Only
//! what peers are to be sent is worked out while the disk is busy; it leaves when the disk is done.
//!
//! A driver of one device, with a store in memory and no network:
//!
//! ```
//! use std::collections::{BTreeMap, VecDeque};
//! use std::sync::Arc;
//! use katori_acl::DeviceKey;
//! use katori_core::document::{Document, DocumentLimits};
//! use katori_core::engine::{Action, Answer, Command, CommandId, Engine, Input, StoredEngine};
//! use katori_core::identity::{Founding, Identity};
//! use katori_core::store::{MemoryStore, Storage};
//! use katori_core::time::Timestamp;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (person_name, device_name) = ("Ana".to_owned(), "laptop".to_owned());
//! // Secrets and seeds come from the operating system; here they are constants.
//! let founding = Founding { person_name, device_name, recovery: [0; 32], nonce: [0; 16] };
//! let (identity, roster) = Identity::found(DeviceKey::from_secret([1; 32]), founding)?;
//! let store = MemoryStore::new();
//! store.commit(&identity.rows(&[roster]))?;
//!
//! let me = Arc::new(identity);
//! let mut engine = Engine::new(Arc::clone(&me), StoredEngine::read(&store)?, [2; 32]);
//! let mut documents = BTreeMap::new();
//! let command = Command::Create { name: "groceries".to_owned(), space: None };
//! let mut inputs = VecDeque::from([Input::Started, Input::Command { id: CommandId(1), command }]);
//! let mut answer = None;
//! while let Some(input) = inputs.pop_front() {
//!     engine.handle(Timestamp(0), input);
//!     while let Some(action) = engine.poll_action() {
//!         match action {
//!             Action::Persist { commit, writes } => {
//!                 store.commit(&writes)?;
//!                 inputs.push_back(Input::Stored { commit });
//!             }
//!             Action::Work { document, work } => {
//!                 let open = documents.entry(document).or_insert_with(|| {
//!                     let access = Arc::clone(&work.access);
//!                     Document::new(document, Arc::clone(&me), access, DocumentLimits::default(), [3; 32])
//!                 });
//!                 let (number, outcome) = (work.number, work.task.run(open, work.access));
//!                 inputs.push_back(Input::Worked { document, number, outcome });
//!             }
//!             Action::Reply { result, .. } => answer = Some(result),
//!             _ => {} // frames, timers and news
//!         }
//!     }
//! }
//! assert!(matches!(answer, Some(Ok(Answer::Created(_)))));
//! # Ok(())
//! # }
//! ```
//!
//! A session with a peer goes: inventory, rosters, grants, then content, then live. Authority is checked again
//! at every frame that is sent.

mod access;
mod audience;
mod commands;
mod commit;
mod consequences;
mod content;
mod duties;
mod event;
mod farewell;
mod held;
mod introduction;
mod inventory;
mod merging;
mod open_invite;
mod peer;
mod resting;
mod rows;
mod serving;
mod session;
mod standing;
mod task;
mod untouched;
mod versions;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use automerge::ChangeHash;
use katori_acl::{Access, DeviceId, InviteKey, PersonId, Registry, ResourceId, ResourceKind};
use rand_chacha::ChaCha12Rng;
use rand_core::{Rng, SeedableRng};

use crate::document::Authors;
use crate::identity::Identity;
use crate::reconcile::Secret;
use crate::store::Write;
use crate::time::Timestamp;
use crate::wire::Size;

pub use commands::{Answer, Command, CommandError, Invitees, Offer, Preview, RevokeTerms};
pub use consequences::{Consequence, Consequences};
pub use event::Event;
pub use farewell::FAREWELL_BYTES;
pub use held::HeldSummary;
pub use introduction::MAX_INTRODUCTION_BYTES;
pub use merging::MERGE_AFTER;
pub use open_invite::{InvitePurpose, JoinRequest, MAX_REQUESTS, OpenInvite, RequestState};
pub use rows::{EngineError, Standing, StoredEngine, record_row};
pub(crate) use rows::{STANDING_SUFFIX, accepted_row, check_row};
pub use task::{Halfway, Outcome, Task, Work};

use access::AccessChange;
use audience::Acquaintances;
use commit::Commits;
use held::DocumentState;
use inventory::Inventories;
use peer::Session;

/// The longest that a vouch which is owed waits for others to make it unnecessary.
pub const VOUCH_DELAY: Duration = Duration::from_secs(2);
/// The longest that the author of work on the losing branch of a fork waits before writing it again, in case more
/// of the fork comes to light; how long another device of the same person waits for the author's; and how long
/// anybody else waits for either.
pub const REAPPLY_DELAYS: [Duration; 3] =
    [Duration::from_secs(2), Duration::from_secs(30), Duration::from_mins(2)];
/// How long a device that lost its last role here may stay connected, to hand over what it had not sent.
pub const FAREWELL_TIME: Duration = Duration::from_secs(5);
/// How often expiry is looked at.
pub const EXPIRY_CHECK: Duration = Duration::from_secs(30);
/// Bytes queued for one peer above which it is sent nothing more until some have left: slow peers get what is
/// new in one go, later, instead of every step of it.
pub const HIGH_WATER: usize = 1 << 20;
/// Documents offered by others that wait to be accepted, or not. More are not noted.
pub const MAX_OFFERS: usize = 1024;
/// Subjects that a peer may name in one session and of which nothing comes that is worth keeping.
pub const MAX_UNKNOWN_SUBJECTS: usize = 1024;
/// Subjects named by a peer that wait for their turn: so many documents of a friend's space come in one session.
pub const MAX_NAMED_SUBJECTS: usize = 1 << 16;

/// Names a commit that is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommitId(pub u64);

/// Names a command, so that its answer finds whoever gave it. Drawn by the driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommandId(pub u64);

/// What a driver tells the engine.
#[derive(Debug)]
#[non_exhaustive]
pub enum Input {
    /// The first input, once.
    Started,
    /// A connection to this device is up, authenticated, and welcomed by both.
    Connected {
        /// Whose.
        peer: DeviceId,
        /// What only the two ends of this connection know.
        secret: Secret,
    },
    /// A frame has come.
    Received {
        /// From whom.
        peer: DeviceId,
        /// The frame, at most [`crate::wire::MAX_FRAME_BYTES`] long.
        frame: Vec<u8>,
    },
    /// Frames that were sent have left the queue.
    Drained {
        /// Whose queue.
        peer: DeviceId,
        /// How many bytes.
        bytes: usize,
    },
    /// The connection is gone.
    Disconnected {
        /// Whose.
        peer: DeviceId,
    },
    /// The time of an [`Action::Schedule`] has come.
    Timer(Timer),
    /// A task is done.
    Worked {
        /// On which document.
        document: ResourceId,
        /// Which work.
        number: u64,
        /// How it went.
        outcome: Outcome,
    },
    /// A commit is durable.
    Stored {
        /// Which.
        commit: CommitId,
    },
    /// A commit failed. The store takes no more; nothing is acknowledged from now on.
    StoreFailed {
        /// Which.
        commit: CommitId,
        /// Why.
        error: String,
    },
    /// A local edit was applied to a document: it wants to be signed, stored and sent.
    Edited {
        /// Which document.
        document: ResourceId,
    },
    /// Somebody at this device wants something.
    Command {
        /// Comes back with the answer.
        id: CommandId,
        /// What.
        command: Command,
    },
}

/// What wakes the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timer {
    /// A vouch is owed for this document.
    Discharge(ResourceId),
    /// Work on the losing branch of a fork is to be written again in this document.
    Reapply(ResourceId),
    /// Look for grants that have expired.
    Expiry,
    /// A connected device shares nothing with this one any more.
    CutOff(DeviceId),
}

/// What the engine wants done.
#[derive(Debug)]
#[non_exhaustive]
pub enum Action {
    /// Send a frame.
    Send {
        /// To whom.
        peer: DeviceId,
        /// What.
        frame: Vec<u8>,
    },
    /// Bytes received from a peer have been dealt with; it may send as many more.
    Consumed {
        /// Whose.
        peer: DeviceId,
        /// How many.
        bytes: usize,
    },
    /// Close the connection.
    Close {
        /// To whom.
        peer: DeviceId,
        /// Why.
        reason: CloseReason,
    },
    /// Do this on a document, loading it first if need be.
    Work {
        /// Which document.
        document: ResourceId,
        /// What.
        work: Work,
    },
    /// Let go of a document in memory, before anything else is done: its content is being removed. This needs no
    /// answer, and what was under way on it is not waited for.
    Drop {
        /// Which.
        document: ResourceId,
        /// Who may do what in it now.
        access: Arc<Access>,
    },
    /// Who may do what in a document has changed in a way that costs nothing: one in memory is told
    /// ([`note_access`](crate::document::Document::note_access)), others need not be loaded for it.
    Refresh {
        /// Which document.
        document: ResourceId,
        /// Who may do what in it now.
        access: Arc<Access>,
    },
    /// Store these, all or nothing.
    Persist {
        /// Comes back when it is durable.
        commit: CommitId,
        /// What.
        writes: Vec<Write>,
    },
    /// Hand in this timer at that time.
    Schedule {
        /// When.
        at: Timestamp,
        /// What.
        timer: Timer,
    },
    /// Tell whoever listens.
    Notify(Event),
    /// A command is done.
    Reply {
        /// Which.
        id: CommandId,
        /// How it went.
        result: Result<Answer, CommandError>,
    },
}

/// Why a connection is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseReason {
    /// The peer sent what no honest device sends.
    Protocol,
    /// The two share nothing any more.
    NothingShared,
    /// Somebody here does not want to talk to it.
    Blocked,
}

/// See the module.
#[derive(Debug)]
pub struct Engine {
    me: Arc<Identity>,
    rng: ChaCha12Rng,
    registry: Registry,
    documents: BTreeMap<ResourceId, DocumentState>,
    /// Of the documents that rest.
    authors: Authors,
    receipts: BTreeMap<(ResourceId, DeviceId), Vec<ChangeHash>>,
    invites: BTreeMap<InviteKey, OpenInvite>,
    /// People whose devices are refused.
    blocked: BTreeSet<PersonId>,
    sessions: BTreeMap<DeviceId, Session>,
    commits: Commits,
    access_now: Option<AccessChange>,
    access_next: AccessChange,
    acquaintances: Acquaintances,
    inventories: Inventories,
    /// Documents in which something was owed or due when the store was opened.
    restless: Vec<ResourceId>,
    /// Documents that are worth merging, and when each last changed.
    to_merge: BTreeMap<ResourceId, Timestamp>,
    /// Documents and spaces with a grant that ends by the clock.
    expiring: BTreeSet<ResourceId>,
    pending: commands::Pending,
    works: u64,
    /// Documents whose content is being removed from the store.
    removing: BTreeSet<ResourceId>,
    failed: Option<String>,
    actions: VecDeque<Action>,
}

impl Engine {
    /// An engine over what a store holds. `seed` must be fresh randomness.
    #[must_use]
    pub fn new(me: Arc<Identity>, stored: StoredEngine, seed: [u8; 32]) -> Self {
        let mut blocked = stored.blocked;
        blocked.remove(&me.person);
        Self {
            me,
            rng: ChaCha12Rng::from_seed(seed),
            registry: stored.registry,
            documents: stored.documents,
            authors: stored.authors,
            restless: stored.restless,
            receipts: stored.receipts,
            invites: stored.invites.into_iter().map(|invite| (invite.key, invite)).collect(),
            blocked,
            sessions: BTreeMap::new(),
            commits: Commits::default(),
            access_now: None,
            access_next: AccessChange::default(),
            acquaintances: Acquaintances::default(),
            inventories: Inventories::default(),
            to_merge: BTreeMap::new(),
            expiring: BTreeSet::new(),
            pending: commands::Pending::new(),
            works: 0,
            removing: BTreeSet::new(),
            failed: None,
            actions: VecDeque::new(),
        }
    }

    /// Takes one input. `now` must not run backwards.
    pub fn handle(&mut self, now: Timestamp, input: Input) {
        match input {
            Input::Started => {
                for document in std::mem::take(&mut self.restless) {
                    self.schedule_discharge(now, document);
                    self.schedule_reapply(now, document);
                    self.note_merge(now, document);
                }
                self.tell_all_peers();
                self.find_expiring();
                self.schedule(now + EXPIRY_CHECK, Timer::Expiry);
            }
            Input::Connected { peer, secret } => self.connected(now, peer, secret),
            Input::Received { peer, frame } => self.received(now, peer, &frame),
            Input::Drained { peer, bytes } => self.drained(now, peer, bytes),
            Input::Disconnected { peer } => self.disconnected(now, peer),
            Input::Timer(timer) => self.timer(now, timer),
            Input::Worked { document, number, outcome } => self.worked(now, document, number, outcome),
            Input::Stored { commit } => self.stored(now, commit),
            Input::StoreFailed { commit, error } => self.store_failed(commit, error),
            Input::Edited { document } => {
                if let Some(state) = self.documents.get_mut(&document) {
                    state.work.dirty = true;
                }
                self.advance(now, document);
            }
            Input::Command { id, command } => self.command(now, id, command),
        }
        self.take_steps(now);
        self.end_input(now);
    }

    /// The next action, in the order in which they are to be carried out.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// Who this device is.
    #[must_use]
    pub fn me(&self) -> &Arc<Identity> {
        &self.me
    }

    /// All rosters and grants, for asking who may do what and why.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The documents held here or offered, each with its standing and what it is in short.
    pub fn documents(&self) -> impl Iterator<Item = (ResourceId, Standing, &HeldSummary)> {
        self.documents.iter().map(|(id, state)| (*id, state.standing, &state.summary))
    }

    /// One of them.
    #[must_use]
    pub fn document(&self, id: ResourceId) -> Option<(Standing, &HeldSummary)> {
        self.documents.get(&id).map(|state| (state.standing, &state.summary))
    }

    /// Devices with a connection.
    pub fn connected_peers(&self) -> impl Iterator<Item = DeviceId> {
        self.sessions.keys().copied()
    }

    /// Whether something is being compared with a connected device, after which it may be sent something.
    #[must_use]
    pub fn is_exchanging(&self) -> bool {
        self.sessions.values().any(|session| !session.is_compared())
    }

    /// Heads that a device has said to have made durable of a document.
    #[must_use]
    pub fn receipt(&self, document: ResourceId, device: DeviceId) -> Option<&[ChangeHash]> {
        self.receipts.get(&(document, device)).map(Vec::as_slice)
    }

    /// Invitations made here that have not ended, used up ones among them until they expire.
    pub fn invites(&self) -> impl Iterator<Item = &OpenInvite> {
        self.invites.values()
    }

    /// Who may do what in a document, now.
    #[must_use]
    pub fn access(&self, document: ResourceId) -> Option<Arc<Access>> {
        self.registry.access(document)
    }

    /// How large a document on offer is, as a device that holds it says.
    #[must_use]
    pub fn offered_size(&self, document: ResourceId) -> Option<Size> {
        self.documents.get(&document)?.work.rare.offered
    }

    /// Whether this device belongs to somebody who is refused here.
    #[must_use]
    pub fn blocked(&self, device: &DeviceId) -> bool {
        !self.blocked.is_empty()
            && self.registry.person_of(*device).is_some_and(|person| self.blocked.contains(&person))
    }

    /// The people whose devices are refused here.
    #[must_use]
    pub fn blocked_persons(&self) -> &BTreeSet<PersonId> {
        &self.blocked
    }

    /// Whether this is a document, or a shelf, whose content is held here. A space has none of its own.
    #[must_use]
    pub fn holds_content(&self, document: ResourceId) -> bool {
        self.standing(document).has_content() && self.registry.kind_of(document) != Some(ResourceKind::Space)
    }

    fn act(&mut self, action: Action) {
        self.actions.push_back(action);
    }

    fn schedule(&mut self, at: Timestamp, timer: Timer) {
        self.act(Action::Schedule { at, timer });
    }

    fn random_delay(&mut self, most: Duration) -> Duration {
        let most = u64::try_from(most.as_millis()).unwrap_or(u64::MAX).max(1);
        Duration::from_millis(self.rng.next_u64() % most)
    }

    /// How a document stands with this device.
    #[must_use]
    pub fn standing(&self, document: ResourceId) -> Standing {
        self.documents.get(&document).map_or(Standing::Unknown, |state| state.standing)
    }

    fn timer(&mut self, now: Timestamp, timer: Timer) {
        match timer {
            Timer::Discharge(document) => self.discharge_due(now, document),
            Timer::Reapply(document) => self.reapply_due(now, document),
            Timer::CutOff(peer) => self.cut_off_due(now, peer),
            Timer::Expiry => {
                self.expire(now);
                self.merge_what_rests(now);
                self.documents.values_mut().for_each(|state| state.rest(&mut self.authors));
                self.authors.tidy();
                self.registry.rest();
                self.schedule(now + EXPIRY_CHECK, Timer::Expiry);
            }
        }
    }
}
