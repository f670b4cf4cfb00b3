//! The tree is a function of the set.

use katori_acl::{ResourceId, Subject};

use super::super::{Fingerprint, Range, Tree};
use super::*;

#[test]
fn any_way_to_a_set_leads_to_the_same_tree() {
    for seed in 0..24 {
        let rng = &mut seeded(seed);
        let (mut model, mut tree_by_steps) = (Set::new(), Tree::new());
        let steps = [5, 40, 300, 1000][below(rng, 4)];
        let keep = below(rng, 3);
        let clustered = seed % 2 == 0;
        for step in 0..steps {
            let known = model.keys().nth(below(rng, model.len())).copied();
            match (below(rng, 4), known) {
                (0, Some(subject)) if keep < 2 => {
                    assert!(tree_by_steps.remove(&subject));
                    assert!(!tree_by_steps.remove(&subject));
                    model.remove(&subject);
                }
                (1, Some(subject)) => {
                    let entry = entry(rng);
                    assert!(tree_by_steps.insert(subject, entry));
                    assert!(!tree_by_steps.insert(subject, entry));
                    model.insert(subject, entry);
                }
                _ => {
                    let (subject, entry) = (subject(rng, clustered), entry(rng));
                    assert!(tree_by_steps.insert(subject, entry));
                    model.insert(subject, entry);
                }
            }
            if below(rng, 20) == 0 {
                assert_eq!(tree_by_steps.root(), tree(&model).root(), "seed {seed}, step {step}");
            }
        }
        assert_eq!(tree_by_steps.root(), tree(&model).root());
        assert_eq!(tree_by_steps.len(), model.len());
        assert!(tree_by_steps.iter().eq(&model));
        for (subject, entry) in &model {
            assert_eq!(tree_by_steps.get(subject), Some(entry));
            let other = super::subject(rng, clustered);
            assert_eq!(tree_by_steps.get(&other), model.get(&other));
        }
        // And down to nothing again.
        while let Some((subject, _)) = model.pop_first() {
            assert!(tree_by_steps.remove(&subject));
            if model.len() < 40 {
                assert_eq!(tree_by_steps.root(), tree(&model).root());
            }
        }
        assert!(tree_by_steps.is_empty());
        assert_eq!(tree_by_steps.root(), Tree::new().root());
    }
}

#[test]
fn a_range_has_the_fingerprint_of_the_set_of_what_is_in_it() {
    let rng = &mut seeded(7);
    for clustered in [false, true] {
        let set = set(rng, 1000, clustered);
        let mut whole = tree(&set);
        for subject in set.keys().step_by(200).copied().chain([subject(rng, clustered)]) {
            let mut range = Range::WHOLE;
            while let Some((lower, upper)) = range.halves() {
                let (in_lower, in_upper) = whole.refreshed(&range).halves(&range);
                let halves = [in_lower.summary(), in_upper.summary()];
                assert_eq!(halves, [whole.summary(&lower), whole.summary(&upper)]);
                range = if lower.contains(&subject) { lower } else { upper };
                let inside: Set = set
                    .iter()
                    .filter(|(subject, _)| range.contains(subject))
                    .map(|(subject, entry)| (*subject, *entry))
                    .collect();
                let mut part = tree(&inside);
                assert_eq!(whole.summary(&range), part.summary(&Range::WHOLE));
                assert!(whole.range(&range).eq(&inside));
                if inside.is_empty() {
                    break;
                }
            }
        }
    }
}

#[test]
fn items_in_any_order_make_the_same_tree_and_the_last_entry_counts() {
    let rng = &mut seeded(1);
    let set = set(rng, 200, false);
    let stale = set.keys().map(|subject| (*subject, entry(rng))).collect::<Vec<_>>();
    let items = set.iter().map(|(subject, entry)| (*subject, *entry));
    let mut shuffled: Tree = stale.into_iter().chain(items.rev()).collect();
    assert_eq!(shuffled.root(), tree(&set).root());
    assert_eq!(shuffled.len(), 200);
}

#[test]
fn sets_that_differ_in_anything_have_other_roots() {
    let rng = &mut seeded(3);
    for count in [1, 16, 17, 100] {
        let set = set(rng, count, false);
        let mut roots: Vec<Fingerprint> = vec![tree(&set).root(), Tree::new().root()];
        for (subject, entry) in &set {
            let mut without = tree(&set);
            without.remove(subject);
            let (mut records, mut content) = (tree(&set), tree(&set));
            records.insert(*subject, Entry { records: [0; 32], ..*entry });
            content.insert(*subject, Entry { content: [0; 32], ..*entry });
            roots.extend([records.root(), content.root()]);
            if count > 1 {
                roots.push(without.root());
            }
        }
        let distinct: BTreeSet<[u8; 32]> = roots.iter().map(|root| *root.as_bytes()).collect();
        assert_eq!(distinct.len(), roots.len());
    }
}

/// Subjects ground to share as much as they can: the tree is as deep as a subject has bits, and no deeper.
#[test]
fn the_bits_of_a_subject_bound_the_depth() {
    let rng = &mut seeded(4);
    let mut set = Set::new();
    for bit in 0..256 {
        let mut id = [0; 32];
        id[bit / 8] = 0x80 >> (bit % 8);
        set.insert(Subject::Resource(ResourceId::from_bytes(id)), entry(rng));
    }
    let mut deep = tree(&set);
    assert!((200..=257).contains(&deep.depth()), "{}", deep.depth());
    for (subject, entry) in set.clone().iter().rev() {
        assert_eq!(deep.get(subject), Some(entry));
        assert!(deep.remove(subject));
        set.remove(subject);
        assert_eq!(deep.root(), tree(&set).root());
    }
}

/// Counted from the sizes of nodes: leaves of a random set are about two thirds full.
#[test]
fn an_entry_takes_at_most_150_bytes() {
    let rng = &mut seeded(5);
    let set = set(rng, 20_000, false);
    let mut by_steps = Tree::new();
    for (subject, entry) in &set {
        by_steps.insert(*subject, *entry);
    }
    for tree in [tree(&set), by_steps] {
        let bytes = tree.heap_bytes();
        assert!(bytes <= 150 * set.len(), "{} bytes an entry", bytes / set.len());
    }
}
