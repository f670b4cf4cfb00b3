//! What the registry answers, beside what the rule as the design words it would.

use std::collections::BTreeSet;

use katori_acl::{Access, Member, Registry, Role};

use crate::rosters::{NESTING, Oracle, When};
use crate::world::{World, devices};

/// What is told about everybody everywhere, as lines that can be compared.
pub(crate) fn answers(world: &World, registry: &Registry) -> Vec<String> {
    let mut lines = Vec::new();
    for roster in world.persons.iter().chain(&world.groups) {
        let book = registry.roster(*roster);
        for member in everybody(world) {
            let place = book.as_ref().map(|book| match member {
                Member::Device(device) => (book.contains(&device), book.is_full(&device)),
                Member::Person(person) => (book.contains_person(&person), book.is_full_person(&person)),
            });
            lines.push(format!("{roster:?} {member:?} {:?}", place.unwrap_or_default()));
        }
    }
    for resource in &world.resources {
        let access = registry.access(*resource);
        let ask = |role: &dyn Fn(&Access) -> Option<Role>| access.as_deref().and_then(role);
        for member in everybody(world) {
            let (now, ever) = match member {
                Member::Device(one) => (
                    ask(&|access| access.role_of_device(&one)),
                    ask(&|access| access.ever_role_of_device(&one)),
                ),
                Member::Person(one) if world.groups.contains(&one) => continue,
                Member::Person(one) => (
                    ask(&|access| access.role_of_person(&one)),
                    ask(&|access| access.ever_role_of_person(&one)),
                ),
            };
            lines.push(format!("{resource:?} {member:?} {now:?} {ever:?}"));
        }
        let deleted = access.as_ref().is_some_and(|access| access.deleted);
        let excluded = access.as_ref().map(|access| access.excluded().clone()).unwrap_or_default();
        lines.push(format!("{resource:?} deleted {deleted} without {excluded:?}"));
    }
    lines
}

/// The same by the rule.
pub(crate) fn by_the_rule(world: &World) -> Vec<String> {
    let oracle = Oracle::new(&world.records);
    let mut lines = Vec::new();
    for roster in world.persons.iter().chain(&world.groups) {
        let book = oracle.book(*roster, When::Now, NESTING);
        for member in everybody(world) {
            let place =
                book.as_ref().map(|book| (book.contains(member, When::Now), book.is_full(member, When::Now)));
            lines.push(format!("{roster:?} {member:?} {:?}", place.unwrap_or_default()));
        }
    }
    for resource in &world.resources {
        for member in everybody(world) {
            let [now, ever] = [When::Now, When::Ever].map(|when| match member {
                Member::Device(device) => oracle.role_of_device(*resource, device, &world.persons, when),
                Member::Person(person) => oracle.role_of_person(*resource, person, when),
            });
            if !matches!(member, Member::Person(one) if world.groups.contains(&one)) {
                lines.push(format!("{resource:?} {member:?} {now:?} {ever:?}"));
            }
        }
        let deleted = oracle.is_deleted(*resource);
        let excluded: BTreeSet<_> = oracle.excluded(*resource, &world.persons);
        lines.push(format!("{resource:?} deleted {deleted} without {excluded:?}"));
    }
    lines
}

/// Where the two differ, and the records that make them, for whoever reads a failure.
pub(crate) fn difference(world: &World, mine: &[String], rule: &[String]) -> String {
    let pairs = mine.iter().zip(rule).filter(|(mine, rule)| mine != rule);
    let pairs = pairs.map(|(mine, rule)| format!("registry {mine}\nrule     {rule}"));
    let records = world.records.iter().map(|record| format!("{record:?}"));
    pairs.chain(records).collect::<Vec<_>>().join("\n")
}

/// All who may be members of something.
pub(crate) fn everybody(world: &World) -> Vec<Member> {
    let persons = world.persons.iter().chain(&world.groups).copied().map(Member::Person);
    devices().into_iter().map(Member::Device).chain(persons).collect()
}
