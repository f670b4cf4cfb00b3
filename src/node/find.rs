//! Finding documents and people by what a person would type.

use katori_acl::{PersonId, ResourceKind};
use katori_core::document::Summary;
use katori_core::engine::{Engine, Standing};

use super::{DocInfo, Node};
use crate::consequences::name_of;
use crate::doc::{Doc, DocumentId};
use crate::error::Error;
use crate::who::{Names, Who};

/// Characters of an id that may stand for it: fewer name too many by chance.
pub const MIN_PREFIX: usize = 4;

impl Node {
    /// All documents known here, by name: those held, offered, put away, and deleted by their owner.
    pub async fn docs(&self) -> Result<Vec<DocInfo>, Error> {
        self.inner.base.ask(list).await
    }

    /// Opens a document by its name, its id, or the first few characters of it.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Ambiguous`] with all that answer to it, and [`Error::NotAccepted`].
    pub async fn doc(&self, name_or_id: &str) -> Result<Doc, Error> {
        let docs = self.docs().await?;
        // One that this person lost its role in stays readable.
        let held = docs.iter().filter(|doc| doc.standing.has_content());
        match pick("document", name_or_id, held.map(|doc| (doc.id, doc.name.clone()))) {
            Ok(id) => self.inner.document(id).await,
            Err(error @ Error::NotFound { .. }) => {
                let offered = docs.iter().filter(|doc| doc.standing == Standing::Offered);
                let offered = pick("document", name_or_id, offered.map(|doc| (doc.id, doc.name.clone())));
                Err(offered.map_or(error, Error::NotAccepted))
            }
            Err(error) => Err(error),
        }
    }

    /// The persons known here, this one included. See [`contacts`](Self::contacts) for more about each.
    pub async fn people(&self) -> Result<Vec<Who>, Error> {
        self.inner.base.ask(|_, names| names.people().collect()).await
    }

    /// A person or group by its name, its id, or the first few characters of it.
    ///
    /// # Errors
    /// [`Error::NotFound`], or [`Error::Ambiguous`] with all that answer to it.
    pub async fn person(&self, name_or_id: &str) -> Result<PersonId, Error> {
        let everybody =
            self.inner.base.ask(|_, names| names.people().chain(names.groups()).collect::<Vec<Who>>());
        let known = everybody.await?.into_iter().filter_map(|who| Some((who.person?, who.person_name)));
        pick("person", name_or_id, known)
    }
}

fn list(engine: &Engine, names: &Names) -> Vec<DocInfo> {
    let documents = engine.documents().filter(|(_, standing, _)| *standing != Standing::Unknown);
    let mut docs: Vec<DocInfo> = documents
        .filter(|(id, ..)| engine.registry().kind_of(*id) == Some(ResourceKind::Document))
        .filter_map(|(id, standing, summary)| document_info(engine, names, id, standing, &summary.glance()))
        .collect();
    docs.sort_by(|one, other| (&one.name, one.id).cmp(&(&other.name, other.id)));
    docs
}

pub(crate) fn document_info(
    engine: &Engine,
    names: &Names,
    id: DocumentId,
    standing: Standing,
    summary: &Summary,
) -> Option<DocInfo> {
    let access = engine.access(id)?;
    Some(DocInfo {
        id,
        name: name_of(engine, names, id),
        space: access.space,
        standing,
        owner: names.person(access.owner),
        role: access.role_of_device(&engine.me().device()),
        changes: summary.changes,
        held: summary.held,
    })
}

/// The one of these that has this id or name, or whose id begins so. An exact name goes before a beginning.
pub(crate) fn pick<I: Copy + ToString + PartialEq>(
    what: &'static str,
    name: &str,
    all: impl Iterator<Item = (I, String)>,
) -> Result<I, Error> {
    let all: Vec<(I, String, String)> = all.map(|(id, called)| (id, id.to_string(), called)).collect();
    let wanted = name.to_ascii_lowercase();
    if let Some((id, ..)) = all.iter().find(|(_, text, _)| *text == wanted) {
        return Ok(*id);
    }
    let mut found: Vec<_> = all.iter().filter(|(_, _, called)| *called == name).collect();
    if found.is_empty() && name.len() >= MIN_PREFIX {
        found = all.iter().filter(|(_, text, _)| text.starts_with(&wanted)).collect();
    }
    match found.as_slice() {
        [] => Err(Error::NotFound { what, name: name.to_owned() }),
        [(id, ..)] => Ok(*id),
        several => Err(Error::Ambiguous {
            what,
            name: name.to_owned(),
            candidates: several
                .iter()
                .map(|(_, text, called)| format!("{called} ({})", text.get(..8).unwrap_or(text)))
                .collect(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    fn id(first: u8) -> DocumentId {
        let mut bytes = [0; 32];
        bytes[0] = first;
        DocumentId::from_bytes(bytes)
    }

    #[test]
    fn names_go_before_beginnings_of_ids() {
        let prefix: String = id(1).to_string().chars().take(MIN_PREFIX).collect();
        let docs = [(id(1), "milk".to_owned()), (id(2), prefix.clone())];
        let pick = |name: &str| pick("document", name, docs.clone().into_iter());
        assert_eq!(pick("milk").unwrap(), id(1));
        assert_eq!(pick(&prefix).unwrap(), id(2));
        assert_eq!(pick(&id(1).to_string()).unwrap(), id(1));
        assert_eq!(pick(&id(1).to_string()[..6].to_uppercase()).unwrap(), id(1));
        assert!(matches!(pick("mil"), Err(Error::NotFound { .. })));
        assert!(matches!(pick(""), Err(Error::NotFound { .. })));
    }

    #[test]
    fn an_ambiguous_name_lists_all() {
        let docs =
            [(id(1), "milk"), (id(2), "milk"), (id(3), "eggs")].map(|(id, name)| (id, name.to_owned()));
        let Err(Error::Ambiguous { candidates, .. }) = pick("document", "milk", docs.into_iter()) else {
            panic!("`milk` is ambiguous");
        };
        assert_eq!(candidates.len(), 2);
        assert!(candidates.iter().all(|candidate| candidate.starts_with("milk (")));
    }
}
