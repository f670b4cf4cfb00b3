//! Invitations: making and ending them, and letting in those who come.

use std::sync::Arc;

use katori_acl::{
    Access, Audience, Capacity, Claim, DeviceId, Invitation, InviteKey, Issuer, Member, PersonId, Record,
    Registry, ResourceId, RosterAction, RosterOperation, Subject, UnverifiedRecord, VerifiedClaim,
};

use super::members::Giving;
use super::{Answer, CommandError, Next, Offer};
use crate::engine::open_invite::MAX_USED_BY;
use crate::engine::{Action, Engine, Event, InvitePurpose, JoinRequest, OpenInvite, RequestState, Standing};
use crate::time::Timestamp;

/// What an invitation lets in to, for whoever holds its ticket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preview {
    /// What the document or space is called.
    pub name: String,
    /// The role it gives.
    pub role: katori_acl::Role,
    /// How many changes it has; of a space, its documents together.
    pub changes: u64,
    /// How many bytes they have.
    pub bytes: u64,
    /// How many documents a space has.
    pub documents: u64,
}

impl Engine {
    pub(super) fn invite(
        &mut self,
        document: ResourceId,
        offer: Offer,
        key: InviteKey,
        uses: Option<u32>,
        confirm: bool,
    ) -> Result<Next, CommandError> {
        let giving = Giving { to: Audience::Invite(key), offer, uses, confirm, redeems: None };
        let record = self.grant(document, giving)?;
        let Offer { role, share, expires } = offer;
        let purpose = InvitePurpose::Document { document, role, grant: record.id(), share };
        self.open_invite(OpenInvite { confirm, ..OpenInvite::new(key, purpose, expires, uses) });
        Ok(Next::Records(vec![record], Answer::Done))
    }

    pub(super) fn invite_device(
        &mut self,
        key: InviteKey,
        expires: Option<u64>,
    ) -> Result<Next, CommandError> {
        self.require_full()?;
        self.open_invite(OpenInvite::new(key, InvitePurpose::Device, expires, Some(1)));
        Ok(Next::Records(Vec::new(), Answer::Done))
    }

    pub(super) fn invite_recovery(
        &mut self,
        key: InviteKey,
        person: PersonId,
        expires: Option<u64>,
    ) -> Result<Next, CommandError> {
        if self.registry.roster(person).is_none() {
            return Err(CommandError::UnknownPerson(person));
        }
        self.open_invite(OpenInvite::new(key, InvitePurpose::Recovery { person }, expires, Some(1)));
        Ok(Next::Records(Vec::new(), Answer::Done))
    }

    fn open_invite(&mut self, invite: OpenInvite) {
        self.write([invite.row()]);
        self.invites.insert(invite.key, invite);
    }

    pub(super) fn uninvite(&mut self, key: InviteKey) -> Result<Next, CommandError> {
        let (mut records, mut known) = (Vec::new(), false);
        if let Some(invite) = self.invites.remove(&key) {
            self.write([OpenInvite::end(&key)]);
            known = true;
            if let InvitePurpose::Document { document, grant, .. } = invite.purpose {
                let issuer = self.registry.revocable(self.me.device(), document).get(&grant).copied();
                records.extend(issuer.and_then(|issuer| self.sign_revoke(document, grant, issuer, false)));
            }
        } else if let Some((document, invitation, issuer)) = self.invitation_to_end(&key) {
            known = true;
            records.extend(self.sign_revoke(document, invitation.grant, issuer, false));
        }
        if known { Ok(Next::Records(records, Answer::Done)) } else { Err(CommandError::InviteInvalid) }
    }

    /// An invitation that another device made, and that this one may end.
    fn invitation_to_end(&self, key: &InviteKey) -> Option<(ResourceId, Invitation, Issuer)> {
        let (access, invitation) = self.invitation(key)?;
        let revocable = self.registry.revocable(self.me.device(), access.resource);
        let issuer = revocable.get(&invitation.grant)?;
        Some((access.resource, invitation, *issuer))
    }

    /// A live invitation, whoever made it.
    fn invitation(&self, key: &InviteKey) -> Option<(Arc<Access>, Invitation)> {
        let accepted = self.documents.iter().filter(|(_, state)| state.standing == Standing::Accepted);
        accepted.filter_map(|(document, _)| self.registry.access(*document)).find_map(|access| {
            let found = access.invites().iter().find(|invitation| invitation.key == *key).copied();
            found.map(|invitation| (access, invitation))
        })
    }

    /// What an invitation lets in to, for somebody who could redeem it now.
    #[must_use]
    pub fn preview_for(&self, now: Timestamp, claim: &VerifiedClaim) -> Option<Preview> {
        let claim = claim.claim();
        let (document, role) = if let Some(invite) = self.invites.get(&claim.invite) {
            self.check_open(now, invite, claim).ok()?;
            match invite.purpose {
                InvitePurpose::Document { document, role, .. } => (document, role),
                InvitePurpose::Device | InvitePurpose::Recovery { .. } => return None,
            }
        } else {
            let (access, invitation) = self.check_elsewhere(now, claim).ok()?;
            (access.resource, invitation.role)
        };
        self.check_never_revoked(document, claim.person?).ok()?;
        let name = self.registry.access(document)?.name.clone();
        let born = self.registry.documents_in(document);
        let mut preview = Preview { name, role, changes: 0, bytes: 0, documents: born.len() as u64 };
        for document in born.iter().chain([&document]) {
            if let Some(state) = self.documents.get(document) {
                preview.changes += state.summary.changes;
                preview.bytes += state.summary.bytes;
            }
        }
        Some(preview)
    }

    /// Whether an invitation made here may be used by whoever claims it.
    fn check_open(&self, now: Timestamp, invite: &OpenInvite, claim: &Claim) -> Result<(), CommandError> {
        if claim.person.is_some_and(|person| self.blocked.contains(&person)) || self.blocked(&claim.joiner) {
            return Err(CommandError::InviteInvalid);
        }
        let again = invite.used_by.get(&claim.joiner) == Some(&claim.person);
        // A device stands for one person here: else it could come again and again as somebody new.
        let as_another = invite.used_by.contains_key(&claim.joiner) && !again
            || invite.requests.get(&claim.joiner).is_some_and(|request| request.person != claim.person);
        if as_another || invite.uses == Some(0) && !again {
            return Err(CommandError::InviteInvalid);
        }
        if invite.is_over(now.0) {
            return Err(CommandError::InviteExpired);
        }
        if let InvitePurpose::Document { document, grant, .. } = invite.purpose {
            let access = self.registry.access(document);
            let live = access.is_some_and(|access| access.invites().iter().any(|it| it.grant == grant));
            if !live && !again {
                return Err(CommandError::InviteInvalid);
            }
        }
        Ok(())
    }

    /// An invitation that another device made, if this one may let somebody in by it.
    fn check_elsewhere(
        &self,
        now: Timestamp,
        claim: &Claim,
    ) -> Result<(Arc<Access>, Invitation), CommandError> {
        let (access, invitation) = self.invitation(&claim.invite).ok_or(CommandError::InviteInvalid)?;
        let person = claim.person.ok_or(CommandError::JoinerUnknown)?;
        if invitation.confirm || self.blocked.contains(&person) || self.blocked(&claim.joiner) {
            return Err(CommandError::InviteInvalid);
        }
        if invitation.expires.is_some_and(|expires| expires <= now.0) {
            return Err(CommandError::InviteExpired);
        }
        let known = access.role_of_person(&person).is_some();
        if !known && invitation.uses.is_some_and(|uses| invitation.redeemed >= uses as usize) {
            return Err(CommandError::InviteInvalid);
        }
        if invitation.uses.is_some() && !self.came_from_here(&access, &invitation) {
            return Err(CommandError::InviteInvalid);
        }
        Ok((access, invitation))
    }

    /// Whether an invitation came from somebody for whom this device may grant what it gives: only such a grant
    /// may name the invitation, and so counts its uses.
    fn came_from_here(&self, access: &Access, invitation: &Invitation) -> bool {
        let Invitation { role, grant, .. } = *invitation;
        let me = self.me.device();
        self.registry.authority_to_redeem(me, access.resource, role, None, grant).is_some()
    }

    /// Whoever was revoked does not come back by an old ticket; a new grant is for an admin to give.
    fn check_never_revoked(&self, document: ResourceId, person: PersonId) -> Result<(), CommandError> {
        let access = self.registry.access(document);
        let has = access.as_ref().and_then(|access| access.role_of_person(&person));
        let had = access.as_ref().and_then(|access| access.ever_role_of_person(&person));
        if has.is_none() && had.is_some() { Err(CommandError::InviteInvalid) } else { Ok(()) }
    }

    /// Redeems an invitation: an ordinary grant to the joiner's person, or a place in the roster.
    pub(super) fn redeem(
        &mut self,
        now: Timestamp,
        claim: &VerifiedClaim,
        roster: &[Vec<u8>],
    ) -> Result<Next, CommandError> {
        let Some(mut invite) = self.invites.get(&claim.claim().invite).cloned() else {
            return self.redeem_for_another(now, claim.claim(), roster);
        };
        let joiner = claim.claim().joiner;
        self.check_open(now, &invite, claim.claim())?;
        let again = invite.used_by.contains_key(&joiner);
        let state = invite.requests.get(&joiner).map(|request| request.state);
        let next = match invite.purpose {
            InvitePurpose::Device => self.redeem_device(claim)?,
            InvitePurpose::Recovery { person } => self.redeem_recovery(person),
            InvitePurpose::Document { document, role, grant, share } => {
                if invite.confirm && state != Some(RequestState::Admitted) {
                    return self.hear_request(now, invite, document, claim.claim(), roster);
                }
                let giving = Giving {
                    redeems: Some(grant),
                    ..Giving::of(Audience::Invite(invite.key), Offer { role, share, expires: None })
                };
                self.redeem_document(now, claim.claim(), roster, document, giving)?
            }
        };
        if !again && let Some(uses) = &mut invite.uses {
            *uses = uses.saturating_sub(1);
            if invite.used_by.len() < MAX_USED_BY {
                invite.used_by.insert(joiner, claim.claim().person);
            }
        }
        if state != Some(RequestState::Admitted) {
            // Where there is no room, nobody misses who came.
            let _ = invite.note(joiner, JoinRequest::of(claim.claim(), RequestState::Admitted));
            self.open_invite(invite);
        }
        Ok(next)
    }

    /// Notes that somebody wants to come in, for somebody here to say yes or no.
    fn hear_request(
        &mut self,
        now: Timestamp,
        mut invite: OpenInvite,
        document: ResourceId,
        claim: &Claim,
        roster: &[Vec<u8>],
    ) -> Result<Next, CommandError> {
        let person = claim.person.ok_or(CommandError::JoinerUnknown)?;
        self.check_never_revoked(document, person)?;
        match invite.requests.get(&claim.joiner).map(|request| request.state) {
            Some(RequestState::Refused) => return Err(CommandError::Declined),
            Some(RequestState::Waiting) => return Ok(Next::Records(Vec::new(), Answer::Waiting)),
            Some(RequestState::Admitted | RequestState::Declined) | None => {}
        }
        // The roster is checked now, so that whoever says yes says it to somebody that is what it claims to be.
        self.check_joiner(now, person, claim.joiner, roster)?;
        let key = invite.key;
        if !invite.note(claim.joiner, JoinRequest::of(claim, RequestState::Waiting)) {
            return Err(CommandError::TooManyRequests);
        }
        self.open_invite(invite);
        self.act(Action::Notify(Event::Asked {
            invite: key,
            device: claim.joiner,
            person: Some(person),
            name: claim.name.clone(),
        }));
        Ok(Next::Records(Vec::new(), Answer::Waiting))
    }

    fn check_joiner(
        &mut self,
        now: Timestamp,
        person: PersonId,
        joiner: DeviceId,
        roster: &[Vec<u8>],
    ) -> Result<(), CommandError> {
        let subject = Subject::Roster(person);
        let mut aside = Registry::new();
        for record in self.registry.records(&subject) {
            aside.insert(record.clone());
        }
        let belongs = |aside: &Registry| aside.roster(person).is_some_and(|roster| roster.contains(&joiner));
        let verified = roster.iter().filter_map(|bytes| UnverifiedRecord::decode(bytes).ok()?.verify().ok());
        for record in verified.filter(|record| record.subject() == subject) {
            aside.insert(record);
        }
        // Nothing is kept of a roster in which the joiner is not.
        if !belongs(&aside) {
            return Err(CommandError::JoinerUnknown);
        }
        self.admit(now, None, subject, roster, Vec::new());
        if belongs(&self.registry) { Ok(()) } else { Err(CommandError::JoinerUnknown) }
    }

    /// Somebody here said yes or no to who waits.
    pub(super) fn answer(
        &mut self,
        now: Timestamp,
        key: InviteKey,
        device: DeviceId,
        admit: bool,
    ) -> Result<Next, CommandError> {
        let mut invite = self.invites.get(&key).cloned().ok_or(CommandError::InviteInvalid)?;
        let uses = invite.uses;
        let request = invite.requests.get_mut(&device).ok_or(CommandError::NobodyWaits)?;
        let InvitePurpose::Document { document, role, grant, share } = invite.purpose else {
            return Err(CommandError::NobodyWaits);
        };
        if !admit {
            if request.state == RequestState::Waiting {
                request.state = RequestState::Refused;
            }
            self.open_invite(invite);
            return Ok(Next::Records(Vec::new(), Answer::Done));
        }
        match request.state {
            RequestState::Waiting | RequestState::Refused => {}
            RequestState::Admitted => return Ok(Next::Records(Vec::new(), Answer::Done)),
            // Nobody is let in who said no.
            RequestState::Declined => return Err(CommandError::NobodyWaits),
        }
        let person = request.person.ok_or(CommandError::NobodyWaits)?;
        if uses == Some(0) {
            return Err(CommandError::InviteInvalid);
        }
        request.state = RequestState::Admitted;
        self.check_joiner(now, person, device, &[])?;
        let offer = Offer { role, share, expires: None };
        let giving = Giving { redeems: Some(grant), ..Giving::of(Audience::Person(person), offer) };
        let record = self.grant(document, giving)?;
        if let Some(uses) = &mut invite.uses {
            *uses = uses.saturating_sub(1);
        }
        if invite.used_by.len() < MAX_USED_BY {
            invite.used_by.insert(device, Some(person));
        }
        self.open_invite(invite);
        Ok(Next::Records(vec![record], Answer::Done))
    }

    /// The holder of an invitation says no to it.
    pub(super) fn decline(&mut self, claim: &VerifiedClaim) -> Result<Next, CommandError> {
        let claim = claim.claim();
        let mut invite = self.invites.get(&claim.invite).cloned().ok_or(CommandError::InviteInvalid)?;
        match invite.requests.get(&claim.joiner).map(|request| request.state) {
            // What was decided here stands.
            Some(RequestState::Refused | RequestState::Admitted) => {}
            Some(RequestState::Waiting | RequestState::Declined) | None => {
                if !invite.note(claim.joiner, JoinRequest::of(claim, RequestState::Declined)) {
                    return Err(CommandError::TooManyRequests);
                }
                self.open_invite(invite);
            }
        }
        Ok(Next::Records(Vec::new(), Answer::Done))
    }

    /// Redeems an invitation that another device made, if this one may give what it gives. Where it came from
    /// somebody this device speaks for, the grant names the invitation, so that all devices together admit no
    /// more than it allows; any Admin answers one of which the uses need not be counted.
    fn redeem_for_another(
        &mut self,
        now: Timestamp,
        claim: &Claim,
        roster: &[Vec<u8>],
    ) -> Result<Next, CommandError> {
        let (access, invitation) = self.check_elsewhere(now, claim)?;
        let person = claim.person.ok_or(CommandError::JoinerUnknown)?;
        let offer = Offer { role: invitation.role, share: invitation.share, expires: None };
        let redeems = self.came_from_here(&access, &invitation).then_some(invitation.grant);
        let giving = Giving { redeems, ..Giving::of(Audience::Person(person), offer) };
        self.redeem_document(now, claim, roster, access.resource, giving)
    }

    fn redeem_device(&mut self, claim: &VerifiedClaim) -> Result<Next, CommandError> {
        self.require_full()?;
        let person = self.me.person;
        let consent = claim.consents_to(person).ok_or(CommandError::JoinerUnknown)?;
        let claim = claim.claim();
        let roster = self.registry.roster(person).ok_or(CommandError::JoinerUnknown)?;
        let mut records = self.bytes_of(Subject::Roster(person));
        if roster.contains(&claim.joiner) {
            return Ok(Next::Records(Vec::new(), Answer::Joined { document: None, records }));
        }
        let add = Record::RosterOperation(RosterOperation {
            roster: person,
            person: None,
            by: self.me.device(),
            previous: roster.heads(),
            action: RosterAction::Add {
                member: Member::Device(claim.joiner),
                name: claim.name.clone(),
                capacity: Capacity::Full,
                sealing: None,
                consent: Some(consent),
            },
        })
        .sign(&self.me.key)?;
        records.push(add.bytes().to_vec());
        Ok(Next::Records(vec![add], Answer::Joined { document: None, records }))
    }

    fn redeem_recovery(&self, person: PersonId) -> Next {
        let records = self.bytes_of(Subject::Roster(person));
        Next::Records(Vec::new(), Answer::Joined { document: None, records })
    }

    fn redeem_document(
        &mut self,
        now: Timestamp,
        claim: &Claim,
        roster: &[Vec<u8>],
        document: ResourceId,
        giving: Giving,
    ) -> Result<Next, CommandError> {
        let person = claim.person.ok_or(CommandError::JoinerUnknown)?;
        self.check_never_revoked(document, person)?;
        self.check_joiner(now, person, claim.joiner, roster)?;
        let access = self.registry.access(document);
        let had = access.and_then(|access| access.ever_role_of_person(&person));
        let mut new = Vec::new();
        // Who was given as much once has it still, or it was taken away since: an old ticket does not undo that.
        if had.is_none_or(|role| role < giving.offer.role) {
            new.push(self.grant(document, Giving { to: Audience::Person(person), ..giving })?);
        }
        let mut records = Vec::new();
        for roster in self.rosters_with(document) {
            records.extend(self.bytes_of(Subject::Roster(roster)));
        }
        for resource in self.registry.space_of(document).into_iter().chain([document]) {
            records.extend(self.bytes_of(Subject::Resource(resource)));
        }
        records.extend(new.iter().map(|record| record.bytes().to_vec()));
        Ok(Next::Records(new, Answer::Joined { document: Some(document), records }))
    }

    fn bytes_of(&self, subject: Subject) -> Vec<Vec<u8>> {
        self.registry.records(&subject).map(|record| record.bytes().to_vec()).collect()
    }

    /// Takes what redeeming an invitation gave, and accepts the document.
    pub(super) fn joined(
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
}
