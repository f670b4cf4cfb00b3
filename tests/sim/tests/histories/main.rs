//! Random histories, hostile devices among them, against an oracle that states the rule of admission in the fewest
//! lines and shares nothing with the implementation.
//!
//! Honest people edit, sync, grant, revoke, leave, lose and recover devices, work in spaces and groups, exclude and
//! take in, restart, restore backups and copy disks, and do it all again before what they owe is signed. Hostile
//! devices forge, fork, date back, and vouch for what they like. At the end everybody honest meets, and everything
//! that DESIGN 4 promises is looked for.
//!
//! `HISTORIES=n` runs more of them, from `FROM=n` on; `SEED=n` runs one, and tells the shortest story that ends the
//! same way; `DESCRIBE=1` adds what each device then has. A failure prints its seed.
#![allow(
    clippy::indexing_slicing,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::wildcard_enum_match_arm,
    clippy::cast_possible_truncation,
    reason = "a test fails where it stands"
)]

mod check;
mod history;
mod mischief;
mod oracle;
mod step;

use std::panic::{AssertUnwindSafe, catch_unwind};

use check::{CameUp, Violation};
use history::History;
use step::Step;

/// Steps of one history.
const STEPS: u64 = 50;
/// Histories that every run of the tests makes.
const HISTORIES: u64 = 150;
/// Histories in which something was once found that the first ones do not come across: honest work on a losing
/// branch that was lost because its writer's role went and came back in one exchange, or because it had been applied
/// again on top of what was excluded later.
const FOUND: [u64; 3] = [303_687, 401_149, 408_889];

/// Tells a history, and how it ends.
fn tell(seed: u64, steps: &[Step]) -> (Vec<String>, Result<CameUp, Violation>) {
    let mut history = History::new(seed, !seed.is_multiple_of(4));
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        for step in steps {
            history.take(*step);
        }
        history.end()
    }));
    let outcome = outcome.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        Err((
            "panic",
            text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string)).unwrap_or_default(),
        ))
    });
    if outcome.is_err() && number("DESCRIBE").is_some() {
        let text = history.describe();
        history.told.push(text);
    }
    (history.told, outcome)
}

/// The shortest story that ends in the same kind of violation.
fn shrink(seed: u64, mut steps: Vec<Step>, kind: &str) -> (Vec<Step>, Vec<String>, String) {
    let fails = |steps: &[Step]| match tell(seed, steps) {
        (told, Err((same, text))) if same == kind => Some((told, text)),
        _ => None,
    };
    let mut size = steps.len() / 2;
    while size > 0 {
        let mut at = 0;
        while at < steps.len() {
            let mut shorter = steps.clone();
            shorter.drain(at..(at + size).min(steps.len()));
            if fails(&shorter).is_some() { steps = shorter } else { at += size }
        }
        size /= 2;
    }
    let (told, text) = fails(&steps).unwrap_or_default();
    (steps, told, text)
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

#[test]
fn random_histories_agree_with_the_oracle() {
    let steps = number("STEPS").unwrap_or(STEPS);
    if let Some(seed) = number("SEED") {
        let (told, outcome) = tell(seed, &step::steps(seed, steps));
        let Err((kind, text)) = outcome else { return };
        eprintln!("SEED={seed}: {kind}: {text}; the whole story:\n{}", told.join("\n"));
        let (_, told, text) = shrink(seed, step::steps(seed, steps), kind);
        panic!("SEED={seed}: {kind}: {text}; the shortest story:\n{}", told.join("\n"));
    }
    let first = number("FROM").unwrap_or(0);
    let histories = number("HISTORIES").unwrap_or(HISTORIES);
    let (mut failed, mut all) = (Vec::new(), CameUp::default());
    for seed in first..first + histories {
        match tell(seed, &step::steps(seed, steps)).1 {
            Ok(came_up) => all.add(came_up),
            Err((kind, text)) => {
                eprintln!("SEED={seed}: {kind}: {text}");
                failed.push((seed, kind));
            }
        }
        if (seed - first + 1).is_multiple_of(1000) {
            eprintln!("SEED={seed}: so far {all:?}");
        }
    }
    eprintln!("SEED={first} and {histories} in all: {all:?}");
    assert!(histories < HISTORIES || all.is_everything(), "something never came up: {all:?}");
    assert!(failed.is_empty(), "run again with SEED=: {failed:?}");
}

#[test]
fn what_was_found_stays_mended() {
    for seed in FOUND {
        if let (told, Err((kind, text))) = tell(seed, &step::steps(seed, STEPS)) {
            panic!("SEED={seed}: {kind}: {text}; the whole story:\n{}", told.join("\n"));
        }
    }
}
