//! Giving, changing and ending roles.

use std::collections::BTreeMap;

use katori_acl::{
    Access, Audience, Exclude, Grant, Issuer, Parent, Principal, Record, RecordId, ResourceId, Revoke, Role,
    RosterKind, Signer, Subject, VerifiedRecord,
};

use super::{ADMIN, Answer, CommandError, Invitees, Next, Offer, RevokeTerms, Step};
use crate::engine::Engine;

/// A grant that is to be made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Giving {
    pub(super) to: Audience,
    pub(super) offer: Offer,
    pub(super) uses: Option<u32>,
    pub(super) confirm: bool,
    pub(super) redeems: Option<RecordId>,
}

impl Giving {
    pub(super) fn of(to: Audience, offer: Offer) -> Self {
        Self { to, offer, uses: None, confirm: false, redeems: None }
    }
}

impl Engine {
    /// Signs a grant, in the name of whoever this device may sign for that holds enough.
    pub(super) fn sign_grant(
        &self,
        document: ResourceId,
        giving: Giving,
        nonce: [u8; 8],
    ) -> Result<VerifiedRecord, CommandError> {
        let Giving { to, offer, uses, confirm, redeems } = giving;
        let me = self.me.device();
        let authority = match redeems {
            Some(id) => self.registry.authority_to_redeem(me, document, offer.role, offer.expires, id),
            None => self.registry.authority_for(me, document, offer.role, offer.expires),
        };
        let (issuer, parent) = authority.ok_or(ADMIN)?;
        let grant = Record::Grant(Grant {
            resource: document,
            issuer,
            to,
            role: offer.role,
            share: offer.share,
            uses,
            parent,
            expires: offer.expires,
            redeems,
            confirm,
            offline: false,
            nonce,
            by: Signer::Device(me),
        });
        Ok(grant.sign(&self.me.key)?)
    }

    pub(super) fn grant(
        &mut self,
        document: ResourceId,
        giving: Giving,
    ) -> Result<VerifiedRecord, CommandError> {
        self.require_accepted(document)?;
        self.require_full()?;
        let nonce = self.random();
        self.sign_grant(document, giving, nonce)
    }

    pub(super) fn grant_to(
        &mut self,
        document: ResourceId,
        to: Principal,
        offer: Offer,
    ) -> Result<Next, CommandError> {
        let to = self.audience_of(to)?;
        let grant = self.grant(document, Giving::of(to, offer))?;
        Ok(Next::Records(vec![grant], Answer::Done))
    }

    fn audience_of(&self, who: Principal) -> Result<Audience, CommandError> {
        match who {
            Principal::Device(device) => Ok(Audience::Device(device)),
            Principal::Person(id) => match self.registry.roster(id).map(|roster| roster.kind) {
                Some(RosterKind::Person) => Ok(Audience::Person(id)),
                Some(RosterKind::Group) => Ok(Audience::Group(id)),
                None => Err(CommandError::UnknownPerson(id)),
            },
        }
    }

    pub(in crate::engine) fn sign_revoke(
        &self,
        document: ResourceId,
        target: RecordId,
        issuer: Issuer,
        erase: bool,
    ) -> Option<VerifiedRecord> {
        let by = self.me.device();
        Record::Revoke(Revoke { resource: document, target, issuer, erase, by }).sign(&self.me.key).ok()
    }

    pub(in crate::engine) fn granted(&self, id: &RecordId) -> Option<&Grant> {
        match self.registry.record(id).map(VerifiedRecord::record) {
            Some(Record::Grant(grant)) => Some(grant),
            _ => None,
        }
    }

    /// The live grants to somebody that this device may end, and in whose name.
    fn grants_to(&self, document: ResourceId, who: Principal) -> BTreeMap<RecordId, Issuer> {
        let mut targets = self.registry.revocable(self.me.device(), document);
        targets.retain(|id, _| {
            let Some(grant) = self.granted(id) else { return false };
            match (grant.to, who) {
                (Audience::Person(to) | Audience::Group(to), Principal::Person(person)) => to == person,
                (Audience::Device(device), Principal::Person(person)) => {
                    self.registry.person_of(device) == Some(person)
                }
                (Audience::Device(to), Principal::Device(device)) => to == device,
                (Audience::Person(_) | Audience::Group(_), Principal::Device(_))
                | (Audience::Invite(_), _) => false,
            }
        });
        targets
    }

    pub(super) fn revoke(
        &self,
        document: ResourceId,
        from: Principal,
        terms: RevokeTerms,
    ) -> Result<Next, CommandError> {
        // What stands against it is said before anything is signed.
        self.revocation(document, from, terms)?;
        let touched = self.registry.documents_in(document).into_iter().chain([document]).collect();
        Ok(Next::Vouch(touched, Step::Revoke { document, from, terms }))
    }

    /// The records that end or change what somebody holds. Nothing is stored.
    pub(in crate::engine) fn revocation(
        &self,
        document: ResourceId,
        from: Principal,
        terms: RevokeTerms,
    ) -> Result<Vec<VerifiedRecord>, CommandError> {
        self.require_accepted(document)?;
        self.require_full()?;
        let access = self.registry.access(document).ok_or(CommandError::UnknownDocument(document))?;
        if from == Principal::Person(access.owner) {
            return Err(CommandError::OwnerStays);
        }
        let here = self.registry.digest(&Subject::Resource(document));
        let mut targets = self.grants_to(document, from);
        let mut records = Vec::new();
        if let Some(offer) = terms.instead {
            if targets.is_empty() {
                return Err(CommandError::NothingToRevoke(from));
            }
            // What the new grant covers may stay; ending it would end all that was granted under it.
            targets.retain(|id, _| self.granted(id).is_some_and(|grant| exceeds(grant, offer)));
            let to = self.audience_of(from)?;
            records.push(self.sign_grant(document, Giving::of(to, offer), fresh(&here, 0))?);
        } else if targets.is_empty() {
            return Err(CommandError::NothingToRevoke(from));
        }
        if terms.invitees == Invitees::Keep {
            records.extend(self.sponsor_anew(document, from, &targets, &here));
        }
        for (target, issuer) in &targets {
            records.extend(self.sign_revoke(document, *target, *issuer, terms.erase));
        }
        records.extend(self.exclude_anew(&access, from));
        Ok(records)
    }

    /// Grants everybody who had come in through these grants the same again.
    fn sponsor_anew(
        &self,
        document: ResourceId,
        from: Principal,
        targets: &BTreeMap<RecordId, Issuer>,
        here: &[u8; 32],
    ) -> Vec<VerifiedRecord> {
        let mut children: BTreeMap<RecordId, Vec<RecordId>> = BTreeMap::new();
        for id in self.registry.live_grants(document) {
            if let Some(Parent::Grant(parent)) = self.granted(&id).map(|grant| grant.parent) {
                children.entry(parent).or_default().push(id);
            }
        }
        let mut below: Vec<RecordId> = targets.keys().copied().collect();
        let mut best: BTreeMap<Audience, Grant> = BTreeMap::new();
        while let Some(id) = below.pop() {
            for child in children.remove(&id).unwrap_or_default() {
                below.push(child);
                let Some(grant) = self.granted(&child) else { continue };
                let back = match (grant.to, from) {
                    (Audience::Person(to) | Audience::Group(to), Principal::Person(person)) => to == person,
                    (Audience::Device(to), Principal::Device(device)) => to == device,
                    _ => false,
                };
                let known = best.get(&grant.to);
                if !back && known.is_none_or(|known| (known.role, known.share) < (grant.role, grant.share)) {
                    best.insert(grant.to, grant.clone());
                }
            }
        }
        let mut records = Vec::new();
        for (index, (to, grant)) in best.into_iter().enumerate() {
            let offer = Offer { role: grant.role, share: grant.share, expires: grant.expires };
            let giving = Giving { to, offer, uses: grant.uses, confirm: grant.confirm, redeems: None };
            match self.sign_grant(document, giving, fresh(here, index + 1)) {
                Ok(record) => records.push(record),
                Err(error) => tracing::warn!(%error, "somebody cannot be kept in the document"),
            }
        }
        records
    }

    /// An admin's exclusions end with the role; whoever takes it away stands in for them.
    fn exclude_anew(&self, access: &Access, from: Principal) -> Vec<VerifiedRecord> {
        if access.role_of_device(&self.me.device()) < Some(Role::Admin) {
            return Vec::new();
        }
        let theirs = |device: &katori_acl::DeviceId| match from {
            Principal::Person(person) => self.registry.person_of(*device) == Some(person),
            Principal::Device(from) => *device == from,
        };
        let records = access.exclusions().iter().filter(|exclusion| theirs(&exclusion.by));
        records.filter_map(|exclusion| self.sign_exclusion_again(&exclusion.record)).collect()
    }

    /// The same exclusion in this device's name, where it counts and this device is an Admin's.
    pub(super) fn sign_exclusion_again(&self, id: &RecordId) -> Option<VerifiedRecord> {
        let Some(Record::Exclude(exclude)) = self.registry.record(id).map(VerifiedRecord::record) else {
            return None;
        };
        let access = self.registry.access(exclude.resource)?;
        let counts = access.exclusions().iter().any(|exclusion| exclusion.record == *id);
        if !counts || access.role_of_device(&self.me.device()) < Some(Role::Admin) {
            return None;
        }
        Record::Exclude(Exclude { by: self.me.device(), ..exclude.clone() }).sign(&self.me.key).ok()
    }

    /// Revokes what was granted to this person, or to its device.
    pub(super) fn give_back(&self, document: ResourceId) -> Result<Vec<VerifiedRecord>, CommandError> {
        self.require_full()?;
        let me = Principal::Person(self.me.person);
        if self.registry.access(document).is_some_and(|access| access.owner == self.me.person) {
            return Err(CommandError::OwnerCannotLeave);
        }
        let targets = self.grants_to(document, me);
        if targets.is_empty() {
            return Err(CommandError::NothingToRevoke(me));
        }
        let revoke = |(target, issuer)| self.sign_revoke(document, target, issuer, false);
        Ok(targets.into_iter().filter_map(revoke).collect())
    }
}

/// Whether a grant gives anything that an offer does not.
fn exceeds(grant: &Grant, offer: Offer) -> bool {
    let longer = match (grant.expires, offer.expires) {
        (None, Some(_)) => true,
        (Some(grant), Some(offer)) => grant > offer,
        (_, None) => false,
    };
    grant.role > offer.role || grant.share && !offer.share || longer
}

/// A nonce that is new whenever anything in the document is, so that a step that is tried out first and then done
/// signs the same, and what was ended is never granted again by the same record.
fn fresh(records: &[u8; 32], index: usize) -> [u8; 8] {
    let mut hasher = blake3::Hasher::new_derive_key("katori v1 grant instead of others");
    hasher.update(records).update(&(index as u64).to_le_bytes());
    let mut nonce = [0; 8];
    hasher.finalize_xof().fill(&mut nonce);
    nonce
}
