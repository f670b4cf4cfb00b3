//! The content of a document to be, made aside from a file: an Automerge document of its own, in changes of
//! bounded size.

use std::collections::VecDeque;
use std::path::Path as FilePath;
use std::time::{SystemTime, UNIX_EPOCH};

use katori::automerge::transaction::{CommitOptions, Transactable, Transaction};
use katori::automerge::{Automerge, AutomergeError, ObjId, ObjType, Prop, ROOT, TextEncoding};
use serde_json::Value as Json;

use super::Events;
use crate::edit::to_scalar;
use crate::failure::Failure;
use crate::format::Format;
use crate::response::Event;

/// Operations in one change of an import. Others receive and apply a change as a whole.
const MAX_OPERATIONS: usize = 100_000;
/// Where the text of an imported text file goes.
const TEXT_KEY: &str = "text";

/// The bytes of an `.automerge` file with what a JSON or text file holds.
pub(super) fn prepare(
    file: &FilePath,
    format: Format,
    bytes: Vec<u8>,
    events: &Events,
) -> Result<Vec<u8>, Failure> {
    let refused = |why: String| Failure::failed(format!("{} {why}; nothing was imported", file.display()));
    let mut document = Automerge::new_with_encoding(TextEncoding::UnicodeCodePoint);
    let written = match format {
        Format::Json => {
            let value: Json =
                serde_json::from_slice(&bytes).map_err(|error| refused(format!("is no JSON: {error}")))?;
            if !value.is_object() {
                return Err(refused("is JSON, but no object".to_owned()));
            }
            write_json(&mut document, value, events)
        }
        Format::Text => {
            let text = String::from_utf8(bytes).map_err(|_| refused("is no UTF-8 text".to_owned()))?;
            write_text(&mut document, &text, events)
        }
        Format::Automerge => return Ok(bytes),
    };
    written.map_err(|error| refused(format!("does not fit into a document ({error})")))?;
    Ok(document.save())
}

/// Makes one change.
fn commit<R>(
    document: &mut Automerge,
    edit: impl FnOnce(&mut Transaction<'_>) -> Result<R, AutomergeError>,
) -> Result<R, AutomergeError> {
    let mut transaction = document.transaction();
    let result = edit(&mut transaction)?;
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = i64::try_from(since.as_secs()).unwrap_or_default();
    transaction.commit_with(CommitOptions::default().with_time(seconds));
    Ok(result)
}

/// Tells how far an import has come.
fn progress(events: &Events, done: usize, total: usize) {
    let event = Event::Progress { what: "importing".to_owned(), done: done as u64, total: total as u64 };
    // Whether anybody looks makes no difference.
    let _ = events.blocking_send(event);
}

/// Writes a text in changes of bounded size.
fn write_text(document: &mut Automerge, text: &str, events: &Events) -> Result<(), AutomergeError> {
    let object = commit(document, |transaction| transaction.put_object(ROOT, TEXT_KEY, ObjType::Text))?;
    let total = text.chars().count();
    let mut letters = text.chars();
    let mut done = 0;
    while done < total {
        let piece: String = letters.by_ref().take(MAX_OPERATIONS).collect();
        commit(document, |transaction| transaction.splice_text(&object, done, 0, &piece))?;
        done = done.saturating_add(MAX_OPERATIONS).min(total);
        progress(events, done, total);
    }
    Ok(())
}

/// A value that is still to be written.
struct Unwritten {
    parent: ObjId,
    at: Prop,
    value: Json,
}

/// Writes a JSON object in changes of bounded size, outer values first.
fn write_json(document: &mut Automerge, whole: Json, events: &Events) -> Result<(), AutomergeError> {
    let mut waiting = VecDeque::new();
    queue(&mut waiting, &ROOT, whole);
    let mut done = 0;
    while !waiting.is_empty() {
        commit(document, |transaction| {
            for _ in 0..MAX_OPERATIONS {
                let Some(Unwritten { parent, at, value }) = waiting.pop_front() else { break };
                let kind = match &value {
                    Json::Object(_) => ObjType::Map,
                    Json::Array(_) => ObjType::List,
                    Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {
                        let scalar = to_scalar(&value);
                        match at {
                            Prop::Map(key) => transaction.put(&parent, key, scalar)?,
                            Prop::Seq(index) => transaction.insert(&parent, index, scalar)?,
                        }
                        continue;
                    }
                };
                let made = match at {
                    Prop::Map(key) => transaction.put_object(&parent, key, kind)?,
                    Prop::Seq(index) => transaction.insert_object(&parent, index, kind)?,
                };
                queue(&mut waiting, &made, value);
            }
            Ok(())
        })?;
        done += MAX_OPERATIONS;
        progress(events, done, done + waiting.len());
    }
    Ok(())
}

/// Queues what is directly inside a value, in order.
fn queue(waiting: &mut VecDeque<Unwritten>, parent: &ObjId, value: Json) {
    let parent = || parent.clone();
    match value {
        Json::Object(fields) => waiting.extend(fields.into_iter().map(|(key, value)| Unwritten {
            parent: parent(),
            at: Prop::Map(key),
            value,
        })),
        Json::Array(items) => waiting.extend(items.into_iter().enumerate().map(|(index, value)| Unwritten {
            parent: parent(),
            at: Prop::Seq(index),
            value,
        })),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
    }
}
