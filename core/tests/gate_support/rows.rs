//! A document chunk as rows of operations, to be altered and written again, the hostile way.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test ends with a panic")]
#![allow(dead_code, reason = "each test takes what it needs")]

use crate::chunks::{bytes, chunk, int, uint};
use crate::documents::Random;

/// One operation of a document.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) object_actor: Option<u64>,
    pub(crate) object_counter: Option<u64>,
    pub(crate) key_actor: Option<u64>,
    pub(crate) key_counter: Option<u64>,
    pub(crate) key_name: Option<Vec<u8>>,
    pub(crate) id_actor: u64,
    pub(crate) id_counter: u64,
    pub(crate) insert: bool,
    pub(crate) action: u64,
    pub(crate) kind: u64,
    pub(crate) value: Vec<u8>,
    pub(crate) successors: Vec<(u64, u64)>,
}

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct Chunk {
    pub(crate) actors: Vec<Vec<u8>>,
    pub(crate) heads: Vec<[u8; 32]>,
    changes: Vec<(u64, Vec<u8>)>,
    pub(crate) rows: Vec<Row>,
}

struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn uint(&mut self) -> u64 {
        leb128::read::unsigned(&mut self.0).unwrap()
    }

    fn int(&mut self) -> i64 {
        leb128::read::signed(&mut self.0).unwrap()
    }

    fn take(&mut self, length: u64) -> Vec<u8> {
        let (taken, rest) = self.0.split_at(usize::try_from(length).unwrap());
        self.0 = rest;
        taken.to_vec()
    }

    /// The rows of a column of runs.
    fn runs<T: Clone>(mut self, mut read: impl FnMut(&mut Self) -> T) -> Vec<Option<T>> {
        let mut rows = Vec::new();
        while !self.0.is_empty() {
            match self.int() {
                0 => (0..self.uint()).for_each(|_| rows.push(None)),
                count if count > 0 => {
                    let value = read(&mut self);
                    (0..count).for_each(|_| rows.push(Some(value.clone())));
                }
                count => (0..-count).for_each(|_| rows.push(Some(read(&mut self)))),
            }
        }
        rows
    }
}

fn uints(column: &[u8]) -> Vec<Option<u64>> {
    Input(column).runs(Input::uint)
}

fn differences(column: &[u8]) -> Vec<Option<u64>> {
    let mut value = 0i64;
    let mut follow = |difference: Option<i64>| {
        difference.map(|difference| {
            value += difference;
            u64::try_from(value).unwrap()
        })
    };
    Input(column).runs(Input::int).into_iter().map(&mut follow).collect()
}

/// Writes rows as runs as long as they can be.
fn write_runs<T: PartialEq>(rows: &[Option<T>], write: impl Fn(&mut Vec<u8>, &T)) -> Vec<u8> {
    let mut out = Vec::new();
    if rows.iter().all(Option::is_none) {
        return out;
    }
    let length = |from: usize| rows[from..].iter().take_while(|row| **row == rows[from]).count();
    let mut place = 0;
    while place < rows.len() {
        let run = length(place);
        match &rows[place] {
            None => {
                int(&mut out, 0);
                uint(&mut out, run as u64);
                place += run;
            }
            Some(value) if run > 1 => {
                int(&mut out, i64::try_from(run).unwrap());
                write(&mut out, value);
                place += run;
            }
            Some(_) => {
                let mut end = place;
                while end < rows.len() && rows[end].is_some() && length(end) == 1 {
                    end += 1;
                }
                int(&mut out, -i64::try_from(end - place).unwrap());
                rows[place..end].iter().flatten().for_each(|value| write(&mut out, value));
                place = end;
            }
        }
    }
    out
}

fn write_uints(rows: &[Option<u64>]) -> Vec<u8> {
    write_runs(rows, |out, value| uint(out, *value))
}

fn write_differences(rows: &[Option<u64>]) -> Vec<u8> {
    let mut before = 0;
    let mut difference = |value: &u64| {
        let difference = value.cast_signed() - before;
        before = value.cast_signed();
        difference
    };
    let rows: Vec<Option<i64>> = rows.iter().map(|row| row.as_ref().map(&mut difference)).collect();
    write_runs(&rows, |out, value| int(out, *value))
}

fn write_booleans(rows: &[bool]) -> Vec<u8> {
    let (mut out, mut value, mut count) = (Vec::new(), false, 0);
    for row in rows {
        if *row != value {
            uint(&mut out, count);
            (value, count) = (*row, 0);
        }
        count += 1;
    }
    uint(&mut out, count);
    out
}

impl Chunk {
    /// Reads a chunk that is not deflated.
    pub(crate) fn read(file: &[u8]) -> Self {
        let mut input = Input(&file[9..]);
        input.uint();
        let actors = (0..input.uint()).map(|_| {
            let length = input.uint();
            input.take(length)
        });
        let actors: Vec<Vec<u8>> = actors.collect();
        let heads: Vec<[u8; 32]> = (0..input.uint()).map(|_| input.take(32).try_into().unwrap()).collect();
        let mut specs =
            || -> Vec<(u64, u64)> { (0..input.uint()).map(|_| (input.uint(), input.uint())).collect() };
        let (changes, operations) = (specs(), specs());
        let mut take = |specs: Vec<(u64, u64)>| -> Vec<(u64, Vec<u8>)> {
            specs.into_iter().map(|(spec, length)| (spec, input.take(length))).collect()
        };
        let (changes, operations) = (take(changes), take(operations));
        let column = |spec: u64| {
            operations
                .iter()
                .find(|(found, _)| *found == spec)
                .map_or(&[][..], |(_, column)| column.as_slice())
        };
        let (id_actor, id_counter) = (uints(column(0x21)), differences(column(0x23)));
        let count = id_actor.len();
        let padded = |mut rows: Vec<Option<u64>>| {
            rows.resize(count, None);
            rows.into_iter()
        };
        let mut names = Input(column(0x15)).runs(|input| {
            let length = input.uint();
            input.take(length)
        });
        names.resize(count, None);
        let mut inserts = Vec::new();
        let mut booleans = Input(column(0x34));
        let mut value = false;
        while !booleans.0.is_empty() {
            (0..booleans.uint()).for_each(|_| inserts.push(value));
            value = !value;
        }
        let mut successors = uints(column(0x81)).into_iter().zip(differences(column(0x83)));
        let mut values = Input(column(0x57));
        let mut columns = (
            padded(uints(column(0x01))),
            padded(uints(column(0x02))),
            padded(uints(column(0x11))),
            padded(differences(column(0x13))),
            uints(column(0x42)).into_iter(),
            uints(column(0x56)).into_iter(),
            uints(column(0x80)).into_iter(),
        );
        let rows = (0..count).map(|row| {
            let meta = columns.5.next().flatten().unwrap();
            let overwritten = columns.6.next().flatten().unwrap();
            Row {
                object_actor: columns.0.next().flatten(),
                object_counter: columns.1.next().flatten(),
                key_actor: columns.2.next().flatten(),
                key_counter: columns.3.next().flatten(),
                key_name: names[row].clone(),
                id_actor: id_actor[row].unwrap(),
                id_counter: id_counter[row].unwrap(),
                insert: inserts[row],
                action: columns.4.next().flatten().unwrap(),
                kind: meta & 15,
                value: values.take(meta >> 4),
                successors: (0..overwritten)
                    .map(|_| {
                        successors.next().map(|(actor, counter)| (actor.unwrap(), counter.unwrap())).unwrap()
                    })
                    .collect(),
            }
        });
        Self { actors, heads, changes, rows: rows.collect() }
    }

    /// The chunk, with a checksum that fits.
    pub(crate) fn write(&self) -> Vec<u8> {
        let of = |value: &dyn Fn(&Row) -> Option<u64>| -> Vec<Option<u64>> {
            self.rows.iter().map(value).collect()
        };
        let names: Vec<Option<Vec<u8>>> = self.rows.iter().map(|row| row.key_name.clone()).collect();
        let successors: Vec<(u64, u64)> = self.rows.iter().flat_map(|row| row.successors.clone()).collect();
        let columns: Vec<(u64, Vec<u8>)> = [
            (0x01, write_uints(&of(&|row| row.object_actor))),
            (0x02, write_uints(&of(&|row| row.object_counter))),
            (0x11, write_uints(&of(&|row| row.key_actor))),
            (0x13, write_differences(&of(&|row| row.key_counter))),
            (0x15, write_runs(&names, |out, name| bytes(out, name))),
            (0x21, write_uints(&of(&|row| Some(row.id_actor)))),
            (0x23, write_differences(&of(&|row| Some(row.id_counter)))),
            (0x34, write_booleans(&self.rows.iter().map(|row| row.insert).collect::<Vec<_>>())),
            (0x42, write_uints(&of(&|row| Some(row.action)))),
            (0x56, write_uints(&of(&|row| Some(row.kind | (row.value.len() as u64) << 4)))),
            (0x57, self.rows.iter().flat_map(|row| row.value.clone()).collect()),
            (0x80, write_uints(&of(&|row| Some(row.successors.len() as u64)))),
            (0x81, write_uints(&successors.iter().map(|(actor, _)| Some(*actor)).collect::<Vec<_>>())),
            (
                0x83,
                write_differences(&successors.iter().map(|(_, counter)| Some(*counter)).collect::<Vec<_>>()),
            ),
        ]
        .into_iter()
        .filter(|(_, column): &(u64, Vec<u8>)| !column.is_empty())
        .collect();
        let mut data = Vec::new();
        uint(&mut data, self.actors.len() as u64);
        self.actors.iter().for_each(|actor| bytes(&mut data, actor));
        uint(&mut data, self.heads.len() as u64);
        self.heads.iter().for_each(|head| data.extend_from_slice(head));
        for columns in [&self.changes, &columns] {
            uint(&mut data, columns.len() as u64);
            for (spec, column) in columns {
                uint(&mut data, *spec);
                uint(&mut data, column.len() as u64);
            }
        }
        for (_, column) in self.changes.iter().chain(&columns) {
            data.extend_from_slice(column);
        }
        (0..self.heads.len()).for_each(|_| uint(&mut data, 0));
        chunk(0, &data)
    }

    /// Alters something.
    pub(crate) fn mutate(&mut self, random: &mut Random) {
        let count = self.rows.len();
        let (one, other) = (random.below(count), random.below(count));
        let copied = self.rows[other].clone();
        let row = &mut self.rows[one];
        match random.below(16) {
            0 | 1 => self.rows.swap(one, other),
            2 => {
                let moved = self.rows.remove(one);
                self.rows.insert(random.below(count), moved);
            }
            3 => drop(self.rows.remove(one)),
            4 => self.rows.insert(random.below(count), copied),
            5 => row.id_counter = (row.id_counter + 1).saturating_sub(random.next() % 3),
            6 => row.id_actor = copied.id_actor,
            7 => (row.key_actor, row.key_counter) = (copied.key_actor, copied.key_counter),
            8 => (row.object_actor, row.object_counter) = (copied.object_actor, copied.object_counter),
            9 => row.key_name = copied.key_name,
            10 => drop(row.successors.pop()),
            11 => row.successors.extend(copied.successors),
            12 => row.successors.push((copied.id_actor, copied.id_counter)),
            13 => row.insert = !row.insert,
            14 => (row.kind, row.value) = (copied.kind, copied.value),
            _ => row.action = random.next() % 8,
        }
    }
}
