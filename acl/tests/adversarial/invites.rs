//! Tickets in the wrong hands, and in too many.

use katori_acl::{
    Audience, Capacity, Claim, ClaimError, DeviceKey, Grant, Inserted, InviteSecret, Issuer, Parent,
    PersonId, Record, RecordId, Refusal, Role, SignedClaim, Signer, Ticket, TicketError, TicketKind,
    VerifiedClaim, VerifiedRecord,
};

use crate::cast::{adding, device, granting, invitation, operation};
use crate::story::{Story, Who};

/// An invitation of Ada's with one use, made under her grant.
fn invite(story: &mut Story, uses: Option<u32>, confirm: bool) -> RecordId {
    let to = Audience::Invite(invitation(60).public());
    let grant = granting(story.document, story.ada.id, &story.ada.key, to);
    let grant = Grant { uses, confirm, offline: !confirm, parent: Parent::Grant(story.to_ada), ..grant };
    story.stored(Record::Grant(grant).sign(&story.ada.key).unwrap())
}

/// An answer to an invitation, by somebody who may grant.
fn redemption(
    story: &Story,
    issuer: &Who,
    under: RecordId,
    offer: RecordId,
    to: PersonId,
    nonce: u8,
) -> VerifiedRecord {
    let grant = granting(story.document, issuer.id, &issuer.key, Audience::Person(to));
    let grant = Grant { parent: Parent::Grant(under), redeems: Some(offer), nonce: [nonce; 8], ..grant };
    Record::Grant(grant).sign(&issuer.key).unwrap()
}

/// The same by whoever holds the ticket.
fn bearing(story: &Story, secret: &InviteSecret, offer: RecordId, to: PersonId, nonce: u8) -> VerifiedRecord {
    let grant = granting(story.document, story.ada.id, &story.ada.key, Audience::Person(to));
    let (issuer, by) = (Issuer::Invite(secret.public()), Signer::Invite(secret.public()));
    let grant = Grant { issuer, by, parent: Parent::Grant(offer), nonce: [nonce; 8], ..grant };
    Record::Grant(grant).sign_as_invite(secret).unwrap()
}

fn of(who: &Who) -> Who {
    Who { id: who.id, key: who.key.clone() }
}

/// T25. Two of Ada's devices, each asleep to the other, let in one person each by an invitation with one use.
/// One of the two counts, the same one everywhere, and it is the one whose grant has the lower id.
#[test]
fn invite_used_beyond_its_uses_by_racing_devices() {
    let mut story = Story::new();
    let offer = invite(&mut story, Some(1), false);
    let phone = device(20);
    let (ada, genesis) = (of(&story.ada), story.ada.genesis());
    story.stored(operation(ada.id, &ada.key, &[genesis], adding(ada.id, &phone, Capacity::Full)));
    let by_phone = Who { id: ada.id, key: phone };
    let (to_mallory, to_ben) = (
        redemption(&story, &ada, story.to_ada, offer, story.mallory.id, 1),
        redemption(&story, &by_phone, story.to_ada, offer, PersonId::from_bytes([9; 32]), 2),
    );
    let first = to_mallory.id() < to_ben.id();
    let mut backwards = story.registry.clone();
    for record in [&to_mallory, &to_ben] {
        story.tell(record.clone());
    }
    for record in [&to_ben, &to_mallory] {
        backwards.insert(record.clone());
    }
    assert_eq!(story.role(&story.mallory).is_some(), first);
    let access = backwards.access(story.document).unwrap();
    assert_eq!(access.role_of_person(&story.mallory.id).is_some(), first);
    assert_eq!(access.role_of_person(&PersonId::from_bytes([9; 32])).is_some(), !first);
}

/// T25, T5. Ben has nothing to say about Ada's invitation: he cannot use it up, and so end what she gave to
/// whoever came by it. That would be a revocation sideways.
#[test]
fn an_invitation_is_not_used_up_from_the_side() {
    for attempt in 0..16 {
        let mut story = Story::new();
        let offer = invite(&mut story, Some(1), false);
        let (ada, ben) = (of(&story.ada), of(&story.ben));
        story.stored(redemption(&story, &ada, story.to_ada, offer, story.mallory.id, attempt));
        assert_eq!(story.role(&story.mallory), Some(Role::Write));
        let puppet = PersonId::from_bytes([9; 32]);
        story.tell(redemption(&story, &ben, story.to_ben, offer, puppet, attempt));
        assert_eq!(story.role(&story.mallory), Some(Role::Write), "attempt {attempt}");
    }
}

/// T25. Whoever finds a ticket that was used already does not put himself in the place of whom Ada let in.
#[test]
fn a_found_ticket_takes_nobodys_place() {
    for attempt in 0..16 {
        let mut story = Story::new();
        let offer = invite(&mut story, Some(1), false);
        let ada = of(&story.ada);
        story.stored(redemption(&story, &ada, story.to_ada, offer, story.mallory.id, 0));
        let finder = PersonId::from_bytes([9; 32]);
        story.tell(bearing(&story, &invitation(60), offer, finder, attempt));
        assert_eq!(story.role(&story.mallory), Some(Role::Write), "attempt {attempt}");
    }
}

/// T25. A grant to an invitation's key, then to a person by it: no more than the invitation says, to nobody
/// but a person, and at an end with it.
#[test]
fn grant_to_invite_key_then_to_person() {
    let mut story = Story::new();
    let offer = invite(&mut story, None, false);
    let secret = invitation(60);
    let raise = |how: &dyn Fn(Grant) -> Grant| {
        let base = bearing(&story, &secret, offer, story.mallory.id, 1);
        let Record::Grant(grant) = base.record().clone() else { panic!("a grant") };
        Record::Grant(how(grant)).sign_as_invite(&secret).unwrap()
    };
    let attempts = [
        raise(&|grant| Grant { role: Role::Admin, ..grant }),
        raise(&|grant| Grant { share: true, ..grant }),
        raise(&|grant| Grant { to: Audience::Device(device(9).public()), ..grant }),
        raise(&|grant| Grant { to: Audience::Invite(invitation(61).public()), ..grant }),
    ];
    for attempt in attempts {
        assert!(matches!(story.tell(attempt), Inserted::Refused(_)));
    }
    let other = bearing(&story, &invitation(61), offer, story.mallory.id, 1);
    assert!(matches!(story.tell(other), Inserted::Refused(_)));
    let honest = bearing(&story, &secret, offer, story.mallory.id, 1);
    story.stored(honest);
    assert_eq!(story.role(&story.mallory), Some(Role::Write));
    story.stored(story.revoke(&story.ada, offer));
    assert_eq!(story.role(&story.mallory), None, "a revoked invitation lets nobody in");
}

/// T25. Whom Ada let in by hand stays when she ends the invitation that he came with.
#[test]
fn revoked_invitation_keeps_whom_it_let_in() {
    let mut story = Story::new();
    let offer = invite(&mut story, Some(1), false);
    let ada = of(&story.ada);
    story.stored(redemption(&story, &ada, story.to_ada, offer, story.mallory.id, 0));
    story.stored(story.revoke(&story.ada, offer));
    assert_eq!(story.role(&story.mallory), Some(Role::Write));
}

/// T25. An invitation that is to be confirmed lets in nobody but by the device that made it.
#[test]
fn an_invitation_to_be_confirmed() {
    let mut story = Story::new();
    let offer = invite(&mut story, None, true);
    let ben = of(&story.ben);
    let by_ticket = bearing(&story, &invitation(60), offer, story.mallory.id, 1);
    let by_ben = redemption(&story, &ben, story.to_ben, offer, story.mallory.id, 1);
    assert_eq!(story.tell(by_ticket), Inserted::Refused(Refusal::NotTheIssuersToGive));
    assert_eq!(story.tell(by_ben), Inserted::Refused(Refusal::NotConfirmed));
    let ada = of(&story.ada);
    let confirmed = redemption(&story, &ada, story.to_ada, offer, story.mallory.id, 1);
    story.stored(confirmed);
    assert_eq!(story.role(&story.mallory), Some(Role::Write));
}

/// T25. An invitation to one document answers for no other.
#[test]
fn ticket_for_another_resource() {
    let mut story = Story::new();
    let offer = invite(&mut story, None, false);
    let other = crate::cast::document(story.ada.id, &story.ada.key, 2);
    let resource = crate::cast::resource_of(&other);
    story.stored(other);
    let key = invitation(60).public();
    let grant = granting(resource, story.ada.id, &story.ada.key, Audience::Person(story.mallory.id));
    let (issuer, by, parent) = (Issuer::Invite(key), Signer::Invite(key), Parent::Grant(offer));
    let by_ticket = Record::Grant(Grant { issuer, by, parent, ..grant.clone() });
    let by_hand = Record::Grant(Grant { redeems: Some(offer), ..grant });
    for grant in [by_ticket.sign_as_invite(&invitation(60)), by_hand.sign(&story.ada.key)] {
        assert_eq!(story.tell(grant.unwrap()), Inserted::Waiting);
    }
    assert_eq!(story.registry.access(resource).unwrap().role_of_person(&story.mallory.id), None);
}

fn claim(joiner: &DeviceKey) -> Claim {
    Claim {
        invite: invitation(60).public(),
        challenge: [3; 32],
        inviter: device(2).public(),
        joiner: joiner.public(),
        person: Some(PersonId::from_bytes([5; 32])),
        exporter: [6; 32],
        name: "phone".to_owned(),
        consent: None,
    }
}

fn verified(bytes: &[u8]) -> Result<VerifiedClaim, ClaimError> {
    SignedClaim::decode(bytes)?.verify()
}

/// T2, T25, and Quiet's 3456, where the proof of an invitation was a bearer token that anybody could show
/// again. A claim is signed over the inviter's challenge, both devices and the connection: shown to another
/// device, in another connection, or after another challenge, it says that it is not meant.
#[test]
fn claim_replayed_to_another_device_or_connection() {
    let joiner = device(9);
    let bytes = claim(&joiner).sign(&invitation(60), &joiner).unwrap().bytes().to_vec();
    assert_eq!(verified(&bytes).unwrap().claim(), &claim(&joiner));
    let meant = [claim(&joiner).challenge, *claim(&joiner).inviter.as_bytes(), claim(&joiner).exporter];
    for field in meant {
        let at = bytes.windows(32).position(|window| window == field).unwrap();
        let mut replayed = bytes.clone();
        replayed[at..at + 32].copy_from_slice(&[77; 32]);
        assert!(matches!(verified(&replayed), Err(ClaimError::BadSignature(_))));
    }
}

/// T25. A third party that relays a claim cannot put its own device or person into it, nor sign half of it.
#[test]
fn claim_relayed_by_a_third_party() {
    let (joiner, thief) = (device(9), device(10));
    let signed = claim(&joiner).sign(&invitation(60), &joiner).unwrap();
    let bytes = signed.bytes();
    for (field, other) in [(joiner.public().as_bytes(), thief.public().as_bytes()), (&[5; 32], &[55; 32])] {
        let at = bytes.windows(32).position(|window| window == field).unwrap();
        let mut stolen = bytes.to_vec();
        stolen[at..at + 32].copy_from_slice(other);
        assert!(matches!(verified(&stolen), Err(ClaimError::BadSignature(_))));
        // With a signature of the thief's own device below it.
        let payload = stolen[..stolen.len() - 128].to_vec();
        let by_device = stolen.len() - 64;
        stolen[by_device..].copy_from_slice(&thief.sign("claim-by-device", &payload).0);
        assert!(matches!(verified(&stolen), Err(ClaimError::BadSignature(_))));
    }
    assert_eq!(claim(&thief).sign(&invitation(61), &thief), Err(ClaimError::WrongKey));
    assert_eq!(claim(&joiner).sign(&invitation(60), &thief), Err(ClaimError::WrongKey));
}

/// T26. A device agrees to belong to one person; what it signed for one is no word for another.
#[test]
fn pairing_claim_for_another_roster() {
    let joiner = device(9);
    let (mine, other) = (PersonId::from_bytes([5; 32]), PersonId::from_bytes([6; 32]));
    let pairing = Claim { person: None, consent: Some(joiner.consent(mine)), ..claim(&joiner) };
    let pairing = verified(pairing.sign(&invitation(60), &joiner).unwrap().bytes()).unwrap();
    assert!(pairing.consents_to(mine).is_some());
    assert!(pairing.consents_to(other).is_none());
}

/// T3. Every cut and every flipped bit of a claim makes it nothing.
#[test]
fn claim_truncated_and_bit_flipped() {
    let joiner = device(9);
    let bytes = claim(&joiner).sign(&invitation(60), &joiner).unwrap().bytes().to_vec();
    for place in 0..bytes.len() {
        assert!(verified(&bytes[..place]).is_err());
        let mut flipped = bytes.clone();
        flipped[place] ^= 1 << (place % 8);
        assert!(verified(&flipped).is_err(), "{place}");
    }
}

/// T25, T31. A ticket that was cut, mistyped or made by a newer version says so, and is none.
#[test]
fn ticket_altered_in_every_character() {
    let ticket = Ticket {
        kind: TicketKind::Device,
        person: PersonId::from_bytes([5; 32]),
        person_name: "Ada".to_owned(),
        devices: Vec::new(),
        seed: [7; 32],
        expires: None,
    };
    let text = ticket.to_string();
    assert_eq!(text.parse::<Ticket>().as_ref(), Ok(&ticket));
    for place in 0..text.len() {
        assert!(text[..place].parse::<Ticket>().is_err());
        let mut other = text.clone().into_bytes();
        other[place] = if other[place] == b'a' { b'b' } else { b'a' };
        let other = String::from_utf8(other).unwrap();
        assert_ne!(other.parse::<Ticket>(), Ok(ticket.clone()), "{place}");
        if place >= "katori1".len() {
            assert!(other.parse::<Ticket>().is_err(), "{place}");
        }
    }
    assert_eq!(text.replacen("katori1", "katori2", 1).parse::<Ticket>(), Err(TicketError::NewerVersion));
}
