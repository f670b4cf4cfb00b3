//! What hostile people try, one named test each, shown on records, tickets and claims alone.
//!
//! Each says which threat of `docs/threat-model.md` it belongs to (T1 to T33), and where another system had
//! the defect, which one.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "in a test, stopping where it happens is the report"
)]

mod certificates;
mod clocks;
mod delegation;
mod elsewhere;
mod floods;
mod forgery;
mod groups;
mod invites;
mod revocation;
mod rosters;
mod story;

#[path = "../oracle/cast.rs"]
mod cast;
