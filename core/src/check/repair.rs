//! Repairing a store in its file.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::finding::{Remedy, Report};
use super::{check_file, examine, mend};
use crate::document::DocumentLimits;
use crate::store::{
    BackupError, OpenError, Storage, Store, StoreError, Unreadable, Write, beside, copy_what_can_be_read,
    sync_directory,
};

/// How often a repair looks again: what is mended in one round uncovers what the next one mends. Three suffice
/// (rows, then what links, then state); a store that needs more than these is left for people to look at.
const MAX_ROUNDS: usize = 6;
/// Files of earlier repairs that may lie beside a store.
const MAX_FILES: u32 = 10_000;

/// What a repair did.
#[derive(Debug, Clone, Default)]
pub struct Repaired {
    /// What was wrong before.
    pub before: Report,
    /// What is wrong still.
    pub after: Report,
    /// The file as it was, byte for byte; nothing if there was nothing to mend.
    pub copy: Option<PathBuf>,
    /// The store with the rows that were taken out of this one; nothing if none were.
    pub set_aside: Option<PathBuf>,
    /// Rows that the file could not give back at all. Others have what is synced of them.
    pub unreadable: Vec<Unreadable>,
}

/// Why a store was not repaired.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RepairError {
    /// It cannot be opened, or a file beside it cannot be made.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It cannot be read or written.
    #[error("the repair stopped: {0}; the store as it was is in the copy beside it, if one was made")]
    Store(#[from] StoreError),
    /// What can be read of it cannot be copied.
    #[error("the repair stopped: {0}; the store is as it was")]
    Copy(#[from] BackupError),
    /// What could be read of it is in its place, and the disk does not say that this is durable.
    #[error(
        "the repair stopped at {} ({source}); what could be read is there, and the store as it was is in the copy \
         beside it: check the disk, and repair again",
        path.display()
    )]
    Replaced {
        /// Which.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// A file cannot be moved or made.
    #[error("the repair stopped at {} ({source}); the store is as it was", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
}

/// Repairs the store at `path`, which nobody may have open; `seed` must be fresh randomness. First the file is copied
/// beside itself. A store in which nothing is to be mended is only made as short as it can be.
///
/// # Errors
/// [`RepairError`]; what was in the store is then in the store or in the copy.
pub fn repair(
    path: impl AsRef<Path>,
    limits: &DocumentLimits,
    seed: [u8; 32],
    progress: &mut dyn FnMut(u64),
) -> Result<Repaired, RepairError> {
    let path = path.as_ref();
    let before = check_file(path, limits, progress)?;
    let mut repaired = Repaired { before: before.clone(), after: before, ..Repaired::default() };
    if !repaired.before.is_repairable() {
        if repaired.before.is_clean() {
            repaired.after.file_bytes = compact(path)?;
        }
        return Ok(repaired);
    }
    let copy = free_name(path, "before-repair")?;
    examine(path)?.copy_file(&copy)?;
    repaired.copy = Some(copy);
    if repaired.before.findings.iter().any(|finding| finding.remedy == Remedy::CopyOver) {
        repaired.unreadable = copy_over(path)?;
    }
    let mut aside = Aside { beside: path, made: None };
    for round in 0..MAX_ROUNDS {
        repaired.after = check_file(path, limits, progress)?;
        if !repaired.after.is_repairable() || repaired.after.findings.iter().any(is_beneath) {
            break;
        }
        let store = Store::open(path)?;
        // Each round has a seed of its own.
        let seed = *blake3::keyed_hash(&seed, &round.to_le_bytes()).as_bytes();
        mend(&store, limits, seed, &repaired.after.findings, &mut |rows| aside.add(rows))?;
        store.close()?;
    }
    repaired.set_aside = aside.close()?;
    repaired.after = check_file(path, limits, progress)?;
    repaired.after.file_bytes = compact(path)?;
    Ok(repaired)
}

fn is_beneath(finding: &super::Finding) -> bool {
    finding.remedy == Remedy::CopyOver
}

/// Replaces a damaged file by a new one with what can be read of it. A power cut leaves one or the other in its place.
fn copy_over(path: &Path) -> Result<Vec<Unreadable>, RepairError> {
    let damaged = examine(path)?;
    let new = free_name(path, "repaired")?;
    let unreadable = copy_what_can_be_read(&damaged, &new)?;
    fs::rename(&new, path).map_err(|source| RepairError::File { path: new, source })?;
    // Held until here, so that nobody begins to write what is being replaced.
    drop(damaged);
    // What is committed from now on must not be lost with the name.
    sync_directory(path).map_err(|source| RepairError::Replaced { path: path.into(), source })?;
    Ok(unreadable)
}

/// Makes the file as short as it can be; how long it is then.
fn compact(path: &Path) -> Result<u64, RepairError> {
    let mut store = Store::open(path)?;
    store.compact()?;
    store.close()?;
    let length = fs::metadata(path).map(|metadata| metadata.len());
    length.map_err(|source| RepairError::File { path: path.into(), source })
}

/// The first of the files called so that is not there yet.
fn free_name(path: &Path, what: &str) -> Result<PathBuf, RepairError> {
    let failed = |source| RepairError::File { path: path.into(), source };
    for number in 1..=MAX_FILES {
        let name = beside(path, &format!(".{what}-{number}")).map_err(failed)?;
        if name.symlink_metadata().is_err() {
            return Ok(name);
        }
    }
    Err(failed(io::Error::new(
        io::ErrorKind::AlreadyExists,
        "it has too many files of earlier repairs beside it",
    )))
}

/// The store for rows that are taken out, made when there is one.
struct Aside<'a> {
    beside: &'a Path,
    made: Option<(PathBuf, Store)>,
}

impl Aside<'_> {
    fn add(&mut self, rows: &[Write]) -> Result<(), StoreError> {
        if let Some((_, store)) = &self.made {
            return store.commit(rows);
        }
        let made = free_name(self.beside, "set-aside").and_then(|path| {
            let store = Store::create(&path, rows)?;
            Ok((path, store))
        });
        self.made = Some(made.map_err(|error| StoreError::Io(io::Error::other(error.to_string())))?);
        Ok(())
    }

    fn close(self) -> Result<Option<PathBuf>, StoreError> {
        let Some((path, store)) = self.made else { return Ok(None) };
        store.close()?;
        Ok(Some(path))
    }
}
