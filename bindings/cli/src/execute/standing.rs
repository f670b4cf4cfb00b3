//! How the store and its connections are.

use katori_net::PeerState;

use super::Executor;
use super::names::who;
use crate::failure::Failure;
use crate::report::{PeerReport, StatusReport};
use crate::response::Response;

impl Executor {
    pub(super) fn peers(&self) -> Vec<PeerReport> {
        self.node
            .peers()
            .iter()
            .map(|peer| {
                let (state, direct, round_trip) = match &peer.status.state {
                    PeerState::Connected { direct, rtt, .. } => ("connected", Some(*direct), Some(*rtt)),
                    PeerState::Connecting => ("connecting", None, None),
                    PeerState::Waiting { .. } => ("waiting", None, None),
                    PeerState::Offline | _ => ("offline", None, None),
                };
                PeerReport {
                    who: who(&peer.who),
                    state: state.to_owned(),
                    direct,
                    round_trip_ms: round_trip.map(|time| time.as_secs_f64() * 1000.0),
                    address: peer.status.address.clone(),
                    sent_bytes: peer.status.sent_bytes,
                    received_bytes: peer.status.received_bytes,
                }
            })
            .collect()
    }

    pub(super) async fn status(&self) -> Result<Response, Failure> {
        let documents = self.node.docs().await?;
        let peers = self.peers();
        Ok(Response::Status(Box::new(StatusReport {
            store: self.directory.path().display().to_string(),
            me: self.identity(),
            hub: self.hub,
            addresses: self.addresses(),
            documents: documents.len() as u64,
            changes: documents.iter().map(|document| document.changes).sum(),
            held: documents.iter().map(|document| document.held).sum(),
            connected: peers.iter().filter(|peer| peer.state == "connected").count() as u64,
            peers: peers.len() as u64,
            spaces: self.node.spaces().await?.iter().filter(|space| space.standing.has_content()).count()
                as u64,
            offers: self.node.offers().await?.len() as u64,
            waiting: self.waiting().await?,
            // What cannot be read is still there.
            recovery_words_kept: !matches!(self.node.recovery_words().await, Ok(None)),
        })))
    }

    /// Where this device listens; nowhere without an endpoint.
    #[must_use]
    pub fn addresses(&self) -> Vec<String> {
        self.node.hub().contact().addresses
    }
}
