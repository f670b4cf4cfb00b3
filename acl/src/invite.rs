//! The claim by which somebody who holds a ticket asks to be let in.
//!
//! Two keys sign it, the invitation's and the new device's, over a fresh challenge, both ends, and the
//! connection itself. So it shows that one party holds both, and is of no use anywhere else. That the
//! challenge, the connection and the ends are the right ones is compared by whoever receives it.

use std::fmt;

use thiserror::Error;

use crate::codec::{DecodeError, Reader, Writer};
use crate::ids::{DeviceId, InviteKey, PersonId};
use crate::keys::{BadSignature, DeviceKey, InviteSecret, Signature};
use crate::records::name;

/// The version of the encoding of claims.
const VERSION: u8 = 1;
/// The domain of the invitation's signature.
const INVITE_KIND: &str = "claim-by-invite";
/// The domain of the new device's signature.
const DEVICE_KIND: &str = "claim-by-device";

/// What somebody who holds a ticket says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The invitation.
    pub invite: InviteKey,
    /// What the inviter's device has just drawn.
    pub challenge: [u8; 32],
    /// The inviter's device.
    pub inviter: DeviceId,
    /// The device that asks.
    pub joiner: DeviceId,
    /// The person that asks; none when the device is to become one of the inviter's person.
    pub person: Option<PersonId>,
    /// The exporter value of the TLS connection, which nobody in between can share.
    pub exporter: [u8; 32],
    /// What the device is called.
    pub name: String,
    /// The device's word that it belongs to the inviter's person ([`DeviceKey::consent`]): there exactly when
    /// `person` is not.
    pub consent: Option<Signature>,
}

/// Why a claim is not believed. Nothing was granted.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ClaimError {
    /// The claim names another key than the one that was to sign.
    #[error("the claim names another key than the given ones")]
    WrongKey,
    /// The bytes are no claim.
    #[error("not a claim: {0}")]
    Malformed(#[from] DecodeError),
    /// A signature is missing or wrong.
    #[error("{0} of a claim")]
    BadSignature(#[from] BadSignature),
}

/// A well-formed claim whose signatures nobody has looked at.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedClaim {
    claim: Claim,
    bytes: Vec<u8>,
}

/// A claim of which both signatures hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedClaim(Claim);

impl Claim {
    /// Signs with both keys.
    pub fn sign(self, invite: &InviteSecret, device: &DeviceKey) -> Result<SignedClaim, ClaimError> {
        if self.invite != invite.public() || self.joiner != device.public() {
            return Err(ClaimError::WrongKey);
        }
        let mut bytes = self.payload();
        let by_invite = invite.sign(INVITE_KIND, &bytes);
        let by_device = device.sign(DEVICE_KIND, &bytes);
        bytes.extend_from_slice(&by_invite.0);
        bytes.extend_from_slice(&by_device.0);
        SignedClaim::decode(&bytes)
    }

    fn payload(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.byte(VERSION);
        self.invite.encode(&mut writer);
        writer.raw(&self.challenge);
        self.inviter.encode(&mut writer);
        self.joiner.encode(&mut writer);
        writer.option(self.person, |writer, person| person.encode(writer));
        writer.raw(&self.exporter).text(&self.name);
        writer.option(self.consent.as_ref(), |writer, consent| consent.encode(writer));
        writer.finish()
    }

    fn from_payload(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(payload);
        let version = reader.byte()?;
        if version != VERSION {
            return Err(DecodeError::Unknown { what: "version of claim", found: version.into() });
        }
        let claim = Self {
            invite: InviteKey::decode(&mut reader)?,
            challenge: reader.array()?,
            inviter: DeviceId::decode(&mut reader)?,
            joiner: DeviceId::decode(&mut reader)?,
            person: reader.option(PersonId::decode)?,
            exporter: reader.array()?,
            name: name(&mut reader)?,
            consent: reader.option(Signature::decode)?,
        };
        reader.finish()?;
        if claim.person.is_some() == claim.consent.is_some() {
            return Err(DecodeError::Invalid(
                "a claim is for a person, or for a device that agrees to be one of mine",
            ));
        }
        Ok(claim)
    }
}

impl SignedClaim {
    /// Reads a claim, checking its form but not its signatures.
    pub fn decode(bytes: &[u8]) -> Result<Self, ClaimError> {
        let (payload, _, _) = split(bytes)?;
        Ok(Self { claim: Claim::from_payload(payload)?, bytes: bytes.to_vec() })
    }

    /// The claim and its signatures, as sent.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Which invitation it claims, so that an unknown one need not be verified.
    #[must_use]
    pub fn invite(&self) -> InviteKey {
        self.claim.invite
    }

    /// Checks both signatures.
    pub fn verify(self) -> Result<VerifiedClaim, ClaimError> {
        let (payload, by_invite, by_device) = split(&self.bytes)?;
        self.claim.invite.verify(INVITE_KIND, payload, &by_invite)?;
        self.claim.joiner.verify(DEVICE_KIND, payload, &by_device)?;
        Ok(VerifiedClaim(self.claim))
    }
}

impl fmt::Debug for SignedClaim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signed({:?})", self.claim)
    }
}

impl VerifiedClaim {
    /// What both keys signed.
    #[must_use]
    pub fn claim(&self) -> &Claim {
        &self.0
    }

    /// The new device's word that it belongs to this roster, if it gave one and it holds.
    #[must_use]
    pub fn consents_to(&self, roster: PersonId) -> Option<Signature> {
        self.0.consent.filter(|consent| self.0.joiner.verify_consent(roster, consent).is_ok())
    }
}

/// The payload, the invitation's signature and the device's.
fn split(bytes: &[u8]) -> Result<(&[u8], Signature, Signature), DecodeError> {
    let both = bytes.split_last_chunk::<64>().and_then(|(rest, by_device)| {
        let (payload, by_invite) = rest.split_last_chunk::<64>()?;
        Some((payload, Signature(*by_invite), Signature(*by_device)))
    });
    both.ok_or(DecodeError::Truncated { offset: 0, needed: 128, available: bytes.len() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(invite: &InviteSecret, device: &DeviceKey) -> Claim {
        Claim {
            invite: invite.public(),
            challenge: [3; 32],
            inviter: DeviceId::from_bytes([4; 32]),
            joiner: device.public(),
            person: Some(PersonId::from_bytes([5; 32])),
            exporter: [6; 32],
            name: "phone".to_owned(),
            consent: None,
        }
    }

    #[test]
    fn a_device_that_joins_a_person_agrees_to_that_one() {
        let (invite, device) = (InviteSecret::from_secret([1; 32]), DeviceKey::from_secret([2; 32]));
        let (mine, other) = (PersonId::from_bytes([7; 32]), PersonId::from_bytes([8; 32]));
        let pairing = Claim { person: None, ..claim(&invite, &device) };
        assert!(pairing.clone().sign(&invite, &device).is_err(), "no consent");
        let pairing = Claim { consent: Some(device.consent(mine)), ..pairing };
        let verified = pairing.clone().sign(&invite, &device).unwrap().verify().unwrap();
        assert_eq!(verified.consents_to(mine), pairing.consent);
        assert_eq!(verified.consents_to(other), None);
        let both = Claim { person: Some(mine), ..pairing };
        assert!(both.sign(&invite, &device).is_err());
    }

    #[test]
    fn both_keys_must_sign() {
        let (invite, device) = (InviteSecret::from_secret([1; 32]), DeviceKey::from_secret([2; 32]));
        let unsigned = claim(&invite, &device);
        let signed = unsigned.clone().sign(&invite, &device).unwrap();
        let read = SignedClaim::decode(signed.bytes()).unwrap();
        assert_eq!(read.verify().unwrap().claim(), &unsigned);
        let other = DeviceKey::from_secret([9; 32]);
        assert_eq!(unsigned.sign(&invite, &other), Err(ClaimError::WrongKey));

        let mut exchanged = signed.bytes().to_vec();
        let half = exchanged.len() - 128;
        exchanged[half..].rotate_left(64);
        let exchanged = SignedClaim::decode(&exchanged).unwrap();
        assert_eq!(exchanged.verify(), Err(ClaimError::BadSignature(BadSignature)));
    }
}
