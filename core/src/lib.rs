//! What there is: documents, their storage and admission, and the sync engine as a pure state machine. No
//! sockets, no threads, no clock; the store is the one room that touches files.
//!
//! In reading order: bytes pass the [`gate`]; changes travel and lie in [`pack`]s; [`vouch`]es stand behind
//! them; a [`document`] decides what is shown; the [`engine`] decides who is told what; the [`store`] keeps it, and
//! [`check`] looks at what was kept.

pub mod actor;
pub mod check;
mod deflate;
pub mod document;
pub mod engine;
pub mod gate;
pub mod identity;
pub mod pack;
pub mod reconcile;
pub mod store;
pub mod time;
pub mod version;
pub mod vouch;
pub mod wire;
