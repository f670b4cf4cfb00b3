//! Tickets that are made here: for one's own devices, and for guests.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::time::Duration;

use katori::{InviteOptions, PersonId, Role, Ticket, TicketKind};
use katori_core::engine::Event as HubEvent;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::timeout;

use super::{Events, Executor};
use crate::failure::{Failure, FailureCode};
use crate::report::{PairingReport, TicketReport};
use crate::response::{Event, Response};

/// How often a waiting invitation looks whether somebody has come: nothing announces it.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// How long a new device may take to get what there is, before the command that let it in ends.
const FIRST_SYNC: Duration = Duration::from_secs(10);

/// What an invitation offers: what is not said is as the facade has it.
pub(super) fn offer(
    role: Role,
    expires: Option<Duration>,
    uses: Option<u32>,
    share: bool,
    confirm: bool,
) -> InviteOptions {
    let usual = InviteOptions::new(role);
    let usual = usual.expires(expires.or(usual.expires)).uses(uses.or(usual.uses));
    usual.share(share || usual.share).confirm(confirm)
}

impl Executor {
    /// Shows a ticket, then the digits of whoever uses it; ends when one was let in. Whoever asked for this says
    /// whether the digits are the same, in a request of its own.
    pub(super) async fn add_device(&self, events: &Events) -> Result<Response, Failure> {
        let before = self.node.devices().await?.len();
        let mut pairings = self.node.pairings();
        let mut happenings = self.node.hub().events();
        let ticket = self.node.invite_device().await?;
        let nobody_looks = || Failure::failed("nobody looks any more; no device was added");
        let report = self.ticket_report(&ticket, true, true);
        events.send(Event::Ticket(report)).await.map_err(|_| nobody_looks())?;
        let mut look = tokio::time::interval(LOOK_AGAIN);
        // The pairings whose digits were shown.
        let mut shown = BTreeMap::new();
        loop {
            tokio::select! {
                pairing = pairings.next() => {
                    let Some(pairing) = pairing else { return Err(Failure::failed("the hub was stopped")) };
                    shown.insert(pairing.id, pairing.device);
                    let asked = PairingReport {
                        pairing: Some(pairing.id),
                        with: pairing.name.clone(),
                        digits: pairing.digits.to_string(),
                    };
                    events.send(Event::Pairing(asked)).await.map_err(|_| nobody_looks())?;
                }
                _ = look.tick() => {
                    // In this order: a device that was let in is one of the family before its pairing is over.
                    let open: BTreeSet<u64> =
                        self.node.pairing_requests().iter().map(|pairing| pairing.id).collect();
                    if self.node.devices().await?.len() > before {
                        break;
                    }
                    if !shown.keys().all(|pairing| open.contains(pairing)) {
                        self.node.revoke_invitation(ticket.secret().public()).await?;
                        return Err(gone());
                    }
                }
            }
        }
        // It connects as one of the family now, and is given what there is. If it does not, it is when its hub runs.
        let given = async {
            loop {
                match happenings.recv().await {
                    Ok(HubEvent::Settled { peer }) if shown.values().any(|device| *device == peer) => return,
                    Ok(_) | Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return,
                }
            }
        };
        let _ = timeout(FIRST_SYNC, given).await;
        self.devices().await
    }

    pub(super) async fn invite(
        &self,
        document: &str,
        options: InviteOptions,
        wait: bool,
        events: &Events,
    ) -> Result<Response, Failure> {
        let place = self.place(document).await?;
        let persons = async || -> Result<BTreeSet<PersonId>, Failure> {
            Ok(place.members().await?.iter().filter_map(|member| member.who.person).collect())
        };
        let before = persons().await?;
        let ticket = place.invite_with(options).await?;
        let report = self.ticket_report(&ticket, wait, options.confirm);
        if !wait {
            return Ok(Response::Ticket(report));
        }
        if events.send(Event::Ticket(report)).await.is_err() {
            return self.members(document).await;
        }
        let come = async || {
            for guest in persons().await?.difference(&before) {
                if place.synced_with(self, *guest).await? {
                    return Ok(true);
                }
            }
            Ok(false)
        };
        look_until(come).await?;
        self.members(document).await
    }

    /// `stays` says that this process lets in whoever uses the ticket, hub or not.
    pub(super) fn ticket_report(&self, ticket: &Ticket, stays: bool, confirm: bool) -> TicketReport {
        let (purpose, document, role) = match &ticket.kind {
            TicketKind::Document { resource, role, .. } => {
                ("document", Some(resource.to_string()), Some(role.to_string()))
            }
            TicketKind::Device => ("device", None, None),
            TicketKind::Recovery { .. } => ("recovery", None, None),
        };
        TicketReport {
            ticket: ticket.to_string(),
            purpose: purpose.to_owned(),
            document,
            role,
            invitation: ticket.secret().public().to_string(),
            confirm,
            expires_ms: ticket.expires,
            hub: self.hub || stays,
        }
    }
}

/// A pairing was over before anybody here had answered.
pub(super) fn gone() -> Failure {
    Failure::new(
        FailureCode::NotAllowed,
        "the other device said that the digits differ, or went away, before you answered; nothing was granted: make a \
         new ticket, and hand it over in person",
    )
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
    text.trim().parse().map_err(|error| Failure::new(FailureCode::Ticket, format!("{error}")))
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
