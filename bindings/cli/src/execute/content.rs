//! Showing and editing what is in a document.

use katori::automerge::transaction::Transaction;
use katori::automerge::{AutomergeError, ChangeHash};
use katori::{ConflictedPlace, Doc};
use serde_json::Value as Json;

use super::Executor;
use super::names::who;
use crate::edit::{self, EditRefused};
use crate::failure::Failure;
use crate::patch::step;
use crate::path::Path;
use crate::report::{ConflictReport, ConflictingReport, ContentReport, EditedReport};
use crate::request::TextEdit;
use crate::response::Response;

impl Executor {
    pub(super) async fn cat(&self, document: &str, path: &Path, at: &[String]) -> Result<Response, Failure> {
        let doc = self.node.doc(document).await?;
        let (heads, whole) = if at.is_empty() {
            (doc.heads(), doc.view_json())
        } else {
            let heads = find_heads(&doc, at)?;
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
            conflicts: if at.is_empty() { conflicts(&doc, path)? } else { Vec::new() },
        }))
    }

    pub(super) async fn conflicts(&self, document: &str, path: &Path) -> Result<Response, Failure> {
        Ok(Response::Conflicts(conflicts(&self.node.doc(document).await?, path)?))
    }

    pub(super) async fn set(&self, document: &str, path: &Path, value: &str) -> Result<Response, Failure> {
        let value = edit::parse_value(value)?;
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

/// The places at or under a path that were written at once.
fn conflicts(doc: &Doc, path: &Path) -> Result<Vec<ConflictReport>, Failure> {
    let mut places = doc.all_conflicts()?;
    places.retain(|place| {
        let steps = path.steps();
        place.path.len() >= steps.len()
            && place.path.iter().zip(steps).all(|(prop, step)| prop.to_string() == *step)
    });
    let report = |place: ConflictedPlace| {
        let values = place.values.into_iter().rev().enumerate().map(|(index, conflict)| ConflictingReport {
            value: conflict.value,
            who: conflict.who.as_ref().map(who),
            change: conflict.change.map(|change| change.to_string()),
            shown: index == 0,
        });
        ConflictReport { path: place.path.iter().map(step).collect(), values: values.collect() }
    };
    Ok(places.into_iter().map(report).collect())
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

/// Hexadecimal digits that may stand for a hash: fewer name too many by chance.
const MIN_HASH_DIGITS: usize = 6;

/// The changes that were meant, by their hashes or the beginnings that `log` shows.
fn find_heads(doc: &Doc, texts: &[String]) -> Result<Vec<ChangeHash>, Failure> {
    let all: Vec<ChangeHash> =
        doc.view(|automerge| automerge.get_changes_meta(&[]).into_iter().map(|change| change.hash).collect());
    texts.iter().map(|text| find_change(&all, text)).collect()
}

/// One of these changes, by its hash or the beginning of it.
pub(super) fn find_change(all: &[ChangeHash], text: &str) -> Result<ChangeHash, Failure> {
    if let Ok(whole) = text.parse() {
        return Ok(whole);
    }
    if text.len() < MIN_HASH_DIGITS || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Err(Failure::usage(format!(
            "`{text}` is no hash: at least {MIN_HASH_DIGITS} hexadecimal digits were expected, see `katori log`"
        )));
    }
    let wanted = text.to_ascii_lowercase();
    let mut fitting = all.iter().filter(|hash| hash.to_string().starts_with(&wanted));
    match (fitting.next(), fitting.next()) {
        (Some(hash), None) => Ok(*hash),
        (Some(_), Some(_)) => Err(Failure::usage(format!("more than one change begins with `{text}`"))),
        (None, _) => {
            Err(Failure::not_found(format!("no change here begins with `{text}`; see `katori log`")))
        }
    }
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
    fn heads_are_hashes_or_their_beginnings() {
        let all = [ChangeHash([0xaa; 32]), ChangeHash([0xab; 32])];
        assert_eq!(
            find_change(&all, &"cd".repeat(32)),
            Ok(ChangeHash([0xcd; 32])),
            "whether it is known shows later"
        );
        assert_eq!(find_change(&all, "ABABAB"), Ok(all[1]));
        let code = |text: &str| find_change(&all, text).unwrap_err().code.exit_code();
        assert_eq!((code("ababa"), code("nonsense"), code("cdcdcd")), (2, 2, 3));
        assert!(find_change(&[all[0], all[0]], "aaaaaa").is_err());
    }
}
