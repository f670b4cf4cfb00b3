//! Who wrote each part of what is shown.

use automerge::{ChangeHash, ObjId, Prop, ROOT, ReadDoc, Value};
use katori_core::document::BlamePart;

use super::Doc;
use crate::error::Error;
use crate::path;
use crate::who::Who;

/// A part of a text, list or map, and who wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlameSpan {
    /// The part.
    pub what: BlamePart,
    /// The change that put it there.
    pub hash: ChangeHash,
    /// Who wrote it, where a signature proves it; nobody for what was imported.
    pub who: Option<Who>,
    /// Who may write now and stands behind it.
    pub vouched_by: Vec<Who>,
    /// When, in seconds since 1970 by its author's clock.
    pub time: i64,
}

impl Doc {
    /// Who wrote each part of what lies at a path such as `notes/0/title`: the characters of a text, the elements
    /// of a list, the keys of a map. A plain value is one part; the empty path is the whole document.
    ///
    /// ```
    /// use katori::{BlamePart, ObjType, ROOT, Transactable};
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let directory = tempfile::tempdir()?;
    /// # let node = katori::Node::builder(directory.path()).person_name("Ana").device_name("laptop")
    /// #     .network(katori::Network::None).open_or_init().await?;
    /// let note = node.create("note").await?;
    /// note.change(|edit| {
    ///     let text = edit.put_object(ROOT, "text", ObjType::Text)?;
    ///     edit.splice_text(&text, 0, 0, "buy milk")
    /// })?
    /// .await?;
    /// let spans = note.blame("text")?;
    /// assert!(matches!(&spans[0].what, BlamePart::Text { start: 0, length: 8, .. }));
    /// assert_eq!(spans[0].who.as_ref().map(ToString::to_string).as_deref(), Some("Ana (laptop)"));
    /// # node.close().await;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::NoSuchPath`].
    pub fn blame(&self, path: &str) -> Result<Vec<BlameSpan>, Error> {
        let mut who = self.namer();
        let spans = self.open().with(|document| {
            let missing = || Error::NoSuchPath { what: "value", path: path.to_owned() };
            let (object, only) = object_at(document.automerge(), path)?;
            let mut spans = document.blame(&object).map_err(|_| missing())?;
            if let Some(only) = only {
                spans.retain(|span| match (&span.what, &only) {
                    (BlamePart::Key { key }, Prop::Map(wanted)) => key == wanted,
                    (BlamePart::Element { index }, Prop::Seq(wanted)) => index == wanted,
                    _ => false,
                });
            }
            Ok::<_, Error>(spans)
        })?;
        let span = |span: katori_core::document::BlameSpan| BlameSpan {
            what: span.what,
            hash: span.hash,
            who: span.author.map(&mut who),
            vouched_by: span.vouched_by.iter().map(|(device, _)| who(*device)).collect(),
            time: span.time,
        };
        Ok(spans.into_iter().map(span).collect())
    }
}

/// The object at a path; for a plain value, the one it is in, and where.
fn object_at<D: ReadDoc>(document: &D, path: &str) -> Result<(ObjId, Option<Prop>), Error> {
    if path.split('/').all(str::is_empty) {
        return Ok((ROOT, None));
    }
    let (object, prop) = path::place(document, path, None)?;
    match document.get(&object, prop.clone())? {
        Some((Value::Object(_), below)) => Ok((below, None)),
        Some((Value::Scalar(_), _)) => Ok((object, Some(prop))),
        None => Err(Error::NoSuchPath { what: "value", path: path.to_owned() }),
    }
}
