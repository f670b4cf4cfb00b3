//! Devices that are not known yet show what entitles them, and nobody else's papers are kept.

use katori_acl::{Role, Subject};
use katori_core::engine::{Command, Standing};

use crate::owner;

#[test]
fn a_friends_new_device_is_let_in_by_its_roster() {
    let (mut world, olga, document) = owner(1);
    world.write(olga, document, "hello");
    let ben = world.member("ben", olga, document, Role::Write);
    let phone = world.pair(ben, "phone");
    world.sync(ben, phone);
    assert!(!world.lets_in(olga, phone), "olga has never heard of it");
    world.present(phone, olga);
    assert!(world.lets_in(olga, phone));
    world.write(phone, document, "by phone");
    world.sync(olga, phone);
    assert_eq!(world.keys(olga, document), ["by phone", "hello"]);
}

#[test]
fn somebody_whom_a_friend_let_in_is_served_while_the_friend_sleeps() {
    let (mut world, olga, document) = owner(2);
    world.write(olga, document, "hello");
    let ben = world.member("ben", olga, document, Role::Admin);
    let carl = world.member("carl", ben, document, Role::Write);
    world.crash(ben);
    assert!(!world.lets_in(olga, carl));
    world.present(carl, olga);
    assert!(world.lets_in(olga, carl), "by a chain of grants that begins with her own");
    world.write(carl, document, "by carl");
    world.sync(olga, carl);
    assert_eq!(world.keys(olga, document), ["by carl", "hello"]);
    assert_eq!(world.role(olga, document, carl), Some(Role::Write));
}

#[test]
fn a_chain_that_was_cut_above_entitles_nobody() {
    let (mut world, olga, document) = owner(3);
    let ben = world.member("ben", olga, document, Role::Admin);
    let carl = world.member("carl", ben, document, Role::Write);
    world.crash(ben);
    world.revoke(olga, document, ben);
    world.write(olga, document, "not for carl");
    world.present(carl, olga);
    world.sync(olga, carl);
    assert_eq!(world.role(olga, document, carl), None);
    assert!(!world.keys(carl, document).contains(&"not for carl".to_owned()));
}

#[test]
fn a_strangers_papers_are_not_kept() {
    let (mut world, olga, document) = owner(4);
    let stranger = world.person("stranger", 2)[0];
    let own = world.create(stranger, "of the stranger");
    let before = world.device(olga).image().len();
    let person = world.person_of(stranger);
    let mut records = world.records(stranger, Subject::Roster(person));
    records.extend(world.records(stranger, Subject::Resource(own)));
    let peer = world.device(stranger).id();
    world.command(olga, Command::Introduced { peer, records }).expect("heard, and let lie");
    world.run();
    assert!(!world.lets_in(olga, stranger));
    assert!(world.records(olga, Subject::Roster(person)).is_empty());
    assert_eq!(world.standing(olga, own), Standing::Unknown);
    assert_eq!(world.device(olga).image().len(), before, "nothing is written");
    assert_eq!(world.standing(olga, document), Standing::Accepted);
}

#[test]
fn papers_that_are_too_many_or_damaged_change_nothing() {
    let (mut world, olga, document) = owner(5);
    let ben = world.member("ben", olga, document, Role::Write);
    let peer = world.device(ben).id();
    let mut damaged = world.records(ben, Subject::Resource(document));
    for record in &mut damaged {
        let last = record.len() - 1;
        record[last] ^= 1;
    }
    let before = world.device(olga).image().len();
    world.command(olga, Command::Introduced { peer, records: damaged }).expect("heard");
    let heap = vec![vec![1; 1 << 16]; 1 + (katori_core::engine::MAX_INTRODUCTION_BYTES >> 16)];
    world.command(olga, Command::Introduced { peer, records: heap }).expect("heard");
    assert_eq!(world.device(olga).image().len(), before);
}

#[test]
fn what_is_presented_gives_away_nothing_of_other_documents() {
    let (mut world, olga, document) = owner(6);
    let ben = world.member("ben", olga, document, Role::Write);
    let secret = world.create(ben, "of ben alone");
    let other = world.person("dora", 1)[0];
    world.share(ben, secret, other, Role::Write);
    let peer = world.device(olga).id();
    let shown = world.device(ben).engine.as_ref().expect("running").introduction_for(peer);
    let own = world.records(ben, Subject::Resource(secret));
    assert!(!shown.is_empty());
    assert!(own.iter().all(|record| !shown.contains(record)));
    let dora = world.person_of(other);
    let dora = world.records(ben, Subject::Roster(dora));
    assert!(dora.iter().all(|record| !shown.contains(record)), "nor whom he shares those with");
}
