//! Making a document equal to a value of serde, writing only what differs.
//!
//! It goes by JSON rather than by `autosurgeon`, so that any type with serde's derive will do and no second
//! derive is needed. What exists keeps its kind where the new value fits it: a text object is edited, a counter
//! incremented, bytes and timestamps stay such; so reading a document and putting it back writes nothing.

mod lists;

use automerge::transaction::{Transactable, Transaction};
use automerge::{ObjId, ObjType, Prop, ROOT, ReadDoc, ScalarValue, Value};
use data_encoding::BASE64;
use serde_json::{Map, Value as Json};

use crate::error::Error;
use crate::json::{self, MAX_DEPTH};
use lists::gaps;

/// Makes the document equal to `wanted`.
pub(crate) fn reconcile(edit: &mut Transaction<'_>, wanted: &Json) -> Result<(), Error> {
    let Json::Object(wanted) = wanted else { return Err(Error::NotAMap) };
    map(edit, &ROOT, wanted, MAX_DEPTH)
}

fn map(
    edit: &mut Transaction<'_>,
    id: &ObjId,
    wanted: &Map<String, Json>,
    depth: usize,
) -> Result<(), Error> {
    let depth = below(depth)?;
    let gone: Vec<String> = edit.keys(id).filter(|key| !wanted.contains_key(key)).collect();
    for key in gone {
        edit.delete(id, key)?;
    }
    for (key, wanted) in wanted {
        place(edit, id, Prop::Map(key.clone()), wanted, depth)?;
    }
    Ok(())
}

fn list(edit: &mut Transaction<'_>, id: &ObjId, wanted: &[Json], depth: usize) -> Result<(), Error> {
    let depth = below(depth)?;
    let present = edit.list_range(id, ..).map(|entry| {
        let below = entry.id();
        (entry.value.into_value(), below)
    });
    let present: Vec<(Value<'static>, ObjId)> = present.collect();
    let present: Vec<Json> =
        present.iter().map(|(value, below)| json::value(edit, value, below, None, depth)).collect();
    // From the end to the beginning, so that the indices of what is still to come stay true.
    for gap in gaps(&present, wanted).into_iter().rev() {
        let kept = gap.present.len().min(gap.wanted.len());
        let end = gap.present.start + kept;
        for _ in end..gap.present.end {
            edit.delete(id, end)?;
        }
        let wanted = wanted.get(gap.wanted).unwrap_or_default();
        let (replaced, added) = wanted.split_at_checked(kept).unwrap_or_default();
        for (offset, wanted) in added.iter().enumerate() {
            write(edit, id, Target::Insert(end + offset), wanted, depth)?;
        }
        for (offset, wanted) in replaced.iter().enumerate() {
            place(edit, id, Prop::Seq(gap.present.start + offset), wanted, depth)?;
        }
    }
    Ok(())
}

/// Makes one place of a map or list equal to `wanted`.
fn place(
    edit: &mut Transaction<'_>,
    id: &ObjId,
    prop: Prop,
    wanted: &Json,
    depth: usize,
) -> Result<(), Error> {
    let present = edit.get(id, prop.clone())?.map(|(value, below)| (value.into_owned(), below));
    match (present, wanted) {
        (Some((Value::Object(ObjType::Map | ObjType::Table), below)), Json::Object(wanted)) => {
            map(edit, &below, wanted, depth)
        }
        (Some((Value::Object(ObjType::List), below)), Json::Array(wanted)) => {
            list(edit, &below, wanted, depth)
        }
        (Some((Value::Object(ObjType::Text), below)), Json::String(wanted)) => {
            if edit.text(&below)? != *wanted {
                edit.update_text(&below, wanted)?;
            }
            Ok(())
        }
        // What lies deeper than is read was not seen as it is, so it is not overwritten either.
        (Some((Value::Object(_), _)), Json::Null) if depth == 0 => Err(Error::TooDeep { limit: MAX_DEPTH }),
        (Some((Value::Scalar(present), _)), wanted) if json::scalar_json(&present) == *wanted => Ok(()),
        (Some((Value::Scalar(present), _)), wanted) => {
            if let (ScalarValue::Counter(counter), Some(wanted)) = (&*present, wanted.as_i64())
                && let Some(difference) = wanted.checked_sub(i64::from(counter))
            {
                return Ok(edit.increment(id, prop, difference)?);
            }
            match same_kind(&present, wanted) {
                Some(scalar) => Ok(edit.put(id, prop, scalar)?),
                None => write(edit, id, Target::Put(prop), wanted, depth),
            }
        }
        (Some((Value::Object(_), _)) | None, wanted) => write(edit, id, Target::Put(prop), wanted, depth),
    }
}

/// A value of a kind that JSON has no word for, as that kind again.
fn same_kind(present: &ScalarValue, wanted: &Json) -> Option<ScalarValue> {
    match (present, wanted) {
        (ScalarValue::Timestamp(_), Json::Number(number)) => number.as_i64().map(ScalarValue::Timestamp),
        (ScalarValue::Bytes(_), Json::String(text)) => {
            BASE64.decode(text.as_bytes()).ok().map(ScalarValue::Bytes)
        }
        _ => None,
    }
}

/// Where a new value goes.
enum Target {
    Put(Prop),
    Insert(usize),
}

fn write(
    edit: &mut Transaction<'_>,
    id: &ObjId,
    target: Target,
    wanted: &Json,
    depth: usize,
) -> Result<(), Error> {
    let scalar = match wanted {
        Json::Object(wanted) => {
            let new = make(edit, id, target, ObjType::Map)?;
            return map(edit, &new, wanted, depth);
        }
        Json::Array(wanted) => {
            let new = make(edit, id, target, ObjType::List)?;
            return list(edit, &new, wanted, depth);
        }
        Json::Null => ScalarValue::Null,
        Json::Bool(value) => ScalarValue::Boolean(*value),
        Json::String(text) => ScalarValue::from(text.as_str()),
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => ScalarValue::Int(number),
            (None, Some(number)) => ScalarValue::Uint(number),
            (None, None) => number.as_f64().map_or(ScalarValue::Null, ScalarValue::F64),
        },
    };
    match target {
        Target::Put(prop) => edit.put(id, prop, scalar)?,
        Target::Insert(index) => edit.insert(id, index, scalar)?,
    }
    Ok(())
}

fn make(edit: &mut Transaction<'_>, id: &ObjId, target: Target, kind: ObjType) -> Result<ObjId, Error> {
    Ok(match target {
        Target::Put(prop) => edit.put_object(id, prop, kind)?,
        Target::Insert(index) => edit.insert_object(id, index, kind)?,
    })
}

fn below(depth: usize) -> Result<usize, Error> {
    depth.checked_sub(1).ok_or(Error::TooDeep { limit: MAX_DEPTH })
}

#[cfg(test)]
mod tests {
    use automerge::Automerge;
    use serde_json::json;

    use super::*;

    fn put(document: &mut Automerge, wanted: &Json) -> usize {
        let mut edit = document.transaction();
        reconcile(&mut edit, wanted).unwrap();
        let operations = edit.pending_ops();
        edit.commit();
        assert_eq!(json::document(document, None), *wanted);
        operations
    }

    #[test]
    fn only_what_differs_is_written() {
        let mut doc = Automerge::new();
        put(
            &mut doc,
            &json!({ "name": "Ana", "items": [{ "what": "milk", "n": 2 }, { "what": "eggs", "n": 6 }] }),
        );
        let same =
            json!({ "name": "Ana", "items": [{ "what": "milk", "n": 2 }, { "what": "eggs", "n": 6 }] });
        assert_eq!(put(&mut doc, &same), 0);
        let one = json!({ "name": "Ana", "items": [{ "what": "milk", "n": 3 }, { "what": "eggs", "n": 6 }] });
        assert_eq!(put(&mut doc, &one), 1);
        assert_eq!(put(&mut doc, &json!({ "name": "Ana", "items": [{ "what": "eggs", "n": 6 }] })), 1);
        assert_eq!(put(&mut doc, &json!({ "name": null, "items": [{ "what": "eggs", "n": 6.5 }, []] })), 3);
        assert_eq!(put(&mut doc, &json!({})), 2);
    }

    #[test]
    fn the_present_kind_is_kept() {
        let mut doc = Automerge::new();
        let mut edit = doc.transaction();
        let text = edit.put_object(ROOT, "text", ObjType::Text).unwrap();
        edit.splice_text(&text, 0, 0, "some milk").unwrap();
        edit.put(ROOT, "count", ScalarValue::counter(3)).unwrap();
        edit.put(ROOT, "when", ScalarValue::Timestamp(5)).unwrap();
        edit.put(ROOT, "bytes", vec![1_u8]).unwrap();
        edit.put(ROOT, "big", u64::MAX).unwrap();
        edit.commit();
        let present = json::document(&doc, None);
        assert_eq!(put(&mut doc, &present), 0);
        let wanted =
            json!({ "text": "some more milk", "count": 5, "when": 6, "bytes": "Ag==", "big": u64::MAX });
        put(&mut doc, &wanted);
        assert_eq!(doc.text(&text).unwrap(), "some more milk");
        let kind = |key: &str| doc.get(ROOT, key).unwrap().unwrap().0;
        assert!(matches!(kind("count"), Value::Scalar(value) if matches!(*value, ScalarValue::Counter(_))));
        assert!(matches!(kind("when"), Value::Scalar(value) if *value == ScalarValue::Timestamp(6)));
        assert!(matches!(kind("bytes"), Value::Scalar(value) if *value == ScalarValue::Bytes(vec![2])));
    }

    #[test]
    fn what_two_write_in_one_list_comes_together() {
        let mut ana = Automerge::new();
        put(&mut ana, &json!({ "list": ["a", "b", "c"] }));
        let mut ben = ana.fork();
        put(&mut ana, &json!({ "list": ["a", "x", "b", "c"] }));
        put(&mut ben, &json!({ "list": ["a", "b", "y"] }));
        ana.merge(&mut ben).unwrap();
        assert_eq!(json::document(&ana, None), json!({ "list": ["a", "x", "b", "y"] }));
    }

    #[test]
    fn a_value_is_a_map_and_not_bottomless() {
        let mut doc = Automerge::new();
        let mut edit = doc.transaction();
        assert!(matches!(reconcile(&mut edit, &json!([1])), Err(Error::NotAMap)));
        let mut deep = json!(1);
        for _ in 0..MAX_DEPTH {
            deep = json!({ "a": deep });
        }
        reconcile(&mut edit, &deep).unwrap();
        let deeper = json!({ "a": deep });
        assert!(matches!(reconcile(&mut edit, &deeper), Err(Error::TooDeep { .. })));
    }

    #[test]
    fn what_is_too_deep_to_be_read_is_not_overwritten() {
        let mut doc = Automerge::new();
        let mut edit = doc.transaction();
        let mut at = ROOT;
        for _ in 0..=MAX_DEPTH {
            at = edit.put_object(&at, "a", ObjType::Map).unwrap();
        }
        let seen = json::document(&edit, None);
        assert!(matches!(reconcile(&mut edit, &seen), Err(Error::TooDeep { .. })));
    }
}
