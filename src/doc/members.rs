//! Who may do what with a document: inviting, granting, revoking, leaving, and asking why.

use katori_acl::{Explanation, Issuer, PersonId, Principal, Role, Ticket};
use katori_core::engine::{Command, Engine, Offer};

use super::{Doc, DocumentId};
use crate::error::Error;
use crate::invite::{self, InviteOptions};
use crate::who::{Names, Who};

/// Somebody with a role in a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub who: Who,
    /// What they may do.
    pub role: Role,
    /// Whether it is the owner.
    pub owner: bool,
    /// Who gave them the role; nobody for the owner.
    pub via: Option<Who>,
    /// Until when, in milliseconds since 1970.
    pub expires: Option<u64>,
    /// Their devices.
    pub devices: Vec<Who>,
}

impl Doc {
    /// A ticket that lets one person in within a week. Hand it over as text or as a QR code; whoever holds it
    /// can use it, while this device can be reached.
    ///
    /// # Errors
    /// [`Error::Command`] if this person may not give that role.
    pub async fn invite(&self, role: Role) -> Result<Ticket, Error> {
        self.invite_with(InviteOptions::new(role)).await
    }

    /// A ticket on other terms.
    ///
    /// # Errors
    /// [`Error::Command`] if this person may not give that role.
    pub async fn invite_with(&self, options: InviteOptions) -> Result<Ticket, Error> {
        let me = self.names().device(self.hub().device());
        invite::to_document(self.hub(), &me, self.id(), self.name(), options).await
    }

    /// Gives somebody known a role, for good. An admin may pass it on.
    ///
    /// # Errors
    /// [`Error::Command`] if this person may not give that role.
    pub async fn grant(&self, person: PersonId, role: Role) -> Result<(), Error> {
        let offer = Offer { role, share: role == Role::Admin, expires: None };
        self.hub().command(Command::Grant { document: self.id(), to: person, offer }).await?;
        Ok(())
    }

    /// Takes away what this person gave, or what was given through it. What the other wrote stays.
    ///
    /// # Errors
    /// [`Error::Command`] if there is nothing that this person may revoke.
    pub async fn revoke(&self, person: PersonId) -> Result<(), Error> {
        self.hub().command(Command::Revoke { document: self.id(), from: person }).await?;
        Ok(())
    }

    /// Gives up this person's own role.
    ///
    /// # Errors
    /// [`Error::Command`] for the owner, who can only delete.
    pub async fn leave(&self) -> Result<(), Error> {
        self.hub().command(Command::Leave { document: self.id() }).await?;
        Ok(())
    }

    /// Everybody with a role, the owner first.
    pub async fn members(&self) -> Result<Vec<Member>, Error> {
        let id = self.id();
        Ok(self.hub().ask(move |engine| members(engine, id)).await?)
    }

    /// Why somebody has a role, or what is missing.
    pub async fn why(&self, who: Principal) -> Result<Explanation, Error> {
        let id = self.id();
        Ok(self.hub().ask(move |engine| engine.registry().explain(who, id)).await?)
    }
}

fn members(engine: &Engine, document: DocumentId) -> Vec<Member> {
    let Some(access) = engine.access(document) else { return Vec::new() };
    let names = Names::read(engine);
    let member = |person: PersonId, role: Role, expires: Option<u64>| {
        let roster = engine.registry().roster(person);
        let devices = roster.iter().flat_map(|roster| roster.devices.keys());
        Member {
            who: names.person(person),
            role,
            owner: person == access.owner,
            via: giver(engine, &names, document, person, role),
            expires,
            devices: devices.map(|device| names.device(*device)).collect(),
        }
    };
    let mut members: Vec<Member> = access
        .members()
        .filter_map(|(person, standing)| Some(member(person, standing.role?, standing.expires)))
        .collect();
    members.sort_by(|one, other| (!one.owner, &one.who).cmp(&(!other.owner, &other.who)));
    members
}

/// Who gave a person this role, by a chain of grants that all count.
fn giver(engine: &Engine, names: &Names, document: DocumentId, person: PersonId, role: Role) -> Option<Who> {
    let explanation = engine.registry().explain(Principal::Person(person), document);
    let mut live = explanation.chains.iter().filter(|chain| chain.is_live());
    let link = live.find_map(|chain| chain.links.last().filter(|link| link.role == role))?;
    match link.issuer {
        Issuer::Person(giver) | Issuer::Group(giver) => Some(names.person(giver)),
        Issuer::Invite(_) => None,
    }
}
