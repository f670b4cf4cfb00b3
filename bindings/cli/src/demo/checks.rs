//! What must be true at the end, found out by fresh processes that read the stores.

use serde::Serialize;
use serde_json::Value;

use super::device::Device;
use super::space::{AFTER, BEFORE, SPACE};
use super::typing::percentile;
use super::{DOCUMENT, Stage};
use crate::failure::{Failure, FailureCode};
use crate::report::{ContentReport, DocumentReport, EditReport, ExplanationReport, HeldReport, StatusReport};

/// One thing that was checked.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Check {
    pub(super) name: &'static str,
    pub(super) passed: bool,
    /// What was found, in figures.
    pub(super) figure: String,
}

/// What one store holds, as fresh processes print it.
#[derive(Debug)]
struct Found {
    content: ContentReport,
    log: Vec<EditReport>,
    held: Vec<HeldReport>,
}

impl Found {
    async fn look(device: &Device) -> Result<Self, Failure> {
        Ok(Self {
            content: device.read(&["cat", DOCUMENT]).await?,
            log: device.read(&["log", DOCUMENT]).await?,
            held: device.read(&["held", DOCUMENT]).await?,
        })
    }

    fn text(&self) -> &str {
        self.content.value.get("text").and_then(Value::as_str).unwrap_or_default()
    }

    fn edit(&self, hash: &str) -> Option<&EditReport> {
        self.log.iter().find(|edit| edit.hash == hash)
    }

    /// The change is shown, Ben's signature proves that he wrote it, and Ana answers for it.
    fn by_ben_answered_for_by_ana(&self, hash: &str) -> bool {
        self.edit(hash).is_some_and(|edit| {
            edit.who.as_ref().is_some_and(|who| who.name == "Ben (laptop)")
                && edit.vouched_by.iter().any(|who| who.name.starts_with("Ana"))
        })
    }
}

impl Stage {
    pub(super) async fn check(&self) -> Result<Vec<Check>, Failure> {
        let laptop = Found::look(&self.laptop).await?;
        let phone = Found::look(&self.phone).await?;
        Ok(vec![
            self.check_digits(),
            self.check_convergence().await?,
            self.check_words(&[&laptop, &phone]),
            self.check_acknowledged(&[&laptop, &phone]),
            Check {
                name: "Ana's laptop and phone hold the same document",
                passed: laptop.content.heads == phone.content.heads && laptop.text() == phone.text(),
                figure: format!("{} characters each", laptop.text().chars().count()),
            },
            Check {
                name: "what the phone had accepted in time was held back, then adopted",
                passed: self.was_held
                    && self.was_adopted
                    && [&laptop, &phone].iter().all(|found| found.by_ben_answered_for_by_ana(&self.accepted)),
                figure: format!("{}, by Ben, answered for by Ana", short(&self.accepted)),
            },
            Check {
                name: "what Ben wrote unknowing was held back everywhere, then taken in",
                passed: self.was_held_everywhere
                    && [&laptop, &phone].iter().all(|found| {
                        found.by_ben_answered_for_by_ana(&self.unknowing) && found.held.is_empty()
                    }),
                figure: format!("{}, nothing held back now", short(&self.unknowing)),
            },
            self.check_revoked().await?,
            Check {
                name: "Cleo has the space, and what was made in it later, and both can say why",
                passed: self.space_holds().await?,
                figure: format!("{BEFORE} and {AFTER}, by the space {SPACE}"),
            },
            self.check_stores().await?,
            Check {
                name: "live edits, each seen by the other side",
                passed: !self.latencies.is_empty(),
                figure: format!(
                    "{} edits, p50 {:.1} ms, p95 {:.1} ms",
                    self.latencies.len(),
                    percentile(&self.latencies, 50),
                    percentile(&self.latencies, 95)
                ),
            },
        ])
    }

    fn check_digits(&self) -> Check {
        let [here, there] = &self.digits;
        let six = here.chars().filter(char::is_ascii_digit).count() == 6;
        Check {
            name: "the laptop and the phone showed the same six digits",
            passed: six && here == there,
            figure: format!("{here} and {there}"),
        }
    }

    /// Ana's stores still show the document as Ben read it when he had come back.
    async fn check_convergence(&self) -> Result<Check, Failure> {
        let at = self.converged.join(",");
        let mut same = !self.converged.is_empty() && !self.read_by_ben.is_empty();
        for device in [&self.laptop, &self.phone] {
            let content: ContentReport = device.read(&["cat", DOCUMENT, "text", "--at", &at]).await?;
            same &= content.value == self.read_by_ben.as_str();
        }
        let heads: Vec<String> = self.converged.iter().map(|head| short(head)).collect();
        Ok(Check {
            name: "all three were the same when Ben had come back",
            passed: same,
            figure: format!("heads {}", heads.join(", ")),
        })
    }

    fn check_words(&self, found: &[&Found]) -> Check {
        let there = |found: &&Found| {
            self.sentences.iter().filter(|words| found.text().contains(words.as_str())).count()
        };
        let fewest = found.iter().map(there).min().unwrap_or_default();
        Check {
            name: "what was written word by word reads as it was meant",
            passed: !self.sentences.is_empty() && fewest == self.sentences.len(),
            figure: format!("{fewest} of {} passages whole", self.sentences.len()),
        }
    }

    fn check_acknowledged(&self, found: &[&Found]) -> Check {
        let there =
            |found: &&Found| self.acknowledged.iter().filter(|hash| found.edit(hash).is_some()).count();
        let fewest = found.iter().map(there).min().unwrap_or_default();
        Check {
            name: "every edit that was said to be saved is there",
            passed: !self.acknowledged.is_empty() && fewest == self.acknowledged.len(),
            figure: format!("{fewest} of {} changes", self.acknowledged.len()),
        }
    }

    /// Ben may not write, and both sides can say why.
    async fn check_revoked(&self) -> Result<Check, Failure> {
        let documents: Vec<DocumentReport> = self.ben.read(&["ls"]).await?;
        let roleless = documents.iter().all(|document| document.role.is_none());
        let code = match self.ben.run(&["set", DOCUMENT, "mine", "1"]).await {
            Ok(()) => 0,
            Err(failure) => failure.code.exit_code(),
        };
        let why: ExplanationReport = self.laptop.read(&["why", "Ben", DOCUMENT]).await?;
        let told = why.lines.iter().any(|line| line.contains("revoked by"));
        Ok(Check {
            name: "Ben may not write any more",
            passed: code == FailureCode::NotAllowed.exit_code() && roleless && why.role.is_none() && told,
            figure: format!("exit code {code} on his laptop"),
        })
    }

    /// Every store opens after its process was killed.
    async fn check_stores(&self) -> Result<Check, Failure> {
        let mut changes = Vec::new();
        for device in [&self.laptop, &self.phone, &self.ben, &self.cleo] {
            let status: StatusReport = device.read(&["status"]).await?;
            changes.push(status.changes.to_string());
        }
        Ok(Check {
            name: "every store opens after kill -9",
            passed: changes.iter().all(|changes| changes != "0"),
            figure: format!("{} changes", changes.join(", ")),
        })
    }
}

fn short(hash: &str) -> String {
    hash.chars().take(8).collect()
}
