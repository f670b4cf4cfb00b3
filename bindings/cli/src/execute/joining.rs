//! Tickets and offers that came from others: looking, joining, saying no.

use katori::{Error, Join, JoinError, JoinState, Offered, Ticket, TicketKind};
use tokio::sync::broadcast::error::RecvError;

use super::names::Names;
use super::tickets::parse_ticket;
use super::{Events, Executor};
use crate::failure::{Failure, FailureCode};
use crate::render;
use crate::report::{JoinReport, OfferReport, PreviewReport, WhoReport};
use crate::request::JoinsRequest;
use crate::response::Response;
use crate::start;

impl Executor {
    pub(super) async fn join(&self, ticket: &str, wait: bool, events: &Events) -> Result<Response, Failure> {
        let ticket = parse_ticket(ticket)?;
        let name = name_in(&ticket)?;
        if wait {
            return self.join_to_the_end(&ticket, name, events).await;
        }
        let joined = self.node.join(&ticket);
        tokio::pin!(joined);
        let mut look = tokio::time::interval(start::LOOK_AGAIN);
        let joined = loop {
            tokio::select! {
                joined = &mut joined => break joined,
                _ = look.tick() => {
                    let what = self.come_so_far(&ticket, name).await?;
                    // Whether anybody looks at the progress makes no difference.
                    let _ = events.send(start::waiting(what)).await;
                }
            }
        };
        match joined {
            Ok(doc) => self.document(&doc).await,
            Err(Error::IsASpace(id)) => self.space(&self.node.space(&id.to_string()).await?).await,
            Err(Error::Join(JoinError::AwaitingConfirmation)) => {
                let invite = ticket.secret().public();
                let names = self.names().await?;
                let waiting = self.node.joins().into_iter().find(|join| join.invite == invite);
                waiting
                    .map(|join| Response::Join(self.join_report(&join, &names)))
                    .ok_or_else(|| Error::Join(JoinError::AwaitingConfirmation).into())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Stays until the ticket let one in, or it is sure that it does not.
    async fn join_to_the_end(
        &self,
        ticket: &Ticket,
        name: &str,
        events: &Events,
    ) -> Result<Response, Failure> {
        let mut changes = self.node.join_changes();
        let mut state = self.node.begin_join(ticket).await?;
        let invite = ticket.secret().public();
        let names = self.names().await?;
        while !state.has_ended() {
            let what = if let JoinState::AwaitingConfirmation { name: inviter, .. } = &state {
                format!("{inviter} has to let you in to {name} first")
            } else {
                self.come_so_far(ticket, name).await?
            };
            // Whether anybody looks at the progress makes no difference.
            let _ = events.send(start::waiting(what)).await;
            match changes.recv().await {
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return Err(Failure::failed("the hub was stopped")),
            }
            match self.node.joins().into_iter().find(|join| join.invite == invite) {
                Some(join) => state = join.state,
                None => return Err(Failure::failed("the join was forgotten meanwhile")),
            }
        }
        if let JoinState::Joined { document } = &state {
            self.node.forget_join(invite).await;
            let id = document.to_string();
            return match self.node.space(&id).await {
                Ok(space) => self.space(&space).await,
                Err(_) => self.document(&self.node.doc(&id).await?).await,
            };
        }
        let code = match &state {
            JoinState::Declined => FailureCode::NotAllowed,
            JoinState::Expired | JoinState::NotValid => FailureCode::Ticket,
            JoinState::Connecting { .. }
            | JoinState::AwaitingConfirmation { .. }
            | JoinState::Joined { .. }
            | JoinState::Refused(_)
            | _ => FailureCode::Failed,
        };
        let join = self.node.joins().into_iter().find(|join| join.invite == invite);
        let text = join.map(|join| render::response(&Response::Join(self.join_report(&join, &names))));
        Err(Failure::new(code, text.unwrap_or_else(|| "the join came to nothing".to_owned())))
    }

    async fn come_so_far(&self, ticket: &Ticket, name: &str) -> Result<String, Failure> {
        let TicketKind::Document { resource, .. } = &ticket.kind else { return Ok(String::new()) };
        let documents = self.node.docs().await?;
        Ok(match documents.iter().find(|document| document.id == *resource) {
            Some(document) => format!("joining {name}: {} changes have come", document.changes),
            None => format!("joining {name}: waiting for {}", ticket.person_name),
        })
    }

    pub(super) async fn joins(&self, request: JoinsRequest) -> Result<Response, Failure> {
        let joins = self.node.joins();
        let JoinsRequest::Forget { join: wanted } = request else {
            let names = self.names().await?;
            return Ok(Response::Joins(joins.iter().map(|join| self.join_report(join, &names)).collect()));
        };
        let fits = |join: &&Join| {
            join.name == wanted || (wanted.len() >= 4 && join.invite.to_string().starts_with(&wanted))
        };
        let mut found = joins.iter().filter(fits);
        match (found.next(), found.next()) {
            (Some(join), None) => {
                self.node.forget_join(join.invite).await;
                Ok(Response::Done(format!("the ticket to {} is not used any more", join.name)))
            }
            (Some(_), Some(_)) => Err(Failure::usage(format!(
                "several tickets are called `{wanted}`; say which by its id: see `katori joins ls`"
            ))),
            (None, _) => {
                Err(Failure::not_found(format!("no ticket `{wanted}` is being used; see `katori joins ls`")))
            }
        }
    }

    fn join_report(&self, join: &Join, names: &Names) -> JoinReport {
        let (state, detail) = match &join.state {
            JoinState::Connecting { tried } => ("connecting", (!tried.is_empty()).then(|| tried.join(", "))),
            JoinState::AwaitingConfirmation { .. } => ("awaiting_confirmation", None),
            JoinState::Joined { .. } => ("joined", None),
            JoinState::Declined => ("declined", None),
            JoinState::Expired => ("expired", None),
            JoinState::NotValid => ("not_valid", None),
            JoinState::Refused(why) => ("refused", Some(why.clone())),
            _ => ("unknown", None),
        };
        let known = names.known_person(join.person);
        JoinReport {
            invitation: join.invite.to_string(),
            document: join.document.to_string(),
            name: join.name.clone(),
            role: join.role.to_string(),
            by: WhoReport {
                name: known.unwrap_or_else(|| join.person_name.clone()),
                person: Some(join.person.to_string()),
                device: None,
            },
            state: state.to_owned(),
            detail,
            hub: self.hub,
        }
    }

    pub(super) async fn look(&self, ticket: &str) -> Result<Response, Failure> {
        let ticket = parse_ticket(ticket)?;
        name_in(&ticket)?;
        let found = self.node.preview(&ticket).await?;
        let TicketKind::Document { resource, .. } = &ticket.kind else {
            return Err(Failure::new(FailureCode::Ticket, "this ticket leads to no document"));
        };
        Ok(Response::Preview(PreviewReport {
            name: found.name,
            document: resource.to_string(),
            role: found.role.to_string(),
            inviter: ticket.person_name.clone(),
            documents: found.documents,
            changes: found.changes,
            bytes: found.bytes,
            expires_ms: ticket.expires,
        }))
    }

    pub(super) async fn decline(&self, ticket: &str) -> Result<Response, Failure> {
        let ticket = parse_ticket(ticket)?;
        let name = name_in(&ticket)?;
        self.node.decline(&ticket).await?;
        Ok(Response::Done(format!("said no to {name}; {} sees that", ticket.person_name)))
    }

    pub(super) async fn offers(&self) -> Result<Response, Failure> {
        let offers = self.node.offers().await?;
        let names = self.names().await?;
        let report = |offer: &Offered| OfferReport {
            id: offer.id.to_string(),
            name: offer.name.clone(),
            is_space: offer.is_space,
            from: offer.from.as_ref().map(|from| names.who(from)),
            role: offer.role.map(|role| role.to_string()),
            changes: offer.changes,
            bytes: offer.bytes,
        };
        Ok(Response::Offers(offers.iter().map(report).collect()))
    }
}

/// What a ticket to a document or space calls that.
fn name_in(ticket: &Ticket) -> Result<&str, Failure> {
    let wrong = match &ticket.kind {
        TicketKind::Document { name, .. } => return Ok(name),
        TicketKind::Device => {
            "this ticket adds a device of your own; use it with `katori init --join` and a new --store"
        }
        TicketKind::Recovery { .. } => {
            "this ticket brings somebody back; use it with `katori recover --from` and a new --store"
        }
    };
    Err(Failure::new(FailureCode::Ticket, wrong))
}
