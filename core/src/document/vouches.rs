//! The vouches of one document, and what lies under them.
//!
//! Vouches accumulate. One is superseded only by another of the same device under whose heads, present here,
//! all of its heads lie; all others are kept and passed on, those of past writers too, since authorship rests
//! on them.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use automerge::ChangeHash;
use katori_acl::{DeviceId, RecordId};

use super::bits::Bits;
use super::graph::Graph;
use crate::vouch::VerifiedVouch;

/// Vouches kept of one device. An honest device has one, and one more for each branch it lost; the bound is for
/// a hostile one that signs many that none supersedes. The highest counters stay, whatever the order of arrival.
pub const MAX_VOUCHES_PER_DEVICE: usize = 64;

/// What became of a vouch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Added {
    /// It is kept; these are not any more.
    Kept(Vec<RecordId>),
    /// It was here, or says less than another of its device.
    Superseded,
}

/// How late a word is: the higher counter, of equal ones the lower id.
fn word(vouch: &VerifiedVouch) -> (u64, Reverse<RecordId>) {
    (vouch.counter, Reverse(vouch.id()))
}

#[derive(Debug, Default)]
pub(crate) struct Vouches {
    kept: BTreeMap<RecordId, VerifiedVouch>,
    cover: BTreeMap<DeviceId, Bits>,
    /// Heads that are vouched for and not here yet.
    awaited: BTreeMap<ChangeHash, BTreeSet<DeviceId>>,
}

impl Vouches {
    pub(crate) fn contains(&self, id: &RecordId) -> bool {
        self.kept.contains_key(id)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &VerifiedVouch> {
        self.kept.values()
    }

    pub(crate) fn ids(&self) -> Vec<RecordId> {
        self.kept.keys().copied().collect()
    }

    pub(super) fn of(&self, device: DeviceId) -> impl Iterator<Item = &VerifiedVouch> {
        self.kept.values().filter(move |vouch| vouch.device == device)
    }

    /// The latest word of each device. No order of arrival decides which it is: neither the pruning nor the bound
    /// ever takes it.
    pub(crate) fn latest(&self) -> BTreeMap<DeviceId, &VerifiedVouch> {
        let mut latest: BTreeMap<DeviceId, &VerifiedVouch> = BTreeMap::new();
        for vouch in self.kept.values() {
            let known = latest.entry(vouch.device).or_insert(vouch);
            if word(vouch) > word(known) {
                *known = vouch;
            }
        }
        latest
    }

    /// The highest counter of a device, its own next vouch must be above it.
    pub(crate) fn counter(&self, device: DeviceId) -> u64 {
        self.of(device).map(|vouch| vouch.counter).max().unwrap_or(0)
    }

    /// Each device that vouches, and everything present under its vouches.
    pub(crate) fn cover(&self) -> &BTreeMap<DeviceId, Bits> {
        &self.cover
    }

    pub(crate) fn covers(&self, device: &DeviceId, index: u32) -> bool {
        self.cover.get(device).is_some_and(|cover| cover.contains(index))
    }

    /// Devices that vouch for heads that are not here yet.
    pub(crate) fn awaited_from(&self) -> impl Iterator<Item = &DeviceId> {
        self.awaited.values().flatten()
    }

    /// Heads that are vouched for and were not here.
    pub(crate) fn awaited(&self) -> impl Iterator<Item = &ChangeHash> {
        self.awaited.keys()
    }

    /// A change of our own that the next vouch will lie over.
    pub(crate) fn stand_behind(&mut self, graph: &Graph, device: DeviceId, index: u32) {
        graph.mark([index], self.cover.entry(device).or_default());
    }

    pub(crate) fn add(&mut self, graph: &Graph, vouch: VerifiedVouch) -> Added {
        if self.contains(&vouch.id()) {
            return Added::Superseded;
        }
        let (id, device) = (vouch.id(), vouch.device);
        self.attach(graph, &vouch);
        self.kept.insert(id, vouch);
        let mut dropped = self.prune(graph, device);
        dropped.extend(self.bound(graph, device));
        if self.contains(&id) { Added::Kept(dropped) } else { Added::Superseded }
    }

    /// A change has come in: vouches that waited for it now count. Returns the vouches that are superseded by it.
    pub(crate) fn appeared(&mut self, graph: &Graph, index: u32) -> Vec<RecordId> {
        let Some(hash) = graph.node(index).map(|node| node.hash) else { return Vec::new() };
        let Some(devices) = self.awaited.remove(&hash) else { return Vec::new() };
        let mut dropped = Vec::new();
        for device in devices {
            graph.mark([index], self.cover.entry(device).or_default());
            dropped.extend(self.prune(graph, device));
        }
        dropped
    }

    fn attach(&mut self, graph: &Graph, vouch: &VerifiedVouch) {
        let present = graph.present(&vouch.heads);
        graph.mark(present, self.cover.entry(vouch.device).or_default());
        for head in graph.absent(&vouch.heads) {
            self.awaited.entry(*head).or_default().insert(vouch.device);
        }
    }

    fn prune(&mut self, graph: &Graph, device: DeviceId) -> Vec<RecordId> {
        let mut left: Vec<&VerifiedVouch> = self.of(device).collect();
        if left.len() < 2 {
            return Vec::new();
        }
        left.sort_by_key(|vouch| Reverse(word(vouch)));
        let mut dropped = Vec::new();
        // The first is the latest word, which stays. Later in this order is the lower word, which gives way
        // to an equal cover.
        for lower in left.iter().skip(1) {
            let heads: Vec<u32> = graph.present(&lower.heads).collect();
            if heads.len() < lower.heads.len() {
                continue;
            }
            let superseded = left.iter().any(|other| {
                let over: Vec<u32> = graph.present(&other.heads).collect();
                other.id() != lower.id()
                    && graph.covers(&over, &heads)
                    && (word(other) > word(lower) || !graph.covers(&heads, &over))
            });
            if superseded {
                dropped.push(lower.id());
            }
        }
        for id in &dropped {
            self.kept.remove(id);
        }
        dropped
    }

    fn bound(&mut self, graph: &Graph, device: DeviceId) -> Vec<RecordId> {
        let mut dropped = Vec::new();
        while self.of(device).count() > MAX_VOUCHES_PER_DEVICE {
            let lowest = self.of(device).min_by_key(|vouch| word(vouch)).map(VerifiedVouch::id);
            dropped.extend(lowest.and_then(|id| self.kept.remove(&id)).map(|vouch| vouch.id()));
        }
        if !dropped.is_empty() {
            self.cover.remove(&device);
            for devices in self.awaited.values_mut() {
                devices.remove(&device);
            }
            self.awaited.retain(|_, devices| !devices.is_empty());
            let left: Vec<VerifiedVouch> = self.of(device).cloned().collect();
            for vouch in &left {
                self.attach(graph, vouch);
            }
        }
        dropped
    }
}
