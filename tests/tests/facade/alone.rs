//! One node by itself: names, types, files, deleting, forgetting, opening again.

use katori::automerge::{Automerge, AutomergeError};
use katori::{Error, Network, Node, OpenError, ROOT, ReadDoc, Standing, Transactable};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::house::{Home, within};

#[tokio::test]
async fn documents_answer_to_name_id_and_the_beginning_of_it() {
    let node = Home::new("Ana", "laptop").open_apart().await;
    let (one, two) = (node.create("milk").await.unwrap(), node.create("eggs").await.unwrap());
    let id = one.id().to_string();
    for name in ["milk", &id, &id[..8], &id.to_uppercase()] {
        assert_eq!(node.doc(name).await.unwrap().id(), one.id(), "{name}");
    }
    for name in ["mil", "", "nothing of the kind"] {
        assert!(matches!(node.doc(name).await, Err(Error::NotFound { .. })), "{name}");
    }
    let third = node.create("milk").await.unwrap();
    let Err(Error::Ambiguous { candidates, .. }) = node.doc("milk").await else {
        panic!("`milk` is ambiguous")
    };
    assert_eq!(candidates.len(), 2);
    assert_eq!(node.doc(&third.id().to_string()).await.unwrap().id(), third.id());
    assert_eq!(node.docs().await.unwrap().len(), 3);
    assert_eq!(node.person("Ana").await.unwrap(), node.me().person);
    assert!(matches!(node.person("Ben").await, Err(Error::NotFound { .. })));
    drop(two);
    node.close().await;
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Recipe {
    title: String,
    serves: u32,
    steps: Vec<String>,
    vegan: Option<bool>,
}

#[tokio::test]
async fn a_type_of_ones_own_is_kept_across_a_restart() {
    let home = Home::new("Ana", "laptop");
    let node = home.open_apart().await;
    let doc = node.create("soup").await.unwrap();
    let mut soup =
        Recipe { title: "Soup".into(), serves: 2, steps: vec!["cut".into(), "boil".into()], vegan: None };
    doc.put(&soup).unwrap().await.unwrap();
    soup.steps.insert(1, "fry".into());
    let commit = doc.put(&soup).unwrap();
    assert!(commit.hash().is_some());
    commit.await.unwrap();
    assert_eq!(doc.history().last().unwrap().operations, 1, "only the new step is written");
    assert_eq!(doc.put(&soup).unwrap().hash(), None, "nothing differs");
    assert!(matches!(doc.get::<Vec<u8>>(), Err(Error::Typed(_))));
    assert!(matches!(doc.put(&[1, 2]), Err(Error::NotAMap)));
    node.close().await;

    let node = home.open_apart().await;
    assert_eq!(node.me().person_name, "Ana");
    assert_eq!(node.doc("soup").await.unwrap().get::<Recipe>().unwrap(), soup);
    node.close().await;
}

#[tokio::test]
async fn an_edit_that_fails_changes_nothing() {
    let node = Home::new("Ana", "laptop").open_apart().await;
    let doc = node.create("list").await.unwrap();
    doc.put(&json!({ "milk": 2 })).unwrap().await.unwrap();
    let before = doc.heads();
    let failed = doc.change(|edit| {
        edit.put(ROOT, "milk", 3)?;
        Err::<(), _>(AutomergeError::InvalidIndex(7))
    });
    assert!(matches!(failed, Err(Error::Automerge(_))));
    assert_eq!((doc.heads(), doc.view_json()), (before, json!({ "milk": 2 })));
    node.close().await;
}

#[tokio::test]
async fn a_file_is_imported_with_its_history_and_saved_again() {
    let node = Home::new("Ana", "laptop").open_apart().await;
    let mut file = Automerge::new();
    for milk in 1..=3 {
        file.transact::<_, _, AutomergeError>(|edit| edit.put(ROOT, "milk", milk)).unwrap();
    }
    let doc = node.import("old list", &file.save()).await.unwrap();
    assert_eq!((doc.heads(), doc.view_json()), (file.get_heads(), json!({ "milk": 3 })));
    let history = doc.history();
    assert_eq!(history.len(), 3);
    assert!(history.iter().all(|edit| edit.who.is_none() && edit.vouched_by[0].person_name == "Ana"));
    doc.change(|edit| edit.put(ROOT, "eggs", 6)).unwrap().await.unwrap();
    let saved = Automerge::load(&doc.save()).unwrap();
    assert!(saved.get(ROOT, "eggs").unwrap().is_some());
    assert_eq!(saved.get_heads(), doc.heads());

    assert!(matches!(node.import("broken", b"no such file").await, Err(Error::Import(_))));
    assert!(matches!(node.doc("broken").await, Err(Error::NotFound { .. })));
    node.close().await;
}

#[tokio::test]
async fn what_is_deleted_is_gone_and_stays_so() {
    let home = Home::new("Ana", "laptop");
    let node = home.open_apart().await;
    let doc = node.create("secret").await.unwrap();
    doc.put(&json!({ "a": 1 })).unwrap().await.unwrap();
    let mut changes = doc.watch();
    node.delete(doc.id()).await.unwrap();
    assert!(matches!(node.doc("secret").await, Err(Error::NotFound { .. })));
    assert!(matches!(node.delete(doc.id()).await, Err(Error::Command(_))));
    assert!(matches!(node.accept(doc.id()).await, Err(Error::Command(_))));
    assert_eq!(node.docs().await.unwrap()[0].standing, Standing::Deleted);
    within(async { while changes.next().await.is_some() {} }).await;
    assert!(matches!(doc.put(&json!({ "a": 2 })), Err(Error::NotOpen(_))));
    node.close().await;
    let node = home.open_apart().await;
    assert!(matches!(node.doc("secret").await, Err(Error::NotFound { .. })));
    node.close().await;
}

#[tokio::test]
async fn stores_are_made_once_and_opened_by_one() {
    let home = Home::new("Ana", "laptop");
    let missing = home.builder().network(Network::None).open().await;
    assert!(matches!(missing, Err(Error::Store(OpenError::Missing { .. }))));
    let (node, phrase) = home.builder().network(Network::None).init().await.unwrap();
    assert_eq!(phrase.words().split(' ').count(), 24);
    let busy = home.builder().network(Network::None).open().await;
    assert!(matches!(busy, Err(Error::Store(OpenError::Locked { .. }))));
    node.close().await;
    let again = home.builder().network(Network::None).init().await;
    assert!(matches!(again, Err(Error::Store(OpenError::AlreadyExists { .. }))));
    assert!(home.builder().take_recovery_phrase().await.unwrap().is_none(), "they were shown already");
}

#[tokio::test]
async fn recovery_words_are_kept_until_they_were_shown_once() {
    let home = Home::new("Ana", "laptop");
    home.open_apart().await.close().await;
    let phrase = home.builder().take_recovery_phrase().await.unwrap().unwrap();
    assert_eq!(phrase.words().split(' ').count(), 24);
    assert!(home.builder().take_recovery_phrase().await.unwrap().is_none());
    home.open_apart().await.close().await;
}

#[tokio::test]
async fn a_closed_node_says_so() {
    let node = Home::new("Ana", "laptop").open_apart().await;
    let doc = node.create("list").await.unwrap();
    let (other, mut changes): (Node, _) = (node.clone(), doc.watch());
    node.close().await;
    assert!(matches!(other.create("more").await, Err(Error::Hub(_))));
    assert!(within(changes.next()).await.is_none());
}
