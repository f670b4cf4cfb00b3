//! Who speaks for whom now, remembered for as long as one evaluation lasts.
//!
//! A device speaks for its person, and through each group of which that one is a full member for the group, up
//! to [`MAX_NESTING`](crate::bounds::MAX_NESTING) groups within each other. What a member signed for a group
//! goes on counting after its removal if the removal keeps it.

use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use super::rosters::Rosters;
use crate::bounds::MAX_NESTING;
use crate::ids::{DeviceId, PersonId, RecordId};
use crate::records::{Capacity, Issuer, RosterKind};
use crate::roster::Roster;

/// The groups for which somebody speaks, and through how many steps.
type Above = Rc<BTreeMap<PersonId, usize>>;

/// A group, and the member whose removal keeps a record.
type Kept = (PersonId, PersonId);

/// Who speaks for whom, when groups are looked into `level` deep.
pub(crate) struct Voices<'a> {
    rosters: &'a Rosters,
    level: usize,
    scope: BTreeSet<PersonId>,
    above: RefCell<BTreeMap<PersonId, Above>>,
    kept: OnceCell<BTreeMap<RecordId, BTreeSet<Kept>>>,
}

impl<'a> Voices<'a> {
    /// `scope` are the rosters in whose removals a record may be kept, with all within them.
    pub(crate) fn new(rosters: &'a Rosters, level: usize, scope: impl IntoIterator<Item = PersonId>) -> Self {
        let scope = scope.into_iter().collect();
        Self { rosters, level, scope, above: RefCell::default(), kept: OnceCell::new() }
    }

    /// Who speaks for whom as the rosters stand.
    pub(crate) fn now(rosters: &'a Rosters, scope: impl IntoIterator<Item = PersonId>) -> Self {
        Self::new(rosters, MAX_NESTING, scope)
    }

    pub(crate) fn rosters(&self) -> &'a Rosters {
        self.rosters
    }

    fn roster(&self, id: &PersonId) -> Option<&'a Arc<Roster>> {
        self.rosters.at(id, self.level)
    }

    /// Whether what a device signed in this record is the word of this person or group.
    pub(crate) fn speaks_in(&self, whom: PersonId, device: &DeviceId, record: &RecordId) -> bool {
        self.speaks(whom, device, Some(record))
    }

    /// Whether a device may now sign for this person or group.
    pub(crate) fn speaks_now(&self, whom: PersonId, device: &DeviceId) -> bool {
        self.speaks(whom, device, None)
    }

    /// The same for whom an issuer names. An invitation has no devices.
    pub(crate) fn issues(&self, issuer: Issuer, device: &DeviceId, record: &RecordId) -> bool {
        match issuer {
            Issuer::Person(whom) | Issuer::Group(whom) => self.speaks_in(whom, device, record),
            Issuer::Invite(_) => false,
        }
    }

    fn speaks(&self, whom: PersonId, device: &DeviceId, record: Option<&RecordId>) -> bool {
        let personally = |person: &PersonId| {
            self.roster(person).is_some_and(|roster| match record {
                Some(record) => roster.speaks_in(device, record),
                None => roster.is_full(device),
            })
        };
        if self.rosters.kind(&whom) != Some(RosterKind::Group) {
            return personally(&whom);
        }
        self.rosters
            .persons_of(device)
            .any(|person| personally(&person) && self.above(person).contains_key(&whom))
            || record.is_some_and(|record| self.is_kept(whom, device, record))
    }

    /// Whether a removal from this group, or from one that speaks for it, keeps what a device could have signed
    /// for who was removed.
    fn is_kept(&self, whom: PersonId, device: &DeviceId, record: &RecordId) -> bool {
        let keepers = self.kept.get_or_init(|| self.all_kept()).get(record);
        keepers.into_iter().flatten().any(|(keeper, member)| {
            let speaks =
                *keeper == whom || self.above(*keeper).get(&whom).is_some_and(|steps| *steps < self.level);
            speaks && self.rosters.ever_speaks(*member, *device, Capacity::Full)
        })
    }

    fn all_kept(&self) -> BTreeMap<RecordId, BTreeSet<Kept>> {
        let mut kept: BTreeMap<RecordId, BTreeSet<Kept>> = BTreeMap::new();
        let groups: BTreeSet<PersonId> =
            self.scope.iter().flat_map(|id| self.rosters.below_ever(*id)).collect();
        for group in groups {
            let Some(roster) = self.roster(&group) else { continue };
            for (member, records) in &roster.removed_persons {
                for record in records {
                    kept.entry(*record).or_default().insert((group, *member));
                }
            }
        }
        kept
    }

    /// The groups of which this one is a full member now, through others too.
    fn above(&self, id: PersonId) -> Above {
        if let Some(known) = self.above.borrow().get(&id) {
            return Rc::clone(known);
        }
        let mut found = BTreeMap::new();
        let mut edge = vec![id];
        for step in 1..=self.level {
            let mut next = Vec::new();
            for member in edge {
                for group in self.rosters.groups_of(&member) {
                    let full = self.roster(&group).is_some_and(|roster| roster.is_full_person(&member));
                    if full && !found.contains_key(&group) {
                        found.insert(group, step);
                        next.push(group);
                    }
                }
            }
            edge = next;
        }
        let found = Rc::new(found);
        self.above.borrow_mut().insert(id, Rc::clone(&found));
        found
    }

    /// In whose name a device may sign now: its persons, its own first, and then the groups.
    pub(crate) fn names_of(&self, device: &DeviceId) -> Vec<Issuer> {
        let persons = self.rosters.persons_of(device);
        let mut persons: Vec<_> = persons
            .filter_map(|person| {
                let member = self.roster(&person)?.devices.get(device)?;
                self.speaks_now(person, device).then(|| (member.rank.without_id(), person))
            })
            .collect();
        persons.sort();
        let groups: BTreeSet<PersonId> = persons
            .iter()
            .flat_map(|(_, person)| self.above(*person).keys().copied().collect::<Vec<_>>())
            .collect();
        let persons = persons.into_iter().map(|(_, person)| Issuer::Person(person));
        persons.chain(groups.into_iter().map(Issuer::Group)).collect()
    }
}
