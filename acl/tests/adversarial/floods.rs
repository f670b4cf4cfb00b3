//! A hostile member that fills its roster up, with puppets that each sign more.
//!
//! Whatever comes first, so many operations are kept and no more. What the others signed is kept in any case, the
//! flooder is removed as anybody, and the roster goes on. Which part of the flood is kept may differ from store to
//! store.

use std::collections::BTreeSet;

use katori_acl::bounds::{
    MAX_ROSTER_FORKS, MAX_ROSTER_LENGTH, MAX_ROSTER_OPERATIONS, MAX_WAITING_PER_SUBJECT,
};
use katori_acl::{
    Capacity, DeviceKey, Inserted, Member, PersonId, RecordId, Registry, RosterAction, Subject,
    VerifiedRecord,
};

use crate::cast::{adding, device, operation, person, recovery, registry, removing, roster_of};

/// Rounds of hearing everything again after which nothing may be new any more.
const ROUNDS: usize = 8;

/// The puppet with this number.
fn puppet(number: u16) -> DeviceKey {
    let mut secret = [200; 32];
    secret[..2].copy_from_slice(&number.to_be_bytes());
    DeviceKey::from_secret(secret)
}

fn member(key: &DeviceKey) -> Member {
    Member::Device(key.public())
}

/// A laptop, a phone that it added, a stolen device, and a tablet that came by the phone after that.
struct Home {
    roster: PersonId,
    honest: Vec<VerifiedRecord>,
    stolen_added: RecordId,
}

fn laptop() -> DeviceKey {
    device(1)
}

fn phone() -> DeviceKey {
    device(2)
}

fn stolen() -> DeviceKey {
    device(3)
}

fn tablet() -> DeviceKey {
    device(4)
}

impl Home {
    fn new() -> Self {
        let genesis = person(&laptop(), 1);
        let roster = roster_of(&genesis);
        let mut honest = vec![genesis];
        for (by, new) in
            [(laptop(), phone()), (laptop(), stolen()), (phone(), tablet()), (tablet(), device(5))]
        {
            let previous = [honest[honest.len() - 1].id()];
            honest.push(operation(roster, &by, &previous, adding(roster, &new, Capacity::Full)));
        }
        let stolen_added = honest[2].id();
        Self { roster, honest, stolen_added }
    }

    fn add(&self, by: &DeviceKey, new: &DeviceKey, after: RecordId) -> VerifiedRecord {
        operation(self.roster, by, &[after], adding(self.roster, new, Capacity::Full))
    }

    /// Renamings side by side and on top of each other, most of what one device may sign.
    fn deep(&self, by: &DeviceKey, after: RecordId) -> Vec<VerifiedRecord> {
        let mut signed = Vec::new();
        for branch in 0..MAX_ROSTER_FORKS {
            let mut previous = after;
            for step in MAX_ROSTER_LENGTH / 4..MAX_ROSTER_LENGTH {
                let name = format!("{branch} {step}");
                let rename = RosterAction::Rename { member: None, name };
                signed.push(operation(self.roster, by, &[previous], rename));
                previous = signed[signed.len() - 1].id();
            }
        }
        signed
    }

    /// The stolen device brings in puppets one by one, each of which signs as much as one may.
    fn towers(&self, by: &DeviceKey, after: RecordId) -> Vec<VerifiedRecord> {
        let (mut signed, mut previous) = (Vec::new(), after);
        let puppets = [puppet(0), puppet(1)];
        for new in &puppets {
            signed.push(self.add(by, new, previous));
            previous = signed[signed.len() - 1].id();
        }
        signed.extend(std::iter::once(by).chain(&puppets).flat_map(|by| self.deep(by, previous)));
        signed
    }

    /// The stolen device brings in four puppets, each of them four more, and so on.
    fn crowd(&self, by: &DeviceKey, after: RecordId) -> Vec<VerifiedRecord> {
        let mut signed: Vec<VerifiedRecord> = Vec::new();
        let mut edge = vec![(by.clone(), after)];
        let mut next = edge.clone();
        for number in 0..u16::try_from(MAX_ROSTER_OPERATIONS * 9 / 8).unwrap() {
            if usize::from(number) % MAX_ROSTER_FORKS == 0 {
                edge = next.split_off(1);
                std::mem::swap(&mut edge, &mut next);
            }
            let (by, after) = edge[0].clone();
            let new = puppet(number);
            let added = self.add(&by, &new, after);
            next.push((new, added.id()));
            signed.push(added);
        }
        signed
    }
}

/// How many operations a registry has of a roster.
fn held(registry: &Registry, roster: PersonId) -> usize {
    registry.records(&Subject::Roster(roster)).count() - 1
}

/// Takes these in. As a peer does that has more, they come again until nothing is new.
fn hear(registry: &mut Registry, roster: PersonId, records: &[VerifiedRecord]) -> usize {
    let mut refused = 0;
    for _ in 0..ROUNDS {
        let before = registry.digest(&Subject::Roster(roster));
        for record in records {
            refused += usize::from(matches!(registry.insert(record.clone()), Inserted::Refused(_)));
        }
        assert!(held(registry, roster) <= MAX_ROSTER_OPERATIONS);
        if registry.digest(&Subject::Roster(roster)) == before {
            break;
        }
    }
    refused
}

/// The same records in several orders: the flood after all else, before it, from its end a piece at a time, and
/// its parts side by side.
fn orders(honest: &[VerifiedRecord], flood: &[VerifiedRecord]) -> Vec<Vec<VerifiedRecord>> {
    let after = honest.iter().chain(flood).cloned().collect();
    let before = honest[..3].iter().chain(flood).chain(&honest[3..]).cloned().collect();
    let pieces = flood.chunks(MAX_WAITING_PER_SUBJECT / 2);
    let backwards = honest.iter().chain(pieces.flat_map(|piece| piece.iter().rev())).cloned().collect();
    let part = MAX_ROSTER_OPERATIONS / 2 - 1;
    let sides = (0..part).flat_map(|start| flood.iter().skip(start).step_by(part));
    let sides = honest.iter().rev().chain(sides).cloned().collect();
    vec![after, before, backwards, sides]
}

/// T12. Whatever the order, and whatever the shape of the flood: so many are kept, all honest ones among them.
/// The removal that one store signs ends all of it elsewhere, and devices are added as before.
#[test]
fn a_member_with_puppets_floods_its_roster() {
    let home = Home::new();
    for flood in [home.towers(&stolen(), home.stolen_added), home.crowd(&stolen(), home.stolen_added)] {
        let mut stores: Vec<Registry> = Vec::new();
        for order in orders(&home.honest, &flood) {
            let mut registry = Registry::new();
            let refused = hear(&mut registry, home.roster, &order);
            assert!(refused > 0, "what does not fit is refused with a word");
            assert_eq!(held(&registry, home.roster), MAX_ROSTER_OPERATIONS);
            assert!(home.honest.iter().all(|record| registry.contains(&record.id())));
            stores.push(registry);
        }
        // As nobody else builds on this flood, it is even the same part of it.
        let digests: BTreeSet<_> =
            stores.iter().map(|store| store.digest(&Subject::Roster(home.roster))).collect();
        assert_eq!(digests.len(), 1);
        let previous = stores[0].heads_to_remove(home.roster, member(&stolen()), member(&laptop()));
        let gone = operation(home.roster, &laptop(), &previous, removing(&stolen(), &[]));
        let back = home.add(&tablet(), &device(6), gone.id());
        let story: Vec<VerifiedRecord> = stores[0].records(&Subject::Roster(home.roster)).cloned().collect();
        // In a store that has it all, and in one that has heard of less.
        let part = home.honest.iter().chain(&flood[..flood.len() / 3]);
        for mut store in [stores.swap_remove(3), registry(part)] {
            // What it builds on comes with it, from a peer that has it all.
            let all: Vec<VerifiedRecord> = [&gone, &back].into_iter().chain(&story).cloned().collect();
            hear(&mut store, home.roster, &all);
            let roster = store.roster(home.roster).unwrap();
            let members: BTreeSet<_> = roster.devices.keys().copied().collect();
            let honest = [laptop(), phone(), tablet(), device(5), device(6)];
            let expected: BTreeSet<_> = honest.iter().map(DeviceKey::public).collect();
            assert_eq!(members, expected);
            assert!(expected.iter().all(|device| roster.is_full(device)));
            assert_eq!(roster.name, "somebody");
            // What is stored opens again, all of it.
            let records = store.records(&Subject::Roster(home.roster)).cloned().collect();
            let (loaded, left) = Registry::load(records);
            assert_eq!(
                (loaded.digest(&Subject::Roster(home.roster)), left),
                (store.digest(&Subject::Roster(home.roster)), vec![])
            );
        }
    }
}

/// T12. A flood that comes before an honest device's own `Add` keeps it out as little as one that comes later,
/// and what an honest device signs in a full roster finds room too.
#[test]
fn a_flood_keeps_no_honest_device_out() {
    let home = Home::new();
    let mut store = registry(&home.honest[..3]);
    hear(&mut store, home.roster, &home.crowd(&stolen(), home.stolen_added));
    for record in &home.honest[3..] {
        assert_eq!(store.insert(record.clone()), Inserted::New);
    }
    let mut last = home.honest[4].id();
    for number in 20..60 {
        let record = home.add(&phone(), &device(number), last);
        last = record.id();
        assert_eq!(store.insert(record), Inserted::New, "{number}");
        assert_eq!(held(&store, home.roster), MAX_ROSTER_OPERATIONS);
    }
    let roster = store.roster(home.roster).unwrap();
    assert!((20..60).all(|number| roster.is_full(&device(number).public())));
}

/// T12, T32. The founder itself is in the thief's hands and floods: the words find room, and so does all that the
/// recovered device does.
#[test]
fn a_founder_that_floods_is_recovered_from() {
    let home = Home::new();
    let genesis = home.honest[0].id();
    let mut store = registry(&home.honest);
    hear(&mut store, home.roster, &home.towers(&laptop(), genesis));
    let new = device(50);
    let words = crate::cast::words(1).public().hash();
    let previous = store.heads_to_recover(home.roster, &words);
    assert_eq!(store.insert(recovery(home.roster, &new, 1, 41, &previous)), Inserted::New);
    // Whoever of the puppets the recovery has seen is removed like the founder.
    let puppets: Vec<DeviceKey> = (0..2).map(puppet).collect();
    for gone in std::iter::once(&laptop()).chain(&puppets) {
        let previous = store.heads_to_remove(home.roster, member(gone), member(&new));
        let removal = operation(home.roster, &new, &previous, removing(gone, &[]));
        assert_eq!(store.insert(removal), Inserted::New);
        assert!(held(&store, home.roster) <= MAX_ROSTER_OPERATIONS);
    }
    let heads = store.roster(home.roster).unwrap().heads();
    let added = operation(home.roster, &new, &heads, adding(home.roster, &device(51), Capacity::Full));
    assert_eq!(store.insert(added), Inserted::New);
    let roster = store.roster(home.roster).unwrap();
    assert!(roster.is_full(&new.public()) && roster.is_full(&device(51).public()));
    assert!([phone(), tablet(), device(5)].iter().all(|key| roster.is_full(&key.public())));
    assert!(std::iter::once(&laptop()).chain(&puppets).all(|gone| !roster.contains(&gone.public())));
}
