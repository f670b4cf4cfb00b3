//! Inflating under a limit, and what one import may use up in all.

use super::{GateError, Limits};
use crate::deflate::{self, Malformed};

/// Inflates all of `deflated`, at most `limit` bytes of it.
pub(super) fn inflate(deflated: &[u8], what: &'static str, limit: usize) -> Result<Vec<u8>, GateError> {
    let inflated = deflate::inflate(deflated, limit).map_err(|Malformed| GateError::Inflate { what })?;
    GateError::at_most("inflated bytes", inflated.len() as u64, limit as u64)?;
    Ok(inflated)
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
