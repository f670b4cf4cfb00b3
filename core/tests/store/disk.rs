//! A disk in memory that fails as real ones do: the power goes, it fills up, it refuses.
//!
//! Writes since the last completed sync may be kept, lost or torn at the size of a sector when the power goes,
//! as the dice fall. Each test binary uses a part of this.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::io::{Error, ErrorKind};
use std::sync::{Arc, Mutex, MutexGuard};

use redb::StorageBackend;

const SECTOR: usize = 512;

/// Numbers that look random and follow from a seed (the `SplitMix64` sequence).
#[derive(Debug, Clone)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound
    }

    pub(crate) fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }
}

#[derive(Debug)]
enum Unsynced {
    Write(usize, Vec<u8>),
    Resize(usize),
}

#[derive(Debug, Default)]
struct State {
    live: Vec<u8>,
    durable: Vec<u8>,
    unsynced: Vec<Unsynced>,
    operations: u64,
    cut_at: Option<u64>,
    room: Option<usize>,
    refuses: bool,
    lies: bool,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Disk(Arc<Mutex<State>>);

impl Disk {
    pub(crate) fn holding(image: Vec<u8>) -> Disk {
        Disk(Arc::new(Mutex::new(State { live: image.clone(), durable: image, ..State::default() })))
    }

    /// The power goes at the `operation`th write, resize or sync from now.
    pub(crate) fn cut_power_at(&self, operation: u64) {
        let mut state = self.state();
        state.cut_at = Some(state.operations + operation);
    }

    /// The disk has room for this many bytes; none means as many as needed.
    pub(crate) fn set_room(&self, bytes: Option<usize>) {
        self.state().room = bytes;
    }

    /// Every write fails from now on, or none.
    pub(crate) fn refuse_writes(&self, refuses: bool) {
        self.state().refuses = refuses;
    }

    /// It says that it synced, and did not.
    pub(crate) fn lie(&self) {
        self.state().lies = true;
    }

    pub(crate) fn length(&self) -> usize {
        self.state().live.len()
    }

    /// How many writes, resizes and syncs it has seen.
    pub(crate) fn operations(&self) -> u64 {
        self.state().operations
    }

    /// What a process sees that opens it while the power stays on.
    pub(crate) fn image(&self) -> Vec<u8> {
        self.state().live.clone()
    }

    /// What is left when the power has gone.
    pub(crate) fn image_after_power_cut(&self, dice: &mut Dice) -> Vec<u8> {
        let state = self.state();
        let mut image = state.durable.clone();
        for unsynced in &state.unsynced {
            if dice.one_in(2) {
                continue;
            }
            match unsynced {
                Unsynced::Resize(length) => image.resize(*length, 0),
                Unsynced::Write(offset, data) => {
                    for (index, sector) in data.chunks(SECTOR).enumerate() {
                        let at = offset + index * SECTOR;
                        // A torn write, or one into an extension of the file that was itself lost.
                        if dice.one_in(8) || image.len() < at + sector.len() {
                            continue;
                        }
                        image[at..at + sector.len()].copy_from_slice(sector);
                    }
                }
            }
        }
        image
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    fn begin(&self, needed_length: usize) -> Result<MutexGuard<'_, State>, Error> {
        let mut state = self.state();
        state.operations += 1;
        if state.refuses || state.cut_at.is_some_and(|at| state.operations >= at) {
            return Err(Error::from(ErrorKind::BrokenPipe));
        }
        if needed_length > state.live.len() && state.room.is_some_and(|room| needed_length > room) {
            return Err(Error::from(ErrorKind::StorageFull));
        }
        Ok(state)
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> Result<u64, Error> {
        Ok(self.length() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), Error> {
        let state = self.state();
        let offset = offset as usize;
        let there = state.live.get(offset..offset + out.len());
        out.copy_from_slice(there.ok_or_else(|| Error::from(ErrorKind::UnexpectedEof))?);
        Ok(())
    }

    fn set_len(&self, length: u64) -> Result<(), Error> {
        let length = length as usize;
        let mut state = self.begin(length)?;
        state.live.resize(length, 0);
        state.unsynced.push(Unsynced::Resize(length));
        Ok(())
    }

    fn sync_data(&self) -> Result<(), Error> {
        let mut state = self.begin(0)?;
        if !state.lies {
            let State { live, durable, unsynced, .. } = &mut *state;
            durable.clone_from(live);
            unsynced.clear();
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), Error> {
        let offset = offset as usize;
        let mut state = self.begin(offset + data.len())?;
        if state.live.len() < offset + data.len() {
            state.live.resize(offset + data.len(), 0);
        }
        state.live[offset..offset + data.len()].copy_from_slice(data);
        state.unsynced.push(Unsynced::Write(offset, data.to_vec()));
        Ok(())
    }
}
