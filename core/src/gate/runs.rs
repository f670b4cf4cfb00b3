//! Reading the run-length encodings of Automerge's columns, one run at a time and never expanded.
//!
//! A column is a sequence of runs: a positive count and one value, a negative count and so many values, or a
//! zero and a count of nulls. Boolean columns are counts only, of false and true in turn. Whatever a run
//! claims, reading it costs as much as it is long in bytes.

use katori_acl::codec::{DecodeError, Reader, Writer};

use super::GateError;

/// Whether only the one encoding is taken that Automerge gives to a single change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Runs are as long as they can be. A change's hash is over its bytes, and Automerge rebuilds those when it
    /// loads a document, so anything else could be saved and not be loaded.
    Canonical,
    /// Runs may be split, as they are in documents.
    Any,
}

/// What a column of runs holds.
pub(super) trait Value<'a>: Copy + PartialEq {
    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError>;
}

impl<'a> Value<'a> for u64 {
    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        reader.uint()
    }
}

impl<'a> Value<'a> for i64 {
    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        read_signed(reader)
    }
}

impl<'a> Value<'a> for &'a str {
    fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        reader.text("name", usize::MAX)
    }
}

/// Visits the runs of a column: how many rows, and their value or null. Returns the number of rows.
pub(super) fn walk<'a, V: Value<'a>>(
    column: &'a [u8],
    what: &'static str,
    form: Form,
    limit: u64,
    mut visit: impl FnMut(u64, Option<V>) -> Result<(), GateError>,
) -> Result<u64, GateError> {
    let mut reader = Reader::new(column);
    let mut rows = 0u64;
    let mut before: Option<Option<V>> = None;
    let mut before_literal = false;
    let mut step = |count: u64, value: Option<V>| {
        rows = rows.saturating_add(count);
        GateError::at_most(what, rows, limit)?;
        if form == Form::Canonical && before == Some(value) {
            return Err(GateError::not_canonical(what));
        }
        before = Some(value);
        visit(count, value)
    };
    while reader.remaining() > 0 {
        let count = read_signed(&mut reader)?;
        let literal = count < 0;
        if literal && before_literal && form == Form::Canonical {
            return Err(GateError::not_canonical(what));
        }
        before_literal = literal;
        if literal {
            GateError::at_most(what, count.unsigned_abs(), limit)?;
            for _ in 0..count.unsigned_abs() {
                step(1, Some(V::read(&mut reader)?))?;
            }
        } else if count > 0 {
            if count == 1 && form == Form::Canonical {
                return Err(GateError::not_canonical(what));
            }
            step(count.unsigned_abs(), Some(V::read(&mut reader)?))?;
        } else {
            let nulls = reader.uint()?;
            if nulls == 0 {
                return Err(GateError::not_canonical(what));
            }
            step(nulls, None)?;
        }
    }
    Ok(rows)
}

/// Visits the runs of a column of differences, as the first and the last of each run's values; those between
/// lie between.
pub(super) fn walk_delta(
    column: &[u8],
    what: &'static str,
    form: Form,
    limit: u64,
    mut visit: impl FnMut(u64, Option<(i64, i64)>) -> Result<(), GateError>,
) -> Result<u64, GateError> {
    let mut value = 0i64;
    walk::<i64>(column, what, form, limit, |count, difference| {
        let Some(difference) = difference else { return visit(count, None) };
        let overflow = || GateError::not_canonical(what);
        let steps = i64::try_from(count).map_err(|_| overflow())?;
        let first = value.checked_add(difference).ok_or_else(overflow)?;
        let last =
            difference.checked_mul(steps).and_then(|sum| value.checked_add(sum)).ok_or_else(overflow)?;
        value = last;
        visit(count, Some((first, last)))
    })
}

/// Counts the rows of a boolean column, and those that are true.
pub(super) fn count_booleans(
    column: &[u8],
    what: &'static str,
    form: Form,
    limit: u64,
) -> Result<(u64, u64), GateError> {
    let mut reader = Reader::new(column);
    let (mut rows, mut set) = (0u64, 0u64);
    let (mut first, mut value) = (true, false);
    while reader.remaining() > 0 {
        let count = reader.uint()?;
        let pointless = count == 0 && (!first || reader.remaining() == 0);
        if pointless && form == Form::Canonical {
            return Err(GateError::not_canonical(what));
        }
        rows = rows.saturating_add(count);
        GateError::at_most(what, rows, limit)?;
        if value {
            set = set.saturating_add(count);
        }
        (first, value) = (false, !value);
    }
    Ok((rows, set))
}

/// Takes a signed LEB128 integer of the least length.
pub(crate) fn read_signed(reader: &mut Reader<'_>) -> Result<i64, DecodeError> {
    let mut value = 0i64;
    let mut before = 0u8;
    for shift in (0..64).step_by(7) {
        let byte = reader.byte()?;
        value |= i64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            let padding = (byte == 0 && before & 0x40 == 0) || (byte == 0x7f && before & 0x40 != 0);
            let beyond = shift == 63 && byte != 0 && byte != 0x7f;
            if beyond || (shift > 0 && padding) {
                break;
            }
            if byte & 0x40 != 0 && shift < 57 {
                value |= -1 << (shift + 7);
            }
            return Ok(value);
        }
        before = byte;
    }
    Err(DecodeError::NotCanonical { what: "signed integer", offset: reader.offset() })
}

/// Appends a signed LEB128 integer of the least length.
pub(crate) fn write_signed(writer: &mut Writer, mut value: i64) {
    loop {
        let low = (value & 0x7f).to_le_bytes()[0];
        value >>= 7;
        if (value == 0 && low & 0x40 == 0) || (value == -1 && low & 0x40 != 0) {
            writer.byte(low);
            return;
        }
        writer.byte(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(column: &[u8], form: Form) -> Result<u64, GateError> {
        walk::<u64>(column, "test", form, 1_000_000, |_, _| Ok(()))
    }

    #[test]
    fn signed_integers_have_one_encoding() {
        let edges = [0, 1, -1, 63, 64, -64, -65, 8191, 8192, i64::MAX, i64::MIN, i64::MAX - 1, 1 << 56];
        for value in edges {
            let mut writer = Writer::new();
            write_signed(&mut writer, value);
            let bytes = writer.finish();
            let mut theirs = Vec::new();
            leb128::write::signed(&mut theirs, value).unwrap();
            assert_eq!(bytes, theirs);
            let mut reader = Reader::new(&bytes);
            assert_eq!(read_signed(&mut reader), Ok(value));
            assert_eq!(reader.finish(), Ok(()));
        }
        for overlong in [&[0x80, 0x00][..], &[0xff, 0x7f], &[0xc0, 0xff, 0x7f], &[0xff; 11], &[0x80]] {
            assert!(read_signed(&mut Reader::new(overlong)).is_err(), "{overlong:?}");
        }
    }

    #[test]
    fn a_run_is_counted_and_not_expanded() {
        let mut writer = Writer::new();
        write_signed(&mut writer, i64::MAX);
        writer.uint(7);
        let bomb = writer.finish();
        let refused = rows(&bomb, Form::Any);
        assert!(matches!(refused, Err(GateError::TooLarge { limit: 1_000_000, .. })), "{refused:?}");
        let many = bomb.repeat(3);
        assert!(walk::<u64>(&many, "test", Form::Any, u64::MAX, |_, _| Ok(())).is_ok());
    }

    #[test]
    fn only_the_longest_runs_are_canonical() {
        let run = |bytes: &[u8]| (rows(bytes, Form::Canonical), rows(bytes, Form::Any));
        assert_eq!(run(&[2, 5, 0x7f, 6]), (Ok(3), Ok(3)));
        assert_eq!(run(&[0x7e, 5, 6, 0, 4]), (Ok(6), Ok(6)));
        let split: [&[u8]; 6] =
            [&[1, 5], &[2, 5, 2, 5], &[0x7f, 5, 0x7f, 6], &[0x7e, 5, 5], &[2, 5, 0x7f, 5], &[0, 1, 0, 1]];
        for column in split {
            let (canonical, any) = run(column);
            assert!(matches!(canonical, Err(GateError::NotCanonical { .. })), "{column:?}");
            assert!(any.is_ok(), "{column:?}");
        }
        assert!(rows(&[0, 0], Form::Any).is_err());
        assert!(rows(&[2], Form::Any).is_err());
    }

    #[test]
    fn differences_are_followed_by_their_ends() {
        let mut seen = Vec::new();
        let rows = walk_delta(&[0x7f, 10, 4, 0x7e, 0, 2], "test", Form::Canonical, 100, |count, ends| {
            seen.push((count, ends));
            Ok(())
        });
        assert_eq!(rows, Ok(7));
        assert_eq!(seen, [(1, Some((10, 10))), (4, Some((8, 2))), (2, None)]);
        let mut writer = Writer::new();
        write_signed(&mut writer, 1 << 40);
        write_signed(&mut writer, 1 << 40);
        let overflow = writer.finish();
        assert!(walk_delta(&overflow, "test", Form::Any, u64::MAX, |_, _| Ok(())).is_err());
    }

    #[test]
    fn booleans_begin_with_false() {
        assert_eq!(count_booleans(&[0, 3, 2], "test", Form::Canonical, 10), Ok((5, 3)));
        assert_eq!(count_booleans(&[4], "test", Form::Canonical, 10), Ok((4, 0)));
        assert!(count_booleans(&[0], "test", Form::Canonical, 10).is_err());
        assert!(count_booleans(&[1, 0, 1], "test", Form::Canonical, 10).is_err());
        assert!(count_booleans(&[11], "test", Form::Any, 10).is_err());
    }
}
