//! Who may do what: granting, changing and ending roles, and leaving.

use katori::{CommandError, Error, Member, MemberKind, PersonId, RevokeOptions, Role};

use super::Executor;
use super::access;
use super::place::Place;
use crate::failure::{Failure, FailureCode};
use crate::render::counted_u64;
use crate::report::{MemberReport, RevokedReport, WhoReport};
use crate::response::Response;

/// Said wherever somebody is asked to delete a copy.
const NOT_FORCED: &str =
    "their devices are asked to delete their copies, which cannot be forced: whoever kept one keeps it";

impl Executor {
    pub(super) async fn members(&self, document: &str) -> Result<Response, Failure> {
        let place = self.place(document).await?;
        Ok(Response::Members(self.member_reports(&place).await?))
    }

    pub(super) async fn member_reports(&self, place: &Place) -> Result<Vec<MemberReport>, Failure> {
        let mut reports = Vec::new();
        let names = self.names().await?;
        for member in place.members().await? {
            let synced = match member.who.person.filter(|_| member.kind == MemberKind::Person) {
                Some(person) => place.synced_with(self, person).await?,
                None => false,
            };
            reports.push(MemberReport {
                who: names.who(&member.who),
                kind: match member.kind {
                    MemberKind::Person => "person",
                    MemberKind::Group => "group",
                    MemberKind::Device => "device",
                }
                .to_owned(),
                role: member.role.to_string(),
                owner: member.owner,
                via: member.via.as_ref().map(|via| names.who(via).name),
                group: member.group.as_ref().map(|group| names.who(group).name),
                through_space: member.through_space,
                expires_ms: member.expires,
                devices: member.devices.iter().map(|device| device.device_name.clone()).collect(),
                synced,
            });
        }
        Ok(reports)
    }

    pub(super) async fn grant(&self, document: &str, who: &str, role: Role) -> Result<Response, Failure> {
        let place = self.place(document).await?;
        let id = self.node.person(who).await?;
        let (name, document) = (self.names().await?.person(id), place.name());
        let present = member(&place, id).await?;
        if let Some(present) = &present {
            if present.owner {
                return Err(owned(&name, &document));
            }
            if present.role >= role && present.expires.is_none() {
                return Ok(Response::Done(format!(
                    "{name} may {} {document} already; nothing was changed",
                    verb(present.role)
                )));
            }
        }
        place.grant(id, role).await?;
        let first = if present.is_none() { "; they accept it first" } else { "" };
        Ok(Response::Done(format!("{name} may now {} {document}{first}", verb(role))))
    }

    pub(super) async fn change_role(
        &self,
        document: &str,
        who: &str,
        role: Role,
    ) -> Result<Response, Failure> {
        let place = self.place(document).await?;
        let id = self.node.person(who).await?;
        let (name, document) = (self.names().await?.person(id), place.name());
        let present = member(&place, id).await?;
        match &present {
            Some(present) if present.owner => return Err(owned(&name, &document)),
            Some(present) if present.role == role => {
                let verb = verb(role);
                return Ok(Response::Done(format!(
                    "{name} may {verb} {document} already; nothing was changed"
                )));
            }
            Some(_) => {}
            None => {
                return Err(Failure::new(
                    FailureCode::NotAllowed,
                    format!(
                        "{name} has no role in {document}; nothing was changed: give one with `katori grant`"
                    ),
                ));
            }
        }
        match place.change_role(id, role).await {
            Err(Error::Command(CommandError::NothingToRevoke(_))) => {
                return Err(Failure::new(
                    FailureCode::NotAllowed,
                    not_through_you(&name, &document, present),
                ));
            }
            changed => changed?,
        }
        let left = member(&place, id).await?;
        let now = left.as_ref().map_or("do nothing in", |left| verb(left.role));
        let more = match &left {
            Some(left) if left.role > role => {
                format!("{}; what others gave them is not yours to end", through(left))
            }
            _ => "; what they wrote stays".to_owned(),
        };
        Ok(Response::Done(format!("{name} may now {now} {document}{more}")))
    }

    pub(super) async fn revoke(
        &self,
        document: &str,
        who: &str,
        options: RevokeOptions,
        dry_run: bool,
    ) -> Result<Response, Failure> {
        let place = self.place(document).await?;
        let id = self.node.person(who).await?;
        let names = self.names().await?;
        let (name, document) = (names.person(id), place.name());
        let before = member(&place, id).await?;
        if before.as_ref().is_some_and(|before| before.owner) {
            return Err(owned(&name, &document));
        }
        let refused = |error: Error| {
            if let Error::Command(CommandError::NothingToRevoke(_)) = error {
                let why = not_through_you(&name, &document, before.clone());
                return Failure::new(FailureCode::NotAllowed, why);
            }
            error.into()
        };
        if dry_run {
            let found = place.would_revoke(id, options).await.map_err(refused)?;
            return Ok(access::consequences(&found, format!("revoking {name} in {document}"), &names));
        }
        place.revoke_with(id, options).await.map_err(refused)?;
        let left = member(&place, id).await?;
        let mut done = match &left {
            None => format!("{name} has no role in {document} any more; what you had accepted stays"),
            Some(left) => format!(
                "what you gave {name} in {document} is revoked, but they may still {} it{}",
                verb(left.role),
                through(left)
            ),
        };
        if options.erase {
            done = format!("{done}; {NOT_FORCED}");
        }
        Ok(Response::Revoked(RevokedReport {
            who: WhoReport { name, person: Some(id.to_string()), device: None },
            name: document,
            remaining: left.map(|left| left.role.to_string()),
            asked_to_delete: options.erase,
            done,
        }))
    }

    pub(super) async fn leave(&self, document: &str, anyway: bool) -> Result<Response, Failure> {
        let place = self.place(document).await?;
        let name = place.name();
        let me = self.node.me().person;
        if member(&place, me).await?.is_some_and(|me| me.owner) {
            return Err(Error::Command(CommandError::OwnerCannotLeave).into());
        }
        match place.leave(anyway).await {
            Err(Error::LeftBehind { changes }) => Err(Failure::new(
                FailureCode::Unreachable,
                format!(
                    "nobody else who writes is known to have {} of {name}; you have not left: run `katori serve` while one of \
                     them is on and try again, or leave that behind with `katori leave {name} --anyway`",
                    counted_u64(changes as u64, "change")
                ),
            )),
            left => {
                left?;
                Ok(Response::Done(format!("left {name}")))
            }
        }
    }
}

async fn member(place: &Place, person: PersonId) -> Result<Option<Member>, Failure> {
    Ok(place.members().await?.into_iter().find(|member| member.who.person == Some(person)))
}

fn owned(name: &str, document: &str) -> Failure {
    let message = format!("{name} owns {document}, so their role cannot change; nothing was changed");
    Failure::new(FailureCode::NotAllowed, message)
}

/// Through whom a role comes, as the end of a sentence.
fn through(member: &Member) -> String {
    let group = member.group.as_ref().map(|group| format!(", as one of {group}")).unwrap_or_default();
    let space = if member.through_space { ", by the space" } else { "" };
    let via = member.via.as_ref().map(|via| format!(", through {via}")).unwrap_or_default();
    format!("{via}{group}{space}")
}

fn not_through_you(name: &str, document: &str, present: Option<Member>) -> String {
    match present {
        Some(member) => format!(
            "{name} may {} {document}{}, and not through you; nothing was revoked: ask them, or the owner",
            verb(member.role),
            through(&member)
        ),
        None => format!("{name} has no role in {document}; nothing was revoked"),
    }
}

fn verb(role: Role) -> &'static str {
    match role {
        Role::Relay => "carry",
        Role::Read => "read",
        Role::Write => "write",
        Role::Admin => "administer",
    }
}
