//! Changes one by one: watching, the history, and who wrote what.

use katori::{BlamePart, BlameSpan, Doc, DocChange, Origin, Role};

use katori_core::engine::Event as HubEvent;
use tokio::sync::broadcast::error::RecvError;

use super::content::texts;
use super::names::{Names, who};
use super::{Events, Executor};
use crate::failure::{Failure, FailureCode};
use crate::patch::PatchReport;
use crate::path::Path;
use crate::report::{BlameReport, ChangeReport, EditReport};
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
        let (history, names) = (doc.history(), self.names().await?);
        Ok(Response::Log(
            history
                .iter()
                .map(|edit| EditReport {
                    hash: edit.hash.to_string(),
                    who: edit.who.as_ref().map(|who| names.who(who)),
                    vouched_by: edit.vouched_by.iter().map(|who| names.who(who)).collect(),
                    time_ms: edit.time.saturating_mul(1000),
                    operations: edit.operations,
                    dependencies: texts(&edit.deps),
                    reapplies: edit.reapplies.map(|lost| lost.to_string()),
                })
                .collect(),
        ))
    }

    pub(super) async fn blame(&self, document: &str, path: &Path) -> Result<Response, Failure> {
        let doc = self.node.doc(document).await?;
        let names = self.names().await?;
        let spans = doc.blame(&path.steps().join("/"))?;
        Ok(Response::Blame(spans.iter().map(|span| blame(span, &names)).collect()))
    }
}

fn blame(span: &BlameSpan, names: &Names) -> BlameReport {
    let (kind, position, key, text) = match &span.what {
        BlamePart::Text { start, text, .. } => ("text", Some(*start as u64), None, Some(text.clone())),
        BlamePart::Element { index } => ("element", Some(*index as u64), None, None),
        BlamePart::Key { key } => ("key", None, Some(key.clone()), None),
    };
    BlameReport {
        kind: kind.to_owned(),
        position,
        key,
        text,
        hash: span.hash.to_string(),
        who: span.who.as_ref().map(|who| names.who(who)),
        vouched_by: span.vouched_by.iter().map(|who| names.who(who)).collect(),
        time_ms: span.time.saturating_mul(1000),
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
