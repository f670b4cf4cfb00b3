//! Grants and revocations: a set, not a log.

use crate::codec::{DecodeError, Reader, Writer};
use crate::ids::{DeviceId, InviteKey, PersonId, RecordId, ResourceId};
use crate::role::Role;

/// In whose name a grant or revocation is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Issuer {
    /// A person.
    Person(PersonId),
    /// A group.
    Group(PersonId),
    /// An invitation that was redeemed without its issuer being reachable.
    Invite(InviteKey),
}

/// To whom something is granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Audience {
    /// A person, with all its devices.
    Person(PersonId),
    /// A group, with all its persons.
    Group(PersonId),
    /// One device. Such a grant is not passed on.
    Device(DeviceId),
    /// Whoever holds an invitation.
    Invite(InviteKey),
}

/// What a grant rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Parent {
    /// The genesis: the owner grants.
    Genesis,
    /// Another grant, whose audience is this one's issuer.
    Grant(RecordId),
}

/// The key that signs a grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Signer {
    /// A device of the issuer.
    Device(DeviceId),
    /// The key of an invitation.
    Invite(InviteKey),
}

/// A signed capability: this audience has this role in this resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// In what.
    pub resource: ResourceId,
    /// In whose name.
    pub issuer: Issuer,
    /// To whom.
    pub to: Audience,
    /// What it allows.
    pub role: Role,
    /// Whether it may be passed on. On a grant to an invitation: whether those that redeem it may.
    pub share: bool,
    /// For an invitation: how often it may be redeemed; none is no limit.
    pub uses: Option<u32>,
    /// For an invitation: only the device that made it lets people in by it, so not offline either.
    pub confirm: bool,
    /// For an invitation: its own key may let people in, with nobody there to ask.
    pub offline: bool,
    /// What it rests on.
    pub parent: Parent,
    /// The grant to an invitation that this one answers. It is no parent: that one may end, and this stays.
    pub redeems: Option<RecordId>,
    /// Until when, in milliseconds since 1970.
    pub expires: Option<u64>,
    /// Makes two grants with equal words two: giving access again is a new grant.
    pub nonce: [u8; 8],
    /// The key that signs.
    pub by: Signer,
}

/// The end of a grant and of all below it, for ever.
///
/// It has no nonce: against one grant and in one name a device has two words at most, with `erase` and without,
/// and cannot flood anybody with more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revoke {
    /// In what.
    pub resource: ResourceId,
    /// The grant.
    pub target: RecordId,
    /// In whose name.
    pub issuer: Issuer,
    /// Whether the other side is asked to drop its copy. Nobody can be made to.
    pub erase: bool,
    /// The device that signs.
    pub by: DeviceId,
}

impl Grant {
    pub(super) fn encode(&self, writer: &mut Writer) {
        self.resource.encode(writer);
        self.issuer.encode(writer);
        self.to.encode(writer);
        self.role.encode(writer);
        writer.byte(self.share.into());
        writer.option(self.uses, |writer, uses| {
            writer.uint(uses.into());
        });
        writer.byte(self.confirm.into());
        writer.byte(self.offline.into());
        writer.option(
            match self.parent {
                Parent::Genesis => None,
                Parent::Grant(id) => Some(id),
            },
            |writer, id| id.encode(writer),
        );
        writer.option(self.redeems, |writer, id| id.encode(writer));
        writer.option(self.expires, |writer, expires| {
            writer.uint(expires);
        });
        writer.raw(&self.nonce);
        match self.by {
            Signer::Device(device) => device.encode(writer.byte(1)),
            Signer::Invite(key) => key.encode(writer.byte(2)),
        }
    }

    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let grant = Self {
            resource: ResourceId::decode(reader)?,
            issuer: Issuer::decode(reader)?,
            to: Audience::decode(reader)?,
            role: Role::decode(reader)?,
            share: flag(reader, "share flag")?,
            uses: reader.option(uses)?,
            confirm: flag(reader, "confirm flag")?,
            offline: flag(reader, "offline flag")?,
            parent: reader.option(RecordId::decode)?.map_or(Parent::Genesis, Parent::Grant),
            redeems: reader.option(RecordId::decode)?,
            expires: reader.option(Reader::uint)?,
            nonce: reader.array()?,
            by: match reader.byte()? {
                1 => Signer::Device(DeviceId::decode(reader)?),
                2 => Signer::Invite(InviteKey::decode(reader)?),
                found => return Err(DecodeError::Unknown { what: "kind of signer", found: found.into() }),
            },
        };
        let invitation = matches!(grant.to, Audience::Invite(_));
        if !invitation && (grant.uses.is_some() || grant.confirm || grant.offline) {
            return Err(DecodeError::Invalid(
                "only an invitation has a number of uses, is confirmed, or redeemed offline",
            ));
        }
        if grant.confirm && grant.offline {
            return Err(DecodeError::Invalid("an invitation that is confirmed is not redeemed offline"));
        }
        if grant.uses == Some(0) {
            return Err(DecodeError::Invalid("an invitation has no uses"));
        }
        if grant.redeems.is_some() && !matches!(grant.to, Audience::Person(_)) {
            return Err(DecodeError::Invalid("only a person redeems an invitation"));
        }
        if grant.redeems.is_some() && !matches!(grant.by, Signer::Device(_)) {
            return Err(DecodeError::Invalid("only a device says which invitation it redeems"));
        }
        Ok(grant)
    }
}

fn flag(reader: &mut Reader<'_>, what: &'static str) -> Result<bool, DecodeError> {
    match reader.byte()? {
        0 => Ok(false),
        1 => Ok(true),
        found => Err(DecodeError::Unknown { what, found: found.into() }),
    }
}

fn uses(reader: &mut Reader<'_>) -> Result<u32, DecodeError> {
    let found = reader.uint()?;
    let limit = u32::MAX;
    found.try_into().map_err(|_| DecodeError::TooLarge { what: "uses", found, limit: limit.into() })
}

impl Revoke {
    pub(super) fn encode(&self, writer: &mut Writer) {
        self.resource.encode(writer);
        self.target.encode(writer);
        self.issuer.encode(writer);
        writer.byte(self.erase.into());
        self.by.encode(writer);
    }

    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let revoke = Self {
            resource: ResourceId::decode(reader)?,
            target: RecordId::decode(reader)?,
            issuer: Issuer::decode(reader)?,
            erase: flag(reader, "erase flag")?,
            by: DeviceId::decode(reader)?,
        };
        match revoke.issuer {
            Issuer::Invite(_) => Err(DecodeError::Invalid("an invitation cannot revoke")),
            Issuer::Person(_) | Issuer::Group(_) => Ok(revoke),
        }
    }
}

impl Issuer {
    fn encode(&self, writer: &mut Writer) {
        match self {
            Self::Person(person) => person.encode(writer.byte(1)),
            Self::Group(group) => group.encode(writer.byte(2)),
            Self::Invite(key) => key.encode(writer.byte(3)),
        }
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match reader.byte()? {
            1 => PersonId::decode(reader).map(Self::Person),
            2 => PersonId::decode(reader).map(Self::Group),
            3 => InviteKey::decode(reader).map(Self::Invite),
            found => Err(DecodeError::Unknown { what: "kind of issuer", found: found.into() }),
        }
    }
}

impl Audience {
    fn encode(&self, writer: &mut Writer) {
        match self {
            Self::Person(person) => person.encode(writer.byte(1)),
            Self::Group(group) => group.encode(writer.byte(2)),
            Self::Device(device) => device.encode(writer.byte(3)),
            Self::Invite(key) => key.encode(writer.byte(4)),
        }
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match reader.byte()? {
            1 => PersonId::decode(reader).map(Self::Person),
            2 => PersonId::decode(reader).map(Self::Group),
            3 => DeviceId::decode(reader).map(Self::Device),
            4 => InviteKey::decode(reader).map(Self::Invite),
            found => Err(DecodeError::Unknown { what: "kind of audience", found: found.into() }),
        }
    }
}
