//! People whose devices are refused.

use std::collections::BTreeSet;

use katori_acl::{Role, Subject};
use katori_core::engine::{Command, CommandError};

use crate::{offer, owner};

#[test]
fn who_is_blocked_is_cut_off_at_once_and_stays_so_after_a_restart() {
    let (mut world, olga, document) = owner(1);
    let ben = world.member("ben", olga, document, Role::Write);
    world.connect(olga, ben);
    world.run();
    let person = world.person_of(ben);
    world.command(olga, Command::SetBlocked { persons: BTreeSet::from([person]) }).expect("blocked");
    let connected = |world: &mut katori_sim::World| {
        world.device(olga).engine.as_ref().map(|engine| engine.connected_peers().count())
    };
    assert_eq!(connected(&mut world), Some(0));
    assert!(!world.lets_in(olga, ben));
    for _ in 0..2 {
        world.clear_traffic();
        world.write(olga, document, "unheard");
        world.write(ben, document, "unwanted");
        world.sync(olga, ben);
        assert_eq!(connected(&mut world), Some(0));
        assert!(world.traffic(olga, ben).frames.is_empty(), "he is told nothing");
        assert!(!world.keys(olga, document).contains(&"unwanted".to_owned()));
        world.crash(olga);
        world.start(olga);
    }
    // Blocking signs nothing: others still talk to ben, and unblocking brings everything.
    assert_eq!(world.role(olga, document, ben), Some(Role::Write));
    world.command(olga, Command::SetBlocked { persons: BTreeSet::new() }).expect("unblocked");
    world.sync(olga, ben);
    assert_eq!(world.keys(olga, document), ["unheard", "unwanted"]);
}

#[test]
fn who_is_blocked_gets_in_by_no_ticket_no_introduction_and_no_new_device() {
    let (mut world, olga, document) = owner(2);
    let ben = world.member("ben", olga, document, Role::Write);
    let other = world.create(olga, "other");
    let secret = world.invite(olga, other, offer(Role::Write), None, false);
    let person = world.person_of(ben);
    world.command(olga, Command::SetBlocked { persons: BTreeSet::from([person]) }).expect("blocked");
    assert_eq!(world.join(olga, ben, &secret), Err(CommandError::InviteInvalid), "as if it were not there");
    let phone = world.pair(ben, "phone");
    world.sync(ben, phone);
    world.present(phone, olga);
    assert!(!world.lets_in(olga, phone));
    let before = world.traffic(olga, phone).frames.len();
    world.sync(olga, phone);
    assert_eq!(world.traffic(olga, phone).frames.len(), before);
}

#[test]
fn what_a_blocked_person_wrote_comes_by_others_and_counts_as_ever() {
    let (mut world, olga, document) = owner(3);
    let ben = world.member("ben", olga, document, Role::Write);
    let carl = world.member("carl", olga, document, Role::Write);
    let person = world.person_of(ben);
    world.command(olga, Command::SetBlocked { persons: BTreeSet::from([person]) }).expect("blocked");
    world.write(ben, document, "by ben");
    world.introduce(ben, carl);
    world.sync(ben, carl);
    world.sync(carl, olga);
    assert_eq!(world.keys(olga, document), ["by ben"], "a block is about talking, not about roles");
}

#[test]
fn offers_of_a_blocked_person_do_not_arrive() {
    let (mut world, olga, _) = owner(4);
    let ben = world.person("ben", 1)[0];
    world.introduce(ben, olga);
    let person = world.person_of(ben);
    world.command(olga, Command::SetBlocked { persons: BTreeSet::from([person]) }).expect("blocked");
    let junk = world.create(ben, "junk");
    world.grant(ben, junk, olga, Role::Admin);
    world.sync(olga, ben);
    assert!(world.records(olga, Subject::Resource(junk)).is_empty());
}
