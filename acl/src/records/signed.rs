//! Signing, and the one place where a record of others is verified.

use std::fmt;
use std::sync::Arc;

use thiserror::Error;

use super::{NamedSigner, Record, RosterAction, Subject};
use crate::bounds::MAX_RECORD_BYTES;
use crate::codec::DecodeError;
use crate::ids::RecordId;
use crate::keys::{BadSignature, DeviceKey, InviteSecret, RecoverySecret, Signature, record_id};

/// Bytes of a signature, at the end of every record.
pub(super) const SIGNATURE_BYTES: usize = 64;

/// Why a record could not be signed. Nothing was.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SignError {
    /// The record names another key than the one that was to sign.
    #[error("the record names another signer than the given key")]
    WrongKey,
    /// The record is over a bound or contradicts itself.
    #[error("the record is not valid: {0}")]
    Invalid(#[from] DecodeError),
    /// A device is brought into a roster without its own word for it.
    #[error("the device did not agree to belong to this roster")]
    NoConsent,
    /// The record is longer than any peer would take.
    #[error("the record has {0} bytes, more than the {MAX_RECORD_BYTES} allowed")]
    TooLarge(usize),
}

/// Why bytes are no record that could be believed. They are dropped.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RecordError {
    /// Longer than any record may be.
    #[error("a record of {0} bytes, more than the {MAX_RECORD_BYTES} allowed")]
    TooLarge(usize),
    /// The bytes are no record.
    #[error("not a record: {0}")]
    Malformed(#[from] DecodeError),
    /// The signature is not by the key that the record names.
    #[error("{0} of a record")]
    BadSignature(#[from] BadSignature),
    /// A device is brought into a roster without its own word for it.
    #[error("the device did not agree to belong to this roster")]
    NoConsent,
}

/// A well-formed record whose signature nobody has looked at.
#[derive(Clone)]
pub struct UnverifiedRecord {
    id: RecordId,
    record: Record,
    bytes: Arc<[u8]>,
}

/// A record whose signature holds: signed here, or verified here.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifiedRecord(Arc<Verified>);

#[derive(PartialEq, Eq)]
struct Verified {
    id: RecordId,
    subject: Subject,
    record: Record,
    bytes: Arc<[u8]>,
}

impl UnverifiedRecord {
    /// Reads a record, checking its length and form but not its signature.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        if bytes.len() > MAX_RECORD_BYTES {
            return Err(RecordError::TooLarge(bytes.len()));
        }
        let (payload, _) = split(bytes)?;
        let record = Record::from_payload(payload)?;
        Ok(Self { id: record_id(record.kind(), payload), record, bytes: bytes.into() })
    }

    /// The id, so that what is known already need not be verified.
    #[must_use]
    pub fn id(&self) -> RecordId {
        self.id
    }

    /// What it says it is part of.
    #[must_use]
    pub fn subject(&self) -> Subject {
        self.record.subject_with(self.id)
    }

    /// Checks the signature against the key that the record names.
    pub fn verify(self) -> Result<VerifiedRecord, RecordError> {
        let (payload, signature) = split(&self.bytes)?;
        let kind = self.record.kind();
        match self.record.named_signer() {
            NamedSigner::Device(device) => device.verify(kind, payload, &signature)?,
            NamedSigner::Invite(key) => key.verify(kind, payload, &signature)?,
            NamedSigner::Recovery(key) => key.verify(kind, payload, &signature)?,
        }
        if let Record::RosterOperation(operation) = &self.record {
            operation.verify_consent().map_err(|_| RecordError::NoConsent)?;
        }
        Ok(self.trusted())
    }

    /// Takes the record without looking at its signature.
    ///
    /// Only for bytes that this device verified before it stored them, read back from its own store. Whoever can
    /// write there holds the device's key as well. `katori check` verifies all of them.
    #[must_use]
    pub fn trusted(self) -> VerifiedRecord {
        VerifiedRecord::new(self.id, self.record, self.bytes)
    }
}

impl fmt::Debug for UnverifiedRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Unverified({:?} {:?})", self.id, self.record)
    }
}

impl VerifiedRecord {
    pub(super) fn new(id: RecordId, record: Record, bytes: Arc<[u8]>) -> Self {
        let subject = record.subject_with(id);
        Self(Arc::new(Verified { id, subject, record, bytes }))
    }

    /// The id: the hash of the record without its signature.
    #[must_use]
    pub fn id(&self) -> RecordId {
        self.0.id
    }

    /// What the record says.
    #[must_use]
    pub fn record(&self) -> &Record {
        &self.0.record
    }

    /// The record and its signature, as sent and stored.
    #[must_use]
    pub fn bytes(&self) -> &Arc<[u8]> {
        &self.0.bytes
    }

    /// What it is part of.
    #[must_use]
    pub fn subject(&self) -> Subject {
        self.0.subject
    }
}

impl fmt::Debug for VerifiedRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Verified({:?} {:?})", self.0.id, self.0.record)
    }
}

impl Record {
    /// Signs with the key of the device that the record names. Lists that are sets are put in order first.
    pub fn sign(self, key: &DeviceKey) -> Result<VerifiedRecord, SignError> {
        let named = NamedSigner::Device(key.public());
        self.sign_with(named, |kind, payload| key.sign(kind, payload))
    }

    /// Signs with the key of the invitation that the record names.
    pub fn sign_as_invite(self, secret: &InviteSecret) -> Result<VerifiedRecord, SignError> {
        let named = NamedSigner::Invite(secret.public());
        self.sign_with(named, |kind, payload| secret.sign(kind, payload))
    }

    /// Signs with the recovery key that the record names.
    pub fn sign_as_recovery(self, secret: &RecoverySecret) -> Result<VerifiedRecord, SignError> {
        let named = NamedSigner::Recovery(secret.public());
        self.sign_with(named, |kind, payload| secret.sign(kind, payload))
    }

    fn sign_with(
        mut self,
        named: NamedSigner,
        sign: impl FnOnce(&str, &[u8]) -> Signature,
    ) -> Result<VerifiedRecord, SignError> {
        if self.named_signer() != named {
            return Err(SignError::WrongKey);
        }
        self.put_in_order();
        let mut bytes = self.payload();
        if bytes.len() + SIGNATURE_BYTES > MAX_RECORD_BYTES {
            return Err(SignError::TooLarge(bytes.len() + SIGNATURE_BYTES));
        }
        // What a peer would refuse is not signed in the first place.
        Self::from_payload(&bytes)?;
        if let Self::RosterOperation(operation) = &self {
            operation.verify_consent().map_err(|_| SignError::NoConsent)?;
        }
        let id = record_id(self.kind(), &bytes);
        let signature = sign(self.kind(), &bytes);
        bytes.extend_from_slice(&signature.0);
        Ok(VerifiedRecord::new(id, self, bytes.into()))
    }

    /// Sorts the lists that are sets.
    fn put_in_order(&mut self) {
        match self {
            Self::RosterOperation(operation) => {
                sort(&mut operation.previous);
                if let RosterAction::Remove { keep, .. } = &mut operation.action {
                    sort(keep);
                }
            }
            Self::Exclude(exclude) => sort(&mut exclude.changes),
            Self::Keys(keys) => {
                sort(&mut keys.previous);
                keys.sealed.sort();
            }
            Self::RosterGenesis(_)
            | Self::Genesis(_)
            | Self::Grant(_)
            | Self::Revoke(_)
            | Self::Tombstone(_) => {}
        }
    }
}

fn sort<T: Ord>(items: &mut Vec<T>) {
    items.sort();
    items.dedup();
}

/// The payload and the signature after it.
fn split(bytes: &[u8]) -> Result<(&[u8], Signature), DecodeError> {
    match bytes.split_last_chunk::<SIGNATURE_BYTES>() {
        Some((payload, signature)) => Ok((payload, Signature(*signature))),
        None => Err(DecodeError::Truncated { offset: 0, needed: SIGNATURE_BYTES, available: bytes.len() }),
    }
}
