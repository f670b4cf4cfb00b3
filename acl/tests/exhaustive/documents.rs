//! All documents of one owner and three others: who grants what to whom under which grant, and who revokes it.
//!
//! A grant is made by whoever its parent is to (that others cannot is a test of its own below), as Read, as
//! Write, or as Admin with `share`; a revocation is signed by any of the four.

use std::collections::{BTreeMap, BTreeSet};

use katori_acl::{
    Audience, DeviceKey, Grant, Issuer, Parent, PersonId, Record, RecordId, Registry, ResourceId, Role,
    VerifiedRecord,
};

use crate::cast::{device, document, granting, person, registry, resource_of, revoking, roster_of};
use crate::rosters::{Oracle, When};
use crate::{records_at_most, renamings};

/// Who owns the document; the others are interchangeable.
const OWNER: u8 = 0;
const PRINCIPALS: u8 = 4;

/// A grant: the place of the one above it (none for the genesis), to whom, and what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Given {
    under: Option<usize>,
    to: u8,
    what: u8,
}

/// What a grant may give, and whether it may be passed on.
const TERMS: [(Role, bool); 3] = [(Role::Read, true), (Role::Write, false), (Role::Admin, true)];

/// A document: its grants, those above before those below, and its revocations, as place and author.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
struct Shape {
    grants: Vec<Given>,
    revocations: Vec<(usize, u8)>,
}

impl Shape {
    /// All shapes with one record more; revocations come after all grants.
    fn grown(&self) -> Vec<Self> {
        let mut all = Vec::new();
        let unders = std::iter::once(None).chain((0..self.grants.len()).map(Some));
        for under in unders.filter(|_| self.revocations.is_empty()) {
            for (to, what) in (0..PRINCIPALS).flat_map(|to| (0..3).map(move |what| (to, what))) {
                let next = Given { under, to, what };
                if !self.grants.contains(&next) {
                    let mut shape = self.clone();
                    shape.grants.push(next);
                    all.push(shape);
                }
            }
        }
        for next in (0..self.grants.len()).flat_map(|target| (0..PRINCIPALS).map(move |by| (target, by))) {
            if !self.revocations.contains(&next) {
                let mut shape = self.clone();
                shape.revocations.push(next);
                all.push(shape);
            }
        }
        all
    }

    /// The one that stands for all that differ from this one in names alone.
    fn nameless(&self, names: &[Vec<u8>]) -> Self {
        names.iter().map(|names| self.renamed(names)).min().unwrap_or_default()
    }

    /// The same with other names for all but the owner, its records in order again.
    fn renamed(&self, names: &[u8]) -> Self {
        let name = |who: u8| if who == OWNER { OWNER } else { names[usize::from(who) - 1] };
        // Those above get their new places first, so that those below can be put in order by them.
        let mut places = vec![0; self.grants.len()];
        let mut grants: Vec<Given> = Vec::new();
        let mut above: Vec<Option<usize>> = vec![None];
        let mut next = 0;
        while next < above.len() {
            let parent = above[next];
            let mut below: Vec<(Given, usize)> = self
                .grants
                .iter()
                .enumerate()
                .filter(|(_, given)| given.under == parent)
                .map(|(at, given)| {
                    let under = parent.map(|parent| places[parent]);
                    (Given { under, to: name(given.to), what: given.what }, at)
                })
                .collect();
            below.sort();
            for (given, at) in below {
                places[at] = grants.len();
                grants.push(given);
                above.push(Some(at));
            }
            next += 1;
        }
        let mut revocations: Vec<_> =
            self.revocations.iter().map(|(target, by)| (places[*target], name(*by))).collect();
        revocations.sort_unstable();
        Self { grants, revocations }
    }
}

/// Four people and a document, who sign what a shape says; nothing is signed twice.
struct Cast {
    keys: Vec<DeviceKey>,
    persons: Vec<PersonId>,
    document: ResourceId,
    beginning: Vec<VerifiedRecord>,
    grants: BTreeMap<(Option<RecordId>, u8, u8), VerifiedRecord>,
    revocations: BTreeMap<(RecordId, u8), VerifiedRecord>,
}

impl Cast {
    fn new() -> Self {
        let keys: Vec<_> = (1..=PRINCIPALS).map(device).collect();
        let mut beginning: Vec<_> = keys.iter().zip(1..).map(|(key, tag)| person(key, tag)).collect();
        let persons: Vec<_> = beginning.iter().map(roster_of).collect();
        let genesis = document(persons[0], &keys[0], 9);
        let document = resource_of(&genesis);
        beginning.push(genesis);
        Self { keys, persons, document, beginning, grants: BTreeMap::new(), revocations: BTreeMap::new() }
    }

    fn grant(&mut self, issuer: u8, under: Option<RecordId>, given: Given) -> VerifiedRecord {
        let (persons, keys, document) = (&self.persons, &self.keys, self.document);
        let record = self.grants.entry((under, given.to, given.what)).or_insert_with(|| {
            let issuer = usize::from(issuer);
            let to = Audience::Person(persons[usize::from(given.to)]);
            let (role, share) = TERMS[usize::from(given.what)];
            let parent = under.map_or(Parent::Genesis, Parent::Grant);
            let grant = granting(document, persons[issuer], &keys[issuer], to);
            Record::Grant(Grant { role, share, parent, ..grant }).sign(&keys[issuer]).unwrap()
        });
        record.clone()
    }

    /// The records of a shape, those above before those below.
    fn records(&mut self, shape: &Shape) -> Vec<VerifiedRecord> {
        let mut records: Vec<VerifiedRecord> = Vec::new();
        for given in &shape.grants {
            let issuer = given.under.map_or(OWNER, |under| shape.grants[under].to);
            let under = given.under.map(|under| records[under].id());
            records.push(self.grant(issuer, under, *given));
        }
        for (target, by) in &shape.revocations {
            let target = records[*target].id();
            let (person, key) = (self.persons[usize::from(*by)], &self.keys[usize::from(*by)]);
            let document = self.document;
            let record = self.revocations.entry((target, *by));
            records.push(record.or_insert_with(|| revoking(document, person, key, target)).clone());
        }
        records
    }

    fn roles(&self, registry: &Registry) -> Vec<[Option<Role>; 2]> {
        let access = registry.access(self.document).unwrap();
        let people = self.persons.iter();
        people.map(|person| [access.role_of_person(person), access.ever_role_of_person(person)]).collect()
    }
}

#[test]
fn every_small_document() {
    let size = records_at_most(5);
    let names = renamings(&[1, 2, 3]);
    let mut cast = Cast::new();
    let stage = registry(&cast.beginning);
    let mut level = BTreeSet::from([Shape::default()]);
    let mut shapes = level.clone();
    for _ in 1..size {
        level = level.iter().flat_map(Shape::grown).map(|shape| shape.nameless(&names)).collect();
        shapes.extend(level.iter().cloned());
    }
    let (mut worlds, mut roles_held) = (0_u64, 0_u64);
    for shape in shapes {
        worlds += 1;
        let records = cast.records(&shape);
        let oracle = Oracle::new(cast.beginning.iter().chain(&records));
        let expected: Vec<_> = cast
            .persons
            .iter()
            .map(|person| {
                [When::Now, When::Ever].map(|when| oracle.role_of_person(cast.document, *person, when))
            })
            .collect();
        roles_held += u64::try_from(expected.iter().filter(|[now, _]| now.is_some()).count()).unwrap();
        let mut forwards = stage.clone();
        let mut backwards = stage.clone();
        for (first, last) in records.iter().zip(records.iter().rev()) {
            forwards.insert(first.clone());
            backwards.insert(last.clone());
        }
        assert_eq!(cast.roles(&forwards), expected, "{shape:?}");
        assert_eq!(cast.roles(&backwards), expected, "backwards: {shape:?}");
    }
    println!("{worlds} documents of up to {size} records, up to names; {roles_held} roles held");
}

/// Whoever is not the audience of the grant above gives nothing by it: every one of the four, in the name of
/// every one, under each of two grants and the genesis.
#[test]
fn nobody_gives_what_is_anothers() {
    let mut cast = Cast::new();
    let chain = Shape {
        grants: vec![Given { under: None, to: 1, what: 2 }, Given { under: Some(0), to: 2, what: 2 }],
        revocations: Vec::new(),
    };
    let above = cast.records(&chain);
    let (mut given, mut tried) = (0, 0);
    for (parent, holder) in
        [(Parent::Genesis, 0), (Parent::Grant(above[0].id()), 1), (Parent::Grant(above[1].id()), 2)]
    {
        for issuer in 0..4 {
            for by in 0..4 {
                let to = Audience::Person(cast.persons[3]);
                let mut grant = granting(cast.document, cast.persons[issuer], &cast.keys[by], to);
                (grant.issuer, grant.parent) = (Issuer::Person(cast.persons[issuer]), parent);
                let grant = Record::Grant(grant).sign(&cast.keys[by]).unwrap();
                let registry = registry(cast.beginning.iter().chain(&above).chain([&grant]));
                let role = registry.access(cast.document).unwrap().role_of_person(&cast.persons[3]);
                assert_eq!(role.is_some(), issuer == holder && by == holder);
                given += usize::from(role.is_some());
                tried += 1;
            }
        }
    }
    assert_eq!((given, tried), (3, 48));
}
