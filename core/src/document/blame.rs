//! Who wrote each part of what is shown, only where a signature proves it.

use std::collections::BTreeMap;

use automerge::{ChangeHash, ObjId, ObjType, ReadDoc, ScalarValueRef, ValueRef};
use katori_acl::{DeviceId, PersonId};
use thiserror::Error;

use super::Document;

/// A part of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BlamePart {
    /// Characters of a text that one change put there.
    Text {
        /// The place of the first, in Unicode code points.
        start: usize,
        /// How many there are.
        length: usize,
        /// The characters; an object within the text is one U+FFFC.
        text: String,
    },
    /// An element of a list.
    Element {
        /// Its place.
        index: usize,
    },
    /// What stands under a key of a map; of several that were set at once, the one that is shown.
    Key {
        /// The key.
        key: String,
    },
}

/// Who wrote a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlameSpan {
    /// The part.
    pub what: BlamePart,
    /// The change that put it there.
    pub hash: ChangeHash,
    /// The device that wrote it, where its signature proves it; nobody for what was imported.
    pub author: Option<DeviceId>,
    /// That device's person, by its own signed word.
    pub person: Option<PersonId>,
    /// Those who hold Write and vouch for it. A part without an author is "vouched for by" these.
    pub vouched_by: Vec<(DeviceId, PersonId)>,
    /// When, in seconds since 1970 by its author's clock.
    pub time: i64,
}

/// Why nobody can be named. Nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BlameError {
    /// There is no such object in what is shown.
    #[error("the document as it is shown has no object {0}")]
    NoSuchObject(ObjId),
}

impl Document {
    /// Who wrote each part of a text, list or map.
    ///
    /// # Errors
    /// [`BlameError`] if there is no such object.
    pub fn blame(&self, object: &ObjId) -> Result<Vec<BlameSpan>, BlameError> {
        let kind =
            self.automerge.object_type(object).map_err(|_| BlameError::NoSuchObject(object.clone()))?;
        let parts = match kind {
            ObjType::Text => self.runs_of_text(object),
            ObjType::List => {
                let elements = self.automerge.list_range(object, ..);
                elements.map(|item| (BlamePart::Element { index: item.index }, item.id())).collect()
            }
            ObjType::Map | ObjType::Table => {
                let keys = self.automerge.map_range(object, ..);
                keys.map(|item| (BlamePart::Key { key: item.key.to_string() }, item.id())).collect()
            }
        };
        let mut known = BTreeMap::new();
        let spans = parts.into_iter().filter_map(|(what, operation)| {
            let hash = self.automerge.hash_for_opid(&operation)?;
            let blamed = known.entry(hash).or_insert_with(|| self.blamed(hash));
            blamed.as_ref().map(|blamed| BlameSpan { what, ..blamed.clone() })
        });
        Ok(join(spans))
    }

    /// Each character of a text, or whatever takes the place of some.
    fn runs_of_text(&self, object: &ObjId) -> Vec<(BlamePart, ObjId)> {
        let mut start = 0;
        let mut parts = Vec::new();
        for item in self.automerge.list_range(object, ..) {
            let text = match &item.value {
                ValueRef::Scalar(ScalarValueRef::Str(text)) => text.to_string(),
                ValueRef::Scalar(_) | ValueRef::Object(_) => '\u{fffc}'.to_string(),
            };
            let length = text.chars().count();
            parts.push((BlamePart::Text { start, length, text }, item.id()));
            start += length;
        }
        parts
    }

    fn blamed(&self, hash: ChangeHash) -> Option<BlameSpan> {
        let entry = self.entry(self.graph.index(&hash)?)?;
        let person = entry.author.and_then(|author| self.person_by_its_word(&author));
        Some(BlameSpan {
            what: BlamePart::Element { index: 0 },
            hash,
            author: entry.author,
            person,
            vouched_by: entry.vouched_by,
            time: entry.time,
        })
    }
}

/// Characters next to each other that one change put there are one part.
fn join(spans: impl Iterator<Item = BlameSpan>) -> Vec<BlameSpan> {
    let mut joined: Vec<BlameSpan> = Vec::new();
    for span in spans {
        if let Some(last) = joined.last_mut().filter(|last| last.hash == span.hash)
            && let BlamePart::Text { length, text, .. } = &mut last.what
            && let BlamePart::Text { length: more, text: then, .. } = &span.what
        {
            *length += more;
            text.push_str(then);
        } else {
            joined.push(span);
        }
    }
    joined
}
