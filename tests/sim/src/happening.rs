//! What is going to happen, and when.

use std::cmp::Ordering;

use katori_acl::ResourceId;
use katori_core::engine::{CommitId, Timer, Work};
use katori_core::time::Timestamp;

/// One thing that is going to happen.
#[derive(Debug)]
pub(crate) enum Happening {
    /// A frame arrives, if the link it was sent on is still the same.
    Deliver { from: usize, to: usize, link: u64, frame: Vec<u8> },
    /// A timer goes off.
    Timer(Timer),
    /// A worker is done.
    Work { document: ResourceId, work: Work },
    /// A commit becomes durable.
    Durable(CommitId),
}

/// When it happens, and to which life of which device.
#[derive(Debug)]
pub(crate) struct Scheduled {
    pub(crate) at: Timestamp,
    pub(crate) order: u64,
    pub(crate) device: usize,
    pub(crate) life: u64,
    pub(crate) what: Happening,
}

impl PartialEq for Scheduled {
    fn eq(&self, other: &Self) -> bool {
        self.order == other.order
    }
}

impl Eq for Scheduled {}

impl PartialOrd for Scheduled {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Scheduled {
    /// The earliest first, out of a heap that gives the greatest first.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.order).cmp(&(self.at, self.order))
    }
}
