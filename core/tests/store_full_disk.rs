//! A full or failing disk stops saving, says so, and loses nothing that was acknowledged; reading goes on.
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

use disk::Disk;
use history::{batch, batches_in, put, same};
use katori_core::store::{MemoryStore, OpenError, Storage, Store, StoreError, Table};

/// Commits batches until the store refuses; returns how many it took, and the refusal.
fn commit_until_refused(store: &Store, model: &MemoryStore, seed: u64) -> (u64, StoreError) {
    let begun = batches_in(store).unwrap();
    for number in begun + 1..begun + 10_000 {
        if let Err(error) = store.commit(&batch(seed, number)) {
            return (number - 1, error);
        }
        model.commit(&batch(seed, number)).unwrap();
    }
    panic!("the disk never filled up");
}

#[test]
fn a_full_disk_stops_saving_and_loses_nothing() {
    for seed in 0..30 {
        let disk = Disk::default();
        let store = Store::create_backend(disk.clone(), &[]).unwrap();
        let model = MemoryStore::new();
        let full = disk.length() + 200_000 * (seed as usize % 6) + 4_099 * seed as usize;
        disk.set_room(Some(full));

        let (acknowledged, error) = commit_until_refused(&store, &model, seed);
        assert!(matches!(error, StoreError::DiskFull), "seed {seed}: {error:?}");
        assert!(error.to_string().contains("free some space"));
        assert!(!store.is_saving());

        let again = store.commit(&[put(Table::Settings, vec![1], vec![1])]);
        assert!(matches!(again, Err(StoreError::Failed)), "seed {seed}: {again:?}");
        assert_eq!(batches_in(&store).unwrap(), acknowledged, "seed {seed}");
        assert!(same(&store, &model).unwrap(), "seed {seed}: reading goes on");
        drop(store);

        // Started again while the disk is still full: everything can be read.
        let store = Store::open_backend(disk.clone()).unwrap();
        assert_eq!(batches_in(&store).unwrap(), acknowledged, "seed {seed}");
        assert!(same(&store, &model).unwrap(), "seed {seed}: reading a full disk");
        drop(store);

        // And with room again, everything goes on.
        disk.set_room(None);
        let store = Store::open_backend(disk).unwrap();
        for number in acknowledged + 1..acknowledged + 10 {
            store.commit(&batch(seed, number)).unwrap();
            model.commit(&batch(seed, number)).unwrap();
        }
        assert!(same(&store, &model).unwrap(), "seed {seed}: saving with room again");
    }
}

#[test]
fn a_disk_that_refuses_a_write_stops_saving_until_the_store_is_opened_again() {
    let disk = Disk::default();
    let store = Store::create_backend(disk.clone(), &batch(1, 1)).unwrap();
    disk.refuse_writes(true);
    let refused = store.commit(&batch(1, 2));
    assert!(matches!(refused, Err(StoreError::Io(_))), "{refused:?}");

    // The disk has recovered, but the store cannot know what it lost: it stays as it is.
    disk.refuse_writes(false);
    assert!(matches!(store.commit(&batch(1, 2)), Err(StoreError::Failed)));
    assert_eq!(batches_in(&store).unwrap(), 1);
    drop(store);

    let store = Store::open_backend(disk).unwrap();
    assert_eq!(batches_in(&store).unwrap(), 1);
    store.commit(&batch(1, 2)).unwrap();
    assert_eq!(batches_in(&store).unwrap(), 2);
}

#[test]
fn readers_go_on_while_a_writer_meets_the_full_disk() {
    let disk = Disk::default();
    let store = Store::create_backend(disk.clone(), &batch(5, 1)).unwrap();
    disk.set_room(Some(disk.length()));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while store.is_saving() {
                    assert!(batches_in(&store).unwrap() >= 1);
                }
                assert!(batches_in(&store).unwrap() >= 1);
            });
        }
        commit_until_refused(&store, &MemoryStore::new(), 5);
    });
}

#[test]
fn creating_on_a_full_disk_says_so() {
    let disk = Disk::default();
    disk.set_room(Some(10_000));
    let refused = Store::create_backend(disk, &[]);
    assert!(matches!(refused, Err(OpenError::DiskFull { .. })), "{refused:?}");
}

#[test]
fn oversized_writes_are_refused_and_harm_nothing() {
    use katori_core::store::{MAX_KEY_BYTES, MAX_VALUE_BYTES};
    let store = Store::create_backend(Disk::default(), &[]).unwrap();
    for storage in [&store as &dyn Storage, &MemoryStore::new()] {
        let key = vec![0; MAX_KEY_BYTES + 1];
        let refused = storage.commit(&[put(Table::Held, key, vec![])]);
        assert!(matches!(refused, Err(StoreError::KeyTooLong { .. })));
        let refused = storage.commit(&[
            put(Table::Held, vec![1], vec![1]),
            put(Table::Held, vec![2], vec![0; MAX_VALUE_BYTES + 1]),
        ]);
        assert!(matches!(refused, Err(StoreError::ValueTooLarge { .. })));
        assert_eq!(storage.scan(Table::Held, &[]).unwrap(), vec![]);
        storage.commit(&[put(Table::Held, vec![0; MAX_KEY_BYTES], vec![1])]).unwrap();
        let value = vec![7; MAX_VALUE_BYTES];
        let put_large = put(Table::Packs, vec![1], value);
        let five = vec![put_large; 5];
        assert!(matches!(storage.commit(&five), Err(StoreError::CommitTooLarge { .. })));
        storage.commit(&five[..1]).unwrap();
        assert_eq!(storage.get(Table::Packs, &[1]).unwrap().unwrap().len(), MAX_VALUE_BYTES);
    }
    assert!(store.is_saving());
}
