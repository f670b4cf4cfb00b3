//! The chores of this repository: `cargo xtask help`.

mod bench;
mod deep;
mod steps;
mod test;
mod trace;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(name = "cargo xtask", about = "The chores of this repository")]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Debug, Subcommand)]
enum Chore {
    /// Everything a change must pass: format, lints, tests, documentation, the demo
    Test,
    /// The editing trace of a real paper (259,778 edits), replayed into an Automerge document
    Trace {
        /// Where the document goes
        output: PathBuf,
        /// The trace, as gzipped JSON; without it, it is taken from a published crate through cargo
        #[arg(long)]
        trace: Option<PathBuf>,
    },
    /// The measurements, in release
    Bench {
        /// The trace, as gzipped JSON; without it, it is taken from a published crate through cargo
        #[arg(long)]
        trace: Option<PathBuf>,
        /// Passed on to the measurements, for example `--quick`, `--row text`, `--json`, `--svg`, `--no-peers`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        rest: Vec<OsString>,
    },
    /// What takes hours: licences of dependencies, mutants, long simulations
    Deep,
}

fn main() -> ExitCode {
    let done = match Arguments::parse().chore {
        Chore::Test => test::run(),
        Chore::Trace { .. } | Chore::Bench { .. } if cfg!(debug_assertions) => steps::again_in_release(),
        Chore::Trace { output, trace } => trace::run(&output, trace.as_deref()),
        Chore::Bench { trace, rest } => bench::run(trace.as_deref(), &rest),
        Chore::Deep => deep::run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
