//! Sets of numbers as runs: which blocks are held, which bytes of a block are there.
use std::ops::Range;

/// A set of numbers, kept as sorted ranges that neither touch nor overlap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ranges(Vec<Range<u64>>);

impl Ranges {
    /// Adds a range; returns how many of its numbers were not there yet.
    pub(crate) fn insert(&mut self, range: Range<u64>) -> u64 {
        if range.is_empty() {
            return 0;
        }
        let from = self.0.partition_point(|r| r.end < range.start);
        let to = self.0.partition_point(|r| r.start <= range.end);
        let mut merged = range.clone();
        let mut there = 0;
        for old in &self.0[from..to] {
            there += old.end.min(range.end).saturating_sub(old.start.max(range.start));
            merged.start = merged.start.min(old.start);
            merged.end = merged.end.max(old.end);
        }
        self.0.splice(from..to, [merged]);
        range.end - range.start - there
    }

    /// Takes out the first number and those that follow it without a gap, `most` at most.
    pub(crate) fn take_first(&mut self, most: u64) -> Option<Range<u64>> {
        let first = self.0.first_mut()?;
        let taken = first.start..first.end.min(first.start.saturating_add(most));
        first.start = taken.end;
        if first.is_empty() {
            self.0.remove(0);
        }
        Some(taken)
    }

    /// Whether all of the range is there.
    pub(crate) fn contains(&self, range: Range<u64>) -> bool {
        range.is_empty() || self.0.iter().any(|r| r.start <= range.start && range.end <= r.end)
    }

    /// How many numbers are there.
    #[allow(clippy::len_without_is_empty, reason = "nobody asks")]
    pub(crate) fn len(&self) -> u64 {
        self.0.iter().map(|r| r.end - r.start).sum()
    }

    /// The ranges, ascending.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Range<u64>> {
        self.0.iter()
    }
}

impl From<Range<u64>> for Ranges {
    fn from(range: Range<u64>) -> Self {
        let mut ranges = Self::default();
        ranges.insert(range);
        ranges
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn behaves_like_a_set_whatever_is_inserted() {
        let mut random = 7u64;
        let mut next = |below: u64| {
            random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (random >> 33) % below
        };
        for _ in 0..200 {
            let (mut ranges, mut set) = (Ranges::default(), BTreeSet::new());
            for _ in 0..20 {
                let start = next(50);
                let range = start..start + next(12);
                let new = range.clone().filter(|n| set.insert(*n)).count() as u64;
                assert_eq!(ranges.insert(range), new);
                assert_eq!(ranges.len(), set.len() as u64);
                assert!(ranges.0.windows(2).all(|w| w[0].end < w[1].start), "{ranges:?}");
                let flat: BTreeSet<u64> = ranges.iter().cloned().flatten().collect();
                assert_eq!(flat, set);
            }
            let most = 1 + next(9);
            while let Some(taken) = ranges.take_first(most) {
                assert!(!taken.is_empty() && taken.end - taken.start <= most);
                assert_eq!(set.first(), Some(&taken.start));
                assert!(taken.clone().all(|number| set.remove(&number)));
                assert!(!ranges.contains(taken));
            }
            assert!(set.is_empty());
        }
    }
}
