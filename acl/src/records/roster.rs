//! Records of a roster: the devices of a person, or the persons of a group.

use super::{ascending, name};
use crate::bounds::{MAX_KEEP, MAX_PREVIOUS};
use crate::codec::{DecodeError, Reader, Writer};
use crate::ids::{DeviceId, PersonId, RecordId, RecoveryKey};

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
    /// The first device, which signs.
    pub founder: DeviceId,
    /// What the first device is called.
    pub founder_name: String,
    /// What the person calls itself.
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
    /// A person of a group.
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
    },
}

impl RosterGenesis {
    pub(super) fn encode(&self, writer: &mut Writer) {
        writer.byte(match self.kind {
            RosterKind::Person => 1,
            RosterKind::Group => 2,
        });
        self.founder.encode(writer);
        writer.text(&self.founder_name).text(&self.name).raw(&self.recovery);
        encode_sealing(writer, self.sealing.as_ref());
        writer.raw(&self.nonce);
    }

    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            kind: match reader.byte()? {
                1 => RosterKind::Person,
                2 => RosterKind::Group,
                found => return Err(DecodeError::Unknown { what: "kind of roster", found: found.into() }),
            },
            founder: DeviceId::decode(reader)?,
            founder_name: name(reader)?,
            name: name(reader)?,
            recovery: reader.array()?,
            sealing: reader.option(Reader::array)?,
            nonce: reader.array()?,
        })
    }
}

impl RosterOperation {
    pub(super) fn encode(&self, writer: &mut Writer) {
        self.roster.encode(writer);
        self.by.encode(writer);
        writer.list(&self.previous, |writer, id| id.encode(writer));
        match &self.action {
            RosterAction::Add { member, name, capacity, sealing } => {
                member.encode(writer.byte(1));
                writer.text(name).byte(match capacity {
                    Capacity::Limited => 1,
                    Capacity::Full => 2,
                });
                encode_sealing(writer, sealing.as_ref());
            }
            RosterAction::Remove { member, keep } => {
                member.encode(writer.byte(2));
                writer.list(keep, |writer, id| id.encode(writer));
            }
            RosterAction::Recover { device, name, recovery_key, next_recovery } => {
                device.encode(writer.byte(3));
                recovery_key.encode(writer.text(name));
                writer.raw(next_recovery);
            }
        }
    }

    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let operation = Self {
            roster: PersonId::decode(reader)?,
            by: DeviceId::decode(reader)?,
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
            RosterAction::Add { .. } | RosterAction::Remove { .. } | RosterAction::Recover { .. } => {
                Ok(operation)
            }
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
            }),
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
