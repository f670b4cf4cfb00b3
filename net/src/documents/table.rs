//! The documents in memory, and who may bring another into it: the [`Ledger`] and the [`Line`] under one lock.
//!
//! A document is brought into memory when there is room for it, or when no room would come of waiting: apps may hold
//! more than the budget. So only what is in use at this moment can go beyond it.

use std::collections::{BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use katori_acl::{Access, ResourceId};
use katori_core::wire::Size;
use tokio::runtime::Handle;
use tokio::sync::{Notify, OnceCell, oneshot};
use tokio::time::Instant;

use super::cost::cost;
use super::ledger::{Entered, Ledger, User};
use super::line::{Line, Urgency};
use super::opened::{News, Opened};
use crate::meter;

/// Documents that apps opened last, whose work goes before that on others for some time longer.
const RECENT: usize = 256;
/// What is let go at once and costs more than this is let go on another thread: it takes milliseconds.
const HEAVY_BYTES: u64 = 1 << 20;

/// A document's place in the table.
#[derive(Debug, Default)]
pub(super) struct Slot {
    pub(super) opened: OnceCell<Arc<Opened>>,
    /// The document was dropped while it was being loaded.
    pub(super) dropped: AtomicBool,
    pub(super) news: News,
}

/// How much of documents is in memory, and how much work on them there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryStatus {
    /// Documents that are in memory.
    pub documents: usize,
    /// What they take, estimated from their sizes.
    pub bytes: u64,
    /// What they may take, as long as more is not in use at the same time.
    pub budget: u64,
    /// Tasks that run.
    pub working: usize,
    /// Tasks that wait for their turn.
    pub waiting: usize,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Table {
    inner: Mutex<Inner>,
    /// A task has ended.
    ended: Notify,
    runtime: Handle,
}

#[derive(Debug)]
struct Inner {
    ledger: Ledger<Arc<Slot>>,
    line: Line<Job>,
    workers: usize,
    /// Tasks that have a worker, and those whose outcome nobody has dealt with yet, these among them.
    running: usize,
    under_way: usize,
    /// A commit is under way, after which something may be let go.
    storing: bool,
    recent: Recent,
    is_closed: bool,
}

#[derive(Debug)]
struct Job {
    id: ResourceId,
    cost: u64,
    user: User,
    turn: oneshot::Sender<Granted>,
}

/// Who is let in, and what goes for it; carried out without the lock.
#[derive(Default)]
struct Turns {
    granted: Vec<(oneshot::Sender<Granted>, Granted)>,
    gone: Vec<Arc<Slot>>,
    ended: bool,
}

/// Keeps a document in memory.
#[derive(Debug)]
pub(crate) struct Hold {
    table: Arc<Table>,
    entered: Entered,
    user: User,
    slot: Arc<Slot>,
}

/// What whoever waited in the line is given.
#[derive(Debug)]
pub(super) struct Granted {
    pub(super) hold: Hold,
    /// Of a task: its worker, and that it is under way.
    pub(super) worker: Option<Worker>,
    pub(super) under_way: Option<UnderWay>,
}

/// A task's place among those that run.
#[derive(Debug)]
pub(super) struct Worker(Arc<Table>);

/// A task whose outcome is not dealt with yet.
#[derive(Debug)]
pub(crate) struct UnderWay(Arc<Table>);

impl Drop for Hold {
    fn drop(&mut self) {
        let opened = self.slot.opened.get();
        let (cost, stays) = (opened.map(|opened| opened.cost()), opened.is_some_and(|opened| opened.stays()));
        self.table.change(|inner, turns| {
            turns.gone.extend(inner.ledger.release(self.entered, self.user, Instant::now(), cost, stays));
        });
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.0.change(|inner, turns| {
            inner.running = inner.running.saturating_sub(1);
            turns.ended = true;
        });
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.change(|inner, _| inner.under_way = inner.under_way.saturating_sub(1));
    }
}

impl Hold {
    pub(super) fn slot(&self) -> &Slot {
        &self.slot
    }
}

impl Table {
    pub(super) fn new(budget: u64, workers: usize) -> Arc<Self> {
        let inner = Inner {
            ledger: Ledger::new(budget),
            line: Line::default(),
            workers,
            running: 0,
            under_way: 0,
            storing: false,
            recent: Recent::default(),
            is_closed: false,
        };
        Arc::new(Self { inner: Mutex::new(inner), ended: Notify::new(), runtime: Handle::current() })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes something, and lets in whoever may go on because of it.
    fn change<R>(self: &Arc<Self>, change: impl FnOnce(&mut Inner, &mut Turns) -> R) -> R {
        let mut turns = Turns::default();
        let mut inner = self.lock();
        let result = change(&mut inner, &mut turns);
        inner.let_in(self, &mut turns);
        let (documents, bytes) = (inner.ledger.len(), inner.ledger.bytes());
        drop(inner);
        meter::in_memory(documents, bytes);
        for (turn, granted) in turns.granted {
            // Whoever has stopped waiting gives it back at once.
            drop(turn.send(granted));
        }
        self.let_go(turns.gone);
        if turns.ended {
            self.ended.notify_waiters();
        }
        result
    }

    fn let_go(&self, gone: Vec<Arc<Slot>>) {
        if gone.is_empty() {
            return;
        }
        let heavy: u64 = gone.iter().filter_map(|slot| slot.opened.get()).map(|opened| opened.cost()).sum();
        meter::let_go(gone.len());
        if heavy > HEAVY_BYTES {
            self.runtime.spawn_blocking(move || drop(gone));
        }
    }

    /// Waits in line, from now on, for a turn to use a document of this size; nothing if the hub closes, or of a task
    /// if the document is removed.
    pub(super) fn turn(
        self: &Arc<Self>,
        id: ResourceId,
        user: User,
        size: Size,
    ) -> impl Future<Output = Option<Granted>> + Send + use<> {
        let (turn, granted) = oneshot::channel();
        self.change(|inner, _| inner.join(Job { id, cost: cost(size), user, turn }));
        async move { granted.await.ok() }
    }

    /// A document that is in memory.
    pub(super) fn get(&self, id: &ResourceId) -> Option<Arc<Opened>> {
        self.lock().ledger.get(id)?.opened.get().cloned()
    }

    /// Tells a document in memory who may do what now; nothing takes back what it was told before.
    pub(super) fn tell(&self, id: &ResourceId, access: Option<Arc<Access>>) {
        if let Some(slot) = self.lock().ledger.get(id) {
            *slot.news.lock().unwrap_or_else(PoisonError::into_inner) = access;
        }
    }

    /// Removes a document, and the tasks that wait for it: they are not for another that is loaded in its place.
    pub(super) fn remove(self: &Arc<Self>, id: &ResourceId) -> Option<Arc<Slot>> {
        self.change(|inner, _| {
            inner.line.retain(|job| job.id != *id || job.user == User::App);
            let slot = inner.ledger.remove(id)?;
            // Under the lock: whoever is loading it looks at this when it is loaded.
            slot.dropped.store(true, Ordering::Release);
            Some(slot)
        })
    }

    pub(super) fn loaded(&self) -> Vec<Arc<Opened>> {
        self.lock().ledger.values().filter_map(|slot| slot.opened.get().cloned()).collect()
    }

    /// Lets go of what nobody has used since then, and says since when the rest is not used.
    pub(super) fn rest(self: &Arc<Self>, since: Instant) -> Option<Instant> {
        self.change(|inner, turns| {
            turns.gone = inner.ledger.rest(since);
            inner.ledger.first_unused()
        })
    }

    pub(super) fn set_storing(self: &Arc<Self>, storing: bool) {
        self.change(|inner, _| inner.storing = storing);
    }

    pub(super) fn set_workers(self: &Arc<Self>, workers: usize) {
        self.change(|inner, _| inner.workers = workers.max(1));
    }

    pub(super) fn set_budget(self: &Arc<Self>, budget: u64) {
        self.change(|inner, turns| {
            inner.ledger.set_budget(budget);
            turns.gone = inner.ledger.make_room(0);
        });
    }

    pub(super) fn status(&self) -> MemoryStatus {
        let inner = self.lock();
        MemoryStatus {
            documents: inner.ledger.len(),
            bytes: inner.ledger.bytes(),
            budget: inner.ledger.budget(),
            working: inner.running,
            waiting: inner.line.len(),
        }
    }

    /// Nobody is let in any more, and whoever waits is told so.
    pub(super) fn stop(self: &Arc<Self>) {
        let line = self.change(|inner, _| {
            inner.is_closed = true;
            std::mem::take(&mut inner.line)
        });
        drop(line);
    }

    pub(super) fn clear(self: &Arc<Self>) {
        self.stop();
        self.change(|inner, turns| turns.gone = inner.ledger.clear());
    }

    /// Waits until no task runs.
    pub(super) async fn idle(&self) {
        loop {
            let ended = self.ended.notified();
            if self.lock().running == 0 {
                return;
            }
            ended.await;
        }
    }
}

impl Inner {
    fn join(&mut self, job: Job) {
        if self.is_closed {
            return;
        }
        let is_loaded = self.ledger.get(&job.id).is_some_and(|slot| slot.opened.initialized());
        let urgency = match job.user {
            User::App => {
                self.recent.note(job.id);
                Urgency::Opening
            }
            User::Task if self.ledger.is_held_by_app(&job.id) || self.recent.has(&job.id) => Urgency::Open,
            User::Task if is_loaded => Urgency::Loaded,
            User::Task => Urgency::Other,
        };
        self.line.join(urgency, job.cost, job);
    }

    /// Lets in as many as have room.
    fn let_in(&mut self, table: &Arc<Table>, turns: &mut Turns) {
        while self.may_go_on()
            && let Some(job) = self.line.take()
        {
            let (entered, slot) = self.ledger.hold(job.id, job.user, job.cost, Arc::default);
            let hold = Hold { table: Arc::clone(table), entered, user: job.user, slot };
            let is_task = job.user == User::Task;
            self.running += usize::from(is_task);
            self.under_way += usize::from(is_task);
            let worker = is_task.then(|| Worker(Arc::clone(table)));
            let under_way = is_task.then(|| UnderWay(Arc::clone(table)));
            turns.granted.push((job.turn, Granted { hold, worker, under_way }));
        }
        // What came in or has grown may have made others too many.
        turns.gone.extend(self.ledger.make_room(0));
    }

    /// Whether the first in the line has room, or would wait for it in vain.
    fn may_go_on(&self) -> bool {
        let Some((urgency, job)) = self.line.next() else { return false };
        if urgency != Urgency::Opening && self.running >= self.workers {
            return false;
        }
        let room_may_come = self.under_way > 0 || self.storing;
        self.ledger.get(&job.id).is_some()
            || self.ledger.fits(job.cost)
            || !room_may_come
            || !self.ledger.may_ever_fit(job.cost)
    }
}

/// The documents that apps opened last.
#[derive(Debug, Default)]
struct Recent {
    order: VecDeque<ResourceId>,
    all: BTreeSet<ResourceId>,
}

impl Recent {
    fn note(&mut self, id: ResourceId) {
        if self.all.insert(id) {
            self.order.push_back(id);
        }
        if self.order.len() > RECENT
            && let Some(oldest) = self.order.pop_front()
        {
            self.all.remove(&oldest);
        }
    }

    fn has(&self, id: &ResourceId) -> bool {
        self.all.contains(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_waits_for_a_document_is_not_for_the_one_after_it() {
        let (table, id) = (Table::new(1 << 20, 1), ResourceId::from_bytes([1; 32]));
        let turn = |user| table.turn(id, user, Size::default());
        let working = turn(User::Task).await.unwrap();
        let (waiting, other) = (turn(User::Task), turn(User::App));
        assert_eq!(table.status().waiting, 1);
        let before = table.remove(&id).unwrap();
        drop(working);
        assert!(waiting.await.is_none());
        assert!(Arc::ptr_eq(&other.await.unwrap().hold.slot, &before), "it had its turn before");
        let next = turn(User::Task).await.unwrap();
        assert!(!Arc::ptr_eq(&next.hold.slot, &before));
    }
}
