//! Watching a document.
//!
//! A watcher keeps heads, not patches: it remembers the state that it last told and works out what has changed
//! when it is asked. So a slow one needs no buffer and misses nothing, it is told more at once; and local and
//! remote changes come in an order in which their patches fit, whichever thread applied them. Where edits made
//! here follow each other, their own patches are told; everything else costs a comparison of two states, about
//! as much as Automerge takes to apply a remote change (5 ms in a text of ten thousand characters, in a debug
//! build).

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use automerge::{ChangeHash, ChangeMetadata, Patch};
use katori_acl::DeviceId;
use katori_core::document::Document;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::doc::{Doc, Step};
use crate::who::Who;

/// How often local and remote changes may take turns in what is told step by step. Where they took more turns
/// since the watcher last looked, the rest is told as one.
const MAX_TURNS: usize = 16;
/// How long a watcher that sees a document rebuilt waits for the report of how much was withdrawn, which comes a
/// moment later.
const REPORT_WAIT: Duration = Duration::from_secs(1);

/// Something that happened to a document.
#[derive(Debug, Clone)]
pub struct DocChange {
    /// What leads from the last state to this one. After [`Origin::Rebuilt`] they build it from empty.
    pub patches: Vec<Patch>,
    /// Where it came from.
    pub origin: Origin,
    /// The state that was reached.
    pub heads: Vec<ChangeHash>,
    /// How many changes that were shown are held back now.
    pub withdrawn: usize,
}

/// Where a change came from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// An edit of this device.
    Local,
    /// Edits from elsewhere.
    Remote {
        /// Whose they are, by their signatures; nobody for what was imported. Where the watcher looked away
        /// for long, this device may be among them.
        who: Vec<Who>,
    },
    /// Something that was shown is shown no longer: start again from the patches, or from
    /// [`view`](Doc::view).
    Rebuilt,
}

/// What happens to one document, from when it was made on. Made by [`Doc::watch`].
#[derive(Debug)]
pub struct Changes {
    doc: Doc,
    steps: watch::Receiver<Step>,
    told: Told,
    ready: VecDeque<DocChange>,
}

/// How far the watcher has been told.
#[derive(Debug, Clone, Default)]
struct Told {
    heads: Vec<ChangeHash>,
    withdrawn: usize,
}

impl Changes {
    pub(crate) fn new(doc: Doc) -> Self {
        let steps = doc.steps();
        let told = Told { withdrawn: steps.borrow().withdrawn, heads: doc.heads() };
        Self { doc, steps, told, ready: VecDeque::new() }
    }

    /// The next thing that happens; nothing when the node was closed.
    ///
    /// # Cancel safety
    /// Nothing is lost if this is dropped before it is done, as in `select!`.
    pub async fn next(&mut self) -> Option<DocChange> {
        let mut waited = false;
        loop {
            if let Some(change) = self.ready.pop_front() {
                return Some(change);
            }
            let step = *self.steps.borrow_and_update();
            let (doc, told) = (self.doc.clone(), self.told.clone());
            let (told, changes) = tokio::task::spawn_blocking(move || look(&doc, told, step)).await.ok()?;
            let reported = |change: &DocChange| change.origin != Origin::Rebuilt || change.withdrawn > 0;
            if !waited && !step.ended && !changes.iter().all(reported) {
                waited = true;
                // Without a report it is told all the same.
                let _ = timeout(REPORT_WAIT, self.steps.changed()).await;
                continue;
            }
            (self.told, self.ready) = (told, changes.into());
            if self.ready.is_empty() {
                if step.ended {
                    return None;
                }
                self.steps.changed().await.ok()?;
            }
        }
    }
}

/// What has happened since the watcher was told last.
fn look(doc: &Doc, told: Told, step: Step) -> (Told, Vec<DocChange>) {
    let names = doc.names();
    let me = doc.hub().device();
    let withdrawn = step.withdrawn.saturating_sub(told.withdrawn);
    doc.open().with(|document| {
        let heads = document.heads();
        let automerge = document.automerge();
        if heads == told.heads {
            return (told, Vec::new());
        }
        let known = |head: &ChangeHash| automerge.get_change_meta_by_hash(head).is_some();
        let changes = if told.heads.iter().all(known) {
            let mut before = told.heads.clone();
            let tell = |turn: Turn| {
                let made =
                    if turn.local && turn.straight { doc.recent().patches(&turn.changes) } else { None };
                let patches = made.unwrap_or_else(|| automerge.diff(&before, &turn.heads));
                let remote =
                    || Origin::Remote { who: turn.who.iter().map(|who| names.device(*who)).collect() };
                let origin = if turn.local { Origin::Local } else { remote() };
                before.clone_from(&turn.heads);
                DocChange { patches, origin, heads: turn.heads, withdrawn: 0 }
            };
            turns(document, me, &told.heads).into_iter().map(tell).collect()
        } else {
            let patches = automerge.current_state();
            vec![DocChange { patches, origin: Origin::Rebuilt, heads: heads.clone(), withdrawn }]
        };
        (Told { heads, withdrawn: step.withdrawn }, changes)
    })
}

/// New changes of one origin, one after another.
struct Turn {
    local: bool,
    /// Each change builds on all that was there before it.
    straight: bool,
    changes: Vec<ChangeHash>,
    who: BTreeSet<DeviceId>,
    heads: Vec<ChangeHash>,
}

impl Turn {
    fn new(local: bool, author: Option<DeviceId>) -> Self {
        let (changes, heads) = (Vec::new(), Vec::new());
        Self { local, straight: true, changes, who: author.into_iter().collect(), heads }
    }
}

/// The changes since these heads, as local and remote ones take turns.
fn turns(document: &Document, me: DeviceId, since: &[ChangeHash]) -> Vec<Turn> {
    let mut heads: BTreeSet<ChangeHash> = since.iter().copied().collect();
    let mut turns: Vec<Turn> = Vec::new();
    for change in document.automerge().get_changes_meta(since) {
        let author = document.author(&change.hash);
        let local = author == Some(me);
        let full = turns.len() == MAX_TURNS;
        match turns.last_mut() {
            Some(turn) if turn.local == local => turn.who.extend(author),
            Some(turn) if full => {
                turn.local = false;
                turn.who.extend(author);
            }
            _ => turns.push(Turn::new(local, author)),
        }
        advance(&mut heads, &change);
        if let Some(turn) = turns.last_mut() {
            turn.straight &= heads.len() == 1;
            turn.changes.push(change.hash);
            turn.heads = heads.iter().copied().collect();
        }
    }
    turns
}

/// The heads after one more change.
fn advance(heads: &mut BTreeSet<ChangeHash>, change: &ChangeMetadata<'_>) {
    for under in &change.deps {
        heads.remove(under);
    }
    heads.insert(change.hash);
}
