//! Work on one document, as a driver carries it out.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use automerge::ChangeHash;
use katori_acl::{Access, DeviceId, ResourceId};

use crate::document::{Batch, Begun, Document, Done, TakeInError, Turn, Want, serve_stored};
use crate::store::Storage;

/// Work on one document.
#[derive(Debug)]
pub struct Work {
    /// Comes back with the outcome.
    pub number: u64,
    /// Who may do what, now.
    pub access: Arc<Access>,
    /// What is to be done.
    pub task: Task,
}

/// What is to be done on a document.
#[derive(Debug)]
#[non_exhaustive]
pub enum Task {
    /// Rosters or grants changed; with them came these vouches.
    Reevaluate {
        /// Signed vouches.
        vouches: Vec<Vec<u8>>,
    },
    /// Sign and hand out local edits.
    Flush,
    /// Take in what peers sent.
    Ingest(Vec<(DeviceId, Batch)>),
    /// Say what peers are to be sent.
    Serve(Vec<Want>),
    /// Sign over everything accepted.
    Vouch,
    /// Sign what is owed, if it still is.
    Discharge,
    /// Write again what lies on the losing branch of a fork, as far as that falls to this device in this turn.
    Reapply(Turn),
    /// Take in changes that are held back.
    TakeIn(Vec<ChangeHash>),
    /// Write what is stored in many packs as one, if that is worth while.
    Merge,
    /// Drop what waits of peers that have gone.
    ForgetOrphans(BTreeSet<DeviceId>),
}

/// A task that was begun: see [`Task::begin`].
#[derive(Debug)]
pub struct Halfway {
    /// What came, applied to a copy of the document by [`Begun::play`] while the document is at hand to others.
    pub begun: Begun,
    outdated: bool,
}

impl Halfway {
    /// Carries out the rest.
    pub fn end(self, document: &mut Document) -> Outcome {
        let mut done = document.end_ingest(self.begun);
        done.outdated = self.outdated;
        Outcome::Done(Box::new(done))
    }
}

/// How a task went.
#[derive(Debug)]
pub enum Outcome {
    /// It is done.
    Done(Box<Done>),
    /// Nothing was taken in.
    TakeInRefused(TakeInError),
    /// The document cannot be opened.
    Failed(String),
}

impl Task {
    /// Carries the task out on what is stored, if that does without loading the document. Only for a document that is
    /// not in memory.
    #[must_use]
    pub fn run_stored(&self, storage: &dyn Storage, document: &ResourceId) -> Option<Outcome> {
        let done = match self {
            Self::Serve(wants) => serve_stored(storage, document, wants),
            Self::ForgetOrphans(_) => Ok(Some(Done::default())),
            Self::Reevaluate { .. }
            | Self::Flush
            | Self::Ingest(_)
            | Self::Vouch
            | Self::Discharge
            | Self::Reapply(_)
            | Self::Merge
            | Self::TakeIn(_) => return None,
        };
        match done {
            Ok(done) => done.map(|done| Outcome::Done(Box::new(done))),
            Err(error) => Some(Outcome::Failed(error.to_string())),
        }
    }

    /// Carries the task out. Of taking in what peers sent, if it takes Automerge long, only the first half: then the
    /// document may be read and edited until [`Halfway::end`], and nothing else.
    pub fn begin(self, document: &mut Document, access: Arc<Access>) -> ControlFlow<Outcome, Halfway> {
        let Self::Ingest(batches) = self else { return ControlFlow::Break(self.run(document, access)) };
        let outdated = !document.note_access(&access);
        let halfway = Halfway { begun: document.begin_ingest(batches), outdated };
        if halfway.begun.is_behind(document) {
            ControlFlow::Continue(halfway)
        } else {
            ControlFlow::Break(halfway.end(document))
        }
    }

    /// Carries the task out.
    pub fn run(self, document: &mut Document, access: Arc<Access>) -> Outcome {
        let outdated = !matches!(self, Self::Reevaluate { .. }) && !document.note_access(&access);
        let mut done = match self {
            Self::Reevaluate { vouches } => document.reevaluate(access, &vouches),
            Self::Flush => document.flush(),
            Self::Ingest(batches) => document.ingest(batches),
            Self::Serve(wants) => document.serve_all(wants),
            Self::Vouch => document.vouch(),
            Self::Discharge => document.discharge(),
            Self::Reapply(turn) => document.reapply(turn),
            // Where nothing is merged, edits that were made meanwhile are written as ever: nothing is told of before.
            Self::Merge => document.merge().unwrap_or_else(|| document.flush()),
            Self::ForgetOrphans(peers) => {
                document.forget_orphans(&peers);
                Done::default()
            }
            Self::TakeIn(changes) => match document.take_in(&changes) {
                Ok(done) => done,
                Err(error) => return Outcome::TakeInRefused(error),
            },
        };
        done.outdated = outdated;
        Outcome::Done(Box::new(done))
    }
}
