//! What somebody at this device asks for: creating, inviting, granting, revoking, accepting, deleting.

mod documents;
mod invites;
mod members;
mod rosters;
mod steps;

use std::collections::BTreeSet;
use std::sync::Arc;

use automerge::ChangeHash;
use katori_acl::{
    Capacity, DeviceId, InviteKey, PersonId, Principal, Refusal, ResourceId, Role, SignError, VerifiedClaim,
    VerifiedRecord,
};
use rand_core::Rng;
use thiserror::Error;

use super::{Action, CommandId, DocumentState, Engine, Standing, Task};
use crate::document::TakeInError;
use crate::time::Timestamp;

pub use invites::Preview;
pub(super) use steps::{Pending, Step};

/// What somebody wants.
#[derive(Debug)]
#[non_exhaustive]
pub enum Command {
    /// A new document, owned by this person.
    Create {
        /// The name it is born with.
        name: String,
        /// The space it is born in, which this person may write in.
        space: Option<ResourceId>,
    },
    /// A new space: what is granted in it holds for every document born in it, now and later.
    CreateSpace {
        /// The name it is born with.
        name: String,
    },
    /// This person's shelf, if it has none. Only the person's most senior device makes it.
    CreateShelf,
    /// A new group of people, of which this person is the first member.
    CreateGroup {
        /// What it is called.
        name: String,
    },
    /// A new member of a group.
    AddMember {
        /// Which group.
        group: PersonId,
        /// A person, or another group.
        member: PersonId,
        /// Whether it may sign for the group, and change who is in it.
        capacity: Capacity,
    },
    /// A member goes from a group. What it had granted for the group stays.
    RemoveMember {
        /// Which group.
        group: PersonId,
        /// Who.
        member: PersonId,
    },
    /// An invitation to a document or space, whose secret the caller holds.
    Invite {
        /// To which.
        document: ResourceId,
        /// With what role.
        offer: Offer,
        /// The public half of its secret.
        key: InviteKey,
        /// How many may use it; nothing for any number.
        uses: Option<u32>,
        /// Somebody here says yes or no to each who comes, before anything is sent.
        confirm: bool,
    },
    /// An invitation for another device of this person.
    InviteDevice {
        /// The public half of its secret.
        key: InviteKey,
        /// When it ends, in milliseconds since 1970.
        expires: Option<u64>,
    },
    /// An invitation by which somebody who has lost all devices gets the roster that the recovery words need.
    InviteRecovery {
        /// The public half of its secret.
        key: InviteKey,
        /// Who has lost them.
        person: PersonId,
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
    /// Somebody holds the secret of an invitation, and says no to it.
    Decline {
        /// The proof.
        claim: Box<VerifiedClaim>,
    },
    /// Somebody here says yes or no to who waits to be let in.
    Answer {
        /// By which invitation.
        invite: InviteKey,
        /// The device that asked.
        device: DeviceId,
        /// Yes or no.
        admit: bool,
    },
    /// What was got by redeeming an invitation elsewhere.
    Joined {
        /// To which document or space.
        document: ResourceId,
        /// Rosters and grants.
        records: Vec<Vec<u8>>,
    },
    /// Takes the roster of somebody met elsewhere, so that they can be given a role.
    Meet {
        /// Its records.
        roster: Vec<Vec<u8>>,
    },
    /// A device that is not known here presents what entitles it: rosters, and chains of grants.
    Introduced {
        /// Who.
        peer: DeviceId,
        /// What it presents.
        records: Vec<Vec<u8>>,
    },
    /// Gives somebody known a role.
    Grant {
        /// In which document or space.
        document: ResourceId,
        /// A person, a group, or one device.
        to: Principal,
        /// What.
        offer: Offer,
    },
    /// Ends or changes every grant to somebody that this person stands upstream of.
    Revoke {
        /// In which document or space.
        document: ResourceId,
        /// A person, a group, or one device.
        from: Principal,
        /// What becomes of those it had let in, of its copy, and what it has instead.
        terms: RevokeTerms,
    },
    /// Gives up one's own role.
    Leave {
        /// In which document or space.
        document: ResourceId,
    },
    /// Takes a document or space that was offered.
    Accept {
        /// Which.
        document: ResourceId,
    },
    /// Says no to what was offered: the grant is given back.
    Reject {
        /// Which.
        document: ResourceId,
    },
    /// Deletes a document or space, for everybody and for ever. Only its owner can.
    Delete {
        /// Which.
        document: ResourceId,
    },
    /// Puts a document or space away, here only.
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
    /// Keeps changes out of a document, for everybody.
    Exclude {
        /// Of which document.
        document: ResourceId,
        /// Which.
        changes: Vec<ChangeHash>,
        /// Why, for people to read.
        reason: String,
    },
    /// A device of this person is lost, or no longer wanted. It never returns.
    RemoveDevice {
        /// Which.
        device: DeviceId,
        /// Whether what it had granted for this person goes on counting. What it had revoked, and this device had acted
        /// on, goes on either way: this device signs it anew.
        keep: bool,
    },
    /// Calls a device of this person, or the person itself, by another name, for everybody.
    Rename {
        /// Which device; nothing for the person.
        device: Option<DeviceId>,
        /// The new name.
        name: String,
    },
    /// The people whose devices are refused.
    SetBlocked {
        /// All of them.
        persons: BTreeSet<PersonId>,
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

/// What a revocation does besides.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RevokeTerms {
    /// What becomes of those whom the revoked one had let in.
    pub invitees: Invitees,
    /// Ask its devices to drop their copies. They can be asked, not forced.
    pub erase: bool,
    /// The role it has from now on.
    pub instead: Option<Offer>,
}

/// What becomes of those whom a revoked person had let in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Invitees {
    /// They go with it.
    #[default]
    Drop,
    /// They stay: the revoker grants them the same, in the same step.
    Keep,
}

/// How a command went.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Answer {
    /// It is done and durable.
    Done,
    /// A document or space was created.
    Created(ResourceId),
    /// A group was created.
    CreatedGroup(PersonId),
    /// Somebody has joined; these records tell them what they were given.
    Joined {
        /// The document or space, or none for a device of this person.
        document: Option<ResourceId>,
        /// Rosters and grants.
        records: Vec<Vec<u8>>,
    },
    /// Somebody here has to say yes first.
    Waiting,
    /// Grants were ended.
    Revoked {
        /// The role that is left, by grants that this person does not stand upstream of.
        remaining: Option<Role>,
    },
}

/// Why a command was not carried out. Nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CommandError {
    /// No such document.
    #[error("no document {} is held here", .0.short())]
    UnknownDocument(ResourceId),
    /// No such space.
    #[error("no space {} is held here", .0.short())]
    UnknownSpace(ResourceId),
    /// No such group, or this person may not change it.
    #[error("{} is no group that this device may change; ask a full member of it", .0.short())]
    NotYourGroup(PersonId),
    /// No such person or group.
    #[error("nobody is known here as {}; meet them first, by a ticket or a document you share", .0.short())]
    UnknownPerson(PersonId),
    /// Who is to be removed is no member.
    #[error("{} is no member of the group", .0.short())]
    NotAMember(PersonId),
    /// No such device of this person.
    #[error("device {} is none of yours", .0.short())]
    NotYourDevice(DeviceId),
    /// A device does not remove itself: what it keeps would be its own word.
    #[error("this is the device itself; remove it from another of yours")]
    ThisDevice,
    /// Nobody would be left who can sign for the person.
    #[error("device {} is the only one left that can sign for you; add another first", .0.short())]
    LastDevice(DeviceId),
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
    #[error("there is no grant to {} that you gave, or that came through you, so nothing was revoked", describe(.0))]
    NothingToRevoke(Principal),
    /// The owner cannot leave.
    #[error("the owner cannot leave a document; delete it instead")]
    OwnerCannotLeave,
    /// The owner's role cannot be changed.
    #[error("the owner of a document has it by being the owner; nothing can be taken from them")]
    OwnerStays,
    /// The invitation is unknown here, was revoked, or is used up. A stranger is not told which.
    #[error("the invitation is not valid any more; ask for a new one")]
    InviteInvalid,
    /// The invitation has expired.
    #[error("the invitation has expired; ask for a new one")]
    InviteExpired,
    /// The inviter said no.
    #[error("the inviter declined")]
    Declined,
    /// As many as may wait at this invitation do.
    #[error("too many wait to be let in by this invitation; try again later")]
    TooManyRequests,
    /// Nobody waits to be let in by that.
    #[error("nobody waits to be let in by that invitation")]
    NobodyWaits,
    /// The joiner is not who it says.
    #[error("the joining device does not belong to the person it names")]
    JoinerUnknown,
    /// A record cannot be signed as asked.
    #[error("the record cannot be signed: {0}")]
    Sign(Arc<str>),
    /// A record of our own does not count.
    #[error("that has no effect: {0}")]
    NoEffect(Refusal),
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

fn describe(who: &Principal) -> String {
    match who {
        Principal::Person(person) => person.short(),
        Principal::Device(device) => device.short(),
    }
}

impl From<SignError> for CommandError {
    fn from(error: SignError) -> Self {
        Self::Sign(error.to_string().into())
    }
}

const ADMIN: CommandError =
    CommandError::NotAllowed { needed: "admin", hint: ": ask an admin of it, or the owner" };

/// What comes of a command at once.
enum Next {
    /// These records are to be stored, then the command is answered.
    Records(Vec<VerifiedRecord>, Answer),
    /// The same, and the answer says what is left.
    Revoked(Vec<VerifiedRecord>, ResourceId, Principal),
    /// A task is to be done on a document first.
    Task(ResourceId, Task),
    /// What it may cost these documents is vouched for first.
    Vouch(BTreeSet<ResourceId>, Step),
}

impl Engine {
    pub(super) fn command(&mut self, now: Timestamp, id: CommandId, command: Command) {
        if let Some(error) = &self.failed {
            let result = Err(CommandError::StoreFailed(error.as_str().into()));
            self.act(Action::Reply { id, result });
            return;
        }
        match self.carry_out(now, command) {
            Ok(next) => self.follow(now, id, next),
            Err(error) => self.act(Action::Reply { id, result: Err(error) }),
        }
    }

    fn follow(&mut self, now: Timestamp, id: CommandId, next: Next) {
        match next {
            Next::Records(records, answer) => self.admit_own(now, records, |_| Some((id, answer))),
            Next::Revoked(records, document, who) => {
                self.admit_own(now, records, |engine| {
                    let remaining = engine.role_of(document, who);
                    Some((id, Answer::Revoked { remaining }))
                });
            }
            Next::Task(document, task) => self.queue_command(now, document, id, task),
            Next::Vouch(documents, step) => self.vouch_first(now, id, documents, step),
        }
    }

    fn carry_out(&mut self, now: Timestamp, command: Command) -> Result<Next, CommandError> {
        let done = |records| Ok(Next::Records(records, Answer::Done));
        match command {
            Command::Create { name, space } => self.create(name, space),
            Command::CreateSpace { name } => self.create_space(name),
            Command::CreateShelf => self.create_shelf(),
            Command::CreateGroup { name } => self.create_group(name),
            Command::AddMember { group, member, capacity } => self.add_member(group, member, capacity),
            Command::RemoveMember { group, member } => self.remove_member(group, member),
            Command::Invite { document, offer, key, uses, confirm } => {
                self.invite(document, offer, key, uses, confirm)
            }
            Command::InviteDevice { key, expires } => self.invite_device(key, expires),
            Command::InviteRecovery { key, person, expires } => self.invite_recovery(key, person, expires),
            Command::Uninvite { key } => self.uninvite(key),
            Command::Redeem { claim, roster } => self.redeem(now, &claim, &roster),
            Command::Decline { claim } => self.decline(&claim),
            Command::Answer { invite, device, admit } => self.answer(now, invite, device, admit),
            Command::Joined { document, records } => self.joined(now, document, &records),
            Command::Meet { roster } => {
                self.admit_given(now, &roster);
                done(Vec::new())
            }
            Command::Introduced { peer, records } => {
                self.introduced(now, peer, &records);
                done(Vec::new())
            }
            Command::Grant { document, to, offer } => self.grant_to(document, to, offer),
            Command::Revoke { document, from, terms } => self.revoke(document, from, terms),
            Command::Leave { document } => self.leave(document),
            Command::Accept { document } => self.accept(now, document),
            Command::Reject { document } => self.reject(document),
            Command::Delete { document } => self.delete(document),
            Command::Forget { document } => self.forget(document),
            Command::TakeIn { document, changes } => Ok(Next::Task(document, Task::TakeIn(changes))),
            Command::Exclude { document, changes, reason } => self.exclude(document, &changes, &reason),
            Command::RemoveDevice { device, keep } => self.remove_device(device, keep),
            Command::Rename { device, name } => self.rename(device, name),
            Command::SetBlocked { mut persons } => {
                // Devices of one person that refused each other could never undo it.
                persons.remove(&self.me.person);
                self.set_blocked(now, persons);
                done(Vec::new())
            }
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

    fn role_of(&self, document: ResourceId, who: Principal) -> Option<Role> {
        let access = self.registry.access(document)?;
        match who {
            Principal::Person(person) => access.role_of_person(&person),
            Principal::Device(device) => access.role_of_device(&device),
        }
    }
}
