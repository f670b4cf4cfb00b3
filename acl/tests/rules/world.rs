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
    pub(crate) redeems: Option<RecordId>,
    pub(crate) expires: Option<u64>,
}

pub(crate) const WRITE: Terms = Terms {
    role: Role::Write,
    share: false,
    parent: Parent::Genesis,
    uses: None,
    redeems: None,
    expires: None,
};
pub(crate) const ADMIN: Terms = Terms { role: Role::Admin, share: true, ..WRITE };

impl Terms {
    pub(crate) fn under(self, parent: RecordId) -> Self {
        Self { parent: Parent::Grant(parent), ..self }
    }

    pub(crate) fn redeeming(self, invitation: RecordId) -> Self {
        Self { redeems: Some(invitation), ..self }
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

    pub(crate) fn stored(&mut self, record: VerifiedRecord) -> RecordId {
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
            founder_person: None,
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
        let record = operation(person, by, previous, add(person, new, Capacity::Full));
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
        self.resource(ResourceKind::Document, None, owner, by)
    }

    /// A space of this person or group.
    pub(crate) fn space(&mut self, owner: PersonId, by: &DeviceKey) -> ResourceId {
        self.resource(ResourceKind::Space, None, owner, by)
    }

    /// A document born in a space.
    pub(crate) fn document_in(&mut self, space: ResourceId, owner: PersonId, by: &DeviceKey) -> ResourceId {
        self.resource(ResourceKind::Document, Some(space), owner, by)
    }

    pub(crate) fn resource(
        &mut self,
        kind: ResourceKind,
        space: Option<ResourceId>,
        owner: PersonId,
        by: &DeviceKey,
    ) -> ResourceId {
        let record = self.genesis(kind, space, owner, by);
        let id = self.stored(record);
        ResourceId::from_bytes(*id.as_bytes())
    }

    /// The beginning of a resource, not inserted.
    pub(crate) fn genesis(
        &mut self,
        kind: ResourceKind,
        space: Option<ResourceId>,
        owner: PersonId,
        by: &DeviceKey,
    ) -> VerifiedRecord {
        let nonce = u128::from(self.nonce()).to_be_bytes();
        let name = "groceries".to_owned();
        let genesis = Genesis { kind, owner, space, name, nonce, alias: nonce, by: by.public() };
        Record::Genesis(genesis).sign(by).unwrap()
    }

    /// A group founded in this person's, or group's, name.
    pub(crate) fn group(&mut self, founder: PersonId, by: &DeviceKey) -> PersonId {
        let nonce = u128::from(self.nonce()).to_be_bytes();
        let genesis = RosterGenesis {
            kind: RosterKind::Group,
            founder: by.public(),
            founder_person: Some(founder),
            founder_name: "first".to_owned(),
            name: "club".to_owned(),
            recovery: [0; 32],
            sealing: None,
            nonce,
        };
        let id = self.stored(Record::RosterGenesis(genesis).sign(by).unwrap());
        PersonId::from_bytes(*id.as_bytes())
    }

    /// Adds a person or group to a group, in a member's name, seeing everything.
    pub(crate) fn join(
        &mut self,
        group: PersonId,
        member: PersonId,
        by: &DeviceKey,
        new: PersonId,
        capacity: Capacity,
    ) -> RecordId {
        let record = group_operation(group, member, by, &self.heads(group), add_person(new, capacity));
        self.stored(record)
    }

    /// Removes a person or group from a group, in a member's name, seeing everything.
    pub(crate) fn part(
        &mut self,
        group: PersonId,
        member: PersonId,
        by: &DeviceKey,
        gone: PersonId,
        keep: &[RecordId],
    ) -> RecordId {
        let action = RosterAction::Remove { member: Member::Person(gone), keep: keep.to_vec() };
        let record = group_operation(group, member, by, &self.heads(group), action);
        self.stored(record)
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
        self.grant_by(resource, Issuer::Person(issuer), by, to, terms)
    }

    /// An unsigned grant in the name of a person or group.
    pub(crate) fn grant_by(
        &mut self,
        resource: ResourceId,
        issuer: Issuer,
        by: &DeviceKey,
        to: Audience,
        terms: Terms,
    ) -> Grant {
        let Terms { role, share, parent, uses, redeems, expires } = terms;
        let nonce = self.nonce().to_be_bytes();
        Grant {
            resource,
            issuer,
            to,
            role,
            share,
            uses,
            confirm: false,
            offline: false,
            parent,
            redeems,
            expires,
            nonce,
            by: Signer::Device(by.public()),
        }
    }

    /// A stored grant to anybody in anybody's name.
    pub(crate) fn give(
        &mut self,
        resource: ResourceId,
        issuer: Issuer,
        by: &DeviceKey,
        to: Audience,
        terms: Terms,
    ) -> RecordId {
        let grant = self.grant_by(resource, issuer, by, to, terms);
        self.stored(Record::Grant(grant).sign(by).unwrap())
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
    let (by_device, person) = (by.public(), None);
    let operation = RosterOperation { roster, by: by_device, person, previous, action };
    Record::RosterOperation(operation).sign(by).unwrap()
}

/// A signed operation of a group, in a member's name, that has seen only these.
pub(crate) fn group_operation(
    roster: PersonId,
    member: PersonId,
    by: &DeviceKey,
    previous: &[RecordId],
    action: RosterAction,
) -> VerifiedRecord {
    let previous = previous.to_vec();
    let operation = RosterOperation { roster, by: by.public(), person: Some(member), previous, action };
    Record::RosterOperation(operation).sign(by).unwrap()
}

/// A signed revocation.
pub(crate) fn revocation(
    resource: ResourceId,
    issuer: PersonId,
    by: &DeviceKey,
    target: RecordId,
) -> VerifiedRecord {
    revocation_by(resource, Issuer::Person(issuer), by, target)
}

/// A signed revocation in anybody's name.
pub(crate) fn revocation_by(
    resource: ResourceId,
    issuer: Issuer,
    by: &DeviceKey,
    target: RecordId,
) -> VerifiedRecord {
    let erase = false;
    Record::Revoke(Revoke { resource, target, issuer, erase, by: by.public() }).sign(by).unwrap()
}

pub(crate) fn add(roster: PersonId, new: &DeviceKey, capacity: Capacity) -> RosterAction {
    let (member, consent) = (Member::Device(new.public()), Some(new.consent(roster)));
    RosterAction::Add { member, name: "next".to_owned(), capacity, sealing: None, consent }
}

pub(crate) fn add_person(new: PersonId, capacity: Capacity) -> RosterAction {
    let (member, name) = (Member::Person(new), "next".to_owned());
    RosterAction::Add { member, name, capacity, sealing: None, consent: None }
}

/// Takes the records of a world in several other orders, some twice, and expects the same answers.
pub(crate) fn assert_any_order(world: &World) {
    let expected = everything(&world.registry);
    let count = world.records.len();
    for start in 0..count {
        let mut registry = Registry::new();
        let turned = world.records.iter().cycle().skip(start).take(count + 1);
        let turned: Vec<_> = if start % 2 == 0 {
            turned.collect()
        } else {
            turned.collect::<Vec<_>>().into_iter().rev().collect()
        };
        for record in turned {
            registry.insert(record.clone());
        }
        assert_eq!(everything(&registry), expected, "from record {start}");
    }
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
                let (naming, groups) = (registry.resources_naming(person), registry.groups_of(person));
                writeln!(text, "{:?} {naming:?} {groups:?}", registry.roster(person)).unwrap();
            }
            Subject::Resource(resource) => {
                writeln!(text, "{:?} {:?}", registry.access(resource), registry.rosters_named_by(resource))
                    .unwrap();
                writeln!(
                    text,
                    "{:?} {:?}",
                    registry.documents_in(resource),
                    registry.counted_revocations(resource)
                )
                .unwrap();
            }
        }
        writeln!(text, "{:?}", registry.story(subject)).unwrap();
    }
    text
}
