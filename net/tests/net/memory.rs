//! Documents come and go in memory, and nobody notices.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use automerge::ROOT;
use automerge::transaction::Transactable;
use katori_acl::{ResourceId, Role};
use katori_core::engine::Event;
use katori_net::{Hub, HubConfig, Network};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::world::{DEADLINE, Device, config, pair_with};

/// What a document of one value takes, generously.
const SMALL: u64 = 22 << 10;

fn roomy(documents: u64, rest_after: Duration) -> HubConfig {
    let mut config = config(Network::Offline);
    config.memory = documents * SMALL;
    config.rest_after = rest_after;
    config
}

/// Looks all the time at how much is in memory, and says what was the most.
struct Lookout(Arc<AtomicBool>, Arc<AtomicU64>, tokio::task::JoinHandle<()>);

impl Lookout {
    fn over(hub: &Hub) -> Self {
        let (stop, most) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let (hub, stopped, seen) = (hub.clone(), Arc::clone(&stop), Arc::clone(&most));
        let look = tokio::spawn(async move {
            while !stopped.load(Ordering::Relaxed) {
                seen.fetch_max(hub.memory().bytes, Ordering::Relaxed);
                tokio::task::yield_now().await;
            }
        });
        Self(stop, most, look)
    }

    async fn most(self) -> u64 {
        self.0.store(true, Ordering::Relaxed);
        self.2.await.unwrap();
        self.1.load(Ordering::Relaxed)
    }
}

async fn until_nothing_is_in_memory(device: &Device) {
    let empty = async {
        while device.hub().memory().documents > 0 {
            // Each question makes the driver look.
            device.hub().ask(|_| ()).await.unwrap();
            tokio::task::yield_now().await;
        }
    };
    timeout(DEADLINE, empty).await.expect("what nobody uses goes");
}

/// Puts a value into each of these, several at a time.
async fn put_all(device: &Arc<Device>, documents: &[ResourceId], value: &'static str) {
    let mut tasks = JoinSet::new();
    for document in documents.iter().copied() {
        let device = Arc::clone(device);
        tasks.spawn(async move { device.put(document, "milk", value).await });
        if tasks.len() >= 8 {
            tasks.join_next().await.unwrap().unwrap();
        }
    }
    while let Some(put) = tasks.join_next().await {
        put.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_documents_have_room_for_twenty() {
    const DOCUMENTS: usize = 500;
    let mut ana = Device::resting("Ana");
    ana.open_with(roomy(20, DEADLINE)).await;
    let mut phone = ana.second_device().await;
    phone.close().await;
    let lookout = Lookout::over(ana.hub());
    let mut documents = Vec::new();
    for _ in 0..DOCUMENTS {
        documents.push(ana.create("list").await);
    }
    let ana = Arc::new(ana);
    put_all(&ana, &documents, "one").await;

    phone.open_with(roomy(20, DEADLINE)).await;
    let phone_lookout = Lookout::over(phone.hub());
    let phone = Arc::new(phone);
    for document in &documents {
        phone.until_held(*document).await;
        phone.shows(*document, "milk", "one").await;
    }
    // Both at once, over the same documents in two orders.
    let backwards: Vec<ResourceId> = documents.iter().rev().copied().collect();
    tokio::join!(put_all(&ana, &documents[..250], "two"), put_all(&phone, &backwards[..250], "three"));
    for (index, document) in documents.iter().enumerate() {
        let expected = if index < 250 { "two" } else { "three" };
        ana.shows(*document, "milk", expected).await;
        phone.shows(*document, "milk", expected).await;
    }
    assert!(ana.hub().settled(DEADLINE).await && phone.hub().settled(DEADLINE).await);
    let (most, most_there) = (lookout.most().await, phone_lookout.most().await);
    // What is in use may grow while it is.
    let budget = 20 * SMALL + SMALL / 2;
    assert!(most <= budget && most_there <= budget, "{most} and {most_there} of {budget}");
    assert!(most > budget / 2, "what there is room for stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_at_rest_has_nothing_in_memory_and_still_hears() {
    let (mut ana, mut ben, document) = pair_with(Role::Write).await;
    for device in [&mut ana, &mut ben] {
        device.close().await;
        device.open_with(roomy(20, Duration::from_millis(1))).await;
    }
    ana.put(document, "milk", "two").await;
    ben.shows(document, "milk", "two").await;
    until_nothing_is_in_memory(&ana).await;
    until_nothing_is_in_memory(&ben).await;
    let mut events = ben.hub().events();
    ana.put(document, "milk", "three").await;
    let heard = async {
        while !matches!(events.recv().await.unwrap(), Event::Changed { document: changed, .. } if changed == document)
        {
        }
    };
    timeout(DEADLINE, heard).await.expect("what is not in memory is told of as well");
    ben.shows(document, "milk", "three").await;
    until_nothing_is_in_memory(&ben).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_app_holds_or_has_not_saved_stays() {
    let mut ana = Device::resting("Ana");
    // Room for none at all.
    ana.open_with(roomy(0, Duration::ZERO)).await;
    let (held, other) = (ana.create("held").await, ana.create("other").await);
    ana.put(held, "milk", "one").await;
    let open = ana.document(held).await;
    let again = open.clone();
    drop(open);
    for round in 0..20 {
        ana.put(other, "bread", &round.to_string()).await;
        ana.hub().ask(|_| ()).await.unwrap();
    }
    assert!(ana.hub().memory().documents >= 1);
    // The handle is the document that others see, not a copy of what it was.
    let ((), _, saving, _) = again.edit(|edit| edit.put(ROOT, "milk", "two")).unwrap();
    drop(again);
    ana.shows(held, "milk", "two").await;
    saving.await.unwrap();
    // An edit that nobody waits for, by somebody who has let go at once.
    let open = ana.document(held).await;
    drop(open.edit(|edit| edit.put(ROOT, "milk", "three")).unwrap());
    drop(open);
    until_nothing_is_in_memory(&ana).await;
    ana.shows(held, "milk", "three").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watched_document_stays_until_it_is_watched_no_more() {
    let mut ana = Device::resting("Ana");
    ana.open_with(roomy(20, Duration::ZERO)).await;
    let document = ana.create("watched").await;
    ana.document(document).await.set_watched(true);
    for _ in 0..20 {
        ana.hub().ask(|_| ()).await.unwrap();
    }
    assert_eq!(ana.hub().memory().documents, 1);
    ana.document(document).await.set_watched(false);
    until_nothing_is_in_memory(&ana).await;
}
