//! Messages of peers that are damaged or made to hurt.

use katori_acl::{ResourceId, Subject};

use super::super::{
    Brief, Budget, Fingerprint, MAX_PART_ENTRIES, OverBudget, Part, Range, Response, Speaks, messages,
    respond,
};
use super::*;

fn refused(bytes: &[u8]) -> bool {
    let mut reader = Reader::new(bytes);
    Message::decode(&mut reader).and_then(|_| reader.finish()).is_err()
}

fn any_summary(count: u64) -> BriefSummary {
    BriefSummary::of(&SECRET, &Summary { count, fingerprint: Fingerprint::from_bytes([9; 32]) })
}

/// Encoded without the checks that cutting and decoding make.
fn raw(parts: Vec<Part>) -> Vec<u8> {
    encoded(&messages(parts, false).remove(0))
}

#[test]
fn ranges_that_overlap_or_do_not_ascend_are_refused() {
    let (lower, upper) = Range::WHOLE.halves().unwrap();
    let (lowest, _) = lower.halves().unwrap();
    let same = |range| Part::Same { range };
    assert!(!refused(&raw(vec![same(lower), same(upper)])));
    for ranges in [[upper, lower], [lower, lower], [lower, lowest], [lowest, lower], [Range::WHOLE, upper]] {
        assert!(refused(&raw(ranges.map(same).to_vec())), "{ranges:?}");
    }
}

#[test]
fn entries_out_of_order_or_range_are_refused() {
    let rng = &mut seeded(1);
    let set = set(rng, 40, false);
    let (lower, upper) = Range::WHOLE.halves().unwrap();
    let entries: Vec<_> = tree(&set).range(&upper).map(|(subject, entry)| (*subject, *entry)).collect();
    let items =
        |range, entries: &[(Subject, Entry)]| raw(vec![Part::Items { range, entries: entries.to_vec() }]);
    assert!(!refused(&items(upper, &entries)));
    assert!(refused(&items(lower, &entries)));
    let mut turned = entries.clone();
    turned.swap(0, 1);
    assert!(refused(&items(upper, &turned)));
    assert!(refused(&items(upper, &[entries[0], entries[0]])));
    let lacking = vec![entries[0].0];
    assert!(refused(&raw(vec![Part::Answer { range: upper, entries: entries.clone(), lacking }])));
    let lacking = vec![entries[1].0, entries[0].0];
    assert!(refused(&raw(vec![Part::Answer { range: upper, entries: vec![], lacking }])));
}

#[test]
fn briefs_out_of_order_are_refused() {
    let rng = &mut seeded(7);
    let mut briefs: Vec<Brief> =
        set(rng, 3, false).iter().map(|(subject, entry)| Brief::of(&SECRET, subject, entry)).collect();
    briefs.sort_unstable();
    let said = |briefs: Vec<Brief>| raw(vec![Part::Briefs { range: Range::WHOLE, briefs }]);
    assert!(!refused(&said(briefs.clone())));
    assert!(refused(&said(vec![briefs[1], briefs[0]])));
    assert!(refused(&said(vec![briefs[0], briefs[0]])));
    let differ = Part::Differ {
        range: Range::WHOLE,
        briefs: vec![(briefs[2], Speaks::First), (briefs[1], Speaks::First)],
    };
    assert!(refused(&raw(vec![differ])));
}

/// An answer in brief that nobody asked for is looked at in small sets alone, and says no more than what is in it.
#[test]
fn an_answer_in_brief_to_no_question_does_nothing() {
    let rng = &mut seeded(8);
    let set = set(rng, 5000, false);
    let briefs = set
        .iter()
        .take(2)
        .map(|(subject, _)| (Brief::of(&SECRET, subject, &entry(rng)), Speaks::First))
        .collect();
    let part = Part::Differ { range: Range::WHOLE, briefs };
    let response =
        respond(&mut tree(&set), std::slice::from_ref(&part), &SIDE, &mut Budget::new(5000)).unwrap();
    assert_eq!(response, Response::default());
    let few: Set = set.into_iter().take(100).collect();
    let response = respond(&mut tree(&few), &[part], &SIDE, &mut Budget::new(100)).unwrap();
    assert_eq!((response.parts.len(), response.findings.answered.len()), (0, 2));
}

#[test]
fn messages_beyond_the_bounds_are_refused() {
    let rng = &mut seeded(2);
    let set = set(rng, MAX_PART_ENTRIES + 1, false);
    let entries: Vec<_> = set.into_iter().collect();
    assert!(refused(&raw(vec![Part::Items { range: Range::WHOLE, entries }])));
    // A count of parts beyond all bounds takes no memory.
    assert!(refused(&[0, 0xff, 0xff, 0xff, 0xff, 0x0f]));
    assert!(refused(&[2, 0]));
    assert!(refused(&[0, 1, 5, 0]));
}

#[test]
fn damaged_messages_are_refused_or_answered() {
    let rng = &mut seeded(3);
    let one = set(rng, 400, true);
    let other: Set = one.iter().skip(7).map(|(subject, _)| (*subject, entry(rng))).collect();
    let mut trees = [tree(&one), tree(&other)];
    let greeting = trees[1].summary(&Range::WHOLE);
    let summary = BriefSummary::of(&SECRET, &greeting);
    let mut parts = vec![Part::Fingerprint { range: Range::WHOLE, summary }];
    let mut samples = Vec::new();
    for turn in 0..4 {
        parts = respond(&mut trees[turn % 2], &parts, &SIDE, &mut Budget::new(400)).unwrap().parts;
        samples.extend(messages(parts.clone(), false).iter().map(encoded));
    }
    for sample in samples {
        assert_eq!(encoded(&decoded(&sample)), sample);
        assert!(refused(&sample[..sample.len() - 1]));
        for _ in 0..400 {
            let mut mutant = sample.clone();
            for _ in 0..=below(rng, 3) {
                // The structure lies at the beginning; most of the rest is hashes.
                let reach = [40, 400, mutant.len()][below(rng, 3)].min(mutant.len());
                let at = below(rng, reach);
                match below(rng, 3) {
                    0 => mutant[at] ^= 1 << below(rng, 8),
                    1 => mutant.truncate(at + 1),
                    _ => mutant.insert(at, u8::try_from(below(rng, 256)).unwrap()),
                }
            }
            let mut reader = Reader::new(&mutant);
            let Ok(message) = Message::decode(&mut reader) else { continue };
            let end = reader.offset();
            assert_eq!(encoded(&message), mutant[..end], "two encodings of one message");
            let response = respond(&mut trees[0], message.parts(), &SIDE, &mut Budget::new(400));
            for message in messages(response.unwrap().parts, false) {
                assert_eq!(decoded(&encoded(&message)), message);
            }
        }
    }
}

/// Whoever asks for the same again and again gets a few times what there is, and then nothing.
#[test]
fn a_peer_that_asks_again_and_again_is_over_its_budget() {
    let rng = &mut seeded(4);
    let set = set(rng, 5000, false);
    for count in [0, 10, 4999, u64::MAX] {
        let mut tree = tree(&set);
        let (mut exchange, _) = Exchange::begin(&mut tree, SECRET);
        let part = Part::Fingerprint { range: Range::WHOLE, summary: any_summary(count) };
        let question = messages(vec![part], false).remove(0);
        let question = decoded(&encoded(&question));
        let (mut heard, mut said) = (0, 0);
        let failed = (0..10_000).any(|_| {
            heard += encoded(&question).len();
            match exchange.heard(&mut tree, &question, &guess) {
                Ok(turn) => {
                    said += turn.messages.iter().map(|message| encoded(message).len()).sum::<usize>();
                    false
                }
                Err(OverBudget) => true,
            }
        });
        let fair = 4 * 5000 * 97 + 4096 * 97 + 8 * 2048 * 40 + EARNED_BYTES * heard;
        assert!(said <= fair, "{said} bytes for {heard}, with a count of {count}");
        // Only a question that is answered with one short question in turn may be asked for ever.
        assert!(failed || said <= 2 * heard, "{said} bytes for {heard}, with a count of {count}");
    }
}

/// Bytes that each byte of a question may earn: eight parts of some 40 bytes for one such.
const EARNED_BYTES: usize = 8;

/// Subjects ground to share all but their last bits cost an empty range for each bit that they share.
#[test]
fn subjects_with_long_common_prefixes_cost_their_bits() {
    let rng = &mut seeded(5);
    let mut one = set(rng, 1000, false);
    for cluster in 0..4u8 {
        for last in 0..60 {
            let mut id = [cluster.wrapping_mul(0x3b) ^ 0x5a; 32];
            id[31] = last;
            one.insert(Subject::Resource(ResourceId::from_bytes(id)), entry(rng));
        }
    }
    let mut other = one.clone();
    for entry in other.values_mut().step_by(37) {
        entry.content = [1; 32];
    }
    let run = check(&one, &other);
    assert!(run.turns <= 4, "{} turns", run.turns);
    // Four clusters, 250 bits each, at most 40 bytes for each.
    assert!(run.bytes < 1240 * 97 + 4 * 250 * 40, "{} bytes", run.bytes);
}

/// A single word about everything does not make this side walk through everything.
#[test]
fn sweeping_answers_are_taken_as_they_are() {
    let rng = &mut seeded(6);
    let set = set(rng, 2000, false);
    let mut tree = tree(&set);
    let alien = subject(rng, false);
    let known = *set.keys().next().unwrap();
    let sweeping = [
        Part::Answer { range: Range::WHOLE, entries: vec![], lacking: vec![alien] },
        Part::Answer { range: Range::WHOLE, entries: vec![(known, set[&known])], lacking: vec![] },
        Part::Same { range: Range::WHOLE },
    ];
    for part in sweeping {
        let response = respond(&mut tree, &[part], &SIDE, &mut Budget::new(2000)).unwrap();
        assert_eq!(response.parts, []);
        assert_eq!(response.findings, Findings { same: vec![Range::WHOLE], ..Findings::default() });
    }
    let part = Part::Answer { range: Range::WHOLE, entries: vec![(alien, entry(rng))], lacking: vec![known] };
    let response = respond(&mut tree, &[part], &SIDE, &mut Budget::new(2000)).unwrap();
    assert!(response.findings.same.len() < 60, "{}", response.findings.same.len());
    assert_eq!(response.findings.lacked, [known]);
    assert_eq!(response.findings.named.len(), 1);
}
