//! Groups of people, usable wherever a person is.

use std::sync::Arc;

use katori_acl::{Capacity, PersonId, Roster, RosterKind, Subject};
use katori_core::engine::{Answer, Command};

use crate::base::Base;
use crate::error::Error;
use crate::node::{Node, pick};
use crate::story::Story;
use crate::who::Who;

/// A group of people: a role given to it is a role of everybody in it, whoever that is at the time. A cheap handle.
#[derive(Debug, Clone)]
pub struct Group {
    base: Arc<Base>,
    id: PersonId,
}

/// Somebody in a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupMember {
    /// Who: a person, or a group within the group.
    pub who: Who,
    /// Whether they may change who is in the group, and grant in its name.
    pub full: bool,
    /// Whether it is a group itself.
    pub is_group: bool,
}

impl Node {
    /// A new group of people, of which this person is the first member.
    ///
    /// ```
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let directory = tempfile::tempdir()?;
    /// # let node = katori::Node::builder(directory.path()).person_name("Ana")
    /// #     .network(katori::Network::None).open_or_init().await?;
    /// let family = node.create_group("family").await?;
    /// let list = node.create("groceries").await?;
    /// list.grant(family.id(), katori::Role::Write).await?; // like a person
    /// assert_eq!(family.members().await?[0].who.to_string(), "Ana");
    /// # node.close().await;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Command`] if this device may not sign for the person.
    pub async fn create_group(&self, name: &str) -> Result<Group, Error> {
        let created = self.hub().command(Command::CreateGroup { name: name.to_owned() }).await?;
        let Answer::CreatedGroup(id) = created else { return Err(Error::Interrupted) };
        self.base().read_names().await?;
        Ok(Group { base: Arc::clone(self.base()), id })
    }

    /// The groups known here, by name: this person's own, and those that something was shared with.
    pub async fn groups(&self) -> Result<Vec<Group>, Error> {
        let mut groups: Vec<Who> = self.base().ask(|_, names| names.groups().collect()).await?;
        groups.sort_by_key(|group| (group.to_string(), group.person));
        let group = |who: Who| Some(Group { base: Arc::clone(self.base()), id: who.person? });
        Ok(groups.into_iter().filter_map(group).collect())
    }

    /// A group by its name, its id, or the first few characters of it.
    ///
    /// # Errors
    /// [`Error::NotFound`], or [`Error::Ambiguous`] with all that answer to it.
    pub async fn group(&self, name_or_id: &str) -> Result<Group, Error> {
        let groups: Vec<Who> = self.base().ask(|_, names| names.groups().collect()).await?;
        let named = groups.into_iter().filter_map(|who| Some((who.person?, who.person_name)));
        let id = pick("group", name_or_id, named)?;
        Ok(Group { base: Arc::clone(self.base()), id })
    }
}

impl Group {
    /// Its id, which goes wherever a person's goes.
    #[must_use]
    pub fn id(&self) -> PersonId {
        self.id
    }

    /// What it is called here.
    #[must_use]
    pub fn name(&self) -> String {
        self.base.names.get().person(self.id).person_name
    }

    /// Who is in it, groups within it as they are.
    pub async fn members(&self) -> Result<Vec<GroupMember>, Error> {
        let id = self.id;
        self.base
            .ask(move |engine, names| {
                let registry = engine.registry();
                let is_group = |id: &PersonId| {
                    registry.roster(*id).is_some_and(|roster: Arc<Roster>| roster.kind == RosterKind::Group)
                };
                let roster = registry.roster(id);
                let persons = roster.iter().flat_map(|roster| roster.persons.iter());
                let mut members: Vec<GroupMember> = persons
                    .map(|(person, member)| GroupMember {
                        who: names.person(*person),
                        full: member.capacity == Capacity::Full,
                        is_group: is_group(person),
                    })
                    .collect();
                members.sort_by_key(|member| (member.who.to_string(), member.who.person));
                members
            })
            .await
    }

    /// Takes in a person, or another group. One that is `full` may change who is in it, and grant in its name.
    ///
    /// # Errors
    /// [`Error::Command`] if the person is not known here, or this one may not change the group.
    pub async fn add(&self, person: PersonId, full: bool) -> Result<(), Error> {
        let capacity = if full { Capacity::Full } else { Capacity::Limited };
        self.base.tell(Command::AddMember { group: self.id, member: person, capacity }).await
    }

    /// Takes a person or group out of it, and with that all that they had through it. What they granted in the
    /// group's name stays.
    ///
    /// # Errors
    /// [`Error::Command`] if it is no member, or this person may not change the group.
    pub async fn remove(&self, person: PersonId) -> Result<(), Error> {
        self.base.tell(Command::RemoveMember { group: self.id, member: person }).await
    }

    /// Who came and went, in the order in which it rests on each other.
    pub async fn story(&self) -> Result<Story, Error> {
        Story::read(&self.base, Subject::Roster(self.id)).await
    }
}
