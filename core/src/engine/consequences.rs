//! What a revocation or the removal of a device would change, tried out on a copy: nothing is stored.

use std::collections::{BTreeMap, BTreeSet};

use katori_acl::{
    Access, DeviceId, PersonId, Principal, Record, RecordId, Registry, ResourceId, Role, Subject,
    VerifiedRecord,
};

use super::access::removal_in;
use super::{CommandError, Engine, RevokeTerms};

/// What a step would change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Consequences {
    /// What changes in each document and space.
    pub documents: Vec<Consequence>,
    /// Devices that are connected now and would share nothing with this one any more.
    pub cut_off: BTreeSet<DeviceId>,
    /// Grants and revocations that would count no more, besides those that are ended on purpose.
    pub void: BTreeSet<RecordId>,
}

/// What changes in one document or space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consequence {
    /// Which.
    pub document: ResourceId,
    /// People and groups whose role changes: what it is, and what it would be.
    pub persons: BTreeMap<PersonId, (Option<Role>, Option<Role>)>,
    /// The same for devices.
    pub devices: BTreeMap<DeviceId, (Option<Role>, Option<Role>)>,
}

impl Engine {
    /// What [`super::Command::Revoke`] would change.
    ///
    /// # Errors
    /// The same as the command's.
    pub fn consequences_of_revoking(
        &self,
        document: ResourceId,
        from: Principal,
        terms: RevokeTerms,
    ) -> Result<Consequences, CommandError> {
        let records = self.revocation(document, from, terms)?;
        Ok(self.suppose(records))
    }

    /// What [`super::Command::RemoveDevice`] would change.
    ///
    /// # Errors
    /// The same as the command's.
    pub fn consequences_of_removing(
        &self,
        device: DeviceId,
        keep: bool,
    ) -> Result<Consequences, CommandError> {
        Ok(self.suppose(self.removal(device, keep)?))
    }

    fn suppose(&self, records: Vec<VerifiedRecord>) -> Consequences {
        let mut supposed = self.registry.clone();
        let mut touched = BTreeSet::new();
        let mut ended = BTreeSet::new();
        let acted_on = self.revocations_in_force(&records.iter().filter_map(removal_in).collect());
        for record in records {
            match record.subject() {
                Subject::Resource(document) => {
                    touched.insert(document);
                    touched.extend(self.registry.documents_in(document));
                }
                Subject::Roster(person) => touched.extend(self.registry.resources_naming(person)),
            }
            if let Record::Revoke(revoke) = record.record() {
                ended.insert(revoke.target);
            }
            supposed.insert(record);
        }
        for record in self.revocations_anew(&supposed, &acted_on) {
            supposed.insert(record);
        }
        let mut consequences = Consequences::default();
        for document in touched {
            let (Some(before), Some(after)) = (self.registry.access(document), supposed.access(document))
            else {
                continue;
            };
            let persons = changed(
                [&before, &after]
                    .into_iter()
                    .flat_map(|access| access.members().chain(access.groups()).map(|(person, _)| person)),
                |person| before.role_of_person(person),
                |person| after.role_of_person(person),
            );
            let devices = changed(
                [&before, &after].into_iter().flat_map(|access| access.devices().map(|(device, _)| device)),
                |device| before.role_of_device(device),
                |device| after.role_of_device(device),
            );
            let void = counting(&self.registry, document)
                .difference(&counting(&supposed, document))
                .copied()
                .collect::<BTreeSet<_>>();
            consequences.void.extend(void.difference(&ended).copied());
            if !persons.is_empty() || !devices.is_empty() {
                consequences.documents.push(Consequence { document, persons, devices });
            }
        }
        consequences.cut_off = self.cut_off(&supposed, &consequences);
        consequences
    }

    fn cut_off(&self, supposed: &Registry, consequences: &Consequences) -> BTreeSet<DeviceId> {
        let losing = consequences.documents.iter().flat_map(|consequence| consequence.devices.iter());
        let losing: BTreeSet<DeviceId> = losing
            .filter(|(_, (_, after))| *after < Some(Role::Read))
            .map(|(device, _)| *device)
            .filter(|device| self.sessions.contains_key(device))
            .collect();
        let own = supposed.roster(self.me.person);
        let reads = |access: &Access, device: &DeviceId| {
            !access.deleted && access.role_of_device(device) >= Some(Role::Read)
        };
        losing
            .into_iter()
            .filter(|device| !own.as_ref().is_some_and(|roster| roster.contains(device)))
            .filter(|device| {
                !self
                    .documents
                    .keys()
                    .any(|document| supposed.access(*document).is_some_and(|access| reads(&access, device)))
            })
            .collect()
    }
}

/// Live grants, and revocations that count.
fn counting(registry: &Registry, document: ResourceId) -> BTreeSet<RecordId> {
    let mut counting = registry.counted_revocations(document);
    counting.extend(registry.live_grants(document));
    counting
}

fn changed<K: Copy + Ord>(
    all: impl Iterator<Item = K>,
    before: impl Fn(&K) -> Option<Role>,
    after: impl Fn(&K) -> Option<Role>,
) -> BTreeMap<K, (Option<Role>, Option<Role>)> {
    all.map(|key| (key, (before(&key), after(&key)))).filter(|(_, (before, after))| before != after).collect()
}
