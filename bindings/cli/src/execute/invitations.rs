//! Invitations that were made: who came with them, and yes or no to those who wait.

use katori::{Guest, Invitation, InvitationState, Purpose, RequestState};

use super::Executor;
use super::names::Names;
use crate::failure::Failure;
use crate::report::{GuestReport, InvitationReport, WhoReport};
use crate::request::{InvitesRequest, YesNo};
use crate::response::Response;

impl Executor {
    pub(super) async fn invites(&self, request: InvitesRequest) -> Result<Response, Failure> {
        match request {
            InvitesRequest::Ls => self.list_invitations(|_| true).await,
            InvitesRequest::Revoke { invitation } => {
                let invitations = self.node.invitations().await?;
                let found = one(&invitations, &invitation)?;
                self.node.revoke_invitation(found.key).await?;
                Ok(Response::Done("the invitation is ended; those who came in by it stay".to_owned()))
            }
            InvitesRequest::Answer { answer: None, .. } => {
                self.list_invitations(|invitation| invitation.guests.iter().any(waits)).await
            }
            InvitesRequest::Answer { answer: Some(answer), who } => {
                self.answer(answer == YesNo::Yes, who.as_deref()).await
            }
        }
    }

    async fn list_invitations(&self, wanted: impl Fn(&Invitation) -> bool) -> Result<Response, Failure> {
        let names = self.names().await?;
        let mut invitations = self.node.invitations().await?;
        invitations.retain(wanted);
        Ok(Response::Invitations(invitations.iter().map(|invitation| report(invitation, &names)).collect()))
    }

    async fn answer(&self, admit: bool, who: Option<&str>) -> Result<Response, Failure> {
        let invitations = self.node.invitations().await?;
        let names = self.names().await?;
        let all = invitations.iter().flat_map(|invitation| {
            invitation.guests.iter().filter(|guest| waits(guest)).map(move |guest| (invitation, guest))
        });
        let waiting: Vec<(&Invitation, &Guest)> =
            all.filter(|(_, guest)| who.is_none_or(|who| is_called(guest, who, &names))).collect();
        let (invitation, guest) = match waiting.as_slice() {
            [one] => *one,
            [] => {
                let what = who.map_or_else(|| "nobody".to_owned(), |who| format!("nobody called `{who}`"));
                return Err(Failure::not_found(format!(
                    "{what} waits to be let in; see `katori invites ls`"
                )));
            }
            several => {
                let called: Vec<String> =
                    several.iter().map(|(_, guest)| guest_who(guest, &names).name).collect();
                return Err(Failure::usage(format!(
                    "several wait: {}; nobody was answered: say whom, by name or the first letters of the id",
                    called.join(", ")
                )));
            }
        };
        self.node.answer_request(invitation.key, guest.device, admit).await?;
        let name = guest_who(guest, &names).name;
        Ok(Response::Done(if admit {
            format!("{name} is let in")
        } else {
            format!("{name} is turned away, and told so")
        }))
    }

    /// How many wait for somebody here to say yes or no.
    pub(super) async fn waiting(&self) -> Result<u64, Failure> {
        let invitations = self.node.invitations().await?;
        Ok(invitations.iter().flat_map(|invitation| &invitation.guests).filter(|guest| waits(guest)).count()
            as u64)
    }
}

fn waits(guest: &Guest) -> bool {
    guest.state == RequestState::Waiting
}

/// Letters of an id that are enough to name something.
const MIN_ID_LETTERS: usize = 4;

fn is_called(guest: &Guest, name: &str, names: &Names) -> bool {
    let begins = |id: String| name.len() >= MIN_ID_LETTERS && id.starts_with(name);
    let person = guest.person.as_ref();
    guest_who(guest, names).name == name
        || person.is_some_and(|who| who.person_name == name || names.who(who).name == name)
        || person.and_then(|who| who.person).is_some_and(|id| begins(id.to_string()))
        || begins(guest.device.to_string())
}

fn guest_who(guest: &Guest, names: &Names) -> WhoReport {
    let person = guest.person.as_ref();
    WhoReport {
        name: match person {
            Some(who) => format!("{} ({})", names.who(who).name, guest.name),
            None => guest.name.clone(),
        },
        person: person.and_then(|who| who.person).map(|person| person.to_string()),
        device: Some(guest.device.to_string()),
    }
}

fn one<'a>(invitations: &'a [Invitation], wanted: &str) -> Result<&'a Invitation, Failure> {
    let fits = |invitation: &&Invitation| {
        wanted.len() >= MIN_ID_LETTERS && invitation.key.to_string().starts_with(wanted)
            || matches!(&invitation.purpose, Purpose::Resource { name, .. } if name == wanted)
    };
    let mut found = invitations.iter().filter(fits);
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one),
        (Some(_), Some(_)) => Err(Failure::usage(format!(
            "several invitations answer to `{wanted}`; say which by its id: see `katori invites ls`"
        ))),
        (None, _) => {
            Err(Failure::not_found(format!("no invitation `{wanted}` is known; see `katori invites ls`")))
        }
    }
}

fn report(invitation: &Invitation, names: &Names) -> InvitationReport {
    let (purpose, name, target, role) = match &invitation.purpose {
        Purpose::Resource { id, name, role, .. } => {
            ("document", Some(name.clone()), Some(id.to_string()), Some(role.to_string()))
        }
        Purpose::Recovery { who } => {
            ("recovery", Some(names.who(who).name), who.person.map(|person| person.to_string()), None)
        }
        Purpose::Device | _ => ("device", None, None, None),
    };
    InvitationReport {
        id: invitation.key.to_string(),
        purpose: purpose.to_owned(),
        name,
        target,
        role,
        by: invitation.by.as_ref().map(|by| names.who(by)),
        here: invitation.here,
        state: match invitation.state {
            InvitationState::Open => "open",
            InvitationState::UsedUp => "used_up",
            InvitationState::Expired => "expired",
            InvitationState::Ended | _ => "ended",
        }
        .to_owned(),
        expires_ms: invitation.expires,
        uses_left: invitation.uses_left,
        confirm: invitation.confirm,
        guests: invitation
            .guests
            .iter()
            .map(|guest| GuestReport {
                who: guest_who(guest, names),
                state: match guest.state {
                    RequestState::Waiting => "waiting",
                    RequestState::Admitted => "admitted",
                    RequestState::Refused => "refused",
                    RequestState::Declined | _ => "declined",
                }
                .to_owned(),
            })
            .collect(),
    }
}
