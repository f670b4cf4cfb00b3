//! A copy of a store that is in use, put in the place of a lost one, or opened beside it against all advice.

use std::fs;
use std::path::Path;

use katori::{Error, HubError, Network, Node, ROOT, ReadDoc, Role, STORE_FILE, Transactable};
use tempfile::TempDir;

use crate::house::{Two, two, until, within};

/// A folder with a backup in the place of the store.
fn restored(file: &Path) -> TempDir {
    let folder = TempDir::new().unwrap();
    fs::copy(file, folder.path().join(STORE_FILE)).unwrap();
    folder
}

async fn open(folder: &Path, network: Network) -> Node {
    let builder = Node::builder(folder).network(network).bind(([127, 0, 0, 1], 0).into());
    within(builder.open_or_init()).await.unwrap()
}

#[tokio::test]
async fn a_backup_made_while_two_write_is_a_moment_of_it_and_forks_nobody() {
    let two = two(Role::Write).await;
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("ana.backup");
    let writing = |doc: katori::Doc, who: &'static str, from: u32| async move {
        for number in from..from + 60 {
            let key = format!("{who} {number}");
            doc.change(|edit| edit.put(ROOT, key, i64::from(number))).unwrap().await.unwrap();
        }
    };
    let (_, (), ()) = within(async {
        tokio::join!(
            two.ana.backup(&file),
            writing(two.hers.clone(), "ana", 0),
            writing(two.his.clone(), "ben", 0)
        )
    })
    .await;
    // And one of a moment in which it is known what there is.
    let later = folder.path().join("later.backup");
    let copied = two.ana.backup(&later).await.unwrap();
    assert!(copied.rows > 0 && copied.bytes > 0);
    for number in 0..5 {
        two.hers.change(|edit| edit.put(ROOT, "after", number)).unwrap().await.unwrap();
    }

    // Both copies are opened beside the store, by somebody who was told not to, and all three are written.
    let mut restorations = Vec::new();
    for (number, file) in [&file, &later].into_iter().enumerate() {
        let folder = restored(file);
        assert!(katori::check(folder.path(), |_| {}).await.unwrap().is_clean());
        let node = open(folder.path(), Network::None).await;
        assert_eq!(node.me(), two.ana.me());
        let doc = node.doc("groceries").await.unwrap();
        doc.change(|edit| edit.put(ROOT, format!("copy {number}"), true)).unwrap().await.unwrap();
        assert!(doc.view(|doc| doc.get(ROOT, "after").unwrap().is_none()));
        node.close().await;
        restorations.push((folder, number));
    }
    two.hers.change(|edit| edit.put(ROOT, "original", true)).unwrap().await.unwrap();
    until(&two.his, |his| his.view_json()["original"] == true).await;

    // The store is lost; a copy takes its place. What Ben has comes back from him, and nobody forked.
    let Two { homes: (_, ben_home), ana, ben, hers, his } = two;
    drop(hers);
    ana.close().await;
    for (folder, number) in &restorations {
        let ana = open(folder.path(), Network::Offline).await;
        let hers = ana.doc("groceries").await.unwrap();
        until(&hers, |hers| hers.view_json()["after"] == 4 && hers.view_json()["original"] == true).await;
        until(&his, |his| his.view_json()[format!("copy {number}")] == true).await;
        hers.change(|edit| edit.put(ROOT, format!("again {number}"), true)).unwrap().await.unwrap();
        until(&his, |his| his.view_json()[format!("again {number}")] == true).await;
        assert!(hers.forks().is_empty() && his.forks().is_empty());
        assert_eq!(hers.held().len() + his.held().len(), 0);
        ana.close().await;
    }
    ben.close().await;
    assert!(katori::check(ben_home.directory(), |_| {}).await.unwrap().is_clean());
}

#[tokio::test]
async fn a_backup_in_the_very_place_of_the_store_knows_that_it_is_one() {
    let folder = TempDir::new().unwrap();
    let node = open(folder.path(), Network::None).await;
    let doc = node.create("list").await.unwrap();
    let put = async |doc: &katori::Doc, key: &str| {
        doc.change(|edit| edit.put(ROOT, key, true)).unwrap().await.unwrap();
        let last = doc.history().into_iter().next_back().unwrap();
        doc.view(|doc| doc.get_change_by_hash(&last.hash).unwrap().actor_id().clone())
    };
    let first = put(&doc, "before").await;
    let file = folder.path().join("backup");
    node.backup(&file).await.unwrap();
    assert_eq!(put(&doc, "after").await, first, "who goes on where he was goes on as he was");
    node.close().await;
    // Written over the store: it lies where it lay, and is the same file to the system.
    fs::write(folder.path().join(STORE_FILE), fs::read(&file).unwrap()).unwrap();
    let node = open(folder.path(), Network::None).await;
    let doc = node.doc("list").await.unwrap();
    assert_ne!(put(&doc, "instead").await, first);
    node.close().await;
}

#[tokio::test]
async fn a_backup_writes_over_nothing() {
    let folder = TempDir::new().unwrap();
    let node = open(folder.path(), Network::None).await;
    let refused = node.backup(folder.path().join(STORE_FILE)).await.unwrap_err();
    assert!(matches!(refused, Error::Hub(HubError::Backup(_))), "{refused:?}");
    assert!(refused.to_string().contains("left as it is"), "{refused}");
    let busy = katori::check(folder.path(), |_| {}).await.unwrap_err();
    assert!(matches!(busy, Error::Store(katori::OpenError::Locked { .. })), "{busy:?}");
    node.close().await;
    assert!(katori::check(folder.path(), |_| {}).await.unwrap().is_clean());
    let repaired = katori::repair(folder.path(), |_| {}).await.unwrap();
    assert!(repaired.copy.is_none() && repaired.after.is_clean());
}
