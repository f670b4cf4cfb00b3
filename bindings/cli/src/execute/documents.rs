//! Documents as a whole: making, listing, deleting.

use katori::{Doc, DocInfo, MAX_NAME_BYTES, Standing, Who};

use super::Executor;
use super::people::told_apart;
use crate::failure::Failure;
use crate::report::DocumentReport;
use crate::response::Response;

impl Executor {
    pub(super) async fn new_document(&self, name: &str) -> Result<Response, Failure> {
        check_name(name)?;
        let doc = self.node.create(name).await?;
        self.document(&doc).await
    }

    pub(super) async fn list(&self, all: bool) -> Result<Response, Failure> {
        let mut documents = self.node.docs().await?;
        documents
            .retain(|document| all || !matches!(document.standing, Standing::Forgotten | Standing::Deleted));
        let people = self.node.people().await?;
        Ok(Response::Documents(documents.iter().map(|document| report(document, &people)).collect()))
    }

    pub(super) async fn accept(&self, document: &str) -> Result<Response, Failure> {
        let id = self.any_document(document).await?.id;
        let doc = self.node.accept(id).await?;
        self.document(&doc).await
    }

    pub(super) async fn delete(&self, document: &str, yes: bool) -> Result<Response, Failure> {
        let found = self.any_document(document).await?;
        if !yes {
            return Err(Failure::usage(format!(
                "{} would be gone for everybody and for ever; nothing was deleted: say --yes if that is meant",
                found.name
            )));
        }
        self.node.delete(found.id).await?;
        Ok(Response::Done(format!("deleted {} for everybody", found.name)))
    }

    pub(super) async fn forget(&self, document: &str, yes: bool) -> Result<Response, Failure> {
        let found = self.any_document(document).await?;
        if !yes && !self.is_elsewhere(&found).await? {
            return Err(Failure::usage(format!(
                "no other device is known to have all of {}; it was not put away: say --yes if that is meant",
                found.name
            )));
        }
        self.node.forget(found.id).await?;
        Ok(Response::Done(format!("forgot {} on this device", found.name)))
    }

    /// Whether nothing here would be missed: some other device has said that it has all of it.
    async fn is_elsewhere(&self, document: &DocInfo) -> Result<bool, Failure> {
        if !document.standing.has_content() || document.changes == 0 {
            return Ok(true);
        }
        let doc = self.node.doc(&document.id.to_string()).await?;
        for member in doc.members().await? {
            if let Some(person) = member.who.person
                && doc.synced_with(person).await?
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// A document that is open, as it is reported.
    pub(super) async fn document(&self, doc: &Doc) -> Result<Response, Failure> {
        let documents = self.node.docs().await?;
        let people = self.node.people().await?;
        let found = documents.iter().find(|document| document.id == doc.id());
        found
            .map(|document| Response::Document(report(document, &people)))
            .ok_or_else(|| Failure::not_found(format!("document {} is gone again", doc.name())))
    }

    /// A document in whatever standing, by id, beginning of the id, or name.
    async fn any_document(&self, name_or_id: &str) -> Result<DocInfo, Failure> {
        let documents = self.node.docs().await?;
        let mut found: Vec<DocInfo> =
            documents.into_iter().filter(|document| is_called(document, name_or_id)).collect();
        match (found.pop(), found.len()) {
            (Some(document), 0) => Ok(document),
            (Some(_), others) => Err(Failure::not_found(format!(
                "{} documents are called `{name_or_id}`; say which by its id, see `katori ls --json`",
                others + 1
            ))),
            (None, _) => {
                Err(Failure::not_found(format!("no document `{name_or_id}` is known here; see `katori ls`")))
            }
        }
    }
}

/// Refuses what cannot be a name, in words that help.
pub(crate) fn check_name(name: &str) -> Result<(), Failure> {
    let wrong = if name.trim().is_empty() {
        "a name is needed".to_owned()
    } else if name.len() > MAX_NAME_BYTES {
        format!("the name has {} bytes, and at most {MAX_NAME_BYTES} fit", name.len())
    } else if name.chars().any(char::is_control) {
        "a name is one line without control characters".to_owned()
    } else {
        return Ok(());
    };
    Err(Failure::usage(format!("{wrong}; nothing was made: choose another")))
}

/// Letters of an id that are enough to name a document.
const MIN_ID_LETTERS: usize = 4;

fn is_called(document: &DocInfo, name_or_id: &str) -> bool {
    document.standing != Standing::Deleted && document.name == name_or_id
        || (name_or_id.len() >= MIN_ID_LETTERS && document.id.to_string().starts_with(name_or_id))
}

fn report(document: &DocInfo, people: &[Who]) -> DocumentReport {
    DocumentReport {
        id: document.id.to_string(),
        name: document.name.clone(),
        standing: format!("{:?}", document.standing).to_lowercase(),
        role: document.role.map(|role| role.to_string()),
        owner: told_apart(&document.owner, people),
        changes: document.changes,
        held: document.held,
    }
}
