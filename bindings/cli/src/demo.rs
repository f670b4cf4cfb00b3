//! The demo: a story of three people and four devices, each a process of its own, told as it happens and checked
//! at the end by processes that only read the stores.

mod checks;
mod device;
mod ending;
mod narrator;
mod pairing;
mod revoking;
mod sharing;
mod space;
mod typing;

use std::path::PathBuf;

use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use crate::arguments::DemoOptions;
use crate::failure::Failure;
use crate::terminal::line;
use checks::Check;
use device::Device;
use narrator::Narrator;

/// What the story is about, as a file of the project.
const TEXT: &str = include_str!("../text/kitchen.txt");
/// What the document is called.
const DOCUMENT: &str = "kitchen";

/// Everybody in the story, and what the checks need to know of it.
#[derive(Debug)]
struct Stage {
    laptop: Device,
    phone: Device,
    ben: Device,
    cleo: Device,
    folder: PathBuf,
    narrator: Narrator,
    /// What the laptop and the phone showed when they were paired.
    digits: [String; 2],
    /// Every change of which somebody was told that it is saved.
    acknowledged: Vec<String>,
    /// What was written word by word, in the order of writing.
    sentences: Vec<String>,
    /// Times from an edit at one process until another shows it, in milliseconds.
    latencies: Vec<f64>,
    /// The heads that all three had after Ben came back, and what Ben read then.
    converged: Vec<String>,
    read_by_ben: String,
    /// Ben's change that the phone had accepted before it knew, and the one it had not.
    accepted: String,
    unknowing: String,
    /// Whether both were seen held back at first, and the first one adopted.
    was_held: bool,
    was_adopted: bool,
    was_held_everywhere: bool,
}

/// Tells the story and checks it.
pub(crate) async fn run(options: DemoOptions, as_json: bool) -> Result<(), Failure> {
    let folder = tempfile::Builder::new()
        .prefix("katori-demo-")
        .tempdir()
        .map_err(|error| Failure::failed(format!("no temporary folder could be made: {error}")))?;
    let mut terminate = signal(SignalKind::terminate())
        .map_err(|error| Failure::failed(format!("signals cannot be heard: {error}")))?;
    // Whatever ends the story, its processes end with it.
    let checks = tokio::select! {
        checks = perform(folder.path().to_path_buf(), as_json) => checks,
        _ = tokio::signal::ctrl_c() => Err(Failure::failed("interrupted")),
        _ = terminate.recv() => Err(Failure::failed("interrupted")),
    };
    if options.keep {
        let kept = folder.keep();
        if !as_json {
            line(&ending::by_hand(&kept));
        }
    }
    let checks = checks?;
    if as_json {
        line(&json!({ "checks": checks }).to_string());
    }
    let failed = checks.iter().filter(|check| !check.passed).count();
    if failed > 0 {
        return Err(Failure::failed(format!("{failed} of {} checks failed", checks.len())));
    }
    Ok(())
}

async fn perform(folder: PathBuf, quiet: bool) -> Result<Vec<Check>, Failure> {
    let program = std::env::current_exe()
        .map_err(|error| Failure::failed(format!("this program cannot find itself: {error}")))?;
    let device =
        |person, name, folder_name: &str| Device::new(&program, person, name, folder.join(folder_name));
    let mut stage = Stage {
        laptop: device("Ana", "laptop", "ana-laptop"),
        phone: device("Ana", "phone", "ana-phone"),
        ben: device("Ben", "laptop", "ben-laptop"),
        cleo: device("Cleo", "tablet", "cleo-tablet"),
        narrator: Narrator::new(quiet),
        folder,
        digits: [String::new(), String::new()],
        acknowledged: Vec::new(),
        sentences: Vec::new(),
        latencies: Vec::new(),
        converged: Vec::new(),
        read_by_ben: String::new(),
        accepted: String::new(),
        unknowing: String::new(),
        was_held: false,
        was_adopted: false,
        was_held_everywhere: false,
    };
    stage.pair().await?;
    stage.invite().await?;
    stage.write_together().await?;
    stage.lose_ben_and_find_him().await?;
    stage.revoke().await?;
    stage.hand_the_phone_a_change().await?;
    stage.hear_of_the_revocation().await?;
    stage.take_in().await?;
    stage.share_a_space().await?;
    stage.kill_everybody().await?;
    let checks = stage.check().await?;
    stage.narrator.table(&checks);
    Ok(checks)
}
