//! Records of access: taking them in, letting documents decide anew, and telling peers.
//!
//! A record that could cost something its cover is stored in one transaction with the pins of every document it
//! touches: records wait, in memory, until each of those documents has been evaluated under them.

use std::collections::{BTreeMap, BTreeSet};

use katori_acl::bounds::EXPIRY_GRACE_MS;
use katori_acl::{
    AccessChanges, Audience, DeviceId, Grant, Inserted, InviteKey, PersonId, Record, RecordId, Refusal,
    Registry, ResourceId, RosterAction, RosterKind, Subject, UnverifiedRecord, VerifiedRecord,
};

use super::commit::After;
use super::content::Phase;
use super::rows::{drop_record_row, record_row};
use super::{
    Action, Answer, CommandError, CommandId, Engine, Event, FAREWELL_TIME, OpenInvite, Standing, Timer,
};
use crate::store::Write;
use crate::time::Timestamp;

/// Rosters kept that no document here names: people met, or named by somebody before the document that does.
/// More come in again with what names them.
const MAX_UNNAMED_ROSTERS: usize = 1024;
/// A change of access on its way to the disk.
#[derive(Debug, Default)]
pub(super) struct AccessChange {
    pub(super) writes: Vec<Write>,
    new: BTreeMap<Subject, BTreeSet<RecordId>>,
    pub(super) documents: BTreeSet<ResourceId>,
    vouches: BTreeMap<ResourceId, Vec<Vec<u8>>>,
    /// What it changes in who may do what.
    changes: AccessChanges,
    /// Documents that have yet to be evaluated under it.
    pub(super) remaining: BTreeSet<ResourceId>,
    /// Documents that have been, each with its last edit that is in `writes`.
    evaluated: Vec<(ResourceId, Option<u64>)>,
    replies: Vec<(CommandId, Answer)>,
    /// Something in it was signed here: what it costs is vouched for at once.
    own: bool,
    /// Documents whose content it removes.
    pub(super) removed: Vec<ResourceId>,
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
        let mut removing = BTreeSet::new();
        let mut verified_records = Vec::new();
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
                    removing
                        .extend(removal_in(&record).filter(|roster| self.may_remove_in(*roster, &record)));
                    verified_records.push(record);
                }
                Err(reason) => {
                    tracing::warn!(reason, "a record does not verify");
                    refused += 1;
                }
            }
        }
        let acted_on = self.revocations_in_force(&removing);
        for record in verified_records {
            let id = record.id();
            match self.registry.insert(record) {
                Inserted::Refused(reason) => tracing::debug!(%reason, "a record is not kept"),
                Inserted::New | Inserted::Known | Inserted::Waiting | _ => self.note_record_of(from, id),
            }
        }
        self.revoke_anew(&acted_on);
        refused
    }

    /// Whether the signer of a removal was ever in the roster: a stranger's makes nobody look.
    fn may_remove_in(&self, roster: PersonId, record: &VerifiedRecord) -> bool {
        let Some(roster) = self.registry.roster(roster) else { return false };
        if let Record::RosterOperation(operation) = record.record() {
            return roster.kind == RosterKind::Group || roster.ever_contained(&operation.by);
        }
        false
    }

    /// The revocations that count in whatever depends on these rosters.
    pub(super) fn revocations_in_force(
        &self,
        rosters: &BTreeSet<PersonId>,
    ) -> BTreeMap<ResourceId, BTreeSet<RecordId>> {
        let resources: BTreeSet<ResourceId> =
            rosters.iter().flat_map(|person| self.registry.classes_naming(*person).1).collect();
        resources.into_iter().map(|id| (id, self.registry.counted_revocations(id))).collect()
    }

    /// Signs anew what this device had acted on and the removal of a device makes void, where this device may.
    fn revoke_anew(&mut self, acted_on: &BTreeMap<ResourceId, BTreeSet<RecordId>>) {
        for record in self.revocations_anew(&self.registry, acted_on) {
            tracing::info!(subject = ?record.subject(), "a revocation that became void is signed anew");
            self.registry.insert(record);
        }
    }

    /// The revocations that counted, count no more, and that this device may sign as things stand in a registry.
    pub(super) fn revocations_anew(
        &self,
        registry: &Registry,
        acted_on: &BTreeMap<ResourceId, BTreeSet<RecordId>>,
    ) -> Vec<VerifiedRecord> {
        let mut records = Vec::new();
        for (resource, before) in acted_on {
            let now = registry.counted_revocations(*resource);
            let lost = before.difference(&now).filter_map(|id| {
                match registry.record(id).map(VerifiedRecord::record) {
                    Some(Record::Revoke(revoke)) => Some((revoke.target, revoke.erase)),
                    _ => None,
                }
            });
            let lost: BTreeMap<RecordId, bool> = lost.collect();
            if lost.is_empty() || self.standing(*resource) != Standing::Accepted {
                continue;
            }
            let revocable = registry.revocable(self.me.device(), *resource);
            records.extend(lost.into_iter().filter_map(|(target, erase)| {
                self.sign_revoke(*resource, target, *revocable.get(&target)?, erase)
            }));
        }
        records
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
            Subject::Roster(person) => !self.registry.names_any(*person, |_| true),
            Subject::Resource(_) => false,
        };
        let rosters = self.registry.known_rosters().map(Subject::Roster);
        !self.registry.knows(subject)
            && unnamed(subject)
            && rosters.filter(unnamed).count() >= MAX_UNNAMED_ROSTERS
    }

    /// Takes in records signed here, and gives an answer when they are durable. The answer is made when they are
    /// in force.
    pub(super) fn admit_own(
        &mut self,
        now: Timestamp,
        records: Vec<VerifiedRecord>,
        answer: impl FnOnce(&Self) -> Option<(CommandId, Answer)>,
    ) {
        let removing = records.iter().filter_map(removal_in).collect();
        let acted_on = self.revocations_in_force(&removing);
        let mut refused = self.refused_of(&records);
        let records = if refused.is_some() { Vec::new() } else { records };
        self.access_next.own |= !records.is_empty();
        for record in records {
            if let Inserted::Refused(reason) = self.registry.insert(record) {
                tracing::error!(%reason, "a record of our own is not kept");
                refused = Some(reason);
            }
        }
        self.revoke_anew(&acted_on);
        match (answer(self), refused) {
            (Some((id, _)), Some(reason)) => {
                self.act(Action::Reply { id, result: Err(CommandError::NoEffect(reason)) });
            }
            (answer, _) => self.access_next.replies.extend(answer),
        }
        self.gather_changes(now, None);
    }

    /// Why some of several records of one step would not be taken, tried out aside: then none is.
    fn refused_of(&self, records: &[VerifiedRecord]) -> Option<Refusal> {
        if records.len() < 2 {
            return None;
        }
        let mut trial = self.registry.clone();
        records.iter().find_map(|record| match trial.insert(record.clone()) {
            Inserted::Refused(reason) => Some(reason),
            Inserted::New | Inserted::Known | Inserted::Waiting | _ => None,
        })
    }

    /// Drops a roster that entitles nobody to anything here.
    pub(super) fn forget_roster(&mut self, person: PersonId) {
        let subject = Subject::Roster(person);
        for id in self.registry.record_ids(&subject) {
            self.access_next.writes.push(drop_record_row(&id));
        }
        self.registry.forget(&subject);
        self.inventories.touch_access(subject);
    }

    /// Notes what the registry stores that it did not before, and begins the next change of access.
    fn gather_changes(&mut self, now: Timestamp, from: Option<DeviceId>) {
        self.access_next.changes.extend(self.registry.take_access_changes());
        let changes = self.registry.take_changes();
        let stored = changes.stored.iter().filter_map(|id| self.registry.record(id));
        let subjects: BTreeSet<Subject> =
            stored.map(VerifiedRecord::subject).chain(changes.dropped.values().copied()).collect();
        let mut touched = BTreeSet::new();
        for subject in &subjects {
            match subject {
                Subject::Resource(document) => {
                    touched.insert(*document);
                    touched.extend(self.registry.documents_in(*document));
                }
                Subject::Roster(person) => touched.extend(self.registry.resources_naming(*person)),
            }
        }
        self.note_wishes(now, &changes.stored);
        for document in &touched {
            self.note_standing(now, *document, from);
        }
        for document in &touched {
            if self.standing(*document) == Standing::Unknown && !self.is_foreign_space(*document) {
                // It gives this person nothing: whoever sent it does not fill our disk with it.
                self.registry.forget(&Subject::Resource(*document));
            }
        }
        self.release_without_access();
        self.note_expiring(changes.stored.iter().copied());
        for document in &touched {
            self.inventories.touch_access(Subject::Resource(*document));
            if let Some(space) = self.registry.space_of(*document) {
                self.inventories.touch_access(Subject::Resource(space));
            }
        }
        for subject in subjects {
            self.inventories.touch_access(subject);
        }
        self.access_next.documents.extend(touched);
        for id in changes.dropped.keys() {
            self.access_next.writes.push(drop_record_row(id));
        }
        for record in changes.stored.iter().filter_map(|id| self.registry.record(id)) {
            self.access_next.writes.push(record_row(record));
            self.access_next.new.entry(record.subject()).or_default().insert(record.id());
        }
        self.begin_access_change(now);
    }

    pub(super) fn begin_access_change(&mut self, now: Timestamp) {
        if self.access_now.is_some() || self.failed.is_some() {
            return;
        }
        let next = std::mem::take(&mut self.access_next);
        if next.writes.is_empty() && next.vouches.is_empty() && next.replies.is_empty() {
            return;
        }
        let mut change = next;
        for document in &change.documents {
            if !self.holds_content(*document) || self.removing.contains(document) {
                continue;
            }
            // One that is accepted and whose genesis is not here yet has nothing to be evaluated.
            let Some(access) = self.registry.access(*document) else { continue };
            let Some(state) = self.documents.get_mut(document) else { continue };
            let vouches = change.vouches.get(document).cloned().unwrap_or_default();
            let only_gains = || change.changes.only_gain_in(&self.registry, *document);
            if vouches.is_empty() && state.is_untouched(only_gains) {
                self.actions.push_back(Action::Refresh { document: *document, access });
            } else {
                change.remaining.insert(*document);
                state.work.reevaluate.get_or_insert_default().extend(vouches);
            }
        }
        // What is left as it is may have waited for this to take something in.
        let documents = change.documents.clone();
        self.access_now = Some(change);
        for document in documents {
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

    /// A document whose genesis a bound has dropped cannot be evaluated any more, and is not waited for.
    fn release_without_access(&mut self) {
        let Some(change) = &mut self.access_now else { return };
        change.remaining.retain(|document| self.registry.rights(*document).is_some());
        self.finish_access_change();
    }

    /// When every document has been evaluated, the records and what came of them are stored together.
    pub(super) fn finish_access_change(&mut self) {
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
        if change.own {
            for document in &change.documents {
                self.discharge_at_once(now, *document);
            }
        }
        self.tell_peers(change.documents);
        self.begin_access_change(now);
    }

    /// Who may read again is given another last session, should the role be lost once more.
    fn renew_farewells(&mut self, now: Timestamp, document: ResourceId) {
        let Some(state) = self.documents.get(&document) else { return };
        let back: Vec<DeviceId> = state
            .work
            .rare
            .farewells
            .iter()
            .copied()
            .filter(|device| self.may_read(now, document, device))
            .collect();
        if let Some(state) = self.documents.get_mut(&document)
            && !back.is_empty()
        {
            state.work.rare.farewells.retain(|device| !back.contains(device));
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
        // A space that is accepted here now, and that the peer has named before.
        for document in &change.documents {
            let named = self
                .sessions
                .get(&peer)
                .is_some_and(|session| session.named.contains(&Subject::Resource(*document)));
            if named {
                self.follows_space(now, peer, *document);
            }
        }
        let mut touched: BTreeSet<Subject> = change.new.keys().copied().collect();
        touched
            .extend([self.me.person].into_iter().chain(self.registry.person_of(peer)).map(Subject::Roster));
        for document in &change.documents {
            touched.insert(Subject::Resource(*document));
            touched.extend(self.registry.space_of(*document).map(Subject::Resource));
            touched.extend(self.registry.rosters_named_by(*document).into_iter().map(Subject::Roster));
        }
        let audience: BTreeSet<Subject> = touched
            .iter()
            .copied()
            .filter(|subject| {
                self.may_name(now, &peer, *subject) && !self.waits_for_space(now, &peer, *subject)
            })
            // A device that was removed is told so once, and not what becomes of the roster later.
            .filter(|subject| *subject != Subject::Roster(self.me.person) || !self.was_removed(&peer))
            .collect();
        let told: BTreeSet<Subject> =
            touched.iter().copied().filter(|subject| self.has_told(&peer, subject)).collect();
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
                self.send_records(now, peer, *subject, records, vouches, false);
            }
        }
        if !lost.is_empty() && audience.is_empty() {
            self.schedule(now + FAREWELL_TIME, Timer::CutOff(peer));
        }
        for document in lost {
            if self.may_name(now, &peer, Subject::Resource(document)) {
                continue;
            }
            self.untell(peer, Subject::Resource(document));
            self.farewell(now, peer, document);
        }
        let new: BTreeSet<Subject> = audience.difference(&told).copied().collect();
        // What has come to be shared may have been named by the peer before: then it is asked for as well.
        let Some(session) = self.sessions.get(&peer) else { return };
        let named: Vec<Subject> =
            new.iter().copied().filter(|subject| session.named.contains(subject)).collect();
        self.announce(peer, new);
        for subject in named {
            self.ask(now, peer, subject);
        }
    }

    /// Grants that ended by the clock are ended for good by whoever stands upstream of them.
    pub(super) fn expire(&mut self, now: Timestamp) {
        let ended: Vec<InviteKey> =
            self.invites.values().filter(|invite| invite.is_over(now.0)).map(|invite| invite.key).collect();
        for key in ended {
            self.invites.remove(&key);
            self.write([OpenInvite::end(&key)]);
        }
        let mut revokes = Vec::new();
        for document in self.expiring.clone() {
            if self.standing(document) != Standing::Accepted {
                continue;
            }
            for (id, issuer) in self.registry.revocable(self.me.device(), document) {
                let record = self.registry.record(&id).map(VerifiedRecord::record);
                if let Some(Record::Grant(Grant { expires: Some(expires), to, .. })) = record
                    && expires.saturating_add(EXPIRY_GRACE_MS) < now.0
                    && *to != Audience::Person(self.me.person)
                {
                    revokes.extend(self.sign_revoke(document, id, issuer, false));
                }
            }
        }
        if !revokes.is_empty() {
            self.admit_own(now, revokes, |_| None);
        }
        let peers: Vec<DeviceId> = self.sessions.keys().copied().collect();
        for peer in peers {
            let ended: Vec<ResourceId> = self
                .expiring()
                .filter(|document| self.has_told(&peer, &Subject::Resource(*document)))
                .filter(|document| !self.may_read(now, *document, &peer))
                .collect();
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

/// The roster from which a record removes somebody, if it does.
pub(super) fn removal_in(record: &VerifiedRecord) -> Option<PersonId> {
    if let Record::RosterOperation(operation) = record.record()
        && matches!(operation.action, RosterAction::Remove { .. })
    {
        return Some(operation.roster);
    }
    None
}
