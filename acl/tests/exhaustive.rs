//! Every small world, and not only random ones: four principals, all sets of records up to a size, one of each
//! that differ in names alone. In each, everybody's role is what the rule as written says, in the order in
//! which the records were signed and in the opposite one.
//!
//! `EXHAUSTIVE=6 cargo test --release -p katori-acl --test exhaustive` goes one record further.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "in a test, stopping where it happens is the report"
)]

#[path = "oracle/access.rs"]
#[expect(dead_code, reason = "not every suite asks everything")]
mod access;
#[path = "oracle/cast.rs"]
#[expect(dead_code, reason = "not every suite has people do everything")]
mod cast;
#[path = "oracle/rosters.rs"]
mod rosters;

#[path = "exhaustive/documents.rs"]
mod documents;
#[path = "exhaustive/logs.rs"]
mod logs;

/// How many records a world may have, its genesis included.
fn records_at_most(usual: usize) -> usize {
    std::env::var("EXHAUSTIVE").ok().and_then(|size| size.parse().ok()).unwrap_or(usual)
}

/// All orders of so many names, as the place that each goes to.
fn renamings(names: &[u8]) -> Vec<Vec<u8>> {
    let Some((first, rest)) = names.split_first() else { return vec![Vec::new()] };
    let mut all = Vec::new();
    for shorter in renamings(rest) {
        for at in 0..=shorter.len() {
            let mut longer = shorter.clone();
            longer.insert(at, *first);
            all.push(longer);
        }
    }
    all.sort();
    all
}
