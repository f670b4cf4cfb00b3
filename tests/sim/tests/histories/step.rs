//! A history as data: what happens, drawn from a seed, so that it can be told again with parts left out.

use rand_chacha::ChaCha12Rng;
use rand_core::{Rng, SeedableRng};

/// One thing that happens. Which device, and to whom, is a matter of `a`, `b` and `c`, taken modulo what there is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step {
    pub(crate) what: What,
    pub(crate) a: u64,
    pub(crate) b: u64,
    pub(crate) c: u64,
    /// Names what the step writes, whatever is left out before it.
    pub(crate) number: u64,
}

/// The kinds of things that happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    Edit,
    Sync,
    Revoke,
    Grant,
    Leave,
    RemoveDevice,
    Restart,
    Hurry,
    Pair,
    Recover,
    Exclude,
    TakeIn,
    Clone,
    Backup,
    Restore,
    Group,
    OwnChange,
    Forge,
    Fork,
    VouchMuch,
    VouchLittle,
    TwoVouches,
    Mark,
    Resend,
}

use What::{
    Backup, Clone as CloneDevice, Edit, Exclude, Forge, Fork, Grant, Group, Hurry, Leave, Mark, OwnChange,
    Pair, Recover, RemoveDevice, Resend, Restart, Restore, Revoke, Sync, TakeIn, TwoVouches, VouchLittle,
    VouchMuch,
};

/// How often each happens: as often as its number here, of all of them.
const HONEST: [(What, u32); 16] = [
    (Edit, 80),
    (Sync, 90),
    (Revoke, 20),
    (Grant, 20),
    (Leave, 8),
    (RemoveDevice, 10),
    (Restart, 10),
    (Hurry, 16),
    (Pair, 4),
    (Recover, 4),
    (Exclude, 5),
    (TakeIn, 8),
    (CloneDevice, 3),
    (Backup, 4),
    (Restore, 3),
    (Group, 6),
];
/// The same, for hostile devices.
const HOSTILE: [(What, u32); 8] = [
    (OwnChange, 20),
    (Forge, 14),
    (Fork, 35),
    (VouchMuch, 14),
    (VouchLittle, 12),
    (TwoVouches, 10),
    (Mark, 5),
    (Resend, 25),
];

/// A number below a limit.
pub(crate) fn below(rng: &mut ChaCha12Rng, limit: u64) -> u64 {
    rng.next_u64() % limit.max(1)
}

fn draw(rng: &mut ChaCha12Rng, from: &[(What, u32)]) -> What {
    let all: u32 = from.iter().map(|(_, often)| often).sum();
    let mut left = below(rng, u64::from(all));
    for (what, often) in from {
        match left.checked_sub(u64::from(*often)) {
            Some(rest) => left = rest,
            None => return *what,
        }
    }
    Edit
}

/// A history of this many steps.
pub(crate) fn steps(seed: u64, count: u64) -> Vec<Step> {
    let mut rng = ChaCha12Rng::seed_from_u64(seed);
    let hostile = below(&mut rng, 100) < 65;
    (0..count)
        .map(|number| {
            let table: &[_] = if hostile && below(&mut rng, 100) < 35 { &HOSTILE } else { &HONEST };
            let what = draw(&mut rng, table);
            Step { what, a: rng.next_u64(), b: rng.next_u64(), c: rng.next_u64(), number }
        })
        .collect()
}
