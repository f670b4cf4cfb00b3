//! Taking in what peers send: changes and vouches, past the gate and into the graph. What of it is shown is
//! for the rule of admission to say.

use std::collections::BTreeSet;

use katori_acl::{DeviceId, RecordId};

use super::rehearsal::Begun;
use super::{Document, Done, holds_write};
use crate::actor::{Claim, claim};
use crate::gate::{GateError, Header, RawChange, is_whole};
use crate::pack::unpack;
use crate::store::Write;
use crate::version::VersionVector;
use crate::vouch::UnverifiedVouch;

/// Actors beyond which changes that nobody who counts vouches for may add no other.
const UNVOUCHED_ACTORS: usize = 1024;
/// Branches of one actor beyond which such changes may add no other.
const UNVOUCHED_BRANCHES: usize = 16;

/// What one peer sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    /// Packs of changes.
    pub packs: Vec<Vec<u8>>,
    /// Signed vouches.
    pub vouches: Vec<Vec<u8>>,
    /// The peer lost its role and hands over, this once, what it had not sent: a small budget applies.
    pub farewell: bool,
}

/// What became of a batch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IngestReport {
    /// Who sent it.
    pub from: Option<DeviceId>,
    /// Tips of the changes in it: the sender has everything up to these.
    pub received: VersionVector,
    /// The vouches in it, by id.
    pub vouches: Vec<RecordId>,
    /// Changes that are new here.
    pub new: usize,
    /// Changes that were here.
    pub known: usize,
    /// Changes that wait for others.
    pub orphans: usize,
    /// Changes that do not follow from what they build on; no honest device sends such.
    pub refused: usize,
    /// Changes and vouches that a bound left no room for.
    pub over_budget: usize,
    /// Packs that do not decode.
    pub malformed: usize,
    /// Vouches that do not verify, or by devices that never held Write here.
    pub vouches_refused: usize,
}

/// What is to be written, in the order in which it came in, so that what is built on comes first.
enum Fresh {
    Pack(Vec<u8>),
    Changes(Vec<u32>),
}

impl IngestReport {
    /// Whether the sender sent something that no honest device sends.
    #[must_use]
    pub fn is_hostile(&self) -> bool {
        self.malformed > 0 || self.refused > 0
    }
}

impl Document {
    /// Takes in what peers sent, all of it in one step, so that Automerge is called once.
    pub fn ingest(&mut self, batches: Vec<(DeviceId, Batch)>) -> Done {
        let begun = self.take(batches);
        self.end_ingest(begun)
    }

    /// Puts what peers sent into the graph.
    pub(super) fn take(&mut self, batches: Vec<(DeviceId, Batch)>) -> Begun {
        let mut writes = Vec::new();
        let (mut fresh, mut new) = (Vec::new(), Vec::new());
        let mut reports = Vec::new();
        let mut held = self.held_bytes();
        for (from, batch) in batches {
            let mut report = IngestReport { from: Some(from), ..IngestReport::default() };
            // Vouches first: those of a writer for what is still to come make room for it.
            for bytes in &batch.vouches {
                if self.admit_vouch(bytes, &mut writes) {
                    report.vouches.extend(UnverifiedVouch::decode(bytes).map(|vouch| vouch.id()));
                } else {
                    report.vouches_refused += 1;
                }
            }
            let room = if self.is_arriving() { self.limits.document_bytes } else { self.limits.held_bytes };
            let mut farewell = (0, 0);
            for bytes in &batch.packs {
                let changes = if is_whole(bytes) && batch.farewell {
                    // Who hands over sends what it wrote itself.
                    Err(GateError::NotAutomerge)
                } else if is_whole(bytes) {
                    self.take_whole(bytes, &mut report, &mut writes)
                } else {
                    unpack(bytes, &self.limits.gate).map_err(|_| GateError::NotAutomerge)
                };
                let changes = match changes {
                    Ok(changes) => changes,
                    Err(GateError::TooLarge { .. }) if is_whole(bytes) => {
                        report.over_budget += 1;
                        continue;
                    }
                    Err(_) => {
                        report.malformed += 1;
                        continue;
                    }
                };
                let (before, count) = (new.len(), changes.len());
                let raw: usize = changes.iter().map(|change| change.bytes().len()).sum();
                for change in changes {
                    let size = change.bytes().len();
                    farewell.0 += 1;
                    farewell.1 += size;
                    let too_much = batch.farewell
                        && (farewell.0 > self.limits.farewell_changes
                            || farewell.1 > self.limits.farewell_bytes);
                    if too_much || held.saturating_add(size) > room {
                        report.over_budget += 1;
                        continue;
                    }
                    let known = report.known;
                    self.store(from, change, &mut report, &mut new, &mut writes);
                    if report.known == known {
                        held += size;
                    }
                }
                // A pack of which everything is new is written as it came, unless it was blown up.
                if count > 0 && new.len() - before == count && bytes.len() <= raw && !is_whole(bytes) {
                    let earlier: Vec<u32> = new.drain(..).take(before).collect();
                    fresh.push(Fresh::Changes(earlier));
                    fresh.push(Fresh::Pack(bytes.clone()));
                }
            }
            reports.push(report);
        }
        self.place_orphans(&mut new, &mut writes);
        fresh.push(Fresh::Changes(new));
        let mut packs: Vec<Write> = self.write_chunk().into_iter().collect();
        for fresh in fresh {
            match fresh {
                Fresh::Pack(bytes) => packs.push(self.write_pack(bytes)),
                Fresh::Changes(indices) => packs.extend(self.write_packs(&indices)),
            }
        }
        packs.append(&mut writes);
        Begun::new(reports, packs)
    }

    /// Whether somebody who writes vouches for something that is not here yet: then more is on its way, and is held
    /// back only until it is complete.
    pub(super) fn is_arriving(&self) -> bool {
        self.vouches
            .awaited_from()
            .any(|device| holds_write(&self.access, device) && !self.forkers.contains(device))
    }

    /// Whether a change that nobody who counts vouches for adds another actor, or another branch of one, to many. What
    /// an author or a writer stands behind is never refused for that: vouches come before changes.
    fn is_one_too_many(&self, header: &Header) -> bool {
        let author = match claim(&header.actor, &self.id) {
            Claim::Device(device) => Some(device),
            Claim::Other => None,
        };
        let own_word = self.vouches.awaited_from().any(|device| Some(*device) == author);
        if own_word || self.is_arriving() {
            return false;
        }
        if self.graph.knows(&header.actor) {
            self.graph.tips_of(&header.actor).count() >= UNVOUCHED_BRANCHES
        } else {
            self.graph.actors() >= UNVOUCHED_ACTORS
        }
    }

    fn store(
        &mut self,
        from: DeviceId,
        change: RawChange,
        report: &mut IngestReport,
        new: &mut Vec<u32>,
        writes: &mut Vec<Write>,
    ) {
        let header = change.header();
        if self.graph.contains(&header.hash) {
            report.known += 1;
        } else if self.is_one_too_many(header) {
            report.over_budget += 1;
        } else if self.graph.absent(&header.deps).is_empty() {
            if self.place(&change, new, writes) {
                report.new += 1;
            } else {
                report.refused += 1;
            }
        } else {
            let (count, bytes) = (self.limits.orphans, self.limits.orphan_bytes);
            let orphans = self.orphans.entry(from).or_default();
            let size: usize = orphans.iter().map(|orphan| orphan.bytes().len()).sum();
            if orphans.len() >= count || size + change.bytes().len() > bytes {
                report.over_budget += 1;
            } else {
                orphans.push(change);
                report.orphans += 1;
            }
            return;
        }
        if self.graph.contains(&header.hash) {
            report.received.raise(&header.actor, header.seq, header.hash);
        }
    }

    fn place(&mut self, change: &RawChange, new: &mut Vec<u32>, writes: &mut Vec<Write>) -> bool {
        let Ok(index) = self.graph.insert(change) else { return false };
        new.push(index);
        let superseded = self.vouches.appeared(&self.graph, index);
        writes.extend(superseded.iter().map(|id| self.remove_vouch(id)));
        true
    }

    /// Places orphans whose dependencies have come, until none is left that can be.
    fn place_orphans(&mut self, new: &mut Vec<u32>, writes: &mut Vec<Write>) {
        let mut orphans = std::mem::take(&mut self.orphans);
        loop {
            let mut placed = false;
            for waiting in orphans.values_mut() {
                waiting.retain(|change| {
                    let known = self.graph.contains(&change.header().hash);
                    let ready = self.graph.absent(&change.header().deps).is_empty();
                    if ready && !known {
                        placed |= self.place(change, new, writes);
                    }
                    !ready && !known
                });
            }
            if !placed {
                break;
            }
        }
        orphans.retain(|_, waiting| !waiting.is_empty());
        self.orphans = orphans;
    }

    /// Drops what waits of peers that have gone.
    pub fn forget_orphans(&mut self, peers: &BTreeSet<DeviceId>) {
        self.orphans.retain(|peer, _| !peers.contains(peer));
    }
}
