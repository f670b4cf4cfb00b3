//! Showing and editing what is in a document.

use katori::Doc;
use katori::automerge::transaction::Transaction;
use katori::automerge::{AutomergeError, ChangeHash};
use serde_json::Value as Json;

use super::Executor;
use crate::edit::{self, EditRefused};
use crate::failure::Failure;
use crate::path::Path;
use crate::report::{ContentReport, EditedReport};
use crate::request::TextEdit;
use crate::response::Response;

impl Executor {
    pub(super) async fn cat(&self, document: &str, path: &Path, at: &[String]) -> Result<Response, Failure> {
        let doc = self.node.doc(document).await?;
        let (heads, whole) = if at.is_empty() {
            (doc.heads(), doc.view_json())
        } else {
            let heads = parse_heads(at)?;
            let view = doc.at(&heads)?;
            (heads, view.json())
        };
        let value = value_at(&whole, path)
            .ok_or_else(|| Failure::not_found(format!("there is nothing at `{path}` in {}", doc.name())))?;
        Ok(Response::Content(ContentReport {
            id: doc.id().to_string(),
            name: doc.name(),
            heads: texts(&heads),
            value: value.clone(),
        }))
    }

    pub(super) async fn set(&self, document: &str, path: &Path, value: &str) -> Result<Response, Failure> {
        let value = edit::parse_value(value);
        self.edit(document, |transaction| edit::set(transaction, path, &value)).await
    }

    pub(super) async fn unset(&self, document: &str, path: &Path) -> Result<Response, Failure> {
        self.edit(document, |transaction| edit::unset(transaction, path)).await
    }

    pub(super) async fn text(
        &self,
        document: &str,
        path: &Path,
        step: &TextEdit,
    ) -> Result<Response, Failure> {
        self.edit(document, |transaction| edit::text(transaction, path, step)).await
    }

    /// Edits a document and waits until the edit is durable.
    async fn edit(
        &self,
        document: &str,
        edit: impl FnOnce(&mut Transaction<'_>) -> Result<Result<(), EditRefused>, AutomergeError>,
    ) -> Result<Response, Failure> {
        let doc = self.node.doc(document).await?;
        let commit = doc.change(edit)?;
        let hash = commit.hash();
        commit.await?.map_err(EditRefused::into_failure)?;
        Ok(Response::Edited(edited(&doc, hash)))
    }
}

fn edited(doc: &Doc, hash: Option<ChangeHash>) -> EditedReport {
    EditedReport { hash: hash.map(|hash| hash.to_string()), heads: texts(&doc.heads()) }
}

impl EditRefused {
    fn into_failure(self) -> Failure {
        let message = format!("{self}; nothing was changed");
        match self {
            Self::Nothing(_) => Failure::not_found(message),
            Self::Root
            | Self::NoPosition(_)
            | Self::Outside { .. }
            | Self::NoContainer(_)
            | Self::IsText(_)
            | Self::NotText(_) => Failure::failed(message),
        }
    }
}

/// What lies at a path.
pub(super) fn value_at<'a>(whole: &'a Json, path: &Path) -> Option<&'a Json> {
    path.steps().iter().try_fold(whole, |value, step| match value {
        Json::Object(fields) => fields.get(step),
        Json::Array(items) => items.get(step.parse::<usize>().ok()?),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => None,
    })
}

pub(super) fn texts(hashes: &[ChangeHash]) -> Vec<String> {
    hashes.iter().map(ToString::to_string).collect()
}

fn parse_heads(texts: &[String]) -> Result<Vec<ChangeHash>, Failure> {
    let parse = |text: &String| {
        text.parse()
            .map_err(|_| Failure::usage(format!("`{text}` is no head: 64 hexadecimal digits were expected")))
    };
    texts.iter().map(parse).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_path_leads_through_maps_and_lists() {
        let whole = json!({ "groceries": [{ "name": "milk" }], "0": "key" });
        let at = |path: &str| value_at(&whole, &path.parse().unwrap()).cloned();
        assert_eq!(at("groceries/0/name"), Some(json!("milk")));
        assert_eq!(at("0"), Some(json!("key")));
        assert_eq!(at(""), Some(whole.clone()));
        assert_eq!(at("groceries/1"), None);
        assert_eq!(at("groceries/0/name/x"), None);
    }

    #[test]
    fn heads_are_whole_hashes() {
        assert!(parse_heads(&["ab".repeat(32)]).is_ok());
        assert!(parse_heads(&["ab".to_owned()]).is_err());
    }
}
