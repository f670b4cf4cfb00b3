//! A store as an engine leaves it: a person, a shelf's worth of documents with history, vouches and snapshots.
#![allow(
    dead_code,
    clippy::wildcard_enum_match_arm,
    reason = "each test binary uses a part of it, and of an engine"
)]

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use automerge::ROOT;
use automerge::transaction::Transactable;
use katori_acl::{DeviceKey, Registry, ResourceId, UnverifiedRecord};
use katori_core::document::{Document, DocumentLimits, Stored};
use katori_core::engine::{Action, Answer, Command, CommandId, Engine, Input, StoredEngine};
use katori_core::identity::{Founding, Identity};
use katori_core::store::{MemoryStore, Storage, Table, Write};
use katori_core::time::Timestamp;

/// Documents in the store.
pub(crate) const DOCUMENTS: usize = 3;
/// Flushes of each, every one a pack of its own.
pub(crate) const PACKS: u64 = 4;

/// A filled store, and its documents.
pub(crate) fn store() -> (MemoryStore, Vec<ResourceId>) {
    let (person_name, device_name) = ("Ana".to_owned(), "laptop".to_owned());
    let founding = Founding { person_name, device_name, recovery: [0; 32], nonce: [0; 16] };
    let (identity, roster) = Identity::found(DeviceKey::from_secret([1; 32]), founding).unwrap();
    let store = MemoryStore::new();
    store.commit(&identity.rows(&[roster])).unwrap();
    let me = Arc::new(identity);
    let documents: Vec<ResourceId> = create(&store, &me);
    for id in &documents {
        for number in 0..PACKS {
            edit(&store, *id, number);
        }
        let snapshot = open(&store, *id).unwrap().snapshot().unwrap();
        store.commit(&[snapshot]).unwrap();
    }
    (store, documents)
}

/// What the engine writes when documents are made.
fn create(store: &MemoryStore, me: &Arc<Identity>) -> Vec<ResourceId> {
    let mut engine = Engine::new(Arc::clone(me), StoredEngine::read(store).unwrap(), [2; 32]);
    let mut open = BTreeMap::new();
    let mut made = Vec::new();
    for number in 0..DOCUMENTS {
        let name = format!("document {number}");
        let command = Command::Create { name, space: None };
        let mut inputs =
            VecDeque::from([Input::Started, Input::Command { id: CommandId(number as u64), command }]);
        while let Some(input) = inputs.pop_front() {
            engine.handle(Timestamp(number as u64), input);
            while let Some(action) = engine.poll_action() {
                match action {
                    Action::Persist { commit, writes } => {
                        store.commit(&writes).unwrap();
                        inputs.push_back(Input::Stored { commit });
                    }
                    Action::Work { document, work } => {
                        let document_open = open.entry(document).or_insert_with(|| {
                            let access = Arc::clone(&work.access);
                            Document::new(
                                document,
                                Arc::clone(me),
                                access,
                                DocumentLimits::default(),
                                [3; 32],
                            )
                        });
                        let (number, outcome) = (work.number, work.task.run(document_open, work.access));
                        inputs.push_back(Input::Worked { document, number, outcome });
                    }
                    Action::Reply { result: Ok(Answer::Created(id)), .. } => made.push(id),
                    _ => {}
                }
            }
        }
    }
    made
}

/// Opens a document as a hub does.
pub(crate) fn open(store: &dyn Storage, id: ResourceId) -> Result<Document, String> {
    let rows = store.scan(Table::Records, &[]).unwrap();
    let records = rows
        .iter()
        .filter_map(|(_, bytes)| UnverifiedRecord::decode(bytes).and_then(UnverifiedRecord::verify).ok());
    let (registry, _) = Registry::load(records.collect());
    let access = registry.access(id).ok_or("nobody founded it")?;
    let me = Arc::new(Identity::read(store).map_err(|error| error.to_string())?);
    let stored = Stored::read(store, &id).unwrap();
    Document::load(id, me, access, DocumentLimits::default(), [9; 32], &stored)
        .map_err(|error| error.to_string())
}

/// Opens a document, makes one edit, and stores it.
pub(crate) fn edit(store: &dyn Storage, id: ResourceId, number: u64) {
    let mut document = open(store, id).unwrap();
    document.edit(Timestamp(1_000 * number), |edit| edit.put(ROOT, format!("key {number}"), number)).unwrap();
    store.commit(&document.flush().writes).unwrap();
}

/// Every row of a store.
pub(crate) fn rows(store: &dyn Storage) -> BTreeMap<(Table, Vec<u8>), Vec<u8>> {
    let of =
        |table| store.scan(table, &[]).unwrap().into_iter().map(move |(key, value)| ((table, key), value));
    Table::ALL.into_iter().flat_map(of).collect()
}

/// Another store with the same rows.
pub(crate) fn copy(store: &dyn Storage) -> MemoryStore {
    let copy = MemoryStore::new();
    copy.commit(&writes(store)).unwrap();
    copy
}

/// The writes that make a store with these rows.
pub(crate) fn writes(store: &dyn Storage) -> Vec<Write> {
    let put = |((table, key), value)| Write::Put { table, key, value };
    rows(store).into_iter().map(put).collect()
}
