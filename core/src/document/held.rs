//! What is held back and why, and the history of what is shown.

use std::fmt;

use automerge::ChangeHash;
use katori_acl::{DeviceId, PersonId};

use super::{Document, holds_write};
use crate::actor::Claim;

/// Why a change is not in the document.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeldReason {
    /// No device that now holds Write vouches for it.
    NoWriterVouches,
    /// The device that its actor names never vouched for it: it may be forged.
    NotVouchedByAuthor {
        /// Whose actor it bears.
        device: DeviceId,
    },
    /// It builds on a change that is held back.
    BuildsOnHeld {
        /// That change.
        on: ChangeHash,
    },
    /// It is the losing branch of a fork.
    LostFork {
        /// The change of the same place that stays.
        to: ChangeHash,
    },
    /// Automerge failed on it on this device.
    FailedHere,
    /// With it the document would have more operations than this device shows.
    TooLarge,
}

impl fmt::Display for HeldReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoWriterVouches => f.write_str("nobody who may write now vouches for it"),
            Self::NotVouchedByAuthor { device } => {
                write!(f, "it bears the name of device {} which never vouched for it", device.short())
            }
            Self::BuildsOnHeld { on } => write!(f, "it builds on {on}, which is held back"),
            Self::LostFork { to } => write!(f, "its device wrote two changes in one place, and {to} stays"),
            Self::TooLarge => f.write_str("with it the document would be larger than this device can show"),
            Self::FailedHere => f.write_str("it could not be applied on this device"),
        }
    }
}

/// A change that is held back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The change.
    pub hash: ChangeHash,
    /// The device whose actor it bears, if it bears a device's.
    pub device: Option<DeviceId>,
    /// Whether that device vouched for it, so that it is really its own.
    pub signed: bool,
    /// When it was written, in seconds since 1970 by its author's clock.
    pub time: i64,
    /// How many operations it has.
    pub operations: u64,
    /// Why.
    pub reason: HeldReason,
}

/// A change that is in the document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryEntry {
    /// The change.
    pub hash: ChangeHash,
    /// What it builds on.
    pub dependencies: Vec<ChangeHash>,
    /// Its author, where a signature proves one.
    pub author: Option<DeviceId>,
    /// Those who hold Write and vouch for it. A change without an author is "vouched for by" these.
    pub vouched_by: Vec<(DeviceId, PersonId)>,
    /// When, in seconds since 1970 by its author's clock.
    pub time: i64,
    /// How many operations it has.
    pub operations: u64,
}

impl Document {
    /// Why a stored change is not admitted; nothing if it is.
    pub(super) fn reason(&self, index: u32) -> Option<HeldReason> {
        if self.admitted.contains(index) {
            return None;
        }
        let node = self.graph.node(index)?;
        if self.failed.contains(&node.hash) {
            return Some(HeldReason::FailedHere);
        }
        if let Some((_, winner)) = self.lost_branches.iter().find(|(loser, _)| *loser == index) {
            return self.graph.hashes([*winner]).pop().map(|to| HeldReason::LostFork { to });
        }
        if let Claim::Device(device) = self.graph.claim(index)
            && !self.vouches.covers(&device, index)
        {
            return Some(HeldReason::NotVouchedByAuthor { device });
        }
        let covered = self.vouches.cover().iter().any(|(device, cover)| {
            cover.contains(index) && holds_write(&self.access, device) && !self.forkers.contains(device)
        });
        if !covered {
            return Some(HeldReason::NoWriterVouches);
        }
        let on = node.dependencies.iter().find(|under| !self.admitted.contains(**under));
        let on = on.and_then(|on| self.graph.hashes([*on]).pop());
        Some(on.map_or(HeldReason::TooLarge, |on| HeldReason::BuildsOnHeld { on }))
    }

    /// The changes that are stored and not shown, in the order in which they build on each other.
    #[must_use]
    pub fn held(&self) -> Vec<Held> {
        let held = (0..self.graph.len()).filter(|index| !self.admitted.contains(*index));
        held.filter_map(|index| {
            let node = self.graph.node(index)?;
            let device = match self.graph.claim(index) {
                Claim::Device(device) => Some(device),
                Claim::Other => None,
            };
            Some(Held {
                hash: node.hash,
                device,
                signed: device.is_some_and(|device| self.vouches.covers(&device, index)),
                time: node.time,
                operations: node.operations,
                reason: self.reason(index)?,
            })
        })
        .collect()
    }

    /// The changes that are shown, in the order in which they build on each other.
    #[must_use]
    pub fn history(&self) -> impl DoubleEndedIterator<Item = HistoryEntry> {
        (0..self.graph.len())
            .filter(|index| self.admitted.contains(*index))
            .filter_map(|index| self.entry(index))
    }

    /// The device that wrote a change, if its signature proves it.
    #[must_use]
    pub fn author(&self, hash: &ChangeHash) -> Option<DeviceId> {
        let index = self.graph.index(hash)?;
        match self.graph.claim(index) {
            Claim::Device(device) if self.vouches.covers(&device, index) => Some(device),
            Claim::Device(_) | Claim::Other => None,
        }
    }

    fn entry(&self, index: u32) -> Option<HistoryEntry> {
        let node = self.graph.node(index)?;
        let mut vouched_by: Vec<_> = self
            .vouches
            .iter()
            .filter(|vouch| {
                holds_write(&self.access, &vouch.device) && self.vouches.covers(&vouch.device, index)
            })
            .map(|vouch| (vouch.device, vouch.person))
            .collect();
        vouched_by.sort_unstable();
        vouched_by.dedup();
        Some(HistoryEntry {
            hash: node.hash,
            dependencies: self.graph.hashes(node.dependencies.iter().copied()),
            author: self.author(&node.hash),
            vouched_by,
            time: node.time,
            operations: node.operations,
        })
    }
}
