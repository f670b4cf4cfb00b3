//! Why somebody has a role, or what is missing: as data, and as lines for people.

use std::fmt;
use std::sync::Arc;

use super::{Access, Forest, LinkStatus};
use crate::ids::{DeviceId, PersonId, RecordId, ResourceId};
use crate::records::{Audience, Issuer};
use crate::role::Role;

/// About whom is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Principal {
    /// One device.
    Device(DeviceId),
    /// A person, with all its devices.
    Person(PersonId),
}

/// Why somebody has a role in a document, or what is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// About whom.
    pub who: Principal,
    /// In what.
    pub resource: ResourceId,
    /// The role now, expiry not consulted.
    pub role: Option<Role>,
    /// All chains of grants that lead here, live or not.
    pub chains: Vec<Chain>,
    /// What is missing, where there is no role.
    pub missing: Option<Missing>,
}

/// One way from the genesis to whom is asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// The person whose device it is, when asked about a device.
    pub through: Option<PersonId>,
    /// Whether it is the owner's own, without any grant.
    pub owner: bool,
    /// The grants, from the genesis down.
    pub links: Vec<ChainLink>,
}

/// One grant of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainLink {
    /// The grant.
    pub grant: RecordId,
    /// In whose name.
    pub issuer: Issuer,
    /// To whom.
    pub to: Audience,
    /// The role it gives.
    pub role: Role,
    /// Until when, in milliseconds since 1970.
    pub expires: Option<u64>,
    /// What became of it.
    pub status: LinkStatus,
}

/// Why there is no role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Missing {
    /// The document's records are not here.
    UnknownResource,
    /// The owner has deleted it.
    Deleted,
    /// The device belongs to no person known here, and nothing was granted to it.
    UnknownDevice,
    /// The device was removed from its person.
    DeviceRemoved(PersonId),
    /// Nothing was ever granted.
    NeverGranted,
    /// All that was granted has ended.
    AllEnded,
}

impl Explanation {
    pub(crate) fn new(
        who: Principal,
        resource: ResourceId,
        persons: &[PersonId],
        forest: Option<&Forest<'_>>,
        access: Option<Arc<Access>>,
    ) -> Self {
        let (Some(forest), Some(access)) = (forest, access) else {
            let missing = Some(Missing::UnknownResource);
            return Self { who, resource, role: None, chains: Vec::new(), missing };
        };
        let role = match who {
            Principal::Device(device) => access.role_of_device(&device),
            Principal::Person(person) => access.role_of_person(&person),
        };
        let chains = chains(who, persons, forest);
        let missing = if role.is_some() {
            None
        } else if access.deleted {
            Some(Missing::Deleted)
        } else {
            Some(missing(who, persons, &chains, forest))
        };
        Self { who, resource, role, chains, missing }
    }
}

fn chains(who: Principal, persons: &[PersonId], forest: &Forest<'_>) -> Vec<Chain> {
    let through = |person: PersonId| matches!(who, Principal::Device(_)).then_some(person);
    let mut chains = Vec::new();
    let owner = forest.set.genesis.owner;
    if persons.contains(&owner) {
        chains.push(Chain { through: through(owner), owner: true, links: Vec::new() });
    }
    for (id, grant, ..) in forest.grants() {
        let through = match grant.to {
            Audience::Person(person) if persons.contains(&person) => through(person),
            Audience::Device(device) if who == Principal::Device(device) => None,
            Audience::Person(_) | Audience::Group(_) | Audience::Device(_) | Audience::Invite(_) => continue,
        };
        let mut links: Vec<ChainLink> = forest
            .set
            .chain(id)
            .map(|(id, stored)| ChainLink {
                grant: id,
                issuer: stored.grant.issuer,
                to: stored.grant.to,
                role: stored.grant.role,
                expires: stored.grant.expires,
                status: forest.status(&id),
            })
            .collect();
        links.reverse();
        chains.push(Chain { through, owner: false, links });
    }
    chains
}

fn missing(who: Principal, persons: &[PersonId], chains: &[Chain], forest: &Forest<'_>) -> Missing {
    let Principal::Device(device) = who else {
        return if chains.is_empty() { Missing::NeverGranted } else { Missing::AllEnded };
    };
    if chains.is_empty() {
        return if persons.is_empty() { Missing::UnknownDevice } else { Missing::NeverGranted };
    }
    let live = chains.iter().filter(|chain| chain.is_live()).filter_map(|chain| chain.through);
    let removed = live
        .into_iter()
        .find(|person| forest.roster(*person).is_some_and(|roster| !roster.contains(&device)));
    removed.map_or(Missing::AllEnded, Missing::DeviceRemoved)
}

impl Chain {
    /// Whether every grant of it counts.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.links.iter().all(|link| link.status == LinkStatus::Live)
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.role {
            Some(role) => writeln!(f, "{} has {role} in {}", self.who, self.resource.short())?,
            None => writeln!(f, "{} has no role in {}", self.who, self.resource.short())?,
        }
        if let Some(missing) = self.missing {
            writeln!(f, "  because {missing}")?;
        }
        self.chains.iter().try_for_each(|chain| chain.fmt(f))
    }
}

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(person) = self.through {
            writeln!(f, "  as a device of person {}:", person.short())?;
        }
        if self.owner {
            writeln!(f, "  owner")?;
        }
        self.links.iter().try_for_each(|link| writeln!(f, "  {link}"))
    }
}

impl fmt::Display for ChainLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { grant, issuer, to, role, expires, status } = self;
        write!(f, "grant {}: {issuer} gave {to} {role}", grant.short())?;
        if let Some(expires) = expires {
            write!(f, " until {expires} ms")?;
        }
        write!(f, ", {status}")
    }
}

impl fmt::Display for LinkStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Live => f.write_str("live"),
            Self::Revoked { record, issuer } => write!(f, "revoked by {issuer} in {}", record.short()),
            Self::SignerRemoved(device) => {
                write!(f, "void because device {}, which signed it, was removed", device.short())
            }
            Self::UsedUp => f.write_str("void because the invitation was used up"),
            Self::ParentEnded(grant) => write!(f, "void because grant {} ended", grant.short()),
        }
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownResource => f.write_str("nothing is known of it here"),
            Self::Deleted => f.write_str("its owner deleted it"),
            Self::UnknownDevice => f.write_str("the device belongs to nobody known here"),
            Self::DeviceRemoved(person) => {
                write!(f, "the device was removed from person {}", person.short())
            }
            Self::NeverGranted => f.write_str("nothing was ever granted"),
            Self::AllEnded => f.write_str("all that was granted has ended"),
        }
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Device(device) => write!(f, "device {}", device.short()),
            Self::Person(person) => write!(f, "person {}", person.short()),
        }
    }
}

impl fmt::Display for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Person(person) => write!(f, "person {}", person.short()),
            Self::Group(group) => write!(f, "group {}", group.short()),
            Self::Invite(key) => write!(f, "invitation {}", key.short()),
        }
    }
}

impl fmt::Display for Audience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Person(person) => write!(f, "person {}", person.short()),
            Self::Group(group) => write!(f, "group {}", group.short()),
            Self::Device(device) => write!(f, "device {}", device.short()),
            Self::Invite(key) => write!(f, "invitation {}", key.short()),
        }
    }
}
