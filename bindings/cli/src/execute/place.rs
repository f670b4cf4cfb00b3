//! What can be shared: a document or a space.

use katori::{
    Consequences, Doc, DocInfo, Error, Explanation, InviteOptions, Member, PersonId, Principal, ResourceId,
    RevokeOptions, Role, Space, SpaceInfo, Standing, Story, Ticket,
};

use super::Executor;
use crate::failure::Failure;

/// A document or a space, open.
#[derive(Debug)]
pub(super) enum Place {
    /// A document.
    Document(Doc),
    /// A space.
    Space(Space),
}

/// A document or a space in whatever standing, without opening it.
#[derive(Debug, Clone)]
pub(super) struct PlaceInfo {
    pub(super) id: ResourceId,
    pub(super) name: String,
    pub(super) is_space: bool,
    pub(super) standing: Standing,
    pub(super) changes: u64,
}

impl Executor {
    /// A document or space that is held here, by name, id, or the first letters of its id.
    pub(super) async fn place(&self, name: &str) -> Result<Place, Failure> {
        match (self.node.doc(name).await, self.node.space(name).await) {
            (Ok(_), Ok(_)) => Err(Failure::usage(format!(
                "a document and a space are called `{name}`; say which by its id: see `katori ls` and `katori space ls`"
            ))),
            (Ok(document), Err(_)) => Ok(Place::Document(document)),
            (Err(Error::NotFound { .. }), Ok(space)) => Ok(Place::Space(space)),
            (Err(Error::NotFound { .. }), Err(Error::NotFound { .. })) => {
                Err(Error::NotFound { what: "document or space", name: name.to_owned() }.into())
            }
            (Err(Error::NotFound { .. }), Err(error)) | (Err(error), _) => Err(error.into()),
        }
    }

    /// A document or space in whatever standing, by id, beginning of the id, or name.
    pub(super) async fn any_place(&self, name_or_id: &str) -> Result<PlaceInfo, Failure> {
        let documents = self.node.docs().await?.into_iter().map(PlaceInfo::from);
        let spaces = self.node.spaces().await?.into_iter().map(PlaceInfo::from);
        let mut found: Vec<PlaceInfo> =
            documents.chain(spaces).filter(|place| place.is_called(name_or_id)).collect();
        match (found.pop(), found.len()) {
            (Some(place), 0) => Ok(place),
            (Some(_), others) => Err(Failure::not_found(format!(
                "{} documents or spaces are called `{name_or_id}`; say which by its id: see `katori ls --json`",
                others + 1
            ))),
            (None, _) => Err(Failure::not_found(format!(
                "no document or space `{name_or_id}` is known here; see `katori ls` and `katori space ls`"
            ))),
        }
    }
}

/// Letters of an id that are enough to name something.
const MIN_ID_LETTERS: usize = 4;

impl PlaceInfo {
    fn is_called(&self, name_or_id: &str) -> bool {
        self.standing != Standing::Deleted && self.name == name_or_id
            || (name_or_id.len() >= MIN_ID_LETTERS && self.id.to_string().starts_with(name_or_id))
    }
}

impl From<DocInfo> for PlaceInfo {
    fn from(document: DocInfo) -> Self {
        let DocInfo { id, name, standing, changes, .. } = document;
        Self { id, name, is_space: false, standing, changes }
    }
}

impl From<SpaceInfo> for PlaceInfo {
    fn from(space: SpaceInfo) -> Self {
        let SpaceInfo { id, name, standing, .. } = space;
        Self { id, name, is_space: true, standing, changes: 0 }
    }
}

impl Place {
    pub(super) fn name(&self) -> String {
        match self {
            Self::Document(document) => document.name(),
            Self::Space(space) => space.name(),
        }
    }

    pub(super) async fn rename_here(&self, name: Option<&str>) -> Result<(), Error> {
        match self {
            Self::Document(document) => document.rename_here(name).await,
            Self::Space(space) => space.rename_here(name).await,
        }
    }

    pub(super) async fn invite_with(&self, options: InviteOptions) -> Result<Ticket, Error> {
        match self {
            Self::Document(document) => document.invite_with(options).await,
            Self::Space(space) => space.invite_with(options).await,
        }
    }

    pub(super) async fn grant(&self, who: PersonId, role: Role) -> Result<(), Error> {
        match self {
            Self::Document(document) => document.grant(who, role).await,
            Self::Space(space) => space.grant(who, role).await,
        }
    }

    pub(super) async fn change_role(&self, who: PersonId, role: Role) -> Result<(), Error> {
        match self {
            Self::Document(document) => document.change_role(who, role).await,
            Self::Space(space) => space.change_role(who, role).await,
        }
    }

    pub(super) async fn revoke_with(
        &self,
        who: PersonId,
        options: RevokeOptions,
    ) -> Result<Option<Role>, Error> {
        match self {
            Self::Document(document) => document.revoke_with(who, options).await,
            Self::Space(space) => space.revoke_with(who, options).await,
        }
    }

    pub(super) async fn would_revoke(
        &self,
        who: PersonId,
        options: RevokeOptions,
    ) -> Result<Consequences, Error> {
        match self {
            Self::Document(document) => document.would_revoke(who, options).await,
            Self::Space(space) => space.would_revoke(who, options).await,
        }
    }

    pub(super) async fn leave(&self, anyway: bool) -> Result<(), Error> {
        match (self, anyway) {
            (Self::Document(document), false) => document.leave().await,
            (Self::Document(document), true) => document.leave_anyway().await,
            (Self::Space(space), false) => space.leave().await,
            (Self::Space(space), true) => space.leave_anyway().await,
        }
    }

    pub(super) async fn members(&self) -> Result<Vec<Member>, Error> {
        match self {
            Self::Document(document) => document.members().await,
            Self::Space(space) => space.members().await,
        }
    }

    /// Whether a person has everything of it; of a space, everything of every document in it.
    pub(super) async fn synced_with(&self, executor: &Executor, person: PersonId) -> Result<bool, Error> {
        let space = match self {
            Self::Document(document) => return document.synced_with(person).await,
            Self::Space(space) => space,
        };
        let documents = space.documents().await?;
        for info in documents.iter().filter(|info| info.standing.has_content()) {
            if !executor.node.doc(&info.id.to_string()).await?.synced_with(person).await? {
                return Ok(false);
            }
        }
        Ok(!documents.is_empty())
    }

    pub(super) async fn why(&self, who: Principal) -> Result<Explanation, Error> {
        match self {
            Self::Document(document) => document.why(who).await,
            Self::Space(space) => space.why(who).await,
        }
    }

    pub(super) async fn story(&self) -> Result<Story, Error> {
        match self {
            Self::Document(document) => document.story().await,
            Self::Space(space) => space.story().await,
        }
    }
}
