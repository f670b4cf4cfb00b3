//! Why somebody has a role, or what is missing: as data, and as lines for people.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use super::{Access, Forest, LinkStatus};
use crate::bounds::MAX_NESTING;
use crate::ids::{DeviceId, PersonId, RecordId, ResourceId};
use crate::records::{Audience, Issuer, Member};
use crate::registry::{Rosters, StoredGrant};
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
    /// The groups by which it reaches the person: first the one that was granted something, or that owns it,
    /// then those within, down to the one that has the person.
    pub groups: Vec<PersonId>,
    /// Whether all of these have each other, and the person, as members now.
    pub belongs: bool,
    /// The space in which it was granted, if not in the document itself.
    pub space: Option<ResourceId>,
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
    /// The person, or a group that has it, was removed from this group.
    GroupLeft(PersonId),
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
        forests: &[Forest<'_>],
        access: Option<Arc<Access>>,
    ) -> Self {
        let (Some(forest), Some(access)) = (forests.first(), access) else {
            let missing = Some(Missing::UnknownResource);
            return Self { who, resource, role: None, chains: Vec::new(), missing };
        };
        let role = match who {
            Principal::Device(device) => access.role_of_device(&device),
            Principal::Person(person) => access.role_of_person(&person),
        };
        let chains: Vec<Chain> =
            forests.iter().flat_map(|forest| chains(who, persons, forest, resource)).collect();
        let missing = if role.is_some() {
            None
        } else if access.deleted {
            Some(Missing::Deleted)
        } else {
            Some(missing(who, persons, &chains, forest.rosters()))
        };
        Self { who, resource, role, chains, missing }
    }
}

/// The ways from the genesis of one resource to whom is asked about.
fn chains(who: Principal, persons: &[PersonId], forest: &Forest<'_>, resource: ResourceId) -> Vec<Chain> {
    let space = (forest.set.id != resource).then_some(forest.set.id);
    let through = |person: PersonId| matches!(who, Principal::Device(_)).then_some(person);
    let ways: Vec<(PersonId, Ways)> =
        persons.iter().map(|person| (*person, ways_up(*person, forest.rosters()))).collect();
    // The persons asked about that a roster stands for, each with the groups on the way.
    let reached = |roster: PersonId| {
        ways.iter().filter_map(move |(person, ways)| ways.get(&roster).map(|way| (*person, way)))
    };
    let mut chains = Vec::new();
    for (person, way) in reached(forest.set.genesis.owner) {
        let Way { groups, belongs } = way.clone();
        chains.push(Chain {
            through: through(person),
            groups,
            belongs,
            space,
            owner: true,
            links: Vec::new(),
        });
    }
    for (id, grant, ..) in forest.grants() {
        match grant.to {
            Audience::Person(to) | Audience::Group(to) => {
                for (person, way) in reached(to) {
                    // An id stands for a person or for a group, and a grant has to name it as what it is.
                    if way.groups.is_empty() == matches!(grant.to, Audience::Person(_)) {
                        let Way { groups, belongs } = way.clone();
                        let (through, links) = (through(person), links(forest, id));
                        chains.push(Chain { through, groups, belongs, space, owner: false, links });
                    }
                }
            }
            Audience::Device(device) if who == Principal::Device(device) => {
                let (groups, links) = (Vec::new(), links(forest, id));
                chains.push(Chain { through: None, groups, belongs: true, space, owner: false, links });
            }
            Audience::Device(_) | Audience::Invite(_) => {}
        }
    }
    chains
}

/// The grants from the genesis down to this one.
fn links(forest: &Forest<'_>, grant: RecordId) -> Vec<ChainLink> {
    let link = |(id, stored): (RecordId, &StoredGrant)| ChainLink {
        grant: id,
        issuer: stored.grant.issuer,
        to: stored.grant.to,
        role: stored.grant.role,
        expires: stored.grant.expires,
        status: forest.status(&id),
    };
    let mut links: Vec<ChainLink> = forest.set.chain(grant).map(link).collect();
    links.reverse();
    links
}

/// How a person belongs to a group: the groups from that one down, and whether it does so now.
#[derive(Debug, Clone)]
struct Way {
    groups: Vec<PersonId>,
    belongs: bool,
}

/// By group, one way to it: a shortest that holds now, or else that ever held. The person is its own first.
type Ways = BTreeMap<PersonId, Way>;

fn ways_up(person: PersonId, rosters: &Rosters) -> Ways {
    let mut ways = BTreeMap::from([(person, Way { groups: Vec::new(), belongs: true })]);
    for now in [true, false] {
        let mut edge: Vec<PersonId> = vec![person];
        let mut met = BTreeSet::from([person]);
        for _ in 0..MAX_NESTING {
            let mut next = Vec::new();
            for member in edge {
                let Some(below) = ways.get(&member).cloned() else { continue };
                for group in rosters.groups_of(&member) {
                    let holds = rosters.get(&group).is_some_and(|roster| roster.contains_person(&member));
                    if (now && !holds) || !met.insert(group) {
                        continue;
                    }
                    next.push(group);
                    ways.entry(group).or_insert_with(|| {
                        let groups = std::iter::once(group).chain(below.groups.iter().copied()).collect();
                        Way { groups, belongs: holds && below.belongs }
                    });
                }
            }
            edge = next;
        }
    }
    ways
}

fn missing(who: Principal, persons: &[PersonId], chains: &[Chain], rosters: &Rosters) -> Missing {
    if chains.is_empty() {
        let unknown = matches!(who, Principal::Device(_)) && persons.is_empty();
        return if unknown { Missing::UnknownDevice } else { Missing::NeverGranted };
    }
    let live = || chains.iter().filter(|chain| chain.links_live());
    if let Principal::Device(device) = who {
        let through = live().filter(|chain| chain.belongs).filter_map(|chain| chain.through);
        let removed = |person: &PersonId| rosters.get(person).is_some_and(|roster| !roster.contains(&device));
        if let Some(person) = through.into_iter().find(removed) {
            return Missing::DeviceRemoved(person);
        }
    }
    let left = live().filter(|chain| !chain.belongs).find_map(|chain| chain.groups.first().copied());
    left.map_or(Missing::AllEnded, Missing::GroupLeft)
}

impl Chain {
    /// Whether it gives its role: every grant of it counts, and so does every group's word that it has the next.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.belongs && self.links_live()
    }

    fn links_live(&self) -> bool {
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
        if let Some(space) = self.space {
            writeln!(f, "  by the space {}:", space.short())?;
        }
        if self.owner {
            writeln!(f, "  owner")?;
        }
        self.links.iter().try_for_each(|link| writeln!(f, "  {link}"))?;
        if !self.groups.is_empty() {
            let names: Vec<String> = self.groups.iter().map(PersonId::short).collect();
            let belongs = if self.belongs { "a member" } else { "no longer a member" };
            writeln!(f, "  as {belongs} of group {}", names.join(", and so of the one before, of group "))?;
        }
        Ok(())
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
                write!(
                    f,
                    "void because device {}, which signed it, does not speak for it now",
                    device.short()
                )
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
            Self::GroupLeft(group) => write!(f, "it no longer belongs to group {}", group.short()),
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

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Device(device) => write!(f, "device {}", device.short()),
            Self::Person(person) => write!(f, "person {}", person.short()),
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
