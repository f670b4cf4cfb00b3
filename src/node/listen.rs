//! Passing on what the hub tells: documents that show something else, and people with new names.

use std::sync::Weak;

use katori_core::engine::{Event, Standing};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::Inner;
use crate::doc::DocumentId;
use crate::who::Names;

/// Runs until the hub is closed or nobody holds the node any more.
pub(super) async fn listen(node: Weak<Inner>, mut events: Receiver<Event>) {
    loop {
        let event = events.recv().await;
        let Some(node) = node.upgrade() else { return };
        match event {
            Ok(Event::Changed { document, shown }) => node.shown(document, shown.withdrawn),
            Ok(Event::Roster { .. }) => node.read_names().await,
            Ok(Event::Access { document }) => node.access_changed(document).await,
            Ok(_) => {}
            // What was missed does not matter: names and documents are read as they are now.
            Err(RecvError::Lagged(_)) => {
                node.read_names().await;
                for shared in node.open_documents() {
                    shared.shown(0);
                }
            }
            Err(RecvError::Closed) => {
                node.end_watchers();
                return;
            }
        }
    }
}

impl Inner {
    async fn read_names(&self) {
        if let Ok(names) = self.hub.ask(Names::read).await {
            self.names.set(names);
        }
    }

    fn shown(&self, document: DocumentId, withdrawn: usize) {
        if let Some(shared) = self.open_document(document) {
            shared.shown(withdrawn);
        }
    }

    /// A document that is held no longer is not watched any more either.
    async fn access_changed(&self, document: DocumentId) {
        if self.open_document(document).is_none() {
            return;
        }
        let standing = self.hub.ask(move |engine| {
            engine.documents().find(|(id, ..)| *id == document).map(|(_, standing, _)| standing)
        });
        if let Ok(standing) = standing.await
            && !standing.is_some_and(Standing::has_content)
        {
            self.let_go(document);
        }
    }
}
