//! Joining what a ticket invites to: at once, or by itself when the inviter can be reached and has said yes.

use std::pin::pin;
use std::time::Duration;

use katori_acl::{DeviceId, InviteKey, ResourceId, Ticket, TicketKind};
use katori_core::engine::{Event, Preview};
use katori_net::{Join, JoinState};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{sleep, timeout};

use crate::doc::Doc;
use crate::error::Error;
use crate::node::Node;
use crate::space::Space;

/// How long [`Node::join`] waits for the first content: long enough for a relay, short enough for a person.
pub const JOIN_WAIT: Duration = Duration::from_secs(5);
/// How much longer it waits once an inviter has compared everything with it. What the comparison showed to be
/// missing is on its way then; if the document is empty, nothing comes.
const EMPTY_WAIT: Duration = Duration::from_secs(1);

impl Node {
    /// Joins the document that a ticket invites to. What the ticket gives is durable before anything else
    /// happens; then this waits up to [`JOIN_WAIT`] for the first content.
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
    /// let list = ana.create("groceries").await?;
    /// list.change(|edit| edit.put(ROOT, "milk", 2))?.await?;
    /// let ticket = list.invite(Role::Write).await?;
    ///
    /// let his = ben.join(&ticket).await?;
    /// assert_eq!(his.view_json(), list.view_json());
    /// assert_eq!(his.members().await?[0].who.person_name, "Ana");
    /// # ana.close().await;
    /// # ben.close().await;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Join`] with what to do. After [`JoinError::AwaitingConfirmation`](crate::JoinError) the join goes on
    /// by itself, see [`joins`](Self::joins); after every other the ticket can be tried again.
    /// [`Error::IsASpace`] if it was to a space: that is joined, to be opened with [`space`](Self::space).
    pub async fn join(&self, ticket: &Ticket) -> Result<Doc, Error> {
        let events = self.hub().events();
        let doc = self.opened(self.redeem(ticket).await?).await?;
        let inviters = ticket.devices.iter().map(|contact| contact.device).collect();
        // Without content in time the document is joined all the same.
        let _ = timeout(JOIN_WAIT, first_content(&doc, inviters, events)).await;
        Ok(doc)
    }

    /// Joins the space that a ticket invites to. Its documents come by themselves.
    ///
    /// # Errors
    /// As with [`join`](Self::join), and [`Error::NotFound`] if it was to a document: that is joined, to be opened
    /// with [`doc`](Self::doc).
    pub async fn join_space(&self, ticket: &Ticket) -> Result<Space, Error> {
        self.open_space(self.redeem(ticket).await?).await
    }

    async fn redeem(&self, ticket: &Ticket) -> Result<ResourceId, Error> {
        self.wanted_again(ticket).await?;
        let id = Box::pin(self.hub().redeem(ticket)).await?;
        self.base().note_accepted(id, true).await?;
        Ok(id)
    }

    /// Begins to join what a ticket invites to, and says where that stands once the inviter was asked, or could not
    /// be. What is not decided then goes on by itself, after restarts of either side too.
    ///
    /// # Errors
    /// [`Error::Join`] if this ticket cannot be redeemed here at all. Everything else is a state.
    pub async fn begin_join(&self, ticket: &Ticket) -> Result<JoinState, Error> {
        self.wanted_again(ticket).await?;
        Ok(Box::pin(self.hub().join(ticket)).await?)
    }

    /// What was left before is not put away again when it is joined.
    async fn wanted_again(&self, ticket: &Ticket) -> Result<(), Error> {
        to_a_document(ticket)?;
        if let TicketKind::Document { resource, .. } = ticket.kind {
            self.base().take_back_refusal(resource).await?;
        }
        Ok(())
    }

    /// Joins under way and where each stands, and those that have ended since the start.
    #[must_use]
    pub fn joins(&self) -> Vec<Join> {
        self.hub().joins()
    }

    /// Joins that come to stand elsewhere, from now on.
    #[must_use]
    pub fn join_changes(&self) -> Receiver<Join> {
        self.hub().join_changes()
    }

    /// Forgets a join. One that is under way stops; the inviter is told nothing, see [`decline`](Self::decline).
    pub async fn forget_join(&self, invite: InviteKey) {
        self.hub().forget_join(&invite).await;
    }

    /// What a ticket lets in to, and how large it is. The invitation is not used by that.
    ///
    /// # Errors
    /// [`Error::Join`] if no device of the inviter could be asked, or the invitation is not valid any more.
    pub async fn preview(&self, ticket: &Ticket) -> Result<Preview, Error> {
        to_a_document(ticket)?;
        Ok(Box::pin(self.hub().preview(ticket)).await?)
    }

    /// Says no to an invitation; the inviter sees that.
    ///
    /// # Errors
    /// [`Error::Join`] if no device of the inviter could be told. Nothing was changed then.
    pub async fn decline(&self, ticket: &Ticket) -> Result<(), Error> {
        to_a_document(ticket)?;
        Ok(Box::pin(self.hub().decline(ticket)).await?)
    }
}

fn to_a_document(ticket: &Ticket) -> Result<(), Error> {
    match ticket.kind {
        TicketKind::Document { .. } => Ok(()),
        TicketKind::Device => Err(Error::WrongTicket(
            "this ticket pairs a device: make a new store with it, this one has its person already",
        )),
        TicketKind::Recovery { .. } => Err(Error::WrongTicket(
            "this ticket brings a person back: use it with the recovery words, where there is no store yet",
        )),
    }
}

/// Ends when the document shows something, or when it seems to be empty at an inviter's too.
async fn first_content(doc: &Doc, inviters: Vec<DeviceId>, mut events: Receiver<Event>) {
    let mut compared = pin!(async {
        loop {
            match events.recv().await {
                Ok(Event::Settled { peer }) if inviters.contains(&peer) => break,
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            }
        }
        sleep(EMPTY_WAIT).await;
    });
    let mut changes = doc.watch();
    while doc.heads().is_empty() {
        tokio::select! {
            () = &mut compared => return,
            change = changes.next() => if change.is_none() { return },
        }
    }
}
