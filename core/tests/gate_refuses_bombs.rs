//! Few bytes that stand for much: refused from their run lengths, before anything is expanded.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test ends with a panic")]

#[path = "gate_support/chunks.rs"]
mod chunks;
#[path = "gate_support/documents.rs"]
mod documents;

use automerge::transaction::Transactable;
use automerge::{Change, ObjType, ROOT, ScalarValue};
use chunks::{Draft, bytes, chunk, deflate, run, uint};
use documents::{new_document, random_document};
use katori_core::gate::{GateError, Limits, import, inspect};

/// A change that inserts `count` nulls into the list that the operation 1 made.
fn nulls(count: i64, base: [u8; 32], actor: &[u8]) -> Draft {
    let rows = |value: u8| run(count, &[value]);
    Draft {
        deps: vec![base],
        actor: actor.to_vec(),
        seq: 2,
        start_op: 2,
        columns: vec![
            (0x01, rows(0)),
            (0x02, rows(1)),
            (0x11, [vec![0, 1], run(count - 1, &[0])].concat()),
            (0x13, [vec![0x7e, 0, 2], run(count - 2, &[1])].concat()),
            (0x34, [vec![0], run_length(count)].concat()),
            (0x42, rows(1)),
            (0x56, rows(0)),
            (0x70, rows(0)),
        ],
        ..Draft::put_null()
    }
}

fn run_length(count: i64) -> Vec<u8> {
    let mut out = Vec::new();
    uint(&mut out, count.unsigned_abs());
    out
}

fn too_large(found: Result<impl Sized, GateError>) -> &'static str {
    match found {
        Err(GateError::TooLarge { what, .. }) => what,
        Err(other) => panic!("refused for another reason: {other}"),
        Ok(_) => panic!("accepted"),
    }
}

#[test]
fn a_run_length_bomb_of_four_million_operations() {
    let mut document = new_document(1);
    let mut change = document.transaction();
    let list = change.put_object(ROOT, "list", ObjType::List).unwrap();
    change.commit();
    let base = document.get_heads()[0].0;
    let mut change = document.transaction();
    change.splice(&list, 0, 0, std::iter::repeat_n(ScalarValue::Null, 1_000)).unwrap();
    let time = automerge::transaction::CommitOptions::default().with_time(0);
    change.commit_with(time);
    let honest = document.get_last_local_change().unwrap();
    let actor = document.get_actor().to_bytes();
    // The bomb is exactly what Automerge writes, only with larger numbers in it.
    assert_eq!(nulls(1_000, base, actor).write(), honest.raw_bytes());
    assert_eq!(inspect(honest.raw_bytes(), &Limits::default()).unwrap().header().operations, 1_000);

    let bomb = nulls(4_000_000, base, actor).write();
    assert!(bomb.len() < 200, "{} bytes", bomb.len());
    assert_eq!(too_large(inspect(&bomb, &Limits::default())), "the operations");
    assert_eq!(
        too_large(inspect(&nulls(i64::MAX, base, actor).write(), &Limits::default())),
        "the operations"
    );
    let most = i64::try_from(Limits::default().change_operations).unwrap();
    assert!(inspect(&nulls(most, base, actor).write(), &Limits::default()).is_ok());
    assert!(inspect(&nulls(most + 1, base, actor).write(), &Limits::default()).is_err());
}

#[test]
fn a_text_bomb_of_empty_letters() {
    let mut bomb = nulls(4_000_000, [0; 32], &[1; 48]);
    bomb.set(0x56, run(4_000_000, &[0x06]));
    assert_eq!(too_large(inspect(&bomb.write(), &Limits::default())), "the operations");
}

#[test]
fn columns_longer_than_the_operations() {
    for spec in [0x01, 0x02, 0x11, 0x13, 0x34, 0x56, 0x70] {
        let honest = nulls(10, [0; 32], &[1; 48]);
        assert!(inspect(&honest.write(), &Limits::default()).is_ok());
        let long = nulls(1 << 40, [0; 32], &[1; 48]);
        let column = long.columns.iter().find(|(found, _)| *found == spec).unwrap().1.clone();
        let mut bomb = honest;
        bomb.set(spec, column);
        assert!(inspect(&bomb.write(), &Limits::default()).is_err(), "column {spec:#x}");
    }
}

#[test]
fn a_long_key_repeated_half_a_million_times() {
    let mut key = Vec::new();
    bytes(&mut key, &"k".repeat(100_000).into_bytes());
    let mut bomb = nulls(400_000, [0; 32], &[1; 48]);
    bomb.set(0x11, Vec::new());
    bomb.set(0x13, Vec::new());
    bomb.set(0x15, run(400_000, &key));
    assert_eq!(too_large(inspect(&bomb.write(), &Limits::default())), "bytes of names");
    bomb.set(0x15, run(400_000, &[1, b'k']));
    assert!(inspect(&bomb.write(), &Limits::default()).is_ok());
}

#[test]
fn predecessors_without_number() {
    for claimed in [1_000_001, u64::MAX >> 1, u64::MAX] {
        let mut count = Vec::new();
        uint(&mut count, claimed);
        let mut bomb = nulls(10, [0; 32], &[1; 48]);
        bomb.set(0x70, run(10, &count));
        assert_eq!(too_large(inspect(&bomb.write(), &Limits::default())), "predecessors");
    }
}

#[test]
fn a_value_longer_than_all_values() {
    let mut meta = Vec::new();
    uint(&mut meta, (u64::MAX >> 4) << 4 | 7);
    let mut bomb = Draft::put_null();
    bomb.set(0x56, [vec![0x7f], meta].concat());
    let refused = inspect(&bomb.write(), &Limits::default());
    assert!(matches!(refused, Err(GateError::NotCanonical { what: "the values" })), "{refused:?}");
}

#[test]
fn a_deflated_change_is_not_for_peers() {
    let document = random_document(5, 40);
    let mut deflated = 0;
    for mut change in document.get_changes(&[]) {
        let sent = change.bytes().to_vec();
        if sent[8] == 2 {
            deflated += 1;
            assert!(Change::from_bytes(sent.clone()).is_ok());
            assert!(matches!(inspect(&sent, &Limits::default()), Err(GateError::ChunkType { found: 2 })));
            assert_eq!(import(&sent, &Limits::default()).is_ok(), change.deps().is_empty());
        }
    }
    assert!(deflated > 0);
}

#[test]
fn a_deflate_bomb_for_a_change_in_a_file() {
    let bomb = chunk(2, &deflate(&vec![0; 40 << 20]));
    assert!(bomb.len() < 50_000);
    assert_eq!(too_large(import(&bomb, &Limits::default())), "inflated bytes");
}

/// A document chunk with one column of changes and one of operations.
fn document_with(changes: (u64, &[u8]), operations: (u64, &[u8])) -> Vec<u8> {
    let mut data = vec![0, 0];
    for (spec, column) in [changes, operations] {
        uint(&mut data, 1);
        uint(&mut data, spec);
        uint(&mut data, column.len() as u64);
    }
    data.extend_from_slice(changes.1);
    data.extend_from_slice(operations.1);
    chunk(0, &data)
}

#[test]
fn a_deflate_bomb_in_a_document() {
    let mut limits = Limits::default();
    limits.document_inflated_bytes = 16 << 20;
    let bomb = deflate(&vec![0; 17 << 20]);
    for file in [document_with((0x0b, &bomb), (0x13, &[])), document_with((0x03, &[]), (0x1b, &bomb))] {
        assert!(file.len() < 30_000);
        assert_eq!(too_large(import(&file, &limits)), "inflated bytes");
    }
}

#[test]
fn a_run_length_bomb_in_a_document() {
    let rows = run(1 << 40, &[1]);
    for file in [document_with((0x03, &rows), (0x13, &[])), document_with((0x03, &[]), (0x13, &rows))] {
        assert_eq!(too_large(import(&file, &Limits::default())), "operations or changes of the file");
    }
    let mut message = Vec::new();
    bytes(&mut message, &[b'm'; 4_096]);
    let file = document_with((0x35, &run(1_000_000, &message)), (0x13, &[]));
    assert_eq!(too_large(import(&file, &Limits::default())), "inflated bytes of the file");
}
