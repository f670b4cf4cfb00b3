//! The rules of access, one file for each family, over records that are really signed.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "in a test, stopping where it happens is the report"
)]

mod bounds;
mod classes;
mod consent;
mod exclusions;
mod explaining;
mod filling;
mod grants;
mod groups;
mod loading;
mod mixed;
mod order;
mod recovery;
mod redemption;
mod renaming;
mod room;
mod rosters;
mod rule;
mod shelf;
mod spaces;
mod storing;
mod story;
mod total;
mod world;
