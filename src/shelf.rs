//! The shelf: an ordinary document that a person's own devices share, and nobody else. It holds what the person
//! accepted, what it calls things and people, whom it has verified, and whom it refuses.
//!
//! The node follows it: what another device wrote there takes effect here. Whatever comes from it is checked, and
//! access is never decided by it. The first device of a person makes the shelf; until it has reached another, that
//! one can accept documents, and not note anything else.
//!
//! A person that came back with its recovery words may find the old shelf later, and has two then. All of them are
//! read, and written is the one that every device takes for the first.

mod entries;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use automerge::transaction::Transactable;
use automerge::{ROOT, ReadDoc};
use katori_acl::{Audience, PersonId, Record, RecordId, ResourceId, ResourceKind, VerifiedRecord};
use katori_core::engine::{Command, Engine, Standing};
use katori_net::OpenDocument;

use crate::base::Base;
use crate::error::Error;
use crate::who::GivenNames;

pub use entries::Verified;
pub(crate) use entries::{Entries, Entry, check_name};

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Shelf(Mutex<State>);

/// Shelves that are read. A recovery rarely leaves more than two; a stolen device may make any number.
const MAX_SHELVES: usize = 16;

/// Entries that are written in one change.
const NOTED_AT_ONCE: usize = 256;

#[derive(Debug, Default)]
struct State {
    /// The one that is written first.
    open: Vec<OpenDocument>,
    entries: Arc<Entries>,
    /// What is being left: it is not put away while that is under way.
    leaving: BTreeSet<ResourceId>,
}

/// What the shelf says and is not so here yet.
#[derive(Debug, Default)]
struct Due {
    accept: Vec<ResourceId>,
    /// Left or turned down on another device, and granted again since.
    put_away: Vec<ResourceId>,
    /// Accepted here, by a ticket mostly, and not on the shelf.
    note: Vec<ResourceId>,
    block: bool,
}

/// As long as somebody is leaving a document or space.
#[derive(Debug)]
pub(crate) struct Leaving<'a>(&'a Shelf, ResourceId);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.0.state().leaving.remove(&self.1);
    }
}

impl Shelf {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What it holds, as last read.
    pub(crate) fn entries(&self) -> Arc<Entries> {
        Arc::clone(&self.state().entries)
    }

    /// Whether this is one of the person's shelves.
    pub(crate) fn is(&self, id: ResourceId) -> bool {
        self.state().open.iter().any(|open| open.id() == id)
    }

    pub(crate) fn leaving(&self, id: ResourceId) -> Leaving<'_> {
        self.state().leaving.insert(id);
        Leaving(self, id)
    }

    fn is_leaving(&self, id: ResourceId) -> bool {
        self.state().leaving.contains(&id)
    }

    fn open(&self) -> Vec<OpenDocument> {
        self.state().open.clone()
    }

    fn read(&self, me: PersonId) -> Option<Arc<Entries>> {
        let open = self.open();
        if open.is_empty() {
            return None;
        }
        let mut entries = Entries::default();
        // Not under the lock of the shelf: a document may be busy.
        for shelf in open {
            shelf.with(|document| entries.read(document.automerge(), me));
        }
        let entries = Arc::new(entries);
        self.state().entries = Arc::clone(&entries);
        Some(entries)
    }
}

impl Base {
    /// Opens the shelf, or makes it where that is for this device to do. One that came back with the recovery words
    /// makes none yet: somebody may have the old one.
    pub(crate) async fn open_shelf(&self) -> Result<(), Error> {
        self.find_shelf().await?;
        if self.hub.ask(came_back).await? { Ok(()) } else { self.make_shelf().await }
    }

    /// Makes the shelf if there is none, and that is for this device to do.
    pub(crate) async fn make_shelf(&self) -> Result<(), Error> {
        if !self.shelf.open().is_empty() {
            return Ok(());
        }
        // Where another device makes it, nothing is done here, and it comes.
        self.tell(Command::CreateShelf).await?;
        self.find_shelf().await
    }

    /// Opens what shelves have come from other devices, if they are others than before.
    pub(crate) async fn find_shelf(&self) -> Result<(), Error> {
        let held = self.hub.ask(held_shelves).await?;
        let before = self.shelf.open();
        if before.iter().map(OpenDocument::id).eq(held.iter().copied()) {
            return Ok(());
        }
        let mut open = Vec::new();
        for id in held {
            match before.iter().find(|known| known.id() == id) {
                Some(known) => open.push(known.clone()),
                None => match self.hub.open(id).await {
                    Ok(found) => open.push(found),
                    // The others are as good as before.
                    Err(error) => tracing::warn!(shelf = %id, %error, "a shelf cannot be opened"),
                },
            }
        }
        self.shelf.state().open = open;
        self.follow_shelf().await
    }

    /// Lets what is on the shelf take effect, and notes what was accepted here without it.
    pub(crate) async fn follow_shelf(&self) -> Result<(), Error> {
        let Some(entries) = self.shelf.read(self.hub.person()) else { return Ok(()) };
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

    /// The same for these documents and spaces, whose standing may have changed.
    pub(crate) async fn follow_shelf_for(&self, ids: BTreeSet<ResourceId>) -> Result<(), Error> {
        self.find_shelf().await?;
        if self.shelf.open().is_empty() {
            return Ok(());
        }
        let entries = self.shelf.entries();
        let known = Arc::clone(&entries);
        let due = self.hub.ask(move |engine| {
            let mut due = Due::default();
            for id in ids {
                due.look_at(engine, &known, id, engine.standing(id));
            }
            due
        });
        self.settle(&entries, due.await?).await
    }

    /// Lets take effect what can; of what cannot, the first error is returned.
    async fn settle(&self, entries: &Entries, due: Due) -> Result<(), Error> {
        let mut settled = Ok(());
        if due.block {
            settled = settled.and(self.tell(Command::SetBlocked { persons: entries.blocked.clone() }).await);
        }
        for document in due.accept {
            settled = settled.and(self.tell(Command::Accept { document }).await);
        }
        for document in due.put_away {
            if !self.shelf.is_leaving(document) {
                settled = settled.and(self.tell(Command::Forget { document }).await);
            }
        }
        for documents in due.note.chunks(NOTED_AT_ONCE) {
            let new: Vec<Entry> = documents.iter().map(|id| Entry::Accepted(*id, Some(true))).collect();
            settled = settled.and(self.enter(&new).await);
        }
        settled
    }

    fn give_names(&self, entries: &Entries) {
        self.names.give(GivenNames { people: entries.petnames.clone(), resources: entries.names.clone() });
    }

    /// Writes to the shelf what is not there yet, and lets it take effect here.
    pub(crate) async fn note(&self, new: &[Entry]) -> Result<(), Error> {
        self.make_shelf().await?;
        self.enter(new).await
    }

    /// The same where there is a shelf.
    async fn enter(&self, new: &[Entry]) -> Result<(), Error> {
        let open = self.shelf.open();
        let (first, others) = open.split_first().ok_or(Error::NoShelf)?;
        write(first, new, true).await?;
        for other in others {
            write(other, new, false).await?;
        }
        let Some(entries) = self.shelf.read(self.hub.person()) else { return Ok(()) };
        self.give_names(&entries);
        if new.iter().any(|entry| matches!(entry, Entry::Blocked(..))) {
            self.tell(Command::SetBlocked { persons: entries.blocked.clone() }).await?;
        }
        if new.iter().all(|entry| entries.say(entry)) { Ok(()) } else { Err(Error::ShelfFull) }
    }

    /// Notes what was accepted or turned down; without a shelf that is noted when it comes.
    pub(crate) async fn note_accepted(
        &self,
        id: ResourceId,
        accepted: impl Into<Option<bool>>,
    ) -> Result<(), Error> {
        match self.note(&[Entry::Accepted(id, accepted.into())]).await {
            Err(Error::NoShelf) => Ok(()),
            noted => noted,
        }
    }

    /// Takes back that something was left or turned down, before it is taken here. Says whether it was.
    pub(crate) async fn take_back_refusal(&self, id: ResourceId) -> Result<bool, Error> {
        let refused = self.shelf.entries().accepted.get(&id) == Some(&false);
        if refused {
            self.note_accepted(id, None).await?;
        }
        Ok(refused)
    }
}

/// Writes what a shelf does not say yet, or takes from it what says something else.
async fn write(shelf: &OpenDocument, new: &[Entry], put: bool) -> Result<(), Error> {
    let ((), _, saving, _) = shelf
        .edit(|edit| {
            for entry in new {
                let (key, value) = (entry.key(), entry.value());
                let Some(present) = edit.get(ROOT, key.as_str())?.map(|(value, _)| value.into_scalar().ok())
                else {
                    if let Some(value) = value.filter(|_| put) {
                        edit.put(ROOT, key.as_str(), value)?;
                    }
                    continue;
                };
                match value {
                    Some(value) if present.as_ref() == Some(&value) => {}
                    Some(value) if put => edit.put(ROOT, key.as_str(), value)?,
                    _ => edit.delete(ROOT, key.as_str())?,
                }
            }
            Ok::<_, automerge::AutomergeError>(())
        })
        .map_err(Error::edit)?;
    Ok(saving.await?)
}

impl Due {
    fn look_at(&mut self, engine: &Engine, entries: &Entries, id: ResourceId, standing: Standing) {
        match (standing, entries.accepted.get(&id)) {
            (Standing::Offered, Some(true)) => self.accept.push(id),
            (Standing::Accepted, None) if is_guest(engine, id) => self.note.push(id),
            (Standing::Accepted, Some(false)) if is_guest(engine, id) && is_granted_anew(engine, id) => {
                self.put_away.push(id);
            }
            _ => {}
        }
    }
}

/// Whether this person holds it because somebody let it in, and not by owning it or the space it was born in.
fn is_guest(engine: &Engine, id: ResourceId) -> bool {
    let registry = engine.registry();
    let is_another_s = registry
        .rights(id)
        .is_some_and(|rights| rights.owner != engine.me().person && rights.kind != ResourceKind::Shelf);
    is_another_s && registry.space_of(id).is_none()
}

/// Whether this person has given back a role in it, and has one now that was given since.
fn is_granted_anew(engine: &Engine, id: ResourceId) -> bool {
    let (registry, me) = (engine.registry(), engine.me());
    let record = |id: &RecordId| registry.record(id).map(VerifiedRecord::record);
    let given_back = |revocation: &RecordId| {
        let Some(Record::Revoke(revoke)) = record(revocation) else { return false };
        let was_own = match record(&revoke.target) {
            Some(Record::Grant(grant)) => grant.to == Audience::Person(me.person),
            _ => false,
        };
        was_own && registry.persons_ever_of(revoke.by).contains(&me.person)
    };
    engine.access(id).is_some_and(|access| access.role_of_device(&me.device()).is_some())
        && registry.counted_revocations(id).iter().any(given_back)
}

/// Whether recovery words brought this device in.
fn came_back(engine: &Engine) -> bool {
    let me = engine.me();
    let Some(roster) = engine.registry().roster(me.person) else { return false };
    roster.devices.get(&me.device()).is_some_and(|member| member.rank.generation() > 0)
}

/// This person's shelves that are held here: first the one that every device writes, last those whose maker speaks
/// for the person no longer.
fn held_shelves(engine: &Engine) -> Vec<ResourceId> {
    let (registry, person) = (engine.registry(), engine.me().person);
    let first = registry.shelf_of(person);
    let still_speaks = |shelf: ResourceId| {
        let genesis = RecordId::from_bytes(*shelf.as_bytes());
        match (registry.roster(person), registry.record(&genesis).map(VerifiedRecord::record)) {
            (Some(roster), Some(Record::Genesis(made))) => roster.speaks_in(&made.by, &genesis),
            _ => false,
        }
    };
    let held = registry.shelves_of(person).filter(|id| engine.standing(*id).has_content());
    let mut shelves: Vec<ResourceId> = held.collect();
    shelves.sort_by_key(|id| (Some(*id) != first, !still_speaks(*id), *id));
    shelves.truncate(MAX_SHELVES);
    shelves
}

#[cfg(test)]
mod tests {
    use katori_acl::{DeviceKey, RecoveryPhrase};
    use katori_core::identity::{Founding, Identity};
    use katori_core::store::Store;

    use crate::builder::STORE_FILE;
    use crate::{Network, Node};

    #[tokio::test]
    async fn whoever_came_back_makes_no_shelf_until_it_is_needed() {
        let words = RecoveryPhrase::from_entropy([1; 32]);
        let founding = Founding {
            person_name: "Ana".into(),
            device_name: "laptop".into(),
            recovery: words.hash(),
            nonce: [2; 16],
        };
        let (_, genesis) = Identity::found(DeviceKey::from_secret([3; 32]), founding).unwrap();
        let (key, next) = (DeviceKey::from_secret([4; 32]), RecoveryPhrase::from_entropy([5; 32]));
        let (me, roster) = Identity::recover(key, &words, &next, vec![genesis], "phone".into()).unwrap();
        let directory = tempfile::tempdir().unwrap();
        drop(Store::create(directory.path().join(STORE_FILE), &me.rows(&roster)).unwrap());
        let node = Node::builder(directory.path()).network(Network::None).open().await.unwrap();
        assert!(node.base().shelf.open().is_empty());
        let list = node.create("groceries").await.unwrap();
        list.rename_here("food").await.unwrap();
        assert_eq!((node.base().shelf.open().len(), list.name()), (1, "food".to_owned()));
        node.close().await;
    }
}
