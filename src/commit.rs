//! An edit that has been applied and is on its way to the disk.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use automerge::ChangeHash;
use katori_net::Saving;

use crate::error::Error;

/// An edit that was applied at once. Awaiting it means that it is durable; it is saved, signed and sent whether
/// anybody awaits it or not.
///
/// # Cancel safety
/// Dropping it changes nothing for the edit.
pub struct Commit<R> {
    result: Option<R>,
    hash: Option<ChangeHash>,
    saving: Pin<Box<Saving>>,
}

impl<R> Commit<R> {
    pub(crate) fn new(result: R, hash: Option<ChangeHash>, saving: Saving) -> Self {
        Self { result: Some(result), hash, saving: Box::pin(saving) }
    }

    /// What the edit returned; nothing once it was awaited.
    #[must_use]
    pub fn result(&self) -> Option<&R> {
        self.result.as_ref()
    }

    /// The change that came of it; nothing if the edit changed nothing.
    #[must_use]
    pub fn hash(&self) -> Option<ChangeHash> {
        self.hash
    }
}

impl<R: Unpin> Future for Commit<R> {
    type Output = Result<R, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        ready!(self.saving.as_mut().poll(context))?;
        Poll::Ready(self.result.take().ok_or(Error::Interrupted))
    }
}

impl<R> fmt::Debug for Commit<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Commit").field("hash", &self.hash).finish_non_exhaustive()
    }
}
