//! Random worlds: four persons with three devices each, groups within groups, a space and documents, and
//! whatever anybody signs in them, entitled or not. Only records: nobody is asked what they are worth.

use std::collections::{BTreeMap, BTreeSet};

use katori_acl::bounds::MAX_ROSTER_FORKS;
use katori_acl::{
    Audience, Capacity, DeviceId, DeviceKey, Grant, Issuer, Member, Parent, PersonId, Record, RecordId,
    ResourceId, ResourceKind, Role, RosterAction, Signer, Subject, VerifiedRecord,
};

use crate::cast::{
    adding, adding_person, beginning, deleting, device, excluding, granting, group, invitation,
    operation_for, person, recovery, removing, removing_person, resource_of, revoking_as, roster_of,
};

pub(crate) const PERSONS: u8 = 4;
pub(crate) const DEVICES: u8 = 3;
const INVITATIONS: u8 = 2;

/// One thing that somebody does, as the throws that decide it. All zeros is the simplest thing.
pub(crate) type Step = [u8; 20];

/// The records of a world, in the order in which they were signed.
#[derive(Default)]
pub(crate) struct World {
    pub(crate) records: Vec<VerifiedRecord>,
    pub(crate) persons: Vec<PersonId>,
    pub(crate) groups: Vec<PersonId>,
    pub(crate) resources: Vec<ResourceId>,
    grants: Vec<(RecordId, Grant)>,
    /// What a removal might keep.
    signed: Vec<RecordId>,
    /// What lies before each operation of a roster.
    past: BTreeMap<RecordId, BTreeSet<RecordId>>,
    /// How many operations each member has signed over equally many others.
    forks: BTreeMap<(PersonId, Option<Member>, usize), usize>,
}

/// Throws, one after another; when there are none left, zeros.
struct Dice<'a>(&'a [u8]);

impl Dice<'_> {
    fn throw(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    fn below(&mut self, sides: u8) -> u8 {
        self.throw() % sides
    }

    fn pick<T: Clone>(&mut self, items: &[T]) -> Option<T> {
        let at = usize::from(self.throw());
        items.get(at % items.len().max(1)).cloned()
    }

    /// Once in so many throws; never for a zero.
    fn rarely(&mut self, one_in: u8) -> bool {
        self.throw() % one_in == one_in - 1
    }
}

/// The device of this person with this number.
pub(crate) fn key(person: u8, number: u8) -> DeviceKey {
    device(1 + person * DEVICES + number)
}

/// All devices there are.
pub(crate) fn devices() -> Vec<DeviceId> {
    (0..PERSONS * DEVICES).map(|number| device(1 + number).public()).collect()
}

impl World {
    /// What these steps come to.
    pub(crate) fn of(steps: &[Step]) -> Self {
        let mut world = Self::new();
        for step in steps {
            world.take(Dice(step));
        }
        world
    }

    fn new() -> Self {
        let people: Vec<_> = (0..PERSONS).map(|number| person(&key(number, 0), number)).collect();
        let persons: Vec<_> = people.iter().map(roster_of).collect();
        let circles = [group(persons[0], &key(0, 0), 10), group(persons[1], &key(1, 0), 11)];
        let groups: Vec<_> = circles.iter().map(roster_of).collect();
        let space = beginning(ResourceKind::Space, persons[0], None, &key(0, 0), 20);
        let born = beginning(ResourceKind::Document, persons[1], Some(resource_of(&space)), &key(1, 0), 21);
        let alone = beginning(ResourceKind::Document, persons[0], None, &key(0, 0), 22);
        let common = beginning(ResourceKind::Document, groups[0], None, &key(0, 0), 23);
        let shelf = beginning(ResourceKind::Shelf, persons[0], None, &key(0, 0), 24);
        let things = [alone, space, born, common, shelf];
        let resources = things.iter().map(resource_of).collect();
        let mut world = Self { persons, groups, resources, ..Self::default() };
        for record in people.into_iter().chain(circles) {
            world.note(record);
        }
        for number in 0..PERSONS {
            let roster = world.persons[usize::from(number)];
            let second = adding(roster, &key(number, 1), Capacity::Full);
            let genesis = Subject::Roster(roster).genesis();
            world.note(operation_for(roster, None, &key(number, 0), &[genesis], second));
        }
        for record in things {
            world.note(record);
        }
        let (first, second) = (world.groups[0], world.groups[1]);
        let joins = adding_person(world.persons[1], Capacity::Full);
        world.note(operation_for(
            first,
            Some(world.persons[0]),
            &key(0, 0),
            &[Subject::Roster(first).genesis()],
            joins,
        ));
        let within = adding_person(first, Capacity::Full);
        world.note(operation_for(
            second,
            Some(world.persons[1]),
            &key(1, 0),
            &[Subject::Roster(second).genesis()],
            within,
        ));
        world
    }

    fn note(&mut self, record: VerifiedRecord) {
        self.signed.push(record.id());
        match record.record() {
            Record::RosterOperation(operation) => {
                let mut past: BTreeSet<RecordId> = operation.previous.iter().copied().collect();
                past.extend(operation.previous.iter().filter_map(|id| self.past.get(id)).flatten().copied());
                // Beyond this the bound decides, which has its own tests.
                let forks = self.forks.entry((operation.roster, operation.author(), past.len())).or_default();
                if *forks == MAX_ROSTER_FORKS {
                    return;
                }
                *forks += 1;
                self.past.insert(record.id(), past);
            }
            Record::Grant(grant) => self.grants.push((record.id(), grant.clone())),
            _ => {}
        }
        self.records.push(record);
    }

    fn take(&mut self, mut dice: Dice<'_>) {
        let record = match dice.below(24) {
            0..=7 => self.grant(&mut dice),
            8..=10 => self.redeem(&mut dice),
            11..=13 => self.revoke(&mut dice),
            14..=15 => Some(self.change_devices(&mut dice, true)),
            16..=17 => Some(self.change_devices(&mut dice, false)),
            18..=19 => self.change_group(&mut dice, true),
            20 => self.change_group(&mut dice, false),
            21 => Some(self.recover(&mut dice)),
            22 => {
                let resource = dice.pick(&self.resources);
                let by = key(dice.below(PERSONS), dice.below(DEVICES));
                resource.map(|resource| excluding(resource, &by, dice.below(4)))
            }
            _ => {
                let resource = dice.pick(&self.resources);
                let by = key(dice.below(PERSONS), dice.below(DEVICES));
                resource.map(|resource| deleting(resource, &by))
            }
        };
        if let Some(record) = record {
            self.note(record);
        }
    }

    /// All grants that somebody signed.
    pub(crate) fn grants(&self) -> impl Iterator<Item = (RecordId, &Grant)> {
        self.grants.iter().map(|(id, grant)| (*id, grant))
    }

    /// Whether this is the name of whom the resource belongs to.
    pub(crate) fn is_owner(&self, resource: ResourceId, issuer: Issuer) -> bool {
        self.owner(resource).is_some_and(|(owner, _)| owner == issuer)
    }

    /// Whether a grant answers an invitation, or rests on one that does.
    pub(crate) fn competes(&self, id: RecordId, grant: &Grant) -> bool {
        let above = match grant.parent {
            Parent::Grant(parent) => self.grants.iter().find(|(id, _)| *id == parent),
            Parent::Genesis => None,
        };
        let by_key = matches!(grant.issuer, Issuer::Invite(_));
        by_key
            || grant.redeems.is_some()
            || above.is_some_and(|(above, grant)| *above != id && self.competes(*above, grant))
    }

    /// What somebody has seen of a roster: mostly everything, sometimes one or two operations.
    fn seen(&self, roster: PersonId, dice: &mut Dice<'_>) -> Vec<RecordId> {
        let log: Vec<&VerifiedRecord> =
            self.records.iter().filter(|record| record.subject() == Subject::Roster(roster)).collect();
        let ids: Vec<RecordId> = log.iter().map(|record| record.id()).collect();
        if dice.rarely(3) {
            let (one, other) = (dice.pick(&ids), dice.pick(&ids));
            return one.into_iter().chain(other).collect();
        }
        let built_on: BTreeSet<RecordId> = log
            .iter()
            .filter_map(|record| match record.record() {
                Record::RosterOperation(operation) => Some(operation.previous.clone()),
                _ => None,
            })
            .flatten()
            .collect();
        // One that names too many heads is not signed at all.
        ids.into_iter().filter(|id| !built_on.contains(id)).take(16).collect()
    }

    fn keep(&self, dice: &mut Dice<'_>) -> Vec<RecordId> {
        (0..dice.below(3)).filter_map(|_| dice.pick(&self.signed)).collect()
    }

    fn change_devices(&self, dice: &mut Dice<'_>, add: bool) -> VerifiedRecord {
        let number = dice.below(PERSONS);
        let roster = self.persons[usize::from(number)];
        let by = key(number, dice.below(DEVICES));
        let seen = self.seen(roster, dice);
        let other = dice.below(DEVICES);
        let action = if add {
            // Now and then a device of another person, which agrees to belong to two.
            let owner = if dice.rarely(6) { dice.below(PERSONS) } else { number };
            let capacity = if dice.rarely(4) { Capacity::Limited } else { Capacity::Full };
            adding(roster, &key(owner, other), capacity)
        } else {
            removing(&key(number, other), &self.keep(dice))
        };
        operation_for(roster, None, &by, &seen, action)
    }

    fn change_group(&self, dice: &mut Dice<'_>, add: bool) -> Option<VerifiedRecord> {
        let roster = dice.pick(&self.groups)?;
        let (author, by) = self.voice(dice);
        let author = match author {
            Issuer::Person(who) | Issuer::Group(who) => who,
            Issuer::Invite(_) => return None,
        };
        let seen = self.seen(roster, dice);
        let member = self.anybody(dice);
        let action: RosterAction = if add {
            let capacity = if dice.rarely(4) { Capacity::Limited } else { Capacity::Full };
            adding_person(member, capacity)
        } else {
            removing_person(member, &self.keep(dice))
        };
        Some(operation_for(roster, Some(author), &by, &seen, action))
    }

    /// A person, or sometimes a group.
    fn anybody(&self, dice: &mut Dice<'_>) -> PersonId {
        let from = if dice.rarely(4) { &self.groups } else { &self.persons };
        let at = usize::from(dice.throw());
        from[at % from.len()]
    }

    /// In whose name, and with which device: usually one of that person's.
    fn voice(&self, dice: &mut Dice<'_>) -> (Issuer, DeviceKey) {
        let number = dice.below(PERSONS);
        let by = key(number, dice.below(DEVICES - 1));
        let issuer = if dice.rarely(4) {
            Issuer::Group(self.groups[usize::from(dice.below(2))])
        } else {
            Issuer::Person(self.persons[usize::from(number)])
        };
        (issuer, by)
    }

    fn recover(&self, dice: &mut Dice<'_>) -> VerifiedRecord {
        let number = dice.below(PERSONS);
        let roster = self.persons[usize::from(number)];
        // Its own words, those they lead to, or another's.
        let with = [number, 40, 41, dice.below(PERSONS)][usize::from(dice.below(4))];
        let next = 40 + dice.below(3);
        let new = key(number, dice.below(DEVICES));
        recovery(roster, &new, with, next, &self.seen(roster, dice))
    }

    /// Mostly the first document, so that much happens in one place.
    fn place(&self, dice: &mut Dice<'_>) -> Option<ResourceId> {
        if dice.below(2) == 0 { self.resources.first().copied() } else { dice.pick(&self.resources) }
    }

    fn grant(&self, dice: &mut Dice<'_>) -> Option<VerifiedRecord> {
        let resource = self.place(dice)?;
        let (mut issuer, mut by) = self.voice(dice);
        let mut parent = Parent::Genesis;
        let here = self.grants.iter().filter(|(_, grant)| grant.resource == resource);
        let here: Vec<_> =
            here.filter(|(_, grant)| !matches!(grant.to, Audience::Invite(_)) || dice.rarely(8)).collect();
        if dice.below(2) == 1
            && let Some((id, above)) = dice.pick(&here)
        {
            parent = Parent::Grant(*id);
            // Usually it is the one who holds the parent that passes it on.
            match above.to {
                Audience::Person(to) if !dice.rarely(6) => {
                    issuer = Issuer::Person(to);
                    by = self.device_of(to, dice).unwrap_or(by);
                }
                Audience::Group(to) if !dice.rarely(6) => issuer = Issuer::Group(to),
                _ => {}
            }
        } else if !dice.rarely(6) {
            // Or the owner, who rests on nobody.
            (issuer, by) = self.owner_of(resource, dice)?;
        }
        let to = match dice.below(8) {
            5 => Audience::Group(self.groups[usize::from(dice.below(2))]),
            4 => Audience::Device(key(dice.below(PERSONS), dice.below(DEVICES)).public()),
            6 | 7 => Audience::Invite(invitation(60 + dice.below(INVITATIONS)).public()),
            _ => Audience::Person(self.persons[usize::from(dice.below(PERSONS))]),
        };
        let mut grant = granting(resource, self.persons[0], &by, to);
        (grant.issuer, grant.parent) = (issuer, parent);
        grant.role = [Role::Write, Role::Admin, Role::Read][usize::from(dice.below(3))];
        grant.share = dice.below(3) != 2;
        grant.expires = dice.rarely(8).then(|| u64::from(dice.below(3)));
        if matches!(to, Audience::Invite(_)) {
            grant.uses = [Some(1), Some(1), None, Some(2)][usize::from(dice.below(4))];
            grant.confirm = dice.rarely(4);
            grant.offline = !grant.confirm && !dice.rarely(4);
        } else if matches!(to, Audience::Person(_)) && dice.below(2) == 1 {
            // Mostly one of the issuer's own, or by the owner any.
            let anybody = self.is_owner(resource, issuer) || dice.rarely(6);
            let offers = self.invitations(resource, |offer| anybody || offer.issuer == issuer);
            grant.redeems = dice.pick(&offers);
            // No more than most invitations give.
            (grant.role, grant.share) = (Role::Read, false);
        }
        grant.nonce = [dice.throw(); 8];
        Record::Grant(grant).sign(&by).ok()
    }

    /// Somebody with a ticket lets a person in.
    fn redeem(&self, dice: &mut Dice<'_>) -> Option<VerifiedRecord> {
        let usable = !dice.rarely(4);
        let offer = |grant: &Grant| matches!(grant.to, Audience::Invite(_)) && (grant.offline || !usable);
        let offers: Vec<_> = self.grants.iter().filter(|(_, grant)| offer(grant)).collect();
        // Often the same one, so that there are more than it lets in.
        let offer = if dice.rarely(4) { dice.pick(&offers)? } else { *offers.first()? };
        let (offer, Grant { resource, to: Audience::Invite(key), .. }) = *offer else { return None };
        let secret = (60..60 + INVITATIONS).map(invitation).find(|secret| secret.public() == key)?;
        let to = Audience::Person(self.persons[usize::from(dice.below(PERSONS))]);
        let mut grant = granting(resource, self.persons[0], &device(1), to);
        (grant.issuer, grant.by) = (Issuer::Invite(key), Signer::Invite(key));
        grant.parent = Parent::Grant(offer);
        grant.role = [Role::Read, Role::Write, Role::Read, Role::Admin][usize::from(dice.below(4))];
        grant.share = dice.rarely(8);
        grant.nonce = [dice.throw(); 8];
        Record::Grant(grant).sign_as_invite(&secret).ok()
    }

    fn invitations(&self, resource: ResourceId, which: impl Fn(&Grant) -> bool) -> Vec<RecordId> {
        let here = self.grants.iter().filter(|(_, grant)| {
            grant.resource == resource && matches!(grant.to, Audience::Invite(_)) && which(grant)
        });
        here.map(|(id, _)| *id).collect()
    }

    fn revoke(&self, dice: &mut Dice<'_>) -> Option<VerifiedRecord> {
        let (target, grant) = dice.pick(&self.grants)?;
        let (mut issuer, mut by) = self.voice(dice);
        // Sometimes by somebody who may.
        if dice.below(2) == 0 {
            (issuer, by) = self.owner_of(grant.resource, dice)?;
        } else if let (Audience::Person(to), true) = (grant.to, dice.rarely(2)) {
            issuer = Issuer::Person(to);
            by = self.device_of(to, dice).unwrap_or(by);
        }
        Some(revoking_as(grant.resource, issuer, &by, target))
    }

    /// The owner's name and one of its devices.
    fn owner_of(&self, resource: ResourceId, dice: &mut Dice<'_>) -> Option<(Issuer, DeviceKey)> {
        let (owner, person) = self.owner(resource)?;
        Some((owner, key(person, dice.below(DEVICES))))
    }

    /// Whom a resource belongs to, and the person with whose device it was made.
    fn owner(&self, resource: ResourceId) -> Option<(Issuer, u8)> {
        Some(match self.resources.iter().position(|one| *one == resource)? {
            2 => (Issuer::Person(self.persons[1]), 1),
            3 => (Issuer::Group(self.groups[0]), 0),
            _ => (Issuer::Person(self.persons[0]), 0),
        })
    }

    fn device_of(&self, person: PersonId, dice: &mut Dice<'_>) -> Option<DeviceKey> {
        let at = self.persons.iter().position(|one| *one == person)?;
        Some(key(u8::try_from(at).ok()?, dice.below(DEVICES)))
    }
}
