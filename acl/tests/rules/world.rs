//! A few people and devices with fixed keys, who sign records into a registry.

use katori_acl::{
    Audience, Capacity, DeviceKey, Genesis, Grant, Inserted, InviteSecret, Issuer, Member, Parent, PersonId,
    Record, RecordId, Registry, ResourceId, ResourceKind, Revoke, Role, RosterAction, RosterGenesis,
    RosterKind, RosterOperation, Signer, Subject, Tombstone, VerifiedRecord,
};

/// The device with this number.
pub(crate) fn device(number: u8) -> DeviceKey {
    DeviceKey::from_secret([number; 32])
}

/// The invitation with this number.
pub(crate) fn invitation(number: u8) -> InviteSecret {
    InviteSecret::from_secret([number; 32])
}

/// Records signed so far, and the registry they went into.
#[derive(Default)]
pub(crate) struct World {
    pub(crate) registry: Registry,
    pub(crate) records: Vec<VerifiedRecord>,
    nonce: u64,
}

/// How a grant differs from the usual: by the owner, Write, not to be passed on, for ever.
#[derive(Clone, Copy)]
pub(crate) struct Terms {
    pub(crate) role: Role,
    pub(crate) share: bool,
    pub(crate) parent: Parent,
    pub(crate) uses: Option<u32>,
    pub(crate) expires: Option<u64>,
}

pub(crate) const WRITE: Terms =
    Terms { role: Role::Write, share: false, parent: Parent::Genesis, uses: None, expires: None };
pub(crate) const ADMIN: Terms = Terms { role: Role::Admin, share: true, ..WRITE };

impl Terms {
    pub(crate) fn under(self, parent: RecordId) -> Self {
        Self { parent: Parent::Grant(parent), ..self }
    }
}

impl World {
    pub(crate) fn nonce(&mut self) -> u64 {
        self.nonce += 1;
        self.nonce
    }

    /// Inserts a record and remembers it.
    pub(crate) fn insert(&mut self, record: VerifiedRecord) -> (RecordId, Inserted) {
        let id = record.id();
        self.records.push(record.clone());
        (id, self.registry.insert(record))
    }

    fn stored(&mut self, record: VerifiedRecord) -> RecordId {
        let (id, inserted) = self.insert(record);
        assert_eq!(inserted, Inserted::New);
        id
    }

    /// A new person, whose first device this is.
    pub(crate) fn person(&mut self, founder: &DeviceKey) -> PersonId {
        let nonce = u128::from(self.nonce()).to_be_bytes();
        let genesis = RosterGenesis {
            kind: RosterKind::Person,
            founder: founder.public(),
            founder_name: "first".to_owned(),
            name: "somebody".to_owned(),
            recovery: [0; 32],
            sealing: None,
            nonce,
        };
        let id = self.stored(Record::RosterGenesis(genesis).sign(founder).unwrap());
        PersonId::from_bytes(*id.as_bytes())
    }

    pub(crate) fn heads(&self, person: PersonId) -> Vec<RecordId> {
        self.registry.roster(person).unwrap().heads()
    }

    /// Adds a device, seeing everything.
    pub(crate) fn add(&mut self, person: PersonId, by: &DeviceKey, new: &DeviceKey) -> RecordId {
        let heads = self.heads(person);
        self.add_seeing(person, by, new, &heads)
    }

    /// Adds a device, seeing only these heads.
    pub(crate) fn add_seeing(
        &mut self,
        person: PersonId,
        by: &DeviceKey,
        new: &DeviceKey,
        previous: &[RecordId],
    ) -> RecordId {
        let record = operation(person, by, previous, add(new, Capacity::Full));
        self.stored(record)
    }

    /// Removes a device, seeing everything.
    pub(crate) fn remove(
        &mut self,
        person: PersonId,
        by: &DeviceKey,
        device: &DeviceKey,
        keep: &[RecordId],
    ) -> RecordId {
        let heads = self.heads(person);
        self.remove_seeing(person, by, device, keep, &heads)
    }

    /// Removes a device, seeing only these heads.
    pub(crate) fn remove_seeing(
        &mut self,
        person: PersonId,
        by: &DeviceKey,
        device: &DeviceKey,
        keep: &[RecordId],
        previous: &[RecordId],
    ) -> RecordId {
        let action = RosterAction::Remove { member: Member::Device(device.public()), keep: keep.to_vec() };
        let record = operation(person, by, previous, action);
        self.stored(record)
    }

    /// A document of this person.
    pub(crate) fn document(&mut self, owner: PersonId, by: &DeviceKey) -> ResourceId {
        let nonce = u128::from(self.nonce()).to_be_bytes();
        let genesis = Genesis {
            kind: ResourceKind::Document,
            owner,
            space: None,
            name: "groceries".to_owned(),
            nonce,
            alias: nonce,
            by: by.public(),
        };
        let id = self.stored(Record::Genesis(genesis).sign(by).unwrap());
        ResourceId::from_bytes(*id.as_bytes())
    }

    /// An unsigned grant.
    pub(crate) fn grant_of(
        &mut self,
        resource: ResourceId,
        issuer: PersonId,
        by: &DeviceKey,
        to: Audience,
        terms: Terms,
    ) -> Grant {
        let Terms { role, share, parent, uses, expires } = terms;
        let nonce = self.nonce().to_be_bytes();
        let (issuer, by) = (Issuer::Person(issuer), Signer::Device(by.public()));
        Grant { resource, issuer, to, role, share, uses, parent, expires, nonce, by }
    }

    /// A grant to a person.
    pub(crate) fn grant(
        &mut self,
        resource: ResourceId,
        issuer: PersonId,
        by: &DeviceKey,
        to: PersonId,
        terms: Terms,
    ) -> RecordId {
        let grant = self.grant_of(resource, issuer, by, Audience::Person(to), terms);
        self.stored(Record::Grant(grant).sign(by).unwrap())
    }

    pub(crate) fn revoke(
        &mut self,
        resource: ResourceId,
        issuer: PersonId,
        by: &DeviceKey,
        target: RecordId,
    ) -> RecordId {
        let record = revocation(resource, issuer, by, target);
        self.stored(record)
    }

    pub(crate) fn delete(&mut self, resource: ResourceId, by: &DeviceKey) -> RecordId {
        let tombstone = Tombstone { resource, by: by.public() };
        self.stored(Record::Tombstone(tombstone).sign(by).unwrap())
    }

    pub(crate) fn role(&self, resource: ResourceId, person: PersonId) -> Option<Role> {
        self.registry.access(resource).unwrap().role_of_person(&person)
    }

    pub(crate) fn ever(&self, resource: ResourceId, person: PersonId) -> Option<Role> {
        self.registry.access(resource).unwrap().ever_role_of_person(&person)
    }

    pub(crate) fn contains(&self, person: PersonId, device: &DeviceKey) -> bool {
        self.registry.roster(person).unwrap().contains(&device.public())
    }
}

/// A signed roster operation that has seen only these.
pub(crate) fn operation(
    roster: PersonId,
    by: &DeviceKey,
    previous: &[RecordId],
    action: RosterAction,
) -> VerifiedRecord {
    let previous = previous.to_vec();
    Record::RosterOperation(RosterOperation { roster, by: by.public(), previous, action }).sign(by).unwrap()
}

/// A signed revocation.
pub(crate) fn revocation(
    resource: ResourceId,
    issuer: PersonId,
    by: &DeviceKey,
    target: RecordId,
) -> VerifiedRecord {
    let issuer = Issuer::Person(issuer);
    Record::Revoke(Revoke { resource, target, issuer, by: by.public() }).sign(by).unwrap()
}

pub(crate) fn add(new: &DeviceKey, capacity: Capacity) -> RosterAction {
    let member = Member::Device(new.public());
    RosterAction::Add { member, name: "next".to_owned(), capacity, sealing: None }
}

/// Everything that a registry says, for comparing two.
pub(crate) fn everything(registry: &Registry) -> String {
    use std::fmt::Write;
    let mut text = String::new();
    for subject in registry.subjects() {
        writeln!(text, "{subject:?} {:?} {:?}", registry.record_ids(&subject), registry.digest(&subject))
            .unwrap();
        match subject {
            Subject::Roster(person) => {
                writeln!(text, "{:?} {:?}", registry.roster(person), registry.resources_naming(person))
                    .unwrap();
            }
            Subject::Resource(resource) => {
                writeln!(text, "{:?} {:?}", registry.access(resource), registry.rosters_named_by(resource))
                    .unwrap();
            }
        }
    }
    text
}
