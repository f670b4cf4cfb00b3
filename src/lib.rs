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
//! A document belongs to the person that made it. [`Doc::invite`] lets somebody new in; [`Doc::grant`] is for
//! those known already, and [`Doc::revoke`] takes back what was given. What somebody wrote stays, whatever
//! becomes of their role; what nobody who may write stands behind is kept and not shown, see [`Doc::held`].
//! [`Doc::why`] says where a role comes from, or what is missing.
//!
//! # Errors
//!
//! There is one [`Error`]; it says what happened, what was kept and what to do. An edit that fails changes
//! nothing. An edit that was awaited is durable, whatever happens afterwards.

mod builder;
mod clock;
mod commit;
mod doc;
mod error;
mod host;
mod invite;
mod json;
mod node;
mod path;
mod typed;
mod watch;
mod who;

pub use automerge;
pub use automerge::transaction::Transactable;
pub use automerge::{ChangeHash, ObjType, ROOT, ReadDoc, ScalarValue};
pub use katori_acl::bounds::MAX_NAME_BYTES;
pub use katori_acl::{
    Audience, Chain, ChainLink, DeviceId, Explanation, Issuer, LinkStatus, PersonId, Principal,
    RecoveryPhrase, Role, Ticket, TicketError, TicketKind,
};
pub use katori_core::document::HeldReason;
pub use katori_core::engine::{CommandError, Standing};
pub use katori_core::store::OpenError;
pub use katori_net::{Hub, HubError, JoinError, Network, PeerState, PeerStatus};

pub use builder::{NodeBuilder, STORE_FILE};
pub use commit::Commit;
pub use doc::{Conflict, ConflictedPlace, Doc, DocumentId, Edit, HeldChange, MAX_CONFLICTS, Member, View};
pub use error::Error;
pub use invite::{InviteOptions, PAIRING_LIFETIME, TICKET_LIFETIME};
pub use json::{MAX_DEPTH, scalar_json};
pub use node::{DeviceInfo, DocInfo, JOIN_WAIT, MIN_PREFIX, Me, Node, PeerInfo};
pub use watch::{Changes, DocChange, Origin};
pub use who::Who;

/// The README's Rust, run with the other examples.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
#[derive(Debug)]
pub struct Readme;
