//! Comparing with a peer what both may sync, by ranges ([`crate::reconcile`]), and opening what differs.
//!
//! For each peer there is an inventory: what may be synced with it, as a tree of hashes. It is kept when the
//! connection ends, and only what has changed meanwhile is looked at when the peer is back, so that a session in
//! which nothing is new costs one frame each way and no work on documents. What differs is opened a few at a time,
//! rosters first.

use std::collections::{BTreeMap, BTreeSet};

use katori_acl::{DeviceId, Grant, Record, RecordId, ResourceId, ResourceKind, Subject, VerifiedRecord};

use super::content::{Phase, everything};
use super::held::DocumentState;
use super::{Engine, HIGH_WATER, MAX_NAMED_SUBJECTS, MAX_UNKNOWN_SUBJECTS, Standing};
use crate::reconcile::{
    Entry, Exchange, Message, OverBudget, Range, Secret, Speaks, Summary, Told, Tree, Turn,
};
use crate::time::Timestamp;
use crate::wire::{Frame, MAX_ENTRIES};

/// Entries in inventories of peers that are not connected. The least recently used go first, and are built again.
const KEPT_ENTRIES: usize = 1 << 18;
/// Subjects that another device of this person may name in one session beyond those both share.
const MAX_SUBJECTS: usize = 1 << 20;
/// Ranges that may be found to be the same in one session: more than any honest comparison has.
const MAX_SAME: usize = 1 << 16;
/// Subjects that are opened with a peer at a time: enough to keep a line busy, few enough that neither side has to
/// hold much for the other.
const OPENED_AT_A_TIME: usize = 256;

/// What may be synced with each peer.
#[derive(Debug, Default)]
pub(super) struct Inventories {
    kept: BTreeMap<DeviceId, Inventory>,
    uses: u64,
}

#[derive(Debug, Default)]
struct Inventory {
    tree: Tree,
    /// Subjects that may be other than they are in the tree.
    stale: BTreeSet<Subject>,
    /// Who is named where has changed, so any roster may be.
    stale_rosters: bool,
    /// What was found to be the same when the two last compared everything.
    agreed: Option<Summary>,
    used: u64,
}

impl Inventories {
    /// A document's content has changed.
    pub(super) fn touch(&mut self, subject: Subject) {
        for inventory in self.kept.values_mut() {
            inventory.stale.insert(subject);
        }
    }

    /// Who may do what in a document has changed, or how it stands here.
    pub(super) fn touch_access(&mut self, subject: Subject) {
        self.touch(subject);
        for inventory in self.kept.values_mut() {
            inventory.stale_rosters = true;
        }
    }

    /// Whether a subject is among what was compared with a peer last.
    fn names(&self, peer: &DeviceId, subject: &Subject) -> bool {
        self.kept.get(peer).is_some_and(|inventory| inventory.tree.get(subject).is_some())
    }

    /// A peer is not told of a subject any more, unless it comes to be shared again.
    fn withdraw(&mut self, peer: &DeviceId, subject: Subject) {
        if let Some(inventory) = self.kept.get_mut(peer) {
            inventory.tree.remove(&subject);
            inventory.stale.insert(subject);
        }
    }

    /// What was agreed with whom is to be looked at again.
    pub(super) fn doubt(&mut self) {
        for inventory in self.kept.values_mut() {
            inventory.agreed = None;
        }
    }

    fn is_stale(&self, peer: &DeviceId, subject: &Subject) -> bool {
        self.kept.get(peer).is_some_and(|inventory| inventory.stale.contains(subject))
    }

    fn put(&mut self, peer: DeviceId, mut inventory: Inventory) {
        self.uses += 1;
        inventory.used = self.uses;
        self.kept.insert(peer, inventory);
    }

    /// Drops what was used longest ago and belongs to nobody connected.
    fn shrink(&mut self, connected: impl Fn(&DeviceId) -> bool) {
        let idle = |peer: &DeviceId| !connected(peer);
        loop {
            let unused = || self.kept.iter().filter(|(peer, _)| idle(peer));
            let entries: usize = unused().map(|(_, inventory)| inventory.tree.len()).sum();
            let oldest = unused().min_by_key(|(_, inventory)| inventory.used).map(|(peer, _)| *peer);
            match oldest.filter(|_| entries > KEPT_ENTRIES) {
                Some(oldest) => self.kept.remove(&oldest),
                None => return,
            };
        }
    }
}

impl Engine {
    /// What is here of a subject, as digests.
    pub(super) fn entry(&self, subject: &Subject) -> Entry {
        let content = match subject {
            Subject::Roster(_) => None,
            Subject::Resource(id) => self.documents.get(id).map(|state| state.summary.digest()),
        };
        Entry { records: self.registry.digest(subject), content: content.unwrap_or_default() }
    }

    /// Begins a session: both say what they have in short.
    pub(super) fn greet(&mut self, now: Timestamp, peer: DeviceId, secret: Secret) {
        let mut inventory = self.take_inventory(now, peer);
        let (exchange, summary) = Exchange::begin(&mut inventory.tree, secret);
        self.inventories.put(peer, inventory);
        let sessions = &self.sessions;
        self.inventories.shrink(|peer| sessions.contains_key(peer));
        if let Some(session) = self.sessions.get_mut(&peer) {
            session.comparison.exchange = Some(exchange);
        }
        self.send(peer, &Frame::Greeting { summary });
    }

    pub(super) fn greeting(&mut self, now: Timestamp, peer: DeviceId, summary: Summary) {
        let leads = self.me.device() < peer;
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        if std::mem::replace(&mut session.comparison.greeted, true) {
            self.suspicious(peer, "a second greeting");
            return;
        }
        self.compare(now, peer, |exchange, tree, _| exchange.greeted(tree, summary, leads));
    }

    pub(super) fn ranges(&mut self, now: Timestamp, peer: DeviceId, message: &Message) {
        self.compare(now, peer, |exchange, tree, is_ahead| exchange.heard(tree, message, is_ahead));
    }

    fn compare(
        &mut self,
        now: Timestamp,
        peer: DeviceId,
        step: impl FnOnce(&mut Exchange, &mut Tree, &dyn Fn(&Subject) -> bool) -> Result<Turn, OverBudget>,
    ) {
        let Some(inventory) = self.inventories.kept.get_mut(&peer) else { return };
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        let Some(exchange) = &mut session.comparison.exchange else { return };
        if exchange.is_over() || session.comparison.same.len() > MAX_SAME {
            self.suspicious(peer, "ranges after everything was compared");
            return;
        }
        let (documents, receipts) = (&self.documents, &self.receipts);
        let is_ahead = |subject: &Subject| match subject {
            Subject::Resource(id) => {
                let received = receipts.get(&(*id, peer));
                let differs = |state: &DocumentState| {
                    received.is_some_and(|received| *received != state.summary.glance().stored_heads)
                };
                documents.get(id).is_some_and(differs)
            }
            Subject::Roster(_) => false,
        };
        let Ok(Turn { messages, findings }) = step(exchange, &mut inventory.tree, &is_ahead) else {
            self.suspicious(peer, "questions about ranges without end");
            return;
        };
        for message in messages {
            self.send(peer, &Frame::Ranges { message });
        }
        self.agree(now, peer, &findings.same);
        if let Some(session) = self.sessions.get_mut(&peer) {
            for subject in findings.lacked {
                session.single_out(subject);
                session.told.insert(subject);
                // What was not durable there at the greeting the peer may have named by itself since.
                if !session.named.contains(&subject) {
                    session.expected.insert(subject);
                }
            }
        }
        let first = |(subject, told)| (subject, told, Speaks::First);
        let answers = |(subject, told)| (subject, told, Speaks::Second);
        let named = findings.named.into_iter().map(first);
        self.name(now, peer, named.chain(findings.answered.into_iter().map(answers)).collect());
    }

    /// Both have the same in these ranges: the peer has made durable what is here, and accepted the spaces.
    fn agree(&mut self, now: Timestamp, peer: DeviceId, ranges: &[Range]) {
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        session.comparison.same.extend(ranges);
        // What has changed here since the peer was told is sent as to any other that follows the document.
        let changed: Vec<_> = ranges.iter().flat_map(|range| session.changed_meanwhile(range)).collect();
        for (document, known) in changed {
            if let Some(session) = self.sessions.get_mut(&peer) {
                session.single_out(Subject::Resource(document));
                *session.follow(document) = known;
            }
            self.serve_one(now, document, peer);
        }
        let Some(mut inventory) = self.inventories.kept.remove(&peer) else { return };
        let whole = ranges == [Range::WHOLE];
        let summary = whole.then(|| inventory.tree.summary(&Range::WHOLE));
        let resources: Vec<ResourceId> = if whole && inventory.agreed == summary {
            // All of this was noted the last time.
            Vec::new()
        } else {
            let subjects = ranges.iter().flat_map(|range| inventory.tree.range(range));
            let resource = |subject: &Subject| match subject {
                Subject::Resource(id) => Some(*id),
                Subject::Roster(_) => None,
            };
            subjects.filter_map(|(subject, _)| resource(subject)).collect()
        };
        inventory.agreed = summary;
        self.inventories.put(peer, inventory);
        for id in resources {
            if self.registry.kind_of(id) == Some(ResourceKind::Space) {
                self.follows_space(now, peer, id);
            } else if self.is_same(&peer, &Subject::Resource(id)) {
                self.note_all_received(now, peer, id);
            }
        }
    }

    /// Whether both have the same of a subject, by comparison of a range in which it lies.
    fn is_same(&self, peer: &DeviceId, subject: &Subject) -> bool {
        self.sessions.get(peer).is_some_and(|session| session.is_in_same_range(subject))
            && self.inventories.names(peer, subject)
    }

    /// A peer has all that is here of a document.
    fn note_all_received(&mut self, now: Timestamp, peer: DeviceId, document: ResourceId) {
        let Some(state) = self.documents.get(&document) else { return };
        let heads = state.summary.glance().stored_heads;
        if self.receipts.get(&(document, peer)) != Some(&heads) {
            self.receipt_from(now, peer, document, heads);
        }
    }

    /// Whether a connected peer was told of a subject.
    pub(super) fn has_told(&self, peer: &DeviceId, subject: &Subject) -> bool {
        let session = self.sessions.get(peer);
        session.is_some_and(|session| session.told.contains(subject)) || self.inventories.names(peer, subject)
    }

    /// What a peer was told of a subject is so no more.
    pub(super) fn untell(&mut self, peer: DeviceId, subject: Subject) {
        self.inventories.withdraw(&peer, subject);
        if let Some(session) = self.sessions.get_mut(&peer) {
            session.untell(subject);
        }
    }

    /// Something happens to a subject that was compared by range: from now on it is dealt with by itself.
    pub(super) fn single_out(&mut self, now: Timestamp, peer: DeviceId, subject: Subject) {
        let same = self.is_same(&peer, &subject);
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        session.single_out(subject);
        if !same {
            return;
        }
        session.told.insert(subject);
        session.named.insert(subject);
        if let Subject::Resource(document) = subject
            && self.registry.kind_of(document) != Some(ResourceKind::Space)
            && let Some(state) = self.documents.get(&document)
        {
            *session.follow(document) = everything(&state.summary);
            self.note_all_received(now, peer, document);
        }
    }

    /// A document's content is about to change: whoever has the same as here has what it was until now.
    pub(super) fn before_change(&mut self, now: Timestamp, document: ResourceId) {
        let subject = Subject::Resource(document);
        let peers: Vec<DeviceId> = self.sessions.keys().copied().collect();
        for peer in peers {
            if self.is_same(&peer, &subject) {
                self.single_out(now, peer, subject);
            } else if let Some(session) = self.sessions.get_mut(&peer)
                && session.is_being_compared()
                && self.inventories.names(&peer, &subject)
                && let Some(state) = self.documents.get(&document)
            {
                session.note_changed_meanwhile(document, || everything(&state.summary));
            }
        }
    }

    /// A peer has these subjects otherwise than they are here, or alone.
    pub(super) fn name(&mut self, now: Timestamp, peer: DeviceId, entries: Vec<(Subject, Told, Speaks)>) {
        // A new device hears of everything from the others of its person.
        let own = self.same_person(&peer);
        let most = if own { MAX_SUBJECTS } else { MAX_NAMED_SUBJECTS };
        let mut too_many = false;
        for (subject, told, speaks) in entries {
            let full = self.sessions.get(&peer).is_some_and(|session| {
                session.to_open.len() >= most || session.strangers.len() > MAX_UNKNOWN_SUBJECTS
            });
            if full && !self.may_name(now, &peer, subject) {
                too_many = true;
                continue;
            }
            self.single_out(now, peer, subject);
            if let Some(session) = self.sessions.get_mut(&peer) {
                // It has it after all.
                session.expected.remove(&subject);
            }
            if let Subject::Resource(document) = subject
                && own
                && self.standing(document) == Standing::Offered
            {
                // Another device of this person names only what the person accepted.
                self.set_standing(document, Standing::Accepted);
                self.begin_access_change(now);
            }
            let shared = self.may_name(now, &peer, subject);
            let Some(session) = self.sessions.get_mut(&peer) else { return };
            if shared {
                session.named.insert(subject);
                if let Subject::Resource(id) = subject {
                    self.follows_space(now, peer, id);
                }
                let here = self.entry(&subject);
                if told.is(&here) {
                    self.in_step(now, peer, subject);
                } else if speaks == Speaks::Second
                    && told.records == Some(here.records)
                    && let Subject::Resource(document) = subject
                    && self.await_version(now, peer, document)
                {
                    // It says so itself.
                } else if let Some(session) = self.sessions.get_mut(&peer) {
                    session.to_open.insert(subject, told);
                }
                continue;
            }
            if let Subject::Resource(document) = subject
                && self.farewell(now, peer, document)
            {
                // It may believe in grants that are not known here; then it is told what ended those.
                self.ask(now, peer, subject);
                continue;
            }
            // Not known here, or not known to be shared: the peer is asked for what it has either way, so that it
            // cannot tell one from the other.
            let Some(session) = self.sessions.get_mut(&peer) else { return };
            session.named.insert(subject);
            session.to_open.insert(subject, told);
        }
        if too_many {
            self.suspicious(peer, "more subjects than one session may name");
        }
    }

    /// Begins to exchange what differs, as far as enough of it has been dealt with.
    pub(super) fn open_next(&mut self, now: Timestamp, peer: DeviceId) {
        let own = self.same_person(&peer);
        let mut wanted = Vec::new();
        while let Some(session) = self.sessions.get_mut(&peer)
            && session.exchanging() < OPENED_AT_A_TIME
            && let Some((subject, theirs)) = session.to_open.pop_first()
        {
            if own && !self.registry.knows(&subject) {
                session.asked.insert(subject);
                session.wanted.insert(subject);
                wanted.push(subject);
                continue;
            }
            if !own && !self.may_name(now, &peer, subject) && !self.makes_acquaintance(peer, subject) {
                continue;
            }
            match subject {
                Subject::Resource(document)
                    if theirs.records == Some(self.entry(&subject).records)
                        && self.is_shared(now, document, &peer)
                        && self.holds_content(document) =>
                {
                    let sent =
                        self.sessions.get(&peer).is_some_and(|session| session.was_sent_version(&document));
                    if !sent {
                        self.send_version(now, peer, document);
                    }
                }
                Subject::Roster(_) | Subject::Resource(_) => self.ask(now, peer, subject),
            }
        }
        if !wanted.is_empty() {
            self.send(peer, &Frame::Want { subjects: wanted });
        }
    }

    /// Whether a peer may be asked for one more subject that is not known here, or not known to be shared.
    fn makes_acquaintance(&mut self, peer: DeviceId, subject: Subject) -> bool {
        let Some(session) = self.sessions.get_mut(&peer) else { return false };
        if session.strangers.len() > MAX_UNKNOWN_SUBJECTS {
            return false;
        }
        session.strangers.insert(subject);
        if session.strangers.len() > MAX_UNKNOWN_SUBJECTS {
            self.suspicious(peer, "more subjects that come to nothing than one session may name");
            return false;
        }
        true
    }

    /// A peer has nothing of these subjects, and wants all of them.
    pub(super) fn want(&mut self, now: Timestamp, peer: DeviceId, subjects: Vec<Subject>) {
        if let Some(session) = self.sessions.get_mut(&peer) {
            session.to_send.extend(subjects);
        }
        self.send_wanted(now, peer);
    }

    /// Sends a peer what it wants, as far as it takes it.
    pub(super) fn send_wanted(&mut self, now: Timestamp, peer: DeviceId) {
        while let Some(session) = self.sessions.get_mut(&peer)
            && session.queued < HIGH_WATER
            && let Some(subject) = session.to_send.pop_first()
        {
            self.have(now, peer, subject, &[]);
            let Subject::Resource(document) = subject else { continue };
            // Others than one's own devices are sent content when they have accepted it, and said so by a version.
            if !self.same_person(&peer)
                || !self.is_shared(now, document, &peer)
                || !self.holds_content(document)
            {
                continue;
            }
            if let Some(session) = self.sessions.get_mut(&peer) {
                session.follow(document);
            }
            self.send_version(now, peer, document);
            self.serve_one(now, document, peer);
        }
    }

    /// A document is durable that was not when a peer was told what there is: it is named to the peer now.
    pub(super) fn announce_what_is_stored(&mut self, now: Timestamp, document: ResourceId) {
        let subject = Subject::Resource(document);
        let unheard: Vec<DeviceId> = self
            .sessions
            .keys()
            .copied()
            .filter(|peer| !self.has_told(peer, &subject))
            .filter(|peer| self.inventories.is_stale(peer, &subject) && self.belongs(now, peer, subject))
            .collect();
        for peer in unheard {
            self.announce(peer, BTreeSet::from([subject]));
        }
    }

    /// Tells a peer the digests of subjects, one by one, that it has not been told of.
    pub(super) fn announce(&mut self, peer: DeviceId, subjects: BTreeSet<Subject>) {
        let new: Vec<Subject> = subjects
            .into_iter()
            .filter(|subject| !self.has_told(&peer, subject) && !self.is_storing(subject))
            .collect();
        if let Some(session) = self.sessions.get_mut(&peer) {
            for subject in &new {
                session.single_out(*subject);
                session.told.insert(*subject);
            }
        }
        let entries: Vec<_> = new.iter().map(|subject| (*subject, self.entry(subject))).collect();
        for part in entries.chunks(MAX_ENTRIES) {
            self.send(peer, &Frame::Inventory { entries: part.to_vec() });
        }
    }

    /// A peer's inventory as it is now. It is to be put back.
    fn take_inventory(&mut self, now: Timestamp, peer: DeviceId) -> Inventory {
        let Some(mut inventory) = self.inventories.kept.remove(&peer) else {
            let audience = self.audience(now, &peer);
            let (storing, told): (BTreeSet<Subject>, BTreeSet<Subject>) =
                audience.into_iter().partition(|subject| self.is_storing(subject));
            let tree = told.iter().map(|subject| (*subject, self.entry(subject))).collect();
            return Inventory { tree, stale: storing, ..Inventory::default() };
        };
        inventory.stale.extend(self.expiring().map(Subject::Resource));
        if std::mem::take(&mut inventory.stale_rosters) || !self.expiring.is_empty() {
            let is_roster = |subject: &Subject| matches!(subject, Subject::Roster(_));
            let here = self.registry.subjects().take_while(is_roster);
            let there = inventory.tree.iter().map(|(subject, _)| *subject).take_while(is_roster);
            let rosters: Vec<Subject> = here.chain(there).collect();
            inventory.stale.extend(rosters);
        }
        for subject in std::mem::take(&mut inventory.stale) {
            if self.is_storing(&subject) {
                // Nothing is told before it is durable.
                inventory.tree.remove(&subject);
                inventory.stale.insert(subject);
            } else if self.belongs(now, &peer, subject) {
                inventory.tree.insert(subject, self.entry(&subject));
            } else {
                inventory.tree.remove(&subject);
            }
        }
        #[cfg(debug_assertions)]
        self.check_inventory(now, &peer, &inventory);
        inventory
    }

    fn is_storing(&self, subject: &Subject) -> bool {
        match subject {
            Subject::Resource(id) => {
                self.documents.get(id).is_some_and(|state| state.work.phase == Phase::Storing)
            }
            Subject::Roster(_) => false,
        }
    }

    /// What was kept up to date one by one is what would be built anew.
    #[cfg(debug_assertions)]
    fn check_inventory(&self, now: Timestamp, peer: &DeviceId, inventory: &Inventory) {
        let mut audience = self.audience(now, peer);
        audience.retain(|subject| !inventory.stale.contains(subject));
        let told = inventory.tree.iter().filter(|(subject, _)| !inventory.stale.contains(subject));
        let told: Vec<(Subject, Entry)> = told.map(|(subject, entry)| (*subject, *entry)).collect();
        let anew: Vec<(Subject, Entry)> =
            audience.iter().map(|subject| (*subject, self.entry(subject))).collect();
        debug_assert_eq!(told, anew, "the inventory for {} has gone stale", peer.short());
    }

    /// Documents and spaces in which some grant ends by the clock.
    pub(super) fn expiring(&self) -> impl Iterator<Item = ResourceId> {
        self.expiring
            .iter()
            .flat_map(|id| self.registry.born_in(*id).chain(self.registry.space_of(*id)).chain([*id]))
    }

    /// Notes the documents and spaces of which a grant among these records ends by the clock.
    pub(super) fn note_expiring(&mut self, ids: impl IntoIterator<Item = RecordId>) {
        for id in ids {
            if let Some(Record::Grant(Grant { expires: Some(_), resource, .. })) =
                self.registry.record(&id).map(VerifiedRecord::record)
            {
                self.expiring.insert(*resource);
            }
        }
    }

    /// The same for everything that is stored.
    pub(super) fn find_expiring(&mut self) {
        // Others have no grants of their own.
        let resources: Vec<ResourceId> = self.registry.beyond_genesis().collect();
        for resource in resources {
            self.note_expiring(self.registry.record_ids(&Subject::Resource(resource)));
        }
    }
}
