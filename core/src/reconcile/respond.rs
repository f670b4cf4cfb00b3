//! The answer to one message: a function of the set, the message and the budget.

use std::collections::BinaryHeap;

use katori_acl::Subject;

use super::Item;
use super::budget::{Budget, OverBudget, SPLIT};
use super::fingerprint::{Entry, Summary};
use super::node::LEAF_ITEMS;
use super::part::{MAX_PART_ENTRIES, Part};
use super::range::Range;
use super::tree::Tree;
use super::view::{View, narrowed, narrowed_by};

/// Where one side has so many times fewer entries than the other, most must differ: the smaller side lists all
/// that it has, and nothing is split.
const SKEW: u64 = 8;

/// What was learned of the other side's set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    /// Ranges in which both have the same subjects with the same entries.
    pub same: Vec<Range>,
    /// What the other side has otherwise than this one, or has alone.
    pub named: Vec<(Subject, Entry)>,
    /// What this side has and the other has not.
    pub lacked: Vec<Subject>,
}

/// What a message came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Response {
    /// What to say, ascending; [`messages`](super::messages) cuts it.
    pub parts: Vec<Part>,
    /// What was learned.
    pub findings: Findings,
}

/// Answers the parts of one [`Message`](super::Message), which is what vouches for their order.
///
/// Costs a walk down the tree for each part, and what it finds to say.
///
/// # Errors
/// [`OverBudget`] if the answer would be more than the budget has left. Nothing of it may be sent.
pub fn respond(tree: &mut Tree, parts: &[Part], budget: &mut Budget) -> Result<Response, OverBudget> {
    tree.root();
    budget.earn(parts);
    let mut answer = Answer { budget, parts: Vec::new(), findings: Findings::default() };
    let mut differing = Vec::new();
    for part in parts {
        let range = *part.range();
        let here = tree.view(&range);
        match part {
            Part::Fingerprint { summary, .. } => {
                differing.extend(answer.compare(range, here, summary)?);
            }
            Part::Items { entries, .. } => answer.reply(range, here, entries)?,
            Part::Same { .. } => answer.findings.same.push(range),
            Part::Answer { entries, lacking, .. } => answer.conclude(range, here, entries, lacking),
        }
    }
    answer.split(differing)?;
    let Answer { mut parts, findings, .. } = answer;
    parts.sort_by_key(|part| *part.range());
    Ok(Response { parts: joined(parts), findings })
}

struct Answer<'a> {
    budget: &'a mut Budget,
    parts: Vec<Part>,
    findings: Findings,
}

impl Answer<'_> {
    fn say(&mut self, part: Part) -> Result<(), OverBudget> {
        self.budget.pay(&part)?;
        self.parts.push(part);
        Ok(())
    }

    /// Answers a fingerprint; or returns the range, if it has to be split.
    fn compare<'t>(
        &mut self,
        range: Range,
        here: View<'t>,
        there: &Summary,
    ) -> Result<Option<Piece<'t>>, OverBudget> {
        let count = here.count() as u64;
        if *there == here.summary() {
            self.findings.same.push(range);
            self.say(Part::Same { range })?;
        } else if there.count == 0 {
            self.reply(range, here, &[])?;
        } else if is_little(count, there.count) {
            self.list(range, here)?;
        } else if is_little(there.count, count) {
            // The smaller list is the other side's. It is asked for, unless ours saves that and is short.
            if here.count() <= MAX_PART_ENTRIES {
                self.list(range, here)?;
            } else {
                self.say(Part::Fingerprint { range, summary: here.summary() })?;
            }
        } else {
            return Ok(Some(Piece { count: here.count(), range, here }));
        }
        Ok(None)
    }

    /// Lists all that is here, in parts of a bounded size.
    fn list(&mut self, range: Range, here: View<'_>) -> Result<(), OverBudget> {
        match range.halves() {
            Some((lower, upper)) if here.count() > MAX_PART_ENTRIES => {
                let (in_lower, in_upper) = here.halves(&range);
                self.list(lower, in_lower)?;
                self.list(upper, in_upper)
            }
            _ => {
                let mut entries = Vec::with_capacity(here.count());
                here.collect(&mut entries);
                self.say(Part::Items { range, entries })
            }
        }
    }

    /// Answers a list of all that is there, in parts of a bounded size.
    fn reply(&mut self, range: Range, here: View<'_>, there: &[Item]) -> Result<(), OverBudget> {
        match range.halves() {
            Some((lower, upper)) if here.count() > MAX_PART_ENTRIES => {
                let (in_lower, in_upper) = here.halves(&range);
                let (there_lower, there_upper) = (narrowed(there, &lower), narrowed(there, &upper));
                self.reply(lower, in_lower, there_lower)?;
                self.reply(upper, in_upper, there_upper)
            }
            _ => {
                let mut entries = Vec::with_capacity(here.count());
                here.collect(&mut entries);
                let part = self.difference(range, entries, there);
                self.say(part)
            }
        }
    }

    /// Compares all that is here with all that is there.
    fn difference(&mut self, range: Range, mut here: Vec<Item>, there: &[Item]) -> Part {
        let mut lacking = Vec::new();
        for item in there {
            let (subject, entry) = item;
            match here.binary_search_by_key(subject, |(subject, _)| *subject) {
                Ok(at) if here.get(at).is_some_and(|(_, mine)| mine == entry) => {}
                Ok(_) => self.findings.named.push(*item),
                Err(_) => {
                    lacking.push(*subject);
                    self.findings.named.push(*item);
                }
            }
        }
        let known = |subject: &Subject| there.binary_search_by_key(subject, |(subject, _)| *subject).ok();
        let before = self.findings.same.len();
        here.retain(|(subject, entry)| {
            let theirs = known(subject).and_then(|at| there.get(at));
            let same = theirs.is_some_and(|(_, theirs)| theirs == entry);
            if same {
                self.findings.same.push(Range::of(*subject));
            } else if theirs.is_none() {
                self.findings.lacked.push(*subject);
            }
            !same
        });
        if here.is_empty() && lacking.is_empty() {
            self.findings.same.truncate(before);
            self.findings.same.push(range);
            return Part::Same { range };
        }
        Part::Answer { range, entries: here, lacking }
    }

    /// Takes the answer to a list of what was here.
    fn conclude(&mut self, range: Range, here: View<'_>, entries: &[Item], lacking: &[Subject]) {
        let mut differing = Vec::with_capacity(entries.len() + lacking.len());
        for (subject, entry) in entries {
            if find(here, range, subject) != Some(entry) {
                self.findings.named.push((*subject, *entry));
                differing.push(*subject);
            }
        }
        for subject in lacking {
            if find(here, range, subject).is_some() {
                self.findings.lacked.push(*subject);
                differing.push(*subject);
            }
        }
        differing.sort_unstable();
        self.rest_is_same(range, here, &differing);
    }

    /// Notes what is in a range and not among some subjects as the same, in as few ranges as the tree gives.
    fn rest_is_same(&mut self, range: Range, here: View<'_>, differing: &[Subject]) {
        if here.count() == 0 {
            return;
        }
        if differing.is_empty() {
            self.findings.same.push(range);
            return;
        }
        match (here, range.halves()) {
            (View::Many(_), Some((lower, upper))) => {
                let (in_lower, in_upper) = here.halves(&range);
                let (below, above) = (
                    narrowed_by(differing, &lower, |subject| subject),
                    narrowed_by(differing, &upper, |subject| subject),
                );
                self.rest_is_same(lower, in_lower, below);
                self.rest_is_same(upper, in_upper, above);
            }
            (View::Few(items, _), _) => {
                let others = items.iter().filter(|(subject, _)| differing.binary_search(subject).is_err());
                self.findings.same.extend(others.map(|(subject, _)| Range::of(*subject)));
            }
            // A branch has two subjects at least, and a range that cannot be halved has one.
            (View::Many(_), None) => {}
        }
    }

    /// Splits ranges that differ, always the one with the most entries, until each is as small as a leaf or the
    /// fan-out is reached. Each is split at least once, so every turn comes closer to the end.
    fn split(&mut self, differing: Vec<Piece<'_>>) -> Result<(), OverBudget> {
        let limit = self.budget.fan_out().max(differing.len() * SPLIT);
        let mut pieces = BinaryHeap::with_capacity(differing.len() * 2);
        for piece in differing {
            pieces.extend(piece.halves().into_iter().flatten());
        }
        while pieces.len() < limit {
            let Some(largest) = pieces.pop() else { break };
            let halves = if largest.count > LEAF_ITEMS { largest.halves() } else { None };
            let Some(halves) = halves else {
                pieces.push(largest);
                break;
            };
            pieces.extend(halves);
        }
        for Piece { range, here, .. } in pieces {
            self.say(Part::Fingerprint { range, summary: here.summary() })?;
        }
        Ok(())
    }
}

/// A range that is to be split, and what is in it here.
#[derive(Debug)]
struct Piece<'a> {
    count: usize,
    range: Range,
    here: View<'a>,
}

impl Piece<'_> {
    fn halves(&self) -> Option<[Self; 2]> {
        let (lower, upper) = self.range.halves()?;
        let (in_lower, in_upper) = self.here.halves(&self.range);
        Some([
            Self { count: in_lower.count(), range: lower, here: in_lower },
            Self { count: in_upper.count(), range: upper, here: in_upper },
        ])
    }
}

impl PartialEq for Piece<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Piece<'_> {}

impl PartialOrd for Piece<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Piece<'_> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.count, self.range).cmp(&(other.count, other.range))
    }
}

/// Whether `some` entries are so few, beside those of the other side, that listing them is better than splitting.
fn is_little(some: u64, others: u64) -> bool {
    some <= (LEAF_ITEMS as u64).max(others / SKEW)
}

fn find<'a>(here: View<'a>, range: Range, subject: &Subject) -> Option<&'a Entry> {
    let (mut here, mut range) = (here, range);
    while let View::Many(_) = here {
        let (lower, upper) = range.halves()?;
        let (in_lower, in_upper) = here.halves(&range);
        (range, here) = if lower.contains(subject) { (lower, in_lower) } else { (upper, in_upper) };
    }
    match here {
        View::Few(items, _) => match narrowed(items, &Range::of(*subject)) {
            [(_, entry)] => Some(entry),
            _ => None,
        },
        View::Many(_) => None,
    }
}

/// The parts with neighbours that are the same said in one.
fn joined(parts: Vec<Part>) -> Vec<Part> {
    let mut joined: Vec<Part> = Vec::with_capacity(parts.len());
    for part in parts {
        joined.push(part);
        while let [.., Part::Same { range: lower }, Part::Same { range: upper }] = joined.as_slice() {
            let Some(range) = Range::joined(lower, upper) else { break };
            joined.truncate(joined.len() - 2);
            joined.push(Part::Same { range });
        }
    }
    joined
}
