//! A file that is damaged beneath its rows is told, copied, and repaired as far as it can be read.
#![allow(
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

#[path = "store/disk.rs"]
mod disk;
#[path = "check/filled.rs"]
mod filled;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use disk::Dice;
use filled::{open, rows};
use katori_core::check::{Fault, Remedy, Report, check_file, repair};
use katori_core::document::DocumentLimits;
use katori_core::engine::StoredEngine;
use katori_core::store::{COPIED, OpenError, PLACE_ROW, Storage, Store, Table, Write};
use tempfile::TempDir;

fn file() -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("hub.katori");
    let (memory, _) = filled::store();
    Store::create(&path, &filled::writes(&memory)).unwrap().close().unwrap();
    (folder, path)
}

fn look(path: &Path) -> Report {
    check_file(path, &DocumentLimits::default(), &mut |_| {}).unwrap()
}

fn repaired(path: &Path) -> katori_core::check::Repaired {
    repair(path, &DocumentLimits::default(), [1; 32], &mut |_| {}).unwrap()
}

fn files(folder: &TempDir) -> Vec<String> {
    let entries = fs::read_dir(folder.path()).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_clean_file_stays_as_it_is_and_is_only_made_shorter() {
    let (folder, path) = file();
    let bytes = fs::read(&path).unwrap();
    let report = look(&path);
    assert!(report.is_clean() && report.findings.is_empty(), "{:?}", report.findings);
    assert_eq!(report.file_bytes, bytes.len() as u64);
    assert!(fs::read(&path).unwrap() == bytes, "looking changes nothing");
    let before = rows(&Store::open(&path).unwrap());
    let done = repaired(&path);
    assert!(done.copy.is_none() && done.set_aside.is_none() && done.unreadable.is_empty());
    assert!(done.after.file_bytes <= bytes.len() as u64);
    assert!(rows(&Store::open(&path).unwrap()) == before);
    assert_eq!(files(&folder), ["hub.katori"]);
}

#[test]
fn a_file_in_use_and_a_file_that_is_none_are_refused() {
    let (_folder, path) = file();
    let store = Store::open(&path).unwrap();
    let limits = DocumentLimits::default();
    let refused = check_file(&path, &limits, &mut |_| {}).unwrap_err();
    assert!(matches!(refused, OpenError::Locked { .. }), "{refused:?}");
    assert!(repair(&path, &limits, [1; 32], &mut |_| {}).is_err());
    drop(store);
    let missing = path.with_extension("none");
    assert!(matches!(check_file(&missing, &limits, &mut |_| {}), Err(OpenError::Missing { .. })));
}

#[test]
fn damaged_rows_are_set_aside_in_a_store_that_is_named() {
    let (folder, path) = file();
    let store = Store::open(&path).unwrap();
    let (key, mut value) = store.scan(Table::Packs, &[]).unwrap().remove(1);
    value[50] ^= 1;
    let damaged = value.clone();
    store.commit(&[Write::Put { table: Table::Packs, key: key.clone(), value }]).unwrap();
    store.close().unwrap();
    let bytes = fs::read(&path).unwrap();
    let done = repaired(&path);
    assert!(done.before.findings.iter().any(|finding| finding.fault == Fault::Row));
    assert!(done.after.is_clean(), "{:?}", done.after.findings);
    assert!(fs::read(done.copy.unwrap()).unwrap() == bytes);
    let aside = Store::open(done.set_aside.unwrap()).unwrap();
    assert_eq!(aside.get(Table::Packs, &key).unwrap(), Some(damaged));
    assert_eq!(files(&folder), ["hub.katori", "hub.katori.before-repair-1", "hub.katori.set-aside-1"]);
    StoredEngine::read(&Store::open(&path).unwrap()).unwrap();
    // Once is enough.
    assert!(repaired(&path).copy.is_none());
}

/// What can be read may be as it was before the last commit: this device must not go on as if it were not.
#[test]
fn a_file_that_was_copied_over_knows_that_it_is_a_copy() {
    let (_folder, path) = file();
    let whole = fs::read(&path).unwrap();
    let mut copied_over = 0;
    for seed in 0..60 {
        let mut dice = Dice::new(seed);
        let mut bytes = whole.clone();
        let at = 4096 + dice.below(bytes.len() as u64 - 4096) as usize;
        bytes[at] ^= 1 << dice.below(8);
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("hub.katori");
        fs::write(&path, &bytes).unwrap();
        let Ok(report) = check_file(&path, &DocumentLimits::default(), &mut |_| {}) else { continue };
        let is_copied = report.findings.iter().any(|finding| finding.remedy == Remedy::CopyOver);
        if !report.is_repairable() {
            continue;
        }
        repaired(&path);
        let store = Store::open(&path).unwrap();
        let place = store.get(Table::Settings, PLACE_ROW).unwrap();
        assert_eq!(place.as_deref(), is_copied.then_some(COPIED), "{seed}");
        copied_over += u32::from(is_copied);
    }
    assert!(copied_over > 3, "{copied_over} of 60 were copied over");
}

/// Whatever is changed in the file: it is found or means nothing, the file as it was is kept, and what comes of a
/// repair opens, with no signed record that was not there before.
#[test]
fn a_file_with_changed_bytes_is_repaired_as_far_as_it_can_be_read() {
    let (_folder, path) = file();
    let whole = fs::read(&path).unwrap();
    let before: BTreeMap<_, _> = rows(&Store::open(&path).unwrap());
    let documents: Vec<_> = filled::store().1;
    let (mut found, mut kept, mut hopeless) = (0, 0, 0);
    for seed in 0..60 {
        let mut dice = Dice::new(seed);
        let mut bytes = whole.clone();
        for _ in 0..=dice.below(3) {
            let at = 4096 + dice.below(bytes.len() as u64 - 4096) as usize;
            bytes[at] ^= 1 << dice.below(8);
        }
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("hub.katori");
        fs::write(&path, &bytes).unwrap();
        let report = match check_file(&path, &DocumentLimits::default(), &mut |_| {}) {
            Ok(report) => report,
            Err(OpenError::NotADatabase { .. } | OpenError::NewerSchema { .. }) => continue,
            Err(error) => panic!("{seed}: {error:?}"),
        };
        assert!(fs::read(&path).unwrap() == bytes, "{seed}: looking changes nothing");
        if report.is_clean() {
            let store = Store::open(&path).unwrap();
            assert!(rows(&store) == before, "{seed}: what is clean is as it was");
            continue;
        }
        found += 1;
        let done = repaired(&path);
        if done.before.findings[0].remedy == Remedy::Nothing {
            assert!(fs::read(&path).unwrap() == bytes, "{seed}: nothing could be done, and nothing was");
            hopeless += 1;
            continue;
        }
        assert!(fs::read(done.copy.unwrap()).unwrap() == bytes, "{seed}");
        let left = |finding: &katori_core::check::Finding| finding.remedy == Remedy::Nothing;
        assert!(done.after.findings.iter().all(left), "{seed}: {:?}", done.after.findings);
        let store = Store::open(&path).unwrap();
        StoredEngine::read(&store).unwrap();
        let after = rows(&store);
        for ((table, key), value) in &after {
            if *table == Table::Records {
                assert_eq!(before.get(&(*table, key.clone())), Some(value), "{seed}: {table:?}");
            }
        }
        kept += documents.iter().filter(|id| open(&store, **id).is_ok()).count();
    }
    println!("{found} damaged, {hopeless} beyond repair, {kept} documents opened of the others");
    assert!(hopeless * 4 <= found, "{hopeless} of {found} could not be repaired at all");
    assert!(found > 10, "{found} of 60 were found");
    assert!(
        kept > found * 2,
        "{kept} documents opened of {} in {found} damaged stores",
        found * documents.len()
    );
}
