//! Looking at a store that is not in use, and mending it.

use std::path::Path;

use katori_core::check::{Repaired, Report, check_file};
use katori_core::document::DocumentLimits;

use crate::builder::NodeBuilder;
use crate::clock::random;
use crate::error::Error;

/// Checks the store in this directory: every hash, signature and row of it. Nothing is changed. `progress` is told how
/// many rows were looked at.
///
/// ```
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let directory = tempfile::tempdir()?;
/// # katori::Node::builder(directory.path()).network(katori::Network::None).init().await?.0.close().await;
/// let report = katori::check(directory.path(), |_| {}).await?;
/// assert!(report.is_clean());
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::Store`] if it is in use or no store. Damage is no error, but in the report.
pub async fn check(
    directory: impl AsRef<Path>,
    mut progress: impl FnMut(u64) + Send + 'static,
) -> Result<Report, Error> {
    let path = NodeBuilder::new(directory.as_ref()).store_path();
    let look = move || check_file(path, &DocumentLimits::default(), &mut progress);
    Ok(tokio::task::spawn_blocking(look).await.map_err(|_| Error::Interrupted)??)
}

/// Repairs the store in this directory, and deletes nothing: the file is copied beside itself first, rows that cannot be
/// read are moved into a store of their own, and what follows from the history is written anew. A store in which
/// nothing is damaged is only made as short as it can be.
///
/// # Errors
/// [`Error::Store`] if it is in use or no store, [`Error::Repair`] if the disk fails.
pub async fn repair(
    directory: impl AsRef<Path>,
    mut progress: impl FnMut(u64) + Send + 'static,
) -> Result<Repaired, Error> {
    let path = NodeBuilder::new(directory.as_ref()).store_path();
    let seed = random()?;
    let repair = move || katori_core::check::repair(path, &DocumentLimits::default(), seed, &mut progress);
    Ok(tokio::task::spawn_blocking(repair).await.map_err(|_| Error::Interrupted)??)
}
