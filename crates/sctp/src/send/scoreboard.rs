//! What was sent and is not acknowledged for good, and what the network did with it.
//!
//! Two queues. `entries` holds the fragments by TSN, so that a gap block finds its own by subtraction.
//! `log` holds the transmissions in the order of sending, one number each as QUIC's packets have, so that
//! loss by time looks only at its front: a SACK costs what it newly reports, not the window.
//!
//! ```text
//!              ack                        entry leaves when the cumulative TSN passes it
//! InFlight ───────────> Acked
//!   │  ↑ transmit         ↑ ack (it was late, not lost)
//!   ↓  │                  │
//!  Lost ──────────────────┘
//!   └───── limit of the message ──> Abandoned ──> FORWARD TSN
//! ```
use std::{collections::VecDeque, time::Duration};

use bytes::Bytes;

use crate::{
    Time,
    ranges::Ranges,
    seq::Tsn,
    wire::{Placement, Sack},
};

/// A piece of a message, as it is sent (again).
#[derive(Debug, Clone)]
pub(crate) struct Fragment {
    pub(crate) payload: Bytes,
    pub(crate) placement: Placement,
    pub(crate) stream: u16,
    /// SSN (DATA) or message identifier (I-DATA).
    pub(crate) mid: u32,
    pub(crate) fsn: u32,
    pub(crate) ppid: u32,
    /// Counts our messages.
    pub(crate) message: u64,
    pub(crate) max_retransmissions: Option<u16>,
    pub(crate) expires: Option<Time>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    InFlight { number: u64 },
    Lost,
    Acked,
    Abandoned,
}

#[derive(Debug)]
struct Entry {
    fragment: Fragment,
    fate: Fate,
    transmissions: u16,
    /// SACKs that reported something later (counting recovery).
    misses: u8,
    /// Its bytes are among the delivered.
    counted: bool,
}

/// One sending of one fragment, with what the delivery rate is computed from
/// (draft-cheng-iccrg-delivery-rate-estimation §3).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Transmission {
    /// Counts transmissions.
    pub(crate) number: u64,
    pub(crate) tsn: Tsn,
    pub(crate) size: u32,
    pub(crate) sent_at: Time,
    pub(crate) delivered: u64,
    pub(crate) delivered_at: Time,
    pub(crate) first_sent_at: Time,
    pub(crate) in_flight: u64,
    pub(crate) app_limited: bool,
    pub(crate) again: bool,
    live: bool,
}

/// Stream, unordered, message: given up to there.
type Skipped = (u16, bool, u32);

/// Browsers write 20 gap blocks at most; a SACK with fewer was not cut short.
const FEWEST_BLOCKS: usize = 20;

/// What a SACK, or the clock, changed.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) acked: u64,
    pub(crate) cumulative_moved: bool,
    /// The transmission sent last among those newly acknowledged.
    pub(crate) newest: Option<Transmission>,
    pub(crate) lost: u64,
    pub(crate) lost_newest: Option<Transmission>,
    /// Deemed lost, and yet it arrived.
    pub(crate) spurious: u32,
}

#[derive(Debug)]
pub(crate) struct Scoreboard {
    /// TSN of `entries[0]`, or the next one to send.
    base: Tsn,
    entries: VecDeque<Entry>,
    /// Number of `log[0]`.
    log_base: u64,
    log: VecDeque<Transmission>,
    sacked: Ranges,
    lost: VecDeque<Tsn>,
    /// Bytes with chunk headers, of what is `InFlight`.
    in_flight: u64,
    payload_in_flight: usize,
    pub(crate) delivered: u64,
    delivered_at: Time,
    first_sent_at: Time,
    /// The transmission sent last among all acknowledged ones: number, round trip.
    rack: Option<(u64, Time, Duration)>,
    min_rtt: Option<Duration>,
    /// The most gap blocks a SACK had: with as many, it may have had to stop.
    most_blocks: usize,
    /// The last TSN that the latest SACK could speak of, if it had to stop somewhere.
    horizon: Option<Tsn>,
    /// With a horizon all transmissions are looked at; not before this moment again.
    look_through_at: Time,
    /// Until this much was delivered, samples show the application's rate, not the path's.
    app_limited_until: u64,
    /// Highest cumulative TSN that abandoned fragments allow (RFC 3758 §3.5).
    abandoned: usize,
}

impl Scoreboard {
    pub(crate) fn new(initial: Tsn) -> Self {
        Self {
            base: initial,
            entries: VecDeque::new(),
            log_base: 0,
            log: VecDeque::new(),
            sacked: Ranges::default(),
            lost: VecDeque::new(),
            in_flight: 0,
            payload_in_flight: 0,
            delivered: 0,
            delivered_at: Time::ZERO,
            first_sent_at: Time::ZERO,
            rack: None,
            min_rtt: None,
            most_blocks: 0,
            horizon: None,
            look_through_at: Time::ZERO,
            app_limited_until: 0,
            abandoned: 0,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// TSNs from the cumulative one to the last sent.
    pub(crate) fn span(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn in_flight(&self) -> u64 {
        self.in_flight
    }

    pub(crate) fn payload_in_flight(&self) -> usize {
        self.payload_in_flight
    }

    pub(crate) fn next_tsn(&self) -> Tsn {
        Tsn(self.base.0 + self.entries.len() as u64)
    }

    /// The cumulative TSN as the peer last said.
    pub(crate) fn cumulative(&self) -> Tsn {
        self.base.previous()
    }

    /// Marks the samples that follow as the application's own pace.
    pub(crate) fn app_limited(&mut self) {
        self.app_limited_until = (self.delivered + self.in_flight).max(1);
    }

    /// Takes a new fragment, about to be sent.
    pub(crate) fn send_new(&mut self, fragment: Fragment, size: u32, now: Time) -> Tsn {
        let tsn = self.next_tsn();
        self.entries.push_back(Entry {
            fragment,
            fate: Fate::Lost,
            transmissions: 0,
            misses: 0,
            counted: false,
        });
        self.transmit(tsn, size, now);
        tsn
    }

    /// The next fragment to send again, and its TSN.
    pub(crate) fn peek_lost(&mut self) -> Option<(Tsn, &Fragment)> {
        while let Some(&tsn) = self.lost.front() {
            if tsn >= self.base && self.entries[(tsn.0 - self.base.0) as usize].fate == Fate::Lost {
                return Some((tsn, &self.entries[(tsn.0 - self.base.0) as usize].fragment));
            }
            self.lost.pop_front();
        }
        None
    }

    /// Sends again what [`peek_lost`](Self::peek_lost) showed.
    pub(crate) fn resend(&mut self, tsn: Tsn, size: u32, now: Time) {
        self.lost.pop_front();
        self.transmit(tsn, size, now);
    }

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

    fn entry(&mut self, tsn: Tsn) -> &mut Entry {
        &mut self.entries[(tsn.0 - self.base.0) as usize]
    }

    fn transmit(&mut self, tsn: Tsn, size: u32, now: Time) {
        if self.in_flight == 0 {
            self.first_sent_at = now;
            self.delivered_at = now;
        }
        let number = self.log_base + self.log.len() as u64;
        let entry = &mut self.entries[(tsn.0 - self.base.0) as usize];
        entry.fate = Fate::InFlight { number };
        entry.transmissions = entry.transmissions.saturating_add(1);
        let again = entry.transmissions > 1;
        self.in_flight += u64::from(size);
        self.payload_in_flight += entry.fragment.payload.len();
        self.log.push_back(Transmission {
            number,
            tsn,
            size,
            sent_at: now,
            delivered: self.delivered,
            delivered_at: self.delivered_at,
            first_sent_at: self.first_sent_at,
            in_flight: self.in_flight,
            app_limited: self.app_limited_until > self.delivered,
            again,
            live: true,
        });
    }

    /// Takes a transmission out of the bytes in flight.
    fn drop_from_flight(&mut self, log_at: usize) -> Transmission {
        let transmission = &mut self.log[log_at];
        transmission.live = false;
        let (tsn, size) = (transmission.tsn, transmission.size);
        let copy = *transmission;
        self.in_flight -= u64::from(size);
        let payload = self.entries[(tsn.0 - self.base.0) as usize].fragment.payload.len();
        self.payload_in_flight -= payload;
        copy
    }

    /// Takes a SACK; `None` if it acknowledges what was never sent or is older than another.
    pub(crate) fn handle_sack(
        &mut self,
        sack: &Sack<'_>,
        now: Time,
        min_rtt: Option<Duration>,
    ) -> Option<Outcome> {
        self.min_rtt = min_rtt;
        let cumulative = self.cumulative().near(sack.cumulative);
        if cumulative < self.cumulative() || cumulative >= self.next_tsn() {
            return None;
        }
        let mut outcome = Outcome { cumulative_moved: cumulative >= self.base, ..Outcome::default() };

        // Gap blocks first, while the offsets hold; only parts not reported before are walked.
        let last_sent = self.next_tsn().previous().0;
        let mut sacked = std::mem::take(&mut self.sacked);
        for gap in sack.gaps() {
            let first = (cumulative.0 + u64::from(gap.first)).max(cumulative.0 + 1);
            let last = (cumulative.0 + u64::from(gap.last)).min(last_sent);
            sacked.insert_range(first, last, |from, to| {
                for tsn in from..=to {
                    self.acknowledge(Tsn(tsn), &mut outcome, now);
                }
            });
        }
        // A SACK with no room for more blocks, or of a peer that writes no more, says nothing about what follows.
        let last = sack.gaps().last().map_or(0, |gap| gap.last);
        self.most_blocks = self.most_blocks.max(sack.gaps().len()).max(FEWEST_BLOCKS);
        let cut_short = sack.gaps().len() >= self.most_blocks;
        self.horizon = cut_short.then_some(Tsn(cumulative.0 + u64::from(last)));
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
        Some(outcome)
    }

    fn acknowledge(&mut self, tsn: Tsn, outcome: &mut Outcome, now: Time) {
        let at = (tsn.0 - self.base.0) as usize;
        self.acknowledge_at(at, outcome, now);
        self.entries[at].counted = true;
    }

    fn acknowledge_at(&mut self, at: usize, outcome: &mut Outcome, now: Time) {
        match self.entries[at].fate {
            Fate::InFlight { number } => {
                let transmission = self.drop_from_flight((number - self.log_base) as usize);
                let size = u64::from(transmission.size);
                outcome.acked += size;
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

    fn trim_log(&mut self) {
        while self.log.front().is_some_and(|transmission| !transmission.live) {
            self.log.pop_front();
            self.log_base += 1;
        }
    }

    fn lose(&mut self, log_at: usize, outcome: &mut Outcome) {
        let transmission = self.drop_from_flight(log_at);
        outcome.lost += u64::from(transmission.size);
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
    /// reported something newer. Walks all up to `highest`; for comparison only.
    pub(crate) fn detect_by_counting(&mut self, highest: Tsn, outcome: &mut Outcome) {
        if self.sacked.is_empty() {
            return;
        }
        for tsn in self.base.0..highest.0 {
            let entry = self.entry(Tsn(tsn));
            if let Fate::InFlight { number } = entry.fate
                && entry.transmissions == 1
            {
                entry.misses += 1;
                if entry.misses >= 3 {
                    self.lose((number - self.log_base) as usize, outcome);
                }
            }
        }
        self.trim_log();
    }

    /// Nothing came for a whole timeout: all in flight is lost, and reports of gaps are forgotten, since a peer
    /// may take them back (RFC 9260 §6.3.3).
    pub(crate) fn lose_all(&mut self, outcome: &mut Outcome) {
        for at in 0..self.log.len() {
            if self.log[at].live {
                self.lose(at, outcome);
            }
        }
        self.trim_log();
        self.sacked.clear();
        self.lost.clear();
        for (at, entry) in self.entries.iter_mut().enumerate() {
            if entry.fate != Fate::Abandoned {
                entry.fate = Fate::Lost;
                self.lost.push_back(Tsn(self.base.0 + at as u64));
            }
        }
    }

    pub(crate) fn newest_sent_at(&self) -> Option<Time> {
        self.log.back().map(|transmission| transmission.sent_at)
    }

    /// Gives up messages whose lost fragments are past their limit; returns the messages.
    pub(crate) fn abandon(&mut self, now: Time, given_up: &mut Vec<u64>) {
        let mut at = 0;
        while let Some(&tsn) = self.lost.get(at) {
            at += 1;
            if tsn < self.base {
                continue;
            }
            let entry = self.entry(tsn);
            let over = entry.fragment.max_retransmissions.is_some_and(|max| entry.transmissions > max)
                || entry.fragment.expires.is_some_and(|end| end <= now);
            if entry.fate != Fate::Lost || !over {
                continue;
            }
            let message = entry.fragment.message;
            given_up.push(message);
            self.abandon_message(message);
        }
    }

    /// Abandons every fragment of `message` that was sent.
    fn abandon_message(&mut self, message: u64) {
        for at in 0..self.entries.len() {
            let entry = &self.entries[at];
            if entry.fragment.message != message {
                continue;
            }
            match entry.fate {
                Fate::InFlight { number } => {
                    self.drop_from_flight((number - self.log_base) as usize);
                }
                Fate::Lost => {}
                Fate::Acked | Fate::Abandoned => continue,
            }
            self.entries[at].fate = Fate::Abandoned;
            self.entries[at].fragment.payload = Bytes::new();
            self.abandoned += 1;
        }
        self.trim_log();
    }

    /// The TSN up to which nothing will be sent again, and what is skipped: stream, unordered, message
    /// ([RFC 3758 §3.5](https://www.rfc-editor.org/rfc/rfc3758#section-3.5), rule C1 to C3).
    pub(crate) fn forward_point(&self) -> Option<(Tsn, Vec<Skipped>)> {
        if self.abandoned == 0 || self.entries.front()?.fate != Fate::Abandoned {
            return None;
        }
        let mut skipped: Vec<Skipped> = Vec::new();
        let mut point = self.base.previous();
        for entry in &self.entries {
            match entry.fate {
                Fate::Abandoned => {
                    let fragment = &entry.fragment;
                    let (stream, unordered) = (fragment.stream, fragment.placement.unordered);
                    match skipped.iter().position(|known| (known.0, known.1) == (stream, unordered)) {
                        Some(at) => skipped[at].2 = fragment.mid,
                        None if skipped.len() == 64 => break,
                        None => skipped.push((stream, unordered, fragment.mid)),
                    }
                }
                Fate::Acked => {}
                Fate::InFlight { .. } | Fate::Lost => break,
            }
            point = point.next();
        }
        Some((point, skipped))
    }
}
