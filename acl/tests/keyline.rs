//! Beside keyline, Keyhive's authority graph, where the two mean the same.
//!
//! There authority is reachability, at the least power along a route and the most over all routes; here a grant
//! names its one parent. Without revocations, and where everybody passes on what he has, that comes to the same
//! for everybody, groups (there: roles) included. keyline's own naive oracle says what it comes to there.
//!
//! Left out, because keyline knows nothing of it: `share`, expiry, invitations, devices. With revocations the
//! two differ on purpose (`docs/access-control.md`); what both promise is compared, and the scenarios of its
//! conformance suite that can be told here are told in both, by its names.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "in a test, stopping where it happens is the report"
)]

use std::collections::BTreeMap;

use katori_acl::{
    Audience, Capacity, DeviceKey, Grant, Issuer, LinkStatus, Parent, PersonId, Record, RecordId, Registry,
    ResourceId, Role, VerifiedRecord,
};
use keyline::delegation::Delegation;
use keyline::power::Power;
use keyline::test_utils::conformance::d;
use keyline::test_utils::conformance::r#gen::CertSet;
use keyline::test_utils::conformance::oracle::{naive, threshold};
use keyline::test_utils::{Issued, Statement, id, revocation};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

#[path = "oracle/cast.rs"]
#[expect(dead_code, reason = "not every suite has people do everything")]
mod cast;

use cast::{
    adding_person, device, document, granting, group, operation_for, person, registry, resource_of,
    revoking_as, roster_of,
};

/// The document's key in keyline, whose holder is the owner and nobody else.
const DOC: u8 = 1;
const OWNER: u8 = 2;
/// The last of the persons, who begin with the owner.
const LAST: u8 = 7;
const GROUPS: [u8; 2] = [20, 21];

/// The same world twice.
struct Both {
    records: Vec<VerifiedRecord>,
    certificates: Vec<Statement<()>>,
    rosters: BTreeMap<u8, PersonId>,
    heads: BTreeMap<u8, RecordId>,
    /// Who is in each group, the founder first.
    members: BTreeMap<u8, Vec<u8>>,
    document: ResourceId,
    grants: Vec<(Given, RecordId, Issued<Delegation>)>,
}

/// A grant, which rests on an earlier one or on the genesis.
#[derive(Debug, Clone, Copy)]
struct Given {
    under: Option<usize>,
    /// Who signs; in a group's name if what it rests on was given to a group.
    by: u8,
    to: u8,
    role: Role,
    depth: u8,
}

fn power(role: Role) -> Power {
    match role {
        Role::Relay => Power::Relay,
        Role::Read => Power::Read,
        Role::Write => Power::Edit,
        Role::Admin => Power::Admin,
    }
}

fn key(name: u8) -> DeviceKey {
    device(name)
}

impl Both {
    fn new() -> Self {
        let mut records: Vec<_> = (OWNER..=LAST).map(|name| person(&key(name), name)).collect();
        let rosters: BTreeMap<u8, _> = (OWNER..).zip(records.iter().map(roster_of)).collect();
        let genesis = document(rosters[&OWNER], &key(OWNER), 1);
        let document = resource_of(&genesis);
        records.push(genesis);
        let root = d(DOC, OWNER, DOC, Power::Admin).into();
        let (heads, members, grants) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
        Self { records, certificates: vec![root], rosters, heads, members, document, grants }
    }

    /// A group that this person founds. In keyline: a role, rooted in its own key.
    fn found(&mut self, circle: u8, founder: u8) {
        let genesis = group(self.rosters[&founder], &key(founder), circle);
        self.rosters.insert(circle, roster_of(&genesis));
        self.heads.insert(circle, genesis.id());
        self.members.insert(circle, vec![founder]);
        self.records.push(genesis);
        self.certificates.push(d(circle, founder, circle, Power::Admin).into());
    }

    /// The founder brings a person or group into a group.
    fn join(&mut self, circle: u8, member: u8) {
        let founder = self.members[&circle][0];
        let (author, by) = (Some(self.rosters[&founder]), key(founder));
        let joins = adding_person(self.rosters[&member], Capacity::Full);
        let record = operation_for(self.rosters[&circle], author, &by, &[self.heads[&circle]], joins);
        self.heads.insert(circle, record.id());
        self.records.push(record);
        self.members.entry(circle).or_default().push(member);
        self.certificates.push(d(founder, member, circle, Power::Admin).into());
    }

    fn audience(&self, to: u8) -> Audience {
        let roster = self.rosters[&to];
        if GROUPS.contains(&to) { Audience::Group(roster) } else { Audience::Person(roster) }
    }

    fn grant(&mut self, under: Option<usize>, by: u8, to: u8, role: Role) -> usize {
        let above = under.map(|under| (self.grants[under].0.to, self.grants[under].0.depth));
        let issuer = match above {
            Some((circle, _)) if GROUPS.contains(&circle) => Issuer::Group(self.rosters[&circle]),
            _ => Issuer::Person(self.rosters[&by]),
        };
        let parent = under.map_or(Parent::Genesis, |under| Parent::Grant(self.grants[under].1));
        let grant = granting(self.document, self.rosters[&by], &key(by), self.audience(to));
        let grant = Grant { issuer, parent, role, share: true, ..grant };
        let record = Record::Grant(grant).sign(&key(by)).unwrap();
        let delegation = d(by, to, DOC, power(role));
        let depth = above.map_or(1, |(_, depth)| depth + 1);
        self.grants.push((Given { under, by, to, role, depth }, record.id(), delegation));
        self.records.push(record);
        self.certificates.push(delegation.into());
        self.grants.len() - 1
    }

    fn revoke(&mut self, by: u8, target: usize) {
        let (given, grant, delegation) = self.grants[target];
        let above = given.under.map(|under| self.grants[under].0.to);
        let in_group = above.filter(|circle| GROUPS.contains(circle) && by == given.by);
        let issuer = match in_group {
            Some(circle) => Issuer::Group(self.rosters[&circle]),
            None => Issuer::Person(self.rosters[&by]),
        };
        self.records.push(revoking_as(self.document, issuer, &key(by), grant));
        self.certificates.push(revocation::<()>(id(by), delegation.digest()).into());
    }

    fn registry(&self) -> Registry {
        registry(&self.records)
    }

    /// Everybody's role here, in keyline's words, beside everybody's power there.
    fn powers(&self) -> Vec<(u8, Option<Power>, Option<Power>)> {
        let access = self.registry().access(self.document).unwrap();
        let set = CertSet { certs: self.certificates.clone() };
        let levels = naive::evaluate(&set).levels;
        let names = OWNER..=LAST;
        names
            .map(|name| {
                let here = access.role_of_person(&self.rosters[&name]).map(power);
                (name, here, levels.get(&(id(DOC), id(name))).copied())
            })
            .collect()
    }

    fn here(&self, name: u8) -> Option<Role> {
        self.registry().access(self.document).unwrap().role_of_person(&self.rosters[&name])
    }

    fn there(&self, name: u8) -> Option<Power> {
        let set = CertSet { certs: self.certificates.clone() };
        naive::evaluate(&set).levels.get(&(id(DOC), id(name))).copied()
    }
}

const ROLES: [Role; 3] = [Role::Read, Role::Write, Role::Admin];

/// What people do, as the throws that decide it; `honest` ones give only what is theirs to give.
fn both(steps: &[[u8; 5]], honest: bool) -> Both {
    let mut both = Both::new();
    both.found(GROUPS[0], 3);
    both.found(GROUPS[1], 4);
    for [kind, one, other, third, fourth] in steps {
        if kind % 5 == 0 {
            let circle = GROUPS[usize::from(one % 2)];
            let member = if other % 4 == 0 { GROUPS[usize::from(third % 2)] } else { OWNER + third % 6 };
            both.join(circle, member);
            continue;
        }
        let under = Some(usize::from(*one)).filter(|_| kind % 3 != 0 && !both.grants.is_empty());
        let under =
            under.map(|under| under % both.grants.len()).filter(|under| both.grants[*under].0.depth < 8);
        let above = under.map(|under| both.grants[under].0);
        let holder = match above.map_or(OWNER, |above| above.to) {
            // Whoever founded a group signs in its name.
            circle if GROUPS.contains(&circle) => both.members[&circle][0],
            person => person,
        };
        let most = above.map_or(Role::Admin, |above| above.role);
        let stray = !honest && fourth % 4 == 0;
        let by = if stray { OWNER + fourth / 4 % 6 } else { holder };
        let roles: Vec<Role> = ROLES.into_iter().filter(|role| *role <= most || stray).collect();
        let to = if other % 4 == 0 { GROUPS[usize::from(third % 2)] } else { OWNER + third % 6 };
        both.grant(under, by, to, roles[usize::from(*fourth) % roles.len()]);
    }
    both
}

fn steps() -> impl Strategy<Value = Vec<[u8; 5]>> {
    prop::collection::vec(any::<[u8; 5]>(), 1..16)
}

fn cases(usual: u32) -> ProptestConfig {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    ProptestConfig { cases: asked.unwrap_or(usual), rng_seed: RngSeed::Fixed(7), ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases(500))]

    #[test]
    fn without_revocations_everybodys_power_is_the_same(steps in steps()) {
        for (name, here, there) in both(&steps, true).powers() {
            prop_assert_eq!(here, there, "{}", name);
        }
    }

    #[test]
    fn what_is_not_ones_to_give_gives_no_more_than_there(steps in steps()) {
        for (name, here, there) in both(&steps, false).powers() {
            prop_assert!(here <= there, "{name}: {here:?}, and in keyline {there:?}");
        }
    }

    #[test]
    fn issuer_and_audience_end_a_grant_in_both(steps in steps(), which in any::<prop::sample::Index>(), by_audience in any::<bool>()) {
        let mut both = both(&steps, true);
        if both.grants.is_empty() {
            return Ok(());
        }
        let before: Vec<_> = both.powers();
        let target = which.index(both.grants.len());
        let (given, grant, delegation) = both.grants[target];
        both.revoke(if by_audience && !GROUPS.contains(&given.to) { given.to } else { given.by }, target);
        let live = both.registry().grant_status(grant) == Some(LinkStatus::Live);
        let set = CertSet { certs: both.certificates.clone() };
        prop_assert!(!live && !naive::evaluate(&set).live.contains(&delegation.digest()));
        for ((name, here, there), (_, here_before, there_before)) in both.powers().into_iter().zip(before) {
            prop_assert!(here <= here_before && there <= there_before, "{}", name);
        }
    }

    #[test]
    fn its_two_oracles_agree_on_our_worlds(steps in steps()) {
        let set = CertSet { certs: both(&steps, false).certificates };
        let (naive, threshold) = (naive::evaluate(&set), threshold::evaluate(&set));
        for name in OWNER..=LAST {
            prop_assert_eq!(naive.levels.get(&(id(DOC), id(name))), threshold.effective.get(&(id(DOC), id(name))));
        }
    }
}

const ALICE: u8 = 3;
const BOB: u8 = 4;
const CAROL: u8 = 5;
const DAN: u8 = 6;
const OWNERS: u8 = GROUPS[0];
const MEMBERS: u8 = GROUPS[1];

/// Its `attenuation_and_widest_path`: there Carol's raised grant is cut down to Bob's, here it is none, and she
/// has what the owner gave her.
#[test]
fn attenuation_and_widest_path() {
    let mut both = Both::new();
    let to_alice = both.grant(None, OWNER, ALICE, Role::Admin);
    let to_bob = both.grant(Some(to_alice), ALICE, BOB, Role::Read);
    both.grant(Some(to_bob), BOB, CAROL, Role::Read);
    both.grant(None, OWNER, CAROL, Role::Write);
    for (name, role) in [(ALICE, Role::Admin), (BOB, Role::Read), (CAROL, Role::Write)] {
        assert_eq!((both.here(name), both.there(name)), (Some(role), Some(power(role))));
    }
    both.grant(Some(to_bob), BOB, DAN, Role::Admin);
    assert_eq!((both.here(DAN), both.there(DAN)), (None, Some(Power::Read)));
}

/// Its `ungrounded_edges_are_dead`.
#[test]
fn ungrounded_edges_are_dead() {
    let mut both = Both::new();
    let stray = both.grant(None, ALICE, BOB, Role::Admin);
    both.grant(Some(stray), BOB, CAROL, Role::Admin);
    for name in [ALICE, BOB, CAROL] {
        assert_eq!((both.here(name), both.there(name)), (None, None));
    }
}

/// Its `membership_composes` and `late_binding_grants_new_documents_to_members`: members of a role have what
/// the role has, those who join later too.
#[test]
fn membership_composes() {
    let mut both = Both::new();
    both.found(OWNERS, BOB);
    both.found(MEMBERS, CAROL);
    both.join(MEMBERS, OWNERS);
    both.grant(None, OWNER, MEMBERS, Role::Write);
    both.join(OWNERS, ALICE);
    for name in [ALICE, BOB, CAROL] {
        assert_eq!((both.here(name), both.there(name)), (Some(Role::Write), Some(Power::Edit)));
    }
    assert_eq!((both.here(DAN), both.there(DAN)), (None, None));
}

/// Its `issuer_revocation_is_total`: whoever made a grant ends it, be he no admin.
#[test]
fn issuer_revocation_is_total() {
    let mut both = Both::new();
    let to_dan = both.grant(None, OWNER, DAN, Role::Read);
    let to_alice = both.grant(Some(to_dan), DAN, ALICE, Role::Read);
    both.revoke(DAN, to_alice);
    assert_eq!((both.here(ALICE), both.there(ALICE)), (None, None));
    assert_eq!((both.here(DAN), both.there(DAN)), (Some(Role::Read), Some(Power::Read)));
}

/// Its `audience_revocation_without_admin_reach_is_total`: anybody leaves.
#[test]
fn audience_revocation_is_total() {
    let mut both = Both::new();
    let to_alice = both.grant(None, OWNER, ALICE, Role::Read);
    both.revoke(ALICE, to_alice);
    assert_eq!((both.here(ALICE), both.there(ALICE)), (None, None));
}

/// Its `mutual_revocations_both_take_effect`, `root_role_admin_can_revoke_the_root_edge` and
/// `ex_admin_reach_is_frozen`: where the two differ on purpose. What ends there stands here.
#[test]
fn what_admins_do_to_each_other_differs() {
    let mut both = Both::new();
    let to_alice = both.grant(None, OWNER, ALICE, Role::Admin);
    let to_bob = both.grant(None, OWNER, BOB, Role::Admin);
    both.revoke(ALICE, to_bob);
    both.revoke(BOB, to_alice);
    for name in [ALICE, BOB] {
        assert_eq!((both.here(name), both.there(name)), (Some(Role::Admin), None));
    }
    let mut both = Both::new();
    let to_alice = both.grant(None, OWNER, ALICE, Role::Admin);
    both.revoke(OWNER, to_alice);
    let to_dan = both.grant(None, OWNER, DAN, Role::Write);
    both.revoke(ALICE, to_dan);
    assert_eq!((both.here(ALICE), both.there(ALICE)), (None, None));
    assert_eq!((both.here(DAN), both.there(DAN)), (Some(Role::Write), None));
}

/// Its `non_admin_revocation_is_confined_to_own_node`: whoever is no admin ends nothing that is not his.
#[test]
fn non_admin_revocation_is_confined() {
    let mut both = Both::new();
    both.grant(None, OWNER, DAN, Role::Write);
    let to_alice = both.grant(None, OWNER, ALICE, Role::Write);
    both.revoke(DAN, to_alice);
    assert_eq!((both.here(ALICE), both.there(ALICE)), (Some(Role::Write), Some(Power::Edit)));
}
