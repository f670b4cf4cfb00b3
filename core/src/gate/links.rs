//! How a change must hang together with what came before it.

use automerge::ChangeHash;
use thiserror::Error;

use super::Header;
use crate::actor::ACTOR_BYTES;

/// What has to be known of a change that another one builds on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// Its hash.
    pub hash: ChangeHash,
    /// Its place in its actor's sequence.
    pub seq: u64,
    /// The counter of its last operation.
    pub max_op: u64,
}

impl From<&Header> for Link {
    fn from(header: &Header) -> Self {
        Self { hash: header.hash, seq: header.seq, max_op: header.max_op() }
    }
}

/// Why a change does not follow from what came before it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LinkError {
    /// The actor's previous change is not the one before this.
    #[error("change {seq} of its actor does not follow change {previous}")]
    Sequence {
        /// The place this change claims.
        seq: u64,
        /// The place of the change before it, 0 for none.
        previous: u64,
    },
    /// The change does not build on its own actor's previous change.
    #[error("the change does not build on its own actor's previous change")]
    PreviousNotBelow,
    /// It refers to operations of an actor that has written nothing.
    #[error("the change refers to operations of an actor that has written nothing")]
    UnknownActor,
    /// Its operations do not begin where its dependencies' end.
    #[error("the change's operations begin at {found}, where {expected} was expected")]
    StartOp {
        /// Where they begin.
        found: u64,
        /// Where they should, or at the earliest.
        expected: u64,
    },
}

/// Checks that a change follows from its actor's previous change and from its dependencies.
///
/// `previous` is the actor's change with the sequence before this one's, if there is one; `dependencies` are the
/// counters of the last operation ([`Link::max_op`]) of each direct dependency, all of which must be present.
/// `below` says whether the previous change is an ancestor; it is asked only where the previous change is not
/// a direct dependency and the actor id is not of a device's form (a device's change always names its last).
///
/// # Errors
/// [`LinkError`] says what does not fit. Such a change can never be applied by anybody.
pub fn check_links(
    header: &Header,
    previous: Option<Link>,
    dependencies: impl IntoIterator<Item = u64>,
    below: impl FnOnce() -> bool,
) -> Result<(), LinkError> {
    Said::from(header).follows(previous, dependencies, below)
}

/// What a change says of itself that its place among others depends on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Said<'a> {
    pub(crate) hash: ChangeHash,
    pub(crate) actor: &'a [u8],
    pub(crate) seq: u64,
    pub(crate) start_op: u64,
    pub(crate) operations: u64,
    pub(crate) deps: &'a [ChangeHash],
    pub(crate) time: i64,
    pub(crate) message: Option<&'a str>,
}

impl<'a> From<&'a Header> for Said<'a> {
    fn from(header: &'a Header) -> Self {
        Self {
            hash: header.hash,
            actor: &header.actor,
            seq: header.seq,
            start_op: header.start_op,
            operations: header.operations,
            deps: &header.deps,
            time: header.time,
            message: header.message.as_deref(),
        }
    }
}

impl Said<'_> {
    /// The counter of the last operation, or the one before the first if there is none.
    pub(crate) fn max_op(&self) -> u64 {
        self.start_op.saturating_sub(1).saturating_add(self.operations)
    }

    /// See [`check_links`].
    pub(crate) fn follows(
        &self,
        previous: Option<Link>,
        dependencies: impl IntoIterator<Item = u64>,
        below: impl FnOnce() -> bool,
    ) -> Result<(), LinkError> {
        let previous_seq = previous.map_or(0, |link| link.seq);
        if previous_seq.checked_add(1) != Some(self.seq) {
            return Err(LinkError::Sequence { seq: self.seq, previous: previous_seq });
        }
        let device_form = self.actor.len() == ACTOR_BYTES;
        if let Some(link) = previous {
            let direct = self.deps.contains(&link.hash);
            if !direct && (device_form || !below()) {
                return Err(LinkError::PreviousNotBelow);
            }
        }
        let last = dependencies.into_iter().max().unwrap_or(0);
        let expected = last.saturating_add(1);
        if self.start_op < expected || (device_form && self.start_op != expected) {
            return Err(LinkError::StartOp { found: self.start_op, expected });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(actor: usize, seq: u64, start_op: u64, deps: &[u8]) -> Header {
        Header {
            hash: ChangeHash([9; 32]),
            actor: vec![1; actor],
            seq,
            start_op,
            operations: 3,
            deps: deps.iter().map(|byte| ChangeHash([*byte; 32])).collect(),
            time: 0,
            message: None,
            other_actors: Vec::new(),
        }
    }

    fn link(byte: u8, seq: u64, max_op: u64) -> Link {
        Link { hash: ChangeHash([byte; 32]), seq, max_op }
    }

    #[test]
    fn the_first_change_of_a_device_begins_at_one() {
        let never = || -> bool { panic!("asked in vain") };
        assert_eq!(check_links(&header(48, 1, 1, &[]), None, [], never), Ok(()));
        assert!(check_links(&header(48, 1, 2, &[]), None, [], never).is_err());
        assert_eq!(check_links(&header(16, 1, 2, &[]), None, [], never), Ok(()));
    }

    #[test]
    fn a_sequence_has_no_gap_and_no_repetition() {
        let previous = Some(link(1, 4, 10));
        for seq in [1, 4, 6, u64::MAX] {
            let found = check_links(&header(48, seq, 11, &[1]), previous, [10], || true);
            assert_eq!(found, Err(LinkError::Sequence { seq, previous: 4 }));
        }
        assert_eq!(check_links(&header(48, 5, 11, &[1]), previous, [10], || true), Ok(()));
        assert!(check_links(&header(48, 2, 1, &[]), None, [], || true).is_err());
    }

    #[test]
    fn a_device_names_its_last_change_and_others_may_reach_it() {
        let previous = Some(link(1, 1, 10));
        let device = header(48, 2, 21, &[2]);
        assert_eq!(check_links(&device, previous, [20], || true), Err(LinkError::PreviousNotBelow));
        let other = header(16, 2, 21, &[2]);
        assert_eq!(check_links(&other, previous, [20], || true), Ok(()));
        assert_eq!(check_links(&other, previous, [20], || false), Err(LinkError::PreviousNotBelow));
    }

    #[test]
    fn operations_begin_after_those_they_build_on() {
        let previous = Some(link(1, 1, 10));
        let early = check_links(&header(16, 2, 20, &[1, 2]), previous, [10, 20], || true);
        assert_eq!(early, Err(LinkError::StartOp { found: 20, expected: 21 }));
        let late = header(48, 2, 500, &[1, 2]);
        assert!(check_links(&late, previous, [10, 20], || true).is_err());
        assert_eq!(check_links(&header(16, 2, 500, &[1, 2]), previous, [10, 20], || true), Ok(()));
    }
}
