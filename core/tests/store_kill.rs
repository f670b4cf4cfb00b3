//! A process that is killed while it writes to a real file loses nothing that it had been told was saved.
//!
//! The test runs itself as a child process, which commits batches and prints the number of each one acknowledged;
//! the parent kills it at a random moment, opens the file and compares.
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

use std::io::{BufRead, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use disk::Dice;
use history::{batch, batches_in, same};
use katori_core::store::{MemoryStore, Storage, Store};
use tempfile::TempDir;

const ROUNDS: u64 = 50;
const SEED: u64 = 77;
const STORE_VARIABLE: &str = "KATORI_TEST_STORE_TO_FILL";
const SAVED: &str = "saved ";

/// The child's part; without the variable it is no child, and there is nothing to do.
#[test]
fn fill_a_store_until_killed() {
    let Some(path) = std::env::var_os(STORE_VARIABLE) else { return };
    let store = Store::open(path).unwrap();
    let mut number = batches_in(&store).unwrap();
    let mut output = std::io::stdout();
    loop {
        number += 1;
        store.commit(&batch(SEED, number)).unwrap();
        // The test runner may have begun a line of its own.
        write!(output, "\n{SAVED}{number}\n").unwrap();
        output.flush().unwrap();
    }
}

#[test]
fn a_killed_process_loses_nothing_acknowledged() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("hub.katori");
    Store::create(&path, &[]).unwrap().close().unwrap();
    let model = MemoryStore::new();
    let mut dice = Dice::new(SEED);
    let mut acknowledged = 0;
    for round in 0..ROUNDS {
        let child = start_child(&path);
        let last = kill_after(child, 1 + dice.below(12), dice.below(3_000_000)).max(acknowledged);

        let store = Store::open(&path).unwrap();
        let found = batches_in(&store).unwrap();
        // One more may have been saved just before its number was printed.
        assert!(found == last || found == last + 1, "round {round}: {last} acknowledged, {found} found");
        for number in acknowledged + 1..=found {
            model.commit(&batch(SEED, number)).unwrap();
        }
        assert!(
            same(&store, &model).unwrap(),
            "round {round}: {found} batches, but not as they were written"
        );
        acknowledged = found;
    }
    println!("{acknowledged} batches over {ROUNDS} kills");
    assert!(acknowledged >= ROUNDS);
}

fn start_child(path: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "fill_a_store_until_killed", "--nocapture"])
        .env(STORE_VARIABLE, path)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Kills the child a random while after it acknowledged some batches; returns the last one it acknowledged.
fn kill_after(mut child: Child, batches: u64, spins: u64) -> u64 {
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut saved =
        lines.by_ref().filter_map(|line| line.strip_prefix(SAVED).map(|number| number.parse().unwrap()));
    let mut last = 0;
    for _ in 0..batches {
        last = saved.next().expect("the child ended by itself");
    }
    for _ in 0..spins {
        std::hint::spin_loop();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // What it had printed before it died was acknowledged too; the last line may be cut short.
    let rest = lines.filter_map(|line| line.strip_prefix(SAVED).and_then(|number| number.parse().ok()));
    rest.fold(last, u64::max)
}
