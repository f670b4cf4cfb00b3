//! Waiting for what comes from the other side, and noting the moment.

use std::time::Duration;

use anyhow::{Context, Result};
use katori::{Doc, Node};
use tokio::time::{Instant, timeout, timeout_at};

use super::{Contestant, heads, length};
use crate::protocol::{Goal, Reply, now};

/// How often something is looked at that no event tells of.
const LOOK: Duration = Duration::from_millis(5);

impl Contestant {
    pub(super) async fn wait(&mut self, goal: &Goal, within_ms: u64) -> Result<Reply> {
        let node = self.node().await?;
        let until = Instant::now() + Duration::from_millis(within_ms);
        let reached = match goal {
            Goal::Length { document, length: wanted } => {
                let is_there = |doc: &Doc| length(doc) >= *wanted;
                timeout_at(until, self.follow(&node, document, is_there)).await
            }
            Goal::Heads(one) if one.len() == 1 => {
                let (document, wanted) = one.first_key_value().context("one document")?;
                let is_there = |doc: &Doc| heads(doc) == *wanted;
                timeout_at(until, self.follow(&node, document, is_there)).await
            }
            Goal::Documents(_) | Goal::Heads(_) => timeout_at(until, settled_with(&node, goal)).await,
        };
        match reached {
            Ok(reply) => reply,
            Err(_) => Ok(Reply { late: true, ..Reply::default() }),
        }
    }

    /// Looks at one document, open as in an app, whenever anything happens.
    async fn follow(
        &mut self,
        node: &Node,
        document: &str,
        is_there: impl Fn(&Doc) -> bool,
    ) -> Result<Reply> {
        let mut events = node.hub().events();
        // It may not have come yet.
        let doc = loop {
            match self.document(document).await {
                Ok(doc) => break doc,
                Err(_) => _ = timeout(LOOK, events.recv()).await,
            }
        };
        while !is_there(&doc) {
            // Whatever happens, or nothing, it is looked at again.
            let _ = timeout(LOOK, events.recv()).await;
        }
        let shown = now();
        while !node.settled(Duration::from_mins(1)).await {}
        Ok(Reply { shown: Some(shown), stored: Some(now()), ..Reply::default() })
    }

    pub(super) async fn quiet(&self, for_ms: u64, within_ms: u64) -> Reply {
        let asked = now();
        loop {
            let (traffic, last) = self.meter.read();
            let silent = now().saturating_sub(asked.max(last.unwrap_or(asked)));
            // Before the first message nothing has begun.
            if last.is_some() && silent >= for_ms * 1000 {
                return Reply { shown: last, traffic: Some(traffic), ..Reply::default() };
            }
            if now() > asked + within_ms * 1000 {
                return Reply { late: true, ..Reply::default() };
            }
            // Every message that comes or goes is noted; silence is the time after the last.
            self.meter.look().await;
        }
    }
}

/// Many documents are looked at when everything has been compared, stored and answered, which is later than they were
/// shown.
async fn settled_with(node: &Node, goal: &Goal) -> Result<Reply> {
    let mut events = node.hub().events();
    loop {
        while !node.settled(Duration::from_mins(1)).await {}
        let settled = now();
        if is_reached(node, goal).await? {
            return Ok(Reply { shown: Some(settled), stored: Some(settled), ..Reply::default() });
        }
        let _ = timeout(LOOK, events.recv()).await;
    }
}

async fn is_reached(node: &Node, goal: &Goal) -> Result<bool> {
    match goal {
        Goal::Documents(count) => {
            let docs = node.docs().await?;
            let filled = docs.iter().filter(|doc| doc.changes > doc.held).count();
            Ok(u64::try_from(filled)? >= *count)
        }
        Goal::Heads(wanted) => {
            for (id, wanted) in wanted {
                match node.doc(id).await {
                    Ok(doc) if heads(&doc) == *wanted => {}
                    _ => return Ok(false),
                }
            }
            Ok(true)
        }
        Goal::Length { .. } => Ok(false),
    }
}
