//! The proof of a fork is kept and shown, and the branch that lost can be looked at: the document as it would be with
//! it, and all that was built on it, in the place of the one that stays.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test ends with a panic")]

#[path = "document_support/replica.rs"]
mod replica;
#[path = "document_support/scene.rs"]
mod scene;

use automerge::transaction::Transactable;
use automerge::{Automerge, ChangeHash, ROOT, ReadDoc};
use katori_core::document::Decision;
use katori_core::gate::RawChange;

use replica::{Replica, actor, empty, forge, fork, sync, vouch};
use scene::{Device, Scene};

fn keys(document: &Automerge) -> Vec<String> {
    document.keys(ROOT).collect()
}

/// The owner and Ben on two branches, with an edit each, after they met.
fn met() -> (Scene, Device, [RawChange; 2], Replica, Replica) {
    let mut scene = Scene::new();
    let [forker, ben] = [scene.person(), scene.person()];
    scene.grant_in_order(&[&forker, &ben]);
    let id = scene.document;
    let mut owner = Replica::new(&scene, &scene.owner);
    let mut ben = Replica::new(&scene, &ben);
    owner.put("before");
    sync(&mut owner, &mut ben);
    let base = owner.document.automerge().clone();
    let mut branches = fork(&base, &actor(&forker, id, 3), &["one", "two"]);
    let (bens, owners) = (branches.remove(0), branches.remove(0));
    owner.receive(&forker, std::slice::from_ref(&owners), &[vouch(&forker, id, 1, &[owners.hash()])]);
    ben.receive(&forker, std::slice::from_ref(&bens), &[vouch(&forker, id, 2, &[bens.hash()])]);
    owner.put("owner's");
    ben.put("ben's");
    for _ in 0..2 {
        sync(&mut owner, &mut ben);
    }
    (scene, forker, [owners, bens], owner, ben)
}

#[test]
fn a_fork_is_told_with_its_proof_and_its_judge() {
    let (scene, forker, [owners, bens], owner, mut ben) = met();
    ben.reopen(scene.access());
    for replica in [&owner, &ben] {
        let told = replica.document.forks();
        assert_eq!(told.len(), 1);
        let told = &told[0];
        assert_eq!((told.device, told.incarnation, told.sequence), (Some(forker.device()), Some([3; 8]), 1));
        assert_eq!(told.proof.len(), 2, "one vouch over each branch");
        assert!(told.proof.iter().all(|id| replica.document.vouch_ids().contains(id)));
        let decision = Decision::Word { device: owner.me.device(), person: owner.me.person };
        assert_eq!(told.decision, decision);
        assert_eq!(told.losing, 2, "the branch, and Ben's edit on it");
        let stays: Vec<ChangeHash> =
            told.branches.iter().filter(|branch| branch.stays).map(|branch| branch.hash).collect();
        assert_eq!((stays, told.branches.len()), (vec![owners.hash()], 2));
        assert!(told.branches.iter().any(|branch| branch.hash == bens.hash() && !branch.stays));
        assert!(told.not_reapplied.is_empty());
    }
}

#[test]
fn the_conflict_copy_holds_the_branch_that_lost_with_what_was_built_on_it() {
    let (_, _, [owners, bens], owner, _) = met();
    assert_eq!(owner.keys().len(), 3);
    let copy = owner.document.lost_branch(bens.hash()).unwrap();
    let mut expected = vec!["before", "ben's"];
    let name = if copy.get(ROOT, "one").unwrap().is_some() { "one" } else { "two" };
    expected.push(name);
    assert_eq!(keys(&copy), expected, "and nothing of the branch that stays, nor of what was built on that");
    assert!(!owner.keys().contains(&name.to_owned()), "what is shown has not changed");
    // What stays, or is no branch, has no conflict copy of its own.
    assert_eq!(keys(&owner.document.lost_branch(owners.hash()).unwrap()), owner.keys());
    assert!(owner.document.lost_branch(owner.document.heads()[0]).is_none());
    assert!(owner.document.lost_branch(ChangeHash([0; 32])).is_none());
}

#[test]
fn a_branch_that_nobody_covers_any_more_can_still_be_looked_at_but_no_forgery() {
    let mut scene = Scene::new();
    let [forker, mallory] = [scene.person(), scene.person()];
    scene.grant_in_order(&[&forker, &mallory]);
    let id = scene.document;
    let actor = actor(&forker, id, 1);
    let branches = fork(&empty(), &actor, &["one", "two"]);
    let forged = forge(&mut empty(), actor, |edit| edit.put(ROOT, "forged", 1));
    let mut owner = Replica::new(&scene, &scene.owner);
    let all: Vec<RawChange> = branches.iter().cloned().chain([forged.clone()]).collect();
    let words = [
        vouch(&forker, id, 1, &[branches[0].hash()]),
        vouch(&forker, id, 2, &[branches[1].hash()]),
        vouch(&mallory, id, 1, &[branches[1].hash()]),
        vouch(&mallory, id, 2, &[forged.hash()]),
    ];
    owner.receive(&forker, &all, &words);
    assert!(owner.shows(&branches[1].hash()), "the only one that somebody covers");
    assert_eq!(owner.document.forks()[0].decision, Decision::Needless);
    let copy = owner.document.lost_branch(branches[0].hash()).unwrap();
    assert_eq!(copy.get_heads(), [branches[0].hash()]);
    assert!(owner.document.lost_branch(forged.hash()).is_none(), "the forker never signed it");
}
