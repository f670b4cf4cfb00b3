//! Documents as a whole: making, listing, deleting.

use katori::{Doc, DocInfo, Standing};

use super::Executor;
use super::people::who;
use crate::failure::Failure;
use crate::report::DocumentReport;
use crate::response::Response;

impl Executor {
    pub(super) async fn new_document(&self, name: &str) -> Result<Response, Failure> {
        let doc = self.node.create(name).await?;
        self.document(&doc).await
    }

    pub(super) async fn list(&self) -> Result<Response, Failure> {
        let documents = self.node.docs().await?;
        Ok(Response::Documents(documents.iter().map(report).collect()))
    }

    pub(super) async fn accept(&self, document: &str) -> Result<Response, Failure> {
        let id = self.any_document(document).await?.id;
        let doc = self.node.accept(id).await?;
        self.document(&doc).await
    }

    pub(super) async fn delete(&self, document: &str) -> Result<Response, Failure> {
        let found = self.any_document(document).await?;
        self.node.delete(found.id).await?;
        Ok(Response::Done(format!("deleted {} for everybody", found.name)))
    }

    pub(super) async fn forget(&self, document: &str) -> Result<Response, Failure> {
        let found = self.any_document(document).await?;
        self.node.forget(found.id).await?;
        Ok(Response::Done(format!("forgot {} on this device", found.name)))
    }

    /// A document that is open, as it is reported.
    pub(super) async fn document(&self, doc: &Doc) -> Result<Response, Failure> {
        let documents = self.node.docs().await?;
        let found = documents.iter().find(|document| document.id == doc.id());
        found
            .map(|document| Response::Document(report(document)))
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

/// Letters of an id that are enough to name a document.
const MIN_ID_LETTERS: usize = 4;

fn is_called(document: &DocInfo, name_or_id: &str) -> bool {
    document.standing != Standing::Deleted && document.name == name_or_id
        || (name_or_id.len() >= MIN_ID_LETTERS && document.id.to_string().starts_with(name_or_id))
}

fn report(document: &DocInfo) -> DocumentReport {
    DocumentReport {
        id: document.id.to_string(),
        name: document.name.clone(),
        standing: format!("{:?}", document.standing).to_lowercase(),
        role: document.role.map(|role| role.to_string()),
        owner: who(&document.owner),
        changes: document.changes,
        held: document.held,
    }
}
