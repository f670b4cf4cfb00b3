//! Attempts to pass on more than was given.

use katori_acl::bounds::MAX_DEPTH;
use katori_acl::{Grant, Inserted, Issuer, Parent, RecordId, Refusal, Role, Signer};

use crate::cast::{device, person, roster_of};
use crate::story::{Story, Who};

fn refused(refusal: Refusal) -> Inserted {
    Inserted::Refused(refusal)
}

/// T4. Biscuit and UCAN call it attenuation; UCAN's fixtures list what may not be raised.
#[test]
fn role_raise() {
    let mut story = Story::new();
    let shared = |grant| Grant { share: true, parent: Parent::Grant(story.to_ada), ..grant };
    let to_ben = story.grant(&story.ada, &story.ben, shared);
    let under = Parent::Grant(to_ben.id());
    let raised = |grant| Grant { role: Role::Admin, parent: under, ..grant };
    let raised = story.grant(&story.ben, &story.mallory, raised);
    story.stored(to_ben);
    assert_eq!(story.tell(raised), refused(Refusal::ExceedsParent));
    assert_eq!(story.role(&story.mallory), None);
}

/// T4.
#[test]
fn share_false_then_delegate() {
    let mut story = Story::new();
    let passed_on = story.write(&story.cy, &story.mallory, Parent::Grant(story.to_cy));
    assert_eq!(story.tell(passed_on), refused(Refusal::NotTheIssuersToGive));
    assert_eq!(story.role(&story.mallory), None);
}

/// T4.
#[test]
fn expiry_raise() {
    let mut story = Story::new();
    let brief = |expires, parent| move |grant| Grant { expires, share: true, parent, ..grant };
    let until_noon = story.grant(&story.ada, &story.ben, brief(Some(12), Parent::Grant(story.to_ada)));
    let under = Parent::Grant(until_noon.id());
    story.stored(until_noon);
    for expires in [Some(13), None] {
        let longer = story.grant(&story.ben, &story.mallory, brief(expires, under));
        assert_eq!(story.tell(longer), refused(Refusal::ExceedsParent));
    }
    let shorter = story.grant(&story.ben, &story.mallory, brief(Some(11), under));
    assert_eq!(story.tell(shorter), Inserted::New);
}

/// T4, T16.
#[test]
fn parent_of_another_resource() {
    let mut story = Story::new();
    let other = crate::cast::document(story.olga.id, &story.olga.key, 2);
    let resource = crate::cast::resource_of(&other);
    story.stored(other);
    let grant = |grant| Grant { resource, parent: Parent::Grant(story.to_ada), ..grant };
    let grant = story.grant(&story.ada, &story.mallory, grant);
    assert_eq!(story.tell(grant), Inserted::Waiting);
    assert_eq!(story.registry.access(resource).unwrap().role_of_person(&story.mallory.id), None);
}

/// T4. A grant rests on one parent, and its issuer is whom that one is to: no link is skipped.
#[test]
fn a_link_is_not_skipped() {
    let mut story = Story::new();
    for (who, parent) in [(&story.cy, Parent::Grant(story.to_ada)), (&story.ada, Parent::Genesis)] {
        let skipping = story.admin(who, &story.mallory, parent);
        assert_eq!(story.registry.insert(skipping), refused(Refusal::NotTheIssuersToGive));
    }
    assert_eq!(story.role(&story.mallory), None);
    // In the name of somebody who may, with a key that is not his.
    let name = Issuer::Person(story.ada.id);
    let by = Signer::Device(story.cy.key.public());
    let forged = |grant| Grant { issuer: name, by, parent: Parent::Grant(story.to_ada), ..grant };
    let forged = story.grant(&story.cy, &story.mallory, forged);
    assert_eq!(story.tell(forged), Inserted::Waiting);
    assert_eq!(story.role(&story.mallory), None);
}

/// T12.
#[test]
fn depth_nine() {
    let mut story = Story::new();
    let mut parent = story.to_ada;
    let mut issuer = Who { id: story.ada.id, key: story.ada.key.clone() };
    for number in 1..=MAX_DEPTH {
        let key = device(30 + number);
        let genesis = person(&key, number);
        let next = Who { id: roster_of(&genesis), key };
        story.stored(genesis);
        let grant = story.admin(&issuer, &next, Parent::Grant(parent));
        (parent, issuer) = (grant.id(), next);
        let expected = if number < MAX_DEPTH { Inserted::New } else { refused(Refusal::TooDeep) };
        assert_eq!(story.tell(grant), expected);
    }
    assert_eq!(story.role(&issuer), None);
}

/// T12. A circle of grants would need each to hold the hash of the next. The nearest thing, two people who
/// grant to each other, ends with whoever ends the first of them. keyline needs a fixed point for this.
#[test]
fn cycle_attempt() {
    let mut story = Story::new();
    let to_ben = story.admin(&story.ada, &story.ben, Parent::Grant(story.to_ada));
    let first = story.stored(to_ben);
    let back = story.admin(&story.ben, &story.ada, Parent::Grant(first));
    let second = story.stored(back);
    let round = story.admin(&story.ada, &story.ben, Parent::Grant(second));
    story.stored(round);
    story.stored(story.revoke(&story.olga, story.to_ben));
    assert_eq!(story.role(&story.ben), Some(Role::Admin));
    story.stored(story.revoke(&story.olga, story.to_ada));
    assert_eq!((story.role(&story.ada), story.role(&story.ben)), (None, None));
    // A grant that names itself is not to be had: the hash that it would name is of what names it.
    let mut id = RecordId::from_bytes([0; 32]);
    for _ in 0..10 {
        let grant = story.admin(&story.ben, &story.ben, Parent::Grant(id));
        assert_ne!(grant.id(), id);
        id = grant.id();
    }
}

/// T4, and Quiet's 3444: chain links were not signed, so any member made himself an admin.
#[test]
fn self_promotion() {
    let mut story = Story::new();
    for parent in [Parent::Genesis, Parent::Grant(story.to_ada), Parent::Grant(story.to_cy)] {
        let own = story.admin(&story.cy, &story.cy, parent);
        assert!(matches!(story.tell(own), Inserted::Refused(_)));
        for name in [story.olga.id, story.ada.id] {
            let issuer = Issuer::Person(name);
            let grant = |grant| Grant { issuer, parent, role: Role::Admin, share: true, ..grant };
            let in_their_name = story.grant(&story.cy, &story.cy, grant);
            assert_ne!(story.tell(in_their_name), Inserted::New);
        }
    }
    assert_eq!(story.role(&story.cy), Some(Role::Write));
}
