//! Values as Automerge writes them.

use katori_acl::codec::Reader;

use super::read_signed;

/// Whether a value of this type, of those that have been given a meaning, has the one encoding that Automerge
/// writes.
pub(super) fn is_plain(kind: u64, value: &[u8]) -> bool {
    let mut reader = Reader::new(value);
    match kind {
        // Null, false and true.
        0..=2 => {}
        // A number without a sign.
        3 => {
            if reader.uint().is_err() {
                return false;
            }
        }
        // Numbers with one: an integer, a counter, a time.
        4 | 8 | 9 => {
            if read_signed(&mut reader).is_err() {
                return false;
            }
        }
        5 => return value.len() == 8,
        6 => return value.is_ascii() || std::str::from_utf8(value).is_ok(),
        7 => return true,
        _ => return false,
    }
    reader.remaining() == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_one_encoding() {
        assert!(is_plain(3, &[0x80, 0x01]) && is_plain(4, &[0x7f]) && is_plain(0, &[]));
        assert!(!is_plain(3, &[0x80, 0x00]) && !is_plain(4, &[0xff, 0x7f]) && !is_plain(9, &[1, 1]));
        assert!(!is_plain(3, &[]) && !is_plain(0, &[0]) && !is_plain(10, &[]));
        assert!(is_plain(5, &[0; 8]) && !is_plain(5, &[0; 7]));
        assert!(is_plain(6, "w\u{f6}rd".as_bytes()) && !is_plain(6, &[0xff]) && is_plain(7, &[0xff]));
    }
}
