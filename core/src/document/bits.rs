//! A set of change indices, as words of bits: admission is a few passes of word operations over these.

/// A set of indices into a change graph.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Bits(Vec<u64>);

const fn split(index: u32) -> (usize, u64) {
    ((index / 64) as usize, 1 << (index % 64))
}

impl Bits {
    /// All indices below this one.
    pub(crate) fn all_below(end: u32) -> Self {
        let (words, last) = split(end);
        let mut bits = vec![u64::MAX; words];
        if last > 1 {
            bits.push(last - 1);
        }
        Self(bits)
    }

    /// Adds an index; true if it was not there.
    pub(crate) fn insert(&mut self, index: u32) -> bool {
        let (word, bit) = split(index);
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        let Some(slot) = self.0.get_mut(word) else { return false };
        let new = *slot & bit == 0;
        *slot |= bit;
        new
    }

    pub(crate) fn remove(&mut self, index: u32) {
        let (word, bit) = split(index);
        if let Some(slot) = self.0.get_mut(word) {
            *slot &= !bit;
        }
    }

    pub(crate) fn contains(&self, index: u32) -> bool {
        let (word, bit) = split(index);
        self.0.get(word).is_some_and(|slot| slot & bit != 0)
    }

    pub(crate) fn union_with(&mut self, other: &Self) {
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        for (to, from) in self.0.iter_mut().zip(&other.0) {
            *to |= from;
        }
    }

    pub(crate) fn intersect_with(&mut self, other: &Self) {
        self.0.truncate(other.0.len());
        for (to, from) in self.0.iter_mut().zip(&other.0) {
            *to &= from;
        }
    }

    pub(crate) fn subtract(&mut self, other: &Self) {
        for (to, from) in self.0.iter_mut().zip(&other.0) {
            *to &= !from;
        }
    }

    pub(crate) fn is_subset(&self, other: &Self) -> bool {
        let zeros = std::iter::repeat(&0);
        self.0.iter().zip(other.0.iter().chain(zeros)).all(|(mine, theirs)| mine & !theirs == 0)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// The indices, ascending.
    pub(crate) fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        (0u32..).zip(&self.0).flat_map(|(word, bits)| {
            let mut bits = *bits;
            std::iter::from_fn(move || {
                (bits != 0).then(|| {
                    let index = bits.trailing_zeros();
                    bits &= bits - 1;
                    word * 64 + index
                })
            })
        })
    }
}

impl FromIterator<u32> for Bits {
    fn from_iter<I: IntoIterator<Item = u32>>(indices: I) -> Self {
        let mut bits = Self::default();
        for index in indices {
            bits.insert(index);
        }
        bits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_a_set() {
        let some: Bits = [0, 3, 63, 64, 200].into_iter().collect();
        assert_eq!(some.iter().collect::<Vec<_>>(), [0, 3, 63, 64, 200]);
        assert_eq!(some.len(), 5);
        let few: Bits = [3, 64].into_iter().collect();
        assert!(few.is_subset(&some) && !some.is_subset(&few));
        let mut rest = some.clone();
        rest.subtract(&few);
        assert_eq!(rest.iter().collect::<Vec<_>>(), [0, 63, 200]);
        rest.intersect_with(&few);
        assert!(rest.is_empty());
        rest.union_with(&few);
        assert_eq!(rest.len(), 2);
        rest.remove(3);
        assert!(!rest.contains(3) && rest.contains(64));
    }
}
