//! Who decides a fork: the latest word of the most senior person other than the forker's own. A lower hash can be
//! ground by anybody, at any time, so it decides only where no word does. (The stories S1 and S1b of the model.)
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test ends with a panic")]

#[path = "document_support/replica.rs"]
mod replica;
#[path = "document_support/scene.rs"]
mod scene;

use automerge::ROOT;
use automerge::transaction::Transactable;
use katori_acl::{Parent, Role};
use katori_core::document::{Decision, HeldReason, Turn};
use katori_core::gate::RawChange;

use replica::{Replica, actor, deliver, empty, forge, fork, grind, sync, vouch};
use scene::{Device, Scene};

/// A device that forks and one that helps it, an honest writer who is junior to them, and the owner.
struct Attack {
    scene: Scene,
    forker: Device,
    accomplice: Device,
    owner: Replica,
    ben: Replica,
    old: RawChange,
    ground: RawChange,
}

impl Attack {
    /// By two persons, or by two devices of one.
    fn new(of_one_person: bool) -> Self {
        let mut scene = Scene::new();
        let [forker, ben] = [scene.person(), scene.person()];
        let accomplice = if of_one_person { scene.device_of(&forker) } else { scene.person() };
        if of_one_person {
            scene.grant_in_order(&[&forker, &ben]);
        } else {
            scene.grant_in_order(&[&forker, &accomplice, &ben]);
        }
        let owner = Replica::new(&scene, &scene.owner);
        let ben = Replica::new(&scene, &ben);
        let actor = actor(&forker, scene.document, 1);
        let old = forge(&mut empty(), actor.clone(), |edit| edit.put(ROOT, "old", 1));
        let ground = grind(&empty(), &actor, old.hash());
        Self { scene, forker, accomplice, owner, ben, old, ground }
    }

    /// The old change, honestly signed.
    fn begin(&mut self) {
        let vouch = vouch(&self.forker, self.scene.document, 1, &[self.old.hash()]);
        self.ben.receive(&self.forker, std::slice::from_ref(&self.old), &[vouch]);
    }

    /// The fork, vouched for by the accomplice.
    fn strike(&self, at: &mut Replica) {
        let (id, heads) = (self.scene.document, [self.ground.hash()]);
        let vouches = [vouch(&self.forker, id, 99, &heads), vouch(&self.accomplice, id, 1, &heads)];
        at.receive(&self.forker, std::slice::from_ref(&self.ground), &vouches);
    }
}

#[test]
fn a_ground_hash_evicts_nothing_that_a_senior_stands_behind() {
    let mut attack = Attack::new(false);
    attack.begin();
    sync(&mut attack.ben, &mut attack.owner);
    attack.owner.put("owner's");
    sync(&mut attack.ben, &mut attack.owner);
    let work = attack.ben.put("ben's");
    sync(&mut attack.ben, &mut attack.owner);
    let mut owner = std::mem::replace(&mut attack.owner, Replica::new(&attack.scene, &attack.scene.owner));
    attack.strike(&mut owner);
    owner.discharge();
    assert!(owner.shows(&work) && owner.shows(&attack.old.hash()), "{:?}", owner.document.held());
    let reason = owner.reason(&attack.ground.hash());
    assert_eq!(reason, HeldReason::LostFork { to: attack.old.hash(), reapplied: None });
    let forks = owner.document.forks();
    assert_eq!(forks.len(), 1);
    let decision = Decision::Word { device: owner.me.device(), person: owner.me.person };
    assert_eq!(forks[0].decision, decision);
}

#[test]
fn a_senior_who_accepted_without_ever_signing_signs_when_it_would_lose() {
    let mut attack = Attack::new(false);
    attack.begin();
    let work = attack.ben.put("ben's");
    // The owner has accepted it all, and has no vouch of its own.
    let mut owner = std::mem::replace(&mut attack.owner, Replica::new(&attack.scene, &attack.scene.owner));
    deliver(&attack.ben, &mut owner);
    attack.strike(&mut owner);
    assert!(owner.shows(&work), "what it pinned is its word at home, at once");
    assert!(owner.document.summary().owes_vouch);
    sync(&mut owner, &mut attack.ben);
    sync(&mut owner, &mut attack.ben);
    assert!(owner.shows(&work) && attack.ben.shows(&work));
    // Somebody new, who has only what is stored, sees the same.
    let reader = attack.scene.person();
    attack.scene.grant(&reader, Role::Read);
    let mut reader = Replica::new(&attack.scene, &reader);
    deliver(&owner, &mut reader);
    assert_eq!(reader.document.heads(), owner.document.heads());
}

#[test]
fn the_word_of_the_forkers_own_person_does_not_count() {
    let mut attack = Attack::new(true);
    attack.begin();
    let work = attack.ben.put("ben's");
    let mut ben = std::mem::replace(&mut attack.ben, Replica::new(&attack.scene, &attack.scene.owner));
    // Ben is junior to the accomplice, whose word would win if it counted.
    attack.strike(&mut ben);
    assert!(ben.shows(&work));
    let decision = Decision::Word { device: ben.me.device(), person: ben.me.person };
    assert_eq!(ben.document.forks()[0].decision, decision);
}

/// The forker and its accomplice are one person's, and go on being so whatever `apart` does: the word of Ben, their junior, decides.
fn bens_word_decides(apart: impl FnOnce(&mut Scene, &Device, &Device)) {
    let mut attack = Attack::new(true);
    attack.begin();
    let work = attack.ben.put("ben's");
    apart(&mut attack.scene, &attack.forker, &attack.accomplice);
    let mut ben = std::mem::replace(&mut attack.ben, Replica::new(&attack.scene, &attack.scene.owner));
    ben.hear(&attack.scene);
    attack.strike(&mut ben);
    assert!(ben.shows(&work));
    let decision = Decision::Word { device: ben.me.device(), person: ben.me.person };
    assert_eq!(ben.document.forks()[0].decision, decision);
}

#[test]
fn a_grant_of_its_own_makes_no_other_person_of_a_device() {
    bens_word_decides(|scene, forker, accomplice| {
        scene.grant_to_device_above_all(accomplice);
        let access = scene.access();
        let rank = |device: &Device| access.standing_of_device(&device.device()).unwrap().rank;
        assert!(rank(accomplice) < rank(forker));
        let persons = [forker, accomplice].map(|device| access.persons_of_device(&device.device()));
        assert_eq!(persons[0], persons[1]);
        assert!(persons[0].iter().eq([&forker.person]));
    });
}

#[test]
fn a_forker_that_was_removed_still_is_of_the_person_that_had_it() {
    bens_word_decides(|scene, forker, accomplice| {
        scene.remove_device(accomplice, forker);
        let access = scene.access();
        assert_eq!(access.role_of_device(&forker.device()), None);
        assert!(access.persons_of_device(&forker.device()).iter().eq([&forker.person]));
    });
}

#[test]
fn devices_of_a_person_who_never_had_anything_count_as_different_persons() {
    let mut scene = Scene::new();
    let first = scene.person();
    let second = scene.device_of(&first);
    for device in [&first, &second] {
        scene.grant_to_device_above_all(device);
    }
    let access = scene.access();
    for device in [&first, &second] {
        assert_eq!(access.role_of_device(&device.device()), Some(Role::Write));
        assert!(access.persons_of_device(&device.device()).is_empty());
    }
    let (id, base) = (scene.document, empty());
    let branches = fork(&base, &actor(&first, id, 1), &["one", "two"]);
    let [lower, higher] = [branches[0].hash(), branches[1].hash()];
    let mut owner = Replica::new(&scene, &scene.owner);
    let words =
        [vouch(&first, id, 1, &[lower]), vouch(&first, id, 2, &[higher]), vouch(&second, id, 1, &[higher])];
    owner.receive(&first, &branches, &words);
    assert!(owner.shows(&higher), "the second device's word counts");
}

#[test]
fn a_forker_that_claims_to_be_of_the_owners_person_does_not_silence_the_owner() {
    let mut attack = Attack::new(false);
    attack.begin();
    let work = attack.ben.put("ben's");
    let mut owner = std::mem::replace(&mut attack.owner, Replica::new(&attack.scene, &attack.scene.owner));
    sync(&mut owner, &mut attack.ben);
    owner.put("owner's");
    // Both vouches of the forker now bear the owner's person.
    let mut liar = (*attack.forker).clone();
    liar.person = owner.me.person;
    attack.forker = liar.into();
    attack.strike(&mut owner);
    owner.discharge();
    assert!(owner.shows(&work));
    assert!(
        matches!(owner.document.forks()[0].decision, Decision::Word { device, .. } if device == owner.me.device())
    );
}

#[test]
fn a_word_over_both_branches_names_neither() {
    let mut attack = Attack::new(true);
    attack.begin();
    attack.ben.put("ben's");
    let mut ben = std::mem::replace(&mut attack.ben, Replica::new(&attack.scene, &attack.scene.owner));
    attack.strike(&mut ben);
    let both = [attack.old.hash(), attack.ground.hash()];
    // The owner's word over both, which no honest device signs, leaves the decision to Ben, his junior.
    let owners = vouch(&attack.scene.owner, attack.scene.document, 5, &both);
    ben.receive(&attack.scene.owner, &[], &[owners]);
    ben.discharge();
    assert!(ben.shows(&attack.old.hash()));
    // An older word of the owner over one of them does not count, for it is not the latest.
    let older = vouch(&attack.scene.owner, attack.scene.document, 4, &[attack.ground.hash()]);
    ben.receive(&attack.scene.owner, &[], &[older]);
    ben.discharge();
    assert!(ben.shows(&attack.old.hash()));
    // The latest does.
    let latest = vouch(&attack.scene.owner, attack.scene.document, 6, &[attack.ground.hash()]);
    ben.receive(&attack.scene.owner, &[], &[latest]);
    ben.discharge();
    assert!(ben.shows(&attack.ground.hash()) && !ben.shows(&attack.old.hash()));
}

#[test]
fn only_those_who_hold_write_now_decide_and_the_shallower_grant_is_senior() {
    let mut scene = Scene::new();
    let [forker, ann, ben] = [scene.person(), scene.person(), scene.person()];
    scene.grant(&forker, Role::Write);
    let anns = scene.grant(&ann, Role::Admin);
    scene.grant_under(&ann, Parent::Grant(anns), &ben, Role::Write);
    let base = empty();
    let branches = fork(&base, &actor(&forker, scene.document, 1), &["one", "two"]);
    let [lower, higher] = [branches[0].hash(), branches[1].hash()];
    let id = scene.document;
    let mut owner = Replica::new(&scene, &scene.owner);
    let vouches = [
        vouch(&forker, id, 1, &[lower]),
        vouch(&forker, id, 2, &[higher]),
        vouch(&ann, id, 1, &[higher]),
        vouch(&ben, id, 1, &[lower]),
    ];
    owner.receive(&forker, &branches, &vouches);
    assert!(owner.shows(&higher), "Ann's grant is the shallower");
    // The word of the demoted counts no more; the owner, who has pinned what it accepted, keeps it nevertheless.
    scene.revoke(anns);
    scene.grant(&ben, Role::Write);
    owner.hear(&scene);
    assert!(owner.shows(&higher) && owner.document.summary().owes_vouch);
    let mut reader = Replica::new(&scene, &ann);
    reader.receive(&forker, &branches, &vouches);
    assert!(reader.shows(&lower), "without the owner's word, Ben's decides");
    let mut reader = Replica::new(&scene, &ann);
    let bens = vouch(&ben, id, 1, &[lower, higher]);
    reader.receive(&forker, &branches, &[vouches[0].clone(), vouches[1].clone(), vouches[2].clone(), bens]);
    assert!(reader.shows(&lower), "and without Ben's it is not Ann's, but the lower hash");
}

#[test]
fn without_any_word_the_lower_hash_stays() {
    let mut scene = Scene::new();
    let [forker, other] = [scene.person(), scene.person()];
    scene.grant_in_order(&[&forker, &other]);
    let id = scene.document;
    let branches = fork(&empty(), &actor(&forker, id, 1), &["one", "two", "three"]);
    let heads: Vec<_> = branches.iter().map(RawChange::hash).collect();
    let mut owner = Replica::new(&scene, &scene.owner);
    owner.receive(&forker, &branches, &[vouch(&forker, id, 1, &heads), vouch(&other, id, 1, &heads)]);
    assert_eq!(owner.document.heads(), [heads[0]]);
    let told = owner.document.forks();
    assert_eq!(told[0].decision, Decision::LowerHash);
    assert_eq!((told[0].sequence, told[0].losing, told[0].device), (1, 2, Some(forker.device())));
    assert_eq!(told[0].incarnation, Some([1; 8]));
    let stays: Vec<bool> = told[0].branches.iter().map(|branch| branch.stays).collect();
    assert_eq!(stays, [true, false, false]);
    assert_eq!(told[0].proof.len(), 1, "one vouch over all three proves it");
}

#[test]
fn a_device_whose_branch_loses_vouches_for_the_winner() {
    let mut scene = Scene::new();
    let [forker, ben] = [scene.person(), scene.person()];
    scene.grant_in_order(&[&forker, &ben]);
    let id = scene.document;
    let branches = fork(&empty(), &actor(&forker, id, 1), &["one", "two"]);
    let [owners, bens] = [branches[0].clone(), branches[1].clone()];
    let mut owner = Replica::new(&scene, &scene.owner);
    let mut ben = Replica::new(&scene, &ben);
    owner.receive(&forker, std::slice::from_ref(&owners), &[vouch(&forker, id, 1, &[owners.hash()])]);
    ben.receive(&forker, std::slice::from_ref(&bens), &[vouch(&forker, id, 2, &[bens.hash()])]);
    owner.put("owner's");
    ben.put("ben's");
    sync(&mut owner, &mut ben);
    sync(&mut owner, &mut ben);
    assert!(owner.shows(&owners.hash()) && ben.shows(&owners.hash()));
    // The owner goes; what Ben had accepted of the owner's choice is what he last stood behind.
    let written = ben.document.history().find(|entry| entry.hash == owners.hash()).unwrap();
    assert!(written.vouched_by.iter().any(|(device, _)| *device == ben.me.device()));
    assert_eq!(ben.document.summary().owes_reapply, Some(Turn::Author));
}
