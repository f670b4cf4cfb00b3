//! What can go wrong with a hub.

use std::sync::Arc;

use katori_acl::ResourceId;
use katori_core::engine::{CommandError, EngineError};
use katori_core::identity::IdentityError;
use katori_core::store::{BackupError, StoreError};
use thiserror::Error;

/// What can go wrong with a hub.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum HubError {
    /// The store does not say who this device is.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// What the store holds cannot be used.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The store cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store was not copied.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// The network cannot be opened.
    #[error(
        "the network cannot be opened{address}: {reason}; nothing was changed: try another port, or none"
    )]
    Bind {
        /// The address that was wanted, if one was, with " at " before it.
        address: String,
        /// Why.
        reason: String,
    },
    /// A command was not carried out.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// The store failed before this was durable.
    #[error(
        "the store failed, so this is not saved: {0}; what was saved before is kept: free space or check the disk, then start again"
    )]
    StoreFailed(Arc<str>),
    /// A document cannot be opened.
    #[error("document {} cannot be opened: {reason}; what is stored of it was left as it is", document.short())]
    Unreadable {
        /// Which.
        document: ResourceId,
        /// Why.
        reason: Arc<str>,
    },
    /// No such document is held here.
    #[error("no document {} is held here; accept it or join it first", .0.short())]
    UnknownDocument(ResourceId),
    /// A fault made it necessary to read a document again, and this edit had not been saved.
    #[error("document {} had to be read again after a fault, and this edit was not saved: make it again", .0.short())]
    NotSaved(ResourceId),
    /// The hub was closed.
    #[error("this was closed; what was saved is kept: open it again")]
    Closed,
    /// The operating system gave no randomness.
    #[error("the operating system gives no randomness, without which no key is safe: {0}")]
    Randomness(String),
}
