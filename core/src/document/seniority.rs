//! Whose word settles a fork: the latest words of devices, the most senior first.
//!
//! A device's latest word is its kept vouch with the highest counter, of equal ones the one with the lower id;
//! neither can be superseded nor crowded out, so every device that has the same vouches knows the same words.
//! Seniority is that of the grants: the owner, then the depth of the shallowest live grant of Write, then the
//! grant's id, and among devices that share these the device's id.
//!
//! The word of the forker's own person does not count, or a second device of his would do as an accomplice. Who
//! that is must be proven. A vouch names a person, but by the word of its signer alone: whoever believed a
//! forker's claim would let it name the owner's person and so silence the owner. Devices are therefore taken for
//! one person's only where one roster ever held both, whatever was granted to which of them and whoever was removed
//! since. A roster holds a device only by that device's own consent, so nobody can make another's device his own.
//! Only the rosters of members speak, for others are not known to everybody: devices whose person never had
//! anything in the document, each with a grant of its own, count as different persons'.
//!
//! A store that was copied or restored may find that its own device has said more than it knows. Of two such words
//! the one that was signed counts, where it names a branch: if each store stood by what it had accepted itself, they
//! would sign against each other without end.

use katori_acl::{Access, DeviceId, PersonId, RecordId};

use super::admission::AtHome;
use super::bits::Bits;
use super::graph::Graph;
use super::holds_write;
use super::vouches::Vouches;

/// How senior a device is; the lowest is the most senior.
type Seniority = (u8, RecordId, DeviceId);

/// What a device last stood behind.
#[derive(Debug)]
pub(super) struct Word {
    pub(super) device: DeviceId,
    /// By the device's own word, to be shown and not to be believed.
    pub(super) person: PersonId,
    seniority: Seniority,
    cover: Bits,
}

impl Word {
    /// The one branch that the word names; nothing if it names none of them, or several.
    pub(super) fn names(&self, branches: &[u32]) -> Option<u32> {
        let mut named = branches.iter().copied().filter(|branch| self.cover.contains(*branch));
        named.next().filter(|_| named.next().is_none())
    }
}

/// The words that count, the most senior first: of devices that hold Write now and are no proven forkers. What this
/// device has pinned is its word at home, as it will be when it signs. It takes the place of the last word that this
/// store signed, and comes after one that another store of this device did.
pub(super) fn words(
    graph: &Graph,
    vouches: &Vouches,
    access: &Access,
    at_home: Option<&AtHome<'_>>,
    forks: impl Fn(&DeviceId) -> bool,
) -> Vec<Word> {
    let counts = |device: &DeviceId| holds_write(access, device) && !forks(device);
    let mut words: Vec<Word> = Vec::new();
    for vouch in vouches.latest().into_values().filter(|vouch| counts(&vouch.device)) {
        if at_home.is_none_or(|home| home.device != vouch.device || home.signed != Some(vouch.id())) {
            let mut cover = Bits::default();
            graph.mark(graph.present(&vouch.heads), &mut cover);
            words.extend(Word::of(access, vouch.device, vouch.person, cover));
        }
    }
    if let Some(home) = at_home.filter(|home| counts(&home.device)) {
        words.extend(Word::of(access, home.device, home.person, home.accepted.clone()));
    }
    // Of two words of one device the order stays.
    words.sort_by_key(|word| word.seniority);
    words
}

impl Word {
    fn of(access: &Access, device: DeviceId, person: PersonId, cover: Bits) -> Option<Self> {
        let standing = access.standing_of_device(&device)?;
        Some(Self { device, person, seniority: (standing.depth, standing.rank, device), cover })
    }
}

/// Whether the rosters show two devices to be one person's.
pub(super) fn are_of_one_person(access: &Access, one: &DeviceId, other: &DeviceId) -> bool {
    one == other || !access.persons_of_device(one).is_disjoint(access.persons_of_device(other))
}
