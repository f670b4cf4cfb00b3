//! The measurements, with the editing trace at hand.

use std::ffi::OsString;
use std::path::Path;

use anyhow::{Context, Result};

use crate::steps::{Steps, cargo};
use crate::trace;

pub(crate) fn run(given_trace: Option<&Path>, rest: &[OsString]) -> Result<()> {
    let trace = match given_trace {
        Some(path) => std::path::absolute(path).context("the path of the trace")?,
        None => trace::find()?,
    };
    let mut measure = cargo(&["run", "--release", "--package", "katori-bench", "--", "--trace"]);
    Steps::default().run("measurements", measure.arg(trace).args(rest))
}
