//! Leaving, without leaving anything behind that nobody else has.

use std::collections::BTreeSet;
use std::time::Duration;

use automerge::ChangeHash;
use katori_acl::{DeviceId, ResourceId, ResourceKind, Role};
use katori_core::document::Document;
use katori_core::engine::{Command, CommandError, Event};
use tokio::sync::broadcast::error::RecvError;
use tokio::time::timeout;

use super::Circle;
use crate::error::Error;

/// How long leaving waits for somebody who writes to have everything: long enough for a relay, short enough for a
/// person.
pub(crate) const LEAVE_WAIT: Duration = Duration::from_secs(5);

impl Circle {
    pub(crate) async fn leave(&self) -> Result<(), Error> {
        let (id, person) = (self.id, self.base.hub.person());
        let access = self.base.hub.ask(move |engine| engine.access(id)).await?;
        if access.is_some_and(|access| access.owner == person) {
            return Err(Error::Command(CommandError::OwnerCannotLeave));
        }
        let mut events = self.base.hub.events();
        let wait = async {
            while self.left_behind().await? > 0 {
                loop {
                    match events.recv().await {
                        Ok(Event::Receipt { .. } | Event::Settled { .. }) | Err(RecvError::Lagged(_)) => {
                            break;
                        }
                        Ok(_) => {}
                        Err(RecvError::Closed) => return Ok(()),
                    }
                }
            }
            Ok::<(), Error>(())
        };
        match timeout(LEAVE_WAIT, wait).await {
            Ok(handed_over) => handed_over?,
            Err(_) => return Err(Error::LeftBehind { changes: self.left_behind().await? }),
        }
        self.leave_anyway().await
    }

    pub(crate) async fn leave_anyway(&self) -> Result<(), Error> {
        let _leaving = self.base.shelf.leaving(self.id);
        let before = self.base.shelf.entries().accepted.get(&self.id).copied();
        // Before the role goes: whoever grants it anew must not find that another device of this person takes it.
        if let Err(error) = self.base.note_accepted(self.id, false).await {
            tracing::warn!(%error, "the other devices are not told that this is left");
        }
        let left = self.base.tell(Command::Leave { document: self.id }).await;
        if left.is_err() {
            self.base.note_accepted(self.id, before).await?;
        }
        left
    }

    /// How many changes that are shown nobody else who writes has said to have; of a space, in all its documents.
    async fn left_behind(&self) -> Result<usize, Error> {
        let id = self.id;
        let documents = self.base.hub.ask(move |engine| {
            let registry = engine.registry();
            let documents = match registry.kind_of(id) {
                Some(ResourceKind::Space) => registry.documents_in(id),
                _ => vec![id],
            };
            let (me, person) = (engine.me().device(), engine.me().person);
            let written = |id: &ResourceId| {
                let access = engine.access(*id)?;
                if !engine.holds_content(*id) || access.role_of_device(&me) < Some(Role::Write) {
                    return None;
                }
                let others = access.writers().filter(|device| registry.person_of(*device) != Some(person));
                let receipts = others.filter_map(|device: DeviceId| engine.receipt(*id, device));
                Some((*id, receipts.map(<[ChangeHash]>::to_vec).collect::<Vec<_>>()))
            };
            documents.iter().filter_map(written).collect::<Vec<_>>()
        });
        let mut left = 0;
        for (document, receipts) in documents.await? {
            let open = self.base.hub.open(document).await?;
            left += open.with(|document| lacking(document, &receipts));
        }
        Ok(left)
    }
}

/// How many of the changes that are shown lie under no receipt.
fn lacking(document: &Document, receipts: &[Vec<ChangeHash>]) -> usize {
    let heads = document.heads();
    let stored = document.stored_heads();
    if heads.is_empty() || receipts.iter().any(|receipt| stored.iter().all(|head| receipt.contains(head))) {
        return 0;
    }
    let automerge = document.automerge();
    let known: BTreeSet<ChangeHash> = receipts
        .iter()
        .flatten()
        .filter(|head| automerge.get_change_meta_by_hash(head).is_some())
        .copied()
        .collect();
    let known: Vec<ChangeHash> = known.into_iter().collect();
    automerge.get_changes_meta(&known).len()
}
