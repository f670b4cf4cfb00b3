//! Who may do what with a document: inviting, granting, revoking, leaving, and asking why.

use katori_acl::{Explanation, PersonId, Principal, Role, Ticket};

use super::Doc;
use crate::circle::{Member, RevokeOptions};
use crate::consequences::Consequences;
use crate::error::Error;
use crate::invitation::Invitation;
use crate::invite::InviteOptions;
use crate::story::Story;

impl Doc {
    /// A ticket that lets one person in within a week. Hand it over as text or as a QR code; whoever holds it
    /// can use it, while this device or another of this person can be reached.
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

    /// Gives a person or group known here a role, for good. An admin may pass it on.
    ///
    /// # Errors
    /// [`Error::Command`] if this person may not give that role.
    pub async fn grant(&self, who: PersonId, role: Role) -> Result<(), Error> {
        self.circle().grant(who, role).await
    }

    /// Gives a person or group another role than it has, greater or lesser. Those whom it had let in stay. A writer
    /// who becomes a reader goes on reading, and what they wrote stays.
    ///
    /// # Errors
    /// [`Error::Command`] if there is nothing that this person may change.
    pub async fn change_role(&self, who: PersonId, role: Role) -> Result<(), Error> {
        self.circle().change_role(who, role).await
    }

    /// Takes away what this person gave, or what was given through it; what the other had passed on goes too. What
    /// the other wrote stays. Returns the role that is left to the other by grants of others.
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

    /// Gives up this person's own role, once somebody else who writes has said to have everything that is here:
    /// what only this device has would be held back for everybody else. That is waited for some seconds.
    ///
    /// # Errors
    /// [`Error::LeftBehind`] if nobody has: connect with one of them first, or
    /// [leave anyway](Self::leave_anyway). [`Error::Command`] for the owner, who can only delete.
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

    /// Everybody with a role, the owner first: persons, then groups.
    pub async fn members(&self) -> Result<Vec<Member>, Error> {
        self.circle().members().await
    }

    /// Why somebody has a role, or what is missing.
    pub async fn why(&self, who: Principal) -> Result<Explanation, Error> {
        self.circle().why(who).await
    }

    /// What was granted, revoked and excluded, each part after those it rests on; that of its space too.
    ///
    /// ```
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let directory = tempfile::tempdir()?;
    /// # let node = katori::Node::builder(directory.path()).person_name("Ana").device_name("laptop")
    /// #     .network(katori::Network::None).open_or_init().await?;
    /// let list = node.create("groceries").await?;
    /// list.invite(katori::Role::Read).await?;
    /// let story = list.story().await?;
    /// assert_eq!(story.parts[0].to_string(), "Ana (laptop) began: groceries");
    /// assert_eq!(story.parts[1].to_string(), "Ana (laptop) gave an invitation read");
    /// assert!(story.to_dot().contains("r1 -> r0"));
    /// # node.close().await;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn story(&self) -> Result<Story, Error> {
        self.circle().story().await
    }
}
