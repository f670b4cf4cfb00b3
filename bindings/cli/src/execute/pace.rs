//! Flushing.

use std::time::Duration;

use super::Executor;
use super::names::who;
use crate::failure::Failure;
use crate::report::{FlushedPeerReport, FlushedReport};
use crate::response::Response;

impl Executor {
    pub(super) async fn flush(&self, within: Duration) -> Result<Response, Failure> {
        let begun = tokio::time::Instant::now();
        if !self.hub {
            // The store was opened for this: whoever can be reached is waited for.
            self.node.settled(within).await;
        }
        let flushed = self.node.flush(within.saturating_sub(begun.elapsed())).await?;
        let ids = |ids: &[katori::DocumentId]| ids.iter().map(ToString::to_string).collect();
        let peers = flushed.peers.iter().map(|peer| FlushedPeerReport {
            who: who(&peer.who),
            comparing: peer.is_comparing,
            behind: ids(&peer.behind),
        });
        let complete = flushed.is_complete();
        let (unsaved, lost) = (ids(&flushed.unsaved), ids(&flushed.lost));
        Ok(Response::Flushed(FlushedReport { complete, unsaved, lost, peers: peers.collect() }))
    }
}
