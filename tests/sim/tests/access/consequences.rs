//! What a dry run says is what then happens, in whatever world it is asked.

use std::collections::{BTreeMap, BTreeSet};

use katori_acl::{Capacity, DeviceId, PersonId, Principal, RecordId, ResourceId, Role};
use katori_core::engine::{Command, Consequences, Invitees, RevokeTerms};
use katori_sim::{DeviceIndex, World};

use crate::offer;

type Roles = (BTreeMap<PersonId, Option<Role>>, BTreeMap<DeviceId, Option<Role>>);

struct Scene {
    world: World,
    documents: Vec<ResourceId>,
    devices: Vec<DeviceIndex>,
}

fn random(world: &mut World, limit: usize) -> usize {
    usize::try_from(world.random(limit as u64)).expect("small")
}

/// People with devices, documents in and outside a space, groups, and grants on grants, as chance has it.
fn scene(seed: u64) -> Scene {
    let mut world = World::new(seed);
    let mut devices = world.person("olga", 2);
    let olga = devices[0];
    let space = world.create_space(olga, "space");
    let documents = vec![world.create(olga, "one"), world.create_in(olga, space, "two"), space];
    world.sync(devices[0], devices[1]);
    let group = world.create_group(olga, "group");
    for index in 0..3 {
        let count = 1 + random(&mut world, 2);
        let person = world.person(&format!("p{index}"), count);
        world.introduce(person[0], olga);
        if world.random(2) == 0 {
            world.add_member(olga, group, person[0], Capacity::Full);
        }
        devices.extend(person);
    }
    let grant =
        Command::Grant { document: documents[0], to: Principal::Person(group), offer: offer(Role::Write) };
    world.command(olga, grant).expect("granted");
    for _ in 0..12 {
        let (by, to) = (random(&mut world, devices.len()), random(&mut world, devices.len()));
        let (by, to) = (devices[by], devices[to]);
        let document = documents[random(&mut world, 3)];
        let role = [Role::Read, Role::Write, Role::Admin, Role::Admin][random(&mut world, 4)];
        world.introduce(to, by);
        let to = match world.random(4) {
            0 => Principal::Device(world.device(to).id()),
            _ => Principal::Person(world.person_of(to)),
        };
        let _ = world.command(by, Command::Grant { document, to, offer: offer(role) });
        for device in devices.clone() {
            world.sync(olga, device);
            for document in &documents {
                let _ = world.command(device, Command::Accept { document: *document });
            }
        }
    }
    world.sync_all(&devices);
    Scene { world, documents, devices }
}

fn roles(world: &mut World, at: DeviceIndex, document: ResourceId) -> Roles {
    let Some(access) = world.access(at, document) else { return Roles::default() };
    let persons = access.members().chain(access.groups()).map(|(person, _)| person);
    let persons = persons.map(|person| (person, access.role_of_person(&person))).collect();
    let devices = access.devices().map(|(device, _)| (device, access.role_of_device(&device))).collect();
    (persons, devices)
}

fn counting(world: &mut World, at: DeviceIndex, documents: &[ResourceId]) -> BTreeSet<RecordId> {
    let registry = world.device(at).engine.as_ref().expect("running").registry();
    let of = |document: &ResourceId| {
        let mut all = registry.live_grants(*document);
        all.extend(registry.counted_revocations(*document));
        all
    };
    documents.iter().flat_map(of).collect()
}

fn connected(world: &mut World, at: DeviceIndex) -> BTreeSet<DeviceId> {
    world.device(at).engine.as_ref().expect("running").connected_peers().collect()
}

/// Does what was tried out, and compares.
fn compare(scene: &mut Scene, by: DeviceIndex, said: &Consequences, command: Command, seed: u64) {
    let documents = scene.documents.clone();
    let world = &mut scene.world;
    let before: Vec<Roles> = documents.iter().map(|document| roles(world, by, *document)).collect();
    let counted = counting(world, by, &documents);
    let peers = connected(world, by);
    world.command(by, command).expect("what can be tried out can be done");
    let mut told = 0;
    for (document, before) in documents.iter().zip(&before) {
        let after = roles(world, by, *document);
        let consequence = said.documents.iter().find(|consequence| consequence.document == *document);
        let persons = changed(&before.0, &after.0);
        let devices = changed(&before.1, &after.1);
        let expected = consequence.map(|one| (one.persons.clone(), one.devices.clone())).unwrap_or_default();
        assert_eq!((persons, devices), expected, "seed {seed}");
        told += usize::from(consequence.is_some());
    }
    assert_eq!(told, said.documents.len(), "seed {seed}: nothing is said of what is not there");
    let now = counting(world, by, &documents);
    assert!(
        said.void.iter().all(|id| counted.contains(id) && !now.contains(id)),
        "seed {seed}: what was void is void"
    );
    for gone in &said.cut_off {
        assert!(peers.contains(gone), "seed {seed}: only who is connected can be cut off");
    }
}

fn changed<K: Copy + Ord>(
    before: &BTreeMap<K, Option<Role>>,
    after: &BTreeMap<K, Option<Role>>,
) -> BTreeMap<K, (Option<Role>, Option<Role>)> {
    let role = |roles: &BTreeMap<K, Option<Role>>, who: &K| roles.get(who).copied().flatten();
    let all: BTreeSet<K> = before.keys().chain(after.keys()).copied().collect();
    let pairs = all.into_iter().map(|who| (who, (role(before, &who), role(after, &who))));
    pairs.filter(|(_, (before, after))| before != after).collect()
}

#[test]
fn what_a_dry_run_of_a_revocation_says_is_what_happens() {
    let mut done = 0;
    for seed in 0..150 {
        let mut scene = scene(seed);
        // Often somebody who has something to revoke.
        let among = if seed % 3 == 0 { scene.devices.len() } else { 2 };
        let by = scene.devices[random(&mut scene.world, among)];
        let from = scene.devices[random(&mut scene.world, scene.devices.len())];
        for other in scene.devices.clone() {
            scene.world.connect(by, other);
        }
        scene.world.run();
        let from = Principal::Person(scene.world.person_of(from));
        let document = scene.documents[random(&mut scene.world, 3)];
        let invitees = [Invitees::Drop, Invitees::Keep][random(&mut scene.world, 2)];
        let instead = [None, Some(offer(Role::Read)), Some(offer(Role::Write))][random(&mut scene.world, 3)];
        let terms = RevokeTerms { invitees, instead, erase: false };
        let engine = scene.world.device(by).engine.as_ref().expect("running");
        let said = engine.consequences_of_revoking(document, from, terms);
        let again = engine.consequences_of_revoking(document, from, terms);
        assert_eq!(said, again, "seed {seed}: trying it out changes nothing");
        let command = Command::Revoke { document, from, terms };
        match said {
            Ok(said) => {
                compare(&mut scene, by, &said, command, seed);
                done += 1;
            }
            Err(error) => assert_eq!(scene.world.command(by, command), Err(error), "seed {seed}"),
        }
    }
    assert!(done > 15, "{done} revocations were tried out");
}

#[test]
fn what_a_dry_run_of_a_removal_says_is_what_happens() {
    let mut done = 0;
    for seed in 100..150 {
        let mut scene = scene(seed);
        let by = scene.devices[random(&mut scene.world, scene.devices.len())];
        let person = scene.world.person_of(by);
        let siblings: Vec<DeviceIndex> = scene
            .devices
            .clone()
            .into_iter()
            .filter(|device| scene.world.person_of(*device) == person)
            .collect();
        let other = siblings[random(&mut scene.world, siblings.len())];
        let device = scene.world.device(other).id();
        let keep = scene.world.random(2) == 0;
        let engine = scene.world.device(by).engine.as_ref().expect("running");
        let said = engine.consequences_of_removing(device, keep);
        let command = Command::RemoveDevice { device, keep };
        match said {
            Ok(said) => {
                compare(&mut scene, by, &said, command, seed);
                done += 1;
            }
            Err(error) => assert_eq!(scene.world.command(by, command), Err(error), "seed {seed}"),
        }
    }
    assert!(done > 15, "{done} removals were tried out");
}

#[test]
fn a_dry_run_names_who_would_be_cut_off() {
    let (mut world, olga, document) = crate::owner(200);
    let ben = world.member("ben", olga, document, Role::Write);
    let carl = world.member("carl", olga, document, Role::Write);
    let other = world.create(olga, "other");
    world.share(olga, other, carl, Role::Read);
    world.connect(olga, ben);
    world.connect(olga, carl);
    world.run();
    for (who, expected) in [(ben, 1), (carl, 0)] {
        let from = Principal::Person(world.person_of(who));
        let engine = world.device(olga).engine.as_ref().expect("running");
        let said = engine.consequences_of_revoking(document, from, RevokeTerms::default()).expect("possible");
        assert_eq!(said.cut_off.len(), expected, "device {who}");
    }
}
