//! A disk in memory that counts what is written to it.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::io::Error;
use std::sync::{Arc, Mutex};

use redb::StorageBackend;
use redb::backends::InMemoryBackend;

/// What a disk has seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) bytes: u64,
    pub(crate) writes: u64,
    pub(crate) syncs: u64,
}

impl Seen {
    /// What came since.
    pub(crate) fn since(self, before: Seen) -> Seen {
        Seen {
            bytes: self.bytes - before.bytes,
            writes: self.writes - before.writes,
            syncs: self.syncs - before.syncs,
        }
    }
}

#[derive(Debug, Default)]
struct State {
    bytes: InMemoryBackend,
    seen: Mutex<Seen>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Counted(Arc<State>);

impl Counted {
    pub(crate) fn seen(&self) -> Seen {
        *self.0.seen.lock().unwrap()
    }

    pub(crate) fn length(&self) -> u64 {
        self.0.bytes.len().unwrap()
    }
}

impl StorageBackend for Counted {
    fn len(&self) -> Result<u64, Error> {
        self.0.bytes.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), Error> {
        self.0.bytes.read(offset, out)
    }

    fn set_len(&self, length: u64) -> Result<(), Error> {
        self.0.bytes.set_len(length)
    }

    fn sync_data(&self) -> Result<(), Error> {
        self.0.seen.lock().unwrap().syncs += 1;
        self.0.bytes.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), Error> {
        let mut seen = self.0.seen.lock().unwrap();
        seen.bytes += data.len() as u64;
        seen.writes += 1;
        self.0.bytes.write(offset, data)
    }
}
