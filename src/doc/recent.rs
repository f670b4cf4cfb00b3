//! The patches of the last edits made here, so that watching somebody type costs no comparison of states.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use automerge::{ChangeHash, Patch, PatchAction, ScalarValue, Value};

/// Edits that are remembered: what somebody types while a watcher is busy.
const MAX_EDITS: usize = 256;
/// Patches of one edit that is remembered; a larger one is worth the comparison.
const MAX_PATCHES: usize = 64;
/// Bytes of text or of a value in one of them, so that all together stay under some megabytes.
const MAX_VALUE_BYTES: usize = 1024;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct RecentEdits(Mutex<VecDeque<(ChangeHash, Vec<Patch>)>>);

impl RecentEdits {
    pub(super) fn note(&self, change: ChangeHash, patches: Vec<Patch>) {
        if patches.is_empty() || patches.len() > MAX_PATCHES || !patches.iter().all(is_small) {
            return;
        }
        let mut edits = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if edits.len() == MAX_EDITS {
            edits.pop_front();
        }
        edits.push_back((change, patches));
    }

    /// The patches of these changes, one after another, if all of them are remembered.
    pub(crate) fn patches(&self, changes: &[ChangeHash]) -> Option<Vec<Patch>> {
        let edits = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut patches = Vec::new();
        let mut remembered = edits.iter();
        // They were made in this order, so one pass finds them all.
        for change in changes {
            patches.extend(remembered.find(|(hash, _)| hash == change)?.1.iter().cloned());
        }
        Some(patches)
    }
}

fn is_small(patch: &Patch) -> bool {
    match &patch.action {
        PatchAction::SpliceText { value, .. } => value.make_string().len() <= MAX_VALUE_BYTES,
        PatchAction::PutMap { value, .. } | PatchAction::PutSeq { value, .. } => is_small_value(&value.0),
        PatchAction::Insert { values, .. } => {
            values.len() <= MAX_PATCHES && values.iter().all(|(value, ..)| is_small_value(value))
        }
        PatchAction::Increment { .. }
        | PatchAction::Conflict { .. }
        | PatchAction::DeleteMap { .. }
        | PatchAction::DeleteSeq { .. }
        | PatchAction::Mark { .. } => true,
    }
}

fn is_small_value(value: &Value<'_>) -> bool {
    let Value::Scalar(scalar) = value else { return true };
    let bytes = match &**scalar {
        ScalarValue::Bytes(bytes) | ScalarValue::Unknown { bytes, .. } => bytes.len(),
        ScalarValue::Str(text) => text.len(),
        ScalarValue::Int(_)
        | ScalarValue::Uint(_)
        | ScalarValue::F64(_)
        | ScalarValue::Counter(_)
        | ScalarValue::Timestamp(_)
        | ScalarValue::Boolean(_)
        | ScalarValue::Null => 0,
    };
    bytes <= MAX_VALUE_BYTES
}

#[cfg(test)]
mod tests {
    use automerge::transaction::Transactable;
    use automerge::{AutoCommit, ROOT};

    use super::*;

    #[test]
    fn all_or_none_are_remembered() {
        let mut doc = AutoCommit::new();
        doc.update_diff_cursor();
        doc.put(ROOT, "a", 1).unwrap();
        let patches = doc.diff_incremental();
        let edits = RecentEdits::default();
        let hash = |n: usize| ChangeHash([u8::try_from(n % 256).unwrap(); 32]);
        for n in 0..MAX_EDITS {
            edits.note(hash(n), patches.clone());
        }
        assert_eq!(edits.patches(&[hash(0), hash(7), hash(9)]).map(|patches| patches.len()), Some(3));
        let last = ChangeHash([255; 32]);
        edits.note(ChangeHash([9; 32]), patches);
        assert_eq!(edits.patches(&[hash(0)]), None, "the oldest made room");
        assert_eq!(edits.patches(&[last, hash(1)]), None, "they came in another order");
    }
}
