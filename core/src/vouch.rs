//! Vouches: a device's signature over the heads of a document, "I stand behind this history". Hashes link
//! history, so one signature covers everything under the heads.

use std::sync::Arc;

use automerge::ChangeHash;
use katori_acl::codec::{DecodeError, Reader, Writer};
use katori_acl::{BadSignature, DeviceId, DeviceKey, PersonId, RecordId, ResourceId, Signature, record_id};
use thiserror::Error;

const KIND: &str = "vouch";
const VERSION: u8 = 1;

/// Heads in one vouch. An honest device merges heads long before there are so many.
pub const MAX_VOUCH_HEADS: usize = 1024;
/// Bytes of one vouch: its heads and some 200 bytes around them.
pub const MAX_VOUCH_BYTES: usize = MAX_VOUCH_HEADS * 32 + 256;

/// What a vouch says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vouch {
    /// The document.
    pub document: ResourceId,
    /// Who signs.
    pub device: DeviceId,
    /// The person the signing device belongs to, by its own word.
    pub person: PersonId,
    /// Counts the vouches of the device; the highest is its latest word.
    pub counter: u64,
    /// Everything under these is vouched for. Ascending.
    pub heads: Vec<ChangeHash>,
}

/// Bytes that are no vouch, or one that its device did not sign.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum VouchError {
    /// The bytes do not decode.
    #[error("a vouch does not decode: {0}")]
    Decode(#[from] DecodeError),
    /// The signature does not hold.
    #[error("a vouch is not signed by its device")]
    Signature(#[from] BadSignature),
}

/// A vouch whose signature was checked, now or before it was stored; or one that was signed here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedVouch {
    vouch: Vouch,
    id: RecordId,
    bytes: Arc<[u8]>,
}

/// A vouch as it came in.
#[derive(Debug, Clone)]
pub struct UnverifiedVouch {
    vouch: Vouch,
    id: RecordId,
    bytes: Arc<[u8]>,
    payload: usize,
}

impl UnverifiedVouch {
    /// Reads a vouch: its payload, then 64 bytes of signature.
    pub fn decode(bytes: &[u8]) -> Result<Self, VouchError> {
        let mut reader = Reader::new(bytes);
        if bytes.len() > MAX_VOUCH_BYTES {
            let (found, limit) = (bytes.len() as u64, MAX_VOUCH_BYTES as u64);
            return Err(DecodeError::TooLarge { what: "vouch", found, limit }.into());
        }
        let version = reader.byte()?;
        if version != VERSION {
            return Err(DecodeError::Unknown { what: "vouch version", found: version.into() }.into());
        }
        let vouch = Vouch {
            document: ResourceId::decode(&mut reader)?,
            device: DeviceId::decode(&mut reader)?,
            person: PersonId::decode(&mut reader)?,
            counter: reader.uint()?,
            heads: reader.list("heads", MAX_VOUCH_HEADS, |reader| reader.array().map(ChangeHash))?,
        };
        if vouch.heads.is_empty() || !vouch.heads.is_sorted_by(|one, next| one < next) {
            return Err(DecodeError::NotCanonical { what: "heads", offset: reader.offset() }.into());
        }
        let payload = reader.offset();
        reader.array::<64>()?;
        reader.finish()?;
        let id = record_id(KIND, bytes.get(..payload).unwrap_or_default());
        Ok(Self { vouch, id, bytes: bytes.into(), payload })
    }

    /// The id, so that a known vouch is dropped before its signature is looked at.
    #[must_use]
    pub fn id(&self) -> RecordId {
        self.id
    }

    /// What it says, not yet believed.
    #[must_use]
    pub fn claimed(&self) -> &Vouch {
        &self.vouch
    }

    /// Takes a vouch from our own store, where it was verified before it was stored. Whoever could alter it there
    /// could take this device's key as well.
    pub(crate) fn believe(self) -> VerifiedVouch {
        VerifiedVouch { vouch: self.vouch, id: self.id, bytes: self.bytes }
    }

    /// Checks the signature.
    pub fn verify(self) -> Result<VerifiedVouch, VouchError> {
        let (payload, signature) = self.bytes.split_at_checked(self.payload).unwrap_or_default();
        let signature = Signature(signature.try_into().map_err(|_| BadSignature)?);
        self.vouch.device.verify(KIND, payload, &signature)?;
        Ok(VerifiedVouch { vouch: self.vouch, id: self.id, bytes: self.bytes })
    }
}

impl VerifiedVouch {
    /// Signs a vouch by this device over these heads.
    #[must_use]
    pub fn sign(
        key: &DeviceKey,
        document: ResourceId,
        person: PersonId,
        counter: u64,
        mut heads: Vec<ChangeHash>,
    ) -> Self {
        heads.sort_unstable();
        heads.dedup();
        let vouch = Vouch { document, device: key.public(), person, counter, heads };
        let mut writer = Writer::new();
        writer.byte(VERSION);
        vouch.document.encode(&mut writer);
        vouch.device.encode(&mut writer);
        vouch.person.encode(&mut writer);
        writer.uint(counter).list(&vouch.heads, |writer, head| {
            writer.raw(&head.0);
        });
        let mut bytes = writer.finish();
        let id = record_id(KIND, &bytes);
        let signature = key.sign(KIND, &bytes);
        bytes.extend_from_slice(&signature.0);
        Self { vouch, id, bytes: bytes.into() }
    }

    /// The id: a hash of what is said.
    #[must_use]
    pub fn id(&self) -> RecordId {
        self.id
    }

    /// The signed bytes.
    #[must_use]
    pub fn bytes(&self) -> &Arc<[u8]> {
        &self.bytes
    }
}

impl std::ops::Deref for VerifiedVouch {
    type Target = Vouch;
    fn deref(&self) -> &Vouch {
        &self.vouch
    }
}
