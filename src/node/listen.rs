//! Passing on what the hub tells: documents that show something else, people with new names, and what is written on
//! the shelf by another device.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Weak;

use katori_core::engine::{Engine, Event};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};

use super::Inner;
use crate::doc::DocumentId;
use crate::error::Error;

/// Events that are dealt with together. Where a thousand documents come at once, what each changes is asked once.
const TOGETHER: usize = 1024;

/// Runs until the hub is closed or nobody holds the node any more.
pub(super) async fn listen(node: Weak<Inner>, mut events: Receiver<Event>) {
    loop {
        let event = events.recv().await;
        let Some(node) = node.upgrade() else { return };
        let mut heard = Heard::default();
        match event {
            Ok(event) => heard.note(event),
            Err(RecvError::Lagged(_)) => heard.missed = true,
            Err(RecvError::Closed) => {
                node.end_watchers();
                return;
            }
        }
        for _ in 1..TOGETHER {
            match events.try_recv() {
                Ok(event) => heard.note(event),
                Err(TryRecvError::Lagged(_)) => heard.missed = true,
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
            }
        }
        node.follow(heard).await;
    }
}

/// What some events come to.
#[derive(Debug, Default)]
struct Heard {
    /// Documents that show something else, and how much was withdrawn from each.
    shown: BTreeMap<DocumentId, usize>,
    access: BTreeSet<DocumentId>,
    rosters: bool,
    settled: bool,
    /// Some was missed. What it was does not matter: everything is read as it is now.
    missed: bool,
}

impl Heard {
    fn note(&mut self, event: Event) {
        match event {
            Event::Changed { document, shown } => {
                *self.shown.entry(document).or_default() += shown.withdrawn;
            }
            Event::Access { document } => _ = self.access.insert(document),
            Event::Roster { .. } => self.rosters = true,
            Event::Settled { .. } => self.settled = true,
            Event::Durable { .. }
            | Event::Held { .. }
            | Event::Receipt { .. }
            | Event::Peers { .. }
            | Event::Asked { .. }
            | Event::Suspicious { .. }
            | Event::StoreFailed { .. }
            | Event::Unreadable { .. }
            | _ => {}
        }
    }
}

impl Inner {
    async fn follow(&self, heard: Heard) {
        for (document, withdrawn) in &heard.shown {
            if let Some(shared) = self.open_document(*document) {
                shared.shown(*withdrawn);
            }
        }
        if heard.missed {
            warn_of(self.look_at_all().await);
        } else if heard.rosters {
            warn_of(self.roster_changed().await);
        }
        if heard.shown.keys().any(|document| self.base.shelf.is(*document)) {
            warn_of(self.base.follow_shelf().await);
        }
        if !heard.access.is_empty() {
            warn_of(self.access_changed(heard.access).await);
        }
        if heard.settled {
            // Whoever has a shelf of this person has told of it.
            warn_of(self.base.make_shelf().await);
        }
    }

    async fn look_at_all(&self) -> Result<(), Error> {
        for shared in self.open_documents() {
            shared.shown(0);
        }
        self.base.read_names().await?;
        self.base.find_shelf().await?;
        self.base.follow_shelf().await
    }

    /// Without a device that was removed, another shelf may be the first.
    async fn roster_changed(&self) -> Result<(), Error> {
        self.base.read_names().await?;
        self.base.find_shelf().await
    }

    /// A document that is held no longer is not watched any more either.
    async fn access_changed(&self, documents: BTreeSet<DocumentId>) -> Result<(), Error> {
        let followed = self.base.follow_shelf_for(documents.clone()).await;
        let open: Vec<DocumentId> =
            documents.into_iter().filter(|id| self.open_document(*id).is_some()).collect();
        if !open.is_empty() {
            let gone = move |engine: &Engine| {
                open.into_iter().filter(|id| !engine.standing(*id).has_content()).collect::<Vec<_>>()
            };
            for document in self.base.hub.ask(gone).await? {
                self.let_go(document);
            }
        }
        followed
    }
}

/// Something that was heard could not take effect.
fn warn_of(heard: Result<(), Error>) {
    if let Err(error) = heard {
        tracing::warn!(%error, "what was heard has no effect yet");
    }
}
