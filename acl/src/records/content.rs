//! Records about what is in a document: exclusions, and keys of sealed content. Of keys there is the encoding
//! alone; nothing evaluates them yet.

use super::{ascending, line};
use crate::bounds::{
    MAX_EXCLUDED_CHANGES, MAX_PREVIOUS, MAX_SEALED_KEY_BYTES, MAX_SEALED_KEYS, MAX_TITLE_BYTES,
};
use crate::codec::{DecodeError, Reader, Writer};
use crate::ids::{DeviceId, PersonId, RecordId, ResourceId};

/// The hash of one change of a document.
pub type ChangeHash = [u8; 32];

/// An Admin's word that these changes stay out, for everyone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exclude {
    /// Out of what.
    pub resource: ResourceId,
    /// The changes, ascending.
    pub changes: Vec<ChangeHash>,
    /// Why, for people to read.
    pub reason: String,
    /// The device that signs.
    pub by: DeviceId,
}

/// The key of one epoch of sealed content, sealed to each person that may read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    /// Of what.
    pub resource: ResourceId,
    /// The number of the epoch.
    pub epoch: u64,
    /// The `Keys` records before it, ascending.
    pub previous: Vec<RecordId>,
    /// Who gets the key, ascending, and the key sealed to each.
    pub sealed: Vec<(PersonId, Vec<u8>)>,
    /// The device that signs.
    pub by: DeviceId,
}

impl Exclude {
    pub(super) fn encode(&self, writer: &mut Writer) {
        self.resource.encode(writer);
        writer.list(&self.changes, |writer, change| {
            writer.raw(change);
        });
        self.by.encode(writer.text(&self.reason));
    }

    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            resource: ResourceId::decode(reader)?,
            changes: ascending(reader, "excluded changes", MAX_EXCLUDED_CHANGES, change_hash)?,
            reason: line(reader, "reason", MAX_TITLE_BYTES)?.to_owned(),
            by: DeviceId::decode(reader)?,
        })
    }
}

impl Keys {
    pub(super) fn encode(&self, writer: &mut Writer) {
        self.resource.encode(writer);
        writer.uint(self.epoch);
        writer.list(&self.previous, |writer, id| id.encode(writer));
        writer.list(&self.sealed, |writer, (person, key)| {
            person.encode(writer);
            writer.bytes(key);
        });
        self.by.encode(writer);
    }

    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let keys = Self {
            resource: ResourceId::decode(reader)?,
            epoch: reader.uint()?,
            previous: ascending(reader, "previous keys", MAX_PREVIOUS, RecordId::decode)?,
            sealed: reader.list("sealed keys", MAX_SEALED_KEYS, |reader| {
                let person = PersonId::decode(reader)?;
                Ok((person, reader.bytes("sealed key", MAX_SEALED_KEY_BYTES)?.to_vec()))
            })?,
            by: DeviceId::decode(reader)?,
        };
        if keys.sealed.is_sorted_by(|(a, _), (b, _)| a < b) {
            Ok(keys)
        } else {
            Err(DecodeError::NotCanonical { what: "sealed keys", offset: reader.offset() })
        }
    }
}

fn change_hash(reader: &mut Reader<'_>) -> Result<ChangeHash, DecodeError> {
    reader.array()
}
