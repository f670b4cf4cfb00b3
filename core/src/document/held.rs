//! What is held back and why, and the history of what is shown.

use std::collections::BTreeMap;
use std::fmt;

use automerge::ChangeHash;
use katori_acl::{DeviceId, PersonId};

use super::bits::Bits;
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
    /// It is on the losing branch of a fork.
    LostFork {
        /// The branch that stays.
        to: ChangeHash,
        /// The change by which what it did was applied again.
        reapplied: Option<ChangeHash>,
    },
    /// An Admin's exclusion names it.
    Excluded,
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
            Self::LostFork { to, reapplied } => {
                write!(
                    f,
                    "a device wrote two changes in one place, and it is not on the branch that stays, {to}"
                )?;
                reapplied.map_or(Ok(()), |again| write!(f, "; it was applied again as {again}"))
            }
            Self::Excluded => f.write_str("an admin excluded it"),
            Self::TooLarge => f.write_str("with it the document would be larger than this device can show"),
            Self::FailedHere => f.write_str("it could not be applied on this device"),
        }
    }
}

/// The part of the rule of admission that keeps a change out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Rule {
    /// (a): a device that holds Write now, and is no proven forker, must vouch for it.
    Writer,
    /// (b): the device whose actor it bears must have vouched for it.
    Author,
    /// (c): no exclusion may name it.
    Exclusion,
    /// What it builds on must be admitted.
    Closure,
    /// Of several changes in one place, one is admitted.
    Fork,
    /// None: it is held back on this device alone.
    Local,
}

impl HeldReason {
    /// The part of the rule that it comes from.
    #[must_use]
    pub fn rule(&self) -> Rule {
        match self {
            Self::NoWriterVouches => Rule::Writer,
            Self::NotVouchedByAuthor { .. } => Rule::Author,
            Self::Excluded => Rule::Exclusion,
            Self::BuildsOnHeld { .. } => Rule::Closure,
            Self::LostFork { .. } => Rule::Fork,
            Self::FailedHere | Self::TooLarge => Rule::Local,
        }
    }
}

/// A device whose vouch lies over a change that is held back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Voucher {
    /// The device.
    pub device: DeviceId,
    /// Its person, by its own signed word.
    pub person: PersonId,
    /// Whether it is proven to have forked. If not, its vouch does not count because it holds Write no more.
    pub forked: bool,
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
    /// That device's person, by its own signed word: of the vouch that proves the change its own, if `signed`, else of
    /// another, which says nothing of this change.
    pub person: Option<PersonId>,
    /// When it was written, in seconds since 1970 by its author's clock.
    pub time: i64,
    /// How many operations it has.
    pub operations: u64,
    /// Why.
    pub reason: HeldReason,
    /// The part of the rule that this comes from.
    pub rule: Rule,
    /// The devices whose vouches lie over it and do not count now.
    pub uncounted: Vec<Voucher>,
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
    /// The change on a losing branch of a fork that this one applies again, by its own word.
    pub reapplies: Option<ChangeHash>,
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
        if self.is_excluded(&node.hash) {
            return Some(HeldReason::Excluded);
        }
        if let Claim::Device(device) = self.graph.claim(index)
            && !self.vouches.covers(&device, index)
        {
            return Some(HeldReason::NotVouchedByAuthor { device });
        }
        let fork = self.losing.get(&index).and_then(|fork| self.settled.get(*fork));
        if let Some(winner) = fork.and_then(|fork| self.graph.node(fork.winner)) {
            let again = self.reapplied_as(&node.hash).and_then(|index| self.graph.node(index));
            return Some(HeldReason::LostFork { to: winner.hash, reapplied: again.map(|node| node.hash) });
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

    pub(super) fn is_excluded(&self, hash: &ChangeHash) -> bool {
        self.access.excluded().contains(&hash.0)
    }

    /// The person that a device names in its latest vouch.
    pub(super) fn person_by_its_word(&self, device: &DeviceId) -> Option<PersonId> {
        self.vouches.latest().get(device).map(|vouch| vouch.person)
    }

    /// The changes that are stored and not shown, in the order in which they build on each other.
    #[must_use]
    pub fn held(&self) -> Vec<Held> {
        let is_held = |index: &u32| !self.admitted.contains(*index) && !self.arriving.contains(*index);
        let held = (0..self.graph.len()).filter(is_held);
        let persons: BTreeMap<DeviceId, PersonId> =
            self.vouches.latest().into_iter().map(|(device, vouch)| (device, vouch.person)).collect();
        let uncounted: Vec<(Voucher, &Bits)> = self
            .vouches
            .cover()
            .iter()
            .filter_map(|(device, cover)| {
                let forked = self.forkers.contains(device);
                let counts = holds_write(&self.access, device) && !forked;
                let person = persons.get(device).filter(|_| !counts)?;
                Some((Voucher { device: *device, person: *person, forked }, cover))
            })
            .collect();
        held.filter_map(|index| {
            let node = self.graph.node(index)?;
            let device = match self.graph.claim(index) {
                Claim::Device(device) => Some(device),
                Claim::Other => None,
            };
            let reason = self.reason(index)?;
            let vouchers = uncounted.iter().filter(|(_, cover)| cover.contains(index));
            Some(Held {
                hash: node.hash,
                device,
                signed: device.is_some_and(|device| self.vouches.covers(&device, index)),
                person: device.and_then(|device| persons.get(&device).copied()),
                time: node.time,
                operations: node.operations,
                rule: reason.rule(),
                reason,
                uncounted: vouchers.map(|(voucher, _)| *voucher).collect(),
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

    /// The change that this one says it applied again, unless that is shown itself.
    #[must_use]
    pub fn stands_for(&self, hash: &ChangeHash) -> Option<ChangeHash> {
        let original = self.graph.reapplies(self.graph.index(hash)?)?;
        let is_shown = self.graph.index(&original).is_some_and(|index| self.admitted.contains(index));
        Some(original).filter(|_| !is_shown)
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

    pub(super) fn entry(&self, index: u32) -> Option<HistoryEntry> {
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
            reapplies: self.graph.reapplies(index),
        })
    }
}
