//! A contestant's process as the harness has it: asking it, and what the system says of it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::{interval, timeout};

use crate::protocol::{Goal, Reply, Request, Traffic};

/// How much later than asked for an answer may come before the process counts as stuck.
const GRACE: Duration = Duration::from_secs(5);
/// How many times longer preparing something may take, which is not measured.
const PREPARING: u32 = 3;
/// Of a processor, for two processes that do nothing but look at their counters.
const IDLE_PERCENT: u32 = 10;
/// How long a process may take to end.
const ENDING: Duration = Duration::from_secs(10);

/// One who takes part.
#[derive(Debug, Clone)]
pub(crate) struct Contestant {
    pub(crate) name: &'static str,
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<OsString>,
    /// The longest that one measurement may take.
    pub(crate) limit: Duration,
    /// A connection on which nothing happens for so long is at rest.
    pub(crate) rest: Duration,
    /// What is on while it is measured.
    pub(crate) safety: &'static str,
}

/// A running contestant. It is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    requests: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    limit: Duration,
    rest: Duration,
    store: PathBuf,
}

/// What the system counts for a process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    /// Bytes that were sent to the disk.
    pub(crate) written: u64,
    /// Processor time.
    pub(crate) cpu: Duration,
    /// Resident memory, bytes.
    pub(crate) resident: u64,
}

impl Contestant {
    pub(crate) fn start(&self, store: &Path) -> Result<Process> {
        std::fs::create_dir_all(store)?;
        let mut child = Command::new(&self.program)
            .args(&self.arguments)
            .arg("--store")
            .arg(store)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{} could not be started", self.program.display()))?;
        let requests = child.stdin.take().context("its input")?;
        let answers = BufReader::new(child.stdout.take().context("its output")?).lines();
        let (limit, rest, store) = (self.limit, self.rest, store.to_path_buf());
        Ok(Process { child, requests, answers, limit, rest, store })
    }
}

impl Process {
    /// Asks without waiting for the answer.
    pub(crate) async fn tell(&mut self, request: &Request) -> Result<()> {
        let line = serde_json::to_string(request)? + "\n";
        Ok(self.requests.write_all(line.as_bytes()).await?)
    }

    /// The next answer.
    pub(crate) async fn answer(&mut self, within: Duration) -> Result<Reply> {
        let line = timeout(within, self.answers.next_line()).await;
        let line = line.map_err(|_| anyhow::anyhow!("no answer in {} s", within.as_secs()))??;
        let reply: Reply = serde_json::from_str(&line.context("it ended")?)?;
        match reply.error {
            Some(error) => bail!(error),
            None if reply.late => bail!("not done in {} s", self.limit.as_secs()),
            None => Ok(reply),
        }
    }

    /// Asks for what is not measured.
    pub(crate) async fn prepare(&mut self, request: Request) -> Result<Reply> {
        self.tell(&request).await?;
        self.answer(self.limit * PREPARING).await
    }

    /// Asks for what is measured.
    pub(crate) async fn measure(&mut self, request: Request) -> Result<Reply> {
        self.tell(&request).await?;
        self.answer(self.limit + GRACE).await
    }

    /// Asks to wait for something.
    pub(crate) async fn wait(&mut self, goal: Goal) -> Result<Reply> {
        self.begin_wait(goal).await?;
        self.answer(self.limit + GRACE).await
    }

    /// The same, without waiting for the answer.
    pub(crate) async fn begin_wait(&mut self, goal: Goal) -> Result<()> {
        self.tell(&Request::Wait { goal, within_ms: milliseconds(self.limit) }).await
    }

    /// Waits until nothing comes or goes any more. Answers the moment of the last message, and all traffic.
    pub(crate) async fn silence(&mut self) -> Result<(u64, Traffic)> {
        let request = Request::Quiet { for_ms: milliseconds(self.rest), within_ms: milliseconds(self.limit) };
        let reply = self.measure(request).await?;
        Ok((reply.shown.context("a moment")?, reply.traffic.context("the traffic")?))
    }

    /// The same, and until neither this nor the other one computes: some are silent for seconds before they go on.
    pub(crate) async fn rest(&mut self, other: &Process) -> Result<(u64, Traffic)> {
        let started = Instant::now();
        loop {
            let (since, before) = (Instant::now(), self.usage()?.cpu + other.usage()?.cpu);
            let silent = self.silence().await?;
            let computed = (self.usage()?.cpu + other.usage()?.cpu).saturating_sub(before);
            if computed < since.elapsed() * IDLE_PERCENT / 100 {
                return Ok(silent);
            }
            ensure!(started.elapsed() < self.limit, "still at it after {} s", self.limit.as_secs());
        }
    }

    /// The moment that this connection began.
    pub(crate) async fn connect(&mut self, address: &str) -> Result<u64> {
        let reply = self.measure(Request::Connect { address: address.to_owned() }).await?;
        reply.began.context("when it began")
    }

    pub(crate) async fn serve(&mut self) -> Result<String> {
        self.prepare(Request::Serve).await?.address.context("its address")
    }

    pub(crate) async fn stop(mut self) -> Result<()> {
        self.tell(&Request::Stop).await?;
        // A contestant that cannot end in peace is ended.
        let _ = timeout(ENDING, self.child.wait()).await;
        let _ = self.child.kill().await;
        Ok(())
    }

    /// What it has written to the disk, when it has written nothing more for so long: some write later.
    pub(crate) async fn written(&self, silence: Duration) -> Result<u64> {
        let mut looks = interval(silence);
        looks.tick().await;
        let (started, mut before) = (Instant::now(), self.usage()?.written);
        loop {
            looks.tick().await;
            let written = self.usage()?.written;
            if written == before {
                return Ok(written);
            }
            ensure!(started.elapsed() < self.limit, "still writing after {} s", self.limit.as_secs());
            before = written;
        }
    }

    /// What the system counts for it.
    pub(crate) fn usage(&self) -> Result<Usage> {
        let id = self.child.id().context("it ended")?;
        let read = |name: &str| std::fs::read_to_string(format!("/proc/{id}/{name}"));
        let (stat, io, status) = (read("stat")?, read("io")?, read("status")?);
        // After the name in parentheses, which may contain anything: user and system time are the 12th and 13th.
        let (_, after) = stat.rsplit_once(')').context("a name in parentheses")?;
        let ticks: u64 =
            after.split_whitespace().skip(11).take(2).filter_map(|n| n.parse::<u64>().ok()).sum();
        Ok(Usage {
            written: line(&io, "write_bytes:")?,
            // Linux counts in hundredths of a second for programs, whatever it counts in itself.
            cpu: Duration::from_millis(ticks * 10),
            resident: line(&status, "VmRSS:")? * 1024,
        })
    }

    /// Bytes of all files in its store.
    pub(crate) fn stored(&self) -> Result<u64> {
        stored(&self.store)
    }
}

fn line(text: &str, name: &str) -> Result<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name)).with_context(|| name.to_owned())?;
    Ok(rest.split_whitespace().next().context("a number")?.parse()?)
}

fn stored(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        bytes += if entry.file_type()?.is_dir() { stored(&entry.path())? } else { entry.metadata()?.len() };
    }
    Ok(bytes)
}

pub(crate) fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
