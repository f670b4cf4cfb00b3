//! What was signed about one resource or roster, told in an order that reads, with what became of each record.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::access::{Access, Forest, LinkStatus};
use crate::bounds::MAX_NESTING;
use crate::ids::{DeviceId, PersonId, RecordId};
use crate::records::{
    Genesis, Grant, Issuer, Parent, RosterAction, RosterKind, RosterOperation, Signer, Subject,
};
use crate::registry::{RosterLog, Rosters, rests_on};
use crate::roster::VoidReason;

/// One signed record, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoryEntry {
    /// The record.
    pub record: RecordId,
    /// What it is part of: what was asked about, or the space that was born in.
    pub of: Subject,
    /// What it does.
    pub kind: StoryKind,
    /// The device that signed it; none if the key of an invitation did. For a recovery the new device.
    pub by: Option<DeviceId>,
    /// In whose name; none where it is the device's alone.
    pub name: Option<Issuer>,
    /// In a roster, how many operations lie before it; in a resource, how many records the longest way from a
    /// genesis to it has.
    pub depth: usize,
    /// What it rests on: parent and redeemed invitation, target, operations before it, or genesis.
    pub rests_on: Vec<RecordId>,
    /// What became of it.
    pub status: EntryStatus,
}

/// What a record does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum StoryKind {
    /// Begins a roster, document, space or shelf.
    Begin,
    /// Brings a member into a roster.
    Add,
    /// Takes a member out of a roster.
    Remove,
    /// Brings a device in by recovery words.
    Recover,
    /// Gives a member, or the roster, another name.
    Rename,
    /// Gives somebody a role.
    Grant,
    /// Ends a grant.
    Revoke,
    /// Keeps changes out.
    Exclude,
    /// Deletes a document, space or shelf.
    Delete,
}

/// What became of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum EntryStatus {
    /// It counts.
    Counts,
    /// A grant that somebody upstream, or its own audience, ended.
    Revoked {
        /// The revocation.
        record: RecordId,
        /// In whose name.
        issuer: Issuer,
    },
    /// The device that signed it no longer speaks for whom it names, and no removal kept it.
    SignerRemoved(DeviceId),
    /// A grant of which one above, the nearest, does not count.
    ParentEnded(RecordId),
    /// The invitation had been redeemed as often as it allows.
    UsedUp,
    /// An exclusion by a device that is no Admin's now.
    NoAdmin(DeviceId),
    /// A roster operation that does not count.
    Void(VoidReason),
}

/// The operations of a roster, by how many lie before each.
pub(crate) fn roster_story(id: PersonId, log: &RosterLog, rosters: &Rosters) -> Vec<StoryEntry> {
    let of = Subject::Roster(id);
    let void = log.evaluate(rosters, MAX_NESTING).void;
    let genesis = log.genesis();
    let own = match genesis.kind {
        RosterKind::Person => Issuer::Person(id),
        RosterKind::Group => Issuer::Group(id),
    };
    let in_name_of = |person: Option<PersonId>| Some(person.map_or(own, |person| issuer(person, rosters)));
    let mut story = vec![StoryEntry {
        record: of.genesis(),
        of,
        kind: StoryKind::Begin,
        by: Some(genesis.founder),
        name: in_name_of(genesis.founder_person),
        depth: 0,
        rests_on: Vec::new(),
        status: EntryStatus::Counts,
    }];
    story.extend(log.operations().iter().map(|(id, stored)| StoryEntry {
        record: *id,
        of,
        kind: kind_of(&stored.operation),
        by: Some(stored.operation.by),
        name: in_name_of(stored.operation.person),
        depth: stored.ancestors.len(),
        rests_on: stored.operation.previous.clone(),
        status: void.get(id).map_or(EntryStatus::Counts, |reason| EntryStatus::Void(*reason)),
    }));
    story.sort_by_key(|entry| (entry.depth, entry.record));
    story
}

/// The records of a resource, and of its space, each after those it rests on.
pub(crate) fn resource_story(forests: &[Forest<'_>], access: &Access) -> Vec<StoryEntry> {
    let mut entries = BTreeMap::new();
    for forest in forests {
        tell(forest, access, &mut entries);
    }
    in_order(entries)
}

fn tell(forest: &Forest<'_>, access: &Access, entries: &mut BTreeMap<RecordId, StoryEntry>) {
    let set = forest.set;
    let of = Subject::Resource(set.id);
    let origin = of.genesis();
    let owner = issuer(set.genesis.owner, forest.rosters());
    let mut tell = |record, kind, by, name, rests_on, status| {
        let entry = StoryEntry { record, of, kind, by, name, depth: 0, rests_on, status };
        entries.insert(record, entry);
    };
    let Genesis { by, space, .. } = set.genesis;
    let born_in = space.map(|space| Subject::Resource(space).genesis()).into_iter().collect();
    tell(origin, StoryKind::Begin, Some(by), Some(owner), born_in, EntryStatus::Counts);
    for (id, grant, _, status) in forest.grants() {
        let by = match grant.by {
            Signer::Device(device) => Some(device),
            Signer::Invite(_) => None,
        };
        tell(id, StoryKind::Grant, by, Some(grant.issuer), grounds(grant, origin), status.into());
    }
    let counted = forest.counted_revocations();
    for (id, revoke) in set.revocations.values().flatten() {
        let status = counts_if(counted.contains(id), EntryStatus::SignerRemoved(revoke.by));
        tell(*id, StoryKind::Revoke, Some(revoke.by), Some(revoke.issuer), vec![revoke.target], status);
    }
    for (id, exclude) in &set.exclusions {
        let counts = access.exclusions().iter().any(|exclusion| exclusion.record == *id);
        let status = counts_if(counts, EntryStatus::NoAdmin(exclude.by));
        tell(*id, StoryKind::Exclude, Some(exclude.by), None, vec![origin], status);
    }
    for (id, tombstone) in &set.tombstones {
        let counts = forest.voices().speaks_in(set.genesis.owner, &tombstone.by, id);
        let status = counts_if(counts, EntryStatus::SignerRemoved(tombstone.by));
        tell(*id, StoryKind::Delete, Some(tombstone.by), Some(owner), vec![origin], status);
    }
}

/// Puts each record after those it rests on, and those that might stand side by side in order of their ids.
fn in_order(mut entries: BTreeMap<RecordId, StoryEntry>) -> Vec<StoryEntry> {
    let mut open: BTreeMap<RecordId, usize> = BTreeMap::new();
    let mut followers: BTreeMap<RecordId, Vec<RecordId>> = BTreeMap::new();
    for (id, entry) in &entries {
        let before: BTreeSet<&RecordId> =
            entry.rests_on.iter().filter(|below| entries.contains_key(*below)).collect();
        open.insert(*id, before.len());
        for below in before {
            followers.entry(*below).or_default().push(*id);
        }
    }
    let mut layer: BTreeSet<RecordId> =
        open.iter().filter(|(_, before)| **before == 0).map(|(id, _)| *id).collect();
    let mut story = Vec::with_capacity(entries.len());
    let mut depth = 0;
    while !layer.is_empty() {
        let mut next = BTreeSet::new();
        for id in layer {
            for follower in followers.remove(&id).unwrap_or_default() {
                let Some(before) = open.get_mut(&follower) else { continue };
                *before -= 1;
                if *before == 0 {
                    next.insert(follower);
                }
            }
            story.extend(entries.remove(&id).map(|entry| StoryEntry { depth, ..entry }));
        }
        layer = next;
        depth += 1;
    }
    story
}

fn grounds(grant: &Grant, origin: RecordId) -> Vec<RecordId> {
    let first = (grant.parent == Parent::Genesis).then_some(origin);
    first.into_iter().chain(rests_on(grant)).collect()
}

fn kind_of(operation: &RosterOperation) -> StoryKind {
    match operation.action {
        RosterAction::Add { .. } => StoryKind::Add,
        RosterAction::Remove { .. } => StoryKind::Remove,
        RosterAction::Recover { .. } => StoryKind::Recover,
        RosterAction::Rename { .. } => StoryKind::Rename,
    }
}

fn issuer(id: PersonId, rosters: &Rosters) -> Issuer {
    match rosters.kind(&id) {
        Some(RosterKind::Group) => Issuer::Group(id),
        Some(RosterKind::Person) | None => Issuer::Person(id),
    }
}

fn counts_if(counts: bool, otherwise: EntryStatus) -> EntryStatus {
    if counts { EntryStatus::Counts } else { otherwise }
}

impl From<LinkStatus> for EntryStatus {
    fn from(status: LinkStatus) -> Self {
        match status {
            LinkStatus::Live => Self::Counts,
            LinkStatus::Revoked { record, issuer } => Self::Revoked { record, issuer },
            LinkStatus::SignerRemoved(device) => Self::SignerRemoved(device),
            LinkStatus::UsedUp => Self::UsedUp,
            LinkStatus::ParentEnded(grant) => Self::ParentEnded(grant),
        }
    }
}

impl EntryStatus {
    /// Whether it counts.
    #[must_use]
    pub fn counts(&self) -> bool {
        *self == Self::Counts
    }
}

impl fmt::Display for StoryKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Begin => "begin",
            Self::Add => "add",
            Self::Remove => "remove",
            Self::Recover => "recover",
            Self::Rename => "rename",
            Self::Grant => "grant",
            Self::Revoke => "revoke",
            Self::Exclude => "exclude",
            Self::Delete => "delete",
        })
    }
}

impl fmt::Display for EntryStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Counts => f.write_str("counts"),
            Self::Revoked { record, issuer } => write!(f, "revoked by {issuer} in {}", record.short()),
            Self::SignerRemoved(device) => {
                write!(
                    f,
                    "void because device {}, which signed it, does not speak for it now",
                    device.short()
                )
            }
            Self::ParentEnded(grant) => write!(f, "void because grant {} ended", grant.short()),
            Self::UsedUp => f.write_str("void because the invitation was used up"),
            Self::NoAdmin(device) => {
                write!(f, "void because device {}, which signed it, is no admin's now", device.short())
            }
            Self::Void(reason) => write!(f, "void because {reason}"),
        }
    }
}
