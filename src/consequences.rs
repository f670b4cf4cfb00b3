//! What a revocation or the removal of a device would change, told with names. Nothing is done.

use std::collections::BTreeMap;

use katori_acl::{ResourceId, ResourceKind, Role};
use katori_core::engine::{self, Engine};

use crate::who::{Names, Who};

/// What a step would change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Consequences {
    /// What changes in each document and space; those in which nothing does are left out.
    pub places: Vec<Consequence>,
    /// Devices that are connected now and would share nothing with this one any more.
    pub cut_off: Vec<Who>,
    /// Grants and revocations that would count no more, besides those that are ended on purpose.
    pub void: usize,
}

/// What changes in one document or space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consequence {
    /// Which.
    pub id: ResourceId,
    /// What it is called here.
    pub name: String,
    /// Whether it is a space.
    pub is_space: bool,
    /// People and groups whose role changes.
    pub people: Vec<RoleChange>,
    /// Devices whose role changes.
    pub devices: Vec<RoleChange>,
}

/// A role before and after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleChange {
    /// Whose.
    pub who: Who,
    /// What they may do now.
    pub before: Option<Role>,
    /// What they could do then.
    pub after: Option<Role>,
}

impl Consequences {
    pub(crate) fn new(engine: &Engine, names: &Names, found: &engine::Consequences) -> Self {
        let place = |place: &engine::Consequence| Consequence {
            id: place.document,
            name: name_of(engine, names, place.document),
            is_space: engine.registry().kind_of(place.document) == Some(ResourceKind::Space),
            people: changes(&place.persons, |person| names.person(*person)),
            devices: changes(&place.devices, |device| names.device(*device)),
        };
        Self {
            places: found.documents.iter().map(place).collect(),
            cut_off: found.cut_off.iter().map(|device| names.device(*device)).collect(),
            void: found.void.len(),
        }
    }
}

/// What a document or space is called here.
pub(crate) fn name_of(engine: &Engine, names: &Names, id: ResourceId) -> String {
    let born = || engine.access(id).map(|access| access.name.clone()).unwrap_or_default();
    names.resource(id).map_or_else(born, str::to_owned)
}

fn changes<K>(
    changed: &BTreeMap<K, (Option<Role>, Option<Role>)>,
    who: impl Fn(&K) -> Who,
) -> Vec<RoleChange> {
    let change = |(key, (before, after)): (&K, &(Option<Role>, Option<Role>))| RoleChange {
        who: who(key),
        before: *before,
        after: *after,
    };
    changed.iter().map(change).collect()
}
