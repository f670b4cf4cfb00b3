//! What a keystroke costs on disk: each is flushed, signed and committed by itself, as at typing speed.
//!
//! Every commit is durable when it returns. What is counted is what is handed to the file: pages of 4 KiB, and headers.
//! `cargo test --test store_bytes_per_commit -- --nocapture` prints the figures.
#![allow(clippy::cast_possible_truncation, clippy::expect_used, clippy::panic, clippy::unwrap_used)]

#[path = "store/counted.rs"]
mod counted;
#[path = "document_support/scene.rs"]
mod scene;

use std::sync::Arc;

use automerge::transaction::Transactable;
use automerge::{ObjType, ROOT, ReadDoc};
use counted::{Counted, Seen};
use katori_core::document::{Document, DocumentLimits};
use katori_core::store::{Storage, Store, Table, Write};
use katori_core::time::Timestamp;
use scene::Scene;

const PAGE: u64 = 4096;

fn put(table: Table, key: Vec<u8>, length: usize) -> Write {
    let value = key.iter().copied().cycle().take(length).collect();
    Write::Put { table, key, value }
}

/// Rows as this many other documents have them, of the sizes that one edit each leaves.
fn fill(store: &Store, documents: u64) {
    for group in 0..documents.div_ceil(500) {
        let mut writes = Vec::new();
        for number in group * 500..((group + 1) * 500).min(documents) {
            let id = scattered(number);
            let key = |suffix: &[u8]| [id.as_slice(), suffix].concat();
            writes.push(put(Table::Documents, key(b"standing"), 8));
            writes.push(put(Table::Documents, key(b"state"), 210));
            writes.push(put(Table::Packs, key(&[0; 8]), 180));
            writes.push(put(Table::Documents, key(&[b"vouch".as_slice(), &id].concat()), 200));
        }
        store.commit(&writes).unwrap();
    }
}

/// Ids that lie as those of documents do: anywhere.
fn scattered(number: u64) -> [u8; 32] {
    let mut state = number.wrapping_add(1);
    let mut id = [0; 32];
    for part in id.chunks_mut(8) {
        state =
            (state ^ (state >> 31)).wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(0x1234_5678_9ABC_DEF1);
        part.copy_from_slice(&(state ^ (state >> 29)).to_be_bytes());
    }
    id
}

/// Types so many keys beside so many other documents; what the dearest commit of the last hundred cost.
fn dearest(keys: u64, others: u64) -> u64 {
    let scene = Scene::new();
    let disk = Counted::default();
    let store = Store::create_backend(disk.clone(), &scene.owner.rows(&[])).unwrap();
    fill(&store, others);
    let me = Arc::clone(&scene.owner);
    let mut document = Document::new(scene.document, me, scene.access(), DocumentLimits::default(), [7; 32]);
    let made = document.edit(Timestamp(1), |edit| edit.put_object(ROOT, "text", ObjType::Text));
    let text = made.unwrap().result;
    store.commit(&document.flush().writes).unwrap();
    let (mut dearest, mut all) = (0, Seen::default());
    for key in 0..keys {
        let typed = document.edit(Timestamp(100 * key), |edit| {
            let end = edit.length(&text);
            edit.splice_text(&text, end, 0, "x")
        });
        typed.unwrap();
        let writes = document.flush().writes;
        let before = disk.seen();
        store.commit(&writes).unwrap();
        let seen = disk.seen().since(before);
        assert!(seen.syncs >= 1, "durable when it returns");
        if key + 100 >= keys {
            dearest = dearest.max(seen.bytes);
            all = Seen { bytes: all.bytes + seen.bytes, ..all };
        }
    }
    let length = disk.length();
    store.close().unwrap();
    println!(
        "{keys} keys beside {others} documents: {} bytes a commit, at most {dearest}; file {length}, closed {}",
        all.bytes / keys.min(100),
        disk.length()
    );
    dearest
}

#[test]
fn a_keystroke_is_a_few_pages() {
    // Two leaves (the pack; vouch and state), one of the tables' roots, three of redb's own, and the header.
    assert!(dearest(100, 0) <= 8 * PAGE);
    // A branch more for the packs. Merging them in the background keeps it at that.
    assert!(dearest(1_000, 0) <= 9 * PAGE);
    // Each of the two trees is two branches deeper, and a row may lie across two leaves.
    assert!(dearest(100, 10_000) <= 13 * PAGE);
}

#[test]
fn gaps_are_closed_when_that_is_worth_while() {
    let disk = Counted::default();
    let store = Store::create_backend(disk.clone(), &[]).unwrap();
    for number in 0..200_u8 {
        store.commit(&[put(Table::Packs, vec![number], 20_000)]).unwrap();
    }
    // As when packs are merged: what is left is small.
    for number in 0..199_u8 {
        store.commit(&[Write::Delete { table: Table::Packs, key: vec![number] }]).unwrap();
    }
    store.close().unwrap();
    assert!(disk.length() < 400_000, "{}", disk.length());
    let store = Store::open_backend(disk.clone()).unwrap();
    assert_eq!(store.scan(Table::Packs, &[]).unwrap().len(), 1);
    let before = disk.seen();
    store.close().unwrap();
    assert!(disk.seen().since(before).bytes < 20 * PAGE, "nothing was committed, so nothing is looked at");
}
