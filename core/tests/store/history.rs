//! Numbered batches of writes that follow from a seed, and how far a store has come in them.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use katori_core::store::{Storage, StoreError, Table, Write};

use super::disk::Dice;

const COUNT_KEY: &[u8] = b"batches";

/// Batch `number` (from 1): a record of its own, its number, and now and then a group replaced as a whole.
pub(crate) fn batch(seed: u64, number: u64) -> Vec<Write> {
    let mut dice = Dice::new(seed.wrapping_mul(1_000_003).wrapping_add(number));
    let mut writes = vec![
        put(Table::Records, number.to_be_bytes().to_vec(), filled(number, 1 + dice.below(20_000))),
        put(Table::Settings, COUNT_KEY.to_vec(), number.to_be_bytes().to_vec()),
    ];
    if dice.one_in(3) {
        let group = dice.below(3) as u8;
        writes.push(Write::DeletePrefix { table: Table::Packs, prefix: vec![group] });
        for pack in 0..dice.below(12) {
            writes.push(put(Table::Packs, vec![group, pack as u8], filled(number, 1 + dice.below(3_000))));
        }
    }
    if dice.one_in(4) {
        let key = (1 + dice.below(number)).to_be_bytes().to_vec();
        writes.push(Write::Delete { table: Table::Records, key });
    }
    writes
}

/// How many batches a store holds.
pub(crate) fn batches_in(store: &dyn Storage) -> Result<u64, StoreError> {
    let bytes = store.get(Table::Settings, COUNT_KEY)?;
    Ok(bytes.map_or(0, |bytes| u64::from_be_bytes(bytes.try_into().unwrap())))
}

/// Whether two stores hold the same, in every table.
pub(crate) fn same(one: &dyn Storage, other: &dyn Storage) -> Result<bool, StoreError> {
    for table in Table::ALL {
        if one.scan(table, &[])? != other.scan(table, &[])? {
            return Ok(false);
        }
    }
    Ok(true)
}

pub(crate) fn put(table: Table, key: Vec<u8>, value: Vec<u8>) -> Write {
    Write::Put { table, key, value }
}

fn filled(number: u64, length: u64) -> Vec<u8> {
    vec![number as u8; length as usize]
}
