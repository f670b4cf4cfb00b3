//! Names for people and devices, so that keys never appear in everyday calls.
//!
//! A name is what somebody calls itself: it tells a few friends apart and proves nothing. What is compared and
//! decided is always the id beside it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use katori_acl::{DeviceId, Member, PersonId, Record, Registry, RosterAction, Subject};
use katori_core::engine::Engine;

/// A person, or a device with the person it belongs to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Who {
    /// The person; none for a device that belongs to nobody known here.
    pub person: Option<PersonId>,
    /// What the person calls itself, or the beginning of an id.
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

/// What the rosters call everybody.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names {
    people: BTreeMap<PersonId, String>,
    devices: BTreeMap<DeviceId, (Option<PersonId>, String)>,
}

impl Names {
    pub(crate) fn read(engine: &Engine) -> Self {
        let registry = engine.registry();
        let mut names = Self::default();
        for subject in registry.subjects() {
            if let Subject::Roster(person) = subject {
                names.people.extend(registry.roster(person).map(|roster| (person, roster.name.clone())));
                names.read_devices(registry, subject);
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

    pub(crate) fn person(&self, person: PersonId) -> Who {
        let name = self.people.get(&person).cloned();
        let person_name = name.unwrap_or_else(|| format!("unknown person {}", person.short()));
        Who { person: Some(person), person_name, device: None, device_name: String::new() }
    }

    pub(crate) fn people(&self) -> impl Iterator<Item = Who> {
        self.people.keys().map(|person| self.person(*person))
    }
}

/// The device that a record names, and what it calls it.
fn named(record: &Record) -> Option<(DeviceId, &String)> {
    if let Record::RosterGenesis(genesis) = record {
        return Some((genesis.founder, &genesis.founder_name));
    }
    let Record::RosterOperation(operation) = record else { return None };
    let RosterAction::Add { member: Member::Device(device), name, .. } = &operation.action else {
        return None;
    };
    Some((*device, name))
}

/// The names as last read, for calls that cannot wait.
#[derive(Debug, Default)]
pub(crate) struct KnownNames(RwLock<Arc<Names>>);

impl KnownNames {
    pub(crate) fn get(&self) -> Arc<Names> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn set(&self, names: Names) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(names);
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
        let stranger = DeviceId::from_bytes([3; 32]);
        assert_eq!(names.device(stranger).to_string(), format!("unknown device {}", stranger.short()));
    }
}
