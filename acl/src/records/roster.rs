//! Records of a roster: the devices of a person, or the persons of a group.

use super::{ascending, name};
use crate::bounds::{MAX_KEEP, MAX_PREVIOUS};
use crate::codec::{DecodeError, Reader, Writer};
use crate::ids::{DeviceId, PersonId, RecordId, RecoveryKey};
use crate::keys::{BadSignature, Signature};

/// Whether a roster is of devices or of persons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RosterKind {
    /// A person: a roster of devices.
    Person,
    /// A group: a roster of persons.
    Group,
}

/// The first record of a roster, whose id is the person's or group's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RosterGenesis {
    /// Whether it is of devices or of persons.
    pub kind: RosterKind,
    /// The first device of a person, or a device of a group's first person. It signs.
    pub founder: DeviceId,
    /// For a group, its first member, in whose name the device signs. A person has none.
    pub founder_person: Option<PersonId>,
    /// What the first device, or for a group the first member, is called.
    pub founder_name: String,
    /// What the person or group calls itself.
    pub name: String,
    /// BLAKE3 of the public key of the recovery words.
    pub recovery: [u8; 32],
    /// The public key to which things are sealed for the first device.
    pub sealing: Option<[u8; 32]>,
    /// Makes two persons with equal words two.
    pub nonce: [u8; 16],
}

/// What a roster has members of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Member {
    /// A device of a person.
    Device(DeviceId),
    /// A person of a group, or a group within a group.
    Person(PersonId),
}

/// How much a member may do for its roster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Capacity {
    /// Writes documents, but signs no roster operation, no grant and no revocation.
    Limited,
    /// Everything.
    Full,
}

/// One change of a roster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RosterOperation {
    /// The roster.
    pub roster: PersonId,
    /// The device that signs; for a recovery the new device, while the recovery key signs.
    pub by: DeviceId,
    /// In a group: the member in whose name it signs, a person or a group within. In a person's roster nobody.
    pub person: Option<PersonId>,
    /// The heads of the roster as its author saw it, ascending; the genesis is the first head.
    pub previous: Vec<RecordId>,
    /// What changes.
    pub action: RosterAction,
}

/// What an operation changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RosterAction {
    /// A new member.
    Add {
        /// Who.
        member: Member,
        /// What it is called.
        name: String,
        /// How much it may do.
        capacity: Capacity,
        /// The public key to which things are sealed for it.
        sealing: Option<[u8; 32]>,
        /// For a device: its own word that it belongs here ([`DeviceKey::consent`](crate::DeviceKey::consent)),
        /// so that nobody puts somebody else's device into a roster. A person has no one key to give it with.
        consent: Option<Signature>,
    },
    /// A member goes, for ever.
    Remove {
        /// Who.
        member: Member,
        /// The grants, revocations and tombstones it had signed that go on counting, ascending.
        keep: Vec<RecordId>,
    },
    /// The recovery words bring in a new device.
    Recover {
        /// The new device.
        device: DeviceId,
        /// What it is called.
        name: String,
        /// The public key that the roster had committed to, which signs this record.
        recovery_key: RecoveryKey,
        /// BLAKE3 of the next recovery key.
        next_recovery: [u8; 32],
        /// The device's own word that it belongs here.
        consent: Signature,
    },
    /// A member, or the roster itself, is called otherwise from now on.
    Rename {
        /// Who; none is the roster itself.
        member: Option<Member>,
        /// What it is called.
        name: String,
    },
}

impl RosterGenesis {
    pub(super) fn encode(&self, writer: &mut Writer) {
        writer.byte(match self.kind {
            RosterKind::Person => 1,
            RosterKind::Group => 2,
        });
        self.founder.encode(writer);
        writer.option(self.founder_person, |writer, person| person.encode(writer));
        writer.text(&self.founder_name).text(&self.name).raw(&self.recovery);
        encode_sealing(writer, self.sealing.as_ref());
        writer.raw(&self.nonce);
    }

    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let genesis = Self {
            kind: match reader.byte()? {
                1 => RosterKind::Person,
                2 => RosterKind::Group,
                found => return Err(DecodeError::Unknown { what: "kind of roster", found: found.into() }),
            },
            founder: DeviceId::decode(reader)?,
            founder_person: reader.option(PersonId::decode)?,
            founder_name: name(reader)?,
            name: name(reader)?,
            recovery: reader.array()?,
            sealing: reader.option(Reader::array)?,
            nonce: reader.array()?,
        };
        match (genesis.kind, genesis.founder_person) {
            (RosterKind::Person, None) | (RosterKind::Group, Some(_)) => Ok(genesis),
            (RosterKind::Person, Some(_)) => Err(DecodeError::Invalid("a person is founded by nobody else")),
            (RosterKind::Group, None) => Err(DecodeError::Invalid("a group is founded by a person")),
        }
    }
}

impl RosterOperation {
    pub(super) fn encode(&self, writer: &mut Writer) {
        self.roster.encode(writer);
        self.by.encode(writer);
        writer.option(self.person, |writer, person| person.encode(writer));
        writer.list(&self.previous, |writer, id| id.encode(writer));
        match &self.action {
            RosterAction::Add { member, name, capacity, sealing, consent } => {
                member.encode(writer.byte(1));
                writer.text(name).byte(match capacity {
                    Capacity::Limited => 1,
                    Capacity::Full => 2,
                });
                encode_sealing(writer, sealing.as_ref());
                writer.option(consent.as_ref(), |writer, consent| consent.encode(writer));
            }
            RosterAction::Remove { member, keep } => {
                member.encode(writer.byte(2));
                writer.list(keep, |writer, id| id.encode(writer));
            }
            RosterAction::Recover { device, name, recovery_key, next_recovery, consent } => {
                device.encode(writer.byte(3));
                recovery_key.encode(writer.text(name));
                consent.encode(writer.raw(next_recovery));
            }
            RosterAction::Rename { member, name } => {
                writer.byte(4).option(member.as_ref(), |writer, member| member.encode(writer));
                writer.text(name);
            }
        }
    }

    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let operation = Self {
            roster: PersonId::decode(reader)?,
            by: DeviceId::decode(reader)?,
            person: reader.option(PersonId::decode)?,
            previous: ascending(reader, "previous operations", MAX_PREVIOUS, RecordId::decode)?,
            action: RosterAction::decode(reader)?,
        };
        if operation.previous.is_empty() {
            return Err(DecodeError::Invalid("a roster operation names nothing before it"));
        }
        match &operation.action {
            RosterAction::Recover { device, .. } if *device != operation.by => {
                Err(DecodeError::Invalid("a recovery names two devices"))
            }
            RosterAction::Add { member: Member::Device(_), consent: None, .. } => {
                Err(DecodeError::Invalid("a device is added without its consent"))
            }
            RosterAction::Add { member: Member::Person(_), consent: Some(_), .. } => {
                Err(DecodeError::Invalid("a person is added with the consent of a device"))
            }
            RosterAction::Add { .. }
            | RosterAction::Remove { .. }
            | RosterAction::Recover { .. }
            | RosterAction::Rename { .. } => Ok(operation),
        }
    }
}

impl RosterOperation {
    /// Whose place in the roster it rests on; nobody's for a recovery, which the recovery key alone signs.
    #[must_use]
    pub fn author(&self) -> Option<Member> {
        match self.action {
            RosterAction::Recover { .. } => None,
            RosterAction::Add { .. } | RosterAction::Remove { .. } | RosterAction::Rename { .. } => {
                Some(self.person.map_or(Member::Device(self.by), Member::Person))
            }
        }
    }

    /// Checks that a device that this brings in has agreed to it.
    pub(super) fn verify_consent(&self) -> Result<(), BadSignature> {
        match &self.action {
            RosterAction::Add { member: Member::Device(device), consent: Some(consent), .. }
            | RosterAction::Recover { device, consent, .. } => device.verify_consent(self.roster, consent),
            RosterAction::Add { .. } | RosterAction::Remove { .. } | RosterAction::Rename { .. } => Ok(()),
        }
    }
}

impl RosterAction {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match reader.byte()? {
            1 => Ok(Self::Add {
                member: Member::decode(reader)?,
                name: name(reader)?,
                capacity: match reader.byte()? {
                    1 => Capacity::Limited,
                    2 => Capacity::Full,
                    found => return Err(DecodeError::Unknown { what: "capacity", found: found.into() }),
                },
                sealing: reader.option(Reader::array)?,
                consent: reader.option(Signature::decode)?,
            }),
            2 => Ok(Self::Remove {
                member: Member::decode(reader)?,
                keep: ascending(reader, "kept records", MAX_KEEP, RecordId::decode)?,
            }),
            3 => Ok(Self::Recover {
                device: DeviceId::decode(reader)?,
                name: name(reader)?,
                recovery_key: RecoveryKey::decode(reader)?,
                next_recovery: reader.array()?,
                consent: Signature::decode(reader)?,
            }),
            4 => Ok(Self::Rename { member: reader.option(Member::decode)?, name: name(reader)? }),
            found => Err(DecodeError::Unknown { what: "roster action", found: found.into() }),
        }
    }
}

impl Member {
    fn encode(&self, writer: &mut Writer) {
        match self {
            Self::Device(device) => device.encode(writer.byte(1)),
            Self::Person(person) => person.encode(writer.byte(2)),
        }
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match reader.byte()? {
            1 => DeviceId::decode(reader).map(Self::Device),
            2 => PersonId::decode(reader).map(Self::Person),
            found => Err(DecodeError::Unknown { what: "kind of member", found: found.into() }),
        }
    }
}

fn encode_sealing(writer: &mut Writer, sealing: Option<&[u8; 32]>) {
    writer.option(sealing, |writer, key| {
        writer.raw(key);
    });
}
