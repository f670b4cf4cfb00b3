//! Joins under way: a ticket is kept until what it is for is decided, and asked for again by itself, after either
//! side went away or was started again.
//!
//! Each has a task that asks, waits ever longer, and asks again. Where it stands is a value ([`JoinState`]), never a
//! time-out. A ticket is a secret: it is in the store while the join is under way, and in no message for people.

mod rows;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use iroh::Endpoint;
use katori_acl::{DeviceId, InviteKey, PersonId, ResourceId, Role, Subject, Ticket, TicketKind};
use katori_core::engine::{Command, Engine};
use katori_core::identity::Identity;
use tokio::sync::{Notify, broadcast, mpsc, watch};
use tokio::task::AbortHandle;
use tokio::time::timeout;

use crate::driver::{self, Message};
use crate::error::HubError;
use crate::join::{self, Asking, JoinError, Joining};
use crate::meter;
use crate::storage::StorageThread;
pub(crate) use rows::read;
use rows::{ended, row};

/// The wait after the first attempt that decided nothing; it doubles with each.
const FIRST_WAIT: Duration = Duration::from_secs(2);
/// The longest wait.
const LONGEST_WAIT: Duration = Duration::from_mins(1);
/// Joins at the same time, ended ones that nobody has looked at among them. More than any person begins.
pub(crate) const MAX_JOINS: usize = 64;
/// News that wait for a listener; the list says where all stand anyway.
const NEWS: usize = 64;

/// A ticket to a document that was to be redeemed, and where that stands.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Join {
    /// The invitation, which names the join.
    pub invite: InviteKey,
    /// To what.
    pub document: ResourceId,
    /// What the inviter calls it.
    pub name: String,
    /// The role that was promised.
    pub role: Role,
    /// Who invited.
    pub person: PersonId,
    /// What the inviter calls itself.
    pub person_name: String,
    /// Where it stands.
    pub state: JoinState,
}

/// Where a join stands.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum JoinState {
    /// No device of the ticket has said anything that decides. It goes on.
    Connecting {
        /// Devices that were asked in vain the last time, and where they were looked for.
        tried: Vec<String>,
    },
    /// Somebody at the inviter has to let this device in. It goes on when that is done.
    AwaitingConfirmation {
        /// Who.
        by: PersonId,
        /// What the inviter calls itself.
        name: String,
    },
    /// It is done: the document is held, and its content comes by itself.
    Joined {
        /// Which document.
        document: ResourceId,
    },
    /// The inviter said no.
    Declined,
    /// The invitation has expired.
    Expired,
    /// The invitation is used up or revoked, or never was. A stranger is not told which.
    NotValid,
    /// It came to nothing for another reason.
    Refused(String),
}

impl JoinState {
    /// Whether nothing more comes of it.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        match self {
            Self::Connecting { .. } | Self::AwaitingConfirmation { .. } => false,
            Self::Joined { .. } | Self::Declined | Self::Expired | Self::NotValid | Self::Refused(_) => true,
        }
    }
}

/// How far a join has come.
#[derive(Debug)]
struct Progress {
    state: JoinState,
    /// Attempts that were made to the end.
    attempts: u64,
    /// Nothing is done about it any more: the hub closes, or it was forgotten.
    is_stopped: bool,
    /// Why the last one did not succeed.
    last: Option<JoinError>,
}

/// Whether an attempt has been made to the end, and why it did not succeed.
enum Attempt {
    UnderWay,
    Made(Option<JoinError>),
}

struct Entry {
    ticket: Ticket,
    document: ResourceId,
    name: String,
    role: Role,
    progress: watch::Sender<Progress>,
    task: Option<AbortHandle>,
}

/// The joins of a hub.
pub(crate) struct Joins {
    identity: Arc<Identity>,
    /// Until the hub closes: its sockets live as long as the last clone of it.
    endpoint: Mutex<Option<Endpoint>>,
    messages: mpsc::Sender<Message>,
    storage: StorageThread,
    entries: Mutex<BTreeMap<InviteKey, Entry>>,
    news: broadcast::Sender<Join>,
    /// Makes those that wait try at once.
    again: Notify,
}

impl fmt::Debug for Joins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Joins").finish_non_exhaustive()
    }
}

impl Joins {
    /// Goes on with those that were kept.
    pub(crate) fn start(
        identity: Arc<Identity>,
        endpoint: Option<Endpoint>,
        messages: mpsc::Sender<Message>,
        storage: StorageThread,
        kept: Vec<(Ticket, bool)>,
    ) -> Arc<Self> {
        let (news, _) = broadcast::channel(NEWS);
        let (entries, again, endpoint) = (Mutex::default(), Notify::new(), Mutex::new(endpoint));
        let joins = Arc::new(Self { identity, endpoint, messages, storage, entries, news, again });
        for (ticket, was_waiting) in kept {
            let Ok(document) = join::document_of(&ticket) else { continue };
            let state = if was_waiting { awaiting(&ticket) } else { connecting() };
            joins.enter(ticket, document, state);
        }
        joins
    }

    fn entries(&self) -> MutexGuard<'_, BTreeMap<InviteKey, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where all stand.
    pub(crate) fn list(&self) -> Vec<Join> {
        self.entries().iter().map(|(invite, entry)| entry.join(*invite)).collect()
    }

    /// Joins that stand elsewhere than before, from now on.
    pub(crate) fn listen(&self) -> broadcast::Receiver<Join> {
        self.news.subscribe()
    }

    /// Makes those that wait try at once.
    pub(crate) fn nudge(&self) {
        self.again.notify_waiters();
    }

    /// Whether a join is under way.
    pub(crate) fn is_under_way(&self, invite: &InviteKey) -> bool {
        self.entries().get(invite).is_some_and(|entry| !entry.has_ended())
    }

    /// Begins a join, or goes on with one that is under way, until one attempt has been made or has come to wait.
    /// Says where it stands then, and if the attempt did not succeed, why.
    pub(crate) async fn begin(
        self: &Arc<Self>,
        ticket: &Ticket,
    ) -> Result<(JoinState, Option<JoinError>), JoinError> {
        let document = join::document_of(ticket)?;
        let me = self.identity.device();
        if self.endpoint().is_none() {
            return Err(JoinError::NoNetwork);
        }
        if !ticket.devices.is_empty() && ticket.devices.iter().all(|contact| contact.device == me) {
            return Err(JoinError::OwnTicket);
        }
        let invite = ticket.secret().public();
        let mut before = 0;
        if self.is_under_way(&invite) {
            before = self.entries().get(&invite).map_or(0, |entry| entry.progress.borrow().attempts);
            self.nudge();
        } else {
            self.make_room()?;
            self.storage.put([row(ticket, false)]);
            self.storage.flushed().await;
            self.enter(ticket.clone(), document, connecting());
        }
        let closed = || JoinError::Hub(HubError::Closed);
        let progress = self.entries().get(&invite).map(|entry| entry.progress.clone()).ok_or_else(closed)?;
        let mut watched = progress.subscribe();
        let decided = |progress: &Progress| {
            let says_more = !matches!(progress.state, JoinState::Connecting { .. });
            progress.is_stopped || says_more || progress.attempts > before
        };
        watched.wait_for(decided).await.map_err(|_| closed())?;
        let mut last = None;
        progress.send_if_modified(|progress| {
            last = progress.last.take();
            false
        });
        let now = progress.borrow();
        let is_undecided = now.attempts == before && !now.state.has_ended() && now.is_stopped;
        if is_undecided { Err(closed()) } else { Ok((now.state.clone(), last)) }
    }

    fn make_room(&self) -> Result<(), JoinError> {
        let mut entries = self.entries();
        if entries.len() >= MAX_JOINS {
            entries.retain(|_, entry| !entry.has_ended());
        }
        if entries.len() >= MAX_JOINS { Err(JoinError::TooManyJoins(MAX_JOINS)) } else { Ok(()) }
    }

    fn enter(self: &Arc<Self>, ticket: Ticket, document: ResourceId, state: JoinState) {
        let TicketKind::Document { name, role, .. } = ticket.kind.clone() else { return };
        let invite = ticket.secret().public();
        let progress = watch::Sender::new(Progress { state, attempts: 0, is_stopped: false, last: None });
        // The task finds its entry there: it is held until that is made.
        let mut entries = self.entries();
        if entries.get(&invite).is_some_and(|entry| !entry.has_ended()) {
            return;
        }
        let task = self.endpoint().map(|endpoint| {
            let pursuit = Arc::clone(self).pursue(endpoint, ticket.clone(), invite, document);
            tokio::spawn(pursuit).abort_handle()
        });
        entries.insert(invite, Entry { ticket, document, name, role, progress, task });
    }

    fn endpoint(&self) -> Option<Endpoint> {
        self.endpoint.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Forgets a join, whether it has ended or not.
    pub(crate) async fn forget(&self, invite: &InviteKey) {
        let entry = self.entries().remove(invite);
        if let Some(entry) = entry {
            entry.stop();
            self.storage.put([ended(invite)]);
            self.storage.flushed().await;
        }
    }

    /// Stops all tasks; what is kept goes on at the next start.
    pub(crate) fn stop(&self) {
        self.endpoint.lock().unwrap_or_else(PoisonError::into_inner).take();
        for entry in self.entries().values() {
            entry.stop();
        }
    }

    /// Asks until something is decided.
    async fn pursue(
        self: Arc<Self>,
        endpoint: Endpoint,
        ticket: Ticket,
        invite: InviteKey,
        document: ResourceId,
    ) {
        let mut wait = FIRST_WAIT;
        loop {
            // Made before the attempt, so that what happens during it is not missed.
            let again = self.again.notified();
            let attempt = self.attempt(&endpoint, &ticket, invite, document).await;
            let (state, error) = match attempt {
                Ok(()) => (JoinState::Joined { document }, None),
                Err(JoinError::Hub(HubError::Closed)) => {
                    // It goes on at the next start.
                    if let Some(entry) = self.entries().get(&invite) {
                        entry.stop();
                    }
                    return;
                }
                Err(error) => (state_after(&error, &ticket), Some(error)),
            };
            if let JoinState::AwaitingConfirmation { .. } = state {
                wait = FIRST_WAIT;
            }
            let has_ended = state.has_ended();
            self.note(&invite, state, Attempt::Made(error));
            if has_ended {
                return;
            }
            // Early or in time, the next attempt is made.
            let _ = timeout(wait, again).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    async fn attempt(
        &self,
        endpoint: &Endpoint,
        ticket: &Ticket,
        invite: InviteKey,
        document: ResourceId,
    ) -> Result<(), JoinError> {
        let asking = self.asking(ticket).await?;
        let waiting = || self.note(&invite, awaiting(ticket), Attempt::UnderWay);
        let given = join::redeem(endpoint, ticket, &asking, waiting).await?;
        if given.document != Some(document) {
            return Err(JoinError::Protocol("it gave another document than the ticket promised".into()));
        }
        // Addresses first: as soon as the grant is here, its devices are dialled.
        let contacts = ticket.devices.iter().cloned().chain(given.contacts).collect();
        self.messages.send(Message::Learned(contacts)).await.map_err(|_| HubError::Closed)?;
        let command = Command::Joined { document, records: given.records };
        let joined = driver::command(&self.messages, command).await.ok_or(HubError::Closed)?;
        joined.map_err(HubError::Command)?;
        Ok(())
    }

    /// What this device brings when it asks.
    pub(crate) async fn asking(&self, ticket: &Ticket) -> Result<Asking, HubError> {
        let (me, person) = (self.identity.device(), self.identity.person);
        let own = driver::ask(&self.messages, move |engine| own_roster(engine, me, person)).await;
        let (roster, name) = own.ok_or(HubError::Closed)?;
        let (secret, key) = (ticket.secret(), self.identity.key.clone());
        Ok(Asking { secret, key, joins: Joining::As(person), name, roster })
    }

    /// Notes where a join stands, keeps it, and tells whoever listens. `attempt` says how an attempt went that is
    /// over.
    fn note(&self, invite: &InviteKey, state: JoinState, attempt: Attempt) {
        let entries = self.entries();
        let Some(entry) = entries.get(invite) else { return };
        let (mut is_news, mut was_waiting) = (false, false);
        let (is_waiting, has_ended) = (is_waiting(&state), state.has_ended());
        entry.progress.send_modify(|progress| {
            was_waiting = self::is_waiting(&progress.state);
            is_news = progress.state != state;
            progress.state = state;
            if let Attempt::Made(error) = attempt {
                progress.attempts += 1;
                progress.last = error;
            }
        });
        if has_ended {
            meter::joined(word(&entry.progress.borrow().state));
            self.storage.put([ended(invite)]);
        } else if was_waiting != is_waiting {
            self.storage.put([row(&entry.ticket, is_waiting)]);
        }
        if is_news {
            // Nobody need be listening.
            let _ = self.news.send(entry.join(*invite));
        }
    }
}

impl Entry {
    fn join(&self, invite: InviteKey) -> Join {
        Join {
            invite,
            document: self.document,
            name: self.name.clone(),
            role: self.role,
            person: self.ticket.person,
            person_name: self.ticket.person_name.clone(),
            state: self.progress.borrow().state.clone(),
        }
    }

    fn has_ended(&self) -> bool {
        self.progress.borrow().state.has_ended()
    }

    fn stop(&self) {
        if let Some(task) = &self.task {
            task.abort();
        }
        self.progress.send_modify(|progress| progress.is_stopped = true);
    }
}

fn is_waiting(state: &JoinState) -> bool {
    matches!(state, JoinState::AwaitingConfirmation { .. })
}

/// A word for the figures.
fn word(state: &JoinState) -> &'static str {
    match state {
        JoinState::Connecting { .. } | JoinState::AwaitingConfirmation { .. } => "under_way",
        JoinState::Joined { .. } => "joined",
        JoinState::Declined => "declined",
        JoinState::Expired => "expired",
        JoinState::NotValid => "not_valid",
        JoinState::Refused(_) => "refused",
    }
}

fn connecting() -> JoinState {
    JoinState::Connecting { tried: Vec::new() }
}

fn awaiting(ticket: &Ticket) -> JoinState {
    JoinState::AwaitingConfirmation { by: ticket.person, name: ticket.person_name.clone() }
}

/// Where a join stands after an attempt that failed.
fn state_after(error: &JoinError, ticket: &Ticket) -> JoinState {
    match error {
        JoinError::Unreachable { tried } => JoinState::Connecting { tried: tried.clone() },
        JoinError::Interrupted(why) => JoinState::Connecting { tried: vec![why.clone()] },
        JoinError::AwaitingConfirmation => awaiting(ticket),
        JoinError::Declined => JoinState::Declined,
        JoinError::Expired => JoinState::Expired,
        JoinError::NotValid => JoinState::NotValid,
        JoinError::Refused(text) => JoinState::Refused(text.clone()),
        JoinError::DigitsRefused { .. }
        | JoinError::Unconfirmed
        | JoinError::CommitmentBroken
        | JoinError::Protocol(_)
        | JoinError::Version
        | JoinError::OwnTicket
        | JoinError::DeviceTicket
        | JoinError::DocumentTicket
        | JoinError::RecoveryTicket
        | JoinError::TooManyJoins(_)
        | JoinError::NoNetwork
        | JoinError::Claim(_)
        | JoinError::Hub(_) => JoinState::Refused(error.to_string()),
    }
}

/// The records of this person's roster, and what this device is called in it.
fn own_roster(engine: &Engine, me: DeviceId, person: PersonId) -> (Vec<Vec<u8>>, String) {
    let subject = Subject::Roster(person);
    let records = engine.registry().records(&subject).map(|record| record.bytes().to_vec());
    let roster = engine.registry().roster(person);
    let name = roster.and_then(|roster| roster.devices.get(&me).map(|member| member.name.clone()));
    (records.collect(), name.unwrap_or_default())
}
