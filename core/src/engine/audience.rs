//! Who may sync what: the audience of a peer, and the devices that may connect at all.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use katori_acl::{DeviceId, Registry, ResourceId, ResourceKind, Rights, Role, Subject};

use super::held::DocumentState;
use super::rows::receipt_row;
use super::{Action, CloseReason, Engine, Event, Standing};
use crate::time::Timestamp;

/// The devices that a document lets in, each with whether it may read it now.
pub(super) type Circle = BTreeMap<DeviceId, bool>;

/// Which devices the documents let in. Most documents let in the same as others, so each such circle is kept once, with
/// the number of its documents, and a change of one document costs that document alone.
#[derive(Debug, Default)]
pub(super) struct Acquaintances {
    circles: BTreeMap<Arc<Circle>, usize>,
    /// For each device: circles in which it ever had a role, and those in which it has one now.
    counts: BTreeMap<DeviceId, (usize, usize)>,
    /// What was found out last: documents that come one after the other mostly let in the same.
    last: Option<(Arc<Rights>, bool, Arc<Circle>)>,
    told: (BTreeSet<DeviceId>, BTreeSet<DeviceId>),
}

impl Acquaintances {
    /// Notes whom a document lets in now.
    fn meet(&mut self, registry: &Registry, document: ResourceId, state: &mut DocumentState) {
        let access = Some(document).filter(|_| state.standing.has_records());
        let access = access.and_then(|document| registry.rights(document));
        // Those with whom something was shared once may still bring something new.
        self.note(&mut state.circle, access, state.standing == Standing::Left);
    }

    /// Notes whom a document lets in, in place of what was noted before: nobody if its grants are not answered for here, and nobody now if it was left.
    fn note(&mut self, of: &mut Option<Arc<Circle>>, access: Option<&Arc<Rights>>, left: bool) {
        let circle = access.map(|access| match &self.last {
            Some((last, was_left, circle)) if Arc::ptr_eq(last, access) && *was_left == left => {
                Arc::clone(circle)
            }
            _ => {
                let readers = access.devices().filter(|(_, standing)| standing.ever >= Some(Role::Read));
                let reads = |role| role >= Some(Role::Read) && !access.deleted && !left;
                let circle: Circle =
                    readers.map(|(device, standing)| (device, reads(standing.role))).collect();
                let known = self.circles.get_key_value(&circle).map(|(known, _)| Arc::clone(known));
                let circle = known.unwrap_or_else(|| Arc::new(circle));
                self.last = Some((Arc::clone(access), left, Arc::clone(&circle)));
                circle
            }
        });
        let before = std::mem::replace(of, circle.clone());
        if before == circle {
            return;
        }
        // The new one first, so that a device in both is never taken for gone.
        if let Some(circle) = circle {
            let documents = self.circles.entry(Arc::clone(&circle)).or_default();
            *documents += 1;
            if *documents == 1 {
                for (device, reads) in &*circle {
                    let (ever, now) = self.counts.entry(*device).or_default();
                    *ever += 1;
                    *now += usize::from(*reads);
                }
            }
        }
        if let Some(before) = before
            && let Some(documents) = self.circles.get_mut(&before)
        {
            *documents -= 1;
            if *documents == 0 {
                self.circles.remove(&before);
                for (device, reads) in &*before {
                    if let Some((ever, now)) = self.counts.get_mut(device) {
                        *ever -= 1;
                        *now -= usize::from(*reads);
                        if *ever == 0 {
                            self.counts.remove(device);
                        }
                    }
                }
            }
        }
    }
}

impl Engine {
    /// Whether a device may read a document now, by this device's clock.
    pub(super) fn may_read(&self, now: Timestamp, document: ResourceId, device: &DeviceId) -> bool {
        self.registry.rights(document).is_some_and(|access| {
            !access.deleted
                && access.unexpired_role_of_device(device, now.0).is_some_and(|role| role >= Role::Read)
        })
    }

    /// Whether a device could ever have read a document, by signatures alone.
    pub(super) fn ever_read(&self, document: ResourceId, device: &DeviceId) -> bool {
        let access = self.registry.rights(document);
        access.and_then(|access| access.ever_role_of_device(device)).is_some_and(|role| role >= Role::Read)
    }

    /// Whether a document is synced with a peer: accepted here, and both may read it.
    pub(super) fn is_shared(&self, now: Timestamp, document: ResourceId, peer: &DeviceId) -> bool {
        self.standing(document) == Standing::Accepted
            && self.may_read(now, document, &self.me.device())
            && self.may_read(now, document, peer)
    }

    /// Whether this device lost its role in a document and still has to say so, or to hand over, to a peer that
    /// may read it.
    pub(super) fn is_departing(&self, now: Timestamp, document: ResourceId, peer: &DeviceId) -> bool {
        matches!(self.standing(document), Standing::Accepted | Standing::Rejected)
            && !self.may_read(now, document, &self.me.device())
            && self.may_read(now, document, peer)
    }

    /// Whether a device belonged to this person once, and does no more.
    pub(super) fn was_removed(&self, peer: &DeviceId) -> bool {
        let roster = self.registry.roster(self.me.person);
        roster.is_some_and(|roster| roster.ever_contained(peer) && !roster.contains(peer))
    }

    pub(super) fn same_person(&self, peer: &DeviceId) -> bool {
        self.registry.roster(self.me.person).is_some_and(|roster| roster.contains(peer))
    }

    /// Everything that may be synced with a peer.
    pub(super) fn audience(&self, now: Timestamp, peer: &DeviceId) -> BTreeSet<Subject> {
        let mut audience = BTreeSet::new();
        for document in self.documents.keys() {
            let subject = Subject::Resource(*document);
            if self.may_name(now, peer, subject) && !self.waits_for_space(now, peer, subject) {
                audience.insert(subject);
                audience.extend(self.registry.space_of(*document).map(Subject::Resource));
                audience.extend(self.registry.named_rosters(*document).iter().copied().map(Subject::Roster));
            }
        }
        if !audience.is_empty() || self.same_person(peer) {
            audience.insert(Subject::Roster(self.me.person));
            audience.extend(self.registry.person_of(*peer).map(Subject::Roster));
        }
        if self.was_removed(peer) {
            audience.insert(Subject::Roster(self.me.person));
        }
        if self.same_person(peer) {
            for group in self.registry.groups_of(self.me.person) {
                audience.insert(Subject::Roster(group));
            }
        }
        audience
    }

    /// Whether one subject is among them.
    pub(super) fn belongs(&self, now: Timestamp, peer: &DeviceId, subject: Subject) -> bool {
        let shared = |id: ResourceId| {
            let subject = Subject::Resource(id);
            self.documents.contains_key(&id)
                && self.may_name(now, peer, subject)
                && !self.waits_for_space(now, peer, subject)
        };
        match subject {
            Subject::Resource(id) => shared(id) || self.registry.born_in(id).any(shared),
            Subject::Roster(person) => {
                let own = person == self.me.person || self.registry.person_of(*peer) == Some(person);
                self.same_person(peer) && (own || self.registry.groups_of(self.me.person).contains(&person))
                    || person == self.me.person && self.was_removed(peer)
                    || own && self.documents.keys().any(|id| shared(*id))
                    || self.registry.names_any(person, shared)
            }
        }
    }

    /// Whether a document is named to a peer only once it has named the space in which it was born: before that
    /// the space is on offer there, and the document would be nothing but a stranger's.
    pub(super) fn waits_for_space(&self, now: Timestamp, peer: &DeviceId, subject: Subject) -> bool {
        let Subject::Resource(document) = subject else { return false };
        let Some(space) = self.registry.space_of(document) else { return false };
        self.is_shared(now, space, peer)
            && !self.same_person(peer)
            && !self.receipts.contains_key(&(space, *peer))
    }

    /// A peer named a space: it has accepted it, so the documents born in it are named to it, now and from now on.
    pub(super) fn follows_space(&mut self, now: Timestamp, peer: DeviceId, space: ResourceId) {
        if self.registry.kind_of(space) != Some(ResourceKind::Space)
            || self.receipts.contains_key(&(space, peer))
            || !self.is_shared(now, space, &peer)
        {
            return;
        }
        self.write([receipt_row(space, peer, &[])]);
        self.receipts.insert((space, peer), Vec::new());
        for document in self.registry.documents_in(space) {
            self.inventories.touch_access(Subject::Resource(document));
        }
        let born: BTreeSet<Subject> = self
            .registry
            .documents_in(space)
            .into_iter()
            .map(Subject::Resource)
            .filter(|subject| self.may_name(now, &peer, *subject))
            .collect();
        let rosters: BTreeSet<Subject> = born
            .iter()
            .filter_map(|subject| match subject {
                Subject::Resource(document) => Some(*document),
                Subject::Roster(_) => None,
            })
            .flat_map(|document| self.registry.rosters_named_by(document))
            .map(Subject::Roster)
            .collect();
        self.announce(peer, rosters);
        self.announce(peer, born);
    }

    /// A peer that lost its last role has had the time to hand over what it had not sent.
    pub(super) fn cut_off_due(&mut self, now: Timestamp, peer: DeviceId) {
        let is_document = |subject: &Subject| matches!(subject, Subject::Resource(_));
        let shared = self.same_person(&peer) || self.audience(now, &peer).iter().any(is_document);
        if self.sessions.contains_key(&peer) && !shared {
            self.act(Action::Close { peer, reason: CloseReason::NothingShared });
            self.disconnected(now, peer);
        }
    }

    /// Asks every peer for what it had named and is not known here: a space that was on offer is accepted now.
    pub(super) fn ask_for_what_was_named(&mut self, now: Timestamp) {
        let mut wanted = Vec::new();
        for (peer, session) in &self.sessions {
            let unknown = session.named.iter().filter(|subject| {
                matches!(subject, Subject::Resource(_)) && self.registry.record_ids(subject).is_empty()
            });
            wanted.extend(unknown.map(|subject| (*peer, *subject)));
        }
        for (peer, subject) in wanted {
            self.ask(now, peer, subject);
        }
    }

    /// Whether one subject may be synced with a peer: a document that both may read, or that this device has to
    /// part from; a roster that such a document names, or that of either person.
    pub(super) fn may_name(&self, now: Timestamp, peer: &DeviceId, subject: Subject) -> bool {
        let document = |document: ResourceId| {
            self.is_shared(now, document, peer) || self.is_departing(now, document, peer)
        };
        match subject {
            // A space's grants are needed by everybody who may read some document born in it.
            Subject::Resource(id) => document(id) || self.registry.born_in(id).any(document),
            Subject::Roster(person) => {
                let own = person == self.me.person
                    || self.registry.groups_of(self.me.person).contains(&person) && self.same_person(peer);
                let either = own || self.registry.person_of(*peer) == Some(person);
                if person == self.me.person && self.was_removed(peer) {
                    // Two devices that removed each other unheard have only this to learn it from.
                    return true;
                }
                either && (self.same_person(peer) || self.documents.keys().any(|id| document(*id)))
                    || self.registry.names_any(person, document)
            }
        }
    }

    /// Tells the driver which devices may connect and which are worth dialling, if these documents have changed
    /// that.
    pub(super) fn tell_peers(&mut self, documents: impl IntoIterator<Item = ResourceId>) {
        for document in documents {
            if let Some(state) = self.documents.get_mut(&document) {
                self.acquaintances.meet(&self.registry, document, state);
            }
        }
        self.tell_who_is_known();
    }

    /// The same for all documents, at the start.
    pub(super) fn tell_all_peers(&mut self) {
        for (document, state) in &mut self.documents {
            self.acquaintances.meet(&self.registry, *document, state);
        }
        self.tell_who_is_known();
    }

    fn tell_who_is_known(&mut self) {
        let own = self.registry.roster(self.me.person);
        let mut wanted: BTreeSet<DeviceId> =
            own.iter().flat_map(|roster| roster.devices.keys().copied()).collect();
        let counts = &self.acquaintances.counts;
        wanted.extend(counts.iter().filter(|(_, (_, now))| *now > 0).map(|(device, _)| *device));
        let mut known: BTreeSet<DeviceId> = counts.keys().chain(&wanted).copied().collect();
        known.retain(|device| !self.blocked(device));
        wanted.retain(|device| !self.blocked(device));
        let me = self.me.device();
        known.remove(&me);
        wanted.remove(&me);
        if (&known, &wanted) != (&self.acquaintances.told.0, &self.acquaintances.told.1) {
            self.acquaintances.told = (known.clone(), wanted.clone());
            self.act(Action::Notify(Event::Peers { known, wanted }));
        }
    }
}
