//! The gate: what a peer, a local client or a file gives is read here before Automerge sees it.
//!
//! Automerge trusts its input more than a sync framework can: a change of 129 bytes may stand for four million
//! operations, a deflated chunk for gigabytes, and a change that is well formed but not as Automerge itself
//! would have written it can be applied and then make the saved document unreadable. So:
//!
//! * [`inspect`] takes one raw change chunk apart, counts its operations from the run lengths without expanding
//!   them, and insists on the one form in which Automerge writes. It calls nothing of Automerge's.
//! * [`check_links`] holds a change's header against its author's previous change and its dependencies.
//! * [`decode`] hands an inspected change to Automerge, inside [`guarded`], and compares what it understood.
//! * [`confirm`] asks Automerge for the changes back that were applied to a document.
//! * [`import`] does all of this for a whole `.automerge` file, and [`open_whole`] does for a whole document from a peer
//!   what comes to the same, without taking it apart.
//!
//! Invariant: a [`RawChange`] exists only after inspection, and its bytes never change.
//! Not here: who may send what, and what is admitted (`admission`); when changes are applied (`document`).

mod change;
mod chunk;
mod columns;
mod cursors;
mod decode;
mod document;
mod error;
mod guarded;
mod inflate;
mod limits;
mod links;
mod plain;
mod runs;
mod values;
mod whole;

pub use change::{Header, RawChange, inspect};
pub use decode::{confirm, decode};
pub use document::import;
pub use error::GateError;
pub use guarded::{Panicked, guarded};
pub use limits::Limits;
pub use links::{Link, LinkError, check_links};
pub use whole::{Opened, Whole, is_whole, open_file, open_whole};

pub(crate) use change::{Sections, seal};
pub(crate) use columns::COLUMNS;
pub(crate) use links::Said;
pub(crate) use runs::{read_signed, write_signed};
pub(crate) use whole::{open_stored, open_whole_and, whole_heads};
