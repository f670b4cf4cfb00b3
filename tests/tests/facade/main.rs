//! What an app gets from the crate `katori`: real nodes with real stores, connected over loopback.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "in a test, stopping where it happens is the report"
)]

mod alone;
mod backups;
mod contacts;
mod devices;
mod explaining;
mod groups;
mod history;
mod house;
mod invitations;
mod offers;
mod pairing;
mod recovery;
mod roles;
mod sharing;
mod shelf;
mod spaces;
mod watching;
