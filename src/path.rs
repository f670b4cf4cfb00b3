//! Where something lies in a document: `items/0/name`. A number indexes a list; anything else is a key of a map.
//! The empty path is the document itself. A key that holds a `/` is out of reach of paths; use raw Automerge.

use automerge::{ChangeHash, ObjId, ObjType, Prop, ROOT, ReadDoc, Value};

use crate::error::Error;

/// The object and the place in it that a path leads to, whether anything is there or not.
pub(crate) fn place<D: ReadDoc>(
    document: &D,
    path: &str,
    at: Option<&[ChangeHash]>,
) -> Result<(ObjId, Prop), Error> {
    let missing = || Error::NoSuchPath { what: "value", path: path.to_owned() };
    let mut parts = path.split('/').filter(|part| !part.is_empty()).peekable();
    let mut object = ROOT;
    while let Some(part) = parts.next() {
        let prop = match document.object_type(&object)? {
            ObjType::List => Prop::Seq(part.parse().map_err(|_| missing())?),
            ObjType::Map | ObjType::Table => Prop::Map(part.to_owned()),
            ObjType::Text => return Err(missing()),
        };
        if parts.peek().is_none() {
            return Ok((object, prop));
        }
        object = match get(document, &object, prop, at)? {
            Some((Value::Object(_), below)) => below,
            Some((Value::Scalar(_), _)) | None => return Err(missing()),
        };
    }
    Err(missing())
}

/// The text object at a path.
pub(crate) fn text<D: ReadDoc>(document: &D, path: &str, at: Option<&[ChangeHash]>) -> Result<String, Error> {
    let (object, prop) = place(document, path, at)?;
    match get(document, &object, prop, at)? {
        Some((Value::Object(ObjType::Text), id)) => Ok(match at {
            Some(heads) => document.text_at(id, heads)?,
            None => document.text(id)?,
        }),
        Some((Value::Scalar(scalar), _)) if scalar.is_str() => {
            Ok(scalar.as_str().unwrap_or_default().to_owned())
        }
        _ => Err(Error::NoSuchPath { what: "text", path: path.to_owned() }),
    }
}

fn get<'a, D: ReadDoc>(
    document: &'a D,
    object: &ObjId,
    prop: Prop,
    at: Option<&[ChangeHash]>,
) -> Result<Option<(Value<'a>, ObjId)>, Error> {
    Ok(match at {
        Some(heads) => document.get_at(object, prop, heads)?,
        None => document.get(object, prop)?,
    })
}

#[cfg(test)]
mod tests {
    use automerge::Automerge;
    use automerge::transaction::Transactable;

    use super::*;

    #[test]
    fn numbers_index_lists_and_name_keys_of_maps() {
        let mut doc = Automerge::new();
        let mut edit = doc.transaction();
        let list = edit.put_object(ROOT, "items", ObjType::List).unwrap();
        let item = edit.insert_object(&list, 0, ObjType::Map).unwrap();
        let text = edit.put_object(&item, "7", ObjType::Text).unwrap();
        edit.splice_text(&text, 0, 0, "seven").unwrap();
        edit.commit();
        assert_eq!(super::text(&doc, "items/0/7", None).unwrap(), "seven");
        assert_eq!(super::text(&doc, "/items//0/7/", None).unwrap(), "seven");
        assert_eq!(place(&doc, "items/0", None).unwrap(), (list, Prop::Seq(0)));
        for wrong in ["", "items/x", "items/1/7", "items/0/7/0", "other/0"] {
            let Err(error) = place(&doc, wrong, None) else { panic!("{wrong} leads somewhere") };
            assert!(matches!(error, Error::NoSuchPath { .. }), "{wrong}: {error}");
        }
    }
}
