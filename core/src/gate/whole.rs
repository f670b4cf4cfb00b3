//! A whole document from a peer, judged without taking it apart into changes.
//!
//! A document chunk holds every change of a document in a tenth of what the changes take by themselves, and
//! Automerge loads it in a fifth of the time that applying them takes. But what it loads is not all checked: see
//! [`order`]. [`open_whole`] gives the same answer as inspecting, decoding and applying every change, or says that
//! it cannot tell, and then returns the changes, each of which was [inspected](super::inspect).
//!
//! Each check of a single change is done here in another way, or is true of any change that Automerge itself wrote:
//!
//! | check of a change | of a whole document |
//! | --- | --- |
//! | frame, checksum, length | of the chunk, here; of the changes, Automerge writes them anew and computes their hashes, and the heads that it finds must be those named |
//! | columns ascending, runs as long as they can be, no actor unused | Automerge writes the changes anew |
//! | rows of every column agree | the rows of the document do ([`rows`]), and each is in one change ([`order`]) |
//! | operations, bytes, names, predecessors of a change | counted for each change while its rows are met; what may be too much is not judged |
//! | dependencies, actors, actor ids, message, time, counters within bounds; no dependency twice | from what Automerge says of each change |
//! | author's footer | a change with any footer is not judged |
//! | actions, keys, objects, references | each row is a known action with a value and a key that fit it, in an object that was made, on an element that is there ([`order`]) |
//! | other actors are known | what is referred to is in a change that comes before |
//! | Automerge reads the same as the gate | there is no second reading |
//! | Automerge writes the same again | it has just written it |
//! | a deletion deletes something | it is only a note on what it deletes |
//! | marks are in pairs | a document with marks is not judged |
//! | values have one encoding | each is looked at ([`values`](super::values)) |
//! | it comes back from the document as it was applied | it was taken from the document; what overwrites something stands under the same key, or deletes it |
//! | previous change below, sequence without gaps, first operation | [`check_links`](super::check_links), by whoever stores the changes |
//!
//! What is written under the same heads is then the same, wherever it came from and in whatever form.

mod order;
mod rows;

use std::collections::BTreeSet;
use std::sync::Arc;

use automerge::{
    Automerge, ChangeHash, ChangeMetadata, LoadOptions, OnPartialLoad, TextEncoding, VerificationMode,
};
use katori_acl::codec::Reader;

use super::change::{MAX_COUNTER, MAX_TIME};
use super::chunk::{DOCUMENT, Frame, MAGIC};
use super::document::{Columns, changes_of, check_document, import};
use super::inflate::Budget;
use super::{GateError, Limits, RawChange, Said, guarded};

/// Whether these bytes claim to be a whole document.
#[must_use]
pub fn is_whole(bytes: &[u8]) -> bool {
    bytes.starts_with(&MAGIC)
}

/// A whole document that was judged, or is our own.
#[derive(Debug)]
pub struct Whole {
    automerge: Automerge,
    bytes: Arc<[u8]>,
}

impl Whole {
    /// As Automerge shows it, counting text in Unicode code points.
    #[must_use]
    pub fn automerge(&self) -> &Automerge {
        &self.automerge
    }

    /// The bytes it was loaded from.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Its changes, each inspected, in an order in which dependencies come first.
    ///
    /// # Errors
    /// [`GateError`] if one of them does not pass, which is a defect: they were judged.
    pub fn changes(&self, limits: &Limits) -> Result<Vec<RawChange>, GateError> {
        guarded("taking a document apart", || changes_of(&self.automerge, limits))?
    }

    /// What shows, and the bytes.
    pub(crate) fn into_parts(self) -> (Automerge, Arc<[u8]>) {
        (self.automerge, self.bytes)
    }

    /// What each change says of itself, in an order in which dependencies come first. Their other actors are not
    /// listed.
    pub(crate) fn with_changes<R>(&self, take: impl FnOnce(&[Said<'_>]) -> R) -> Result<R, GateError> {
        let taken = guarded("listing changes", || {
            take(&self.automerge.get_changes_meta(&[]).iter().map(said).collect::<Vec<_>>())
        });
        Ok(taken?)
    }
}

/// What came of looking at a whole document.
#[derive(Debug)]
pub enum Opened {
    /// It shows what its changes say, and each of them is as the gate demands.
    Judged(Box<Whole>),
    /// It holds something that only shows in the changes themselves, each of which was inspected.
    Changes(Vec<RawChange>),
}

/// The heads that a whole document names, by its own word.
pub(crate) fn whole_heads(bytes: &[u8]) -> Result<Vec<ChangeHash>, GateError> {
    let frame = read_frame(bytes)?;
    let mut reader = Reader::new(frame.data);
    reader.list("actors", frame.data.len(), |reader| reader.bytes("actor", frame.data.len()))?;
    Ok(reader.list("heads", frame.data.len() / 32, |reader| reader.array().map(ChangeHash))?)
}

/// Takes in a whole document from anybody. See the module.
///
/// # Errors
/// [`GateError`] if it is damaged, beyond the limits, or holds a change that the gate refuses.
pub fn open_whole(bytes: &[u8], limits: &Limits) -> Result<Opened, GateError> {
    open_whole_and(bytes, limits, |_| ()).map(|(opened, _)| opened)
}

/// The same; if it is judged, `take` is given what each of its changes says of itself, in an order in which
/// dependencies come first. Their other actors are not listed: what they did was found to be there.
pub(crate) fn open_whole_and<R>(
    bytes: &[u8],
    limits: &Limits,
    take: impl FnOnce(&[Said<'_>]) -> R,
) -> Result<(Opened, Option<R>), GateError> {
    GateError::at_most("bytes of the document", bytes.len() as u64, limits.document_bytes as u64)?;
    let frame = read_frame(bytes)?;
    frame.verify()?;
    let columns = check_document(frame.data, limits, &mut Budget::new(limits))?;
    let automerge = guarded("loading a document", || load(bytes))??;
    let taken = guarded("judging a document", || {
        let changes = automerge.get_changes_meta(&[]);
        judge(&columns, &changes, limits).map(|changes| take(&changes))
    })?;
    if taken.is_some() {
        return Ok((Opened::Judged(Box::new(Whole { automerge, bytes: bytes.into() })), taken));
    }
    let changes = guarded("taking a document apart", || changes_of(&automerge, limits))??;
    Ok((Opened::Changes(changes), None))
}

/// Opens a whole document of our own store. It was judged when it came in, or made here; its hashes are computed
/// again, as always.
///
/// # Errors
/// [`GateError`] if it is damaged.
pub(crate) fn open_stored<R>(
    bytes: &[u8],
    take: impl FnOnce(&[Said<'_>]) -> R,
) -> Result<(Whole, R), GateError> {
    read_frame(bytes)?;
    let automerge = guarded("loading a document", || load(bytes))??;
    let whole = Whole { automerge, bytes: bytes.into() };
    let taken = whole.with_changes(take)?;
    Ok((whole, taken))
}

/// Reads a file that Automerge saved, all of it or nothing, in the quickest way that it can be.
///
/// # Errors
/// As those of [`import`].
pub fn open_file(bytes: &[u8], limits: &Limits) -> Result<Opened, GateError> {
    if read_frame(bytes).is_ok() {
        open_whole(bytes, limits)
    } else {
        import(bytes, limits).map(Opened::Changes)
    }
}

fn read_frame(bytes: &[u8]) -> Result<Frame<'_>, GateError> {
    let mut reader = Reader::new(bytes);
    let frame = Frame::read(&mut reader)?;
    reader.finish()?;
    if frame.kind == DOCUMENT { Ok(frame) } else { Err(GateError::ChunkType { found: frame.kind }) }
}

fn load(bytes: &[u8]) -> Result<Automerge, GateError> {
    let options = LoadOptions::new()
        .on_partial_load(OnPartialLoad::Error)
        .verification_mode(VerificationMode::Check)
        .text_encoding(TextEncoding::UnicodeCodePoint);
    Automerge::load_with_options(bytes, options)
        .map_err(|error| GateError::Refused { what: "the document", message: error.to_string() })
}

/// The operations of one change, which are numbered without gaps.
#[derive(Debug, Clone, Copy)]
struct Stretch {
    start: u64,
    operations: u64,
    /// The place of the change.
    change: u32,
    /// The place of the first operation among all.
    first_slot: u64,
}

impl Stretch {
    fn end(&self) -> u64 {
        self.start + self.operations
    }

    fn has(&self, counter: u64) -> bool {
        (self.start..self.end()).contains(&counter)
    }
}

/// The changes, if the document can be judged by its rows and by what Automerge says of its changes.
fn judge<'a>(
    columns: &Columns<'_>,
    changes: &'a [ChangeMetadata<'_>],
    limits: &Limits,
) -> Option<Vec<Said<'a>>> {
    if !columns.actors.is_sorted_by(|one, next| one < next) || columns.actors.len() > limits.change_actors {
        return None;
    }
    let mut stretches: Vec<Vec<Stretch>> = vec![Vec::new(); columns.actors.len()];
    let mut judged = Vec::with_capacity(changes.len());
    for (place, change) in changes.iter().enumerate() {
        let said = said(change);
        let within = change.extra.is_empty()
            && (1..=MAX_COUNTER).contains(&said.seq)
            && (1..=change.max_op + 1).contains(&said.start_op)
            && change.max_op <= MAX_COUNTER
            && said.time.unsigned_abs() <= MAX_TIME
            && said.message.map_or(0, str::len) <= limits.message_bytes
            && said.deps.len() <= limits.change_dependencies
            && said.operations <= limits.change_operations;
        let deps = said.deps.len();
        if !within || (deps > 1 && said.deps.iter().collect::<BTreeSet<_>>().len() < deps) {
            return None;
        }
        let actor = columns.actors.binary_search(&said.actor).ok()?;
        let stretches = stretches.get_mut(actor)?;
        let (start, change) = (said.start_op, u32::try_from(place).ok()?);
        if stretches.last().is_some_and(|before| before.end() > start) {
            return None;
        }
        stretches.push(Stretch { start, operations: said.operations, change, first_slot: 0 });
        judged.push(said);
    }
    let mut rows = rows::Rows::of(&columns.operations, columns.actors.len())?;
    let operations = order::check(&mut rows, stretches, judged.len(), limits).ok()?;
    let actors: usize = columns.actors.iter().map(|actor| actor.len() + 1).sum();
    let within = |(said, bytes): (&Said<'_>, u64)| {
        let header = said.message.map_or(0, str::len) + 32 * said.deps.len() + actors;
        HEADER_BYTES + bytes + header as u64 <= limits.change_bytes as u64
    };
    judged.iter().zip(operations).all(within).then_some(judged)
}

/// What a change has besides operations, dependencies, a message and other actors, at most.
const HEADER_BYTES: u64 = 128;

fn said<'a>(change: &'a ChangeMetadata<'_>) -> Said<'a> {
    Said {
        hash: change.hash,
        actor: change.actor.to_bytes(),
        seq: change.seq,
        start_op: change.start_op,
        operations: (change.max_op + 1).saturating_sub(change.start_op),
        deps: &change.deps,
        time: change.timestamp,
        message: change.message.as_deref().filter(|message| !message.is_empty()),
    }
}
