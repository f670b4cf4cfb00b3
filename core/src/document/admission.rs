//! The rule of admission: which of the stored changes are in the document.
//!
//! A change is *good* when (a) it lies under a vouch, whose heads are present here, by a device that now holds
//! Write and is no proven forker, and (b) if its actor is a device's, it also lies under some vouch by that
//! device, whatever its role now or then. *Candidates* are the changes that are good with all their ancestors:
//! the largest downward-closed set. *Admitted* is what remains after forks are settled, one at a time, first
//! the one with the fewest ancestors; of its branches the lower hash stays.
//!
//! It is a pure function of the grants, rosters, changes and vouches, so two devices with the same sets show
//! the same document, in whatever order they received them.

use std::collections::BTreeSet;

use katori_acl::DeviceId;

use super::bits::Bits;
use super::graph::Graph;
use super::vouches::Vouches;
use crate::actor::Claim;

/// What admission rests on besides changes and vouches.
pub(crate) struct Grounds<'a> {
    /// Whether a device holds Write now. Expiry is not consulted: no clock decides what is in a document.
    pub(crate) writes: &'a dyn Fn(&DeviceId) -> bool,
    /// This device, and what it has pinned: its word at home, until it signs or need not.
    pub(crate) pinned: Option<(DeviceId, &'a Bits)>,
    /// Changes that failed in Automerge on this device.
    pub(crate) failed: &'a Bits,
}

/// The outcome.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) admitted: Bits,
    /// Devices that signed two changes of one actor and sequence; they give no more cover here.
    pub(crate) forkers: BTreeSet<DeviceId>,
    /// Branches that gave way, with the branch that stays.
    pub(crate) lost: Vec<(u32, u32)>,
}

/// Devices that vouched for two changes of one of their actors with one sequence number.
pub(crate) fn forkers(graph: &Graph, vouches: &Vouches) -> BTreeSet<DeviceId> {
    let mut forkers = BTreeSet::new();
    for ((actor, _), branches) in graph.forks() {
        if let Claim::Device(device) = graph.claim_of_actor(*actor) {
            let signed = branches.iter().filter(|index| vouches.covers(&device, **index)).count();
            if signed > 1 {
                forkers.insert(device);
            }
        }
    }
    forkers
}

/// Applies the rule. `before` is an earlier outcome over a subset of the same graph, used only to be quick.
pub(crate) fn evaluate(graph: &Graph, vouches: &Vouches, grounds: &Grounds<'_>, before: &Bits) -> Verdict {
    let forkers = forkers(graph, vouches);
    let good = good(graph, vouches, grounds, &forkers);

    let mut admitted = Bits::default();
    if graph.forks().is_empty() && before.is_subset(&good) {
        admitted.clone_from(before);
    }
    let mut open = good.clone();
    open.subtract(&admitted);
    close(graph, &open, &mut admitted);

    let mut lost = Vec::new();
    while let Some((winner, losers)) = first_fork(graph, &admitted) {
        for loser in losers {
            lost.push((loser, winner));
            good_without(&mut open, &mut admitted, loser);
        }
        let left = std::mem::take(&mut admitted);
        close(graph, &left, &mut admitted);
    }
    Verdict { admitted, forkers, lost }
}

fn good(graph: &Graph, vouches: &Vouches, grounds: &Grounds<'_>, forkers: &BTreeSet<DeviceId>) -> Bits {
    let mut covered = Bits::default();
    for (device, cover) in vouches.cover() {
        if !forkers.contains(device) && (grounds.writes)(device) {
            covered.union_with(cover);
        }
    }
    if let Some((device, pinned)) = grounds.pinned
        && !forkers.contains(&device)
        && (grounds.writes)(&device)
    {
        covered.union_with(pinned);
    }
    let mut authored = graph.unclaimed().clone();
    for (device, claimed) in graph.claimed() {
        if let Some(cover) = vouches.cover().get(device) {
            let mut own = claimed.clone();
            own.intersect_with(cover);
            authored.union_with(&own);
        }
    }
    covered.intersect_with(&authored);
    covered.subtract(grounds.failed);
    covered
}

/// Adds to `closed` each candidate whose dependencies are all in it. Ascending order makes one pass enough.
fn close(graph: &Graph, candidates: &Bits, closed: &mut Bits) {
    for index in candidates.iter() {
        let dependencies = graph.node(index).map_or(&[][..], |node| &*node.dependencies);
        if dependencies.iter().all(|dependency| closed.contains(*dependency)) {
            closed.insert(index);
        }
    }
}

fn good_without(open: &mut Bits, admitted: &mut Bits, index: u32) {
    open.remove(index);
    admitted.remove(index);
}

/// The fork to settle next: the branch that stays, and those that give way.
fn first_fork(graph: &Graph, admitted: &Bits) -> Option<(u32, Vec<u32>)> {
    let hash = |index: u32| graph.node(index).map(|node| node.hash);
    let live = graph.forks().values().filter_map(|branches| {
        let live: Vec<u32> = branches.iter().copied().filter(|index| admitted.contains(*index)).collect();
        (live.len() > 1).then_some(live)
    });
    let mut first = live
        .min_by_key(|branches| branches.iter().map(|index| (graph.ancestors(*index), hash(*index))).min())?;
    first.sort_by_key(|index| hash(*index));
    let winner = first.remove(0);
    Some((winner, first))
}
