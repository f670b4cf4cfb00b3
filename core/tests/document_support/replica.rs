//! A document on one device, with its store; and what a rogue can make without one.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test ends with a panic")]
#![allow(dead_code, reason = "each test takes what it needs")]

use std::sync::Arc;

use automerge::transaction::{Transactable, Transaction};
use automerge::{ActorId, Automerge, AutomergeError, ChangeHash, ObjId, ROOT, ReadDoc, TextEncoding};
use katori_acl::{Access, ResourceId};
use katori_core::actor::device_actor;
use katori_core::document::{
    Batch, Document, DocumentLimits, Done, Held, HeldReason, Peer, Served, Stored, Turn, Want,
};
use katori_core::gate::{Limits, RawChange, inspect};
use katori_core::pack::pack;
use katori_core::store::{MemoryStore, Storage, Table};
use katori_core::time::Timestamp;
use katori_core::vouch::VerifiedVouch;

use crate::scene::{Device, Scene};

/// A document on one device.
pub(crate) struct Replica {
    pub(crate) me: Device,
    pub(crate) document: Document,
    store: MemoryStore,
    opened: u8,
}

impl Replica {
    /// An empty one.
    pub(crate) fn new(scene: &Scene, me: &Device) -> Self {
        let (me, store) = (Arc::clone(me), MemoryStore::new());
        let limits = DocumentLimits::default();
        let document = Document::new(scene.document, Arc::clone(&me), scene.access(), limits, [7; 32]);
        Self { me, document, store, opened: 0 }
    }

    /// Stores what a step wrote.
    pub(crate) fn keep(&mut self, done: &Done) {
        self.store.commit(&done.writes).unwrap();
    }

    /// Closes the document and opens it again.
    pub(crate) fn reopen(&mut self, access: Arc<Access>) {
        self.opened += 1;
        let id = self.document.id();
        let stored = Stored::read(&self.store, &id).unwrap();
        let (me, limits) = (Arc::clone(&self.me), DocumentLimits::default());
        self.document = Document::load(id, me, access, limits, [self.opened; 32], &stored).unwrap();
    }

    /// The packs in the store, in their order.
    pub(crate) fn packs(&self) -> Vec<Vec<u8>> {
        let packs = self.store.scan(Table::Packs, self.document.id().as_bytes()).unwrap();
        packs.into_iter().map(|(_, pack)| pack).collect()
    }

    /// What the store holds.
    pub(crate) fn rows(&self) -> Vec<Vec<(Vec<u8>, Vec<u8>)>> {
        Table::ALL.into_iter().map(|table| self.store.scan(table, &[]).unwrap()).collect()
    }

    /// Merges packs, if that is worth while.
    pub(crate) fn merge(&mut self) -> bool {
        let done = self.document.merge();
        if let Some(done) = &done {
            self.keep(done);
        }
        done.is_some()
    }

    /// Edits, signs and stores; returns the change.
    pub(crate) fn edit(
        &mut self,
        edit: impl FnOnce(&mut Transaction<'_>) -> Result<(), AutomergeError>,
    ) -> ChangeHash {
        let hash = self.document.edit(Timestamp(5_000), edit).unwrap().hash.unwrap();
        let done = self.document.flush();
        self.keep(&done);
        hash
    }

    /// Sets a key of the root.
    pub(crate) fn put(&mut self, key: &str) -> ChangeHash {
        self.edit(|edit| edit.put(ROOT, key, "value"))
    }

    /// Hears what was granted and revoked since.
    pub(crate) fn hear(&mut self, scene: &Scene) {
        let done = self.document.reevaluate(scene.access(), &[]);
        self.keep(&done);
    }

    /// Takes in changes and vouches from somebody.
    pub(crate) fn receive(&mut self, from: &Device, changes: &[RawChange], vouches: &[Vec<u8>]) {
        let packs = if changes.is_empty() { Vec::new() } else { vec![pack(changes)] };
        let batch = Batch { packs, vouches: vouches.to_vec(), farewell: false };
        let done = self.document.ingest(vec![(from.device(), batch)]);
        for report in &done.ingested {
            assert!(!report.is_hostile() && report.orphans == 0, "{report:?}");
        }
        self.keep(&done);
    }

    /// Does what is owed: vouches, but applies nothing again.
    pub(crate) fn discharge(&mut self) {
        if self.document.summary().owes_vouch {
            let done = self.document.discharge();
            self.keep(&done);
            assert!(!self.document.summary().owes_vouch);
        }
    }

    /// Applies lost work again.
    pub(crate) fn reapply(&mut self, turn: Turn) -> Vec<ChangeHash> {
        let done = self.document.reapply(turn);
        self.keep(&done);
        done.shown.map(|shown| shown.admitted).unwrap_or_default()
    }

    /// The keys of the root, sorted.
    pub(crate) fn keys(&self) -> Vec<String> {
        self.document.automerge().keys(ROOT).collect()
    }

    pub(crate) fn shows(&self, hash: &ChangeHash) -> bool {
        self.document.history().any(|entry| entry.hash == *hash)
    }

    pub(crate) fn held(&self, hash: &ChangeHash) -> Held {
        self.document.held().into_iter().find(|held| held.hash == *hash).unwrap()
    }

    pub(crate) fn reason(&self, hash: &ChangeHash) -> HeldReason {
        self.held(hash).reason
    }
}

/// Sends all that one has to the other.
pub(crate) fn deliver(from: &Replica, to: &mut Replica) {
    let vouches = to.document.vouch_ids().into_iter().collect();
    let batch = served(&from.document, &to.me, Peer { version: to.document.version(), vouches });
    let done = to.document.ingest(vec![(from.me.device(), batch)]);
    to.keep(&done);
}

/// All that a document serves to somebody who has this.
pub(crate) fn served(document: &Document, to: &Device, mut known: Peer) -> Batch {
    let mut batch = Batch::default();
    loop {
        let want = Want { peer: to.device(), known, receipt: Vec::new(), own_only: false, is_ahead: false };
        let Served { pack, vouches, then, more, .. } = document.serve_all(vec![want]).served.remove(0);
        batch.packs.extend(pack);
        batch.vouches.extend(vouches.into_iter().map(|(_, bytes)| bytes));
        known = then;
        if !more {
            return batch;
        }
    }
}

/// An exchange both ways, after which each does what it owes.
pub(crate) fn sync(one: &mut Replica, other: &mut Replica) {
    // The versions are compared again when a fork shows.
    for _ in 0..2 {
        deliver(one, other);
        deliver(other, one);
    }
    one.discharge();
    other.discharge();
}

/// Everybody with everybody, until nothing changes.
pub(crate) fn sync_all(replicas: &mut [Replica]) {
    let state = |replicas: &[Replica]| -> Vec<_> {
        replicas.iter().map(|replica| replica.document.summary().digest()).collect()
    };
    for _ in 0..10 {
        let before = state(replicas);
        for one in 0..replicas.len() {
            let (left, right) = replicas.split_at_mut(one + 1);
            for other in right {
                sync(&mut left[one], other);
            }
        }
        if state(replicas) == before {
            return;
        }
    }
    panic!("no end of exchanging");
}

/// Asserts that all have and show the same.
pub(crate) fn assert_equal(replicas: &[Replica]) {
    for replica in replicas {
        assert_eq!(replica.document.summary().digest(), replicas[0].document.summary().digest());
        assert_eq!(replica.document.heads(), replicas[0].document.heads());
    }
}

/// A document in nobody's care, to make changes from.
pub(crate) fn empty() -> Automerge {
    Automerge::new_with_encoding(TextEncoding::UnicodeCodePoint)
}

/// An actor of a device.
pub(crate) fn actor(device: &Device, document: ResourceId, incarnation: u8) -> ActorId {
    device_actor(&device.device(), &document, [incarnation; 8])
}

/// Makes a change in a document of its own, under any actor.
pub(crate) fn forge(
    base: &mut Automerge,
    actor: ActorId,
    edit: impl FnOnce(&mut Transaction<'_>) -> Result<(), AutomergeError>,
) -> RawChange {
    let before = base.get_heads();
    base.set_actor(actor);
    base.transact(edit).unwrap();
    let change = base.get_changes(&before).pop().unwrap();
    inspect(change.raw_bytes(), &Limits::default()).unwrap()
}

/// Two or more changes in one place, each setting a key named after its number; in order of their hashes.
pub(crate) fn fork(base: &Automerge, actor: &ActorId, keys: &[&str]) -> Vec<RawChange> {
    let mut branches: Vec<RawChange> = keys
        .iter()
        .map(|key| forge(&mut base.clone(), actor.clone(), |edit| edit.put(ROOT, *key, "forked")))
        .collect();
    branches.sort_by_key(RawChange::hash);
    branches
}

/// A change in the place of another, with a lower hash: it is ground.
pub(crate) fn grind(base: &Automerge, actor: &ActorId, below: ChangeHash) -> RawChange {
    (0..10_000)
        .map(|salt: u64| forge(&mut base.clone(), actor.clone(), |edit| edit.put(ROOT, "ground", salt)))
        .find(|change| change.hash() < below)
        .unwrap()
}

/// A vouch with any counter over any heads.
pub(crate) fn vouch(device: &Device, document: ResourceId, counter: u64, heads: &[ChangeHash]) -> Vec<u8> {
    let vouch = VerifiedVouch::sign(&device.key, document, device.person, counter, heads.to_vec());
    vouch.bytes().to_vec()
}

/// The text of an object.
pub(crate) fn text(replica: &Replica, object: &ObjId) -> String {
    replica.document.automerge().text(object).unwrap()
}
