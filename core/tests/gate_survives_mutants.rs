//! What a hostile writer can do who knows the format: honest changes altered in one or two places, with the
//! checksum made to fit. None may get a panic past the guard, and hardly any that is merged may make the saved
//! document unreadable. (Without the gate, 15 in 100 such changes make Automerge panic, and 2 in 100 do the latter.)
//!
//! "Hardly": a mark whose end stands before its begin in the text is told only by loading what was saved, which is
//! what the store does before a snapshot replaces another.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test ends with a panic")]

#[path = "gate_support/chunks.rs"]
mod chunks;
#[path = "gate_support/documents.rs"]
mod documents;

use automerge::{Automerge, Change, ChangeHash};
use chunks::Draft;
use documents::{Random, random_document};
use katori_core::gate::{Header, Limits, Link, check_links, confirm, decode, guarded, inspect};

const MUTANTS: u64 = 20_000;

fn mutate(draft: &mut Draft, random: &mut Random) {
    match random.below(14) {
        0 => draft.start_op = draft.start_op.wrapping_add(random.next() % 5).wrapping_sub(2),
        1 => draft.seq = draft.seq.wrapping_add(random.next() % 3).wrapping_sub(1),
        2 if !draft.other_actors.is_empty() => {
            let index = random.below(draft.other_actors.len());
            draft.other_actors[index][0] ^= 1;
        }
        3 if draft.columns.len() > 1 => {
            let index = random.below(draft.columns.len());
            draft.columns.remove(index);
        }
        _ if !draft.columns.is_empty() => {
            let index = random.below(draft.columns.len());
            let column = &mut draft.columns[index].1;
            let place = random.below(column.len());
            let byte = random.next().to_le_bytes()[0];
            match random.below(4) {
                0 => column[place] ^= 1 << random.below(8),
                1 => column[place] = byte,
                2 => column[place] = column[place].wrapping_add(1),
                _ => column.insert(place, byte & 0x0f),
            }
        }
        _ => {}
    }
}

#[derive(Debug, Default)]
struct Outcomes {
    refused_by_the_gate: u64,
    refused_by_its_links: u64,
    refused_in_decoding: u64,
    refused_in_applying: u64,
    panicked_in_applying: u64,
    refused_after_applying: u64,
    merged: u64,
    unreadable_when_saved: u64,
}

#[test]
fn no_mutant_escapes() {
    let mut outcomes = Outcomes::default();
    let mut random = Random(2_026);
    // Small histories: each change altered is applied to a document of all before it.
    let histories: Vec<Vec<Change>> =
        (0..12).map(|seed| random_document(seed, 24).get_changes(&[])).collect();
    let bases: Vec<Vec<Automerge>> = histories.iter().map(|history| prefixes(history)).collect();
    for _ in 0..MUTANTS {
        let which = random.below(histories.len());
        let place = random.below(histories[which].len());
        let mut draft = Draft::read(histories[which][place].raw_bytes());
        for _ in 0..=random.below(2) {
            mutate(&mut draft, &mut random);
        }
        let Ok(raw) = inspect(&draft.write(), &Limits::default()) else {
            outcomes.refused_by_the_gate += 1;
            continue;
        };
        if !follows(raw.header(), &histories[which][..place]) {
            outcomes.refused_by_its_links += 1;
            continue;
        }
        let Ok(change) = decode(&raw) else {
            outcomes.refused_in_decoding += 1;
            continue;
        };
        let base = &bases[which][place];
        let applied = guarded("applying", || {
            let mut document = base.clone();
            document.apply_changes([change]).map(|()| document)
        });
        match applied {
            Err(_) => outcomes.panicked_in_applying += 1,
            Ok(Err(_)) => outcomes.refused_in_applying += 1,
            Ok(Ok(document)) if confirm(&document, &base.get_heads(), &[raw.hash()]).is_err() => {
                outcomes.refused_after_applying += 1;
            }
            Ok(Ok(document)) => {
                outcomes.merged += 1;
                let again = guarded("loading", || Automerge::load(&document.save()).map(|it| it.get_heads()));
                if again.ok().and_then(Result::ok) != Some(document.get_heads()) {
                    outcomes.unreadable_when_saved += 1;
                }
            }
        }
    }
    println!("{outcomes:?}; {} MiB at most", peak_memory() >> 20);
    assert!(outcomes.merged > 100, "the mutants are too easily told apart: {outcomes:?}");
    assert!(outcomes.unreadable_when_saved * 500 < outcomes.merged, "{outcomes:?}");
    assert!(peak_memory() < 512 << 20, "{} bytes", peak_memory());
}

/// Whether a change hangs together with those before it: its links, and that it knows the actors it refers to.
fn follows(header: &Header, before: &[Change]) -> bool {
    let link = |change: &Change| Link { hash: change.hash(), seq: change.seq(), max_op: change.max_op() };
    let previous = before.iter().rfind(|change| change.actor_id().to_bytes() == header.actor).map(link);
    let max_op =
        |hash: &ChangeHash| before.iter().find(|change| change.hash() == *hash).map_or(0, Change::max_op);
    let known = |actor: &Vec<u8>| before.iter().any(|change| change.actor_id().to_bytes() == actor);
    check_links(header, previous, header.deps.iter().map(max_op), || false).is_ok()
        && header.other_actors.iter().all(known)
}

/// The document before each change of a history.
fn prefixes(history: &[Change]) -> Vec<Automerge> {
    let mut document = Automerge::new();
    history
        .iter()
        .map(|change| {
            let before = document.clone();
            document.apply_changes([change.clone()]).unwrap();
            before
        })
        .collect()
}

/// The most memory this process has had, where the system tells.
fn peak_memory() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<usize>().ok());
    kibibytes.unwrap_or(0) * 1024
}
