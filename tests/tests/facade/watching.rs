//! Watching: where a change comes from, and what a slow watcher is told.

use katori::automerge::PatchAction;
use katori::{ObjType, Origin, ROOT, Role, Transactable};
use serde_json::json;

use crate::house::{Home, Two, two, until, within};

#[tokio::test]
async fn local_and_remote_changes_are_told_apart() {
    let two = two(Role::Write).await;
    let (mut by_ana, mut by_ben) = (two.hers.watch(), two.his.watch());
    two.hers.put(&json!({ "milk": 3 })).unwrap().await.unwrap();
    let local = within(by_ana.next()).await.unwrap();
    assert_eq!((local.origin, local.patches.len(), local.heads), (Origin::Local, 1, two.hers.heads()));
    let remote = within(by_ben.next()).await.unwrap();
    let Origin::Remote { who } = remote.origin else { panic!("it came from Ana: {:?}", remote.origin) };
    assert_eq!(who.iter().map(ToString::to_string).collect::<Vec<_>>(), ["Ana (laptop)"]);
    assert!(matches!(&remote.patches[0].action, PatchAction::PutMap { key, .. } if key == "milk"));
    assert_eq!((remote.heads, remote.withdrawn), (two.his.heads(), 0));
    two.ana.close().await;
    two.ben.close().await;
}

#[tokio::test]
async fn a_slow_watcher_is_told_more_at_once_and_misses_nothing() {
    let node = Home::new("Ana", "laptop").open_apart().await;
    let doc = node.create("note").await.unwrap();
    let text = doc.change(|edit| edit.put_object(ROOT, "text", ObjType::Text)).unwrap().await.unwrap();
    let mut changes = doc.watch();
    for letter in ["a", "b", "c"].repeat(200) {
        doc.change(|edit| edit.splice_text(&text, 0, 0, letter)).unwrap();
    }
    let change = within(changes.next()).await.unwrap();
    assert_eq!((change.origin, &change.heads), (Origin::Local, &doc.heads()));
    let PatchAction::SpliceText { index: 0, value, .. } = &change.patches[0].action else {
        panic!("one insertion: {:?}", change.patches);
    };
    assert_eq!((change.patches.len(), value.make_string()), (1, "cba".repeat(200)));
    node.close().await;
    assert!(within(changes.next()).await.is_none());
}

#[tokio::test]
async fn dropping_a_wait_loses_nothing() {
    let node = Home::new("Ana", "laptop").open_apart().await;
    let doc = node.create("note").await.unwrap();
    let mut changes = doc.watch();
    for milk in 0..50 {
        doc.put(&json!({ "milk": milk })).unwrap();
        tokio::select! {
            biased;
            () = std::future::ready(()) => {}
            _ = changes.next() => {}
        }
    }
    let change = within(changes.next()).await.unwrap();
    assert_eq!(change.heads, doc.heads());
    node.close().await;
}

#[tokio::test]
async fn patches_of_both_sides_fit_one_after_another() {
    let two = two(Role::Write).await;
    let mut changes = two.hers.watch();
    let text = two.hers.change(|edit| edit.put_object(ROOT, "text", ObjType::Text)).unwrap().await.unwrap();
    until(&two.his, |his| his.text("text").is_ok()).await;
    for turn in 0..40 {
        two.hers.change(|edit| edit.splice_text(&text, 0, 0, "ana ")).unwrap();
        two.his.change(|edit| edit.splice_text(&text, 0, 0, "ben ")).unwrap();
        if turn % 10 == 0 {
            until(&two.hers, |hers| hers.text("text").is_ok_and(|text| text.len() > turn * 8)).await;
        }
    }
    until(&two.hers, |hers| hers.text("text").is_ok_and(|text| text.len() == 320)).await;

    // Whoever draws what the patches say draws the document.
    let mut drawn = String::new();
    let (mut local, mut remote) = (0, 0);
    while drawn.len() < 320 {
        let change = within(changes.next()).await.unwrap();
        match change.origin {
            Origin::Local => local += 1,
            Origin::Remote { .. } => remote += 1,
            other => panic!("nothing was withdrawn: {other:?}"),
        }
        for patch in &change.patches {
            if let PatchAction::SpliceText { index, value, .. } = &patch.action {
                drawn.insert_str(*index, &value.make_string());
            }
        }
    }
    assert_eq!(drawn, two.hers.text("text").unwrap());
    assert!(local > 0 && remote > 0);
    two.ana.close().await;
    two.ben.close().await;
}

#[tokio::test]
async fn what_is_withdrawn_is_told_and_can_be_taken_in() {
    let Two { homes, ana, ben, hers, his } = two(Role::Write).await;
    let cleo = Home::new("Cleo", "tablet").open().await;
    let read = within(cleo.join(&hers.invite(Role::Read).await.unwrap())).await.unwrap();
    until(&read, |read| read.view_json()["milk"] == 2).await;

    // Ana is away. What Ben writes, Cleo sees; that Ana has revoked him by then, neither knows.
    let ben_id = ben.me().person;
    ana.close().await;
    ben.hub().learn(&[cleo.hub().contact()]).await;
    his.put(&json!({ "milk": 3 })).unwrap().await.unwrap();
    until(&read, |read| read.view_json()["milk"] == 3).await;
    let hash = his.heads()[0];
    ben.close().await;
    let apart = homes.0.open_apart().await;
    apart.doc("groceries").await.unwrap().revoke(ben_id).await.unwrap();
    apart.close().await;

    // When Cleo hears of it, nobody who may write stands behind what he wrote.
    let mut changes = read.watch();
    let ana = homes.0.open().await;
    let hers = ana.doc("groceries").await.unwrap();
    let change = within(changes.next()).await.unwrap();
    assert_eq!((change.origin, change.withdrawn), (Origin::Rebuilt, 1));
    assert_eq!(read.view_json(), json!({ "milk": 2 }));
    let held = read.held();
    assert_eq!((held[0].hash, held[0].signed), (hash, true));
    assert_eq!(held[0].who.as_ref().unwrap().to_string(), "Ben (phone)");

    // Ana is told of it by her too, and says when she has it.
    let ana_id = ana.me().person;
    within(async {
        let mut events = cleo.hub().events();
        while !read.synced_with(ana_id).await.unwrap() {
            events.recv().await.unwrap();
        }
    })
    .await;
    assert_eq!(hers.held()[0].hash, hash);
    hers.take_in(&[hash]).await.unwrap();
    until(&hers, |hers| hers.view_json()["milk"] == 3).await;
    until(&read, |read| read.view_json()["milk"] == 3).await;
    ana.close().await;
    cleo.close().await;
}
