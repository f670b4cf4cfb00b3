//! Names for people and devices, so that keys never appear in everyday calls.
//!
//! A name is what somebody calls itself, or the petname that this person gave it: it tells a few friends apart and
//! proves nothing. What is compared and decided is always the id beside it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use katori_acl::{
    DeviceId, Member, PersonId, Record, Registry, ResourceId, RosterAction, RosterKind, Subject,
};
use katori_core::engine::Engine;

/// A person or group, or a device with the person it belongs to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Who {
    /// The person or group; none for a device that belongs to nobody known here.
    pub person: Option<PersonId>,
    /// The petname it was given here, else what it calls itself, else the beginning of its id.
    pub person_name: String,
    /// The device, where one is meant.
    pub device: Option<DeviceId>,
    /// What the device is called, or nothing.
    pub device_name: String,
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = if self.device_name.is_empty() {
            self.person_name.clone()
        } else {
            format!("{} ({})", self.person_name, self.device_name)
        };
        f.pad(&text)
    }
}

/// The names that this person gave, as its shelf has them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct GivenNames {
    /// Petnames.
    pub(crate) people: BTreeMap<PersonId, String>,
    /// What documents and spaces are called here.
    pub(crate) resources: BTreeMap<ResourceId, String>,
}

/// What everybody is called here.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names {
    given: Arc<GivenNames>,
    people: BTreeMap<PersonId, String>,
    groups: BTreeSet<PersonId>,
    devices: BTreeMap<DeviceId, (Option<PersonId>, String)>,
}

impl Names {
    /// What everybody calls itself.
    fn read(engine: &Engine) -> Self {
        let registry = engine.registry();
        let mut names = Self::default();
        for subject in registry.subjects() {
            if let Subject::Roster(id) = subject
                && let Some(roster) = registry.roster(id)
            {
                names.people.insert(id, roster.name.clone());
                if roster.kind == RosterKind::Group {
                    names.groups.insert(id);
                }
                names.read_devices(registry, subject);
                // Names may have changed since.
                for (device, member) in &roster.devices {
                    if let Some((_, name)) = names.devices.get_mut(device) {
                        name.clone_from(&member.name);
                    }
                }
            }
        }
        names
    }

    /// Removed devices keep the name they had: what they wrote stays theirs.
    fn read_devices(&mut self, registry: &Registry, subject: Subject) {
        for record in registry.records(&subject) {
            let Some((device, name)) = named(record.record()) else { continue };
            let person = registry.person_ever_of(device);
            // Somebody else's roster may name the device too: only its own person's word for it counts.
            if person.is_none_or(|person| Subject::Roster(person) == subject) {
                self.devices.insert(device, (person, name.clone()));
            }
        }
    }

    pub(crate) fn device(&self, device: DeviceId) -> Who {
        let Some((person, name)) = self.devices.get(&device) else {
            let person_name = format!("unknown device {}", device.short());
            return Who { person: None, person_name, device: Some(device), device_name: String::new() };
        };
        let person_name =
            person.map_or_else(|| "nobody".to_owned(), |person| self.person(person).person_name);
        Who { person: *person, person_name, device: Some(device), device_name: name.clone() }
    }

    /// A person or group.
    pub(crate) fn person(&self, person: PersonId) -> Who {
        let name = self.given.people.get(&person).or_else(|| self.people.get(&person)).cloned();
        let person_name = name.unwrap_or_else(|| format!("unknown person {}", person.short()));
        Who { person: Some(person), person_name, device: None, device_name: String::new() }
    }

    /// What a person or group calls itself, whatever it is called here.
    pub(crate) fn own_name(&self, person: PersonId) -> Option<&str> {
        self.people.get(&person).map(String::as_str)
    }

    pub(crate) fn petname(&self, person: PersonId) -> Option<&str> {
        self.given.people.get(&person).map(String::as_str)
    }

    /// What a document or space is called here, if it was given a name.
    pub(crate) fn resource(&self, resource: ResourceId) -> Option<&str> {
        self.given.resources.get(&resource).map(String::as_str)
    }

    pub(crate) fn people(&self) -> impl Iterator<Item = Who> {
        self.people.keys().filter(|id| !self.groups.contains(id)).map(|person| self.person(*person))
    }

    pub(crate) fn groups(&self) -> impl Iterator<Item = Who> {
        self.groups.iter().map(|group| self.person(*group))
    }
}

/// The device that a record names, and what it calls it.
fn named(record: &Record) -> Option<(DeviceId, &String)> {
    if let Record::RosterGenesis(genesis) = record {
        return Some((genesis.founder, &genesis.founder_name));
    }
    let Record::RosterOperation(operation) = record else { return None };
    match &operation.action {
        RosterAction::Add { member: Member::Device(device), name, .. }
        | RosterAction::Recover { device, name, .. } => Some((*device, name)),
        RosterAction::Add { .. } | RosterAction::Remove { .. } | RosterAction::Rename { .. } => None,
    }
}

/// The names as last read, for calls that cannot wait. Names that are read and names that are given meet under one
/// lock, so that neither undoes the other.
#[derive(Debug, Default)]
pub(crate) struct KnownNames(RwLock<Arc<Names>>);

impl KnownNames {
    pub(crate) fn get(&self) -> Arc<Names> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the names as they are now.
    pub(crate) fn read(&self, engine: &Engine) -> Arc<Names> {
        let names = Names::read(engine);
        self.update(|known| Names { given: Arc::clone(&known.given), ..names })
    }

    /// Takes the names that this person gave.
    pub(crate) fn give(&self, given: GivenNames) {
        self.update(|known| Names { given: Arc::new(given), ..known.clone() });
    }

    fn update(&self, new: impl FnOnce(&Names) -> Names) -> Arc<Names> {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        *known = Arc::new(new(&known));
        Arc::clone(&known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_reads_like_a_name() {
        let mut names = Names::default();
        let (ana, laptop) = (PersonId::from_bytes([1; 32]), DeviceId::from_bytes([2; 32]));
        names.people.insert(ana, "Ana".into());
        names.devices.insert(laptop, (Some(ana), "laptop".into()));
        assert_eq!(names.device(laptop).to_string(), "Ana (laptop)");
        assert_eq!(names.person(ana).to_string(), "Ana");
        let known = KnownNames::default();
        known.update(|_| names);
        known.give(GivenNames { people: [(ana, "Sis".into())].into(), ..GivenNames::default() });
        let names = known.get();
        assert_eq!(
            (names.device(laptop).to_string(), names.own_name(ana)),
            ("Sis (laptop)".into(), Some("Ana"))
        );
        let stranger = DeviceId::from_bytes([3; 32]);
        assert_eq!(names.device(stranger).to_string(), format!("unknown device {}", stranger.short()));
    }
}
