//! Copies of the store.

use std::path::Path;

use super::{Events, Executor};
use crate::failure::Failure;
use crate::report::BackupReport;
use crate::response::{Event, Response};

impl Executor {
    pub(super) async fn backup(&self, file: &Path, events: &Events) -> Result<Response, Failure> {
        if file.symlink_metadata().is_ok() {
            return Err(Failure::usage(format!("{} is there already; it was left as it is", file.display())));
        }
        let events = events.clone();
        let copied = self
            .node
            .backup_with(file, move |copied| {
                let (done, total) = (copied.bytes, copied.file_bytes);
                // Whether anybody looks makes no difference.
                let _ = events.try_send(Event::Progress { what: "copying".to_owned(), done, total });
            })
            .await?;
        let bytes = tokio::fs::metadata(file).await.map_or(copied.bytes, |file| file.len());
        let file = file.display().to_string();
        Ok(Response::Backup(BackupReport { file, rows: copied.rows, bytes }))
    }
}
