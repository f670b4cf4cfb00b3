//! Making a pack.

use std::collections::BTreeMap;

use automerge::ChangeHash;
use katori_acl::codec::Writer;

use super::format::{IN_COLUMNS, Prefix, RAW, Streams, digest, write_relative};
use crate::deflate::append_deflated;
use crate::gate::{COLUMNS, RawChange, Sections};

/// Packs changes, in an order in which dependencies come before what depends on them.
///
/// At most [`MAX_PACK_CHANGES`](super::MAX_PACK_CHANGES) changes of together
/// [`MAX_PACK_BYTES`](super::MAX_PACK_BYTES) can be unpacked again: [`batches`](super::batches) splits longer lists.
#[must_use]
pub fn pack(changes: &[RawChange]) -> Vec<u8> {
    pack_if(changes, |_| true)
}

/// Packs changes, those in columns that `in_columns` is true of.
fn pack_if(changes: &[RawChange], in_columns: impl Fn(&RawChange) -> bool) -> Vec<u8> {
    let mut packer = Packer::default();
    for (index, change) in changes.iter().enumerate() {
        match change.sections() {
            Ok(sections) if in_columns(change) && comes_back(&sections, change) => {
                packer.columns(index, change, &sections);
            }
            _ => packer.raw(change),
        }
        packer.places.insert(change.hash(), Place { index, max_op: change.header().max_op() });
    }
    let mut inflated = Writer::new();
    for stream in packer.streams.into_list() {
        inflated.bytes(&stream.finish());
    }
    let inflated = inflated.finish();
    let prefix = Prefix {
        changes: changes.len(),
        rebuilt: changes.iter().map(|change| change.bytes().len()).sum(),
        inflated: inflated.len(),
        digest: digest(changes),
    };
    let mut writer = Writer::new();
    prefix.write(&mut writer);
    let mut bytes = writer.finish();
    append_deflated(&inflated, &mut bytes);
    bytes
}

/// Whether a change is rebuilt from its parts byte for byte.
fn comes_back(sections: &Sections<'_>, change: &RawChange) -> bool {
    let mut writer = Writer::new();
    sections.write(&mut writer);
    change.bytes().ends_with(&writer.finish())
}

/// Where a change of the pack stands.
#[derive(Debug, Clone, Copy)]
struct Place {
    index: usize,
    max_op: u64,
}

#[derive(Debug, Default)]
struct Packer {
    streams: Streams<Writer>,
    places: BTreeMap<ChangeHash, Place>,
    outside: BTreeMap<ChangeHash, u64>,
    /// The place of each actor in the table, and the last of its sequence numbers.
    actors: BTreeMap<Vec<u8>, (u64, u64)>,
    time: i64,
}

impl Packer {
    fn raw(&mut self, change: &RawChange) {
        self.streams.form.byte(RAW);
        self.streams.raw.bytes(change.bytes());
    }

    fn columns(&mut self, index: usize, change: &RawChange, sections: &Sections<'_>) {
        self.streams.form.byte(IN_COLUMNS);
        let expected_op = self.dependencies(index, &sections.deps);
        self.streams.start_op.int(sections.start_op.wrapping_sub(expected_op).cast_signed());

        let (place, last) = self.actor(sections.actor);
        self.streams.actor.uint(place).uint(sections.other_actors.len() as u64);
        for actor in &sections.other_actors {
            let (place, _) = self.actor(actor);
            self.streams.actor.uint(place);
        }
        self.streams.sequence.int(sections.seq.wrapping_sub(last.wrapping_add(1)).cast_signed());
        self.actors.insert(sections.actor.to_vec(), (place, sections.seq));

        self.streams.time.int(sections.time.wrapping_sub(self.time));
        self.time = sections.time;
        self.streams.message.bytes(sections.message);
        self.streams.extra.bytes(sections.extra);

        let mut present = 0u64;
        let streams = self.streams.columns.iter_mut();
        for (bit, ((bytes, column), (lengths, contents))) in
            sections.columns.into_iter().zip(COLUMNS).zip(streams).enumerate()
        {
            if bytes.is_empty() {
                continue;
            }
            present |= 1 << bit;
            lengths.uint(bytes.len() as u64);
            let relative =
                column.is_difference() && write_relative(contents, bytes, change.header().start_op).is_ok();
            if !relative {
                contents.raw(bytes);
            }
        }
        self.streams.present.uint(present);
    }

    /// Writes the dependencies. Returns the operation after the last of those in this pack.
    fn dependencies(&mut self, index: usize, deps: &[ChangeHash]) -> u64 {
        let mut last = 0;
        self.streams.dependencies.uint(deps.len() as u64);
        for hash in deps {
            let reference = if let Some(place) = self.places.get(hash) {
                last = last.max(place.max_op);
                (index - place.index) as u64 * 2
            } else {
                let next = self.outside.len() as u64;
                let outside = *self.outside.entry(*hash).or_insert_with(|| {
                    self.streams.outside.raw(&hash.0);
                    next
                });
                outside * 2 + 1
            };
            self.streams.dependencies.uint(reference);
        }
        last.saturating_add(1)
    }

    /// The place of an actor in the table, and its last sequence number.
    fn actor(&mut self, actor: &[u8]) -> (u64, u64) {
        if let Some(found) = self.actors.get(actor) {
            return *found;
        }
        let entry = (self.actors.len() as u64, 0);
        self.streams.actors.bytes(actor);
        self.actors.insert(actor.to_vec(), entry);
        entry
    }
}

#[cfg(test)]
mod tests {
    use automerge::transaction::{CommitOptions, Transactable};
    use automerge::{ActorId, Automerge, ROOT};

    use super::*;
    use crate::gate::{Limits, inspect};
    use crate::pack::unpack;

    fn changes() -> Vec<RawChange> {
        let mut document = Automerge::new().with_actor(ActorId::from([1; 48]));
        for number in 0..8 {
            document.set_actor(ActorId::from([u8::try_from(number % 3).unwrap(); 48]));
            let mut change = document.transaction();
            change.put(ROOT, "number", number).unwrap();
            change.commit_with(CommitOptions::default().with_time(number * 60).with_message("counted"));
        }
        let through = |change: &automerge::Change| inspect(change.raw_bytes(), &Limits::default()).unwrap();
        document.get_changes(&[]).iter().map(through).collect()
    }

    #[test]
    fn raw_changes_and_those_in_columns_mix() {
        let changes = changes();
        for pattern in 0..256u32 {
            let in_columns = |change: &RawChange| {
                let place = changes.iter().position(|other| other == change).unwrap();
                pattern >> place & 1 == 1
            };
            let packed = pack_if(&changes, in_columns);
            assert_eq!(unpack(&packed, &Limits::default()).as_ref(), Ok(&changes), "{pattern:b}");
        }
    }

    #[test]
    fn every_change_the_gate_lets_through_comes_back_from_its_parts() {
        for change in changes() {
            assert!(comes_back(&change.sections().unwrap(), &change));
        }
    }

    /// The vectors were written by what this test packs, and are replayed by `tests/pack_vectors.rs`. They stay as
    /// they are: a new version of the format gets new files. Only their contents are compared, for another
    /// version of the deflate library may find other bytes for the same.
    #[test]
    fn the_vectors_hold_what_is_packed_here() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
        let mixed = pack_if(&changes(), |change| change.header().seq != 2);
        let columns = pack(&changes());
        for (name, packed) in [("empty", pack(&[])), ("mixed", mixed), ("columns", columns)] {
            let kept = std::fs::read(folder.join(format!("pack_1_{name}.bin"))).unwrap();
            assert_eq!(unpack(&kept, &Limits::default()), unpack(&packed, &Limits::default()), "{name}");
        }
    }
}
