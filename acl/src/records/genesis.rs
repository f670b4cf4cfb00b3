//! The beginning and the end of a document, space or shelf.

use super::line;
use crate::access::AccessClass;
use crate::bounds::MAX_TITLE_BYTES;
use crate::codec::{DecodeError, Reader, Writer};
use crate::ids::{DeviceId, PersonId, ResourceId};

/// What a resource is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ResourceKind {
    /// A document.
    Document,
    /// A set of documents shared together.
    Space,
    /// What a person keeps for its own devices: contacts, names, what it accepted. Never shared.
    Shelf,
}

/// The first record of a document, space or shelf, whose id is the resource's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Genesis {
    /// Document, space or shelf.
    pub kind: ResourceKind,
    /// Whose it is, for ever: a person, or a group (never for a shelf).
    pub owner: PersonId,
    /// The space it is born in; only a document is.
    pub space: Option<ResourceId>,
    /// The name it is born with.
    pub name: String,
    /// Makes two resources with equal words two.
    pub nonce: [u8; 16],
    /// The automerge-repo document id.
    pub alias: [u8; 16],
    /// The device that signs.
    pub by: DeviceId,
}

/// The owner's word that a document, space or shelf is deleted, everywhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tombstone {
    /// What is deleted.
    pub resource: ResourceId,
    /// The device that signs, of the owner.
    pub by: DeviceId,
}

impl Genesis {
    pub(super) fn encode(&self, writer: &mut Writer) {
        writer.byte(match self.kind {
            ResourceKind::Document => 1,
            ResourceKind::Space => 2,
            ResourceKind::Shelf => 3,
        });
        self.owner.encode(writer);
        writer.option(self.space, |writer, space| space.encode(writer));
        writer.text(&self.name).raw(&self.nonce).raw(&self.alias);
        self.by.encode(writer);
    }

    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let AccessClass { owner, kind, space } = Self::decode_class(reader)?;
        Ok(Self {
            kind,
            owner,
            space,
            name: Self::decode_name(reader)?.to_owned(),
            nonce: reader.array()?,
            alias: reader.array()?,
            by: DeviceId::decode(reader)?,
        })
    }

    /// Takes what it begins with: of what the resource is one.
    pub(super) fn decode_class(reader: &mut Reader<'_>) -> Result<AccessClass, DecodeError> {
        let kind = match reader.byte()? {
            1 => ResourceKind::Document,
            2 => ResourceKind::Space,
            3 => ResourceKind::Shelf,
            found => return Err(DecodeError::Unknown { what: "kind of resource", found: found.into() }),
        };
        let owner = PersonId::decode(reader)?;
        let space = reader.option(ResourceId::decode)?;
        if space.is_some() && kind != ResourceKind::Document {
            return Err(DecodeError::Invalid("only a document is born in a space"));
        }
        Ok(AccessClass { owner, kind, space })
    }

    /// Takes the name after it.
    pub(super) fn decode_name<'a>(reader: &mut Reader<'a>) -> Result<&'a str, DecodeError> {
        line(reader, "name", MAX_TITLE_BYTES)
    }

    /// Of what the resource is one.
    pub(crate) fn class(&self) -> AccessClass {
        let Self { owner, kind, space, .. } = *self;
        AccessClass { owner, kind, space }
    }
}

impl Tombstone {
    pub(super) fn encode(&self, writer: &mut Writer) {
        self.resource.encode(writer);
        self.by.encode(writer);
    }

    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { resource: ResourceId::decode(reader)?, by: DeviceId::decode(reader)? })
    }
}
