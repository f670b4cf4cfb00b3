//! Safety numbers: sixty digits that two people compare to make sure that nobody stands between them.
//!
//! The form is that of Signal's safety numbers (Marlinspike, "Safety number updates", 2016): twelve groups of five
//! digits, the same on both screens. A person's id is the hash of the signed record that its roster began with, so
//! the number stays when devices come and go, and no device list can be swapped under it. The digits come from
//! BLAKE3 over both ids in order: about 199 bits, so that finding two pairs of persons with one number takes some
//! 2^99 tries.

use std::fmt;

use katori_acl::PersonId;

use crate::node::Node;

/// What separates this use of BLAKE3 from others.
const CONTEXT: &str = "katori v1 safety number";
/// Groups of digits.
const GROUPS: usize = 12;
/// Bytes behind a group: far more than it shows, so that no number is likelier than another by more than 2^-47.
const GROUP_BYTES: usize = 8;
/// A group has five digits.
const GROUP_MODULUS: u64 = 100_000;

/// Sixty digits that stand for two persons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SafetyNumber([u32; GROUPS]);

impl SafetyNumber {
    /// The number of two persons, whichever comes first.
    #[must_use]
    pub fn of(one: PersonId, other: PersonId) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
        hasher.update(one.min(other).as_bytes()).update(one.max(other).as_bytes());
        let mut bytes = hasher.finalize_xof();
        Self([(); GROUPS].map(|()| {
            let mut group = [0; GROUP_BYTES];
            bytes.fill(&mut group);
            u32::try_from(u64::from_be_bytes(group) % GROUP_MODULUS).unwrap_or_default()
        }))
    }

    /// The groups, each a number of five digits.
    #[must_use]
    pub fn groups(&self) -> [u32; 12] {
        self.0
    }
}

impl fmt::Display for SafetyNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, group) in self.0.iter().enumerate() {
            let space = if index == 0 { "" } else { " " };
            write!(f, "{space}{group:05}")?;
        }
        Ok(())
    }
}

impl Node {
    /// The number that this person and another see alike if they are who they think. They read it to each other, or
    /// hold the screens side by side; then [`mark_verified`](Node::mark_verified) notes it.
    #[must_use]
    pub fn safety_number(&self, person: PersonId) -> SafetyNumber {
        SafetyNumber::of(self.me().person, person)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_see_the_same_and_nobody_else_does() {
        let [ana, ben, cleo] = [1, 2, 3].map(|byte| PersonId::from_bytes([byte; 32]));
        assert_eq!(SafetyNumber::of(ana, ben), SafetyNumber::of(ben, ana));
        assert_ne!(SafetyNumber::of(ana, ben), SafetyNumber::of(ana, cleo));
        let text = SafetyNumber::of(ana, ben).to_string();
        assert_eq!((text.len(), text.split(' ').count()), (71, 12));
        assert!(text.chars().all(|letter| letter == ' ' || letter.is_ascii_digit()));
        assert_eq!(text, "65773 60282 21237 48056 71931 73162 12987 42390 35025 40602 30664 88838");
    }
}
