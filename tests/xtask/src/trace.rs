//! The editing trace of a real paper, as an Automerge document.
//!
//! The trace records every keystroke in the LaTeX source of "A Conflict-Free Replicated JSON Datatype" by Martin
//! Kleppmann and Alastair R. Beresford, and is theirs, under CC-BY 4.0. It is not kept in this repository: the
//! published crate `loro-internal` carries it among its benchmarks, and cargo knows how to get that.

use std::fs::{self, File};
use std::io::{self, BufReader, IsTerminal, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use automerge::transaction::{CommitOptions, Transactable};
use automerge::{ActorId, Automerge, AutomergeError, ObjType, ROOT, ReadDoc, TextEncoding};
use flate2::read::GzDecoder;
use serde::Deserialize;

use crate::steps::{cargo, target_folder};

const SOURCE_CRATE: &str = "loro-internal";
const SOURCE_VERSION: &str = "1.17.1";
const PATH_IN_CRATE: &str = "benches/automerge-paper.json.gz";

/// The property of the document that holds the text.
const TEXT: &str = "text";

/// A fixed author and no clock, so that the document is the same on every machine.
const ACTOR: [u8; 16] = *b"katori trace 001";

/// How many edits pass between two words of progress.
const PROGRESS_EVERY: usize = 10_000;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Trace {
    start_content: String,
    end_content: String,
    txns: Vec<Edit>,
}

#[derive(Debug, Deserialize)]
struct Edit {
    /// Position, characters deleted there, text inserted there.
    patches: Vec<(usize, usize, String)>,
}

/// Replays the trace into a document at `output`. One made from the published trace is kept for the next time.
pub(crate) fn run(output: &Path, given: Option<&Path>) -> Result<()> {
    if let Some(path) = given {
        return write(output, &replay(&read(path)?)?);
    }
    let kept = target_folder().join(format!("automerge-paper-{SOURCE_VERSION}.automerge"));
    if !kept.exists() {
        write(&kept, &replay(&read(&find()?)?)?)?;
    }
    write(output, &fs::read(&kept).with_context(|| format!("reading {}", kept.display()))?)
}

/// Where cargo has put the published trace; it is downloaded when it is not there.
pub(crate) fn find() -> Result<PathBuf> {
    let folder = target_folder().join("trace-source");
    fs::create_dir_all(folder.join("src"))?;
    fs::write(folder.join("src/lib.rs"), "")?;
    let manifest = folder.join("Cargo.toml");
    fs::write(&manifest, manifest_text())?;
    eprintln!("the trace is by Martin Kleppmann and Alastair R. Beresford, under CC-BY 4.0");
    eprintln!("asking cargo for {SOURCE_CRATE} {SOURCE_VERSION}, which carries it");
    let output = cargo(&["metadata", "--format-version", "1", "--manifest-path"])
        .arg(&manifest)
        .stderr(std::process::Stdio::inherit())
        .output()
        .context("cargo metadata could not be started")?;
    ensure!(output.status.success(), "cargo could not get {SOURCE_CRATE}; give the trace by --trace FILE");
    let trace = crate_folder(&output.stdout)?.join(PATH_IN_CRATE);
    ensure!(trace.exists(), "{} is missing; give the trace by --trace FILE", trace.display());
    Ok(trace)
}

fn manifest_text() -> String {
    format!(
        "# Names the crate that carries the trace; nothing here is compiled.\n\
         [package]\nname = \"trace-source\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n\
         [dependencies]\n{SOURCE_CRATE} = \"={SOURCE_VERSION}\"\n\n[workspace]\n"
    )
}

/// The folder of the crate, from what `cargo metadata` says.
fn crate_folder(metadata: &[u8]) -> Result<PathBuf> {
    #[derive(Deserialize)]
    struct Metadata {
        packages: Vec<Package>,
    }
    #[derive(Deserialize)]
    struct Package {
        name: String,
        manifest_path: PathBuf,
    }
    let metadata: Metadata = serde_json::from_slice(metadata).context("reading cargo's metadata")?;
    let package = metadata.packages.iter().find(|package| package.name == SOURCE_CRATE);
    let manifest = &package.context("cargo's metadata does not name the crate")?.manifest_path;
    Ok(manifest.parent().context("a manifest lies in a folder")?.to_path_buf())
}

fn read(path: &Path) -> Result<Trace> {
    let file = File::open(path).with_context(|| format!("opening {}", path.display()))?;
    let trace = serde_json::from_reader(BufReader::new(GzDecoder::new(file)));
    trace.with_context(|| format!("{} is not a gzipped trace", path.display()))
}

/// One Automerge change per edit, as an editor would have made them.
fn replay(trace: &Trace) -> Result<Vec<u8>> {
    let mut document =
        Automerge::new_with_encoding(TextEncoding::UnicodeCodePoint).with_actor(ActorId::from(ACTOR));
    let text = change(&mut document, |transaction| {
        let text = transaction.put_object(ROOT, TEXT, ObjType::Text)?;
        transaction.splice_text(&text, 0, 0, &trace.start_content)?;
        Ok(text)
    })?;
    for (done, edit) in trace.txns.iter().enumerate() {
        change(&mut document, |transaction| {
            edit.patches.iter().try_for_each(|(position, deleted, inserted)| {
                let deleted = isize::try_from(*deleted).unwrap_or(isize::MAX);
                transaction.splice_text(&text, *position, deleted, inserted)
            })
        })
        .with_context(|| format!("edit {done}"))?;
        show_progress(done + 1, trace.txns.len())?;
    }
    if document.text(&text)? != trace.end_content {
        bail!("the replayed text is not the one the trace says it ends with");
    }
    Ok(document.save())
}

fn change<T>(
    document: &mut Automerge,
    edit: impl FnOnce(&mut automerge::transaction::Transaction<'_>) -> Result<T, AutomergeError>,
) -> Result<T> {
    let made = document.transact_with(|_| CommitOptions::default().with_time(0), edit);
    made.map(|success| success.result).map_err(|failure| failure.error.into())
}

fn show_progress(done: usize, of: usize) -> io::Result<()> {
    if !done.is_multiple_of(PROGRESS_EVERY) && done != of {
        return Ok(());
    }
    let mut output = io::stderr();
    if output.is_terminal() && done != of {
        write!(output, "\r{done} of {of} edits")?;
    } else if output.is_terminal() {
        writeln!(output, "\r{done} of {of} edits")?;
    } else if done.is_multiple_of(5 * PROGRESS_EVERY) || done == of {
        writeln!(output, "{done} of {of} edits")?;
    }
    output.flush()
}

/// Under another name first, so that a file with this name is always whole.
fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
    }
    let unfinished = path.with_extension("unfinished");
    fs::write(&unfinished, bytes)
        .and_then(|()| fs::rename(&unfinished, path))
        .with_context(|| format!("writing {}", path.display()))?;
    eprintln!("{}: {} bytes", path.display(), bytes.len());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;

    const SMALL: &str = r#"{ "startContent": "ab", "endContent": "aXYc",
        "txns": [ { "time": "t", "patches": [[2, 0, "c"]] }, { "time": "t", "patches": [[1, 1, "XY"]] } ] }"#;

    fn gzipped(text: &str) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn a_small_trace_is_replayed_one_change_per_edit() {
        let folder = tempfile::tempdir().unwrap();
        let (source, output) =
            (folder.path().join("trace.json.gz"), folder.path().join("deep/out.automerge"));
        fs::write(&source, gzipped(SMALL)).unwrap();
        run(&output, Some(&source)).unwrap();
        let bytes = fs::read(&output).unwrap();
        let document = Automerge::load(&bytes).unwrap();
        let (_, text) = document.get(ROOT, TEXT).unwrap().unwrap();
        assert_eq!(document.text(&text).unwrap(), "aXYc");
        assert_eq!(document.get_changes(&[]).len(), 3);

        run(&output, Some(&source)).unwrap();
        assert!(fs::read(&output).unwrap() == bytes, "the same document every time");
    }

    #[test]
    fn a_trace_that_ends_otherwise_is_refused() {
        let trace: Trace = serde_json::from_str(&SMALL.replace("aXYc", "other")).unwrap();
        assert!(replay(&trace).unwrap_err().to_string().contains("not the one"));
    }

    #[test]
    fn the_folder_of_the_crate_is_found_in_the_metadata() {
        let metadata = r#"{"packages":[{"name":"other","manifest_path":"/o/Cargo.toml"},
            {"name":"loro-internal","manifest_path":"/somewhere/Cargo.toml","version":"1"}]}"#;
        assert_eq!(crate_folder(metadata.as_bytes()).unwrap(), Path::new("/somewhere"));
        assert!(crate_folder(b"{\"packages\":[]}").is_err());
    }
}
