//! Who may do what: keys, rosters, grants, revocations and invitations, as a pure function of a set of signed
//! records. No I/O, no async, no clock of its own.
//!
//! A *person* is a roster of devices; a *group* a roster of persons, and of groups within it. A *document* is
//! owned by one of either, who grants roles in it, to persons, groups, single devices, or whoever holds an
//! invitation; these pass them on where they may. A document may be born in a *space*, whose grants then hold
//! in it too. A *shelf* is what a person keeps for its own devices. A revocation counts only from upstream of
//! what it ends. Of devices, or persons, that remove each other the more senior stays, and whom recovery words
//! brought in is the most senior. [`Registry::explain`] says why somebody has a role and [`Registry::story`]
//! what became of every record; a clone of the registry is for trying out what a record would change.
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
mod story;

mod invite;
mod recovery;
mod ticket;

pub use access::{
    Access, AccessClass, Chain, ChainLink, Exclusion, Explanation, Invitation, LinkStatus, Missing,
    Principal, Rights, Standing,
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
pub use registry::{AccessChange, AccessChanges, Changes, Inserted, Refusal, Registry, StoredRecords};
pub use role::{ParseRoleError, Role};
pub use roster::{Rank, Roster, RosterMember, VoidReason};
pub use story::{EntryStatus, StoryEntry, StoryKind};
pub use ticket::{Contact, Ticket, TicketError, TicketKind};
