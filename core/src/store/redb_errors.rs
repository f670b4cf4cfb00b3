//! What redb reports, in this store's own words.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "redb and std add variants; any not named is told in its own words"
)]

use std::io;
use std::path::Path;

use super::{OpenError, StoreError};

pub(super) fn store_error(error: redb::Error) -> StoreError {
    match error {
        redb::Error::Io(error) if is_disk_full(&error) => StoreError::DiskFull,
        redb::Error::Io(error) => StoreError::Io(error),
        redb::Error::PreviousIo | redb::Error::DatabaseClosed => StoreError::Failed,
        other => StoreError::Damaged { detail: other.to_string() },
    }
}

pub(super) fn open_error(path: &Path, error: redb::Error) -> OpenError {
    match error {
        redb::Error::DatabaseAlreadyOpen => OpenError::Locked { path: path.into() },
        redb::Error::Io(error) => match error.kind() {
            // redb's word for a wrong magic number.
            io::ErrorKind::InvalidData => not_a_store(path, &error.to_string()),
            io::ErrorKind::UnexpectedEof => {
                OpenError::Damaged { path: path.into(), detail: "it ends too early".into() }
            }
            _ => file_error(path, error),
        },
        other => OpenError::Damaged { path: path.into(), detail: other.to_string() },
    }
}

pub(super) fn file_error(path: &Path, error: io::Error) -> OpenError {
    if is_disk_full(&error) {
        OpenError::DiskFull { path: path.into() }
    } else {
        OpenError::Io { path: path.into(), source: error }
    }
}

pub(super) fn not_a_store(path: &Path, detail: &str) -> OpenError {
    OpenError::NotADatabase { path: path.into(), detail: detail.into() }
}

fn is_disk_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
