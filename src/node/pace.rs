//! How fast a node goes, and what an app does before it is suspended.

use std::time::Duration;

use katori_net::Flushed;

use super::Node;
use crate::builder::STORE_FILE;
use crate::doc::DocumentId;
use crate::error::Error;
use crate::who::Who;

/// How far [`Node::flush`] came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlushReport {
    /// Documents with edits that are not durable on this device yet. Nothing else can be lost when the app ends.
    pub unsaved: Vec<DocumentId>,
    /// Documents of which edits were lost to a fault in this program before they were durable, since the last flush.
    /// They show what was durable; edit them again.
    pub lost: Vec<DocumentId>,
    /// The devices that are connected.
    pub peers: Vec<PeerFlushReport>,
}

/// How far [`Node::flush`] came with one connected device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerFlushReport {
    /// Whose.
    pub who: Who,
    /// It has not said yet what it has of everything, so that more may be missing there.
    pub is_comparing: bool,
    /// Documents of which it has not said to have made durable all that is shown here.
    pub behind: Vec<DocumentId>,
}

impl FlushReport {
    /// Whether every edit is durable here, and with every device that is connected.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.unsaved.is_empty()
            && self.lost.is_empty()
            && self.peers.iter().all(|peer| !peer.is_comparing && peer.behind.is_empty())
    }
}

impl Node {
    /// For an app that is about to be suspended: makes everything that was edited durable, and gets as much of it as
    /// possible to the devices that are connected, within this time. Returns as soon as nothing is left to do, and says
    /// what is; that goes on by itself, now or when the app runs again.
    ///
    /// ```
    /// # use katori::{ROOT, Transactable};
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let directory = tempfile::tempdir()?;
    /// # let node = katori::Node::builder(directory.path())
    /// #     .network(katori::Network::None).open_or_init().await?;
    /// let list = node.create("groceries").await?;
    /// list.change(|edit| edit.put(ROOT, "milk", 2))?; // not waited for
    /// let report = node.flush(std::time::Duration::from_secs(5)).await?;
    /// assert!(report.is_complete());
    /// # node.close().await;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Hub`] if the node was closed.
    pub async fn flush(&self, within: Duration) -> Result<FlushReport, Error> {
        let Flushed { unsaved, lost, peers } = self.hub().flush(within).await?;
        let names = self.base().names.get();
        let peer = |peer: katori_net::PeerFlush| PeerFlushReport {
            who: names.device(peer.device),
            is_comparing: peer.is_comparing,
            behind: peer.behind,
        };
        Ok(FlushReport { unsaved, lost, peers: peers.into_iter().map(peer).collect() })
    }

    /// Caps what each peer is sent, in bytes a second; nothing lifts the cap. Counts at once, until it is set again or
    /// the node is closed.
    pub fn set_bandwidth(&self, bytes_per_second: Option<u64>) {
        self.hub().set_bandwidth(bytes_per_second);
    }

    /// Saves the battery while the app is in the background, or does so no more: one task at a time, edits gathered for
    /// half a second before they are stored and sent, and fewer attempts to reach those who are away.
    pub async fn set_background(&self, background: bool) {
        self.hub().set_background(background).await;
    }

    /// Brings the figures up to date that are not counted as things happen, for the recorder of the `metrics` crate
    /// that the process has installed; without one this does nothing. `docs/metrics.md` lists all of them.
    ///
    /// # Errors
    /// [`Error::Hub`] if the node was closed.
    pub async fn measure(&self) -> Result<(), Error> {
        let store_bytes =
            tokio::fs::metadata(self.directory().join(STORE_FILE)).await.map_or(0, |file| file.len());
        Ok(self.hub().measure(store_bytes).await?)
    }
}
