//! Changes of access that cost no cover: most of them. A new device or a new friend takes nothing from what is
//! shown, so a document need not be opened, nor its state be written again, because of one.

use std::sync::Arc;

use katori_acl::Access;

use super::Document;

impl Document {
    /// Takes note of who may do what now, where that costs nothing and lets nothing in that is held back. Otherwise
    /// nothing changes, and this says no: [`Document::reevaluate`] is for that.
    pub fn note_access(&mut self, access: &Arc<Access>) -> bool {
        if Arc::ptr_eq(self.access.rights(), access.rights()) {
            return true;
        }
        let settled = self.graph.forks().is_empty() && self.admitted.len() == self.graph.len() as usize;
        let noted = settled && (self.graph.len() == 0 || access.only_gains(&self.access));
        if noted {
            self.access = Arc::clone(access);
        }
        noted
    }
}
