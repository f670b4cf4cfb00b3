//! A copy of a store, made while it is in use.
//!
//! What is copied is what was committed when the copy began: one read transaction of redb, which sees nothing of
//! later commits and holds none of them up. The copy is a store of its own, filled under another name, made durable,
//! and moved to its place; a power cut leaves either no copy or a whole one. Memory is bounded by
//! [`MAX_COPIED_AT_ONCE`], however large the store is.
//!
//! [`copy_what_can_be_read`] does the same with a damaged store: in each table it reads from both ends towards the
//! damage.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::ops::ControlFlow;
use std::path::Path;

use redb::{ReadTransaction, TableError};
use thiserror::Error;

use super::connection::{Connection, guarded};
use super::create::{build, new_private_file, sync_directory};
use super::file::{Entries, Store, commit, create_database};
use super::place::mark_copied;
use super::redb_errors::{file_error, open_error, store_error};
use super::{Entry, MAX_VALUE_BYTES, OpenError, StoreError, Table, Write};

/// Bytes of rows after which a copy commits what it has, so that a phone can copy a large store.
const MAX_COPIED_AT_ONCE: usize = 8 * 1024 * 1024;

/// What the unfinished copy is called, after its name. A file of that name is the rest of a copy that was cut off,
/// and is removed by the next one.
const UNFINISHED_SUFFIX: &str = ".katori-unfinished";

/// How far a copy is, or how it went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Copied {
    /// Rows copied.
    pub rows: u64,
    /// Bytes of those.
    pub bytes: u64,
    /// How long the file is that is being copied, gaps included: what is copied is at most this.
    pub file_bytes: u64,
}

/// Why there is no copy. The store itself is as it was.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BackupError {
    /// The store cannot be read.
    #[error("the store cannot be read, so there is no copy of it: {0}")]
    Read(#[source] StoreError),
    /// The copy cannot be written.
    #[error("there is no copy: {0}")]
    Write(#[from] OpenError),
    /// Whoever asked for it wants it no more.
    #[error("the copy was stopped before it was complete; nothing is left of it")]
    Stopped,
}

/// Rows of a damaged store that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// In which table.
    pub table: Table,
    /// The last key that could be read before them, if any.
    pub after: Option<Vec<u8>>,
    /// The first key that could be read after them, if any.
    pub before: Option<Vec<u8>>,
    /// What the database said.
    pub detail: String,
}

impl Store {
    /// Copies everything that is committed into a new store at `path`, and then makes these writes in the copy.
    /// Commits go on meanwhile. `progress` is told how far it is, and may stop it.
    ///
    /// The copy holds this device's secret key, as the store does; only its owner can read the file.
    ///
    /// # Errors
    /// [`BackupError`]; a file that is there already is left as it is.
    pub fn backup(
        &self,
        path: impl AsRef<Path>,
        changes: &[Write],
        mut progress: impl FnMut(Copied) -> ControlFlow<()>,
    ) -> Result<Copied, BackupError> {
        let path = path.as_ref();
        let mut copied =
            Copied { file_bytes: self.length().map_err(BackupError::Read)?, ..Copied::default() };
        build(path, UNFINISHED_SUFFIX, |backend| {
            // After the place was found free, so that what is refused costs nothing.
            let snapshot = self.snapshot().map_err(BackupError::Read)?;
            let copy = Copy { path, database: create_database(path, backend, &[])? };
            for table in Table::ALL {
                let mut batch = Batch::default();
                let end = each_row(&snapshot, table, false, |entry| {
                    copied.rows += 1;
                    copied.bytes += size(&entry) as u64;
                    batch.add(table, entry);
                    if batch.bytes < MAX_COPIED_AT_ONCE {
                        return Ok(ControlFlow::Continue(()));
                    }
                    copy.write(&batch.take())?;
                    Ok(progress(copied))
                })?;
                copy.write(&batch.take())?;
                end.map_err(|error| BackupError::Read(store_error(error)))?;
                if progress(copied).is_break() {
                    return Err(BackupError::Stopped);
                }
            }
            copy.write(changes)?;
            Ok(copy.compacted())
        })?;
        Ok(copied)
    }
}

impl Store {
    /// Copies the file byte for byte, as it is, whatever is wrong with it. When this returns the copy is durable.
    ///
    /// # Errors
    /// [`OpenError`]; a file that is there already is left as it is.
    pub fn copy_file(&self, to: impl AsRef<Path>) -> Result<(), OpenError> {
        let to = to.as_ref();
        let failed = |error| file_error(to, error);
        let file = new_private_file(to).map_err(|error| {
            if error.kind() == io::ErrorKind::AlreadyExists {
                OpenError::AlreadyExists { path: to.into() }
            } else {
                failed(error)
            }
        })?;
        let copied = self.copy_bytes(file).and_then(|()| sync_directory(to));
        if copied.is_err() {
            // Half a copy is of no use, and takes the room that is missing perhaps.
            let _ = fs::remove_file(to);
        }
        copied.map_err(failed)
    }

    fn copy_bytes(&self, mut file: File) -> io::Result<()> {
        let length = self.length().map_err(io::Error::other)?;
        let mut at = 0;
        while at < length {
            let piece = usize::try_from(length - at).unwrap_or(usize::MAX).min(MAX_COPIED_AT_ONCE);
            let mut bytes = vec![0; piece];
            self.read_file(at, &mut bytes)?;
            file.write_all(&bytes)?;
            at += piece as u64;
        }
        file.sync_all()
    }
}

/// Copies into a new store at `path` every row of a damaged one that can be read, and says what could not be. What can
/// be read may be older than what was committed last, so the new store knows that it is a copy.
///
/// # Errors
/// [`BackupError`] if nothing can be read, or the copy cannot be written.
pub(crate) fn copy_what_can_be_read(store: &Store, path: &Path) -> Result<Vec<Unreadable>, BackupError> {
    let mut unreadable = Vec::new();
    build(path, UNFINISHED_SUFFIX, |backend| {
        let snapshot = store.snapshot().map_err(BackupError::Read)?;
        let copy = Copy { path, database: create_database(path, backend, &[])? };
        for table in Table::ALL {
            let (last, end) = copy.rows(&snapshot, table, false, None)?;
            let Err(error) = end else { continue };
            // From the other end, down to where the first pass came.
            let (first, _) = copy.rows(&snapshot, table, true, last.as_deref())?;
            unreadable.push(Unreadable { table, after: last, before: first, detail: error.to_string() });
        }
        copy.write(&[mark_copied()])?;
        Ok(copy.compacted())
    })
    .map(|()| unreadable)
}

fn size((key, value): &Entry) -> usize {
    key.len() + value.len()
}

/// Rows on their way into a copy.
#[derive(Debug, Default)]
struct Batch {
    writes: Vec<Write>,
    bytes: usize,
}

impl Batch {
    fn add(&mut self, table: Table, (key, value): Entry) {
        self.bytes += key.len() + value.len();
        self.writes.push(Write::Put { table, key, value });
    }

    fn take(&mut self) -> Vec<Write> {
        std::mem::take(self).writes
    }
}

/// A store that is being filled.
struct Copy<'a> {
    path: &'a Path,
    database: Connection,
}

impl Copy<'_> {
    fn write(&self, writes: &[Write]) -> Result<(), BackupError> {
        if writes.is_empty() {
            return Ok(());
        }
        let written = self.database.call(|database| commit(database, writes, None));
        written.map_err(|error| open_error(self.path, error).into())
    }

    /// Copies rows of a table until one cannot be read; also the last key that was copied.
    #[expect(clippy::type_complexity, reason = "it is taken apart where it is made")]
    fn rows(
        &self,
        snapshot: &ReadTransaction,
        table: Table,
        backwards: bool,
        until: Option<&[u8]>,
    ) -> Result<(Option<Vec<u8>>, Result<(), redb::Error>), BackupError> {
        let (mut batch, mut last) = (Batch::default(), None);
        let end = each_row(snapshot, table, backwards, |entry| {
            if until.is_some_and(|until| entry.0.as_slice() <= until) {
                return Ok(ControlFlow::Break(()));
            }
            last = Some(entry.0.clone());
            batch.add(table, entry);
            if batch.bytes >= MAX_COPIED_AT_ONCE {
                self.write(&batch.take())?;
            }
            Ok(ControlFlow::Continue(()))
        });
        self.write(&batch.take())?;
        match end {
            Ok(end) => Ok((last, end)),
            Err(BackupError::Stopped) => Ok((last, Ok(()))),
            Err(error) => Err(error),
        }
    }

    /// Without the gaps that filling it left.
    fn compacted(mut self) -> Connection {
        if let Err(error) = self.database.compact() {
            tracing::debug!(%error, "a copy was not compacted");
        }
        self.database
    }
}

/// Hands out the rows of a table one by one. The outer error is that of whoever takes them; the inner one says that
/// the table could not be read further.
fn each_row(
    snapshot: &ReadTransaction,
    table: Table,
    backwards: bool,
    mut take: impl FnMut(Entry) -> Result<ControlFlow<()>, BackupError>,
) -> Result<Result<(), redb::Error>, BackupError> {
    let entries: Entries = match guarded(|| match snapshot.open_table(table.definition()) {
        Ok(entries) => Ok(Some(entries)),
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }) {
        Ok(Some(entries)) => entries,
        Ok(None) => return Ok(Ok(())),
        Err(error) => return Ok(Err(error)),
    };
    let mut rows = match guarded(|| Ok(entries.range::<&[u8]>(..)?)) {
        Ok(rows) => rows,
        Err(error) => return Ok(Err(error)),
    };
    loop {
        let next = guarded(|| {
            let next = if backwards { rows.next_back() } else { rows.next() };
            next.map(|entry| entry.map(|(key, value)| (key.value().to_vec(), value.value().to_vec())))
                .transpose()
                .map_err(Into::into)
        });
        match next {
            Ok(Some(entry)) if entry.1.len() > MAX_VALUE_BYTES => {
                return Ok(Err(redb::Error::Corrupted("a value is larger than any that is written".into())));
            }
            Ok(Some(entry)) => {
                if take(entry)?.is_break() {
                    return Err(BackupError::Stopped);
                }
            }
            Ok(None) => return Ok(Ok(())),
            Err(error) => return Ok(Err(error)),
        }
    }
}
