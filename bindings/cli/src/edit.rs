//! Edits of a document by path, inside one Automerge transaction.
//!
//! Everything that can be wrong with a path or position is found before the first write, so an edit that is
//! refused has changed nothing.

use katori::automerge::transaction::{Transactable, Transaction};
use katori::automerge::{AutomergeError, ObjId, ObjType, Prop, ROOT, ReadDoc, ScalarValue, Value};
use serde_json::Value as Json;
use thiserror::Error;

use crate::failure::Failure;
use crate::path::Path;
use crate::request::{Position, TextEdit};

/// An edit that makes no sense in this document.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum EditRefused {
    #[error("the whole document cannot be set or removed; name a place in it")]
    Root,
    #[error("there is nothing at `{0}`")]
    Nothing(String),
    #[error("`{0}` is no list position: a number was expected")]
    NoPosition(String),
    #[error("position {position} is outside: there are {length} at `{path}`")]
    Outside { path: String, position: usize, length: usize },
    #[error("`{0}` is a single value, so nothing lies under it")]
    NoContainer(String),
    #[error("`{0}` is text; edit it with `katori text`")]
    IsText(String),
    #[error("`{0}` is no text; `katori text` edits what it has made")]
    NotText(String),
}

type Refusable<T> = Result<Result<T, EditRefused>, AutomergeError>;

/// Unwraps the inner result, returning a refusal as it is.
macro_rules! allowed {
    ($result:expr) => {
        match $result {
            Ok(value) => value,
            Err(refused) => return Ok(Err(refused)),
        }
    };
}

/// A place that can be written to: as much of the path as exists, and the maps to make below it.
struct Place {
    parent: ObjId,
    missing: Vec<String>,
    last: Step,
}

/// The last step of a place.
enum Step {
    Key(String),
    /// A position that is taken.
    At(usize),
    /// The position after the last.
    Append(usize),
}

impl Step {
    fn prop(&self) -> Prop {
        match self {
            Self::Key(key) => Prop::Map(key.clone()),
            Self::At(index) | Self::Append(index) => Prop::Seq(*index),
        }
    }
}

/// Sets a value, making the maps that lead there.
pub(crate) fn set(transaction: &mut Transaction<'_>, path: &Path, value: &Json) -> Refusable<()> {
    let place = allowed!(find(transaction, path)?);
    let (parent, last) = make_maps(transaction, place)?;
    write(transaction, &parent, &last, value).map(Ok)
}

/// Removes a value.
pub(crate) fn unset(transaction: &mut Transaction<'_>, path: &Path) -> Refusable<()> {
    let place = allowed!(find(transaction, path)?);
    if !place.missing.is_empty() || transaction.get(&place.parent, place.last.prop())?.is_none() {
        return Ok(Err(EditRefused::Nothing(path.to_string())));
    }
    transaction.delete(&place.parent, place.last.prop()).map(Ok)
}

/// Edits a text, making it if an insertion is the first thing there.
pub(crate) fn text(transaction: &mut Transaction<'_>, path: &Path, edit: &TextEdit) -> Refusable<()> {
    let place = allowed!(find(transaction, path)?);
    let existing =
        if place.missing.is_empty() { transaction.get(&place.parent, place.last.prop())? } else { None };
    let (text, length) = match existing {
        Some((Value::Object(ObjType::Text), text)) => {
            let length = transaction.length(&text);
            (Some(text), length)
        }
        Some(_) => return Ok(Err(EditRefused::NotText(path.to_string()))),
        None if matches!(edit, TextEdit::Insert { .. }) => (None, 0),
        None => return Ok(Err(EditRefused::Nothing(path.to_string()))),
    };
    let at = |position: Position| match position {
        Position::At(position) if position <= length => Ok(position),
        Position::At(position) => Err(EditRefused::Outside { path: path.to_string(), position, length }),
        Position::End => Ok(length),
    };
    let (position, count, insert) = match edit {
        TextEdit::Insert { position, text } => (allowed!(at(*position)), 0, text.as_str()),
        TextEdit::Delete { position, count } => (allowed!(at(*position)), *count, ""),
        TextEdit::Splice { position, count, text } => (allowed!(at(*position)), *count, text.as_str()),
    };
    let end = position.saturating_add(count);
    if end > length {
        return Ok(Err(EditRefused::Outside { path: path.to_string(), position: end, length }));
    }
    let text = if let Some(text) = text {
        text
    } else {
        let (parent, last) = make_maps(transaction, place)?;
        make(transaction, &parent, &last, ObjType::Text)?
    };
    transaction.splice_text(&text, position, isize::try_from(count).unwrap_or(isize::MAX), insert).map(Ok)
}

/// Walks down the path as far as it exists.
fn find(transaction: &Transaction<'_>, path: &Path) -> Refusable<Place> {
    let Some((last, steps)) = path.steps().split_last() else {
        return Ok(Err(EditRefused::Root));
    };
    let mut parent = ROOT;
    for (index, step) in steps.iter().enumerate() {
        let prop = match allowed!(step_into(transaction, &parent, step, path)?) {
            Step::Append(position) => {
                return Ok(Err(EditRefused::Outside { path: path.to_string(), position, length: position }));
            }
            step @ (Step::Key(_) | Step::At(_)) => step.prop(),
        };
        match transaction.get(&parent, prop)? {
            Some((Value::Object(_), child)) => parent = child,
            Some((Value::Scalar(_), _)) => return Ok(Err(EditRefused::NoContainer(step.clone()))),
            None => {
                let missing = steps.iter().skip(index).cloned().collect();
                return Ok(Ok(Place { parent, missing, last: Step::Key(last.clone()) }));
            }
        }
    }
    let last = allowed!(step_into(transaction, &parent, last, path)?);
    Ok(Ok(Place { parent, missing: Vec::new(), last }))
}

/// What a step means in this object.
fn step_into(transaction: &Transaction<'_>, parent: &ObjId, step: &str, path: &Path) -> Refusable<Step> {
    Ok(match transaction.object_type(parent)? {
        ObjType::Map | ObjType::Table => Ok(Step::Key(step.to_owned())),
        ObjType::List => {
            let length = transaction.length(parent);
            match step.parse::<usize>() {
                Ok(position) if position < length => Ok(Step::At(position)),
                Ok(position) if position == length => Ok(Step::Append(position)),
                Ok(position) => Err(EditRefused::Outside { path: path.to_string(), position, length }),
                Err(_) => Err(EditRefused::NoPosition(step.to_owned())),
            }
        }
        ObjType::Text => Err(EditRefused::IsText(path.to_string())),
    })
}

fn make_maps(transaction: &mut Transaction<'_>, place: Place) -> Result<(ObjId, Step), AutomergeError> {
    let mut parent = place.parent;
    for key in place.missing {
        // The first missing step lies in a map: positions in lists that are missing are refused.
        parent = transaction.put_object(&parent, key, ObjType::Map)?;
    }
    Ok((parent, place.last))
}

fn make(
    transaction: &mut Transaction<'_>,
    parent: &ObjId,
    at: &Step,
    kind: ObjType,
) -> Result<ObjId, AutomergeError> {
    match at {
        Step::Append(index) => transaction.insert_object(parent, *index, kind),
        Step::Key(_) | Step::At(_) => transaction.put_object(parent, at.prop(), kind),
    }
}

/// Writes a value with everything in it; JSON that was parsed nests at most 128 deep.
fn write(
    transaction: &mut Transaction<'_>,
    parent: &ObjId,
    at: &Step,
    value: &Json,
) -> Result<(), AutomergeError> {
    match value {
        Json::Object(fields) => {
            let map = make(transaction, parent, at, ObjType::Map)?;
            fields
                .iter()
                .try_for_each(|(key, value)| write(transaction, &map, &Step::Key(key.clone()), value))
        }
        Json::Array(items) => {
            let list = make(transaction, parent, at, ObjType::List)?;
            let mut items = items.iter().enumerate();
            items.try_for_each(|(index, value)| write(transaction, &list, &Step::Append(index), value))
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => match at {
            Step::Append(index) => transaction.insert(parent, *index, to_scalar(value)),
            Step::Key(_) | Step::At(_) => transaction.put(parent, at.prop(), to_scalar(value)),
        },
    }
}

/// A JSON value that is neither object nor array.
pub(crate) fn to_scalar(value: &Json) -> ScalarValue {
    match value {
        Json::Bool(value) => (*value).into(),
        Json::String(text) => text.as_str().into(),
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => number.into(),
            (None, Some(number)) => ScalarValue::Uint(number),
            (None, None) => number.as_f64().unwrap_or(f64::NAN).into(),
        },
        Json::Null | Json::Object(_) | Json::Array(_) => ScalarValue::Null,
    }
}

/// The value that a person typed: JSON if it is, else a string. What begins like JSON and is none is a slip.
pub(crate) fn parse_value(text: &str) -> Result<Json, Failure> {
    match serde_json::from_str(text) {
        Ok(value) => Ok(value),
        Err(error) if text.trim_start().starts_with(['{', '[', '"']) => Err(Failure::usage(format!(
            "the value begins like JSON and is none ({error}); nothing was changed: mend it, or write the string as \
             JSON: '{}'",
            Json::from(text)
        ))),
        Err(_) => Ok(Json::from(text)),
    }
}

#[cfg(test)]
mod tests {
    use katori::automerge::{AutoSerde, Automerge};
    use serde_json::json;

    use super::*;

    fn edit<T>(
        document: &mut Automerge,
        step: impl FnOnce(&mut Transaction<'_>) -> Refusable<T>,
    ) -> Result<T, EditRefused> {
        let mut transaction = document.transaction();
        let result = step(&mut transaction).unwrap();
        transaction.commit();
        result
    }

    fn set_at(document: &mut Automerge, path: &str, value: &Json) -> Result<(), EditRefused> {
        edit(document, |transaction| set(transaction, &path.parse().unwrap(), value))
    }

    fn insert(text: &str, position: Position) -> TextEdit {
        TextEdit::Insert { position, text: text.to_owned() }
    }

    fn json_of(document: &Automerge) -> Json {
        serde_json::to_value(AutoSerde::from(document)).unwrap()
    }

    #[test]
    fn values_are_set_and_the_way_there_is_made() {
        let mut document = Automerge::new();
        set_at(&mut document, "items/milk", &json!(2)).unwrap();
        set_at(&mut document, "list", &json!(["a", { "b": [null, true, 1.5] }])).unwrap();
        set_at(&mut document, "list/0", &json!("A")).unwrap();
        set_at(&mut document, "list/2", &json!("c")).unwrap();
        set_at(&mut document, "list/1/b/0", &json!(-3)).unwrap();
        let expected = json!({ "items": { "milk": 2 }, "list": ["A", { "b": [-3, true, 1.5] }, "c"] });
        assert_eq!(json_of(&document), expected);
    }

    #[test]
    fn what_is_refused_changes_nothing() {
        let mut document = Automerge::new();
        set_at(&mut document, "list", &json!([1])).unwrap();
        edit(&mut document, |t| text(t, &"story".parse().unwrap(), &insert("x", Position::End))).unwrap();
        let heads = document.get_heads();
        let refused = [
            ("", EditRefused::Root),
            ("list/x", EditRefused::NoPosition("x".to_owned())),
            ("list/3", EditRefused::Outside { path: "list/3".to_owned(), position: 3, length: 1 }),
            ("list/1/a", EditRefused::Outside { path: "list/1/a".to_owned(), position: 1, length: 1 }),
            ("list/0/a", EditRefused::NoContainer("0".to_owned())),
            ("story/0", EditRefused::IsText("story/0".to_owned())),
        ];
        for (path, expected) in refused {
            assert_eq!(set_at(&mut document, path, &json!(1)), Err(expected), "{path}");
        }
        assert_eq!(document.get_heads(), heads);
    }

    #[test]
    fn text_is_edited_by_code_points() {
        let mut document = Automerge::new();
        let path: Path = "story".parse().unwrap();
        let mut step = |step: TextEdit| edit(&mut document, |transaction| text(transaction, &path, &step));
        assert_eq!(
            step(TextEdit::Delete { position: Position::At(0), count: 1 }),
            Err(EditRefused::Nothing("story".to_owned()))
        );
        step(insert("d\u{e9}j\u{e0} \u{1f35a}!", Position::At(0))).unwrap();
        step(TextEdit::Splice { position: Position::At(5), count: 1, text: "rice".to_owned() }).unwrap();
        step(insert("?", Position::End)).unwrap();
        step(TextEdit::Delete { position: Position::At(0), count: 5 }).unwrap();
        let outside = EditRefused::Outside { path: "story".to_owned(), position: 7, length: 6 };
        assert_eq!(step(TextEdit::Delete { position: Position::At(5), count: 2 }), Err(outside));
        assert_eq!(json_of(&document), json!({ "story": "rice!?" }));
    }

    #[test]
    fn removing_needs_something_there() {
        let mut document = Automerge::new();
        set_at(&mut document, "items/milk", &json!(2)).unwrap();
        let mut remove =
            |path: &str| edit(&mut document, |transaction| unset(transaction, &path.parse().unwrap()));
        assert_eq!(remove("items/tea"), Err(EditRefused::Nothing("items/tea".to_owned())));
        assert_eq!(remove("bread/white"), Err(EditRefused::Nothing("bread/white".to_owned())));
        remove("items/milk").unwrap();
        assert_eq!(json_of(&document), json!({ "items": {} }));
    }

    #[test]
    fn what_is_typed_is_json_or_a_word() {
        for (text, value) in
            [("2", json!(2)), ("two", json!("two")), ("\"2\"", json!("2")), ("{\"a\":1}", json!({ "a": 1 }))]
        {
            assert_eq!(parse_value(text), Ok(value), "{text}");
        }
        for text in ["{a: 1}", "[1,", " \"two"] {
            let refused = parse_value(text).unwrap_err();
            assert_eq!(refused.code.exit_code(), 2);
            assert!(refused.message.contains(&Json::from(text).to_string()), "{refused}");
        }
        assert_eq!(to_scalar(&json!(u64::MAX)), ScalarValue::Uint(u64::MAX));
    }
}
