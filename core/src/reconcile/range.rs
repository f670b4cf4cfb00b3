//! Ranges: all subjects that begin with the same bits.

use katori_acl::codec::{DecodeError, Reader, Writer};
use katori_acl::{PersonId, ResourceId, Subject};

/// Bits of a subject: one for its kind, and those of its id.
pub(super) const BITS: u16 = 257;

/// All subjects that begin with the same bits: of none of them (the whole), the kind, or the kind and the first
/// bits of the id. Ranges are ordered as the subjects in them; two of them are disjoint, or one contains the
/// other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Range {
    /// The least subject in it: all bits after the prefix are zero.
    least: Subject,
    length: u16,
}

impl Range {
    /// Every subject.
    pub const WHOLE: Self = Self { least: Subject::Roster(PersonId::from_bytes([0; 32])), length: 0 };

    /// One subject.
    #[must_use]
    pub const fn of(subject: Subject) -> Self {
        Self { least: subject, length: BITS }
    }

    /// The smallest range with both in it.
    pub(super) fn around(one: &Subject, other: &Subject) -> Self {
        let length = common(one, other);
        Self { least: truncated(one, length), length }
    }

    /// How many bits its subjects have in common: 0 to 257.
    #[must_use]
    pub const fn length(&self) -> u16 {
        self.length
    }

    /// The subject, if it is the only one that the range can hold.
    #[must_use]
    pub fn only(&self) -> Option<Subject> {
        (self.length == BITS).then_some(self.least)
    }

    /// Whether a subject lies in it.
    #[must_use]
    pub fn contains(&self, subject: &Subject) -> bool {
        common(&self.least, subject) >= self.length
    }

    /// Whether another range lies in it, or is the same.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        self.length <= other.length && self.contains(&other.least)
    }

    /// The least subject in it, which may be in no set.
    pub(super) const fn least(&self) -> &Subject {
        &self.least
    }

    /// The two ranges that are one bit longer; none of a single subject.
    pub(super) fn halves(&self) -> Option<(Self, Self)> {
        (self.length < BITS).then(|| {
            let length = self.length + 1;
            (Self { least: self.least, length }, Self { least: with_bit(&self.least, self.length), length })
        })
    }

    /// The range of which these two are the lower and the upper half.
    pub(super) fn joined(lower: &Self, upper: &Self) -> Option<Self> {
        let parent = Self { least: lower.least, length: lower.length.checked_sub(1)? };
        (parent.halves() == Some((*lower, *upper))).then_some(parent)
    }

    /// Appends the number of bits, the kind, and the bytes of the id that have any of them.
    pub fn encode(&self, writer: &mut Writer) {
        writer.uint(self.length.into());
        if let Some(bits) = self.length.checked_sub(1) {
            let (tag, id) = parts(&self.least);
            writer.byte(tag).raw(id.get(..usize::from(bits.div_ceil(8))).unwrap_or(id));
        }
    }

    /// Takes a range.
    ///
    /// # Errors
    /// [`DecodeError`] if it is none, or bits are set after its prefix.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let found = reader.uint()?;
        let Some(length) = u16::try_from(found).ok().filter(|length| *length <= BITS) else {
            return Err(DecodeError::TooLarge { what: "range", found, limit: BITS.into() });
        };
        let Some(bits) = length.checked_sub(1) else { return Ok(Self::WHOLE) };
        let tag = reader.byte()?;
        let mut id = [0; 32];
        let prefix = reader.raw(usize::from(bits.div_ceil(8)))?;
        id.iter_mut().zip(prefix).for_each(|(to, from)| *to = *from);
        let least = match tag {
            1 => Subject::Roster(PersonId::from_bytes(id)),
            2 => Subject::Resource(ResourceId::from_bytes(id)),
            found => return Err(DecodeError::Unknown { what: "subject", found: found.into() }),
        };
        if truncated(&least, length) != least {
            return Err(DecodeError::NotCanonical { what: "range", offset: reader.offset() });
        }
        Ok(Self { least, length })
    }
}

/// The tag of the encoding and the id.
pub(super) fn parts(subject: &Subject) -> (u8, &[u8; 32]) {
    match subject {
        Subject::Roster(person) => (1, person.as_bytes()),
        Subject::Resource(resource) => (2, resource.as_bytes()),
    }
}

/// The same kind with another id.
fn with_id(subject: &Subject, id: [u8; 32]) -> Subject {
    match subject {
        Subject::Roster(_) => Subject::Roster(PersonId::from_bytes(id)),
        Subject::Resource(_) => Subject::Resource(ResourceId::from_bytes(id)),
    }
}

/// How many first bits two subjects have in common.
pub(super) fn common(one: &Subject, other: &Subject) -> u16 {
    let ((tag, id), (other_tag, other_id)) = (parts(one), parts(other));
    if tag != other_tag {
        return 0;
    }
    let mut bits = 1;
    for (byte, other_byte) in id.iter().zip(other_id) {
        let differing = byte ^ other_byte;
        if differing != 0 {
            // At most 7.
            return bits + u16::try_from(differing.leading_zeros()).unwrap_or(0);
        }
        bits += 8;
    }
    bits
}

/// A bit of a subject, from the front.
pub(super) fn bit(subject: &Subject, index: u16) -> bool {
    let (tag, id) = parts(subject);
    match index.checked_sub(1) {
        None => tag == 2,
        Some(index) => id.get(usize::from(index / 8)).is_some_and(|byte| byte & (0x80 >> (index % 8)) != 0),
    }
}

/// The subject with one more bit set.
fn with_bit(subject: &Subject, index: u16) -> Subject {
    let (_, id) = parts(subject);
    match index.checked_sub(1) {
        None => Subject::Resource(ResourceId::from_bytes(*id)),
        Some(index) => {
            let mut id = *id;
            if let Some(byte) = id.get_mut(usize::from(index / 8)) {
                *byte |= 0x80 >> (index % 8);
            }
            with_id(subject, id)
        }
    }
}

/// The subject with all bits zero but the first `length`.
fn truncated(subject: &Subject, length: u16) -> Subject {
    let Some(bits) = length.checked_sub(1) else { return *Range::WHOLE.least() };
    let mut id = *parts(subject).1;
    for (index, byte) in (0u16..).zip(&mut id) {
        let kept = bits.saturating_sub(index * 8).min(8);
        *byte &= u8::try_from(0xff00u16 >> kept & 0xff).unwrap_or(0);
    }
    with_id(subject, id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(kind: u8, bytes: &[u8]) -> Subject {
        let mut id = [0; 32];
        id[..bytes.len()].copy_from_slice(bytes);
        match kind {
            1 => Subject::Roster(PersonId::from_bytes(id)),
            _ => Subject::Resource(ResourceId::from_bytes(id)),
        }
    }

    #[test]
    fn bits_are_those_of_the_kind_and_of_the_id() {
        let one = subject(2, &[0b1010_0000]);
        assert_eq!(
            (0..5).map(|index| bit(&one, index)).collect::<Vec<_>>(),
            [true, true, false, true, false]
        );
        assert_eq!(common(&one, &subject(1, &[0b1010_0000])), 0);
        assert_eq!(common(&one, &subject(2, &[0b1011_0000])), 4);
        assert_eq!(common(&one, &one), BITS);
        assert_eq!(truncated(&one, 2), subject(2, &[0b1000_0000]));
        assert_eq!(truncated(&subject(2, &[0xff; 32]), 12), subject(2, &[0xff, 0b1110_0000]));
        assert_eq!(truncated(&subject(2, &[0xff; 32]), BITS), subject(2, &[0xff; 32]));
    }

    #[test]
    fn halves_share_the_range_between_them() {
        let mut range = Range::WHOLE;
        let deep = subject(2, &[0x5a; 32]);
        while let Some((lower, upper)) = range.halves() {
            assert!(lower < upper && range.covers(&lower) && range.covers(&upper));
            assert!(!lower.covers(&upper) && !upper.covers(&lower) && !lower.covers(&range));
            assert_ne!(lower.contains(&deep), upper.contains(&deep));
            assert_eq!(Range::joined(&lower, &upper), Some(range));
            assert_eq!(Range::joined(&upper, &lower), None);
            range = if lower.contains(&deep) { lower } else { upper };
        }
        assert_eq!(range.only(), Some(deep));
        assert_eq!(range, Range::of(deep));
    }

    #[test]
    fn a_range_has_one_encoding() {
        let deep = subject(2, &[0xa5; 32]);
        for length in 0..=BITS {
            let range = Range { least: truncated(&deep, length), length };
            let mut writer = Writer::new();
            range.encode(&mut writer);
            let bytes = writer.finish();
            let mut reader = Reader::new(&bytes);
            assert_eq!(Range::decode(&mut reader), Ok(range));
            assert_eq!(reader.finish(), Ok(()));
        }
        for refused in [&[2, 2, 0xff][..], &[2, 3, 0x80], &[0x82, 0x02], &[3, 1]] {
            assert!(Range::decode(&mut Reader::new(refused)).is_err(), "{refused:?}");
        }
    }
}
