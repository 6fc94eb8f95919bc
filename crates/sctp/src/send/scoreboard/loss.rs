//! What is deemed lost: by time, by counting, by silence.
use std::time::Duration;

use super::{Fate, Outcome, Scoreboard};
use crate::{Time, seq::Tsn};

impl Scoreboard {
    /// The last fragment in flight becomes lost, without blame: a probe for a lost tail (RFC 8985 §7.3).
    pub(crate) fn probe_tail(&mut self) -> bool {
        let live = self.log.iter().rposition(|transmission| transmission.live);
        let Some(at) = live else { return false };
        let tsn = self.log[at].tsn;
        self.drop_from_flight(at);
        self.entry(tsn).fate = Fate::Lost;
        self.lost.push_front(tsn);
        true
    }

    fn lose(&mut self, log_at: usize, outcome: &mut Outcome) {
        let transmission = self.drop_from_flight(log_at);
        outcome.lost += u64::from(transmission.size);
        outcome.large_lost |= transmission.large;
        if outcome.lost_newest.is_none_or(|best| best.number < transmission.number) {
            outcome.lost_newest = Some(transmission);
        }
        self.entry(transmission.tsn).fate = Fate::Lost;
        self.lost.push_back(transmission.tsn);
    }

    /// Loss by time ([RFC 8985 §6.2 step 5](https://www.rfc-editor.org/rfc/rfc8985#section-6.2)): what was sent
    /// before something that arrived, and a round trip and `reordering` ago. Returns when to look again.
    pub(crate) fn detect_by_time(
        &mut self,
        now: Time,
        reordering: Duration,
        outcome: &mut Outcome,
    ) -> Option<Time> {
        let (number, _, rtt) = self.rack?;
        if let Some(horizon) = self.horizon {
            return self.detect_within(horizon, now, rtt + reordering, outcome);
        }
        loop {
            let front = self.log.front()?;
            if front.live {
                if self.log_base >= number {
                    return None;
                }
                let deadline = front.sent_at + rtt + reordering;
                if deadline > now {
                    return Some(deadline);
                }
                self.lose(0, outcome);
            }
            self.log.pop_front();
            self.log_base += 1;
        }
    }

    /// Loss by time among what the peer could report. The rest waits for a SACK that reaches it, so the front of the
    /// log may be stuck: all of it is looked at, sixteen times a round trip.
    fn detect_within(
        &mut self,
        horizon: Tsn,
        now: Time,
        after: Duration,
        outcome: &mut Outcome,
    ) -> Option<Time> {
        let (number, _, rtt) = self.rack?;
        if now < self.look_through_at {
            return Some(self.look_through_at);
        }
        self.look_through_at = now + rtt / 16;
        let mut next = None;
        for at in 0..self.log.len() {
            let transmission = &self.log[at];
            if transmission.number >= number {
                break;
            }
            if !transmission.live || transmission.tsn > horizon {
                continue;
            }
            if transmission.sent_at + after > now {
                next = Some(self.look_through_at.max(transmission.sent_at + after));
                break;
            }
            self.lose(at, outcome);
        }
        self.trim_log();
        next
    }

    /// Loss by counting ([RFC 9260 §7.2.4](https://www.rfc-editor.org/rfc/rfc9260#section-7.2.4)): three SACKs
    /// reported something newer. As browsers do it, what was sent again counts again, and in recovery all that the
    /// SACK leaves out counts once the cumulative TSN moves. Walks all of it; for comparison only.
    pub(crate) fn detect_by_counting(&mut self, in_recovery: bool, outcome: &mut Outcome) {
        let Some((_, last)) = self.sacked.last() else { return };
        let all = in_recovery && outcome.cumulative_moved;
        let highest = if all { Some(Tsn(last)) } else { outcome.highest };
        let Some(highest) = highest else { return };
        for tsn in self.base.0..highest.0 {
            let entry = self.entry(Tsn(tsn));
            if let Fate::InFlight { number } = entry.fate {
                entry.misses += 1;
                if entry.misses >= 3 {
                    self.lose((number - self.log_base) as usize, outcome);
                }
            }
        }
        self.trim_log();
    }

    /// Nothing came for a whole timeout: all in flight is lost (RFC 9260 §6.3.3). With `forget`, what was reported
    /// beyond gaps is lost too, since a peer may take that back (RFC 9260 §6.2).
    pub(crate) fn lose_all(&mut self, forget: bool, outcome: &mut Outcome) {
        for at in 0..self.log.len() {
            if self.log[at].live {
                self.lose(at, outcome);
            }
        }
        self.trim_log();
        if forget {
            self.sacked.clear();
        }
        self.lost.clear();
        for (at, entry) in self.entries.iter_mut().enumerate() {
            if entry.fate == Fate::Lost || (forget && entry.fate != Fate::Abandoned) {
                entry.fate = Fate::Lost;
                self.lost.push_back(Tsn(self.base.0 + at as u64));
            }
        }
    }
}
