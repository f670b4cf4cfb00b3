//! A document as JSON.
//!
//! Maps and lists are what they are; text objects and strings are strings, counters and timestamps (milliseconds
//! since 1970) are numbers, bytes are strings in base64. What JSON has no word for (a number that is not finite,
//! a scalar of a future Automerge) is null, and so is what is nested deeper than [`MAX_DEPTH`].

use automerge::{ChangeHash, ObjId, ObjType, ROOT, ReadDoc, ScalarValue, Value};
use data_encoding::BASE64;
use serde_json::{Map, Value as Json};

/// How deep a document is read or written as JSON or a type. A document of somebody else's may be nested as deep
/// as it likes, and reading it must not use up the stack.
pub const MAX_DEPTH: usize = 100;

/// The whole document, now or at these heads.
pub(crate) fn document<D: ReadDoc>(document: &D, at: Option<&[ChangeHash]>) -> Json {
    object(document, &ROOT, ObjType::Map, at, MAX_DEPTH)
}

/// One value and all below it, at most `depth` deep.
pub(crate) fn value<D: ReadDoc>(
    document: &D,
    value: &Value<'_>,
    id: &ObjId,
    at: Option<&[ChangeHash]>,
    depth: usize,
) -> Json {
    match value {
        Value::Object(kind) => object(document, id, *kind, at, depth),
        Value::Scalar(scalar) => scalar_json(scalar),
    }
}

/// A scalar as JSON, in the form of [`Doc::view_json`](crate::Doc::view_json).
#[must_use]
pub fn scalar_json(scalar: &ScalarValue) -> Json {
    match scalar {
        ScalarValue::Bytes(bytes) => Json::String(BASE64.encode(bytes)),
        ScalarValue::Str(text) => Json::String(text.to_string()),
        ScalarValue::Int(number) | ScalarValue::Timestamp(number) => Json::from(*number),
        ScalarValue::Uint(number) => Json::from(*number),
        ScalarValue::F64(number) => Json::from(*number),
        ScalarValue::Counter(counter) => Json::from(i64::from(counter)),
        ScalarValue::Boolean(value) => Json::Bool(*value),
        ScalarValue::Unknown { .. } | ScalarValue::Null => Json::Null,
    }
}

fn object<D: ReadDoc>(
    document: &D,
    id: &ObjId,
    kind: ObjType,
    at: Option<&[ChangeHash]>,
    depth: usize,
) -> Json {
    let Some(depth) = depth.checked_sub(1) else { return Json::Null };
    match kind {
        ObjType::Map | ObjType::Table => {
            let entries = match at {
                Some(heads) => document.map_range_at(id, .., heads),
                None => document.map_range(id, ..),
            };
            let entries = entries.map(|entry| {
                let (key, below) = (entry.key.to_string(), entry.id());
                (key, value(document, &entry.value.into_value(), &below, at, depth))
            });
            Json::Object(entries.collect::<Map<_, _>>())
        }
        ObjType::List => {
            let entries = match at {
                Some(heads) => document.list_range_at(id, .., heads),
                None => document.list_range(id, ..),
            };
            let entries = entries.map(|entry| {
                let below = entry.id();
                value(document, &entry.value.into_value(), &below, at, depth)
            });
            Json::Array(entries.collect())
        }
        ObjType::Text => Json::String(text(document, id, at)),
    }
}

/// A text object. An id of a document that was just read is always its.
fn text<D: ReadDoc>(document: &D, id: &ObjId, at: Option<&[ChangeHash]>) -> String {
    match at {
        Some(heads) => document.text_at(id, heads),
        None => document.text(id),
    }
    .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use automerge::Automerge;
    use automerge::transaction::Transactable;
    use serde_json::json;

    use super::*;

    #[test]
    fn every_kind_of_value_has_its_form() {
        let mut doc = Automerge::new();
        let mut edit = doc.transaction();
        edit.put(ROOT, "bytes", vec![1_u8, 2]).unwrap();
        edit.put(ROOT, "count", ScalarValue::counter(3)).unwrap();
        edit.increment(ROOT, "count", 2).unwrap();
        edit.put(ROOT, "when", ScalarValue::Timestamp(1_000)).unwrap();
        edit.put(ROOT, "not a number", f64::NAN).unwrap();
        let text = edit.put_object(ROOT, "text", ObjType::Text).unwrap();
        edit.splice_text(&text, 0, 0, "hello").unwrap();
        let list = edit.put_object(ROOT, "list", ObjType::List).unwrap();
        edit.insert(&list, 0, -1).unwrap();
        edit.insert_object(&list, 1, ObjType::Map).unwrap();
        edit.commit();
        let before = doc.get_heads();
        let mut edit = doc.transaction();
        edit.splice_text(&text, 5, 0, " there").unwrap();
        edit.commit();
        let expected = json!({
            "bytes": "AQI=", "count": 5, "when": 1_000, "not a number": null, "list": [-1, {}], "text": "hello"
        });
        assert_eq!(document(&doc, Some(&before)), expected);
        assert_eq!(document(&doc, None)["text"], "hello there");
    }

    #[test]
    fn the_bottomless_is_cut() {
        let mut doc = Automerge::new();
        let mut edit = doc.transaction();
        let mut at = ROOT;
        for _ in 0..5_000 {
            at = edit.put_object(&at, "a", ObjType::Map).unwrap();
        }
        edit.commit();
        let mut json = &document(&doc, None);
        let mut depth = 0;
        while let Some(below) = json.get("a") {
            json = below;
            depth += 1;
        }
        assert_eq!((depth, json), (MAX_DEPTH, &Json::Null));
    }
}
