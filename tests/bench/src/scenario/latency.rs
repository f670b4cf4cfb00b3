//! How long an edit takes until the other side shows it and both have it on disk.

use std::time::Duration;

use anyhow::{Context, Result};
use tokio::time::{Instant, sleep_until};

use super::{Acquainted, Stage, percentile};
use crate::limits;
use crate::process::Contestant;
use crate::protocol::{Goal, Request};
use crate::rows::{Kind, Rows, whole};

/// Between two edits.
const PAUSE: Duration = Duration::from_millis(10);

const P50: Kind =
    Kind::plain("edit to shown and durable on both, p50", "ms", "").beside_peers(3.0).beside_limit(2.0);
const P99: Kind =
    Kind::plain("edit to shown and durable on both, p99", "ms", "").beside_peers(3.0).beside_limit(2.0);
const SHOWN: Kind = Kind::plain("edit to shown on the other side, p50", "ms", "");

pub(crate) async fn play(stage: &Stage, rows: &mut Rows) -> Result<()> {
    let edits = if stage.quick { 20 } else { 200 };
    for contestant in &stage.contestants {
        match latencies(stage, contestant, edits).await {
            Ok((mut shown, mut durable)) => {
                shown.sort_unstable();
                durable.sort_unstable();
                rows.note(P50, 0, contestant.name, whole(percentile(&durable, 50)) / 1e3);
                rows.note(P99, 0, contestant.name, whole(percentile(&durable, 99)) / 1e3);
                rows.note(SHOWN, 0, contestant.name, whole(percentile(&shown, 50)) / 1e3);
            }
            Err(error) => rows.missed(P50, 0, contestant.name, &format!("{error:#}")),
        }
    }
    let folder = stage.folder.path();
    let paused = limits::edits(folder, edits, PAUSE).await?;
    let at_once = limits::edits(folder, edits, Duration::ZERO).await?;
    for (kind, share) in [(P50, 50), (P99, 99)] {
        let [paused, at_once] = [&paused, &at_once].map(|edits| percentile(edits, share).as_secs_f64() * 1e3);
        let name = format!("ping/2 + 2 commits at this pace ({at_once:.2} ms one after the other)");
        rows.limit(kind, 0, paused, &name);
    }
    Ok(())
}

/// Microseconds until shown, and until durable on both.
async fn latencies(stage: &Stage, contestant: &Contestant, edits: u64) -> Result<(Vec<u64>, Vec<u64>)> {
    let mut scene = Acquainted::make(contestant, &stage.folder("latency", contestant)?).await?;
    let document = scene.first.prepare(Request::New).await?.document.context("a document")?;
    let (mut second, _) = scene.come_back(contestant).await?;
    let (mut shown, mut durable) = (Vec::new(), Vec::new());
    for length in 0..=edits {
        let goal = Goal::Length { document: document.clone(), length };
        if length == 0 {
            second.wait(goal).await?;
            second.rest(&scene.first).await?;
            continue;
        }
        second.begin_wait(goal).await?;
        // A person's pause: the other side has begun to wait by then.
        sleep_until(Instant::now() + PAUSE).await;
        let request = Request::Type { document: document.clone(), count: 1, every_ms: 0 };
        let typed = scene.first.measure(request).await?;
        let seen = second.answer(contestant.limit).await?;
        let (began, showed) = (typed.began.context("when it began")?, seen.shown.context("when it showed")?);
        let last = showed.max(typed.stored.unwrap_or(0)).max(seen.stored.unwrap_or(0));
        shown.push(showed.saturating_sub(began));
        durable.push(last.saturating_sub(began));
    }
    second.stop().await?;
    scene.first.stop().await?;
    Ok((shown, durable))
}
