//! Nodes with stores of their own, and waiting for what is going to happen.

use std::future::Future;
use std::path::Path;
use std::time::Duration;

use katori::{Doc, Network, Node, NodeBuilder, PairingEnd, Role};
use tempfile::TempDir;

/// Far more than anything here takes, so that only a real fault runs into it.
const PATIENCE: Duration = Duration::from_secs(30);

/// A device, as a directory that a node can be opened in again and again.
pub(crate) struct Home {
    directory: TempDir,
    person: &'static str,
    device: &'static str,
}

impl Home {
    pub(crate) fn new(person: &'static str, device: &'static str) -> Self {
        Self { directory: TempDir::new().unwrap(), person, device }
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn builder(&self) -> NodeBuilder {
        Node::builder(self.directory.path())
            .person_name(self.person)
            .device_name(self.device)
            .network(Network::Offline)
            .bind(([127, 0, 0, 1], 0).into())
    }

    pub(crate) async fn open(&self) -> Node {
        within(self.builder().open_or_init()).await.unwrap()
    }

    /// Without any network, as on a plane.
    pub(crate) async fn open_apart(&self) -> Node {
        within(self.builder().network(Network::None).open_or_init()).await.unwrap()
    }
}

/// Ana has a document, and Ben has joined it with this role.
pub(crate) struct Two {
    pub(crate) homes: (Home, Home),
    pub(crate) ana: Node,
    pub(crate) ben: Node,
    pub(crate) hers: Doc,
    pub(crate) his: Doc,
}

pub(crate) async fn two(role: Role) -> Two {
    let homes = (Home::new("Ana", "laptop"), Home::new("Ben", "phone"));
    let (ana, ben) = (homes.0.open().await, homes.1.open().await);
    let hers = ana.create("groceries").await.unwrap();
    hers.put(&serde_json::json!({ "milk": 2 })).unwrap().await.unwrap();
    let ticket = hers.invite(role).await.unwrap();
    let his = within(ben.join(&ticket)).await.unwrap();
    until(&his, |his| his.view_json()["milk"] == 2).await;
    Two { homes, ana, ben, hers, his }
}

impl Home {
    /// Opens it as another device of a node's person, with somebody at both who finds the digits to be the same.
    pub(crate) async fn paired_with(&self, node: &Node) -> Node {
        let ticket = node.invite_device().await.unwrap();
        let mut pairings = node.pairings();
        let builder = self.builder().confirm_digits(|_| async { true });
        let answer = async {
            let pairing = pairings.next().await.unwrap();
            assert_eq!(pairing.answer(true).await, PairingEnd::Paired);
        };
        let (paired, ()) = within(async { tokio::join!(builder.pair(&ticket), answer) }).await;
        paired.unwrap()
    }
}

/// Waits until something asked of a node is as it should be.
pub(crate) async fn until_asked<F: Future<Output = bool>>(node: &Node, holds: impl Fn() -> F) {
    let mut events = node.hub().events();
    // News of a join come another way, so it is looked at now and then as well.
    let mut look = tokio::time::interval(Duration::from_millis(50));
    let wait = async {
        while !holds().await {
            tokio::select! {
                _ = events.recv() => {}
                _ = look.tick() => {}
            }
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.expect("it never came to be");
}

/// The result, in any reasonable time.
pub(crate) async fn within<R>(work: impl Future<Output = R>) -> R {
    tokio::time::timeout(PATIENCE, work).await.expect("it takes far too long")
}

/// Waits until a document is as it should be.
pub(crate) async fn until(doc: &Doc, holds: impl Fn(&Doc) -> bool) {
    let mut changes = doc.watch();
    let wait = async {
        while !holds(doc) {
            changes.next().await.expect("the node was closed");
        }
    };
    let came = tokio::time::timeout(PATIENCE, wait).await;
    assert!(came.is_ok(), "it never came to be: {} held {:?}", doc.view_json(), doc.held());
}
