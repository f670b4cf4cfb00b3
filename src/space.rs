//! Spaces: documents that are shared together.

use std::sync::Arc;

use katori_acl::{Explanation, PersonId, Principal, ResourceId, ResourceKind, Role, Ticket};
use katori_core::engine::{Answer, Command, Engine, Standing};

use crate::base::Base;
use crate::circle::{Circle, Member, RevokeOptions};
use crate::consequences::{Consequences, name_of};
use crate::doc::Doc;
use crate::error::Error;
use crate::invitation::Invitation;
use crate::invite::InviteOptions;
use crate::node::{DocInfo, Node, document_info, pick};
use crate::story::Story;
use crate::who::{Names, Who};

/// Names a space: the hash of the signed record it began with.
pub type SpaceId = ResourceId;

/// A space: what is granted in it holds for every document born in it, now and later. A cheap handle.
#[derive(Debug, Clone)]
pub struct Space {
    node: Node,
    id: SpaceId,
    born: String,
}

/// A space, without opening it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpaceInfo {
    /// Its id.
    pub id: SpaceId,
    /// What it is called here, else the name it was born with.
    pub name: String,
    /// Whether it is held here, offered, or was put away.
    pub standing: Standing,
    /// Whose it is.
    pub owner: Who,
    /// What this device may do with it.
    pub role: Option<Role>,
    /// How many documents in it are known here.
    pub documents: usize,
}

impl Node {
    /// A new space, owned by this person.
    ///
    /// ```
    /// use katori::{ROOT, Role, Transactable};
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (directory, other) = (tempfile::tempdir()?, tempfile::tempdir()?);
    /// # let open = |directory: &tempfile::TempDir, name| katori::Node::builder(directory.path())
    /// #     .person_name(name).network(katori::Network::Offline)
    /// #     .bind(([127, 0, 0, 1], 0).into()).open_or_init();
    /// # let (ana, ben) = (open(&directory, "Ana").await?, open(&other, "Ben").await?);
    /// let kitchen = ana.create_space("kitchen").await?;
    /// let list = kitchen.create("groceries").await?;
    /// list.change(|edit| edit.put(ROOT, "milk", 2))?.await?;
    ///
    /// // Ben is let in to all that is in it.
    /// let his = ben.join_space(&kitchen.invite(Role::Write).await?).await?;
    /// assert_eq!(his.name(), "kitchen");
    /// assert!(his.members().await?.iter().any(|member| member.who.person_name == "Ana"));
    /// # ana.close().await;
    /// # ben.close().await;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Command`] if this device may not sign for the person.
    pub async fn create_space(&self, name: &str) -> Result<Space, Error> {
        let created = self.hub().command(Command::CreateSpace { name: name.to_owned() }).await?;
        let Answer::Created(id) = created else { return Err(Error::Interrupted) };
        Ok(Space { node: self.clone(), id, born: name.to_owned() })
    }

    /// All spaces known here, by name: those held, offered, put away, and deleted by their owner.
    pub async fn spaces(&self) -> Result<Vec<SpaceInfo>, Error> {
        self.base().ask(list).await
    }

    /// A space by its name, its id, or the first few characters of it.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Ambiguous`] with all that answer to it, and [`Error::NotAccepted`].
    pub async fn space(&self, name_or_id: &str) -> Result<Space, Error> {
        let spaces = self.spaces().await?;
        let named = |space: &SpaceInfo| (space.id, space.name.clone());
        let held = spaces.iter().filter(|space| space.standing.has_content()).map(named);
        match pick("space", name_or_id, held) {
            Ok(id) => self.open_space(id).await,
            Err(error @ Error::NotFound { .. }) => {
                let offered = spaces.iter().filter(|space| space.standing == Standing::Offered).map(named);
                let offered = pick("space", name_or_id, offered);
                Err(offered.map_or(error, Error::NotAccepted))
            }
            Err(error) => Err(error),
        }
    }

    pub(crate) async fn open_space(&self, id: SpaceId) -> Result<Space, Error> {
        let born = self.hub().ask(move |engine| {
            let is_space = engine.registry().kind_of(id) == Some(ResourceKind::Space);
            engine.access(id).filter(|_| is_space).map(|access| access.name.clone())
        });
        match born.await? {
            Some(born) => Ok(Space { node: self.clone(), id, born }),
            None => Err(Error::NotFound { what: "space", name: id.to_string() }),
        }
    }
}

fn list(engine: &Engine, names: &Names) -> Vec<SpaceInfo> {
    let me = engine.me().device();
    let registry = engine.registry();
    let mut spaces: Vec<SpaceInfo> = engine
        .documents()
        .filter(|(id, standing, _)| {
            *standing != Standing::Unknown && registry.kind_of(*id) == Some(ResourceKind::Space)
        })
        .filter_map(|(id, standing, _)| {
            let access = engine.access(id)?;
            Some(SpaceInfo {
                id,
                name: name_of(engine, names, id),
                standing,
                owner: names.person(access.owner),
                role: access.role_of_device(&me),
                documents: registry.documents_in(id).len(),
            })
        })
        .collect();
    spaces.sort_by(|one, other| (&one.name, one.id).cmp(&(&other.name, other.id)));
    spaces
}

impl Space {
    fn base(&self) -> &Arc<Base> {
        self.node.base()
    }

    fn circle(&self) -> Circle {
        Circle::new(Arc::clone(self.base()), self.id)
    }

    /// The space's id.
    #[must_use]
    pub fn id(&self) -> SpaceId {
        self.id
    }

    /// What it is called here, else the name it was born with.
    #[must_use]
    pub fn name(&self) -> String {
        self.circle().name(&self.born)
    }

    /// Calls it something else, on this person's devices alone; nothing brings back the name it was born with.
    ///
    /// # Errors
    /// [`Error::NotAName`], and [`Error::NoShelf`] while the person's shelf has not reached this device.
    pub async fn rename_here(&self, name: impl Into<Option<&str>>) -> Result<(), Error> {
        self.circle().rename_here(name.into()).await
    }

    /// A new, empty document in this space. It is its maker's own, and everybody has the role in it that they have
    /// in the space.
    ///
    /// # Errors
    /// [`Error::Command`] if this person may not write in the space.
    pub async fn create(&self, name: &str) -> Result<Doc, Error> {
        self.node.create_in(name, Some(self.id)).await
    }

    /// The documents in it that are known here, by name.
    pub async fn documents(&self) -> Result<Vec<DocInfo>, Error> {
        let id = self.id;
        self.base()
            .ask(move |engine, names| {
                let born = engine.registry().documents_in(id);
                let mut documents: Vec<DocInfo> = born
                    .into_iter()
                    .filter_map(|id| {
                        let (standing, summary) = engine.document(id)?;
                        document_info(engine, names, id, standing, &summary.glance())
                    })
                    .collect();
                documents.sort_by(|one, other| (&one.name, one.id).cmp(&(&other.name, other.id)));
                documents
            })
            .await
    }

    /// A ticket that lets one person in to the space within a week.
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
        self.circle().invite(options).await
    }

    /// The invitations to it that are known here, and who came with them.
    pub async fn invitations(&self) -> Result<Vec<Invitation>, Error> {
        self.circle().invitations().await
    }

    /// Gives a person or group known here a role in all that is in the space, for good.
    ///
    /// # Errors
    /// [`Error::Command`] if this person may not give that role.
    pub async fn grant(&self, who: PersonId, role: Role) -> Result<(), Error> {
        self.circle().grant(who, role).await
    }

    /// Gives a person or group another role than it has, greater or lesser. See [`Doc::change_role`].
    ///
    /// # Errors
    /// [`Error::Command`] if there is nothing that this person may change.
    pub async fn change_role(&self, who: PersonId, role: Role) -> Result<(), Error> {
        self.circle().change_role(who, role).await
    }

    /// Takes away what this person gave, or what was given through it. See [`Doc::revoke`].
    ///
    /// # Errors
    /// [`Error::Command`] if there is nothing that this person may revoke.
    pub async fn revoke(&self, who: PersonId) -> Result<Option<Role>, Error> {
        self.revoke_with(who, RevokeOptions::default()).await
    }

    /// The same on other terms.
    ///
    /// # Errors
    /// [`Error::Command`] if there is nothing that this person may revoke.
    pub async fn revoke_with(&self, who: PersonId, options: RevokeOptions) -> Result<Option<Role>, Error> {
        self.circle().revoke(who, options).await
    }

    /// What [`revoke_with`](Self::revoke_with) would change. Nothing is done.
    ///
    /// # Errors
    /// The same.
    pub async fn would_revoke(&self, who: PersonId, options: RevokeOptions) -> Result<Consequences, Error> {
        self.circle().would_revoke(who, options).await
    }

    /// Gives up this person's own role in the space. See [`Doc::leave`].
    ///
    /// # Errors
    /// [`Error::LeftBehind`] if somebody has to be reached first; [`Error::Command`] for the owner.
    pub async fn leave(&self) -> Result<(), Error> {
        self.circle().leave().await
    }

    /// Leaves without waiting for anybody to have what was written here.
    ///
    /// # Errors
    /// [`Error::Command`] for the owner, who can only delete.
    pub async fn leave_anyway(&self) -> Result<(), Error> {
        self.circle().leave_anyway().await
    }

    /// Puts the space and what is in it away, here only.
    pub async fn forget(&self) -> Result<(), Error> {
        self.node.forget(self.id).await
    }

    /// Deletes the space and what is in it, for everybody and for ever. Only its owner can.
    ///
    /// # Errors
    /// [`Error::Command`] if it is somebody else's.
    pub async fn delete(&self) -> Result<(), Error> {
        self.node.delete(self.id).await
    }

    /// Everybody with a role in it, the owner first.
    pub async fn members(&self) -> Result<Vec<Member>, Error> {
        self.circle().members().await
    }

    /// Why somebody has a role in it, or what is missing.
    pub async fn why(&self, who: Principal) -> Result<Explanation, Error> {
        self.circle().why(who).await
    }

    /// What was granted and revoked in it, in the order in which it rests on each other.
    pub async fn story(&self) -> Result<Story, Error> {
        self.circle().story().await
    }
}
