//! Documents and spaces as a whole: making, listing, naming, deleting.

use katori::{Doc, DocInfo, MAX_NAME_BYTES, Space, SpaceInfo, Standing};

use super::Executor;
use super::names::Names;
use super::place::PlaceInfo;
use crate::failure::Failure;
use crate::report::{DocumentReport, SpaceContentReport, SpaceReport};
use crate::request::SpaceRequest;
use crate::response::Response;

impl Executor {
    pub(super) async fn new_document(&self, name: &str, space: Option<&str>) -> Result<Response, Failure> {
        check_name(name)?;
        let doc = match space {
            Some(space) => self.node.space(space).await?.create(name).await?,
            None => self.node.create(name).await?,
        };
        self.document(&doc).await
    }

    pub(super) async fn list(&self, all: bool) -> Result<Response, Failure> {
        let mut documents = self.node.docs().await?;
        documents.retain(|document| all || !is_gone(document.standing));
        let names = self.names().await?;
        Ok(Response::Documents(documents.iter().map(|document| report(document, &names)).collect()))
    }

    pub(super) async fn spaces(&self, request: SpaceRequest) -> Result<Response, Failure> {
        match request {
            SpaceRequest::New { name } => {
                check_name(&name)?;
                let space = self.node.create_space(&name).await?;
                self.space(&space).await
            }
            SpaceRequest::Ls => {
                let mut spaces = self.node.spaces().await?;
                spaces.retain(|space| !is_gone(space.standing));
                let names = self.names().await?;
                Ok(Response::Spaces(spaces.iter().map(|space| space_report(space, &names)).collect()))
            }
            SpaceRequest::Show { space } => self.space_content(&space).await,
        }
    }

    async fn space_content(&self, name: &str) -> Result<Response, Failure> {
        let space = self.node.space(name).await?;
        let names = self.names().await?;
        let info = self.space_info(&space).await?;
        let documents = space.documents().await?;
        Ok(Response::SpaceContent(Box::new(SpaceContentReport {
            space: space_report(&info, &names),
            documents: documents.iter().map(|document| report(document, &names)).collect(),
            members: self.member_reports(&super::place::Place::Space(space)).await?,
        })))
    }

    pub(super) async fn rename(&self, document: &str, name: Option<&str>) -> Result<Response, Failure> {
        let place = self.place(document).await?;
        place.rename_here(name).await?;
        Ok(Response::Done(format!("it is called {} on your devices", place.name())))
    }

    pub(super) async fn accept(&self, document: &str) -> Result<Response, Failure> {
        let found = self.any_place(document).await?;
        if found.is_space {
            let space = self.node.accept_space(found.id).await?;
            return self.space(&space).await;
        }
        let doc = self.node.accept(found.id).await?;
        self.document(&doc).await
    }

    pub(super) async fn reject(&self, document: &str) -> Result<Response, Failure> {
        let found = self.any_place(document).await?;
        self.node.reject(found.id).await?;
        Ok(Response::Done(format!("said no to {}", found.name)))
    }

    pub(super) async fn delete(&self, document: &str, yes: bool) -> Result<Response, Failure> {
        let found = self.any_place(document).await?;
        if !yes {
            let with = if found.is_space { " and all that is in it" } else { "" };
            return Err(Failure::usage(format!(
                "{}{with} would be gone for everybody and for ever; nothing was deleted: say --yes if that is meant",
                found.name
            )));
        }
        self.node.delete(found.id).await?;
        Ok(Response::Done(format!("deleted {} for everybody", found.name)))
    }

    pub(super) async fn forget(&self, document: &str, yes: bool) -> Result<Response, Failure> {
        let found = self.any_place(document).await?;
        if !yes && !self.is_elsewhere(&found).await? {
            return Err(Failure::usage(format!(
                "no other device is known to have all of {}; it was not put away: say --yes if that is meant",
                found.name
            )));
        }
        self.node.forget(found.id).await?;
        Ok(Response::Done(format!("forgot {} on this device", found.name)))
    }

    /// Whether nothing here would be missed: some other device has said that it has all of it.
    async fn is_elsewhere(&self, found: &PlaceInfo) -> Result<bool, Failure> {
        if !found.standing.has_content() || (found.changes == 0 && !found.is_space) {
            return Ok(true);
        }
        let place = self.place(&found.id.to_string()).await?;
        if let super::place::Place::Space(space) = &place
            && space.documents().await?.iter().all(|document| document.changes == 0)
        {
            return Ok(true);
        }
        for member in place.members().await? {
            if let Some(person) = member.who.person
                && place.synced_with(self, person).await?
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// A document that is open, as it is reported.
    pub(super) async fn document(&self, doc: &Doc) -> Result<Response, Failure> {
        let documents = self.node.docs().await?;
        let names = self.names().await?;
        let found = documents.iter().find(|document| document.id == doc.id());
        found
            .map(|document| Response::Document(report(document, &names)))
            .ok_or_else(|| Failure::not_found(format!("document {} is gone again", doc.name())))
    }

    /// A space, as it is reported.
    pub(super) async fn space(&self, space: &Space) -> Result<Response, Failure> {
        let names = self.names().await?;
        Ok(Response::Space(space_report(&self.space_info(space).await?, &names)))
    }

    async fn space_info(&self, space: &Space) -> Result<SpaceInfo, Failure> {
        let found = self.node.spaces().await?.into_iter().find(|info| info.id == space.id());
        found.ok_or_else(|| Failure::not_found(format!("space {} is gone again", space.name())))
    }
}

/// Whether nobody looks for it here any more, unless they say so.
fn is_gone(standing: Standing) -> bool {
    !matches!(standing, Standing::Accepted | Standing::Offered | Standing::Left)
}

/// Refuses what cannot be a name, in words that help.
pub(crate) fn check_name(name: &str) -> Result<(), Failure> {
    let wrong = if name.trim().is_empty() {
        "a name is needed".to_owned()
    } else if name.len() > MAX_NAME_BYTES {
        format!("the name has {} bytes, and at most {MAX_NAME_BYTES} fit", name.len())
    } else if name.chars().any(char::is_control) {
        "a name is one line without control characters".to_owned()
    } else {
        return Ok(());
    };
    Err(Failure::usage(format!("{wrong}; nothing was made: choose another")))
}

fn report(document: &DocInfo, names: &Names) -> DocumentReport {
    DocumentReport {
        id: document.id.to_string(),
        name: document.name.clone(),
        standing: format!("{:?}", document.standing).to_lowercase(),
        role: document.role.map(|role| role.to_string()),
        owner: names.who(&document.owner),
        changes: document.changes,
        held: document.held,
        space: document.space.map(|space| names.place(space)),
    }
}

fn space_report(space: &SpaceInfo, names: &Names) -> SpaceReport {
    SpaceReport {
        id: space.id.to_string(),
        name: space.name.clone(),
        standing: format!("{:?}", space.standing).to_lowercase(),
        role: space.role.map(|role| role.to_string()),
        owner: names.who(&space.owner),
        documents: space.documents as u64,
    }
}
