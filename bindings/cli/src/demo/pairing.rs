//! Pairing as two people at two screens do it: read the digits on both, compare them, answer on both.

use std::process::Stdio;

use serde::de::DeserializeOwned;
use serde_json::Value as Json;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout};
use tokio::time::timeout;

use super::device::{Device, PATIENCE};
use crate::failure::Failure;
use crate::report::{PairingReport, TicketReport};

/// A process that is spoken with.
#[derive(Debug)]
struct Screen {
    called: String,
    process: Child,
    keyboard: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

/// Pairs a new device with one whose hub runs, and says what digits each screen showed.
pub(super) async fn pair(known: &Device, new: &Device) -> Result<[String; 2], Failure> {
    let mut known_screen = Screen::open(known, &["device", "add"])?;
    let TicketReport { ticket, .. } = known_screen.read("a ticket").await?;
    let mut new_screen = Screen::open(new, &["init", "--device", new.name, "--join", &ticket])?;
    let here: PairingReport = known_screen.read("digits").await?;
    let there: PairingReport = new_screen.read("digits").await?;
    // The comparison that people make, and nothing less: a yes is said only if they are equal.
    let answer = if here.digits == there.digits { "y\n" } else { "n\n" };
    known_screen.say(answer).await?;
    new_screen.say(answer).await?;
    new_screen.end().await?;
    known_screen.end().await?;
    Ok([here.digits, there.digits])
}

impl Screen {
    fn open(device: &Device, arguments: &[&str]) -> Result<Self, Failure> {
        let called =
            format!("`katori {}` on {}", arguments.get(..2).unwrap_or(arguments).join(" "), device.called());
        let broken = |why: &str| Failure::failed(format!("{called}: {why}"));
        let mut process = device.process(arguments);
        let mut process =
            process.stdin(Stdio::piped()).spawn().map_err(|error| broken(&error.to_string()))?;
        let keyboard = process.stdin.take().ok_or_else(|| broken("it has no input"))?;
        let output = process.stdout.take().ok_or_else(|| broken("it has no output"))?;
        Ok(Self { called, process, keyboard, lines: BufReader::new(output).lines() })
    }

    fn wrong(&self, why: &str) -> Failure {
        Failure::failed(format!("{}: {why}", self.called))
    }

    async fn read<T: DeserializeOwned>(&mut self, what: &str) -> Result<T, Failure> {
        let line = timeout(PATIENCE, self.lines.next_line()).await;
        let line = line
            .map_err(|_| self.wrong(&format!("it shows no {what} in time")))?
            .map_err(|error| self.wrong(&error.to_string()))?
            .ok_or_else(|| self.wrong(&format!("it ended before it showed {what}")))?;
        serde_json::from_str(&line).map_err(|_| self.wrong(&format!("it showed {line} in place of {what}")))
    }

    async fn say(&mut self, answer: &str) -> Result<(), Failure> {
        self.keyboard.write_all(answer.as_bytes()).await.map_err(|error| self.wrong(&error.to_string()))
    }

    /// Waits for the end of the process, which has to be a good one.
    async fn end(mut self) -> Result<(), Failure> {
        let last: Json = self.read("how it ended").await?;
        let status = timeout(PATIENCE, self.process.wait()).await;
        let status = status
            .map_err(|_| self.wrong("it does not end"))?
            .map_err(|error| self.wrong(&error.to_string()))?;
        if status.success() { Ok(()) } else { Err(self.wrong(&format!("it ended with {last}"))) }
    }
}
