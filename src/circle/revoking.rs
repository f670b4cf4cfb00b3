//! Changing a role and taking it away, tried out first if one likes.

use std::time::Duration;

use katori_acl::{PersonId, Principal, Role};
use katori_core::engine::{Answer, Command, Invitees, RevokeTerms};

use super::{Circle, offer};
use crate::consequences::Consequences;
use crate::error::Error;

/// How long a revocation waits for what peers that can be reached have and this device lacks, so that nothing is
/// held back for having come a moment too late.
const ASK_FIRST: Duration = Duration::from_secs(2);

/// What a revocation does besides.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RevokeOptions {
    /// Those whom the other had let in stay, and have it from this person from now on. Otherwise they go too.
    pub keep_invitees: bool,
    /// Ask the other's devices to drop their copies. They can be asked, not forced.
    pub erase: bool,
}

impl RevokeOptions {
    /// Those whom the other had let in stay.
    #[must_use]
    pub fn keep_invitees(self, keep_invitees: bool) -> Self {
        Self { keep_invitees, ..self }
    }

    /// Ask the other's devices to drop their copies. They can be asked, not forced.
    #[must_use]
    pub fn erase(self, erase: bool) -> Self {
        Self { erase, ..self }
    }

    fn terms(self) -> RevokeTerms {
        let invitees = if self.keep_invitees { Invitees::Keep } else { Invitees::Drop };
        RevokeTerms { invitees, erase: self.erase, instead: None }
    }
}

impl Circle {
    pub(crate) async fn change_role(&self, who: PersonId, role: Role) -> Result<(), Error> {
        let terms = RevokeTerms { invitees: Invitees::Keep, erase: false, instead: Some(offer(role)) };
        self.end(who, terms).await.map(drop)
    }

    pub(crate) async fn revoke(&self, who: PersonId, options: RevokeOptions) -> Result<Option<Role>, Error> {
        self.end(who, options.terms()).await
    }

    async fn end(&self, who: PersonId, terms: RevokeTerms) -> Result<Option<Role>, Error> {
        // Whoever cannot be reached in time is not waited for: what it brings later can be taken in.
        self.base.hub.settled(ASK_FIRST).await;
        let command = Command::Revoke { document: self.id, from: Principal::Person(who), terms };
        let answer = self.base.hub.command(command).await?;
        Ok(if let Answer::Revoked { remaining } = answer { remaining } else { None })
    }

    pub(crate) async fn would_revoke(
        &self,
        who: PersonId,
        options: RevokeOptions,
    ) -> Result<Consequences, Error> {
        let (id, from, terms) = (self.id, Principal::Person(who), options.terms());
        self.base
            .ask(move |engine, names| {
                let found = engine.consequences_of_revoking(id, from, terms);
                found.map(|found| Consequences::new(engine, names, &found))
            })
            .await?
            .map_err(Error::Command)
    }
}
