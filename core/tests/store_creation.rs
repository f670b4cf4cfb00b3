//! Whenever the power goes while a store is created, there is none, or a whole one, and creating it again works.
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
use std::path::{Path, PathBuf};

use disk::{Dice, Disk};
use history::put;
use katori_core::store::{MAX_KEY_BYTES, OpenError, Place, Storage, Store, Table, Write};
use tempfile::TempDir;

fn initial() -> Vec<Write> {
    vec![put(Table::Settings, b"device key".to_vec(), vec![42; 32])]
}

fn assert_holds_initial(store: &Store, context: &str) {
    let found = store.get(Table::Settings, b"device key").unwrap();
    assert_eq!(found, Some(vec![42; 32]), "{context}");
}

fn folder() -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("hub.katori");
    (folder, path)
}

fn unfinished(path: &Path) -> PathBuf {
    path.with_file_name("hub.katori.new")
}

#[test]
fn what_an_interrupted_creation_left_is_garbage() {
    let (_folder, finished) = folder();
    Store::create(&finished, &initial()).unwrap().close().unwrap();
    let whole = fs::read(&finished).unwrap();

    let half = whole.len() / 2;
    for length in [0, 1, 8, 9, 10, 100, 511, 512, 4_096, 4_097, half, whole.len() - 1, whole.len()] {
        let (_folder, path) = folder();
        fs::write(unfinished(&path), &whole[..length]).unwrap();
        assert!(matches!(Store::open(&path), Err(OpenError::Missing { .. })), "{length} bytes left");
        let new = [put(Table::Settings, b"device key".to_vec(), vec![7; 32])];
        let store = Store::create(&path, &new).unwrap();
        assert_eq!(
            store.get(Table::Settings, b"device key").unwrap(),
            Some(vec![7; 32]),
            "{length} bytes left"
        );
        assert!(!unfinished(&path).exists());
    }
}

#[test]
fn a_power_cut_at_any_step_leaves_nothing_that_looks_whole_and_is_not() {
    let undisturbed = Disk::default();
    Store::create_backend(undisturbed.clone(), &initial()).unwrap().close().unwrap();
    let steps = undisturbed.operations();
    assert!(steps > 5, "{steps}");
    let mut refused = 0;
    for step in 1..=steps + 1 {
        for seed in 0..40 {
            let disk = Disk::default();
            disk.cut_power_at(step);
            let created = Store::create_backend(disk.clone(), &initial()).map(Store::close);
            let image = disk.image_after_power_cut(&mut Dice::new(seed));
            let context = format!("step {step} of {steps}, seed {seed}");
            match Store::open_backend(Disk::holding(image)) {
                Ok(store) => assert_holds_initial(&store, &context),
                Err(OpenError::NotADatabase { .. } | OpenError::Damaged { .. }) => {
                    assert!(created.is_err(), "{context}: it was acknowledged");
                    refused += 1;
                }
                Err(other) => panic!("{context}: {other}"),
            }
        }
    }
    assert!(refused > 0, "redb refuses such files: that is why stores are made under another name");
}

#[test]
fn a_finished_store_is_never_created_over() {
    let (_folder, path) = folder();
    Store::create(&path, &initial()).unwrap();
    let refused = Store::create(&path, &[]);
    assert!(matches!(refused, Err(OpenError::AlreadyExists { .. })), "{refused:?}");
    assert_holds_initial(&Store::open(&path).unwrap(), "after a second creation");

    let (_folder, path) = folder();
    fs::create_dir(&path).unwrap();
    assert!(matches!(Store::create(&path, &[]), Err(OpenError::AlreadyExists { .. })));
    let (_folder, path) = folder();
    fs::write(&path, b"").unwrap();
    assert!(matches!(Store::create(&path, &[]), Err(OpenError::AlreadyExists { .. })));
}

#[cfg(unix)]
#[test]
fn a_dangling_link_is_not_created_over() {
    let (_folder, path) = folder();
    std::os::unix::fs::symlink("nowhere", &path).unwrap();
    assert!(matches!(Store::create(&path, &[]), Err(OpenError::AlreadyExists { .. })));
    assert!(path.is_symlink());
}

#[test]
fn a_refused_creation_leaves_nothing_behind() {
    let (folder, path) = folder();
    let refused = Store::create(&path, &[put(Table::Held, vec![0; MAX_KEY_BYTES + 1], vec![])]);
    assert!(matches!(refused, Err(OpenError::Initial(_))), "{refused:?}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);

    let refused = Store::create(folder.path().join("no such folder").join("hub.katori"), &[]);
    assert!(matches!(refused, Err(OpenError::Io { .. })), "{refused:?}");
}

#[test]
fn of_several_creators_one_succeeds() {
    let (_folder, path) = folder();
    let created: Vec<bool> = std::thread::scope(|scope| {
        let creators: Vec<_> = (0..8_u8)
            .map(|number| {
                let path = &path;
                scope.spawn(move || {
                    match Store::create(path, &[put(Table::Settings, b"by".to_vec(), vec![number])]) {
                        Ok(store) => {
                            assert_eq!(store.get(Table::Settings, b"by").unwrap(), Some(vec![number]));
                            true
                        }
                        Err(OpenError::AlreadyExists { .. } | OpenError::Locked { .. }) => false,
                        Err(other) => panic!("{other}"),
                    }
                })
            })
            .collect();
        creators.into_iter().map(|creator| creator.join().unwrap()).collect()
    });
    assert_eq!(created.iter().filter(|created| **created).count(), 1);
    Store::open(&path).unwrap();
}

#[cfg(unix)]
#[test]
fn only_the_owner_can_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let (_folder, path) = folder();
    let store = Store::create(&path, &initial()).unwrap();
    store.commit(&initial()).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[cfg(unix)]
#[test]
fn a_copy_lies_in_another_place_and_a_moved_store_in_the_same() {
    let (folder, path) = folder();
    let store = Store::create(&path, &initial()).unwrap();
    let place = store.place();
    assert_ne!(place, Place::default());
    store.close().unwrap();

    let copy = folder.path().join("copy");
    fs::copy(&path, &copy).unwrap();
    let store = Store::open(&copy).unwrap();
    assert_ne!(store.place(), place);
    assert_holds_initial(&store, "the copy");

    let moved = folder.path().join("moved");
    fs::rename(&path, &moved).unwrap();
    assert_eq!(Store::open(&moved).unwrap().place(), place);
}
