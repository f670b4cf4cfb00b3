//! Keys and signatures: ed25519 (RFC 8032) through `ed25519-dalek`, verified strictly, each signature bound to
//! a kind of record by a domain string, so that no signature can stand under a word it was not given for.

use std::fmt;

use ed25519_dalek::{Signer, SigningKey, VerifyingKey};
use thiserror::Error;

use crate::codec::{DecodeError, Reader, Writer};
use crate::ids::{DeviceId, InviteKey, PersonId, RecordId, RecoveryKey};

/// The domain of a device's consent to belong to a roster.
const CONSENT_KIND: &str = "member";

/// A signature that does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the signature does not hold")]
pub struct BadSignature;

/// 64 bytes of ed25519 signature.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature(pub [u8; 64]);

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({:02x}{:02x}..)", self.0[0], self.0[1])
    }
}

impl Signature {
    /// Appends the 64 bytes.
    pub(crate) fn encode(&self, writer: &mut Writer) {
        writer.raw(&self.0);
    }

    /// Takes 64 bytes.
    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.array().map(Self)
    }
}

/// The bytes that are signed or hashed for a record of this kind: `katori/v1/<kind>\0`, then the payload.
fn domain(kind: &str, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(kind.len() + payload.len() + 12);
    bytes.extend_from_slice(b"katori/v1/");
    bytes.extend_from_slice(kind.as_bytes());
    bytes.push(0);
    bytes.extend_from_slice(payload);
    bytes
}

/// The id of a record: BLAKE3 over its domain and payload.
#[must_use]
pub fn record_id(kind: &str, payload: &[u8]) -> RecordId {
    RecordId::from_bytes(*blake3::hash(&domain(kind, payload)).as_bytes())
}

fn verify(public: &[u8; 32], kind: &str, payload: &[u8], signature: &Signature) -> Result<(), BadSignature> {
    let key = VerifyingKey::from_bytes(public).map_err(|_| BadSignature)?;
    let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
    key.verify_strict(&domain(kind, payload), &signature).map_err(|_| BadSignature)
}

impl DeviceId {
    /// Checks that this device signed `payload` as a record of this kind.
    pub fn verify(&self, kind: &str, payload: &[u8], signature: &Signature) -> Result<(), BadSignature> {
        verify(self.as_bytes(), kind, payload, signature)
    }
}

impl DeviceId {
    /// Checks that this device agreed to belong to a roster.
    pub fn verify_consent(&self, roster: PersonId, consent: &Signature) -> Result<(), BadSignature> {
        self.verify(CONSENT_KIND, roster.as_bytes(), consent)
    }
}

impl DeviceKey {
    /// The device's word that it belongs to this roster, without which nobody can add it there.
    #[must_use]
    pub fn consent(&self, roster: PersonId) -> Signature {
        self.sign(CONSENT_KIND, roster.as_bytes())
    }
}

impl InviteKey {
    /// Checks that the holder of the invitation signed `payload` as a record of this kind.
    pub fn verify(&self, kind: &str, payload: &[u8], signature: &Signature) -> Result<(), BadSignature> {
        verify(self.as_bytes(), kind, payload, signature)
    }
}

impl RecoveryKey {
    /// Checks that the holder of the recovery words signed `payload` as a record of this kind.
    pub fn verify(&self, kind: &str, payload: &[u8], signature: &Signature) -> Result<(), BadSignature> {
        verify(self.as_bytes(), kind, payload, signature)
    }

    /// What a roster commits to: BLAKE3 of this key.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        *blake3::hash(self.as_bytes()).as_bytes()
    }
}

macro_rules! secret {
    ($(#[$doc:meta])* $name:ident => $public:ident) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $name(SigningKey);

        impl $name {
            /// The key with these secret bytes, which must come from a source of good randomness.
            #[must_use]
            pub fn from_secret(secret: [u8; 32]) -> Self {
                Self(SigningKey::from_bytes(&secret))
            }

            /// The secret bytes, for the store alone.
            #[must_use]
            pub fn to_secret(&self) -> [u8; 32] {
                self.0.to_bytes()
            }

            /// The public half.
            #[must_use]
            pub fn public(&self) -> $public {
                $public::from_bytes(self.0.verifying_key().to_bytes())
            }

            /// Signs `payload` as a record of this kind.
            #[must_use]
            pub fn sign(&self, kind: &str, payload: &[u8]) -> Signature {
                Signature(self.0.sign(&domain(kind, payload)).to_bytes())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.public().short())
            }
        }
    };
}

secret! {
    /// A device's secret key. It is made on the device and never leaves it.
    DeviceKey => DeviceId
}
secret! {
    /// The secret an invitation carries; whoever holds the ticket holds it.
    InviteSecret => InviteKey
}
secret! {
    /// The secret behind recovery words.
    RecoverySecret => RecoveryKey
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_stands_for_one_kind_only() {
        let key = DeviceKey::from_secret([1; 32]);
        let signature = key.sign("grant", b"payload");
        assert_eq!(key.public().verify("grant", b"payload", &signature), Ok(()));
        assert_eq!(key.public().verify("revoke", b"payload", &signature), Err(BadSignature));
        assert_eq!(key.public().verify("grant", b"payloae", &signature), Err(BadSignature));
        assert_ne!(record_id("grant", b"payload"), record_id("revoke", b"payload"));
    }
}
