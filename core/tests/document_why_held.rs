//! Each change that is held back comes with the rule that holds it back, and with those who signed it in vain.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test ends with a panic")]

#[path = "document_support/replica.rs"]
mod replica;
#[path = "document_support/scene.rs"]
mod scene;

use automerge::ROOT;
use automerge::transaction::Transactable;
use katori_acl::Role;
use katori_core::document::{HeldReason, Rule, Voucher};

use replica::{Replica, actor, deliver, empty, forge, vouch};
use scene::Scene;

#[test]
fn ben_signed_it_but_ben_lost_write() {
    let mut scene = Scene::new();
    let ben = scene.person();
    let grant = scene.grant(&ben, Role::Write);
    let mut owner = Replica::new(&scene, &scene.owner);
    let mut ben = Replica::new(&scene, &ben);
    let late = ben.put("late");
    scene.revoke(grant);
    owner.hear(&scene);
    deliver(&ben, &mut owner);
    let held = owner.held(&late);
    assert_eq!((held.reason, held.rule), (HeldReason::NoWriterVouches, Rule::Writer));
    assert_eq!((held.device, held.signed, held.person), (Some(ben.me.device()), true, Some(ben.me.person)));
    let voucher = Voucher { device: ben.me.device(), person: ben.me.person, forked: false };
    assert_eq!(held.uncounted, [voucher]);
    // Nothing is in vain once a writer takes it in.
    let done = owner.document.take_in(&[late]).unwrap();
    owner.keep(&done);
    assert!(owner.shows(&late) && owner.document.held().is_empty());
}

#[test]
fn a_forgery_is_told_as_one() {
    let mut scene = Scene::new();
    let [ann, mallory] = [scene.person(), scene.person()];
    scene.grant_in_order(&[&ann, &mallory]);
    let id = scene.document;
    let mut owner = Replica::new(&scene, &scene.owner);
    let mut base = empty();
    let forged = forge(&mut base, actor(&ann, id, 1), |edit| edit.put(ROOT, "forged", 1));
    let above = forge(&mut base, actor(&mallory, id, 1), |edit| edit.put(ROOT, "above", 1));
    let words = [vouch(&mallory, id, 1, &[above.hash()])];
    owner.receive(&mallory, &[forged.clone(), above.clone()], &words);
    let held = owner.held(&forged.hash());
    assert_eq!(held.reason, HeldReason::NotVouchedByAuthor { device: ann.device() });
    assert_eq!((held.rule, held.signed, held.person), (Rule::Author, false, None));
    assert!(held.uncounted.is_empty(), "Mallory's vouch counts; it is not enough");
    let held = owner.held(&above.hash());
    assert_eq!((held.reason, held.rule), (HeldReason::BuildsOnHeld { on: forged.hash() }, Rule::Closure));
    assert!(held.signed);
}
