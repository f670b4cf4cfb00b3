//! The layout of a pack.
//!
//! ```text
//! version         1 byte
//! changes         uint
//! rebuilt         uint      bytes of all changes, rebuilt
//! inflated        uint      bytes of the streams, inflated
//! digest          32 bytes  BLAKE3 over the hashes of the changes, in their order
//! streams         deflated, to the end
//! ```
//!
//! The streams, inflated, are byte strings with their lengths before them, in the order of [`Streams`].

use katori_acl::codec::{DecodeError, Reader, Writer};

use super::{PACK_VERSION, PackError};
use crate::gate::{COLUMNS, Limits, RawChange, read_signed, write_signed};

/// What stands before the deflated part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Prefix {
    pub(super) changes: usize,
    pub(super) rebuilt: usize,
    pub(super) inflated: usize,
    pub(super) digest: [u8; 32],
}

impl Prefix {
    pub(super) fn write(&self, writer: &mut Writer) {
        writer.byte(PACK_VERSION);
        writer.uint(self.changes as u64).uint(self.rebuilt as u64).uint(self.inflated as u64);
        writer.raw(&self.digest);
    }

    pub(super) fn read(reader: &mut Reader<'_>, limits: &Limits) -> Result<Self, PackError> {
        match reader.byte()? {
            PACK_VERSION => {}
            0 => return Err(DecodeError::Unknown { what: "pack version", found: 0 }.into()),
            found => return Err(PackError::Version { found }),
        }
        let changes = reader.size("changes in a pack", limits.pack_changes)?;
        let rebuilt = reader.size("bytes of a pack's changes", limits.pack_bytes)?;
        let inflated = reader.size("bytes of a pack, inflated", limits.pack_bytes)?;
        Ok(Self { changes, rebuilt, inflated, digest: reader.array()? })
    }
}

/// The digest over the hashes of the changes, so that a wrong rebuild cannot pass for another history.
pub(super) fn digest(changes: &[RawChange]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key("katori 2026 change pack 1");
    for change in changes {
        hasher.update(&change.hash().0);
    }
    *hasher.finalize().as_bytes()
}

/// How a change is carried: as it is.
pub(super) const RAW: u8 = 0;
/// How a change is carried: in columns.
pub(super) const IN_COLUMNS: u8 = 1;

/// The streams of a pack: like things of all its changes, one after the other.
///
/// A change that is carried raw has an entry in `form` and `raw` only. "Signed" is zigzag, and differences wrap.
#[derive(Debug, Default)]
pub(super) struct Streams<T> {
    /// The table of actors: a length and the bytes of each, in the order of their first use.
    pub(super) actors: T,
    /// The hashes of dependencies outside the pack, 32 bytes each, in the order of their first use.
    pub(super) outside: T,
    /// For each change, how it is carried.
    pub(super) form: T,
    /// For each raw change, a length and its bytes.
    pub(super) raw: T,
    /// For each change, how many dependencies, then for each of them twice the distance back in the pack, or
    /// twice its place in the table of those outside, and one.
    pub(super) dependencies: T,
    /// For each change, the place of its actor in the table, how many others, and their places.
    pub(super) actor: T,
    /// For each change, its sequence number less the one after the actor's last in this pack, signed.
    pub(super) sequence: T,
    /// For each change, its first operation less the one after the last of its dependencies in this pack, signed.
    pub(super) start_op: T,
    /// For each change, its time less that of the change before it, signed.
    pub(super) time: T,
    /// For each change, a length and the bytes of its message.
    pub(super) message: T,
    /// For each change, a bit for each column it has, that of the first column the lowest.
    pub(super) present: T,
    /// For each change, a length and the bytes of what follows its columns.
    pub(super) extra: T,
    /// For each column of operations: for each change that has it, its length; and their bytes.
    pub(super) columns: [(T, T); COLUMNS.len()],
}

impl<T> Streams<T> {
    /// Makes each stream in turn, in the order in which they are written.
    pub(super) fn try_make<E>(mut make: impl FnMut() -> Result<T, E>) -> Result<Self, E>
    where
        T: Default,
    {
        Ok(Self {
            actors: make()?,
            outside: make()?,
            form: make()?,
            raw: make()?,
            dependencies: make()?,
            actor: make()?,
            sequence: make()?,
            start_op: make()?,
            time: make()?,
            message: make()?,
            present: make()?,
            extra: make()?,
            columns: {
                let mut columns: [(T, T); COLUMNS.len()] = Default::default();
                for column in &mut columns {
                    *column = (make()?, make()?);
                }
                columns
            },
        })
    }

    /// All streams, in the same order.
    pub(super) fn into_list(self) -> Vec<T> {
        let mut list = vec![
            self.actors,
            self.outside,
            self.form,
            self.raw,
            self.dependencies,
            self.actor,
            self.sequence,
            self.start_op,
            self.time,
            self.message,
            self.present,
            self.extra,
        ];
        list.extend(self.columns.into_iter().flat_map(<[T; 2]>::from));
        list
    }
}

/// Writes a column of differences with its first value less the change's first operation: what a keystroke
/// refers to is then "the one before", and not a place in a long history.
pub(super) fn write_relative(writer: &mut Writer, column: &[u8], start_op: u64) -> Result<(), DecodeError> {
    let mut reader = Reader::new(column);
    let run = read_signed(&mut reader)?;
    if run == 0 {
        writer.raw(column);
        return Ok(());
    }
    let first = read_signed(&mut reader)?;
    write_signed(writer, run);
    write_signed(writer, first.wrapping_sub(start_op.cast_signed()));
    writer.raw(reader.raw(reader.remaining())?);
    Ok(())
}

/// Reads what [`write_relative`] wrote of a column of `length` bytes.
pub(super) fn read_relative(
    reader: &mut Reader<'_>,
    length: usize,
    start_op: u64,
) -> Result<Vec<u8>, DecodeError> {
    let mut column = Writer::new();
    let run = read_signed(reader)?;
    write_signed(&mut column, run);
    if run != 0 {
        write_signed(&mut column, read_signed(reader)?.wrapping_add(start_op.cast_signed()));
    }
    let rest = length.checked_sub(column.len());
    column.raw(reader.raw(rest.ok_or(DecodeError::Invalid("a column is longer than its length says"))?)?);
    Ok(column.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_of_differences_comes_back() {
        let columns: [&[u8]; 4] =
            [&[0x7f, 10], &[0, 5, 0x7f, 3], &[4, 1, 0x7e, 0, 0x7f], &[0x7f, 0xff, 0xff, 0x03]];
        for column in columns {
            for start_op in [1, 11, 1 << 31, u64::MAX] {
                let mut writer = Writer::new();
                write_relative(&mut writer, column, start_op).unwrap();
                let bytes = writer.finish();
                let mut reader = Reader::new(&bytes);
                let again = read_relative(&mut reader, column.len(), start_op);
                assert_eq!(again.as_deref(), Ok(column));
                assert_eq!(reader.finish(), Ok(()));
            }
        }
    }

    #[test]
    fn streams_keep_their_order() {
        let mut number = 0..100;
        let streams = Streams::<u8>::try_make(|| number.next().ok_or(())).unwrap();
        assert_eq!(streams.into_list(), (0..12 + 2 * 14).collect::<Vec<u8>>());
    }
}
