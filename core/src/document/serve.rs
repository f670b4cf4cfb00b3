//! What a peer is sent: exactly what it lacks, in frames of bounded size.

use std::collections::BTreeSet;

use automerge::ChangeHash;
use katori_acl::{DeviceId, RecordId};

use super::bits::Bits;
use super::edit::{PACK_CHANGES, PACK_RAW_BYTES};
use super::{Document, Done};
use crate::actor::Claim;
use crate::gate::RawChange;
use crate::pack::pack;
use crate::version::VersionVector;

/// Bytes of vouches in one frame.
const VOUCH_BYTES: usize = 1 << 20;
/// Bytes of raw changes in one frame of what is handed over, a part of what the other side takes.
const HAND_OVER_BYTES: usize = 64 << 10;

/// What a peer is known to have of a document.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Peer {
    /// Changes.
    pub version: VersionVector,
    /// Vouches.
    pub vouches: BTreeSet<RecordId>,
}

/// A peer that is to be sent what it lacks.
#[derive(Debug, Clone)]
pub struct Want {
    /// Who.
    pub peer: DeviceId,
    /// What it has.
    pub known: Peer,
    /// Heads it has said to have made durable.
    pub receipt: Vec<ChangeHash>,
    /// Only what this device itself wrote and signed: what somebody who lost the role hands over.
    pub own_only: bool,
    /// It is about to send changes that are not here. What it signed itself is mostly replaced by what it signs over
    /// those, so that is not sent back before they have come.
    pub is_ahead: bool,
}

/// The next of what a peer is to be sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Served {
    /// To whom.
    pub to: Option<DeviceId>,
    /// A pack of changes or a whole document, unless there is none to send.
    pub pack: Option<Vec<u8>>,
    /// Vouches, sent before the packs that they cover.
    pub vouches: Vec<(RecordId, Vec<u8>)>,
    /// What the peer has when it has received this.
    pub then: Peer,
    /// Whether more is to follow.
    pub more: bool,
    /// Whether every change that the peer named is here. False where that was not looked at.
    pub has_all: bool,
    /// It is what somebody who lost the role hands over.
    pub own_only: bool,
}

impl Document {
    /// The next frame for each of these peers.
    #[must_use]
    pub fn serve_all(&self, wants: Vec<Want>) -> Done {
        let served = wants.into_iter().map(|want| self.serve(want)).collect();
        Done { served, ..Done::default() }
    }

    /// The next frame for a peer.
    fn serve(&self, want: Want) -> Served {
        let whole = self.whole_for(&want);
        let Want { peer: to, known, receipt, own_only, is_ahead } = want;
        let me = self.me.device();
        let mine = |index: u32| self.graph.claim(index) == Claim::Device(me);
        let has_all =
            known.version.iter().flat_map(|(_, tips)| tips).all(|(_, tip)| self.graph.contains(tip));
        let mut served = Served { to: Some(to), then: known, own_only, has_all, ..Served::default() };

        // Vouches first: those of a writer let the other side make room for what they cover.
        let mut room = VOUCH_BYTES;
        let unsent = self.vouches.iter().filter(|vouch| !own_only || vouch.device == me);
        let unsent = unsent.filter(|vouch| !is_ahead || vouch.device != to);
        for vouch in unsent.filter(|vouch| !served.then.vouches.contains(&vouch.id())) {
            let Some(left) = room.checked_sub(vouch.bytes().len()) else {
                served.more = true;
                break;
            };
            room = left;
            served.vouches.push((vouch.id(), vouch.bytes().to_vec()));
        }
        served.then.vouches.extend(served.vouches.iter().map(|(id, _)| *id));
        if served.more {
            return served;
        }

        if let Some(whole) = whole {
            served.then.version = self.graph.version();
            served.pack = Some(whole);
            return served;
        }
        let unflushed: Bits = self.unflushed.iter().copied().collect();
        let mut missing = self.graph.missing(&served.then.version, &receipt);
        missing.retain(|index| !unflushed.contains(*index) && (!own_only || mine(*index)));
        self.fetch(&missing);
        let most = if own_only { HAND_OVER_BYTES } else { PACK_RAW_BYTES };
        let mut run: Vec<RawChange> = Vec::new();
        let mut size = 0;
        let mut left = missing.into_iter();
        for raw in left.by_ref().filter_map(|index| self.raw(index)) {
            size += raw.bytes().len();
            let header = raw.header();
            served.then.version.raise(&header.actor, header.seq, header.hash);
            run.push(raw);
            if size >= most || run.len() >= PACK_CHANGES {
                break;
            }
        }
        served.more = left.next().is_some();
        if !run.is_empty() {
            served.pack = Some(pack(&run));
        }
        served
    }

    /// This device's latest vouch, which travels with a revocation that it signs.
    pub(super) fn latest_word(&self) -> Vec<Vec<u8>> {
        let me = self.me.device();
        let mine = self.vouches.iter().filter(|vouch| vouch.device == me);
        mine.max_by_key(|vouch| vouch.counter).map(|vouch| vouch.bytes().to_vec()).into_iter().collect()
    }
}
