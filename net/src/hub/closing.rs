//! Ending a hub in peace.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use katori_core::engine::Engine;
use katori_core::store::Store;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::Hub;
use crate::driver::Message;

/// How long closing waits for edits to be durable.
const SAVE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long closing waits until peers were sent what is new.
const SEND_TIMEOUT: Duration = Duration::from_secs(2);
/// How often closing looks whether an exchange has come to its end.
const EXCHANGE_CHECK: Duration = Duration::from_millis(10);
/// How long closing waits for the endpoint.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(4);

impl Hub {
    /// Ends the hub in peace: edits become durable and are sent to whoever is connected, connections and endpoint
    /// are closed, and the store is released. Whoever calls it second waits for the same end.
    ///
    /// # Cancel safety
    /// Closing goes on by itself once it has begun.
    pub async fn close(&self) {
        let mut over = self.0.closed.get_or_init(|| self.begin_to_close()).clone();
        // An error means that closing was cut off, with all else that ran.
        let _ = over.wait_for(|over| *over).await;
    }

    fn begin_to_close(&self) -> watch::Receiver<bool> {
        let (end, over) = watch::channel(false);
        let hub = self.clone();
        tokio::spawn(async move {
            hub.close_everything().await;
            drop(hub);
            end.send_replace(true);
        });
        over
    }

    /// Waits until nothing is left to be sent: a peer that is just saying what it has is sent the rest first.
    async fn sent(&self) {
        let mut quiet = self.0.quiet.clone();
        while quiet.wait_for(|quiet| quiet.idle).await.is_ok() {
            match self.ask(Engine::is_exchanging).await {
                Ok(true) => sleep(EXCHANGE_CHECK).await,
                Ok(false) | Err(_) => return,
            }
        }
    }

    async fn close_everything(&self) {
        let driver = self.0.driver.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(driver) = driver else { return };
        if timeout(SAVE_TIMEOUT, self.0.documents.saved()).await.is_err() {
            tracing::warn!("closing although not everything is saved");
        }
        // If peers do not take it now, they get it another time.
        let _ = timeout(SEND_TIMEOUT, self.sent()).await;
        self.0.joins.stop();
        // If the driver is gone already there is nothing to be closed.
        let _ = self.tell(Message::Close).await;
        if let Err(error) = driver.await {
            tracing::error!(%error, "the hub's loop failed");
        }
        for task in &self.0.tasks {
            task.abort();
        }
        let endpoint = self.0.endpoint.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(endpoint) = endpoint
            && timeout(CLOSE_TIMEOUT, endpoint.close()).await.is_err()
        {
            tracing::warn!("the endpoint did not close in time");
        }
        self.0.documents.idle().await;
        let documents = Arc::clone(&self.0.documents);
        let snapshots = tokio::task::spawn_blocking(move || documents.snapshots().collect::<Vec<_>>()).await;
        for snapshot in snapshots.unwrap_or_default() {
            // One by one: each may be large, and one that fails must not take the others with it.
            self.0.storage.put([snapshot]);
        }
        self.0.storage.flushed().await;
        self.0.documents.close();
        let store = self.0.store.take();
        let closed =
            tokio::task::spawn_blocking(move || store.and_then(Arc::into_inner).map(Store::close)).await;
        if let Ok(Some(Err(error))) = closed {
            tracing::warn!(%error, "the store did not close well; what was saved is kept");
        }
    }
}
