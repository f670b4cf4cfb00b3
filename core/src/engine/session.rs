//! A session with one connected peer: inventory, rosters, grants, content, live.

use std::collections::BTreeSet;

use automerge::ChangeHash;
use katori_acl::{DeviceId, RecordId, ResourceId, ResourceKind, Subject, VerifiedRecord};

use super::content::{Phase, covers, everything};
use super::rows::receipt_row;
use super::{Action, CloseReason, Engine, Event, FAREWELL_BYTES, Session, Standing};
use crate::document::{Batch, Peer};
use crate::reconcile::{Entry, Secret, Speaks};
use crate::time::Timestamp;
use crate::version::VersionVector;
use crate::vouch::UnverifiedVouch;
use crate::wire::{Frame, Size};

/// Vouches that may come with records.
const MAX_ESCORT: usize = 16;

/// Bytes of records in one frame.
const RECORDS_BYTES: usize = 1 << 20;

impl Engine {
    pub(super) fn send(&mut self, peer: DeviceId, frame: &Frame) {
        let bytes = frame.encode();
        if let Some(session) = self.sessions.get_mut(&peer) {
            session.queued += bytes.len();
            tracing::trace!(peer = %peer.short(), frame = frame.name(), bytes = bytes.len(), "send");
            self.act(Action::Send { peer, frame: bytes });
        }
    }

    pub(super) fn suspicious(&mut self, peer: DeviceId, what: &'static str) {
        tracing::warn!(peer = %peer.short(), what, "suspicious");
        self.act(Action::Notify(Event::Suspicious { peer, what }));
    }

    pub(super) fn connected(&mut self, now: Timestamp, peer: DeviceId, secret: Secret) {
        if self.blocked(&peer) {
            self.act(Action::Close { peer, reason: CloseReason::Blocked });
            return;
        }
        self.sessions.insert(peer, Session::default());
        self.greet(now, peer, secret);
    }

    pub(super) fn disconnected(&mut self, now: Timestamp, peer: DeviceId) {
        let Some(session) = self.sessions.remove(&peer) else { return };
        for (document, used) in session.farewells {
            // It had its last session.
            if used > 0
                && let Some(state) = self.documents.get_mut(&document)
                && state.work.rare.farewells.insert(peer)
            {
                let row = state.row(document);
                self.write([row]);
            }
        }
        for work in self.documents.values_mut().filter_map(|state| state.work.waiting()) {
            work.serve.remove(&peer);
            work.hand_over.remove(&peer);
        }
        for document in session.orphans_in {
            if let Some(state) = self.documents.get_mut(&document) {
                state.work.forget_orphans.insert(peer);
            }
            self.advance(now, document);
        }
    }

    pub(super) fn received(&mut self, now: Timestamp, peer: DeviceId, bytes: &[u8]) {
        if !self.sessions.contains_key(&peer) {
            return;
        }
        let frame = match Frame::decode(bytes) {
            Ok(frame) => frame,
            Err(error) => {
                tracing::warn!(peer = %peer.short(), %error, "a frame does not decode");
                self.suspicious(peer, "a frame that does not decode");
                self.act(Action::Close { peer, reason: CloseReason::Protocol });
                self.disconnected(now, peer);
                return;
            }
        };
        tracing::trace!(peer = %peer.short(), frame = frame.name(), bytes = bytes.len(), "received");
        let mut consumed = bytes.len();
        match frame {
            Frame::Greeting { summary } => self.greeting(now, peer, summary),
            Frame::Ranges { message } => self.ranges(now, peer, &message),
            Frame::Inventory { entries } => {
                let told = |(subject, entry): (Subject, Entry)| (subject, entry.into(), Speaks::First);
                self.name(now, peer, entries.into_iter().map(told).collect());
            }
            Frame::Want { subjects } => self.want(now, peer, subjects),
            Frame::Have { subject, ids } => self.have(now, peer, subject, &ids),
            Frame::Records { subject, records, vouches, answer, size } => {
                self.records(now, peer, subject, &records, vouches, answer);
                self.note_size(now, peer, subject, size);
            }
            Frame::Version { document, version, vouches } => {
                self.version(now, peer, document, &version, vouches);
            }
            Frame::Changes { document, pack, vouches, has_all_but, .. } => {
                if let Some(lacking) = has_all_but {
                    self.has_all_but(now, peer, document, &lacking);
                }
                let batch = Batch { packs: pack.into_iter().collect(), vouches, farewell: false };
                if self.changes(now, peer, document, batch, bytes.len()) {
                    consumed = 0;
                }
            }
            Frame::Receipt { document, heads } => self.receipt_from(now, peer, document, heads),
        }
        if consumed > 0 {
            self.act(Action::Consumed { peer, bytes: consumed });
        }
        self.open_next(now, peer);
        self.note_settled(peer);
    }

    /// Notes whether an exchange has come to rest: all is compared, and what the peer has is durable here.
    pub(super) fn note_settled(&mut self, peer: DeviceId) {
        let Some(session) = self.sessions.get(&peer) else { return };
        let settled = session.is_settled();
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        if settled && !session.settled {
            self.act(Action::Notify(Event::Settled { peer }));
        }
        if let Some(session) = self.sessions.get_mut(&peer) {
            session.settled = settled;
        }
    }

    /// Asks a peer for what it has of a subject and we lack.
    ///
    /// It is told what is here only of what it may sync.
    pub(super) fn ask(&mut self, now: Timestamp, peer: DeviceId, subject: Subject) {
        let shared = self.may_name(now, &peer, subject);
        let ids = if shared { self.registry.record_ids(&subject) } else { Vec::new() };
        if let Some(session) = self.sessions.get_mut(&peer)
            && session.asked.insert(subject)
        {
            self.send(peer, &Frame::Have { subject, ids });
        }
    }

    /// Both have the same of a subject.
    pub(super) fn in_step(&mut self, now: Timestamp, peer: DeviceId, subject: Subject) {
        let ids = self.registry.record_ids(&subject);
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        session.records.extend(ids);
        if let Subject::Resource(document) = subject
            && self.registry.kind_of(document) != Some(ResourceKind::Space)
            && let Some(state) = self.documents.get(&document)
        {
            *session.follow(document) = everything(&state.summary);
            session.note_settled(document, &state.summary, state.work.phase == Phase::Storing);
            let heads = state.summary.stored_heads.clone();
            self.receipt_from(now, peer, document, heads);
        }
    }

    /// Sends records in frames of bounded size; of an answer, the last says that it is one.
    pub(super) fn send_records(
        &mut self,
        now: Timestamp,
        peer: DeviceId,
        subject: Subject,
        records: Vec<Vec<u8>>,
        mut vouches: Vec<Vec<u8>>,
        answer: bool,
    ) {
        let allowed = self.sessions.get(&peer).is_some_and(|session| session.told.contains(&subject));
        let mut frames: Vec<Vec<Vec<u8>>> = vec![Vec::new()];
        let mut size = 0;
        for record in records {
            if size + record.len() > RECORDS_BYTES {
                frames.push(Vec::new());
                size = 0;
            }
            size += record.len();
            if let Some(frame) = frames.last_mut() {
                frame.push(record);
            }
        }
        let last = frames.len() - 1;
        // What may not be synced looks like what is not there.
        let size = if answer && allowed { self.size_of(now, &peer, subject) } else { None };
        for (index, records) in frames.into_iter().enumerate() {
            let vouches = if index == last { std::mem::take(&mut vouches) } else { Vec::new() };
            let size = size.filter(|_| index == last);
            self.send(
                peer,
                &Frame::Records { subject, records, vouches, answer: answer && index == last, size },
            );
        }
    }

    /// A peer wants the records of a subject that it lacks. "Not allowed" and "not there" answer alike.
    pub(super) fn have(&mut self, now: Timestamp, peer: DeviceId, subject: Subject, ids: &[RecordId]) {
        let allowed = self.may_name(now, &peer, subject);
        let has: BTreeSet<&RecordId> = ids.iter().collect();
        let mut missing = Vec::new();
        if allowed {
            missing = self
                .registry
                .records(&subject)
                .filter(|record| !has.contains(&record.id()))
                .cloned()
                .collect();
        }
        let escort = if allowed && !missing.is_empty() { self.escort(&subject) } else { Vec::new() };
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        session.records.extend(missing.iter().map(VerifiedRecord::id));
        session.single_out(subject);
        session.expected.remove(&subject);
        if let Subject::Resource(document) = subject {
            // A new round of comparing begins: the version that follows is answered with ours.
            session.unfollow(&document);
        }
        if allowed {
            session.records.extend(ids.iter().copied().filter(|id| self.registry.contains(id)));
            session.told.insert(subject);
        }
        let records = missing.iter().map(|record| record.bytes().to_vec()).collect();
        self.send_records(now, peer, subject, records, escort, true);
    }

    /// How large a document is here; of a space, all documents born in it.
    fn size_of(&self, now: Timestamp, peer: &DeviceId, subject: Subject) -> Option<Size> {
        let Subject::Resource(document) = subject else { return None };
        let mut size = Size::default();
        for id in self.registry.documents_in(document).iter().chain([&document]) {
            if self.may_read(now, *id, peer)
                && let Some(state) = self.documents.get(id)
            {
                size.changes += state.summary.changes;
                size.bytes += state.summary.bytes;
            }
        }
        Some(size)
    }

    /// A peer says how large something is that is on offer here.
    fn note_size(&mut self, now: Timestamp, peer: DeviceId, subject: Subject, size: Option<Size>) {
        if let Subject::Resource(document) = subject
            && size.is_some()
            && self.may_read(now, document, &peer)
            && let Some(state) = self.documents.get_mut(&document)
            && state.standing == Standing::Offered
        {
            state.work.rare.offered = size;
        }
    }

    fn records(
        &mut self,
        now: Timestamp,
        peer: DeviceId,
        subject: Subject,
        records: &[Vec<u8>],
        vouches: Vec<Vec<u8>>,
        answer: bool,
    ) {
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        let asked = answer && session.asked.remove(&subject);
        if answer && !asked {
            self.suspicious(peer, "an answer to no question");
            return;
        }
        // The first frames of a long answer come before the one that says so.
        let asked_for = asked || session.asked.contains(&subject);
        let known = !self.registry.record_ids(&subject).is_empty();
        if !known && !asked_for {
            return;
        }
        let shared = self.may_name(now, &peer, subject);
        let vouches = if shared || asked_for { self.new_vouches(subject, vouches) } else { Vec::new() };
        self.admit(now, Some(peer), subject, records, vouches);
        // What was known before says nothing of that to somebody with whom it is not shared.
        let is_shared_now = self.may_name(now, &peer, subject);
        let came_to_something = !known && !self.registry.record_ids(&subject).is_empty();
        if let Some(session) = self.sessions.get_mut(&peer)
            && (is_shared_now || came_to_something)
        {
            session.strangers.remove(&subject);
        }
        let Subject::Resource(document) = subject else { return };
        if asked {
            let shared = self.is_shared(now, document, &peer) && self.holds_content(document);
            let wanted = self.sessions.get_mut(&peer).is_some_and(|session| {
                if shared {
                    // The peer knows that this device has it now: there is no need to name it as well.
                    session.single_out(subject);
                    session.told.insert(subject);
                }
                session.wanted.remove(&subject)
            });
            if !wanted {
                self.send_version(now, peer, document);
            } else if shared && let Some(session) = self.sessions.get_mut(&peer) {
                // That nothing is here went without saying.
                session.note_version_sent(document, Peer::default());
            }
            self.farewell(now, peer, document);
        } else if self.is_departing(now, document, &peer) {
            if !self.holds_content(document) {
                self.departed(now, document, peer);
                return;
            }
            // The peer says that the role is lost: it is handed, this once, what it has not got of ours.
            if let Some(state) = self.documents.get_mut(&document) {
                state.work.hand_over.insert(peer);
            }
            self.advance(now, document);
        }
    }

    /// Those of some vouches that are not kept already, no more than a revocation needs.
    fn new_vouches(&self, subject: Subject, mut vouches: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
        let Subject::Resource(document) = subject else { return Vec::new() };
        let kept = self.documents.get(&document).map(|state| state.summary.vouches.as_slice());
        vouches.truncate(MAX_ESCORT);
        vouches.retain(|bytes| {
            UnverifiedVouch::decode(bytes)
                .is_ok_and(|vouch| !kept.is_some_and(|kept| kept.contains(&vouch.id())))
        });
        vouches
    }

    /// Takes changes in if their sender may send them; says whether they wait to be taken in.
    fn changes(
        &mut self,
        now: Timestamp,
        peer: DeviceId,
        document: ResourceId,
        mut batch: Batch,
        size: usize,
    ) -> bool {
        if !self.holds_content(document) {
            return false;
        }
        if !self.is_shared(now, document, &peer) {
            let Some(session) = self.sessions.get_mut(&peer) else { return false };
            let Some(used) = session.farewells.get_mut(&document) else { return false };
            *used = used.saturating_add(size);
            if *used > FAREWELL_BYTES {
                self.suspicious(peer, "more to hand over than there is room for");
                return false;
            }
            batch.farewell = true;
        }
        self.queue_ingest(now, document, peer, size, batch);
        true
    }

    /// Tells a peer that what it sent is durable.
    pub(super) fn send_receipt(&mut self, now: Timestamp, document: ResourceId, peer: DeviceId) {
        if self.is_shared(now, document, &peer)
            && let Some(state) = self.documents.get(&document)
        {
            let heads = state.summary.stored_heads.clone();
            self.send(peer, &Frame::Receipt { document, heads });
        }
    }

    /// What a peer sends is durable with it.
    pub(super) fn note_sent(&mut self, document: ResourceId, peer: DeviceId, sent: &VersionVector) {
        let Some(state) = self.documents.get(&document) else { return };
        let known = self.receipts.get(&(document, peer)).map(Vec::as_slice).unwrap_or_default();
        let has = |head: &ChangeHash| known.contains(head) || sent.contains(head);
        let heads: Vec<ChangeHash> = state.summary.stored_heads.iter().copied().filter(has).collect();
        if !heads.is_empty() && heads != known {
            self.write([receipt_row(document, peer, &heads)]);
            self.receipts.insert((document, peer), heads);
            self.act(Action::Notify(Event::Receipt { document, peer }));
        }
    }

    pub(super) fn receipt_from(
        &mut self,
        now: Timestamp,
        peer: DeviceId,
        document: ResourceId,
        mut heads: Vec<ChangeHash>,
    ) {
        if !self.is_shared(now, document, &peer) {
            return;
        }
        heads.sort_unstable();
        heads.dedup();
        let known = self.receipts.get(&(document, peer));
        if known.is_some_and(|known| covers(known, &heads) && known.len() == heads.len()) {
            return;
        }
        self.write([receipt_row(document, peer, &heads)]);
        self.receipts.insert((document, peer), heads);
        self.act(Action::Notify(Event::Receipt { document, peer }));
    }
}
