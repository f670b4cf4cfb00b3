//! Whole runs between honest sides.

use super::super::{Budget, MAX_MESSAGE_ENTRIES, MAX_PARTS, Part};
use super::super::{Range, messages, respond};
use super::*;

/// A second set that has so many other, so many fewer and so many more than the first.
fn changed(rng: &mut ChaCha12Rng, set: &Set, counts: [usize; 3], clustered: bool) -> Set {
    let mut changed = set.clone();
    let subjects: Vec<Subject> = set.keys().copied().collect();
    for _ in 0..counts[0] {
        changed.insert(subjects[below(rng, subjects.len())], entry(rng));
    }
    for _ in 0..counts[1] {
        changed.remove(&subjects[below(rng, subjects.len())]);
    }
    for _ in 0..counts[2] {
        changed.insert(subject(rng, clustered), entry(rng));
    }
    changed
}

#[test]
fn both_sides_learn_what_differs_and_nothing_else() {
    for seed in 0..50 {
        let rng = &mut seeded(seed);
        let count = [0, 1, 10, 17, 100, 300, 1000, 5000][below(rng, 8)];
        let clustered = below(rng, 2) == 0;
        let one = set(rng, count, clustered);
        let most = [0, 1, 5, 50, count][below(rng, 5)].min(count);
        let counts = std::array::from_fn(|_| below(rng, most + 1));
        let other = if one.is_empty() || below(rng, 10) == 0 {
            let count = [0, 3, 40, 3000][below(rng, 4)];
            set(rng, count, clustered)
        } else {
            changed(rng, &one, counts, clustered)
        };
        for run in [check(&one, &other), check(&other, &one)] {
            assert!(run.turns <= 4, "seed {seed}: {} turns", run.turns);
        }
    }
}

#[test]
fn equal_sets_greet_and_are_done() {
    let rng = &mut seeded(11);
    for count in [0, 1, 300] {
        let set = set(rng, count, false);
        let run = check(&set, &set);
        assert_eq!(run.turns, 0);
        assert!(run.bytes <= 2 * 40, "{} bytes", run.bytes);
        assert_eq!(run.findings[0].same, [Range::WHOLE]);
    }
}

#[test]
fn an_empty_side_gets_everything_in_one_turn() {
    let rng = &mut seeded(12);
    let full = set(rng, 3000, false);
    assert_eq!(check(&full, &Set::new()).turns, 1);
    assert_eq!(check(&Set::new(), &full).turns, 2);
}

#[test]
fn ten_thousand_with_a_hundred_changes_take_three_turns() {
    let rng = &mut seeded(13);
    let one = set(rng, 10_000, false);
    for _ in 0..3 {
        let other = changed(rng, &one, [100, 0, 0], false);
        let run = check(&one, &other);
        assert!(run.turns <= 3, "{} turns", run.turns);
        assert!(run.bytes < 50_000, "{} bytes", run.bytes);
        let other = changed(rng, &one, [1, 0, 0], false);
        let run = check(&one, &other);
        assert!(run.turns <= 3 && run.bytes < 20_000, "{} turns, {} bytes", run.turns, run.bytes);
    }
}

/// Sets of which nothing is the same take some turns and each entry twice at most.
#[test]
fn large_sets_without_anything_in_common() {
    let rng = &mut seeded(14);
    let (one, other) = (set(rng, 30_000, false), set(rng, 30_000, true));
    let run = check(&one, &other);
    assert!(run.turns <= 6, "{} turns", run.turns);
    assert!(run.bytes < 2 * 60_000 * 100, "{} bytes", run.bytes);
}

/// A device with few of many subjects names what it has, and gets the others once.
#[test]
fn a_small_side_is_asked_for_its_list() {
    let rng = &mut seeded(15);
    let many = set(rng, 20_000, false);
    let few: Set = many.iter().take(1000).map(|(subject, entry)| (*subject, *entry)).collect();
    for (one, other) in [(&many, &few), (&few, &many)] {
        let run = check(one, other);
        assert!(run.turns <= 3 && run.bytes < 21_000 * 100, "{} turns, {} bytes", run.turns, run.bytes);
    }
}

#[test]
fn an_answer_is_cut_into_messages_within_the_bounds() {
    let rng = &mut seeded(16);
    let set = set(rng, 30_000, false);
    let mut tree = tree(&set);
    let nothing = Tree::new().summary(&Range::WHOLE);
    let question = [Part::Fingerprint { range: Range::WHOLE, summary: BriefSummary::of(&SECRET, &nothing) }];
    let response = respond(&mut tree, &question, &SIDE, &mut Budget::new(set.len())).unwrap();
    let cut = messages(response.parts, false);
    assert!(cut.len() >= 4 && cut.iter().rev().skip(1).all(Message::more));
    assert_eq!(cut.last().map(Message::more), Some(false));
    let mut told = Set::new();
    for message in &cut {
        assert_eq!(&decoded(&encoded(message)), message);
        assert!(message.parts().len() <= MAX_PARTS);
        let before = told.len();
        for part in message.parts() {
            let Part::Answer { entries, .. } = part else { panic!("{part:?}") };
            told.extend(entries.iter().copied());
        }
        assert!(told.len() - before <= MAX_MESSAGE_ENTRIES);
    }
    assert_eq!(told, set);
}

/// What changes while a run goes on does not stop it, and what did not change is still told of rightly.
#[test]
fn sets_may_change_meanwhile() {
    for seed in 0..15 {
        let rng = &mut seeded(seed);
        let one = set(rng, 1500, false);
        let other = changed(rng, &one, [30, 30, 30], false);
        let mut moved = BTreeSet::new();
        let mut trees = [tree(&one), tree(&other)];
        let (mut exchange, greeting) = Exchange::begin(&mut trees[0], SECRET);
        let (mut other_exchange, other_greeting) = Exchange::begin(&mut trees[1], SECRET);
        let mut findings = [Findings::default(), Findings::default()];
        let turn = exchange.greeted(&mut trees[0], other_greeting, true).unwrap();
        other_exchange.greeted(&mut trees[1], greeting, false).unwrap();
        let mut queue: VecDeque<_> = turn.messages.into_iter().map(|message| (1, message)).collect();
        let mut sides = [exchange, other_exchange];
        while let Some((at, message)) = queue.pop_front() {
            for tree in &mut trees {
                for _ in 0..5 {
                    let known = one.keys().nth(below(rng, one.len())).copied().unwrap();
                    let subject = if below(rng, 2) == 0 { known } else { subject(rng, false) };
                    moved.insert(subject);
                    if below(rng, 2) == 0 {
                        tree.remove(&subject);
                    } else {
                        tree.insert(subject, entry(rng));
                    }
                }
            }
            let turn = sides[at].heard(&mut trees[at], &message, &guess).unwrap();
            queue.extend(turn.messages.into_iter().map(|message| (1 - at, message)));
            gather(&mut findings[at], turn.findings);
        }
        assert!(sides.iter().all(Exchange::is_over));
        let named = findings.map(|findings| {
            findings.named.into_iter().chain(findings.answered).collect::<BTreeMap<Subject, Told>>()
        });
        for subject in one.keys().chain(other.keys()).filter(|subject| !moved.contains(subject)) {
            let (mine, theirs) = (one.get(subject), other.get(subject));
            for (named, mine, theirs) in [(&named[0], mine, theirs), (&named[1], theirs, mine)] {
                let expected = theirs.filter(|_| mine != theirs);
                assert_eq!(named.contains_key(subject), expected.is_some());
                if let (Some(told), Some(theirs)) = (named.get(subject), expected) {
                    assert_told(told, theirs, mine);
                }
            }
        }
    }
}
