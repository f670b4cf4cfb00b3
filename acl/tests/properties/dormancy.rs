//! Whether a resource is dormant or awake is nobody's to notice: everything that can be asked is answered alike, by
//! a registry that keeps all awake, by one that rests now and then, and by one that was read back.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::Arc;

use katori_acl::{
    AccessChange, AccessChanges, Principal, Registry, ResourceId, Rights, Role, StoredRecords, Subject,
    VerifiedRecord,
};
use proptest::prelude::*;

use crate::laws::{steps, thorough};
use crate::world::{World, devices};

/// All that can be asked of a registry, answered.
fn all_answers(world: &World, registry: &Registry) -> String {
    let mut text = String::new();
    for subject in registry.subjects() {
        let (ids, digest) = (registry.record_ids(&subject), registry.digest(&subject));
        assert!(registry.knows(&subject));
        assert!(registry.records(&subject).map(VerifiedRecord::id).eq(ids.iter().copied()));
        writeln!(text, "{subject:?} {ids:?} {digest:?} {:?}", registry.story(subject)).unwrap();
    }
    let known: Vec<_> = world.records.iter().map(VerifiedRecord::id).collect();
    for id in &known {
        assert_eq!(registry.contains(id), registry.record(id).is_some());
        writeln!(text, "{:?} {:?}", registry.record(id), registry.grant_status(*id)).unwrap();
    }
    let rosters: Vec<_> = registry.known_rosters().collect();
    writeln!(text, "{rosters:?} {:?}", sorted(registry.spaces())).unwrap();
    for person in world.persons.iter().chain(&world.groups) {
        let naming = registry.resources_naming(*person);
        let mut named = Vec::new();
        registry.names_any(*person, |resource| {
            named.push(resource);
            false
        });
        assert_eq!(sorted(named), naming);
        assert!(naming.is_empty() || registry.names_any(*person, |_| true));
        writeln!(text, "{naming:?} {:?} {:?}", registry.shelf_of(*person), registry.roster(*person)).unwrap();
    }
    for device in devices() {
        writeln!(text, "{:?}", registry.records_signed_by(device)).unwrap();
    }
    for resource in &world.resources {
        let resource = *resource;
        let access = registry.access(resource);
        assert_eq!(access.as_ref().map(|access| access.rights()), registry.rights(resource));
        let class = registry.class_of(resource);
        if let (Some(class), Some(rights)) = (class, registry.rights(resource)) {
            let of_class = registry.rights_of_class(&class);
            assert!(of_class.is_none_or(|of_class| of_class == rights));
            assert_eq!((class.owner, class.kind, class.space), (rights.owner, rights.kind, rights.space));
        }
        writeln!(text, "{access:?} {class:?}").unwrap();
        writeln!(text, "{:?} {:?}", registry.kind_of(resource), registry.space_of(resource)).unwrap();
        let documents = registry.documents_in(resource);
        assert_eq!(sorted(registry.born_in(resource)), documents);
        let rosters = registry.rosters_named_by(resource);
        assert_eq!(registry.named_rosters(resource).to_vec(), rosters);
        writeln!(text, "{documents:?} {rosters:?}").unwrap();
        let (revocations, grants) = (registry.counted_revocations(resource), registry.live_grants(resource));
        writeln!(text, "{revocations:?} {grants:?}").unwrap();
        for person in world.persons.iter().chain(&world.groups) {
            let (limited, why) = (
                registry.limited_records_for(resource, *person),
                registry.explain(Principal::Person(*person), resource),
            );
            writeln!(text, "{limited:?} {why:?}").unwrap();
        }
        for device in devices() {
            let why = registry.explain(Principal::Device(device), resource);
            let revocable = registry.revocable(device, resource);
            let authority = registry.authority(device, resource, Role::Read);
            let lasting = registry.authority_for(device, resource, Role::Write, Some(7));
            let to_redeem: Vec<_> = known
                .iter()
                .filter_map(|id| registry.authority_to_redeem(device, resource, Role::Read, None, *id))
                .collect();
            writeln!(text, "{why:?} {revocable:?} {authority:?} {lasting:?} {to_redeem:?}").unwrap();
        }
    }
    text
}

fn sorted<T: Ord>(items: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut items: Vec<T> = items.into_iter().collect();
    items.sort();
    items
}

fn wake_all(world: &World, registry: &mut Registry) {
    for resource in &world.resources {
        registry.wake(*resource);
    }
}

fn rows(registry: &Registry) -> StoredRecords {
    let mut rows = StoredRecords::default();
    let subjects: Vec<Subject> = registry.subjects().collect();
    for record in subjects.iter().flat_map(|subject| registry.records(subject)) {
        rows.add(record.id(), record.bytes()).unwrap();
    }
    rows
}

/// Who may do what in every resource.
fn all_rights(world: &World, registry: &Registry) -> BTreeMap<ResourceId, Option<Arc<Rights>>> {
    world.resources.iter().map(|resource| (*resource, registry.rights(*resource).cloned())).collect()
}

/// What was said to have changed in a resource.
fn told<'a>(
    registry: &Registry,
    resource: ResourceId,
    changes: &'a AccessChanges,
) -> Option<&'a AccessChange> {
    let of_class = || changes.classes.get(&registry.class_of(resource)?);
    changes.resources.get(&resource).or_else(of_class)
}

proptest! {
    #![proptest_config(thorough(120))]

    #[test]
    fn dormant_and_awake_answer_alike(steps in steps(), turn in any::<u64>(), nap in 1_usize..9) {
        let world = World::of(&steps);
        let (mut plain, mut awake, mut resting) = (Registry::new(), Registry::new(), Registry::new());
        let count = world.records.len();
        let start = usize::try_from(turn % count as u64).unwrap();
        for at in 0..count {
            // From somewhere in the middle, so that some come before what they rest on.
            let record = &world.records[(start + at) % count];
            let outcome = plain.insert(record.clone());
            prop_assert_eq!(&awake.insert(record.clone()), &outcome);
            prop_assert_eq!(&resting.insert(record.clone()), &outcome);
            wake_all(&world, &mut awake);
            if at % nap == 0 {
                resting.rest();
                prop_assert_eq!(all_rights(&world, &resting), all_rights(&world, &awake));
            }
            if at % (3 * nap) == 0 {
                wake_all(&world, &mut resting);
            }
        }
        let expected = all_answers(&world, &plain);
        prop_assert_eq!(&all_answers(&world, &awake), &expected);
        prop_assert_eq!(&all_answers(&world, &resting), &expected);
        let changes = plain.take_changes();
        prop_assert_eq!(&awake.take_changes(), &changes);
        prop_assert_eq!(&resting.take_changes(), &changes);
        let (loaded, left) = Registry::load_stored(rows(&resting));
        prop_assert_eq!(left, []);
        prop_assert_eq!(&all_answers(&world, &loaded), &expected);

        // And so they do when something goes.
        let subjects: Vec<Subject> = plain.subjects().collect();
        let gone = subjects[start % subjects.len()];
        for registry in [&mut plain, &mut awake, &mut resting] {
            registry.forget(&gone);
        }
        let without = all_answers(&world, &plain);
        prop_assert_eq!(&all_answers(&world, &awake), &without);
        prop_assert_eq!(&all_answers(&world, &resting), &without);
    }
}

proptest! {
    #![proptest_config(thorough(300))]

    #[test]
    fn who_may_do_what_changes_nowhere_unsaid(steps in steps(), asked in any::<bool>(), nap in 1_usize..9) {
        let world = World::of(&steps);
        let mut registry = Registry::new();
        for (at, record) in world.records.iter().enumerate() {
            let before = all_rights(&world, &registry);
            if at % nap == 0 {
                registry.rest();
            }
            if asked && at % (3 * nap) == 0 {
                wake_all(&world, &mut registry);
            }
            registry.insert(record.clone());
            let changes = registry.take_access_changes();
            prop_assert_eq!(&registry.take_access_changes(), &AccessChanges::default());
            for (resource, before) in before {
                let now = registry.rights(resource).cloned();
                let told = told(&registry, resource, &changes);
                prop_assert!(told.is_some() || before == now, "{:?}", resource);
                let Some(change) = told else { continue };
                prop_assert_eq!(&change.now, &now);
                prop_assert!(change.before.is_none() || change.before == before);
                if change.only_gains() {
                    let (before, now) = (before.unwrap(), now.unwrap());
                    let writers: BTreeSet<_> = now.writers().collect();
                    prop_assert!(before.writers().all(|device| writers.contains(&device)));
                    prop_assert!(now.excluded().is_subset(before.excluded()) && (before.deleted || !now.deleted));
                }
            }
        }
    }
}
