//! A device of the story: a store of its own, and processes of this program that work on it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

use crate::client::Client;
use crate::directory::StoreDirectory;
use crate::failure::{Failure, FailureCode};
use crate::report::{ChangeReport, ContentReport, EditReport, PeerReport};
use crate::request::Request;
use crate::response::{Event, Response};

/// How long anything in the story may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
/// How often a device is asked whether something has come about.
const ASK_AGAIN: Duration = Duration::from_millis(50);
/// Changes that a watcher may be behind.
const WATCH_QUEUE: usize = 1024;

/// A device of the story.
#[derive(Debug)]
pub(super) struct Device {
    program: PathBuf,
    pub(super) person: &'static str,
    pub(super) name: &'static str,
    store: PathBuf,
    hub: Option<Child>,
}

/// What a process prints when it fails.
#[derive(Deserialize)]
struct Failed {
    error: Failure,
}

/// What a device shows, as it comes.
#[derive(Debug)]
pub(super) struct Watcher {
    changes: mpsc::Receiver<ChangeReport>,
    task: tokio::task::JoinHandle<()>,
}

impl Device {
    pub(super) fn new(program: &Path, person: &'static str, name: &'static str, store: PathBuf) -> Self {
        Self { program: program.to_path_buf(), person, name, store, hub: None }
    }

    /// "Ana's phone".
    pub(super) fn called(&self) -> String {
        format!("{}'s {}", self.person, self.name)
    }

    /// A process of this program on the store.
    pub(super) fn process(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(arguments)
            .args(["--json", "--offline", "--bind", "127.0.0.1:0", "--store"])
            .arg(&self.store);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        command
    }

    /// Runs a fresh process on the store for its effect.
    pub(super) async fn run(&self, arguments: &[&str]) -> Result<(), Failure> {
        self.read::<Json>(arguments).await.map(|_| ())
    }

    /// Runs a fresh process on the store, and reads the report that it prints.
    pub(super) async fn read<T: DeserializeOwned>(&self, arguments: &[&str]) -> Result<T, Failure> {
        let wrong = |why: String| {
            Failure::failed(format!("`katori {}` on {}: {why}", arguments.join(" "), self.called()))
        };
        let output = timeout(PATIENCE, self.process(arguments).output()).await;
        let output = output
            .map_err(|_| wrong("it did not end in time".to_owned()))?
            .map_err(|error| wrong(error.to_string()))?;
        if output.status.success() {
            return serde_json::from_slice(&output.stdout)
                .map_err(|error| wrong(format!("it printed something else: {error}")));
        }
        let code = output.status.code();
        let Failed { error: mut failure } = serde_json::from_slice(&output.stdout)
            .map_err(|error| wrong(format!("it failed without a reason: {error}")))?;
        if code != Some(failure.code.exit_code().into()) {
            return Err(wrong(format!("it ended with {code:?} and says {failure}")));
        }
        failure.message = wrong(failure.message).message;
        Err(failure)
    }

    /// Starts `katori serve` and waits until it is ready.
    pub(super) async fn start_hub(&mut self) -> Result<(), Failure> {
        let called = self.called();
        let failed = |why: &str| Failure::failed(format!("the hub of {called} did not start: {why}"));
        let mut child = self.process(&["serve"]).spawn().map_err(|error| failed(&error.to_string()))?;
        let stdout = child.stdout.take().ok_or_else(|| failed("it has no output"))?;
        let mut lines = BufReader::new(stdout).lines();
        let line =
            timeout(PATIENCE, lines.next_line()).await.map_err(|_| failed("it is not ready in time"))?;
        let line = line.map_err(|error| failed(&error.to_string()))?.unwrap_or_default();
        let ready = serde_json::from_str::<Json>(&line)
            .is_ok_and(|json| json.get("ready") == Some(&Json::Bool(true)));
        if !ready {
            return Err(failed(&line));
        }
        self.hub = Some(child);
        Ok(())
    }

    /// Kills the hub as `kill -9` does: it has no moment to save anything.
    pub(super) async fn kill_hub(&mut self) -> Result<(), Failure> {
        if let Some(mut hub) = self.hub.take() {
            hub.kill().await.map_err(|error| {
                Failure::failed(format!("the hub of {} lives on: {error}", self.called()))
            })?;
        }
        Ok(())
    }

    /// Asks the running hub, without a process in between, so that only the hub's own time counts.
    pub(super) async fn ask(&self, request: Request) -> Result<Response, Failure> {
        let answer = self.client().await?.ask(request, |_| {});
        let late = || Failure::failed(format!("the hub of {} did not answer in time", self.called()));
        timeout(PATIENCE, answer).await.map_err(|_| late())?
    }

    async fn client(&self) -> Result<Client, Failure> {
        let missing = || Failure::new(FailureCode::Store, format!("no hub runs on {}", self.called()));
        Client::connect(&StoreDirectory::at(&self.store)?).await?.ok_or_else(missing)
    }

    /// Watches a document on the running hub, from now on.
    pub(super) async fn watch(&self, document: &str) -> Result<Watcher, Failure> {
        let client = self.client().await?;
        let (sender, changes) = mpsc::channel(WATCH_QUEUE);
        let (begun, beginning) = tokio::sync::oneshot::channel();
        let mut begun = Some(begun);
        let request = Request::Watch { document: document.to_owned() };
        let task = tokio::spawn(async move {
            let watching = client.ask(request, |event| match event {
                Event::Watching { .. } => {
                    if let Some(begun) = begun.take() {
                        // Whoever waits for this has a deadline of its own.
                        let _ = begun.send(());
                    }
                }
                Event::Changed(change) => {
                    // A watcher that nobody reads any more may miss changes.
                    let _ = sender.try_send(change);
                }
                Event::Progress { .. } | Event::Ticket(_) | Event::Pairing(_) => {}
            });
            // It ends with the hub or with the watcher.
            let _ = watching.await;
        });
        let watcher = Watcher { changes, task };
        match timeout(PATIENCE, beginning).await {
            Ok(Ok(())) => Ok(watcher),
            Ok(Err(_)) | Err(_) => Err(Failure::failed(format!("{} cannot be watched", self.called()))),
        }
    }

    /// Runs a process again and again until its answer is what is waited for.
    pub(super) async fn until<R: DeserializeOwned + fmt::Debug, T>(
        &self,
        what: &str,
        arguments: &[&str],
        wanted: impl Fn(&R) -> Option<T>,
    ) -> Result<T, Failure> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let last = match self.read::<R>(arguments).await {
                Ok(report) => match wanted(&report) {
                    Some(found) => return Ok(found),
                    None => format!("{report:?}"),
                },
                // What is not there yet may come.
                Err(failure) if matches!(failure.code, FailureCode::NotFound | FailureCode::NotAllowed) => {
                    failure.message
                }
                Err(failure) => return Err(failure),
            };
            if Instant::now() >= deadline {
                let last: String = last.chars().take(400).collect();
                let called = self.called();
                return Err(Failure::failed(format!(
                    "waited {} s on {called} for {what}; the last answer was {last}",
                    PATIENCE.as_secs()
                )));
            }
            sleep(ASK_AGAIN).await;
        }
    }

    /// Waits until another device is connected.
    pub(super) async fn until_connected(&self, other: &Device) -> Result<(), Failure> {
        let name = format!("{} ({})", other.person, other.name);
        self.until(&format!("a connection to {name}"), &["peers"], |peers: &Vec<PeerReport>| {
            let connected = |peer: &&PeerReport| peer.who.name == name && peer.state == "connected";
            peers.iter().find(connected).map(|_| ())
        })
        .await
    }

    /// Waits until the document shows these heads.
    pub(super) async fn until_heads(&self, document: &str, heads: &[String]) -> Result<(), Failure> {
        self.until("the same document", &["cat", document], |content: &ContentReport| {
            (content.heads == heads).then_some(())
        })
        .await
    }

    /// Waits until a change is part of what the document shows, and returns its line of the log.
    pub(super) async fn until_in_log(&self, document: &str, hash: &str) -> Result<EditReport, Failure> {
        self.until(&format!("change {hash}"), &["log", document], |log: &Vec<EditReport>| {
            log.iter().find(|edit| edit.hash == hash).cloned()
        })
        .await
    }

    /// The heads of a document now.
    pub(super) async fn heads(&self, document: &str) -> Result<Vec<String>, Failure> {
        Ok(self.read::<ContentReport>(&["cat", document]).await?.heads)
    }

    /// An answer that does not fit the question.
    pub(super) fn strange(&self, response: &Response) -> Failure {
        Failure::failed(format!("{} answered {response:?}", self.called()))
    }
}

impl Watcher {
    /// Waits until the device shows this change.
    pub(super) async fn until_shown(&mut self, hash: &str) -> Result<(), Failure> {
        let shown = async {
            while let Some(change) = self.changes.recv().await {
                if change.heads.iter().any(|head| head == hash) {
                    return true;
                }
            }
            false
        };
        match timeout(PATIENCE, shown).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(Failure::failed("the hub that was watched is gone")),
            Err(_) => {
                Err(Failure::failed(format!("waited {} s for a change to be shown", PATIENCE.as_secs())))
            }
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.task.abort();
    }
}
