//! What typing writes to the disk.

use anyhow::{Context, Result};

use super::Stage;
use crate::process::Contestant;
use crate::protocol::Request;
use crate::rows::{Kind, Rows, whole};

/// Bytes that a durable commit may write at typing speed.
const COMMIT_BYTES: f64 = 32.0 * 1024.0;
/// How many times the size of `save()` the store may have.
const TIMES_SAVED: f64 = 12.0;
const OF: &str = "keys";

const TYPING: Kind = Kind::plain("10 keys a second: written per commit", "B", "").beside_limit(1.0);
const BURST: Kind = Kind::plain("a burst: written per key", "B", OF);
const BURST_TIME: Kind = Kind::plain("a burst, until durable", "ms", OF);
const FILE: Kind = Kind::plain("after a burst: the store, beside save()", "times", OF).beside_limit(1.0);
const GROWN: Kind = Kind::plain("after a burst: what the store grew by, beside save()", "times", OF);

pub(crate) async fn play(stage: &Stage, rows: &mut Rows) -> Result<()> {
    for contestant in &stage.contestants {
        if let Err(error) = slowly(stage, rows, contestant).await {
            rows.missed(TYPING, 0, contestant.name, &format!("{error:#}"));
        }
        for size in sizes(stage) {
            if let Err(error) = at_once(stage, rows, contestant, size).await {
                rows.missed(BURST, size, contestant.name, &format!("{error:#}"));
            }
        }
    }
    rows.limit(TYPING, 0, COMMIT_BYTES, "set");
    for size in sizes(stage) {
        rows.limit(FILE, size, TIMES_SAVED, "set");
    }
    Ok(())
}

fn sizes(stage: &Stage) -> Vec<u64> {
    stage.sizes(&[500, 1_500, 5_000], &[50, 100])
}

async fn slowly(stage: &Stage, rows: &mut Rows, contestant: &Contestant) -> Result<()> {
    let count = if stage.quick { 10 } else { 100 };
    let mut process = contestant.start(&stage.folder("disk", contestant)?)?;
    process.prepare(Request::Open).await?;
    let document = process.prepare(Request::New).await?.document.context("a document")?;
    let before = process.written(contestant.rest).await?;
    process.measure(Request::Type { document, count, every_ms: 100 }).await?;
    let written = process.written(contestant.rest).await?.saturating_sub(before);
    rows.note(TYPING, 0, contestant.name, whole(written) / whole(count));
    process.stop().await
}

async fn at_once(stage: &Stage, rows: &mut Rows, contestant: &Contestant, count: u64) -> Result<()> {
    let mut process = contestant.start(&stage.folder("disk", contestant)?)?;
    process.prepare(Request::Open).await?;
    let document = process.prepare(Request::New).await?.document.context("a document")?;
    let (before, empty) = (process.written(contestant.rest).await?, process.stored()?);
    let typed = process.measure(Request::Type { document: document.clone(), count, every_ms: 0 }).await?;
    let written = process.written(contestant.rest).await?.saturating_sub(before);
    rows.note(BURST, count, contestant.name, whole(written) / whole(count));
    if let Some(stored) = typed.stored {
        rows.note(BURST_TIME, count, contestant.name, super::between(typed.began.unwrap_or(0), stored));
    }
    let saved = process.prepare(Request::Size { document }).await?.bytes.context("its size")?;
    let stored = process.stored()?;
    rows.note(FILE, count, contestant.name, whole(stored) / whole(saved));
    rows.note(GROWN, count, contestant.name, whole(stored.saturating_sub(empty)) / whole(saved));
    process.stop().await
}
