//! Documents for the tests of the gate and the packs: random ones by seed, and the plainest, typing.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test ends with a panic")]
#![allow(dead_code, reason = "each test takes what it needs")]

use automerge::marks::{ExpandMark, Mark};
use automerge::transaction::{CommitOptions, Transactable, Transaction};
use automerge::{
    ActorId, Author, Automerge, Change, ObjId, ObjType, ROOT, ReadDoc, ScalarValue, TextEncoding, Value,
};
use katori_core::gate::{Limits, RawChange, inspect};

/// A small generator ("split mix"), so that a seed says everything.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound.max(1) as u64).unwrap()
    }

    pub(crate) fn chance(&mut self, percent: u64) -> bool {
        self.next() % 100 < percent
    }
}

/// An actor id in the form of a device's.
pub(crate) fn actor(number: u8) -> ActorId {
    let mut bytes = vec![number; 32];
    bytes.extend_from_slice(b"document");
    bytes.extend_from_slice(&[0, 0, 0, 0, 0, 0, 0, 1]);
    ActorId::from(bytes)
}

pub(crate) fn new_document(number: u8) -> Automerge {
    Automerge::new_with_encoding(TextEncoding::UnicodeCodePoint).with_actor(actor(number))
}

/// The changes of a document, through the gate, in an order in which dependencies come first.
pub(crate) fn inspected(document: &Automerge) -> Vec<RawChange> {
    let limits = Limits::default();
    let through = |change: &Change| {
        inspect(change.raw_bytes(), &limits).unwrap_or_else(|error| panic!("{error}: {:?}", change.decode()))
    };
    document.get_changes(&[]).iter().map(through).collect()
}

/// One change for each keystroke: `count` letters, one after the other, some taken back.
pub(crate) fn typing(count: usize) -> Automerge {
    let mut document = new_document(1);
    let mut random = Random(1);
    let mut change = document.transaction();
    let text = change.put_object(ROOT, "text", ObjType::Text).unwrap();
    change.commit();
    let (mut cursor, mut length) = (0, 0);
    for _ in 1..count {
        let mut change = document.transaction();
        if cursor > 0 && random.chance(15) {
            cursor -= 1;
            length -= 1;
            change.splice_text(&text, cursor, 1, "").unwrap();
        } else {
            let letter = char::from(b"etaoin shrdlu"[random.below(13)]);
            change.splice_text(&text, cursor, 0, &letter.to_string()).unwrap();
            cursor += 1;
            length += 1;
        }
        change.commit_with(CommitOptions::default());
        if random.chance(1) {
            cursor = random.below(length + 1);
        }
    }
    document
}

/// A history of `steps` changes by several devices that edit apart and merge.
pub(crate) fn random_document(seed: u64, steps: usize) -> Automerge {
    let mut random = Random(seed);
    let count = 1 + random.below(5);
    let mut replicas: Vec<Automerge> = Vec::new();
    for number in 0..count {
        let mut replica = new_document(u8::try_from(200 - 30 * number).unwrap());
        if random.chance(40) {
            replica.set_author(Some(Author::from(vec![7; 32])));
            replica.set_actor(actor(u8::try_from(200 - 30 * number).unwrap()));
        }
        replicas.push(replica);
    }
    for step in 0..steps {
        let here = random.below(count);
        if random.chance(20) && count > 1 {
            let there = random.below(count);
            let mut other = replicas[there].clone();
            replicas[here].merge(&mut other).unwrap();
        }
        let time = i64::try_from(step).unwrap() * 7 - 20;
        let mut options = CommitOptions::default().with_time(time);
        if random.chance(10) {
            options = options.with_message(format!("step {step}"));
        }
        if random.chance(4) {
            replicas[here].empty_commit(options);
            continue;
        }
        let mut change = replicas[here].transaction();
        for _ in 0..=random.below(6) {
            edit(&mut change, &mut random);
        }
        change.commit_with(options);
    }
    let (first, others) = replicas.split_first_mut().unwrap();
    for other in others {
        first.merge(other).unwrap();
    }
    first.clone()
}

fn edit(change: &mut Transaction<'_>, random: &mut Random) {
    let object = pick(change, random);
    match change.object_type(&object).unwrap() {
        ObjType::Map | ObjType::Table => edit_map(change, random, &object),
        ObjType::List => edit_list(change, random, &object),
        ObjType::Text => edit_text(change, random, &object),
    }
}

/// Walks down from the root, at random.
fn pick(change: &Transaction<'_>, random: &mut Random) -> ObjId {
    let mut object = ROOT;
    for _ in 0..4 {
        let children: Vec<ObjId> = match change.object_type(&object).unwrap() {
            ObjType::Text => break,
            ObjType::List => change
                .list_range(&object, ..)
                .filter_map(|item| matches!(item.value, automerge::ValueRef::Object(_)).then(|| item.id()))
                .collect(),
            ObjType::Map | ObjType::Table => change
                .map_range(&object, ..)
                .filter_map(|item| matches!(item.value, automerge::ValueRef::Object(_)).then(|| item.id()))
                .collect(),
        };
        if children.is_empty() || random.chance(25) {
            break;
        }
        object = children[random.below(children.len())].clone();
    }
    object
}

fn scalar(random: &mut Random) -> ScalarValue {
    match random.below(11) {
        0 => ScalarValue::Null,
        1 => ScalarValue::Boolean(random.chance(50)),
        2 => ScalarValue::Int(random.next().cast_signed()),
        3 => ScalarValue::Uint(random.next()),
        4 => ScalarValue::F64(f64::from(u32::try_from(random.below(1000)).unwrap()) / 7.0),
        5 => ScalarValue::Str("word ".repeat(random.below(20)).into()),
        6 => ScalarValue::Bytes(vec![3; random.below(40)]),
        7 => ScalarValue::counter(random.below(100).try_into().unwrap()),
        8 => ScalarValue::Timestamp(random.next().cast_signed()),
        _ => ScalarValue::Int(-1),
    }
}

fn kind(random: &mut Random) -> ObjType {
    [ObjType::Map, ObjType::List, ObjType::Text][random.below(3)]
}

fn edit_map(change: &mut Transaction<'_>, random: &mut Random, object: &ObjId) {
    let keys = ["alpha", "beta", "", "k\u{e9}y", "a rather long key that goes on for a while"];
    let key = keys[random.below(keys.len())];
    let present = change.get(object, key).unwrap();
    match (random.below(10), present) {
        (0 | 1, Some(_)) => change.delete(object, key).unwrap(),
        (_, Some((Value::Scalar(value), _))) if value.is_counter() => {
            change.increment(object, key, 5).unwrap();
        }
        (2..=5, _) => drop(change.put_object(object, key, kind(random)).unwrap()),
        _ => {
            let value = scalar(random);
            change.put(object, key, value).unwrap();
        }
    }
}

fn edit_list(change: &mut Transaction<'_>, random: &mut Random, object: &ObjId) {
    let length = change.length(object);
    let index = random.below(length);
    match random.below(8) {
        0 | 1 if length > 0 => change.delete(object, index).unwrap(),
        2 if length > 0 => match change.get(object, index).unwrap() {
            Some((Value::Scalar(value), _)) if value.is_counter() => {
                change.increment(object, index, -3).unwrap();
            }
            _ => {
                let value = scalar(random);
                change.put(object, index, value).unwrap();
            }
        },
        3 | 4 => drop(change.insert_object(object, index, kind(random)).unwrap()),
        5 => {
            let values: Vec<ScalarValue> = (0..random.below(30)).map(|_| scalar(random)).collect();
            change.splice(object, index, 0, values).unwrap();
        }
        _ => {
            let value = scalar(random);
            change.insert(object, index, value).unwrap();
        }
    }
}

fn edit_text(change: &mut Transaction<'_>, random: &mut Random, object: &ObjId) {
    let length = change.length(object);
    let index = random.below(length + 1);
    match random.below(10) {
        0..=4 => {
            let words = ["a", "hello", "\u{1f600}", "gr\u{fc}n und ", "aaaaaaaaaaaaaaa"];
            let text = words[random.below(words.len())].repeat(1 + random.below(4));
            change.splice_text(object, index, 0, &text).unwrap();
        }
        5 | 6 if index < length => {
            let count = 1 + random.below((length - index).min(9));
            change.splice_text(object, index, count.try_into().unwrap(), "").unwrap();
        }
        7 if index < length => {
            let expand =
                [ExpandMark::Both, ExpandMark::None, ExpandMark::After, ExpandMark::Before][random.below(4)];
            let mark = Mark::new("bold".to_owned(), true, index, length);
            change.mark(object, mark, expand).unwrap();
        }
        8 if index < length => change.unmark(object, "bold", index, length, ExpandMark::None).unwrap(),
        9 => drop(change.split_block(object, index).unwrap()),
        _ => {}
    }
}
