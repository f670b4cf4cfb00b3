//! The measurements, with the editing trace replayed into a document. Standard output is theirs alone, for `--json`.

use std::ffi::OsString;
use std::path::Path;

use anyhow::Result;

use crate::steps::{Steps, cargo, target_folder};
use crate::trace;

pub(crate) fn run(given_trace: Option<&Path>, rest: &[OsString]) -> Result<()> {
    let document = target_folder().join("bench.automerge");
    trace::run(&document, given_trace)?;
    let mut measure = cargo(&["run", "--release", "--package", "katori-bench", "--", "--document"]);
    Steps::default().run("measurements", measure.arg(document).args(rest))
}
