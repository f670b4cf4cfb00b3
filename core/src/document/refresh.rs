//! Changes of access that cost no cover: most of them. A new device or a new friend takes nothing from what is
//! shown, so a document need not be opened, nor its state be written again, because of one.

use std::sync::Arc;

use katori_acl::Access;

use super::{Document, holds_write};

/// Whether nothing that was admitted under `before` can lose its cover under `after`, forks aside: whoever held
/// Write still does, and nothing more is excluded.
#[must_use]
pub fn costs_no_cover(before: &Access, after: &Access) -> bool {
    before.deleted == after.deleted
        && after.excluded() == before.excluded()
        && before.writers().all(|device| holds_write(after, &device))
}

impl Document {
    /// Takes note of who may do what now, where that costs nothing and lets nothing in that is held back. Otherwise
    /// nothing changes, and this says no: [`Document::reevaluate`] is for that.
    pub fn note_access(&mut self, access: &Arc<Access>) -> bool {
        if Arc::ptr_eq(&self.access, access) {
            return true;
        }
        let settled = self.graph.forks().is_empty() && self.admitted.len() == self.graph.len() as usize;
        let noted = settled && (self.graph.len() == 0 || costs_no_cover(&self.access, access));
        if noted {
            self.access = Arc::clone(access);
        }
        noted
    }
}
