//! What takes hours, and is worth a night now and then.

use anyhow::{Result, bail};

use crate::steps::{Steps, cargo, cargo_has, target_folder};

/// How often the seeded tests run here; they take these from the environment and have small defaults.
const LONG_RUNS: [(&str, &str); 3] = [("CUTS", "80000"), ("CORRUPTIONS", "20000"), ("HISTORIES", "20000")];

pub(crate) fn run() -> Result<()> {
    let mut steps = Steps::default();
    let mut missing = Vec::new();

    if cargo_has("deny") {
        let mut check = cargo(&["deny", "--offline", "--workspace", "check", "licenses", "bans", "sources"]);
        steps.run("licences and sources of dependencies", &mut check)?;
    } else {
        missing.push("cargo install --locked cargo-deny");
    }

    let mut long = cargo(&["test", "--release", "--package", "katori-core", "--package", "katori-sim"]);
    steps.run("long simulations", long.envs(LONG_RUNS))?;

    if cargo_has("mutants") {
        let mut mutants =
            cargo(&["mutants", "--package", "katori-acl", "--package", "katori-core", "--output"]);
        std::fs::create_dir_all(target_folder())?;
        steps.run("mutants", mutants.arg(target_folder()))?;
    } else {
        missing.push("cargo install --locked cargo-mutants");
    }

    steps.print();
    if !missing.is_empty() {
        bail!(
            "not everything was checked, because tools are missing; get them with:\n  {}",
            missing.join("\n  ")
        );
    }
    Ok(())
}
