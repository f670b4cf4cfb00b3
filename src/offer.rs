//! What others granted to this person, which is inert until it is accepted.

use katori_acl::{Issuer, Principal, ResourceId, ResourceKind, Role};
use katori_core::engine::{Command, Engine, Standing};

use crate::doc::{Doc, DocumentId};
use crate::error::Error;
use crate::node::Node;
use crate::space::{Space, SpaceId};
use crate::who::{Names, Who};

/// A document or space that somebody granted to this person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offered {
    /// Which.
    pub id: ResourceId,
    /// The name it was born with.
    pub name: String,
    /// Whether it is a space.
    pub is_space: bool,
    /// Who gives it.
    pub from: Option<Who>,
    /// What this person may do with it.
    pub role: Option<Role>,
    /// How many changes it has, as a device that holds it says; nothing until one has said so.
    pub changes: Option<u64>,
    /// How many bytes they have.
    pub bytes: Option<u64>,
}

impl Node {
    /// What waits to be accepted, by name, each with its size before anything of it is fetched.
    pub async fn offers(&self) -> Result<Vec<Offered>, Error> {
        self.base().ask(offers).await
    }

    /// Takes a document that somebody granted to this person, or that was put away. The person's other devices
    /// take it too.
    ///
    /// # Errors
    /// [`Error::Command`] if it is not on offer, and [`Error::IsASpace`]: then it was accepted, to be opened with
    /// [`space`](Self::space).
    pub async fn accept(&self, id: DocumentId) -> Result<Doc, Error> {
        self.take(id).await?;
        self.opened(id).await
    }

    /// Takes a space, with all that is in it now and later.
    ///
    /// # Errors
    /// [`Error::Command`] if it is not on offer, and [`Error::NotFound`] if it is no space.
    pub async fn accept_space(&self, id: SpaceId) -> Result<Space, Error> {
        self.take(id).await?;
        self.open_space(id).await
    }

    async fn take(&self, id: ResourceId) -> Result<(), Error> {
        let refused = self.base().take_back_refusal(id).await?;
        if let Err(error) = self.base().tell(Command::Accept { document: id }).await {
            if refused {
                self.base().note_accepted(id, false).await?;
            }
            return Err(error);
        }
        let known = self.hub().ask(move |engine| is_others(engine, id)).await?;
        if known { self.base().note_accepted(id, true).await } else { Ok(()) }
    }

    /// Says no to what was offered: the grant is given back.
    ///
    /// # Errors
    /// [`Error::Command`] if it is not on offer.
    pub async fn reject(&self, id: ResourceId) -> Result<(), Error> {
        self.base().tell(Command::Reject { document: id }).await?;
        self.base().note_accepted(id, false).await
    }

    /// Opens a document that may turn out to be a space.
    pub(crate) async fn opened(&self, id: ResourceId) -> Result<Doc, Error> {
        let kind = self.hub().ask(move |engine| engine.registry().kind_of(id)).await?;
        if kind == Some(ResourceKind::Space) {
            Err(Error::IsASpace(id))
        } else {
            self.open_document(id).await
        }
    }
}

/// Whether it belongs to somebody else, so that accepting it is worth noting.
fn is_others(engine: &Engine, id: ResourceId) -> bool {
    engine.access(id).is_some_and(|access| access.owner != engine.me().person)
}

fn offers(engine: &Engine, names: &Names) -> Vec<Offered> {
    let me = Principal::Person(engine.me().person);
    let registry = engine.registry();
    let mut offers: Vec<Offered> = engine
        .documents()
        .filter(|(_, standing, _)| matches!(standing, Standing::Offered | Standing::Left))
        .filter_map(|(id, standing, _)| {
            let access = engine.access(id)?;
            let role = access.role_of_device(&engine.me().device());
            // What was left is on offer if it was granted again.
            if standing == Standing::Left && role.is_none() {
                return None;
            }
            let explanation = registry.explain(me, id);
            let live = explanation.chains.iter().filter(|chain| chain.is_live());
            let last = live.filter_map(|chain| chain.links.last()).max_by_key(|link| link.role);
            let from = last.and_then(|link| match link.issuer {
                Issuer::Person(giver) | Issuer::Group(giver) => Some(names.person(giver)),
                Issuer::Invite(_) => None,
            });
            let size = engine.offered_size(id);
            Some(Offered {
                id,
                name: access.name.clone(),
                is_space: registry.kind_of(id) == Some(ResourceKind::Space),
                from,
                role,
                changes: size.map(|size| size.changes),
                bytes: size.map(|size| size.bytes),
            })
        })
        .collect();
    offers.sort_by(|one, other| (&one.name, one.id).cmp(&(&other.name, other.id)));
    offers
}
