//! Two real processes of the example share a list, one goes away and comes back, and both end by themselves.

#![allow(clippy::panic, clippy::unwrap_used, reason = "in a test, stopping where it happens is the report")]

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// Far more than anything here takes, so that only a real fault runs into it.
const PATIENCE: Duration = Duration::from_mins(1);

struct Groceries {
    child: Child,
    lines: Receiver<String>,
}

impl Groceries {
    fn start(store: &Path, ticket: Option<&str>) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_groceries"));
        command.arg("--nearby").arg(store).args(ticket).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (send, lines) = channel();
        std::thread::spawn(move || output.lines().map_while(Result::ok).all(|line| send.send(line).is_ok()));
        Self { child, lines }
    }

    fn say(&mut self, line: &str) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    /// The first line from now on that holds this.
    fn hear(&self, wanted: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(left);
            let line = line.unwrap_or_else(|error| panic!("never heard `{wanted}`: {error}"));
            if line.contains(wanted) {
                return line;
            }
        }
    }

    /// Ends its input, and waits until it has gone.
    fn end(mut self) {
        drop(self.child.stdin.take());
        // Its output ends when it does.
        while self.lines.recv_timeout(PATIENCE).is_ok() {}
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Groceries {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_list_is_shared_and_survives_a_break() {
    let (ana_store, ben_store) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut ana = Groceries::start(ana_store.path(), None);
    let invitation = ana.hear("katori1");
    let ticket = invitation.split_whitespace().last().unwrap();
    ana.say("milk 2");
    ana.hear("\"milk\": 2");

    let mut ben = Groceries::start(ben_store.path(), Some(ticket));
    ben.hear("\"milk\": 2");
    ben.say("eggs 6");
    ana.hear("\"eggs\": 6");

    ben.end();
    ana.say("milk 3");
    ana.hear("\"milk\": 3");
    let mut ben = Groceries::start(ben_store.path(), None);
    ben.hear("\"milk\": 3");
    ben.say("-eggs");
    ben.say("bread 1");
    ana.hear("\"bread\": 1");

    ben.say("quit");
    ben.end();
    ana.end();
}
