//! Measurements of the whole path, beside others that sync Automerge documents and beside what nobody can be faster
//! than. `cargo xtask bench` runs them.
//!
//! A scenario is held once, in [`scenario`], and played by everybody who takes part: a program that answers
//! [`protocol`], started as two processes with a store each, over loopback. Katori's part is [`contestant`], in this
//! same program; the others lie in `peers`, outside the workspace.

mod access;
mod contestant;
mod contestants;
mod limits;
mod plot;
mod process;
mod protocol;
mod rows;
mod scenario;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};

use rows::Rows;
use scenario::{Stage, crowd, disk, documents, latency, opening, text};

#[derive(Debug, Parser)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag on the command line")]
#[command(about = "Measurements of katori, beside others and beside what limits everybody")]
struct Arguments {
    /// A native Automerge document with a long text, as `cargo xtask trace` makes it
    #[arg(long, required_unless_present_any = ["contestant", "access"])]
    document: Option<PathBuf>,
    /// Only these rows; without it, all but those of access, which take minutes each
    #[arg(long = "row", value_name = "NAME")]
    rows: Vec<RowName>,
    /// The same as `--row access`
    #[arg(long)]
    access: bool,
    /// Everything at small sizes, to see that it works
    #[arg(long)]
    quick: bool,
    /// Katori alone
    #[arg(long)]
    no_peers: bool,
    /// Print one JSON array instead of a table
    #[arg(long)]
    json: bool,
    /// Draw how the rows grow, into docs/benchmarks
    #[arg(long)]
    svg: bool,
    /// Be a contestant, and answer on standard output
    #[arg(long, hide = true, requires = "store")]
    contestant: bool,
    /// The contestant's store
    #[arg(long, hide = true)]
    store: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum RowName {
    /// An edit until the other side shows it
    Latency,
    /// A long text
    Text,
    /// Many small documents
    Documents,
    /// Opening a store of many documents
    Opening,
    /// What is written to the disk
    Disk,
    /// One hub and many peers
    Crowd,
    /// What access costs
    Access,
}

/// With `--quick` little is waited for, though the slowest of the others may then not have said everything.
const QUICK_REST: Duration = Duration::from_millis(250);

/// Programs that wait for a processor, on average, above which others are measured too.
const BUSY: f64 = 0.5;

const BY_DEFAULT: [RowName; 6] =
    [RowName::Latency, RowName::Text, RowName::Documents, RowName::Opening, RowName::Disk, RowName::Crowd];

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    match arguments.store {
        Some(store) if arguments.contestant => contestant::run(store).await,
        _ => measure(arguments).await,
    }
}

async fn measure(arguments: Arguments) -> Result<()> {
    let wanted = match (arguments.access, arguments.rows.as_slice()) {
        (true, _) => vec![RowName::Access],
        (false, []) => BY_DEFAULT.to_vec(),
        (false, rows) => rows.to_vec(),
    };
    warn_if_busy();
    let mut rows = Rows::default();
    let mut contestants = vec![contestants::katori()?];
    if !arguments.no_peers && wanted != [RowName::Access] {
        contestants.extend(contestants::peers());
    }
    for contestant in &mut contestants {
        if arguments.quick {
            contestant.rest = QUICK_REST;
        }
        rows.takes_part(contestant.name, contestant.safety);
    }
    // Beside what was built, which is on a disk: many a folder for temporary files is not.
    let folder = tempfile::Builder::new().prefix("bench-").tempdir_in(contestants::build_folder()?)?;
    let stage = Stage { contestants, folder, quick: arguments.quick };
    for name in wanted {
        match name {
            RowName::Latency => latency::play(&stage, &mut rows).await?,
            RowName::Text => {
                let trace = arguments.document.as_deref().context("a long text is named by --document")?;
                text::play(&stage, &mut rows, trace).await?;
            }
            RowName::Documents => documents::play(&stage, &mut rows).await?,
            RowName::Opening => opening::play(&stage, &mut rows).await?,
            RowName::Disk => disk::play(&stage, &mut rows).await?,
            RowName::Crowd => crowd::play(&stage, &mut rows).await?,
            RowName::Access => access::measure(&mut rows)?,
        }
    }
    if arguments.svg {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = here.ancestors().nth(2).context("the root of the repository")?;
        plot::draw(&rows.series(), &root.join("docs").join("benchmarks"))?;
    }
    rows.growth();
    rows.print(arguments.json)
}

/// Whoever measures beside other work should know it.
fn warn_if_busy() {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let last_minute: f64 = load.split(' ').next().and_then(|load| load.parse().ok()).unwrap_or(0.0);
    if last_minute > BUSY {
        eprintln!("the machine is busy (load {last_minute}): times will be longer than they are");
    }
}
