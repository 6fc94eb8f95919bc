//! A sorted set of numbers as ranges: what arrived beyond a gap.
use std::collections::VecDeque;

/// Disjoint ranges `first ..= last`, ascending, never touching.
#[derive(Debug, Default)]
pub(crate) struct Ranges(VecDeque<(u64, u64)>);

impl Ranges {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = (u64, u64)> {
        self.0.iter().copied()
    }

    pub(crate) fn first(&self) -> Option<(u64, u64)> {
        self.0.front().copied()
    }

    /// The range that holds `number`.
    pub(crate) fn around(&self, number: u64) -> Option<(u64, u64)> {
        let at = self.0.partition_point(|range| range.1 < number);
        self.0.get(at).copied().filter(|range| range.0 <= number)
    }

    /// The range at `index`, counted from the lowest.
    pub(crate) fn nth(&self, index: usize) -> Option<(u64, u64)> {
        self.0.get(index).copied()
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// Forgets everything up to `bound`, included.
    pub(crate) fn remove_to(&mut self, bound: u64) {
        while let Some(front) = self.0.front_mut() {
            if front.1 <= bound {
                self.0.pop_front();
            } else {
                front.0 = front.0.max(bound + 1);
                return;
            }
        }
    }

    /// Adds one number; false if it was there.
    pub(crate) fn insert(&mut self, number: u64) -> bool {
        let mut new = false;
        self.insert_range(number, number, |_, _| new = true);
        new
    }

    /// Adds `first ..= last` and names each part that was not there. Costs O(log ranges) when nothing is new.
    pub(crate) fn insert_range(&mut self, first: u64, last: u64, mut fresh: impl FnMut(u64, u64)) {
        if first > last {
            return;
        }
        // The common case: more at the end.
        if let Some(back) = self.0.back_mut()
            && back.0 <= first
            && first <= back.1 + 1
        {
            if last > back.1 {
                fresh(back.1 + 1, last);
                back.1 = last;
            }
            return;
        }
        // Ranges that touch or overlap ours: from..to.
        let from = self.0.partition_point(|range| range.1 + 1 < first);
        let (mut merged, mut at, mut to) = ((first, last), first, from);
        while let Some(&(start, end)) = self.0.get(to)
            && start <= last.saturating_add(1)
        {
            if at < start {
                fresh(at, (start - 1).min(last));
            }
            at = at.max(end + 1);
            merged = (merged.0.min(start), merged.1.max(end));
            to += 1;
        }
        if at <= last {
            fresh(at, last);
        }
        match to - from {
            0 => self.0.insert(from, merged),
            1 => self.0[from] = merged,
            _ => {
                self.0[from] = merged;
                self.0.drain(from + 1..to);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn ranges_behave_as_a_set(ops in prop::collection::vec((0u64..60, 0u64..12, any::<bool>()), 0..60)) {
            let (mut ranges, mut set) = (Ranges::default(), std::collections::BTreeSet::new());
            for (first, len, remove) in ops {
                if remove && len == 0 {
                    ranges.remove_to(first / 2);
                    set.retain(|&n| n > first / 2);
                    continue;
                }
                let mut fresh = Vec::new();
                ranges.insert_range(first, first + len, |a, b| fresh.extend(a..=b));
                let expected: Vec<u64> = (first..=first + len).filter(|&n| set.insert(n)).collect();
                prop_assert_eq!(fresh, expected);
                prop_assert_eq!(ranges.iter().flat_map(|(a, b)| a..=b).collect::<Vec<_>>(), set.iter().copied().collect::<Vec<_>>());
                prop_assert!(ranges.0.iter().zip(ranges.0.iter().skip(1)).all(|(a, b)| a.1 + 1 < b.0));
            }
        }
    }
}
