//! Answers to invitations: by the device that is asked, or by the invitation's own key while nobody is there.

use katori_acl::{
    Audience, DeviceKey, Grant, Inserted, InviteSecret, Issuer, LinkStatus, Parent, PersonId, Record,
    RecordId, Refusal, ResourceId, Role, Signer, VerifiedRecord,
};

use crate::world::{ADMIN, Terms, WRITE, World, assert_any_order, device, invitation};

type Somebody = (PersonId, DeviceKey);

struct Story {
    world: World,
    document: ResourceId,
    olga: Somebody,
    secret: InviteSecret,
}

fn story() -> Story {
    let mut world = World::default();
    let olga = (world.person(&device(1)), device(1));
    let document = world.document(olga.0, &olga.1);
    Story { world, document, olga, secret: invitation(40) }
}

impl Story {
    fn invite(&mut self, terms: Terms, confirm: bool) -> RecordId {
        let to = Audience::Invite(self.secret.public());
        let grant = self.world.grant_of(self.document, self.olga.0, &self.olga.1, to, terms);
        let grant = Grant { confirm, offline: !confirm, ..grant };
        self.world.stored(Record::Grant(grant).sign(&self.olga.1).unwrap())
    }

    /// What the invitation's own key signs.
    fn offline(&mut self, to: Audience, invite: RecordId, share: bool) -> VerifiedRecord {
        let key = self.secret.public();
        let grant = Grant {
            resource: self.document,
            issuer: Issuer::Invite(key),
            to,
            role: Role::Write,
            share,
            uses: None,
            confirm: false,
            offline: false,
            parent: Parent::Grant(invite),
            redeems: None,
            expires: None,
            nonce: self.world.nonce().to_be_bytes(),
            by: Signer::Invite(key),
        };
        Record::Grant(grant).sign_as_invite(&self.secret).unwrap()
    }

    fn guest(&mut self, number: u8) -> PersonId {
        self.world.person(&device(number))
    }
}

#[test]
fn who_was_let_in_stays_when_the_invitation_ends() {
    let mut story = story();
    let (ada, ben) = (story.guest(50), story.guest(51));
    let invite = story.invite(WRITE, false);
    let offline = story.offline(Audience::Person(ben), invite, false);
    story.world.stored(offline);
    let Story { mut world, document, olga, .. } = story;
    world.grant(document, olga.0, &olga.1, ada, WRITE.redeeming(invite));
    let access = world.registry.access(document).unwrap();
    assert_eq!((access.invites()[0].redeemed, access.invites()[0].uses), (2, None));
    world.revoke(document, olga.0, &olga.1, invite);
    assert_eq!(world.role(document, ada), Some(Role::Write));
    assert_eq!(world.role(document, ben), None, "what the invitation's key gave hangs on it");
    let why = world.registry.explain(katori_acl::Principal::Person(ada), document);
    assert!(why.chains[0].is_live());
    let served = world.registry.limited_records_for(document, ada);
    assert!(served.iter().any(|record| record.id() == invite), "without it the grant could not be stored");
    assert_any_order(&world);
}

#[test]
fn uses_are_counted_by_person_over_both_ways() {
    let mut story = story();
    let guests: Vec<PersonId> = (50..54).map(|number| story.guest(number)).collect();
    let invite = story.invite(Terms { uses: Some(2), ..WRITE }, false);
    let mut redemptions = Vec::new();
    for (at, guest) in guests.iter().enumerate() {
        let id = if at % 2 == 0 {
            let Story { world, document, olga, .. } = &mut story;
            world.grant(*document, olga.0, &olga.1, *guest, WRITE.redeeming(invite))
        } else {
            let record = story.offline(Audience::Person(*guest), invite, false);
            story.world.stored(record)
        };
        redemptions.push((at % 2, id, *guest));
    }
    redemptions.sort();
    let redemptions: Vec<_> = redemptions.into_iter().map(|(_, id, guest)| (id, guest)).collect();
    let live = |story: &Story| -> Vec<bool> {
        redemptions.iter().map(|(_, guest)| story.world.role(story.document, *guest).is_some()).collect()
    };
    assert_eq!(live(&story), [true, true, false, false], "those whom a device let in come first");
    assert_eq!(story.world.registry.grant_status(redemptions[2].0), Some(LinkStatus::UsedUp));
    // A second answer to somebody who is in takes no place, and one to somebody who came too late gives none.
    for (at, expected) in [(0, LinkStatus::Live), (3, LinkStatus::UsedUp)] {
        let Story { world, document, olga, .. } = &mut story;
        loop {
            let grant = WRITE.redeeming(invite);
            let grant =
                world.grant_of(*document, olga.0, &olga.1, Audience::Person(redemptions[at].1), grant);
            let record = Record::Grant(grant).sign(&olga.1).unwrap();
            if record.id() > redemptions[1].0 {
                let id = world.stored(record);
                assert_eq!(world.registry.grant_status(id), Some(expected));
                break;
            }
        }
    }
    assert_eq!(live(&story), [true, true, false, false]);
    let Story { mut world, document, olga, .. } = story;
    world.revoke(document, olga.0, &olga.1, redemptions[0].0);
    assert_eq!(world.role(document, redemptions[2].1), None, "ending one admits no other");
    assert_any_order(&world);
}

#[test]
fn an_answer_gives_no_more_than_the_invitation() {
    let mut story = story();
    let guest = story.guest(50);
    let other = story.guest(51);
    let invite = story.invite(WRITE, false);
    let Story { mut world, document, olga, .. } = story;
    let mut attempt = |terms: Terms| {
        let grant = world.grant_of(document, olga.0, &olga.1, Audience::Person(guest), terms);
        world.insert(Record::Grant(grant).sign(&olga.1).unwrap())
    };
    let exceeds = Inserted::Refused(Refusal::ExceedsParent);
    assert_eq!(attempt(Terms { role: Role::Admin, ..WRITE.redeeming(invite) }).1, exceeds);
    assert_eq!(attempt(Terms { share: true, ..WRITE.redeeming(invite) }).1, exceeds);
    let (answer, inserted) = attempt(Terms { role: Role::Read, ..WRITE.redeeming(invite) });
    assert_eq!(inserted, Inserted::New);
    assert_eq!(attempt(WRITE.redeeming(answer)).1, Inserted::Refused(Refusal::NoInvitation));
    assert_eq!(attempt(WRITE.redeeming(RecordId::from_bytes([0; 32]))).1, Inserted::Waiting);
    let to = Audience::Device(device(51).public());
    let grant = world.grant_of(document, olga.0, &olga.1, to, WRITE.redeeming(invite));
    assert!(Record::Grant(grant).sign(&olga.1).is_err(), "only a person redeems");
    assert_eq!(world.role(document, other), None);
    assert_eq!(world.role(document, guest), Some(Role::Read));
}

#[test]
fn whoever_an_invitation_came_from_answers_in_the_inviters_place() {
    let mut story = story();
    let (ada, guest) = ((story.guest(50), device(50)), story.guest(51));
    let invite = story.invite(WRITE, false);
    let confirmed = story.invite(WRITE, true);
    let Story { mut world, document, olga, .. } = story;
    let to_ada = world.grant(document, olga.0, &olga.1, ada.0, ADMIN);
    let of_ada = Audience::Invite(invitation(41).public());
    let of_ada = world.give(document, Issuer::Person(ada.0), &ada.1, of_ada, WRITE.under(to_ada));
    let answer = |world: &mut World, invite: RecordId, key: &DeviceKey, issuer: PersonId, terms: Terms| {
        let grant = world.grant_of(document, issuer, key, Audience::Person(guest), terms.redeeming(invite));
        world.insert(Record::Grant(grant).sign(key).unwrap()).1
    };
    // By Ada's the owner lets people in too, but she does not by one that did not come from her.
    let aside = Inserted::Refused(Refusal::NotTheirInvitation);
    assert_eq!(answer(&mut world, invite, &ada.1, ada.0, WRITE.under(to_ada)), aside);
    assert_eq!(answer(&mut world, of_ada, &olga.1, olga.0, WRITE), Inserted::New);
    assert_eq!(world.role(document, guest), Some(Role::Write));
    assert_eq!(answer(&mut world, of_ada, &ada.1, ada.0, WRITE.under(to_ada)), Inserted::New);
    let redeeming = |invitation| {
        world.registry.authority_to_redeem(ada.1.public(), document, Role::Write, None, invitation)
    };
    assert_eq!(redeeming(of_ada), Some((Issuer::Person(ada.0), Parent::Grant(to_ada))));
    assert_eq!(redeeming(invite), None);
    let refused = Inserted::Refused(Refusal::NotConfirmed);
    assert_eq!(answer(&mut world, confirmed, &ada.1, ada.0, WRITE.under(to_ada)), refused);
    let phone = device(52);
    world.add(olga.0, &olga.1, &phone);
    assert_eq!(answer(&mut world, confirmed, &phone, olga.0, WRITE), refused, "not even another of her own");
    assert_eq!(answer(&mut world, confirmed, &olga.1, olga.0, WRITE), Inserted::New);
    assert_any_order(&world);
}

#[test]
fn offline_a_person_is_let_in_with_no_more_than_the_invitation_says() {
    let mut story = story();
    let (ada, ben) = (story.guest(50), story.guest(51));
    let plain = story.invite(WRITE, false);
    let sharing = story.invite(Terms { share: true, ..WRITE }, false);
    let confirmed = story.invite(WRITE, true);
    let to_key = Audience::Invite(story.secret.public());
    let olga = Issuer::Person(story.olga.0);
    let online = story.world.give(story.document, olga, &story.olga.1, to_key, WRITE);
    let exceeds = Inserted::Refused(Refusal::ExceedsParent);
    let not_given = Inserted::Refused(Refusal::NotTheIssuersToGive);
    let to_device = Audience::Device(device(50).public());
    for (to, invite, share, expected) in [
        (Audience::Person(ada), plain, true, exceeds),
        (Audience::Person(ada), plain, false, Inserted::New),
        (to_device, sharing, false, not_given.clone()),
        (Audience::Invite(invitation(41).public()), sharing, false, not_given.clone()),
        (Audience::Person(ben), confirmed, false, not_given.clone()),
        (Audience::Person(ben), online, false, not_given),
        (Audience::Person(ben), sharing, true, Inserted::New),
    ] {
        let record = story.offline(to, invite, share);
        assert_eq!(story.world.insert(record).1, expected);
    }
    let access = story.world.registry.access(story.document).unwrap();
    assert!(access.standing_of_person(&ben).unwrap().share);
    assert!(!access.standing_of_person(&ada).unwrap().share);
    assert_any_order(&story.world);
}

#[test]
fn only_an_invitation_is_confirmed() {
    let mut story = story();
    let guest = story.guest(50);
    let Story { mut world, document, olga, secret } = story;
    let grant = world.grant_of(document, olga.0, &olga.1, Audience::Person(guest), WRITE);
    assert!(Record::Grant(Grant { confirm: true, ..grant.clone() }).sign(&olga.1).is_err());
    assert!(Record::Grant(Grant { offline: true, ..grant.clone() }).sign(&olga.1).is_err());
    let both = Grant { to: Audience::Invite(secret.public()), confirm: true, offline: true, ..grant };
    assert!(Record::Grant(both).sign(&olga.1).is_err());
}

#[test]
fn the_key_of_an_invitation_redeems_no_other() {
    let mut story = story();
    let ben = story.guest(51);
    let invite = story.invite(WRITE, false);
    let Record::Grant(grant) = story.offline(Audience::Person(ben), invite, false).record().clone() else {
        panic!()
    };
    assert!(Record::Grant(Grant { redeems: Some(invite), ..grant }).sign_as_invite(&story.secret).is_err());
}

#[test]
fn who_holds_a_ticket_displaces_nobody_that_a_device_let_in() {
    let mut story = story();
    let ada = story.guest(50);
    let finders: Vec<PersonId> = (60..72).map(|number| story.guest(number)).collect();
    let invite = story.invite(Terms { uses: Some(1), ..WRITE }, false);
    for finder in &finders {
        let record = story.offline(Audience::Person(*finder), invite, false);
        story.world.stored(record);
    }
    let found = |story: &Story| {
        finders.iter().filter(|finder| story.world.role(story.document, **finder).is_some()).count()
    };
    assert_eq!(found(&story), 1);
    let Story { world, document, olga, .. } = &mut story;
    world.grant(*document, olga.0, &olga.1, ada, WRITE.redeeming(invite));
    assert_eq!(story.world.role(story.document, ada), Some(Role::Write));
    assert_eq!(found(&story), 0);
    assert_any_order(&story.world);
}

#[test]
fn a_removed_device_displaces_nobody() {
    let mut story = story();
    let (ada, other, found) = (story.guest(50), story.guest(51), story.guest(53));
    let invite = story.invite(Terms { uses: Some(2), ..WRITE }, false);
    let offline = story.offline(Audience::Person(found), invite, false);
    story.world.stored(offline);
    let Story { mut world, document, olga, .. } = story;
    let phone = device(52);
    world.add(olga.0, &olga.1, &phone);
    let first = world.grant(document, olga.0, &olga.1, ada, WRITE.redeeming(invite));
    world.remove(olga.0, &olga.1, &phone, &[]);
    let mut below = 0;
    while below < 3 {
        let id = world.grant(document, olga.0, &phone, other, WRITE.redeeming(invite));
        below += usize::from(id < first);
    }
    assert_eq!(world.role(document, ada), Some(Role::Write));
    assert_eq!(world.role(document, found), Some(Role::Write), "nor whom the key let in");
    assert_eq!(world.role(document, other), None);
    assert_any_order(&world);
}

#[test]
fn an_admin_whose_role_ended_displaces_nobody() {
    let story = story();
    let Story { mut world, document, olga, secret } = story;
    let (ada, guest, puppet) =
        ((world.person(&device(50)), device(50)), world.person(&device(51)), world.person(&device(52)));
    let to_ada = world.grant(document, olga.0, &olga.1, ada.0, ADMIN);
    let terms = Terms { uses: Some(1), ..WRITE.under(to_ada) };
    let invite =
        world.give(document, Issuer::Person(ada.0), &ada.1, Audience::Invite(secret.public()), terms);
    let first = world.grant(document, olga.0, &olga.1, guest, WRITE.redeeming(invite));
    world.revoke(document, olga.0, &olga.1, to_ada);
    let mut below = 0;
    while below < 2 {
        let id = world.grant(document, ada.0, &ada.1, puppet, WRITE.under(to_ada).redeeming(invite));
        world.revoke(document, ada.0, &ada.1, id);
        below += usize::from(id < first);
    }
    assert_eq!(world.role(document, guest), Some(Role::Write));
    assert_any_order(&world);
}

#[test]
fn who_was_revoked_does_not_come_back_by_the_ticket() {
    let mut story = story();
    let (ada, ben) = (story.guest(50), story.guest(51));
    let invite = story.invite(WRITE, false);
    let record = story.offline(Audience::Person(ben), invite, false);
    let of_ben = story.world.stored(record);
    let Story { world, document, olga, .. } = &mut story;
    let of_ada = world.grant(*document, olga.0, &olga.1, ada, WRITE.redeeming(invite));
    let by_hand = world.revoke(*document, olga.0, &olga.1, of_ada);
    world.revoke(*document, olga.0, &olga.1, of_ben);
    for guest in [ada, ben] {
        let (mut below, mut above) = (false, false);
        while !(below && above) {
            let record = story.offline(Audience::Person(guest), invite, false);
            let first = if guest == ada { of_ada } else { of_ben };
            below |= record.id() < first;
            above |= record.id() > first;
            let id = story.world.stored(record);
            if guest == ada {
                let issuer = Issuer::Person(story.olga.0);
                let status = Some(LinkStatus::Revoked { record: by_hand, issuer });
                assert_eq!(story.world.registry.grant_status(id), status);
            }
        }
        assert_eq!(story.world.role(story.document, guest), None);
    }
    // A device may let them in again.
    let Story { world, document, olga, .. } = &mut story;
    world.grant(*document, olga.0, &olga.1, ada, WRITE.redeeming(invite));
    assert_eq!(world.role(*document, ada), Some(Role::Write));
    assert_any_order(world);
}
