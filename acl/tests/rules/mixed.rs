//! Random records of hostile people with everything in them: groups within groups and in circles, a space and
//! documents born in it, recoveries, invitations, exclusions. One answer for every order and duplication.

use katori_acl::{
    Audience, Capacity, Changes, DeviceKey, Exclude, Grant, InviteSecret, Issuer, Member, Parent, PersonId,
    Record, RecordId, RecoveryPhrase, Registry, ResourceId, ResourceKind, Role, RosterAction, RosterGenesis,
    RosterKind, RosterOperation, Signer, Subject, Tombstone, VerifiedRecord,
};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use crate::world::{
    Terms, WRITE, World, add, add_person, device, everything, group_operation, invitation, operation,
    revocation_by,
};

const PERSONS: u8 = 3;
const DEVICES: u8 = 3;
const GROUPS: u8 = 3;

/// What somebody signs, entitled or not. The bytes choose among what there is; most of it is refused or void.
#[derive(Debug, Clone)]
struct Step {
    kind: u8,
    who: u8,
    by: u8,
    what: u8,
    seen: u8,
    more: u8,
    keep: Vec<u8>,
}

fn step() -> impl Strategy<Value = Step> {
    let byte = || any::<u8>();
    let keep = prop::collection::vec(any::<u8>(), 0..3);
    (byte(), byte(), byte(), byte(), byte(), byte(), keep)
        .prop_map(|(kind, who, by, what, seen, more, keep)| Step { kind, who, by, what, seen, more, keep })
}

fn key(person: u8, number: u8) -> DeviceKey {
    device(1 + (person % PERSONS) * DEVICES + number % DEVICES)
}

fn words(number: u8) -> RecoveryPhrase {
    RecoveryPhrase::from_entropy([number; 32])
}

fn secret() -> InviteSecret {
    invitation(90)
}

fn pick<T: Copy>(items: &[T], choice: u8) -> Option<T> {
    items.get(usize::from(choice) % items.len().max(1)).copied()
}

struct Play {
    world: World,
    persons: Vec<PersonId>,
    groups: Vec<PersonId>,
    space: ResourceId,
    resources: Vec<ResourceId>,
    grants: Vec<(ResourceId, RecordId)>,
    signed: Vec<RecordId>,
}

impl Play {
    fn new() -> Self {
        let mut world = World::default();
        let persons: Vec<PersonId> = (0..PERSONS).map(|person| founded(&mut world, person)).collect();
        let groups: Vec<PersonId> =
            (0..GROUPS).map(|group| world.group(persons[usize::from(group)], &key(group, 0))).collect();
        let space = world.space(persons[0], &key(0, 0));
        let born = world.document_in(space, persons[0], &key(0, 0));
        let of_group = world.document(groups[1], &key(1, 0));
        let resources = vec![space, born, of_group];
        Self { world, persons, groups, space, resources, grants: Vec::new(), signed: Vec::new() }
    }

    /// A person or a group.
    fn anybody(&self, choice: u8) -> PersonId {
        let all: Vec<PersonId> = self.persons.iter().chain(&self.groups).copied().collect();
        pick(&all, choice).unwrap()
    }

    fn issuer(&self, choice: u8) -> Issuer {
        let id = self.anybody(choice);
        if self.groups.contains(&id) { Issuer::Group(id) } else { Issuer::Person(id) }
    }

    fn seen(&self, roster: PersonId, choice: u8) -> Vec<RecordId> {
        match choice {
            0..160 => self.world.heads(roster),
            _ => {
                pick(&self.world.registry.record_ids(&Subject::Roster(roster)), choice).into_iter().collect()
            }
        }
    }

    fn kept(&self, step: &Step) -> Vec<RecordId> {
        step.keep.iter().filter_map(|choice| pick(&self.signed, *choice)).collect()
    }

    fn take(&mut self, step: &Step) {
        let record = match step.kind % 16 {
            0..3 => self.of_person(step),
            3..7 => self.of_group(step),
            7..12 => self.granted(step),
            12 | 13 => self.revoked(step),
            14 => self.of_content(step),
            _ => Some(self.born(step)),
        };
        let Some(record) = record else { return };
        self.signed.push(record.id());
        self.world.insert(record);
    }

    fn of_person(&mut self, step: &Step) -> Option<VerifiedRecord> {
        let person = pick(&self.persons, step.who)?;
        let by = key(step.who, step.by);
        let seen = self.seen(person, step.seen);
        let other = key(step.who, step.what);
        let capacity = if step.more.is_multiple_of(4) { Capacity::Limited } else { Capacity::Full };
        Some(match step.more % 8 {
            0..3 => operation(person, &by, &seen, add(person, &other, capacity)),
            3..6 => {
                let member = Member::Device(other.public());
                operation(person, &by, &seen, RosterAction::Remove { member, keep: self.kept(step) })
            }
            6 => {
                let member = step.what.is_multiple_of(2).then(|| Member::Device(other.public()));
                let name = format!("{}", step.what);
                operation(person, &by, &seen, RosterAction::Rename { member, name })
            }
            _ => {
                let words_of = |number: u8| words(100 + (step.who % PERSONS) * 8 + number % 3);
                let recovery_key = words_of(step.what).secret().public();
                let next_recovery = words_of(step.what.wrapping_add(1)).hash();
                let (device, name, consent) = (by.public(), "new".to_owned(), by.consent(person));
                let action = RosterAction::Recover { device, name, recovery_key, next_recovery, consent };
                let by = by.public();
                let operation = RosterOperation { roster: person, by, person: None, previous: seen, action };
                Record::RosterOperation(operation).sign_as_recovery(&words_of(step.what).secret()).unwrap()
            }
        })
    }

    fn of_group(&mut self, step: &Step) -> Option<VerifiedRecord> {
        let group = pick(&self.groups, step.who)?;
        // Its founder as often as anybody else, who may not be a member at all.
        let (member, by) = match step.by % 2 {
            0 => (pick(&self.persons, step.who)?, key(step.who, step.by)),
            _ => (self.anybody(step.by), key(step.by % 6, step.seen)),
        };
        let seen = self.seen(group, step.seen);
        let other = self.anybody(step.what);
        let action = match step.more % 8 {
            0 => add_person(other, Capacity::Limited),
            1..6 => add_person(other, Capacity::Full),
            _ => RosterAction::Remove { member: Member::Person(other), keep: self.kept(step) },
        };
        Some(group_operation(group, member, &by, &seen, action))
    }

    fn granted(&mut self, step: &Step) -> Option<VerifiedRecord> {
        let (resource, parent) = match pick(&self.grants, step.seen) {
            Some((resource, parent)) if !step.seen.is_multiple_of(3) => (resource, Parent::Grant(parent)),
            _ => (pick(&self.resources, step.what)?, Parent::Genesis),
        };
        let invite = secret().public();
        let to = match self.issuer(step.what) {
            _ if step.more.is_multiple_of(7) => Audience::Invite(invite),
            _ if step.more.is_multiple_of(11) => Audience::Device(key(step.what, step.more).public()),
            Issuer::Group(group) => Audience::Group(group),
            Issuer::Person(person) => Audience::Person(person),
            Issuer::Invite(_) => return None,
        };
        let role = Role::ALL[usize::from(1 + step.more % 3)];
        let uses = matches!(to, Audience::Invite(_)).then_some(1);
        let redeems = step.keep.first().and_then(|choice| pick(&self.grants, *choice));
        let redeems = redeems.map(|(_, id)| id).filter(|_| matches!(to, Audience::Person(_)));
        let terms = Terms { role, share: step.more.is_multiple_of(2), parent, uses, redeems, ..WRITE };
        let by = key(step.by % 6, step.more);
        // What the device may do, or what it just claims.
        let authority = self.world.registry.authority(by.public(), resource, role);
        let (issuer, parent) =
            authority.filter(|_| step.keep.len() < 2).unwrap_or((self.issuer(step.by), parent));
        let grant = self.world.grant_by(resource, issuer, &by, to, Terms { parent, ..terms });
        let offline = uses.is_some() && !step.by.is_multiple_of(3);
        let grant = Grant { offline, ..grant };
        let record = if step.who.is_multiple_of(8) {
            let (issuer, by) = (Issuer::Invite(invite), Signer::Invite(invite));
            Record::Grant(Grant { issuer, by, redeems: None, ..grant }).sign_as_invite(&secret()).unwrap()
        } else {
            Record::Grant(grant).sign(&by).unwrap()
        };
        self.grants.push((resource, record.id()));
        Some(record)
    }

    fn revoked(&mut self, step: &Step) -> Option<VerifiedRecord> {
        let (resource, target) = pick(&self.grants, step.what)?;
        let by = key(step.by % 6, step.more);
        let revocable = self.world.registry.revocable(by.public(), resource);
        let may = revocable.into_iter().nth(usize::from(step.seen % 4)).filter(|_| step.keep.len() < 2);
        let (target, issuer) = may.unwrap_or((target, self.issuer(step.by)));
        Some(revocation_by(resource, issuer, &by, target))
    }

    fn of_content(&mut self, step: &Step) -> Option<VerifiedRecord> {
        let resource = pick(&self.resources, step.what)?;
        let key = key(step.who, step.by);
        let by = key.public();
        Some(if step.more.is_multiple_of(4) {
            Record::Tombstone(Tombstone { resource, by }).sign(&key).unwrap()
        } else {
            let (changes, reason) = (vec![[step.more; 32]], String::new());
            Record::Exclude(Exclude { resource, changes, reason, by }).sign(&key).unwrap()
        })
    }

    fn born(&mut self, step: &Step) -> VerifiedRecord {
        let owner = self.anybody(step.who);
        let record =
            self.world.genesis(ResourceKind::Document, Some(self.space), owner, &key(step.who % 6, step.by));
        self.resources.push(ResourceId::from_bytes(*record.id().as_bytes()));
        record
    }
}

/// A person with words, and two devices.
fn founded(world: &mut World, person: u8) -> PersonId {
    let genesis = RosterGenesis {
        kind: RosterKind::Person,
        founder: key(person, 0).public(),
        founder_person: None,
        founder_name: "first".to_owned(),
        name: "somebody".to_owned(),
        recovery: words(100 + person * 8).hash(),
        sealing: None,
        nonce: [person; 16],
    };
    let id = world.stored(Record::RosterGenesis(genesis).sign(&key(person, 0)).unwrap());
    let id = PersonId::from_bytes(*id.as_bytes());
    world.add(id, &key(person, 0), &key(person, 1));
    id
}

fn played(steps: &[Step]) -> Play {
    let mut play = Play::new();
    for step in steps {
        play.take(step);
    }
    play
}

fn registry<'a>(records: impl IntoIterator<Item = &'a VerifiedRecord>) -> Registry {
    let mut registry = Registry::new();
    for record in records {
        registry.insert(record.clone());
    }
    registry
}

/// What a registry says once nothing is new to it. Who forks may have a record refused before the one comes that
/// builds on it; peers send what is missing again.
fn settled(mut registry: Registry, records: &[VerifiedRecord]) -> String {
    loop {
        registry.take_changes();
        for record in records {
            registry.insert(record.clone());
        }
        if registry.take_changes() == Changes::default() {
            return everything(&registry);
        }
    }
}

/// Some order of positions that depends on the seed.
fn order_of(seed: u64, at: usize) -> RecordId {
    katori_acl::record_id("order", &[seed.to_be_bytes(), (at as u64).to_be_bytes()].concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, rng_seed: RngSeed::Fixed(11), ..ProptestConfig::default() })]

    #[test]
    fn one_answer_for_every_order(steps in prop::collection::vec(step(), 1..120), seed in any::<u64>()) {
        let play = played(&steps);
        let records = play.world.records.iter().chain(play.world.records.iter().take(3));
        let mut shuffled: Vec<_> = records.enumerate().collect();
        shuffled.sort_by_key(|(at, _)| order_of(seed, *at));
        let shuffled = registry(shuffled.into_iter().map(|(_, record)| record));
        prop_assert_eq!(settled(shuffled, &play.world.records), settled(play.world.registry, &play.world.records));
    }

    #[test]
    fn a_memoised_answer_is_the_answer(steps in prop::collection::vec(step(), 1..60)) {
        let mut play = Play::new();
        for step in &steps {
            play.take(step);
            everything(&play.world.registry);
        }
        let again = registry(&play.world.records);
        prop_assert_eq!(everything(&again), everything(&play.world.registry));
    }

    #[test]
    fn nobody_has_what_signatures_alone_would_not_give(steps in prop::collection::vec(step(), 1..120)) {
        let play = played(&steps);
        let is_revoke = |record: &&VerifiedRecord| matches!(record.record(), Record::Revoke(_));
        let without = registry(play.world.records.iter().filter(|record| !is_revoke(record)));
        for resource in &play.resources {
            let (Some(with), Some(without)) =
                (play.world.registry.access(*resource), without.access(*resource))
            else { continue };
            for (person, standing) in with.members() {
                prop_assert!(standing.role <= standing.ever);
                prop_assert!(standing.role <= without.role_of_person(&person));
                prop_assert_eq!(standing.ever, without.ever_role_of_person(&person));
            }
            for (device, standing) in with.devices() {
                prop_assert!(standing.role <= standing.ever);
                prop_assert!(standing.role <= without.role_of_device(&device));
            }
        }
    }

    #[test]
    fn what_a_device_may_sign_counts_when_it_does(steps in prop::collection::vec(step(), 1..120)) {
        let mut play = played(&steps);
        let guest = play.world.person(&device(80));
        for number in 0..PERSONS * DEVICES {
            let by = key(number / DEVICES, number);
            for resource in play.resources.clone() {
                if let Some((issuer, parent)) = play.world.registry.authority(by.public(), resource, Role::Read) {
                    let terms = Terms { role: Role::Read, parent, ..WRITE };
                    let grant = play.world.grant_by(resource, issuer, &by, Audience::Person(guest), terms);
                    let record = Record::Grant(grant).sign(&by).unwrap();
                    let mut tried = play.world.registry.clone();
                    tried.insert(record);
                    prop_assert!(tried.access(resource).unwrap().role_of_person(&guest) >= Some(Role::Read));
                }
                for (target, issuer) in play.world.registry.revocable(by.public(), resource) {
                    let record = revocation_by(resource, issuer, &by, target);
                    let mut tried = play.world.registry.clone();
                    let id = record.id();
                    tried.insert(record);
                    prop_assert!(tried.counted_revocations(resource).contains(&id));
                    prop_assert!(tried.grant_status(target) != Some(katori_acl::LinkStatus::Live));
                }
            }
        }
    }
}
