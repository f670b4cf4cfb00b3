//! The set itself.

use katori_acl::Subject;

use super::Item;
use super::fingerprint::{Entry, Fingerprint, Summary};
use super::node::Node;
use super::range::Range;
use super::view::View;

/// An ordered set of subjects with their entries, under a tree of hashes whose shape is a function of the set.
///
/// A change marks the nodes above it, some `log2(n / 11)` of them; they are hashed again when somebody asks, so
/// many changes between two questions share that.
#[derive(Debug, Clone)]
pub struct Tree {
    node: Node,
}

impl Default for Tree {
    fn default() -> Self {
        Self::new()
    }
}

impl Tree {
    /// An empty set.
    #[must_use]
    pub const fn new() -> Self {
        Self { node: Node::EMPTY }
    }

    /// A set of these, fast if they ascend. Of a subject that is there twice the last entry counts.
    #[must_use]
    pub fn from_sorted(items: impl IntoIterator<Item = (Subject, Entry)>) -> Self {
        let mut items: Vec<Item> = items.into_iter().collect();
        if !items.is_sorted_by(|(one, _), (next, _)| one < next) {
            // The sort is stable, and of equals the first is kept: so the other way round.
            items.reverse();
            items.sort_by_key(|(subject, _)| *subject);
            items.dedup_by_key(|(subject, _)| *subject);
        }
        Self { node: Node::build(&items) }
    }

    /// Sets the entry of a subject, and says whether that changed anything.
    pub fn insert(&mut self, subject: Subject, entry: Entry) -> bool {
        self.node.insert(subject, entry) != Some(entry)
    }

    /// Takes a subject out, and says whether it was there.
    pub fn remove(&mut self, subject: &Subject) -> bool {
        self.node.remove(subject).is_some()
    }

    /// The entry of a subject.
    #[must_use]
    pub fn get(&self, subject: &Subject) -> Option<&Entry> {
        match self.view(&Range::of(*subject)) {
            View::Few([(_, entry)], _) => Some(entry),
            View::Few(..) | View::Many(_) => None,
        }
    }

    /// How many subjects there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.node.count()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All of them, in order.
    #[must_use]
    pub fn iter(&self) -> Iter<'_> {
        self.range(&Range::WHOLE)
    }

    /// Those in a range, in order.
    #[must_use]
    pub fn range(&self, range: &Range) -> Iter<'_> {
        Iter { waiting: vec![self.view(range)], items: [].iter() }
    }

    /// The hash over all of them.
    pub fn root(&mut self) -> Fingerprint {
        self.node.refresh()
    }

    /// What is in a range, in short.
    pub fn summary(&mut self, range: &Range) -> Summary {
        self.refreshed(range).summary()
    }

    /// What is in a range, with all fingerprints of nodes at hand.
    pub(super) fn refreshed(&mut self, range: &Range) -> View<'_> {
        self.node.refresh();
        self.view(range)
    }

    pub(super) fn view(&self, range: &Range) -> View<'_> {
        View::within(&self.node, range)
    }
}

#[cfg(test)]
impl Tree {
    /// How many nodes lie between the root and the deepest leaf, with both.
    pub(super) fn depth(&self) -> usize {
        self.node.depth()
    }

    /// Bytes of memory behind the tree, without what the allocator keeps for itself.
    pub(super) fn heap_bytes(&self) -> usize {
        self.node.heap_bytes()
    }
}

impl FromIterator<(Subject, Entry)> for Tree {
    fn from_iter<I: IntoIterator<Item = (Subject, Entry)>>(items: I) -> Self {
        Self::from_sorted(items)
    }
}

impl<'a> IntoIterator for &'a Tree {
    type Item = (&'a Subject, &'a Entry);
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

/// Subjects of a [`Tree`] with their entries, in order.
#[derive(Debug, Clone)]
pub struct Iter<'a> {
    /// The next is the last. As many as the tree is deep.
    waiting: Vec<View<'a>>,
    items: std::slice::Iter<'a, Item>,
}

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a Subject, &'a Entry);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some((subject, entry)) = self.items.next() {
                return Some((subject, entry));
            }
            match self.waiting.pop()? {
                View::Few(items, _) => self.items = items.iter(),
                View::Many(branch) => {
                    self.waiting.extend([View::of(&branch.upper), View::of(&branch.lower)]);
                }
            }
        }
    }
}
