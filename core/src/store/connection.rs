//! An open redb database that never panics.
//!
//! redb trusts the pages of a file that was closed properly, and panics on some that are damaged, even in closing.
//! Every call passes through here, where a panic becomes an error.

use std::fmt;

use redb::{Database, StorageBackend};

use super::backend::Shared;
use crate::gate;

/// Memory redb may use for pages. Its own default is 1 GiB, too much for a phone and for a hub at rest; what is read
/// often here is small (rows of state, the upper pages of the trees), and packs are read once. With four times as much,
/// opening a hundred thousand documents takes a twentieth longer, for pages read go into memory that was not used yet, and
/// thousands of documents come in no sooner.
const CACHE_BYTES: usize = 1 << 20;

/// A database, until it is closed.
pub(super) struct Connection(Option<Database>);

impl fmt::Debug for Connection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Connection").finish_non_exhaustive()
    }
}

impl Connection {
    /// Opens a database, or makes one where the storage is empty.
    pub(super) fn open(backend: impl StorageBackend) -> Result<Connection, redb::Error> {
        let builder = || Ok(Database::builder().set_cache_size(CACHE_BYTES).create_with_backend(backend)?);
        Ok(Connection(Some(guarded(builder)?)))
    }

    /// Opens a database over a view of its storage, which stays untouched whatever is done.
    pub(super) fn examine(backend: &Shared) -> Result<Connection, redb::Error> {
        Connection::open(backend.overlay()?)
    }

    /// The same, believing nothing that the database notes beside its trees.
    pub(super) fn examine_anew(backend: &Shared) -> Result<Connection, redb::Error> {
        Connection::open(backend.overlay()?.needing_repair()?)
    }

    pub(super) fn call<T>(
        &self,
        call: impl FnOnce(&Database) -> Result<T, redb::Error>,
    ) -> Result<T, redb::Error> {
        let database = self.0.as_ref().ok_or(redb::Error::DatabaseClosed)?;
        guarded(|| call(database))
    }

    pub(super) fn check_integrity(&mut self) -> Result<bool, redb::Error> {
        let database = self.0.as_mut().ok_or(redb::Error::DatabaseClosed)?;
        guarded(|| Ok(database.check_integrity()?))
    }

    /// Moves what lies at the end of the file into its gaps, and cuts the end off.
    pub(super) fn compact(&mut self) -> Result<bool, redb::Error> {
        let database = self.0.as_mut().ok_or(redb::Error::DatabaseClosed)?;
        guarded(|| Ok(database.compact()?))
    }

    /// Closes it in good order, so that the next opening need not read the whole file.
    pub(super) fn close(mut self) -> Result<(), redb::Error> {
        self.take_and_close()
    }

    fn take_and_close(&mut self) -> Result<(), redb::Error> {
        self.0.take().map_or(Ok(()), |database| guarded(|| Ok(database.close()?)))
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Err(error) = self.take_and_close() {
            tracing::debug!(%error, "a store was not closed in good order");
        }
    }
}

pub(super) fn guarded<T>(call: impl FnOnce() -> Result<T, redb::Error>) -> Result<T, redb::Error> {
    // Whatever was half done is in the database, which refuses further work or recovers by itself.
    gate::guarded("reading the store", call).unwrap_or_else(|panic| {
        Err(redb::Error::Corrupted(format!("the database gave up: {}", panic.message)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_error() {
        let formatted = guarded::<()>(|| panic!("page {}", 7)).unwrap_err();
        assert!(formatted.to_string().contains("page 7"), "{formatted}");
        let plain = guarded::<()>(|| panic!("no page")).unwrap_err();
        assert!(plain.to_string().contains("no page"), "{plain}");
    }
}
