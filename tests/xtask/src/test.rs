//! Everything a change must pass, the same here as in continuous integration.

use anyhow::Result;

use crate::steps::{Steps, cargo, cargo_has};

pub(crate) fn run() -> Result<()> {
    let mut steps = Steps::default();
    steps.run("format", &mut cargo(&["fmt", "--all", "--check"]))?;
    let clippy = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
    steps.run("lints", &mut cargo(&clippy))?;
    if cargo_has("nextest") {
        steps.run("tests", &mut cargo(&["nextest", "run", "--workspace"]))?;
    } else {
        steps
            .run("tests", &mut cargo(&["test", "--workspace", "--lib", "--bins", "--tests", "--examples"]))?;
    }
    steps.run("examples in the documentation", &mut cargo(&["test", "--doc", "--workspace"]))?;
    let mut documentation = cargo(&["doc", "--no-deps", "--workspace"]);
    steps.run("documentation", documentation.env("RUSTDOCFLAGS", "-Dwarnings"))?;
    steps.run("demo", &mut cargo(&["run", "--release", "--", "demo"]))?;
    steps.print();
    Ok(())
}
