//! Blame names who wrote each part, only where a signature proves it. What was imported is vouched for by somebody
//! and written by nobody that can be named.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test ends with a panic")]

#[path = "document_support/replica.rs"]
mod replica;
#[path = "document_support/scene.rs"]
mod scene;

use automerge::transaction::Transactable;
use automerge::{ActorId, ObjId, ObjType, ROOT, ReadDoc};
use katori_acl::Role;
use katori_core::document::{BlameError, BlamePart, BlameSpan};

use replica::{Replica, actor, empty, forge, sync, vouch};
use scene::Scene;

fn texts(spans: &[BlameSpan]) -> Vec<(usize, usize, &str)> {
    let parts = spans.iter().map(|span| match &span.what {
        BlamePart::Text { start, length, text } => (*start, *length, text.as_str()),
        other @ (BlamePart::Element { .. } | BlamePart::Key { .. }) => panic!("{other:?}"),
    });
    parts.collect()
}

/// An imported text, with edits by the owner and by Ben, whose device holds what both wrote.
fn written_by_three() -> (Scene, Replica, Replica, ObjId) {
    let mut scene = Scene::new();
    let ben = scene.person();
    scene.grant(&ben, Role::Write);
    let mut owner = Replica::new(&scene, &scene.owner);
    let mut ben = Replica::new(&scene, &ben);
    let mut object = ROOT;
    let imported = forge(&mut empty(), ActorId::from([9; 16]), |edit| {
        object = edit.put_object(ROOT, "text", ObjType::Text)?;
        edit.splice_text(&object, 0, 0, "gr\u{fc}n tea")
    });
    owner.document.adopt(std::slice::from_ref(&imported)).unwrap();
    let done = owner.document.flush();
    owner.keep(&done);
    sync(&mut owner, &mut ben);
    owner.edit(|edit| edit.splice_text(&object, 8, 0, " please"));
    ben.edit(|edit| edit.splice_text(&object, 4, 0, ", hot"));
    sync(&mut owner, &mut ben);
    (scene, owner, ben, object)
}

#[test]
fn a_text_by_two_authors_on_top_of_an_import() {
    let (_, owner, ben, object) = written_by_three();
    for replica in [&owner, &ben] {
        let spans = replica.document.blame(&object).unwrap();
        let expected = [(0, 4, "gr\u{fc}n"), (4, 5, ", hot"), (9, 4, " tea"), (13, 7, " please")];
        assert_eq!(texts(&spans), expected, "places are counted in code points");
        let authors: Vec<_> = spans.iter().map(|span| span.author).collect();
        let (owners, bens) = (Some(owner.me.device()), Some(ben.me.device()));
        assert_eq!(authors, [None, bens, None, owners], "nobody wrote what was imported");
        assert_eq!(spans[1].person, Some(ben.me.person));
        assert_eq!(spans[0].person, None);
        assert!(spans[0].vouched_by.contains(&(owner.me.device(), owner.me.person)));
        assert_eq!(spans[0].hash, spans[2].hash);
        let hash = replica.document.history().find(|entry| entry.author == bens).unwrap().hash;
        assert_eq!((spans[1].hash, spans[1].time), (hash, 5));
    }
}

#[test]
fn a_name_that_no_signature_proves_is_not_named() {
    // Mallory writes under Ben's actor; it is held back, and so nobody is blamed for it. What Mallory writes under
    // an actor of no device is Mallory's word, and nobody's work.
    let (mut scene, mut owner, ben, object) = written_by_three();
    let mallory = scene.person();
    scene.grant(&mallory, Role::Write);
    owner.hear(&scene);
    let mut base = owner.document.automerge().clone();
    let bens = actor(&ben.me, scene.document, 77);
    let forged = forge(&mut base.clone(), bens, |edit| edit.splice_text(&object, 0, 0, "ben says: "));
    let nameless = forge(&mut base, ActorId::from([8; 16]), |edit| edit.splice_text(&object, 0, 0, "? "));
    let words = [vouch(&mallory, scene.document, 1, &[forged.hash()])];
    owner.receive(&mallory, std::slice::from_ref(&forged), &words);
    let words = [vouch(&mallory, scene.document, 2, &[nameless.hash()])];
    owner.receive(&mallory, std::slice::from_ref(&nameless), &words);
    let spans = owner.document.blame(&object).unwrap();
    assert_eq!(texts(&spans)[0], (0, 2, "? "));
    assert_eq!((spans[0].author, spans[0].person), (None, None));
    assert_eq!(spans[0].vouched_by, [(mallory.device(), mallory.person)]);
    assert_eq!(texts(&spans)[1], (2, 4, "gr\u{fc}n"), "and of the forgery there is nothing");
}

#[test]
fn lists_by_element_and_maps_by_key() {
    let (_, mut owner, mut ben, _) = written_by_three();
    let mut list = ROOT;
    let made = owner.edit(|edit| {
        list = edit.put_object(ROOT, "list", ObjType::List)?;
        edit.insert(&list, 0, "a")?;
        edit.insert(&list, 1, "b")
    });
    sync(&mut owner, &mut ben);
    let overwritten = ben.edit(|edit| edit.put(&list, 1, "B"));
    sync(&mut owner, &mut ben);
    let spans = owner.document.blame(&list).unwrap();
    let parts: Vec<_> = spans.iter().map(|span| (span.what.clone(), span.hash)).collect();
    let element = |index| BlamePart::Element { index };
    assert_eq!(parts, [(element(0), made), (element(1), overwritten)]);
    let spans = owner.document.blame(&ROOT).unwrap();
    let keys: Vec<_> = spans.iter().map(|span| (span.what.clone(), span.author)).collect();
    let key = |key: &str| BlamePart::Key { key: key.to_owned() };
    assert_eq!(keys, [(key("list"), Some(owner.me.device())), (key("text"), None)]);
}

#[test]
fn what_is_not_there_is_not_blamed_on_anybody() {
    let (_, owner, ben, _) = written_by_three();
    let nowhere = ObjId::Id(99, actor(&ben.me, owner.document.id(), 1), 0);
    assert_eq!(owner.document.blame(&nowhere), Err(BlameError::NoSuchObject(nowhere.clone())));
    assert!(owner.document.automerge().object_type(&nowhere).is_err());
}
