//! Handing an inspected change to Automerge, and asking for it back.

use std::collections::BTreeSet;

use automerge::legacy::{Key, Op, OpType};
use automerge::{Automerge, Change, ChangeHash};

use super::plain::is_plain;
use super::{GateError, RawChange, Sections, guarded};

/// Has Automerge read a change, and compares what it understood with what the gate did.
///
/// # Errors
/// [`GateError::Refused`] or [`GateError::Panicked`] if Automerge cannot read it, [`GateError::Disagrees`] if it
/// reads something else, [`GateError::NotCanonical`] if it would write it differently. Everybody's Automerge does
/// the same, so such a change is held back for good.
pub fn decode(change: &RawChange) -> Result<Change, GateError> {
    guarded("reading a change", || read(change))?
}

/// Asks a document for the changes just applied to it, and checks that it gives back the same.
///
/// Automerge keeps operations, not changes, and computes a change anew when it is asked for. One that overwrites
/// something under another key is applied, and comes back without saying so: the saved document could not be
/// loaded. `before` are the heads before, `applied` the hashes of what was applied since. The cost is that of
/// the changes, not of the document.
///
/// # Errors
/// [`GateError`]; then drop the document in memory, load it again, and hold the changes back.
pub fn confirm(document: &Automerge, before: &[ChangeHash], applied: &[ChangeHash]) -> Result<(), GateError> {
    let given: BTreeSet<ChangeHash> =
        guarded("giving back changes", || document.get_changes(before).iter().map(Change::hash).collect())?;
    let same = applied.iter().all(|hash| given.contains(hash));
    if same { Ok(()) } else { Err(GateError::Disagrees { what: "change, once it is applied," }) }
}

fn read(raw: &RawChange) -> Result<Change, GateError> {
    let change = Change::try_from(raw.bytes())
        .map_err(|error| GateError::Refused { what: "a change", message: error.to_string() })?;
    let header = raw.header();
    let agrees = |same: bool, what| if same { Ok(()) } else { Err(GateError::Disagrees { what }) };
    agrees(change.hash() == header.hash, "hash")?;
    agrees(change.actor_id().to_bytes() == header.actor, "actor")?;
    agrees(change.seq() == header.seq, "sequence number")?;
    agrees(change.start_op().get() == header.start_op, "first operation")?;
    agrees(change.len() as u64 == header.operations, "number of operations")?;
    agrees(change.deps() == header.deps, "list of dependencies")?;
    agrees(change.timestamp() == header.time, "time")?;
    agrees(change.message() == header.message.as_deref(), "message")?;
    if !is_plain(&raw.sections()?, header.operations) {
        rewrite(raw, &change)?;
    }
    Ok(change)
}

/// Has Automerge write the change again. What comes out differently would be different, too, in the document it
/// saves, whose changes would then have other hashes than its heads say.
pub(super) fn rewrite(raw: &RawChange, change: &Change) -> Result<(), GateError> {
    let expanded = change.decode();
    if expanded.operations.iter().any(deletes_nothing) {
        return Err(GateError::not_canonical("a deletion of nothing"));
    }
    if !marks_are_paired(&expanded.operations) {
        return Err(GateError::not_canonical("half a mark"));
    }
    let again = Change::from(expanded);
    let mut again = Sections::read_chunk(again.raw_bytes())?;
    let before = raw.sections()?;
    // The order of dependencies is the author's: his own previous change comes last.
    again.deps.clone_from(&before.deps);
    if again == before { Ok(()) } else { Err(GateError::not_canonical("an operation")) }
}

/// A deletion is saved only as a note on what it deletes.
fn deletes_nothing(operation: &Op) -> bool {
    operation.action == OpType::Delete && (operation.pred.is_empty() || operation.insert)
}

/// A mark is two operations, its begin and right after it its end, both inserted into the same text.
fn marks_are_paired(operations: &[Op]) -> bool {
    let mut open: Option<&Op> = None;
    for operation in operations {
        let is_end = matches!(operation.action, OpType::MarkEnd(_));
        let is_mark = is_end || matches!(operation.action, OpType::MarkBegin(_));
        let pairs = match open {
            Some(begin) => is_end && begin.obj == operation.obj,
            None => !is_end,
        };
        let inserted = operation.insert && matches!(operation.key, Key::Seq(_)) && operation.pred.is_empty();
        if !pairs || (is_mark && !inserted) {
            return false;
        }
        open = (is_mark && !is_end).then_some(operation);
    }
    open.is_none()
}
