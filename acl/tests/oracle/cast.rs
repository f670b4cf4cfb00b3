//! People with fixed keys, and the records that they sign. Whether anybody believes them is not asked here.

use katori_acl::{
    Audience, Capacity, DeviceKey, Exclude, Genesis, Grant, InviteSecret, Issuer, Member, Parent, PersonId,
    Record, RecordId, RecoverySecret, Registry, ResourceId, ResourceKind, Revoke, Role, RosterAction,
    RosterGenesis, RosterKind, RosterOperation, Signer, Tombstone, VerifiedRecord,
};

/// The device with this number.
pub(crate) fn device(number: u8) -> DeviceKey {
    DeviceKey::from_secret([number; 32])
}

/// The invitation with this number.
pub(crate) fn invitation(number: u8) -> InviteSecret {
    InviteSecret::from_secret([number; 32])
}

/// The recovery words with this number.
pub(crate) fn words(number: u8) -> RecoverySecret {
    RecoverySecret::from_secret([number; 32])
}

/// The person or group that this record begins.
pub(crate) fn roster_of(genesis: &VerifiedRecord) -> PersonId {
    PersonId::from_bytes(*genesis.id().as_bytes())
}

/// The document, space or shelf that this record begins.
pub(crate) fn resource_of(genesis: &VerifiedRecord) -> ResourceId {
    ResourceId::from_bytes(*genesis.id().as_bytes())
}

/// The beginning of a person, with the recovery words of the same number as its tag.
pub(crate) fn person(founder: &DeviceKey, tag: u8) -> VerifiedRecord {
    founding(RosterKind::Person, None, founder, tag)
}

/// The beginning of a group by this person.
pub(crate) fn group(by: PersonId, founder: &DeviceKey, tag: u8) -> VerifiedRecord {
    founding(RosterKind::Group, Some(by), founder, tag)
}

fn founding(
    kind: RosterKind,
    founder_person: Option<PersonId>,
    founder: &DeviceKey,
    tag: u8,
) -> VerifiedRecord {
    let genesis = RosterGenesis {
        kind,
        founder: founder.public(),
        founder_person,
        founder_name: "first".to_owned(),
        name: "somebody".to_owned(),
        recovery: words(tag).public().hash(),
        sealing: None,
        nonce: [tag; 16],
    };
    Record::RosterGenesis(genesis).sign(founder).unwrap()
}

/// An operation in a person's roster.
pub(crate) fn operation(
    roster: PersonId,
    by: &DeviceKey,
    previous: &[RecordId],
    action: RosterAction,
) -> VerifiedRecord {
    operation_for(roster, None, by, previous, action)
}

/// An operation in a roster, in somebody's name if it is a group's.
pub(crate) fn operation_for(
    roster: PersonId,
    person: Option<PersonId>,
    by: &DeviceKey,
    previous: &[RecordId],
    action: RosterAction,
) -> VerifiedRecord {
    let previous = previous.to_vec();
    let operation = RosterOperation { roster, by: by.public(), person, previous, action };
    Record::RosterOperation(operation).sign(by).unwrap()
}

/// Brings a device in, with its consent.
pub(crate) fn adding(roster: PersonId, new: &DeviceKey, capacity: Capacity) -> RosterAction {
    let consent = Some(new.consent(roster));
    let member = Member::Device(new.public());
    RosterAction::Add { member, name: "next".to_owned(), capacity, sealing: None, consent }
}

/// Brings a person or group into a group.
pub(crate) fn adding_person(new: PersonId, capacity: Capacity) -> RosterAction {
    let member = Member::Person(new);
    RosterAction::Add { member, name: "next".to_owned(), capacity, sealing: None, consent: None }
}

pub(crate) fn removing(device: &DeviceKey, keep: &[RecordId]) -> RosterAction {
    RosterAction::Remove { member: Member::Device(device.public()), keep: keep.to_vec() }
}

pub(crate) fn removing_person(person: PersonId, keep: &[RecordId]) -> RosterAction {
    RosterAction::Remove { member: Member::Person(person), keep: keep.to_vec() }
}

/// Takes a person back onto a new device with these words, committing to the next ones.
pub(crate) fn recovery(
    roster: PersonId,
    new: &DeviceKey,
    with: u8,
    next: u8,
    previous: &[RecordId],
) -> VerifiedRecord {
    let action = RosterAction::Recover {
        device: new.public(),
        name: "recovered".to_owned(),
        recovery_key: words(with).public(),
        next_recovery: words(next).public().hash(),
        consent: new.consent(roster),
    };
    let by = new.public();
    let operation = RosterOperation { roster, by, person: None, previous: previous.to_vec(), action };
    Record::RosterOperation(operation).sign_as_recovery(&words(with)).unwrap()
}

/// The beginning of a document, space or shelf.
pub(crate) fn beginning(
    kind: ResourceKind,
    owner: PersonId,
    space: Option<ResourceId>,
    by: &DeviceKey,
    tag: u8,
) -> VerifiedRecord {
    let (nonce, alias) = ([tag; 16], [tag; 16]);
    let genesis = Genesis { kind, owner, space, name: "groceries".to_owned(), nonce, alias, by: by.public() };
    Record::Genesis(genesis).sign(by).unwrap()
}

/// A document of this person.
pub(crate) fn document(owner: PersonId, by: &DeviceKey, tag: u8) -> VerifiedRecord {
    beginning(ResourceKind::Document, owner, None, by, tag)
}

/// A grant of Write by a person under the genesis, not to be passed on: what the tests vary.
pub(crate) fn granting(resource: ResourceId, issuer: PersonId, by: &DeviceKey, to: Audience) -> Grant {
    Grant {
        resource,
        issuer: Issuer::Person(issuer),
        to,
        role: Role::Write,
        share: false,
        uses: None,
        confirm: false,
        offline: false,
        parent: Parent::Genesis,
        redeems: None,
        expires: None,
        nonce: [0; 8],
        by: Signer::Device(by.public()),
    }
}

/// The end of a grant, in this person's name.
pub(crate) fn revoking(
    resource: ResourceId,
    issuer: PersonId,
    by: &DeviceKey,
    target: RecordId,
) -> VerifiedRecord {
    revoking_as(resource, Issuer::Person(issuer), by, target)
}

pub(crate) fn revoking_as(
    resource: ResourceId,
    issuer: Issuer,
    by: &DeviceKey,
    target: RecordId,
) -> VerifiedRecord {
    let revoke = Revoke { resource, target, issuer, erase: false, by: by.public() };
    Record::Revoke(revoke).sign(by).unwrap()
}

pub(crate) fn deleting(resource: ResourceId, by: &DeviceKey) -> VerifiedRecord {
    Record::Tombstone(Tombstone { resource, by: by.public() }).sign(by).unwrap()
}

pub(crate) fn excluding(resource: ResourceId, by: &DeviceKey, change: u8) -> VerifiedRecord {
    let (changes, reason) = (vec![[change; 32]], "spam".to_owned());
    Record::Exclude(Exclude { resource, changes, reason, by: by.public() }).sign(by).unwrap()
}

/// A registry into which these went, in this order.
pub(crate) fn registry<'a>(records: impl IntoIterator<Item = &'a VerifiedRecord>) -> Registry {
    let mut registry = Registry::new();
    for record in records {
        registry.insert(record.clone());
    }
    registry
}
