//! Many nodes in one process, each with a store of its own, that all hold one document.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use katori::{Doc, Node, Ticket};
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, sleep_until, timeout};

use super::{builder, length, type_key};
use crate::protocol::{Reply, now};

/// Nodes that join at the same time.
const AT_ONCE: usize = 8;
/// How often a member tries to join, and how long it waits in between: joining is limited for each address.
const JOIN_ATTEMPTS: usize = 12;
const JOIN_WAIT: Duration = Duration::from_secs(15);
/// How long the last key may take to reach everybody.
const LAST_KEY: Duration = Duration::from_secs(30);
/// How often a text is looked at that no event tells of.
const LOOK: Duration = Duration::from_millis(20);

#[derive(Default)]
pub(super) struct Crowd {
    members: Vec<(Node, Doc)>,
}

impl Crowd {
    pub(super) async fn gather(store: &Path, ticket: &Ticket, count: u64) -> Result<Self> {
        let (mut members, mut work, mut numbers) = (Vec::new(), JoinSet::new(), 0..count);
        loop {
            while work.len() < AT_ONCE
                && let Some(number) = numbers.next()
            {
                let (folder, ticket) = (store.join(format!("member-{number}")), ticket.clone());
                work.spawn(async move {
                    let hub = ticket.devices.iter().map(|contact| contact.device);
                    let node = builder(&folder).through(hub).open_or_init().await?;
                    let doc = join(&node, &ticket).await?;
                    anyhow::Ok((node, doc))
                });
            }
            let Some(joined) = work.join_next().await else { break };
            members.push(joined??);
        }
        Ok(Self { members })
    }

    /// The first types; the others note when each key is shown.
    pub(super) async fn type_keys(&self, count: u64, every_ms: u64) -> Result<Reply> {
        let (_, first) = self.members.first().context("a crowd was gathered")?;
        let before = length(first);
        let mut typed = Vec::new();
        let mut watching = JoinSet::new();
        for (node, doc) in self.members.iter().skip(1) {
            watching.spawn(watch(node.clone(), doc.clone(), before, count));
        }
        let mut turn = Instant::now();
        for n in 0..count {
            typed.push(now());
            // It is saved whether anybody waits for it or not.
            let _saving = type_key(first, n)?;
            turn += Duration::from_millis(every_ms);
            sleep_until(turn).await;
        }
        let mut latencies = Vec::new();
        while let Some(seen) = watching.join_next().await {
            let seen = seen?;
            for (n, typed) in typed.iter().enumerate() {
                // A key that was never seen counts as one that took the whole wait.
                let missed = typed + u64::try_from(LAST_KEY.as_micros())?;
                latencies.push(seen.get(n).copied().unwrap_or(missed).saturating_sub(*typed));
            }
        }
        Ok(Reply { latencies, ..Reply::default() })
    }

    pub(super) async fn close(self) {
        for (node, doc) in self.members {
            drop(doc);
            node.close().await;
        }
    }
}

/// The moment at which each key was shown, in order.
async fn watch(node: Node, doc: Doc, before: u64, count: u64) -> Vec<u64> {
    let mut events = node.hub().events();
    let mut seen = Vec::new();
    let mut last = Instant::now();
    loop {
        let shown = length(&doc).saturating_sub(before);
        while u64::try_from(seen.len()).is_ok_and(|seen| seen < shown.min(count)) {
            seen.push(now());
            last = Instant::now();
        }
        if shown >= count || last.elapsed() > LAST_KEY {
            return seen;
        }
        // Whatever happens, or nothing, it is looked at again.
        let _ = timeout(LOOK, events.recv()).await;
    }
}

/// Joins; where too many are joining at once, after a while.
async fn join(node: &Node, ticket: &Ticket) -> Result<Doc> {
    let mut attempts = interval(JOIN_WAIT);
    for attempt in 0..JOIN_ATTEMPTS {
        attempts.tick().await;
        match node.join(ticket).await {
            Ok(doc) => return Ok(doc),
            Err(error) if attempt == 0 => eprintln!("a member has to wait: {error}"),
            Err(_) => {}
        }
    }
    Ok(node.join(ticket).await?)
}
