//! The operations of a document chunk, row by row.
//!
//! Its columns are those of a change ([`columns`](super::super::columns)), with the id of each operation, and with
//! what overwrites it in place of what it overwrites. They were inflated and their rows counted before.

use super::super::GateError;
use super::super::cursors::{Booleans, Bytes, Differences, Malformed, Runs};
use super::super::document::Column;

/// The name of an operation: its counter, then the place of its actor in the table. The actors are sorted, so the
/// order of names is the one in which Automerge settles what happened at once.
pub(super) type Id = (u64, u32);

/// What an operation is about within its object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key<'a> {
    /// A key of a map.
    Name(&'a str),
    /// An element of a sequence, or what it is inserted after.
    Element(Id),
    /// The beginning of a sequence.
    Head,
}

/// One operation.
#[derive(Debug)]
pub(super) struct Row<'a> {
    pub(super) id: Id,
    /// The object; the root, if there is none.
    pub(super) object: Option<Id>,
    pub(super) key: Key<'a>,
    pub(super) insert: bool,
    pub(super) action: u64,
    /// The type of the value, and its bytes.
    pub(super) kind: u64,
    pub(super) value: &'a [u8],
    /// How many operations overwrite it.
    pub(super) successors: u64,
}

/// The columns of operations, in the order of their numbers.
const OBJECT_ACTOR: u64 = 0x01;
const OBJECT_COUNTER: u64 = 0x02;
const KEY_ACTOR: u64 = 0x11;
const KEY_COUNTER: u64 = 0x13;
const KEY_NAME: u64 = 0x15;
const ID_ACTOR: u64 = 0x21;
const ID_COUNTER: u64 = 0x23;
const INSERT: u64 = 0x34;
const ACTION: u64 = 0x42;
const VALUE_META: u64 = 0x56;
const VALUE: u64 = 0x57;
const SUCCESSOR_COUNT: u64 = 0x80;
const SUCCESSOR_ACTOR: u64 = 0x81;
const SUCCESSOR_COUNTER: u64 = 0x83;

/// The columns that are understood here. Those of marks are not among them.
const UNDERSTOOD: [u64; 14] = [
    OBJECT_ACTOR,
    OBJECT_COUNTER,
    KEY_ACTOR,
    KEY_COUNTER,
    KEY_NAME,
    ID_ACTOR,
    ID_COUNTER,
    INSERT,
    ACTION,
    VALUE_META,
    VALUE,
    SUCCESSOR_COUNT,
    SUCCESSOR_ACTOR,
    SUCCESSOR_COUNTER,
];

/// See the module.
pub(super) struct Rows<'a> {
    object_actor: Runs<'a, u64>,
    object_counter: Runs<'a, u64>,
    key_actor: Runs<'a, u64>,
    key_counter: Differences<'a>,
    key_name: Runs<'a, &'a str>,
    id_actor: Runs<'a, u64>,
    id_counter: Differences<'a>,
    insert: Booleans<'a>,
    action: Runs<'a, u64>,
    meta: Runs<'a, u64>,
    values: Bytes<'a>,
    successor_count: Runs<'a, u64>,
    successor_actor: Runs<'a, u64>,
    successor_counter: Differences<'a>,
    actors: u64,
}

impl<'a> Rows<'a> {
    /// The rows of these columns; nothing, if one of them is not understood here.
    pub(super) fn of(columns: &'a [Column<'a>], actors: usize) -> Option<Self> {
        let ascending = columns.is_sorted_by(|(one, _), (next, _)| one < next);
        if !ascending || !columns.iter().all(|(spec, _)| UNDERSTOOD.contains(spec)) {
            return None;
        }
        let column = |spec: u64| {
            columns.iter().find(|(found, _)| *found == spec).map_or(&[][..], |(_, bytes)| &**bytes)
        };
        Some(Self {
            object_actor: Runs::new(column(OBJECT_ACTOR)),
            object_counter: Runs::new(column(OBJECT_COUNTER)),
            key_actor: Runs::new(column(KEY_ACTOR)),
            key_counter: Differences::new(column(KEY_COUNTER)),
            key_name: Runs::new(column(KEY_NAME)),
            id_actor: Runs::new(column(ID_ACTOR)),
            id_counter: Differences::new(column(ID_COUNTER)),
            insert: Booleans::new(column(INSERT)),
            action: Runs::new(column(ACTION)),
            meta: Runs::new(column(VALUE_META)),
            values: Bytes(column(VALUE)),
            successor_count: Runs::new(column(SUCCESSOR_COUNT)),
            successor_actor: Runs::new(column(SUCCESSOR_ACTOR)),
            successor_counter: Differences::new(column(SUCCESSOR_COUNTER)),
            actors: actors as u64,
        })
    }

    /// The next row, if there is one. Its successors have to be taken before the row after it.
    pub(super) fn next(&mut self) -> Result<Option<Row<'a>>, GateError> {
        if self.id_actor.is_absent() || self.id_actor.is_done() {
            return if self.is_done() { Ok(None) } else { Err(UNEVEN) };
        }
        self.row().map(Some).map_err(|Malformed| UNEVEN)
    }

    fn row(&mut self) -> Result<Row<'a>, Malformed> {
        let (actor, counter) = (self.id_actor.next()?, self.id_counter.next()?);
        let id = self.id(actor, counter)?.ok_or(Malformed)?;
        let (actor, counter) = (self.object_actor.next()?, self.object_counter.next()?);
        let object = self.id(actor, counter)?;
        let (actor, counter) = (self.key_actor.next()?, self.key_counter.next()?);
        let key = match (self.key_name.next()?, actor, counter) {
            (Some(name), None, None) => Key::Name(name),
            (None, None, Some(0)) => Key::Head,
            (None, actor, counter) => Key::Element(self.id(actor, counter)?.ok_or(Malformed)?),
            (Some(_), _, _) => return Err(Malformed),
        };
        let meta = self.meta.next()?.ok_or(Malformed)?;
        Ok(Row {
            id,
            object,
            key,
            insert: self.insert.next()?,
            action: self.action.next()?.ok_or(Malformed)?,
            kind: meta & 0x0f,
            value: self.values.take(usize::try_from(meta >> 4).map_err(|_| Malformed)?)?,
            successors: self.successor_count.next()?.unwrap_or(0),
        })
    }

    /// The next of the operations that overwrite the present row.
    pub(super) fn successor(&mut self) -> Result<Id, GateError> {
        let (actor, counter) = (self.successor_actor.next(), self.successor_counter.next());
        let id = actor.and_then(|actor| self.id(actor, counter?));
        id.ok().flatten().ok_or(UNEVEN)
    }

    fn id(&self, actor: Option<u64>, counter: Option<u64>) -> Result<Option<Id>, Malformed> {
        match (actor, counter) {
            (None, None) => Ok(None),
            (Some(actor), Some(counter)) if actor < self.actors && counter > 0 => {
                let actor = u32::try_from(actor).map_err(|_| Malformed)?;
                Ok(Some((counter, actor)))
            }
            _ => Err(Malformed),
        }
    }

    /// Whether every column ended with the same row.
    fn is_done(&self) -> bool {
        let runs = [
            &self.object_actor,
            &self.object_counter,
            &self.key_actor,
            &self.action,
            &self.meta,
            &self.successor_count,
            &self.successor_actor,
        ];
        let differences = [&self.key_counter, &self.id_counter, &self.successor_counter];
        runs.iter().all(|column| column.is_done())
            && differences.iter().all(|column| column.is_done())
            && self.key_name.is_done()
            && self.insert.is_done()
            && self.values.is_empty()
    }
}

const UNEVEN: GateError = GateError::not_canonical("a row of the document");
