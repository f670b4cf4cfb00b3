//! Documents that a change of access leaves as they are: they are neither opened nor written because of it.

use super::content::Phase;
use super::held::DocumentState;

impl DocumentState {
    /// Whether a change of access leaves everything in a document as it is, so that it need not be opened, given
    /// whether nobody lost anything by it, which is asked last.
    pub(super) fn is_untouched(&self, only_gains: impl FnOnce() -> bool) -> bool {
        let (summary, work) = (&self.summary, &self.work);
        if summary.changes == 0 {
            // What waits to be taken in will be under the new rights.
            return work.phase == Phase::Idle && !work.dirty;
        }
        summary.held == 0
            && summary.forks == 0
            && !summary.owes_vouch
            && summary.owes_reapply.is_none()
            && work.reevaluate.is_none()
            // What is under way was begun under the old rights, and may hold back what the new ones let in.
            && !matches!(work.phase, Phase::Working(..))
            && only_gains()
    }
}
