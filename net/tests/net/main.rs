//! Hubs over real endpoints on this machine: what people do, and what strangers and broken peers do to them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "in a test, stopping where it happens is the report"
)]

mod blocking;
mod by_hand;
mod closing;
mod hostile;
mod introducing;
mod inviting;
mod joining;
mod memory;
mod pacing;
mod pairing;
mod recovering;
mod revoking;
mod syncing;
mod unseen;
mod world;
