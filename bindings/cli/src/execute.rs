//! Carrying out requests on an open node.

mod access;
mod backup;
mod chains;
mod changes;
mod content;
mod documents;
mod errors;
mod files;
mod held;
mod invitations;
mod joining;
mod members;
mod names;
mod pace;
mod people;
mod place;
mod prepare;
mod standing;
mod tickets;

pub(crate) use documents::check_name;
pub(crate) use tickets::parse_ticket;

use katori::{Node, RevokeOptions};
use tokio::sync::mpsc;

use crate::directory::StoreDirectory;
use crate::failure::Failure;
use crate::request::Request;
use crate::response::{Event, Response};

/// Where events go. A listener that is slow slows the request, not the hub.
pub(crate) type Events = mpsc::Sender<Event>;

/// Carries out requests on one store.
#[derive(Debug)]
pub struct Executor {
    node: Node,
    directory: StoreDirectory,
    hub: bool,
}

impl Executor {
    /// For a node that is open on this store. `hub` says whether it stays open after the request.
    #[must_use]
    pub fn new(node: Node, directory: StoreDirectory, hub: bool) -> Self {
        Self { node, directory, hub }
    }

    /// The node.
    #[must_use]
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// Gives the node back.
    #[must_use]
    pub fn into_node(self) -> Node {
        self.node
    }

    /// Carries one request out.
    ///
    /// # Cancel safety
    /// Dropping the future stops it between steps; each step is whole or nothing.
    pub async fn execute(&self, request: Request, events: &Events) -> Result<Response, Failure> {
        match self.carry_out(request, events).await {
            Ok(response) => Ok(response),
            Err(failure) => Err(self.with_names(failure).await),
        }
    }

    async fn carry_out(&self, request: Request, events: &Events) -> Result<Response, Failure> {
        match request {
            Request::Id => Ok(Response::Identity(self.identity())),
            Request::New { name, space } => self.new_document(&name, space.as_deref()).await,
            Request::Ls { all } => self.list(all).await,
            Request::Cat { document, path, conflicts: true, .. } => self.conflicts(&document, &path).await,
            Request::Cat { document, path, at, .. } => self.cat(&document, &path, &at).await,
            Request::Set { document, path, value } => self.set(&document, &path, &value).await,
            Request::Unset { document, path } => self.unset(&document, &path).await,
            Request::Text { document, path, edit } => self.text(&document, &path, &edit).await,
            Request::Import { file, name, format } => self.import(&file, name, format, events).await,
            Request::Export { document, file, path, format } => {
                self.export(&document, &file, &path, format).await
            }
            Request::Rename { document, name } => self.rename(&document, name.as_deref()).await,
            Request::Device { request } => self.device_request(request, events).await,
            Request::Contact { request } => self.contact_request(request).await,
            Request::Group { request } => self.group_request(request).await,
            Request::Space { request } => self.spaces(request).await,
            Request::Recovery { request } => self.recovery_request(request).await,
            Request::Invite { document, role, expires, uses, share, confirm, wait } => {
                let options = tickets::offer(role.into(), expires, uses, share, confirm);
                self.invite(&document, options, wait, events).await
            }
            Request::Invites { request } => self.invites(request).await,
            Request::Look { ticket } => self.look(&ticket).await,
            Request::Join { ticket, wait } => self.join(&ticket, wait, events).await,
            Request::Joins { request } => self.joins(request).await,
            Request::Decline { ticket } => self.decline(&ticket).await,
            Request::Offers => self.offers().await,
            Request::Accept { document } => self.accept(&document).await,
            Request::Reject { document } => self.reject(&document).await,
            Request::Members { document } => self.members(&document).await,
            Request::Grant { document, who, role } => self.grant(&document, &who, role.into()).await,
            Request::Role { document, who, role } => self.change_role(&document, &who, role.into()).await,
            Request::Revoke { document, who, keep_invitees, delete_copy, dry_run } => {
                let options = RevokeOptions::default().keep_invitees(keep_invitees).erase(delete_copy);
                self.revoke(&document, &who, options, dry_run).await
            }
            Request::Leave { document, anyway } => self.leave(&document, anyway).await,
            Request::Why { who, document } => self.why(&who, &document).await,
            Request::Access { document, dot } => self.access(&document, dot).await,
            Request::Held { document } => self.held(&document).await,
            Request::WhyHeld { document } => self.why_held(&document).await,
            Request::TakeIn { document, changes } => self.take_in(&document, &changes).await,
            Request::Exclude { document, changes, reason } => {
                self.exclude(&document, &changes, &reason).await
            }
            Request::Forks { document, copy } => self.forks(&document, copy.as_deref()).await,
            Request::Blame { document, path } => self.blame(&document, &path).await,
            Request::Peers => Ok(Response::Peers(self.peers())),
            Request::Watch { document } => self.watch(&document, events).await,
            Request::Log { document } => self.log(&document).await,
            Request::Status => self.status().await,
            Request::Flush { timeout } => self.flush(timeout).await,
            Request::Backup { file } => self.backup(&file, events).await,
            Request::Delete { document, yes } => self.delete(&document, yes).await,
            Request::Forget { document, yes } => self.forget(&document, yes).await,
        }
    }
}
