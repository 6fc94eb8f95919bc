//! Which blocks of what arrived beyond a gap the next DELTA SACK names.
use std::collections::VecDeque;

use crate::ranges::Ranges;

/// Arrivals out of order whose blocks are named again: in as many as half of them, so that some must get through.
const RECENT: usize = 24;
/// Other blocks named by turns, in case all reports of one were lost.
const BY_TURNS: usize = 4;
/// As few blocks are named all, always.
const FEW: usize = 16;

#[derive(Debug, Default)]
pub(super) struct Delta {
    recent: VecDeque<u64>,
    turn: usize,
    chosen: Vec<(u64, u64)>,
}

impl Delta {
    pub(super) fn arrived(&mut self, tsn: u64) {
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(tsn);
    }

    /// Ranges of `beyond` to name, `room` at most.
    pub(super) fn choose(&mut self, beyond: &Ranges, room: usize) -> &[(u64, u64)] {
        self.chosen.clear();
        if beyond.len() <= FEW.min(room) {
            self.chosen.extend(beyond.iter());
            return &self.chosen;
        }
        for &tsn in self.recent.iter().rev() {
            if self.chosen.len() < room
                && !self.chosen.iter().any(|range| range.0 <= tsn && tsn <= range.1)
                && let Some(range) = beyond.around(tsn)
            {
                self.chosen.push(range);
            }
        }
        for _ in 0..BY_TURNS.min(room - self.chosen.len()) {
            self.turn = if self.turn + 1 < beyond.len() { self.turn + 1 } else { 0 };
            self.chosen.extend(beyond.nth(self.turn));
        }
        &self.chosen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_block_is_always_named_and_every_other_in_turn() {
        let (mut beyond, mut delta) = (Ranges::default(), Delta::default());
        let mut named = std::collections::BTreeSet::new();
        for tsn in (10..2010).step_by(2) {
            beyond.insert(tsn);
            delta.arrived(tsn);
        }

        for _ in 0..1000 / BY_TURNS {
            let chosen = delta.choose(&beyond, 100);
            assert!(chosen.len() <= RECENT + BY_TURNS && chosen.contains(&(2008, 2008)));
            named.extend(chosen.iter().copied());
        }

        assert_eq!(named.len(), 1000);
    }

    #[test]
    fn no_more_is_named_than_there_is_room_for() {
        let (mut beyond, mut delta) = (Ranges::default(), Delta::default());
        for tsn in (10..110).step_by(2) {
            beyond.insert(tsn);
            delta.arrived(tsn);
        }

        assert_eq!(delta.choose(&beyond, 3).len(), 3);
        assert_eq!(delta.choose(&beyond, 0).len(), 0);
    }
}
