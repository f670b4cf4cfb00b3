//! Which honest work a fork has cost, and whose turn it is to apply it again.

use std::collections::BTreeMap;

use automerge::ChangeHash;
use katori_acl::DeviceId;
use katori_acl::codec::DecodeError;

use crate::actor::Claim;
use crate::document::Document;
use crate::document::admission::excluded;
use crate::document::bits::Bits;

/// Changes whose loss is noted, so that the row of state stays small. Of more, the rest is in the conflict copy.
pub const MAX_LOST_WORK: usize = 1 << 12;

/// Whose turn it is to apply lost work again. The later ones wait, so that normally the first does it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Turn {
    /// This device wrote some of it.
    Author,
    /// Another device of this device's person wrote some of it.
    Person,
    /// Somebody else wrote it, and this device had accepted it.
    Writer,
}

impl Turn {
    pub(in crate::document) fn to_byte(self) -> u8 {
        match self {
            Self::Author => 1,
            Self::Person => 2,
            Self::Writer => 3,
        }
    }

    pub(in crate::document) fn from_byte(byte: u8) -> Result<Option<Self>, DecodeError> {
        match byte {
            0 => Ok(None),
            1 => Ok(Some(Self::Author)),
            2 => Ok(Some(Self::Person)),
            3 => Ok(Some(Self::Writer)),
            found => Err(DecodeError::Unknown { what: "turn", found: found.into() }),
        }
    }
}

impl Document {
    /// Notes what was accepted and is withdrawn because it is on a losing branch, or because it was applied again on
    /// top of what an admin has excluded, on which the original does not rest: all but what a forker wrote. What is
    /// pinned was accepted, too, though a role that went and came back in one exchange may have hidden it meanwhile.
    pub(in crate::document) fn note_lost_work(&mut self, accepted: &Bits, wanted: &Bits) {
        if !accepted.is_subset(wanted) {
            // What did the same as some lost change may be among what goes.
            self.needless.clear();
        }
        if !self.may_write() {
            return;
        }
        let mut gone = self.pins();
        gone.union_with(accepted);
        gone.subtract(wanted);
        if gone.is_empty() {
            return;
        }
        let excluded = self.resting_on_excluded(&gone);
        let swept_away = |index: &u32| {
            let is_named = self.graph.node(*index).is_none_or(|node| self.is_excluded(&node.hash));
            !is_named && excluded.contains(*index) && self.graph.reapplies(*index).is_some()
        };
        let lost: Vec<ChangeHash> = gone
            .iter()
            .filter(|index| self.losing.contains_key(index) || swept_away(index))
            .filter(|index| !self.is_forkers(*index))
            .filter_map(|index| {
                let node = self.graph.node(index)?;
                // Of what was applied again, the change that it stands for is noted, if that was accepted, too: nobody
                // is to bring in by such a mark what no writer stood behind.
                let original = self.graph.reapplies(index).and_then(|hash| self.graph.index(&hash));
                let was_accepted = |index: u32| self.losing.contains_key(&index) || gone.contains(index);
                match original {
                    Some(original) if wanted.contains(original) || self.is_forkers(original) => None,
                    Some(original) if excluded.contains(original) => None,
                    Some(original) if was_accepted(original) => {
                        self.graph.node(original).map(|node| node.hash)
                    }
                    Some(_) | None => Some(node.hash),
                }
            })
            .collect();
        if self.lost_work.len() + lost.len() > MAX_LOST_WORK {
            let done: Vec<ChangeHash> =
                self.lost_work.iter().copied().filter(|hash| !self.is_owed(hash)).collect();
            for hash in done {
                self.lost_work.remove(&hash);
                self.needless.remove(&hash);
            }
        }
        for hash in lost {
            if self.lost_work.len() < MAX_LOST_WORK {
                self.lost_work.insert(hash);
            }
        }
    }

    /// What an admin has excluded and what builds on it, without looking further if none of what goes was applied
    /// again.
    fn resting_on_excluded(&self, gone: &Bits) -> Bits {
        let mut resting = Bits::default();
        if gone.iter().any(|index| self.graph.reapplies(index).is_some()) {
            for index in excluded(&self.graph, &self.access).iter() {
                if !resting.contains(index) {
                    resting.union_with(&self.graph.above(index));
                }
            }
        }
        resting
    }

    /// What is shown again needs no applying.
    pub(in crate::document) fn forget_found_work(&mut self) {
        let (graph, admitted) = (&self.graph, &self.admitted);
        let found = |hash: &ChangeHash| graph.index(hash).is_some_and(|index| admitted.contains(index));
        self.lost_work.retain(|hash| !found(hash));
        self.not_reapplied.retain(|hash| !found(hash));
        self.needless.retain(|hash| !found(hash));
    }

    /// The change that is shown and applies this one again, by its own word: of several the one with the lowest
    /// hash. The word of a forker counts for nothing.
    pub(in crate::document) fn reapplied_as(&self, original: &ChangeHash) -> Option<u32> {
        let shown = self.graph.reapplied(original).iter().copied().filter(|index| {
            let by_device = matches!(self.graph.claim(*index), Claim::Device(_));
            by_device && self.admitted.contains(*index) && !self.is_forkers(*index)
        });
        shown.min_by_key(|index| self.graph.node(*index).map(|node| node.hash))
    }

    fn is_forkers(&self, index: u32) -> bool {
        matches!(self.graph.claim(index), Claim::Device(device) if self.forkers.contains(&device))
    }

    /// The change that a change stands for: what it says to apply again, else itself.
    pub(super) fn origin(&self, index: u32, hash: ChangeHash) -> ChangeHash {
        self.graph.reapplies(index).unwrap_or(hash)
    }

    fn is_owed(&self, hash: &ChangeHash) -> bool {
        let Some(index) = self.graph.index(hash) else { return false };
        let origin = self.origin(index, *hash);
        let is_shown = |hash| self.graph.index(hash).is_some_and(|index| self.admitted.contains(index));
        let is_authors = match self.graph.claim(index) {
            Claim::Device(device) => self.vouches.covers(&device, index) && !self.forkers.contains(&device),
            Claim::Other => true,
        };
        is_authors
            && !self.not_reapplied.contains(hash)
            && !self.needless.contains(hash)
            && [hash, &origin].into_iter().all(|hash| !is_shown(hash) && !self.is_excluded(hash))
            && self.reapplied_as(&origin).is_none()
    }

    fn turn_of(&self, index: u32) -> Turn {
        let is_mine = |device: DeviceId| self.vouches.of(device).any(|vouch| vouch.person == self.me.person);
        match self.graph.claim(index) {
            Claim::Device(device) if device == self.me.device() => Turn::Author,
            // Whoever claims to be of this person in vain only has this device do it sooner.
            Claim::Device(device) if is_mine(device) => Turn::Person,
            Claim::Device(_) | Claim::Other => Turn::Writer,
        }
    }

    /// The lost work that nobody has applied again, in the order in which it builds on each other, and at which turn
    /// it is this device's: no sooner than that of the lost work on which it builds.
    pub(super) fn owed(&self) -> BTreeMap<u32, Turn> {
        let owed = self.lost_work.iter().filter(|hash| self.is_owed(hash));
        let mut owed: BTreeMap<u32, Turn> =
            self.graph.present(owed).map(|index| (index, self.turn_of(index))).collect();
        let Some(lowest) = owed.keys().next().copied() else { return owed };
        let mut latest: BTreeMap<u32, Turn> = BTreeMap::new();
        for index in lowest..self.graph.len() {
            let dependencies = self.graph.node(index).map_or(&[][..], |node| &*node.dependencies);
            let below = dependencies.iter().filter_map(|under| latest.get(under)).max().copied();
            if let Some(turn) = below.max(owed.get(&index).copied()) {
                latest.insert(index, turn);
                owed.entry(index).and_modify(|own| *own = turn);
            }
        }
        owed
    }

    /// Whether this device's edits would count here at all.
    pub(super) fn may_reapply(&self) -> bool {
        self.may_write() && !self.forkers.contains(&self.me.device())
    }

    pub(in crate::document) fn owes_reapply(&self) -> Option<Turn> {
        if self.lost_work.is_empty() || !self.may_reapply() {
            return None;
        }
        self.owed().into_values().min()
    }
}
