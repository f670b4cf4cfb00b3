//! The columns in which a change keeps its operations.
//!
//! All columns have a row for each operation, or are absent because every row is null (false, for `expand`).
//! The predecessors have as many rows as the counts before them add up to, the values as many bytes.

use super::runs::{Form, count_booleans, walk, walk_delta};
use super::{GateError, Limits, Sections};

/// One column of a change, in the order in which they are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum Column {
    /// The actor of the object's id.
    ObjectActor,
    /// The counter of the object's id.
    ObjectCounter,
    /// The actor of the element's id.
    KeyActor,
    /// The counter of the element's id, as differences.
    KeyCounter,
    /// The key in a map.
    KeyName,
    /// Whether an element is inserted.
    Insert,
    /// What is done.
    Action,
    /// Type and length of the value.
    ValueMeta,
    /// The bytes of the values.
    Value,
    /// How many operations are overwritten.
    PredecessorCount,
    /// The actors of those.
    PredecessorActor,
    /// The counters of those, as differences.
    PredecessorCounter,
    /// Whether a mark grows.
    Expand,
    /// The name of a mark.
    MarkName,
}

/// All columns, in their order.
pub(crate) const COLUMNS: [Column; 14] = [
    Column::ObjectActor,
    Column::ObjectCounter,
    Column::KeyActor,
    Column::KeyCounter,
    Column::KeyName,
    Column::Insert,
    Column::Action,
    Column::ValueMeta,
    Column::Value,
    Column::PredecessorCount,
    Column::PredecessorActor,
    Column::PredecessorCounter,
    Column::Expand,
    Column::MarkName,
];

impl Column {
    /// The number that stands for it in a chunk: its id and its encoding, not deflated.
    pub(crate) const fn spec(self) -> u32 {
        match self {
            Self::ObjectActor => 0x01,
            Self::ObjectCounter => 0x02,
            Self::KeyActor => 0x11,
            Self::KeyCounter => 0x13,
            Self::KeyName => 0x15,
            Self::Insert => 0x34,
            Self::Action => 0x42,
            Self::ValueMeta => 0x56,
            Self::Value => 0x57,
            Self::PredecessorCount => 0x70,
            Self::PredecessorActor => 0x71,
            Self::PredecessorCounter => 0x73,
            Self::Expand => 0x94,
            Self::MarkName => 0xa5,
        }
    }

    /// Whether it holds counters as differences, so that its first value is as large as the document is old.
    pub(crate) const fn is_difference(self) -> bool {
        matches!(self, Self::KeyCounter | Self::PredecessorCounter)
    }

    const fn name(self) -> &'static str {
        match self {
            Self::ObjectActor => "the actors of objects",
            Self::ObjectCounter => "the counters of objects",
            Self::KeyActor => "the actors of elements",
            Self::KeyCounter => "the counters of elements",
            Self::KeyName => "the keys",
            Self::Insert => "the insertions",
            Self::Action => "the operations",
            Self::ValueMeta => "the types of values",
            Self::Value => "the values",
            Self::PredecessorCount => "the counts of predecessors",
            Self::PredecessorActor => "the actors of predecessors",
            Self::PredecessorCounter => "the counters of predecessors",
            Self::Expand => "the growth of marks",
            Self::MarkName => "the names of marks",
        }
    }
}

/// The highest action Automerge 0.12 knows: a mark.
const LAST_ACTION: u64 = 7;
/// Predecessors for each operation allowed. One is usual; more are the conflicts it settles.
const PREDECESSORS_PER_OPERATION: u64 = 2;

/// Counts the operations of a change from its run lengths, and checks that its columns agree.
pub(super) fn count_operations(sections: &Sections<'_>, limits: &Limits) -> Result<u64, GateError> {
    let column = sections.column(Column::Action);
    let name = Column::Action.name();
    let rows =
        walk::<u64>(column, name, Form::Canonical, limits.change_operations, |_, action| match action {
            Some(0..=LAST_ACTION) => Ok(()),
            _ => Err(GateError::not_canonical(name)),
        })?;
    if rows == 0 && sections.columns.iter().any(|column| !column.is_empty()) {
        return Err(GateError::not_canonical("a change without operations"));
    }
    let last = sections.start_op.saturating_sub(1).saturating_add(rows);
    let mut check = Check { sections, rows, last, names_left: limits.change_name_bytes, actors: Vec::new() };
    check.actors.resize(sections.other_actors.len() + 1, false);
    check.objects()?;
    check.keys()?;
    check.values()?;
    check.predecessors(limits)?;
    check.marks()?;
    if check.actors.iter().skip(1).any(|used| !used) {
        // Automerge would drop it when it writes the change again, and the hash would be another.
        return Err(GateError::not_canonical("an actor that is named and not used"));
    }
    Ok(rows)
}

struct Check<'a> {
    sections: &'a Sections<'a>,
    rows: u64,
    /// The counter of the change's last operation: nothing refers beyond it.
    last: u64,
    /// Bytes of names still allowed, once expanded.
    names_left: u64,
    /// Which entries of the table of actors are referred to.
    actors: Vec<bool>,
}

impl Check<'_> {
    fn objects(&mut self) -> Result<(), GateError> {
        let actors = self.actor_nulls(Column::ObjectActor, self.rows)?;
        let column = Column::ObjectCounter;
        let mut nulls = 0;
        let last = self.last;
        self.present(column, self.rows, |bytes, limit| {
            walk::<u64>(bytes, column.name(), Form::Canonical, limit, |count, counter| match counter {
                Some(counter) if counter >= 1 && counter <= last => Ok(()),
                Some(_) => Err(GateError::not_canonical(column.name())),
                None => {
                    nulls += count;
                    Ok(())
                }
            })
        })?;
        self.same_nulls(column, Column::ObjectActor, nulls, actors)
    }

    fn keys(&mut self) -> Result<(), GateError> {
        let actors = self.actor_nulls(Column::KeyActor, self.rows)?;
        let (counters, heads) = self.counter_nulls(Column::KeyCounter, self.rows, 0)?;
        // The head of a list is the counter 0 without an actor.
        let with_actor = self.value_rows(Column::KeyActor, actors);
        let with_counter = self.value_rows(Column::KeyCounter, counters);
        if with_actor > with_counter || with_counter - with_actor > heads {
            return Err(GateError::not_canonical(Column::KeyCounter.name()));
        }
        let with_name = self.names(Column::KeyName)?;
        if with_name + with_counter != self.rows {
            return Err(GateError::not_canonical(Column::KeyName.name()));
        }
        Ok(())
    }

    fn values(&self) -> Result<(), GateError> {
        let (rows, _) = self.booleans(Column::Insert)?;
        let name = Column::ValueMeta.name();
        let mut bytes = 0u64;
        let column = self.sections.column(Column::ValueMeta);
        let metas = walk::<u64>(column, name, Form::Canonical, self.rows, |count, meta| {
            let meta = meta.ok_or(GateError::not_canonical(name))?;
            let (kind, length) = (meta & 0x0f, meta >> 4);
            let fits = match kind {
                0..=2 => length == 0,
                3 | 4 | 8 | 9 => (1..=10).contains(&length),
                5 => length == 8,
                _ => true,
            };
            if !fits {
                return Err(GateError::not_canonical(name));
            }
            bytes = bytes.saturating_add(count.saturating_mul(length));
            Ok(())
        })?;
        if rows != self.rows || metas != self.rows {
            return Err(GateError::not_canonical(name));
        }
        if bytes != self.sections.column(Column::Value).len() as u64 {
            return Err(GateError::not_canonical(Column::Value.name()));
        }
        Ok(())
    }

    fn predecessors(&mut self, limits: &Limits) -> Result<(), GateError> {
        let name = Column::PredecessorCount.name();
        let most = limits.change_operations.saturating_mul(PREDECESSORS_PER_OPERATION);
        let mut sum = 0u64;
        let column = self.sections.column(Column::PredecessorCount);
        let rows = walk::<u64>(column, name, Form::Canonical, self.rows, |count, predecessors| {
            let predecessors = predecessors.ok_or(GateError::not_canonical(name))?;
            sum = sum.saturating_add(count.saturating_mul(predecessors));
            GateError::at_most("predecessors", sum, most)
        })?;
        if rows != self.rows {
            return Err(GateError::not_canonical(name));
        }
        let actors = self.actor_nulls(Column::PredecessorActor, sum)?;
        let (counters, _) = self.counter_nulls(Column::PredecessorCounter, sum, 1)?;
        let absent = self.sections.column(Column::PredecessorActor).is_empty()
            || self.sections.column(Column::PredecessorCounter).is_empty();
        if actors > 0 || counters > 0 || (absent && sum > 0) {
            return Err(GateError::not_canonical(Column::PredecessorActor.name()));
        }
        Ok(())
    }

    fn marks(&mut self) -> Result<(), GateError> {
        if !self.sections.column(Column::Expand).is_empty() {
            let (rows, set) = self.booleans(Column::Expand)?;
            if rows != self.rows || set == 0 {
                return Err(GateError::not_canonical(Column::Expand.name()));
            }
        }
        self.names(Column::MarkName)?;
        Ok(())
    }

    /// Reads a column, if it is there: then it has exactly `rows` rows.
    fn present(
        &self,
        column: Column,
        rows: u64,
        read: impl FnOnce(&[u8], u64) -> Result<u64, GateError>,
    ) -> Result<(), GateError> {
        let bytes = self.sections.column(column);
        if !bytes.is_empty() && read(bytes, rows)? != rows {
            return Err(GateError::not_canonical(column.name()));
        }
        Ok(())
    }

    fn booleans(&self, column: Column) -> Result<(u64, u64), GateError> {
        count_booleans(self.sections.column(column), column.name(), Form::Canonical, self.rows)
    }

    /// Checks a column of actors, marks those it refers to, and counts its nulls.
    fn actor_nulls(&mut self, column: Column, rows: u64) -> Result<u64, GateError> {
        let mut actors = std::mem::take(&mut self.actors);
        let mut nulls = 0;
        self.present(column, rows, |bytes, limit| {
            walk::<u64>(bytes, column.name(), Form::Canonical, limit, |count, actor| {
                let Some(actor) = actor else {
                    nulls += count;
                    return Ok(());
                };
                let used = usize::try_from(actor).ok().and_then(|actor| actors.get_mut(actor));
                *used.ok_or(GateError::not_canonical(column.name()))? = true;
                Ok(())
            })
        })?;
        self.actors = actors;
        self.not_all_null(column, rows, nulls)?;
        Ok(nulls)
    }

    /// Checks a column of counters as differences; counts its nulls, and the runs' ends that are zero.
    fn counter_nulls(&self, column: Column, rows: u64, lowest: u64) -> Result<(u64, u64), GateError> {
        let range = lowest..=self.last;
        let in_range = |value: i64| u64::try_from(value).is_ok_and(|value| range.contains(&value));
        let (mut nulls, mut zeros) = (0, 0);
        self.present(column, rows, |bytes, limit| {
            walk_delta(bytes, column.name(), Form::Canonical, limit, |count, ends| match ends {
                None => {
                    nulls += count;
                    Ok(())
                }
                Some((first, last)) if in_range(first) && in_range(last) => {
                    zeros += match (first, last) {
                        (0, 0) => count,
                        (0, _) | (_, 0) => 1,
                        _ => 0,
                    };
                    Ok(())
                }
                Some(_) => Err(GateError::not_canonical(column.name())),
            })
        })?;
        self.not_all_null(column, rows, nulls)?;
        Ok((nulls, zeros))
    }

    /// Checks a column of names, and counts those that are not null.
    fn names(&mut self, column: Column) -> Result<u64, GateError> {
        let (mut nulls, mut left) = (0, self.names_left);
        let limit = left;
        self.present(column, self.rows, |bytes, rows| {
            walk::<&str>(bytes, column.name(), Form::Canonical, rows, |count, name| {
                let Some(name) = name else {
                    nulls += count;
                    return Ok(());
                };
                let expanded = count.saturating_mul(name.len() as u64);
                GateError::at_most("bytes of names", expanded, left).map_err(|_| GateError::TooLarge {
                    what: "bytes of names",
                    found: limit + 1,
                    limit,
                })?;
                left -= expanded;
                Ok(())
            })
        })?;
        self.names_left = left;
        self.not_all_null(column, self.rows, nulls)?;
        Ok(self.value_rows(column, nulls))
    }

    fn value_rows(&self, column: Column, nulls: u64) -> u64 {
        if self.sections.column(column).is_empty() { 0 } else { self.rows.saturating_sub(nulls) }
    }

    fn same_nulls(&self, one: Column, other: Column, nulls: u64, others: u64) -> Result<(), GateError> {
        if self.value_rows(one, nulls) == self.value_rows(other, others) {
            Ok(())
        } else {
            Err(GateError::not_canonical(one.name()))
        }
    }

    /// A column of nulls only is left out.
    fn not_all_null(&self, column: Column, rows: u64, nulls: u64) -> Result<(), GateError> {
        if !self.sections.column(column).is_empty() && nulls == rows {
            return Err(GateError::not_canonical(column.name()));
        }
        Ok(())
    }
}
