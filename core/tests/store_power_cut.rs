//! The power goes at any moment while a store is written: what was acknowledged is there, and nothing is half there.
//!
//! `CUTS=80000 cargo test --test store_power_cut` runs longer than the default; a failure names its seed.
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

use disk::{Dice, Disk};
use history::{batch, batches_in, same};
use katori_core::store::{MemoryStore, Storage, Store, StoreError};

const LIVES_PER_SEED: u64 = 4;
const BATCHES_PER_LIFE: u64 = 40;

#[derive(Debug, Default)]
struct Outcome {
    cuts: u64,
    cut_while_opening: u64,
    in_doubt_kept: u64,
}

/// Lets one store live through several power cuts. An error says what was lost.
fn live_through_cuts(seed: u64, disk_lies: bool, outcome: &mut Outcome) -> Result<(), String> {
    let mut dice = Dice::new(seed);
    let mut image = empty_store();
    let model = MemoryStore::new();
    let mut acknowledged = 0;
    for life in 0..LIVES_PER_SEED {
        let context = format!("seed {seed}, life {life}, {acknowledged} batches acknowledged");
        let disk = Disk::holding(image);
        disk.cut_power_at(1 + dice.below(160));
        if disk_lies {
            disk.lie();
        }
        match Store::open_backend(disk.clone()) {
            Ok(store) => {
                for number in acknowledged + 1..=acknowledged + BATCHES_PER_LIFE {
                    if store.commit(&batch(seed, number)).is_err() {
                        break;
                    }
                    model.commit(&batch(seed, number)).unwrap();
                    acknowledged = number;
                }
                if !store.is_saving() {
                    check_reading_goes_on(&store, &model, seed, acknowledged);
                }
            }
            Err(_) => outcome.cut_while_opening += 1,
        }
        image = disk.image_after_power_cut(&mut dice);
        outcome.cuts += 1;

        let disk = Disk::holding(image);
        let mut store = Store::open_backend(disk.clone()).map_err(|error| format!("{context}: {error}"))?;
        if !store.check_integrity().map_err(|error| format!("{context}: {error}"))? {
            return Err(format!("{context}: the integrity check found something"));
        }
        let found = batches_in(&store).map_err(|error| format!("{context}: {error}"))?;
        if found == acknowledged + 1 {
            outcome.in_doubt_kept += 1;
            model.commit(&batch(seed, found)).unwrap();
        } else if found != acknowledged {
            return Err(format!("{context}: then acknowledged {acknowledged}, found {found}"));
        }
        if !same(&store, &model).map_err(|error| format!("{context}: {error}"))? {
            return Err(format!("{context}: {found} batches, but not as they were written"));
        }
        acknowledged = found;
        drop(store);
        image = disk.image();
    }
    Ok(())
}

/// A store whose disk failed is read on, up to the last acknowledged batch or the one in doubt, and saves no more.
fn check_reading_goes_on(store: &Store, model: &MemoryStore, seed: u64, acknowledged: u64) {
    let found = batches_in(store).unwrap();
    assert!(found == acknowledged || found == acknowledged + 1, "seed {seed}: {found} of {acknowledged}");
    if found == acknowledged {
        assert!(same(store, model).unwrap(), "seed {seed}");
    }
    let again = store.commit(&batch(seed, acknowledged + 1));
    assert!(matches!(again, Err(StoreError::Failed)), "seed {seed}: {again:?}");
}

fn empty_store() -> Vec<u8> {
    let disk = Disk::default();
    Store::create_backend(disk.clone(), &[]).unwrap().close().unwrap();
    disk.image()
}

#[test]
fn every_acknowledged_commit_survives_a_power_cut() {
    let cuts: u64 = std::env::var("CUTS").ok().and_then(|cuts| cuts.parse().ok()).unwrap_or(3_000);
    let mut outcome = Outcome::default();
    for seed in 0..cuts.div_ceil(LIVES_PER_SEED) {
        live_through_cuts(seed, false, &mut outcome).unwrap();
    }
    println!("{outcome:?}");
    assert!(outcome.cuts >= cuts);
}

#[test]
fn a_disk_that_lies_about_syncing_is_found_out() {
    let found_out = (0..20).any(|seed| live_through_cuts(seed, true, &mut Outcome::default()).is_err());
    assert!(found_out, "the test above would not notice a lost commit");
}
