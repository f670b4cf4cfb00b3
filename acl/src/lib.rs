//! Who may do what: keys, rosters, grants, revocations and invitations, as a pure function of a set of signed
//! records. No I/O, no async, no clock of its own.
//!
//! Bytes of others become [`UnverifiedRecord`]s, those become [`VerifiedRecord`]s, and a [`Registry`] keeps the
//! ones worth keeping and answers who may do what. Its answers depend on the set of records alone, never on
//! the order in which they came.

pub mod bounds;
pub mod codec;
mod ids;
mod keys;
mod role;

mod records;

mod access;
mod registry;
mod roster;

mod invite;
mod recovery;
mod ticket;

pub use access::{
    Access, Chain, ChainLink, Explanation, Invitation, LinkStatus, Missing, Principal, Standing,
};
pub use ids::{DeviceId, InviteKey, ParseIdError, PersonId, RecordId, RecoveryKey, ResourceId};
pub use invite::{Claim, ClaimError, SignedClaim, VerifiedClaim};
pub use keys::{BadSignature, DeviceKey, InviteSecret, RecoverySecret, Signature, record_id};
pub use records::{
    Audience, Capacity, ChangeHash, Exclude, Genesis, Grant, Issuer, Keys, Member, Parent, Record,
    RecordError, ResourceKind, Revoke, RosterAction, RosterGenesis, RosterKind, RosterOperation, SignError,
    Signer, Subject, Tombstone, UnverifiedRecord, VerifiedRecord,
};
pub use recovery::{RecoveryPhrase, RecoveryPhraseError};
pub use registry::{Changes, Inserted, Refusal, Registry};
pub use role::{ParseRoleError, Role};
pub use roster::{Roster, RosterMember};
pub use ticket::{Contact, Ticket, TicketError, TicketKind};
