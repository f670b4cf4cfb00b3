//! Copies of a store, and what one may do with them.

use std::path::Path;

use katori_net::Copied;

use crate::error::Error;
use crate::node::Node;

impl Node {
    /// Copies the store into a new file, while it is in use: one moment of it, whole. Nothing waits for it.
    ///
    /// The copy is this device as it was, its secret key with it; only its owner can read the file. Keep it as one keeps
    /// a key. If the store is lost, put the copy into an empty folder under the name [`STORE_FILE`](crate::STORE_FILE),
    /// and open that folder: what others have had since comes back from them. The copy must never be in use at the same
    /// time as the store or another copy, for they would be one device in two places. What it writes contradicts nothing
    /// all the same, since it knows that it is a copy: nothing forks, whatever the store has written meanwhile.
    ///
    /// For another device of yours use [`Node::invite_device`], not a copy.
    ///
    /// ```
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let directory = tempfile::tempdir()?;
    /// # let (here, there) = (directory.path().join("here"), directory.path().join("there"));
    /// # let open = |path: std::path::PathBuf| katori::Node::builder(path)
    /// #     .network(katori::Network::None).open_or_init();
    /// let node = open(here).await?;
    /// node.create("groceries").await?;
    /// let file = directory.path().join("groceries.backup");
    /// node.backup(&file).await?;
    /// node.close().await;
    ///
    /// std::fs::create_dir(&there)?;
    /// std::fs::copy(&file, there.join(katori::STORE_FILE))?;
    /// let node = open(there).await?;
    /// assert_eq!(node.docs().await?.len(), 1);
    /// # node.close().await;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Hub`]; a file that is there already is left as it is.
    pub async fn backup(&self, file: impl AsRef<Path>) -> Result<Copied, Error> {
        self.backup_with(file, |_| {}).await
    }

    /// The same; `progress` is told how far it is.
    ///
    /// # Errors
    /// Those of [`Node::backup`].
    pub async fn backup_with(
        &self,
        file: impl AsRef<Path>,
        progress: impl FnMut(Copied) + Send + 'static,
    ) -> Result<Copied, Error> {
        Ok(self.hub().backup(file.as_ref().to_path_buf(), progress).await?)
    }
}
