//! How much one peer may make this device send.

use thiserror::Error;

use super::part::Part;

/// Subjects up to which the first answer splits the set into leaves of some ten entries at once, which saves a
/// turn for at most 80 KB of fingerprints.
const ONE_SPLIT_COUNT: usize = 20_000;
/// Fingerprints in one answer of a set of that size.
const ONE_SPLIT: usize = 2048;
/// Fingerprints in one answer of a larger set, which takes a second split in any case: at 100,000 subjects, 20 KB
/// instead of 80 where one differs, and as much as with [`ONE_SPLIT`] where some hundred do.
const TWO_SPLITS: usize = 512;
/// Ranges into which each one that differs may be split, if the fan-out does not give it more.
pub(super) const SPLIT: usize = 32;
/// Parts that may be said for each that was heard, beyond those that the size of the set allows.
const EARNED: usize = 8;
/// Parts that may always be said: some answers of all the fan-out.
const SPARE_PARTS: usize = 8 * ONE_SPLIT;
/// Entries that may always be sent, however small the set is: what a few changes meanwhile cost.
const SPARE_ENTRIES: usize = 4096;

/// A peer asked for more than any honest run would.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "a peer asks again and again for what it was told; nothing was sent, and another run may begin later"
)]
pub struct OverBudget;

/// What may still be sent in one run.
///
/// An honest run lists each entry at most twice, once asking and once answering, and names at most a few ranges
/// for each one it was asked about or entry it has.
#[derive(Debug, Clone)]
pub struct Budget {
    parts: usize,
    entries: usize,
    fan_out: usize,
}

impl Budget {
    /// For one run with a set of `count` subjects.
    #[must_use]
    pub const fn new(count: usize) -> Self {
        Self {
            parts: count.saturating_mul(4).saturating_add(SPARE_PARTS),
            entries: count.saturating_mul(3).saturating_add(SPARE_ENTRIES),
            fan_out: if count <= ONE_SPLIT_COUNT { ONE_SPLIT } else { TWO_SPLITS },
        }
    }

    /// The same with another number of fingerprints in one answer: fewer cost fewer bytes where little differs,
    /// and a turn more where the set is large.
    #[must_use]
    pub const fn with_fan_out(mut self, fan_out: usize) -> Self {
        self.fan_out = fan_out;
        self
    }

    pub(super) const fn fan_out(&self) -> usize {
        self.fan_out
    }

    /// Whoever says much may be answered at length: each range split, each entry named as lacking.
    pub(super) fn earn(&mut self, heard: &[Part]) {
        self.parts = self.parts.saturating_add(heard.len().saturating_mul(EARNED));
        self.entries = self.entries.saturating_add(heard.iter().map(Part::listed).sum());
    }

    /// Pays for one part.
    pub(super) fn pay(&mut self, part: &Part) -> Result<(), OverBudget> {
        self.parts = self.parts.checked_sub(1).ok_or(OverBudget)?;
        self.entries = self.entries.checked_sub(part.listed()).ok_or(OverBudget)?;
        Ok(())
    }
}
