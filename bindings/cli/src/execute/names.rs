//! What everybody and everything is called, for whatever knows only ids.

use std::collections::BTreeMap;

use katori::{DeviceId, PersonId, Principal, ResourceId, Who};

use super::Executor;
use crate::failure::Failure;
use crate::report::WhoReport;

/// Names as they are now. Where several people have one name, the beginning of the id is added.
#[derive(Debug, Default)]
pub(super) struct Names {
    people: BTreeMap<PersonId, String>,
    devices: BTreeMap<DeviceId, String>,
    places: BTreeMap<ResourceId, String>,
}

impl Executor {
    pub(super) async fn names(&self) -> Result<Names, Failure> {
        let mut people = self.node.people().await?;
        for group in self.node.groups().await? {
            let (person, person_name) = (Some(group.id()), group.name());
            people.push(Who { person, person_name, device: None, device_name: String::new() });
        }
        let mut names = Names { people: told_apart(people), ..Names::default() };
        let me = self.node.me();
        for device in self.node.devices().await? {
            names.devices.insert(device.device, format!("{} ({})", me.person_name, device.name));
        }
        for contact in self.node.contacts().await? {
            let devices = contact.devices.iter();
            let called =
                devices.map(|device| (device.device, format!("{} ({})", contact.name(), device.name)));
            names.devices.extend(called);
        }
        names.places.extend(self.node.docs().await?.into_iter().map(|document| (document.id, document.name)));
        names.places.extend(self.node.spaces().await?.into_iter().map(|space| (space.id, space.name)));
        Ok(names)
    }
}

fn told_apart(people: Vec<Who>) -> BTreeMap<PersonId, String> {
    let mut shown: BTreeMap<String, usize> = BTreeMap::new();
    for who in &people {
        *shown.entry(who.person_name.clone()).or_default() += 1;
    }
    let named = people.into_iter().filter_map(|who| {
        let (person, name) = (who.person?, who.person_name);
        let several = shown.get(&name).is_some_and(|number| *number > 1);
        Some((person, if several { format!("{name} [{}]", person.short()) } else { name }))
    });
    named.collect()
}

impl Names {
    pub(super) fn person(&self, id: PersonId) -> String {
        self.known_person(id).unwrap_or_else(|| format!("unknown person {}", id.short()))
    }

    pub(super) fn known_person(&self, id: PersonId) -> Option<String> {
        self.people.get(&id).cloned()
    }

    pub(super) fn device(&self, id: DeviceId) -> String {
        self.devices.get(&id).cloned().unwrap_or_else(|| format!("unknown device {}", id.short()))
    }

    pub(super) fn principal(&self, who: Principal) -> String {
        match who {
            Principal::Person(person) => self.person(person),
            Principal::Device(device) => self.device(device),
        }
    }

    pub(super) fn place(&self, id: ResourceId) -> String {
        self.places.get(&id).cloned().unwrap_or_else(|| id.short())
    }

    /// The device that is called so in full, as in `Ben (phone)`, or whose id this is.
    pub(super) fn device_called(&self, name: &str) -> Option<DeviceId> {
        let mut named = self.devices.iter().filter(|(_, called)| called.as_str() == name);
        match (named.next(), named.next()) {
            (Some((device, _)), None) => Some(*device),
            _ => name.parse().ok(),
        }
    }

    /// Somebody, told apart from others of the same name.
    pub(super) fn who(&self, somebody: &Who) -> WhoReport {
        let mut report = who(somebody);
        let person = somebody.person.and_then(|person| self.people.get(&person));
        if let Some(person) = person {
            report.name = report.name.replacen(&somebody.person_name, person, 1);
        }
        report
    }

    /// A message with names in place of what stands for ids.
    pub(super) fn in_names(&self, mut message: String) -> String {
        for (id, name) in &self.places {
            for kind in ["document", "space"] {
                message = message.replace(&format!("{kind} {}", id.short()), &format!("{kind} {name}"));
            }
        }
        for (id, name) in &self.people {
            for kind in ["person", "group"] {
                message = message.replace(&format!("{kind} {}", id.short()), name);
            }
        }
        for (id, name) in &self.devices {
            message = message.replace(&format!("device {}", id.short()), name);
        }
        message
    }
}

/// Somebody as they are called.
pub(super) fn who(who: &Who) -> WhoReport {
    WhoReport {
        name: who.to_string(),
        person: who.person.map(|person| person.to_string()),
        device: who.device.map(|device| device.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn somebody(byte: u8, name: &str) -> Who {
        let person = Some(PersonId::from_bytes([byte; 32]));
        Who { person, person_name: name.to_owned(), device: None, device_name: String::new() }
    }

    #[test]
    fn people_of_one_name_are_told_apart() {
        let people = told_apart(vec![somebody(1, "Ben"), somebody(2, "Ben"), somebody(3, "Ana")]);
        let names = Names { people, ..Names::default() };
        let [ben, other, ana] = [1, 2, 3].map(|byte| names.person(PersonId::from_bytes([byte; 32])));
        assert!(ben != other && ben.starts_with("Ben [") && other.starts_with("Ben ["), "{ben} {other}");
        assert_eq!(ana, "Ana");
        let phone = Who { device_name: "phone".to_owned(), ..somebody(1, "Ben") };
        assert_eq!(names.who(&phone).name, format!("{ben} (phone)"));
    }

    #[test]
    fn messages_speak_of_names() {
        let id = PersonId::from_bytes([1; 32]);
        let names = Names { people: told_apart(vec![somebody(1, "Ben")]), ..Names::default() };
        assert_eq!(names.in_names(format!("person {} may not", id.short())), "Ben may not");
    }
}
