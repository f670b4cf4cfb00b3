//! A newcomer gets a document as a whole, and nothing about it is different from then on: it is held back, rebuilt,
//! forked across, passed on in part and opened again as if every change had come by itself.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test ends with a panic")]

#[path = "document_support/replica.rs"]
mod replica;
#[path = "document_support/scene.rs"]
mod scene;

use std::collections::BTreeSet;

use automerge::transaction::Transactable;
use automerge::{ActorId, ChangeHash, ObjType, ROOT, ReadDoc};
use katori_acl::Role;
use katori_core::document::{Batch, HeldReason, Peer};
use katori_core::gate::{Limits, RawChange, inspect, open_file};
use katori_core::pack::unpack;
use replica::{
    Replica, actor, assert_equal, deliver, empty, forge, fork, served, sync, sync_all, text, vouch,
};
use scene::Scene;

fn is_whole(pack: &[u8]) -> bool {
    pack.starts_with(&[0x85, 0x6f, 0x4a, 0x83])
}

/// A text typed key by key.
fn type_text(replica: &mut Replica, letters: usize) {
    replica.edit(|edit| edit.put_object(ROOT, "text", ObjType::Text).map(drop));
    for place in 0..letters {
        let (_, text) = replica.document.automerge().get(ROOT, "text").unwrap().unwrap();
        replica.edit(|edit| edit.splice_text(&text, place / 2, 0, "x"));
    }
}

fn everything(replica: &Replica, to: &Replica) -> Batch {
    served(&replica.document, &to.me, Peer::default())
}

/// A document of an owner's that is shared with somebody, at whom nothing of it is yet.
fn shared_with_ben(role: Role) -> (Scene, Replica, Replica) {
    let mut scene = Scene::new();
    let ben = scene.person();
    scene.grant(&ben, role);
    let owner = Replica::new(&scene, &scene.owner);
    let ben = Replica::new(&scene, &ben);
    (scene, owner, ben)
}

#[test]
fn a_newcomer_gets_one_whole_and_stores_it_as_it_came() {
    let (scene, mut owner, mut ben) = shared_with_ben(Role::Write);
    type_text(&mut owner, 40);
    let batch = everything(&owner, &ben);
    assert!(batch.packs.len() == 1 && is_whole(&batch.packs[0]));
    assert_eq!(unpack(&batch.packs[0], &Limits::default()).unwrap().len(), 41);
    let done = ben.document.ingest(vec![(owner.me.device(), batch.clone())]);
    let shown = done.shown.clone().unwrap();
    assert_eq!((shown.admitted.len(), shown.rebuilt, shown.withdrawn), (41, false, 0));
    assert_eq!((done.ingested[0].new, done.ingested[0].received.tips()), (41, 1));
    ben.keep(&done);
    assert_eq!(ben.packs(), batch.packs);
    assert_eq!(ben.document.automerge().save(), owner.document.automerge().save());
    // It comes again, and from another: it is known.
    let done = ben.document.ingest(vec![(owner.me.device(), batch)]);
    assert_eq!((done.ingested[0].new, done.ingested[0].known), (0, 41));
    assert!(!done.ingested[0].is_hostile() && ben.packs().len() == 1);
    // Both go on from there, and after an opening too.
    ben.put("ben's");
    sync(&mut ben, &mut owner);
    ben.reopen(scene.access());
    owner.put("owner's");
    sync(&mut owner, &mut ben);
    ben.reopen(scene.access());
    let (one, other) = (owner.document.automerge(), ben.document.automerge());
    assert_eq!((one.save(), owner.keys()), (other.save(), ben.keys()));
    assert_eq!(owner.document.summary().digest(), ben.document.summary().digest());
    assert_eq!(ben.document.history().count(), 43);
}

#[test]
fn a_whole_is_passed_on_in_part_byte_for_byte() {
    let mut scene = Scene::new();
    let [ben, zoe] = [scene.person(), scene.person()];
    scene.grant_in_order(&[&ben, &zoe]);
    let mut owner = Replica::new(&scene, &scene.owner);
    let (mut ben, mut zoe) = (Replica::new(&scene, &ben), Replica::new(&scene, &zoe));
    for letters in [30, 3] {
        type_text(&mut owner, letters);
        sync(&mut owner, &mut zoe);
        type_text(&mut owner, letters);
        ben = Replica::new(&scene, &ben.me);
        deliver(&owner, &mut ben);
        assert!(is_whole(&ben.packs()[0]));
        // Zoe has half of what Ben got as a whole.
        let known = Peer { version: zoe.document.version(), vouches: BTreeSet::new() };
        let batch = served(&ben.document, &zoe.me, known);
        let changes: Vec<RawChange> =
            batch.packs.iter().flat_map(|pack| unpack(pack, &Limits::default()).unwrap()).collect();
        assert_eq!(changes.len(), letters + 1);
        for change in changes {
            let original = owner.document.automerge().get_change_by_hash(&change.hash()).unwrap();
            assert_eq!(change.bytes(), original.raw_bytes());
        }
        deliver(&ben, &mut zoe);
        assert_equal(&[ben, zoe]);
        (ben, zoe) = (Replica::new(&scene, &owner.me), Replica::new(&scene, &owner.me));
        deliver(&owner, &mut zoe);
    }
}

#[test]
fn a_whole_from_a_writer_who_loses_write_is_withdrawn_and_comes_back() {
    let mut scene = Scene::new();
    let [ann, ben] = [scene.person(), scene.person()];
    let grant = scene.grant(&ann, Role::Write);
    let reader = scene.grant(&ben, Role::Read);
    let mut writer = Replica::new(&scene, &ann);
    type_text(&mut writer, 30);
    let mut ben = Replica::new(&scene, &ben);
    deliver(&writer, &mut ben);
    assert!(is_whole(&ben.packs()[0]) && ben.document.counts() == (31, 31));
    scene.revoke(grant);
    ben.hear(&scene);
    assert_eq!((ben.document.counts(), ben.keys().len()), ((31, 0), 0));
    let first = writer.document.history().next().unwrap().hash;
    assert_eq!(ben.reason(&first), HeldReason::NoWriterVouches);
    ben.reopen(scene.access());
    assert_eq!(ben.document.counts(), (31, 0));
    assert!(!is_whole(&everything(&ben, &writer).packs[0]), "what is held back is not served as a whole");
    scene.revoke(reader);
    scene.grant(&ann, Role::Write);
    ben.hear(&scene);
    assert_eq!(ben.document.counts(), (31, 31));
    assert_eq!(ben.document.automerge().save(), writer.document.automerge().save());
}

#[test]
fn of_a_whole_that_nobody_who_counts_vouches_for_nothing_shows() {
    let mut scene = Scene::new();
    let [ann, ben, mallory] = [scene.person(), scene.person(), scene.person()];
    let grant = scene.grant(&ann, Role::Write);
    scene.grant(&ben, Role::Write);
    scene.grant(&mallory, Role::Read);
    let mut writer = Replica::new(&scene, &ann);
    type_text(&mut writer, 30);
    let batch = everything(&writer, &writer);
    let bare = Batch { packs: batch.packs.clone(), ..Batch::default() };
    let mut alone = Replica::new(&scene, &ben);
    let done = alone.document.ingest(vec![(mallory.device(), bare)]);
    assert!(done.ingested[0].new == 31 && done.shown.is_none());
    alone.keep(&done);
    assert!(!is_whole(&alone.packs()[0]));
    // The vouch comes later, or its device has lost Write by then.
    let word = Batch { vouches: batch.vouches.clone(), ..Batch::default() };
    let done = alone.document.ingest(vec![(mallory.device(), word)]);
    assert_eq!(done.shown.unwrap().admitted.len(), 31);
    scene.revoke(grant);
    let mut late = Replica::new(&scene, &ben);
    let done = late.document.ingest(vec![(mallory.device(), batch)]);
    assert!(done.shown.is_none() && late.document.counts() == (31, 0));
}

#[test]
fn a_fork_across_a_whole_is_settled_alike_everywhere() {
    let mut scene = Scene::new();
    let [forker, ben, zoe] = [scene.person(), scene.person(), scene.person()];
    scene.grant_in_order(&[&forker, &ben, &zoe]);
    let id = scene.document;
    let actor = actor(&forker, id, 1);
    let mut base = empty();
    let mut before: Vec<RawChange> = Vec::new();
    for number in 0..30 {
        before.push(forge(&mut base, actor.clone(), |edit| edit.put(ROOT, "count", number)));
    }
    let branches = fork(&base, &actor, &["one", "two"]);
    let on = |branch: &RawChange| -> Vec<RawChange> { before.iter().chain([branch]).cloned().collect() };
    let mut owner = Replica::new(&scene, &scene.owner);
    let (mut ben, mut zoe) = (Replica::new(&scene, &ben), Replica::new(&scene, &zoe));
    let words: Vec<Vec<u8>> =
        (0..2).map(|place| vouch(&forker, id, 7 + place as u64, &[branches[place].hash()])).collect();
    ben.receive(&forker, &on(&branches[1]), &words[1..]);
    ben.put("ben's");
    // The owner and Zoe have the whole with the second branch.
    deliver(&ben, &mut owner);
    deliver(&ben, &mut zoe);
    assert!(is_whole(&owner.packs()[0]) && owner.shows(&branches[1].hash()));
    owner.receive(&forker, &on(&branches[0])[30..], &words[..1]);
    let mut all = [owner, ben, zoe];
    sync_all(&mut all);
    assert_equal(&all);
    let forks = all[0].document.forks();
    assert!(forks.len() == 1 && forks[0].branches.len() == 2, "{forks:?}");
    for replica in &mut all {
        let loser = forks[0].branches.iter().find(|branch| !branch.stays).unwrap().hash;
        let copy = replica.document.lost_branch(loser).unwrap();
        assert!(copy.get_change_by_hash(&loser).is_some());
        let (heads, digest) = (replica.document.heads(), replica.document.summary().digest());
        replica.reopen(scene.access());
        assert_eq!((replica.document.heads(), replica.document.summary().digest()), (heads, digest));
    }
}

#[test]
fn marks_and_footers_come_in_change_by_change() {
    let (_, mut owner, mut ben) = shared_with_ben(Role::Write);
    type_text(&mut owner, 30);
    let (_, object) = owner.document.automerge().get(ROOT, "text").unwrap().unwrap();
    let mark = automerge::marks::Mark::new("bold".to_owned(), true, 2, 9);
    owner.edit(|edit| edit.mark(&object, mark, automerge::marks::ExpandMark::Both));
    deliver(&owner, &mut ben);
    assert!(!is_whole(&ben.packs()[0]));
    assert_equal(&[ben, owner]);
}

#[test]
fn an_altered_whole_is_refused_and_an_honest_one_comes_after() {
    let (_, mut owner, mut ben) = shared_with_ben(Role::Write);
    type_text(&mut owner, 30);
    let batch = everything(&owner, &ben);
    for place in (0..batch.packs[0].len()).step_by(7) {
        let mut altered = batch.clone();
        altered.packs[0][place] ^= 0x10;
        let done = ben.document.ingest(vec![(owner.me.device(), altered)]);
        assert!(done.ingested[0].malformed == 1 && done.shown.is_none(), "at {place}");
        assert_eq!(ben.document.counts(), (0, 0));
    }
    deliver(&owner, &mut ben);
    assert!(is_whole(&ben.packs()[0]));
    assert_equal(&[ben, owner]);
}

#[test]
fn an_imported_file_is_kept_as_a_whole() {
    let mut scene = Scene::new();
    let ben = scene.person();
    scene.grant(&ben, Role::Read);
    let mut file = empty();
    file.set_actor(ActorId::from([8; 16]));
    let mut hashes: Vec<ChangeHash> = Vec::new();
    let object = file.transact(|edit| edit.put_object(ROOT, "text", ObjType::Text)).unwrap().result;
    for place in 0..50 {
        hashes.extend(file.transact(|edit| edit.splice_text(&object, place, 0, "y")).unwrap().hash);
    }
    let mut owner = Replica::new(&scene, &scene.owner);
    let opened = open_file(&file.save(), &Limits::default()).unwrap();
    let edited = owner.document.adopt_file(opened).unwrap();
    assert_eq!((edited.number, edited.shown.unwrap().admitted.len()), (51, 51));
    assert!(owner.document.is_dirty());
    assert!(everything(&owner, &owner).packs.is_empty(), "what is not signed is not served");
    let done = owner.document.flush();
    assert_eq!(done.flushed, Some(51));
    owner.keep(&done);
    assert!(owner.packs().len() == 1 && is_whole(&owner.packs()[0]));
    owner.put("later");
    owner.reopen(scene.access());
    assert_eq!(text(&owner, &object), "y".repeat(50));
    assert_eq!(owner.document.author(&hashes[3]), None);
    let mut ben = Replica::new(&scene, &ben);
    deliver(&owner, &mut ben);
    assert_equal(&[owner, ben]);
}

#[test]
fn local_edits_that_are_not_signed_stay_at_home() {
    let (_, mut owner, mut ben) = shared_with_ben(Role::Write);
    type_text(&mut owner, 30);
    let edit = owner.document.edit(katori_core::time::Timestamp(9), |edit| edit.put(ROOT, "draft", 1));
    edit.unwrap();
    deliver(&owner, &mut ben);
    assert_eq!((ben.document.counts(), ben.keys()), ((31, 31), vec!["text".to_owned()]));
    let through = ben.document.automerge().get_changes(&[]);
    assert!(through.iter().all(|change| inspect(change.raw_bytes(), &Limits::default()).is_ok()));
}
