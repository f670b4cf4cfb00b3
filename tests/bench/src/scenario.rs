//! The scenarios. Each is held once, and played by everybody who takes part.

pub(crate) mod crowd;
pub(crate) mod disk;
pub(crate) mod documents;
pub(crate) mod latency;
pub(crate) mod opening;
pub(crate) mod text;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::process::{Contestant, Process};
use crate::protocol::Request;
use crate::rows::{Kind, Rows};

/// How often something is measured that takes less than [`SHORT`]; the median counts.
const RUNS: usize = 3;
/// In milliseconds.
pub(crate) const SHORT: f64 = 5000.0;

/// Those who could not do something at one size: they are not asked for more.
#[derive(Debug, Default)]
pub(crate) struct Stopped(BTreeMap<&'static str, u64>);

impl Stopped {
    /// Whether somebody goes on; if not, it is noted in this row.
    pub(crate) fn goes_on(&self, rows: &mut Rows, kind: Kind, size: u64, who: &'static str) -> bool {
        let Some(before) = self.0.get(who) else { return true };
        rows.missed(kind, size, who, &format!("not asked, having failed at {before}"));
        false
    }

    pub(crate) fn note(&mut self, who: &'static str, size: u64) {
        self.0.insert(who, size);
    }
}

/// What a scenario is played with.
#[derive(Debug)]
pub(crate) struct Stage {
    /// Katori first.
    pub(crate) contestants: Vec<Contestant>,
    /// Where stores lie, on the disk that is measured.
    pub(crate) folder: tempfile::TempDir,
    /// Everything small: to see that it works.
    pub(crate) quick: bool,
}

impl Stage {
    /// An empty folder for one contestant in one scenario.
    pub(crate) fn folder(&self, scenario: &str, contestant: &Contestant) -> Result<PathBuf> {
        let folder = self.folder.path().join(format!("{scenario}-{}", contestant.name));
        if folder.exists() {
            std::fs::remove_dir_all(&folder)?;
        }
        std::fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    /// How often something is measured that takes a short time.
    pub(crate) fn runs(&self) -> usize {
        if self.quick { 1 } else { RUNS }
    }

    /// The sizes that are measured, smaller ones with `--quick`.
    pub(crate) fn sizes(&self, sizes: &[u64], quick: &[u64]) -> Vec<u64> {
        if self.quick { quick.to_vec() } else { sizes.to_vec() }
    }
}

/// Two processes that know each other, the second of which has been stopped again with nothing in its store: what
/// comes then finds an empty peer, and getting to know each other is not measured.
#[derive(Debug)]
pub(crate) struct Acquainted {
    pub(crate) first: Process,
    pub(crate) address: String,
    second: PathBuf,
}

impl Acquainted {
    pub(crate) async fn make(contestant: &Contestant, folder: &Path) -> Result<Self> {
        let mut first = contestant.start(&folder.join("first"))?;
        first.prepare(Request::Open).await?;
        let address = first.serve().await?;
        let second = folder.join("second");
        let mut other = contestant.start(&second)?;
        other.connect(&address).await?;
        other.rest(&first).await?;
        other.stop().await?;
        Ok(Self { first, address, second })
    }

    /// The second one comes back. Returns it with the moment it began to open its store.
    pub(crate) async fn come_back(&self, contestant: &Contestant) -> Result<(Process, u64)> {
        let mut second = contestant.start(&self.second)?;
        let began = second.connect(&self.address).await?;
        Ok((second, began))
    }
}

/// Milliseconds between two moments.
pub(crate) fn between(began: u64, done: u64) -> f64 {
    std::time::Duration::from_micros(done.saturating_sub(began)).as_secs_f64() * 1e3
}

/// A share of sorted values: 50 for the median.
pub(crate) fn percentile<T: Copy + Default>(sorted: &[T], share: usize) -> T {
    let place = (sorted.len() * share / 100).min(sorted.len().saturating_sub(1));
    sorted.get(place).copied().unwrap_or_default()
}
