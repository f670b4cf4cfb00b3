//! One key in two stores, as after a copy or a restored backup: each hears its own device say what it never signed. It
//! goes by that, for two that each stood by what they had accepted would sign against each other without end.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test ends with a panic")]

#[path = "document_support/replica.rs"]
mod replica;
#[path = "document_support/scene.rs"]
mod scene;

use katori_acl::Role;
use katori_core::document::Turn;
use katori_core::gate::RawChange;

use replica::{Replica, actor, assert_equal, deliver, empty, fork, sync_all, vouch};
use scene::{Device, Scene};

/// A store of a device that writes under an incarnation of its own.
fn store_of(scene: &Scene, device: &Device, reopened: usize) -> Replica {
    let mut replica = Replica::new(scene, device);
    for _ in 0..reopened {
        // With nothing in it, it draws anew.
        replica.reopen(scene.access());
    }
    replica
}

/// The owner's two stores, each on a branch of its own of somebody's fork, and a reader.
fn on_two_branches() -> (Device, Vec<Replica>, Vec<RawChange>) {
    let mut scene = Scene::new();
    let [forker, reader] = [scene.person(), scene.person()];
    scene.grant(&forker, Role::Write);
    scene.grant(&reader, Role::Read);
    let id = scene.document;
    let branches = fork(&empty(), &actor(&forker, id, 1), &["one", "two"]);
    let mut replicas = vec![store_of(&scene, &scene.owner, 0), store_of(&scene, &scene.owner, 1)];
    for (number, branch) in branches.iter().enumerate() {
        let word = vouch(&forker, id, number as u64 + 1, &[branch.hash()]);
        replicas[number].receive(&forker, std::slice::from_ref(branch), &[word]);
    }
    replicas.push(Replica::new(&scene, &reader));
    (forker, replicas, branches)
}

#[test]
fn two_stores_of_one_key_do_not_sign_against_each_other_without_end() {
    let (_, mut replicas, branches) = on_two_branches();
    sync_all(&mut replicas);
    assert_equal(&replicas);
    let shown = branches.iter().filter(|branch| replicas[2].shows(&branch.hash()));
    assert_eq!(shown.count(), 1);
    assert_eq!(replicas[2].document.vouch_ids().len(), 4, "each signed once, and so did the forker");
}

#[test]
fn what_is_written_in_both_goes_on_and_nothing_of_it_is_lost() {
    let (forker, mut replicas, _) = on_two_branches();
    for round in 0..3 {
        for (number, replica) in replicas.iter_mut().take(2).enumerate() {
            replica.put(&format!("edit {round} of {number}"));
        }
        sync_all(&mut replicas);
        assert_equal(&replicas);
        for replica in &mut replicas {
            replica.reapply(Turn::Author);
        }
        sync_all(&mut replicas);
        assert_equal(&replicas);
        for number in 0..2 {
            assert!(replicas[2].keys().contains(&format!("edit {round} of {number}")), "{round}, {number}");
        }
    }
    assert_eq!(replicas[2].document.forkers().iter().copied().collect::<Vec<_>>(), [forker.device()]);
}

#[test]
fn where_the_word_of_the_other_store_names_no_branch_what_was_accepted_stays() {
    let mut scene = Scene::new();
    let [forker, ben, cleo] = [scene.person(), scene.person(), scene.person()];
    scene.grant_in_order(&[&ben, &cleo, &forker]);
    let id = scene.document;
    let branches = fork(&empty(), &actor(&forker, id, 1), &["one", "two"]);
    let [lower, higher] = [branches[0].clone(), branches[1].clone()];
    let mut other = store_of(&scene, &ben, 1);
    let mut ben = store_of(&scene, &ben, 0);
    ben.receive(&forker, std::slice::from_ref(&higher), &[vouch(&forker, id, 1, &[higher.hash()])]);
    other.put("elsewhere");
    deliver(&other, &mut ben);
    // Cleo, his junior, is on the other branch.
    let words = [vouch(&forker, id, 2, &[lower.hash()]), vouch(&cleo, id, 1, &[lower.hash()])];
    ben.receive(&forker, std::slice::from_ref(&lower), &words);
    assert!(ben.shows(&higher.hash()), "Ben has not spoken about this fork, and signs for what he accepted");
    ben.discharge();
    assert!(ben.shows(&higher.hash()));
    deliver(&ben, &mut other);
    assert_eq!(other.document.heads(), ben.document.heads());
}
