//! Taking Automerge's chunks apart and putting them together, the hostile way: whatever is asked for is written,
//! with a checksum that fits.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test ends with a panic")]
#![allow(dead_code, reason = "each test takes what it needs")]

use std::io::Write as _;

use sha2::{Digest, Sha256};

pub(crate) fn uint(out: &mut Vec<u8>, value: u64) {
    leb128::write::unsigned(out, value).unwrap();
}

pub(crate) fn int(out: &mut Vec<u8>, value: i64) {
    leb128::write::signed(out, value).unwrap();
}

pub(crate) fn bytes(out: &mut Vec<u8>, value: &[u8]) {
    uint(out, value.len() as u64);
    out.extend_from_slice(value);
}

/// A chunk of any type around any data, with its checksum.
pub(crate) fn chunk(kind: u8, data: &[u8]) -> Vec<u8> {
    let mut hashed = vec![kind];
    uint(&mut hashed, data.len() as u64);
    hashed.extend_from_slice(data);
    let hash = Sha256::digest(&hashed);
    let mut out = vec![0x85, 0x6f, 0x4a, 0x83];
    out.extend_from_slice(&hash[..4]);
    out.extend_from_slice(&hashed);
    out
}

pub(crate) fn deflate(data: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::new(9));
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

/// A change to be written out.
#[derive(Clone)]
pub(crate) struct Draft {
    pub(crate) deps: Vec<[u8; 32]>,
    pub(crate) actor: Vec<u8>,
    pub(crate) seq: u64,
    pub(crate) start_op: u64,
    pub(crate) time: i64,
    pub(crate) message: Vec<u8>,
    pub(crate) other_actors: Vec<Vec<u8>>,
    pub(crate) columns: Vec<(u64, Vec<u8>)>,
    pub(crate) extra: Vec<u8>,
}

impl Draft {
    /// A change that sets "key" to null, as Automerge writes it.
    pub(crate) fn put_null() -> Self {
        Self {
            deps: Vec::new(),
            actor: vec![1; 16],
            seq: 1,
            start_op: 1,
            time: 0,
            message: Vec::new(),
            other_actors: Vec::new(),
            columns: vec![
                (0x15, vec![0x7f, 3, b'k', b'e', b'y']),
                (0x34, vec![1]),
                (0x42, vec![0x7f, 1]),
                (0x56, vec![0x7f, 0]),
                (0x70, vec![0x7f, 0]),
            ],
            extra: Vec::new(),
        }
    }

    /// Reads a raw change.
    pub(crate) fn read(chunk: &[u8]) -> Self {
        let mut rest = &chunk[9..];
        let next = |rest: &mut &[u8]| usize::try_from(leb128::read::unsigned(rest).unwrap()).unwrap();
        let length = next(&mut rest);
        assert_eq!(length, rest.len());
        let deps = (0..next(&mut rest)).map(|_| take(&mut rest, 32).try_into().unwrap()).collect();
        let length = next(&mut rest);
        let actor = take(&mut rest, length).to_vec();
        let seq = next(&mut rest) as u64;
        let start_op = next(&mut rest) as u64;
        let time = leb128::read::signed(&mut rest).unwrap();
        let length = next(&mut rest);
        let message = take(&mut rest, length).to_vec();
        let others = next(&mut rest);
        let other_actors = (0..others)
            .map(|_| {
                let length = next(&mut rest);
                take(&mut rest, length).to_vec()
            })
            .collect();
        let count = next(&mut rest);
        let specs: Vec<_> = (0..count).map(|_| (next(&mut rest) as u64, next(&mut rest))).collect();
        let columns =
            specs.into_iter().map(|(spec, length)| (spec, take(&mut rest, length).to_vec())).collect();
        Self { deps, actor, seq, start_op, time, message, other_actors, columns, extra: rest.to_vec() }
    }

    pub(crate) fn set(&mut self, spec: u64, column: Vec<u8>) {
        self.columns.retain(|(found, _)| *found != spec);
        if !column.is_empty() {
            self.columns.push((spec, column));
            self.columns.sort_by_key(|(spec, _)| *spec);
        }
    }

    pub(crate) fn write(&self) -> Vec<u8> {
        let mut data = Vec::new();
        uint(&mut data, self.deps.len() as u64);
        for hash in &self.deps {
            data.extend_from_slice(hash);
        }
        bytes(&mut data, &self.actor);
        uint(&mut data, self.seq);
        uint(&mut data, self.start_op);
        int(&mut data, self.time);
        bytes(&mut data, &self.message);
        uint(&mut data, self.other_actors.len() as u64);
        for actor in &self.other_actors {
            bytes(&mut data, actor);
        }
        uint(&mut data, self.columns.len() as u64);
        for (spec, column) in &self.columns {
            uint(&mut data, *spec);
            uint(&mut data, column.len() as u64);
        }
        for (_, column) in &self.columns {
            data.extend_from_slice(column);
        }
        data.extend_from_slice(&self.extra);
        chunk(1, &data)
    }
}

/// A run of `count` times `value`.
pub(crate) fn run(count: i64, value: &[u8]) -> Vec<u8> {
    let mut column = Vec::new();
    int(&mut column, count);
    column.extend_from_slice(value);
    column
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> &'a [u8] {
    let (taken, after) = rest.split_at(length);
    *rest = after;
    taken
}
