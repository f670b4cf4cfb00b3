//! A whole `.automerge` file, from a user or a local client.
//!
//! A file is a document chunk, whose columns may be deflated, and change chunks after it, or change chunks only.
//! All of it is inflated under a budget, and its operations counted, before Automerge loads it aside.

use std::borrow::Cow;
use std::collections::BTreeSet;

use automerge::{Automerge, LoadOptions, OnPartialLoad, ReadDoc, VerificationMode};
use katori_acl::codec::Reader;

use super::chunk::{CHANGE, DEFLATED_CHANGE, DOCUMENT, Frame};
use super::inflate::{Budget, inflate};
use super::runs::{Form, count_booleans, walk};
use super::{GateError, Limits, RawChange, guarded, inspect, seal};

/// Reads a file that Automerge saved, all of it or nothing.
///
/// Returns its changes, each [inspected](inspect), in an order in which dependencies come first. They come from
/// somebody: whether they are merged is for the vouches to say.
///
/// # Errors
/// [`GateError`] if the file is damaged, beyond the limits, of another kind, or refers to changes it lacks.
/// Nothing was kept; the file is as it was.
pub fn import(bytes: &[u8], limits: &Limits) -> Result<Vec<RawChange>, GateError> {
    let (file, loose) = check_chunks(bytes, limits)?;
    let changes = guarded("loading a file", || load(&file, limits))??;
    let present: BTreeSet<_> = changes.iter().map(RawChange::hash).collect();
    if !loose.iter().all(|change| present.contains(&change.hash())) {
        return Err(GateError::Disagrees { what: "list of changes" });
    }
    Ok(changes)
}

/// Checks every chunk of a file. Returns the file without deflated changes, and its loose changes.
fn check_chunks(bytes: &[u8], limits: &Limits) -> Result<(Vec<u8>, Vec<RawChange>), GateError> {
    GateError::at_most("bytes of the file", bytes.len() as u64, limits.document_bytes as u64)?;
    if bytes.is_empty() {
        return Err(GateError::NotAutomerge);
    }
    let mut budget = Budget::new(limits);
    let mut reader = Reader::new(bytes);
    let (mut file, mut loose) = (Vec::new(), Vec::new());
    while reader.remaining() > 0 {
        let start = reader.offset();
        let frame = Frame::read(&mut reader)?;
        let chunk = bytes.get(start..reader.offset()).unwrap_or_default();
        let change = match frame.kind {
            DOCUMENT => {
                frame.verify()?;
                drop(check_document(frame.data, limits, &mut budget)?);
                file.extend_from_slice(chunk);
                continue;
            }
            CHANGE => {
                budget.take_bytes(frame.data.len() as u64)?;
                inspect(chunk, limits)?
            }
            DEFLATED_CHANGE => {
                let data = inflate(frame.data, "change", limits.change_bytes)?;
                budget.take_bytes(data.len() as u64)?;
                let change = seal(&data, limits)?;
                if !change.hash().0.starts_with(&frame.checksum) {
                    return Err(GateError::Checksum);
                }
                change
            }
            found => return Err(GateError::ChunkType { found }),
        };
        budget.take_changes(1)?;
        budget.take_operations(change.header().operations)?;
        file.extend_from_slice(change.bytes());
        loose.push(change);
    }
    Ok((file, loose))
}

/// A column's number, and its bytes, inflated.
pub(super) type Column<'a> = (u64, Cow<'a, [u8]>);

/// The parts of a document chunk, inflated.
pub(super) struct Columns<'a> {
    pub(super) actors: Vec<&'a [u8]>,
    /// The columns of operations, with their numbers.
    pub(super) operations: Vec<Column<'a>>,
}

/// Inflates the columns of a document one after the other, and counts what they would expand to.
pub(super) fn check_document<'a>(
    data: &'a [u8],
    limits: &Limits,
    budget: &mut Budget,
) -> Result<Columns<'a>, GateError> {
    let mut reader = Reader::new(data);
    let actors = reader.list("actors", data.len(), |reader| reader.bytes("actor", data.len()))?;
    for actor in &actors {
        GateError::at_most("bytes of an actor id", actor.len() as u64, limits.actor_bytes as u64)?;
    }
    reader.list("heads", data.len() / 32, Reader::array::<32>)?;
    let changes = read_columns(&mut reader)?;
    let operations = read_columns(&mut reader)?;
    let (changes, _) = count(&mut reader, &changes, budget.changes(), budget)?;
    budget.take_changes(changes)?;
    let (rows, operations) = count(&mut reader, &operations, budget.operations(), budget)?;
    budget.take_operations(rows)?;
    Ok(Columns { actors, operations })
}

/// The bit in a column's number that says it is deflated.
const DEFLATED: u64 = 0b1000;
/// Columns of a document. Automerge has 9 of changes and 15 of operations.
const MAX_COLUMNS: usize = 64;

fn read_columns(reader: &mut Reader<'_>) -> Result<Vec<(u64, usize)>, GateError> {
    let column = |reader: &mut Reader<'_>| Ok((reader.uint()?, reader.size("column", usize::MAX)?));
    Ok(reader.list("columns", MAX_COLUMNS, column)?)
}

/// Counts the rows of columns, the longest one's, none longer than `limit`. Returns them, and the columns inflated.
fn count<'a>(
    reader: &mut Reader<'a>,
    columns: &[(u64, usize)],
    limit: u64,
    budget: &mut Budget,
) -> Result<(u64, Vec<Column<'a>>), GateError> {
    let mut most = 0;
    let mut read = Vec::new();
    // A group's columns have as many rows as its counts add up to.
    let mut group: Option<(u64, u64)> = None;
    // What the types of values say about the column that follows.
    let mut value_bytes = 0;
    for (spec, length) in columns {
        let stored = reader.raw(*length)?;
        let column: Cow<'a, [u8]> = if spec & DEFLATED == 0 {
            stored.into()
        } else {
            inflate(stored, "column", budget.bytes())?.into()
        };
        let bytes = &*column;
        budget.take_bytes(bytes.len() as u64)?;
        let grouped = group.filter(|(id, _)| *id == spec >> 4).map(|(_, rows)| rows);
        let rows = match spec & 0b111 {
            GROUP => {
                let mut sum = 0u64;
                let rows = walk::<u64>(bytes, ROWS, Form::Any, limit, |count, value| {
                    sum = sum.saturating_add(count.saturating_mul(value.unwrap_or(0)));
                    GateError::at_most("references", sum, limit.saturating_mul(REFERENCES_PER_ROW))
                })?;
                group = Some((spec >> 4, sum));
                rows
            }
            ACTOR | INTEGER => walk::<u64>(bytes, ROWS, Form::Any, grouped.unwrap_or(limit), |_, _| Ok(()))?,
            DELTA => walk::<i64>(bytes, ROWS, Form::Any, grouped.unwrap_or(limit), |_, _| Ok(()))?,
            BOOLEAN => count_booleans(bytes, ROWS, Form::Any, limit)?.0,
            TEXT => walk::<&str>(bytes, ROWS, Form::Any, limit, |count, text| {
                budget.take_bytes(count.saturating_mul(text.map_or(0, str::len) as u64))
            })?,
            VALUE_META => {
                value_bytes = 0u64;
                walk::<u64>(bytes, ROWS, Form::Any, limit, |count, meta| {
                    let length = meta.unwrap_or(0) >> 4;
                    value_bytes = value_bytes.saturating_add(count.saturating_mul(length));
                    GateError::at_most("bytes of values", value_bytes, budget.bytes() as u64)
                })?
            }
            _ if bytes.len() as u64 == value_bytes => 0,
            _ => return Err(GateError::not_canonical("a column of values")),
        };
        if grouped.is_none() {
            most = most.max(rows);
        }
        read.push((spec & !DEFLATED, column));
    }
    Ok((most, read))
}

const GROUP: u64 = 0;
const ACTOR: u64 = 1;
const INTEGER: u64 = 2;
const DELTA: u64 = 3;
const BOOLEAN: u64 = 4;
const TEXT: u64 = 5;
const VALUE_META: u64 = 6;

/// What the rows of a document are called in errors.
const ROWS: &str = "operations or changes of the file";
/// Dependencies for each change, successors for each operation: one is usual.
const REFERENCES_PER_ROW: u64 = 4;

/// Loads a checked file aside, strictly, and takes its changes out of it.
fn load(file: &[u8], limits: &Limits) -> Result<Vec<RawChange>, GateError> {
    let options =
        LoadOptions::new().on_partial_load(OnPartialLoad::Error).verification_mode(VerificationMode::Check);
    let document = Automerge::load_with_options(file, options)
        .map_err(|error| GateError::Refused { what: "the file", message: error.to_string() })?;
    let missing = document.get_missing_deps(&[]).len();
    if missing > 0 {
        return Err(GateError::Incomplete { missing });
    }
    changes_of(&document, limits)
}

/// The changes of a document, each inspected.
pub(super) fn changes_of(document: &Automerge, limits: &Limits) -> Result<Vec<RawChange>, GateError> {
    let mut seen = BTreeSet::new();
    let mut changes = Vec::new();
    for change in document.get_changes(&[]) {
        let raw = inspect(change.raw_bytes(), limits)?;
        if !raw.header().deps.iter().all(|hash| seen.contains(hash)) || !seen.insert(raw.hash()) {
            return Err(GateError::Disagrees { what: "order of changes" });
        }
        changes.push(raw);
    }
    Ok(changes)
}
