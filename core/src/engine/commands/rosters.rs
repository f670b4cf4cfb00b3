//! This person's devices, groups of people, and whom this device refuses.

use std::collections::BTreeSet;

use katori_acl::bounds::MAX_KEEP;
use katori_acl::{
    Capacity, DeviceId, Issuer, Member, PersonId, Record, RecordId, ResourceId, RosterAction, RosterGenesis,
    RosterKind, RosterOperation, Subject, VerifiedRecord,
};

use super::{Answer, CommandError, Next, Step};
use crate::engine::rows::blocked_row;
use crate::engine::{Action, CloseReason, Engine};
use crate::time::Timestamp;

/// Removals of one member that are signed at once: what one device signed in many years fits.
const MAX_REMOVALS: usize = 16;

/// The resource that a record is part of, if it is of one.
fn resource_of(record: &VerifiedRecord) -> Option<ResourceId> {
    match record.subject() {
        Subject::Resource(resource) => Some(resource),
        Subject::Roster(_) => None,
    }
}

impl Engine {
    pub(super) fn create_group(&mut self, name: String) -> Result<Next, CommandError> {
        self.require_full()?;
        let device_name = self
            .registry
            .roster(self.me.person)
            .and_then(|roster| roster.devices.get(&self.me.device()).map(|member| member.name.clone()));
        let genesis = Record::RosterGenesis(RosterGenesis {
            kind: RosterKind::Group,
            founder: self.me.device(),
            founder_name: device_name.unwrap_or_default(),
            founder_person: Some(self.me.person),
            name,
            // No key has this hash: a group is recovered by its members.
            recovery: [0; 32],
            sealing: None,
            nonce: self.random(),
        })
        .sign(&self.me.key)?;
        let Subject::Roster(group) = genesis.subject() else {
            return Err(CommandError::Sign("a genesis of no roster".into()));
        };
        Ok(Next::Records(vec![genesis], Answer::CreatedGroup(group)))
    }

    /// Signs an operation on a roster: for a group, in the name of this person.
    fn sign_operation(
        &self,
        roster: PersonId,
        person: Option<PersonId>,
        action: RosterAction,
    ) -> Result<VerifiedRecord, CommandError> {
        let previous = self.registry.roster(roster).map(|roster| roster.heads()).unwrap_or_default();
        let by = self.me.device();
        Ok(Record::RosterOperation(RosterOperation { roster, person, by, previous, action })
            .sign(&self.me.key)?)
    }

    fn require_group(&self, group: PersonId) -> Result<(), CommandError> {
        self.require_full()?;
        let roster = self.registry.roster(group).filter(|roster| roster.kind == RosterKind::Group);
        let member = roster.as_ref().and_then(|roster| roster.persons.get(&self.me.person));
        match member.map(|member| member.capacity) {
            Some(Capacity::Full) => Ok(()),
            Some(Capacity::Limited) | None => Err(CommandError::NotYourGroup(group)),
        }
    }

    pub(super) fn add_member(
        &mut self,
        group: PersonId,
        member: PersonId,
        capacity: Capacity,
    ) -> Result<Next, CommandError> {
        self.require_group(group)?;
        let name = self.registry.roster(member).map(|roster| roster.name.clone());
        let name = name.ok_or(CommandError::UnknownPerson(member))?;
        let action = RosterAction::Add {
            member: Member::Person(member),
            name,
            capacity,
            sealing: None,
            consent: None,
        };
        let add = self.sign_operation(group, Some(self.me.person), action)?;
        Ok(Next::Records(vec![add], Answer::Done))
    }

    pub(super) fn remove_member(&self, group: PersonId, member: PersonId) -> Result<Next, CommandError> {
        self.without_member(group, member)?;
        let touched = self.registry.resources_naming(group).into_iter().collect();
        Ok(Next::Vouch(touched, Step::RemoveMember { group, member }))
    }

    /// The records that end somebody's place in a group.
    pub(super) fn without_member(&self, group: PersonId, member: PersonId) -> Result<Next, CommandError> {
        self.require_group(group)?;
        let roster = self.registry.roster(group);
        let left = Member::Person(member);
        if !roster.is_some_and(|roster| roster.contains_person(&member) || roster.has_left(&left)) {
            return Err(CommandError::NotAMember(member));
        }
        // Of a group that goes: what its people signed, for this group and for those that it speaks for.
        let people = self.registry.rosters_below(member).into_iter();
        let devices: BTreeSet<DeviceId> = people
            .filter_map(|person| self.registry.roster(person))
            .flat_map(|roster| roster.ever.keys().copied().collect::<Vec<_>>())
            .collect();
        let signed: Vec<RecordId> =
            devices.iter().flat_map(|device| self.registry.records_signed_by(*device)).collect();
        let mut records: Vec<VerifiedRecord> =
            signed.iter().filter_map(|id| self.sign_exclusion_again(id)).collect();
        let names = self.registry.rosters_above(group);
        let keep = self.signed_for(signed.into_iter(), &names);
        records.extend(self.sign_removals(group, Some(self.me.person), Member::Person(member), &keep)?);
        Ok(Next::Records(records, Answer::Done))
    }

    /// Those of some records that were signed in one of these names, those first that count now. Exclusions are not
    /// among them: they are signed again.
    fn signed_for(
        &self,
        signed: impl Iterator<Item = RecordId>,
        names: &BTreeSet<PersonId>,
    ) -> Vec<RecordId> {
        let is_theirs = |issuer| match issuer {
            Issuer::Person(id) | Issuer::Group(id) => names.contains(&id),
            Issuer::Invite(_) => false,
        };
        let in_its_name = |id: &RecordId| match self.registry.record(id).map(VerifiedRecord::record) {
            Some(Record::Grant(grant)) => is_theirs(grant.issuer),
            Some(Record::Revoke(revoke)) => is_theirs(revoke.issuer),
            Some(Record::Tombstone(tombstone)) => {
                let access = self.registry.access(tombstone.resource);
                access.is_some_and(|access| names.contains(&access.owner))
            }
            Some(Record::Genesis(genesis)) => names.contains(&genesis.owner),
            Some(Record::RosterOperation(operation)) => {
                operation.person.is_some_and(|person| names.contains(&person))
            }
            _ => false,
        };
        let mut keep: Vec<RecordId> = signed.filter(in_its_name).collect();
        let resources: BTreeSet<ResourceId> =
            keep.iter().filter_map(|id| self.registry.record(id)).filter_map(resource_of).collect();
        let counting: BTreeSet<RecordId> = resources
            .into_iter()
            .flat_map(|resource| {
                let revocations = self.registry.counted_revocations(resource);
                revocations.into_iter().chain(self.registry.live_grants(resource))
            })
            .collect();
        keep.sort_by_key(|id| (!counting.contains(id), *id));
        keep.dedup();
        keep
    }

    /// Removals of one member that keep all of this: as many as that takes, each naming the one before.
    fn sign_removals(
        &self,
        roster: PersonId,
        person: Option<PersonId>,
        member: Member,
        keep: &[RecordId],
    ) -> Result<Vec<VerifiedRecord>, CommandError> {
        let by = self.me.device();
        if keep.len() > MAX_KEEP * MAX_REMOVALS {
            tracing::warn!(records = keep.len(), "more was signed than removals can keep");
        }
        let author = person.map_or(Member::Device(by), Member::Person);
        let mut previous = self.registry.heads_to_remove(roster, member, author);
        // One that keeps nothing removes, too.
        let (first, others) = keep.split_at(keep.len().min(MAX_KEEP));
        let parts = std::iter::once(first).chain(others.chunks(MAX_KEEP)).take(MAX_REMOVALS);
        let mut records = Vec::new();
        for part in parts {
            let mut keep = part.to_vec();
            keep.sort();
            let action = RosterAction::Remove { member, keep };
            let operation = RosterOperation { roster, person, by, previous, action };
            let record = Record::RosterOperation(operation).sign(&self.me.key)?;
            previous = vec![record.id()];
            records.push(record);
        }
        Ok(records)
    }

    pub(super) fn remove_device(&self, device: DeviceId, keep: bool) -> Result<Next, CommandError> {
        self.removal(device, keep)?;
        let touched = self.registry.resources_naming(self.me.person).into_iter().collect();
        Ok(Next::Vouch(touched, Step::RemoveDevice { device, keep }))
    }

    /// The records that end a device's place among this person's.
    pub(super) fn without_device(&self, device: DeviceId, keep: bool) -> Result<Next, CommandError> {
        let removals = self.removal(device, keep)?;
        let signed = self.registry.records_signed_by(device);
        // What an Admin had excluded stays out, whatever becomes of the device.
        let again = signed.iter().filter(|_| keep).filter_map(|id| self.sign_exclusion_again(id));
        Ok(Next::Records(again.chain(removals).collect(), Answer::Done))
    }

    /// The records that remove a device of this person, which may be one that has removed itself: then they say
    /// what of its work goes on counting. Nothing is stored.
    pub(in crate::engine) fn removal(
        &self,
        device: DeviceId,
        keep: bool,
    ) -> Result<Vec<VerifiedRecord>, CommandError> {
        let person = self.me.person;
        let roster = self.registry.roster(person).ok_or(CommandError::UnknownPerson(person))?;
        let member = Member::Device(device);
        if !roster.contains(&device) && !roster.has_left(&member) {
            return Err(CommandError::NotYourDevice(device));
        }
        let others = roster.devices.keys().filter(|other| **other != device && roster.is_full(other));
        // One that was removed by a less senior one, a thief's, may still answer it.
        if others.count() == 0 && !self.was_removed(&self.me.device()) {
            return Err(CommandError::LastDevice(device));
        }
        if device == self.me.device() {
            return Err(CommandError::ThisDevice);
        }
        let signed = self.registry.records_signed_by(device);
        let keep =
            if keep { self.signed_for(signed.into_iter(), &BTreeSet::from([person])) } else { Vec::new() };
        let records = self.sign_removals(person, None, member, &keep)?;
        if self.require_full().is_err() {
            let mut supposed = self.registry.clone();
            for record in &records {
                supposed.insert(record.clone());
            }
            if !supposed.roster(person).is_some_and(|roster| roster.is_full(&self.me.device())) {
                self.require_full()?;
            }
        }
        Ok(records)
    }

    pub(super) fn rename(&mut self, device: Option<DeviceId>, name: String) -> Result<Next, CommandError> {
        self.require_full()?;
        let roster = self.registry.roster(self.me.person);
        if let Some(device) = device
            && !roster.is_some_and(|roster| roster.contains(&device))
        {
            return Err(CommandError::NotYourDevice(device));
        }
        let action = RosterAction::Rename { member: device.map(Member::Device), name };
        let record = self.sign_operation(self.me.person, None, action)?;
        Ok(Next::Records(vec![record], Answer::Done))
    }

    /// Notes whom this device refuses, and closes their connections.
    pub(super) fn set_blocked(&mut self, now: Timestamp, persons: BTreeSet<PersonId>) {
        self.write([blocked_row(&persons)]);
        self.blocked = persons;
        let peers: Vec<DeviceId> = self.sessions.keys().copied().filter(|peer| self.blocked(peer)).collect();
        for peer in peers {
            self.act(Action::Close { peer, reason: CloseReason::Blocked });
            self.disconnected(now, peer);
        }
        self.tell_peers([]);
    }
}
