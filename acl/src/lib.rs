//! Who may do what: keys, rosters, grants, revocations and invitations, as a pure function of a set of signed
//! records. No I/O, no async, no clock of its own.

pub mod codec;
mod ids;
mod keys;

pub use ids::{DeviceId, InviteKey, ParseIdError, PersonId, RecordId, ResourceId};
pub use keys::{BadSignature, DeviceKey, InviteSecret, Signature, record_id};
