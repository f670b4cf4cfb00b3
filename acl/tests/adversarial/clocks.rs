//! Clocks that are wrong, and people who lie about the time.

use katori_acl::bounds::EXPIRY_GRACE_MS;
use katori_acl::{Grant, Parent, Role};

use crate::story::Story;

const YEAR_MS: u64 = 365 * 24 * 60 * 60 * 1000;

/// T27. A clock a year off closes connections too early or too late, and never decides what anybody's grant is
/// worth: Biscuit's and ECAC's validity by time makes two devices disagree for ever.
#[test]
fn clock_a_year_off() {
    let mut story = Story::new();
    let now = 60 * YEAR_MS;
    let brief = |grant| Grant { expires: Some(now), ..grant };
    let brief = story.grant(&story.olga, &story.mallory, brief);
    story.stored(brief);
    let access = story.registry.access(story.document).unwrap();
    let device = story.mallory.key.public();
    assert_eq!(access.role_of_device(&device), Some(Role::Write));
    for (clock, open) in [
        (0, true),
        (now - YEAR_MS, true),
        (now + EXPIRY_GRACE_MS, true),
        (now + EXPIRY_GRACE_MS + 1, false),
        (now + YEAR_MS, false),
        (u64::MAX, false),
    ] {
        assert_eq!(access.unexpired_role_of_device(&device, clock).is_some(), open, "{clock}");
        assert_eq!(access.role_of_device(&device), Some(Role::Write));
    }
}

/// T7, T27, and Jazz, where a transaction is valid by the time that its own author claims (`madeAt`), so that a
/// removed writer writes in the past. No record here says when it was made: what a revocation ended, and what
/// is signed under it later, is the same whenever it is said to have been.
#[test]
fn nothing_is_back_dated() {
    let mut story = Story::new();
    let end = story.revoke(&story.olga, story.to_ada);
    let late = story.admin(&story.ada, &story.mallory, Parent::Grant(story.to_ada));
    let mut first = story.registry.clone();
    for record in [&late, &end] {
        first.insert(record.clone());
    }
    for record in [&end, &late] {
        story.tell(record.clone());
    }
    assert_eq!(story.role(&story.mallory), None);
    assert_eq!(
        format!("{:?}", first.access(story.document)),
        format!("{:?}", story.registry.access(story.document))
    );
    // Nor does an expiry in the past, or at the end of time, say anything about the order of things.
    for expires in [Some(0), Some(u64::MAX)] {
        let claimed = |grant| Grant { expires, parent: Parent::Grant(story.to_ada), ..grant };
        let claimed = story.grant(&story.ada, &story.mallory, claimed);
        story.registry.insert(claimed);
        assert_eq!(story.role(&story.mallory), None);
    }
}
