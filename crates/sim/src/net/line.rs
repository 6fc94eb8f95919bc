//! One direction of a line: a drop-tail queue before a rate, then a delay.
use beeline_core::time::Time;
use rand_chacha::ChaCha20Rng;
use rand_core::RngCore;
use std::time::Duration;

/// What a line is like. It may be changed while packets are on the way.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Path {
    /// Bits a second, headers included.
    pub rate: f64,
    /// There and back, without queues.
    pub rtt: Duration,
    /// Bytes that wait for the rate, at most.
    pub queue: f64,
    /// Share of packets lost at random, in each direction.
    pub loss: f64,
    /// Everything is lost before.
    pub cut_until: Time,
}

impl Path {
    /// A line of so many Mbit/s and milliseconds, its queue in bandwidth-delay products but never below 30 packets
    /// of 1250 bytes: no router has less. Loss in percent.
    pub fn new(mbit: f64, rtt_ms: u64, queue: f64, loss_percent: f64) -> Self {
        let rtt = Duration::from_millis(rtt_ms);
        let bdp = mbit * 1e6 / 8.0 * rtt.as_secs_f64();
        Self {
            rate: mbit * 1e6,
            rtt,
            queue: (queue * bdp).max(30.0 * 1250.0),
            loss: loss_percent / 100.0,
            cut_until: Time::default(),
        }
    }

    /// The product of rate and round trip, in bytes.
    pub fn bdp(&self) -> f64 {
        self.rate / 8.0 * self.rtt.as_secs_f64()
    }
}

/// What happened to the packets of one direction.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Offered to it.
    pub packets: u64,
    /// Found the queue full.
    pub dropped: u64,
    /// Bytes of those that did not, headers included.
    pub bytes: u64,
    /// Sum of their waiting times, in seconds.
    pub waited: f64,
}

#[derive(Debug, Default)]
pub(super) struct Direction {
    backlog: f64,
    at: Time,
    last: Time,
    pub(super) counts: Counts,
}

impl Direction {
    /// When a packet arrives, if it does.
    pub(super) fn carry(
        &mut self,
        path: &Path,
        len: usize,
        now: Time,
        random: &mut ChaCha20Rng,
    ) -> Option<Time> {
        let (rate, len) = (path.rate / 8.0, len as f64);
        self.backlog = (self.backlog - now.since(self.at).as_secs_f64() * rate).max(0.0);
        self.at = now;
        self.counts.packets += 1;
        if self.backlog + len > path.queue {
            self.counts.dropped += 1;
            return None;
        }
        self.counts.waited += self.backlog / rate;
        self.counts.bytes += len as u64;
        self.backlog += len;
        let arrives = now + Duration::from_secs_f64(self.backlog / rate) + path.rtt / 2;
        self.last = self.last.max(arrives); // no overtaking, also where the delay shrinks
        let is_lost = now < path.cut_until || f64::from(random.next_u32()) < path.loss * 4_294_967_296.0;
        (!is_lost).then_some(self.last)
    }
}
