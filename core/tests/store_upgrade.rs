//! A store of layout 1, in which vouches had a table of their own, becomes one of this layout when it is opened, with
//! everything in it, wherever the power goes meanwhile.
#![allow(clippy::cast_possible_truncation, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

#[path = "store/disk.rs"]
mod disk;
#[path = "check/filled.rs"]
mod filled;

use disk::{Dice, Disk};
use filled::{edit, rows, store};
use katori_core::check::check;
use katori_core::document::{DocumentLimits, vouches_of};
use katori_core::store::{MemoryStore, Store, Table};
use redb::{Database, TableDefinition};

type Rows = TableDefinition<'static, &'static [u8], &'static [u8]>;

/// The tables of layout 1, as they are on disk for ever.
const SCHEMA: TableDefinition<'static, &'static str, u32> = TableDefinition::new("schema");
const VOUCHES: Rows = TableDefinition::new("vouches");

/// A store with these rows as layout 1 had them.
fn of_layout_1(filled: &MemoryStore) -> Vec<u8> {
    let disk = Disk::default();
    let database = Database::builder().create_with_backend(disk.clone()).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.open_table(SCHEMA).unwrap().insert("version", 1).unwrap();
    for ((table, key), value) in rows(filled) {
        let is_vouch = table == Table::Documents && key.len() == 32 + 5 + 32;
        let (table, key) = if is_vouch {
            (VOUCHES, [&key[..32], &key[32 + 5..]].concat())
        } else {
            (Rows::new(table.name()), key)
        };
        transaction.open_table(table).unwrap().insert(key.as_slice(), value.as_slice()).unwrap();
    }
    transaction.commit().unwrap();
    drop(database);
    disk.image()
}

#[test]
fn nothing_is_lost() {
    let (filled, documents) = store();
    let image = of_layout_1(&filled);
    let disk = Disk::holding(image.clone());
    // Whoever only looks sees what will be, and the file stays as it is.
    let examined = Store::examine_backend(disk.clone()).unwrap();
    assert_eq!(rows(&examined), rows(&filled));
    drop(examined);
    assert!(disk.image() == image);
    for _ in 0..2 {
        let opened = Store::open_backend(disk.clone()).unwrap();
        assert_eq!(rows(&opened), rows(&filled));
        assert!(rows(&opened).keys().any(|(_, key)| key.starts_with(&vouches_of(&documents[0]))));
        opened.close().unwrap();
    }
    let opened = Store::open_backend(disk).unwrap();
    edit(&opened, documents[0], 40);
    let report = check(&opened, &DocumentLimits::default(), &mut |_| {}).unwrap();
    assert_eq!(report.findings, []);
}

#[test]
fn a_store_in_which_nothing_was_written_is_one_of_this_layout_too() {
    let disk = Disk::holding(of_layout_1(&MemoryStore::new()));
    for _ in 0..2 {
        assert!(rows(&Store::open_backend(disk.clone()).unwrap()).is_empty());
    }
}

#[test]
fn the_power_may_go_at_any_moment() {
    let (filled, _) = store();
    let image = of_layout_1(&filled);
    let (mut cut_short, mut dice) = (0, Dice::new(3));
    for operation in 1..120 {
        let disk = Disk::holding(image.clone());
        disk.cut_power_at(operation);
        cut_short += u32::from(Store::open_backend(disk.clone()).is_err());
        let left = Disk::holding(disk.image_after_power_cut(&mut dice));
        let mut opened = Store::open_backend(left).unwrap();
        assert!(opened.check_integrity().unwrap(), "cut at {operation}");
        assert_eq!(rows(&opened), rows(&filled), "cut at {operation}");
    }
    assert!(cut_short > 5, "{cut_short}");
}
