//! The rules of access, one file for each family, over records that are really signed.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "in a test, stopping where it happens is the report"
)]

mod bounds;
mod explaining;
mod grants;
mod order;
mod rosters;
mod rule;
mod storing;
mod world;
