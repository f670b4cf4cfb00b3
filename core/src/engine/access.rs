//! Records of access: taking them in, letting documents decide anew, and telling peers.
//!
//! A record that could cost something its cover is stored in one transaction with the pins of every document it
//! touches: records wait, in memory, until each of those documents has been evaluated under them.

use std::collections::{BTreeMap, BTreeSet};

use katori_acl::bounds::EXPIRY_GRACE_MS;
use katori_acl::{
    Audience, DeviceId, Grant, Inserted, InviteKey, PersonId, Record, RecordId, ResourceId, Subject,
    UnverifiedRecord, VerifiedRecord,
};

use super::commit::After;
use super::content::Phase;
use super::rows::{drop_record_row, record_row};
use super::{Action, Answer, CommandId, DocumentState, Engine, Event, MAX_OFFERS, OpenInvite, Standing};
use crate::document::remove_content;
use crate::store::Write;
use crate::time::Timestamp;

/// Rosters kept that no document here names: people met, or named by somebody before the document that does.
/// More come in again with what names them.
const MAX_UNNAMED_ROSTERS: usize = 1024;

/// A change of access on its way to the disk.
#[derive(Debug, Default)]
pub(super) struct AccessChange {
    writes: Vec<Write>,
    new: BTreeMap<Subject, BTreeSet<RecordId>>,
    documents: BTreeSet<ResourceId>,
    vouches: BTreeMap<ResourceId, Vec<Vec<u8>>>,
    /// Documents that have yet to be evaluated under it.
    remaining: BTreeSet<ResourceId>,
    /// Documents that have been, each with its last edit that is in `writes`.
    evaluated: Vec<(ResourceId, Option<u64>)>,
    replies: Vec<(CommandId, Answer)>,
    /// Documents whose content it removes.
    removed: Vec<ResourceId>,
    /// It is on its way to the disk.
    finishing: bool,
}

impl Engine {
    /// Takes in records of one subject from a peer.
    pub(super) fn admit(
        &mut self,
        now: Timestamp,
        from: Option<DeviceId>,
        subject: Subject,
        records: &[Vec<u8>],
        vouches: Vec<Vec<u8>>,
    ) {
        if from.is_some() && self.is_one_roster_too_many(&subject) {
            tracing::debug!("a roster that nothing here names is not kept");
            return;
        }
        let refused = self.insert_all(from, Some(subject), records);
        if let Some(peer) = from
            && refused > 0
        {
            self.suspicious(peer, "records that do not verify");
        }
        if let Subject::Resource(document) = subject
            && !vouches.is_empty()
        {
            self.access_next.vouches.entry(document).or_default().extend(vouches);
            self.access_next.documents.insert(document);
        }
        self.gather_changes(now, from);
    }

    /// Verifies records and puts them into the registry; says how many are no good.
    fn insert_all(&mut self, from: Option<DeviceId>, subject: Option<Subject>, records: &[Vec<u8>]) -> usize {
        let mut refused = 0;
        for bytes in records {
            let verified = match UnverifiedRecord::decode(bytes) {
                Ok(record) if subject.is_some_and(|subject| subject != record.subject()) => {
                    refused += 1;
                    continue;
                }
                Ok(record) if self.registry.contains(&record.id()) => {
                    self.note_record_of(from, record.id());
                    continue;
                }
                Ok(record) => record.verify().map_err(|error| error.to_string()),
                Err(error) => Err(error.to_string()),
            };
            match verified {
                Ok(record) => {
                    let id = record.id();
                    match self.registry.insert(record) {
                        Inserted::Refused(reason) => tracing::debug!(%reason, "a record is not kept"),
                        Inserted::New | Inserted::Known | Inserted::Waiting | _ => {
                            self.note_record_of(from, id);
                        }
                    }
                }
                Err(reason) => {
                    tracing::warn!(reason, "a record does not verify");
                    refused += 1;
                }
            }
        }
        refused
    }

    /// Takes in records of any subjects that somebody at this device was given, all at once: rosters, and what
    /// names them, in any order.
    pub(super) fn admit_given(&mut self, now: Timestamp, records: &[Vec<u8>]) {
        self.insert_all(None, None, records);
        self.gather_changes(now, None);
    }

    /// A peer has this record. Only of records worth keeping, so that a peer cannot fill memory with others.
    fn note_record_of(&mut self, peer: Option<DeviceId>, id: RecordId) {
        if let Some(session) = peer.and_then(|peer| self.sessions.get_mut(&peer)) {
            session.records.insert(id);
        }
    }

    /// Whether a roster is unknown, and there are as many already as may be kept that nothing here names.
    fn is_one_roster_too_many(&self, subject: &Subject) -> bool {
        let unnamed = |subject: &Subject| match subject {
            Subject::Roster(person) => self.registry.resources_naming(*person).is_empty(),
            Subject::Resource(_) => false,
        };
        self.registry.record_ids(subject).is_empty()
            && unnamed(subject)
            && self.registry.subjects().filter(unnamed).count() >= MAX_UNNAMED_ROSTERS
    }

    /// Takes in records signed here, and answers a command when they are durable.
    pub(super) fn admit_own(
        &mut self,
        now: Timestamp,
        records: Vec<VerifiedRecord>,
        reply: Option<(CommandId, Answer)>,
    ) {
        for record in records {
            if let Inserted::Refused(reason) = self.registry.insert(record) {
                tracing::error!(%reason, "a record of our own is not kept");
            }
        }
        self.access_next.replies.extend(reply);
        self.gather_changes(now, None);
    }

    /// Notes what the registry stores that it did not before, and begins the next change of access.
    fn gather_changes(&mut self, now: Timestamp, from: Option<DeviceId>) {
        let changes = self.registry.take_changes();
        let stored = changes.stored.iter().filter_map(|id| self.registry.record(id));
        let mut touched = BTreeSet::new();
        for subject in stored.map(VerifiedRecord::subject).collect::<BTreeSet<_>>() {
            match subject {
                Subject::Resource(document) => {
                    touched.insert(document);
                }
                Subject::Roster(person) => touched.extend(self.registry.resources_naming(person)),
            }
        }
        for document in &touched {
            self.note_standing(now, *document, from);
            if self.standing(*document) == Standing::Unknown {
                // It gives this person nothing: whoever sent it does not fill our disk with it.
                self.registry.forget(&Subject::Resource(*document));
            }
        }
        self.access_next.documents.extend(touched);
        for id in &changes.dropped {
            self.access_next.writes.push(drop_record_row(id));
        }
        for record in changes.stored.iter().filter_map(|id| self.registry.record(id)) {
            self.access_next.writes.push(record_row(record));
            self.access_next.new.entry(record.subject()).or_default().insert(record.id());
        }
        self.begin_access_change(now);
    }

    /// Gives a document that has come to be known, or was deleted, its standing.
    fn note_standing(&mut self, now: Timestamp, document: ResourceId, from: Option<DeviceId>) {
        let Some(access) = self.registry.access(document) else { return };
        let before = self.standing(document);
        let mine = access.owner == self.me.person;
        let ours = mine
            || from.is_some_and(|peer| {
                self.registry.roster(self.me.person).is_some_and(|roster| roster.contains(&peer))
            });
        let readable = self.may_read(now, document, &self.me.device());
        let offers = || self.documents.values().filter(|state| state.standing == Standing::Offered).count();
        let after = match before {
            Standing::Forgotten => Standing::Forgotten,
            _ if access.deleted => Standing::Deleted,
            Standing::Unknown | Standing::Offered if readable && ours => Standing::Accepted,
            Standing::Unknown if readable && offers() < MAX_OFFERS => Standing::Offered,
            Standing::Left if readable => Standing::Accepted,
            Standing::Unknown
            | Standing::Offered
            | Standing::Accepted
            | Standing::Left
            | Standing::Deleted => before,
        };
        if after != before {
            self.set_standing(document, after);
        }
    }

    /// Changes a document's standing, in the next change of access.
    pub(super) fn set_standing(&mut self, document: ResourceId, standing: Standing) {
        let state = self.documents.entry(document).or_insert_with(|| DocumentState {
            standing,
            summary: crate::document::Summary::default(),
            work: super::content::Held::default(),
            farewells: BTreeSet::new(),
            escort: Vec::new(),
        });
        let held_content = state.standing.has_content();
        state.standing = standing;
        let row = state.row(document);
        self.access_next.writes.push(row);
        self.access_next.documents.insert(document);
        if held_content && !standing.has_content() {
            self.access_next.writes.extend(remove_content(&document));
            self.access_next.removed.push(document);
            self.removing.insert(document);
            self.drop_content(document);
        }
    }

    /// Lets go of a document's content in memory; what was under way with it is answered to nobody.
    fn drop_content(&mut self, document: ResourceId) {
        let Some(state) = self.documents.get_mut(&document) else { return };
        let held = std::mem::take(&mut state.work);
        state.summary = crate::document::Summary::default();
        self.receipts.retain(|(of, _), _| *of != document);
        for (peer, bytes) in held.received {
            self.act(Action::Consumed { peer, bytes });
        }
        for (id, _) in held.commands {
            let result = Err(super::CommandError::UnknownDocument(document));
            self.act(Action::Reply { id, result });
        }
        for session in self.sessions.values_mut() {
            session.live.remove(&document);
            session.version_sent.remove(&document);
            session.farewells.remove(&document);
            session.handed_over.remove(&document);
        }
        if let Some(change) = &mut self.access_now {
            change.remaining.remove(&document);
        }
        self.finish_access_change();
        if let Some(access) = self.registry.access(document) {
            self.act(Action::Drop { document, access });
        }
    }

    fn begin_access_change(&mut self, now: Timestamp) {
        if self.access_now.is_some() || self.failed.is_some() {
            return;
        }
        let next = std::mem::take(&mut self.access_next);
        if next.writes.is_empty() && next.vouches.is_empty() && next.replies.is_empty() {
            return;
        }
        let mut change = next;
        for document in &change.documents {
            // One that is accepted and whose genesis is not here yet has nothing to be evaluated.
            if let Some(state) = self.documents.get_mut(document)
                && state.standing.has_content()
                && self.registry.access(*document).is_some()
                && !self.removing.contains(document)
            {
                change.remaining.insert(*document);
                let vouches = change.vouches.get(document).cloned().unwrap_or_default();
                state.work.reevaluate.get_or_insert_default().extend(vouches);
            }
        }
        let remaining = change.remaining.clone();
        self.access_now = Some(change);
        for document in remaining {
            self.advance(now, document);
        }
        self.finish_access_change();
    }

    /// A document has been evaluated under the change that is under way.
    pub(super) fn reevaluated(
        &mut self,
        now: Timestamp,
        document: ResourceId,
        writes: Vec<Write>,
        flushed: Option<u64>,
    ) {
        if let Some(state) = self.documents.get_mut(&document) {
            state.work.phase = Phase::Storing;
        }
        match &mut self.access_now {
            Some(change) if change.remaining.contains(&document) => {
                change.remaining.remove(&document);
                change.writes.extend(writes);
                // It is in no one's hands again before all of the change is durable.
                change.evaluated.push((document, flushed));
                self.finish_access_change();
            }
            _ => {
                self.write(writes);
                self.document_written(document, flushed);
            }
        }
        self.advance(now, document);
    }

    /// When every document has been evaluated, the records and what came of them are stored together.
    fn finish_access_change(&mut self) {
        let Some(change) = &mut self.access_now else { return };
        if !change.remaining.is_empty() || std::mem::replace(&mut change.finishing, true) {
            return;
        }
        let writes = std::mem::take(&mut change.writes);
        let replies = std::mem::take(&mut change.replies);
        let evaluated = std::mem::take(&mut change.evaluated);
        let removed = std::mem::take(&mut change.removed);
        self.write(writes);
        for (document, flushed) in evaluated {
            self.document_written(document, flushed);
        }
        for document in removed {
            self.after(After::Removed(document));
        }
        self.after(After::Access);
        for (id, answer) in replies {
            self.after(After::Reply(id, Box::new(answer)));
        }
    }

    /// The change is durable: peers and listeners are told.
    pub(super) fn access_stored(&mut self, now: Timestamp) {
        let Some(change) = self.access_now.take() else { return };
        let peers: Vec<DeviceId> = self.sessions.keys().copied().collect();
        for peer in peers {
            self.tell_records(now, peer, &change);
        }
        for document in &change.documents {
            self.renew_farewells(now, *document);
            self.act(Action::Notify(Event::Access { document: *document }));
        }
        for subject in change.new.keys() {
            if let Subject::Roster(person) = subject {
                self.act(Action::Notify(Event::Roster { person: *person }));
            }
        }
        self.tell_peers(change.documents);
        self.begin_access_change(now);
    }

    /// Who may read again is given another last session, should the role be lost once more.
    fn renew_farewells(&mut self, now: Timestamp, document: ResourceId) {
        let Some(state) = self.documents.get(&document) else { return };
        let back: Vec<DeviceId> =
            state.farewells.iter().copied().filter(|device| self.may_read(now, document, device)).collect();
        if let Some(state) = self.documents.get_mut(&document)
            && !back.is_empty()
        {
            state.farewells.retain(|device| !back.contains(device));
            let row = state.row(document);
            self.write([row]);
        }
    }

    /// Whether records that touch a document are on their way to its evaluation.
    pub(super) fn awaits_access(&self, document: ResourceId) -> bool {
        self.access_next.documents.contains(&document)
    }

    /// Those who wait for a change of access that will never be stored.
    pub(super) fn take_access_replies(&mut self) -> Vec<CommandId> {
        let now = self.access_now.as_mut().map(|change| std::mem::take(&mut change.replies));
        let next = std::mem::take(&mut self.access_next.replies);
        now.unwrap_or_default().into_iter().chain(next).map(|(id, _)| id).collect()
    }

    /// Tells a peer the new records of what both share, of what has come to be shared, and of what no longer is.
    fn tell_records(&mut self, now: Timestamp, peer: DeviceId, change: &AccessChange) {
        let mut touched: BTreeSet<Subject> = change.new.keys().copied().collect();
        touched
            .extend([self.me.person].into_iter().chain(self.registry.person_of(peer)).map(Subject::Roster));
        for document in &change.documents {
            touched.insert(Subject::Resource(*document));
            touched.extend(self.registry.rosters_named_by(*document).into_iter().map(Subject::Roster));
        }
        let audience: BTreeSet<Subject> =
            touched.iter().copied().filter(|subject| self.may_name(now, &peer, *subject)).collect();
        let Some(session) = self.sessions.get(&peer) else { return };
        let told: BTreeSet<Subject> = session.told.intersection(&touched).copied().collect();
        let lost: Vec<ResourceId> = told
            .difference(&audience)
            .filter_map(|subject| match subject {
                Subject::Resource(document) => Some(*document),
                Subject::Roster(_) => None,
            })
            .collect();
        for (subject, ids) in &change.new {
            if !audience.contains(subject) || !told.contains(subject) {
                continue;
            }
            let Some(session) = self.sessions.get_mut(&peer) else { return };
            let new: Vec<RecordId> = ids.iter().copied().filter(|id| session.records.insert(*id)).collect();
            let records: Vec<Vec<u8>> = new
                .iter()
                .filter_map(|id| self.registry.record(id))
                .map(|record| record.bytes().to_vec())
                .collect();
            if !records.is_empty() {
                let vouches = self.escort(subject);
                self.send_records(peer, *subject, records, vouches, false);
            }
        }
        for document in lost {
            if let Some(session) = self.sessions.get_mut(&peer) {
                session.told.remove(&Subject::Resource(document));
            }
            self.farewell(now, peer, document);
        }
        let new: BTreeSet<Subject> = audience.difference(&told).copied().collect();
        // What has come to be shared may have been named by the peer before: then it is asked for as well.
        let Some(session) = self.sessions.get(&peer) else { return };
        let named: Vec<Subject> =
            new.iter().copied().filter(|subject| session.named.contains(subject)).collect();
        self.announce(peer, new, false);
        for subject in named {
            self.ask(now, peer, subject);
        }
    }

    /// Grants that ended by the clock are ended for good by whoever stands upstream of them.
    pub(super) fn expire(&mut self, now: Timestamp) {
        let ended = |invite: &OpenInvite| invite.expires.is_some_and(|expires| expires <= now.0);
        let ended: Vec<InviteKey> =
            self.invites.values().filter(|invite| ended(invite)).map(|invite| invite.key).collect();
        for key in ended {
            self.invites.remove(&key);
            self.write([OpenInvite::end(&key)]);
        }
        let documents: Vec<ResourceId> = self.documents.keys().copied().collect();
        let mut revokes = Vec::new();
        for document in documents {
            if self.standing(document) != Standing::Accepted {
                continue;
            }
            for id in self.registry.revocable_by(self.me.person, document) {
                let record = self.registry.record(&id).map(VerifiedRecord::record);
                if let Some(Record::Grant(Grant { expires: Some(expires), to, .. })) = record
                    && expires.saturating_add(EXPIRY_GRACE_MS) < now.0
                    && *to != Audience::Person(self.me.person)
                {
                    revokes.extend(self.sign_revoke(document, id));
                }
            }
        }
        if !revokes.is_empty() {
            self.admit_own(now, revokes, None);
        }
        let peers: Vec<DeviceId> = self.sessions.keys().copied().collect();
        for peer in peers {
            let ended: Vec<ResourceId> = self.sessions.get(&peer).map_or_else(Vec::new, |session| {
                session
                    .live
                    .keys()
                    .copied()
                    .filter(|document| !self.may_read(now, *document, &peer))
                    .collect()
            });
            for document in ended {
                self.farewell(now, peer, document);
            }
        }
    }

    /// The persons whose rosters have to travel with a document's grants.
    pub(super) fn rosters_with(&self, document: ResourceId) -> BTreeSet<PersonId> {
        let mut rosters: BTreeSet<PersonId> = self.registry.rosters_named_by(document).into_iter().collect();
        rosters.insert(self.me.person);
        rosters
    }
}
