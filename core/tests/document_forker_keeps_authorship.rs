//! A proven forker gives no more cover, and nothing else is taken from it: what it wrote before stays, with all that
//! honest devices built on it, and its signature goes on proving what is its own. (Story S15 of the model.)
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test ends with a panic")]

#[path = "document_support/replica.rs"]
mod replica;
#[path = "document_support/scene.rs"]
mod scene;

use automerge::transaction::Transactable;
use automerge::{ROOT, ReadDoc};
use katori_core::document::{HeldReason, Rule};

use replica::{Replica, actor, empty, forge, sync, vouch};
use scene::Scene;

#[test]
fn old_work_of_a_forker_and_all_on_top_of_it_stays() {
    let mut scene = Scene::new();
    let [forker, ben] = [scene.person(), scene.person()];
    scene.grant_in_order(&[&forker, &ben]);
    let id = scene.document;
    let mut owner = Replica::new(&scene, &scene.owner);
    let mut ben = Replica::new(&scene, &ben);
    let actor = actor(&forker, id, 1);
    let mut base = empty();
    let old = forge(&mut base, actor.clone(), |edit| edit.put(ROOT, "old", 1));
    ben.receive(&forker, std::slice::from_ref(&old), &[vouch(&forker, id, 1, &[old.hash()])]);
    let bens = ben.put("ben's");
    sync(&mut ben, &mut owner);
    let one = forge(&mut base.clone(), actor.clone(), |edit| edit.put(ROOT, "one", 1));
    let two = forge(&mut base.clone(), actor, |edit| edit.put(ROOT, "two", 2));
    let words = [vouch(&forker, id, 8, &[one.hash()]), vouch(&forker, id, 9, &[two.hash()])];
    owner.receive(&forker, &[one.clone(), two.clone()], &words);
    assert_eq!(owner.document.forkers().iter().copied().collect::<Vec<_>>(), [forker.device()]);
    assert!(owner.shows(&old.hash()) && owner.shows(&bens));
    assert_eq!(owner.document.author(&old.hash()), Some(forker.device()), "its signature proves it still");
    // What only the forker stands behind is covered by nobody.
    for branch in [&one, &two] {
        let held = owner.held(&branch.hash());
        assert_eq!((held.reason, held.rule, held.signed), (HeldReason::NoWriterVouches, Rule::Writer, true));
        assert_eq!(held.uncounted.len(), 1);
        assert!(held.uncounted[0].forked && held.uncounted[0].device == forker.device());
    }
}

#[test]
fn a_second_change_in_somebodys_place_proves_nothing_against_them() {
    let mut scene = Scene::new();
    let [ann, mallory] = [scene.person(), scene.person()];
    scene.grant_in_order(&[&ann, &mallory]);
    let id = scene.document;
    let mut owner = Replica::new(&scene, &scene.owner);
    let mut ann = Replica::new(&scene, &ann);
    let anns = ann.put("ann's");
    sync(&mut ann, &mut owner);
    // Mallory forges Ann's first change, under the actor that Ann used, and vouches for it.
    let written = ann.document.automerge().get_change_by_hash(&anns).unwrap();
    let forged = forge(&mut empty(), written.actor_id().clone(), |edit| edit.put(ROOT, "forged", 1));
    owner.receive(&mallory, std::slice::from_ref(&forged), &[vouch(&mallory, id, 1, &[forged.hash()])]);
    assert!(owner.document.forkers().is_empty() && owner.document.forks().is_empty());
    assert!(owner.shows(&anns));
    let reason = HeldReason::NotVouchedByAuthor { device: ann.me.device() };
    assert_eq!(owner.reason(&forged.hash()), reason);
}
