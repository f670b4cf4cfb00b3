//! Documents that a change of access leaves as they are: they are neither opened nor written because of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use katori_acl::{AccessChanges, AccessClass, Registry, ResourceId, Rights};

use super::content::Phase;
use super::held::DocumentState;

/// Who could do what before a change of access, wherever that changed: once for all documents of a class.
#[derive(Debug, Default)]
pub(super) struct RightsBefore {
    classes: BTreeMap<AccessClass, Option<Arc<Rights>>>,
    resources: BTreeMap<ResourceId, Option<Arc<Rights>>>,
}

impl RightsBefore {
    /// Adds what changed since. How something stood at first counts.
    pub(super) fn note(&mut self, changes: AccessChanges) {
        for (class, change) in changes.classes {
            self.classes.entry(class).or_insert(change.before);
        }
        for (resource, change) in changes.resources {
            self.resources.entry(resource).or_insert(change.before);
        }
    }

    /// Whether nobody has less in a document now than before, as far as that is known.
    pub(super) fn only_gains(&self, registry: &Registry, document: ResourceId) -> bool {
        // One that has left its class since had what all of it had.
        let class = registry.genesis_class(&document).and_then(|class| self.classes.get(&class));
        let mut before = class.into_iter().chain(self.resources.get(&document));
        before.all(|before| match (before, registry.rights(document)) {
            (Some(before), Some(now)) => now.only_gains(before),
            (None, _) | (_, None) => false,
        })
    }
}

impl DocumentState {
    /// Whether a change of access leaves everything in a document as it is, so that it need not be opened, given
    /// whether nobody lost anything by it.
    pub(super) fn is_untouched(&self, only_gains: bool) -> bool {
        let (summary, work) = (&self.summary, &self.work);
        if summary.changes == 0 {
            // What waits to be taken in will be under the new rights.
            return work.phase == Phase::Idle && !work.dirty;
        }
        only_gains
            && summary.held == 0
            && summary.forks == 0
            && !summary.owes_vouch
            && summary.owes_reapply.is_none()
            && work.reevaluate.is_none()
            // What is under way was begun under the old rights, and may hold back what the new ones let in.
            && !matches!(work.phase, Phase::Working(..))
    }
}
