//! Looking back: who wrote what, the document as it was, and what lies between.

use katori::automerge::PatchAction;
use katori::{ChangeHash, Error, ObjType, ROOT, ReadDoc, Role, Transactable};
use serde_json::json;

use crate::house::{Home, two, until};

#[tokio::test]
async fn a_document_can_be_read_as_it_was() {
    let node = Home::new("Ana", "laptop").open_apart().await;
    let doc = node.create("note").await.unwrap();
    let text = doc.change(|edit| edit.put_object(ROOT, "text", ObjType::Text)).unwrap().await.unwrap();
    doc.change(|edit| edit.splice_text(&text, 0, 0, "h\u{e9}llo")).unwrap().await.unwrap();
    let before = doc.heads();
    doc.change(|edit| edit.splice_text(&text, 5, 0, " there")).unwrap().await.unwrap();
    let after = doc.heads();

    let past = doc.at(&before).unwrap();
    assert_eq!(past.text("text").unwrap(), "h\u{e9}llo");
    assert_eq!(past.json(), json!({ "text": "h\u{e9}llo" }));
    assert_eq!(past.read(|doc, heads| doc.length_at(&text, heads)), 5);
    assert_eq!(doc.text("text").unwrap(), "h\u{e9}llo there");
    let patches = doc.diff(&before, &after).unwrap();
    assert!(matches!(&patches[0].action, PatchAction::SpliceText { index: 5, .. }));
    assert_eq!(doc.diff(&after, &before).unwrap().len(), 1);

    let unknown = ChangeHash([7; 32]);
    assert!(matches!(doc.at(&[unknown]), Err(Error::UnknownHeads(hash)) if hash == unknown));
    assert!(matches!(doc.diff(&[unknown], &after), Err(Error::UnknownHeads(_))));
    assert!(matches!(doc.text("title"), Err(Error::NoSuchPath { .. })));
    node.close().await;
}

#[tokio::test]
async fn history_names_who_wrote_each_change() {
    let two = two(Role::Write).await;
    let written = two.his.put(&json!({ "milk": 3 })).unwrap();
    let hash = written.hash().unwrap();
    written.await.unwrap();
    until(&two.hers, |hers| hers.view_json()["milk"] == 3).await;
    let history = two.hers.history();
    let who = |edit: &katori::Edit| edit.who.as_ref().unwrap().to_string();
    assert_eq!(history.iter().map(who).collect::<Vec<_>>(), ["Ana (laptop)", "Ben (phone)"]);
    assert_eq!((history[1].hash, &history[1].deps), (hash, &vec![history[0].hash]));
    assert!(history[1].vouched_by.iter().any(|who| who.person_name == "Ben"));
    assert!(two.hers.held().is_empty());
    two.ana.close().await;
    two.ben.close().await;
}
