//! One device: its key, its disk, and, while it runs, its engine and its open documents.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use automerge::transaction::Transactable;
use automerge::{ChangeHash, ROOT, ReadDoc};
use katori_acl::{DeviceId, PersonId, ResourceId};
use katori_core::document::{Document, DocumentLimits, Held, LoadError, Stored};
use katori_core::engine::{Answer, CommandError, CommandId, Engine, Event, Outcome, StoredEngine, Work};
use katori_core::identity::Identity;
use katori_core::store::{MemoryStore, Storage, Table, Write};
use katori_core::time::Timestamp;

/// One device.
#[derive(Debug)]
pub struct Device {
    /// Who it is.
    pub identity: Arc<Identity>,
    /// Its disk.
    pub store: MemoryStore,
    /// Its engine, unless it is down.
    pub engine: Option<Engine>,
    /// What its listeners were told.
    pub events: Vec<Event>,
    pub(crate) documents: BTreeMap<ResourceId, Document>,
    pub(crate) replies: BTreeMap<CommandId, Result<Answer, CommandError>>,
    /// Its disk is a copy of another, or was set back: it writes under new incarnations.
    pub(crate) copied: bool,
    /// Its disk was damaged: a document that does not load is no mistake.
    pub damaged: bool,
    /// Fresh randomness of this life.
    seed: [u8; 32],
    /// Which life it is in: what was under way in an earlier one is lost.
    pub(crate) life: u64,
    pub(crate) limits: DocumentLimits,
    pub(crate) commits: BTreeMap<u64, Vec<Write>>,
    pub(crate) commits_made: usize,
    /// How far its clock is ahead of the world's, in milliseconds.
    pub(crate) skew: i64,
}

impl Device {
    pub(crate) fn new(identity: Identity) -> Self {
        Self {
            identity: Arc::new(identity),
            store: MemoryStore::new(),
            engine: None,
            events: Vec::new(),
            documents: BTreeMap::new(),
            replies: BTreeMap::new(),
            copied: false,
            damaged: false,
            seed: [0; 32],
            life: 0,
            limits: DocumentLimits::default(),
            commits: BTreeMap::new(),
            commits_made: 0,
            skew: 0,
        }
    }

    /// The device's id.
    #[must_use]
    pub fn id(&self) -> DeviceId {
        self.identity.device()
    }

    /// How many commits its disk has made.
    #[must_use]
    pub fn commits_made(&self) -> usize {
        self.commits_made
    }

    /// The person it belongs to.
    #[must_use]
    pub fn person(&self) -> PersonId {
        self.identity.person
    }

    /// The devices that may connect to it, as it last told its driver.
    #[must_use]
    pub fn known_devices(&self) -> BTreeSet<DeviceId> {
        let mut known = BTreeSet::new();
        for event in &self.events {
            if let Event::Peers { known: told, .. } = event {
                known.clone_from(told);
            }
        }
        known
    }

    /// Everything on its disk, as one commit that writes it elsewhere.
    #[must_use]
    pub fn image(&self) -> Vec<Write> {
        let rows = |table: Table| {
            let entries = self.store.scan(table, &[]).expect("the store reads");
            entries.into_iter().map(move |(key, value)| Write::Put { table, key, value })
        };
        Table::ALL.into_iter().flat_map(rows).collect()
    }

    /// Puts a disk in its place that holds what an earlier [`Device::image`] of it did: a backup is restored. It must
    /// be down.
    pub fn restore(&mut self, image: &[Write]) {
        assert!(self.engine.is_none(), "a device is down while its disk is exchanged");
        self.store = MemoryStore::new();
        self.store.commit(image).expect("a new store takes rows");
        self.copied = true;
    }

    pub(crate) fn start(&mut self, seed: [u8; 32]) {
        let stored = StoredEngine::read(&self.store).expect("the store reads");
        self.seed = seed;
        self.engine = Some(Engine::new(Arc::clone(&self.identity), stored, seed));
    }

    fn seed(&self, document: &ResourceId) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_keyed(&self.seed);
        hasher.update(document.as_bytes());
        *hasher.finalize().as_bytes()
    }

    pub(crate) fn load(&mut self, id: ResourceId) -> &mut Document {
        self.try_load(id).expect("the document loads")
    }

    fn try_load(&mut self, id: ResourceId) -> Result<&mut Document, LoadError> {
        if !self.documents.contains_key(&id) {
            let access = self.engine.as_ref().and_then(|engine| engine.access(id)).expect("a known document");
            let stored = Stored::read(&self.store, &id).expect("the store reads");
            let (me, limits) = (Arc::clone(&self.identity), self.limits.clone());
            let document = Document::load(id, me, access, limits, self.seed(&id), &stored);
            let mut document = document?;
            if self.copied {
                document.renew_incarnation();
            }
            self.documents.insert(id, document);
        }
        Ok(self.documents.get_mut(&id).expect("just loaded"))
    }

    pub(crate) fn work(&mut self, document: ResourceId, work: Work) -> Outcome {
        if !self.documents.contains_key(&document)
            && let Some(outcome) = work.task.run_stored(&self.store, &document)
        {
            return outcome;
        }
        let damaged = self.damaged;
        match self.try_load(document) {
            Ok(document) => work.task.run(document, work.access),
            Err(error) if damaged => Outcome::Failed(error.to_string()),
            Err(error) => panic!("the document loads: {error}"),
        }
    }

    /// Puts a value at a key of the document's root.
    pub(crate) fn edit(&mut self, now: Timestamp, document: ResourceId, key: &str, value: &str) -> bool {
        self.load(document).edit(now, |edit| edit.put(ROOT, key, value)).is_ok()
    }

    /// The keys and values a document shows.
    #[must_use]
    pub fn shows(&mut self, document: ResourceId) -> BTreeMap<String, BTreeSet<String>> {
        let document = self.load(document).automerge();
        let keys: Vec<String> = document.keys(ROOT).collect();
        keys.into_iter()
            .map(|key| {
                let values = document.get_all(ROOT, key.as_str()).unwrap_or_default();
                let values = values.into_iter().filter_map(|(value, _)| value.as_str().map(str::to_owned));
                let values = values.collect();
                (key, values)
            })
            .collect()
    }

    /// Heads of what a document shows.
    #[must_use]
    pub fn heads(&mut self, document: ResourceId) -> Vec<ChangeHash> {
        self.load(document).heads()
    }

    /// Heads of everything a document has stored.
    #[must_use]
    pub fn stored_heads(&mut self, document: ResourceId) -> Vec<ChangeHash> {
        self.load(document).stored_heads()
    }

    /// What a document holds back.
    #[must_use]
    pub fn held(&mut self, document: ResourceId) -> Vec<Held> {
        self.load(document).held()
    }

    /// The document itself.
    #[must_use]
    pub fn document(&mut self, document: ResourceId) -> &Document {
        self.load(document)
    }
}
