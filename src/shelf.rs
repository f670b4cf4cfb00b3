//! The shelf: an ordinary document that a person's own devices share, and nobody else. It holds what the person
//! accepted, what it calls things and people, whom it has verified, and whom it refuses.
//!
//! The node follows it: what another device wrote there takes effect here. Whatever comes from it is checked, and
//! access is never decided by it. The first device of a person makes the shelf; until it has reached another, that
//! one can accept documents, and not note anything else.

mod entries;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use automerge::transaction::Transactable;
use automerge::{ROOT, ReadDoc};
use katori_acl::{ResourceId, ResourceKind};
use katori_core::engine::{Answer, Command, Engine, Standing};
use katori_net::OpenDocument;

use crate::base::Base;
use crate::error::Error;
use crate::who::GivenNames;

pub use entries::Verified;
pub(crate) use entries::{Entries, Entry, check_name};

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Shelf(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    open: Option<OpenDocument>,
    entries: Arc<Entries>,
}

/// What the shelf says and is not so here yet.
#[derive(Debug, Default)]
struct Due {
    accept: Vec<ResourceId>,
    /// Accepted here, by a ticket mostly, and not on the shelf.
    note: Vec<ResourceId>,
    block: bool,
}

impl Shelf {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What it holds, as last read.
    pub(crate) fn entries(&self) -> Arc<Entries> {
        Arc::clone(&self.state().entries)
    }

    pub(crate) fn id(&self) -> Option<ResourceId> {
        self.state().open.as_ref().map(OpenDocument::id)
    }

    fn open(&self) -> Result<OpenDocument, Error> {
        self.state().open.clone().ok_or(Error::NoShelf)
    }

    fn read(&self) -> Option<Arc<Entries>> {
        let open = self.state().open.clone()?;
        // Not under the lock of the shelf: the document may be busy.
        let entries = Arc::new(open.with(|document| Entries::read(document.automerge())));
        self.state().entries = Arc::clone(&entries);
        Some(entries)
    }
}

impl Base {
    /// Opens the shelf, or makes it where that is for this device to do.
    pub(crate) async fn open_shelf(&self) -> Result<(), Error> {
        let Answer::Created(id) = self.hub.command(Command::CreateShelf).await? else {
            // Another device makes it, and it has not come yet.
            return Ok(());
        };
        let open = self.hub.open(id).await?;
        self.shelf.state().open = Some(open);
        self.follow_shelf().await
    }

    /// Opens the shelf that has come from another device.
    pub(crate) async fn find_shelf(&self) -> Result<(), Error> {
        if self.shelf.id().is_some() {
            return Ok(());
        }
        let person = self.hub.person();
        let found = self.hub.ask(move |engine| {
            engine.registry().shelf_of(person).filter(|shelf| engine.holds_content(*shelf))
        });
        let Some(id) = found.await? else { return Ok(()) };
        let open = self.hub.open(id).await?;
        self.shelf.state().open = Some(open);
        self.follow_shelf().await
    }

    /// Lets what is on the shelf take effect, and notes what was accepted here without it.
    pub(crate) async fn follow_shelf(&self) -> Result<(), Error> {
        let Some(entries) = self.shelf.read() else { return Ok(()) };
        self.give_names(&entries);
        let known = Arc::clone(&entries);
        let due = self.hub.ask(move |engine| {
            let mut due = Due { block: *engine.blocked_persons() != known.blocked, ..Due::default() };
            for (id, standing, _) in engine.documents() {
                due.look_at(engine, &known, id, standing);
            }
            due
        });
        self.settle(&entries, due.await?).await
    }

    /// The same for one document or space, whose standing may have changed.
    pub(crate) async fn follow_shelf_for(&self, id: ResourceId) -> Result<(), Error> {
        if self.shelf.id().is_none() {
            return self.find_shelf().await;
        }
        let entries = self.shelf.entries();
        let known = Arc::clone(&entries);
        let due = self.hub.ask(move |engine| {
            let mut due = Due::default();
            if let Some((_, standing, _)) = engine.documents().find(|(document, ..)| *document == id) {
                due.look_at(engine, &known, id, standing);
            }
            due
        });
        self.settle(&entries, due.await?).await
    }

    async fn settle(&self, entries: &Entries, due: Due) -> Result<(), Error> {
        for document in due.accept {
            self.tell(Command::Accept { document }).await?;
        }
        if due.block {
            self.tell(Command::SetBlocked { persons: entries.blocked.clone() }).await?;
        }
        for document in due.note {
            self.note(&[Entry::Accepted(document, Some(true))]).await?;
        }
        Ok(())
    }

    fn give_names(&self, entries: &Entries) {
        self.names.give(GivenNames { people: entries.petnames.clone(), resources: entries.names.clone() });
    }

    /// Writes to the shelf what is not there yet, and lets it take effect here.
    pub(crate) async fn note(&self, new: &[Entry]) -> Result<(), Error> {
        let open = self.shelf.open()?;
        let ((), _, saving, _) = open
            .edit(|edit| {
                for entry in new {
                    let (key, value) = (entry.key(), entry.value());
                    let present =
                        edit.get(ROOT, key.as_str())?.and_then(|(value, _)| value.into_scalar().ok());
                    match value {
                        None if present.is_some() => edit.delete(ROOT, key.as_str())?,
                        Some(value) if present.as_ref() != Some(&value) => {
                            edit.put(ROOT, key.as_str(), value)?;
                        }
                        _ => {}
                    }
                }
                Ok::<_, automerge::AutomergeError>(())
            })
            .map_err(Error::edit)?;
        saving.await?;
        if let Some(entries) = self.shelf.read() {
            self.give_names(&entries);
            if new.iter().any(|entry| matches!(entry, Entry::Blocked(..))) {
                self.tell(Command::SetBlocked { persons: entries.blocked.clone() }).await?;
            }
        }
        Ok(())
    }

    /// Notes what was accepted or turned down; without a shelf that is noted when it comes.
    pub(crate) async fn note_accepted(&self, id: ResourceId, accepted: bool) -> Result<(), Error> {
        if self.shelf.id().is_none() {
            return Ok(());
        }
        self.note(&[Entry::Accepted(id, Some(accepted))]).await
    }
}

impl Due {
    fn look_at(&mut self, engine: &Engine, entries: &Entries, id: ResourceId, standing: Standing) {
        match (standing, entries.accepted.get(&id)) {
            (Standing::Offered, Some(true)) => self.accept.push(id),
            (Standing::Accepted, None) if is_guest(engine, id) => self.note.push(id),
            _ => {}
        }
    }
}

/// Whether this person holds it because somebody let it in, and not by owning it or the space it was born in.
fn is_guest(engine: &Engine, id: ResourceId) -> bool {
    let registry = engine.registry();
    registry.kind_of(id).is_some_and(|kind| kind != ResourceKind::Shelf)
        && registry.space_of(id).is_none()
        && registry.access(id).is_some_and(|access| access.owner != engine.me().person)
}
