//! All rosters, and who belongs where.
//!
//! What was ever so, by signatures alone, is indexed; what is so now is evaluated when it is asked for, and
//! remembered until something it rests on changes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Refusal;
use super::Verdict;
use super::log::RosterLog;
use super::waiting::Awaited;
use crate::bounds::MAX_NESTING;
use crate::ids::{DeviceId, PersonId};
use crate::records::{Capacity, Issuer, Member, RosterKind};
use crate::roster::Roster;

/// Rosters by person or group, as far as they are known.
#[derive(Debug, Default, Clone)]
pub(crate) struct Rosters {
    logs: BTreeMap<PersonId, RosterLog>,
    /// The persons that ever had a device.
    persons_of: BTreeMap<DeviceId, BTreeSet<PersonId>>,
    /// The groups that ever had a person or group, by itself.
    groups_of: BTreeMap<PersonId, BTreeSet<PersonId>>,
}

impl Rosters {
    pub(crate) fn log(&self, id: &PersonId) -> Option<&RosterLog> {
        self.logs.get(id)
    }

    pub(super) fn log_mut(&mut self, id: &PersonId) -> Option<&mut RosterLog> {
        self.logs.get_mut(id)
    }

    pub(crate) fn kind(&self, id: &PersonId) -> Option<RosterKind> {
        self.logs.get(id).map(RosterLog::kind)
    }

    /// A roster as it stands.
    pub(crate) fn get(&self, id: &PersonId) -> Option<&Arc<Roster>> {
        self.at(id, MAX_NESTING)
    }

    /// A roster as it stands when groups are looked into `level` deep; at 0 there are no groups.
    pub(super) fn at(&self, id: &PersonId, level: usize) -> Option<&Arc<Roster>> {
        self.logs.get(id)?.at(self, level)
    }

    pub(super) fn insert(&mut self, id: PersonId, log: RosterLog) {
        self.logs.insert(id, log);
    }

    /// Drops a roster.
    pub(super) fn remove(&mut self, id: &PersonId) {
        self.invalidate(id);
        if self.logs.remove(id).is_some() {
            self.persons_of.retain(|_, persons| without(persons, id));
            self.groups_of.retain(|_, groups| without(groups, id));
        }
    }

    /// Takes note of a changed roster. `fewer` says that it may have lost some of those it ever had.
    pub(super) fn changed(&mut self, id: &PersonId, fewer: bool) {
        let Some(log) = self.logs.get(id) else { return };
        let ever = log.ever();
        if fewer {
            self.persons_of.retain(|device, persons| {
                ever.contains_key(&Member::Device(*device)) || without(persons, id)
            });
            self.groups_of
                .retain(|person, groups| ever.contains_key(&Member::Person(*person)) || without(groups, id));
        }
        for member in ever.keys() {
            match member {
                Member::Device(device) => self.persons_of.entry(*device).or_default().insert(*id),
                Member::Person(person) => self.groups_of.entry(*person).or_default().insert(*id),
            };
        }
        self.invalidate(id);
    }

    /// Forgets the evaluations that rest on a roster.
    fn invalidate(&mut self, id: &PersonId) {
        for above in self.above_ever(*id) {
            if let Some(log) = self.logs.get_mut(&above) {
                log.invalidate();
            }
        }
    }

    /// The persons that ever had a device, by signatures alone.
    pub(crate) fn persons_of<'a>(&'a self, device: &DeviceId) -> impl Iterator<Item = PersonId> + use<'a> {
        self.persons_of.get(device).into_iter().flatten().copied()
    }

    /// The groups that ever had a person or group, by itself.
    pub(crate) fn groups_of<'a>(&'a self, person: &PersonId) -> impl Iterator<Item = PersonId> + use<'a> {
        self.groups_of.get(person).into_iter().flatten().copied()
    }

    /// A person or group, and the groups that it ever belonged to, through others too.
    pub(crate) fn above_ever(&self, id: PersonId) -> BTreeSet<PersonId> {
        within_reach(id, |id| self.groups_of(id).collect())
    }

    /// A person or group, and those that ever belonged to it, through others too.
    pub(crate) fn below_ever(&self, id: PersonId) -> BTreeSet<PersonId> {
        within_reach(id, |id| {
            let members = self.logs.get(id).into_iter().flat_map(|log| log.ever().keys());
            members.filter_map(person_of).collect()
        })
    }

    /// These, and the groups through which something could ever have come to them.
    pub(super) fn reached_ever(&self, who: impl IntoIterator<Item = PersonId>) -> BTreeSet<PersonId> {
        let mut found: BTreeSet<PersonId> = who.into_iter().collect();
        let mut edge: Vec<PersonId> = found.iter().copied().collect();
        for _ in 0..MAX_NESTING {
            let groups = edge.iter().flat_map(|member| self.groups_of(member));
            edge = groups.filter(|group| found.insert(*group)).collect();
        }
        found
    }

    /// Whether a device could ever have signed for a person or group, by signatures alone.
    pub(crate) fn ever_speaks(&self, id: PersonId, device: DeviceId, least: Capacity) -> bool {
        let ever = |id: &PersonId, member: Member| {
            self.logs.get(id).and_then(|log| log.ever().get(&member)).copied() >= Some(least)
        };
        let mut speaking: BTreeSet<PersonId> =
            self.persons_of(&device).filter(|person| ever(person, Member::Device(device))).collect();
        if self.kind(&id) != Some(RosterKind::Group) {
            return speaking.contains(&id);
        }
        for _ in 0..MAX_NESTING {
            if speaking.iter().any(|member| ever(&id, Member::Person(*member))) {
                return true;
            }
            let groups = speaking.iter().flat_map(|member| {
                let member = *member;
                self.groups_of(&member).filter(move |group| ever(group, Member::Person(member)))
            });
            speaking = groups.collect();
        }
        false
    }

    /// Requires that a device could ever have signed in this name, by signatures alone. A roster that does not
    /// say so yet may still come to.
    pub(super) fn require(&self, issuer: Issuer, device: DeviceId, least: Capacity) -> Result<(), Verdict> {
        let (id, kind) = match issuer {
            Issuer::Person(person) => (person, RosterKind::Person),
            Issuer::Group(group) => (group, RosterKind::Group),
            Issuer::Invite(_) => return Err(Verdict::Refused(Refusal::WrongSigner)),
        };
        match self.kind(&id) {
            Some(found) if found != kind => Err(Verdict::Refused(Refusal::WrongKind("an issuer"))),
            Some(_) if self.ever_speaks(id, device, least) => Ok(()),
            _ => Err(Verdict::Wait(Awaited::Roster(id))),
        }
    }

    /// The same for whom a resource belongs to, be it a person or a group.
    pub(super) fn require_owner(&self, owner: PersonId, device: DeviceId) -> Result<(), Verdict> {
        if self.ever_speaks(owner, device, Capacity::Full) {
            Ok(())
        } else {
            Err(Verdict::Wait(Awaited::Roster(owner)))
        }
    }
}

fn person_of(member: &Member) -> Option<PersonId> {
    match member {
        Member::Person(person) => Some(*person),
        Member::Device(_) => None,
    }
}

/// A roster and all that are reached from it. However deep groups are looked into, what each rests on may lie
/// as deep again below it, so this goes to the end, and each roster is met once.
fn within_reach(id: PersonId, next: impl Fn(&PersonId) -> Vec<PersonId>) -> BTreeSet<PersonId> {
    let mut found = BTreeSet::from([id]);
    let mut edge = vec![id];
    while let Some(id) = edge.pop() {
        edge.extend(next(&id).into_iter().filter(|id| found.insert(*id)));
    }
    found
}

/// Takes one id out of a set. Whether any is left.
fn without(ids: &mut BTreeSet<PersonId>, id: &PersonId) -> bool {
    ids.remove(id);
    !ids.is_empty()
}
