//! Whatever Automerge itself writes passes the gate: it is strict about form, so this is the other half of it.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test ends with a panic")]

#[path = "gate_support/documents.rs"]
mod documents;

use automerge::transaction::Transactable;
use automerge::{Automerge, ObjType, ROOT, ScalarValue};
use documents::{inspected, new_document, random_document, typing};
use katori_core::gate::{Limits, Link, check_links, decode, inspect};
use std::collections::BTreeMap;

#[test]
fn every_change_of_random_documents_passes_and_decodes() {
    for seed in 0..60 {
        let document = random_document(seed, 60);
        let changes = inspected(&document);
        let mut again = new_document(250);
        let decoded: Vec<_> = changes
            .iter()
            .map(|change| decode(change).unwrap_or_else(|error| panic!("seed {seed}: {error}: {change:?}")))
            .collect();
        again.apply_changes(decoded).unwrap();
        assert_eq!(again.get_heads(), document.get_heads(), "seed {seed}");
    }
}

#[test]
fn the_header_says_what_automerge_says() {
    for change in random_document(7, 80).get_changes(&[]) {
        let raw = inspect(change.raw_bytes(), &Limits::default()).unwrap();
        let header = raw.header();
        assert_eq!(header.hash, change.hash());
        assert_eq!(header.max_op(), change.max_op());
        assert_eq!(header.deps, change.deps());
        assert_eq!(header.message.as_deref(), change.message());
        let others: Vec<&[u8]> = change.other_actor_ids().iter().map(automerge::ActorId::to_bytes).collect();
        assert_eq!(header.other_actors, others);
        assert_eq!(raw.bytes(), change.raw_bytes());
    }
}

#[test]
fn every_change_of_random_documents_links_to_those_before() {
    for seed in 0..30 {
        let mut links = BTreeMap::new();
        let mut last = BTreeMap::new();
        for change in inspected(&random_document(seed, 60)) {
            let header = change.header();
            let previous: Option<Link> = last.get(&header.actor).copied();
            let dependencies = header.deps.iter().map(|hash| links[hash]);
            let never = || -> bool { panic!("a device names its own last change") };
            assert_eq!(check_links(header, previous, dependencies, never), Ok(()), "seed {seed}");
            links.insert(header.hash, header.max_op());
            last.insert(header.actor.clone(), Link::from(header));
        }
    }
}

#[test]
fn a_long_paste_passes() {
    let mut document = new_document(1);
    let mut change = document.transaction();
    let text = change.put_object(ROOT, "text", ObjType::Text).unwrap();
    let list = change.put_object(ROOT, "list", ObjType::List).unwrap();
    let words = "the quick brown fox jumps over the lazy dog \u{2026} ".repeat(2_500);
    change.splice_text(&text, 0, 0, &words).unwrap();
    change.splice(&list, 0, 0, (0..20_000).map(|number| ScalarValue::Int(number % 3))).unwrap();
    change.commit();
    let mut change = document.transaction();
    change.splice_text(&text, 100, 50_000, "").unwrap();
    change.commit();
    let operations: Vec<u64> = inspected(&document)
        .iter()
        .map(|change| {
            assert_eq!(decode(change).unwrap().len() as u64, change.header().operations);
            change.header().operations
        })
        .collect();
    assert_eq!(operations, [2 + 2_500 * 46 + 20_000, 50_000]);
}

#[test]
fn what_a_loaded_document_gives_out_passes() {
    let document = typing(300);
    let loaded = Automerge::load(&document.save()).unwrap();
    assert_eq!(inspected(&loaded), inspected(&document));
    assert_eq!(inspected(&loaded).len(), 300);
}
