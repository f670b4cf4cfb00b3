//! The peers for which a document stays in memory: they sent changes that wait for others, and those are nowhere else.
//!
//! What waits is bounded for each document and peer (`DocumentLimits::orphan_bytes`), and here it is bounded how many
//! documents stay for one peer. Another goes when there is no room for it, as any that nobody uses, and what waited in
//! it is sent again when the two meet next.

use std::collections::{BTreeMap, BTreeSet};

use katori_acl::DeviceId;

use crate::tally::{Tally, TallyPlace};

/// Documents that stay for what one peer sent: with 4 MiB of it in each, as much as all documents may take by default.
const DOCUMENTS_PER_PEER: usize = 64;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Orphans(BTreeMap<DeviceId, TallyPlace<DeviceId>>);

impl Orphans {
    /// A peer sent changes that wait. `documents` counts those that stay for each.
    pub(super) fn note(&mut self, peer: DeviceId, documents: &Tally<DeviceId>) {
        if !self.0.contains_key(&peer)
            && let Some(place) = documents.enter(peer, DOCUMENTS_PER_PEER)
        {
            self.0.insert(peer, place);
        }
    }

    /// What these sent is forgotten.
    pub(super) fn forget(&mut self, peers: &BTreeSet<DeviceId>) {
        self.0.retain(|peer, _| !peers.contains(peer));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_peer_keeps_so_many_documents_in_memory_and_no_more() {
        let [peer, other] = [1, 2].map(|byte| DeviceId::from_bytes([byte; 32]));
        let tally = Tally::default();
        let mut documents: Vec<Orphans> = Vec::new();
        documents.resize_with(DOCUMENTS_PER_PEER + 1, Orphans::default);
        for document in &mut documents {
            // Often, and counted once.
            document.note(peer, &tally);
            document.note(peer, &tally);
        }
        let (last, before) = documents.split_last_mut().unwrap();
        assert!(last.is_empty() && before.iter().all(|document| !document.is_empty()));
        last.note(other, &tally);
        last.forget(&BTreeSet::from([other]));
        assert!(last.is_empty());
        before[0].forget(&BTreeSet::from([peer]));
        last.note(peer, &tally);
        assert!(!last.is_empty());
        // Those that go make room as well.
        documents.truncate(1);
        documents[0].note(peer, &tally);
        assert!(!documents[0].is_empty());
    }
}
