//! The store in a file: redb beneath [`Storage`].
//!
//! redb refuses every further call after one I/O error, reads included. So when a write fails the database is
//! closed and opened again over a view whose writes stay in memory ([`super::backend`]): reading goes on, and
//! nothing can be written any more.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Slot;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io;
use std::ops::Bound;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use redb::backends::FileBackend;
use redb::{
    Database, ReadOnlyTable, ReadTransaction, ReadableDatabase, StorageBackend, TableDefinition, TableError,
    WriteTransaction,
};

use super::backend::Shared;
use super::connection::Connection;
use super::gather::Gathered;
use super::place::{Place, place_of};
use super::redb_errors::{file_error, not_a_store, open_error, store_error};
use super::upgrade::from_layout_1;
use super::{
    Entry, KeyBounds, MAX_SCAN_BYTES, OpenError, SCHEMA_VERSION, Storage, StoreError, Table, Visit, Write,
    check_sizes, is_empty_range, key_bounds,
};

/// Holds the version of the layout, out of reach of every [`Write`].
const SCHEMA: TableDefinition<'static, &'static str, u32> = TableDefinition::new("schema");
const SCHEMA_KEY: &str = "version";

/// Longest file that is made shorter on closing: moving more takes longer than a person waits for a program to end.
/// A longer one is made shorter by a repair.
const MAX_COMPACTED_ON_CLOSING: u64 = 64 * 1024 * 1024;
/// A file is made shorter on closing if less than this of it, in percent, is in use.
const WORTH_KEEPING_PERCENT: u64 = 60;
/// Whether that is so is looked up only if at least this much, in percent of the file, was committed since it was
/// opened: it takes reading the file.
const MUCH_COMMITTED_PERCENT: u64 = 25;

/// What a store without a file is called in errors.
const UNNAMED: &str = "(a store without a file)";

/// A store in one file, open in this process alone.
pub struct Store {
    live: RwLock<Live>,
    backend: Shared,
    place: Place,
    /// Bytes of keys and values committed since it was opened.
    committed: AtomicU64,
}

enum Live {
    Writing(Connection),
    /// A write failed; this database lies over a view whose writes stay in memory.
    Reading(Connection),
    /// Not even that could be opened.
    Closed,
}

impl fmt::Debug for Store {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Store").field("place", &self.place).finish_non_exhaustive()
    }
}

impl Store {
    /// Creates a store at `path`, holding `initial` from its first moment, and opens it.
    ///
    /// It is made under another name and moved here when it is complete and durable, so a power cut leaves either
    /// no store or this one. The file is readable by its owner alone: it will hold the device's secret key.
    ///
    /// # Errors
    /// [`OpenError::AlreadyExists`] if anything is there, [`OpenError::Locked`] while another process creates it,
    /// and what the file system says.
    pub fn create(path: impl AsRef<Path>, initial: &[Write]) -> Result<Store, OpenError> {
        super::create::create(path.as_ref(), initial)?;
        Store::open(path)
    }

    /// Opens the store at `path`. It is examined first, and if it is refused the file is left as it was.
    ///
    /// After a crash the whole file is read, to find the last complete commit.
    ///
    /// # Errors
    /// One [`OpenError`] for each way a file can be wrong.
    pub fn open(path: impl AsRef<Path>) -> Result<Store, OpenError> {
        let path = path.as_ref();
        let (file, place) = open_file(path)?;
        let backend = FileBackend::new(file).map_err(|error| open_error(path, error.into()))?;
        open_shared(path, Shared::new(backend), place)
    }

    /// Opens a store that lies in something else than a file.
    ///
    /// # Errors
    /// Those of [`Store::open`].
    pub fn open_backend(backend: impl StorageBackend) -> Result<Store, OpenError> {
        open_shared(Path::new(UNNAMED), Shared::new(backend), Place::default())
    }

    /// Creates a store in something else than a file, which must be empty.
    ///
    /// A power cut during this call may leave what no call accepts: only [`Store::create`] guards against that.
    ///
    /// # Errors
    /// Those of [`Store::create`].
    pub fn create_backend(backend: impl StorageBackend, initial: &[Write]) -> Result<Store, OpenError> {
        let path = Path::new(UNNAMED);
        let backend = Shared::new(backend);
        if backend.len().map_err(|error| file_error(path, error))? > 0 {
            return Err(OpenError::AlreadyExists { path: path.into() });
        }
        let database = create_database(path, backend.clone(), initial)?;
        Ok(Store {
            live: RwLock::new(Live::Writing(database)),
            backend,
            place: Place::default(),
            committed: AtomicU64::new(0),
        })
    }

    /// Opens the store at `path` to be looked at: it can be read and not written, and the file stays byte for byte as
    /// it is, whatever state it is in.
    ///
    /// # Errors
    /// Those of [`Store::open`].
    pub fn examine(path: impl AsRef<Path>) -> Result<Store, OpenError> {
        let path = path.as_ref();
        let (file, place) = open_file(path)?;
        let backend = FileBackend::new(file).map_err(|error| open_error(path, error.into()))?;
        Store::examine_shared(path, Shared::new(backend), place)
    }

    /// The same for a store that lies in something else than a file.
    ///
    /// # Errors
    /// Those of [`Store::open`].
    pub fn examine_backend(backend: impl StorageBackend) -> Result<Store, OpenError> {
        Store::examine_shared(Path::new(UNNAMED), Shared::new(backend), Place::default())
    }

    /// Opens a store that [`Store::examine`] finds damaged, if what is damaged is only what the database notes beside its
    /// trees. It may be as it was before the last commit.
    pub(crate) fn examine_anew(path: &Path) -> Result<Store, OpenError> {
        let (file, place) = open_file(path)?;
        let backend = FileBackend::new(file).map_err(|error| open_error(path, error.into()))?;
        let backend = Shared::new(backend);
        let examined = Connection::examine_anew(&backend).map_err(|error| open_error(path, error))?;
        let version = check_schema(path, &examined)?;
        upgrade(&examined, version).map_err(|error| open_error(path, error))?;
        Ok(Store { live: RwLock::new(Live::Reading(examined)), backend, place, committed: AtomicU64::new(0) })
    }

    fn examine_shared(path: &Path, backend: Shared, place: Place) -> Result<Store, OpenError> {
        let (examined, version) = examine(path, &backend)?;
        // In memory, as everything that is done to what is only examined.
        upgrade(&examined, version).map_err(|error| open_error(path, error))?;
        Ok(Store { live: RwLock::new(Live::Reading(examined)), backend, place, committed: AtomicU64::new(0) })
    }

    /// How long the file is.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn length(&self) -> Result<u64, StoreError> {
        self.backend.len().map_err(StoreError::Io)
    }

    /// Moves what lies at the end of the file into its gaps, and cuts the end off. Says whether that made it shorter.
    /// Takes about as long as reading and writing what is moved; a power cut in between loses nothing.
    ///
    /// # Errors
    /// When the disk fails; everything committed is kept nevertheless.
    pub fn compact(&mut self) -> Result<bool, StoreError> {
        let before = self.length()?;
        match self.live.get_mut().unwrap_or_else(PoisonError::into_inner) {
            Live::Writing(database) => database.compact().map_err(store_error)?,
            Live::Reading(_) | Live::Closed => return Err(StoreError::Failed),
        };
        Ok(self.length()? < before)
    }

    /// Where the file lay on its disk when it was opened.
    #[must_use]
    pub const fn place(&self) -> Place {
        self.place
    }

    /// Whether commits are still possible; false after one has failed.
    #[must_use]
    pub fn is_saving(&self) -> bool {
        matches!(*self.live(), Live::Writing(_))
    }

    /// Reads the whole store and compares every checksum; false means that something was found and repaired (of a
    /// store that is only examined, in memory alone).
    ///
    /// # Errors
    /// [`StoreError::Damaged`] if it cannot be repaired, [`StoreError::Failed`] if it cannot be read any more.
    pub fn check_integrity(&mut self) -> Result<bool, StoreError> {
        match self.live.get_mut().unwrap_or_else(PoisonError::into_inner) {
            Live::Writing(database) | Live::Reading(database) => {
                database.check_integrity().map_err(store_error)
            }
            Live::Closed => Err(StoreError::Failed),
        }
    }

    /// Closes the store, which makes the next opening quick, and makes the file shorter if much of it is gaps.
    /// Dropping only closes it, without telling of errors.
    ///
    /// # Errors
    /// When the disk fails; every commit that returned `Ok` is kept nevertheless.
    pub fn close(self) -> Result<(), StoreError> {
        let is_worth_while = self.has_gaps();
        match self.live.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Live::Writing(mut database) => {
                if is_worth_while && let Err(error) = database.compact() {
                    tracing::debug!(%error, "the store was not made shorter");
                }
                database.close().map_err(store_error)
            }
            Live::Reading(_) | Live::Closed => Ok(()),
        }
    }

    /// Whether much was committed, and much of the file is not in use.
    fn has_gaps(&self) -> bool {
        let (length, committed) = (self.length().unwrap_or(0), self.committed.load(Ordering::Relaxed));
        if length > MAX_COMPACTED_ON_CLOSING || committed < length * MUCH_COMMITTED_PERCENT / 100 {
            return false;
        }
        let Live::Writing(database) = &*self.live() else { return false };
        let used = database.call(|database| {
            let transaction = database.begin_write()?;
            let stats = transaction.stats()?;
            transaction.abort()?;
            Ok(stats.allocated_pages() * stats.page_size() as u64)
        });
        used.is_ok_and(|used| used < length * WORTH_KEEPING_PERCENT / 100)
    }

    /// What is committed now, to be read for as long as it takes; commits go on meanwhile.
    pub(super) fn snapshot(&self) -> Result<ReadTransaction, StoreError> {
        match &*self.live() {
            Live::Writing(database) | Live::Reading(database) => {
                database.call(|database| Ok(database.begin_read()?)).map_err(store_error)
            }
            Live::Closed => Err(StoreError::Failed),
        }
    }

    /// Bytes of the file as they are.
    pub(super) fn read_file(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.backend.read(offset, out)
    }

    fn live(&self) -> RwLockReadGuard<'_, Live> {
        // Panics in redb are caught before they could poison this lock.
        self.live.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Goes on reading, never again writing.
    fn stop_saving(&self) {
        let mut live = self.live.write().unwrap_or_else(PoisonError::into_inner);
        // The old database must be gone, and its lock with it, before the file is opened again.
        *live = Live::Closed;
        match Connection::examine(&self.backend) {
            Ok(database) => *live = Live::Reading(database),
            Err(error) => tracing::error!(%error, "the store can no longer be read"),
        }
    }

    fn read<T: Default>(
        &self,
        table: Table,
        read: impl Fn(&Entries) -> Result<T, redb::Error>,
    ) -> Result<T, StoreError> {
        let result = self.read_once(table, &read);
        match result {
            // A failed write elsewhere has stopped this database: reading goes on over another.
            Err(StoreError::Failed) => {
                self.stop_saving();
                self.read_once(table, &read)
            }
            Err(StoreError::Io(_)) => {
                self.stop_saving();
                result
            }
            _ => result,
        }
    }

    fn read_once<T: Default>(
        &self,
        table: Table,
        read: impl FnOnce(&Entries) -> Result<T, redb::Error>,
    ) -> Result<T, StoreError> {
        match &*self.live() {
            Live::Writing(database) | Live::Reading(database) => {
                database
                    .call(|database| match database.begin_read()?.open_table(table.definition()) {
                        Ok(entries) => read(&entries),
                        // Tables come into being with their first entry.
                        Err(TableError::TableDoesNotExist(_)) => Ok(T::default()),
                        Err(error) => Err(error.into()),
                    })
                    .map_err(store_error)
            }
            Live::Closed => Err(StoreError::Failed),
        }
    }
}

impl Storage for Store {
    fn commit(&self, writes: &[Write]) -> Result<(), StoreError> {
        let size = check_sizes(writes)?;
        self.committed.fetch_add(size as u64, Ordering::Relaxed);
        let result = match &*self.live() {
            Live::Writing(database) => {
                database.call(|database| commit(database, writes, None)).map_err(store_error)
            }
            Live::Reading(_) | Live::Closed => return Err(StoreError::Failed),
        };
        if let Err(error) = &result {
            tracing::error!(%error, "saving stopped");
            self.stop_saving();
        }
        result
    }

    fn visit(&self, table: Table, take: &mut Visit<'_>) -> Result<(), StoreError> {
        let mut last: Option<Vec<u8>> = None;
        loop {
            let bounds = key_bounds(&[], last.as_deref());
            let visited = self.read_once(table, |entries| {
                for entry in entries.range::<&[u8]>(as_slices(&bounds))? {
                    let (key, value) = entry?;
                    if take(key.value(), value.value()).is_break() {
                        break;
                    }
                    let last = last.get_or_insert_default();
                    last.clear();
                    last.extend_from_slice(key.value());
                }
                Ok(())
            });
            match visited {
                // A failed write elsewhere has stopped this database: reading goes on over another, if there is one.
                Err(StoreError::Failed) if self.is_saving() => self.stop_saving(),
                visited => return visited,
            }
        }
    }

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.read(table, |entries| Ok(entries.get(key)?.map(|value| value.value().to_vec())))
    }

    fn scan(&self, table: Table, prefix: &[u8]) -> Result<Vec<Entry>, StoreError> {
        let bounds = key_bounds(prefix, None);
        self.read(table, |entries| gather(entries, &bounds, MAX_SCAN_BYTES, |value| value))?.everything()
    }

    fn scan_keys(&self, table: Table, prefix: &[u8]) -> Result<Vec<Vec<u8>>, StoreError> {
        let bounds = key_bounds(prefix, None);
        let found = self.read(table, |entries| gather(entries, &bounds, MAX_SCAN_BYTES, |_| &[]))?;
        Ok(found.everything()?.into_iter().map(|(key, _)| key).collect())
    }

    fn page(
        &self,
        table: Table,
        prefix: &[u8],
        after: Option<&[u8]>,
        max_bytes: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        let bounds = key_bounds(prefix, after);
        Ok(self.read(table, |entries| gather(entries, &bounds, max_bytes, |value| value))?.page())
    }
}

pub(super) type Entries = ReadOnlyTable<&'static [u8], &'static [u8]>;

fn gather(
    entries: &Entries,
    bounds: &KeyBounds,
    limit: usize,
    keep: impl Fn(&[u8]) -> &[u8],
) -> Result<Gathered, redb::Error> {
    let mut found = Gathered::up_to(limit);
    if is_empty_range(bounds) {
        return Ok(found);
    }
    for entry in entries.range::<&[u8]>(as_slices(bounds))? {
        let (key, value) = entry?;
        if !found.add(key.value(), keep(value.value())) {
            break;
        }
    }
    Ok(found)
}

fn as_slices(bounds: &KeyBounds) -> (Bound<&[u8]>, Bound<&[u8]>) {
    (bounds.0.as_ref().map(Vec::as_slice), bounds.1.as_ref().map(Vec::as_slice))
}

/// One transaction, which redb makes durable before `commit` returns (`Durability::Immediate`, its default).
pub(super) fn commit(
    database: &Database,
    writes: &[Write],
    new_schema: Option<u32>,
) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    if let Some(version) = new_schema {
        transaction.open_table(SCHEMA)?.insert(SCHEMA_KEY, version)?;
    }
    apply(&transaction, writes)?;
    transaction.commit()?;
    Ok(())
}

fn apply(transaction: &WriteTransaction, writes: &[Write]) -> Result<(), redb::Error> {
    let mut tables = BTreeMap::new();
    for write in writes {
        let table = write.table();
        let entries = match tables.entry(table) {
            Slot::Occupied(slot) => slot.into_mut(),
            Slot::Vacant(slot) => slot.insert(transaction.open_table(table.definition())?),
        };
        match write {
            Write::Put { key, value, .. } => {
                entries.insert(key.as_slice(), value.as_slice())?;
            }
            Write::Delete { key, .. } => {
                entries.remove(key.as_slice())?;
            }
            Write::DeletePrefix { prefix, .. } => {
                entries.retain_in::<&[u8], _>(as_slices(&key_bounds(prefix, None)), |_, _| false)?;
            }
        }
    }
    Ok(())
}

fn open_file(path: &Path) -> Result<(File, Place), OpenError> {
    let failed = |error: io::Error| {
        if error.kind() == io::ErrorKind::NotFound {
            OpenError::Missing { path: path.into() }
        } else {
            file_error(path, error)
        }
    };
    if !path.metadata().map_err(failed)?.is_file() {
        return Err(not_a_store(path, "it is not a file"));
    }
    let file = OpenOptions::new().read(true).write(true).open(path).map_err(failed)?;
    let place = place_of(&file.metadata().map_err(failed)?);
    Ok((file, place))
}

fn open_shared(path: &Path, backend: Shared, place: Place) -> Result<Store, OpenError> {
    let failed = |error| open_error(path, error);
    let (examined, _) = examine(path, &backend)?;
    // Closing uses what opening trusted: if that is damaged, better to know before anything is written.
    examined.close().map_err(failed)?;
    let database = Connection::open(backend.clone()).map_err(failed)?;
    // Again, because between the two the lock was free for a moment.
    let version = check_schema(path, &database)?;
    upgrade(&database, version).map_err(failed)?;
    Ok(Store { live: RwLock::new(Live::Writing(database)), backend, place, committed: AtomicU64::new(0) })
}

/// A view of a storage that is a store of a known layout, and which.
fn examine(path: &Path, backend: &Shared) -> Result<(Connection, u32), OpenError> {
    if backend.len().map_err(|error| file_error(path, error))? == 0 {
        return Err(not_a_store(path, "it is empty"));
    }
    let examined = Connection::examine(backend).map_err(|error| open_error(path, error))?;
    let version = check_schema(path, &examined)?;
    Ok((examined, version))
}

/// Makes an empty storage into a store that holds `initial`.
pub(super) fn create_database(
    path: &Path,
    backend: impl StorageBackend,
    initial: &[Write],
) -> Result<Connection, OpenError> {
    check_sizes(initial).map_err(OpenError::Initial)?;
    let database = Connection::open(backend).map_err(|error| open_error(path, error))?;
    let filled = database.call(|database| commit(database, initial, Some(SCHEMA_VERSION)));
    filled.map_err(|error| open_error(path, error))?;
    Ok(database)
}

/// The version of the layout, if it is one that is known here.
fn check_schema(path: &Path, database: &Connection) -> Result<u32, OpenError> {
    let version = database.call(|database| match database.begin_read()?.open_table(SCHEMA) {
        Ok(table) => Ok(table.get(SCHEMA_KEY)?.map(|version| version.value())),
        Err(TableError::Storage(error)) => Err(error.into()),
        Err(_) => Ok(None),
    });
    match version.map_err(|error| open_error(path, error))? {
        Some(found) if found > SCHEMA_VERSION => {
            Err(OpenError::NewerSchema { path: path.into(), found, known: SCHEMA_VERSION })
        }
        Some(found) => Ok(found),
        None => Err(not_a_store(path, "it is the database of another program")),
    }
}

/// Brings a store of an earlier layout to the present one.
fn upgrade(database: &Connection, version: u32) -> Result<(), redb::Error> {
    if version == SCHEMA_VERSION {
        return Ok(());
    }
    tracing::info!(version, to = SCHEMA_VERSION, "the store is brought to the present layout");
    database.call(|database| {
        let transaction = database.begin_write()?;
        from_layout_1(&transaction)?;
        transaction.open_table(SCHEMA)?.insert(SCHEMA_KEY, SCHEMA_VERSION)?;
        transaction.commit()?;
        Ok(())
    })
}
