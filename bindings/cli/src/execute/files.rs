//! Documents from files and into files.

use std::io::Write;
use std::path::Path as FilePath;

use serde_json::Value as Json;
use tokio::task::spawn_blocking;

use super::content::value_at;
use super::documents::check_name;
use super::prepare::prepare;
use super::{Events, Executor};
use crate::failure::Failure;
use crate::format::Format;
use crate::path::Path;
use crate::report::ExportedReport;
use crate::response::Response;

/// The largest file that is read: Automerge needs hundreds of times as much memory for a text. 64 MiB.
const MAX_FILE: u64 = 64 << 20;

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
        check_name(&name)?;
        let bytes = read(file).await?;
        // The content is made aside, so that the document has all of it from its first moment or does not exist.
        let prepared = match format {
            Format::Automerge => bytes,
            Format::Json | Format::Text => {
                let (file, events) = (file.to_path_buf(), events.clone());
                spawn_blocking(move || prepare(&file, format, bytes, &events))
                    .await
                    .map_err(|error| Failure::failed(format!("{error}; nothing was imported")))??
            }
        };
        let doc = self.node.import(&name, &prepared).await?;
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
            return Failure::usage(format!("{} is there already; it was left as it is", file.display()));
        }
        Failure::file(file, &error)
    })
}
