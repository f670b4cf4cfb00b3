//! What holds in every world, whoever signs what, and in whatever order it comes.
//!
//! Thousands of random worlds each; `PROPTEST_CASES` asks for more. A failure prints the world and its seed.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "in a test, stopping where it happens is the report"
)]

#[path = "../oracle/access.rs"]
mod access;
mod agreement;
#[path = "../oracle/cast.rs"]
#[expect(dead_code, reason = "not every suite has people do everything")]
mod cast;
mod dormancy;
mod laws;
#[path = "../oracle/rosters.rs"]
mod rosters;
mod world;
