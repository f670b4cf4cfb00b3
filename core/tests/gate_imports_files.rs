//! A whole `.automerge` file comes in complete, or is refused with a reason.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test ends with a panic")]

#[path = "gate_support/chunks.rs"]
mod chunks;
#[path = "gate_support/documents.rs"]
mod documents;

use automerge::SaveOptions;
use automerge::transaction::{CommitOptions, Transactable};
use automerge::{Automerge, ROOT};
use chunks::{Draft, chunk};
use documents::{Random, inspected, new_document, random_document, typing};
use katori_core::gate::{GateError, Limits, RawChange, import};

#[test]
fn saved_documents_come_in_complete() {
    for seed in 0..20 {
        let document = random_document(seed, 60);
        let expected = inspected(&document);
        let plain = SaveOptions { deflate: false, retain_orphans: false };
        for file in [document.save(), document.save_with_options(plain), document.save_after(&[])] {
            let mut found = import(&file, &Limits::default()).unwrap();
            let mut sorted = expected.clone();
            found.sort_by_key(RawChange::hash);
            sorted.sort_by_key(RawChange::hash);
            assert_eq!(found, sorted, "seed {seed}");
        }
    }
}

#[test]
fn changes_appended_to_a_document_come_in_too() {
    let mut document = typing(100);
    let mut file = document.save();
    let heads = document.get_heads();
    let mut change = document.transaction();
    change.put(ROOT, "later", "a value that is long enough to be deflated ".repeat(20)).unwrap();
    change.commit();
    let mut last = document.get_last_local_change().unwrap();
    let mut raw = file.clone();
    raw.extend(document.save_after(&heads));
    file.extend_from_slice(&last.bytes());
    assert!(file.len() < raw.len());
    for file in [file, raw] {
        let changes = import(&file, &Limits::default()).unwrap();
        assert_eq!(changes.len(), 101);
        assert_eq!(changes.last().unwrap().hash(), last.hash());
    }
}

#[test]
fn a_file_of_many_changes_comes_in() {
    let document = typing(5_000);
    let changes = import(&document.save(), &Limits::default()).unwrap();
    assert_eq!(changes, inspected(&document));
}

#[test]
fn a_file_that_lacks_changes_is_refused() {
    let document = typing(50);
    let changes = document.get_changes(&[]);
    let file: Vec<u8> = changes[10..].iter().flat_map(|change| change.raw_bytes().to_vec()).collect();
    assert!(import(&file, &Limits::default()).is_err());
    // After a document chunk Automerge itself says nothing.
    let mut file = new_document(9).save();
    file.extend_from_slice(changes[20].raw_bytes());
    assert!(Automerge::load(&file).is_ok());
    assert_eq!(import(&file, &Limits::default()), Err(GateError::Incomplete { missing: 1 }));
}

#[test]
fn an_empty_document_comes_in_and_an_empty_file_does_not() {
    assert_eq!(import(&new_document(1).save(), &Limits::default()), Ok(Vec::new()));
    assert_eq!(import(&[], &Limits::default()), Err(GateError::NotAutomerge));
}

#[test]
fn a_file_cut_off_at_any_byte() {
    let file = random_document(4, 40).save();
    for length in 0..file.len() {
        assert!(import(&file[..length], &Limits::default()).is_err(), "{length} bytes");
    }
}

#[test]
fn a_file_with_a_flipped_bit() {
    let file = random_document(4, 40).save();
    for index in 0..file.len() {
        let mut damaged = file.clone();
        damaged[index] ^= 1 << (index % 8);
        assert!(import(&damaged, &Limits::default()).is_err(), "byte {index}");
    }
}

#[test]
fn altered_documents_with_fitting_checksums_never_escape() {
    let file =
        random_document(6, 30).save_with_options(SaveOptions { deflate: false, retain_orphans: false });
    let data = &file[file.len() - usize::try_from(data_length(&file)).unwrap()..];
    let mut random = Random(77);
    let mut refused = 0;
    for _ in 0..3_000 {
        let mut altered = data.to_vec();
        for _ in 0..=random.below(3) {
            let place = random.below(altered.len());
            altered[place] = random.next().to_le_bytes()[0];
        }
        // A panic that escaped would end the test.
        refused += u32::from(import(&chunk(0, &altered), &Limits::default()).is_err());
    }
    assert!(refused > 2_900, "{refused}");
}

fn data_length(file: &[u8]) -> u64 {
    leb128::read::unsigned(&mut &file[9..]).unwrap()
}

#[test]
fn a_file_beyond_the_limits() {
    let file = typing(300).save();
    let limited = |change: fn(&mut Limits)| {
        let mut limits = Limits::default();
        change(&mut limits);
        matches!(import(&file, &limits), Err(GateError::TooLarge { .. }))
    };
    assert!(limited(|limits| limits.document_bytes = 100));
    assert!(limited(|limits| limits.document_inflated_bytes = 500));
    assert!(limited(|limits| limits.document_operations = 100));
    assert!(limited(|limits| limits.document_changes = 299));
    assert!(limited(|limits| limits.actor_bytes = 47));
    assert!(!limited(|limits| limits.document_changes = 300));
}

#[test]
fn bundles_and_unknown_chunks_are_refused() {
    let mut file = typing(5).save();
    file.extend(chunk(3, &[0; 10]));
    assert_eq!(import(&file, &Limits::default()), Err(GateError::ChunkType { found: 3 }));
}

#[test]
fn two_changes_in_one_place_are_refused() {
    let mut one = new_document(1);
    let mut other = new_document(1);
    for (document, time) in [(&mut one, 1), (&mut other, 2)] {
        let mut change = document.transaction();
        change.put(ROOT, "time", time).unwrap();
        change.commit_with(CommitOptions::default().with_time(time));
    }
    let file = [one.save_after(&[]), other.save_after(&[])].concat();
    assert!(matches!(import(&file, &Limits::default()), Err(GateError::Refused { .. })));
}

#[test]
fn a_change_that_automerge_cannot_apply_is_refused() {
    // It overwrites an operation that is not there.
    let mut draft = Draft::put_null();
    draft.start_op = 9;
    draft.set(0x70, vec![0x7f, 1]);
    draft.set(0x71, vec![0x7f, 0]);
    draft.set(0x73, vec![0x7f, 5]);
    let found = import(&draft.write(), &Limits::default());
    assert!(found.is_err(), "{found:?}");
}
