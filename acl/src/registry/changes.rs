//! What inserting has changed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Registry, ResourceSet};
use crate::access::{AccessClass, Rights};
use crate::ids::{RecordId, ResourceId};
use crate::records::Subject;

/// What inserting has changed: what a store has to write and delete.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Records that are stored now. Besides those inserted as new, these are records that had waited.
    pub stored: BTreeSet<RecordId>,
    /// Records that are no longer stored, because a bound was reached and they had the highest ids, or because what
    /// entitled whoever signed them was dropped; and what each was about.
    pub dropped: BTreeMap<RecordId, Subject>,
}

/// Where it is not known to be what it was who may do what.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccessChanges {
    /// In all resources of these classes, see [`Registry::class_of`].
    pub classes: BTreeMap<AccessClass, AccessChange>,
    /// In these resources. Those that are new are among them, and those that have left their class.
    pub resources: BTreeMap<ResourceId, AccessChange>,
}

impl AccessChanges {
    /// Adds what changed after that. How something stood at first counts, and how it stands now.
    pub fn extend(&mut self, later: Self) {
        for (class, change) in later.classes {
            self.classes.entry(class).and_modify(|first| first.now.clone_from(&change.now)).or_insert(change);
        }
        for (resource, change) in later.resources {
            let first = self.resources.entry(resource);
            first.and_modify(|first| first.now.clone_from(&change.now)).or_insert(change);
        }
    }

    /// Whether nobody has less in a resource now than before all this, as far as that is known.
    #[must_use]
    pub fn only_gain_in(&self, registry: &Registry, resource: ResourceId) -> bool {
        // One that has left its class since had what all of it had.
        let class = registry.genesis_class(&resource).and_then(|class| self.classes.get(&class));
        let mut changes = class.into_iter().chain(self.resources.get(&resource));
        let now = || registry.rights(resource).cloned();
        changes.all(|change| AccessChange { before: change.before.clone(), now: now() }.only_gains())
    }
}

/// Who might do what, and who may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessChange {
    /// Before. None if the resource was not known, or if nobody had asked.
    pub before: Option<Arc<Rights>>,
    /// Now. None if the resource is no longer known.
    pub now: Option<Arc<Rights>>,
}

impl AccessChange {
    /// Whether some got more, and nobody less: what was admitted to a document from which nothing was held back
    /// still is.
    #[must_use]
    pub fn only_gains(&self) -> bool {
        let (Some(before), Some(now)) = (&self.before, &self.now) else { return false };
        now.only_gains(before)
    }
}

/// What has been touched since it was last asked about, and how it stood before.
#[derive(Debug, Clone, Default)]
pub(super) struct Touched {
    classes: BTreeMap<AccessClass, Option<Arc<Rights>>>,
    resources: BTreeMap<ResourceId, Option<Arc<Rights>>>,
}

impl Touched {
    /// The first word on how a resource stood counts.
    pub(super) fn note(&mut self, resource: ResourceId, before: impl FnOnce() -> Option<Arc<Rights>>) {
        self.resources.entry(resource).or_insert_with(before);
    }

    pub(super) fn forget(&mut self, resource: &ResourceId) {
        self.resources.remove(resource);
    }
}

impl Registry {
    /// What a store has to write and delete since this was last called.
    pub fn take_changes(&mut self) -> Changes {
        std::mem::take(&mut self.changes)
    }

    /// Where it has changed who may do what since this was last called, one entry for all resources of a class.
    pub fn take_access_changes(&mut self) -> AccessChanges {
        let Touched { classes, resources } = std::mem::take(&mut self.touched);
        let changed = |change: &AccessChange| change.before != change.now;
        let classes = classes.into_iter().filter_map(|(class, before)| {
            let now = Some(Arc::clone(self.rights_of_class(&class)?));
            Some((class, AccessChange { before, now })).filter(|(_, change)| changed(change))
        });
        let resources = resources.into_iter().filter_map(|(resource, before)| {
            let now = self.rights(resource).cloned();
            Some((resource, AccessChange { before, now })).filter(|(_, change)| changed(change))
        });
        AccessChanges { classes: classes.collect(), resources: resources.collect() }
    }

    /// Notes how a resource stands that is about to change, or to go.
    pub(super) fn note_rights(&mut self, resource: ResourceId) {
        let dormant = &self.dormant;
        let known = self.resources.get(&resource).map(ResourceSet::known_rights);
        self.touched.note(resource, || known.unwrap_or_else(|| dormant.known_rights(&resource)));
    }

    /// Forgets who may do what in a resource that is awake: something on which it depends has changed.
    pub(super) fn invalidate(&mut self, resource: ResourceId) {
        if let Some(set) = self.resources.get_mut(&resource) {
            self.touched.note(resource, || set.known_rights());
            set.invalidate();
        }
    }

    /// The same for the dormant ones of a class.
    pub(super) fn invalidate_class(&mut self, class: &AccessClass) {
        if let Some(members) = self.dormant.class_mut(class) {
            members.rosters.take();
            let before = members.rights.take();
            self.touched.classes.entry(*class).or_insert(before);
        }
    }
}
