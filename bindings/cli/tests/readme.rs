//! The README's two terminals and what follows in them, as they stand there: its shell blocks are run, in order, by
//! one shell, with this build of the program and folders of the test's own.

#![expect(clippy::expect_used, reason = "a test that cannot run its program fails")]

use std::process::{Command, Stdio};

const README: &str = include_str!("../../../README.md");

/// The parts whose shell blocks are run.
const PARTS: [&str; 2] = ["Two terminals", "Trust people can see through"];

/// The shell blocks of these parts.
fn commands() -> String {
    let part =
        |title: &str| README.split("\n## ").find(|part| part.starts_with(title)).expect("the part is there");
    let parts = PARTS.map(part).join("\n");
    let blocks = parts.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    blocks.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_two_terminals_work_as_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let alias = "alias katori='cargo run --release --quiet --'\n";
    let commands = commands();
    assert_eq!(commands.matches(alias).count(), 2, "each terminal says how to call the program");
    let path = folder.path().to_str().expect("a plain path");
    let commands = commands.replace(alias, "").replace("/tmp/katori", &format!("{path}/katori"));
    // Whoever types this gives a hub the moment it needs to start; a script does not.
    let serve = "katori serve --offline --bind 127.0.0.1:0 &\n";
    assert_eq!(commands.matches(serve).count(), 2, "each terminal has its hub");
    let started = "until [ -S \"$KATORI_STORE/hub.sock\" ]; do :; done\n";
    let commands = commands.replace(serve, &format!("{serve}{started}"));
    let program = folder.path().join("bin").join("katori");
    std::fs::create_dir(folder.path().join("bin")).expect("a folder for the program");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_katori"), &program).expect("a link to the program");
    let script = format!(
        "set -euo pipefail\ntrap 'kill $(jobs -p) 2>/dev/null; wait' EXIT\nPATH='{path}/bin':$PATH\n\
         {commands}\necho THE-END\nkatori cat groceries --json\n"
    );
    let output = Command::new("bash").arg("-c").arg(&script).stdin(Stdio::null()).output().expect("a shell");
    let printed = String::from_utf8_lossy(&output.stdout);
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script}\n{printed}\n{complaints}");
    let (story, end) = printed.split_once("THE-END").expect("it came to the end");
    assert!(end.contains("\"eggs\"") && end.contains("\"milk\""), "Ana has what Ben wrote: {end}");
    for words in [
        "Ben (desk)",
        "Ana",
        "no role",
        "groceries",
        "gives you read in house",
        "by the space house",
        "as one of family",
        "write -> read",
        "-- revoked by Ana",
        "not verified",
    ] {
        assert!(story.contains(words), "`{words}` is not in what was printed:\n{story}");
    }
}
