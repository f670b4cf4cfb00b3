//! Telling the story, step by step, on a terminal or to nobody.

use std::time::Instant;

use super::checks::Check;
use crate::terminal::{Paint, line};

/// Tells what happens.
#[derive(Debug)]
pub(super) struct Narrator {
    quiet: bool,
    paint: Paint,
    step: u32,
    begun: Instant,
}

impl Narrator {
    pub(super) fn new(quiet: bool) -> Self {
        Self { quiet, paint: Paint::of_terminal(), step: 0, begun: Instant::now() }
    }

    /// The next step of the story begins.
    pub(super) fn step(&mut self, title: &str) {
        self.step += 1;
        self.say(&format!("\n{}", self.paint.bold(&format!("{}. {title}", self.step))));
    }

    /// Something happened in it.
    pub(super) fn tell(&self, text: &str) {
        self.say(&format!("   {text}"));
    }

    /// A detail for those who want to know how.
    pub(super) fn detail(&self, text: &str) {
        self.say(&format!("   {}", self.paint.dim(text)));
    }

    /// The end: what was checked.
    pub(super) fn table(&mut self, checks: &[Check]) {
        self.step(&format!(
            "What fresh processes find in the stores ({:.0} s in all)",
            self.begun.elapsed().as_secs_f64()
        ));
        let width = checks.iter().map(|check| check.name.chars().count()).max().unwrap_or_default();
        for check in checks {
            let mark = if check.passed { self.paint.good("pass") } else { self.paint.bad("FAIL") };
            self.say(&format!("   {mark}  {:width$}  {}", check.name, check.figure));
        }
        self.say("");
    }

    fn say(&self, text: &str) {
        if !self.quiet {
            line(text);
        }
    }
}
