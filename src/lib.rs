//! Katori: documents that live on a person's own devices and sync directly between the people they trust. No
//! account, no server, no cloud.
//!
//! A [`Node`] is one store on one device, with its identity and its place in the network. A [`Doc`] is a document
//! in it: an [`automerge`] document, plus who may do what with it. Edits are applied at once, are durable when
//! awaited, and reach everybody who may have them whenever a connection comes up.
//!
//! ```
//! use katori::{Network, Node, ROOT, ReadDoc, Role, Transactable};
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let (directory, other) = (tempfile::tempdir()?, tempfile::tempdir()?);
//! # let loopback = "127.0.0.1:0".parse()?;
//! // Ana's device. `Node::open("~/.notes")` is the same with everything by default.
//! let ana = Node::builder(directory.path()).person_name("Ana").network(Network::Offline)
//! #     .bind(loopback)
//!     .open_or_init().await?;
//! let list = ana.create("groceries").await?;
//! list.change(|edit| edit.put(ROOT, "milk", 2))?.await?;
//! let ticket = list.invite(Role::Write).await?; // hand it to Ben: as text, or as a QR code
//!
//! // Ben's.
//! let ben = Node::builder(other.path()).person_name("Ben").network(Network::Offline)
//! #     .bind(loopback)
//!     .open_or_init().await?;
//! let his = ben.join(&ticket.to_string().parse()?).await?;
//! assert_eq!(his.view_json()["milk"], 2);
//!
//! // What Ben writes, Ana is told, and who it was.
//! let mut changes = list.watch();
//! his.change(|edit| edit.put(ROOT, "eggs", 6))?.await?;
//! let change = changes.next().await.ok_or("closed")?;
//! assert!(matches!(change.origin, katori::Origin::Remote { who } if who[0].person_name == "Ben"));
//! assert_eq!(list.view(|doc| doc.length(ROOT)), 2);
//! # ana.close().await;
//! # ben.close().await;
//! # Ok(())
//! # }
//! ```
//!
//! # Reading and writing
//!
//! | to | use |
//! |---|---|
//! | edit with everything Automerge has: text, lists, counters, marks | [`Doc::change`] |
//! | read with everything Automerge has | [`Doc::view`] |
//! | read and write as a type of yours, by serde | [`Doc::get`], [`Doc::put`] |
//! | read as JSON, or one text | [`Doc::view_json`], [`Doc::text`] |
//! | see all values that were written in one place at once | [`Doc::conflicts`], [`Doc::all_conflicts`] |
//! | follow what happens | [`Doc::watch`] |
//! | look back | [`Doc::history`], [`Doc::at`], [`Doc::diff`] |
//!
//! Positions in texts are Unicode code points, on every platform.
//!
//! # People
//!
//! A document belongs to the person that made it. A person is its devices: what a person is given, all of them have,
//! those added later too. Wherever a person is asked for, a [`Group`] of people will do; and what is granted in a
//! [`Space`] holds for every document born in it. What others grant waits, inert, until it is
//! [accepted](Node::accept).
//!
//! | to | use |
//! |---|---|
//! | let somebody new in | [`Doc::invite`], [`Node::join`]; [`Node::invitations`], [`Node::joins`] say how it stands |
//! | share with somebody known | [`Doc::grant`], [`Doc::change_role`]; [`Node::offers`] on the other side |
//! | share much at once, with many at once | [`Node::create_space`], [`Node::create_group`] |
//! | take back what was given, or try that first | [`Doc::revoke`], [`Doc::would_revoke`]; [`Doc::leave`] |
//! | know who is who | [`Node::contacts`], [`Node::safety_number`], [`Node::rename_contact`], [`Node::block`] |
//! | add and lose devices | [`Node::invite_device`], [`Node::pairings`], [`Node::remove_device`] |
//! | come back after losing all of them | [`Node::recovery_words`], [`Node::help_recover`], [`NodeBuilder::recover`] |
//! | ask why | [`Doc::why`], [`Doc::story`], [`Doc::held`], [`Doc::forks`], [`Doc::blame`] |
//!
//! What somebody wrote stays, whatever becomes of their role; what nobody who may write stands behind is kept and
//! not shown. Names of things and people, and whom one refuses, are kept by a person's devices together.
//!
//! # Errors
//!
//! There is one [`Error`]; it says what happened, what was kept and what to do. An edit that fails changes
//! nothing. An edit that was awaited is durable, whatever happens afterwards.

mod builder;
mod clock;
mod error;
mod host;

mod backup;
mod base;
mod check;
mod node;
mod shelf;
mod who;

mod commit;
mod doc;
mod json;
mod path;
mod typed;
mod watch;

mod circle;
mod consequences;
mod group;
mod invitation;
mod invite;
mod join;
mod offer;
mod space;
mod story;

mod contact;
mod device;
mod pairing;
mod recovery;
mod safety;

pub use automerge;
pub use automerge::transaction::Transactable;
pub use automerge::{ChangeHash, ObjType, ROOT, ReadDoc, ScalarValue};
pub use katori_acl::bounds::{MAX_NAME_BYTES, MAX_TITLE_BYTES};
pub use katori_acl::{
    Audience, Chain, ChainLink, DeviceId, EntryStatus, Explanation, InviteKey, Issuer, LinkStatus, Missing,
    PersonId, Principal, RecordId, RecoveryPhrase, ResourceId, Role, StoryKind, Ticket, TicketError,
    TicketKind,
};
pub use katori_core::check::{Counted, Fault, Finding, Remedy, RepairError, Repaired, Report as CheckReport};
pub use katori_core::document::{BlamePart, Branch, HeldReason, Rule};
pub use katori_core::engine::{CommandError, Preview, RequestState, Standing};
pub use katori_core::identity::RecoverError;
pub use katori_core::store::{OpenError, Unreadable};
pub use katori_net::{
    Copied, Digits, Hub, HubError, Join, JoinError, JoinState, Network, PairingEnd, PeerState, PeerStatus,
};

pub use builder::{NodeBuilder, STORE_FILE};
pub use check::{check, repair};
pub use circle::{Member, MemberKind, RevokeOptions};
pub use commit::Commit;
pub use consequences::{Consequence, Consequences, RoleChange};
pub use contact::{Contact, ContactDevice, SharedPlace};
pub use device::{DeviceInfo, RemoveOptions};
pub use doc::{
    BlameSpan, Conflict, ConflictedPlace, Doc, DocumentId, Edit, Fork, ForkDecision, HeldChange,
    MAX_CONFLICTS, Uncounted, View,
};
pub use error::Error;
pub use group::{Group, GroupMember};
pub use invitation::{Guest, Invitation, InvitationState, Purpose};
pub use invite::{InviteOptions, PAIRING_LIFETIME, RECOVERY_LIFETIME, TICKET_LIFETIME};
pub use join::JOIN_WAIT;
pub use json::{MAX_DEPTH, scalar_json};
pub use node::{DocInfo, FlushReport, MIN_PREFIX, Me, Node, PeerFlushReport, PeerInfo};
pub use offer::Offered;
pub use pairing::{Pairing, Pairings};
pub use safety::SafetyNumber;
pub use shelf::Verified;
pub use space::{Space, SpaceId, SpaceInfo};
pub use story::{Story, StoryPart};
pub use watch::{Changes, DocChange, Origin};
pub use who::Who;

/// The README's Rust, run with the other examples.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
#[derive(Debug)]
pub struct Readme;
