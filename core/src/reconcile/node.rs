//! The nodes of the tree.
//!
//! A set of at most [`LEAF_ITEMS`] items is a leaf, whatever its items. A larger one is a branch: at the first
//! bit in which not all of its subjects agree, into those with a 0 and those with a 1, neither of which is
//! empty. Nothing else decides the shape, so it is a function of the set.

use katori_acl::Subject;

use super::fingerprint::{Entry, Fingerprint};
use super::range::{Range, bit};
use super::{Item, view::View};

/// Items in one leaf. Half-full leaves cost 20 bytes of tree for each item, and a listing of a leaf is about as
/// long as one Ethernet frame.
pub(super) const LEAF_ITEMS: usize = 16;

/// A set of items.
#[derive(Debug, Clone)]
pub(super) enum Node {
    /// Few, ascending.
    Leaf {
        /// The items. Without spare room: there are many leaves.
        items: Vec<Item>,
        /// Unless something changed since.
        fingerprint: Option<Fingerprint>,
    },
    /// Many.
    Branch(Box<Branch>),
}

/// A set of more than [`LEAF_ITEMS`] items.
#[derive(Debug, Clone)]
pub(super) struct Branch {
    /// The smallest range with all of them in it.
    pub(super) range: Range,
    /// How many there are.
    pub(super) count: usize,
    /// Unless something changed since.
    pub(super) fingerprint: Option<Fingerprint>,
    /// Those with a 0 after the prefix.
    pub(super) lower: Node,
    /// Those with a 1.
    pub(super) upper: Node,
}

impl Branch {
    fn join(range: Range, lower: Node, upper: Node) -> Node {
        let count = lower.count() + upper.count();
        Node::Branch(Box::new(Self { range, count, fingerprint: None, lower, upper }))
    }

    fn child(&mut self, subject: &Subject) -> &mut Node {
        if bit(subject, self.range.length()) { &mut self.upper } else { &mut self.lower }
    }
}

impl Node {
    pub(super) const EMPTY: Self = Self::Leaf { items: Vec::new(), fingerprint: None };

    /// The node of a set, which must be in order.
    pub(super) fn build(items: &[Item]) -> Self {
        match items {
            [(first, _), .., (last, _)] if items.len() > LEAF_ITEMS => {
                let range = Range::around(first, last);
                let (lower, upper) =
                    items.split_at(items.partition_point(|(subject, _)| !bit(subject, range.length())));
                Branch::join(range, Self::build(lower), Self::build(upper))
            }
            _ => Self::Leaf { items: items.to_vec(), fingerprint: None },
        }
    }

    pub(super) fn count(&self) -> usize {
        match self {
            Self::Leaf { items, .. } => items.len(),
            Self::Branch(branch) => branch.count,
        }
    }

    /// Sets the entry of a subject; what it was before.
    pub(super) fn insert(&mut self, subject: Subject, entry: Entry) -> Option<Entry> {
        match self {
            Self::Leaf { items, fingerprint } => {
                match items.binary_search_by(|(other, _)| other.cmp(&subject)) {
                    Ok(at) => {
                        let (_, here) = items.get_mut(at)?;
                        if *here != entry {
                            *fingerprint = None;
                        }
                        return Some(std::mem::replace(here, entry));
                    }
                    Err(at) => {
                        *fingerprint = None;
                        items.reserve_exact(1);
                        items.insert(at, (subject, entry));
                    }
                }
                if items.len() > LEAF_ITEMS {
                    *self = Self::build(items);
                }
                None
            }
            Self::Branch(branch) if branch.range.contains(&subject) => {
                let before = branch.child(&subject).insert(subject, entry);
                branch.count += usize::from(before.is_none());
                if before != Some(entry) {
                    branch.fingerprint = None;
                }
                before
            }
            Self::Branch(branch) => {
                let range = Range::around(branch.range.least(), &subject);
                let one = Self::build(&[(subject, entry)]);
                let others = std::mem::replace(self, Self::EMPTY);
                *self = if bit(&subject, range.length()) {
                    Branch::join(range, others, one)
                } else {
                    Branch::join(range, one, others)
                };
                None
            }
        }
    }

    /// Takes a subject out; what its entry was.
    pub(super) fn remove(&mut self, subject: &Subject) -> Option<Entry> {
        let branch = match self {
            Self::Leaf { items, fingerprint } => {
                let at = items.binary_search_by(|(other, _)| other.cmp(subject)).ok()?;
                *fingerprint = None;
                let (_, entry) = items.remove(at);
                items.shrink_to_fit();
                return Some(entry);
            }
            Self::Branch(branch) => branch,
        };
        if !branch.range.contains(subject) {
            return None;
        }
        let entry = branch.child(subject).remove(subject)?;
        branch.count -= 1;
        branch.fingerprint = None;
        if branch.count <= LEAF_ITEMS {
            let mut items = Vec::with_capacity(branch.count);
            View::of(self).collect(&mut items);
            *self = Self::Leaf { items, fingerprint: None };
        } else if branch.lower.count() == 0 {
            *self = std::mem::replace(&mut branch.upper, Self::EMPTY);
        } else if branch.upper.count() == 0 {
            *self = std::mem::replace(&mut branch.lower, Self::EMPTY);
        }
        Some(entry)
    }

    /// The hash over everything in it, of which only what changed is computed.
    pub(super) fn refresh(&mut self) -> Fingerprint {
        match self {
            Self::Leaf { items, fingerprint } => {
                *fingerprint.get_or_insert_with(|| Fingerprint::of_items(items))
            }
            Self::Branch(branch) => {
                let Branch { fingerprint, lower, upper, .. } = branch.as_mut();
                *fingerprint.get_or_insert_with(|| Fingerprint::of_halves(&lower.refresh(), &upper.refresh()))
            }
        }
    }
}

#[cfg(test)]
impl Node {
    pub(super) fn depth(&self) -> usize {
        match self {
            Self::Leaf { .. } => 1,
            Self::Branch(branch) => 1 + branch.lower.depth().max(branch.upper.depth()),
        }
    }

    pub(super) fn heap_bytes(&self) -> usize {
        match self {
            Self::Leaf { items, .. } => items.capacity() * size_of::<Item>(),
            Self::Branch(branch) => {
                size_of::<Branch>() + branch.lower.heap_bytes() + branch.upper.heap_bytes()
            }
        }
    }
}
