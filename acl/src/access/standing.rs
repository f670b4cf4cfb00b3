//! What one principal holds in one resource.

use std::collections::BTreeMap;

use crate::bounds::EXPIRY_GRACE_MS;
use crate::ids::RecordId;
use crate::role::Role;

/// The rank of the owner, who alone is at depth 0: none is needed there.
pub(super) const OWNERS_RANK: RecordId = RecordId::from_bytes([0; 32]);

/// What one person, group or device holds in one document or space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The role now, expiry not consulted.
    pub role: Option<Role>,
    /// The role by signatures alone, as if nothing had been revoked and nobody removed.
    pub ever: Option<Role>,
    /// Whether some live grant may be passed on, here: what comes from the space is passed on in the space.
    pub share: bool,
    /// Depth of the shallowest live grant of Write, 0 for the owner, 255 without one. Grants in the space are
    /// one deeper in its documents, so that nobody is as senior there as the owner.
    pub depth: u8,
    /// The id of that grant, the lowest of equally shallow ones; all zeros for the owner, and for who owns the
    /// space the genesis of that.
    pub rank: RecordId,
    /// Until when the role lasts; none is for ever.
    pub expires: Option<u64>,
    /// Until when each role lasts that some live grant gives.
    until: BTreeMap<Role, Option<u64>>,
}

impl Default for Standing {
    /// Nothing, now and ever.
    fn default() -> Self {
        Self {
            role: None,
            ever: None,
            share: false,
            depth: u8::MAX,
            rank: RecordId::from_bytes([0xff; 32]),
            expires: None,
            until: BTreeMap::new(),
        }
    }
}

impl Standing {
    /// The role at this time, with grace.
    #[must_use]
    pub fn unexpired(&self, now_ms: u64) -> Option<Role> {
        let lasts =
            |until: &Option<u64>| until.is_none_or(|until| now_ms <= until.saturating_add(EXPIRY_GRACE_MS));
        self.until.iter().rev().find(|(_, until)| lasts(until)).map(|(role, _)| *role)
    }

    pub(super) fn note_ever(&mut self, role: Option<Role>) {
        self.ever = self.ever.max(role);
    }

    pub(super) fn note_live(
        &mut self,
        role: Role,
        share: bool,
        depth: u8,
        id: RecordId,
        expires: Option<u64>,
    ) {
        self.share |= share;
        if role >= Role::Write {
            (self.depth, self.rank) = (self.depth, self.rank).min((depth, id));
        }
        self.note_until(role, expires);
    }

    fn note_until(&mut self, role: Role, expires: Option<u64>) {
        let longest = self.until.entry(role).or_insert(expires);
        *longest = longest.zip(expires).map(|(longest, expires)| longest.max(expires));
        self.role = self.role.max(Some(role));
        self.expires = self.role.and_then(|role| self.until.get(&role).copied().flatten());
    }

    /// Adds what another standing has now.
    pub(super) fn join(&mut self, other: &Self) {
        self.share |= other.share;
        self.join_roles(other, other.depth, other.rank);
    }

    /// Adds what somebody has in the space: its roles, but not the right to pass them on.
    /// `genesis` is that of the space.
    pub(super) fn join_from_space(&mut self, other: &Self, genesis: RecordId) {
        let rank = if other.depth == 0 { genesis } else { other.rank };
        self.join_roles(other, other.depth.saturating_add(1), rank);
    }

    fn join_roles(&mut self, other: &Self, depth: u8, rank: RecordId) {
        (self.depth, self.rank) = (self.depth, self.rank).min((depth, rank));
        for (role, expires) in &other.until {
            self.note_until(*role, *expires);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strongest_unexpired_role_counts() {
        let id = RecordId::from_bytes([1; 32]);
        let mut standing = Standing::default();
        standing.note_live(Role::Read, false, 2, id, None);
        standing.note_live(Role::Write, false, 1, id, Some(1_000));
        assert_eq!(standing.role, Some(Role::Write));
        assert_eq!(standing.expires, Some(1_000));
        assert_eq!(standing.unexpired(1_000 + EXPIRY_GRACE_MS), Some(Role::Write));
        assert_eq!(standing.unexpired(1_001 + EXPIRY_GRACE_MS), Some(Role::Read));
        standing.note_live(Role::Write, false, 1, id, None);
        assert_eq!(standing.unexpired(u64::MAX), Some(Role::Write));
        assert_eq!(standing.expires, None);
    }

    #[test]
    fn what_comes_from_the_space_is_deeper_and_not_passed_on() {
        let id = RecordId::from_bytes([1; 32]);
        let mut in_space = Standing::default();
        in_space.note_live(Role::Admin, true, 0, OWNERS_RANK, None);
        let mut here = Standing::default();
        here.join_from_space(&in_space, id);
        assert_eq!(here.rank, id);
        assert_eq!((here.role, here.share, here.depth), (Some(Role::Admin), false, 1));
        here.join_from_space(&Standing::default(), id);
        assert_eq!(here.depth, 1, "who has nothing adds nothing");
    }
}
