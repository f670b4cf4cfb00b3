//! Persons, their devices and what they hold in one document: real keys and real records in a real registry.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test ends with a panic")]
#![allow(dead_code, reason = "each test takes what it needs")]

use std::collections::BTreeMap;
use std::sync::Arc;

use automerge::ChangeHash;
use katori_acl::{
    Access, Audience, Capacity, DeviceKey, Exclude, Genesis, Grant, Inserted, Issuer, Member, Parent,
    PersonId, Record, RecordId, Registry, ResourceId, ResourceKind, Revoke, Role, RosterAction,
    RosterGenesis, RosterKind, RosterOperation, Signer, Subject, VerifiedRecord,
};
use katori_core::identity::Identity;

/// A device, with its key and its person.
pub(crate) type Device = Arc<Identity>;

/// Everything that was signed about one document.
pub(crate) struct Scene {
    registry: Registry,
    pub(crate) document: ResourceId,
    pub(crate) owner: Device,
    /// The last operation of each roster, and how many keys and nonces were drawn.
    rosters: BTreeMap<PersonId, RecordId>,
    drawn: u8,
}

impl Scene {
    /// A document and its owner.
    pub(crate) fn new() -> Self {
        let (mut registry, mut rosters) = (Registry::new(), BTreeMap::new());
        let owner = found(&mut registry, &mut rosters, 1);
        let genesis = Record::Genesis(Genesis {
            kind: ResourceKind::Document,
            owner: owner.person,
            space: None,
            name: "a document".to_owned(),
            nonce: [1; 16],
            alias: [2; 16],
            by: owner.device(),
        });
        let genesis = genesis.sign(&owner.key).unwrap();
        let Subject::Resource(document) = genesis.subject() else { panic!("a genesis is of a resource") };
        store(&mut registry, genesis);
        Self { registry, document, owner, rosters, drawn: 1 }
    }

    fn draw(&mut self) -> u8 {
        self.drawn += 1;
        self.drawn
    }

    /// A person, with a first device.
    pub(crate) fn person(&mut self) -> Device {
        let drawn = self.draw();
        found(&mut self.registry, &mut self.rosters, drawn)
    }

    /// Another device of a person.
    pub(crate) fn device_of(&mut self, first: &Device) -> Device {
        let key = DeviceKey::from_secret([self.draw(); 32]);
        let action = RosterAction::Add {
            member: Member::Device(key.public()),
            name: "another".to_owned(),
            capacity: Capacity::Full,
            sealing: None,
            consent: Some(key.consent(first.person)),
        };
        self.operate(first, action);
        Arc::new(Identity { key, person: first.person })
    }

    /// Removes a device from its person.
    pub(crate) fn remove_device(&mut self, by: &Device, device: &Device) {
        let keep = Vec::new();
        self.operate(by, RosterAction::Remove { member: Member::Device(device.device()), keep });
    }

    fn operate(&mut self, by: &Device, action: RosterAction) {
        let operation = Record::RosterOperation(RosterOperation {
            roster: by.person,
            by: by.device(),
            person: None,
            previous: vec![self.rosters[&by.person]],
            action,
        });
        let operation = operation.sign(&by.key).unwrap();
        self.rosters.insert(by.person, operation.id());
        store(&mut self.registry, operation);
    }

    fn grant_record(
        &self,
        by: &Device,
        parent: Parent,
        to: Audience,
        role: Role,
        nonce: u64,
    ) -> VerifiedRecord {
        let grant = Record::Grant(Grant {
            resource: self.document,
            issuer: Issuer::Person(by.person),
            to,
            role,
            share: role == Role::Admin,
            uses: None,
            confirm: false,
            offline: false,
            parent,
            redeems: None,
            expires: None,
            nonce: nonce.to_be_bytes(),
            by: Signer::Device(by.device()),
        });
        grant.sign(&by.key).unwrap()
    }

    /// The owner gives a person a role.
    pub(crate) fn grant(&mut self, to: &Device, role: Role) -> RecordId {
        let owner = Arc::clone(&self.owner);
        self.grant_under(&owner, Parent::Genesis, to, role)
    }

    /// Somebody gives a person a role, by what was given to them.
    pub(crate) fn grant_under(&mut self, by: &Device, parent: Parent, to: &Device, role: Role) -> RecordId {
        let nonce = self.draw().into();
        let record = self.grant_record(by, parent, Audience::Person(to.person), role, nonce);
        let id = record.id();
        store(&mut self.registry, record);
        id
    }

    /// The owner gives these persons Write, the first being the most senior.
    pub(crate) fn grant_in_order(&mut self, persons: &[&Device]) -> Vec<RecordId> {
        let mut last = RecordId::from_bytes([0; 32]);
        let mut grants = Vec::new();
        for (place, person) in persons.iter().enumerate() {
            // The id of each lies in its own part of all ids.
            let part = 256 / persons.len();
            let record = (0..10_000)
                .map(|nonce| self.owners_grant(Audience::Person(person.person), nonce))
                .find(|record| usize::from(record.id().as_bytes()[0]) / part == place)
                .unwrap();
            assert!(record.id() > last);
            last = record.id();
            grants.push(last);
            store(&mut self.registry, record);
        }
        grants
    }

    /// The owner gives one device Write by itself, under a grant with an id below that of any other.
    pub(crate) fn grant_to_device_above_all(&mut self, to: &Device) {
        let access = self.access();
        let lowest = access.members().map(|(_, standing)| standing).filter(|standing| standing.depth > 0);
        let lowest = lowest.map(|standing| standing.rank).min();
        let record = (0..100_000)
            .map(|nonce| self.owners_grant(Audience::Device(to.device()), nonce))
            .find(|record| lowest.is_none_or(|lowest| record.id() < lowest));
        store(&mut self.registry, record.unwrap());
    }

    fn owners_grant(&self, to: Audience, nonce: u64) -> VerifiedRecord {
        self.grant_record(&self.owner, Parent::Genesis, to, Role::Write, nonce)
    }

    /// The end of a grant.
    pub(crate) fn revoke(&mut self, target: RecordId) {
        let revoke = Record::Revoke(Revoke {
            resource: self.document,
            target,
            issuer: Issuer::Person(self.owner.person),
            erase: false,
            by: self.owner.device(),
        });
        let revoke = revoke.sign(&self.owner.key).unwrap();
        store(&mut self.registry, revoke);
    }

    /// An Admin's word that changes stay out.
    pub(crate) fn exclude(&mut self, by: &Device, changes: &[ChangeHash]) {
        let exclude = Record::Exclude(Exclude {
            resource: self.document,
            changes: changes.iter().map(|change| change.0).collect(),
            reason: "spam".to_owned(),
            by: by.device(),
        });
        let exclude = exclude.sign(&by.key).unwrap();
        store(&mut self.registry, exclude);
    }

    /// Who may do what, by all of that.
    pub(crate) fn access(&self) -> Arc<Access> {
        self.registry.access(self.document).unwrap()
    }
}

fn found(registry: &mut Registry, rosters: &mut BTreeMap<PersonId, RecordId>, drawn: u8) -> Device {
    let key = DeviceKey::from_secret([drawn; 32]);
    let genesis = Record::RosterGenesis(RosterGenesis {
        kind: RosterKind::Person,
        founder: key.public(),
        founder_person: None,
        founder_name: "first".to_owned(),
        name: format!("person {drawn}"),
        recovery: [0; 32],
        sealing: None,
        nonce: [drawn; 16],
    });
    let genesis = genesis.sign(&key).unwrap();
    let Subject::Roster(person) = genesis.subject() else { panic!("a roster begins with its genesis") };
    rosters.insert(person, genesis.id());
    store(registry, genesis);
    Arc::new(Identity { key, person })
}

fn store(registry: &mut Registry, record: VerifiedRecord) {
    let inserted = registry.insert(record);
    assert!(matches!(inserted, Inserted::New), "{inserted:?}");
}
