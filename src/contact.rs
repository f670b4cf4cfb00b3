//! Contacts: everybody known here, what this person calls them, and how sure it is who they are.

use std::collections::BTreeMap;

use katori_acl::bounds::MAX_NAME_BYTES;
use katori_acl::{DeviceId, PersonId, ResourceId, ResourceKind, Role, RosterKind};
use katori_core::engine::{Engine, Standing};

use crate::clock::now;
use crate::consequences::name_of;
use crate::error::Error;
use crate::node::Node;
use crate::shelf::{Entries, Entry, Verified, check_name};
use crate::who::{Names, Who};

/// Somebody known here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact {
    /// The person.
    pub person: PersonId,
    /// What this person calls them, if it gave them a petname. It is shown wherever a name is.
    pub petname: Option<String>,
    /// What they call themselves.
    pub own_name: String,
    /// Whether somebody else is shown under the same name: look twice, and give one of them a petname.
    pub clash: bool,
    /// Their devices.
    pub devices: Vec<ContactDevice>,
    /// How and when this person made sure who they are; nothing if it did not.
    pub verified: Option<Verified>,
    /// Whether their devices are refused.
    pub blocked: bool,
    /// What is shared with them.
    pub shared: Vec<SharedPlace>,
}

/// A device of somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContactDevice {
    /// Its id.
    pub device: DeviceId,
    /// What it is called.
    pub name: String,
}

/// A document or space in which somebody has a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedPlace {
    /// Which.
    pub id: ResourceId,
    /// What it is called here.
    pub name: String,
    /// Whether it is a space.
    pub is_space: bool,
    /// What they may do in it.
    pub role: Role,
}

impl Contact {
    /// The name that is shown: the petname, else their own.
    #[must_use]
    pub fn name(&self) -> &str {
        self.petname.as_deref().unwrap_or(&self.own_name)
    }
}

impl Node {
    /// Everybody known here but this person itself, by the name that is shown.
    ///
    /// ```
    /// use katori::Role;
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (directory, other) = (tempfile::tempdir()?, tempfile::tempdir()?);
    /// # let open = |directory: &tempfile::TempDir, name| katori::Node::builder(directory.path())
    /// #     .person_name(name).network(katori::Network::Offline)
    /// #     .bind(([127, 0, 0, 1], 0).into()).open_or_init();
    /// # let (ana, ben) = (open(&directory, "Ana").await?, open(&other, "Ben").await?);
    /// let list = ana.create("groceries").await?;
    /// ben.join(&list.invite(Role::Write).await?).await?;
    ///
    /// let known = ana.contacts().await?;
    /// assert_eq!((known[0].name(), known[0].shared.len()), ("Ben", 1));
    /// // They compare sixty digits, each on their own screen.
    /// let (him, her) = (known[0].person, ana.me().person);
    /// assert_eq!(ana.safety_number(him).to_string(), ben.safety_number(her).to_string());
    /// ana.mark_verified(him, "on the phone").await?;
    /// ana.rename_contact(him, "my brother").await?;
    /// assert_eq!(list.members().await?[1].who.to_string(), "my brother");
    /// # ana.close().await;
    /// # ben.close().await;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn contacts(&self) -> Result<Vec<Contact>, Error> {
        let entries = self.base().shelf.entries();
        self.base().ask(move |engine, names| list(engine, names, &entries)).await
    }

    /// Gives a person or group a petname, on this person's devices alone; nothing takes it away again.
    ///
    /// # Errors
    /// [`Error::NotAName`], and [`Error::NoShelf`] while the person's shelf has not reached this device.
    pub async fn rename_contact(
        &self,
        person: PersonId,
        petname: impl Into<Option<&str>>,
    ) -> Result<(), Error> {
        let petname = petname.into().map(|name| check_name(name, MAX_NAME_BYTES)).transpose()?;
        self.base().note(&[Entry::Petname(person, petname)]).await
    }

    /// Notes that this person made sure who somebody is, and how: "in person", "on the phone". Compare the
    /// [safety number](Self::safety_number) first.
    ///
    /// # Errors
    /// [`Error::NotAName`] if `how` is empty or long, and [`Error::NoShelf`] while the person's shelf has not
    /// reached this device.
    pub async fn mark_verified(&self, person: PersonId, how: &str) -> Result<(), Error> {
        let verified = Verified { how: check_name(how, MAX_NAME_BYTES)?, when: now() };
        self.base().note(&[Entry::Verified(person, Some(verified))]).await
    }

    /// Takes back [`mark_verified`](Self::mark_verified).
    ///
    /// # Errors
    /// [`Error::NoShelf`] while the person's shelf has not reached this device.
    pub async fn mark_unverified(&self, person: PersonId) -> Result<(), Error> {
        self.base().note(&[Entry::Verified(person, None)]).await
    }

    /// Refuses the devices of somebody, on all devices of this person, connections that are open included. What is
    /// shared with them stays so, and what they write still comes by way of others: revoke their role to end that.
    ///
    /// # Errors
    /// [`Error::NoShelf`] while the person's shelf has not reached this device, [`Error::ShelfFull`] if there are so
    /// many that this one has no effect, and [`Error::Yourself`].
    pub async fn block(&self, person: PersonId) -> Result<(), Error> {
        if person == self.me().person {
            return Err(Error::Yourself);
        }
        self.base().note(&[Entry::Blocked(person, Some(true))]).await
    }

    /// Takes back [`block`](Self::block).
    ///
    /// # Errors
    /// [`Error::NoShelf`] while the person's shelf has not reached this device.
    pub async fn unblock(&self, person: PersonId) -> Result<(), Error> {
        self.base().note(&[Entry::Blocked(person, None)]).await
    }

    /// Entries of the person's shelf that were left out because they are none: another device of this person wrote
    /// what no Katori writes, or more of a kind than is read.
    #[must_use]
    pub fn ignored_on_shelf(&self) -> usize {
        self.base().shelf.entries().ignored
    }
}

fn list(engine: &Engine, names: &Names, entries: &Entries) -> Vec<Contact> {
    let registry = engine.registry();
    let me = engine.me().person;
    let everybody = names.people().chain(names.groups());
    let mut shown: BTreeMap<String, usize> = BTreeMap::new();
    for who in everybody {
        *shown.entry(as_compared(&who.person_name)).or_default() += 1;
    }
    let mut shared = shared(engine, names);
    let contact = |who: Who| {
        let person = who.person.filter(|person| *person != me)?;
        let roster = registry.roster(person).filter(|roster| roster.kind == RosterKind::Person)?;
        let device = |(device, member): (&DeviceId, &katori_acl::RosterMember)| ContactDevice {
            device: *device,
            name: member.name.clone(),
        };
        Some(Contact {
            person,
            petname: names.petname(person).map(str::to_owned),
            own_name: roster.name.clone(),
            clash: shown.get(&as_compared(&who.person_name)).is_some_and(|times| *times > 1),
            devices: roster.devices.iter().map(device).collect(),
            verified: entries.verified.get(&person).cloned(),
            blocked: engine.blocked_persons().contains(&person),
            shared: shared.remove(&person).unwrap_or_default(),
        })
    };
    let mut contacts: Vec<Contact> = names.people().filter_map(contact).collect();
    contacts.sort_by(|one, other| (one.name(), one.person).cmp(&(other.name(), other.person)));
    contacts
}

/// What is shared with whom.
fn shared(engine: &Engine, names: &Names) -> BTreeMap<PersonId, Vec<SharedPlace>> {
    let mut shared: BTreeMap<PersonId, Vec<SharedPlace>> = BTreeMap::new();
    for (id, standing, _) in engine.documents() {
        let kind = engine.registry().kind_of(id);
        let (Standing::Accepted, Some(access)) = (standing, engine.access(id)) else { continue };
        if kind == Some(ResourceKind::Shelf) {
            continue;
        }
        for (person, standing) in access.members() {
            let Some(role) = standing.role else { continue };
            let name = name_of(engine, names, id);
            let place = SharedPlace { id, name, is_space: kind == Some(ResourceKind::Space), role };
            shared.entry(person).or_default().push(place);
        }
    }
    shared
}

/// A name as people tell names apart: case and space around it mean nothing.
fn as_compared(name: &str) -> String {
    name.trim().to_lowercase()
}
