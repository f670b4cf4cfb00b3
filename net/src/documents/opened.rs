//! One document in memory, and the handle that apps hold on it.
//!
//! A panic while the document is being changed leaves it in doubt, so it is read again from the store before
//! anybody uses it. What was not durable by then is lost, and whoever waits for it is told so.

use std::convert::Infallible;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use automerge::ChangeHash;
use automerge::transaction::Transaction;
use katori_acl::{Access, ResourceId};
use katori_core::document::{Document, EditError, Edited, Shown};
use katori_core::engine::{Outcome, Task, Work};
use katori_core::gate::Opened as OpenedFile;
use katori_core::store::Write;
use katori_core::time::Timestamp;
use katori_core::wire::Size;
use tokio::sync::watch;

use super::cost;
use super::library::Library;
use super::orphans::Orphans;
use super::saving::{Ended, Progress, Saving};
use super::table::Hold;
use crate::meter;

/// Bytes of memory below which a document gets no snapshot: with 200 small changes, or 50 KiB of text, there is little
/// to be gained.
const WORTH_A_SNAPSHOT: u64 = 128 << 10;

/// How often a step catches up with edits that were made while it caught up with others. Then they wait for it: somebody
/// edits faster than Automerge takes in.
const MOST_ROUNDS: u32 = 6;

/// How long after an edit another one may come at any moment. Whoever edits after a longer pause may wait for Automerge
/// once; as long as nobody edits no copies are made for it.
const EDITING: Duration = Duration::from_mins(1);

/// Who may do what in a document, if that has changed and the document was not told: the driver, which hears of it,
/// never waits for a document.
pub(super) type News = Arc<Mutex<Option<Arc<Access>>>>;

/// One document in memory.
#[derive(Debug)]
pub(super) struct Opened {
    id: ResourceId,
    library: Arc<Library>,
    document: Mutex<State>,
    news: News,
    progress: watch::Sender<Progress>,
    /// The number of the last edit. This and the next stand outside the document's lock, which an app may hold for
    /// long: the driver never waits for it.
    edits: AtomicU64,
    /// The generation and number of a flush on its way to the disk.
    flushing: Mutex<Option<(u64, u64)>>,
    watched: AtomicBool,
    /// Peers that sent changes which wait for others, and which are nowhere but in memory.
    orphans: Mutex<Orphans>,
    /// Bytes of memory it takes, about.
    cost: AtomicU64,
}

#[derive(Debug)]
struct State {
    document: Document,
    /// It could not be read again after a fault, and must not be worked on.
    broken: Option<String>,
    /// Something was added since it was loaded, so that a new snapshot is worth while.
    changed: bool,
    /// A step on it has begun, and goes on elsewhere.
    is_halfway: bool,
    /// When an app edited it last.
    edited: Option<Instant>,
}

impl State {
    fn new(document: Document) -> Self {
        Self { document, broken: None, changed: false, is_halfway: false, edited: None }
    }

    /// Whether somebody is at it.
    fn is_being_edited(&self) -> bool {
        self.edited.is_some_and(|edited| edited.elapsed() < EDITING)
    }
}

impl Opened {
    pub(super) fn load(
        id: ResourceId,
        access: Arc<Access>,
        size: Size,
        news: News,
        library: Arc<Library>,
    ) -> Result<Self, String> {
        let document = Mutex::new(State::new(library.load(id, access)?));
        let ended = library.ended.get().cloned();
        let progress = watch::Sender::new(Progress { ended, ..Progress::default() });
        Ok(Self {
            id,
            library,
            document,
            news,
            progress,
            edits: AtomicU64::new(0),
            flushing: Mutex::new(None),
            watched: AtomicBool::new(false),
            orphans: Mutex::default(),
            cost: AtomicU64::new(cost::cost(size)),
        })
    }

    /// Bytes of memory it takes, about.
    pub(super) fn cost(&self) -> u64 {
        self.cost.load(Ordering::Relaxed)
    }

    /// Whether it must stay in memory although nobody uses it: something of it is nowhere else, or somebody wants to
    /// hear what happens to it.
    pub(super) fn stays(&self) -> bool {
        self.watched.load(Ordering::Relaxed) || self.has_unsaved() || !self.orphans().is_empty()
    }

    /// Whether there are edits that are not durable.
    pub(super) fn has_unsaved(&self) -> bool {
        self.edits.load(Ordering::Acquire) > self.progress.borrow().durable
    }

    fn orphans(&self) -> MutexGuard<'_, Orphans> {
        self.orphans.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn id(&self) -> ResourceId {
        self.id
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        let mut state = self.lock_unheard();
        // In the middle of a step the end of it does.
        if !state.is_halfway {
            self.hear(&mut state);
        }
        state
    }

    /// Takes note of who may do what now.
    fn hear(&self, state: &mut State) {
        if let Some(access) = self.news.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // If that is not all that there is to it, the next task says so.
            state.document.note_access(&access);
        }
    }

    fn lock_unheard(&self) -> MutexGuard<'_, State> {
        self.document.lock().unwrap_or_else(|poisoned| {
            let mut state = poisoned.into_inner();
            self.read_again(&mut state);
            self.document.clear_poison();
            state
        })
    }

    fn flushing(&self) -> MutexGuard<'_, Option<(u64, u64)>> {
        self.flushing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read_again(&self, state: &mut State) {
        tracing::error!(document = %self.id.short(), "a document is read again after a fault");
        match self.library.load(self.id, Arc::clone(state.document.access())) {
            Ok(mut document) => {
                document.assume_behind();
                document.set_watched(self.watched.load(Ordering::Relaxed));
                *state = State::new(document);
                if self.has_unsaved() {
                    self.library.lost().insert(self.id);
                }
                self.edits.store(0, Ordering::Release);
                self.progress.send_modify(Progress::begin_anew);
            }
            Err(reason) => {
                state.broken = Some(reason.clone());
                self.end(Ended::Unreadable(reason.into()));
            }
        }
    }

    /// Carries out work. A panic is an outcome like any other. While an app edits the document, its edits do not wait for
    /// Automerge to take in what others sent.
    pub(super) fn work(&self, work: Work) -> Outcome {
        let worked = catch_unwind(AssertUnwindSafe(|| {
            // What was heard since this task was given is newer than what the task says.
            let mut state = self.lock_unheard();
            if let Some(reason) = &state.broken {
                return Outcome::Failed(reason.clone());
            }
            if let Task::ForgetOrphans(peers) = &work.task {
                self.orphans().forget(peers);
            }
            let outcome = if state.is_being_edited() {
                let outcome;
                (state, outcome) = self.work_beside_edits(state, work);
                outcome
            } else {
                work.task.run(&mut state.document, work.access)
            };
            if let Outcome::Done(done) = &outcome {
                if !done.writes.is_empty() {
                    state.changed = true;
                    let size = Size { changes: done.summary.changes, bytes: done.summary.bytes };
                    self.cost.store(cost::cost(size), Ordering::Relaxed);
                }
                for report in done.ingested.iter().filter(|report| report.orphans > 0) {
                    if let Some(peer) = report.from {
                        self.orphans().note(peer, &self.library.orphans);
                    }
                }
                meter::done(done);
                if let Some(number) = done.flushed {
                    let generation = self.progress.borrow().generation;
                    *self.flushing() = Some((generation, number));
                }
            }
            self.hear(&mut state);
            outcome
        }));
        worked.unwrap_or_else(|_| {
            drop(self.lock());
            Outcome::Failed("a fault came up while it was worked on".into())
        })
    }

    /// Carries out work, letting go of the document while Automerge takes in what others sent.
    fn work_beside_edits<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        work: Work,
    ) -> (MutexGuard<'a, State>, Outcome) {
        let mut halfway = match work.task.begin(&mut state.document, work.access) {
            ControlFlow::Break(outcome) => return (state, outcome),
            ControlFlow::Continue(halfway) => halfway,
        };
        let generation = self.progress.borrow().generation;
        let mut rounds = 0;
        while halfway.begun.is_behind(&state.document) && rounds < MOST_ROUNDS {
            rounds += 1;
            let missed = halfway.begun.missed(&state.document);
            state.is_halfway = true;
            drop(state);
            halfway.begun.play(missed);
            state = self.lock_unheard();
            if self.progress.borrow().generation != generation || state.broken.is_some() {
                // It is another document now, and what was begun is in none.
                return (
                    state,
                    Outcome::Failed("it was read again, or dropped, while it was worked on".into()),
                );
            }
        }
        state.is_halfway = false;
        let outcome = halfway.end(&mut state.document);
        (state, outcome)
    }

    /// Edits up to this number are durable, unless the document was read again since they were handed over.
    pub(super) fn durable(&self, number: u64) {
        let flushing = self.flushing().take_if(|(_, flushed)| *flushed <= number);
        self.progress.send_modify(|progress| {
            if let Some((generation, flushed)) = flushing
                && generation == progress.generation
            {
                progress.durable = progress.durable.max(flushed);
            }
        });
    }

    pub(super) fn end(&self, ended: Ended) {
        self.progress.send_modify(|progress| {
            progress.ended.get_or_insert(ended);
        });
    }

    /// The content is gone; whoever still holds the document sees it empty.
    pub(super) fn empty(&self, access: Arc<Access>) {
        let empty = self.library.empty(self.id, access);
        let mut state = self.lock();
        *state = State::new(empty);
        self.edits.store(0, Ordering::Release);
        // Under the lock, so that no edit of the old document is counted for the new one.
        self.progress.send_modify(Progress::begin_anew);
        self.end(Ended::NotHeld);
    }

    pub(super) fn saving_everything(&self) -> Saving {
        let progress = self.progress.subscribe();
        // The generation first: numbers of an earlier one are answered for in any case.
        let generation = progress.borrow().generation;
        Saving::new(self.id, generation, self.edits.load(Ordering::Acquire), progress)
    }

    pub(super) fn snapshot(&self) -> Option<Write> {
        let state = self.lock();
        if !state.changed || self.cost() < WORTH_A_SNAPSHOT {
            return None;
        }
        // A snapshot is a cache: if taking one fails, opening takes longer.
        catch_unwind(AssertUnwindSafe(|| state.document.snapshot())).ok().flatten()
    }

    fn saving(&self, number: u64) -> Saving {
        let progress = self.progress.subscribe();
        let generation = progress.borrow().generation;
        Saving::new(self.id, generation, number, progress)
    }

    /// Does something that edits. Whoever calls this tells the engine.
    fn edit<R, E>(
        &self,
        edit: impl FnOnce(&mut Document) -> Result<Edited<R>, EditError<E>>,
    ) -> Result<(Edited<R>, Saving), EditError<E>> {
        let mut state = self.lock();
        let edited = edit(&mut state.document)?;
        state.edited = Some(Instant::now());
        self.edits.store(edited.number, Ordering::Release);
        // Under the lock, so that the generation is the one the edit was made in.
        let saving = self.saving(edited.number);
        drop(state);
        Ok((edited, saving))
    }
}

/// What came of an edit: what it returned, the change if there was any, the way to its being durable, and what it
/// changed in what is shown, if somebody watches.
pub type Edit<R> = (R, Option<ChangeHash>, Saving, Option<Shown>);

/// A document that an app has open. Cheap to clone; all clones are the same document, which stays in memory as long
/// as there is one.
#[derive(Debug, Clone)]
pub struct OpenDocument {
    opened: Arc<Opened>,
    hold: Arc<Hold>,
}

impl OpenDocument {
    pub(super) fn new(opened: Arc<Opened>, hold: Hold) -> Self {
        Self { opened, hold: Arc::new(hold) }
    }

    /// Tells the engine of an edit. Until it is durable the document stays in memory, whoever lets go of it.
    fn edited(&self) {
        self.opened.library.edited(self.opened.id, Arc::clone(&self.hold));
    }

    /// The document's id.
    #[must_use]
    pub fn id(&self) -> ResourceId {
        self.opened.id
    }

    /// Looks at the document. What comes from elsewhere waits until `look` returns, so it must be quick, and
    /// must not use this document again.
    pub fn with<R>(&self, look: impl FnOnce(&Document) -> R) -> R {
        // A panic in `look` changes nothing, but would count as a fault of the document: it goes on outside.
        let state = self.opened.lock();
        let result = catch_unwind(AssertUnwindSafe(|| look(&state.document)));
        drop(state);
        match result {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }

    /// Edits the document: at once, here. The [`Saving`] says when the edit is durable, and the patches come
    /// back if the document is watched; nobody else is told of them.
    ///
    /// # Errors
    /// [`EditError`]; the document is then as it was.
    ///
    /// # Panics
    /// If `edit` does. The document is then read again, and edits that were not durable are lost.
    pub fn edit<R, E>(
        &self,
        edit: impl FnOnce(&mut Transaction<'_>) -> Result<R, E>,
    ) -> Result<Edit<R>, EditError<E>> {
        let (edited, saving) = self.opened.edit(|document| document.edit(now(), edit))?;
        self.edited();
        Ok((edited.result, edited.hash, saving, edited.shown))
    }

    /// Takes an imported file as the document's own beginning.
    ///
    /// # Errors
    /// [`EditError`] if the document may not be written, or the file's changes do not link.
    pub fn adopt(&self, file: OpenedFile) -> Result<Saving, EditError<Infallible>> {
        let (_, saving) = self.opened.edit(|document| document.adopt_file(file))?;
        self.edited();
        Ok(saving)
    }

    /// Whether patches are wanted of what changes. As long as they are, the document stays in memory.
    pub fn set_watched(&self, watched: bool) {
        self.opened.watched.store(watched, Ordering::Relaxed);
        self.opened.lock().document.set_watched(watched);
    }
}

/// The time, as changes are stamped with it.
fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
