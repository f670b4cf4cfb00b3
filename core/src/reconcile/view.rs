//! What a tree has in a range.
//!
//! The ranges of a peer need not be those of nodes here: one may end between a branch and its children, or
//! inside a leaf. A view is the same set of items as the node of that set would be.

use katori_acl::Subject;

use super::Item;
use super::fingerprint::{Fingerprint, Summary};
use super::node::{Branch, Node};
use super::range::{Range, bit};

/// The items of a tree in a range.
#[derive(Debug, Clone, Copy)]
pub(super) enum View<'a> {
    /// At most a leaf of them, with the fingerprint if it is all of a leaf.
    Few(&'a [Item], Option<&'a Fingerprint>),
    /// All of a branch.
    Many(&'a Branch),
}

impl<'a> View<'a> {
    /// Everything in a node.
    pub(super) fn of(node: &'a Node) -> Self {
        match node {
            Node::Leaf { items, fingerprint } => Self::Few(items, fingerprint.as_ref()),
            Node::Branch(branch) => Self::Many(branch),
        }
    }

    /// What a node has in a range.
    pub(super) fn within(mut node: &'a Node, range: &Range) -> Self {
        loop {
            match node {
                Node::Branch(branch) if range.covers(&branch.range) => return Self::Many(branch),
                Node::Branch(branch) if branch.range.covers(range) => {
                    let upper = bit(range.least(), branch.range.length());
                    node = if upper { &branch.upper } else { &branch.lower };
                }
                Node::Branch(_) => return Self::Few(&[], None),
                Node::Leaf { items, fingerprint } => {
                    let here = narrowed(items, range);
                    return Self::Few(here, fingerprint.as_ref().filter(|_| here.len() == items.len()));
                }
            }
        }
    }

    pub(super) fn count(&self) -> usize {
        match self {
            Self::Few(items, _) => items.len(),
            Self::Many(branch) => branch.count,
        }
    }

    /// Costs the hashing of one leaf at most, if the tree was refreshed.
    pub(super) fn fingerprint(&self) -> Fingerprint {
        match self {
            Self::Few(items, known) => known.copied().unwrap_or_else(|| Fingerprint::of_items(items)),
            Self::Many(branch) => branch.fingerprint.unwrap_or_else(|| {
                let (lower, upper) = (Self::of(&branch.lower), Self::of(&branch.upper));
                Fingerprint::of_halves(&lower.fingerprint(), &upper.fingerprint())
            }),
        }
    }

    pub(super) fn summary(&self) -> Summary {
        Summary { count: self.count() as u64, fingerprint: self.fingerprint() }
    }

    /// What is in each half of the range that this is a view of.
    pub(super) fn halves(self, range: &Range) -> (Self, Self) {
        let (nothing, index) = (Self::Few(&[], None), range.length());
        match self {
            Self::Few(items, known) => {
                let (lower, upper) =
                    items.split_at(items.partition_point(|(subject, _)| !bit(subject, index)));
                (
                    Self::Few(lower, known.filter(|_| upper.is_empty())),
                    Self::Few(upper, known.filter(|_| lower.is_empty())),
                )
            }
            Self::Many(branch) if branch.range.length() > index => {
                if bit(branch.range.least(), index) {
                    (nothing, self)
                } else {
                    (self, nothing)
                }
            }
            Self::Many(branch) => (Self::of(&branch.lower), Self::of(&branch.upper)),
        }
    }

    /// Appends the items, in order.
    pub(super) fn collect(&self, into: &mut Vec<Item>) {
        match self {
            Self::Few(items, _) => into.extend_from_slice(items),
            Self::Many(branch) => {
                Self::of(&branch.lower).collect(into);
                Self::of(&branch.upper).collect(into);
            }
        }
    }
}

/// Those of some ascending items that lie in a range.
pub(super) fn narrowed<'a>(items: &'a [Item], range: &Range) -> &'a [Item] {
    narrowed_by(items, range, |(subject, _)| subject)
}

/// The same of anything that is in the order of its subjects.
pub(super) fn narrowed_by<'a, T>(items: &'a [T], range: &Range, subject: impl Fn(&T) -> &Subject) -> &'a [T] {
    let start = items.partition_point(|item| subject(item) < range.least());
    let rest = items.get(start..).unwrap_or_default();
    let end = rest.partition_point(|item| range.contains(subject(item)));
    rest.get(..end).unwrap_or_default()
}
