//! Devices on different branches of forks come to show the same, in whatever order they meet, and lose no honest
//! work. (The stories S14, S16 and S17 of the model.)
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test ends with a panic")]

#[path = "document_support/replica.rs"]
mod replica;
#[path = "document_support/scene.rs"]
mod scene;

use automerge::transaction::Transactable;
use automerge::{ChangeHash, ROOT};
use katori_acl::Role;
use katori_core::document::{MAX_VOUCHES_PER_DEVICE, Turn};
use katori_core::gate::RawChange;
use katori_core::vouch::VerifiedVouch;

use replica::{Replica, actor, assert_equal, deliver, empty, forge, fork, sync, sync_all, vouch};
use scene::{Device, Scene};

/// Honest devices, the owner first and then in order of seniority, each on a branch of its own of one fork and each
/// with an edit on it.
fn on_branches(count: usize) -> (Scene, Vec<Replica>, Vec<RawChange>) {
    let mut scene = Scene::new();
    let persons: Vec<Device> = (0..count).map(|_| scene.person()).collect();
    scene.grant_in_order(&persons.iter().collect::<Vec<_>>());
    let forker = persons.last().unwrap();
    let keys: Vec<String> = (0..count).map(|number| format!("branch {number}")).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let branches = fork(&empty(), &actor(forker, scene.document, 1), &keys);
    let owner = scene.owner.clone();
    let mut replicas: Vec<Replica> = [&owner]
        .into_iter()
        .chain(&persons[..count - 1])
        .map(|device| Replica::new(&scene, device))
        .collect();
    // The most senior is on the branch with the highest hash.
    for (number, (replica, branch)) in replicas.iter_mut().zip(branches.iter().rev()).enumerate() {
        let word = vouch(forker, scene.document, number as u64 + 1, &[branch.hash()]);
        replica.receive(forker, std::slice::from_ref(branch), &[word]);
        replica.put(&format!("edit {number}"));
    }
    (scene, replicas, branches)
}

fn branch_shown(replica: &Replica, branches: &[RawChange]) -> ChangeHash {
    let mut shown = branches.iter().map(RawChange::hash).filter(|hash| replica.shows(hash));
    let branch = shown.next().unwrap();
    assert_eq!(shown.next(), None, "and no more");
    branch
}

/// All orders of three pairs.
const ORDERS: [[usize; 3]; 6] = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];

fn pair(replicas: &mut [Replica], one: usize, other: usize) {
    let (left, right) = replicas.split_at_mut(other.max(one));
    sync(&mut left[one.min(other)], &mut right[0]);
}

#[test]
fn three_branches_in_any_order_of_meeting() {
    for order in ORDERS {
        let (_, mut replicas, branches) = on_branches(3);
        for meeting in order {
            pair(&mut replicas, [0, 1, 2][meeting], [1, 2, 0][meeting]);
        }
        sync_all(&mut replicas);
        assert_equal(&replicas);
        assert_eq!(branch_shown(&replicas[0], &branches), branches[2].hash(), "the owner's branch stays");
        for replica in &mut replicas {
            replica.reapply(Turn::Author);
        }
        sync_all(&mut replicas);
        assert_equal(&replicas);
        for number in 0..3 {
            assert!(replicas[0].keys().contains(&format!("edit {number}")), "no honest edit is lost");
        }
    }
}

#[test]
fn no_device_changes_its_branch_more_often_than_there_are_devices() {
    const DEVICES: usize = 5;
    for seed in 0..20_u64 {
        let (_, mut replicas, branches) = on_branches(DEVICES);
        let mut shown: Vec<ChangeHash> = replicas.iter().map(|one| branch_shown(one, &branches)).collect();
        let mut changes = [0; DEVICES];
        let mut dice = seed;
        for _ in 0..40 {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let one = usize::try_from(dice >> 33).unwrap() % DEVICES;
            let other = (one + 1 + usize::try_from(dice >> 50).unwrap() % (DEVICES - 1)) % DEVICES;
            pair(&mut replicas, one, other);
            for (number, replica) in replicas.iter().enumerate() {
                let now = branch_shown(replica, &branches);
                changes[number] += usize::from(now != shown[number]);
                shown[number] = now;
            }
        }
        sync_all(&mut replicas);
        assert_equal(&replicas);
        assert!(changes.iter().all(|changes| *changes < DEVICES), "seed {seed}: {changes:?}");
        for replica in &mut replicas {
            replica.reapply(Turn::Author);
        }
        sync_all(&mut replicas);
        assert_equal(&replicas);
        let keys = replicas[0].keys();
        assert!((0..DEVICES).all(|number| keys.contains(&format!("edit {number}"))), "seed {seed}: {keys:?}");
    }
}

/// a1 under b1, and b2 under a2. By the hashes alone a2 and b1 would win, and each builds on what loses.
fn crossed(
    scene: &Scene,
    ann: &Device,
    ben: &Device,
    wanted: impl Fn(&RawChange, &RawChange) -> bool,
) -> [RawChange; 4] {
    let [anns, bens] = [actor(ann, scene.document, 1), actor(ben, scene.document, 1)];
    let make = |salt: u64| {
        let (mut one, mut two) = (empty(), empty());
        let a1 = forge(&mut one, anns.clone(), |edit| edit.put(ROOT, "a1", salt));
        let b1 = forge(&mut one, bens.clone(), |edit| edit.put(ROOT, "b1", salt));
        let b2 = forge(&mut two, bens.clone(), |edit| edit.put(ROOT, "b2", salt));
        let a2 = forge(&mut two, anns.clone(), |edit| edit.put(ROOT, "a2", salt));
        [a1, b1, b2, a2]
    };
    let crossed =
        |[a1, b1, b2, a2]: &[RawChange; 4]| a2.hash() < a1.hash() && b1.hash() < b2.hash() && wanted(a1, b2);
    (0..10_000).map(make).find(crossed).unwrap()
}

#[test]
fn crossed_forks_are_settled_one_at_a_time_and_in_order() {
    let mut scene = Scene::new();
    let [ann, ben, cleo] = [scene.person(), scene.person(), scene.person()];
    scene.grant_in_order(&[&ann, &ben, &cleo]);
    let id = scene.document;
    for first_is_anns in [true, false] {
        let [a1, b1, b2, a2] = crossed(&scene, &ann, &ben, |a1, b2| (a1.hash() < b2.hash()) == first_is_anns);
        let all = [b1.hash(), a2.hash()];
        let words = [&ann, &ben, &cleo].map(|device| vouch(device, id, 1, &all));
        let mut owner = Replica::new(&scene, &scene.owner);
        owner.receive(&ann, &[a1, b1, b2, a2], &words);
        // Ann's fork, if it comes first, is won by a2, with which b1 falls; and the other way about.
        let expected = if first_is_anns { ["a2", "b2"] } else { ["a1", "b1"] };
        assert_eq!(owner.keys(), expected);
        assert_eq!(owner.document.forks().len(), 2);
    }
}

#[test]
fn of_two_crossed_forks_one_branch_of_each_stays() {
    let mut scene = Scene::new();
    let [ann, ben, cleo, dora] = [scene.person(), scene.person(), scene.person(), scene.person()];
    scene.grant_in_order(&[&cleo, &dora, &ann, &ben]);
    let id = scene.document;
    let [a1, b1, b2, a2] = crossed(&scene, &ann, &ben, |_, _| true);
    let proofs = |counter, anns: &RawChange, bens: &RawChange| {
        [vouch(&ann, id, counter, &[anns.hash()]), vouch(&ben, id, counter, &[bens.hash()])]
    };
    let mut cleo = Replica::new(&scene, &cleo);
    let mut dora = Replica::new(&scene, &dora);
    cleo.receive(&ann, &[a1.clone(), b1.clone()], &proofs(1, &a1, &b1));
    dora.receive(&ann, &[b2.clone(), a2.clone()], &proofs(2, &a2, &b2));
    cleo.put("cleo's");
    dora.put("dora's");
    let mut replicas = vec![cleo, dora, Replica::new(&scene, &scene.owner)];
    sync_all(&mut replicas);
    assert_equal(&replicas);
    let shown = |change: &RawChange| replicas[2].shows(&change.hash());
    assert_eq!([&a1, &b1, &b2, &a2].map(shown), [true, true, false, false], "Cleo's word decides both");
    replicas[1].reapply(Turn::Author);
    sync_all(&mut replicas);
    assert_eq!(replicas[2].keys(), ["a1", "b1", "cleo's", "dora's"]);
}

#[test]
fn a_reader_who_has_the_same_shows_the_same_whatever_came_first() {
    let (mut scene, mut replicas, _) = on_branches(3);
    let reader = scene.person();
    scene.grant(&reader, Role::Read);
    for replica in &mut replicas {
        replica.hear(&scene);
    }
    sync_all(&mut replicas);
    let heads = replicas[0].document.heads();
    for order in ORDERS {
        let mut reader = Replica::new(&scene, &reader);
        for number in order {
            deliver(&replicas[number], &mut reader);
        }
        deliver(&replicas[0], &mut reader);
        assert_eq!(reader.document.heads(), heads);
    }
}

#[test]
fn the_latest_of_many_words_is_the_same_in_any_order() {
    // More vouches with one counter than are kept of a device; the one with the lowest id names a branch.
    let mut scene = Scene::new();
    let [forker, ann, ben] = [scene.person(), scene.person(), scene.person()];
    scene.grant_in_order(&[&ann, &ben, &forker]);
    let id = scene.document;
    let branches = fork(&empty(), &actor(&forker, id, 1), &["one", "two"]);
    let named = branches[1].hash();
    let absent = |number: u64| ChangeHash(*blake3::hash(&number.to_be_bytes()).as_bytes());
    let mut words: Vec<VerifiedVouch> = (0..MAX_VOUCHES_PER_DEVICE as u64 + 10)
        .map(|number| VerifiedVouch::sign(&ann.key, id, ann.person, 5, vec![absent(number)]))
        .collect();
    words.sort_by_key(VerifiedVouch::id);
    let latest = (1_000..1_000_000)
        .map(|number| VerifiedVouch::sign(&ann.key, id, ann.person, 5, vec![named, absent(number)]))
        .find(|word| word.id() < words[0].id());
    words.insert(0, latest.unwrap());
    let forkers = [vouch(&forker, id, 1, &[branches[0].hash()]), vouch(&forker, id, 2, &[named])];
    let reader = scene.person();
    scene.grant(&reader, Role::Read);
    let bens = vouch(&ben, id, 1, &[branches[0].hash()]);
    for descending in [false, true] {
        let mut bytes: Vec<Vec<u8>> = words.iter().map(|word| word.bytes().to_vec()).collect();
        if descending {
            bytes.reverse();
        }
        let mut reader = Replica::new(&scene, &reader);
        reader.receive(&forker, &branches, &forkers);
        reader.receive(&ben, &[], std::slice::from_ref(&bens));
        reader.receive(&ann, &[], &bytes);
        assert_eq!(branch_shown(&reader, &branches), named);
    }
}
