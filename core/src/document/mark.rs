//! The mark on a change that applies another one again: its commit message says which.

use automerge::ChangeHash;

const MARK: &str = "katori: re-applied ";

/// The message of a change that applies `original` again.
pub(super) fn write(original: &ChangeHash) -> String {
    format!("{MARK}{original}")
}

/// Reads a mark: exactly as [`write()`] writes it, or none.
pub(super) fn read(message: &str) -> Option<ChangeHash> {
    let hash: ChangeHash = message.strip_prefix(MARK)?.parse().ok()?;
    (write(&hash) == message).then_some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_read_as_it_is_written_and_nothing_else_is() {
        let hash = ChangeHash([0xab; 32]);
        let message = write(&hash);
        assert_eq!(message, format!("katori: re-applied {}", "ab".repeat(32)));
        assert_eq!(read(&message), Some(hash));
        assert_eq!(read(&message.to_uppercase()), None);
        assert_eq!(read(&message.replace("ab", "AB")), None);
        assert_eq!(read(&format!("{message} ")), None);
        assert_eq!(read(&message[..message.len() - 1]), None);
        assert_eq!(read("anything else"), None);
    }
}
