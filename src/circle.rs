//! Who shares one document or space: what the two have in common, written once.

mod leaving;
mod members;
mod revoking;

use std::sync::Arc;

use katori_acl::{Explanation, PersonId, Principal, ResourceId, Role, Ticket};
use katori_core::engine::{Command, Offer};

use crate::base::Base;
use crate::error::Error;
use crate::invitation::{self, Invitation};
use crate::invite::{self, InviteOptions};
use crate::shelf::{Entry, check_name};
use crate::story::Story;

pub use members::{Member, MemberKind};
pub use revoking::RevokeOptions;

/// The people of one document or space.
#[derive(Debug, Clone)]
pub(crate) struct Circle {
    base: Arc<Base>,
    id: ResourceId,
}

impl Circle {
    pub(crate) fn new(base: Arc<Base>, id: ResourceId) -> Self {
        Self { base, id }
    }

    /// What it is called here.
    pub(crate) fn name(&self, born: &str) -> String {
        self.base.names.get().resource(self.id).unwrap_or(born).to_owned()
    }

    pub(crate) async fn rename_here(&self, name: Option<&str>) -> Result<(), Error> {
        let name = name.map(|name| check_name(name, katori_acl::bounds::MAX_TITLE_BYTES)).transpose()?;
        self.base.note(&[Entry::Name(self.id, name)]).await
    }

    pub(crate) async fn invite(&self, options: InviteOptions) -> Result<Ticket, Error> {
        invite::to_resource(&self.base, self.id, options).await
    }

    pub(crate) async fn invitations(&self) -> Result<Vec<Invitation>, Error> {
        let mut invitations = invitation::list(&self.base).await?;
        invitations.retain(|invitation| invitation.resource() == Some(self.id));
        Ok(invitations)
    }

    pub(crate) async fn grant(&self, who: PersonId, role: Role) -> Result<(), Error> {
        let offer = offer(role);
        self.base.tell(Command::Grant { document: self.id, to: Principal::Person(who), offer }).await
    }

    pub(crate) async fn why(&self, who: Principal) -> Result<Explanation, Error> {
        let id = self.id;
        Ok(self.base.hub.ask(move |engine| engine.registry().explain(who, id)).await?)
    }

    pub(crate) async fn story(&self) -> Result<Story, Error> {
        Story::read(&self.base, katori_acl::Subject::Resource(self.id)).await
    }
}

/// A role as it is given unless somebody says otherwise: for good, and an admin may pass it on.
fn offer(role: Role) -> Offer {
    Offer { role, share: role == Role::Admin, expires: None }
}
