//! Who says what it has of a document, and when the other side need not: see "The exchange" in `docs/protocol.md`.

use katori_acl::{DeviceId, RecordId, ResourceId, Subject};

use super::Engine;
use super::content::{Phase, everything};
use crate::document::Peer;
use crate::time::Timestamp;
use crate::version::{MAX_ACTORS, VersionVector};
use crate::wire::{Frame, MAX_LACKING, MAX_RECORDS};

impl Engine {
    /// Tells a peer what is here of a document, so that it sends the rest.
    pub(super) fn send_version(&mut self, now: Timestamp, peer: DeviceId, document: ResourceId) {
        if !self.is_shared(now, document, &peer) || !self.holds_content(document) {
            return;
        }
        let Some(state) = self.documents.get_mut(&document) else { return };
        if state.work.phase == Phase::Storing {
            // What a version says is durable: it counts as a receipt.
            state.work.tell_version.insert(peer);
            if let Some(session) = self.sessions.get_mut(&peer) {
                session.note_version_sent(document, Peer::default());
            }
            return;
        }
        let told = everything(&state.summary);
        let frame = Frame::Version {
            document,
            version: (*state.summary.version).clone(),
            vouches: state.summary.vouches.clone(),
        };
        if let Some(session) = self.sessions.get_mut(&peer) {
            session.note_version_sent(document, told);
            self.send(peer, &frame);
        }
    }

    /// A fork has come to light: what a version said may not have been what was meant, so versions are
    /// exchanged again with everybody who follows the document.
    pub(super) fn ask_versions_again(&mut self, now: Timestamp, document: ResourceId) {
        let followers = self.sessions.iter_mut();
        let peers: Vec<DeviceId> =
            followers.filter_map(|(peer, session)| session.unfollow(&document).then_some(*peer)).collect();
        for peer in peers {
            self.ask(now, peer, Subject::Resource(document));
        }
    }

    /// A peer says what it has of a document, and wants the rest.
    pub(super) fn version(
        &mut self,
        now: Timestamp,
        peer: DeviceId,
        document: ResourceId,
        version: &VersionVector,
        vouches: Vec<RecordId>,
    ) {
        if !self.is_shared(now, document, &peer) || !self.holds_content(document) {
            return;
        }
        self.single_out(now, peer, Subject::Resource(document));
        let Some(state) = self.documents.get(&document) else { return };
        let durable = state.work.phase != Phase::Storing;
        // Mostly vouches that others have replaced since.
        let is_kept = |id: &RecordId| state.summary.vouches.binary_search(id).is_ok();
        let lacking: Vec<RecordId> = vouches.iter().copied().filter(|id| !is_kept(id)).collect();
        let everything_is_here = state.summary.version.reaches(version) && lacking.len() <= MAX_LACKING;
        let lacks_something = !version.reaches(&state.summary.version)
            || !state.summary.vouches.iter().all(|id| vouches.contains(id));
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        let answers_with_changes =
            session.awaits(&document) && durable && everything_is_here && lacks_something;
        session.expected.remove(&Subject::Resource(document));
        // What is on its way to the peer counts as known to it, though it had not when it said this.
        let known = session.follow(document);
        if known.version.tips() > 2 * MAX_ACTORS || known.vouches.len() > 2 * MAX_RECORDS {
            *known = Peer::default();
        }
        known.version.merge(version);
        known.vouches.extend(vouches);
        self.note_sent(document, peer, version);
        let Some(session) = self.sessions.get(&peer) else { return };
        let answered =
            session.was_sent_version(&document) || session.asked.contains(&Subject::Resource(document));
        if !answered && answers_with_changes {
            if let Some(session) = self.sessions.get_mut(&peer) {
                session.note_covered(document, lacking);
            }
        } else if !answered {
            self.send_version(now, peer, document);
        }
        self.note_progress(peer, document);
        self.serve_one(now, document, peer);
    }

    /// Both have a document otherwise, and the peer is about to say what it has. Says whether that is waited for, or
    /// versions are exchanged already.
    pub(super) fn await_version(&mut self, now: Timestamp, peer: DeviceId, document: ResourceId) -> bool {
        if !self.is_shared(now, document, &peer) || !self.holds_content(document) {
            return false;
        }
        let Some(session) = self.sessions.get_mut(&peer) else { return false };
        if !session.was_sent_version(&document) && session.known(&document).is_none() {
            session.await_version(document);
        }
        true
    }

    /// Peers that were to hear with what they lack that all they said to have is here, and lack nothing any more, are told
    /// what is here.
    pub(super) fn answer_who_lacks_nothing(&mut self, now: Timestamp, document: ResourceId) {
        let Some(state) = self.documents.get(&document) else { return };
        let lacks_nothing = |peer: &&DeviceId| {
            self.sessions.get(peer).is_some_and(|session| {
                session.is_covered(&document)
                    && session.known(&document).is_some_and(|known| state.summary.is_known_to(known))
            })
        };
        let peers: Vec<DeviceId> = state.work.serve.iter().filter(lacks_nothing).copied().collect();
        self.answer_with_version(now, document, peers);
    }

    /// The same for all of them, because what they lack cannot be had.
    pub(super) fn answer_all_covered(&mut self, now: Timestamp, document: ResourceId) {
        let covered = self.sessions.iter().filter(|(_, session)| session.is_covered(&document));
        let peers: Vec<DeviceId> = covered.map(|(peer, _)| *peer).collect();
        self.answer_with_version(now, document, peers);
    }

    fn answer_with_version(&mut self, now: Timestamp, document: ResourceId, peers: Vec<DeviceId>) {
        for peer in peers {
            // With that, what it lacks need not say it any more.
            self.send_version(now, peer, document);
        }
    }

    /// What a peer sent could not be kept, or not all of it: what it has is asked anew, once in a session.
    pub(super) fn ask_again(&mut self, now: Timestamp, peer: DeviceId, document: ResourceId) {
        if let Some(session) = self.sessions.get_mut(&peer)
            && session.note_asked_again(document)
        {
            session.unfollow(&document);
            self.ask(now, peer, Subject::Resource(document));
        }
    }

    /// A peer has all that it was told of a document but these vouches. They are sent to it, if they still count when what
    /// comes with this has been taken in.
    pub(super) fn has_all_but(
        &mut self,
        now: Timestamp,
        peer: DeviceId,
        document: ResourceId,
        lacking: &[RecordId],
    ) {
        if !self.is_shared(now, document, &peer) || !self.holds_content(document) {
            return;
        }
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        let Some(mut told) = session.take_told(&document) else { return };
        told.vouches.retain(|id| !lacking.contains(id));
        let version = told.version.clone();
        *session.follow(document) = told;
        // What comes with this is not durable yet, and nothing else says what it is.
        session.note_unsettled(document);
        session.note_unsaid(document);
        self.note_sent(document, peer, &version);
    }
}
