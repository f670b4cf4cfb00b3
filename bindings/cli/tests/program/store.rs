//! A store, and processes of the program that work on it.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// How long anything may take to come about.
const PATIENCE: Duration = Duration::from_secs(30);

/// A store in a temporary folder, and perhaps its hub.
pub(crate) struct Store {
    pub(crate) folder: PathBuf,
    hub: Option<Child>,
    _temporary: TempDir,
}

impl Store {
    pub(crate) fn empty() -> Self {
        let temporary = tempfile::tempdir().unwrap();
        Self { folder: temporary.path().join("store"), hub: None, _temporary: temporary }
    }

    pub(crate) fn new(person: &str) -> Self {
        let store = Self::empty();
        store.ok(&["init", "--person", person, "--device", "desk"]);
        store
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_katori"));
        command.args(arguments).args(["--json", "--offline", "--bind", "127.0.0.1:0", "--store"]);
        command.arg(&self.folder).stdin(Stdio::null());
        command
    }

    /// The exit code and what was printed.
    pub(crate) fn run(&self, arguments: &[&str]) -> (i32, Value) {
        let output = self.command(arguments).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        let json =
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {text}"));
        (output.status.code().unwrap(), json)
    }

    pub(crate) fn ok(&self, arguments: &[&str]) -> Value {
        let (code, json) = self.run(arguments);
        assert_eq!(code, 0, "{arguments:?}: {json}");
        json
    }

    pub(crate) fn fails(&self, code: i32, arguments: &[&str]) -> String {
        let (found, json) = self.run(arguments);
        assert_eq!(found, code, "{arguments:?}: {json}");
        json["error"]["message"].as_str().unwrap().to_owned()
    }

    pub(crate) fn serve(&mut self) -> Value {
        self.serve_with(&[])
    }

    pub(crate) fn serve_with(&mut self, options: &[&str]) -> Value {
        let mut hub = self.command(&[&["serve"], options].concat()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(hub.stdout.take().unwrap()).read_line(&mut line).unwrap();
        self.hub = Some(hub);
        serde_json::from_str(&line).unwrap()
    }

    /// Runs a command, and answers what it asks, line by line: the lines that it printed, and its exit code.
    pub(crate) fn answering(&self, arguments: &[&str], answers: &str) -> (i32, Vec<Value>) {
        let mut process =
            self.command(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        process.stdin.take().unwrap().write_all(answers.as_bytes()).unwrap();
        let output = process.wait_with_output().unwrap();
        (output.status.code().unwrap(), lines(&output.stdout))
    }

    /// Asks again and again, until the answer is what is waited for.
    pub(crate) fn until(&self, arguments: &[&str], what: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let (_, json) = self.run(arguments);
            if what(&json) {
                return json;
            }
            assert!(Instant::now() < deadline, "{arguments:?}: {json}");
        }
    }

    pub(crate) fn kill(&mut self) {
        let mut hub = self.hub.take().unwrap();
        hub.kill().unwrap();
        hub.wait().unwrap();
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.join("hub.sock")
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        if self.hub.is_some() {
            self.kill();
        }
    }
}

/// JSON, a value a line.
pub(crate) fn lines(output: &[u8]) -> Vec<Value> {
    let text = String::from_utf8_lossy(output);
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}
