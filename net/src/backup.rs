//! A copy of the store while the hub runs.

use std::ops::ControlFlow;
use std::path::PathBuf;

use katori_core::store::{Copied, mark_copied};

use crate::error::HubError;
use crate::hub::Hub;

impl Hub {
    /// Copies the store into a new file: one moment of it, whole. Nothing waits for it. `progress` is told how far it
    /// is.
    ///
    /// The copy holds this device's secret key: it is this device, as it was. One may open it in place of the store,
    /// when that is lost, and never both at once. Opened anywhere, it knows that it is a copy, and writes under new
    /// incarnations, so that it contradicts nothing that the store has written since.
    ///
    /// # Errors
    /// [`HubError::Backup`]; a file that is there already is left as it is.
    ///
    /// # Cancel safety
    /// Whoever stops waiting has the copying stopped, and nothing of it is left.
    pub async fn backup(
        &self,
        path: PathBuf,
        mut progress: impl FnMut(Copied) + Send + 'static,
    ) -> Result<Copied, HubError> {
        let store = self.shared_store();
        let (wanted, is_wanted) = tokio::sync::oneshot::channel::<()>();
        let copying = tokio::task::spawn_blocking(move || {
            let opened = store.get().ok_or(HubError::Closed)?;
            let copied = opened.backup(path, &[mark_copied()], |copied| {
                // A hub that closes does not wait for a copy.
                if wanted.is_closed() || store.get().is_none() {
                    return ControlFlow::Break(());
                }
                progress(copied);
                ControlFlow::Continue(())
            });
            Ok(copied?)
        });
        let copied = copying.await.map_err(|_| HubError::Closed)?;
        drop(is_wanted);
        copied
    }
}
