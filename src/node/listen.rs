//! Passing on what the hub tells: documents that show something else, people with new names, and what is written on
//! the shelf by another device.

use std::sync::Weak;

use katori_core::engine::Event;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::Inner;
use crate::doc::DocumentId;
use crate::error::Error;

/// Runs until the hub is closed or nobody holds the node any more.
pub(super) async fn listen(node: Weak<Inner>, mut events: Receiver<Event>) {
    loop {
        let event = events.recv().await;
        let Some(node) = node.upgrade() else { return };
        let heard = match event {
            Ok(Event::Changed { document, shown }) => node.shown(document, shown.withdrawn).await,
            Ok(Event::Roster { .. }) => node.roster_changed().await,
            Ok(Event::Access { document }) => node.access_changed(document).await,
            // Whoever has a shelf of this person has told of it.
            Ok(Event::Settled { .. }) => node.base.make_shelf().await,
            Ok(_) => Ok(()),
            // What was missed does not matter: everything is read as it is now.
            Err(RecvError::Lagged(_)) => node.look_at_all().await,
            Err(RecvError::Closed) => {
                node.end_watchers();
                return;
            }
        };
        if let Err(error) = heard {
            tracing::warn!(%error, "what was heard has no effect yet");
        }
    }
}

impl Inner {
    async fn look_at_all(&self) -> Result<(), Error> {
        for shared in self.open_documents() {
            shared.shown(0);
        }
        self.base.read_names().await?;
        self.base.find_shelf().await?;
        self.base.follow_shelf().await
    }

    async fn shown(&self, document: DocumentId, withdrawn: usize) -> Result<(), Error> {
        if let Some(shared) = self.open_document(document) {
            shared.shown(withdrawn);
        }
        if self.base.shelf.is(document) { self.base.follow_shelf().await } else { Ok(()) }
    }

    /// Without a device that was removed, another shelf may be the first.
    async fn roster_changed(&self) -> Result<(), Error> {
        self.base.read_names().await?;
        self.base.find_shelf().await
    }

    /// A document that is held no longer is not watched any more either.
    async fn access_changed(&self, document: DocumentId) -> Result<(), Error> {
        self.base.follow_shelf_for(document).await?;
        if self.open_document(document).is_none() {
            return Ok(());
        }
        let standing = self.base.hub.ask(move |engine| engine.standing(document));
        if !standing.await?.has_content() {
            self.let_go(document);
        }
        Ok(())
    }
}
