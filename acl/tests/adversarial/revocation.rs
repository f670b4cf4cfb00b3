//! Who can end what.

use katori_acl::{Capacity, Grant, Inserted, Parent, Refusal, Role, Subject};

use crate::cast::{adding, device, operation, registry, removing, revoking};
use crate::story::Story;

/// T5. A revocation may come before what it revokes; in the end it makes no difference.
#[test]
fn revocation_before_target() {
    let mut story = Story::new();
    let grant = story.write(&story.ben, &story.mallory, Parent::Grant(story.to_ben));
    let revoke = story.revoke(&story.ben, grant.id());
    assert_eq!(story.tell(revoke), Inserted::Waiting);
    story.stored(grant);
    assert_eq!(story.role(&story.mallory), None);
}

/// T5.
#[test]
fn revocation_by_owner_issuer_ancestor_and_audience() {
    for by in ["owner", "issuer", "ancestor", "audience"] {
        let mut story = Story::new();
        let to_ben = story.admin(&story.ada, &story.ben, Parent::Grant(story.to_ada));
        let link = story.stored(to_ben);
        let to_mallory = story.write(&story.ben, &story.mallory, Parent::Grant(link));
        let target = story.stored(to_mallory);
        assert_eq!(story.role(&story.mallory), Some(Role::Write));
        let who = match by {
            "owner" => &story.olga,
            "issuer" => &story.ben,
            "ancestor" => &story.ada,
            _ => &story.mallory,
        };
        let revoke = story.revoke(who, target);
        story.stored(revoke);
        assert_eq!(story.role(&story.mallory), None, "{by}");
    }
}

/// T5. Sideways is inert: p2panda's managers and keyline's admins of one role end each other.
#[test]
fn revocation_by_sibling_inert() {
    let mut story = Story::new();
    for (by, target) in [(&story.ben, story.to_ada), (&story.ada, story.to_ben), (&story.ben, story.to_cy)] {
        let revoke = story.revoke(by, target);
        assert_eq!(story.registry.insert(revoke), Inserted::Refused(Refusal::NotUpstream));
    }
    assert_eq!((story.role(&story.ada), story.role(&story.ben)), (Some(Role::Admin), Some(Role::Admin)));
    assert_eq!(story.role(&story.cy), Some(Role::Write));
}

/// T5.
#[test]
fn revocation_by_descendant_inert() {
    let mut story = Story::new();
    let revoke = story.revoke(&story.cy, story.to_ada);
    assert_eq!(story.tell(revoke), Inserted::Refused(Refusal::NotUpstream));
    assert_eq!(story.role(&story.ada), Some(Role::Admin));
}

/// T5, T12. By a stranger, ten thousand times.
#[test]
fn revocation_by_stranger_inert() {
    let mut story = Story::new();
    let before = format!("{:?}", story.registry.access(story.document));
    for target in [story.to_ada, story.to_ben, story.to_cy] {
        let revoke = story.revoke(&story.mallory, target);
        for _ in 0..10_000 {
            assert_eq!(story.tell(revoke.clone()), Inserted::Refused(Refusal::NotUpstream));
        }
    }
    assert_eq!(format!("{:?}", story.registry.access(story.document)), before);
}

/// T8. A revocation by a device that was removed ends nothing, unless whoever removed it keeps it.
#[test]
fn revocation_by_removed_device_void_unless_kept() {
    for keep in [false, true] {
        let mut story = Story::new();
        let phone = device(20);
        let added = adding(story.ada.id, &phone, Capacity::Full);
        let genesis = story.ada.genesis();
        let added = story.stored(operation(story.ada.id, &story.ada.key, &[genesis], added));
        let revoke = story.stored(revoking(story.document, story.ada.id, &phone, story.to_cy));
        assert_eq!(story.role(&story.cy), None);
        let kept = if keep { vec![revoke] } else { Vec::new() };
        story.stored(operation(story.ada.id, &story.ada.key, &[added], removing(&phone, &kept)));
        assert_eq!(story.role(&story.cy).is_none(), keep);
    }
}

/// T5. A new grant gives access again, and only a new one: the same grant stays dead, and so does what hung on
/// it. Matrix' state resets (MSC4297) bring back what had been taken.
#[test]
fn regrant_after_revocation() {
    let mut story = Story::new();
    let again = story.registry.record(&story.to_ada).unwrap().clone();
    story.stored(story.revoke(&story.olga, story.to_ada));
    assert_eq!(story.tell(again), Inserted::Known);
    assert_eq!((story.role(&story.ada), story.role(&story.cy)), (None, None));
    let new = story.grant(&story.olga, &story.ada, |grant| Grant { nonce: [1; 8], ..grant });
    story.stored(new);
    assert_eq!((story.role(&story.ada), story.role(&story.cy)), (Some(Role::Write), None));
}

/// T5, Matrix' state resets (MSC4297) and MSC4289: however two halves of a story are put together, what was
/// ended stays ended, and who owns something goes on owning it.
#[test]
fn no_merge_resets_the_state() {
    let story = Story::new();
    let end_ada = story.revoke(&story.olga, story.to_ada);
    let end_ben = story.revoke(&story.olga, story.to_ben);
    let subject = Subject::Resource(story.document);
    let mut one = story.registry.clone();
    let mut other = story.registry.clone();
    one.insert(end_ada);
    other.insert(end_ben);
    let people = story.registry.subjects().filter(|other| *other != subject);
    let people: Vec<_> =
        people.flat_map(|person| story.registry.records(&person).collect::<Vec<_>>()).collect();
    for (first, second) in [(&one, &other), (&other, &one)] {
        let records = people.iter().copied().chain(first.records(&subject)).chain(second.records(&subject));
        let merged = registry(records);
        let access = merged.access(story.document).unwrap();
        for who in [&story.ada, &story.ben, &story.cy] {
            assert_eq!(access.role_of_person(&who.id), None);
        }
        assert_eq!(access.role_of_person(&story.olga.id), Some(Role::Admin));
    }
}

/// T5. keyline's `ex_admin_reach_is_frozen`: there a removed admin can revoke whatever is given to those who
/// were once below, for ever. Here a former admin reaches nothing that does not hang on what was hers.
#[test]
fn a_former_admin_cannot_revoke_the_survivors() {
    let mut story = Story::new();
    story.stored(story.revoke(&story.olga, story.to_ada));
    let responsored = story.write(&story.ben, &story.cy, Parent::Grant(story.to_ben));
    let responsored = story.stored(responsored);
    assert_eq!(story.role(&story.cy), Some(Role::Write));
    for target in [responsored, story.to_ben] {
        let revoke = story.revoke(&story.ada, target);
        assert_eq!(story.tell(revoke), Inserted::Refused(Refusal::NotUpstream));
    }
    assert_eq!(story.role(&story.cy), Some(Role::Write));
}

/// T5. keyline's `root_role_admin_can_revoke_the_root_edge`: one certificate of an admin bricks a document.
/// Here there is no edge above the owner, and his own grants are his alone to end.
#[test]
fn an_admin_cannot_brick_the_document() {
    let mut story = Story::new();
    for who in [&story.ada, &story.ben] {
        let genesis = Subject::Resource(story.document).genesis();
        for target in [genesis, story.to_ada, story.to_ben] {
            story.registry.insert(story.revoke(who, target));
        }
    }
    assert_eq!(story.role(&story.olga), Some(Role::Admin));
    // Each has only given back what was her own.
    assert_eq!((story.role(&story.ada), story.role(&story.ben)), (None, None));
    let new = story.grant(&story.olga, &story.ada, |grant| Grant { nonce: [1; 8], ..grant });
    story.stored(new);
    assert_eq!(story.role(&story.ada), Some(Role::Write));
}

/// T5, T6. Two admins who end each other: keyline's `mutual_revocations_both_take_effect` loses both, and what
/// is below; p2panda's strong removal too. Here neither is upstream of the other; and of two on one chain the
/// upper one is.
#[test]
fn mutual_revocation() {
    let mut story = Story::new();
    story.tell(story.revoke(&story.ada, story.to_ben));
    story.tell(story.revoke(&story.ben, story.to_ada));
    assert_eq!((story.role(&story.ada), story.role(&story.ben)), (Some(Role::Admin), Some(Role::Admin)));
    story.tell(story.revoke(&story.cy, story.to_ada));
    story.tell(story.revoke(&story.ada, story.to_cy));
    assert_eq!((story.role(&story.ada), story.role(&story.cy)), (Some(Role::Admin), None));
}
