//! Taking in beside edits: whatever is edited while Automerge works on a copy, what is shown in the end is what it would
//! be without one, and what a watcher is told adds up to it.
#![allow(
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm
)]

#[path = "document_support/replica.rs"]
mod replica;
#[path = "document_support/scene.rs"]
mod scene;

use automerge::transaction::Transactable;
use automerge::{ChangeHash, ObjId, ObjType, Patch, PatchAction, ROOT, ReadDoc};
use katori_acl::{DeviceId, Role};
use katori_core::document::{Batch, Document, Done, HeldReason, Peer, Shown};
use katori_core::time::Timestamp;
use replica::{Replica, served, sync, text, vouch};
use scene::Scene;

/// Long enough to be worth a copy.
const LENGTH: usize = 12_000;

/// A long text that two persons have, and where it is.
fn two_with_a_text() -> (Scene, Replica, Replica, ObjId) {
    let mut scene = Scene::new();
    let ben = scene.person();
    scene.grant(&ben, Role::Write);
    let mut ana = Replica::new(&scene, &scene.owner);
    let mut ben = Replica::new(&scene, &ben);
    ana.edit(|edit| {
        let text = edit.put_object(ROOT, "text", ObjType::Text)?;
        edit.splice_text(&text, 0, 0, &"katori ".repeat(LENGTH / 7 + 1))
    });
    sync(&mut ana, &mut ben);
    let text = ana.document.automerge().get(ROOT, "text").unwrap().unwrap().1;
    (scene, ana, ben, text)
}

fn splice(document: &mut Document, text: &ObjId, at: usize, delete: isize, insert: &str) -> Shown {
    let edit = document.edit(Timestamp(9_000), |edit| edit.splice_text(text, at, delete, insert));
    edit.unwrap().shown.unwrap()
}

/// All that one has to send to the other.
fn sent(from: &Replica, to: &Replica) -> Vec<(DeviceId, Batch)> {
    let vouches = to.document.vouch_ids().into_iter().collect();
    let known = Peer { version: to.document.version(), vouches };
    vec![(from.me.device(), served(&from.document, &to.me, known))]
}

/// What an editor shows that follows the patches.
struct Editor(Vec<char>);

impl Editor {
    fn follow(&mut self, patches: &[Patch]) {
        for patch in patches {
            match &patch.action {
                PatchAction::SpliceText { index, value, .. } => {
                    _ = self.0.splice(index..index, value.make_string().chars());
                }
                PatchAction::DeleteSeq { index, length } => _ = self.0.drain(index..&(index + length)),
                other => panic!("{other:?}"),
            }
        }
    }
}

struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
        (self.0 >> 33) as usize % bound
    }

    fn splice(&mut self, document: &mut Document, text: &ObjId) -> Shown {
        let (at, delete) = (self.below(LENGTH), self.below(4).cast_signed());
        let insert = ["", "x", "yö", "zzz"][self.below(4)];
        let insert = if delete == 0 && insert.is_empty() { "w" } else { insert };
        splice(document, text, at, delete, insert)
    }
}

#[test]
fn whatever_is_edited_meanwhile_the_outcome_is_the_same() {
    let (scene, mut ana, mut ben, id) = two_with_a_text();
    ben.document.set_watched(true);
    let mut editor = Editor(text(&ben, &id).chars().collect());
    let mut dice = Dice(7);
    for round in 0..24 {
        for _ in 0..=dice.below(3) {
            dice.splice(&mut ana.document, &id);
        }
        let done = ana.document.flush();
        ana.keep(&done);
        let mut begun = ben.document.begin_ingest(sent(&ana, &ben));
        assert!(begun.is_behind(&ben.document), "it is worth a copy");
        assert_eq!(ben.document.held().len(), 0, "what has just come is not held back");
        let mut plays = 0;
        while begun.is_behind(&ben.document) {
            let missed = begun.missed(&ben.document);
            // Somebody types while the copy is worked on, fewer times the longer it takes.
            for _ in 0..dice.below(4usize.saturating_sub(plays)) {
                editor.follow(&dice.splice(&mut ben.document, &id).patches);
                assert_eq!(text(&ben, &id), editor.0.iter().collect::<String>(), "{round}: own edits");
            }
            begun.play(missed);
            plays += 1;
        }
        let done = ben.document.end_ingest(begun);
        let shown = done.shown.as_ref().unwrap();
        assert!(shown.rehearsed && !shown.rebuilt && shown.withdrawn == 0, "{round}");
        editor.follow(&shown.patches);
        assert_eq!(text(&ben, &id), editor.0.iter().collect::<String>(), "{round}: what came");
        ben.keep(&done);
        sync(&mut ana, &mut ben);
        assert_eq!(text(&ana, &id), text(&ben, &id), "{round}");
        assert_eq!(ana.document.heads(), ben.document.heads(), "{round}");
        editor = Editor(text(&ben, &id).chars().collect());
    }
    let heads = ben.document.heads();
    ben.reopen(scene.access());
    assert_eq!(ben.document.heads(), heads, "and it is all in the store");
}

/// Both halves, with an edit that the copy did not catch up with.
fn half_and_half(ben: &mut Replica, batches: Vec<(DeviceId, Batch)>, id: &ObjId) -> Done {
    let mut begun = ben.document.begin_ingest(batches);
    let missed = begun.missed(&ben.document);
    begun.play(missed);
    splice(&mut ben.document, id, 5, 0, "late");
    assert!(begun.is_behind(&ben.document));
    ben.document.end_ingest(begun)
}

#[test]
fn a_copy_that_is_behind_is_not_shown() {
    let (_, mut ana, mut ben, id) = two_with_a_text();
    splice(&mut ana.document, &id, 0, 0, "early ");
    let done = ana.document.flush();
    ana.keep(&done);
    let batches = sent(&ana, &ben);
    let done = half_and_half(&mut ben, batches, &id);
    assert!(!done.shown.as_ref().unwrap().rehearsed);
    ben.keep(&done);
    sync(&mut ana, &mut ben);
    assert!(text(&ana, &id).starts_with("early katorlatei "), "{}", &text(&ana, &id)[..20]);
    assert_eq!(text(&ana, &id), text(&ben, &id));
}

#[test]
fn what_is_not_admitted_is_in_no_copy() {
    let (mut scene, mut ana, mut ben, id) = two_with_a_text();
    let cyd = scene.person();
    let grant = scene.grant(&cyd, Role::Write);
    let mut cyd = Replica::new(&scene, &cyd);
    ana.hear(&scene);
    sync(&mut ana, &mut cyd);
    splice(&mut cyd.document, &id, 0, 0, "unwanted ");
    let done = cyd.document.flush();
    cyd.keep(&done);
    scene.revoke(grant);
    ben.hear(&scene);
    let hash: Vec<ChangeHash> = cyd.document.heads();
    let (before, batches) = (text(&ben, &id), sent(&cyd, &ben));
    let begun = ben.document.begin_ingest(batches);
    assert!(!begun.is_behind(&ben.document), "there is nothing to be applied to a copy");
    let done = ben.document.end_ingest(begun);
    ben.keep(&done);
    assert_eq!(text(&ben, &id), before);
    assert!(matches!(ben.reason(&hash[0]), HeldReason::NoWriterVouches), "{:?}", ben.reason(&hash[0]));
    // A writer's word lets it in, and that it was held back for a while changes nothing.
    let word = vouch(&ana.me, scene.document, 1 << 30, &hash);
    let batch = Batch { vouches: vec![word], ..Batch::default() };
    let mut begun = ben.document.begin_ingest(vec![(ana.me.device(), batch)]);
    let missed = begun.missed(&ben.document);
    begun.play(missed);
    let done = ben.document.end_ingest(begun);
    assert!(done.shown.as_ref().unwrap().rehearsed);
    ben.keep(&done);
    assert!(text(&ben, &id).starts_with("unwanted "));
}

#[test]
fn little_is_taken_in_at_once() {
    let scene = Scene::new();
    let mut ana = Replica::new(&scene, &scene.owner);
    let mut other = Replica::new(&scene, &scene.owner);
    ana.put("one");
    let begun = other.document.begin_ingest(sent(&ana, &other));
    assert!(!begun.is_behind(&other.document));
    let done = other.document.end_ingest(begun);
    assert!(!done.shown.as_ref().unwrap().rehearsed);
    other.keep(&done);
    assert_eq!(other.keys(), ["one"]);
}
