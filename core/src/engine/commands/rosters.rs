//! This person's devices, groups of people, and whom this device refuses.

use std::collections::BTreeSet;

use katori_acl::bounds::MAX_KEEP;
use katori_acl::{
    Capacity, DeviceId, Issuer, Member, PersonId, Record, RecordId, RosterAction, RosterGenesis, RosterKind,
    RosterOperation, Subject, VerifiedRecord,
};

use super::{Answer, CommandError, Next, Step};
use crate::engine::rows::blocked_row;
use crate::engine::{Action, CloseReason, Engine};
use crate::time::Timestamp;

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
        if !roster.is_some_and(|roster| roster.persons.contains_key(&member)) {
            return Err(CommandError::NotAMember(member));
        }
        let devices = self.registry.roster(member).map(|roster| roster.ever.clone()).unwrap_or_default();
        let signed: Vec<RecordId> =
            devices.keys().flat_map(|device| self.registry.records_signed_by(*device)).collect();
        let mut records: Vec<VerifiedRecord> =
            signed.iter().filter_map(|id| self.sign_exclusion_again(id)).collect();
        let keep = self.signed_for(signed.into_iter(), Issuer::Group(group));
        let action = RosterAction::Remove { member: Member::Person(member), keep };
        records.push(self.sign_operation(group, Some(self.me.person), action)?);
        Ok(Next::Records(records, Answer::Done))
    }

    /// Those of some records that were signed in this name, as many as a removal may keep.
    fn signed_for(&self, signed: impl Iterator<Item = RecordId>, name: Issuer) -> Vec<RecordId> {
        let in_its_name = |id: &RecordId| match self.registry.record(id).map(VerifiedRecord::record) {
            Some(Record::Grant(grant)) => grant.issuer == name,
            Some(Record::Revoke(revoke)) => revoke.issuer == name,
            Some(Record::Tombstone(tombstone)) => {
                let owner = self.registry.access(tombstone.resource).map(|access| access.owner);
                matches!(name, Issuer::Person(id) | Issuer::Group(id) if owner == Some(id))
            }
            Some(Record::Genesis(genesis)) => {
                matches!(name, Issuer::Person(id) | Issuer::Group(id) if genesis.owner == id)
            }
            Some(Record::RosterOperation(operation)) => {
                matches!(name, Issuer::Person(id) if operation.person == Some(id))
            }
            _ => false,
        };
        let keep: BTreeSet<RecordId> = signed.filter(in_its_name).collect();
        if keep.len() > MAX_KEEP {
            tracing::warn!(records = keep.len(), "more was signed than a removal can keep");
        }
        keep.into_iter().take(MAX_KEEP).collect()
    }

    pub(super) fn remove_device(&self, device: DeviceId, keep: bool) -> Result<Next, CommandError> {
        self.removal(device, keep)?;
        let touched = self.registry.resources_naming(self.me.person).into_iter().collect();
        Ok(Next::Vouch(touched, Step::RemoveDevice { device, keep }))
    }

    /// The records that end a device's place among this person's.
    pub(super) fn without_device(&self, device: DeviceId, keep: bool) -> Result<Next, CommandError> {
        let record = self.removal(device, keep)?;
        let signed = self.registry.records_signed_by(device);
        // What an Admin had excluded stays out, whatever becomes of the device.
        let again = signed.iter().filter(|_| keep).filter_map(|id| self.sign_exclusion_again(id));
        Ok(Next::Records(again.chain([record]).collect(), Answer::Done))
    }

    /// The record that removes a device of this person. Nothing is stored.
    pub(in crate::engine) fn removal(
        &self,
        device: DeviceId,
        keep: bool,
    ) -> Result<VerifiedRecord, CommandError> {
        let person = self.me.person;
        let roster = self.registry.roster(person).ok_or(CommandError::UnknownPerson(person))?;
        if !roster.contains(&device) {
            return Err(CommandError::NotYourDevice(device));
        }
        let others = roster.devices.keys().filter(|other| **other != device && roster.is_full(other));
        // One that was removed by a less senior one, a thief's, may still answer it.
        if others.count() == 0 && !self.was_removed(&self.me.device()) {
            return Err(CommandError::LastDevice(device));
        }
        let signed = self.registry.records_signed_by(device);
        let keep =
            if keep { self.signed_for(signed.into_iter(), Issuer::Person(person)) } else { Vec::new() };
        let record = Record::RosterOperation(RosterOperation {
            roster: person,
            person: None,
            by: self.me.device(),
            previous: self.registry.heads_to_remove(person, Member::Device(device)),
            action: RosterAction::Remove { member: Member::Device(device), keep },
        })
        .sign(&self.me.key)?;
        if self.require_full().is_err() {
            let mut supposed = self.registry.clone();
            supposed.insert(record.clone());
            if !supposed.roster(person).is_some_and(|roster| roster.is_full(&self.me.device())) {
                self.require_full()?;
            }
        }
        Ok(record)
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
