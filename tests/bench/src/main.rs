//! Measurements of the whole path, beside what Automerge alone takes for the same document in the same run.
//!
//! Two processes, each with a store of its own on disk, durable and verified as always, over loopback.

mod access;
mod rows;

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use automerge::{Automerge, ROOT, ReadDoc, transaction::Transactable};
use clap::Parser;
use katori::{Doc, Network, Node, Role, Ticket};
use tokio::io::{AsyncBufReadExt, BufReader};

use rows::Rows;

/// The longest any one measurement may take.
const LIMIT: Duration = Duration::from_mins(5);
/// Edits in the measurement of latency.
const EDITS: u32 = 200;

#[derive(Debug, Parser)]
#[command(about = "Measurements of katori, beside Automerge alone")]
struct Arguments {
    /// A native Automerge document, as `cargo xtask trace` makes it
    #[arg(long)]
    document: Option<PathBuf>,
    /// Measure what access costs, and nothing else
    #[arg(long)]
    access: bool,
    /// Print one JSON array instead of a table
    #[arg(long)]
    json: bool,
    /// Run as the second process: join with this ticket
    #[arg(long, hide = true, requires = "store")]
    join: Option<Ticket>,
    /// The second process's store
    #[arg(long, hide = true)]
    store: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if arguments.access {
        let mut rows = Rows::default();
        access::measure(&mut rows)?;
        return rows.print(arguments.json);
    }
    match (&arguments.join, &arguments.store, &arguments.document) {
        (Some(ticket), Some(store), _) => second(store, ticket).await,
        (_, _, Some(document)) => first(document, arguments.json).await,
        _ => bail!("name a document with --document; `cargo xtask bench` does"),
    }
}

async fn node(store: &Path, name: &str) -> Result<Node> {
    let bind = "127.0.0.1:0".parse()?;
    let builder = Node::builder(store).network(Network::Offline).bind(bind);
    Ok(builder.person_name(name).device_name(name).open_or_init().await?)
}

/// The second process: joins, and says on its standard output what it has seen when.
async fn second(store: &Path, ticket: &Ticket) -> Result<()> {
    let started = Instant::now();
    let node = node(store, "second").await?;
    let doc = node.join(ticket).await?;
    let mut changes = doc.watch();
    // Each line: milliseconds since the start, bytes received, heads.
    loop {
        let received: u64 = node.peers().iter().map(|peer| peer.status.received_bytes).sum();
        let mut heads: Vec<String> = doc.heads().iter().map(ToString::to_string).collect();
        heads.sort();
        println!("{} {received} {}", started.elapsed().as_millis(), heads.join(","));
        if changes.next().await.is_none() {
            return Ok(());
        }
    }
}

/// The second process as the first sees it.
struct Second {
    child: tokio::process::Child,
    lines: tokio::io::Lines<BufReader<tokio::process::ChildStdout>>,
}

impl Second {
    fn start(store: &Path, ticket: &Ticket) -> Result<Self> {
        let mut child = tokio::process::Command::new(std::env::current_exe()?)
            .arg("--store")
            .arg(store)
            .arg("--join")
            .arg(ticket.to_string())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let lines = child.stdout.take().context("the child's output")?;
        Ok(Self { child, lines: BufReader::new(lines).lines() })
    }

    /// Waits until the second process shows what the document shows now. Returns the bytes it has received.
    async fn agrees(&mut self, doc: &Doc) -> Result<u64> {
        let mut heads: Vec<String> = doc.heads().iter().map(ToString::to_string).collect();
        heads.sort();
        let wanted = heads.join(",");
        let wait = async {
            while let Some(line) = self.lines.next_line().await? {
                let mut words = line.split(' ');
                let received = words.nth(1).and_then(|word| word.parse().ok()).unwrap_or(0);
                if words.next() == Some(wanted.as_str()) {
                    return Ok(received);
                }
            }
            bail!("the second process ended")
        };
        tokio::time::timeout(LIMIT, wait).await.context("the second process did not get there in time")?
    }

    async fn stop(mut self) -> Result<()> {
        Ok(self.child.kill().await?)
    }
}

async fn first(document: &Path, json: bool) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let bytes = std::fs::read(document).with_context(|| document.display().to_string())?;
    let mut rows = Rows::default();
    automerge_alone(&bytes, &mut rows)?;
    access::measure(&mut rows)?;

    let node = node(&folder.path().join("first"), "first").await?;
    let started = Instant::now();
    let doc = node.import("trace", &bytes).await?;
    rows.time("import the trace, durable", started.elapsed(), "load");

    let ticket = doc.invite(Role::Write).await?;
    let store = folder.path().join("second");
    let started = Instant::now();
    let mut other = Second::start(&store, &ticket)?;
    let received = other.agrees(&doc).await?;
    rows.time("the trace to an empty peer, durable on both", started.elapsed(), "load + save");
    rows.bytes("the same, bytes on the wire", received, "save()");

    let small = node.create("small").await?;
    small.change(|edit| edit.put(ROOT, "n", 0))?.await?;
    let ticket = small.invite(Role::Write).await?;
    other.stop().await?;
    let mut other = Second::start(&folder.path().join("third"), &ticket)?;
    other.agrees(&small).await?;
    let mut latencies = Vec::new();
    for n in 1..=EDITS {
        let started = Instant::now();
        let _saving = small.change(|edit| edit.put(ROOT, "n", n))?;
        other.agrees(&small).await?;
        latencies.push(started.elapsed());
    }
    latencies.sort();
    let at = |share: usize| latencies.get(latencies.len() * share / 100).copied().unwrap_or_default();
    rows.time("edit to shown on the other side, p50", at(50), "");
    rows.time("edit to shown on the other side, p99", at(99), "");
    other.stop().await?;
    node.close().await;
    rows.print(json)
}

/// What Automerge takes by itself: the limit that the rows stand beside.
fn automerge_alone(bytes: &[u8], rows: &mut Rows) -> Result<()> {
    let started = Instant::now();
    let document = Automerge::load(bytes)?;
    rows.limit("load", started.elapsed());
    let started = Instant::now();
    let saved = document.save();
    rows.limit("save", started.elapsed());
    rows.limit_bytes("save()", saved.len());
    let started = Instant::now();
    let changes = document.get_changes(&[]);
    let mut again = Automerge::new();
    again.apply_changes(changes)?;
    rows.limit("apply all changes in one call", started.elapsed());
    anyhow::ensure!(again.length(ROOT) == document.length(ROOT), "the same document");
    Ok(())
}
