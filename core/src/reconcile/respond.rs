//! The answer to one message: a function of the set, the message and the budget.

use std::collections::{BTreeMap, BinaryHeap};

use katori_acl::Subject;

use super::Item;
use super::brief::{Brief, BriefSummary, Secret, Speaks, Told};
use super::budget::{Budget, OverBudget, SPLIT};
use super::fingerprint::Entry;
use super::node::LEAF_ITEMS;
use super::part::{MAX_PART_ENTRIES, Part};
use super::range::Range;
use super::tree::Tree;
use super::view::{View, narrowed, narrowed_by};

/// Where one side has so many times fewer entries than the other, most must differ: the smaller side lists all
/// that it has, and nothing is split.
const SKEW: u64 = 8;

/// Entries up to which they are compared with what is told in brief: more than can be told in one part.
const MAX_BRIEF: usize = 4 * MAX_PART_ENTRIES;

/// What was learned of the other side's set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    /// Ranges in which both have the same subjects with the same entries.
    pub same: Vec<Range>,
    /// What the other side has otherwise than this one, or has alone.
    pub named: Vec<(Subject, Told)>,
    /// What both have, and the other side otherwise, and it is to say first what that is.
    pub answered: Vec<(Subject, Told)>,
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

/// What a side is, and knows, apart from the set.
pub struct Side<'a> {
    /// What the two ends of the connection have in common.
    pub secret: &'a Secret,
    /// Whether it most likely has more of a subject than the other side. A guess: it decides who speaks first.
    pub is_ahead: &'a dyn Fn(&Subject) -> bool,
}

impl std::fmt::Debug for Side<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Side").finish_non_exhaustive()
    }
}

/// Answers the parts of one [`Message`](super::Message), which is what vouches for their order.
///
/// Costs a walk down the tree for each part, and what it finds to say.
///
/// # Errors
/// [`OverBudget`] if the answer would be more than the budget has left. Nothing of it may be sent.
pub fn respond(
    tree: &mut Tree,
    parts: &[Part],
    side: &Side<'_>,
    budget: &mut Budget,
) -> Result<Response, OverBudget> {
    tree.root();
    budget.earn(parts);
    let mut answer = Answer { side, budget, parts: Vec::new(), findings: Findings::default() };
    let mut differing = Vec::new();
    for part in parts {
        let range = *part.range();
        let here = tree.view(&range);
        match part {
            Part::Fingerprint { summary, .. } => {
                differing.extend(answer.compare(range, here, summary)?);
            }
            Part::Items { entries, .. } => answer.reply(range, here, entries)?,
            Part::Briefs { briefs, .. } => answer.reply_in_brief(range, here, briefs)?,
            Part::Differ { briefs, .. } => answer.conclude_in_brief(range, here, briefs),
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
    side: &'a Side<'a>,
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
        there: &BriefSummary,
    ) -> Result<Option<Piece<'t>>, OverBudget> {
        let count = here.count() as u64;
        if *there == self.summary(here) {
            self.findings.same.push(range);
            self.say(Part::Same { range })?;
        } else if there.count == 0 {
            self.reply(range, here, &[])?;
        } else if is_little(count, there.count) {
            self.list(range, here, there.count)?;
        } else if is_little(there.count, count) {
            // The smaller list is the other side's. It is asked for, unless ours saves that and is short.
            if here.count() <= MAX_PART_ENTRIES {
                self.list(range, here, there.count)?;
            } else {
                self.say(Part::Fingerprint { range, summary: self.summary(here) })?;
            }
        } else {
            return Ok(Some(Piece { count: here.count(), range, here }));
        }
        Ok(None)
    }

    fn summary(&self, here: View<'_>) -> BriefSummary {
        BriefSummary::of(self.side.secret, &here.summary())
    }

    fn brief(&self, (subject, entry): &Item) -> Brief {
        Brief::of(self.side.secret, subject, entry)
    }

    /// Lists all that is here: in brief, if the other side has as many, and most likely the same subjects.
    fn list(&mut self, range: Range, here: View<'_>, there: u64) -> Result<(), OverBudget> {
        let count = here.count();
        if count == 0 || count > MAX_PART_ENTRIES || there < count as u64 {
            return self.list_by_name(range, here);
        }
        let mut items = Vec::with_capacity(count);
        here.collect(&mut items);
        let briefs = sorted_by(items.iter().map(|item| self.brief(item)), |brief| *brief);
        self.say(Part::Briefs { range, briefs })
    }

    /// Lists all that is here, in parts of a bounded size.
    fn list_by_name(&mut self, range: Range, here: View<'_>) -> Result<(), OverBudget> {
        match range.halves() {
            Some((lower, upper)) if here.count() > MAX_PART_ENTRIES => {
                let (in_lower, in_upper) = here.halves(&range);
                self.list_by_name(lower, in_lower)?;
                self.list_by_name(upper, in_upper)
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

    /// Answers a list in brief of all that is there. If something of it is not here, everything here is listed by name,
    /// so that the other side names what it is.
    fn reply_in_brief(&mut self, range: Range, here: View<'_>, there: &[Brief]) -> Result<(), OverBudget> {
        if here.count() > MAX_BRIEF {
            // To compare so many costs much, and most of them are only here.
            return self.list_by_name(range, here);
        }
        let mut theirs: BTreeMap<_, &Brief> = there.iter().map(|brief| (brief.subject, brief)).collect();
        let mut items = Vec::with_capacity(here.count());
        here.collect(&mut items);
        let (mut differing, mut others, mut only_here) = (vec![], vec![], vec![]);
        for item in items {
            let mine = self.brief(&item);
            match theirs.remove(&mine.subject) {
                Some(brief) if *brief == mine => {}
                Some(brief) => {
                    differing.push((item.0, brief.beside(&item.1, &mine), mine));
                    others.push(item);
                }
                None => {
                    only_here.push(item.0);
                    others.push(item);
                }
            }
        }
        if !theirs.is_empty() {
            return self.list_by_name(range, here);
        }
        let subjects: Vec<Subject> = others.iter().map(|(subject, _)| *subject).collect();
        self.rest_is_same(range, here, &subjects);
        if others.is_empty() {
            return self.say(Part::Same { range });
        }
        if !only_here.is_empty() || differing.len() > MAX_PART_ENTRIES {
            self.findings.named.extend(differing.into_iter().map(|(subject, told, _)| (subject, told)));
            self.findings.lacked.extend(only_here);
            return self.name(range, &others);
        }
        let mut briefs = Vec::with_capacity(differing.len());
        for (subject, told, mine) in differing {
            // Who lacks something says first what it has.
            if (self.side.is_ahead)(&subject) {
                self.findings.answered.push((subject, told));
                briefs.push((mine, Speaks::Second));
            } else {
                self.findings.named.push((subject, told));
                briefs.push((mine, Speaks::First));
            }
        }
        self.say(Part::Differ { range, briefs: sorted_by(briefs, |(brief, _)| *brief) })
    }

    /// Names what is other here, or only here, in parts of a bounded size.
    fn name(&mut self, range: Range, others: &[Item]) -> Result<(), OverBudget> {
        match range.halves() {
            Some((lower, upper)) if others.len() > MAX_PART_ENTRIES => {
                self.name(lower, narrowed(others, &lower))?;
                self.name(upper, narrowed(others, &upper))
            }
            _ => self.say(Part::Answer { range, entries: others.to_vec(), lacking: Vec::new() }),
        }
    }

    /// Takes the answer to a list in brief of what was here.
    fn conclude_in_brief(&mut self, range: Range, here: View<'_>, briefs: &[(Brief, Speaks)]) {
        let mut theirs: BTreeMap<_, _> = briefs.iter().map(|said| (said.0.subject, said)).collect();
        if here.count() > MAX_BRIEF {
            // No such list was made here: the tree is as it was at the greeting.
            return;
        }
        let mut items = Vec::with_capacity(here.count());
        here.collect(&mut items);
        let mut differing = Vec::with_capacity(briefs.len());
        for item in items {
            let mine = self.brief(&item);
            if let Some((brief, speaks)) = theirs.remove(&mine.subject)
                && *brief != mine
            {
                let told = (item.0, brief.beside(&item.1, &mine));
                match speaks {
                    Speaks::First => self.findings.answered.push(told),
                    Speaks::Second => self.findings.named.push(told),
                }
                differing.push(item.0);
            }
        }
        self.rest_is_same(range, here, &differing);
    }

    /// Compares all that is here with all that is there.
    fn difference(&mut self, range: Range, mut here: Vec<Item>, there: &[Item]) -> Part {
        let mut lacking = Vec::new();
        for item in there {
            let (subject, entry) = item;
            match here.binary_search_by_key(subject, |(subject, _)| *subject) {
                Ok(at) if here.get(at).is_some_and(|(_, mine)| mine == entry) => {}
                Ok(_) => self.findings.named.push((*subject, (*entry).into())),
                Err(_) => {
                    lacking.push(*subject);
                    self.findings.named.push((*subject, (*entry).into()));
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
                self.findings.named.push((*subject, (*entry).into()));
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
            self.say(Part::Fingerprint { range, summary: self.summary(here) })?;
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

fn sorted_by<T>(said: impl IntoIterator<Item = T>, brief: impl Fn(&T) -> Brief) -> Vec<T> {
    let mut said: Vec<T> = said.into_iter().collect();
    said.sort_unstable_by_key(&brief);
    said.dedup_by_key(|said| brief(said));
    said
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
