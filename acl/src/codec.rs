//! The one encoding of everything that is signed, sent or stored.
//!
//! Canonical: each value has exactly one encoding, and a decoder refuses every other, so a hash of the bytes
//! is a hash of the value. Integers are unsigned LEB128 of the least length, byte strings carry their length,
//! options are a 0 or 1 byte. Nothing here allocates more than the input is long.

use thiserror::Error;

/// Why bytes could not be decoded.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The input ends inside a value.
    #[error("input ends at byte {offset}: {needed} more bytes needed, {available} left")]
    Truncated {
        /// Where the value begins.
        offset: usize,
        /// Bytes the value needs.
        needed: usize,
        /// Bytes that are left.
        available: usize,
    },
    /// Bytes are left after the last value.
    #[error("{extra} bytes too many after byte {offset}")]
    Trailing {
        /// Where the value ended.
        offset: usize,
        /// How many bytes follow.
        extra: usize,
    },
    /// The value has another, shorter or ordered, encoding.
    #[error("{what} at byte {offset} is not in canonical form")]
    NotCanonical {
        /// Which value.
        what: &'static str,
        /// Where it ends.
        offset: usize,
    },
    /// The value is larger than its bound.
    #[error("{what} is {found}, more than the {limit} allowed")]
    TooLarge {
        /// Which value.
        what: &'static str,
        /// What was found.
        found: u64,
        /// What is allowed.
        limit: u64,
    },
    /// A tag, version or enum value that this version of Katori does not know.
    #[error("{what} {found} is not known to this version")]
    Unknown {
        /// Which value.
        what: &'static str,
        /// What was found.
        found: u64,
    },
    /// The value contradicts itself.
    #[error("{0}")]
    Invalid(&'static str),
}

/// Appends values to a buffer. Writing cannot fail; the bounds are the reader's.
#[derive(Debug, Default, Clone)]
pub struct Writer(Vec<u8>);

impl Writer {
    /// An empty buffer.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty buffer with room for so many bytes.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    /// One byte, as it is.
    pub fn byte(&mut self, value: u8) -> &mut Self {
        self.0.push(value);
        self
    }

    /// An unsigned integer, LEB128.
    pub fn uint(&mut self, mut value: u64) -> &mut Self {
        loop {
            let low = (value & 0x7f) as u8;
            value >>= 7;
            if value == 0 {
                self.0.push(low);
                return self;
            }
            self.0.push(low | 0x80);
        }
    }

    /// A signed integer, zigzag then LEB128.
    pub fn int(&mut self, value: i64) -> &mut Self {
        self.uint(((value << 1) ^ (value >> 63)).cast_unsigned())
    }

    /// Bytes of a length both sides know.
    pub fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// Bytes with their length before them.
    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.uint(bytes.len() as u64).raw(bytes)
    }

    /// Text, as UTF-8 with its length before it.
    pub fn text(&mut self, text: &str) -> &mut Self {
        self.bytes(text.as_bytes())
    }

    /// A 0 byte, or a 1 byte and what `write` writes.
    pub fn option<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) -> &mut Self {
        match value {
            None => {
                self.byte(0);
            }
            Some(value) => {
                self.byte(1);
                write(self, value);
            }
        }
        self
    }

    /// A count, then each item as `write` writes it.
    pub fn list<T>(
        &mut self,
        items: impl IntoIterator<Item = T, IntoIter: ExactSizeIterator>,
        mut write: impl FnMut(&mut Self, T),
    ) -> &mut Self {
        let items = items.into_iter();
        self.uint(items.len() as u64);
        for item in items {
            write(self, item);
        }
        self
    }

    /// How many bytes have been written.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing has been written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The buffer.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.0
    }
}

/// Takes values from a slice, and never reads past it.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    input: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    /// Reads from the start of `input`.
    #[must_use]
    pub fn new(input: &'a [u8]) -> Self {
        Self { input, offset: 0 }
    }

    /// Where the next value begins.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// How many bytes are left.
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.input.len() - self.offset
    }

    /// `length` bytes, as they are.
    pub fn raw(&mut self, length: usize) -> Result<&'a [u8], DecodeError> {
        let end = self.offset.checked_add(length);
        let Some(bytes) = end.and_then(|end| self.input.get(self.offset..end)) else {
            return Err(DecodeError::Truncated {
                offset: self.offset,
                needed: length,
                available: self.remaining(),
            });
        };
        self.offset += length;
        Ok(bytes)
    }

    /// `N` bytes, as they are.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let mut array = [0; N];
        array.copy_from_slice(self.raw(N)?);
        Ok(array)
    }

    /// One byte.
    pub fn byte(&mut self) -> Result<u8, DecodeError> {
        Ok(self.array::<1>()?[0])
    }

    /// An unsigned integer.
    pub fn uint(&mut self) -> Result<u64, DecodeError> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let part = u64::from(byte & 0x7f);
            if shift == 63 && part > 1 {
                return Err(DecodeError::TooLarge { what: "integer", found: u64::MAX, limit: u64::MAX });
            }
            value |= part << shift;
            if byte & 0x80 == 0 {
                if byte == 0 && shift > 0 {
                    return Err(DecodeError::NotCanonical { what: "integer", offset: self.offset });
                }
                return Ok(value);
            }
        }
        Err(DecodeError::NotCanonical { what: "integer", offset: self.offset })
    }

    /// A signed integer.
    pub fn int(&mut self) -> Result<i64, DecodeError> {
        let value = self.uint()?;
        Ok((value >> 1).cast_signed() ^ -((value & 1).cast_signed()))
    }

    /// An unsigned integer of at most `limit`, as a `usize`.
    pub fn size(&mut self, what: &'static str, limit: usize) -> Result<usize, DecodeError> {
        let found = self.uint()?;
        match usize::try_from(found) {
            Ok(size) if size <= limit => Ok(size),
            _ => Err(DecodeError::TooLarge { what, found, limit: limit as u64 }),
        }
    }

    /// Bytes with their length before them, at most `limit` of them.
    pub fn bytes(&mut self, what: &'static str, limit: usize) -> Result<&'a [u8], DecodeError> {
        let length = self.size(what, limit)?;
        self.raw(length)
    }

    /// Text of at most `limit` bytes.
    pub fn text(&mut self, what: &'static str, limit: usize) -> Result<&'a str, DecodeError> {
        let offset = self.offset;
        std::str::from_utf8(self.bytes(what, limit)?)
            .map_err(|_| DecodeError::NotCanonical { what: "UTF-8 text", offset })
    }

    /// What `read` reads, if a 1 byte comes first.
    pub fn option<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Option<T>, DecodeError> {
        match self.byte()? {
            0 => Ok(None),
            1 => read(self).map(Some),
            found => Err(DecodeError::Unknown { what: "option tag", found: found.into() }),
        }
    }

    /// A count of at most `limit`, then that many items. Memory follows the input, not the count.
    pub fn list<T>(
        &mut self,
        what: &'static str,
        limit: usize,
        mut read: impl FnMut(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        let count = self.size(what, limit)?;
        let mut items = Vec::with_capacity(count.min(self.remaining()).min(4096));
        for _ in 0..count {
            items.push(read(self)?);
        }
        Ok(items)
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// [`DecodeError::Trailing`] if bytes are left.
    pub fn finish(self) -> Result<(), DecodeError> {
        match self.remaining() {
            0 => Ok(()),
            extra => Err(DecodeError::Trailing { offset: self.offset, extra }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_have_one_encoding() {
        for value in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX - 1, u64::MAX] {
            let mut writer = Writer::new();
            writer.uint(value);
            let bytes = writer.finish();
            let mut reader = Reader::new(&bytes);
            assert_eq!(reader.uint(), Ok(value));
            assert_eq!(reader.finish(), Ok(()));
        }
        assert!(matches!(Reader::new(&[0x80, 0x00]).uint(), Err(DecodeError::NotCanonical { .. })));
        assert!(Reader::new(&[0xff; 10]).uint().is_err());
        for value in [0, -1, 1, i64::MIN, i64::MAX] {
            let mut writer = Writer::new();
            writer.int(value);
            assert_eq!(Reader::new(&writer.finish()).int(), Ok(value));
        }
    }

    #[test]
    fn a_length_beyond_the_input_takes_no_memory() {
        let mut writer = Writer::new();
        writer.uint(u64::from(u32::MAX));
        let bytes = writer.finish();
        assert!(Reader::new(&bytes).bytes("name", usize::MAX).is_err());
        assert!(Reader::new(&bytes).bytes("name", 64).is_err());
        assert!(Reader::new(&bytes).list("names", usize::MAX, Reader::byte).is_err());
    }
}
