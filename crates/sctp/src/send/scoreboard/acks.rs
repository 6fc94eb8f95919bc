//! What acknowledgements say.
use std::time::Duration;

use super::{Fate, Outcome, Scoreboard};
use crate::{
    Time,
    seq::Tsn,
    wire::{DeltaSack, Sack},
};

/// Browsers write 20 gap blocks at most; a SACK with fewer was not cut short.
const FEWEST_BLOCKS: usize = 20;

impl Scoreboard {
    /// Takes a SACK; `None` if it acknowledges what was never sent or is older than another.
    pub(crate) fn handle_sack(
        &mut self,
        sack: &Sack<'_>,
        now: Time,
        min_rtt: Option<Duration>,
    ) -> Option<Outcome> {
        let cumulative = self.start_acks(sack.cumulative, min_rtt)?;
        let blocks = sack.gaps().map(|gap| (gap.first.into(), gap.last.into()));
        let outcome = self.handle_blocks(cumulative, blocks, now);
        // A SACK with no room for more blocks, or of a peer that writes no more, says nothing about what follows.
        let last = sack.gaps().last().map_or(0, |gap| gap.last);
        self.most_blocks = self.most_blocks.max(sack.gaps().len()).max(FEWEST_BLOCKS);
        let cut_short = sack.gaps().len() >= self.most_blocks;
        self.horizon = cut_short.then_some(Tsn(cumulative.0 + u64::from(last)));
        Some(outcome)
    }

    /// Takes a DELTA SACK; `None` as above.
    pub(crate) fn handle_delta_sack(
        &mut self,
        sack: &DeltaSack<'_>,
        now: Time,
        min_rtt: Option<Duration>,
    ) -> Option<Outcome> {
        let cumulative = self.start_acks(sack.cumulative, min_rtt)?;
        let blocks = sack.blocks().map(|(first, last)| (first.into(), last.into()));
        Some(self.handle_blocks(cumulative, blocks, now))
    }

    fn start_acks(&mut self, cumulative: u32, min_rtt: Option<Duration>) -> Option<Tsn> {
        self.min_rtt = min_rtt;
        let cumulative = self.cumulative().near(cumulative);
        (cumulative >= self.cumulative() && cumulative < self.next_tsn()).then_some(cumulative)
    }

    fn handle_blocks(
        &mut self,
        cumulative: Tsn,
        blocks: impl Iterator<Item = (u64, u64)>,
        now: Time,
    ) -> Outcome {
        let mut outcome = Outcome { cumulative_moved: cumulative >= self.base, ..Outcome::default() };

        // Gap blocks first, while the offsets hold; only parts not reported before are walked.
        let last_sent = self.next_tsn().previous().0;
        let mut sacked = std::mem::take(&mut self.sacked);
        for (first, last) in blocks {
            let first = (cumulative.0 + first).max(cumulative.0 + 1);
            let last = (cumulative.0 + last).min(last_sent);
            sacked.insert_range(first, last, |from, to| {
                for tsn in from..=to {
                    self.acknowledge(Tsn(tsn), &mut outcome, now);
                }
            });
        }
        sacked.remove_to(cumulative.0);
        self.sacked = sacked;
        while self.base <= cumulative {
            self.acknowledge(self.base, &mut outcome, now);
            let gone = self.entries.pop_front().expect("the cumulative TSN was sent");
            self.abandoned -= usize::from(gone.fate == Fate::Abandoned);
            self.base = self.base.next();
        }

        if let Some(newest) = outcome.newest {
            let rtt = now.since(newest.sent_at);
            if self.rack.is_none_or(|(best, ..)| newest.number >= best) {
                self.rack = Some((newest.number, newest.sent_at, rtt));
            }
            self.first_sent_at = newest.sent_at;
        }
        self.trim_log();
        outcome
    }

    fn acknowledge(&mut self, tsn: Tsn, outcome: &mut Outcome, now: Time) {
        let at = (tsn.0 - self.base.0) as usize;
        if self.entries[at].fate != Fate::Acked {
            outcome.highest = outcome.highest.max(Some(tsn));
        }
        self.acknowledge_at(at, outcome, now);
        self.entries[at].counted = true;
    }

    fn acknowledge_at(&mut self, at: usize, outcome: &mut Outcome, now: Time) {
        match self.entries[at].fate {
            Fate::InFlight { number } => {
                let transmission = self.drop_from_flight((number - self.log_base) as usize);
                let size = u64::from(transmission.size);
                outcome.acked += size;
                outcome.large_acked |= transmission.large;
                self.delivered += size;
                self.delivered_at = now;
                // An answer to the first sending, not to the second (RFC 8985 §6.2 step 2): tells no time.
                let ambiguous = transmission.again
                    && self.min_rtt.is_some_and(|min| now.since(transmission.sent_at) < min);
                outcome.spurious += u32::from(ambiguous);
                if !ambiguous && outcome.newest.is_none_or(|best| best.number < transmission.number) {
                    outcome.newest = Some(transmission);
                }
                self.entries[at].fate = Fate::Acked;
            }
            Fate::Lost => {
                let entry = &mut self.entries[at];
                entry.fate = Fate::Acked;
                if entry.counted {
                    return;
                }
                outcome.spurious += 1;
                let size = entry.fragment.payload.len() as u64;
                outcome.acked += size;
                self.delivered += size;
                self.delivered_at = now;
            }
            Fate::Acked | Fate::Abandoned => {}
        }
    }
}
