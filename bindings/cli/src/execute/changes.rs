//! Changes one by one: watching, the history, what is held back.

use katori::Origin;
use katori::automerge::{ChangeHash, Patch, PatchAction};

use super::content::texts;
use super::people::who;
use super::{Events, Executor};
use crate::failure::Failure;
use crate::report::{ChangeReport, EditReport, HeldReport, TakenInReport};
use crate::response::{Event, Response};

/// Patches described in one event; of more, their number is told.
const MAX_PATCHES: usize = 50;

impl Executor {
    pub(super) async fn watch(&self, document: &str, events: &Events) -> Result<Response, Failure> {
        let doc = self.node.doc(document).await?;
        let mut changes = doc.watch();
        if events.send(Event::Watching { heads: texts(&doc.heads()) }).await.is_err() {
            return Ok(Response::Done("nobody listens any more".to_owned()));
        }
        while let Some(change) = changes.next().await {
            let (origin, people) = match &change.origin {
                Origin::Local => ("local", Vec::new()),
                Origin::Remote { who } => ("remote", who.clone()),
                Origin::Rebuilt => ("rebuilt", Vec::new()),
                _ => ("missed", Vec::new()),
            };
            let report = ChangeReport {
                origin: origin.to_owned(),
                who: people.iter().map(who).collect(),
                heads: texts(&change.heads),
                patches: describe(&change.patches),
                withdrawn: change.withdrawn as u64,
            };
            if events.send(Event::Changed(report)).await.is_err() {
                break;
            }
        }
        Ok(Response::Done(format!("{} is watched no longer", doc.name())))
    }

    pub(super) async fn log(&self, document: &str) -> Result<Response, Failure> {
        let doc = self.node.doc(document).await?;
        let history = doc.history();
        Ok(Response::Log(
            history
                .iter()
                .map(|edit| EditReport {
                    hash: edit.hash.to_string(),
                    who: edit.who.as_ref().map(who),
                    vouched_by: edit.vouched_by.iter().map(who).collect(),
                    time: edit.time,
                    operations: edit.operations,
                    dependencies: texts(&edit.deps),
                })
                .collect(),
        ))
    }

    pub(super) async fn held(&self, document: &str) -> Result<Response, Failure> {
        let doc = self.node.doc(document).await?;
        Ok(Response::Held(
            doc.held()
                .iter()
                .map(|held| HeldReport {
                    hash: held.hash.to_string(),
                    who: held.who.as_ref().map(who),
                    signed: held.signed,
                    time: held.time,
                    operations: held.operations,
                    reason: held.reason.to_string(),
                })
                .collect(),
        ))
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

fn describe(patches: &[Patch]) -> Vec<String> {
    let mut lines: Vec<String> = patches.iter().take(MAX_PATCHES).map(describe_one).collect();
    if patches.len() > MAX_PATCHES {
        lines.push(format!("and {} more", patches.len() - MAX_PATCHES));
    }
    lines
}

/// One patch in a line, as in `items/milk = 2` or `story: inserted "rice" at 4`.
fn describe_one(patch: &Patch) -> String {
    let steps: Vec<String> = patch.path.iter().map(|(_, prop)| prop.to_string()).collect();
    let place = steps.join("/");
    let under = |last: &str| if place.is_empty() { last.to_owned() } else { format!("{place}/{last}") };
    match &patch.action {
        PatchAction::PutMap { key, value, .. } => format!("{} = {}", under(key), value.0),
        PatchAction::PutSeq { index, value, .. } => format!("{} = {}", under(&index.to_string()), value.0),
        PatchAction::Insert { index, values } => format!("{place}: inserted {} at {index}", values.len()),
        PatchAction::SpliceText { index, value, .. } => {
            format!("{place}: inserted {:?} at {index}", value.make_string())
        }
        PatchAction::Increment { prop, value } => format!("{} += {value}", under(&prop.to_string())),
        PatchAction::Conflict { prop } => format!("{}: others wrote there too", under(&prop.to_string())),
        PatchAction::DeleteMap { key } => format!("{} removed", under(key)),
        PatchAction::DeleteSeq { index, length } => format!("{place}: removed {length} at {index}"),
        PatchAction::Mark { .. } => format!("{place}: marked"),
    }
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
