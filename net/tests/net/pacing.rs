//! Slower when it is asked to be, and everything that can be done before an app is suspended.

use std::time::Duration;

use automerge::ROOT;
use automerge::transaction::Transactable;
use katori_acl::{ResourceId, Role};
use katori_net::{Flushed, Network};

use crate::world::{DEADLINE, Device, Stranger, config, pair_with, secret};

/// Too short for anything that is not under way already.
const MOMENT: Duration = Duration::from_millis(200);

/// Edits, and waits for nothing.
async fn edit(device: &Device, document: ResourceId, value: &str) {
    let open = device.document(document).await;
    drop(open.edit(|edit| edit.put(ROOT, "milk", value)).unwrap());
}

/// What does not compress, in letters.
fn noise(bytes: usize) -> String {
    let mut text = String::new();
    while text.len() < bytes {
        let piece = blake3::hash(&[secret().as_slice(), &text.len().to_be_bytes()].concat());
        text.push_str(&piece.to_hex());
    }
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flush_ends_when_all_is_with_everybody_who_is_connected() {
    let (ana, mut ben, document) = pair_with(Role::Write).await;
    edit(&ana, document, "two").await;
    let flushed = ana.hub().flush(DEADLINE).await.unwrap();
    assert!(flushed.is_complete(), "{flushed:?}");
    assert_eq!(flushed.peers.len(), 1);
    assert_eq!(flushed.peers[0].device, ben.hub().device());
    // It is durable there: what is cut off now is not lost.
    ben.cut().await;
    ben.open_with(config(Network::None)).await;
    ben.shows(document, "milk", "two").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flush_with_nobody_there_ends_when_all_is_durable() {
    let (mut ana, mut ben, document) = pair_with(Role::Write).await;
    ben.close().await;
    ana.close().await;
    ana.open_with(config(Network::None)).await;
    edit(&ana, document, "two").await;
    assert_eq!(ana.hub().flush(DEADLINE).await.unwrap(), Flushed::default());
    ana.cut().await;
    ana.open_with(config(Network::None)).await;
    ana.shows(document, "milk", "two").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flush_says_what_a_fault_has_cost() {
    let (ana, _ben, document) = pair_with(Role::Write).await;
    // Edits are gathered for a while, so that the next is not durable when the fault comes up.
    ana.hub().set_background(true).await;
    edit(&ana, document, "two").await;
    assert!(ana.hub().flush(DEADLINE).await.unwrap().is_complete());
    ana.put(document, "milk", "three").await;
    let open = ana.document(document).await;
    let faulty = tokio::task::spawn_blocking(move || {
        drop(open.edit(|edit| edit.put(ROOT, "milk", "four")).unwrap());
        drop(open.edit::<(), automerge::AutomergeError>(|_| panic!("in the middle of an edit")));
    });
    assert!(faulty.await.unwrap_err().is_panic());
    let flushed = ana.hub().flush(DEADLINE).await.unwrap();
    assert!(!flushed.is_complete() && flushed.unsaved.is_empty(), "{flushed:?}");
    assert_eq!(flushed.lost, [document]);
    ana.shows(document, "milk", "three").await;
    // It is said once.
    assert!(ana.hub().flush(DEADLINE).await.unwrap().is_complete());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flush_says_who_has_not_got_what() {
    let (ana, mut ben, document) = pair_with(Role::Write).await;
    let device = ben.hub().device();
    assert!(ana.hub().settled(DEADLINE).await);
    ben.close().await;
    // Something with Ben's key connects, and says nothing.
    let silent = Stranger::with_key(&ben.identity.key).await;
    let _wire = silent.link(&ana.hub().contact()).await;
    edit(&ana, document, "two").await;
    let flushed = ana.hub().flush(MOMENT).await.unwrap();
    assert!(!flushed.is_complete() && flushed.unsaved.is_empty(), "{flushed:?}");
    let peer = &flushed.peers[0];
    assert!(peer.device == device && peer.is_comparing && peer.behind == [document], "{flushed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn under_a_cap_much_takes_long_and_arrives_when_it_is_lifted() {
    let (ana, ben, document) = pair_with(Role::Write).await;
    ana.hub().set_bandwidth(Some(2 << 10));
    assert_eq!(ana.hub().bandwidth(), Some(2 << 10));
    let much = noise(400 << 10);
    edit(&ana, document, &much).await;
    // It takes more than a minute and a half.
    let flushed = ana.hub().flush(MOMENT).await.unwrap();
    assert!(flushed.unsaved.is_empty() && !flushed.is_complete());
    ana.hub().set_bandwidth(None);
    assert!(ana.hub().flush(DEADLINE).await.unwrap().is_complete());
    ben.shows(document, "milk", &much).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_the_background_everything_still_comes() {
    let (ana, ben, document) = pair_with(Role::Write).await;
    for device in [&ana, &ben] {
        device.hub().set_background(true).await;
    }
    for round in 0..3 {
        let value = round.to_string();
        ana.put(document, "milk", &value).await;
        ben.shows(document, "milk", &value).await;
        ben.put(document, "bread", &value).await;
        ana.shows(document, "bread", &value).await;
    }
    edit(&ana, document, "at once").await;
    assert!(ana.hub().flush(DEADLINE).await.unwrap().is_complete());
    ana.hub().set_background(false).await;
    ana.put(document, "milk", "awake").await;
    ben.shows(document, "milk", "awake").await;
}
