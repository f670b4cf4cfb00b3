//! The rows of Automerge's columns, one after the other.
//!
//! For columns that were walked run by run before ([`runs`](super::runs)): so many rows as there are were allowed.

use katori_acl::codec::Reader;

use super::read_signed;

/// A column ends early, or holds something else than it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

/// What is left of a column's bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bytes<'a>(pub(super) &'a [u8]);

impl<'a> Bytes<'a> {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    /// Most numbers take one byte.
    fn short(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first().filter(|(first, _)| **first < 0x80)?;
        self.0 = rest;
        Some(*first)
    }

    fn long<T, E>(&mut self, read: impl FnOnce(&mut Reader<'a>) -> Result<T, E>) -> Result<T, Malformed> {
        let mut reader = Reader::new(self.0);
        let value = read(&mut reader).map_err(|_| Malformed)?;
        self.0 = self.0.get(reader.offset()..).ok_or(Malformed)?;
        Ok(value)
    }
}

/// What a column holds.
pub(super) trait Item<'a>: Copy {
    fn take(bytes: &mut Bytes<'a>) -> Result<Self, Malformed>;
}

impl<'a> Item<'a> for u64 {
    fn take(bytes: &mut Bytes<'a>) -> Result<Self, Malformed> {
        match bytes.short() {
            Some(byte) => Ok(byte.into()),
            None => bytes.long(Reader::uint),
        }
    }
}

impl<'a> Item<'a> for i64 {
    fn take(bytes: &mut Bytes<'a>) -> Result<Self, Malformed> {
        match bytes.short() {
            // The seventh bit is the sign.
            Some(byte) => Ok(i64::from(byte) - i64::from(byte & 0x40) * 2),
            None => bytes.long(read_signed),
        }
    }
}

impl<'a> Item<'a> for &'a str {
    fn take(bytes: &mut Bytes<'a>) -> Result<Self, Malformed> {
        let length = u64::take(bytes)?;
        let bytes = bytes.take(usize::try_from(length).map_err(|_| Malformed)?)?;
        std::str::from_utf8(bytes).map_err(|_| Malformed)
    }
}

/// The rows of a column of runs. An absent column has nulls for ever.
#[derive(Debug)]
pub(super) struct Runs<'a, V> {
    bytes: Bytes<'a>,
    absent: bool,
    /// How often `value` still comes; if it does no more, so many rows stand there by themselves.
    left: u64,
    literal: u64,
    value: Option<V>,
}

impl<'a, V: Item<'a>> Runs<'a, V> {
    pub(super) fn new(column: &'a [u8]) -> Self {
        Self { bytes: Bytes(column), absent: column.is_empty(), left: 0, literal: 0, value: None }
    }

    pub(super) fn is_absent(&self) -> bool {
        self.absent
    }

    /// The next row, which may be null.
    pub(super) fn next(&mut self) -> Result<Option<V>, Malformed> {
        if self.left > 0 {
            self.left -= 1;
            return Ok(self.value);
        }
        if self.absent {
            return Ok(None);
        }
        if self.literal > 0 {
            self.literal -= 1;
            return V::take(&mut self.bytes).map(Some);
        }
        let count = i64::take(&mut self.bytes)?;
        if count < 0 {
            self.literal = count.unsigned_abs() - 1;
            return V::take(&mut self.bytes).map(Some);
        }
        (self.left, self.value) = match count.unsigned_abs() {
            0 => (u64::take(&mut self.bytes)?, None),
            count => (count, Some(V::take(&mut self.bytes)?)),
        };
        self.left = self.left.checked_sub(1).ok_or(Malformed)?;
        Ok(self.value)
    }

    pub(super) fn is_done(&self) -> bool {
        self.left == 0 && self.literal == 0 && self.bytes.is_empty()
    }
}

/// A column of differences.
#[derive(Debug)]
pub(super) struct Differences<'a> {
    runs: Runs<'a, i64>,
    value: i64,
}

impl<'a> Differences<'a> {
    pub(super) fn new(column: &'a [u8]) -> Self {
        Self { runs: Runs::new(column), value: 0 }
    }

    /// The next row, which may be null and is never negative.
    pub(super) fn next(&mut self) -> Result<Option<u64>, Malformed> {
        let Some(difference) = self.runs.next()? else { return Ok(None) };
        self.value = self.value.checked_add(difference).ok_or(Malformed)?;
        u64::try_from(self.value).map(Some).map_err(|_| Malformed)
    }

    pub(super) fn is_done(&self) -> bool {
        self.runs.is_done()
    }
}

/// A column of true and false. An absent column is false for ever.
#[derive(Debug)]
pub(super) struct Booleans<'a> {
    bytes: Bytes<'a>,
    absent: bool,
    left: u64,
    value: bool,
}

impl<'a> Booleans<'a> {
    pub(super) fn new(column: &'a [u8]) -> Self {
        // The first count is of false.
        Self { bytes: Bytes(column), absent: column.is_empty(), left: 0, value: true }
    }

    pub(super) fn next(&mut self) -> Result<bool, Malformed> {
        if self.absent {
            return Ok(false);
        }
        while self.left == 0 {
            self.left = u64::take(&mut self.bytes)?;
            self.value = !self.value;
        }
        self.left -= 1;
        Ok(self.value)
    }

    pub(super) fn is_done(&self) -> bool {
        self.left == 0 && self.bytes.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_out_of_their_runs() {
        let mut runs = Runs::<u64>::new(&[3, 7, 0, 2, 0x7e, 1, 0x80, 0x01]);
        let rows: Vec<_> = (0..7).map(|_| runs.next().unwrap()).collect();
        assert_eq!(rows, [Some(7), Some(7), Some(7), None, None, Some(1), Some(128)]);
        assert!(runs.is_done() && runs.next().is_err());
        let mut absent = Runs::<u64>::new(&[]);
        assert_eq!((absent.next(), absent.is_done()), (Ok(None), true));
        assert_eq!(Runs::<u64>::new(&[0, 0]).next(), Err(Malformed));
        assert_eq!(Runs::<&str>::new(&[0x7f, 1, 0xff]).next(), Err(Malformed));
    }

    #[test]
    fn differences_and_booleans_add_up() {
        let mut column = Differences::new(&[0x7d, 10, 0x7f, 0x40]);
        assert_eq!(
            (column.next(), column.next(), column.next()),
            (Ok(Some(10)), Ok(Some(9)), Err(Malformed))
        );
        let mut column = Booleans::new(&[0, 1, 2]);
        let rows: Vec<_> = (0..3).map(|_| column.next()).collect();
        assert_eq!((rows, column.is_done()), (vec![Ok(true), Ok(false), Ok(false)], true));
        assert_eq!(column.next(), Err(Malformed));
    }

    #[test]
    fn short_numbers_are_read_like_long_ones() {
        for byte in 0..0x80u8 {
            let bytes = [byte];
            assert_eq!(u64::take(&mut Bytes(&bytes)).ok(), Reader::new(&bytes).uint().ok());
            assert_eq!(i64::take(&mut Bytes(&bytes)).ok(), read_signed(&mut Reader::new(&bytes)).ok());
        }
    }
}
