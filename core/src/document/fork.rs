//! Forks as they are told to people: the proof, the verdict, and what it cost.

use std::collections::{BTreeMap, BTreeSet};

use automerge::{Automerge, Change, ChangeHash};
use katori_acl::{DeviceId, PersonId, RecordId};

use super::bits::Bits;
use super::settlement::Place;
use super::{Document, materialise};
use crate::actor::Claim;
use crate::gate::guarded;

/// Two or more changes of one actor with one sequence number. No honest device writes such, short of a store that
/// was copied and used from two places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fork {
    /// The device whose actor it is, and which the vouches in `proof` prove to have signed several of the branches;
    /// nobody's if the actor is no device's of this document.
    pub device: Option<DeviceId>,
    /// The incarnation under which the device wrote, if the actor is a device's.
    pub incarnation: Option<[u8; 8]>,
    /// The place at which there are several changes.
    pub sequence: u64,
    /// Those changes, in order of their hashes.
    pub branches: Vec<Branch>,
    /// The vouches of the device that lie over branches.
    pub proof: Vec<RecordId>,
    /// Who decided which branch stays.
    pub decision: Decision,
    /// How many stored changes are on losing branches, these included.
    pub losing: usize,
    /// Honest work on losing branches that could not be applied again on what is shown, or not all of it. It is in
    /// the conflict copy.
    pub not_reapplied: Vec<ChangeHash>,
}

/// One of several changes in one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Branch {
    /// The change.
    pub hash: ChangeHash,
    /// Whether it is the one that is shown.
    pub stays: bool,
}

/// Who decided a fork.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// The latest word of this device, of the most senior person that names one branch.
    Word {
        /// The device.
        device: DeviceId,
        /// Its person, by its own word.
        person: PersonId,
    },
    /// Nobody who counts names one branch: the lower hash stays.
    LowerHash,
    /// There was nothing to decide: all branches but one at most are held back for other reasons.
    Needless,
}

/// What lies under each vouch of a device.
type Proofs = BTreeMap<DeviceId, Vec<(RecordId, Bits)>>;

impl Document {
    /// The forks that are proven or were settled, in the order of settling, those that needed none last.
    #[must_use]
    pub fn forks(&self) -> Vec<Fork> {
        let mut losing = vec![Vec::new(); self.settled.len()];
        for (index, fork) in &self.losing {
            if let Some(losing) = losing.get_mut(*fork) {
                losing.push(*index);
            }
        }
        let mut proofs = Proofs::default();
        let settled = self.settled.iter().zip(losing);
        let mut told: Vec<Fork> = settled
            .filter_map(|(fork, losing)| {
                let decision = match fork.by {
                    Some((device, person)) => Decision::Word { device, person },
                    None => Decision::LowerHash,
                };
                let mut told = self.fork(fork.place, decision, &mut proofs)?;
                told.losing = losing.len();
                told.not_reapplied = self.graph.hashes(losing);
                told.not_reapplied.retain(|hash| self.not_reapplied.contains(hash));
                Some(told)
            })
            .collect();
        let settled: BTreeSet<Place> = self.settled.iter().map(|fork| fork.place).collect();
        let proven = self.graph.forks().iter().filter(|(place, branches)| {
            let Claim::Device(device) = self.graph.claim_of_actor(place.0) else { return false };
            let signed = branches.iter().filter(|branch| self.vouches.covers(&device, **branch));
            !settled.contains(place) && signed.count() > 1
        });
        told.extend(proven.filter_map(|(place, _)| self.fork(*place, Decision::Needless, &mut proofs)));
        told
    }

    fn fork(&self, place: Place, decision: Decision, proofs: &mut Proofs) -> Option<Fork> {
        let indices = self.graph.forks().get(&place)?;
        let device = match self.graph.claim_of_actor(place.0) {
            Claim::Device(device) => Some(device),
            Claim::Other => None,
        };
        let branch = |index: &u32| {
            Some(Branch { hash: self.graph.node(*index)?.hash, stays: self.admitted.contains(*index) })
        };
        let mut branches: Vec<Branch> = indices.iter().filter_map(branch).collect();
        branches.sort_unstable_by_key(|branch| branch.hash);
        Some(Fork {
            device,
            // Of an actor id in device form, these are the last bytes.
            incarnation: self
                .graph
                .actor_id(place.0)
                .filter(|_| device.is_some())
                .and_then(<[u8]>::last_chunk)
                .copied(),
            sequence: place.1,
            branches,
            proof: device.map(|device| self.proof(device, indices, proofs)).unwrap_or_default(),
            decision,
            losing: 0,
            not_reapplied: Vec::new(),
        })
    }

    /// The vouches of a device that lie over any of these changes.
    fn proof(&self, device: DeviceId, branches: &[u32], proofs: &mut Proofs) -> Vec<RecordId> {
        let vouches = proofs.entry(device).or_insert_with(|| {
            let covers = self.vouches.of(device).map(|vouch| {
                let mut cover = Bits::default();
                self.graph.mark(self.graph.present(&vouch.heads), &mut cover);
                (vouch.id(), cover)
            });
            covers.collect()
        });
        let over = vouches.iter().filter(|(_, cover)| branches.iter().any(|branch| cover.contains(*branch)));
        over.map(|(id, _)| *id).collect()
    }

    /// The conflict copy of a branch that is not shown: the document as it would be with that branch, and what was
    /// built on it, in the place of the one that stays. Nothing if it is no branch of a fork, or if it could not be
    /// shown for other reasons than the fork and the want of a writer's vouch.
    #[must_use]
    pub fn lost_branch(&self, loser: ChangeHash) -> Option<Automerge> {
        let branch = self.graph.index(&loser)?;
        let node = self.graph.node(branch)?;
        self.graph.forks().get(&(node.actor, node.sequence))?;
        let copy = self.evaluate(true, &self.admitted, Some(branch)).admitted;
        if !copy.contains(branch) {
            return None;
        }
        self.materialise(&self.within_operations(&copy))
    }

    fn materialise(&self, indices: &Bits) -> Option<Automerge> {
        self.fetch(&indices.iter().collect::<Vec<_>>());
        let changes: Option<Vec<Change>> = indices.iter().map(|index| self.decoded(index)).collect();
        let changes = changes?;
        guarded("building a conflict copy", || {
            let mut copy = materialise::empty();
            copy.apply_changes(changes).ok().map(|()| copy)
        })
        .ok()
        .flatten()
    }
}
