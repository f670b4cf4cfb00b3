//! The program as scripts see it: JSON on the standard output, exit codes that stay, and the same answers with a
//! hub and without one.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot run its program fails"
)]

mod circles;
mod documents;
mod explaining;
mod health;
mod pace;
mod people;
mod store;
mod tickets;
