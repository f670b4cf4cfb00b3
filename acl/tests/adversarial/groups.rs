//! Groups of people as owners, members and managers.

use katori_acl::{
    Audience, Capacity, Grant, Inserted, Issuer, Parent, PersonId, Record, ResourceKind, Role, Subject,
};

use crate::cast::{
    adding_person, beginning, granting, group, operation_for, removing_person, resource_of, revoking_as,
    roster_of,
};
use crate::story::{Story, Who};

impl Story {
    /// A group that this person founds, which joins others with him.
    fn circle(&mut self, founder: &Who, tag: u8, members: &[PersonId]) -> PersonId {
        let genesis = group(founder.id, &founder.key, tag);
        let circle = roster_of(&genesis);
        self.stored(genesis);
        for member in members {
            self.join(circle, founder, *member);
        }
        circle
    }

    fn join(&mut self, circle: PersonId, by: &Who, member: PersonId) {
        let heads = self.registry.roster(circle).unwrap().heads();
        let joins = adding_person(member, Capacity::Full);
        self.stored(operation_for(circle, Some(by.id), &by.key, &heads, joins));
    }

    fn to_group(&self, issuer: &Who, circle: PersonId, parent: Parent) -> katori_acl::VerifiedRecord {
        let grant = granting(self.document, issuer.id, &issuer.key, Audience::Group(circle));
        let grant = Grant { parent, role: Role::Admin, share: true, ..grant };
        Record::Grant(grant).sign(&issuer.key).unwrap()
    }
}

fn who(story: &Story, number: u8) -> Who {
    let of = |who: &Who| Who { id: who.id, key: who.key.clone() };
    match number {
        1 => of(&story.olga),
        2 => of(&story.ada),
        3 => of(&story.ben),
        4 => of(&story.cy),
        _ => of(&story.mallory),
    }
}

/// T12. Groups within each other in a circle, and each within itself: bounded, the same in every order, and
/// worth no more than their members.
#[test]
fn nesting_cycles_among_groups() {
    let mut story = Story::new();
    let (olga, ada, ben, mallory) = (who(&story, 1), who(&story, 2), who(&story, 3), who(&story, 5));
    let first = story.circle(&ada, 20, &[]);
    let second = story.circle(&ben, 21, &[first]);
    let third = story.circle(&mallory, 22, &[second]);
    story.join(first, &ada, third);
    story.join(first, &ada, first);
    let to_first = story.to_group(&olga, first, Parent::Genesis);
    let grant = story.stored(to_first);
    // Three groups deep everybody is reached, and Mallory, who founded the third, with them.
    for who in [&ada, &ben, &mallory] {
        assert_eq!(story.role(who), Some(Role::Admin));
    }
    assert_eq!(story.role(&story.cy), Some(Role::Write));
    story.stored(story.revoke(&olga, grant));
    assert_eq!(story.role(&mallory), None);
}

/// T12. Fifty groups of which each holds all others.
#[test]
fn every_group_in_every_other() {
    let mut story = Story::new();
    let (olga, mallory) = (who(&story, 1), who(&story, 5));
    let circles: Vec<_> = (100..120).map(|tag| story.circle(&mallory, tag, &[])).collect();
    for circle in &circles {
        for other in &circles {
            story.join(*circle, &mallory, *other);
        }
    }
    let to_one = story.to_group(&olga, circles[7], Parent::Genesis);
    story.stored(to_one);
    assert_eq!(story.role(&mallory), Some(Role::Admin));
    assert!(story.registry.speaks_for(Issuer::Group(circles[3]), mallory.key.public()));
    assert!(!story.registry.speaks_for(Issuer::Group(circles[3]), olga.key.public()));
}

/// T4. p2panda's issue 779: there a group cannot be the manager of another, so that a person of several
/// devices can administer nothing. Here a group is a member, an Admin and an owner like anybody.
#[test]
fn group_as_manager() {
    let mut story = Story::new();
    let (ada, ben, cy, mallory) = (who(&story, 2), who(&story, 3), who(&story, 4), who(&story, 5));
    let board = story.circle(&ada, 20, &[ben.id]);
    let members = story.circle(&ada, 21, &[board]);
    // Ben manages the members in the board's name.
    let heads = story.registry.roster(members).unwrap().heads();
    let joins = adding_person(cy.id, Capacity::Limited);
    story.stored(operation_for(members, Some(board), &ben.key, &heads, joins));
    let genesis = beginning(ResourceKind::Document, members, None, &ben.key, 5);
    let resource = resource_of(&genesis);
    story.stored(genesis);
    let role = |story: &Story, who: &Who| story.registry.access(resource).unwrap().role_of_person(&who.id);
    for who in [&ada, &ben, &cy] {
        assert_eq!(role(&story, who), Some(Role::Admin));
    }
    assert_eq!(role(&story, &mallory), None);
    // And grants in the name of the group that owns it; a limited member does not.
    let sign = |by: &Who, nonce| {
        let grant = granting(resource, by.id, &by.key, Audience::Person(mallory.id));
        let grant = Grant { issuer: Issuer::Group(members), nonce: [nonce; 8], ..grant };
        Record::Grant(grant).sign(&by.key).unwrap()
    };
    assert_eq!(story.tell(sign(&cy, 1)), Inserted::Waiting);
    assert_eq!(role(&story, &mallory), None);
    let granted = sign(&ben, 2);
    let target = granted.id();
    story.stored(granted);
    assert_eq!(role(&story, &mallory), Some(Role::Write));
    story.stored(revoking_as(resource, Issuer::Group(members), &ada.key, target));
    assert_eq!(role(&story, &mallory), None);
}

/// T8. What a removed member goes on signing in a group's name gives nothing; what it granted while it was one
/// stands if whoever removed it keeps it.
#[test]
fn a_former_member_speaks_for_no_group() {
    let mut story = Story::new();
    let (olga, ada, ben, mallory) = (who(&story, 1), who(&story, 2), who(&story, 3), who(&story, 5));
    let board = story.circle(&ada, 20, &[ben.id]);
    let to_board = story.to_group(&olga, board, Parent::Genesis);
    let parent = Parent::Grant(story.stored(to_board));
    let sign = |nonce, role| {
        let grant = granting(story.document, ben.id, &ben.key, Audience::Person(mallory.id));
        let grant = Grant { issuer: Issuer::Group(board), nonce: [nonce; 8], parent, role, ..grant };
        Record::Grant(grant).sign(&ben.key).unwrap()
    };
    let (before, after) = (sign(1, Role::Read), sign(2, Role::Admin));
    let kept = story.stored(before);
    let heads = story.registry.roster(board).unwrap().heads();
    story.stored(operation_for(board, Some(ada.id), &ada.key, &heads, removing_person(ben.id, &[kept])));
    story.tell(after);
    assert_eq!(story.role(&mallory), Some(Role::Read));
}

/// T16. Nobody founds a group, or changes one, in the name of somebody for whom his device does not speak.
#[test]
fn a_group_in_somebody_elses_name() {
    let mut story = Story::new();
    let (ada, mallory) = (who(&story, 2), who(&story, 5));
    let forged = group(ada.id, &mallory.key, 20);
    assert_eq!(story.tell(forged.clone()), Inserted::Waiting);
    assert!(story.registry.roster(roster_of(&forged)).is_none());
    let board = story.circle(&ada, 21, &[]);
    let heads = story.registry.roster(board).unwrap().heads();
    let joins = adding_person(mallory.id, Capacity::Full);
    let forged = operation_for(board, Some(ada.id), &mallory.key, &heads, joins);
    assert_eq!(story.tell(forged), Inserted::Waiting);
    assert!(!story.registry.roster(board).unwrap().contains_person(&mallory.id));
    assert_eq!(story.registry.record_ids(&Subject::Roster(board)).len(), 1);
}
