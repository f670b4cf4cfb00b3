//! Katori as a contestant: the other end of [`crate::protocol`], on the facade that an app has.

mod crowd;
mod traffic;
mod wait;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, ensure};
use katori::{
    Doc, InviteOptions, Network, Node, NodeBuilder, ObjType, ROOT, ReadDoc, Role, STORE_FILE, Ticket,
    Transactable,
};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::protocol::{Reply, Request, TEXT, body, key, now};

use crowd::Crowd;
use traffic::Meter;

/// Documents that are made at the same time, as an app would that imports many.
const AT_ONCE: usize = 64;

/// Answers requests until it is told to stop.
pub(crate) async fn run(store: PathBuf) -> Result<()> {
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let mut contestant = Contestant { store, ..Contestant::default() };
    while let Some(line) = lines.next_line().await? {
        let request: Request = serde_json::from_str(&line)?;
        let stops = matches!(request, Request::Stop);
        let reply = match contestant.answer(request).await {
            Ok(reply) => reply,
            Err(error) => Reply { error: Some(format!("{error:#}")), ..Reply::default() },
        };
        println!("{}", serde_json::to_string(&reply)?);
        if stops {
            break;
        }
    }
    Ok(())
}

/// Loopback, and nothing else of the network.
fn builder(store: &Path) -> NodeBuilder {
    let builder = Node::builder(store).network(Network::Offline).bind(([127, 0, 0, 1], 0).into());
    builder.person_name("Ana").device_name("device").confirm_digits(|_| async { true })
}

#[derive(Default)]
struct Contestant {
    store: PathBuf,
    node: Option<Node>,
    /// Documents that are worked with, open as in an app.
    open: BTreeMap<String, Doc>,
    /// What was made by [`Request::Create`].
    made: Vec<String>,
    crowd: Crowd,
    meter: Meter,
}

impl Contestant {
    async fn answer(&mut self, request: Request) -> Result<Reply> {
        match request {
            Request::Open => {
                let began = now();
                self.node().await?;
                Ok(Reply { began: Some(began), shown: Some(now()), ..Reply::default() })
            }
            Request::Serve => self.serve().await,
            Request::Connect { address } => self.connect(&address).await,
            Request::Create { count } => self.create(count).await,
            Request::Import { path } => self.import(&path).await,
            Request::New => self.new_document().await,
            Request::Type { document, count, every_ms } => self.type_keys(&document, count, every_ms).await,
            Request::Change { count } => self.change(count).await,
            Request::Wait { goal, within_ms } => self.wait(&goal, within_ms).await,
            Request::Quiet { for_ms, within_ms } => Ok(self.quiet(for_ms, within_ms).await),
            Request::Size { document } => {
                let bytes = self.document(&document).await?.save().len();
                Ok(Reply { bytes: Some(u64::try_from(bytes)?), ..Reply::default() })
            }
            Request::Invite { document } => {
                let options = InviteOptions::new(Role::Write).uses(None);
                let ticket = self.document(&document).await?.invite_with(options).await?;
                Ok(Reply { address: Some(ticket.to_string()), ..Reply::default() })
            }
            Request::Crowd { address, count, .. } => {
                self.crowd = Crowd::gather(&self.store, &address.parse()?, count).await?;
                Ok(Reply::default())
            }
            Request::CrowdType { count, every_ms } => self.crowd.type_keys(count, every_ms).await,
            Request::Stop => {
                self.open.clear();
                if let Some(node) = self.node.take() {
                    node.close().await;
                }
                std::mem::take(&mut self.crowd).close().await;
                Ok(Reply::default())
            }
        }
    }

    async fn node(&mut self) -> Result<Node> {
        if let Some(node) = &self.node {
            return Ok(node.clone());
        }
        let node = builder(&self.store).open_or_init().await?;
        self.meter.follow(&node);
        self.node = Some(node.clone());
        Ok(node)
    }

    /// Another device of the same person connects: whoever knows the ticket, since nobody compares digits here.
    async fn serve(&mut self) -> Result<Reply> {
        let node = self.node().await?;
        let ticket = node.invite_device().await?;
        let mut pairings = node.pairings();
        tokio::spawn(async move {
            while let Some(pairing) = pairings.next().await {
                pairing.answer(true).await;
            }
        });
        Ok(Reply { address: Some(ticket.to_string()), ..Reply::default() })
    }

    /// The first time this pairs. After that the devices know each other and where they are.
    async fn connect(&mut self, address: &str) -> Result<Reply> {
        let began = now();
        if self.store.join(STORE_FILE).exists() {
            self.node().await?;
        } else {
            let ticket: Ticket = address.parse()?;
            let node = builder(&self.store).pair(&ticket).await?;
            self.meter.follow(&node);
            self.node = Some(node);
        }
        Ok(Reply { began: Some(began), ..Reply::default() })
    }

    async fn create(&mut self, count: u64) -> Result<Reply> {
        let node = self.node().await?;
        let first = u64::try_from(self.made.len())?;
        let mut work = JoinSet::new();
        let mut numbers = first..first + count;
        loop {
            while work.len() < AT_ONCE
                && let Some(number) = numbers.next()
            {
                let node = node.clone();
                work.spawn(async move { small(&node, number).await });
            }
            let Some(made) = work.join_next().await else { break };
            self.made.push(made??);
        }
        Ok(Reply::default())
    }

    async fn import(&mut self, path: &str) -> Result<Reply> {
        let doc = self.node().await?.import("text", &std::fs::read(path)?).await?;
        Ok(self.opened(doc))
    }

    async fn new_document(&mut self) -> Result<Reply> {
        let doc = self.node().await?.create("text").await?;
        doc.change(|edit| edit.put_object(ROOT, TEXT, ObjType::Text))?.await?;
        Ok(self.opened(doc))
    }

    fn opened(&mut self, doc: Doc) -> Reply {
        let id = doc.id().to_string();
        let heads = BTreeMap::from([(id.clone(), heads(&doc))]);
        self.open.insert(id.clone(), doc);
        Reply { document: Some(id), heads, ..Reply::default() }
    }

    async fn document(&mut self, id: &str) -> Result<Doc> {
        if let Some(doc) = self.open.get(id) {
            return Ok(doc.clone());
        }
        let doc = self.node().await?.doc(id).await?;
        self.open.insert(id.to_owned(), doc.clone());
        Ok(doc)
    }

    async fn type_keys(&mut self, id: &str, count: u64, every_ms: u64) -> Result<Reply> {
        let doc = self.document(id).await?;
        let began = now();
        let mut shown = began;
        let mut turn = Instant::now();
        let (mut saving, mut latencies) = (Vec::new(), Vec::new());
        for n in 0..count {
            shown = now();
            saving.push(type_key(&doc, n)?);
            latencies.push(u64::try_from(turn.elapsed().as_micros())?);
            turn += Duration::from_millis(every_ms);
            if n + 1 < count {
                sleep_until(turn).await;
            }
        }
        for commit in saving {
            commit.await?;
        }
        let (began, shown, stored) = (Some(began), Some(shown), Some(now()));
        Ok(Reply { began, shown, stored, latencies, ..Reply::default() })
    }

    async fn change(&mut self, count: u64) -> Result<Reply> {
        let node = self.node().await?;
        let step = (self.made.len() / usize::try_from(count)?).max(1);
        let mut changed = BTreeMap::new();
        for id in self.made.iter().step_by(step).take(usize::try_from(count)?) {
            let doc = node.doc(id).await?;
            doc.change(|edit| edit.put(ROOT, "done", true))?.await?;
            changed.insert(id.clone(), heads(&doc));
        }
        ensure!(changed.len() == usize::try_from(count)?, "fewer documents were made");
        Ok(Reply { heads: changed, ..Reply::default() })
    }
}

fn heads(doc: &Doc) -> Vec<String> {
    let mut heads: Vec<String> = doc.heads().iter().map(ToString::to_string).collect();
    heads.sort();
    heads
}

/// One key in the middle of the text, as its own change.
fn type_key(doc: &Doc, n: u64) -> Result<katori::Commit<()>> {
    Ok(doc.change(|edit| {
        let Some((_, text)) = edit.get(ROOT, TEXT)? else { return Ok(()) };
        let middle = edit.length(&text) / 2;
        edit.splice_text(&text, middle, 0, key(n).encode_utf8(&mut [0; 4]))
    })?)
}

fn length(doc: &Doc) -> u64 {
    let length = doc.view(|document| match document.get(ROOT, TEXT) {
        Ok(Some((_, text))) => document.length(&text),
        _ => 0,
    });
    u64::try_from(length).unwrap_or(u64::MAX)
}

/// A document of about 400 bytes, durable.
async fn small(node: &Node, number: u64) -> Result<String> {
    let doc = node.create(&format!("thing {number}")).await?;
    let edit = doc.change(|edit| {
        edit.put(ROOT, "title", format!("thing {number}"))?;
        edit.put(ROOT, "body", body(number))
    });
    edit?.await?;
    Ok(doc.id().to_string())
}
