//! Patches as data and in a line.

use katori::automerge::{Patch, PatchAction, Prop, Value};
use katori::scalar_json;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

/// Letters of a value in a line.
const MAX_SHOWN: usize = 80;

/// One thing that changed in what a document shows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PatchReport {
    /// `put`, `insert`, `splice`, `delete`, `increment`, `conflict` or `mark`.
    pub action: String,
    /// Where: keys and positions, from the root down.
    pub path: Vec<Json>,
    /// What was put or spliced in, a list of what was inserted, or by how much a counter grew. An object is
    /// empty here: patches that follow fill it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Json>,
    /// How many were deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length: Option<u64>,
    /// Whether others wrote there at the same time.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub conflict: bool,
}

impl PatchReport {
    /// What Automerge tells.
    #[must_use]
    pub fn new(patch: &Patch) -> Self {
        let (action, last, value) = match &patch.action {
            PatchAction::PutMap { key, value, .. } => ("put", Some(json!(key)), Some(plain(&value.0))),
            PatchAction::PutSeq { index, value, .. } => ("put", Some(json!(index)), Some(plain(&value.0))),
            PatchAction::Insert { index, values } => {
                let values = values.iter().map(|(value, ..)| plain(value)).collect();
                ("insert", Some(json!(index)), Some(Json::Array(values)))
            }
            PatchAction::SpliceText { index, value, .. } => {
                ("splice", Some(json!(index)), Some(Json::String(value.make_string())))
            }
            PatchAction::Increment { prop, value } => ("increment", Some(step(prop)), Some(json!(value))),
            PatchAction::Conflict { prop } => ("conflict", Some(step(prop)), None),
            PatchAction::DeleteMap { key } => ("delete", Some(json!(key)), None),
            PatchAction::DeleteSeq { index, .. } => ("delete", Some(json!(index)), None),
            PatchAction::Mark { .. } => ("mark", None, None),
        };
        let length =
            if let PatchAction::DeleteSeq { length, .. } = patch.action { Some(length as u64) } else { None };
        let conflict = matches!(
            patch.action,
            PatchAction::PutMap { conflict: true, .. } | PatchAction::PutSeq { conflict: true, .. }
        );
        let above = patch.path.iter().map(|(_, prop)| step(prop));
        Self { action: action.to_owned(), path: above.chain(last).collect(), value, length, conflict }
    }

    /// In a line, as in `items/milk = 2` or `story: inserted "rice" at 4`.
    pub(crate) fn line(&self) -> String {
        let place = path_text(&self.path);
        let (at, above) = self.path.split_last().map_or((String::new(), String::new()), |(last, above)| {
            (path_text(std::slice::from_ref(last)), path_text(above))
        });
        let value = self.value.as_ref().map(|value| clipped(&value.to_string())).unwrap_or_default();
        match (self.action.as_str(), self.length) {
            ("put", _) if self.conflict => format!("{place} = {value}, and others wrote there too"),
            ("put", _) => format!("{place} = {value}"),
            ("insert" | "splice", _) => format!("{above}: inserted {value} at {at}"),
            ("increment", _) => format!("{place} += {value}"),
            ("conflict", _) => format!("{place}: others wrote there too"),
            ("delete", Some(length)) => format!("{above}: removed {length} at {at}"),
            ("delete", None) => format!("{place} removed"),
            (other, _) => format!("{place}: {other}"),
        }
    }
}

/// A step of a path, as data.
pub(crate) fn step(prop: &Prop) -> Json {
    match prop {
        Prop::Map(key) => json!(key),
        Prop::Seq(index) => json!(index),
    }
}

/// A path of steps as it is written on a command line.
pub(crate) fn path_text(path: &[Json]) -> String {
    let step = |step: &Json| match step.as_str() {
        Some(key) => key.replace('~', "~0").replace('/', "~1"),
        None => step.to_string(),
    };
    path.iter().map(step).collect::<Vec<_>>().join("/")
}

/// The beginning of a long text.
pub(crate) fn clipped(text: &str) -> String {
    if text.chars().count() <= MAX_SHOWN {
        return text.to_owned();
    }
    let begin: String = text.chars().take(MAX_SHOWN).collect();
    format!("{begin}...")
}

fn plain(value: &Value<'_>) -> Json {
    use katori::ObjType;
    match value {
        Value::Scalar(scalar) => scalar_json(scalar),
        Value::Object(ObjType::Map | ObjType::Table) => json!({}),
        Value::Object(ObjType::List) => json!([]),
        Value::Object(ObjType::Text) => json!(""),
    }
}

#[cfg(test)]
mod tests {
    use katori::automerge::AutoCommit;
    use katori::{ObjType, ROOT, Transactable};

    use super::*;

    #[test]
    fn patches_are_data_and_lines() {
        let mut document = AutoCommit::new();
        document.update_diff_cursor();
        document.put(ROOT, "size", 1.234_567_890_123_456_8e29).unwrap();
        let list = document.put_object(ROOT, "list", ObjType::List).unwrap();
        document.insert(&list, 0, 1.5).unwrap();
        document.insert(&list, 1, "b/c").unwrap();
        let patches = document.diff_incremental();
        let reports: Vec<PatchReport> = patches.iter().map(PatchReport::new).collect();
        let lines: Vec<String> = reports.iter().map(PatchReport::line).collect();
        assert!(lines.contains(&"size = 1.2345678901234568e+29".to_owned()), "{lines:?}");
        assert!(lines.contains(&"list: inserted [1.5,\"b/c\"] at 0".to_owned()), "{lines:?}");
        let insert = reports.iter().find(|report| report.action == "insert").unwrap();
        assert_eq!(
            serde_json::to_value(insert).unwrap(),
            json!({ "action": "insert", "path": ["list", 0], "value": [1.5, "b/c"] })
        );
        document.delete(&list, 0).unwrap();
        let reports: Vec<PatchReport> = document.diff_incremental().iter().map(PatchReport::new).collect();
        assert_eq!(reports[0].line(), "list: removed 1 at 0");
        assert_eq!(path_text(&[json!("a/b"), json!(3)]), "a~1b/3");
    }
}
