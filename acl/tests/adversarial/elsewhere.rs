//! Findings against other systems that fit none of the other files.

use katori_acl::{Grant, Inserted, Keys, Parent, Record, Refusal, Role, RosterAction, Subject};

use crate::cast::operation;
use crate::story::Story;

/// T21, and Quiet's 3431: any member could put a keyset of a higher generation before everybody, and all took
/// it. Keys are not believed before they are judged by who may read, and by nobody's number.
#[test]
fn injected_keys() {
    let mut story = Story::new();
    let keys = Keys {
        resource: story.document,
        epoch: u64::MAX,
        previous: Vec::new(),
        sealed: vec![(story.mallory.id, vec![1; 48])],
        by: story.cy.key.public(),
    };
    let keys = Record::Keys(keys).sign(&story.cy.key).unwrap();
    assert!(matches!(story.tell(keys), Inserted::Refused(Refusal::NotYet(_))));
}

/// T33, and Quiet's 3433, which showed people what had failed its check: a name is believed only from who may
/// give it.
#[test]
fn a_name_given_by_a_stranger() {
    let mut story = Story::new();
    let heads = story.registry.roster(story.olga.id).unwrap().heads();
    let name = "Ada".to_owned();
    let rename = RosterAction::Rename { member: None, name };
    let forged = operation(story.olga.id, &story.mallory.key, &heads, rename);
    let refused = Refusal::NotEntitled(story.mallory.key.public());
    assert_eq!(story.tell(forged), Inserted::Refused(refused));
    assert_eq!(story.registry.roster(story.olga.id).unwrap().name, "somebody");
}

/// T2, and Quiet's 2822: the same records again, a thousand times and after all that followed.
#[test]
fn replayed_membership() {
    let mut story = Story::new();
    let all: Vec<_> = story.registry.subjects().collect();
    let old: Vec<_> =
        all.iter().flat_map(|subject| story.registry.records(subject).cloned().collect::<Vec<_>>()).collect();
    story.stored(story.revoke(&story.olga, story.to_ada));
    for _ in 0..100 {
        for record in &old {
            assert_eq!(story.tell(record.clone()), Inserted::Known);
        }
    }
    assert_eq!((story.role(&story.ada), story.role(&story.cy)), (None, None));
}

/// T5. Jazz' admins can only demote themselves; here an admin is removed by whoever is above him, and Keyhive's
/// pull request 146, where an admin could revoke nobody else, is the same question the other way round.
#[test]
fn an_admin_is_removable_by_whom_he_came_through() {
    let mut story = Story::new();
    let to_mallory = story.admin(&story.ada, &story.mallory, Parent::Grant(story.to_ada));
    let target = story.stored(to_mallory);
    assert_eq!(story.role(&story.mallory), Some(Role::Admin));
    story.stored(story.revoke(&story.ada, target));
    assert_eq!(story.role(&story.mallory), None);
}

/// T30. Two sets that differ in a revocation have different digests, whatever else somebody puts into them:
/// the digest is over all ids, so nothing cancels out as in an additive fingerprint.
#[test]
fn no_set_hides_a_revocation() {
    let mut story = Story::new();
    let subject = Subject::Resource(story.document);
    let mut seen = std::collections::BTreeSet::from([story.registry.digest(&subject)]);
    let mut without = story.registry.clone();
    let mut with = story.registry.clone();
    with.insert(story.revoke(&story.ada, story.to_cy));
    assert!(seen.insert(with.digest(&subject)));
    for number in 0..50 {
        let nonce = [number; 8];
        let parent = Parent::Grant(story.to_ben);
        let grant = story.grant(&story.ben, &story.ben, |grant| Grant { nonce, parent, ..grant });
        with.insert(grant.clone());
        without.insert(grant);
        assert!(seen.insert(with.digest(&subject)));
        assert!(seen.insert(without.digest(&subject)));
    }
    story.tell(story.revoke(&story.ada, story.to_cy));
    assert_eq!(story.role(&story.cy), None);
}
