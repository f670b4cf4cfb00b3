//! Devices that are stolen, removed and brought in by those who should not.
//!
//! The expected members are written by hand from the rule: removals count from the most senior remover down,
//! unless the author is already removed by one that had not seen it.

use katori_acl::bounds::MAX_ROSTER_LENGTH;
use katori_acl::{
    Audience, Capacity, DeviceKey, Grant, Inserted, Member, PersonId, Record, RecordError, RecordId, Refusal,
    Registry, Role, RosterAction, SignError, UnverifiedRecord, VerifiedRecord,
};

use crate::cast::{
    adding, device, document, granting, operation, person, recovery, registry, removing, resource_of,
    roster_of,
};
use crate::story::Story;

/// A person and what its devices sign. The first device is the founder, those added after it are its juniors.
struct Household {
    roster: PersonId,
    records: Vec<VerifiedRecord>,
}

impl Household {
    /// So many devices, each added by the one before, the last id being what the next builds on.
    fn of(devices: u8) -> (Self, Vec<DeviceKey>, RecordId) {
        let keys: Vec<_> = (1..=devices).map(device).collect();
        let genesis = person(&keys[0], 1);
        let mut household = Self { roster: roster_of(&genesis), records: vec![genesis] };
        let mut last = household.records[0].id();
        for pair in keys.windows(2) {
            last = household.add(&pair[0], &pair[1], &[last]);
        }
        (household, keys, last)
    }

    fn add(&mut self, by: &DeviceKey, new: &DeviceKey, seen: &[RecordId]) -> RecordId {
        self.sign(by, seen, adding(self.roster, new, Capacity::Full))
    }

    fn remove(&mut self, by: &DeviceKey, gone: &DeviceKey, seen: &[RecordId]) -> RecordId {
        self.sign(by, seen, removing(gone, &[]))
    }

    fn recover(&mut self, new: &DeviceKey, with: u8, next: u8, seen: &[RecordId]) -> RecordId {
        self.note(recovery(self.roster, new, with, next, seen))
    }

    fn sign(&mut self, by: &DeviceKey, seen: &[RecordId], action: RosterAction) -> RecordId {
        self.note(operation(self.roster, by, seen, action))
    }

    fn note(&mut self, record: VerifiedRecord) -> RecordId {
        let id = record.id();
        self.records.push(record);
        id
    }

    /// The numbers of those who belong, the same whatever the order.
    fn members(&self) -> Vec<u8> {
        let here = registry(&self.records);
        let there = registry(self.records.iter().rev());
        let members = |registry: &Registry| {
            let roster = registry.roster(self.roster).unwrap();
            (1..=60).filter(|number| roster.contains(&device(*number).public())).collect::<Vec<u8>>()
        };
        assert_eq!(members(&here), members(&there));
        members(&here)
    }
}

/// T6. p2panda's `mutual removal`: there both are out, and a person with two devices is stranded. Here the
/// more senior one stays.
#[test]
fn mutual_removal() {
    let (mut home, keys, seen) = Household::of(3);
    home.remove(&keys[1], &keys[2], &[seen]);
    home.remove(&keys[2], &keys[1], &[seen]);
    assert_eq!(home.members(), [1, 2]);
}

/// T6. p2panda's cycle of three, and cycles of 2 to 6: each removes the next, and the last the first. The most
/// senior one's counts, so the second's does not, so the third's does: every other one is out.
#[test]
fn removal_cycles_of_two_to_six() {
    for (length, left) in
        [(2, vec![1]), (3, vec![1, 3]), (4, vec![1, 3]), (5, vec![1, 3, 5]), (6, vec![1, 3, 5])]
    {
        let (mut home, keys, seen) = Household::of(length);
        for (at, key) in keys.iter().enumerate() {
            home.remove(key, &keys[(at + 1) % keys.len()], &[seen]);
        }
        // The last of an odd cycle removes the founder, whose removal had gone first and was not of it.
        let founder_stays = length % 2 == 0;
        let left: Vec<u8> = left.into_iter().filter(|number| founder_stays || *number != 1).collect();
        assert_eq!(home.members(), left, "{length}");
    }
}

/// T6. p2panda's cycle through delegation: the founder adds B, B adds C, C removes B while B removes C.
#[test]
fn cycle_through_delegation() {
    let (mut home, keys, seen) = Household::of(3);
    home.remove(&keys[2], &keys[0], &[seen]);
    home.remove(&keys[0], &keys[1], &[seen]);
    home.remove(&keys[1], &keys[2], &[seen]);
    // The founder's goes first: B is out, and his removal of C is void. Then C's removal of the founder, who
    // is not C's remover, counts.
    assert_eq!(home.members(), [3]);
}

/// T8. p2panda and local-first/auth bring removed members back in; here a key never returns.
#[test]
fn readd_after_removal() {
    let (mut home, keys, seen) = Household::of(3);
    let gone = home.remove(&keys[0], &keys[2], &[seen]);
    home.add(&keys[0], &keys[2], &[gone]);
    home.add(&keys[1], &keys[2], &[seen]);
    assert_eq!(home.members(), [1, 2]);
    home.add(&keys[0], &device(9), &[gone]);
    assert_eq!(home.members(), [1, 2, 9]);
}

/// T6. p2panda's two bubbles: two pairs that have not heard of each other for long, each removing the other.
#[test]
fn two_bubbles() {
    let (mut home, keys, seen) = Household::of(4);
    let here = home.remove(&keys[0], &keys[2], &[seen]);
    let here = home.remove(&keys[0], &keys[3], &[here]);
    home.add(&keys[1], &device(11), &[here]);
    let there = home.remove(&keys[2], &keys[0], &[seen]);
    let there = home.remove(&keys[3], &keys[1], &[there]);
    home.add(&keys[2], &device(13), &[there]);
    assert_eq!(home.members(), [1, 2, 11]);
}

/// T6. A stolen device that is junior to the others removes them all, and brings in one of its own.
#[test]
fn stolen_junior() {
    let (mut home, keys, seen) = Household::of(3);
    let thief = &keys[2];
    home.remove(&keys[0], thief, &[seen]);
    let own = home.add(thief, &device(40), &[seen]);
    let fight = home.remove(thief, &keys[0], &[own]);
    home.remove(&device(40), &keys[1], &[fight]);
    assert_eq!(home.members(), [1, 2]);
}

/// T6. A stolen senior device wins against its juniors, as the threat model says, until the words speak.
#[test]
fn stolen_senior_until_recovery() {
    let (mut home, keys, seen) = Household::of(3);
    let thief = &keys[0];
    let theirs = home.remove(&keys[1], thief, &[seen]);
    home.remove(thief, &keys[1], &[seen]);
    assert_eq!(home.members(), [1, 3]);
    let new = device(50);
    let recovered = home.recover(&new, 1, 41, &[theirs]);
    home.remove(&new, thief, &[recovered]);
    // What the thief did unseen is undone with him.
    assert_eq!(home.members(), [2, 3, 50]);
}

/// T6, T32. Recovery beats a stolen senior device that removes everybody, whatever it saw, even the recovery.
#[test]
fn recovery_beats_stolen_senior() {
    let (mut home, keys, seen) = Household::of(3);
    let (thief, new) = (&keys[0], device(50));
    let recovered = home.recover(&new, 1, 41, &[seen]);
    home.remove(&new, thief, &[recovered]);
    let saw = home.remove(thief, &new, &[recovered]);
    home.add(thief, &device(40), &[saw]);
    let ours = home.remove(thief, &keys[1], &[seen]);
    home.add(thief, &device(41), &[ours]);
    assert_eq!(home.members(), [2, 3, 50]);
}

/// T6, T32. The thief removes the recovered device before it has done anything, and it sees that. Its answer
/// builds on what was there without that removal, and alone counts. One that named the thief's removal would
/// grant that it came first: then both would be out.
#[test]
fn a_recovered_device_outlives_a_removal_it_has_seen() {
    for concedes in [false, true] {
        let (mut home, keys, seen) = Household::of(2);
        let (thief, new) = (&keys[0], device(50));
        let recovered = home.recover(&new, 1, 41, &[seen]);
        let against = home.remove(thief, &new, &[recovered]);
        home.add(thief, &device(40), &[against]);
        let here = registry(&home.records);
        let heads =
            here.heads_to_remove(home.roster, Member::Device(thief.public()), Member::Device(new.public()));
        assert_eq!(heads, [recovered]);
        let answer = if concedes { vec![against] } else { heads };
        home.remove(&new, thief, &answer);
        assert_eq!(home.members(), if concedes { vec![2] } else { vec![2, 50] });
    }
}

/// T32. Two recoveries with the same words, both of which hold; the next words outrank both.
#[test]
fn two_recoveries() {
    let (mut home, _, seen) = Household::of(2);
    let (one, other) = (device(50), device(51));
    let first = home.recover(&one, 1, 41, &[seen]);
    let second = home.recover(&other, 1, 42, &[seen]);
    assert_eq!(home.members(), [1, 2, 50, 51]);
    home.remove(&one, &other, &[first, second]);
    home.remove(&other, &one, &[first, second]);
    assert_eq!(home.members().len(), 3);
    let third = home.recover(&device(52), 41, 43, &[first]);
    home.remove(&device(52), &one, &[third]);
    home.remove(&device(52), &other, &[third, second]);
    assert_eq!(home.members(), [1, 2, 52]);
}

/// T32. Words that the roster did not commit to recover nothing, nor do those that only some other recovery
/// would lead to.
#[test]
fn recovery_with_other_words() {
    let (home, _, seen) = Household::of(2);
    let mut registry = registry(&home.records);
    for with in [2, 41] {
        let attempt = recovery(home.roster, &device(50), with, 60, &[seen]);
        let refused = Inserted::Refused(Refusal::NotEntitled(device(50).public()));
        assert_eq!(registry.insert(attempt), refused);
    }
}

/// T8. A removed device adds a sock puppet, as if it had been before its removal. Sock puppets are a finding
/// against every system whose operations are valid by their own claimed past alone.
#[test]
fn sock_puppet_backdated() {
    let (mut home, keys, seen) = Household::of(3);
    let gone = home.remove(&keys[0], &keys[2], &[seen]);
    let puppet = home.add(&keys[2], &device(40), &[seen]);
    home.add(&device(40), &device(41), &[puppet]);
    let second = home.add(&device(41), &device(42), &[puppet, gone]);
    home.remove(&device(42), &keys[0], &[second]);
    assert_eq!(home.members(), [1, 2]);
}

/// T8. What a removed device had added, and its remover had seen, stays.
#[test]
fn what_the_remover_saw_stays() {
    let (mut home, keys, _) = Household::of(3);
    let by_lost = home.add(&keys[2], &device(20), &[home.records[2].id(), home.records.last().unwrap().id()]);
    home.remove(&keys[0], &keys[2], &[by_lost]);
    assert_eq!(home.members(), [1, 2, 20]);
}

/// T8. Grants and roster operations that a removed device signs as if before its removal give nothing.
#[test]
fn backdated_grants_by_removed_device() {
    let mut story = Story::new();
    let phone = device(20);
    let genesis = story.olga.genesis();
    let (roster, key) = (story.olga.id, story.olga.key.clone());
    let added = story.stored(operation(roster, &key, &[genesis], adding(roster, &phone, Capacity::Full)));
    let honest = granting(story.document, roster, &phone, Audience::Person(story.mallory.id));
    let honest = story.stored(Record::Grant(honest).sign(&phone).unwrap());
    story.stored(operation(roster, &key, &[added], removing(&phone, &[honest])));
    assert_eq!(story.role(&story.mallory), Some(Role::Write));
    let later = Grant {
        role: Role::Admin,
        ..granting(story.document, roster, &phone, Audience::Person(story.mallory.id))
    };
    story.tell(Record::Grant(later).sign(&phone).unwrap());
    assert_eq!(story.role(&story.mallory), Some(Role::Write), "only what was kept counts");
    story.tell(operation(roster, &phone, &[added], adding(roster, &story.mallory.key, Capacity::Full)));
    assert_eq!(story.role_of_device(&story.mallory.key), Some(Role::Write));
}

/// T16. Somebody else's device put into my roster, to be shown as mine or to be given what is mine: it has to
/// agree, over the id of the very roster.
#[test]
fn someone_elses_device_in_my_roster() {
    let (home, keys, seen) = Household::of(1);
    let (victim, elsewhere) = (device(9), PersonId::from_bytes([8; 32]));
    for consent in [keys[0].consent(home.roster), victim.consent(elsewhere)] {
        let mut action = adding(home.roster, &victim, Capacity::Full);
        let RosterAction::Add { consent: given, .. } = &mut action else { panic!("an addition") };
        let agreed = given.replace(consent);
        let record = Record::RosterOperation(katori_acl::RosterOperation {
            roster: home.roster,
            by: keys[0].public(),
            person: None,
            previous: vec![seen],
            action,
        });
        assert_eq!(record.sign(&keys[0]).unwrap_err(), SignError::NoConsent);
        // Nor by changing the bytes of one that had it: the signature is the adder's own to give.
        let honest = operation(home.roster, &keys[0], &[seen], adding(home.roster, &victim, Capacity::Full));
        let mut payload = honest.bytes()[..honest.bytes().len() - 64].to_vec();
        let at = payload.windows(64).position(|window| window == agreed.unwrap().0).unwrap();
        payload[at..at + 64].copy_from_slice(&consent.0);
        let signature = keys[0].sign("roster-operation", &payload);
        let forged = [&payload[..], &signature.0].concat();
        let read = UnverifiedRecord::decode(&forged).unwrap().verify();
        assert_eq!(read.unwrap_err(), RecordError::NoConsent);
    }
}

/// T12. A roster holds 256 operations; after them, members can still be removed.
#[test]
fn cap_of_256_operations() {
    let (mut home, keys, mut last) = Household::of(3);
    for _ in 3..MAX_ROSTER_LENGTH + 2 {
        let action = RosterAction::Rename { member: None, name: "again".to_owned() };
        last = home.sign(&keys[2], &[last], action);
    }
    let mut registry = registry(&home.records);
    let stored = registry.record_ids(&katori_acl::Subject::Roster(home.roster)).len();
    assert_eq!(stored, MAX_ROSTER_LENGTH + 1);
    let heads = registry.roster(home.roster).unwrap().heads();
    let more = operation(home.roster, &keys[2], &heads, adding(home.roster, &device(9), Capacity::Full));
    assert_eq!(registry.insert(more), Inserted::Refused(Refusal::TooMany("operations of one roster")));
    let gone = operation(home.roster, &keys[0], &heads, removing(&keys[2], &[]));
    assert_eq!(registry.insert(gone), Inserted::New);
    assert!(!registry.roster(home.roster).unwrap().contains(&keys[2].public()));
}

/// T9. A device that tells two stories in its own roster: both are there, in any order, and a bounded number
/// of them.
#[test]
fn fork_of_one_devices_own_log() {
    let (mut home, keys, seen) = Household::of(2);
    for number in 0..40 {
        home.add(&keys[1], &device(20 + number), &[seen]);
    }
    let members = home.members();
    assert_eq!(members.len(), 2 + katori_acl::bounds::MAX_ROSTER_FORKS);
    home.remove(&keys[0], &keys[1], &[seen]);
    assert_eq!(home.members(), [1]);
}

/// T8. A device that has left its roster decides nothing there any more, whatever it goes on to sign.
#[test]
fn a_device_that_left_removes_nobody() {
    for attempt in 0..16 {
        let (mut home, keys, seen) = Household::of(2);
        let kept = RecordId::from_bytes([attempt; 32]);
        let left = home.sign(&keys[0], &[seen], removing(&keys[0], &[kept]));
        let kept = RecordId::from_bytes([attempt + 100; 32]);
        home.sign(&keys[0], &[left], removing(&keys[1], &[kept]));
        assert_eq!(home.members(), [2], "{attempt}");
    }
}

/// T4. A limited device is limited in everything: what it may not sign in the roster it may not grant either,
/// and the other way round, whichever additions name it.
#[test]
fn full_means_the_same_everywhere() {
    for first in [Capacity::Limited, Capacity::Full] {
        let second = if first == Capacity::Full { Capacity::Limited } else { Capacity::Full };
        let (mut home, keys, seen) = Household::of(1);
        let tv = device(9);
        let once = home.sign(&keys[0], &[seen], adding(home.roster, &tv, first));
        let twice = home.sign(&keys[0], &[once], adding(home.roster, &tv, second));
        home.add(&tv, &device(10), &[twice]);
        let genesis = document(home.roster, &keys[0], 1);
        let resource = resource_of(&genesis);
        let to = Audience::Device(device(11).public());
        let grant = Record::Grant(granting(resource, home.roster, &tv, to)).sign(&tv).unwrap();
        home.records.extend([genesis, grant]);
        let registry = registry(&home.records);
        let adds = registry.roster(home.roster).unwrap().contains(&device(10).public());
        let grants = registry.access(resource).unwrap().role_of_device(&device(11).public()).is_some();
        assert_eq!(adds, grants, "first {first:?}");
    }
}

/// T3. An operation in another's roster, or by one who was only added later, is not kept.
#[test]
fn operations_by_nobody() {
    let (mut home, keys, seen) = Household::of(2);
    let stranger = device(40);
    let genesis = home.records[0].id();
    let mut registry = registry(&home.records);
    let refused = |by: &DeviceKey| Inserted::Refused(Refusal::NotEntitled(by.public()));
    let by_stranger = operation(home.roster, &stranger, &[seen], removing(&keys[0], &[]));
    assert_eq!(registry.insert(by_stranger), refused(&stranger));
    let too_early = operation(home.roster, &keys[1], &[genesis], removing(&keys[0], &[]));
    assert_eq!(registry.insert(too_early), refused(&keys[1]));
    home.remove(&stranger, &keys[0], &[seen]);
    assert_eq!(home.members(), [1, 2]);
}
