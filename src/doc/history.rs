//! The history of a document, and the document as it was.

use automerge::{Automerge, ChangeHash, Patch};
use katori_acl::PersonId;
use serde::de::DeserializeOwned;

use super::Doc;
use crate::error::Error;
use crate::who::Who;
use crate::{json, path};

/// A change that is in the document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// The change.
    pub hash: ChangeHash,
    /// Who wrote it, where a signature proves it; nobody for what was imported.
    pub who: Option<Who>,
    /// Who may write now and stands behind it.
    pub vouched_by: Vec<Who>,
    /// When, in seconds since 1970 by its author's clock.
    pub time: i64,
    /// How many operations it has.
    pub operations: u64,
    /// What it builds on.
    pub deps: Vec<ChangeHash>,
    /// The change on the losing branch of a fork that it applies again, by its own word.
    pub reapplies: Option<ChangeHash>,
}

/// The document as it was at some heads, to be read.
#[derive(Debug, Clone)]
pub struct View {
    doc: Doc,
    heads: Vec<ChangeHash>,
}

impl Doc {
    /// The heads of what is shown: they name this state of the document.
    #[must_use]
    pub fn heads(&self) -> Vec<ChangeHash> {
        self.open().with(katori_core::document::Document::heads)
    }

    /// All changes that are shown, each after those it builds on.
    #[must_use]
    pub fn history(&self) -> Vec<Edit> {
        let mut who = self.namer();
        self.open().with(|document| {
            let edits = document.history().map(|entry| Edit {
                hash: entry.hash,
                who: entry.author.map(&mut who),
                vouched_by: entry.vouched_by.iter().map(|(device, _)| who(*device)).collect(),
                time: entry.time,
                operations: entry.operations,
                deps: entry.dependencies,
                reapplies: entry.reapplies,
            });
            edits.collect()
        })
    }

    /// The document as it was at these heads.
    ///
    /// # Errors
    /// [`Error::UnknownHeads`].
    pub fn at(&self, heads: &[ChangeHash]) -> Result<View, Error> {
        self.view(|automerge| require(automerge, heads))?;
        Ok(View { doc: self.clone(), heads: heads.to_vec() })
    }

    /// What leads from one state of the document to another.
    ///
    /// # Errors
    /// [`Error::UnknownHeads`].
    pub fn diff(&self, before: &[ChangeHash], after: &[ChangeHash]) -> Result<Vec<Patch>, Error> {
        self.view(|automerge| {
            require(automerge, before)?;
            require(automerge, after)?;
            Ok(automerge.diff(before, after))
        })
    }

    /// Whether some device of this person, other than this one, has said that it made everything durable that
    /// is stored here. It is its word, never a guess.
    pub async fn synced_with(&self, person: PersonId) -> Result<bool, Error> {
        let id = self.id();
        let heads = self.open().with(katori_core::document::Document::stored_heads);
        let synced = self.hub().ask(move |engine| {
            let me = engine.me().device();
            let Some(roster) = engine.registry().roster(person) else { return false };
            roster.devices.keys().filter(|device| **device != me).any(|device| {
                let receipt = engine.receipt(id, *device);
                receipt.is_some_and(|receipt| heads.iter().all(|head| receipt.contains(head)))
            })
        });
        Ok(synced.await?)
    }
}

impl View {
    /// The heads it is at.
    #[must_use]
    pub fn heads(&self) -> &[ChangeHash] {
        &self.heads
    }

    /// Looks at the Automerge document; read it by the `_at` methods, with these heads.
    pub fn read<R>(&self, look: impl FnOnce(&Automerge, &[ChangeHash]) -> R) -> R {
        self.doc.view(|automerge| look(automerge, &self.heads))
    }

    /// The whole document as JSON, in the form of [`Doc::view_json`].
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        self.read(|automerge, heads| json::document(automerge, Some(heads)))
    }

    /// The text at a path such as `notes/0/title`.
    ///
    /// # Errors
    /// [`Error::NoSuchPath`].
    pub fn text(&self, path: &str) -> Result<String, Error> {
        self.read(|automerge, heads| path::text(automerge, path, Some(heads)))
    }

    /// The whole document as a type of yours.
    ///
    /// # Errors
    /// [`Error::Typed`] if it did not have that shape.
    pub fn get<T: DeserializeOwned>(&self) -> Result<T, Error> {
        Ok(serde_json::from_value(self.json())?)
    }
}

fn require(automerge: &Automerge, heads: &[ChangeHash]) -> Result<(), Error> {
    let unknown = heads.iter().find(|head| automerge.get_change_meta_by_hash(head).is_none());
    unknown.map_or(Ok(()), |head| Err(Error::UnknownHeads(*head)))
}
