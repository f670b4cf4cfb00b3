//! What somebody at this device asks for: creating, inviting, granting, revoking, accepting, deleting.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use automerge::ChangeHash;
use katori_acl::{
    Audience, Capacity, Genesis, Grant, InviteKey, Issuer, Member, PersonId, Record, RecordId, ResourceId,
    ResourceKind, Revoke, Role, RosterAction, RosterOperation, SignError, Signer, Subject, Tombstone,
    UnverifiedRecord, VerifiedClaim, VerifiedRecord,
};
use rand_core::Rng;
use thiserror::Error;

use super::{Action, CommandId, DocumentState, Engine, InvitePurpose, OpenInvite, Standing, Task};
use crate::document::TakeInError;
use crate::time::Timestamp;

/// What somebody wants.
#[derive(Debug)]
#[non_exhaustive]
pub enum Command {
    /// A new document, owned by this person.
    Create {
        /// The name it is born with.
        name: String,
    },
    /// An invitation to a document, whose secret the caller holds.
    Invite {
        /// To which.
        document: ResourceId,
        /// With what role.
        offer: Offer,
        /// The public half of its secret.
        key: InviteKey,
        /// How many may use it; nothing for any number.
        uses: Option<u32>,
    },
    /// An invitation for another device of this person.
    InviteDevice {
        /// The public half of its secret.
        key: InviteKey,
        /// When it ends, in milliseconds since 1970.
        expires: Option<u64>,
    },
    /// Ends an invitation. Those who joined by it stay.
    Uninvite {
        /// Which.
        key: InviteKey,
    },
    /// Somebody holds the secret of an invitation, and proved it on this connection.
    Redeem {
        /// The proof.
        claim: Box<VerifiedClaim>,
        /// The joiner's roster, unless it is a device that joins this person.
        roster: Vec<Vec<u8>>,
    },
    /// What was got by redeeming an invitation elsewhere.
    Joined {
        /// To which document.
        document: ResourceId,
        /// Rosters and grants.
        records: Vec<Vec<u8>>,
    },
    /// Takes the roster of somebody met elsewhere, so that they can be given a role.
    Meet {
        /// Its records.
        roster: Vec<Vec<u8>>,
    },
    /// Gives somebody known a role.
    Grant {
        /// In which document.
        document: ResourceId,
        /// Whom.
        to: PersonId,
        /// What.
        offer: Offer,
    },
    /// Ends every grant to somebody that this person stands upstream of.
    Revoke {
        /// In which document.
        document: ResourceId,
        /// Whom.
        from: PersonId,
    },
    /// Gives up one's own role.
    Leave {
        /// In which document.
        document: ResourceId,
    },
    /// Takes a document that was offered.
    Accept {
        /// Which.
        document: ResourceId,
    },
    /// Deletes a document, for everybody and for ever. Only its owner can.
    Delete {
        /// Which.
        document: ResourceId,
    },
    /// Puts a document away, here only.
    Forget {
        /// Which.
        document: ResourceId,
    },
    /// Takes in changes that are held back.
    TakeIn {
        /// Of which document.
        document: ResourceId,
        /// Which.
        changes: Vec<ChangeHash>,
    },
}

/// A role, as it is offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offer {
    /// The role.
    pub role: Role,
    /// Whether it may be passed on.
    pub share: bool,
    /// When it ends, in milliseconds since 1970.
    pub expires: Option<u64>,
}

/// How a command went.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Answer {
    /// It is done and durable.
    Done,
    /// A document was created.
    Created(ResourceId),
    /// Somebody has joined; these records tell them what they were given.
    Joined {
        /// The document, or none for a device of this person.
        document: Option<ResourceId>,
        /// Rosters and grants.
        records: Vec<Vec<u8>>,
    },
}

/// Why a command was not carried out. Nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CommandError {
    /// No such document.
    #[error("no document {} is held here", .0.short())]
    UnknownDocument(ResourceId),
    /// The document is not offered.
    #[error("document {} is not on offer", .0.short())]
    NotOffered(ResourceId),
    /// This device's person may not do that.
    #[error("this needs {needed} in the document{hint}")]
    NotAllowed {
        /// What it takes.
        needed: &'static str,
        /// What to do.
        hint: &'static str,
    },
    /// Nothing of the kind can be revoked by this person.
    #[error("there is no grant to {} that you gave, or that came through you, so nothing was revoked", .0.short())]
    NothingToRevoke(PersonId),
    /// The owner cannot leave.
    #[error("the owner cannot leave a document; delete it instead")]
    OwnerCannotLeave,
    /// The invitation is unknown here, was revoked, or is used up. A stranger is not told which.
    #[error("the invitation is not valid any more; ask for a new one")]
    InviteInvalid,
    /// The invitation has expired.
    #[error("the invitation has expired; ask for a new one")]
    InviteExpired,
    /// The joiner is not who it says.
    #[error("the joining device does not belong to the person it names")]
    JoinerUnknown,
    /// A record cannot be signed as asked.
    #[error("the record cannot be signed: {0}")]
    Sign(Arc<str>),
    /// The store takes no more.
    #[error(
        "the store failed and nothing new was saved: {0}; free space or check the disk, then start again"
    )]
    StoreFailed(Arc<str>),
    /// The document cannot be opened.
    #[error("the document cannot be opened: {0}")]
    Unreadable(Arc<str>),
    /// Nothing was taken in.
    #[error(transparent)]
    TakeIn(#[from] TakeInError),
}

impl From<SignError> for CommandError {
    fn from(error: SignError) -> Self {
        Self::Sign(error.to_string().into())
    }
}

const ADMIN: CommandError =
    CommandError::NotAllowed { needed: "admin", hint: ": ask an admin of it, or the owner" };

/// Revocations that wait for the vouch that goes with them.
pub(super) type Pending = BTreeMap<CommandId, (ResourceId, Vec<RecordId>)>;

/// What comes of a command at once.
enum Next {
    /// These records are to be stored, then the command is answered.
    Records(Vec<VerifiedRecord>, Answer),
    /// A task is to be done on a document first.
    Task(ResourceId, Task),
}

impl Engine {
    pub(super) fn command(&mut self, now: Timestamp, id: CommandId, command: Command) {
        if let Some(error) = &self.failed {
            let result = Err(CommandError::StoreFailed(error.as_str().into()));
            self.act(Action::Reply { id, result });
            return;
        }
        match self.carry_out(now, id, command) {
            Ok(Next::Records(records, answer)) => self.admit_own(now, records, Some((id, answer))),
            Ok(Next::Task(document, task)) => self.queue_command(now, document, id, task),
            Err(error) => self.act(Action::Reply { id, result: Err(error) }),
        }
    }

    fn carry_out(&mut self, now: Timestamp, id: CommandId, command: Command) -> Result<Next, CommandError> {
        match command {
            Command::Create { name } => self.create(name),
            Command::Invite { document, offer, key, uses } => self.invite(document, offer, key, uses),
            Command::InviteDevice { key, expires } => {
                let open = OpenInvite {
                    key,
                    purpose: InvitePurpose::Device,
                    expires,
                    uses: Some(1),
                    used_by: BTreeSet::new(),
                };
                self.require_full()?;
                self.open_invite(open);
                Ok(Next::Records(Vec::new(), Answer::Done))
            }
            Command::Uninvite { key } => self.uninvite(key),
            Command::Redeem { claim, roster } => self.redeem(now, &claim, &roster),
            Command::Joined { document, records } => self.joined(now, document, &records),
            Command::Meet { roster } => {
                self.admit_given(now, &roster);
                Ok(Next::Records(Vec::new(), Answer::Done))
            }
            Command::Grant { document, to, offer } => {
                let grant = self.grant(document, Audience::Person(to), offer, None)?;
                Ok(Next::Records(vec![grant], Answer::Done))
            }
            Command::Revoke { document, from } => self.revoke(id, document, from),
            Command::Leave { document } => self.leave(document),
            Command::Accept { document } => self.accept(document),
            Command::Delete { document } => {
                self.require_accepted(document)?;
                let record = Record::Tombstone(Tombstone { resource: document, by: self.me.device() });
                let owner =
                    self.registry.access(document).is_some_and(|access| access.owner == self.me.person);
                if !owner {
                    let hint =
                        ": only the owner deletes a document for everybody; leave or forget it instead";
                    return Err(CommandError::NotAllowed { needed: "to be the owner", hint });
                }
                Ok(Next::Records(vec![record.sign(&self.me.key)?], Answer::Done))
            }
            Command::Forget { document } => {
                if self.standing(document) == Standing::Unknown {
                    return Err(CommandError::UnknownDocument(document));
                }
                self.set_standing(document, Standing::Forgotten);
                Ok(Next::Records(Vec::new(), Answer::Done))
            }
            Command::TakeIn { document, changes } => Ok(Next::Task(document, Task::TakeIn(changes))),
        }
    }

    fn random<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.rng.fill_bytes(&mut bytes);
        bytes
    }

    fn require_accepted(&self, document: ResourceId) -> Result<&DocumentState, CommandError> {
        self.documents
            .get(&document)
            .filter(|state| state.standing == Standing::Accepted)
            .ok_or(CommandError::UnknownDocument(document))
    }

    fn require_full(&self) -> Result<(), CommandError> {
        let full =
            self.registry.roster(self.me.person).is_some_and(|roster| roster.is_full(&self.me.device()));
        let hint = ": this device may write documents, not give them away; use another of yours";
        if full { Ok(()) } else { Err(CommandError::NotAllowed { needed: "a full device", hint }) }
    }

    fn create(&mut self, name: String) -> Result<Next, CommandError> {
        let genesis = Record::Genesis(Genesis {
            kind: ResourceKind::Document,
            owner: self.me.person,
            space: None,
            name,
            nonce: self.random(),
            alias: self.random(),
            by: self.me.device(),
        });
        let record = genesis.sign(&self.me.key)?;
        let Subject::Resource(document) = record.subject() else {
            return Err(CommandError::Sign("a genesis of no resource".into()));
        };
        self.set_standing(document, Standing::Accepted);
        Ok(Next::Records(vec![record], Answer::Created(document)))
    }

    fn grant(
        &mut self,
        document: ResourceId,
        to: Audience,
        offer: Offer,
        uses: Option<u32>,
    ) -> Result<VerifiedRecord, CommandError> {
        self.require_accepted(document)?;
        self.require_full()?;
        let parent = self.registry.grant_parent_for(self.me.person, document, offer.role).ok_or(ADMIN)?;
        let grant = Record::Grant(Grant {
            resource: document,
            issuer: Issuer::Person(self.me.person),
            to,
            role: offer.role,
            share: offer.share,
            uses,
            parent,
            expires: offer.expires,
            nonce: self.random(),
            by: Signer::Device(self.me.device()),
        });
        Ok(grant.sign(&self.me.key)?)
    }

    fn invite(
        &mut self,
        document: ResourceId,
        offer: Offer,
        key: InviteKey,
        uses: Option<u32>,
    ) -> Result<Next, CommandError> {
        let record = self.grant(document, Audience::Invite(key), offer, uses)?;
        let Offer { role, share, expires } = offer;
        let purpose = InvitePurpose::Document { document, role, grant: record.id(), share };
        self.open_invite(OpenInvite { key, purpose, expires, uses, used_by: BTreeSet::new() });
        Ok(Next::Records(vec![record], Answer::Done))
    }

    fn open_invite(&mut self, invite: OpenInvite) {
        self.write([invite.row()]);
        self.invites.insert(invite.key, invite);
    }

    fn uninvite(&mut self, key: InviteKey) -> Result<Next, CommandError> {
        let invite = self.invites.remove(&key).ok_or(CommandError::InviteInvalid)?;
        self.write([OpenInvite::end(&key)]);
        let mut records = Vec::new();
        if let InvitePurpose::Document { document, grant, .. } = invite.purpose {
            records.extend(self.sign_revoke(document, grant));
        }
        Ok(Next::Records(records, Answer::Done))
    }

    /// Redeems an invitation made here: an ordinary grant to the joiner's person, or a place in the roster.
    fn redeem(
        &mut self,
        now: Timestamp,
        claim: &VerifiedClaim,
        roster: &[Vec<u8>],
    ) -> Result<Next, CommandError> {
        let claim = claim.claim();
        let mut invite = self.invites.get(&claim.invite).cloned().ok_or(CommandError::InviteInvalid)?;
        let again = invite.used_by.contains(&claim.joiner);
        if invite.uses == Some(0) && !again {
            return Err(CommandError::InviteInvalid);
        }
        if invite.expires.is_some_and(|expires| expires <= now.0) {
            return Err(CommandError::InviteExpired);
        }
        let next = match invite.purpose {
            InvitePurpose::Device => self.redeem_device(claim)?,
            InvitePurpose::Document { document, role, grant, share } => {
                let live = self.registry.access(document).is_some_and(|access| {
                    access.invites().iter().any(|invitation| invitation.grant == grant)
                });
                if !live {
                    return Err(CommandError::InviteInvalid);
                }
                self.redeem_document(now, claim, roster, document, Offer { role, share, expires: None })?
            }
        };
        if !again {
            invite.uses = invite.uses.map(|uses| uses.saturating_sub(1));
            invite.used_by.insert(claim.joiner);
            self.open_invite(invite);
        }
        Ok(next)
    }

    fn redeem_device(&mut self, claim: &katori_acl::Claim) -> Result<Next, CommandError> {
        self.require_full()?;
        let person = self.me.person;
        let roster = self.registry.roster(person).ok_or(CommandError::JoinerUnknown)?;
        let subject = Subject::Roster(person);
        let mut records: Vec<Vec<u8>> =
            self.registry.records(&subject).map(|record| record.bytes().to_vec()).collect();
        if roster.contains(&claim.joiner) {
            return Ok(Next::Records(Vec::new(), Answer::Joined { document: None, records }));
        }
        let add = Record::RosterOperation(RosterOperation {
            roster: person,
            by: self.me.device(),
            previous: roster.heads(),
            action: RosterAction::Add {
                member: Member::Device(claim.joiner),
                name: claim.name.clone(),
                capacity: Capacity::Full,
                sealing: None,
            },
        })
        .sign(&self.me.key)?;
        records.push(add.bytes().to_vec());
        Ok(Next::Records(vec![add], Answer::Joined { document: None, records }))
    }

    fn redeem_document(
        &mut self,
        now: Timestamp,
        claim: &katori_acl::Claim,
        roster: &[Vec<u8>],
        document: ResourceId,
        offer: Offer,
    ) -> Result<Next, CommandError> {
        let person = claim.person.ok_or(CommandError::JoinerUnknown)?;
        self.admit(now, None, Subject::Roster(person), roster, Vec::new());
        let belongs = self.registry.roster(person).is_some_and(|roster| roster.contains(&claim.joiner));
        if !belongs {
            return Err(CommandError::JoinerUnknown);
        }
        let access = self.registry.access(document);
        let has = access.as_ref().and_then(|access| access.role_of_person(&person));
        let had = access.as_ref().and_then(|access| access.ever_role_of_person(&person));
        if has.is_none() && had.is_some() {
            // Whoever was revoked does not come back by an old ticket; a new grant is for an admin to give.
            return Err(CommandError::InviteInvalid);
        }
        let mut new = Vec::new();
        if has.is_none_or(|role| role < offer.role) {
            new.push(self.grant(document, Audience::Person(person), offer, None)?);
        }
        let mut records: Vec<Vec<u8>> = Vec::new();
        for roster in self.rosters_with(document) {
            let subject = Subject::Roster(roster);
            records.extend(self.registry.records(&subject).map(|record| record.bytes().to_vec()));
        }
        let subject = Subject::Resource(document);
        records.extend(self.registry.records(&subject).map(|record| record.bytes().to_vec()));
        records.extend(new.iter().map(|record| record.bytes().to_vec()));
        Ok(Next::Records(new, Answer::Joined { document: Some(document), records }))
    }

    /// Takes what redeeming an invitation gave, and accepts the document.
    fn joined(
        &mut self,
        now: Timestamp,
        document: ResourceId,
        records: &[Vec<u8>],
    ) -> Result<Next, CommandError> {
        let genesis = Subject::Resource(document).genesis();
        let is_genesis = |bytes: &Vec<u8>| UnverifiedRecord::decode(bytes).is_ok_and(|it| it.id() == genesis);
        if !records.iter().any(is_genesis) {
            return Err(CommandError::InviteInvalid);
        }
        self.set_standing(document, Standing::Accepted);
        self.admit_given(now, records);
        Ok(Next::Records(Vec::new(), Answer::Joined { document: Some(document), records: Vec::new() }))
    }

    pub(super) fn sign_revoke(&self, document: ResourceId, target: RecordId) -> Option<VerifiedRecord> {
        let revoke = Record::Revoke(Revoke {
            resource: document,
            target,
            issuer: Issuer::Person(self.me.person),
            by: self.me.device(),
        });
        revoke.sign(&self.me.key).ok()
    }

    /// The live grants to one person that this person may revoke.
    fn grants_to(&self, document: ResourceId, person: PersonId) -> Vec<RecordId> {
        let mut targets = self.registry.revocable_by(self.me.person, document);
        targets.retain(|id| {
            let Some(Record::Grant(grant)) = self.registry.record(id).map(VerifiedRecord::record) else {
                return false;
            };
            match grant.to {
                Audience::Person(to) | Audience::Group(to) => to == person,
                Audience::Device(device) => self.registry.person_of(device) == Some(person),
                Audience::Invite(_) => false,
            }
        });
        targets
    }

    fn revoke(&mut self, id: CommandId, document: ResourceId, from: PersonId) -> Result<Next, CommandError> {
        self.require_accepted(document)?;
        self.require_full()?;
        let targets = self.grants_to(document, from);
        if targets.is_empty() {
            return Err(CommandError::NothingToRevoke(from));
        }
        // The author's own vouch travels with the revocation, so that normally nobody else has to sign.
        self.pending_revokes.insert(id, (document, targets));
        Ok(Next::Task(document, Task::Vouch))
    }

    /// Goes on with a revocation whose vouch is signed; says whether it was one.
    pub(super) fn revoke_vouched(&mut self, now: Timestamp, id: CommandId) -> bool {
        let Some((document, targets)) = self.pending_revokes.remove(&id) else { return false };
        let revokes = targets.into_iter().filter_map(|target| self.sign_revoke(document, target)).collect();
        self.admit_own(now, revokes, Some((id, Answer::Done)));
        true
    }

    fn leave(&mut self, document: ResourceId) -> Result<Next, CommandError> {
        self.require_accepted(document)?;
        self.require_full()?;
        if self.registry.access(document).is_some_and(|access| access.owner == self.me.person) {
            return Err(CommandError::OwnerCannotLeave);
        }
        let targets = self.grants_to(document, self.me.person);
        if targets.is_empty() {
            return Err(CommandError::NothingToRevoke(self.me.person));
        }
        let revokes = targets.into_iter().filter_map(|target| self.sign_revoke(document, target)).collect();
        Ok(Next::Records(revokes, Answer::Done))
    }

    fn accept(&mut self, document: ResourceId) -> Result<Next, CommandError> {
        match self.standing(document) {
            Standing::Offered | Standing::Forgotten => {
                // Whoever was told of it before is told again: nothing of it is here any more.
                for session in self.sessions.values_mut() {
                    session.told.remove(&Subject::Resource(document));
                }
                self.set_standing(document, Standing::Accepted);
                Ok(Next::Records(Vec::new(), Answer::Done))
            }
            Standing::Accepted => Ok(Next::Records(Vec::new(), Answer::Done)),
            Standing::Unknown | Standing::Deleted | Standing::Left => Err(CommandError::NotOffered(document)),
        }
    }
}
