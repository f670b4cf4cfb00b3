//! The rule of admission: which of the stored changes are in the document.
//!
//! A change is *good* when (a) it lies under a vouch, whose heads are present here, by a device that now holds
//! Write and is no proven forker, (b) if its actor is a device's, it also lies under some vouch by that device,
//! whatever its role now or then, and (c) no exclusion that counts names it. *Candidates* are the changes that are
//! good with all their ancestors: the largest downward-closed set. *Admitted* is what remains after forks are
//! settled ([`settlement`](super::settlement)).
//!
//! It is a pure function of the grants, rosters, exclusions, changes and vouches, so two devices with the same
//! sets show the same document, in whatever order they received them.

use std::collections::BTreeSet;

use automerge::ChangeHash;
use katori_acl::{Access, DeviceId, PersonId, RecordId};

use super::bits::Bits;
use super::graph::Graph;
use super::settlement::{Judges, Settled, settle};
use super::vouches::Vouches;
use super::{holds_write, seniority};
use crate::actor::Claim;

/// What admission rests on besides changes and vouches.
pub(crate) struct Grounds<'a> {
    /// Who holds Write now, how senior they are, and what is excluded. Expiry is not consulted: no clock decides
    /// what is in a document.
    pub(crate) access: &'a Access,
    /// What this device has pinned, if it has.
    pub(crate) at_home: Option<AtHome<'a>>,
    /// Changes that failed in Automerge on this device.
    pub(crate) failed: &'a Bits,
    /// A branch that is to win its fork, and to be covered with all that builds on it: for its conflict copy.
    pub(crate) instead: Option<u32>,
}

/// A word that is given and not yet signed.
pub(crate) struct AtHome<'a> {
    /// This device.
    pub(crate) device: DeviceId,
    /// Its person.
    pub(crate) person: PersonId,
    /// The last vouch that this store signed. One that is later is by another store of this device.
    pub(crate) signed: Option<RecordId>,
    /// It covers all that was pinned.
    pub(crate) pinned: &'a Bits,
    /// In forks it names what is accepted now, for that is what it will be signed over.
    pub(crate) accepted: &'a Bits,
}

/// The outcome.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) admitted: Bits,
    /// Devices that signed two changes of one actor and sequence; they give no more cover here.
    pub(crate) forkers: BTreeSet<DeviceId>,
    /// Forks of which more than one branch might have been admitted, in the order in which they were settled.
    pub(crate) settled: Vec<Settled>,
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
    let mut open = good;
    open.subtract(&admitted);
    close(graph, &open, &mut admitted);

    let access = grounds.access;
    let settled = settle(graph, &mut admitted, || {
        let mut preferred = Bits::default();
        graph.mark(grounds.instead, &mut preferred);
        let forks = |device: &DeviceId| forkers.contains(device);
        Judges {
            words: seniority::words(graph, vouches, access, grounds.at_home.as_ref(), forks),
            access,
            preferred,
        }
    });
    Verdict { admitted, forkers, settled }
}

/// The changes that an exclusion names and that are here.
pub(super) fn excluded(graph: &Graph, access: &Access) -> Bits {
    access.excluded().iter().filter_map(|hash| graph.index(&ChangeHash(*hash))).collect()
}

fn good(graph: &Graph, vouches: &Vouches, grounds: &Grounds<'_>, forkers: &BTreeSet<DeviceId>) -> Bits {
    let counts = |device: &DeviceId| !forkers.contains(device) && holds_write(grounds.access, device);
    let mut covered = Bits::default();
    for (device, cover) in vouches.cover() {
        if counts(device) {
            covered.union_with(cover);
        }
    }
    if let Some(home) = grounds.at_home.as_ref().filter(|home| counts(&home.device)) {
        covered.union_with(home.pinned);
    }
    if let Some(branch) = grounds.instead {
        graph.mark([branch], &mut covered);
        covered.union_with(&graph.above(branch));
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
    covered.subtract(&excluded(graph, grounds.access));
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
