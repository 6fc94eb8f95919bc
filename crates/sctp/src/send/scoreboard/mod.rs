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
mod acks;
mod loss;
mod partial;

use std::{collections::VecDeque, time::Duration};

use bytes::Bytes;

use crate::{Time, ranges::Ranges, seq::Tsn, wire::Placement};

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
    /// In a packet larger than every path carries.
    large: bool,
    live: bool,
}

/// What a SACK, or the clock, changed.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) acked: u64,
    pub(crate) cumulative_moved: bool,
    /// The transmission sent last among those newly acknowledged.
    pub(crate) newest: Option<Transmission>,
    /// The highest TSN newly acknowledged.
    pub(crate) highest: Option<Tsn>,
    pub(crate) lost: u64,
    pub(crate) lost_newest: Option<Transmission>,
    /// Deemed lost, and yet it arrived.
    pub(crate) spurious: u32,
    /// Of those sent in large packets, some arrived; some were lost.
    pub(crate) large_acked: bool,
    pub(crate) large_lost: bool,
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
    /// How many of `entries` are abandoned.
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

    /// Marks the samples that follow as the application's own pace: that of the next packet, and all until what is in
    /// flight has arrived.
    pub(crate) fn app_limited(&mut self) {
        self.app_limited_until = self.delivered + self.in_flight + 1;
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

    /// The last so many transmissions left together, in a packet larger than every path carries.
    pub(crate) fn mark_large(&mut self, transmissions: usize) {
        self.log.iter_mut().rev().take(transmissions).for_each(|transmission| transmission.large = true);
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
        entry.misses = 0;
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
            large: false,
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

    fn trim_log(&mut self) {
        while self.log.front().is_some_and(|transmission| !transmission.live) {
            self.log.pop_front();
            self.log_base += 1;
        }
    }

    pub(crate) fn newest_sent_at(&self) -> Option<Time> {
        self.log.back().map(|transmission| transmission.sent_at)
    }
}
