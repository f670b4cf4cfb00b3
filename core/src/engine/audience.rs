//! Who may sync what: the audience of a peer, and the devices that may connect at all.

use std::collections::{BTreeMap, BTreeSet};

use katori_acl::{DeviceId, ResourceId, Role, Subject};

use super::{Action, Engine, Event, Standing};
use crate::time::Timestamp;

/// Which devices each document lets in, counted, so that a change of one document costs that document alone.
#[derive(Debug, Default)]
pub(super) struct Acquaintances {
    of: BTreeMap<ResourceId, BTreeMap<DeviceId, bool>>,
    /// For each device: documents in which it ever had a role, and those in which it has one now.
    counts: BTreeMap<DeviceId, (usize, usize)>,
    told: (BTreeSet<DeviceId>, BTreeSet<DeviceId>),
}

impl Acquaintances {
    /// Notes the devices of a document, each with whether it may read it now.
    fn note(&mut self, document: ResourceId, devices: BTreeMap<DeviceId, bool>) {
        for (device, reads) in self.of.remove(&document).unwrap_or_default() {
            if let Some((ever, now)) = self.counts.get_mut(&device) {
                *ever -= 1;
                *now -= usize::from(reads);
                if *ever == 0 {
                    self.counts.remove(&device);
                }
            }
        }
        for (device, reads) in &devices {
            let (ever, now) = self.counts.entry(*device).or_default();
            *ever += 1;
            *now += usize::from(*reads);
        }
        self.of.insert(document, devices);
    }
}

impl Engine {
    /// Whether a device may read a document now, by this device's clock.
    pub(super) fn may_read(&self, now: Timestamp, document: ResourceId, device: &DeviceId) -> bool {
        self.registry.access(document).is_some_and(|access| {
            !access.deleted
                && access.unexpired_role_of_device(device, now.0).is_some_and(|role| role >= Role::Read)
        })
    }

    /// Whether a device could ever have read a document, by signatures alone.
    pub(super) fn ever_read(&self, document: ResourceId, device: &DeviceId) -> bool {
        let access = self.registry.access(document);
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
        self.standing(document) == Standing::Accepted
            && !self.may_read(now, document, &self.me.device())
            && self.may_read(now, document, peer)
    }

    fn same_person(&self, peer: &DeviceId) -> bool {
        self.registry.roster(self.me.person).is_some_and(|roster| roster.contains(peer))
    }

    /// Everything that may be synced with a peer.
    pub(super) fn audience(&self, now: Timestamp, peer: &DeviceId) -> BTreeSet<Subject> {
        let mut audience = BTreeSet::new();
        for document in self.documents.keys() {
            if self.may_name(now, peer, Subject::Resource(*document)) {
                audience.insert(Subject::Resource(*document));
                audience.extend(self.registry.rosters_named_by(*document).into_iter().map(Subject::Roster));
            }
        }
        if !audience.is_empty() || self.same_person(peer) {
            audience.insert(Subject::Roster(self.me.person));
            audience.extend(self.registry.person_of(*peer).map(Subject::Roster));
        }
        audience
    }

    /// Whether one subject may be synced with a peer: a document that both may read, or that this device has to
    /// part from; a roster that such a document names, or that of either person.
    pub(super) fn may_name(&self, now: Timestamp, peer: &DeviceId, subject: Subject) -> bool {
        let document = |document: ResourceId| {
            self.is_shared(now, document, peer) || self.is_departing(now, document, peer)
        };
        match subject {
            Subject::Resource(id) => document(id),
            Subject::Roster(person) => {
                let either = person == self.me.person || self.registry.person_of(*peer) == Some(person);
                either && (self.same_person(peer) || self.documents.keys().any(|id| document(*id)))
                    || self.registry.resources_naming(person).into_iter().any(document)
            }
        }
    }

    /// Tells the driver which devices may connect and which are worth dialling, if these documents have changed
    /// that.
    pub(super) fn tell_peers(&mut self, documents: impl IntoIterator<Item = ResourceId>) {
        for document in documents {
            let mut devices = BTreeMap::new();
            let access = self.registry.access(document);
            if let Some(access) = access.filter(|_| self.standing(document).has_records()) {
                for (device, standing) in access.devices() {
                    if standing.ever >= Some(Role::Read) {
                        devices.insert(device, standing.role >= Some(Role::Read) && !access.deleted);
                    }
                }
            }
            self.acquaintances.note(document, devices);
        }
        let own = self.registry.roster(self.me.person);
        let mut wanted: BTreeSet<DeviceId> =
            own.iter().flat_map(|roster| roster.devices.keys().copied()).collect();
        let counts = &self.acquaintances.counts;
        wanted.extend(counts.iter().filter(|(_, (_, now))| *now > 0).map(|(device, _)| *device));
        let mut known: BTreeSet<DeviceId> = counts.keys().chain(&wanted).copied().collect();
        let me = self.me.device();
        known.remove(&me);
        wanted.remove(&me);
        if (&known, &wanted) != (&self.acquaintances.told.0, &self.acquaintances.told.1) {
            self.acquaintances.told = (known.clone(), wanted.clone());
            self.act(Action::Notify(Event::Peers { known, wanted }));
        }
    }
}
