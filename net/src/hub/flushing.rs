//! What an app does before it is suspended: whatever was edited becomes durable, here first and then with others.

use std::time::Duration;

use katori_acl::{DeviceId, ResourceId};
use katori_core::engine::{Engine, Event};
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, timeout_at};

use super::Hub;
use crate::driver::Message;
use crate::error::HubError;

/// How often it is looked at how far a flush has come, at least.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// How far a flush came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Flushed {
    /// Documents with edits that are not durable here. Nothing else can be lost when the app ends.
    pub unsaved: Vec<ResourceId>,
    /// Documents of which edits were lost to a fault in this program before they were durable, since the last flush.
    /// They show what was durable; whoever waited for such an edit was told so.
    pub lost: Vec<ResourceId>,
    /// The devices that are connected, and what each has.
    pub peers: Vec<PeerFlush>,
}

/// How far a flush came with one connected device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerFlush {
    /// Which.
    pub device: DeviceId,
    /// It has not said yet what it has of everything, so that more may be missing there.
    pub is_comparing: bool,
    /// Documents that it holds and of which it has not said to have made durable all that is shown here.
    pub behind: Vec<ResourceId>,
}

impl Flushed {
    /// Whether every edit is durable here, and with every device that is connected. With nobody connected the first is
    /// enough.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.lost.is_empty() && self.is_at_an_end()
    }

    /// Whether waiting would change nothing.
    fn is_at_an_end(&self) -> bool {
        self.unsaved.is_empty() && self.peers.iter().all(|peer| !peer.is_comparing && peer.behind.is_empty())
    }
}

impl Hub {
    /// Makes everything that was edited durable, and gets as much of it as possible to the devices that are connected,
    /// within this time. Returns as soon as nothing is left to do. What is left then goes on by itself, now or when the
    /// app runs again.
    ///
    /// # Errors
    /// [`HubError::Closed`] if the hub is closed.
    ///
    /// # Cancel safety
    /// Nothing is lost or undone if this is dropped.
    pub async fn flush(&self, within: Duration) -> Result<Flushed, HubError> {
        let deadline = Instant::now() + within;
        let mut events = self.events();
        self.tell(Message::Hurry).await?;
        // What comes of it is looked at below.
        let _ = timeout_at(deadline, self.0.documents.saved()).await;
        loop {
            let peers = self.ask(behind).await?;
            let unsaved: Vec<ResourceId> = self.0.documents.unsaved().into_iter().collect();
            let mut flushed = Flushed { unsaved, lost: Vec::new(), peers };
            if flushed.is_at_an_end() || Instant::now() >= deadline {
                // Only now: what is taken is told to nobody else.
                flushed.lost.extend(self.0.documents.take_lost());
                return Ok(flushed);
            }
            let news = async {
                loop {
                    match events.recv().await {
                        Ok(Event::Receipt { .. } | Event::Durable { .. } | Event::Settled { .. })
                        | Err(RecvError::Lagged(_)) => return true,
                        Ok(_) => {}
                        Err(RecvError::Closed) => return false,
                    }
                }
            };
            // Not everything that helps is an event.
            let look_again = (Instant::now() + LOOK_AGAIN).min(deadline);
            if let Ok(false) = timeout_at(look_again, news).await {
                return Err(HubError::Closed);
            }
        }
    }
}

fn behind(engine: &Engine) -> Vec<PeerFlush> {
    let peers = engine.connected_peers();
    let peer = |device| {
        let is_comparing = engine.is_comparing(device);
        PeerFlush { device, is_comparing, behind: engine.behind(device) }
    };
    peers.map(peer).collect()
}
