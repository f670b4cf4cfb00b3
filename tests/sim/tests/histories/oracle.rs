//! The rule of admission of DESIGN 4, in the fewest lines: sets of ids, nothing kept between two questions, nothing
//! shared with the implementation. It is slow, and meant to be obvious.

use std::collections::{BTreeMap, BTreeSet};

use automerge::ChangeHash;
use katori_acl::{DeviceId, RecordId, ResourceId};
use katori_core::actor::{Claim, claim};
use katori_core::gate::RawChange;
use katori_core::vouch::Vouch;

type Changes = BTreeSet<ChangeHash>;

/// What the rule rests on.
pub(crate) struct Facts<'a> {
    pub(crate) document: ResourceId,
    pub(crate) changes: &'a [RawChange],
    pub(crate) vouches: &'a [(RecordId, Vouch)],
    /// The devices that now hold Write, each with how senior it is: the lowest is the most senior.
    pub(crate) writers: BTreeMap<DeviceId, (u8, RecordId)>,
    /// Whose device each is.
    pub(crate) person: &'a dyn Fn(&DeviceId) -> usize,
    /// What counted exclusions name.
    pub(crate) excluded: Changes,
}

/// What follows.
pub(crate) struct Answer {
    pub(crate) admitted: Changes,
    pub(crate) forkers: BTreeSet<DeviceId>,
}

impl Facts<'_> {
    fn get(&self, hash: &ChangeHash) -> Option<&RawChange> {
        self.changes.iter().find(|change| change.hash() == *hash)
    }
}

/// Everything at or under these heads, as far as it is here.
pub(crate) fn under(by_hash: &BTreeMap<ChangeHash, &RawChange>, heads: &[ChangeHash]) -> Changes {
    let mut set = Changes::new();
    let mut left = heads.to_vec();
    while let Some(hash) = left.pop() {
        if let Some(change) = by_hash.get(&hash)
            && set.insert(hash)
        {
            left.extend(&change.header().deps);
        }
    }
    set
}

/// The rule.
pub(crate) fn judge(facts: &Facts<'_>) -> Answer {
    let by_hash: BTreeMap<ChangeHash, &RawChange> = facts.changes.iter().map(|c| (c.hash(), c)).collect();
    let under = |hash: &ChangeHash| under(&by_hash, &[*hash]);
    let signed: Vec<(&RecordId, &Vouch, Changes)> =
        facts.vouches.iter().map(|(id, vouch)| (id, vouch, self::under(&by_hash, &vouch.heads))).collect();
    let vouched = |device: &DeviceId, hash: &ChangeHash| {
        signed.iter().any(|(_, vouch, cover)| vouch.device == *device && cover.contains(hash))
    };

    // A fork is proven against a device if two changes of one of its actors, in one place, lie under its own vouches.
    let mut places: BTreeMap<(&[u8], u64), Vec<ChangeHash>> = BTreeMap::new();
    for change in facts.changes {
        places
            .entry((change.header().actor.as_slice(), change.header().seq))
            .or_default()
            .push(change.hash());
    }
    let mut forkers = BTreeSet::new();
    for ((actor, _), branches) in &places {
        if let Claim::Device(device) = claim(actor, &facts.document)
            && branches.iter().filter(|branch| vouched(&device, branch)).count() > 1
        {
            forkers.insert(device);
        }
    }

    let good = |change: &&RawChange| {
        let hash = change.hash();
        let covered = facts.writers.keys().any(|device| !forkers.contains(device) && vouched(device, &hash));
        let authored = match claim(&change.header().actor, &facts.document) {
            Claim::Device(device) => vouched(&device, &hash),
            Claim::Other => true,
        };
        covered && authored && !facts.excluded.contains(&hash)
    };
    let good: Changes = facts.changes.iter().filter(good).map(RawChange::hash).collect();
    let mut admitted: Changes = good.iter().copied().filter(|hash| under(hash).is_subset(&good)).collect();

    // The latest word of each device that counts.
    let mut words: BTreeMap<DeviceId, &(&RecordId, &Vouch, Changes)> = BTreeMap::new();
    for word in &signed {
        let (id, vouch, _) = word;
        if facts.writers.contains_key(&vouch.device) && !forkers.contains(&vouch.device) {
            let latest = words.entry(vouch.device).or_insert(word);
            if (vouch.counter, std::cmp::Reverse(id)) > (latest.1.counter, std::cmp::Reverse(&latest.0)) {
                *latest = word;
            }
        }
    }
    loop {
        let left = places.iter().map(|(place, branches)| {
            (place, branches.iter().filter(|branch| admitted.contains(branch)).copied().collect::<Vec<_>>())
        });
        let first = left
            .filter(|(_, branches)| branches.len() > 1)
            .min_by_key(|(_, branches)| branches.iter().map(|branch| (under(branch).len(), *branch)).min());
        let Some(((actor, _), branches)) = first else { return Answer { admitted, forkers } };
        let forker = match claim(actor, &facts.document) {
            Claim::Device(device) => Some((facts.person)(&device)),
            Claim::Other => None,
        };
        let named = |branch: &ChangeHash| {
            let others = words.iter().filter(|(device, _)| Some((facts.person)(device)) != forker);
            let naming = others.filter(|(_, (_, _, cover))| {
                cover.contains(branch) && branches.iter().filter(|one| cover.contains(one)).count() == 1
            });
            naming.map(|(device, _)| (facts.writers[device], *device)).min()
        };
        let by_word = branches.iter().filter_map(|branch| Some((named(branch)?, *branch))).min();
        let winner = by_word.map(|(_, branch)| branch).or(branches.iter().min().copied());
        let losers: Changes = branches.into_iter().filter(|branch| Some(*branch) != winner).collect();
        admitted.retain(|hash| under(hash).is_disjoint(&losers));
    }
}

/// Whether one change builds on any of several, or is one.
pub(crate) fn rests_on(facts: &Facts<'_>, change: &ChangeHash, any: &Changes) -> bool {
    let by_hash: BTreeMap<ChangeHash, &RawChange> = facts.changes.iter().map(|c| (c.hash(), c)).collect();
    facts.get(change).is_some() && !under(&by_hash, &[*change]).is_disjoint(any)
}
