//! Running commands one after another, and saying how long each took.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// The steps of a chore so far. Each command prints straight to the terminal.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    done: Vec<(String, Duration)>,
}

impl Steps {
    /// Runs one step; an error names it and ends the chore.
    pub(crate) fn run(&mut self, name: &str, command: &mut Command) -> Result<()> {
        eprintln!("\n== {name}: {}", shown(command));
        let begun = Instant::now();
        let status = command.status().with_context(|| format!("{name} could not be started"))?;
        let took = begun.elapsed();
        if !status.success() {
            self.print();
            bail!("{name} failed after {} ({status}); its output is above", seconds(took));
        }
        eprintln!("== {name}: done in {}", seconds(took));
        self.done.push((name.to_owned(), took));
        Ok(())
    }

    /// What was done, and the time of each step.
    pub(crate) fn print(&self) {
        println!();
        for (name, took) in &self.done {
            println!("{:>9}  {name}", seconds(*took));
        }
        let total = self.done.iter().map(|(_, took)| *took).sum();
        println!("{:>9}  together", seconds(total));
    }
}

/// The cargo that runs this program, in the root of the repository.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(root());
    command
}

/// Runs this same chore in release: Automerge built for development checks itself at every edit, which takes a
/// hundred times as long on a large document.
pub(crate) fn again_in_release() -> Result<()> {
    let mut command = cargo(&["run", "--release", "--package", "xtask", "--"]);
    // Paths on the command line are relative to where it was given.
    command.args(std::env::args_os().skip(1)).current_dir(std::env::current_dir()?);
    Steps::default().run("the same in release", &mut command)
}

/// Whether cargo knows a subcommand such as `nextest`.
pub(crate) fn cargo_has(subcommand: &str) -> bool {
    let mut command = cargo(&[subcommand, "--version"]);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_path_buf()
}

/// A folder for what chores make, never committed.
pub(crate) fn target_folder() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
    root().join(target).join("xtask")
}

fn shown(command: &Command) -> String {
    let variables = command
        .get_envs()
        .filter_map(|(name, value)| Some(format!("{}={}", name.to_string_lossy(), value?.to_string_lossy())));
    let arguments = command.get_args().map(|argument| argument.to_string_lossy().into_owned());
    variables.chain(std::iter::once("cargo".to_owned())).chain(arguments).collect::<Vec<_>>().join(" ")
}

fn seconds(took: Duration) -> String {
    format!("{:.1} s", took.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_shown_as_it_would_be_typed() {
        let mut command = cargo(&["doc", "--workspace"]);
        command.env("RUSTDOCFLAGS", "-Dwarnings");
        assert_eq!(shown(&command), "RUSTDOCFLAGS=-Dwarnings cargo doc --workspace");
    }

    #[test]
    fn the_root_is_where_the_workspace_is() {
        assert!(root().join("Cargo.lock").exists());
    }

    #[test]
    fn a_failing_step_is_named_and_ends_the_chore() {
        let mut steps = Steps::default();
        let error = steps.run("nonsense", &mut cargo(&["no-such-subcommand"])).unwrap_err();
        assert!(error.to_string().starts_with("nonsense failed"), "{error}");
        assert!(steps.done.is_empty());
    }
}
