//! A copy of a store that is in use is one moment of it, whole, and holds no commit up.
#![allow(
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

#[path = "store/disk.rs"]
mod disk;
#[path = "store/history.rs"]
mod history;

use std::fs;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use history::{batch, batches_in, put, same};
use katori_core::store::{BackupError, MemoryStore, OpenError, Storage, Store, StoreError, Table};
use tempfile::TempDir;

const SEED: u64 = 5;

fn store(batches: u64) -> (TempDir, PathBuf, Store) {
    let folder = TempDir::new().unwrap();
    let store = Store::create(folder.path().join("hub.katori"), &[]).unwrap();
    for number in 1..=batches {
        store.commit(&batch(SEED, number)).unwrap();
    }
    let copy = folder.path().join("copy.katori");
    (folder, copy, store)
}

fn model(batches: u64) -> MemoryStore {
    let model = MemoryStore::new();
    (1..=batches).for_each(|number| model.commit(&batch(SEED, number)).unwrap());
    model
}

#[test]
fn a_copy_is_one_moment_however_much_is_committed_meanwhile() {
    let (_folder, path, store) = store(40);
    let over = AtomicBool::new(false);
    std::thread::scope(|threads| {
        let writer = threads.spawn(|| {
            let mut number = 40;
            while !over.load(Ordering::Relaxed) {
                number += 1;
                store.commit(&batch(SEED, number)).unwrap();
            }
            number
        });
        for round in 0..4 {
            let path = path.with_extension(round.to_string());
            // Whoever is told of progress may even commit: the copy does not see it.
            store.backup(&path, &[], |_| ControlFlow::Continue(())).unwrap();
            let copy = Store::open(&path).unwrap();
            let batches = batches_in(&copy).unwrap();
            assert!(batches >= 40);
            assert!(same(&copy, &model(batches)).unwrap(), "a moment, and not a mixture");
        }
        over.store(true, Ordering::Relaxed);
        let batches = writer.join().unwrap();
        assert!(same(&store, &model(batches)).unwrap());
    });
}

#[test]
fn a_large_copy_goes_in_pieces_and_says_how_far_it_is() {
    let (_folder, path, store) = store(3);
    for number in 0..30_u8 {
        // A value takes the next power of two of pages, so a mebibyte with its key would take two.
        store.commit(&[put(Table::Snapshots, vec![number], vec![number; 1_000_000])]).unwrap();
    }
    let mut steps = Vec::new();
    let copied = store
        .backup(&path, &[], |copied| {
            steps.push(copied.bytes);
            // A commit under way is no obstacle, and not part of the copy.
            store.commit(&[put(Table::Contacts, vec![steps.len() as u8], vec![1])]).unwrap();
            ControlFlow::Continue(())
        })
        .unwrap();
    assert!(steps.len() > Table::ALL.len() + 2 && steps.is_sorted(), "{steps:?}");
    assert!(copied.bytes >= 30_000_000 && copied.bytes <= copied.file_bytes);
    let copy = Store::open(&path).unwrap();
    assert_eq!(copy.scan(Table::Snapshots, &[]).unwrap(), store.scan(Table::Snapshots, &[]).unwrap());
    assert_eq!(copy.scan_keys(Table::Contacts, &[]).unwrap().len(), 0);
    assert!(fs::metadata(&path).unwrap().len() < 40 << 20, "it has no gaps");
}

#[test]
fn nothing_is_written_over_and_nothing_half_done_is_left() {
    let (folder, path, store) = store(20);
    fs::write(&path, b"mine").unwrap();
    let refused = store.backup(&path, &[], |_| ControlFlow::Continue(())).unwrap_err();
    assert!(matches!(refused, BackupError::Write(OpenError::AlreadyExists { .. })), "{refused:?}");
    assert_eq!(fs::read(&path).unwrap(), b"mine");
    fs::remove_file(&path).unwrap();
    let stopped = store.backup(&path, &[], |_| ControlFlow::Break(())).unwrap_err();
    assert!(matches!(stopped, BackupError::Stopped), "{stopped:?}");
    let nowhere = folder.path().join("there/is/none");
    assert!(matches!(
        store.backup(nowhere, &[], |_| ControlFlow::Continue(())),
        Err(BackupError::Write(OpenError::Io { .. }))
    ));
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["hub.katori"]);
}

#[test]
fn the_copy_is_marked_and_private_and_the_store_is_not_touched() {
    let (_folder, path, store) = store(20);
    let mark = put(Table::Settings, b"mark".to_vec(), b"a copy".to_vec());
    store.backup(&path, &[mark], |_| ControlFlow::Continue(())).unwrap();
    assert!(same(&store, &model(20)).unwrap());
    let copy = Store::open(&path).unwrap();
    assert_eq!(copy.get(Table::Settings, b"mark").unwrap(), Some(b"a copy".to_vec()));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn a_store_that_can_save_no_more_can_still_be_copied() {
    let disk = disk::Disk::default();
    let store = Store::create_backend(disk.clone(), &[]).unwrap();
    for number in 1..=10 {
        store.commit(&batch(SEED, number)).unwrap();
    }
    disk.refuse_writes(true);
    assert!(store.commit(&batch(SEED, 11)).is_err());
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("rescued.katori");
    store.backup(&path, &[], |_| ControlFlow::Continue(())).unwrap();
    assert!(same(&Store::open(&path).unwrap(), &model(10)).unwrap());
}

#[test]
fn a_store_that_is_examined_stays_as_it_is() {
    let disk = disk::Disk::default();
    let store = Store::create_backend(disk.clone(), &[]).unwrap();
    for number in 1..=10 {
        store.commit(&batch(SEED, number)).unwrap();
    }
    // As a process leaves it that is killed.
    let bytes = disk.image();
    let killed = disk::Disk::holding(bytes.clone());
    killed.refuse_writes(true);
    let mut examined = Store::examine_backend(killed.clone()).unwrap();
    assert!(same(&examined, &model(10)).unwrap());
    assert!(matches!(examined.commit(&batch(SEED, 11)), Err(StoreError::Failed)));
    assert!(examined.check_integrity().unwrap());
    assert!(!examined.is_saving());
    drop(examined);
    assert!(killed.image() == bytes);
}

#[test]
fn a_store_with_gaps_is_made_shorter() {
    let (folder, _, mut store) = store(5);
    for number in 0..200_u8 {
        store.commit(&[put(Table::Packs, vec![number], vec![number; 60_000])]).unwrap();
    }
    for number in 0..199_u8 {
        store
            .commit(&[katori_core::store::Write::Delete { table: Table::Packs, key: vec![number] }])
            .unwrap();
    }
    store.compact().unwrap();
    assert!(store.length().unwrap() < 1 << 20, "{}", store.length().unwrap());
    assert_eq!(store.get(Table::Packs, &[199]).unwrap(), Some(vec![199; 60_000]));
    store.close().unwrap();
    let store = Store::open(folder.path().join("hub.katori")).unwrap();
    assert_eq!(batches_in(&store).unwrap(), 5);
}
