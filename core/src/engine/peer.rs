//! What is known of one connected peer. All of it ends with the connection.

use std::collections::{BTreeMap, BTreeSet};

use katori_acl::{RecordId, ResourceId, Subject};

use crate::document::{Peer, Summary};
use crate::reconcile::{Exchange, Range, Told};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Session {
    /// Bytes sent that have not left the queue.
    pub(super) queued: usize,
    /// Documents of which something waits for the queue to get shorter.
    pub(super) put_aside: BTreeSet<ResourceId>,
    /// How the comparison of inventories stands.
    pub(super) comparison: Comparison,
    /// Subjects that the peer named and that wait for their turn, with what it has of each.
    pub(super) to_open: BTreeMap<Subject, Told>,
    /// Subjects whose digest the peer was told one by one.
    pub(super) told: BTreeSet<Subject>,
    /// Subjects that the peer named one by one.
    pub(super) named: BTreeSet<Subject>,
    /// Subjects whose records the peer was asked for and has not answered yet.
    pub(super) asked: BTreeSet<Subject>,
    /// Those of them of which everything was asked for, content too.
    pub(super) wanted: BTreeSet<Subject>,
    /// Subjects of which the peer wants everything, and that wait for its queue to be short.
    pub(super) to_send: BTreeSet<Subject>,
    /// Subjects of which the peer has nothing, as it found out by comparing, and for which it has not asked yet.
    pub(super) expected: BTreeSet<Subject>,
    /// Documents whose content the peer follows, and what it has of each.
    live: BTreeMap<ResourceId, Peer>,
    /// Those of them that are being made ready for the peer, from what it is known to have.
    being_served: BTreeSet<ResourceId>,
    /// Documents of which the peer was told what is here.
    version_sent: BTreeSet<ResourceId>,
    /// Those of them of which it has not said what it has, and what it was told.
    unanswered: BTreeMap<ResourceId, Peer>,
    /// Documents of which the peer says first what it has.
    awaited: BTreeSet<ResourceId>,
    /// Documents of which the peer said what it has, all of which is here but some vouches: the next that it is sent says
    /// so.
    covered: BTreeMap<ResourceId, Vec<RecordId>>,
    /// Documents of which the peer sent changes instead of saying what it has.
    unsaid: BTreeSet<ResourceId>,
    /// Documents of which it was asked anew what it has, because what it sent could not be kept.
    asked_again: BTreeSet<ResourceId>,
    /// Documents of which the peer has something that is not durable here.
    unsettled: BTreeSet<ResourceId>,
    /// Records that the peer has.
    pub(super) records: BTreeSet<RecordId>,
    /// Documents in which the peer lost its role and may hand over once; the bytes it has.
    pub(super) farewells: BTreeMap<ResourceId, usize>,
    /// Documents of which the last was handed over, and is on its way.
    pub(super) handed_over: BTreeSet<ResourceId>,
    /// Documents in which changes of the peer wait for others.
    pub(super) orphans_in: BTreeSet<ResourceId>,
    /// Documents in which the peer was told that its role is lost.
    pub(super) parted: BTreeSet<ResourceId>,
    /// It was said that the two have come to rest.
    pub(super) settled: bool,
    /// Subjects that the peer named and was asked for, and of which nothing worth keeping is here.
    pub(super) strangers: BTreeSet<Subject>,
}

/// How far the comparison of two inventories is.
///
/// What is compared is what there was at the greeting. What was found to be equal by ranges is not listed by subject;
/// a subject is singled out when something happens to it.
#[derive(Debug, Default)]
pub(super) struct Comparison {
    /// The peer's greeting has come.
    pub(super) greeted: bool,
    pub(super) exchange: Option<Exchange>,
    /// Ranges in which both have the same, apart from what was singled out. No two overlap.
    pub(super) same: BTreeSet<Range>,
    /// Subjects that are dealt with one by one.
    singled_out: BTreeSet<Subject>,
    /// Documents that changed here since the greeting: what the peer has of each if it turns out to have had the
    /// same.
    changed_meanwhile: BTreeMap<ResourceId, Peer>,
}

impl Session {
    /// Whether a subject lies in a range in which both were found to have the same, and nothing has happened to it
    /// since.
    pub(super) fn is_in_same_range(&self, subject: &Subject) -> bool {
        let before = self.comparison.same.range(..=Range::of(*subject)).next_back();
        before.is_some_and(|range| range.contains(subject)) && !self.comparison.singled_out.contains(subject)
    }

    /// Takes a subject out of the range in which it is compared.
    pub(super) fn single_out(&mut self, subject: Subject) {
        self.comparison.singled_out.insert(subject);
    }

    /// Whether the comparison goes on.
    pub(super) fn is_being_compared(&self) -> bool {
        self.comparison.exchange.as_ref().is_some_and(|exchange| !exchange.is_over())
    }

    /// Notes what the peer has of a document that changes, if it turns out to have the same as was said here.
    pub(super) fn note_changed_meanwhile(&mut self, document: ResourceId, known: impl FnOnce() -> Peer) {
        if !self.comparison.singled_out.contains(&Subject::Resource(document)) {
            self.comparison.changed_meanwhile.entry(document).or_insert_with(known);
        }
    }

    /// The documents in a range that have changed since it was compared.
    pub(super) fn changed_meanwhile(&mut self, range: &Range) -> BTreeMap<ResourceId, Peer> {
        let within = |document: &ResourceId| range.contains(&Subject::Resource(*document));
        self.comparison.changed_meanwhile.extract_if(.., |document, _| within(document)).collect()
    }

    /// What the peer was told of a subject is so no more.
    pub(super) fn untell(&mut self, subject: Subject) {
        self.expected.remove(&subject);
        self.single_out(subject);
        self.told.remove(&subject);
        if let Subject::Resource(document) = subject {
            self.unfollow(&document);
        }
    }

    /// What the peer has of a document whose content it follows.
    pub(super) fn known(&self, document: &ResourceId) -> Option<&Peer> {
        self.live.get(document)
    }

    /// The same, to note more of it; nothing if it does not follow the document.
    pub(super) fn known_mut(&mut self, document: &ResourceId) -> Option<&mut Peer> {
        self.live.get_mut(document)
    }

    /// Notes that the peer follows a document; returns what it is known to have of it.
    pub(super) fn follow(&mut self, document: ResourceId) -> &mut Peer {
        self.unanswered.remove(&document);
        self.awaited.remove(&document);
        self.live.entry(document).or_default()
    }

    /// Notes that it does so no more, or that what it has is to be asked again; says whether it did.
    pub(super) fn unfollow(&mut self, document: &ResourceId) -> bool {
        self.version_sent.remove(document);
        self.unanswered.remove(document);
        self.awaited.remove(document);
        self.covered.remove(document);
        self.unsaid.remove(document);
        self.unsettled.remove(document);
        self.being_served.remove(document);
        self.live.remove(document).is_some()
    }

    /// Notes that something of a document is being made ready for the peer.
    pub(super) fn note_serving(&mut self, document: ResourceId) {
        self.being_served.insert(document);
    }

    /// Whether what is being made ready still rests on what the peer is known to have.
    pub(super) fn is_being_served(&self, document: &ResourceId) -> bool {
        self.being_served.contains(document)
    }

    /// Notes that it is ready.
    pub(super) fn note_served(&mut self, document: &ResourceId) {
        self.being_served.remove(document);
    }

    /// Notes that the peer was told what is here of a document.
    pub(super) fn note_version_sent(&mut self, document: ResourceId, told: Peer) {
        self.version_sent.insert(document);
        self.covered.remove(&document);
        if !self.live.contains_key(&document) {
            self.unanswered.insert(document, told);
        }
    }

    /// The peer says that it has all that it was told of a document; what that was.
    pub(super) fn take_told(&mut self, document: &ResourceId) -> Option<Peer> {
        self.unanswered.remove(document)
    }

    /// Notes that the peer is about to say what it has of a document, and that it need not be told before.
    pub(super) fn await_version(&mut self, document: ResourceId) {
        self.awaited.insert(document);
    }

    /// Whether that is so.
    pub(super) fn awaits(&self, document: &ResourceId) -> bool {
        self.awaited.contains(document)
    }

    /// Notes that all that the peer said to have is here but these vouches, and it is to be told so with what it lacks.
    pub(super) fn note_covered(&mut self, document: ResourceId, but: Vec<RecordId>) {
        self.covered.insert(document, but);
    }

    /// Whether the peer is to be told so now, and what is not here.
    pub(super) fn take_covered(&mut self, document: &ResourceId) -> Option<Vec<RecordId>> {
        self.covered.remove(document)
    }

    /// Whether that is still to come.
    pub(super) fn is_covered(&self, document: &ResourceId) -> bool {
        self.covered.contains_key(document)
    }

    /// Notes that the peer sent changes of a document instead of saying what it has.
    pub(super) fn note_unsaid(&mut self, document: ResourceId) {
        self.unsaid.insert(document);
    }

    /// Whether that is all that is known of what it has.
    pub(super) fn is_unsaid(&self, document: &ResourceId) -> bool {
        self.unsaid.contains(document)
    }

    /// Notes that what the peer has of a document is asked anew; whether it is the first time.
    pub(super) fn note_asked_again(&mut self, document: ResourceId) -> bool {
        self.asked_again.insert(document)
    }

    /// Whether the peer was told what is here of a document.
    pub(super) fn was_sent_version(&self, document: &ResourceId) -> bool {
        self.version_sent.contains(document)
    }

    /// Notes whether what the peer has of a document is durable here.
    pub(super) fn note_settled(&mut self, document: ResourceId, summary: &Summary, under_way: bool) {
        let Some(known) = self.live.get(&document) else { return };
        if !under_way && summary.version.reaches(&known.version) {
            self.unsettled.remove(&document);
        } else {
            self.unsettled.insert(document);
        }
    }

    /// Notes that the peer has something of a document that is not durable here.
    pub(super) fn note_unsettled(&mut self, document: ResourceId) {
        self.unsettled.insert(document);
    }

    /// Whether records or versions of a document are under way between the two.
    pub(super) fn is_exchanging(&self, document: ResourceId) -> bool {
        let subject = Subject::Resource(document);
        self.asked.contains(&subject)
            || self.to_open.contains_key(&subject)
            || self.unanswered.contains_key(&document)
            || self.awaited.contains(&document)
    }

    /// How many exchanges are under way.
    pub(super) fn exchanging(&self) -> usize {
        self.asked.len() + self.unanswered.len()
    }

    /// Whether both have compared everything they share.
    pub(super) fn is_compared(&self) -> bool {
        self.comparison.greeted
            && !self.is_being_compared()
            && self.to_open.is_empty()
            && self.asked.is_empty()
            && self.expected.is_empty()
            && self.unanswered.is_empty()
            && self.awaited.is_empty()
    }

    /// Whether, besides, all that the peer has is durable here.
    pub(super) fn is_settled(&self) -> bool {
        self.is_compared() && self.unsettled.is_empty()
    }
}
