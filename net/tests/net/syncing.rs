//! What people do: invite, join, edit on both sides, close and come back.

use automerge::transaction::Transactable;
use automerge::{ObjType, ROOT};
use katori_acl::{ResourceId, Role};
use katori_core::document::{Document, Shown};
use katori_core::engine::Event;
use katori_net::{Network, PeerState};
use tokio::time::timeout;

use crate::world::{DEADLINE, Device, config, pair_with};

#[tokio::test(flavor = "multi_thread")]
async fn two_people_write_one_document() {
    let (ana, ben, document) = pair_with(Role::Write).await;
    ana.put(document, "bread", "two").await;
    ben.shows(document, "bread", "two").await;
    ben.put(document, "milk", "three").await;
    ana.shows(document, "milk", "three").await;
    assert!(ana.hub().settled(DEADLINE).await && ben.hub().settled(DEADLINE).await);

    let peers = ana.hub().peers();
    assert_eq!(peers.len(), 1);
    assert_eq!(peers[0].device, ben.hub().device());
    assert!(matches!(peers[0].state, PeerState::Connected { direct: true, .. }), "{peers:?}");
    assert!(peers[0].sent_frames > 0 && peers[0].received_bytes > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_who_was_away_catches_up_and_brings_his_own() {
    let (ana, mut ben, document) = pair_with(Role::Write).await;
    let contact = ben.hub().contact();
    ben.close().await;
    ana.put(document, "bread", "two").await;
    // What Ben writes without a network he brings along.
    ben.open_with(config(Network::None)).await;
    ben.put(document, "butter", "half").await;
    assert!(ben.hub().settled(DEADLINE).await, "without a network nobody is waited for");
    ben.close().await;

    ben.open().await;
    assert_eq!(ben.hub().contact(), contact, "the port stays the same");
    ben.shows(document, "bread", "two").await;
    ana.shows(document, "butter", "half").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn both_dial_at_once_and_have_one_session() {
    let (mut ana, mut ben, document) = pair_with(Role::Write).await;
    for round in 0..3 {
        ana.close().await;
        ben.close().await;
        tokio::join!(ana.open(), ben.open());
        let value = format!("round {round}");
        ana.put(document, "milk", &value).await;
        ben.shows(document, "milk", &value).await;
        assert!(ana.hub().settled(DEADLINE).await && ben.hub().settled(DEADLINE).await);
        for device in [&ana, &ben] {
            let sessions = device.hub().ask(|engine| engine.connected_peers().count()).await.unwrap();
            assert_eq!((sessions, device.hub().peers().len()), (1, 1));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_reads_and_cannot_write() {
    let (ana, ben, document) = pair_with(Role::Read).await;
    let open = ben.document(document).await;
    assert!(open.edit(|edit| edit.put(ROOT, "milk", "none")).is_err());
    ana.put(document, "milk", "two").await;
    ben.shows(document, "milk", "two").await;
}

/// What becomes of the next change of a document that comes from elsewhere.
async fn next_shown(events: &mut tokio::sync::broadcast::Receiver<Event>, document: ResourceId) -> Shown {
    let next = async {
        loop {
            if let Event::Changed { document: changed, shown } = events.recv().await.unwrap()
                && changed == document
            {
                return shown;
            }
        }
    };
    timeout(DEADLINE, next).await.expect("a change comes in time")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_an_app_has_open_can_be_edited_while_changes_are_taken_in() {
    let (ana, ben, document) = pair_with(Role::Write).await;
    let open = ana.document(document).await;
    let long = "katori ".repeat(2_000);
    let ((), _, saving, _) = open
        .edit(|edit| {
            let text = edit.put_object(ROOT, "long", ObjType::Text)?;
            edit.splice_text(&text, 0, 0, &long)
        })
        .unwrap();
    saving.await.unwrap();
    ana.put(document, "bread", "two").await;
    ben.shows(document, "bread", "two").await;

    let mut events = ben.hub().events();
    ana.put(document, "bread", "three").await;
    assert!(!next_shown(&mut events, document).await.rehearsed, "nobody has it open");
    let his = ben.document(document).await;
    ana.put(document, "bread", "four").await;
    assert!(!next_shown(&mut events, document).await.rehearsed, "nobody edits it");
    ben.put(document, "milk", "none").await;
    for number in 0..10 {
        let amount = number.to_string();
        ana.put(document, "bread", &amount).await;
        ben.put(document, "milk", &amount).await;
        assert!(next_shown(&mut events, document).await.rehearsed);
        ben.shows(document, "bread", &amount).await;
        ana.shows(document, "milk", &amount).await;
    }
    assert_eq!(his.with(Document::heads), open.with(Document::heads));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_in_an_edit_costs_that_edit_alone() {
    let ana = Device::start("Ana").await;
    let document = ana.create("groceries").await;
    ana.put(document, "milk", "one").await;
    let open = ana.document(document).await;
    let panicking = open.clone();
    let panicked = tokio::task::spawn_blocking(move || {
        panicking.edit::<(), automerge::AutomergeError>(|edit| {
            edit.put(ROOT, "milk", "spilled")?;
            panic!("in the middle of an edit")
        })
    });
    assert!(panicked.await.is_err());
    ana.shows(document, "milk", "one").await;
    ana.put(document, "milk", "two").await;
    ana.shows(document, "milk", "two").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_hears_of_what_comes_from_elsewhere() {
    let (ana, ben, document) = pair_with(Role::Write).await;
    let mut events = ben.hub().events();
    ana.put(document, "bread", "two").await;
    assert_eq!(next_shown(&mut events, document).await.admitted.len(), 1);
}
