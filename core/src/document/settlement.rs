//! Settling forks among the candidates: two changes of one actor with one sequence number cannot both be in a
//! document.
//!
//! One fork at a time, first the one with the fewest ancestors, then the lowest hash: to drop the losers of
//! crossed forks all at once could leave no branch of either. The branch stays that the most senior word names,
//! and only without such a word the lower hash, which anybody can grind. What gives way takes all that builds on
//! it along, before the next fork is looked for.

use std::collections::{BTreeMap, BTreeSet};

use automerge::ChangeHash;
use katori_acl::{Access, DeviceId, PersonId};

use super::bits::Bits;
use super::graph::Graph;
use super::seniority::{Word, are_of_one_person};
use crate::actor::Claim;

/// An actor and a sequence number at which it has more than one change.
pub(crate) type Place = (u32, u64);

/// A fork that was settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settled {
    pub(crate) place: Place,
    pub(crate) winner: u32,
    pub(crate) losers: Vec<u32>,
    /// Whose word decided; nobody's if the lower hash did.
    pub(crate) by: Option<(DeviceId, PersonId)>,
}

/// What decides.
pub(super) struct Judges<'a> {
    /// The words that count, the most senior first.
    pub(super) words: Vec<Word>,
    /// Says which devices are one person's.
    pub(super) access: &'a Access,
    /// Changes that win whatever is said: the conflict copy shows what would be with them.
    pub(super) preferred: Bits,
}

/// Takes out of `candidates` what gives way.
pub(super) fn settle<'a>(
    graph: &Graph,
    candidates: &mut Bits,
    judges: impl FnOnce() -> Judges<'a>,
) -> Vec<Settled> {
    let mut open: BTreeSet<(usize, ChangeHash, Place)> = graph
        .forks()
        .iter()
        .filter_map(|(place, branches)| {
            let live = live(branches, candidates);
            let (ancestors, hash) = (live.len() > 1).then(|| first(graph, &live))??;
            Some((ancestors, hash, *place))
        })
        .collect();
    if open.is_empty() {
        return Vec::new();
    }
    let judges = judges();
    let upward = Upward::over(graph, candidates);
    let mut settled = Vec::new();
    while let Some((ancestors, hash, place)) = open.pop_first() {
        let live = graph.forks().get(&place).map(|branches| live(branches, candidates)).unwrap_or_default();
        if live.len() < 2 {
            continue;
        }
        // Branches only ever leave, so what a fork was put in order by can only have grown.
        match first(graph, &live) {
            Some(now) if now != (ancestors, hash) => {
                open.insert((now.0, now.1, place));
            }
            _ => {
                let Some((winner, by)) = decide(graph, &judges, place, &live) else { continue };
                let losers: Vec<u32> = live.into_iter().filter(|branch| *branch != winner).collect();
                upward.remove(&losers, candidates);
                settled.push(Settled { place, winner, losers, by });
            }
        }
    }
    settled
}

fn live(branches: &[u32], candidates: &Bits) -> Vec<u32> {
    branches.iter().copied().filter(|index| candidates.contains(*index)).collect()
}

/// The order in which forks are settled: fewest ancestors, then the lowest hash, of any branch.
fn first(graph: &Graph, live: &[u32]) -> Option<(usize, ChangeHash)> {
    let of = |index: &u32| Some((graph.under_branch(*index), graph.node(*index)?.hash));
    live.iter().filter_map(of).min()
}

/// The branch that stays, and whose word made it.
fn decide(
    graph: &Graph,
    judges: &Judges<'_>,
    (actor, _): Place,
    live: &[u32],
) -> Option<(u32, Option<(DeviceId, PersonId)>)> {
    if let Some(preferred) = live.iter().find(|branch| judges.preferred.contains(**branch)) {
        return Some((*preferred, None));
    }
    let own = |word: &Word| match graph.claim_of_actor(actor) {
        Claim::Device(forker) => are_of_one_person(judges.access, &forker, &word.device),
        Claim::Other => false,
    };
    let named =
        judges.words.iter().filter(|word| !own(word)).find_map(|word| Some((word.names(live)?, word)));
    if let Some((winner, word)) = named {
        return Some((winner, Some((word.device, word.person))));
    }
    let lower = live.iter().min_by_key(|index| graph.node(**index).map(|node| node.hash))?;
    Some((*lower, None))
}

/// What builds on what, so that a branch is taken out at the cost of what is taken out.
struct Upward(Vec<Vec<u32>>);

impl Upward {
    fn over(graph: &Graph, candidates: &Bits) -> Self {
        let mut builders = vec![Vec::new(); graph.len() as usize];
        for index in candidates.iter() {
            for under in graph.node(index).map_or(&[][..], |node| &*node.dependencies) {
                if let Some(builders) = builders.get_mut(*under as usize) {
                    builders.push(index);
                }
            }
        }
        Self(builders)
    }

    fn remove(&self, losers: &[u32], candidates: &mut Bits) {
        let mut left = losers.to_vec();
        while let Some(index) = left.pop() {
            if candidates.contains(index) {
                candidates.remove(index);
                left.extend(self.0.get(index as usize).into_iter().flatten());
            }
        }
    }
}

/// Everything stored that is a losing branch or builds on one, and by which fork it lost.
pub(super) fn losing_sides(graph: &Graph, settled: &[Settled]) -> BTreeMap<u32, usize> {
    let mut losing = BTreeMap::new();
    for (fork, settled) in settled.iter().enumerate() {
        losing.extend(settled.losers.iter().map(|loser| (*loser, fork)));
    }
    let Some(lowest) = losing.keys().next().copied() else { return losing };
    for index in lowest..graph.len() {
        let dependencies = graph.node(index).map_or(&[][..], |node| &*node.dependencies);
        if !losing.contains_key(&index)
            && let Some(fork) = dependencies.iter().find_map(|under| losing.get(under).copied())
        {
            losing.insert(index, fork);
        }
    }
    losing
}
