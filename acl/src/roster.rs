//! Who belongs to a person or group now.
//!
//! A person's roster has devices, and each of them signs for itself. A group's has persons, or other groups,
//! and their devices sign in their names. Beyond that the two follow one rule, which [`evaluate`] applies.

mod evaluation;

pub use evaluation::VoidReason;
pub(crate) use evaluation::{Evaluated, StoredOperation, added, evaluate};

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use crate::ids::{DeviceId, PersonId, RecordId};
use crate::records::{Capacity, Member, RosterKind};

/// Seniority in a roster; the lesser is the more senior. Whom recovery words brought in comes first, those of
/// the latest words before all others, and of equal ones those whose next words were used in turn; then the
/// founder; then whoever was added after fewer operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank {
    generation: Reverse<usize>,
    continued: Reverse<bool>,
    ancestors: usize,
    id: RecordId,
}

impl Rank {
    /// `continued` says of a recovery that another one rests on it.
    pub(crate) fn new(generation: usize, continued: bool, ancestors: usize, id: RecordId) -> Self {
        Self { generation: Reverse(generation), continued: Reverse(continued), ancestors, id }
    }

    /// By how many recoveries, each resting on the one before, the member came: 0 for any other.
    #[must_use]
    pub fn generation(&self) -> usize {
        self.generation.0
    }

    /// The operation that brought the member in; the genesis for the founder.
    #[must_use]
    pub fn brought_in_by(&self) -> RecordId {
        self.id
    }

    /// Rank as it compares between rosters, where ids say nothing.
    pub(crate) fn without_id(&self) -> (Reverse<usize>, Reverse<bool>, usize) {
        (self.generation, self.continued, self.ancestors)
    }
}

/// A device or person as its roster has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RosterMember {
    /// What it is called.
    pub name: String,
    /// How much it may do.
    pub capacity: Capacity,
    /// Seniority; the lesser is the more senior.
    pub rank: Rank,
    /// The public key to which things are sealed for it.
    pub sealing: Option<[u8; 32]>,
}

/// A person or group as the stored records have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roster {
    /// The person or group.
    pub id: PersonId,
    /// What it calls itself.
    pub name: String,
    /// Person or group.
    pub kind: RosterKind,
    /// A person's devices now.
    pub devices: BTreeMap<DeviceId, RosterMember>,
    /// A group's persons now, and the groups within it.
    pub persons: BTreeMap<PersonId, RosterMember>,
    /// Devices that were removed, and what they had signed that goes on counting.
    pub removed: BTreeMap<DeviceId, BTreeSet<RecordId>>,
    /// Persons that were removed, and what was signed in their name that goes on counting.
    pub removed_persons: BTreeMap<PersonId, BTreeSet<RecordId>>,
    /// Every device that some stored operation ever added, with the most it was added as.
    pub ever: BTreeMap<DeviceId, Capacity>,
    /// The same for the persons of a group.
    pub ever_persons: BTreeMap<PersonId, Capacity>,
    /// BLAKE3 of the recovery key that the most senior recovery committed to, or else the genesis.
    pub recovery: [u8; 32],
    /// BLAKE3 of every recovery key that was committed to, and that nobody has used yet: whoever got hold of
    /// words that were used before cannot put another commitment in the place of the right one.
    pub recoveries: BTreeSet<[u8; 32]>,
    /// The members that nobody has removed but they themselves.
    pub(crate) left: BTreeSet<Member>,
    pub(crate) heads: Vec<RecordId>,
}

impl Roster {
    /// Whether this device belongs to the person now.
    #[must_use]
    pub fn contains(&self, device: &DeviceId) -> bool {
        self.devices.contains_key(device)
    }

    /// Whether this person or group belongs to the group now, by itself.
    #[must_use]
    pub fn contains_person(&self, person: &PersonId) -> bool {
        self.persons.contains_key(person)
    }

    /// Whether this device may now sign for the person.
    #[must_use]
    pub fn is_full(&self, device: &DeviceId) -> bool {
        self.devices.get(device).is_some_and(|member| member.capacity == Capacity::Full)
    }

    /// Whether this member may now speak for the group.
    #[must_use]
    pub fn is_full_person(&self, person: &PersonId) -> bool {
        self.persons.get(person).is_some_and(|member| member.capacity == Capacity::Full)
    }

    /// Whether this device belonged to the person by signatures alone, as if nothing had been removed.
    #[must_use]
    pub fn ever_contained(&self, device: &DeviceId) -> bool {
        self.ever.contains_key(device)
    }

    /// Whether a member has removed itself, and nobody else has. What it signed counts no more, and others may
    /// still say, by a removal of their own, what of that goes on counting.
    #[must_use]
    pub fn has_left(&self, member: &Member) -> bool {
        self.left.contains(member)
    }

    /// Whether a counted removal of this device by another lists this record among those that go on counting.
    #[must_use]
    pub fn kept(&self, device: &DeviceId, record: &RecordId) -> bool {
        self.removed.get(device).is_some_and(|keep| keep.contains(record))
    }

    /// Whether what this device signed in this record counts as the person's word.
    #[must_use]
    pub fn speaks_in(&self, device: &DeviceId, record: &RecordId) -> bool {
        self.is_full(device) || self.kept(device, record)
    }

    /// The operations that no other builds on: the `previous` of the next one. Where there are more than fit,
    /// those that are void are left out, and then those of the highest ids.
    #[must_use]
    pub fn heads(&self) -> Vec<RecordId> {
        self.heads.clone()
    }
}
