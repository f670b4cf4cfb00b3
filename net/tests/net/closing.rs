//! Closing a hub lets go of everything it held.

use automerge::ROOT;
use automerge::transaction::Transactable;
use katori_acl::Role;
use katori_core::engine::Command;
use katori_net::HubError;

use crate::world::{Device, pair_with};

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_that_nobody_waited_for_is_kept_and_sent() {
    let (mut ana, ben, document) = pair_with(Role::Write).await;
    let open = ana.document(document).await;
    let ((), _, saving, _) = open.edit(|edit| edit.put(ROOT, "milk", "last")).unwrap();
    drop(saving);
    ana.close().await;
    ben.shows(document, "milk", "last").await;
    // The handle is still held, and does not keep the store.
    ana.open().await;
    ana.shows(document, "milk", "last").await;
    let ((), _, saving, _) = open.edit(|edit| edit.put(ROOT, "milk", "too late")).unwrap();
    assert!(matches!(saving.await, Err(HubError::Closed)));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_who_vanished_is_welcome_again_at_once() {
    let (ana, mut ben, document) = pair_with(Role::Write).await;
    ben.put(document, "bread", "two").await;
    ben.cut().await;
    ana.put(document, "milk", "three").await;
    ben.open().await;
    ben.shows(document, "bread", "two").await;
    ben.shows(document, "milk", "three").await;
    ana.shows(document, "bread", "two").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_hub_says_so() {
    let mut ana = Device::start("Ana").await;
    let (hub, contact) = (ana.hub().clone(), ana.hub().contact());
    hub.close().await;
    hub.close().await;
    let answer = hub.command(Command::Create { name: "late".to_owned(), space: None }).await;
    assert!(matches!(answer, Err(HubError::Closed)));
    assert!(!hub.settled(std::time::Duration::from_secs(5)).await);
    // A handle that is still held keeps neither the store nor the port.
    ana.open().await;
    assert_eq!(ana.hub().contact(), contact);
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_goes_on_when_nobody_waits_for_it_any_more() {
    let (mut ana, ben, document) = pair_with(Role::Write).await;
    ana.put(document, "milk", "last").await;
    let hub = ana.hub().clone();
    let mut closing = Box::pin(hub.close());
    let first = std::future::poll_fn(|context| std::task::Poll::Ready(closing.as_mut().poll(context)));
    assert!(first.await.is_pending());
    drop(closing);
    // Whoever closes again waits for the same end, and the store is free then.
    hub.close().await;
    ana.open().await;
    ana.shows(document, "milk", "last").await;
    ben.shows(document, "milk", "last").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_of_a_document_that_was_put_away_is_not_saved() {
    let ana = Device::start("Ana").await;
    let document = ana.create("groceries").await;
    ana.put(document, "milk", "one").await;
    let open = ana.document(document).await;
    ana.hub().command(Command::Forget { document }).await.unwrap();
    assert!(matches!(ana.hub().open(document).await, Err(HubError::UnknownDocument(_))));
    if let Ok(((), _, saving, _)) = open.edit(|edit| edit.put(ROOT, "milk", "two")) {
        assert!(matches!(saving.await, Err(HubError::UnknownDocument(_))));
    }
}
