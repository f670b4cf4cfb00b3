//! Changes one by one: watching, the history, what is held back.

use katori::automerge::ChangeHash;
use katori::{Doc, DocChange, Origin, Role};

use katori_core::engine::Event as HubEvent;
use tokio::sync::broadcast::error::RecvError;

use super::content::texts;
use super::people::who;
use super::{Events, Executor};
use crate::failure::{Failure, FailureCode};
use crate::patch::PatchReport;
use crate::report::{ChangeReport, EditReport, HeldReport, TakenInReport};
use crate::response::{Event, Response};

/// Patches in one event; of more, their number is told.
const MAX_PATCHES: usize = 50;

impl Executor {
    pub(super) async fn watch(&self, document: &str, events: &Events) -> Result<Response, Failure> {
        let doc = self.node.doc(document).await?;
        let mut changes = doc.watch();
        if events.send(Event::Watching { heads: texts(&doc.heads()) }).await.is_err() {
            return Ok(Response::Done("nobody listens any more".to_owned()));
        }
        let mut happenings = self.node.hub().events();
        let mut role = self.role_in(&doc).await?;
        loop {
            tokio::select! {
                biased;
                change = changes.next() => {
                    let Some(change) = change else { break };
                    if events.send(Event::Changed(report(&change))).await.is_err() {
                        return Ok(Response::Done("nobody listens any more".to_owned()));
                    }
                }
                happened = happenings.recv() => match happened {
                    Ok(HubEvent::Access { document }) if document == doc.id() => {
                        let now = self.role_in(&doc).await?;
                        if role.is_some() && now.is_none() {
                            return Err(lost_role(&doc));
                        }
                        role = now;
                    }
                    Ok(_) | Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => break,
                },
            }
        }
        // A document that is still here is watched no longer only because its hub ended.
        match self.node.docs().await {
            Ok(known) if !known.iter().any(|known| known.id == doc.id() && known.standing.has_content()) => {
                Ok(Response::Done(format!("{} was put away or deleted", doc.name())))
            }
            Ok(_) | Err(_) => Err(Failure::failed("the hub was stopped")),
        }
    }

    /// What this device may do with a document now.
    async fn role_in(&self, doc: &Doc) -> Result<Option<Role>, Failure> {
        let documents = self.node.docs().await?;
        Ok(documents.iter().find(|document| document.id == doc.id()).and_then(|document| document.role))
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
                    time_ms: edit.time.saturating_mul(1000),
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
                    time_ms: held.time.saturating_mul(1000),
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

fn lost_role(doc: &Doc) -> Failure {
    let name = doc.name();
    Failure::new(
        FailureCode::NotAllowed,
        format!("you have no role in {name} any more; what is here stays readable, see `katori cat {name}`"),
    )
}

fn report(change: &DocChange) -> ChangeReport {
    let (origin, people) = match &change.origin {
        Origin::Local => ("local", [].as_slice()),
        Origin::Remote { who } => ("remote", who.as_slice()),
        Origin::Rebuilt => ("rebuilt", [].as_slice()),
        _ => ("missed", [].as_slice()),
    };
    ChangeReport {
        origin: origin.to_owned(),
        who: people.iter().map(who).collect(),
        heads: texts(&change.heads),
        patches: change.patches.iter().take(MAX_PATCHES).map(PatchReport::new).collect(),
        more_patches: change.patches.len().saturating_sub(MAX_PATCHES) as u64,
        withdrawn: change.withdrawn as u64,
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
