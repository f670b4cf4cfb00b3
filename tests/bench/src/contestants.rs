//! Those who take part: Katori, and two others that are built outside this workspace.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::process::Contestant;

/// How long Katori has for one measurement.
const PATIENCE: Duration = Duration::from_mins(10);
/// How long the others have.
const PEERS_HAVE: Duration = Duration::from_mins(1);

/// How long nothing must happen on a connection before it is at rest.
pub(crate) const REST: Duration = Duration::from_secs(1);

pub(crate) const KATORI: &str = "katori";

/// This program, as a contestant.
pub(crate) fn katori() -> Result<Contestant> {
    Ok(Contestant {
        name: KATORI,
        program: std::env::current_exe()?,
        arguments: vec!["--contestant".into()],
        limit: PATIENCE,
        rest: REST,
        safety: "every commit with fsync, every hash and signature checked, encrypted",
    })
}

/// Builds the others. One that cannot be built is left out, with a word about why.
pub(crate) fn peers() -> Vec<Contestant> {
    let mut peers = Vec::new();
    for (name, made) in [("samod", samod()), ("automerge-repo", automerge_repo())] {
        match made {
            Ok(peer) => peers.push(peer),
            Err(error) => eprintln!("{name} does not take part: {error:#}"),
        }
    }
    peers
}

fn samod() -> Result<Contestant> {
    let folder = folder("samod");
    let target = build_folder()?.join("bench-samod");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.args(["build", "--release", "--locked", "--manifest-path"]).arg(folder.join("Cargo.toml"));
    run(build.arg("--target-dir").arg(&target))?;
    Ok(Contestant {
        name: "samod",
        program: target.join("release").join("samod-contestant"),
        arguments: Vec::new(),
        limit: PEERS_HAVE,
        rest: REST,
        safety: "files without fsync, no signatures, not encrypted",
    })
}

fn automerge_repo() -> Result<Contestant> {
    let folder = folder("automerge-repo");
    let modified = |path: &str| folder.join(path).metadata().and_then(|data| data.modified()).ok();
    if modified("node_modules/.package-lock.json") < modified("package-lock.json") {
        let mut install = Command::new("npm");
        // Nothing it installs needs to run a program for that.
        run(install.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(&folder))?;
    }
    Ok(Contestant {
        name: "automerge-repo",
        program: "node".into(),
        arguments: vec![OsString::from(folder.join("contestant.mjs"))],
        limit: PEERS_HAVE,
        rest: REST,
        safety: "files without fsync, written after 100 ms, no signatures, not encrypted",
    })
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("peers").join(name)
}

/// Cargo's folder that this program was built into, above that of its profile.
pub(crate) fn build_folder() -> Result<PathBuf> {
    let program = std::env::current_exe()?;
    Ok(program.ancestors().nth(2).context("the program lies in cargo's folder")?.to_path_buf())
}

fn run(command: &mut Command) -> Result<()> {
    // Standard output is for the table.
    let status = command.stdout(std::io::stderr()).status();
    let status =
        status.with_context(|| format!("{} could not be started", command.get_program().display()))?;
    ensure!(status.success(), "{} ended with {status}", command.get_program().display());
    Ok(())
}
