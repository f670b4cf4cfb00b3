//! A pack gives back exactly the changes that went in, in the same order, and is small.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test ends with a panic")]

#[path = "gate_support/documents.rs"]
mod documents;

use documents::{inspected, random_document, typing};
use katori_core::gate::Limits;
use katori_core::pack::{MAX_PACK_CHANGES, batches, count, pack, unpack};

#[test]
fn random_documents_come_back_byte_for_byte() {
    for seed in 0..60 {
        let changes = inspected(&random_document(seed, 60));
        let packed = pack(&changes);
        assert_eq!(count(&packed), Ok(changes.len()));
        assert_eq!(unpack(&packed, &Limits::default()), Ok(changes), "seed {seed}");
    }
}

#[test]
fn any_part_of_a_history_can_be_packed_alone() {
    let changes = inspected(&random_document(3, 120));
    for start in (0..changes.len()).step_by(7) {
        for length in [0, 1, 2, 30] {
            let part = &changes[start..changes.len().min(start + length)];
            assert_eq!(unpack(&pack(part), &Limits::default()).as_deref(), Ok(part));
        }
    }
}

#[test]
fn a_thousand_keystrokes_take_a_few_bytes_each() {
    let changes = inspected(&typing(1_000));
    let raw: usize = changes.iter().map(|change| change.bytes().len()).sum();
    let packed = pack(&changes);
    println!("1,000 keystrokes: {raw} bytes raw, {} packed", packed.len());
    assert!(packed.len() < 3 * 1_000, "{} bytes", packed.len());
    let last = pack(&changes[900..]);
    println!("100 keystrokes: {} packed", last.len());
    assert!(last.len() < 8 * 100, "{} bytes", last.len());
}

#[test]
fn a_single_keystroke_is_not_larger_than_raw() {
    let changes = inspected(&typing(500));
    for change in &changes[400..] {
        let packed = pack(std::slice::from_ref(change));
        assert!(packed.len() < change.bytes().len() + 100, "{} bytes", packed.len());
    }
}

#[test]
fn packing_is_deterministic() {
    let changes = inspected(&random_document(11, 50));
    assert_eq!(pack(&changes), pack(&changes));
}

#[test]
fn a_long_list_is_split_into_packs_that_can_be_read() {
    let one = inspected(&typing(2)).remove(1);
    let many = vec![one; MAX_PACK_CHANGES + 10];
    let lengths: Vec<usize> = batches(&many).map(<[_]>::len).collect();
    assert_eq!(lengths, [MAX_PACK_CHANGES, 10]);
    assert_eq!(batches(&[]).count(), 0);
}
