//! A file that cannot be opened is refused with a word that helps, and left byte for byte as it was.
//!
//! `CORRUPTIONS=10000 cargo test --test store_bad_files` tries more damaged files than the default.
#![allow(
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test reports by panicking, and its numbers are small"
)]

#[path = "store/disk.rs"]
mod disk;
#[path = "store/history.rs"]
mod history;

use std::fs;
use std::path::PathBuf;

use disk::{Dice, Disk};
use history::batch;
use katori_core::store::{OpenError, SCHEMA_VERSION, Storage, Store, StoreError, Table};
use redb::{Database, TableDefinition};
use tempfile::TempDir;

/// The table and key of the layout's version, as they are on disk for ever.
const SCHEMA: TableDefinition<'static, &'static str, u32> = TableDefinition::new("schema");

fn folder() -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("hub.katori");
    (folder, path)
}

/// The bytes of a store that was closed, or whose process was killed.
fn filled_store(closed: bool) -> Vec<u8> {
    let disk = Disk::default();
    let store = Store::create_backend(disk.clone(), &[]).unwrap();
    for number in 1..40 {
        store.commit(&batch(9, number)).unwrap();
    }
    if closed {
        store.close().unwrap();
    }
    disk.image()
}

/// Opens a file with these bytes. If it is refused, the file must be as it was.
fn open(bytes: &[u8]) -> Result<(Store, TempDir), OpenError> {
    let (folder, path) = folder();
    fs::write(&path, bytes).unwrap();
    match Store::open(&path) {
        Ok(store) => Ok((store, folder)),
        Err(error) => {
            assert!(fs::read(&path).unwrap() == bytes, "refused and changed: {error}");
            assert!(error.to_string().contains("hub.katori"), "{error}");
            Err(error)
        }
    }
}

#[test]
fn a_missing_file_is_missing() {
    let (_folder, path) = folder();
    let refused = Store::open(&path).unwrap_err();
    assert!(matches!(refused, OpenError::Missing { .. }), "{refused:?}");
    assert!(refused.to_string().contains("create one first"));
    assert!(!path.exists());
}

#[test]
fn an_open_store_is_locked() {
    let (_folder, path) = folder();
    let first = Store::create(&path, &batch(1, 1)).unwrap();
    let refused = Store::open(&path).unwrap_err();
    assert!(matches!(refused, OpenError::Locked { .. }), "{refused:?}");
    assert!(refused.to_string().contains("in use by another process"));
    first.commit(&batch(1, 2)).unwrap();
    drop(first);
    Store::open(&path).unwrap();
}

#[test]
fn a_newer_layout_is_left_to_the_newer_version() {
    let (_folder, path) = folder();
    Store::create(&path, &batch(1, 1)).unwrap().close().unwrap();
    let database = Database::open(&path).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.open_table(SCHEMA).unwrap().insert("version", SCHEMA_VERSION + 1).unwrap();
    transaction.commit().unwrap();
    drop(database);

    let bytes = fs::read(&path).unwrap();
    let refused = Store::open(&path).unwrap_err();
    assert!(
        matches!(refused, OpenError::NewerSchema { found, known, .. } if found == known + 1),
        "{refused:?}"
    );
    assert!(refused.to_string().contains("update this program"));
    assert!(fs::read(&path).unwrap() == bytes);
}

#[test]
fn the_database_of_another_program_is_not_a_store() {
    let (_folder, path) = folder();
    let database = Database::create(&path).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.open_table(TableDefinition::<u64, u64>::new("theirs")).unwrap().insert(1, 2).unwrap();
    transaction.commit().unwrap();
    drop(database);

    let bytes = fs::read(&path).unwrap();
    let refused = Store::open(&path).unwrap_err();
    assert!(matches!(refused, OpenError::NotADatabase { .. }), "{refused:?}");
    assert!(refused.to_string().contains("another program"));
    assert!(fs::read(&path).unwrap() == bytes);
}

#[test]
fn what_is_no_database_is_not_a_store() {
    let texts: [&[u8]; 4] = [b"", b"r", b"a letter to a friend", &[0; 10_000]];
    for bytes in texts {
        let refused = open(bytes).unwrap_err();
        assert!(matches!(refused, OpenError::NotADatabase { .. }), "{refused:?}");
    }
    let (folder, _) = folder();
    let refused = Store::open(folder.path()).unwrap_err();
    assert!(matches!(refused, OpenError::NotADatabase { .. }), "{refused:?}");
    assert!(refused.to_string().contains("not a file"));
}

#[test]
fn a_truncated_store_is_damaged_wherever_it_ends() {
    for closed in [true, false] {
        let whole = filled_store(closed);
        let mut dice = Dice::new(1);
        let mut lengths: Vec<usize> = (0..40).map(|_| dice.below(whole.len() as u64) as usize).collect();
        lengths.extend([9, 10, 64, 320, 511, 512, 4_095, 4_096, 4_097, 8_192, whole.len() - 1]);
        for length in lengths {
            match open(&whole[..length]) {
                Err(OpenError::Damaged { .. }) => {}
                Err(OpenError::NotADatabase { .. }) if length < 9 => {}
                Err(other) => panic!("{length} of {}: {other:?}", whole.len()),
                // Only free space, or what was never acknowledged, may be gone.
                Ok((store, _folder)) => {
                    let model = katori_core::store::MemoryStore::new();
                    (1..40).for_each(|number| model.commit(&batch(9, number)).unwrap());
                    assert!(history::same(&store, &model).unwrap(), "{length} of {}", whole.len());
                }
            }
        }
    }
}

#[test]
fn changed_bytes_never_bring_the_process_down() {
    let corruptions: u64 =
        std::env::var("CORRUPTIONS").ok().and_then(|text| text.parse().ok()).unwrap_or(300);
    for closed in [true, false] {
        let whole = filled_store(closed);
        for seed in 0..corruptions / 2 {
            let mut dice = Dice::new(seed);
            let mut bytes = whole.clone();
            for _ in 0..=dice.below(200) {
                // Half of them in the first pages, where everything begins.
                let range = if dice.one_in(2) { 8_192 } else { bytes.len() as u64 };
                bytes[dice.below(range) as usize] = dice.below(256) as u8;
            }
            let Ok((store, _folder)) = open(&bytes) else { continue };
            for table in Table::ALL {
                let _: Result<_, StoreError> = store.scan(table, &[]);
            }
            let _: Result<_, StoreError> = store.commit(&batch(9, 40));
            let _: Result<_, StoreError> = store.get(Table::Settings, b"batches");
        }
    }
}

#[cfg(unix)]
#[test]
fn a_file_that_may_not_be_written_is_refused_or_untouched() {
    use std::os::unix::fs::PermissionsExt;
    let (_folder, path) = folder();
    Store::create(&path, &batch(1, 1)).unwrap().close().unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
    match Store::open(&path) {
        Err(OpenError::Io { source, .. }) => assert_eq!(source.kind(), std::io::ErrorKind::PermissionDenied),
        Err(other) => panic!("{other:?}"),
        // The superuser may write it nevertheless.
        Ok(store) => assert_eq!(history::batches_in(&store).unwrap(), 1),
    }
}

#[test]
fn a_disk_that_cannot_be_written_is_an_error_and_not_a_loss() {
    let bytes = filled_store(true);
    let disk = Disk::holding(bytes.clone());
    disk.refuse_writes(true);
    let refused = Store::open_backend(disk.clone());
    assert!(matches!(refused, Err(OpenError::Io { .. })), "{refused:?}");
    assert!(disk.image() == bytes);
}
