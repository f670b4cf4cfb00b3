//! Whether the operations of a document chunk are all those of its changes, no others, and in the one order in
//! which Automerge puts them.
//!
//! Automerge 0.12 computes the hash of every change when it loads a document, but a change does not say where in
//! the document its operations stand. Of an operation in no change's range, of an element moved among others, or of
//! a deletion that nobody made, no hash says anything: a peer that may only read could show its friends another
//! text under the same heads. So each row is held against what the changes before it leave open, which is nothing:
//!
//! * Objects come in the order of their names, the keys of a map in theirs, and under each key the operations in
//!   the order of their names, which is the order in which they overwrite each other.
//! * A sequence is a tree, each element under the one it was inserted after, and of several the later first. It
//!   stands in the document as one meets the elements on a walk through the tree.
//! * Each row, and each deletion, is an operation of exactly one change, and every change has all of its own.
//! * An operation refers only to what is named before it, in a change that comes before it or in its own.

use std::collections::BTreeMap;

use super::super::{GateError, Limits};
use super::Stretch;
use super::rows::{Id, Key, Row, Rows};

const MAKE_MAP: u64 = 0;
const PUT: u64 = 1;
const MAKE_LIST: u64 = 2;
const MAKE_TEXT: u64 = 4;
const INCREMENT: u64 = 5;
const MAKE_TABLE: u64 = 6;

/// Bytes that an operation takes in a change at most, besides its value and its key: 14 columns of numbers.
const OPERATION_BYTES: u64 = 64;

/// Checks all rows. Returns for each change no less than the bytes that its operations take in a change of its own.
/// An error means that they are not judged here: every change is then looked at by itself.
pub(super) fn check(
    rows: &mut Rows<'_>,
    stretches: Vec<Vec<Stretch>>,
    changes: usize,
    limits: &Limits,
) -> Result<Vec<u64>, GateError> {
    let mut check = Check {
        claims: Claims::new(stretches, changes),
        objects: BTreeMap::new(),
        object: None,
        place: None,
        sequence: Vec::new(),
        group: Group::default(),
        successors_left: limits.change_operations,
    };
    while let Some(row) = rows.next()? {
        check.row(&row, rows)?;
    }
    check.end_group()?;
    check.claims.finish()
}

const ORDER: GateError = GateError::not_canonical("the order of a document's operations");
const STRAY: GateError = GateError::not_canonical("an operation of no change");
const KIND: GateError = GateError::not_canonical("an operation of a document");

/// Which operations the changes have, and which of them were met.
struct Claims {
    /// Of each actor its changes, ascending.
    stretches: Vec<Vec<Stretch>>,
    /// Where the last operation of each actor was found: the next is mostly there too, or in the next.
    last: Vec<usize>,
    met: Vec<u64>,
    left: u64,
    bytes: Vec<u64>,
}

impl Claims {
    fn new(mut stretches: Vec<Vec<Stretch>>, changes: usize) -> Self {
        let mut all = 0;
        for stretch in stretches.iter_mut().flatten() {
            stretch.first_slot = all;
            all += stretch.operations;
        }
        let words = usize::try_from(all / 64 + 1).unwrap_or(usize::MAX);
        let last = vec![0; stretches.len()];
        Self { stretches, last, met: vec![0; words], left: all, bytes: vec![0; changes] }
    }

    /// Notes that an operation was met, and says the place of its change. None is met twice.
    fn claim(&mut self, (counter, actor): Id, bytes: u64) -> Result<u32, GateError> {
        let actor = actor as usize;
        let stretches = self.stretches.get(actor).ok_or(STRAY)?;
        let last = self.last.get_mut(actor).ok_or(STRAY)?;
        let has = |place: usize| stretches.get(place).is_some_and(|stretch| stretch.has(counter));
        if !has(*last) {
            *last = if has(*last + 1) {
                *last + 1
            } else {
                stretches.partition_point(|stretch| stretch.end() <= counter)
            };
        }
        let stretch = stretches.get(*last).filter(|stretch| stretch.has(counter)).ok_or(STRAY)?;
        let slot = stretch.first_slot + (counter - stretch.start);
        let word = usize::try_from(slot / 64).ok().and_then(|word| self.met.get_mut(word)).ok_or(STRAY)?;
        if *word >> (slot % 64) & 1 == 1 {
            return Err(STRAY);
        }
        *word |= 1 << (slot % 64);
        self.left -= 1;
        let own = self.bytes.get_mut(stretch.change as usize).ok_or(STRAY)?;
        *own = own.saturating_add(bytes);
        Ok(stretch.change)
    }

    fn finish(self) -> Result<Vec<u64>, GateError> {
        if self.left == 0 { Ok(self.bytes) } else { Err(STRAY) }
    }
}

/// An operation, and the place of its change.
type Placed = (Id, u32);

/// An object that was made.
#[derive(Clone, Copy)]
struct Object {
    is_sequence: bool,
    change: u32,
}

/// The operations under one key of a map or on one element.
#[derive(Default)]
struct Group {
    rows: Vec<Placed>,
    /// What overwrites them, with the place of the change of what is overwritten.
    successors: Vec<Placed>,
    name_bytes: u64,
}

struct Check<'a> {
    claims: Claims,
    objects: BTreeMap<Id, Object>,
    object: Option<(Id, Object)>,
    /// The key of the rows before, in a map.
    place: Option<&'a str>,
    /// The present element, all it was inserted after, and so on up.
    sequence: Vec<Placed>,
    group: Group,
    successors_left: u64,
}

impl<'a> Check<'a> {
    fn row(&mut self, row: &Row<'a>, rows: &mut Rows<'a>) -> Result<(), GateError> {
        if row.object != self.object.map(|(id, _)| id) {
            self.enter(row.object)?;
        }
        let is_sequence = self.object.is_some_and(|(_, object)| object.is_sequence);
        check_value(row)?;
        let name_bytes = if let Key::Name(name) = row.key { name.len() as u64 } else { 0 };
        let bytes = OPERATION_BYTES + row.value.len() as u64 + name_bytes;
        let change = self.claims.claim(row.id, bytes)?;
        if let Some((id, object)) = self.object
            && (object.change > change || id >= row.id)
        {
            return Err(ORDER);
        }
        match row.key {
            Key::Name(name) if !is_sequence && !row.insert => self.under_name(name)?,
            Key::Element(element) if is_sequence && !row.insert => {
                self.on_element(element, row.id, change)?;
            }
            Key::Element(after) if is_sequence => self.insert(Some(after), row.id, change)?,
            Key::Head if is_sequence && row.insert => self.insert(None, row.id, change)?,
            Key::Name(_) | Key::Element(_) | Key::Head => return Err(KIND),
        }
        // Within a group the operations stand in order.
        if self.group.rows.last().is_some_and(|(before, _)| *before >= row.id) {
            return Err(ORDER);
        }
        self.group.rows.push((row.id, change));
        self.group.name_bytes = name_bytes;
        self.successors_left = self.successors_left.checked_sub(row.successors).ok_or(KIND)?;
        let mut before = row.id;
        for _ in 0..row.successors {
            let successor = rows.successor()?;
            if successor <= before {
                return Err(ORDER);
            }
            before = successor;
            self.group.successors.push((successor, change));
        }
        if matches!(row.action, MAKE_MAP | MAKE_LIST | MAKE_TEXT | MAKE_TABLE) {
            let is_sequence = matches!(row.action, MAKE_LIST | MAKE_TEXT);
            self.objects.insert(row.id, Object { is_sequence, change });
        }
        Ok(())
    }

    /// Goes on to another object: one that comes after the present one, and was made.
    fn enter(&mut self, object: Option<Id>) -> Result<(), GateError> {
        self.end_group()?;
        let id = object.filter(|id| self.object.is_none_or(|(before, _)| before < *id)).ok_or(ORDER)?;
        let object = self.objects.get(&id).ok_or(ORDER)?;
        self.object = Some((id, *object));
        self.place = None;
        self.sequence.clear();
        Ok(())
    }

    fn under_name(&mut self, name: &'a str) -> Result<(), GateError> {
        if self.place != Some(name) {
            self.end_group()?;
            if self.place.is_some_and(|before| before >= name) {
                return Err(ORDER);
            }
            self.place = Some(name);
        }
        Ok(())
    }

    /// A row that is no insertion is about the present element.
    fn on_element(&mut self, element: Id, id: Id, change: u32) -> Result<(), GateError> {
        match self.sequence.last() {
            Some((present, made)) if *present == element && *present < id && *made <= change => Ok(()),
            _ => Err(ORDER),
        }
    }

    fn insert(&mut self, after: Option<Id>, id: Id, change: u32) -> Result<(), GateError> {
        self.end_group()?;
        let mut sibling: Option<Id> = None;
        while self.sequence.last().map(|(present, _)| *present) != after {
            // One that is not among them is not found: the walk ends with the head.
            sibling = Some(self.sequence.pop().ok_or(ORDER)?.0);
        }
        let in_order = sibling.is_none_or(|sibling| sibling > id);
        let below = self.sequence.last().is_none_or(|(above, made)| *above < id && *made <= change);
        if !in_order || !below {
            return Err(ORDER);
        }
        self.sequence.push((id, change));
        Ok(())
    }

    /// Whatever overwrites the rows of a group is one of them, or a deletion.
    fn end_group(&mut self) -> Result<(), GateError> {
        let Group { rows, successors, name_bytes } = &mut self.group;
        successors.sort_unstable();
        let mut deleted: Option<Placed> = None;
        for (successor, overwritten) in successors.iter() {
            let by = match rows.binary_search_by_key(successor, |(id, _)| *id) {
                Ok(place) => rows.get(place).map(|(_, change)| *change),
                Err(_) => match deleted.filter(|(id, _)| id == successor) {
                    Some((_, change)) => Some(change),
                    None => Some(self.claims.claim(*successor, OPERATION_BYTES + *name_bytes)?),
                }
                .inspect(|change| deleted = Some((*successor, *change))),
            };
            if by.is_none_or(|by| by < *overwritten) {
                return Err(ORDER);
            }
        }
        rows.clear();
        successors.clear();
        Ok(())
    }
}

/// A value as Automerge writes it, with an operation that has one.
fn check_value(row: &Row<'_>) -> Result<(), GateError> {
    let fits = match row.action {
        MAKE_MAP | MAKE_LIST | MAKE_TEXT | MAKE_TABLE => row.kind == 0,
        PUT => true,
        INCREMENT => row.kind == 4 && !row.insert,
        _ => false,
    };
    if fits && super::super::values::is_plain(row.kind, row.value) { Ok(()) } else { Err(KIND) }
}
