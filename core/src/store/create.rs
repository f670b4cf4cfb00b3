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

use super::file::create_database;
use super::redb_errors::{file_error, open_error};
use super::{OpenError, Write};

const UNFINISHED_SUFFIX: &str = ".new";

pub(super) fn create(path: &Path, initial: &[Write]) -> Result<(), OpenError> {
    let failed = |error| file_error(path, error);
    let directory = Directory::lock(path)?;
    // Not `exists()`: a dangling symbolic link is something too.
    match path.symlink_metadata() {
        Ok(_) => return Err(OpenError::AlreadyExists { path: path.into() }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    let unfinished = unfinished_path(path)?;
    remove_if_there(&unfinished).map_err(failed)?;
    let made = make(path, &unfinished, initial)
        .and_then(|()| fs::rename(&unfinished, path).map_err(failed))
        .and_then(|()| directory.sync().map_err(failed));
    if made.is_err() {
        // It is garbage either way; if it cannot be removed now, the next creation does.
        let _ = remove_if_there(&unfinished);
    }
    made
}

fn make(path: &Path, unfinished: &Path, initial: &[Write]) -> Result<(), OpenError> {
    let failed = |error| file_error(path, error);
    let file = new_private_file(unfinished).map_err(failed)?;
    let same_file = file.try_clone().map_err(failed)?;
    let backend = FileBackend::new(file).map_err(|error| open_error(path, error.into()))?;
    let database = create_database(path, backend, initial)?;
    database.close().map_err(|error| open_error(path, error))?;
    same_file.sync_all().map_err(failed)
}

/// Creates a file that only its owner can read: it will hold the device's secret key.
fn new_private_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options.open(path)
}

fn unfinished_path(path: &Path) -> Result<PathBuf, OpenError> {
    let mut name = OsString::from(path.file_name().ok_or_else(|| OpenError::Io {
        path: path.into(),
        source: io::Error::new(io::ErrorKind::InvalidInput, "the path names no file"),
    })?);
    name.push(UNFINISHED_SUFFIX);
    Ok(path.with_file_name(name))
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
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
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let handle = File::open(parent.unwrap_or(Path::new("."))).map_err(|error| file_error(path, error))?;
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
