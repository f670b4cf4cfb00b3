//! What is kept and not shown: which rule keeps it out, what can be done, and saying so.

use katori::automerge::ChangeHash;
use katori::{Doc, HeldChange, HeldReason, Rule};

use super::Executor;
use super::content::{find_change, texts};
use super::names::{Names, who};
use crate::failure::Failure;
use crate::report::{BranchReport, ContentReport, ForkReport, HeldReport, TakenInReport, UncountedReport};
use crate::response::Response;

impl Executor {
    pub(super) async fn held(&self, document: &str) -> Result<Response, Failure> {
        Ok(Response::Held(self.held_reports(document).await?))
    }

    pub(super) async fn why_held(&self, document: &str) -> Result<Response, Failure> {
        Ok(Response::HeldExplained(self.held_reports(document).await?))
    }

    async fn held_reports(&self, document: &str) -> Result<Vec<HeldReport>, Failure> {
        let doc = self.node.doc(document).await?;
        let names = self.names().await?;
        let name = doc.name();
        Ok(doc.held().iter().map(|held| report(held, &name, doc.may_write(), &names)).collect())
    }

    pub(super) async fn take_in(&self, document: &str, chosen: &[String]) -> Result<Response, Failure> {
        let doc = self.node.doc(document).await?;
        let held: Vec<ChangeHash> = doc.held().iter().map(|held| held.hash).collect();
        let changes = choose(&held, chosen)?;
        if changes.is_empty() {
            return Err(Failure::not_found(format!("nothing is held back in {}", doc.name())));
        }
        doc.take_in(&changes).await?;
        let still_held = doc.held().len() as u64;
        Ok(Response::TakenIn(TakenInReport { taken_in: texts(&changes), still_held }))
    }

    pub(super) async fn exclude(
        &self,
        document: &str,
        chosen: &[String],
        reason: &str,
    ) -> Result<Response, Failure> {
        let doc = self.node.doc(document).await?;
        let all = all_changes(&doc);
        let changes: Vec<ChangeHash> =
            chosen.iter().map(|text| find_change(&all, text)).collect::<Result<_, _>>()?;
        doc.exclude(&changes, reason).await?;
        let what = crate::render::counted_u64(changes.len() as u64, "change");
        Ok(Response::Done(format!(
            "{what} of {} and what builds on it stay out, for everybody, while an admin says so; nothing is deleted: \
             see `katori held {0}`",
            doc.name()
        )))
    }

    pub(super) async fn forks(&self, document: &str, copy: Option<&str>) -> Result<Response, Failure> {
        let doc = self.node.doc(document).await?;
        let Some(copy) = copy else {
            return Ok(Response::Forks(doc.forks().iter().map(fork).collect()));
        };
        let forks = doc.forks();
        let losing = forks.iter().flat_map(|fork| &fork.branches).filter(|branch| !branch.stays);
        let losing: Vec<ChangeHash> = losing.map(|branch| branch.hash).collect();
        let hash = find_change(&losing, copy)?;
        Ok(Response::Content(ContentReport {
            id: doc.id().to_string(),
            name: doc.name(),
            heads: texts(&[hash]),
            value: doc.conflict_copy(hash)?,
            conflicts: Vec::new(),
        }))
    }
}

/// Shown or held back.
fn all_changes(doc: &Doc) -> Vec<ChangeHash> {
    let shown = doc.history().into_iter().map(|edit| edit.hash);
    shown.chain(doc.held().into_iter().map(|held| held.hash)).collect()
}

fn report(held: &HeldChange, document: &str, may_write: bool, names: &Names) -> HeldReport {
    let (rule, rule_says) = rule(held.rule);
    HeldReport {
        hash: held.hash.to_string(),
        who: held.who.as_ref().map(|who| names.who(who)),
        signed: held.signed,
        time_ms: held.time.saturating_mul(1000),
        operations: held.operations,
        reason: names.in_names(held.reason.to_string()),
        rule: rule.to_owned(),
        rule_says: rule_says.to_owned(),
        uncounted: held
            .uncounted
            .iter()
            .map(|voucher| UncountedReport {
                who: names.who(&voucher.who),
                why: if voucher.forked { "forked" } else { "no_write" }.to_owned(),
            })
            .collect(),
        remedy: remedy(held, document, may_write),
    }
}

/// The name of a part of the rule, and what it says.
fn rule(rule: Rule) -> (&'static str, &'static str) {
    match rule {
        Rule::Writer => ("writer", "somebody who may write now has to stand behind each change"),
        Rule::Author => ("author", "the device whose name a change bears has to have signed for it"),
        Rule::Exclusion => ("exclusion", "what an admin excluded stays out"),
        Rule::Closure => ("closure", "what a change builds on has to be in as well"),
        Rule::Fork => ("fork", "of several changes that a device wrote in one place, one is in"),
        Rule::Local | _ => ("local", "this device alone cannot show it"),
    }
}

fn remedy(held: &HeldChange, document: &str, may_write: bool) -> String {
    let short = |hash: &ChangeHash| hash.to_string().chars().take(8).collect::<String>();
    let take_in = |hash: &ChangeHash| format!("`katori take-in {document} {}`", short(hash));
    match &held.reason {
        HeldReason::NoWriterVouches if may_write => format!("{} takes it in by your own word", take_in(&held.hash)),
        HeldReason::NoWriterVouches => "somebody who may write can take it in".to_owned(),
        HeldReason::NotVouchedByAuthor { .. } => {
            "nothing, until the device that it names signs for it: it may be forged".to_owned()
        }
        HeldReason::BuildsOnHeld { on } if may_write => format!("take in what it builds on first: {}", take_in(on)),
        HeldReason::BuildsOnHeld { on } => format!("it waits for {}", short(on)),
        HeldReason::LostFork { reapplied: Some(again), .. } => {
            format!("nothing: what it did is in the document as {}", short(again))
        }
        HeldReason::LostFork { reapplied: None, .. } => {
            format!("`katori forks {document}` shows the proof, and with --copy what was lost")
        }
        HeldReason::Excluded => "nothing, as long as that admin is one: it is kept, and comes back if the exclusion counts no more".to_owned(),
        HeldReason::FailedHere | HeldReason::TooLarge | _ => "see it on another device".to_owned(),
    }
}

fn fork(fork: &katori::Fork) -> ForkReport {
    let (decision, decided_by) = match &fork.decision {
        katori::ForkDecision::Word(somebody) => ("word", Some(who(somebody))),
        katori::ForkDecision::LowerHash => ("lower_hash", None),
        katori::ForkDecision::Needless | _ => ("needless", None),
    };
    let branch =
        |branch: &katori::Branch| BranchReport { hash: branch.hash.to_string(), stays: branch.stays };
    ForkReport {
        device: fork.who.as_ref().map(who),
        sequence: fork.sequence,
        branches: fork.branches.iter().map(branch).collect(),
        proof: fork.proof.iter().map(ToString::to_string).collect(),
        decided_by,
        decision: decision.to_owned(),
        losing: fork.losing as u64,
        not_reapplied: texts(&fork.not_reapplied),
    }
}

/// The changes that were meant: all, or those whose hashes begin so.
fn choose(held: &[ChangeHash], chosen: &[String]) -> Result<Vec<ChangeHash>, Failure> {
    if chosen.is_empty() {
        return Ok(held.to_vec());
    }
    let one = |text: &String| {
        let mut fitting = held.iter().filter(|hash| hash.to_string().starts_with(text.as_str()));
        match (fitting.next(), fitting.next()) {
            (Some(hash), None) => Ok(*hash),
            (Some(_), Some(_)) => Err(Failure::usage(format!("more than one change begins with `{text}`"))),
            (None, _) => Err(Failure::not_found(format!("no change that is held back begins with `{text}`"))),
        }
    };
    chosen.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_chosen_by_the_first_letters() {
        let held = [ChangeHash([0xaa; 32]), ChangeHash([0xab; 32])];
        assert_eq!(choose(&held, &[]).unwrap(), held);
        assert_eq!(choose(&held, &["ab".to_owned()]).unwrap(), [held[1]]);
        assert!(choose(&held, &["a".to_owned()]).is_err());
        assert!(choose(&held, &["c".to_owned()]).is_err());
    }
}
