//! A whole document is judged without taking it apart, and then shows exactly what its changes show when they are
//! applied one after the other. Automerge's own loading does not see to that: where an element stands, or whether an
//! operation belongs to any change at all, no hash says.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test ends with a panic")]

#[path = "gate_support/chunks.rs"]
mod chunks;
#[path = "gate_support/documents.rs"]
mod documents;
#[path = "gate_support/rows.rs"]
mod rows;

use automerge::legacy::OpType;
use automerge::transaction::Transactable;
use automerge::{
    Automerge, Change, LoadOptions, ObjType, ROOT, ReadDoc, SaveOptions, TextEncoding, VerificationMode,
};
use documents::{Random, new_document, random_document, typing};
use katori_core::gate::{Limits, Opened, decode, guarded, inspect, open_whole};
use rows::Chunk;

/// What the changes of a document show, each through the gate.
fn applied(document: &Automerge) -> Result<Automerge, String> {
    let through = |change: &Change| {
        let raw = inspect(change.raw_bytes(), &Limits::default()).map_err(|error| error.to_string())?;
        decode(&raw).map_err(|error| error.to_string())
    };
    let changes: Vec<Change> =
        document.get_changes(&[]).iter().map(through).collect::<Result<_, String>>()?;
    let mut again = Automerge::new_with_encoding(TextEncoding::UnicodeCodePoint);
    again.apply_changes(changes).map_err(|error| error.to_string())?;
    Ok(again)
}

/// Every operation in its place, and the heads. The changes may stand in another order, which shows in nothing.
fn shown(document: &Automerge) -> String {
    let plain = SaveOptions { deflate: false, retain_orphans: false };
    let chunk = Chunk::read(&document.save_with_options(plain));
    format!("{:?}", (document.get_heads(), chunk.actors, chunk.rows))
}

/// Texts, lists and maps that several devices edit apart, without anything that is not judged.
fn plain_document(seed: u64, steps: usize) -> Automerge {
    let mut random = Random(seed);
    let mut first = new_document(9);
    let mut change = first.transaction();
    let text = change.put_object(ROOT, "text", ObjType::Text).unwrap();
    let list = change.put_object(ROOT, "list", ObjType::List).unwrap();
    change.commit();
    let mut replicas: Vec<Automerge> = vec![first];
    for number in [3, 200, 7] {
        let mut other = replicas[0].clone();
        other.set_actor(documents::actor(number));
        replicas.push(other);
    }
    for step in 0..steps {
        let here = random.below(replicas.len());
        if random.chance(25) {
            let there = random.below(replicas.len());
            let mut other = replicas[there].clone();
            replicas[here].merge(&mut other).unwrap();
        }
        let mut change = replicas[here].transaction();
        for _ in 0..=random.below(3) {
            let (length, elements) = (change.length(&text), change.length(&list));
            let (place, element) = (random.below(length + 1), random.below(elements + 1));
            match random.below(8) {
                0..=2 => {
                    let word = ["a", "wo\u{f6}rd", "xyz"][random.below(3)];
                    change.splice_text(&text, place, 0, word).unwrap();
                }
                3 if place < length => change.splice_text(&text, place, 1, "").unwrap(),
                4 => change.insert(&list, element, i64::try_from(step).unwrap()).unwrap(),
                5 if element < elements => change.put(&list, element, "other").unwrap(),
                6 if element < elements => change.delete(&list, element).unwrap(),
                _ => {
                    let key = ["one", "two", "three"][random.below(3)];
                    match random.below(4) {
                        0 => change.delete(ROOT, key).unwrap(),
                        1 => change.put(ROOT, key, 1.5).unwrap(),
                        2 => drop(change.put_object(ROOT, key, ObjType::Map).unwrap()),
                        _ => change.put(ROOT, key, step as u64).unwrap(),
                    }
                }
            }
        }
        change.commit();
    }
    let (first, others) = replicas.split_first_mut().unwrap();
    for other in others {
        first.merge(other).unwrap();
    }
    first.clone()
}

#[test]
fn what_is_judged_shows_what_its_changes_show() {
    let mut judged = 0;
    for seed in 0..60 {
        let document = random_document(seed, 3 + usize::try_from(seed).unwrap() % 40);
        match open_whole(&document.save(), &Limits::default()).unwrap() {
            Opened::Judged(whole) => {
                judged += 1;
                assert_eq!(whole.automerge().get_heads(), document.get_heads());
                assert_eq!(shown(&applied(&document).unwrap()), shown(whole.automerge()), "seed {seed}");
            }
            Opened::Changes(found) => {
                let changes = document.get_changes(&[]);
                assert_eq!(found.len(), changes.len());
                let is_mark = |action: &OpType| matches!(action, OpType::MarkBegin(..) | OpType::MarkEnd(_));
                let is_special = |change: &Change| {
                    !change.extra_bytes().is_empty()
                        || change.decode().operations.iter().any(|operation| is_mark(&operation.action))
                };
                assert!(changes.iter().any(is_special), "seed {seed}: only marks and footers are not judged");
            }
        }
    }
    assert!(judged > 3, "{judged} of 60 documents were judged");
    for document in (100..140).map(|seed| plain_document(seed, 60)).chain([typing(2_000)]) {
        let Opened::Judged(whole) = open_whole(&document.save(), &Limits::default()).unwrap() else {
            panic!("a plain document is judged")
        };
        assert_eq!(shown(&applied(&document).unwrap()), shown(whole.automerge()));
    }
}

/// Writes a chunk with the heads that its changes have.
fn with_its_heads(mut chunk: Chunk) -> Option<Vec<u8>> {
    let options = LoadOptions::new().verification_mode(VerificationMode::DontCheck);
    let bytes = chunk.write();
    let loaded = guarded("loading", || Automerge::load_with_options(&bytes, options).ok()).ok()??;
    chunk.heads = loaded.get_changes_meta(&[]).into_iter().fold(Vec::new(), |mut heads, change| {
        heads.retain(|head| !change.deps.iter().any(|dep| dep.0 == *head));
        heads.push(change.hash.0);
        heads
    });
    chunk.heads.sort_unstable();
    Some(chunk.write())
}

fn text_of(document: &Automerge) -> String {
    let (_, text) = document.get(ROOT, "text").unwrap().unwrap();
    document.text(&text).unwrap()
}

#[test]
fn no_mutant_shows_anything_else_than_its_changes() {
    let (mut judged, mut loaded_otherwise, mut taken_apart, mut refused) = (0, 0, 0, 0);
    let mut random = Random(4_711);
    let originals: Vec<Chunk> = (0..8)
        .map(|seed| {
            let document = plain_document(seed, 14);
            let plain = SaveOptions { deflate: false, retain_orphans: false };
            let chunk = Chunk::read(&document.save_with_options(plain));
            assert_eq!(Automerge::load(&chunk.write()).unwrap().get_heads(), document.get_heads());
            chunk
        })
        .collect();
    for round in 0..6_000 {
        let mut chunk = originals[random.below(originals.len())].clone();
        for _ in 0..=random.below(2) {
            chunk.mutate(&mut random);
        }
        let Some(bytes) = with_its_heads(chunk) else {
            refused += 1;
            continue;
        };
        match open_whole(&bytes, &Limits::default()) {
            Ok(Opened::Judged(whole)) => {
                let again = applied(whole.automerge())
                    .unwrap_or_else(|error| panic!("round {round}: judged and not applied: {error}"));
                assert_eq!(shown(&again), shown(whole.automerge()), "round {round}");
                judged += 1;
            }
            Ok(Opened::Changes(_)) => {
                taken_apart += 1;
                let loaded = guarded("", || Automerge::load(&bytes).ok()).ok().flatten();
                let compared = loaded.and_then(|loaded| {
                    let again = guarded("", || applied(&loaded)).ok()?.ok()?;
                    Some(shown(&again) != shown(&loaded))
                });
                loaded_otherwise += usize::from(compared == Some(true));
            }
            Err(_) => refused += 1,
        }
    }
    println!(
        "{judged} judged, {taken_apart} taken apart ({loaded_otherwise} load as something else), {refused} refused"
    );
    assert!(judged > 100 && loaded_otherwise > 100, "the mutants try something");
}

#[test]
fn an_element_that_was_moved_is_not_believed() {
    let mut document = new_document(1);
    let mut change = document.transaction();
    let text = change.put_object(ROOT, "text", ObjType::Text).unwrap();
    change.splice_text(&text, 0, 0, "pay Ann, not Bob").unwrap();
    change.commit();
    let mut chunk =
        Chunk::read(&document.save_with_options(SaveOptions { deflate: false, retain_orphans: false }));
    let letters = chunk.rows.len() - 16;
    for place in 0..3 {
        chunk.rows.swap(letters + 4 + place, letters + 13 + place);
    }
    let bytes = chunk.write();
    // Every hash and the heads fit.
    let moved = Automerge::load(&bytes).unwrap();
    assert_eq!((moved.get_heads(), text_of(&moved).as_str()), (document.get_heads(), "pay Bob, not Ann"));
    let Opened::Changes(changes) = open_whole(&bytes, &Limits::default()).unwrap() else { panic!("judged") };
    assert_eq!(changes[0].hash(), document.get_heads()[0]);
    assert_eq!(text_of(&applied(&moved).unwrap()), "pay Ann, not Bob");
}

#[test]
fn what_nobody_wrote_or_deleted_is_not_believed() {
    let document = typing(30);
    let original =
        Chunk::read(&document.save_with_options(SaveOptions { deflate: false, retain_orphans: false }));
    let mut written = original.clone();
    let mut stray = written.rows.last().unwrap().clone();
    (stray.key_actor, stray.key_counter) = (Some(stray.id_actor), Some(stray.id_counter));
    stray.id_counter += 1_000;
    stray.insert = true;
    stray.successors.clear();
    written.rows.push(stray);
    let mut deleted = original;
    let last = deleted.rows.iter_mut().rfind(|row| row.successors.is_empty()).unwrap();
    last.successors.push((last.id_actor, last.id_counter + 1_000));
    for chunk in [written, deleted] {
        let bytes = chunk.write();
        let loaded = Automerge::load(&bytes).unwrap();
        assert_eq!(loaded.get_heads(), document.get_heads());
        assert_ne!(text_of(&loaded), text_of(&document));
        assert!(matches!(open_whole(&bytes, &Limits::default()), Ok(Opened::Changes(_))));
    }
}

#[test]
fn a_bomb_is_refused_before_it_is_loaded() {
    let mut document = new_document(1);
    let mut change = document.transaction();
    for number in 0..2_000 {
        change.put(ROOT, format!("key {number}"), "x".repeat(500)).unwrap();
    }
    change.commit();
    let bytes = document.save();
    assert!(bytes.len() < 100_000);
    let mut limits = Limits::default();
    limits.document_inflated_bytes = 500_000;
    assert!(open_whole(&bytes, &limits).is_err());
    limits = Limits::default();
    limits.document_operations = 1_999;
    assert!(open_whole(&bytes, &limits).is_err());
    for cut in 0..bytes.len() {
        if cut % 97 == 0 {
            assert!(open_whole(&bytes[..cut], &Limits::default()).is_err());
        }
    }
}
