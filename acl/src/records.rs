//! The records: everything about access that is signed, and nothing that is not.
//!
//! A record's bytes are a version, a tag, its fields, and a signature by the key that it names. Its id is the
//! hash of all but the signature. [`UnverifiedRecord::verify`] is the one place where bytes of others become a
//! [`VerifiedRecord`], which is the only thing a [`Registry`](crate::Registry) takes.

mod content;
mod genesis;
mod grant;
mod packed;
mod roster;
mod signed;

pub use content::{ChangeHash, Exclude, Keys};
pub use genesis::{Genesis, ResourceKind, Tombstone};
pub use grant::{Audience, Grant, Issuer, Parent, Revoke, Signer};
pub(crate) use packed::{Family, Packed};
pub use roster::{Capacity, Member, RosterAction, RosterGenesis, RosterKind, RosterOperation};
pub use signed::{RecordError, SignError, UnverifiedRecord, VerifiedRecord};

use crate::bounds::MAX_NAME_BYTES;
use crate::codec::{DecodeError, Reader, Writer};
use crate::ids::{DeviceId, InviteKey, PersonId, RecordId, RecoveryKey, ResourceId};
use crate::keys::record_id;

/// The version of the encoding of records that this code writes and reads.
const VERSION: u8 = 1;

/// What is reconciled as one unit: the records of one roster, or of one document, space or shelf.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// A person or group.
    Roster(PersonId),
    /// A document, space or shelf.
    Resource(ResourceId),
}

impl Subject {
    /// Appends a tag and the 32 bytes.
    pub fn encode(&self, writer: &mut Writer) {
        match self {
            Self::Roster(person) => person.encode(writer.byte(1)),
            Self::Resource(resource) => resource.encode(writer.byte(2)),
        }
    }

    /// Takes a tag and 32 bytes.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match reader.byte()? {
            1 => PersonId::decode(reader).map(Self::Roster),
            2 => ResourceId::decode(reader).map(Self::Resource),
            found => Err(DecodeError::Unknown { what: "subject", found: found.into() }),
        }
    }

    /// The id of the genesis record of this subject, which is the subject's own.
    #[must_use]
    pub const fn genesis(&self) -> RecordId {
        match self {
            Self::Roster(person) => RecordId::from_bytes(*person.as_bytes()),
            Self::Resource(resource) => RecordId::from_bytes(*resource.as_bytes()),
        }
    }
}

/// One record, not yet signed or already verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// The beginning of a person or group.
    RosterGenesis(RosterGenesis),
    /// A change of who belongs to a person or group.
    RosterOperation(RosterOperation),
    /// The beginning of a document, space or shelf.
    Genesis(Genesis),
    /// Somebody gets a role.
    Grant(Grant),
    /// A grant, and all below it, ends.
    Revoke(Revoke),
    /// Changes that stay out, for everyone.
    Exclude(Exclude),
    /// The end of a document, space or shelf.
    Tombstone(Tombstone),
    /// A key of sealed content, for those who may read it.
    Keys(Keys),
}

/// Whose signature a record needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NamedSigner {
    Device(DeviceId),
    Invite(InviteKey),
    Recovery(RecoveryKey),
}

impl Record {
    /// The kind as it stands in the domain of signature and id.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::RosterGenesis(_) => "roster-genesis",
            Self::RosterOperation(_) => "roster-operation",
            Self::Genesis(_) => "genesis",
            Self::Grant(_) => "grant",
            Self::Revoke(_) => "revoke",
            Self::Exclude(_) => "exclude",
            Self::Tombstone(_) => "tombstone",
            Self::Keys(_) => "keys",
        }
    }

    /// The id this record has, whoever signs it.
    #[must_use]
    pub fn id(&self) -> RecordId {
        record_id(self.kind(), &self.payload())
    }

    /// What this record is part of.
    #[must_use]
    pub fn subject(&self) -> Subject {
        match self {
            Self::RosterGenesis(_) | Self::Genesis(_) => self.subject_with(self.id()),
            // Only the genesis records are named by their own id.
            Self::RosterOperation(_)
            | Self::Grant(_)
            | Self::Revoke(_)
            | Self::Exclude(_)
            | Self::Tombstone(_)
            | Self::Keys(_) => self.subject_with(RecordId::from_bytes([0; 32])),
        }
    }

    /// What this record is part of, given its id.
    pub(crate) fn subject_with(&self, id: RecordId) -> Subject {
        match self {
            Self::RosterGenesis(_) => Subject::Roster(PersonId::from_bytes(*id.as_bytes())),
            Self::RosterOperation(operation) => Subject::Roster(operation.roster),
            Self::Genesis(_) => Subject::Resource(ResourceId::from_bytes(*id.as_bytes())),
            Self::Grant(grant) => Subject::Resource(grant.resource),
            Self::Revoke(revoke) => Subject::Resource(revoke.resource),
            Self::Exclude(exclude) => Subject::Resource(exclude.resource),
            Self::Tombstone(tombstone) => Subject::Resource(tombstone.resource),
            Self::Keys(keys) => Subject::Resource(keys.resource),
        }
    }

    pub(crate) const fn named_signer(&self) -> NamedSigner {
        match self {
            Self::RosterGenesis(genesis) => NamedSigner::Device(genesis.founder),
            Self::RosterOperation(operation) => match &operation.action {
                RosterAction::Recover { recovery_key, .. } => NamedSigner::Recovery(*recovery_key),
                RosterAction::Add { .. } | RosterAction::Remove { .. } | RosterAction::Rename { .. } => {
                    NamedSigner::Device(operation.by)
                }
            },
            Self::Genesis(genesis) => NamedSigner::Device(genesis.by),
            Self::Grant(grant) => match grant.by {
                Signer::Device(device) => NamedSigner::Device(device),
                Signer::Invite(key) => NamedSigner::Invite(key),
            },
            Self::Revoke(revoke) => NamedSigner::Device(revoke.by),
            Self::Exclude(exclude) => NamedSigner::Device(exclude.by),
            Self::Tombstone(tombstone) => NamedSigner::Device(tombstone.by),
            Self::Keys(keys) => NamedSigner::Device(keys.by),
        }
    }

    /// The bytes that are signed and hashed.
    pub(crate) fn payload(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.byte(VERSION);
        match self {
            Self::RosterGenesis(genesis) => genesis.encode(writer.byte(1)),
            Self::RosterOperation(operation) => operation.encode(writer.byte(2)),
            Self::Genesis(genesis) => genesis.encode(writer.byte(packed::GENESIS)),
            Self::Grant(grant) => grant.encode(writer.byte(4)),
            Self::Revoke(revoke) => revoke.encode(writer.byte(5)),
            Self::Exclude(exclude) => exclude.encode(writer.byte(6)),
            Self::Tombstone(tombstone) => tombstone.encode(writer.byte(7)),
            Self::Keys(keys) => keys.encode(writer.byte(8)),
        }
        writer.finish()
    }

    /// Reads what [`Record::payload`] wrote.
    pub(crate) fn from_payload(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(payload);
        let version = reader.byte()?;
        if version != VERSION {
            return Err(DecodeError::Unknown { what: "version of record", found: version.into() });
        }
        let record = match reader.byte()? {
            1 => Self::RosterGenesis(RosterGenesis::decode(&mut reader)?),
            2 => Self::RosterOperation(RosterOperation::decode(&mut reader)?),
            packed::GENESIS => Self::Genesis(Genesis::decode(&mut reader)?),
            4 => Self::Grant(Grant::decode(&mut reader)?),
            5 => Self::Revoke(Revoke::decode(&mut reader)?),
            6 => Self::Exclude(Exclude::decode(&mut reader)?),
            7 => Self::Tombstone(Tombstone::decode(&mut reader)?),
            8 => Self::Keys(Keys::decode(&mut reader)?),
            found => return Err(DecodeError::Unknown { what: "kind of record", found: found.into() }),
        };
        reader.finish()?;
        Ok(record)
    }
}

/// A line of text that people will see: no control characters, which could write elsewhere on a terminal.
pub(crate) fn line<'a>(
    reader: &mut Reader<'a>,
    what: &'static str,
    limit: usize,
) -> Result<&'a str, DecodeError> {
    let text = reader.text(what, limit)?;
    if text.chars().any(char::is_control) {
        return Err(DecodeError::Invalid("a name contains control characters"));
    }
    Ok(text)
}

/// The name of a person or device.
pub(crate) fn name(reader: &mut Reader<'_>) -> Result<String, DecodeError> {
    line(reader, "name", MAX_NAME_BYTES).map(str::to_owned)
}

/// A list that is a set: strictly ascending.
fn ascending<'a, T: Ord>(
    reader: &mut Reader<'a>,
    what: &'static str,
    limit: usize,
    read: impl FnMut(&mut Reader<'a>) -> Result<T, DecodeError>,
) -> Result<Vec<T>, DecodeError> {
    let items = reader.list(what, limit, read)?;
    if items.is_sorted_by(|a, b| a < b) {
        Ok(items)
    } else {
        Err(DecodeError::NotCanonical { what, offset: reader.offset() })
    }
}
