//! The order in which documents are opened and worked on when much waits: a pure queue.
//!
//! What a person waits for goes first, then what is in memory already, then small documents before big ones. So that
//! nothing waits for ever, every eighth is whoever has waited for longest.

use std::collections::BTreeMap;

/// How pressing something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Urgency {
    /// An app waits for it to open.
    Opening,
    /// Work on a document that an app has open, or had a moment ago.
    Open,
    /// Work on a document that is in memory.
    Loaded,
    /// All other work.
    Other,
}

/// Those that go by their rank between two that go by their age.
const BY_RANK: u64 = 7;

/// Urgency, size as a power of two, and turn.
type Rank = (Urgency, u32, u64);

/// See the module.
#[derive(Debug)]
pub(super) struct Line<T> {
    waiting: BTreeMap<Rank, T>,
    by_age: BTreeMap<u64, Rank>,
    turns: u64,
    taken: u64,
}

impl<T> Default for Line<T> {
    fn default() -> Self {
        Self { waiting: BTreeMap::new(), by_age: BTreeMap::new(), turns: 0, taken: 0 }
    }
}

impl<T> Line<T> {
    pub(super) fn join(&mut self, urgency: Urgency, cost: u64, what: T) {
        self.turns += 1;
        let rank = (urgency, cost.checked_ilog2().unwrap_or(0), self.turns);
        self.by_age.insert(self.turns, rank);
        self.waiting.insert(rank, what);
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Sends away who is not to wait any longer.
    pub(super) fn retain(&mut self, mut may_stay: impl FnMut(&T) -> bool) {
        let by_age = &mut self.by_age;
        self.waiting.retain(|rank, what| {
            let stays = may_stay(what);
            if !stays {
                by_age.remove(&rank.2);
            }
            stays
        });
    }

    fn next_rank(&self) -> Option<Rank> {
        // Opening takes nobody's place, so it waits for nobody's age.
        let first = self.waiting.keys().next().copied()?;
        let goes_by_rank = first.0 == Urgency::Opening || self.taken % (BY_RANK + 1) < BY_RANK;
        if goes_by_rank { Some(first) } else { self.by_age.values().next().copied() }
    }

    /// Who is next, and whether that is an opening.
    pub(super) fn next(&self) -> Option<(Urgency, &T)> {
        let rank = self.next_rank()?;
        self.waiting.get(&rank).map(|next| (rank.0, next))
    }

    pub(super) fn take(&mut self) -> Option<T> {
        let rank = self.next_rank()?;
        self.taken += u64::from(rank.0 != Urgency::Opening);
        self.by_age.remove(&rank.2);
        self.waiting.remove(&rank)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(line: &mut Line<&'static str>) -> Vec<&'static str> {
        std::iter::from_fn(|| line.take()).collect()
    }

    #[test]
    fn what_a_person_waits_for_goes_first_and_small_before_big() {
        let mut line = Line::default();
        line.join(Urgency::Other, 1 << 30, "big");
        line.join(Urgency::Other, 1 << 15, "small");
        line.join(Urgency::Loaded, 1 << 30, "loaded");
        line.join(Urgency::Open, 1 << 20, "open");
        line.join(Urgency::Opening, 1 << 30, "opening");
        line.join(Urgency::Other, (1 << 15) + 1, "as small");
        assert_eq!(order(&mut line), ["opening", "open", "loaded", "small", "as small", "big"]);
        assert_eq!(line.len(), 0);
    }

    #[test]
    fn who_is_sent_away_has_no_turn() {
        let mut line = Line::default();
        for number in 0..20 {
            line.join(Urgency::Other, 1, if number % 2 == 0 { "even" } else { "odd" });
        }
        line.retain(|what| *what == "odd");
        assert_eq!((line.len(), order(&mut line)), (10, vec!["odd"; 10]));
    }

    #[test]
    fn a_big_one_is_not_passed_for_ever() {
        let mut line = Line::default();
        line.join(Urgency::Other, 1 << 30, "big");
        for _ in 0..100 {
            line.join(Urgency::Loaded, 1, "small");
        }
        let passed = order(&mut line).iter().position(|next| *next == "big");
        assert_eq!(passed, Some(7));
    }
}
