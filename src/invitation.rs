//! The life of an invitation: who came with it, what they were told, and how it ends.

use katori_acl::{DeviceId, InviteKey, PersonId, ResourceId, Role, Signer};
use katori_core::engine::{Command, Engine, InvitePurpose, OpenInvite, RequestState, Standing};

use crate::base::Base;
use crate::clock::now;
use crate::consequences::name_of;
use crate::error::Error;
use crate::node::Node;
use crate::who::{Names, Who};

/// An invitation, made on this device or on another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    /// Names it, and is no secret.
    pub key: InviteKey,
    /// What it lets in to.
    pub purpose: Purpose,
    /// Whether it was made on this device, which then knows who came.
    pub here: bool,
    /// The device that made it, if a device did.
    pub by: Option<Who>,
    /// Until when it can be redeemed, in milliseconds since 1970.
    pub expires: Option<u64>,
    /// How many can still redeem it; nothing for any number.
    pub uses_left: Option<u32>,
    /// Whether somebody says yes or no to each who comes.
    pub confirm: bool,
    /// Whether it can still be redeemed.
    pub state: InvitationState,
    /// Who came with it, as far as this device let them in, or had to.
    pub guests: Vec<Guest>,
}

/// What an invitation lets in to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Purpose {
    /// A role in a document or space.
    Resource {
        /// Which.
        id: ResourceId,
        /// What it is called here.
        name: String,
        /// The role.
        role: Role,
        /// Whether it may be passed on.
        share: bool,
    },
    /// Another device of this person.
    Device,
    /// The roster of somebody who has lost all devices.
    Recovery {
        /// Who.
        who: Who,
    },
}

/// Whether an invitation can still be redeemed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum InvitationState {
    /// It can.
    Open,
    /// As many have as might.
    UsedUp,
    /// Its time is over.
    Expired,
    /// It was revoked, or who made it lost the role.
    Ended,
}

/// Somebody who came with an invitation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guest {
    /// The device that asked.
    pub device: DeviceId,
    /// Whose it is; nobody's if it wants to become one of this person's.
    pub person: Option<Who>,
    /// What the device calls itself.
    pub name: String,
    /// How far it is: it waits, was let in, was turned away, or said no itself.
    pub state: RequestState,
}

impl Invitation {
    /// The document or space it lets in to.
    #[must_use]
    pub fn resource(&self) -> Option<ResourceId> {
        match self.purpose {
            Purpose::Resource { id, .. } => Some(id),
            Purpose::Device | Purpose::Recovery { .. } => None,
        }
    }
}

impl Node {
    /// The invitations that can be redeemed or have not been forgotten: those made here, with who came, and those
    /// that others made to what is held here.
    ///
    /// ```
    /// use katori::{InvitationState, Role};
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let directory = tempfile::tempdir()?;
    /// # let node = katori::Node::builder(directory.path())
    /// #     .network(katori::Network::None).open_or_init().await?;
    /// let list = node.create("groceries").await?;
    /// list.invite(Role::Read).await?;
    /// let invitation = &node.invitations().await?[0];
    /// assert_eq!((invitation.state, invitation.uses_left), (InvitationState::Open, Some(1)));
    /// node.revoke_invitation(invitation.key).await?;
    /// assert!(node.invitations().await?.is_empty());
    /// # node.close().await;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn invitations(&self) -> Result<Vec<Invitation>, Error> {
        list(self.base()).await
    }

    /// Ends an invitation. Those who joined by it stay.
    ///
    /// # Errors
    /// [`Error::Command`] if it is not known here, or not this person's to end.
    pub async fn revoke_invitation(&self, key: InviteKey) -> Result<(), Error> {
        self.base().tell(Command::Uninvite { key }).await
    }

    /// Says yes or no to somebody who waits to be let in.
    ///
    /// # Errors
    /// [`Error::Command`] if nobody waits by that invitation with that device.
    pub async fn answer_request(&self, key: InviteKey, device: DeviceId, admit: bool) -> Result<(), Error> {
        self.base().tell(Command::Answer { invite: key, device, admit }).await
    }
}

pub(crate) async fn list(base: &Base) -> Result<Vec<Invitation>, Error> {
    let now = now();
    base.ask(move |engine, names| {
        let mut invitations: Vec<Invitation> =
            engine.invites().map(|invite| made_here(engine, names, invite, now)).collect();
        let accepted = engine.documents().filter(|(_, standing, _)| *standing == Standing::Accepted);
        for (id, ..) in accepted {
            let Some(access) = engine.access(id) else { continue };
            for invitation in access.invites() {
                if !invitations.iter().any(|known| known.key == invitation.key) {
                    invitations.push(made_elsewhere(engine, names, id, invitation, now));
                }
            }
        }
        invitations
    })
    .await
}

fn made_here(engine: &Engine, names: &Names, invite: &OpenInvite, now: u64) -> Invitation {
    let (purpose, live) = match invite.purpose {
        InvitePurpose::Document { document, role, grant, share } => {
            let access = engine.access(document);
            let live = access.is_some_and(|access| access.invites().iter().any(|live| live.grant == grant));
            let name = name_of(engine, names, document);
            (Purpose::Resource { id: document, name, role, share }, live)
        }
        InvitePurpose::Device => (Purpose::Device, true),
        InvitePurpose::Recovery { person } => (Purpose::Recovery { who: names.person(person) }, true),
    };
    let guests = invite.requests.iter().map(|(device, request)| Guest {
        device: *device,
        person: request.person.map(|person: PersonId| names.person(person)),
        name: request.name.clone(),
        state: request.state,
    });
    Invitation {
        key: invite.key,
        purpose,
        here: true,
        by: Some(names.device(engine.me().device())),
        expires: invite.expires,
        uses_left: invite.uses,
        confirm: invite.confirm,
        state: state(live, invite.expires, invite.uses, now),
        guests: guests.collect(),
    }
}

fn made_elsewhere(
    engine: &Engine,
    names: &Names,
    id: ResourceId,
    invitation: &katori_acl::Invitation,
    now: u64,
) -> Invitation {
    let redeemed = u32::try_from(invitation.redeemed).unwrap_or(u32::MAX);
    let uses_left = invitation.uses.map(|uses| uses.saturating_sub(redeemed));
    let (role, share) = (invitation.role, invitation.share);
    Invitation {
        key: invitation.key,
        purpose: Purpose::Resource { id, name: name_of(engine, names, id), role, share },
        here: false,
        by: match invitation.by {
            Signer::Device(device) => Some(names.device(device)),
            Signer::Invite(_) => None,
        },
        expires: invitation.expires,
        uses_left,
        confirm: invitation.confirm,
        state: state(true, invitation.expires, uses_left, now),
        guests: Vec::new(),
    }
}

fn state(live: bool, expires: Option<u64>, uses_left: Option<u32>, now: u64) -> InvitationState {
    if !live {
        InvitationState::Ended
    } else if expires.is_some_and(|expires| expires <= now) {
        InvitationState::Expired
    } else if uses_left == Some(0) {
        InvitationState::UsedUp
    } else {
        InvitationState::Open
    }
}
