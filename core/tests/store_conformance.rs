//! Every implementation of [`Storage`] answers the same.
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

use std::ops::ControlFlow;

use disk::{Dice, Disk};
use history::{put, same};
use katori_core::store::{MemoryStore, Storage, Store, StoreError, Table, Write};

fn every_storage() -> [Box<dyn Storage>; 2] {
    let store = Store::create_backend(Disk::default(), &[]).unwrap();
    [Box::new(store), Box::new(MemoryStore::new())]
}

#[test]
fn a_commit_is_seen_whole_and_in_the_order_of_its_writes() {
    for storage in every_storage() {
        storage
            .commit(&[
                put(Table::Packs, b"a1".to_vec(), vec![1]),
                put(Table::Packs, b"a2".to_vec(), vec![2]),
                Write::DeletePrefix { table: Table::Packs, prefix: b"a".to_vec() },
                put(Table::Packs, b"a3".to_vec(), vec![3]),
                put(Table::Packs, b"b1".to_vec(), vec![4]),
                Write::Delete { table: Table::Packs, key: b"b1".to_vec() },
                Write::Delete { table: Table::Packs, key: b"never there".to_vec() },
                put(Table::Held, b"b1".to_vec(), vec![]),
            ])
            .unwrap();
        assert_eq!(storage.scan(Table::Packs, b"").unwrap(), vec![(b"a3".to_vec(), vec![3])]);
        assert_eq!(storage.get(Table::Packs, b"b1").unwrap(), None);
        assert_eq!(storage.get(Table::Held, b"b1").unwrap(), Some(vec![]));
        assert_eq!(storage.get(Table::Snapshots, b"b1").unwrap(), None);
        assert_eq!(storage.scan(Table::Snapshots, b"").unwrap(), vec![]);
    }
}

#[test]
fn a_visit_sees_everything_in_order_until_it_says_so() {
    for storage in every_storage() {
        let writes: Vec<Write> = (0..100).map(|key| put(Table::Held, vec![key], vec![key; 50])).collect();
        storage.commit(&writes).unwrap();
        for most in [1, 7, 100, 200] {
            let mut seen = Vec::new();
            let visited = storage.visit(Table::Held, &mut |key, value| {
                seen.push((key.to_vec(), value.to_vec()));
                if seen.len() < most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            });
            visited.unwrap();
            let mut expected = storage.scan(Table::Held, &[]).unwrap();
            expected.truncate(most);
            assert_eq!(seen, expected);
        }
        let nothing = storage.visit(Table::Snapshots, &mut |_, _| panic!("the table is empty"));
        nothing.unwrap();
    }
}

#[test]
fn prefixes_end_where_they_should_even_at_the_last_byte() {
    let keys: [&[u8]; 7] = [b"", b"\x00", b"\xfe", b"\xfe\xff", b"\xff", b"\xff\x00", b"\xff\xff"];
    for storage in every_storage() {
        let writes: Vec<Write> = keys.iter().map(|key| put(Table::Records, key.to_vec(), vec![0])).collect();
        storage.commit(&writes).unwrap();
        for prefix in keys {
            let expected: Vec<Vec<u8>> =
                keys.iter().filter(|key| key.starts_with(prefix)).map(|key| key.to_vec()).collect();
            assert_eq!(storage.scan_keys(Table::Records, prefix).unwrap(), expected, "{prefix:?}");
        }
        storage.commit(&[Write::DeletePrefix { table: Table::Records, prefix: vec![0xff] }]).unwrap();
        assert_eq!(storage.scan_keys(Table::Records, b"").unwrap().len(), 4);
        storage.commit(&[Write::DeletePrefix { table: Table::Records, prefix: vec![] }]).unwrap();
        assert_eq!(storage.scan_keys(Table::Records, b"").unwrap().len(), 0);
    }
}

#[test]
fn pages_put_together_are_the_scan() {
    for storage in every_storage() {
        let mut dice = Dice::new(3);
        let writes: Vec<Write> = (0..200_u8)
            .map(|number| put(Table::Packs, vec![number % 2, number], vec![number; dice.below(300) as usize]))
            .collect();
        storage.commit(&writes).unwrap();
        for limit in [0, 1, 100, 1_000, 1_000_000] {
            let mut found: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
            loop {
                let after = found.last().map(|(key, _)| key.clone());
                let page = storage.page(Table::Packs, &[1], after.as_deref(), limit).unwrap();
                if page.is_empty() {
                    break;
                }
                let bytes: usize = page.iter().map(|(key, value)| key.len() + value.len()).sum();
                assert!(page.len() == 1 || bytes <= limit);
                found.extend(page);
            }
            assert_eq!(found, storage.scan(Table::Packs, &[1]).unwrap(), "pages of {limit}");
        }
    }
}

#[test]
fn both_agree_over_random_histories() {
    for seed in 0..20 {
        let mut dice = Dice::new(seed);
        let [store, memory] = every_storage();
        for _ in 0..60 {
            let writes: Vec<Write> = (0..dice.below(8)).map(|_| random_write(&mut dice)).collect();
            store.commit(&writes).unwrap();
            memory.commit(&writes).unwrap();
            let (table, prefix, after) =
                (random_table(&mut dice), random_key(&mut dice), random_key(&mut dice));
            let limit = dice.below(100) as usize;
            assert_eq!(store.scan(table, &prefix).unwrap(), memory.scan(table, &prefix).unwrap());
            assert_eq!(
                store.page(table, &prefix, Some(&after), limit).unwrap(),
                memory.page(table, &prefix, Some(&after), limit).unwrap(),
            );
        }
        assert!(same(store.as_ref(), memory.as_ref()).unwrap(), "seed {seed}");
    }
}

fn random_write(dice: &mut Dice) -> Write {
    let (table, key) = (random_table(dice), random_key(dice));
    match dice.below(6) {
        0 => Write::Delete { table, key },
        1 => Write::DeletePrefix { table, prefix: key },
        _ => put(table, key, vec![dice.below(256) as u8; dice.below(20) as usize]),
    }
}

fn random_table(dice: &mut Dice) -> Table {
    Table::ALL[dice.below(3) as usize]
}

fn random_key(dice: &mut Dice) -> Vec<u8> {
    (0..dice.below(4)).map(|_| [0, 1, 0xfe, 0xff][dice.below(4) as usize]).collect()
}

#[test]
fn a_crash_in_memory_keeps_what_was_durable_and_a_prefix_of_the_rest() {
    for in_doubt in 0..4 {
        let memory = MemoryStore::new();
        memory.commit(&[put(Table::Records, vec![0], vec![])]).unwrap();
        for number in 1..=3 {
            memory.stage(&[put(Table::Records, vec![number], vec![])]).unwrap();
        }
        assert_eq!(memory.staged(), 3);
        assert_eq!(
            memory.scan_keys(Table::Records, &[]).unwrap().len(),
            1,
            "not visible before it is durable"
        );
        let memory = memory.crash(in_doubt);
        let expected: Vec<Vec<u8>> = (0..=in_doubt as u8).map(|number| vec![number]).collect();
        assert_eq!(memory.scan_keys(Table::Records, &[]).unwrap(), expected);
        assert_eq!(memory.staged(), 0);
    }
}

#[test]
fn a_failing_disk_in_memory_stays_failed_until_it_is_opened_again() {
    let memory = MemoryStore::new();
    memory.fail_after(2);
    memory.commit(&[put(Table::Records, vec![1], vec![])]).unwrap();
    memory.commit(&[put(Table::Records, vec![2], vec![])]).unwrap();
    assert!(matches!(memory.commit(&[put(Table::Records, vec![3], vec![])]), Err(StoreError::Io(_))));
    assert!(matches!(memory.commit(&[]), Err(StoreError::Failed)));
    assert_eq!(memory.scan_keys(Table::Records, &[]).unwrap().len(), 2);
    let memory = memory.crash(0);
    memory.commit(&[put(Table::Records, vec![3], vec![])]).unwrap();
    memory.full();
    assert!(matches!(memory.commit(&[]), Err(StoreError::DiskFull)));
    assert!(matches!(memory.commit(&[]), Err(StoreError::Failed)));
    assert_eq!(memory.scan_keys(Table::Records, &[]).unwrap().len(), 3);
}
