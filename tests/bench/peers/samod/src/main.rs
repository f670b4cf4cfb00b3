//! samod as a contestant: the other end of the harness's protocol, over TCP and with samod's own storage in files.

// The same words as the harness, from the same file.
#[allow(dead_code, reason = "the harness uses all of it")]
#[path = "../../../src/protocol.rs"]
mod protocol;
mod traffic;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use automerge::transaction::Transactable;
use automerge::{Automerge, AutomergeError, ObjType, ROOT, ReadDoc};
use samod::{AcceptorHandle, BackoffConfig, DocHandle, DocumentId, Repo};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpListener;
use tokio::time::{Instant, interval, sleep_until, timeout_at};
use url::Url;

use protocol::{Goal, Reply, Request, TEXT, body, key, now};
use traffic::{Counted, CountingDialer, CountingStorage, transport};

/// How often something is looked at that no event tells of.
const LOOK: Duration = Duration::from_millis(5);
/// How long the last key may take to reach everybody.
const LAST_KEY: Duration = Duration::from_secs(30);

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    ensure!(arguments.next().as_deref() == Some("--store"), "use: samod-contestant --store FOLDER");
    let store = PathBuf::from(arguments.next().context("a folder")?);
    let mut contestant = Contestant { store, ..Contestant::default() };
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        let request: Request = serde_json::from_str(&line)?;
        let stops = matches!(request, Request::Stop);
        let reply = contestant
            .answer(request)
            .await
            .unwrap_or_else(|error| Reply { error: Some(format!("{error:#}")), ..Reply::default() });
        println!("{}", serde_json::to_string(&reply)?);
        if stops {
            break;
        }
    }
    Ok(())
}

#[derive(Default)]
struct Contestant {
    store: PathBuf,
    open: Option<Open>,
    traffic: Arc<Counted>,
    handles: BTreeMap<String, DocHandle>,
    /// What was made by [`Request::Create`].
    made: Vec<DocHandle>,
    crowd: Vec<(Repo, DocHandle)>,
}

#[derive(Clone)]
struct Open {
    repo: Repo,
    storage: CountingStorage,
}

async fn open(store: PathBuf) -> Result<Open> {
    let storage = CountingStorage::new(store);
    // Everything is shared with everybody by default.
    let repo = Repo::build_tokio().with_storage(storage.clone()).load().await;
    Ok(Open { repo, storage })
}

impl Contestant {
    async fn answer(&mut self, request: Request) -> Result<Reply> {
        match request {
            Request::Open => {
                let began = now();
                self.opened().await?;
                Ok(Reply { began: Some(began), shown: Some(now()), ..Reply::default() })
            }
            Request::Serve => self.serve().await,
            Request::Connect { address } => {
                let began = now();
                let repo = self.opened().await?.repo;
                let dialer = CountingDialer::new(address.parse()?, Arc::clone(&self.traffic));
                repo.dial(BackoffConfig::default(), Arc::new(dialer))?;
                Ok(Reply { began: Some(began), ..Reply::default() })
            }
            Request::Create { count } => self.create(count).await,
            Request::Import { path } => self.keep(Automerge::load(&std::fs::read(path)?)?).await,
            Request::New => {
                let mut document = Automerge::new();
                change(&mut document, |edit| edit.put_object(ROOT, TEXT, ObjType::Text))?;
                self.keep(document).await
            }
            Request::Type { document, count, every_ms } => self.type_keys(&document, count, every_ms).await,
            Request::Change { count } => self.change(count),
            Request::Wait { goal, within_ms } => {
                let until = Instant::now() + Duration::from_millis(within_ms);
                match timeout_at(until, self.reach(&goal)).await {
                    Ok(reached) => reached,
                    Err(_) => Ok(Reply { late: true, ..Reply::default() }),
                }
            }
            Request::Quiet { for_ms, within_ms } => Ok(self.quiet(for_ms, within_ms).await),
            Request::Size { document } => {
                let bytes = self.document(&document).await?.with_document(|document| document.save().len());
                Ok(Reply { bytes: Some(u64::try_from(bytes)?), ..Reply::default() })
            }
            Request::Invite { .. } => self.serve().await,
            Request::Crowd { address, document, count } => self.gather(&address, &document, count).await,
            Request::CrowdType { count, every_ms } => self.crowd_types(count, every_ms).await,
            Request::Stop => {
                self.handles.clear();
                if let Some(open) = self.open.take() {
                    open.repo.stop().await;
                }
                for (repo, _) in std::mem::take(&mut self.crowd) {
                    repo.stop().await;
                }
                Ok(Reply::default())
            }
        }
    }

    async fn opened(&mut self) -> Result<Open> {
        if self.open.is_none() {
            self.open = Some(open(self.store.clone()).await?);
        }
        self.open.clone().context("it was opened")
    }

    async fn serve(&mut self) -> Result<Reply> {
        let repo = self.opened().await?.repo;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address: Url = format!("tcp://{}", listener.local_addr()?).parse()?;
        let acceptor: AcceptorHandle = repo.make_acceptor(address.clone())?;
        let traffic = Arc::clone(&self.traffic);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // Small messages are not held back, as in the other contestants.
                let _ = stream.set_nodelay(true);
                if acceptor.accept(transport(stream, &traffic)).is_err() {
                    return;
                }
            }
        });
        Ok(Reply { address: Some(address.to_string()), ..Reply::default() })
    }

    async fn create(&mut self, count: u64) -> Result<Reply> {
        let repo = self.opened().await?.repo;
        let first = u64::try_from(self.made.len())?;
        for number in first..first + count {
            let mut document = Automerge::new();
            change(&mut document, |edit| {
                edit.put(ROOT, "title", format!("thing {number}"))?;
                edit.put(ROOT, "body", body(number))
            })?;
            self.made.push(repo.create(document).await?);
        }
        Ok(Reply::default())
    }

    async fn keep(&mut self, document: Automerge) -> Result<Reply> {
        let handle = self.opened().await?.repo.create(document).await?;
        let id = handle.document_id().to_string();
        let heads = BTreeMap::from([(id.clone(), heads(&handle))]);
        self.handles.insert(id.clone(), handle);
        Ok(Reply { document: Some(id), heads, ..Reply::default() })
    }

    async fn document(&mut self, id: &str) -> Result<DocHandle> {
        if let Some(handle) = self.handles.get(id) {
            return Ok(handle.clone());
        }
        let named: DocumentId = id.parse()?;
        let found = self.opened().await?.repo.find(named).await?;
        let handle = found.context("nobody has it")?;
        self.handles.insert(id.to_owned(), handle.clone());
        Ok(handle)
    }

    async fn type_keys(&mut self, id: &str, count: u64, every_ms: u64) -> Result<Reply> {
        let handle = self.document(id).await?;
        let began = now();
        let (mut shown, mut turn, mut latencies) = (began, Instant::now(), Vec::new());
        for n in 0..count {
            shown = now();
            type_key(&handle, n)?;
            latencies.push(u64::try_from(turn.elapsed().as_micros())?);
            turn += Duration::from_millis(every_ms);
            if n + 1 < count {
                sleep_until(turn).await;
            }
        }
        // When it is on disk it does not tell.
        Ok(Reply { began: Some(began), shown: Some(shown), latencies, ..Reply::default() })
    }

    fn change(&self, count: u64) -> Result<Reply> {
        let step = (self.made.len() / usize::try_from(count)?).max(1);
        let mut changed = BTreeMap::new();
        for handle in self.made.iter().step_by(step).take(usize::try_from(count)?) {
            handle.with_document(|document| change(document, |edit| edit.put(ROOT, "done", true)))?;
            changed.insert(handle.document_id().to_string(), heads(handle));
        }
        Ok(Reply { heads: changed, ..Reply::default() })
    }

    async fn reach(&mut self, goal: &Goal) -> Result<Reply> {
        let storage = self.opened().await?.storage;
        match goal {
            // It does not tell of documents that come by themselves, but it stores them.
            Goal::Documents(count) => {
                let mut looks = interval(LOOK);
                while storage.documents() < *count {
                    looks.tick().await;
                }
            }
            Goal::Heads(wanted) => {
                for (id, wanted) in wanted {
                    let handle = self.find(id).await;
                    let mut changes = handle.changes();
                    while heads(&handle) != *wanted {
                        // Whatever happens, or nothing, it is looked at again.
                        let _ = tokio::time::timeout(LOOK, futures::StreamExt::next(&mut changes)).await;
                    }
                }
            }
            Goal::Length { document, length: wanted } => {
                let handle = self.find(document).await;
                let mut changes = handle.changes();
                while length(&handle) < *wanted {
                    // Whatever happens, or nothing, it is looked at again.
                    let _ = tokio::time::timeout(LOOK, futures::StreamExt::next(&mut changes)).await;
                }
            }
        }
        Ok(Reply { shown: Some(now()), ..Reply::default() })
    }

    /// A document that may not have come yet.
    async fn find(&mut self, id: &str) -> DocHandle {
        let mut looks = interval(LOOK);
        loop {
            looks.tick().await;
            if let Ok(handle) = self.document(id).await {
                return handle;
            }
        }
    }

    async fn quiet(&self, for_ms: u64, within_ms: u64) -> Reply {
        let asked = now();
        let mut looks = interval(LOOK);
        loop {
            looks.tick().await;
            let (traffic, last) = self.traffic.read();
            let silent = now().saturating_sub(asked.max(last.unwrap_or(asked)));
            // Before the first message nothing has begun.
            if last.is_some() && silent >= for_ms * 1000 {
                return Reply { shown: last, traffic: Some(traffic), ..Reply::default() };
            }
            if now() > asked + within_ms * 1000 {
                return Reply { late: true, ..Reply::default() };
            }
        }
    }

    async fn gather(&mut self, address: &str, document: &str, count: u64) -> Result<Reply> {
        let id: DocumentId = document.parse()?;
        for number in 0..count {
            let repo = open(self.store.join(format!("member-{number}"))).await?.repo;
            let dialer = CountingDialer::new(address.parse()?, Arc::clone(&self.traffic));
            repo.dial(BackoffConfig::default(), Arc::new(dialer))?;
            // Before it is connected, nobody has it.
            let mut looks = interval(LOOK);
            let handle = loop {
                looks.tick().await;
                if let Some(handle) = repo.find(id.clone()).await? {
                    break handle;
                }
            };
            self.crowd.push((repo, handle));
        }
        Ok(Reply::default())
    }

    async fn crowd_types(&self, count: u64, every_ms: u64) -> Result<Reply> {
        let (_, first) = self.crowd.first().context("a crowd was gathered")?;
        let before = length(first);
        let others = self.crowd.iter().skip(1).map(|(_, handle)| handle.clone());
        let watching: Vec<_> = others.map(|handle| tokio::spawn(watch(handle, before, count))).collect();
        let (mut typed, mut turn) = (Vec::new(), Instant::now());
        for n in 0..count {
            typed.push(now());
            type_key(first, n)?;
            turn += Duration::from_millis(every_ms);
            sleep_until(turn).await;
        }
        let mut latencies = Vec::new();
        for watched in watching {
            let seen = watched.await?;
            for (n, typed) in typed.iter().enumerate() {
                // A key that was never seen counts as one that took the whole wait.
                let missed = typed + u64::try_from(LAST_KEY.as_micros())?;
                latencies.push(seen.get(n).copied().unwrap_or(missed).saturating_sub(*typed));
            }
        }
        Ok(Reply { latencies, ..Reply::default() })
    }
}

/// The moment at which each key was shown, in order.
async fn watch(handle: DocHandle, before: u64, count: u64) -> Vec<u64> {
    let mut changes = handle.changes();
    let (mut seen, mut last) = (Vec::new(), Instant::now());
    loop {
        let shown = length(&handle).saturating_sub(before).min(count);
        while (seen.len() as u64) < shown {
            seen.push(now());
            last = Instant::now();
        }
        if shown >= count || last.elapsed() > LAST_KEY {
            return seen;
        }
        let _ = tokio::time::timeout(4 * LOOK, futures::StreamExt::next(&mut changes)).await;
    }
}

fn change<T>(
    document: &mut Automerge,
    edit: impl FnOnce(&mut automerge::transaction::Transaction<'_>) -> Result<T, AutomergeError>,
) -> Result<T> {
    Ok(document.transact(edit).map_err(|failure| failure.error)?.result)
}

/// One key in the middle of the text, as its own change.
fn type_key(handle: &DocHandle, n: u64) -> Result<()> {
    handle.with_document(|document| {
        change(document, |edit| {
            let Some((_, text)) = edit.get(ROOT, TEXT)? else { return Ok(()) };
            let middle = edit.length(&text) / 2;
            edit.splice_text(&text, middle, 0, key(n).encode_utf8(&mut [0; 4]))
        })
    })
}

fn length(handle: &DocHandle) -> u64 {
    handle.with_document(|document| match document.get(ROOT, TEXT) {
        Ok(Some((_, text))) => document.length(&text) as u64,
        _ => 0,
    })
}

fn heads(handle: &DocHandle) -> Vec<String> {
    let mut heads: Vec<String> =
        handle.with_document(|document| document.get_heads().iter().map(ToString::to_string).collect());
    heads.sort();
    heads
}
