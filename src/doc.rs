//! One document, open.

mod blame;
mod conflicts;
mod forks;
mod held;
mod history;
mod people;
mod recent;

use std::collections::BTreeMap;
use std::sync::Arc;

use automerge::transaction::Transaction;
use automerge::{Automerge, AutomergeError};
use katori_acl::ResourceId;
use katori_core::gate::Opened;
use katori_net::{Hub, OpenDocument};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::watch;

use crate::base::Base;
use crate::circle::Circle;
use crate::commit::Commit;
use crate::error::Error;
use crate::watch::Changes;
use crate::who::{Names, Who};
use crate::{json, path, typed};

pub use blame::BlameSpan;
pub use conflicts::{Conflict, ConflictedPlace, MAX_CONFLICTS};
pub use forks::{Fork, ForkDecision};
pub use held::{HeldChange, Uncounted};
pub use history::{Edit, View};
pub(crate) use recent::RecentEdits;

/// Names a document: the hash of the signed record it began with.
pub type DocumentId = ResourceId;

/// One document, open. A cheap handle: clones are the same document.
#[derive(Debug, Clone)]
pub struct Doc {
    shared: Arc<Shared>,
}

/// What all handles of one document share.
#[derive(Debug)]
pub(crate) struct Shared {
    open: OpenDocument,
    base: Arc<Base>,
    step: watch::Sender<Step>,
    recent: RecentEdits,
}

/// Where a document is; watchers look at it anew whenever it moves.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Step {
    /// Counts edits and batches from elsewhere.
    pub(crate) number: u64,
    /// Changes that were shown and are not any more, in all.
    pub(crate) withdrawn: usize,
    /// The node was closed.
    pub(crate) ended: bool,
}

impl Shared {
    pub(crate) fn new(open: OpenDocument, base: Arc<Base>) -> Self {
        Self { open, base, step: watch::Sender::new(Step::default()), recent: RecentEdits::default() }
    }

    pub(crate) fn id(&self) -> DocumentId {
        self.open.id()
    }

    /// The document shows something else; this many changes were withdrawn with that.
    pub(crate) fn shown(&self, withdrawn: usize) {
        self.step.send_modify(|step| {
            step.number += 1;
            step.withdrawn = step.withdrawn.saturating_add(withdrawn);
        });
    }

    pub(crate) fn end(&self) {
        self.step.send_modify(|step| step.ended = true);
    }
}

impl Doc {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    pub(crate) fn open(&self) -> &OpenDocument {
        &self.shared.open
    }

    pub(crate) fn hub(&self) -> &Hub {
        &self.shared.base.hub
    }

    pub(crate) fn names(&self) -> Arc<Names> {
        self.shared.base.names.get()
    }

    pub(crate) fn steps(&self) -> watch::Receiver<Step> {
        self.shared.step.subscribe()
    }

    pub(crate) fn recent(&self) -> &RecentEdits {
        &self.shared.recent
    }

    /// The document's id.
    #[must_use]
    pub fn id(&self) -> DocumentId {
        self.shared.id()
    }

    fn circle(&self) -> Circle {
        Circle::new(Arc::clone(&self.shared.base), self.id())
    }

    /// What it is called here, else the name it was born with.
    #[must_use]
    pub fn name(&self) -> String {
        let born = self.shared.open.with(|document| document.access().name.clone());
        self.circle().name(&born)
    }

    /// Calls it something else, on this person's devices alone; nothing brings back the name it was born with.
    ///
    /// # Errors
    /// [`Error::NotAName`], and [`Error::NoShelf`] while the person's shelf has not reached this device.
    pub async fn rename_here(&self, name: impl Into<Option<&str>>) -> Result<(), Error> {
        self.circle().rename_here(name.into()).await
    }

    /// Whether this device may write it now.
    #[must_use]
    pub fn may_write(&self) -> bool {
        self.shared.open.with(katori_core::document::Document::may_write)
    }

    /// Edits the document. The edit is applied at once, whole or not at all; await the [`Commit`] to know that
    /// it is durable. Do not use this document again in `edit`: it would wait for itself.
    ///
    /// ```
    /// use katori::{ObjType, ROOT, ReadDoc, Transactable};
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let directory = tempfile::tempdir()?;
    /// # let node = katori::Node::builder(directory.path())
    /// #     .network(katori::Network::None).open_or_init().await?;
    /// let note = node.create("note").await?;
    /// let commit = note.change(|edit| {
    ///     let text = edit.put_object(ROOT, "text", ObjType::Text)?;
    ///     edit.splice_text(&text, 0, 0, "buy milk")?;
    ///     Ok(text)
    /// })?;
    /// assert_eq!(note.text("text")?, "buy milk"); // applied at once
    /// let text = commit.await?; // and now durable
    /// note.change(|edit| edit.splice_text(&text, 4, 0, "more "))?.await?;
    /// assert_eq!(note.text("text")?, "buy more milk");
    /// # node.close().await;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::ReadOnly`], [`Error::Deleted`], [`Error::TooLarge`], [`Error::NotOpen`], and what the edit itself
    /// ran into. The document is then as it was.
    pub fn change<R>(
        &self,
        edit: impl FnOnce(&mut Transaction<'_>) -> Result<R, AutomergeError>,
    ) -> Result<Commit<R>, Error> {
        self.edit(edit)
    }

    fn edit<R, E: Into<Error>>(
        &self,
        edit: impl FnOnce(&mut Transaction<'_>) -> Result<R, E>,
    ) -> Result<Commit<R>, Error> {
        let open = &self.shared.open;
        if self.shared.step.borrow().ended {
            return Err(Error::NotOpen(self.id()));
        }
        // Patches are wanted of this edit alone: what comes from elsewhere is compared when a watcher looks.
        let watched = self.shared.step.receiver_count() > 0;
        if watched {
            open.set_watched(true);
        }
        let edited = open.edit(edit);
        if watched {
            open.set_watched(false);
        }
        let (result, hash, saving, shown) = edited.map_err(Error::edit)?;
        if let Some(hash) = hash {
            self.shared.recent.note(hash, shown.unwrap_or_default().patches);
            self.shared.shown(0);
        }
        Ok(Commit::new(result, hash, saving))
    }

    pub(crate) fn adopt(&self, file: Opened) -> Result<Commit<()>, Error> {
        let saving = self.shared.open.adopt(file).map_err(Error::edit)?;
        self.shared.shown(0);
        Ok(Commit::new((), None, saving))
    }

    /// Looks at the Automerge document. Edits wait meanwhile, so be quick, and do not use this document again
    /// in `look`: it would wait for itself.
    pub fn view<R>(&self, look: impl FnOnce(&Automerge) -> R) -> R {
        self.shared.open.with(|document| look(document.automerge()))
    }

    /// The whole document as JSON: text objects as strings, counters as numbers, bytes in base64, timestamps in
    /// milliseconds since 1970.
    #[must_use]
    pub fn view_json(&self) -> serde_json::Value {
        self.view(|automerge| json::document(automerge, None))
    }

    /// The text at a path such as `notes/0/title`.
    ///
    /// # Errors
    /// [`Error::NoSuchPath`].
    pub fn text(&self, path: &str) -> Result<String, Error> {
        self.view(|automerge| path::text(automerge, path, None))
    }

    /// The whole document as a type of yours, in the form of [`view_json`](Self::view_json).
    ///
    /// # Errors
    /// [`Error::Typed`] if it does not have that shape.
    pub fn get<T: DeserializeOwned>(&self) -> Result<T, Error> {
        Ok(serde_json::from_value(self.view_json())?)
    }

    /// Makes the document equal to `value`, writing only what differs: maps key by key, lists element by
    /// element, texts where they differ, counters by the difference. What others write at the same time elsewhere
    /// in it stays.
    ///
    /// A string stays what it is, a text object or a plain value, and begins as a plain value; make a text
    /// object, for people who write in it together, with [`change`](Self::change). Keys that `value` lacks are
    /// removed.
    ///
    /// ```
    /// use std::collections::BTreeMap;
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let directory = tempfile::tempdir()?;
    /// # let node = katori::Node::builder(directory.path())
    /// #     .network(katori::Network::None).open_or_init().await?;
    /// let list = node.create("groceries").await?;
    /// list.put(&BTreeMap::from([("milk", 2), ("eggs", 6)]))?.await?;
    /// let mut amounts: BTreeMap<String, u32> = list.get()?;
    /// amounts.insert("eggs".into(), 12);
    /// list.put(&amounts)?.await?; // writes one key
    /// # assert_eq!(list.history().last().map(|edit| edit.operations), Some(1));
    /// # node.close().await;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::NotAMap`], [`Error::TooDeep`], and those of [`change`](Self::change).
    pub fn put<T: Serialize + ?Sized>(&self, value: &T) -> Result<Commit<()>, Error> {
        let value = serde_json::to_value(value)?;
        self.edit(|transaction| typed::reconcile(transaction, &value))
    }

    /// Watches what happens to the document from now on, here and elsewhere.
    ///
    /// ```
    /// use katori::{Origin, ROOT, Role, Transactable};
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (directory, other) = (tempfile::tempdir()?, tempfile::tempdir()?);
    /// # let open = |directory: &tempfile::TempDir, name| katori::Node::builder(directory.path())
    /// #     .person_name(name).network(katori::Network::Offline)
    /// #     .bind(([127, 0, 0, 1], 0).into()).open_or_init();
    /// # let (ana, ben) = (open(&directory, "Ana").await?, open(&other, "Ben").await?);
    /// let list = ana.create("groceries").await?;
    /// let mut changes = list.watch();
    /// list.change(|edit| edit.put(ROOT, "milk", 2))?;
    /// let change = changes.next().await.ok_or("closed")?;
    /// assert_eq!((change.origin, change.patches.len()), (Origin::Local, 1));
    ///
    /// let his = ben.join(&list.invite(Role::Write).await?).await?;
    /// his.change(|edit| edit.put(ROOT, "eggs", 6))?;
    /// let change = changes.next().await.ok_or("closed")?;
    /// let Origin::Remote { who } = change.origin else { return Err("not from elsewhere".into()) };
    /// assert_eq!(who[0].person_name, "Ben");
    /// # ana.close().await;
    /// # ben.close().await;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn watch(&self) -> Changes {
        Changes::new(self.clone())
    }

    /// The document with its whole history, as a native `.automerge` file.
    #[must_use]
    pub fn save(&self) -> Vec<u8> {
        self.view(Automerge::save)
    }

    /// Names devices, each looked up once.
    fn namer(&self) -> impl FnMut(katori_acl::DeviceId) -> Who {
        let names = self.names();
        let mut known = BTreeMap::new();
        move |device| known.entry(device).or_insert_with(|| names.device(device)).clone()
    }
}
