//! Waiting for an edit to be durable.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use katori_acl::ResourceId;
use tokio::sync::watch;

use crate::error::HubError;

/// Generations that are remembered. There is a new one only after a fault, and waiting takes moments.
const GENERATIONS: usize = 16;

/// How far the edits of one document are.
#[derive(Debug, Clone, Default)]
pub(super) struct Progress {
    /// How often the document was replaced by another: numbers begin anew each time.
    pub(super) generation: u64,
    /// Edits up to this number are durable.
    pub(super) durable: u64,
    /// How far earlier generations came.
    pub(super) before: BTreeMap<u64, u64>,
    /// No more will be.
    pub(super) ended: Option<Ended>,
}

impl Progress {
    /// The document is replaced by another; what is not durable by now is lost.
    pub(super) fn begin_anew(&mut self) {
        self.before.insert(self.generation, self.durable);
        while self.before.len() > GENERATIONS {
            self.before.pop_first();
        }
        self.generation += 1;
        self.durable = 0;
    }

    fn is_durable(&self, generation: u64, number: u64) -> bool {
        let durable = if generation == self.generation {
            Some(self.durable)
        } else {
            self.before.get(&generation).copied()
        };
        durable.is_some_and(|durable| number <= durable)
    }
}

/// Why no edit will be durable any more.
#[derive(Debug, Clone)]
pub(super) enum Ended {
    StoreFailed(Arc<str>),
    Unreadable(Arc<str>),
    NotHeld,
    Closed,
}

/// An edit that is applied, on its way to the disk. Awaiting it waits until it is durable; dropping it changes
/// nothing.
#[must_use = "an edit is durable only when this has said so"]
pub struct Saving(Pin<Box<dyn Future<Output = Result<(), HubError>> + Send>>);

impl fmt::Debug for Saving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Saving").finish_non_exhaustive()
    }
}

impl Future for Saving {
    type Output = Result<(), HubError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(context)
    }
}

impl Saving {
    /// Waits for the edit of this number.
    pub(super) fn new(
        document: ResourceId,
        generation: u64,
        number: u64,
        progress: watch::Receiver<Progress>,
    ) -> Self {
        Self(Box::pin(wait(document, generation, number, progress)))
    }
}

async fn wait(
    document: ResourceId,
    generation: u64,
    number: u64,
    mut progress: watch::Receiver<Progress>,
) -> Result<(), HubError> {
    loop {
        let verdict = verdict(document, generation, number, &progress.borrow_and_update());
        if let Some(verdict) = verdict {
            return verdict;
        }
        if progress.changed().await.is_err() {
            return Err(HubError::Closed);
        }
    }
}

fn verdict(
    document: ResourceId,
    generation: u64,
    number: u64,
    progress: &Progress,
) -> Option<Result<(), HubError>> {
    if progress.is_durable(generation, number) {
        return Some(Ok(()));
    }
    let error = match progress.ended.clone() {
        Some(Ended::StoreFailed(error)) => HubError::StoreFailed(error),
        Some(Ended::Unreadable(reason)) => HubError::Unreadable { document, reason },
        Some(Ended::NotHeld) => HubError::UnknownDocument(document),
        Some(Ended::Closed) => HubError::Closed,
        None if generation != progress.generation => HubError::NotSaved(document),
        None => return None,
    };
    Some(Err(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_edit_is_saved_when_its_number_is_durable() {
        let document = ResourceId::from_bytes([1; 32]);
        let (sender, receiver) = watch::channel(Progress::default());
        let saving = |generation, number| Saving::new(document, generation, number, receiver.clone());
        let (first, second) = (saving(0, 1), saving(0, 2));
        sender.send_modify(|progress| progress.durable = 1);
        assert!(first.await.is_ok());
        sender.send_modify(Progress::begin_anew);
        assert!(matches!(second.await, Err(HubError::NotSaved(_))));
        assert!(saving(0, 1).await.is_ok(), "what was durable stays so");
        let third = saving(1, 1);
        sender.send_modify(|progress| progress.ended = Some(Ended::StoreFailed("full".into())));
        assert!(matches!(third.await, Err(HubError::StoreFailed(_))));
    }
}
