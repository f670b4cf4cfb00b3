//! A device writes under a new incarnation whenever any of its own changes under the present one is not admitted, so
//! that it never writes two changes in one place itself. (Story S18 of the model.)
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test ends with a panic")]

#[path = "document_support/replica.rs"]
mod replica;
#[path = "document_support/scene.rs"]
mod scene;

use automerge::{ActorId, ChangeHash, ReadDoc};
use katori_acl::Role;
use katori_core::document::{HeldReason, Turn};

use replica::{Replica, actor, empty, fork, sync, vouch};
use scene::Scene;

fn actor_of(replica: &Replica, hash: &ChangeHash) -> ActorId {
    replica.document.automerge().get_change_by_hash(hash).unwrap().actor_id().clone()
}

fn nobody_forked(replica: &Replica) {
    assert!(replica.document.forkers().is_empty());
    assert_eq!(replica.document.summary().forks, 0);
}

#[test]
fn what_is_admitted_is_written_on() {
    let scene = Scene::new();
    let mut owner = Replica::new(&scene, &scene.owner);
    let [one, two] = [owner.put("one"), owner.put("two")];
    owner.reopen(scene.access());
    let three = owner.put("three");
    let actors = [one, two, three].map(|hash| actor_of(&owner, &hash));
    assert!(actors[0] == actors[1] && actors[1] == actors[2]);
}

#[test]
fn after_work_that_was_held_back_a_device_writes_anew() {
    let mut scene = Scene::new();
    let ann = scene.person();
    let grant = scene.grant(&ann, Role::Write);
    let mut owner = Replica::new(&scene, &scene.owner);
    let mut ann = Replica::new(&scene, &ann);
    let first = ann.put("first");
    sync(&mut ann, &mut owner);
    // Ann does not know yet that she may write no more.
    scene.revoke(grant);
    owner.hear(&scene);
    let late = ann.put("late");
    let late_actor = actor_of(&ann, &late);
    ann.hear(&scene);
    sync(&mut ann, &mut owner);
    assert!(owner.shows(&first) && !owner.shows(&late) && !ann.shows(&late));
    assert_eq!(owner.reason(&late), HeldReason::NoWriterVouches);
    // She may write again, and an Admin wants what she wrote meanwhile kept out.
    scene.exclude(&scene.owner.clone(), &[late]);
    scene.grant(&ann.me, Role::Write);
    owner.hear(&scene);
    ann.hear(&scene);
    assert!(!ann.shows(&late));
    let again = ann.put("again");
    assert_ne!(actor_of(&ann, &again), late_actor, "her late change is held back, and its place is taken");
    sync(&mut ann, &mut owner);
    assert!(owner.shows(&again));
    nobody_forked(&owner);
}

#[test]
fn what_comes_to_be_admitted_again_is_written_on() {
    let mut scene = Scene::new();
    let ann = scene.person();
    let grant = scene.grant(&ann, Role::Write);
    let mut ann = Replica::new(&scene, &ann);
    scene.revoke(grant);
    let late = ann.put("late");
    ann.hear(&scene);
    assert!(!ann.shows(&late));
    scene.grant(&ann.me, Role::Write);
    ann.hear(&scene);
    let again = ann.put("again");
    assert_eq!(actor_of(&ann, &again), actor_of(&ann, &late));
    nobody_forked(&ann);
}

#[test]
fn after_work_on_a_losing_branch_a_device_writes_anew() {
    let mut scene = Scene::new();
    let [forker, ben] = [scene.person(), scene.person()];
    scene.grant_in_order(&[&forker, &ben]);
    let id = scene.document;
    let branches = fork(&empty(), &actor(&forker, id, 1), &["one", "two"]);
    let mut owner = Replica::new(&scene, &scene.owner);
    let mut ben = Replica::new(&scene, &ben);
    owner.receive(&forker, &branches[..1], &[vouch(&forker, id, 1, &[branches[0].hash()])]);
    ben.receive(&forker, &branches[1..], &[vouch(&forker, id, 2, &[branches[1].hash()])]);
    owner.put("owner's");
    let lost = ben.put("ben's");
    let lost_actor = actor_of(&ben, &lost);
    sync(&mut owner, &mut ben);
    sync(&mut owner, &mut ben);
    assert!(!ben.shows(&lost), "{:?}", ben.document.held());
    ben.reopen(scene.access());
    let next = ben.put("ben's next");
    assert_ne!(actor_of(&ben, &next), lost_actor);
    let again = ben.reapply(Turn::Author);
    assert_eq!(actor_of(&ben, &again[0]), actor_of(&ben, &next), "one new incarnation is enough");
    sync(&mut owner, &mut ben);
    assert!(owner.shows(&next) && owner.shows(&again[0]));
    assert_eq!(owner.document.summary().forks, 1, "the forker's, and no other");
    assert!(!owner.document.forkers().contains(&ben.me.device()));
}
