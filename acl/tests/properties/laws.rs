//! The laws, each over random worlds of its own.

use std::collections::{BTreeMap, BTreeSet};

use katori_acl::{
    Audience, Grant, Issuer, LinkStatus, Member, Parent, Principal, Record, RecordId, Registry, Revoke, Role,
    RosterAction, Signer, Subject, VerifiedRecord,
};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use crate::agreement::{answers, by_the_rule, difference, everybody};
use crate::cast::registry;
use crate::world::{Step, World};

pub(crate) fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(any::<Step>(), 1..48)
}

/// The same worlds every time, and as many as asked for; those that once failed come first.
pub(crate) fn thorough(cases: u32) -> ProptestConfig {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    let cases = asked.unwrap_or(cases);
    ProptestConfig { cases, rng_seed: RngSeed::Fixed(7), ..ProptestConfig::default() }
}

/// Everything that a registry says about what it has stored.
fn everything(world: &World, registry: &Registry) -> String {
    use std::fmt::Write;
    let mut text = String::new();
    for subject in registry.subjects() {
        writeln!(text, "{subject:?} {:?}", registry.record_ids(&subject)).unwrap();
        match subject {
            Subject::Roster(roster) => writeln!(text, "{:?}", registry.roster(roster)).unwrap(),
            Subject::Resource(resource) => {
                let counted = registry.counted_revocations(resource);
                writeln!(text, "{:?} {counted:?}", registry.access(resource)).unwrap();
            }
        }
    }
    let needed: Vec<_> =
        world.resources.iter().map(|resource| registry.rosters_named_by(*resource)).collect();
    writeln!(text, "{needed:?}").unwrap();
    text
}

/// The role of each person and device in each resource.
fn roles(world: &World, registry: &Registry) -> BTreeMap<(usize, Member), Option<Role>> {
    let mut roles = BTreeMap::new();
    for (number, resource) in world.resources.iter().enumerate() {
        let access = registry.access(*resource);
        for member in everybody(world) {
            let role = access.as_ref().and_then(|access| match member {
                Member::Device(device) => access.role_of_device(&device),
                Member::Person(person) => access.role_of_person(&person),
            });
            roles.insert((number, member), role);
        }
    }
    roles
}

fn without<'a>(
    records: &'a [VerifiedRecord],
    leave_out: impl Fn(&Record) -> bool + 'a,
) -> impl Iterator<Item = &'a VerifiedRecord> {
    records.iter().filter(move |record| !leave_out(record.record()))
}

/// The issuers of a grant and of all above it.
fn issuers<'a>(world: &'a World, mut grant: &'a Grant) -> BTreeSet<Issuer> {
    let grants: BTreeMap<RecordId, &Grant> = world.grants().collect();
    let mut issuers = BTreeSet::from([grant.issuer]);
    while let Parent::Grant(parent) = grant.parent
        && let Some(above) = grants.get(&parent)
    {
        grant = above;
        issuers.insert(grant.issuer);
    }
    issuers
}

proptest! {
    #![proptest_config(thorough(1000))]

    #[test]
    fn everybodys_role_is_the_one_of_the_rule_as_written(steps in steps()) {
        let world = World::of(&steps);
        let mine = answers(&world, &registry(&world.records));
        let rule = by_the_rule(&world);
        prop_assert!(mine == rule, "{}", difference(&world, &mine, &rule));
    }
}

proptest! {
    #![proptest_config(thorough(300))]

    #[test]
    fn one_answer_for_every_order_and_duplication(steps in steps(), order in any::<u64>()) {
        let world = World::of(&steps);
        let expected = everything(&world, &registry(&world.records));
        let mut shuffled: Vec<_> = world.records.iter().chain(world.records.iter().step_by(3)).enumerate().collect();
        shuffled.sort_by_key(|(at, record)| mixed(order, *at, record));
        let shuffled = registry(shuffled.into_iter().map(|(_, record)| record));
        prop_assert_eq!(everything(&world, &shuffled), expected.clone());
        let backwards = registry(world.records.iter().rev());
        prop_assert_eq!(everything(&world, &backwards), expected);
    }

    #[test]
    fn two_halves_that_meet_agree(steps in steps(), parting in any::<u64>()) {
        let world = World::of(&steps);
        let split = |half: u64| {
            let side = world.records.iter().enumerate().filter(move |(at, record)| mixed(parting, *at, record) % 2 == half);
            registry(side.map(|(_, record)| record))
        };
        let (mut here, mut there) = (split(0), split(1));
        for record in &world.records {
            // Each tells the other what it has stored, until neither learns anything.
            here.insert(record.clone());
        }
        let told: Vec<_> = here.subjects().flat_map(|subject| here.records(&subject).cloned().collect::<Vec<_>>()).collect();
        for record in told {
            there.insert(record);
        }
        let expected = everything(&world, &registry(&world.records));
        prop_assert_eq!(everything(&world, &here), expected.clone());
        prop_assert_eq!(everything(&world, &there), expected);
    }

    #[test]
    fn revocations_only_deny(steps in steps(), which in any::<prop::sample::Index>()) {
        let world = World::of(&steps);
        let with = roles(&world, &registry(&world.records));
        let none = roles(&world, &registry(without(&world.records, |record| matches!(record, Record::Revoke(_)))));
        for (who, role) in &with {
            prop_assert!(*role <= none[who], "{who:?} has {role:?}, and without revocations {:?}", none[who]);
        }
        let revocations: Vec<_> = world.records.iter().filter(|record| matches!(record.record(), Record::Revoke(_))).collect();
        if !revocations.is_empty() {
            let one = which.get(&revocations).id();
            let fewer = roles(&world, &registry(world.records.iter().filter(|record| record.id() != one)));
            for (who, role) in &with {
                prop_assert!(*role <= fewer[who], "{who:?} has {role:?}, and without {one:?} {:?}", fewer[who]);
            }
        }
    }

    #[test]
    fn only_upstream_and_audience_revoke(steps in steps()) {
        let world = World::of(&steps);
        let grants: BTreeMap<RecordId, &Grant> = world.grants().collect();
        let may = |revoke: &Revoke| {
            let Some(grant) = grants.get(&revoke.target) else { return false };
            let audience = match (grant.to, revoke.issuer) {
                (Audience::Person(to), Issuer::Person(by)) | (Audience::Group(to), Issuer::Group(by)) => to == by,
                (Audience::Device(device), _) => device == revoke.by,
                _ => false,
            };
            audience || world.is_owner(revoke.resource, revoke.issuer) || issuers(&world, grant).contains(&revoke.issuer)
        };
        let all = registry(&world.records);
        let useful = registry(without(&world.records, |record| matches!(record, Record::Revoke(revoke) if !may(revoke))));
        prop_assert_eq!(roles(&world, &all), roles(&world, &useful));
    }

    #[test]
    fn whoever_has_a_role_has_a_chain_that_gives_it(steps in steps()) {
        let world = World::of(&steps);
        let registry = registry(&world.records);
        for ((number, member), role) in roles(&world, &registry) {
            let (resource, who) = (world.resources[number], match member {
                Member::Device(device) => Principal::Device(device),
                Member::Person(person) if world.groups.contains(&person) => continue,
                Member::Person(person) => Principal::Person(person),
            });
            let access = registry.access(resource);
            let ever = access.as_ref().and_then(|access| match member {
                Member::Device(device) => access.ever_role_of_device(&device),
                Member::Person(person) => access.ever_role_of_person(&person),
            });
            prop_assert!(role <= ever, "{who:?} has {role:?}, and by signatures alone {ever:?}");
            if let Some(role) = role {
                let explanation = registry.explain(who, resource);
                prop_assert_eq!(explanation.role, Some(role), "{}", explanation);
            }
        }
    }

    #[test]
    fn nothing_live_gives_more_than_what_it_rests_on(steps in steps()) {
        let world = World::of(&steps);
        let registry = registry(&world.records);
        for (id, grant) in world.grants() {
            if registry.grant_status(id) != Some(LinkStatus::Live) {
                continue;
            }
            let Parent::Grant(parent) = grant.parent else {
                prop_assert!(world.is_owner(grant.resource, grant.issuer));
                continue;
            };
            prop_assert_eq!(registry.grant_status(parent), Some(LinkStatus::Live));
            let Some(Record::Grant(above)) = registry.record(&parent).map(VerifiedRecord::record) else {
                panic!("a live grant without its parent");
            };
            prop_assert!(grant.role <= above.role && (above.share || !grant.share));
            prop_assert!(above.share || matches!(grant.by, Signer::Invite(_)));
            prop_assert!(above.expires.is_none_or(|until| grant.expires.is_some_and(|own| own <= until)));
            prop_assert_eq!(above.resource, grant.resource);
        }
    }

    #[test]
    fn a_grant_takes_nothing_from_anybody(steps in steps(), which in any::<prop::sample::Index>()) {
        let world = World::of(&steps);
        // Redemptions compete for the uses of their invitation; see the adversarial suite.
        let plain: Vec<RecordId> = world.grants().filter(|(id, grant)| !world.competes(*id, grant)).map(|(id, _)| id).collect();
        if plain.is_empty() {
            return Ok(());
        }
        let one = *which.get(&plain);
        let with = roles(&world, &registry(&world.records));
        // Without what rests on it, which would otherwise wait for it.
        let fewer = roles(&world, &registry(world.records.iter().filter(|record| record.id() != one)));
        for (who, role) in &fewer {
            prop_assert!(with[who] >= *role, "{one:?} took {role:?} from {who:?}");
        }
    }

    #[test]
    fn a_counted_removal_is_for_ever_and_by_a_member(steps in steps()) {
        let world = World::of(&steps);
        let registry = registry(&world.records);
        for roster in &world.persons {
            let Some(book) = registry.roster(*roster) else { continue };
            for device in book.devices.keys() {
                prop_assert!(book.ever_contained(device));
                prop_assert!(!book.removed.contains_key(device));
            }
            let removers: BTreeSet<_> = world.records.iter().filter_map(|record| match record.record() {
                Record::RosterOperation(operation) if operation.roster == *roster => match &operation.action {
                    RosterAction::Remove { member: Member::Device(device), .. } => Some((*device, operation.by)),
                    _ => None,
                },
                _ => None,
            }).collect();
            for removed in book.removed.keys() {
                let by_member = removers.iter().any(|(device, by)| device == removed && book.ever_contained(by));
                prop_assert!(by_member, "{removed:?} was removed by nobody who ever belonged there");
            }
        }
    }
}

/// A number that depends on all three, for orders that have nothing to do with the records.
fn mixed(seed: u64, at: usize, record: &VerifiedRecord) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&record.id().as_bytes()[..8]);
    let at = u64::try_from(at).unwrap();
    (u64::from_be_bytes(bytes) ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(at))
        .wrapping_mul(0xff51_afd7_ed55_8ccd)
        >> 13
}

/// The worlds are no empty stages: what the laws are about happens in them.
#[test]
fn worlds_hold_what_the_laws_are_about() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner =
        TestRunner::new(ProptestConfig { rng_seed: RngSeed::Fixed(7), ..ProptestConfig::default() });
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for _ in 0..200 {
        let world = World::of(&steps().new_tree(&mut runner).unwrap().current());
        let registry = registry(&world.records);
        let mut note = |what, holds: bool| *seen.entry(what).or_default() += usize::from(holds);
        for (id, grant) in world.grants() {
            let status = registry.grant_status(id);
            note("live", status == Some(LinkStatus::Live));
            note("revoked", matches!(status, Some(LinkStatus::Revoked { .. })));
            note("signed by a removed device", matches!(status, Some(LinkStatus::SignerRemoved(_))));
            note("used up", status == Some(LinkStatus::UsedUp));
            note("resting on something ended", matches!(status, Some(LinkStatus::ParentEnded(_))));
            let live = status == Some(LinkStatus::Live);
            note("by a group", live && matches!(grant.issuer, Issuer::Group(_)));
            note("to a group", live && matches!(grant.to, Audience::Group(_)));
            note("by an invitation", live && matches!(grant.issuer, Issuer::Invite(_)));
            note("redeeming", live && grant.redeems.is_some());
            note("below others", live && matches!(grant.parent, Parent::Grant(_)));
        }
        for roster in world.persons.iter().chain(&world.groups) {
            let Some(book) = registry.roster(*roster) else { continue };
            note("removed devices", !book.removed.is_empty());
            note("recovered devices", book.devices.values().any(|member| member.rank.generation() > 0));
            note("groups of several", book.persons.len() > 1);
            note("groups in groups", world.groups.iter().any(|group| book.contains_person(group)));
        }
        for resource in &world.resources {
            let Some(access) = registry.access(*resource) else { continue };
            note("deleted", access.deleted);
            note("excluding", !access.excluded().is_empty());
        }
    }
    println!("{seen:?}");
    assert_eq!(seen.len(), 16);
    for (what, times) in seen {
        assert!(times >= 10, "{what}: only {times} times");
    }
}
