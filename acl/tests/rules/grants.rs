//! What a grant gives, what ends it, and who has no say in that.

use katori_acl::bounds::{EXPIRY_GRACE_MS, MAX_DEPTH};
use katori_acl::{
    Audience, Capacity, DeviceKey, Grant, Inserted, Issuer, Parent, PersonId, Record, RecordId, Refusal,
    ResourceId, Revoke, Role, Signer,
};

use crate::world::{ADMIN, Terms, WRITE, World, add, device, invitation, operation, revocation};

/// Olga owns a document; Ada and Ben are two admins beside each other, and Cy is Ada's guest.
struct Story {
    world: World,
    document: ResourceId,
    olga: (PersonId, DeviceKey),
    ada: (PersonId, DeviceKey),
    ben: (PersonId, DeviceKey),
    cy: (PersonId, DeviceKey),
    to_ada: RecordId,
    to_ben: RecordId,
    to_cy: RecordId,
}

fn story() -> Story {
    let mut world = World::default();
    let mut person = |number| {
        let key = device(number);
        (world.person(&key), key)
    };
    let (olga, ada, ben, cy) = (person(1), person(2), person(3), person(4));
    let document = world.document(olga.0, &olga.1);
    let to_ada = world.grant(document, olga.0, &olga.1, ada.0, ADMIN);
    let to_ben = world.grant(document, olga.0, &olga.1, ben.0, ADMIN);
    let to_cy = world.grant(document, ada.0, &ada.1, cy.0, WRITE.under(to_ada));
    Story { world, document, olga, ada, ben, cy, to_ada, to_ben, to_cy }
}

#[test]
fn roles_flow_down_from_the_owner() {
    let Story { world, document, olga, ada, cy, to_ada, to_cy, .. } = story();
    assert_eq!(world.role(document, olga.0), Some(Role::Admin));
    assert_eq!(world.role(document, ada.0), Some(Role::Admin));
    assert_eq!(world.role(document, cy.0), Some(Role::Write));
    let access = world.registry.access(document).unwrap();
    assert_eq!(access.role_of_device(&cy.1.public()), Some(Role::Write));
    assert_eq!(access.role_of_device(&device(99).public()), None);
    assert_eq!(access.name, "groceries");
    assert_eq!(access.members().count(), 4);
    let depth_and_rank = |person| {
        let standing = access.standing_of_person(&person).unwrap();
        (standing.depth, standing.rank)
    };
    assert_eq!(depth_and_rank(olga.0).0, 0);
    assert_eq!(depth_and_rank(ada.0), (1, to_ada));
    assert_eq!(depth_and_rank(cy.0), (2, to_cy));
}

#[test]
fn a_revocation_ends_a_grant_and_all_below_for_ever() {
    let Story { mut world, document, olga, ada, cy, to_ada, .. } = story();
    world.revoke(document, olga.0, &olga.1, to_ada);
    assert_eq!(world.role(document, ada.0), None);
    assert_eq!(world.role(document, cy.0), None, "what Ada gave falls with Ada");
    assert_eq!(world.ever(document, cy.0), Some(Role::Write));
    world.grant(document, olga.0, &olga.1, ada.0, ADMIN);
    assert_eq!(world.role(document, ada.0), Some(Role::Admin), "a new grant gives access again");
    assert_eq!(world.role(document, cy.0), None, "and does not revive what hung on the old one");
}

#[test]
fn owner_issuer_ancestors_and_audience_can_revoke() {
    for who in ["owner", "issuer", "audience"] {
        let Story { mut world, document, olga, ada, cy, to_cy, .. } = story();
        let (person, key) = match who {
            "owner" => olga,
            "issuer" => ada,
            _ => cy.clone(),
        };
        world.revoke(document, person, &key, to_cy);
        assert_eq!(world.role(document, cy.0), None, "{who}");
    }
    let Story { mut world, document, ada, cy, to_cy, .. } = story();
    let dee = (world.person(&device(5)), device(5));
    let wider = world.grant(
        document,
        ada.0,
        &ada.1,
        cy.0,
        ADMIN.under(match world.registry.authority(ada.1.public(), document, Role::Admin) {
            Some((Issuer::Person(_), Parent::Grant(parent))) => parent,
            _ => to_cy,
        }),
    );
    let to_dee = world.grant(document, cy.0, &cy.1, dee.0, WRITE.under(wider));
    world.revoke(document, ada.0, &ada.1, to_dee);
    assert_eq!(world.role(document, dee.0), None, "an ancestor's issuer");
}

#[test]
fn sideways_downward_and_strangers_revocations_are_inert() {
    let Story { mut world, document, ada, ben, cy, to_ada, to_ben, to_cy, .. } = story();
    let stranger = (world.person(&device(9)), device(9));
    let attempts =
        [(&ada, to_ben), (&ben, to_ada), (&ben, to_cy), (&cy, to_ada), (&cy, to_ben), (&stranger, to_cy)];
    for ((person, key), target) in attempts {
        let revocation = revocation(document, *person, key, target);
        assert_eq!(world.insert(revocation).1, Inserted::Refused(Refusal::NotUpstream));
    }
    // Nor in the name of somebody who could, signed by a device that is not theirs.
    let issuer = Issuer::Person(ada.0);
    let forged = Revoke { resource: document, target: to_cy, issuer, erase: false, by: ben.1.public() };
    let forged = Record::Revoke(forged).sign(&ben.1).unwrap();
    assert_eq!(world.insert(forged).1, Inserted::Waiting);
    for (person, role) in [(ada.0, Role::Admin), (ben.0, Role::Admin), (cy.0, Role::Write)] {
        assert_eq!(world.role(document, person), Some(role));
    }
}

#[test]
fn a_grant_never_exceeds_its_parent() {
    let Story { mut world, document, ada, ben, cy, to_ada, to_ben, to_cy, .. } = story();
    let dee = world.person(&device(5));
    let mut attempt = |issuer: &(PersonId, DeviceKey), terms: Terms| {
        let grant = world.grant_of(document, issuer.0, &issuer.1, Audience::Person(dee), terms);
        world.insert(Record::Grant(grant).sign(&issuer.1).unwrap()).1
    };
    let refused = |refusal| Inserted::Refused(refusal);
    assert_eq!(
        attempt(&cy, WRITE.under(to_cy)),
        refused(Refusal::NotTheIssuersToGive),
        "not to be passed on"
    );
    assert_eq!(attempt(&ben, WRITE.under(to_ada)), refused(Refusal::NotTheIssuersToGive), "another's grant");
    assert_eq!(attempt(&ada, WRITE), refused(Refusal::NotTheIssuersToGive), "the owner's alone");
    let relay = Terms { role: Role::Relay, ..WRITE };
    assert_eq!(attempt(&ada, relay.under(to_ada)), refused(Refusal::NotYet("the relay role")));

    let brief = Terms { role: Role::Write, share: true, expires: Some(1_000), ..WRITE };
    let eve = (world.person(&device(6)), device(6));
    let to_eve = world.grant(document, ben.0, &ben.1, eve.0, brief.under(to_ben));
    let mut attempt = |terms: Terms| {
        let grant = world.grant_of(document, eve.0, &eve.1, Audience::Person(dee), terms.under(to_eve));
        world.insert(Record::Grant(grant).sign(&eve.1).unwrap()).1
    };
    assert_eq!(attempt(Terms { role: Role::Admin, ..brief }), refused(Refusal::ExceedsParent));
    assert_eq!(attempt(Terms { expires: Some(1_001), ..brief }), refused(Refusal::ExceedsParent));
    assert_eq!(attempt(Terms { expires: None, ..brief }), refused(Refusal::ExceedsParent));
    assert_eq!(attempt(Terms { expires: Some(999), ..brief }), Inserted::New);
}

#[test]
fn a_parent_of_another_document_is_no_parent() {
    let Story { mut world, olga, ada, cy, to_ada, .. } = story();
    let other = world.document(olga.0, &olga.1);
    let terms = WRITE.under(to_ada);
    let grant = world.grant_of(other, ada.0, &ada.1, Audience::Person(cy.0), terms);
    assert_eq!(world.insert(Record::Grant(grant).sign(&ada.1).unwrap()).1, Inserted::Waiting);
    assert_eq!(world.role(other, cy.0), None);
}

#[test]
fn grants_are_passed_on_eight_times() {
    let mut world = World::default();
    let owner = (world.person(&device(1)), device(1));
    let document = world.document(owner.0, &owner.1);
    let mut issuer = owner;
    let mut terms = ADMIN;
    for number in 0..MAX_DEPTH {
        let key = device(10 + number);
        let person = world.person(&key);
        let grant = world.grant(document, issuer.0, &issuer.1, person, terms);
        (issuer, terms) = ((person, key), ADMIN.under(grant));
    }
    assert_eq!(world.role(document, issuer.0), Some(Role::Admin));
    assert_eq!(world.registry.authority(issuer.1.public(), document, Role::Read), None);
    let next = world.person(&device(50));
    let grant = world.grant_of(document, issuer.0, &issuer.1, Audience::Person(next), terms);
    let inserted = world.insert(Record::Grant(grant).sign(&issuer.1).unwrap()).1;
    assert_eq!(inserted, Inserted::Refused(Refusal::TooDeep));
}

#[test]
fn what_a_removed_device_signed_counts_only_if_kept() {
    for keep in [false, true] {
        let Story { mut world, document, ada, ben, olga, to_ben, .. } = story();
        let (phone, tablet) = (device(20), device(21));
        world.add(olga.0, &olga.1, &phone);
        world.add(olga.0, &olga.1, &tablet);
        let dee = world.person(&device(5));
        let to_dee = world.grant(document, olga.0, &phone, dee, WRITE);
        let ben_ends = world.revoke(document, olga.0, &phone, to_ben);
        assert_eq!(world.role(document, ben.0), None);
        let kept = if keep { vec![to_dee, ben_ends] } else { vec![] };
        world.remove(olga.0, &olga.1, &phone, &kept);
        assert_eq!(world.role(document, dee).is_some(), keep);
        assert_eq!(world.role(document, ben.0).is_none(), keep);
        assert_eq!(world.role(document, ada.0), Some(Role::Admin));
        assert_eq!(
            world.ever(document, dee),
            Some(Role::Write),
            "what is stored does not depend on removals"
        );
        let access = world.registry.access(document).unwrap();
        assert_eq!(access.role_of_device(&phone.public()), None);
        assert_eq!(access.ever_role_of_device(&phone.public()), Some(Role::Admin));
        assert_eq!(access.role_of_device(&tablet.public()), Some(Role::Admin));
    }
}

#[test]
fn the_genesis_stands_when_its_signer_is_removed() {
    let Story { mut world, document, olga, ada, .. } = story();
    let phone = device(20);
    world.add(olga.0, &olga.1, &phone);
    let other = world.document(olga.0, &phone);
    world.remove(olga.0, &olga.1, &phone, &[]);
    assert_eq!(world.role(other, olga.0), Some(Role::Admin));
    assert_eq!(world.role(document, ada.0), Some(Role::Admin));
}

#[test]
fn a_limited_device_writes_and_signs_no_grant() {
    let Story { mut world, document, ada, cy, to_ada, .. } = story();
    let tv = device(20);
    let record = operation(ada.0, &ada.1, &world.heads(ada.0), add(ada.0, &tv, Capacity::Limited));
    world.insert(record);
    let access = world.registry.access(document).unwrap();
    assert_eq!(access.role_of_device(&tv.public()), Some(Role::Admin));
    let grant = world.grant_of(document, ada.0, &tv, Audience::Person(cy.0), ADMIN.under(to_ada));
    assert_eq!(world.insert(Record::Grant(grant).sign(&tv).unwrap()).1, Inserted::Waiting);
    assert_eq!(world.role(document, cy.0), Some(Role::Write));
}

#[test]
fn a_grant_to_a_device_is_given_back_by_it_and_not_passed_on() {
    let Story { mut world, document, olga, cy, .. } = story();
    let kiosk = device(30);
    let home = world.person(&kiosk);
    let to = Audience::Device(kiosk.public());
    let grant = world.grant_of(document, olga.0, &olga.1, to, ADMIN);
    let (to_kiosk, _) = world.insert(Record::Grant(grant).sign(&olga.1).unwrap());
    let role = |world: &World| world.registry.access(document).unwrap().role_of_device(&kiosk.public());
    assert_eq!(role(&world), Some(Role::Admin));
    assert_eq!(world.role(document, home), None, "the person has nothing by it");
    let terms = WRITE.under(to_kiosk);
    let grant = world.grant_of(document, home, &kiosk, Audience::Person(cy.0), terms);
    let inserted = world.insert(Record::Grant(grant).sign(&kiosk).unwrap()).1;
    assert_eq!(inserted, Inserted::Refused(Refusal::NotTheIssuersToGive));
    world.revoke(document, home, &kiosk, to_kiosk);
    assert_eq!(role(&world), None);
}

#[test]
fn expiry_closes_connections_and_decides_nothing_else() {
    let Story { mut world, document, olga, .. } = story();
    let dee = (world.person(&device(5)), device(5));
    let brief = Terms { expires: Some(1_000), ..WRITE };
    world.grant(document, olga.0, &olga.1, dee.0, brief);
    let access = world.registry.access(document).unwrap();
    let phone = dee.1.public();
    assert_eq!(access.role_of_device(&phone), Some(Role::Write));
    assert_eq!(access.unexpired_role_of_device(&phone, 1_000 + EXPIRY_GRACE_MS), Some(Role::Write));
    assert_eq!(access.unexpired_role_of_device(&phone, 1_001 + EXPIRY_GRACE_MS), None);
}

#[test]
fn an_invitation_is_redeemed_offline_as_often_as_it_says() {
    let Story { mut world, document, olga, .. } = story();
    let secret = invitation(40);
    let key = secret.public();
    let terms = Terms { share: true, uses: Some(2), ..WRITE };
    let invite = world.grant_of(document, olga.0, &olga.1, Audience::Invite(key), terms);
    let invite = Grant { offline: true, ..invite };
    let (invite, _) = world.insert(Record::Grant(invite).sign(&olga.1).unwrap());
    assert_eq!(world.registry.access(document).unwrap().invites().len(), 1);
    let guests: Vec<_> = (50..53).map(|number| world.person(&device(number))).collect();
    let mut redeemed = Vec::new();
    for guest in &guests {
        let nonce = world.nonce().to_be_bytes();
        let grant = Grant {
            resource: document,
            issuer: Issuer::Invite(key),
            to: Audience::Person(*guest),
            role: Role::Write,
            share: false,
            uses: None,
            confirm: false,
            offline: false,
            parent: Parent::Grant(invite),
            redeems: None,
            expires: None,
            nonce,
            by: Signer::Invite(key),
        };
        let (id, inserted) = world.insert(Record::Grant(grant).sign_as_invite(&secret).unwrap());
        assert_eq!(inserted, Inserted::New);
        redeemed.push((id, *guest));
    }
    redeemed.sort();
    let live: Vec<bool> = redeemed.iter().map(|(_, guest)| world.role(document, *guest).is_some()).collect();
    assert_eq!(live, [true, true, false], "the lowest ids count");
    world.revoke(document, olga.0, &olga.1, redeemed[0].0);
    let (_, last) = redeemed[2];
    assert_eq!(world.role(document, last), None, "ending one redemption does not admit another");
    world.revoke(document, olga.0, &olga.1, invite);
    assert!(guests.iter().all(|guest| world.role(document, *guest).is_none()));
    assert!(world.registry.access(document).unwrap().invites().is_empty());
}

#[test]
fn a_new_grant_rests_on_what_lasts_longest() {
    let mut world = World::default();
    let olga = (world.person(&device(1)), device(1));
    let ada = (world.person(&device(2)), device(2));
    let document = world.document(olga.0, &olga.1);
    let mut given = |role, expires| {
        let terms = Terms { role, share: true, expires, ..WRITE };
        world.grant(document, olga.0, &olga.1, ada.0, terms)
    };
    let short = given(Role::Admin, Some(1_000));
    let long = given(Role::Write, Some(2_000));
    let strong = given(Role::Admin, Some(2_000));
    let resting = |world: &World, role, expires| {
        world.registry.authority_for(ada.1.public(), document, role, expires).map(|(_, parent)| parent)
    };
    let most = Some(Parent::Grant(strong));
    assert_eq!(resting(&world, Role::Read, Some(500)), most, "of those that last longest the strongest");
    assert_eq!(resting(&world, Role::Read, Some(2_000)), most);
    assert_eq!(resting(&world, Role::Read, Some(2_001)), None);
    assert_eq!(resting(&world, Role::Read, None), None);
    assert_eq!(
        world.registry.authority(ada.1.public(), document, Role::Read).map(|(_, parent)| parent),
        most
    );
    world.revoke(document, olga.0, &olga.1, strong);
    assert_eq!(resting(&world, Role::Admin, Some(500)), Some(Parent::Grant(short)));
    assert_eq!(resting(&world, Role::Admin, Some(1_500)), None);
    assert_eq!(resting(&world, Role::Read, Some(500)), Some(Parent::Grant(long)));
    let for_ever = world.grant(document, olga.0, &olga.1, ada.0, Terms { share: true, ..WRITE });
    assert_eq!(resting(&world, Role::Read, None), Some(Parent::Grant(for_ever)));
    assert_eq!(resting(&world, Role::Read, Some(500)), Some(Parent::Grant(for_ever)));
}

#[test]
fn deleting_ends_every_role() {
    let Story { mut world, document, olga, ada, .. } = story();
    world.delete(document, &olga.1);
    let access = world.registry.access(document).unwrap();
    assert!(access.deleted);
    assert_eq!(access.role_of_person(&olga.0), None);
    assert_eq!(access.ever_role_of_person(&ada.0), Some(Role::Admin));
    assert_eq!(world.registry.authority(olga.1.public(), document, Role::Read), None);
}

#[test]
fn a_stolen_phone_deletes_nothing_after_its_removal() {
    let Story { mut world, document, olga, ada, .. } = story();
    let phone = device(20);
    world.add(olga.0, &olga.1, &phone);
    world.remove(olga.0, &olga.1, &phone, &[]);
    world.delete(document, &phone);
    assert!(!world.registry.access(document).unwrap().deleted);
    assert_eq!(world.role(document, ada.0), Some(Role::Admin));
}

#[test]
fn a_device_that_is_full_by_a_void_word_alone_signs_no_grant() {
    let Story { mut world, document, olga, .. } = story();
    let (thief, tv) = (device(20), device(21));
    let thief_added = world.add(olga.0, &olga.1, &thief);
    let heads = world.heads(olga.0);
    world.insert(operation(olga.0, &olga.1, &heads, add(olga.0, &tv, Capacity::Limited)));
    world.remove(olga.0, &olga.1, &thief, &[]);
    world.add_seeing(olga.0, &thief, &tv, &[thief_added]);
    let dee = world.person(&device(5));
    world.grant(document, olga.0, &tv, dee, WRITE);
    assert_eq!(world.role(document, dee), None);
    assert_eq!(world.ever(document, dee), Some(Role::Write));
    assert!(world.contains(olga.0, &tv));
}
