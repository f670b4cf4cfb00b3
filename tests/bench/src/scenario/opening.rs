//! Opening a store of many documents, and the memory that it takes at rest.

use std::time::Duration;

use anyhow::{Context, Result};

use super::{Stage, between};
use crate::process::Contestant;
use crate::protocol::Request;
use crate::rows::{Kind, Rows, whole};

const OPEN_MS: f64 = 200.0;
const MEMORY: f64 = 64.0;
/// Until a process that was started is at rest.
const REST: Duration = Duration::from_secs(3);
const OF: &str = "documents";

const OPEN: Kind = Kind::plain("open a store", "ms", OF).beside_limit(1.0);
const RESIDENT: Kind = Kind::plain("memory at rest after opening", "MiB", OF).beside_limit(1.0);

/// Katori alone: the others open nothing before it is asked for.
pub(crate) async fn play(stage: &Stage, rows: &mut Rows) -> Result<()> {
    let contestant = stage.contestants.first().context("katori takes part")?;
    let folder = stage.folder("opening", contestant)?;
    let mut before = 0;
    for size in stage.sizes(&[10_000, 30_000, 100_000], &[30, 100]) {
        if let Err(error) = open(stage, rows, contestant, &folder, before, size).await {
            rows.missed(OPEN, size, contestant.name, &format!("{error:#}"));
            break;
        }
        before = size;
        rows.limit(OPEN, size, OPEN_MS, "set");
        rows.limit(RESIDENT, size, MEMORY, "set");
    }
    Ok(())
}

async fn open(
    stage: &Stage,
    rows: &mut Rows,
    contestant: &Contestant,
    store: &std::path::Path,
    before: u64,
    size: u64,
) -> Result<()> {
    let mut builder = contestant.start(store)?;
    builder.prepare(Request::Create { count: size - before }).await?;
    builder.stop().await?;
    for _ in 0..stage.runs() {
        let mut process = contestant.start(store)?;
        let opened = process.measure(Request::Open).await?;
        let (began, open) = (opened.began.context("a moment")?, opened.shown.context("a moment")?);
        rows.note(OPEN, size, contestant.name, between(began, open));
        process.written(if stage.quick { contestant.rest } else { REST }).await?;
        rows.note(RESIDENT, size, contestant.name, whole(process.usage()?.resident) / f64::from(1 << 20));
        process.stop().await?;
    }
    Ok(())
}
