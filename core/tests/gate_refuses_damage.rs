//! Bytes that are no change, or not quite one: refused with a reason, and never with a panic.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test ends with a panic")]

#[path = "gate_support/chunks.rs"]
mod chunks;
#[path = "gate_support/documents.rs"]
mod documents;

use chunks::{Draft, bytes, chunk, uint};
use documents::{Random, inspected, random_document};
use katori_core::gate::{GateError, Limits, decode, inspect};

fn refused(draft: &Draft) -> GateError {
    inspect(&draft.write(), &Limits::default()).map(|change| change.header().clone()).unwrap_err()
}

fn changed(change: impl FnOnce(&mut Draft)) -> GateError {
    let mut draft = Draft::put_null();
    assert!(inspect(&draft.write(), &Limits::default()).is_ok());
    change(&mut draft);
    refused(&draft)
}

#[test]
fn a_change_cut_off_at_any_byte() {
    for change in inspected(&random_document(2, 20)) {
        for length in 0..change.bytes().len() {
            let cut = inspect(&change.bytes()[..length], &Limits::default());
            assert!(matches!(cut, Err(GateError::Malformed(_))), "{length} bytes: {cut:?}");
        }
    }
}

#[test]
fn a_change_with_any_bit_flipped() {
    for change in inspected(&random_document(2, 12)) {
        for index in 0..change.bytes().len() * 8 {
            let mut damaged = change.bytes().to_vec();
            damaged[index / 8] ^= 1 << (index % 8);
            assert!(inspect(&damaged, &Limits::default()).is_err(), "bit {index}");
        }
    }
}

#[test]
fn a_change_with_bytes_after_it() {
    let mut bytes = Draft::put_null().write();
    bytes.push(0);
    assert!(matches!(inspect(&bytes, &Limits::default()), Err(GateError::Malformed(_))));
}

#[test]
fn a_wrong_checksum() {
    let mut bytes = Draft::put_null().write();
    bytes[4] ^= 1;
    assert_eq!(inspect(&bytes, &Limits::default()), Err(GateError::Checksum));
}

#[test]
fn nothing_and_garbage() {
    assert!(inspect(&[], &Limits::default()).is_err());
    let mut random = Random(1);
    for _ in 0..2_000 {
        let length = random.below(300);
        let mut garbage: Vec<u8> = (0..length).map(|_| random.next().to_le_bytes()[0]).collect();
        assert!(inspect(&garbage, &Limits::default()).is_err());
        if length > 8 {
            garbage[..4].copy_from_slice(&[0x85, 0x6f, 0x4a, 0x83]);
            garbage[8] = 1;
            assert!(inspect(&garbage, &Limits::default()).is_err());
            // With a checksum that fits, only the contents are wrong.
            assert!(inspect(&chunk(1, &garbage), &Limits::default()).is_err());
        }
    }
}

#[test]
fn other_kinds_of_chunk() {
    for kind in [0, 2, 3, 4, 255] {
        let found = inspect(&chunk(kind, &[0; 20]), &Limits::default());
        assert_eq!(found, Err(GateError::ChunkType { found: kind }));
    }
}

#[test]
fn lengths_beyond_the_end() {
    for claimed in [1 << 20, u64::from(u32::MAX), u64::MAX >> 1, u64::MAX] {
        let mut frame = Draft::put_null().write()[..9].to_vec();
        uint(&mut frame, claimed);
        frame.extend_from_slice(&[0; 40]);
        assert!(matches!(inspect(&frame, &Limits::default()), Err(GateError::Malformed(_))));
        // The same for the first number inside: how many dependencies.
        let mut data = Vec::new();
        uint(&mut data, claimed);
        assert!(matches!(inspect(&chunk(1, &data), &Limits::default()), Err(GateError::Malformed(_))));
        // And for the length of the actor.
        let mut data = vec![0];
        uint(&mut data, claimed);
        assert!(matches!(inspect(&chunk(1, &data), &Limits::default()), Err(GateError::Malformed(_))));
        // And for that of a key.
        let mut key = vec![0x7f];
        uint(&mut key, claimed);
        assert!(matches!(changed(|draft| draft.set(0x15, key)), GateError::Malformed(_)));
    }
}

#[test]
fn an_actor_of_a_megabyte() {
    let error = changed(|draft| draft.actor = vec![1; 1 << 20]);
    assert!(matches!(error, GateError::TooLarge { what: "bytes of an actor id", .. }));
    let error = changed(|draft| draft.other_actors = vec![vec![1; 1 << 20]]);
    assert!(matches!(error, GateError::TooLarge { what: "bytes of an actor id", .. }));
}

#[test]
fn thousands_of_dependencies() {
    let many = |count: u32| -> Vec<[u8; 32]> {
        (0..count)
            .map(|number| {
                let mut hash = [0; 32];
                hash[..4].copy_from_slice(&number.to_be_bytes());
                hash
            })
            .collect()
    };
    let error = changed(|draft| draft.deps = many(5_000));
    assert!(matches!(error, GateError::TooLarge { what: "dependencies", found: 5_000, .. }));
    let error = changed(|draft| draft.deps = vec![[1; 32]; 2]);
    assert!(matches!(error, GateError::NotCanonical { what: "the list of dependencies" }));
}

#[test]
fn a_change_that_is_too_long() {
    let error = changed(|draft| draft.extra = vec![9; 5 << 20]);
    assert!(matches!(error, GateError::TooLarge { what: "bytes of a change", .. }));
    let error = changed(|draft| draft.message = vec![b'm'; 5_000]);
    assert!(matches!(error, GateError::TooLarge { what: "bytes of the message", .. }));
}

#[test]
fn numbers_that_automerge_cannot_hold() {
    assert!(matches!(changed(|draft| draft.seq = 0), GateError::NotCanonical { .. }));
    assert!(matches!(changed(|draft| draft.start_op = 0), GateError::NotCanonical { .. }));
    assert!(matches!(changed(|draft| draft.seq = 1 << 32), GateError::TooLarge { .. }));
    assert!(matches!(changed(|draft| draft.start_op = 1 << 32), GateError::TooLarge { .. }));
    assert!(matches!(changed(|draft| draft.time = i64::MIN), GateError::TooLarge { what: "time", .. }));
    assert!(matches!(changed(|draft| draft.message = vec![0xff]), GateError::NotCanonical { .. }));
}

#[test]
fn a_list_of_actors_that_automerge_would_write_otherwise() {
    let not_canonical = |others: &[&[u8]]| {
        let error = changed(|draft| draft.other_actors = others.iter().map(|other| other.to_vec()).collect());
        assert!(matches!(error, GateError::NotCanonical { .. }), "{others:?}: {error}");
    };
    not_canonical(&[&[2; 16]]);
    not_canonical(&[&[1; 16]]);
    not_canonical(&[&[3; 16], &[2; 16]]);
    not_canonical(&[&[2; 16], &[2; 16]]);
}

#[test]
fn columns_that_automerge_would_write_otherwise() {
    let not_canonical = |spec, column: &[u8]| {
        let error = changed(|draft| draft.set(spec, column.to_vec()));
        assert!(matches!(error, GateError::NotCanonical { .. }), "{spec:#x} {column:?}: {error}");
    };
    not_canonical(0x25, &[0x7f, 1, b'x']); // unknown to Automerge: it would drop it
    not_canonical(0x3c, &[1]); // marked as deflated
    not_canonical(0x01, &[0, 1]); // nulls only
    not_canonical(0x01, &[0x7f, 0]); // an actor without a counter
    not_canonical(0x42, &[1, 1]); // a run of one
    not_canonical(0x42, &[0x7f, 8]); // no such action
    not_canonical(0x42, &[0x7f, 1, 0, 0]); // an empty run
    not_canonical(0x94, &[1]); // growth that is false only
    not_canonical(0x56, &[0x7f, 0x10]); // a null of one byte
    not_canonical(0x57, &[5]); // a byte too many
    let error = changed(|draft| draft.columns.insert(0, (0x01, Vec::new())));
    assert!(matches!(error, GateError::NotCanonical { .. }));
    let error = changed(|draft| draft.columns.swap(0, 1));
    assert!(matches!(error, GateError::NotCanonical { .. }));
}

#[test]
fn references_to_what_cannot_be_there() {
    // An element, a predecessor and an object beyond the change's own operations, and an actor not in the table.
    let beyond = |spec: u64, column: &[u8], actors: u64| {
        let error = changed(|draft| {
            draft.set(0x15, Vec::new());
            draft.set(0x01, vec![0x7f, 0]);
            draft.set(0x02, vec![0x7f, 1]);
            draft.set(0x11, vec![0x7f, 0]);
            draft.set(0x13, vec![0x7f, 1]);
            draft.set(spec, column.to_vec());
        });
        assert!(matches!(error, GateError::NotCanonical { .. }), "{spec:#x}, {actors}: {error}");
    };
    beyond(0x13, &[0x7f, 2], 1);
    beyond(0x13, &[0x7f, 0x7f], 1);
    beyond(0x02, &[0x7f, 2], 1);
    beyond(0x01, &[0x7f, 1], 1);
}

#[test]
fn an_author_on_a_later_change() {
    let mut footer = vec![1];
    bytes(&mut footer, &[7; 32]);
    let mut first = Draft::put_null();
    first.extra.clone_from(&footer);
    assert!(inspect(&first.write(), &Limits::default()).is_ok());
    let error = changed(|draft| {
        draft.seq = 2;
        draft.extra = footer;
    });
    assert!(matches!(error, GateError::NotCanonical { what: "an author on a later change" }));
}

#[test]
fn a_deletion_of_nothing() {
    let mut draft = Draft::put_null();
    draft.set(0x42, vec![0x7f, 3]);
    let change = inspect(&draft.write(), &Limits::default()).unwrap();
    assert_eq!(decode(&change), Err(GateError::NotCanonical { what: "a deletion of nothing" }));
}

#[test]
fn an_operation_that_automerge_would_write_otherwise() {
    // A deletion with a value: the document keeps no value for it, so the change would come back without.
    let mut draft = Draft::put_null();
    draft.start_op = 5;
    draft.set(0x42, vec![0x7f, 3]);
    draft.set(0x56, vec![0x7f, 0x13]);
    draft.set(0x57, vec![9]);
    draft.set(0x70, vec![0x7f, 1]);
    draft.set(0x71, vec![0x7f, 0]);
    draft.set(0x73, vec![0x7f, 2]);
    let change = inspect(&draft.write(), &Limits::default()).unwrap();
    assert_eq!(decode(&change), Err(GateError::NotCanonical { what: "an operation" }));
}
