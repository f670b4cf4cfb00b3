//! Everybody with a role, and where they have it from.

use katori_acl::{Chain, DeviceId, Issuer, PersonId, Principal, ResourceId, Role};
use katori_core::engine::Engine;

use super::Circle;
use crate::error::Error;
use crate::who::{Names, Who};

/// Somebody with a role in a document or space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub who: Who,
    /// A person, a group, or a device by itself.
    pub kind: MemberKind,
    /// What they may do.
    pub role: Role,
    /// Whether it is the owner.
    pub owner: bool,
    /// Who gave them the role; nobody for the owner.
    pub via: Option<Who>,
    /// The group through which they have it, if they have it through one.
    pub group: Option<Who>,
    /// Whether they have it through the space that the document was born in.
    pub through_space: bool,
    /// Until when, in milliseconds since 1970.
    pub expires: Option<u64>,
    /// Their devices.
    pub devices: Vec<Who>,
}

/// What kind of member it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum MemberKind {
    /// A person, with all its devices.
    Person,
    /// A group, with all its members; they are listed each as well.
    Group,
    /// One device, which was granted something by itself.
    Device,
}

impl Circle {
    pub(crate) async fn members(&self) -> Result<Vec<Member>, Error> {
        let id = self.id;
        self.base.ask(move |engine, names| members(engine, names, id)).await
    }
}

fn members(engine: &Engine, names: &Names, id: ResourceId) -> Vec<Member> {
    let Some(access) = engine.access(id) else { return Vec::new() };
    let registry = engine.registry();
    let member = |person: PersonId, kind: MemberKind, role: Role, expires: Option<u64>| {
        let roster = registry.roster(person);
        let devices = roster.iter().flat_map(|roster| roster.devices.keys());
        let devices = devices.map(|device| names.device(*device)).collect();
        let owner = person == access.owner;
        let way =
            if owner { Way::default() } else { way(engine, names, id, Principal::Person(person), role) };
        let Way { via, group, through_space } = way;
        Member { who: names.person(person), kind, role, owner, via, group, through_space, expires, devices }
    };
    let persons = access
        .members()
        .filter_map(|(id, standing)| Some(member(id, MemberKind::Person, standing.role?, standing.expires)));
    let groups = access
        .groups()
        .filter_map(|(id, standing)| Some(member(id, MemberKind::Group, standing.role?, standing.expires)));
    let devices = access.devices().filter_map(|(device, standing)| {
        let role = standing.role?;
        let person = registry.person_of(device);
        let as_one_of = person.and_then(|person| access.role_of_person(&person));
        (as_one_of < Some(role)).then(|| lone_device(engine, names, id, device, role, standing.expires))
    });
    let mut members: Vec<Member> = persons.chain(groups).chain(devices).collect();
    members
        .sort_by(|one, other| (!one.owner, one.kind, &one.who).cmp(&(!other.owner, other.kind, &other.who)));
    members
}

fn lone_device(
    engine: &Engine,
    names: &Names,
    id: ResourceId,
    device: DeviceId,
    role: Role,
    expires: Option<u64>,
) -> Member {
    let Way { via, group, through_space } = way(engine, names, id, Principal::Device(device), role);
    let (who, kind) = (names.device(device), MemberKind::Device);
    let devices = vec![who.clone()];
    Member { who, kind, role, owner: false, via, group, through_space, expires, devices }
}

/// How somebody came by a role.
#[derive(Default)]
struct Way {
    via: Option<Who>,
    group: Option<Who>,
    through_space: bool,
}

/// The way by which somebody has this role: a chain of grants that all count.
fn way(engine: &Engine, names: &Names, id: ResourceId, who: Principal, role: Role) -> Way {
    let registry = engine.registry();
    let explanation = registry.explain(who, id);
    let live = explanation.chains.iter().filter(|chain| chain.is_live());
    let fits = |chain: &&Chain| chain.links.last().is_none_or(|link| link.role == role);
    let Some(chain) = live.clone().find(fits).or_else(|| live.clone().next()) else { return Way::default() };
    let via = chain.links.last().and_then(|link| match link.issuer {
        Issuer::Person(id) | Issuer::Group(id) => Some(names.person(id)),
        Issuer::Invite(_) => None,
    });
    let group = chain.groups.last().map(|group| names.person(*group));
    Way { via, group, through_space: chain.space.is_some() }
}
