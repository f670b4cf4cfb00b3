//! The six digits that both screens show when a device is paired.
//!
//! The construction is the numeric comparison of Bluetooth's Secure Simple Pairing: a short authentication string
//! over a commitment (S. Vaudenay, "Secure Communications over Insecure Channels Based on Short Authenticated
//! Strings", CRYPTO 2005). ZRTP does the same (RFC 6189, section 4.5). The inviter draws a nonce and commits to it;
//! the joiner sends a nonce of its own; only then does the inviter reveal its nonce, and the joiner checks it
//! against the commitment. The digits follow from both nonces and the transcript of the handshake.
//!
//! So neither side can steer the digits: the inviter is bound before it sees the joiner's nonce, and the joiner
//! draws before it sees the inviter's. Somebody in the middle has two connections, so two transcripts and two
//! sets of digits, and is bound on both before it can know either: one guess in a million, for each attempt that
//! two people look at.
//!
//! Made of BLAKE3 alone, in its key derivation mode with a context for each use. Deliberately not here: the exchange
//! of these values and what people answer (`comparison`, `pairings`).

use std::fmt;

use iroh::endpoint::Connection;
use katori_acl::codec::Writer;
use katori_acl::{DeviceId, InviteKey};

use crate::endpoint::exporter;
use crate::greeting::JOIN_ALPN;

const TRANSCRIPT_CONTEXT: &str = "katori v1 pairing transcript";
const COMMITMENT_CONTEXT: &str = "katori v1 pairing commitment";
const DIGITS_CONTEXT: &str = "katori v1 pairing digits";
/// How many numbers six digits make.
const NUMBERS: u64 = 1_000_000;
/// The largest multiple of that which fits: numbers from here on would favour some digits, and are passed over.
const FAIR: u64 = u64::MAX - u64::MAX % NUMBERS;

/// What one side contributes to the digits. Drawn anew for every attempt.
pub(super) type Nonce = [u8; 32];

/// Six digits, to be compared with those on the other screen. They print as `123 456`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digits(u32);

impl Digits {
    /// The digits as a number below a million.
    #[must_use]
    pub fn number(self) -> u32 {
        self.0
    }

    /// Given digits, for tests of what is done with them.
    #[cfg(test)]
    pub(super) fn of(number: u32) -> Self {
        Self(number)
    }
}

impl fmt::Display for Digits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:03} {:03}", self.0 / 1000, self.0 % 1000)
    }
}

/// Everything both sides have seen of the handshake, in 32 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Transcript([u8; 32]);

impl Transcript {
    /// What both ends of this connection have seen; nothing if it has no exporter any more.
    pub(super) fn of(
        connection: &Connection,
        inviter: DeviceId,
        joiner: DeviceId,
        invite: InviteKey,
        claim: &[u8],
    ) -> Option<Self> {
        Some(Self::new(inviter, joiner, invite, &exporter(connection, JOIN_ALPN)?, claim))
    }

    fn new(
        inviter: DeviceId,
        joiner: DeviceId,
        invite: InviteKey,
        exporter: &[u8; 32],
        claim: &[u8],
    ) -> Self {
        let mut writer = Writer::new();
        writer.bytes(JOIN_ALPN);
        inviter.encode(&mut writer);
        joiner.encode(&mut writer);
        invite.encode(&mut writer);
        writer.raw(exporter).bytes(claim);
        Self(blake3::derive_key(TRANSCRIPT_CONTEXT, &writer.finish()))
    }

    /// What the inviter sends before the joiner sends anything.
    pub(super) fn commit(&self, nonce: &Nonce) -> [u8; 32] {
        blake3::derive_key(COMMITMENT_CONTEXT, &[nonce.as_slice(), &self.0].concat())
    }

    /// The digits, from what the inviter and the joiner drew.
    pub(super) fn digits(&self, inviter: &Nonce, joiner: &Nonce) -> Digits {
        let mut hasher = blake3::Hasher::new_derive_key(DIGITS_CONTEXT);
        hasher.update(&self.0).update(inviter).update(joiner);
        let mut output = hasher.finalize_xof();
        loop {
            let mut bytes = [0; 8];
            output.fill(&mut bytes);
            let drawn = u64::from_be_bytes(bytes);
            // All but once in 2^44 the first will do.
            if drawn < FAIR
                && let Ok(number) = u32::try_from(drawn % NUMBERS)
            {
                return Digits(number);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INVITER_NONCE: Nonce = [6; 32];
    const JOINER_NONCE: Nonce = [7; 32];

    fn transcript(exporter: u8) -> Transcript {
        let (inviter, joiner) = (DeviceId::from_bytes([1; 32]), DeviceId::from_bytes([2; 32]));
        Transcript::new(inviter, joiner, InviteKey::from_bytes([3; 32]), &[exporter; 32], b"claim")
    }

    /// Others who implement the protocol must come to these values, which were computed apart from this code.
    #[test]
    fn the_derivation_is_fixed() {
        let transcript = transcript(4);
        assert_eq!(
            blake3::Hash::from(transcript.0).to_string(),
            "8d4d76b8be357f29ae740b40a07b667a52ab033b33a7de9a91786b8f2727b925"
        );
        assert_eq!(
            blake3::Hash::from(transcript.commit(&INVITER_NONCE)).to_string(),
            "395f17098427102feded30282b090f8f54e56f53353c90844f2eae8cfa50700d"
        );
        assert_eq!(transcript.digits(&INVITER_NONCE, &JOINER_NONCE).to_string(), "115 609");
    }

    #[test]
    fn digits_are_six_and_in_two_groups() {
        assert_eq!(Digits(0).to_string(), "000 000");
        assert_eq!(Digits(12_034).to_string(), "012 034");
        assert_eq!(Digits(999_999).to_string(), "999 999");
    }

    #[test]
    fn everything_that_was_seen_counts() {
        let digits = |exporter, inviter, joiner| transcript(exporter).digits(&[inviter; 32], &[joiner; 32]);
        let mut seen = std::collections::BTreeSet::new();
        for exporter in 0..4 {
            for inviter in 0..4 {
                for joiner in 0..4 {
                    seen.insert(digits(exporter, inviter, joiner));
                }
            }
        }
        assert_eq!(seen.len(), 64);
        let other_claim = Transcript::new(
            DeviceId::from_bytes([1; 32]),
            DeviceId::from_bytes([2; 32]),
            InviteKey::from_bytes([3; 32]),
            &[4; 32],
            b"another",
        );
        assert_ne!(other_claim, transcript(4));
    }

    #[test]
    fn a_commitment_holds_for_one_nonce_and_one_connection() {
        let commitment = transcript(4).commit(&INVITER_NONCE);
        assert_ne!(commitment, transcript(4).commit(&JOINER_NONCE));
        assert_ne!(commitment, transcript(5).commit(&INVITER_NONCE));
        for bit in 0..256 {
            let mut nonce = INVITER_NONCE;
            nonce[bit / 8] ^= 1 << (bit % 8);
            assert_ne!(commitment, transcript(4).commit(&nonce), "bit {bit}");
        }
    }
}
