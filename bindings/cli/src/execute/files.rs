//! Documents from files and into files.

use std::collections::VecDeque;
use std::io::Write;
use std::path::Path as FilePath;

use katori::Doc;
use katori::automerge::transaction::Transactable;
use katori::automerge::{ObjId, ObjType, Prop, ROOT};
use serde_json::Value as Json;
use tokio::task::spawn_blocking;

use super::content::value_at;
use super::{Events, Executor};
use crate::edit::to_scalar;
use crate::failure::Failure;
use crate::format::Format;
use crate::path::Path;
use crate::report::ExportedReport;
use crate::response::{Event, Response};

/// The largest file that is read: Automerge needs hundreds of times as much memory for a text. 64 MiB.
const MAX_FILE: u64 = 64 << 20;
/// Operations in one change of an import. Others receive and apply a change as a whole.
const MAX_OPERATIONS: usize = 100_000;
/// Where the text of an imported text file goes.
const TEXT_KEY: &str = "text";

impl Executor {
    pub(super) async fn import(
        &self,
        file: &FilePath,
        name: Option<String>,
        format: Option<Format>,
        events: &Events,
    ) -> Result<Response, Failure> {
        let format = format.or_else(|| Format::of_file(file)).ok_or_else(|| unknown_format(file))?;
        let name = name.unwrap_or_else(|| {
            file.file_stem().map_or_else(|| "imported".to_owned(), |stem| stem.to_string_lossy().into_owned())
        });
        let bytes = read(file).await?;
        let doc = match format {
            Format::Automerge => self.node.import(&name, &bytes).await?,
            Format::Json => {
                let value: Json = serde_json::from_slice(&bytes).map_err(|error| {
                    Failure::failed(format!("{} is no JSON: {error}; nothing was imported", file.display()))
                })?;
                if !value.is_object() {
                    return Err(Failure::failed(format!(
                        "{} is JSON, but no object; nothing was imported",
                        file.display()
                    )));
                }
                let doc = self.node.create(&name).await?;
                write_json(&doc, value, events).await?;
                doc
            }
            Format::Text => {
                let text = String::from_utf8(bytes).map_err(|_| {
                    Failure::failed(format!("{} is no UTF-8 text; nothing was imported", file.display()))
                })?;
                let doc = self.node.create(&name).await?;
                write_text(&doc, &text, events).await?;
                doc
            }
        };
        self.document(&doc).await
    }

    pub(super) async fn export(
        &self,
        document: &str,
        file: &FilePath,
        path: &Path,
        format: Option<Format>,
    ) -> Result<Response, Failure> {
        let doc = self.node.doc(document).await?;
        let shown = file.as_os_str() == "-";
        let format = match format.or_else(|| Format::of_file(file)) {
            Some(Format::Automerge) if shown => {
                return Err(Failure::usage("an `.automerge` file goes into a file: name one"));
            }
            Some(format) => format,
            None if shown => Format::Json,
            None => return Err(unknown_format(file)),
        };
        let bytes = match format {
            Format::Automerge => doc.save(),
            Format::Json => {
                let mut text = serde_json::to_string_pretty(&doc.view_json())
                    .map_err(|error| Failure::failed(format!("the document cannot be written: {error}")))?;
                text.push('\n');
                text.into_bytes()
            }
            Format::Text => match value_at(&doc.view_json(), path) {
                Some(Json::String(text)) => text.clone().into_bytes(),
                _ => return Err(Failure::not_found(format!("there is no text at `{path}`; see --path"))),
            },
        };
        let length = bytes.len() as u64;
        let (file, content) = if shown {
            (None, Some(String::from_utf8_lossy(&bytes).into_owned()))
        } else {
            write(file, bytes).await?;
            (Some(file.display().to_string()), None)
        };
        Ok(Response::Exported(ExportedReport { file, bytes: length, content }))
    }
}

fn unknown_format(file: &FilePath) -> Failure {
    Failure::usage(format!(
        "what {} is cannot be told from its name: say --as json, text or automerge",
        file.display()
    ))
}

async fn read(file: &FilePath) -> Result<Vec<u8>, Failure> {
    let metadata = tokio::fs::metadata(file).await.map_err(|error| Failure::file(file, &error))?;
    if metadata.len() > MAX_FILE {
        return Err(Failure::failed(format!(
            "{} has {} bytes, more than the {MAX_FILE} that can be imported",
            file.display(),
            metadata.len()
        )));
    }
    tokio::fs::read(file).await.map_err(|error| Failure::file(file, &error))
}

/// Writes a new file; one that is there is left as it is.
async fn write(file: &FilePath, bytes: Vec<u8>) -> Result<(), Failure> {
    let path = file.to_path_buf();
    let written = spawn_blocking(move || {
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).open(path)?;
        file.write_all(&bytes)?;
        file.sync_all()
    });
    let written = written.await.map_err(|error| Failure::failed(error.to_string()))?;
    written.map_err(|error| {
        if error.kind() == std::io::ErrorKind::AlreadyExists {
            return Failure::failed(format!("{} is there already; it was left as it is", file.display()));
        }
        Failure::file(file, &error)
    })
}

/// Tells how far an import has come.
async fn progress(events: &Events, done: usize, total: usize) {
    let event = Event::Progress { what: "importing".to_owned(), done: done as u64, total: total as u64 };
    // Whether anybody looks makes no difference.
    let _ = events.send(event).await;
}

/// Writes a text in changes of bounded size.
async fn write_text(doc: &Doc, text: &str, events: &Events) -> Result<(), Failure> {
    let object = doc.change(|transaction| transaction.put_object(ROOT, TEXT_KEY, ObjType::Text))?.await?;
    let total = text.chars().count();
    let mut letters = text.chars();
    let mut done = 0;
    while done < total {
        let piece: String = letters.by_ref().take(MAX_OPERATIONS).collect();
        doc.change(|transaction| transaction.splice_text(&object, done, 0, &piece))?.await?;
        done = done.saturating_add(MAX_OPERATIONS).min(total);
        progress(events, done, total).await;
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
async fn write_json(doc: &Doc, whole: Json, events: &Events) -> Result<(), Failure> {
    let mut waiting = VecDeque::new();
    queue(&mut waiting, &ROOT, whole);
    let mut done = 0;
    while !waiting.is_empty() {
        let commit = doc.change(|transaction| {
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
        commit.await?;
        done += MAX_OPERATIONS;
        progress(events, done, done + waiting.len()).await;
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
