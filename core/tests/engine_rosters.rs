//! A person's devices under attack: what was signed is not lost with the device that signed it, nor at a restart,
//! and no device makes itself irremovable or its owner's words useless.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    clippy::indexing_slicing,
    reason = "in a test, stopping where it happens is the report"
)]

use std::collections::BTreeMap;
use std::sync::Arc;

use katori_acl::bounds::{MAX_KEEP, MAX_ROSTER_FORKS, MAX_ROSTER_LENGTH, MAX_WAITING_PER_SUBJECT};
use katori_acl::{
    Audience, Capacity, DeviceKey, Genesis, Grant, Inserted, Issuer, Member, Parent, PersonId, Record,
    RecordId, RecoveryPhrase, Registry, ResourceId, ResourceKind, Role, RosterAction, RosterOperation,
    Signer, VerifiedRecord,
};
use katori_core::document::{Document, DocumentLimits};
use katori_core::engine::{Action, Answer, Command, CommandError, CommandId, Engine, Input, StoredEngine};
use katori_core::identity::{Founding, Identity};
use katori_core::store::{MemoryStore, Storage};
use katori_core::time::Timestamp;

fn device(number: u8) -> DeviceKey {
    DeviceKey::from_secret([number; 32])
}

fn words(number: u8) -> RecoveryPhrase {
    RecoveryPhrase::from_entropy([number; 32])
}

/// Ana with a laptop and a phone, and all that was signed.
struct Scene {
    laptop: Identity,
    phone: DeviceKey,
    records: Vec<VerifiedRecord>,
    registry: Registry,
}

impl Scene {
    fn new() -> Self {
        let (person_name, device_name) = ("Ana".to_owned(), "laptop".to_owned());
        let founding = Founding { person_name, device_name, recovery: words(1).hash(), nonce: [0; 16] };
        let (laptop, genesis) = Identity::found(device(1), founding).unwrap();
        let mut scene = Self { laptop, phone: device(2), records: Vec::new(), registry: Registry::default() };
        assert_eq!(scene.insert(genesis), Inserted::New);
        let phone = scene.phone.clone();
        let action = RosterAction::Add {
            member: Member::Device(phone.public()),
            name: "phone".to_owned(),
            capacity: Capacity::Full,
            sealing: None,
            consent: Some(phone.consent(scene.person())),
        };
        let heads = scene.registry.roster(scene.person()).unwrap().heads();
        scene.operation(&device(1), &heads, action).unwrap();
        scene
    }

    fn person(&self) -> PersonId {
        self.laptop.person
    }

    fn insert(&mut self, record: VerifiedRecord) -> Inserted {
        let inserted = self.registry.insert(record.clone());
        if inserted == Inserted::New {
            self.records.push(record);
        }
        inserted
    }

    /// An operation of the roster, if it is taken.
    fn operation(&mut self, by: &DeviceKey, previous: &[RecordId], action: RosterAction) -> Option<RecordId> {
        let (roster, previous) = (self.person(), previous.to_vec());
        let operation = RosterOperation { roster, person: None, by: by.public(), previous, action };
        let record = Record::RosterOperation(operation).sign(by).unwrap();
        let id = record.id();
        (self.insert(record) == Inserted::New).then_some(id)
    }

    fn document(&mut self, number: u8) -> ResourceId {
        let (nonce, by) = ([number; 16], self.laptop.device());
        let name = "groceries".to_owned();
        let owner = self.person();
        let genesis =
            Genesis { kind: ResourceKind::Document, owner, space: None, name, nonce, alias: nonce, by };
        let record = Record::Genesis(genesis).sign(&self.laptop.key).unwrap();
        let id = ResourceId::from_bytes(*record.id().as_bytes());
        assert_eq!(self.insert(record), Inserted::New);
        id
    }

    /// Write for somebody, by the phone.
    fn grant(&mut self, resource: ResourceId, to: u8, number: u64) -> RecordId {
        let grant = Grant {
            resource,
            issuer: Issuer::Person(self.person()),
            to: Audience::Person(PersonId::from_bytes([to; 32])),
            role: Role::Write,
            share: false,
            uses: None,
            confirm: false,
            offline: false,
            parent: Parent::Genesis,
            redeems: None,
            expires: None,
            nonce: number.to_be_bytes(),
            by: Signer::Device(self.phone.public()),
        };
        let record = Record::Grant(grant).sign(&self.phone).unwrap();
        let id = record.id();
        assert_eq!(self.insert(record), Inserted::New);
        id
    }

    fn store(&self) -> MemoryStore {
        let store = MemoryStore::new();
        store.commit(&self.laptop.rows(&self.records)).unwrap();
        store
    }

    /// What the laptop's registry is after a command, and the answer.
    fn after(&self, command: Command) -> (Registry, Result<Answer, CommandError>) {
        let store = self.store();
        let stored = StoredEngine::read(&store).unwrap();
        let me = Arc::new(self.laptop.clone());
        let mut engine = Engine::new(Arc::clone(&me), stored, [2; 32]);
        let mut documents = BTreeMap::new();
        let mut inputs = vec![Input::Command { id: CommandId(1), command }, Input::Started];
        let mut answer = None;
        while let Some(input) = inputs.pop() {
            engine.handle(Timestamp(0), input);
            while let Some(action) = engine.poll_action() {
                match action {
                    Action::Persist { commit, writes } => {
                        store.commit(&writes).unwrap();
                        inputs.push(Input::Stored { commit });
                    }
                    Action::Work { document, work } => {
                        let open = documents.entry(document).or_insert_with(|| {
                            let access = Arc::clone(&work.access);
                            Document::new(
                                document,
                                Arc::clone(&me),
                                access,
                                DocumentLimits::default(),
                                [3; 32],
                            )
                        });
                        let (number, outcome) = (work.number, work.task.run(open, work.access));
                        inputs.push(Input::Worked { document, number, outcome });
                    }
                    Action::Reply { result, .. } => answer = Some(result),
                    _ => {}
                }
            }
        }
        (engine.registry().clone(), answer.unwrap())
    }
}

#[test]
fn more_is_kept_than_one_removal_can_name() {
    let mut scene = Scene::new();
    let documents = [scene.document(1), scene.document(2)];
    let each = MAX_KEEP / 2 + 20;
    for number in 0..each {
        for document in documents {
            scene.grant(document, 9, u64::try_from(number).unwrap());
        }
    }
    let phone = scene.phone.public();
    let (registry, answer) = scene.after(Command::RemoveDevice { device: phone, keep: true });
    assert!(answer.is_ok(), "{answer:?}");
    assert!(!registry.roster(scene.person()).unwrap().contains(&phone));
    for document in documents {
        assert_eq!(registry.live_grants(document).len(), each);
    }
    let (registry, answer) = scene.after(Command::RemoveDevice { device: phone, keep: false });
    assert!(answer.is_ok() && registry.live_grants(documents[0]).is_empty());
}

#[test]
fn another_device_says_what_counts_of_one_that_left() {
    let mut scene = Scene::new();
    let document = scene.document(1);
    let grant = scene.grant(document, 9, 1);
    let phone = scene.phone.clone();
    let heads = scene.registry.roster(scene.person()).unwrap().heads();
    let action = RosterAction::Remove { member: Member::Device(phone.public()), keep: vec![grant] };
    scene.operation(&phone, &heads, action).unwrap();
    assert!(scene.registry.live_grants(document).is_empty());
    let command = || Command::RemoveDevice { device: phone.public(), keep: true };
    let (registry, answer) = scene.after(command());
    assert!(answer.is_ok(), "{answer:?}");
    assert_eq!(registry.live_grants(document), [grant].into());
    // Once somebody has said it, it is said.
    for record in registry.records(&katori_acl::Subject::Roster(scene.person())) {
        scene.insert(record.clone());
    }
    assert!(matches!(scene.after(command()).1, Err(CommandError::NotYourDevice(_))));
}

#[test]
fn a_restart_loses_nothing_however_the_records_lie() {
    let mut scene = Scene::new();
    let document = scene.document(3);
    for number in 0..2 * MAX_WAITING_PER_SUBJECT - 24 {
        scene.grant(document, 9, u64::try_from(number).unwrap());
    }
    // In the order of the store, most of it comes before what it rests on.
    let mut sorted = scene.records.clone();
    sorted.sort_by_key(VerifiedRecord::id);
    let mut inserted = Registry::new();
    for record in sorted {
        inserted.insert(record);
    }
    let subject = katori_acl::Subject::Resource(document);
    assert_ne!(inserted.digest(&subject), scene.registry.digest(&subject));
    let (registry, _) = scene.after(Command::SetBlocked { persons: [].into() });
    assert_eq!(registry.digest(&subject), scene.registry.digest(&subject));
    assert!(scene.records.iter().all(|record| registry.contains(&record.id())));
}

#[test]
fn words_bring_back_whose_roster_a_thief_has_filled() {
    let mut scene = Scene::new();
    let person = scene.person();
    let (first, records) =
        Identity::recover(device(3), &words(1), &words(2), scene.records.clone(), "new".to_owned()).unwrap();
    for record in records {
        scene.insert(record);
    }
    // A thief finds the used words, and the laptop, and fills the roster up on all branches it may.
    let genesis = RecordId::from_bytes(*person.as_bytes());
    let secret = words(1).secret();
    let thief = device(4);
    let recover = RosterOperation {
        roster: person,
        person: None,
        by: thief.public(),
        previous: vec![genesis],
        action: RosterAction::Recover {
            device: thief.public(),
            name: "thief".to_owned(),
            recovery_key: secret.public(),
            next_recovery: words(66).hash(),
            consent: thief.consent(person),
        },
    };
    scene.insert(Record::RosterOperation(recover).sign_as_recovery(&secret).unwrap());
    let start = scene.registry.roster(person).unwrap().heads();
    for branch in 0..MAX_ROSTER_FORKS {
        let mut previous = start.clone();
        for step in 0..MAX_ROSTER_LENGTH {
            let action = RosterAction::Rename { member: None, name: format!("{branch} {step}") };
            let Some(id) = scene.operation(&device(1), &previous, action) else { break };
            previous = vec![id];
        }
    }
    let again = |number, records| {
        Identity::recover(device(5), &words(number), &words(3), records, "newer".to_owned())
    };
    assert!(again(1, scene.records.clone()).is_err(), "used words are spent");
    let (newer, records) = again(2, scene.records.clone()).unwrap();
    for record in records {
        scene.insert(record);
    }
    let roster = scene.registry.roster(person).unwrap();
    assert!(roster.is_full(&newer.device()) && roster.is_full(&first.device()));
    assert_eq!(roster.recovery, words(3).hash());
    // And the newer one clears up.
    scene.laptop = newer;
    let laptop = device(1).public();
    let (registry, answer) = scene.after(Command::RemoveDevice { device: laptop, keep: true });
    assert!(answer.is_ok(), "{answer:?}");
    let roster = registry.roster(person).unwrap();
    assert!(!roster.contains(&laptop));
}
