//! An Admin's exclusion keeps changes out for everyone, with all that builds on them; it ends with the Admin's role.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test ends with a panic")]

#[path = "document_support/replica.rs"]
mod replica;
#[path = "document_support/scene.rs"]
mod scene;

use automerge::ReadDoc;
use katori_acl::Role;
use katori_core::document::{HeldReason, Rule, TakeInError};

use replica::{Replica, assert_equal, deliver, sync};
use scene::Scene;

#[test]
fn what_is_excluded_is_held_back_everywhere_with_what_builds_on_it() {
    let mut scene = Scene::new();
    let ben = scene.person();
    scene.grant(&ben, Role::Write);
    let mut owner = Replica::new(&scene, &scene.owner);
    let mut ben = Replica::new(&scene, &ben);
    let before = ben.put("before");
    let spam = ben.put("spam");
    let after = ben.put("after");
    sync(&mut ben, &mut owner);
    scene.exclude(&scene.owner.clone(), &[spam]);
    owner.hear(&scene);
    ben.hear(&scene);
    assert_eq!(owner.keys(), ["before"]);
    let mut both = vec![owner, ben];
    assert_equal(&both);
    for replica in &mut both {
        let held = replica.held(&spam);
        assert_eq!((held.reason, held.rule), (HeldReason::Excluded, Rule::Exclusion));
        assert_eq!(replica.reason(&after), HeldReason::BuildsOnHeld { on: spam });
        assert!(replica.shows(&before));
        let refused = replica.document.take_in(&[after]).unwrap_err();
        assert_eq!(refused, TakeInError::Impossible { change: spam, reason: HeldReason::Excluded });
        // No vouch is signed over what is excluded.
        let vouches = replica.document.vouch_ids();
        replica.discharge();
        assert_eq!(replica.document.vouch_ids(), vouches);
    }
    // Somebody who gets it only now never shows it.
    let cleo = scene.person();
    scene.grant(&cleo, Role::Read);
    for replica in &mut both {
        replica.hear(&scene);
    }
    let mut cleo = Replica::new(&scene, &cleo);
    deliver(&both[1], &mut cleo);
    assert_eq!(cleo.keys(), ["before"]);
}

#[test]
fn an_exclusion_ends_with_the_role_of_the_admin_who_signed_it() {
    let mut scene = Scene::new();
    let [ann, ben] = [scene.person(), scene.person()];
    let anns = scene.grant(&ann, Role::Admin);
    scene.grant(&ben, Role::Write);
    let mut owner = Replica::new(&scene, &scene.owner);
    let mut ben = Replica::new(&scene, &ben);
    let work = ben.put("work");
    sync(&mut ben, &mut owner);
    scene.exclude(&ann, &[work]);
    owner.hear(&scene);
    assert!(!owner.shows(&work));
    // An exclusion outlives a restart.
    owner.reopen(scene.access());
    assert!(!owner.shows(&work));
    scene.revoke(anns);
    owner.hear(&scene);
    assert!(owner.shows(&work), "whoever revokes an admin signs anew what is to stay out");
}

#[test]
fn after_a_change_of_its_own_was_excluded_a_device_writes_anew() {
    let mut scene = Scene::new();
    let ben = scene.person();
    scene.grant(&ben, Role::Write);
    let mut owner = Replica::new(&scene, &scene.owner);
    let mut ben = Replica::new(&scene, &ben);
    ben.put("before");
    let spam = ben.put("spam");
    sync(&mut ben, &mut owner);
    let spams = ben.document.automerge().get_change_by_hash(&spam).unwrap().actor_id().clone();
    scene.exclude(&scene.owner.clone(), &[spam]);
    owner.hear(&scene);
    ben.hear(&scene);
    ben.reopen(scene.access());
    let next = ben.put("next");
    let nexts = ben.document.automerge().get_change_by_hash(&next).unwrap().actor_id().clone();
    assert_ne!(nexts, spams, "to write on would be to write a second change in one place");
    sync(&mut ben, &mut owner);
    assert!(owner.shows(&next));
    assert!(owner.document.forkers().is_empty() && owner.document.summary().forks == 0);
}
