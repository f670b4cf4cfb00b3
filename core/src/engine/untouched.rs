//! Documents that a change of access leaves as they are: they are neither opened nor written because of it.

use std::collections::BTreeSet;
use std::sync::Arc;

use katori_acl::{Rights, Subject};

use super::Engine;
use super::content::Phase;
use super::held::DocumentState;

impl Engine {
    /// Notes who may do what in all that records of these subjects can change it in, before they do.
    pub(super) fn note_access_before(&mut self, subjects: BTreeSet<Subject>) {
        for subject in subjects {
            let touched = match subject {
                Subject::Resource(id) => {
                    let mut touched = self.registry.documents_in(id);
                    touched.push(id);
                    touched
                }
                Subject::Roster(person) => self.registry.resources_naming(person),
            };
            for document in touched {
                let has_content =
                    self.documents.get(&document).is_some_and(|state| state.summary.changes > 0);
                if has_content && let Some(rights) = self.registry.rights(document) {
                    self.access_next.before.entry(document).or_insert_with(|| Arc::clone(rights));
                }
            }
        }
    }
}

impl DocumentState {
    /// Whether a change of access leaves everything in a document as it is, so that it need not be opened.
    pub(super) fn is_untouched_by(&self, before: Option<&Arc<Rights>>, after: &Arc<Rights>) -> bool {
        let (summary, work) = (&self.summary, &self.work);
        if summary.changes == 0 {
            return work.phase == Phase::Idle && !work.dirty && work.ingest.is_empty();
        }
        let settled = summary.held == 0
            && summary.forks == 0
            && !summary.owes_vouch
            && summary.owes_reapply.is_none()
            && work.reevaluate.is_none()
            // What is under way was begun under the old rights, and may hold back what the new ones let in.
            && !matches!(work.phase, Phase::Working(..));
        settled && before.is_some_and(|before| Arc::ptr_eq(before, after) || after.only_gains(before))
    }
}
