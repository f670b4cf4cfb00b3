//! Tickets: for one's own devices, for guests, and those one was given.

use std::collections::BTreeSet;
use std::future::Future;
use std::time::Duration;

use katori::{InviteOptions, PersonId, Role, Ticket, TicketKind};
use tokio::time::timeout;

use super::{Events, Executor};
use crate::failure::{Failure, FailureCode};
use crate::report::TicketReport;
use crate::response::{Event, Response};
use crate::start;

/// How often a waiting invitation looks whether somebody has come: nothing announces it.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// How long a new device may take to get what there is, before the command that let it in ends.
const FIRST_SYNC: Duration = Duration::from_secs(10);

/// What an invitation offers: what is not said is as the facade has it.
pub(super) fn offer(role: Role, expires: Option<Duration>, uses: Option<u32>, share: bool) -> InviteOptions {
    let usual = InviteOptions::new(role);
    usual.expires(expires.or(usual.expires)).uses(uses.or(usual.uses)).share(share || usual.share)
}

impl Executor {
    pub(super) async fn add_device(&self, wait: bool, events: &Events) -> Result<Response, Failure> {
        let before = self.node.devices().await?.len();
        let ticket = self.node.invite_device().await?;
        let report = self.ticket_report(&ticket, wait);
        if !wait {
            return Ok(Response::Ticket(report));
        }
        let come = async || Ok(self.node.devices().await?.len() > before);
        self.until(Event::Ticket(report), events, come).await?;
        // It has its answer when it connects as one of the family; then it is given what there is.
        let connected = async || Ok(self.peers().iter().any(|peer| peer.state == "connected"));
        // If it does not connect now, it does when its own hub runs.
        let _ = timeout(FIRST_SYNC, look_until(connected)).await;
        self.node.settled(FIRST_SYNC).await;
        self.devices().await
    }

    pub(super) async fn invite(
        &self,
        document: &str,
        options: InviteOptions,
        wait: bool,
        events: &Events,
    ) -> Result<Response, Failure> {
        let doc = self.node.doc(document).await?;
        let persons = async || -> Result<BTreeSet<PersonId>, Failure> {
            Ok(doc.members().await?.iter().filter_map(|member| member.who.person).collect())
        };
        let before = persons().await?;
        let ticket = doc.invite_with(options).await?;
        let report = self.ticket_report(&ticket, wait);
        if !wait {
            return Ok(Response::Ticket(report));
        }
        let come = async || {
            for guest in persons().await?.difference(&before) {
                if doc.synced_with(*guest).await? {
                    return Ok(true);
                }
            }
            Ok(false)
        };
        self.until(Event::Ticket(report), events, come).await?;
        self.members(document).await
    }

    pub(super) async fn join(&self, ticket: &str, events: &Events) -> Result<Response, Failure> {
        let ticket = parse_ticket(ticket)?;
        let TicketKind::Document { name, resource, .. } = &ticket.kind else {
            return Err(Failure::new(
                FailureCode::Ticket,
                "this ticket adds a device of your own; use it with `katori init --join` and a new --store",
            ));
        };
        let joined = self.node.join(&ticket);
        tokio::pin!(joined);
        let mut look = tokio::time::interval(start::LOOK_AGAIN);
        let doc = loop {
            tokio::select! {
                joined = &mut joined => break joined?,
                _ = look.tick() => {
                    let documents = self.node.docs().await?;
                    let come = documents.iter().find(|document| document.id == *resource);
                    let what = match come {
                        Some(document) => format!("joining {name}: {} changes have come", document.changes),
                        None => format!("joining {name}: waiting for {}", ticket.person_name),
                    };
                    // Whether anybody looks at the progress makes no difference.
                    let _ = events.send(start::waiting(what)).await;
                }
            }
        };
        self.document(&doc).await
    }

    /// Shows a ticket and stays until it was used, or nobody wants to see it any more.
    async fn until<F: Future<Output = Result<bool, Failure>>>(
        &self,
        shown: Event,
        events: &Events,
        come: impl Fn() -> F,
    ) -> Result<(), Failure> {
        if events.send(shown).await.is_err() {
            return Ok(());
        }
        look_until(come).await
    }

    fn ticket_report(&self, ticket: &Ticket, wait: bool) -> TicketReport {
        let (document, role) = match &ticket.kind {
            TicketKind::Document { resource, role, .. } => {
                (Some(resource.to_string()), Some(role.to_string()))
            }
            TicketKind::Device => (None, None),
        };
        TicketReport {
            ticket: ticket.to_string(),
            document,
            role,
            expires_ms: ticket.expires,
            hub: self.hub || wait,
        }
    }
}

async fn look_until<F: Future<Output = Result<bool, Failure>>>(
    true_yet: impl Fn() -> F,
) -> Result<(), Failure> {
    let mut look = tokio::time::interval(LOOK_AGAIN);
    while !true_yet().await? {
        look.tick().await;
    }
    Ok(())
}

/// Reads a ticket.
pub(crate) fn parse_ticket(text: &str) -> Result<Ticket, Failure> {
    text.parse().map_err(|error| Failure::new(FailureCode::Ticket, format!("{error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_is_no_ticket_has_the_code_of_tickets() {
        for text in ["", "hello", "katori", "katori1", "katori2abc", "katori1!!"] {
            let failure = parse_ticket(text).unwrap_err();
            assert_eq!(failure.code, FailureCode::Ticket, "{text}");
            assert_eq!(failure.code.exit_code(), 6);
            assert!(!failure.message.is_empty());
        }
    }
}
