//! One hub and many peers with one document, in which one of the peers types.

use anyhow::{Context, Result};

use super::{Stage, Stopped, percentile};
use crate::process::Contestant;
use crate::protocol::Request;
use crate::rows::{Kind, Rows, whole};

const BETWEEN_KEYS: u64 = 100;
const OF: &str = "peers";

const P99: Kind = Kind::plain("10 edits a second through a hub to all, p99", "ms", OF).beside_peers(5.0);
const P50: Kind = Kind::plain("10 edits a second through a hub to all, p50", "ms", OF);
const CPU: Kind = Kind::plain("10 edits a second through a hub: its CPU", "%", OF).beside_peers(5.0);

pub(crate) async fn play(stage: &Stage, rows: &mut Rows) -> Result<()> {
    let mut stopped = Stopped::default();
    for size in stage.sizes(&[10, 30, 100], &[3, 6]) {
        for contestant in &stage.contestants {
            if stopped.goes_on(rows, P99, size, contestant.name)
                && let Err(error) = gather(stage, rows, contestant, size).await
            {
                rows.missed(P99, size, contestant.name, &format!("{error:#}"));
                stopped.note(contestant.name, size);
            }
        }
    }
    Ok(())
}

async fn gather(stage: &Stage, rows: &mut Rows, contestant: &Contestant, count: u64) -> Result<()> {
    let keys = if stage.quick { 10 } else { 100 };
    let folder = stage.folder("crowd", contestant)?;
    let mut hub = contestant.start(&folder.join("hub"))?;
    hub.prepare(Request::Open).await?;
    hub.serve().await?;
    let document = hub.prepare(Request::New).await?.document.context("a document")?;
    let address = hub.prepare(Request::Invite { document: document.clone() }).await?;
    let address = address.address.context("an address")?;
    let mut crowd = contestant.start(&folder.join("crowd"))?;
    crowd.prepare(Request::Crowd { address, document, count }).await?;
    hub.silence().await?;
    let before = hub.usage()?.cpu;
    let started = std::time::Instant::now();
    let typed = crowd.prepare(Request::CrowdType { count: keys, every_ms: BETWEEN_KEYS }).await?;
    let cpu = hub.usage()?.cpu.saturating_sub(before).as_secs_f64() / started.elapsed().as_secs_f64();
    let mut latencies = typed.latencies;
    latencies.sort_unstable();
    rows.note(P99, count, contestant.name, whole(percentile(&latencies, 99)) / 1e3);
    rows.note(P50, count, contestant.name, whole(percentile(&latencies, 50)) / 1e3);
    rows.note(CPU, count, contestant.name, 100.0 * cpu);
    crowd.stop().await?;
    hub.stop().await
}
