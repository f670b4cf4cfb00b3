//! Honest work on the losing branch of a fork is applied again: by its author, else by another of that person's
//! devices, else by any writer that had accepted it; marked with what it stands for, signed, and not twice.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test ends with a panic")]

#[path = "document_support/replica.rs"]
mod replica;
#[path = "document_support/scene.rs"]
mod scene;

use automerge::marks::{ExpandMark, Mark};
use automerge::transaction::{CommitOptions, Transactable};
use automerge::{ActorId, Automerge, ChangeHash, ObjId, ObjType, ROOT, ReadDoc, ScalarValue};
use katori_acl::{RecordId, Role};
use katori_core::document::{HeldReason, Rule, Turn};
use katori_core::gate::{Limits, RawChange, inspect};

use replica::{Replica, actor, assert_equal, deliver, forge, sync, sync_all, text, vouch};
use scene::{Device, Scene};

/// A document with a text, a list and a map; a fork; the owner on the one branch, Ben and Cleo on the other.
struct Forked {
    scene: Scene,
    forker: Device,
    grants: Vec<RecordId>,
    owner: Replica,
    ben: Replica,
    cleo: Replica,
    text: ObjId,
    list: ObjId,
    map: ObjId,
    /// Ben's and Cleo's branch, which is going to lose: it puts "FORK " before the text and makes a map.
    loser: RawChange,
    forkers_map: ObjId,
}

fn forked() -> Forked {
    let mut scene = Scene::new();
    let [forker, ben, cleo] = [scene.person(), scene.person(), scene.person()];
    let grants = scene.grant_in_order(&[&ben, &cleo, &forker]);
    let id = scene.document;
    let mut owner = Replica::new(&scene, &scene.owner);
    let [mut ben, mut cleo] = [&ben, &cleo].map(|device| Replica::new(&scene, device));
    let mut objects = Vec::new();
    owner.edit(|edit| {
        objects.push(edit.put_object(ROOT, "text", ObjType::Text)?);
        edit.splice_text(&objects[0], 0, 0, "hello world")?;
        objects.push(edit.put_object(ROOT, "list", ObjType::List)?);
        for (index, value) in ["a", "b", "c"].into_iter().enumerate() {
            edit.insert(&objects[1], index, value)?;
        }
        objects.push(edit.put_object(ROOT, "map", ObjType::Map)?);
        edit.put(&objects[2], "count", ScalarValue::counter(1))?;
        edit.put(&objects[2], "title", "old")
    });
    let [text, list, map] = [objects[0].clone(), objects[1].clone(), objects[2].clone()];
    let base = owner.document.automerge().clone();
    let actor = actor(&forker, id, 1);
    let stays = forge(&mut base.clone(), actor.clone(), |edit| edit.put(ROOT, "stays", 1));
    let mut forkers_map = ROOT;
    let loser = forge(&mut base.clone(), actor, |edit| {
        edit.splice_text(&text, 0, 0, "FORK ")?;
        forkers_map = edit.put_object(ROOT, "forked", ObjType::Map)?;
        Ok(())
    });
    deliver(&owner, &mut ben);
    deliver(&owner, &mut cleo);
    owner.receive(&forker, std::slice::from_ref(&stays), &[vouch(&forker, id, 1, &[stays.hash()])]);
    owner.put("owner's");
    let word = vouch(&forker, id, 2, &[loser.hash()]);
    for replica in [&mut ben, &mut cleo] {
        replica.receive(&forker, std::slice::from_ref(&loser), std::slice::from_ref(&word));
        assert!(replica.shows(&loser.hash()));
    }
    Forked { scene, forker, grants, owner, ben, cleo, text, list, map, loser, forkers_map }
}

/// The owner's word comes, and everybody has everything.
fn lose(forked: &mut Forked) {
    for _ in 0..3 {
        sync(&mut forked.owner, &mut forked.ben);
        sync(&mut forked.owner, &mut forked.cleo);
        sync(&mut forked.ben, &mut forked.cleo);
    }
    for replica in [&forked.owner, &forked.ben, &forked.cleo] {
        assert!(!replica.shows(&forked.loser.hash()), "the owner's branch stays");
    }
}

/// Writes a word character by character, a change for each.
fn type_at(replica: &mut Replica, text: &ObjId, at: usize, word: &str) -> Vec<ChangeHash> {
    let typed = word.chars().enumerate();
    typed
        .map(|(place, letter)| {
            replica.edit(|edit| edit.splice_text(text, at + place, 0, letter.to_string().as_str()))
        })
        .collect()
}

/// The changes that stand for this one, and are shown.
fn standing_for(replica: &Replica, original: &ChangeHash) -> Vec<ChangeHash> {
    let all = replica.document.history();
    all.filter(|entry| entry.reapplies == Some(*original)).map(|entry| entry.hash).collect()
}

#[test]
fn the_author_does_it_character_by_character_in_the_right_place() {
    let mut forked = forked();
    // Ben types within "hello", and right after what the losing branch put there.
    let typed = type_at(&mut forked.ben, &forked.text, 10, " dear");
    type_at(&mut forked.ben, &forked.text, 5, ">>");
    forked.ben.edit(|edit| edit.splice_text(&forked.text, 0, 2, ""));
    assert_eq!(text(&forked.ben, &forked.text), "RK >>hello dear world");
    // Meanwhile the owner writes on.
    forked.owner.edit(|edit| edit.splice_text(&forked.text, 11, 0, "!"));
    lose(&mut forked);
    assert_eq!(text(&forked.ben, &forked.text), "hello world!");
    assert_eq!(forked.ben.document.summary().owes_reapply, Some(Turn::Author));
    let made = forked.ben.reapply(Turn::Author);
    assert_eq!(text(&forked.ben, &forked.text), ">>hello dear world!");
    assert_eq!(forked.ben.document.summary().owes_reapply, None);
    assert_eq!(made.len(), 7, "the deletion of what is gone needs no change");
    // Each is Ben's own, signed, marked, and bears the time of what it stands for.
    let entry = forked.ben.document.history().find(|entry| entry.hash == made[0]).unwrap();
    assert_eq!((entry.reapplies, entry.author), (Some(typed[0]), Some(forked.ben.me.device())));
    assert_eq!(entry.time, 5);
    let change = forked.ben.document.automerge().get_change_by_hash(&made[0]).unwrap();
    assert_eq!(change.message().unwrap(), &format!("katori: re-applied {}", typed[0]));
    let reason = HeldReason::LostFork { to: winner(&forked), reapplied: Some(made[0]) };
    let held = forked.ben.held(&typed[0]);
    assert_eq!((held.reason, held.rule), (reason, Rule::Fork));
    // And it is signed in the same step: the owner takes it without more.
    deliver(&forked.ben, &mut forked.owner);
    assert_eq!(text(&forked.owner, &forked.text), ">>hello dear world!");
}

fn winner(forked: &Forked) -> ChangeHash {
    let forks = forked.owner.document.forks();
    forks[0].branches.iter().find(|branch| branch.stays).unwrap().hash
}

#[test]
fn nobody_does_twice_what_is_marked_and_a_stranger_waits() {
    let mut forked = forked();
    let bens = type_at(&mut forked.ben, &forked.text, 5, "ab");
    sync(&mut forked.ben, &mut forked.cleo);
    let cleos = type_at(&mut forked.cleo, &forked.text, 7, "c");
    sync(&mut forked.ben, &mut forked.cleo);
    assert_eq!(text(&forked.ben, &forked.text), "FORK abchello world");
    lose(&mut forked);
    assert_eq!(forked.owner.document.summary().owes_reapply, None, "the owner never had it");
    assert_eq!(forked.ben.document.summary().owes_reapply, Some(Turn::Author));
    // Cleo's builds on Ben's, so it waits for his turn to pass.
    assert_eq!(forked.cleo.document.summary().owes_reapply, Some(Turn::Writer));
    assert_eq!(forked.cleo.reapply(Turn::Person), []);
    forked.ben.reapply(Turn::Author);
    assert_eq!(text(&forked.ben, &forked.text), "abhello world");
    assert_eq!(
        forked.ben.document.summary().owes_reapply,
        Some(Turn::Writer),
        "Cleo's, which Ben had accepted"
    );
    sync(&mut forked.ben, &mut forked.cleo);
    assert_eq!(forked.cleo.document.summary().owes_reapply, Some(Turn::Author));
    forked.cleo.reopen(forked.scene.access());
    assert_eq!(forked.cleo.document.summary().owes_reapply, Some(Turn::Author), "it is remembered");
    forked.cleo.reapply(Turn::Author);
    let mut all = vec![forked.owner, forked.ben, forked.cleo];
    sync_all(&mut all);
    assert_equal(&all);
    for replica in &mut all {
        assert_eq!(replica.reapply(Turn::Writer), [], "there is nothing left to do");
        assert_eq!(text(replica, &forked.text), "abchello world");
        for original in bens.iter().chain(&cleos) {
            assert_eq!(standing_for(replica, original).len(), 1);
        }
    }
}

#[test]
fn when_its_author_is_gone_any_writer_that_had_accepted_it_does_it() {
    let mut forked = forked();
    let bens = type_at(&mut forked.ben, &forked.text, 5, "ab");
    sync(&mut forked.ben, &mut forked.cleo);
    forked.scene.revoke(forked.grants[0]);
    forked.cleo.hear(&forked.scene);
    forked.owner.hear(&forked.scene);
    for _ in 0..2 {
        sync(&mut forked.owner, &mut forked.cleo);
    }
    assert_eq!(forked.cleo.document.summary().owes_reapply, Some(Turn::Writer));
    let made = forked.cleo.reapply(Turn::Writer);
    assert_eq!(text(&forked.cleo, &forked.text), "abhello world");
    sync(&mut forked.owner, &mut forked.cleo);
    assert_eq!(text(&forked.owner, &forked.text), "abhello world");
    assert_eq!(
        forked.owner.document.author(&made[0]),
        Some(forked.cleo.me.device()),
        "it is Cleo's own word"
    );
    assert_eq!(standing_for(&forked.owner, &bens[0]), [made[0]]);
    // Ben, who may not write, does nothing.
    forked.ben.hear(&forked.scene);
    deliver(&forked.owner, &mut forked.ben);
    assert_eq!(forked.ben.document.summary().owes_reapply, None);
    assert_eq!(forked.ben.reapply(Turn::Writer), []);
}

#[test]
fn another_device_of_the_authors_person_comes_before_strangers() {
    let mut forked = forked();
    let tablet = forked.scene.device_of(&forked.ben.me);
    let mut tablet = Replica::new(&forked.scene, &tablet);
    for replica in [&mut forked.owner, &mut forked.ben, &mut forked.cleo] {
        replica.hear(&forked.scene);
    }
    forked.ben.put("ben's");
    sync(&mut forked.ben, &mut tablet);
    sync(&mut forked.ben, &mut forked.cleo);
    for _ in 0..2 {
        sync(&mut forked.owner, &mut tablet);
        sync(&mut forked.owner, &mut forked.cleo);
    }
    assert_eq!(tablet.document.summary().owes_reapply, Some(Turn::Person));
    assert_eq!(forked.cleo.document.summary().owes_reapply, Some(Turn::Writer));
    assert_eq!(tablet.reapply(Turn::Author), []);
    assert_eq!(tablet.reapply(Turn::Person).len(), 1);
    sync(&mut tablet, &mut forked.cleo);
    assert_eq!(forked.cleo.document.summary().owes_reapply, None);
}

#[test]
fn what_the_forker_wrote_is_not_applied_again_nor_what_builds_on_its_objects() {
    let mut forked = forked();
    let inside = forked.ben.edit(|edit| edit.put(&forked.forkers_map, "key", "within the forker's"));
    let other = forked.ben.put("ben's");
    lose(&mut forked);
    let made = forked.ben.reapply(Turn::Writer);
    assert_eq!(made.len(), 1);
    assert_eq!(standing_for(&forked.ben, &other), made);
    assert_eq!(forked.ben.keys(), ["ben's", "list", "map", "owner's", "stays", "text"]);
    assert_eq!(forked.ben.document.summary().owes_reapply, None, "what cannot be done is not tried for ever");
    forked.ben.reopen(forked.scene.access());
    assert_eq!(forked.ben.document.forks()[0].not_reapplied, [inside], "it is reported");
    assert_eq!(forked.ben.document.summary().owes_reapply, None);
    let copy = forked.ben.document.lost_branch(forked.loser.hash()).unwrap();
    assert_eq!(
        copy.get(&forked.forkers_map, "key").unwrap().unwrap().0.as_str(),
        Some("within the forker's")
    );
    assert!(forked.scene.access().role_of_device(&forked.forker.device()) == Some(Role::Write));
}

#[test]
fn every_kind_of_edit_is_made_anew() {
    let mut forked = forked();
    let mut inner = ROOT;
    forked.ben.edit(|edit| {
        edit.put(&forked.map, "title", "new")?;
        edit.increment(&forked.map, "count", 5)?;
        edit.delete(&forked.list, 0)?;
        edit.put(&forked.list, 0, "B")?;
        inner = edit.insert_object(&forked.list, 1, ObjType::Map)?;
        edit.put(&inner, "deep", true)?;
        edit.mark(&forked.text, Mark::new("bold".to_owned(), true, 5, 10), ExpandMark::Both)
    });
    let deeper = forked.ben.edit(|edit| {
        edit.put(&inner, "deeper", 7)?;
        edit.insert(&forked.list, 2, "after")?;
        edit.delete(&forked.map, "title")
    });
    forked.owner.edit(|edit| edit.insert(&forked.list, 0, "first"));
    lose(&mut forked);
    assert_eq!(forked.ben.reapply(Turn::Author).len(), 2);
    assert_eq!(standing_for(&forked.ben, &deeper).len(), 1);
    sync(&mut forked.ben, &mut forked.owner);
    let document = forked.owner.document.automerge();
    let shown = |object: &ObjId, at: usize| document.get(object, at).unwrap().unwrap();
    assert_eq!(document.length(&forked.list), 5);
    assert_eq!(shown(&forked.list, 0).0.as_str(), Some("first"));
    assert_eq!(shown(&forked.list, 1).0.as_str(), Some("B"));
    let anew = shown(&forked.list, 2).1;
    assert_eq!(document.get(&anew, "deep").unwrap().unwrap().0.as_bool(), Some(true));
    assert_eq!(document.get(&anew, "deeper").unwrap().unwrap().0.as_i64(), Some(7));
    assert_eq!(shown(&forked.list, 3).0.as_str(), Some("after"));
    assert_eq!(shown(&forked.list, 4).0.as_str(), Some("c"));
    assert!(document.get(&forked.map, "title").unwrap().is_none());
    assert_eq!(document.get(&forked.map, "count").unwrap().unwrap().0.as_i64(), Some(6));
    let marks = document.marks(&forked.text).unwrap();
    assert_eq!((marks.len(), marks[0].start, marks[0].end, marks[0].name()), (1, 0, 5, "bold"));
    assert!(forked.ben.document.forks()[0].not_reapplied.is_empty());
}

#[test]
fn a_deletion_takes_only_what_it_took_then() {
    let mut forked = forked();
    forked.ben.edit(|edit| edit.delete(&forked.map, "title"));
    forked.owner.edit(|edit| edit.put(&forked.map, "title", "the owner's, since"));
    lose(&mut forked);
    forked.ben.reapply(Turn::Author);
    let title = forked.ben.document.automerge().get(&forked.map, "title").unwrap().unwrap().0;
    assert_eq!(title.as_str(), Some("the owner's, since"));
    assert_eq!(forked.ben.document.summary().owes_reapply, None, "and there is nothing left of it to do");
}

/// A change that says to apply another one again.
fn marked(mut base: Automerge, actor: ActorId, key: &str, original: &ChangeHash) -> RawChange {
    let before = base.get_heads();
    base.set_actor(actor);
    let mut transaction = base.transaction();
    transaction.put(ROOT, key, 1).unwrap();
    transaction.commit_with(CommitOptions::default().with_message(format!("katori: re-applied {original}")));
    let change = base.get_changes(&before).pop().unwrap();
    inspect(change.raw_bytes(), &Limits::default()).unwrap()
}

#[test]
fn a_mark_by_a_forker_stops_nobody() {
    let mut forked = forked();
    let bens = forked.ben.put("ben's");
    // The forker says on its own branch that it has done it.
    let lie = marked(
        forked.owner.document.automerge().clone(),
        actor(&forked.forker, forked.scene.document, 2),
        "nothing",
        &bens,
    );
    lose(&mut forked);
    let words = [
        vouch(&forked.forker, forked.scene.document, 9, &[lie.hash()]),
        vouch(&forked.cleo.me, forked.scene.document, 90, &[lie.hash()]),
    ];
    forked.ben.receive(&forked.forker, std::slice::from_ref(&lie), &words);
    assert!(forked.ben.shows(&lie.hash()), "Cleo stands behind it");
    assert_eq!(forked.ben.document.summary().owes_reapply, Some(Turn::Author));
    assert_eq!(forked.ben.reapply(Turn::Author).len(), 1);
}

#[test]
fn what_was_applied_again_and_lost_again_is_made_of_the_original() {
    let mut forked = forked();
    let original = type_at(&mut forked.ben, &forked.text, 5, "x")[0];
    let dora = forked.scene.person();
    forked.scene.grant(&dora, Role::Write);
    for replica in [&mut forked.owner, &mut forked.ben, &mut forked.cleo] {
        replica.hear(&forked.scene);
    }
    lose(&mut forked);
    // Dora forks too, and Ben applies his work again on the branch that is going to lose.
    let base = forked.owner.document.automerge().clone();
    let doras = actor(&dora, forked.scene.document, 1);
    let [owners, bens] =
        ["three", "four"].map(|key| forge(&mut base.clone(), doras.clone(), |edit| edit.put(ROOT, key, 1)));
    let word = |counter, branch: &RawChange| vouch(&dora, forked.scene.document, counter, &[branch.hash()]);
    forked.owner.receive(&dora, std::slice::from_ref(&owners), &[word(1, &owners)]);
    forked.owner.put("owner's second");
    forked.ben.receive(&dora, std::slice::from_ref(&bens), &[word(2, &bens)]);
    let first = forked.ben.reapply(Turn::Author);
    assert_eq!(standing_for(&forked.ben, &original), first);
    for _ in 0..2 {
        sync(&mut forked.owner, &mut forked.ben);
    }
    assert!(!forked.ben.shows(&first[0]), "it went with the branch it was on");
    assert_eq!(forked.ben.document.summary().owes_reapply, Some(Turn::Author));
    let second = forked.ben.reapply(Turn::Writer);
    assert_eq!(second.len(), 1, "once, and not once more for what stood for it");
    assert_eq!(standing_for(&forked.ben, &original), second);
    assert!(standing_for(&forked.ben, &first[0]).is_empty());
    assert_eq!(text(&forked.ben, &forked.text), "xhello world");
}

#[test]
fn what_somebody_else_did_too_is_not_forgotten_should_that_go() {
    let mut forked = forked();
    let bens = forked.ben.put("same");
    let owners = forked.owner.put("same");
    lose(&mut forked);
    assert_eq!(forked.ben.document.summary().owes_reapply, Some(Turn::Author));
    assert_eq!(forked.ben.reapply(Turn::Author), [], "it is so already");
    assert_eq!(forked.ben.document.summary().owes_reapply, None);
    forked.ben.reopen(forked.scene.access());
    assert_eq!(forked.ben.document.summary().owes_reapply, None, "that is remembered");
    let owner = forked.scene.owner.clone();
    forked.scene.exclude(&owner, &[owners]);
    forked.ben.hear(&forked.scene);
    assert!(!forked.ben.keys().contains(&"same".to_owned()), "the owner's has gone");
    assert_eq!(forked.ben.document.summary().owes_reapply, Some(Turn::Author));
    let made = forked.ben.reapply(Turn::Author);
    assert_eq!(standing_for(&forked.ben, &bens), made);
    assert!(forked.ben.keys().contains(&"same".to_owned()));
}

#[test]
fn what_somebody_else_did_too_may_have_gone_while_the_document_was_closed() {
    let mut forked = forked();
    let bens = forked.ben.put("same");
    let owners = forked.owner.put("same");
    lose(&mut forked);
    assert_eq!(forked.ben.reapply(Turn::Author), []);
    let owner = forked.scene.owner.clone();
    forked.scene.exclude(&owner, &[owners]);
    forked.ben.reopen(forked.scene.access());
    let made = forked.ben.reapply(Turn::Author);
    assert_eq!(standing_for(&forked.ben, &bens), made);
    assert_eq!(made.len(), 1);
}

#[test]
fn what_was_so_already_and_was_deleted_since_stays_deleted() {
    let mut forked = forked();
    forked.ben.put("same");
    forked.owner.put("same");
    lose(&mut forked);
    assert_eq!(forked.ben.reapply(Turn::Author), []);
    forked.owner.edit(|edit| edit.delete(ROOT, "same"));
    sync(&mut forked.owner, &mut forked.ben);
    forked.ben.reopen(forked.scene.access());
    assert_eq!(forked.ben.document.summary().owes_reapply, None);
    assert_eq!(forked.ben.reapply(Turn::Writer), []);
    assert!(!forked.ben.keys().contains(&"same".to_owned()));
}

#[test]
fn what_goes_with_what_it_was_applied_again_on_is_made_once_more() {
    let mut forked = forked();
    let original = forked.ben.put("ben's");
    lose(&mut forked);
    let unwanted = forked.owner.put("unwanted");
    sync(&mut forked.owner, &mut forked.ben);
    let first = forked.ben.reapply(Turn::Author);
    assert_eq!(standing_for(&forked.ben, &original), first);
    sync(&mut forked.owner, &mut forked.ben);
    let admin = forked.scene.owner.clone();
    forked.scene.exclude(&admin, &[unwanted]);
    for replica in [&mut forked.owner, &mut forked.ben] {
        replica.hear(&forked.scene);
        assert!(!replica.shows(&first[0]), "it builds on what is excluded");
        assert!(replica.document.summary().owes_reapply.is_some());
    }
    let second = forked.ben.reapply(Turn::Author);
    assert_eq!(standing_for(&forked.ben, &original), second);
    assert!(forked.ben.keys().contains(&"ben's".to_owned()));
    sync(&mut forked.owner, &mut forked.ben);
    assert_eq!(forked.owner.document.summary().owes_reapply, None, "it was done");
}

#[test]
fn a_mark_brings_in_nothing_that_nobody_stood_behind() {
    let mut scene = Scene::new();
    let mallory = scene.person();
    let grant = scene.grant(&mallory, Role::Write);
    let id = scene.document;
    let mut owner = Replica::new(&scene, &scene.owner);
    owner.put("first");
    let mut base = owner.document.automerge().clone();
    let hidden = forge(&mut base.clone(), actor(&mallory, id, 1), |edit| edit.put(ROOT, "hidden", 1));
    let bait = forge(&mut base, actor(&mallory, id, 2), |edit| edit.put(ROOT, "bait", 1));
    let lure = marked(base, actor(&mallory, id, 3), "seen", &hidden.hash());
    let word = vouch(&mallory, id, 1, &[lure.hash()]);
    owner.receive(&mallory, &[bait.clone(), lure], &[word]);
    assert_eq!(owner.keys(), ["bait", "first", "seen"]);
    scene.revoke(grant);
    owner.hear(&scene);
    owner.discharge();
    let last_word = vouch(&mallory, id, 2, &[hidden.hash()]);
    owner.receive(&mallory, std::slice::from_ref(&hidden), &[last_word]);
    assert_eq!(owner.held(&hidden.hash()).rule, Rule::Writer);
    let admin = scene.owner.clone();
    scene.exclude(&admin, &[bait.hash()]);
    owner.hear(&scene);
    owner.reapply(Turn::Writer);
    assert_eq!(owner.keys(), ["first", "seen"], "what was accepted is made again, and nothing else");
}

#[test]
fn what_was_hidden_when_its_branch_lost_is_made_again_too() {
    let mut forked = forked();
    let original = forked.ben.put("ben's");
    let ben = forked.ben.me.clone();
    // Ben's role goes, the owner's branch comes, and the role is back before anything was signed.
    forked.scene.revoke(forked.grants[0]);
    forked.ben.hear(&forked.scene);
    deliver(&forked.owner, &mut forked.ben);
    forked.scene.grant(&ben, Role::Write);
    forked.ben.hear(&forked.scene);
    forked.owner.hear(&forked.scene);
    sync(&mut forked.owner, &mut forked.ben);
    assert!(!forked.ben.shows(&original));
    assert_eq!(forked.ben.document.summary().owes_reapply, Some(Turn::Author));
    let again = forked.ben.reapply(Turn::Author);
    assert_eq!(standing_for(&forked.ben, &original), again);
}
