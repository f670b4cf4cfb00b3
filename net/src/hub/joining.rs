//! Joining others, and letting others in.

use katori_acl::{InviteKey, ResourceId, Ticket};
use katori_core::engine::Preview;
use tokio::sync::broadcast;

use super::Hub;
use crate::join::{self, JoinError, PairingEnd, PairingRequest};
use crate::joins::{Join, JoinState};

impl Hub {
    /// Begins to redeem a ticket to a document, and says where that stands once a device of the ticket has been
    /// asked, or none could be. What is not decided then goes on by itself, after restarts of either side too,
    /// until it is, or is forgotten.
    ///
    /// # Errors
    /// [`JoinError`] if this ticket cannot be redeemed here at all. Everything else is a state.
    ///
    /// # Cancel safety
    /// A join that has begun goes on.
    pub async fn join(&self, ticket: &Ticket) -> Result<JoinState, JoinError> {
        Ok(self.0.joins.begin(ticket).await?.0)
    }

    /// Redeems a ticket to a document. Its content comes by itself then.
    ///
    /// # Errors
    /// [`JoinError`] says why not, and what to do. After [`JoinError::AwaitingConfirmation`] the join goes on by
    /// itself; after every other it does not.
    pub async fn redeem(&self, ticket: &Ticket) -> Result<ResourceId, JoinError> {
        let invite = ticket.secret().public();
        let was_under_way = self.0.joins.is_under_way(&invite);
        let (state, why) = self.0.joins.begin(ticket).await?;
        match state {
            JoinState::Joined { document } => Ok(document),
            JoinState::AwaitingConfirmation { .. } => Err(JoinError::AwaitingConfirmation),
            JoinState::Connecting { tried } => {
                if !was_under_way {
                    self.0.joins.forget(&invite).await;
                }
                Err(why.unwrap_or(JoinError::Unreachable { tried }))
            }
            JoinState::Declined => Err(JoinError::Declined),
            JoinState::Expired => Err(JoinError::Expired),
            JoinState::NotValid => Err(JoinError::NotValid),
            JoinState::Refused(text) => Err(why.unwrap_or(JoinError::Refused(text))),
        }
    }

    /// Joins under way, and those that have ended since the start and were not forgotten.
    #[must_use]
    pub fn joins(&self) -> Vec<Join> {
        self.0.joins.list()
    }

    /// Joins that come to stand elsewhere, from now on. A listener that lags behind looks at [`Hub::joins`].
    #[must_use]
    pub fn join_changes(&self) -> broadcast::Receiver<Join> {
        self.0.joins.listen()
    }

    /// Forgets a join. One that is under way stops; the inviter is told nothing.
    pub async fn forget_join(&self, invite: &InviteKey) {
        self.0.joins.forget(invite).await;
    }

    /// Asks what a ticket lets in to, without using it.
    ///
    /// # Errors
    /// [`JoinError`] says why nothing is known.
    pub async fn preview(&self, ticket: &Ticket) -> Result<Preview, JoinError> {
        join::document_of(ticket)?;
        let endpoint = self.endpoint().ok_or(JoinError::NoNetwork)?;
        let asking = self.0.joins.asking(ticket).await?;
        join::look(&endpoint, ticket, &asking).await
    }

    /// Says no to an invitation, which the inviter notes, and forgets the join if one is under way.
    ///
    /// # Errors
    /// [`JoinError`] says why the inviter could not be told. Nothing was changed.
    pub async fn decline(&self, ticket: &Ticket) -> Result<(), JoinError> {
        join::document_of(ticket)?;
        let endpoint = self.endpoint().ok_or(JoinError::NoNetwork)?;
        let asking = self.0.joins.asking(ticket).await?;
        join::decline(&endpoint, ticket, &asking).await?;
        self.0.joins.forget(&ticket.secret().public()).await;
        Ok(())
    }

    /// New devices that want to become one of this person's, from now on. A listener that lags behind looks at
    /// [`Hub::pairing_requests`].
    #[must_use]
    pub fn pairings(&self) -> broadcast::Receiver<PairingRequest> {
        self.0.pairings.listen()
    }

    /// New devices that wait for somebody to compare digits.
    #[must_use]
    pub fn pairing_requests(&self) -> Vec<PairingRequest> {
        self.0.pairings.requests()
    }

    /// Says whether a new device shows the same digits, and waits for what comes of it: somebody there has to say
    /// so too.
    ///
    /// # Cancel safety
    /// The answer counts in any case.
    pub async fn answer_pairing(&self, id: u64, same: bool) -> PairingEnd {
        self.0.pairings.answer(id, same).await
    }
}
