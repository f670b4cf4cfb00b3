//! Merging packs changes nothing but how a document lies in its store: not what is shown, what is served, or what a
//! power cut leaves behind.
#![allow(
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test reports by panicking, and its numbers are small"
)]

#[path = "store/disk.rs"]
mod disk;
#[path = "document_support/replica.rs"]
mod replica;
#[path = "document_support/scene.rs"]
mod scene;

use std::collections::BTreeMap;
use std::sync::Arc;

use automerge::transaction::Transactable;
use automerge::{ObjType, ROOT, ReadDoc};
use disk::{Dice, Disk};
use katori_acl::Role;
use katori_core::document::{Document, DocumentLimits, Peer, Stored, Summary};
use katori_core::gate::Limits;
use katori_core::pack::unpack;
use katori_core::store::{Storage, Store, Table};
use katori_core::time::Timestamp;
use replica::{Replica, assert_equal, served, sync};
use scene::{Device, Scene};

fn is_whole(pack: &[u8]) -> bool {
    pack.starts_with(&[0x85, 0x6f, 0x4a, 0x83])
}

/// An edit of any kind.
fn edit(document: &mut Document, dice: &mut Dice) {
    let number = dice.below(1_000_000);
    let edit = document.edit(Timestamp(number), |edit| {
        if let Some((_, text)) = edit.get(ROOT, "text")? {
            let length = edit.length(&text) as u64;
            if number.is_multiple_of(3) && length > 0 {
                edit.splice_text(&text, (number % length) as usize, 1, "")
            } else {
                edit.splice_text(&text, (number % (length + 1)) as usize, 0, "letters")
            }
        } else {
            edit.put_object(ROOT, "text", ObjType::Text).map(drop)
        }?;
        edit.put(ROOT, format!("key {}", number % 7), number)
    });
    edit.unwrap();
}

/// The changes that are served to somebody who has nothing, by their hashes.
fn changes(document: &Document, to: &Device) -> BTreeMap<[u8; 32], Vec<u8>> {
    let batch = served(document, to, Peer::default());
    let changes = batch.packs.iter().flat_map(|pack| unpack(pack, &Limits::default()).unwrap());
    changes.map(|change| (change.hash().0, change.bytes().to_vec())).collect()
}

#[test]
fn merges_and_openings_change_nothing() {
    for seed in 0..6 {
        let mut dice = Dice::new(seed);
        let mut scene = Scene::new();
        let ben = scene.person();
        scene.grant(&ben, Role::Write);
        let mut all = [Replica::new(&scene, &scene.owner), Replica::new(&scene, &ben)];
        let (mut merges, mut most) = (0, 0);
        for _ in 0..260 {
            let here = dice.below(2) as usize;
            let replica = &mut all[here];
            edit(&mut replica.document, &mut dice);
            if dice.one_in(3) {
                continue;
            }
            let done = replica.document.flush();
            replica.keep(&done);
            most = most.max(replica.packs().len());
            if dice.one_in(3) {
                edit(&mut replica.document, &mut dice);
            }
            let before = (replica.document.heads(), replica.document.stored_heads());
            let summary = replica.document.summary();
            if replica.merge() {
                merges += 1;
                assert!(summary.owes_merge && !replica.document.summary().owes_merge);
                assert!(replica.packs().len() == 1 && is_whole(&replica.packs()[0]));
                assert_eq!(replica.document.summary().packs, 0);
                assert!(!replica.document.is_dirty(), "edits are signed and written with it");
            } else {
                assert!(!summary.owes_merge || summary.held > 0, "{summary:?}");
            }
            assert_eq!(before, (replica.document.heads(), replica.document.stored_heads()));
            if dice.one_in(10) {
                let done = replica.document.flush();
                replica.keep(&done);
                let me = Arc::clone(&replica.me);
                let (served, digest) = (changes(&replica.document, &me), replica.document.summary().digest());
                replica.reopen(scene.access());
                assert_eq!(replica.document.heads(), before.0);
                assert_eq!(replica.document.summary().digest(), digest);
                assert_eq!(changes(&replica.document, &me), served, "seed {seed}");
            }
            if dice.one_in(12) {
                let [one, other] = &mut all;
                sync(one, other);
            }
        }
        let [one, other] = &mut all;
        sync(one, other);
        assert_equal(&all);
        assert!(merges > 0 && most > 60, "{merges} merges, {most} packs");
    }
}

#[test]
fn a_merge_waits_until_everything_is_admitted() {
    let mut scene = Scene::new();
    let [ann, ben] = [scene.person(), scene.person()];
    let grant = scene.grant(&ann, Role::Write);
    scene.grant(&ben, Role::Read);
    let (mut ann, mut ben) = (Replica::new(&scene, &ann), Replica::new(&scene, &ben));
    for number in 0..80 {
        ann.put(&format!("{number}"));
        replica::deliver(&ann, &mut ben);
    }
    assert!(ben.document.summary().owes_merge && ben.packs().len() == 80);
    scene.revoke(grant);
    ben.hear(&scene);
    assert!(!ben.document.summary().owes_merge && !ben.merge());
    scene.grant(&ann.me, Role::Write);
    ben.hear(&scene);
    assert!(ben.merge() && ben.packs().len() == 1);
    let before = ben.document.heads();
    ben.reopen(scene.access());
    assert_eq!(ben.document.heads(), before);
}

#[test]
fn a_pack_that_a_merge_does_not_know_of_is_kept() {
    let scene = Scene::new();
    let mut owner = Replica::new(&scene, &scene.owner);
    for number in 0..80 {
        owner.put(&format!("{number}"));
    }
    // A commit is under way while the document is read again, as after a fault.
    owner.document.edit(Timestamp(1), |edit| edit.put(ROOT, "under way", 1)).unwrap();
    let under_way = owner.document.flush();
    owner.reopen(scene.access());
    owner.document.assume_behind();
    owner.keep(&under_way);
    assert!(owner.merge());
    assert_eq!(owner.packs().len(), 2);
    owner.reopen(scene.access());
    assert_eq!(owner.document.counts(), (81, 81));
    assert!(owner.keys().contains(&"under way".to_owned()));
    // Another whole that was written meanwhile is read as well.
    let rows = owner.rows();
    owner.reopen(scene.access());
    assert_eq!(owner.rows(), rows);
}

/// The power goes at any write, merges included: what was acknowledged is there.
#[test]
fn a_power_cut_finds_either_the_packs_or_the_whole() {
    let scene = Scene::new();
    let (id, me, access) = (scene.document, &scene.owner, scene.access());
    let (mut merges, mut cuts) = (0, 0);
    for seed in 0..60 {
        let mut dice = Dice::new(seed);
        let disk = Disk::default();
        Store::create_backend(disk.clone(), &[]).unwrap().close().unwrap();
        let mut image = disk.image();
        let mut acknowledged: Vec<Vec<u8>> = Vec::new();
        for life in 0..3u8 {
            let disk = Disk::holding(image);
            disk.cut_power_at(200 + dice.below(900));
            let Ok(store) = Store::open_backend(disk.clone()) else {
                image = disk.image_after_power_cut(&mut dice);
                continue;
            };
            let stored = Stored::read(&store, &id).unwrap();
            let seeds = [life + 1; 32];
            let load = Document::load(
                id,
                Arc::clone(me),
                Arc::clone(&access),
                DocumentLimits::default(),
                seeds,
                &stored,
            );
            let mut document = load.unwrap();
            for _ in 0..100 {
                edit(&mut document, &mut dice);
                let done = match document.merge() {
                    Some(done) => {
                        merges += 1;
                        done
                    }
                    None => document.flush(),
                };
                if store.commit(&done.writes).is_err() {
                    break;
                }
                acknowledged.push(document.heads()[0].0.to_vec());
            }
            image = disk.image_after_power_cut(&mut dice);
            cuts += 1;
        }
        let store = Store::open_backend(Disk::holding(image)).unwrap();
        let stored = Stored::read(&store, &id).unwrap();
        let document = Document::load(
            id,
            Arc::clone(me),
            Arc::clone(&access),
            DocumentLimits::default(),
            [9; 32],
            &stored,
        )
        .unwrap();
        let history: Vec<Vec<u8>> = document.history().map(|entry| entry.hash.0.to_vec()).collect();
        for hash in &acknowledged {
            assert!(history.contains(hash), "seed {seed}");
        }
        let summary = Summary::read(&store, &id).unwrap().unwrap_or_default();
        assert_eq!((summary.changes as usize, summary.held), (history.len(), 0));
        assert_eq!(summary.digest(), document.summary().digest());
        let wholes = store.scan(Table::Packs, id.as_bytes()).unwrap();
        assert!(wholes.iter().filter(|(_, pack)| is_whole(pack)).count() <= 1);
    }
    println!("{merges} merges, {cuts} cuts");
    assert!(merges > 20);
}
