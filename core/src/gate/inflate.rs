//! Inflating under a limit, and what one import may use up in all.

use std::io::Read as _;

use flate2::bufread::DeflateDecoder;

use super::{GateError, Limits};

/// Inflates all of `deflated`, at most `limit` bytes of it. Memory follows what comes out, never a claim.
pub(super) fn inflate(deflated: &[u8], what: &'static str, limit: usize) -> Result<Vec<u8>, GateError> {
    let mut inflated = Vec::new();
    let mut decoder = DeflateDecoder::new(deflated).take(limit as u64 + 1);
    decoder.read_to_end(&mut inflated).map_err(|_| GateError::Inflate { what })?;
    GateError::at_most("inflated bytes", inflated.len() as u64, limit as u64)?;
    if decoder.into_inner().into_inner().is_empty() { Ok(inflated) } else { Err(GateError::Inflate { what }) }
}

/// What is left of an import's limits.
#[derive(Debug)]
pub(super) struct Budget {
    bytes: Left,
    operations: Left,
    changes: Left,
}

#[derive(Debug)]
struct Left {
    what: &'static str,
    limit: u64,
    used: u64,
}

impl Left {
    fn take(&mut self, amount: u64) -> Result<(), GateError> {
        self.used = self.used.saturating_add(amount);
        GateError::at_most(self.what, self.used, self.limit)
    }

    fn left(&self) -> u64 {
        self.limit.saturating_sub(self.used)
    }
}

impl Budget {
    pub(super) fn new(limits: &Limits) -> Self {
        let left = |what, limit| Left { what, limit, used: 0 };
        Self {
            bytes: left("inflated bytes of the file", limits.document_inflated_bytes as u64),
            operations: left("operations of the file", limits.document_operations),
            changes: left("changes of the file", limits.document_changes),
        }
    }

    pub(super) fn take_bytes(&mut self, amount: u64) -> Result<(), GateError> {
        self.bytes.take(amount)
    }

    pub(super) fn take_operations(&mut self, amount: u64) -> Result<(), GateError> {
        self.operations.take(amount)
    }

    pub(super) fn take_changes(&mut self, amount: u64) -> Result<(), GateError> {
        self.changes.take(amount)
    }

    pub(super) fn bytes(&self) -> usize {
        usize::try_from(self.bytes.left()).unwrap_or(usize::MAX)
    }

    pub(super) fn operations(&self) -> u64 {
        self.operations.left()
    }

    pub(super) fn changes(&self) -> u64 {
        self.changes.left()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::DeflateEncoder;

    use super::*;

    fn deflate(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::new(9));
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn no_more_is_inflated_than_allowed() {
        let bomb = deflate(&vec![0; 10_000_000]);
        assert!(bomb.len() < 20_000);
        assert!(matches!(inflate(&bomb, "test", 9_999_999), Err(GateError::TooLarge { .. })));
        assert_eq!(inflate(&bomb, "test", 10_000_000).map(|bytes| bytes.len()), Ok(10_000_000));
    }

    #[test]
    fn nothing_may_follow_and_nothing_be_missing() {
        let mut good = deflate(b"a few words");
        assert_eq!(inflate(&good, "test", 100).as_deref(), Ok(&b"a few words"[..]));
        assert!(inflate(&good[..good.len() - 1], "test", 100).is_err());
        good.push(0);
        assert_eq!(inflate(&good, "test", 100), Err(GateError::Inflate { what: "test" }));
    }
}
