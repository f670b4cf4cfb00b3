//! Bringing a store into being, so that a power cut at any moment leaves none or a whole one.
//!
//! redb writes its magic number last, and refuses for ever a file in which the power went before that. So the
//! file is made under the name `<name>.new`, closed, synced, moved to its place, and the directory synced. A file
//! of that name found later is the rest of a creation that nobody was told had succeeded: it is removed.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use redb::backends::FileBackend;

use super::connection::Connection;
use super::file::create_database;
use super::redb_errors::{file_error, open_error};
use super::{OpenError, Write};

const UNFINISHED_SUFFIX: &str = ".new";

pub(super) fn create(path: &Path, initial: &[Write]) -> Result<(), OpenError> {
    build(path, UNFINISHED_SUFFIX, |backend| create_database(path, backend, initial))
}

/// Makes a file of the database that is made in an empty one, under another name until it is complete and durable. The
/// file is readable by its owner alone.
pub(super) fn build<E: From<OpenError>>(
    path: &Path,
    unfinished_suffix: &str,
    make_database: impl FnOnce(FileBackend) -> Result<Connection, E>,
) -> Result<(), E> {
    let failed = |error| file_error(path, error);
    let directory = Directory::lock(path)?;
    // Not `exists()`: a dangling symbolic link is something too.
    match path.symlink_metadata() {
        Ok(_) => return Err(OpenError::AlreadyExists { path: path.into() }.into()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error).into()),
    }
    let unfinished = beside(path, unfinished_suffix).map_err(failed)?;
    remove_if_there(&unfinished).map_err(failed)?;
    let made = make(path, &unfinished, make_database).and_then(|()| {
        fs::rename(&unfinished, path).and_then(|()| directory.sync()).map_err(|error| failed(error).into())
    });
    if made.is_err() {
        // It is garbage either way; if it cannot be removed now, the next creation does.
        let _ = remove_if_there(&unfinished);
    }
    made
}

fn make<E: From<OpenError>>(
    path: &Path,
    unfinished: &Path,
    make_database: impl FnOnce(FileBackend) -> Result<Connection, E>,
) -> Result<(), E> {
    let failed = |error| file_error(path, error);
    let file = new_private_file(unfinished).map_err(failed)?;
    let same_file = file.try_clone().map_err(failed)?;
    let backend = FileBackend::new(file).map_err(|error| open_error(path, error.into()))?;
    let database = make_database(backend)?;
    database.close().map_err(|error| open_error(path, error))?;
    same_file.sync_all().map_err(|error| failed(error).into())
}

/// Creates a file that only its owner can read: it will hold the device's secret key.
pub(super) fn new_private_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options.open(path)
}

/// A path in the same folder, with something added to the name.
pub(crate) fn beside(path: &Path, suffix: &str) -> io::Result<PathBuf> {
    let name = path.file_name();
    let mut name = OsString::from(
        name.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the path names no file"))?,
    );
    name.push(suffix);
    Ok(path.with_file_name(name))
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Makes it durable which files are called what in the directory of this file.
pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    if cfg!(not(unix)) {
        return Ok(());
    }
    File::open(directory_of(path))?.sync_all()
}

fn directory_of(path: &Path) -> &Path {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    parent.unwrap_or(Path::new("."))
}

/// The directory of a store, locked so that two processes do not create one at the same time.
struct Directory {
    /// None where directories cannot be opened.
    handle: Option<File>,
}

impl Directory {
    fn lock(path: &Path) -> Result<Directory, OpenError> {
        if cfg!(not(unix)) {
            return Ok(Directory { handle: None });
        }
        let handle = File::open(directory_of(path)).map_err(|error| file_error(path, error))?;
        match handle.try_lock() {
            Err(TryLockError::WouldBlock) => Err(OpenError::Locked { path: path.into() }),
            // Some network file systems have no locks; creating still works there.
            Ok(()) | Err(TryLockError::Error(_)) => Ok(Directory { handle: Some(handle) }),
        }
    }

    fn sync(&self) -> io::Result<()> {
        self.handle.as_ref().map_or(Ok(()), File::sync_all)
    }
}
