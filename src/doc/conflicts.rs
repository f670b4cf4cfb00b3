//! Places where several values were written at the same time.

use std::collections::VecDeque;

use automerge::{Automerge, ChangeHash, ObjId, ObjType, Prop, ROOT, ReadDoc, Value};
use katori_core::document::Document;

use super::Doc;
use crate::error::Error;
use crate::who::{Names, Who};
use crate::{json, path};

/// Places that are looked for at once: somebody else's document may have as many as it likes, and nobody settles
/// a thousand by hand.
pub const MAX_CONFLICTS: usize = 1_000;

/// One of the values that were written at the same time in one place.
#[derive(Debug, Clone, PartialEq)]
pub struct Conflict {
    /// The value.
    pub value: serde_json::Value,
    /// Who wrote it; nobody for what was imported.
    pub who: Option<Who>,
    /// The change that wrote it.
    pub change: Option<ChangeHash>,
}

/// A place where several values were written at the same time.
#[derive(Debug, Clone, PartialEq)]
pub struct ConflictedPlace {
    /// Keys and positions, from the root down.
    pub path: Vec<Prop>,
    /// The values; the one that is shown comes last.
    pub values: Vec<Conflict>,
}

impl Doc {
    /// All values that were written at the same time at a path, with who wrote each; the one that is shown
    /// comes last. One value is no conflict.
    ///
    /// # Errors
    /// [`Error::NoSuchPath`].
    pub fn conflicts(&self, path: &str) -> Result<Vec<Conflict>, Error> {
        let names = self.names();
        self.open().with(|document| {
            let (object, prop) = path::place(document.automerge(), path, None)?;
            values(document, &names, &object, prop)
        })
    }

    /// All places that are shown and hold several values, the outer ones first, up to [`MAX_CONFLICTS`] of them.
    ///
    /// # Errors
    /// [`Error::Automerge`] if Automerge cannot read its own document.
    pub fn all_conflicts(&self) -> Result<Vec<ConflictedPlace>, Error> {
        let names = self.names();
        self.open().with(|document| {
            let automerge = document.automerge();
            let mut found = Vec::new();
            let mut unseen = VecDeque::from([(ROOT, ObjType::Map, Vec::new())]);
            while let Some((object, kind, path)) = unseen.pop_front() {
                for entry in entries(automerge, &object, kind) {
                    let mut path = path.clone();
                    path.push(entry.prop.clone());
                    if entry.conflict {
                        let values = values(document, &names, &object, entry.prop)?;
                        found.push(ConflictedPlace { path: path.clone(), values });
                        if found.len() == MAX_CONFLICTS {
                            return Ok(found);
                        }
                    }
                    if let Some((below, kind)) = entry.below
                        && path.len() < json::MAX_DEPTH
                    {
                        unseen.push_back((below, kind, path));
                    }
                }
            }
            Ok(found)
        })
    }
}

/// Something directly inside a map or list.
struct Entry {
    prop: Prop,
    conflict: bool,
    below: Option<(ObjId, ObjType)>,
}

impl Entry {
    fn new(prop: Prop, conflict: bool, value: &Value<'_>, id: ObjId) -> Self {
        let below = if let Value::Object(kind) = value { Some((id, *kind)) } else { None };
        Self { prop, conflict, below }
    }
}

fn entries(automerge: &Automerge, object: &ObjId, kind: ObjType) -> Vec<Entry> {
    match kind {
        ObjType::Map | ObjType::Table => automerge
            .map_range(object, ..)
            .map(|entry| {
                let (prop, id) = (Prop::Map(entry.key.to_string()), entry.id());
                Entry::new(prop, entry.conflict, &entry.value.into_value(), id)
            })
            .collect(),
        ObjType::List => automerge
            .list_range(object, ..)
            .map(|entry| {
                let id = entry.id();
                Entry::new(Prop::Seq(entry.index), entry.conflict, &entry.value.into_value(), id)
            })
            .collect(),
        ObjType::Text => Vec::new(),
    }
}

fn values(document: &Document, names: &Names, object: &ObjId, prop: Prop) -> Result<Vec<Conflict>, Error> {
    let automerge = document.automerge();
    let conflict = |(value, id): (Value<'_>, ObjId)| {
        let change = automerge.hash_for_opid(&id);
        let author = change.and_then(|change| document.author(&change));
        Conflict {
            value: json::value(automerge, &value, &id, None, json::MAX_DEPTH),
            who: author.map(|device| names.device(device)),
            change,
        }
    };
    Ok(automerge.get_all(object, prop)?.into_iter().map(conflict).collect())
}
