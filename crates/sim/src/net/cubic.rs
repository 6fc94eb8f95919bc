//! One TCP flow with CUBIC (RFC 9438), selective acknowledgements and HyStart, as a neighbour on the line.
//!
//! It has always something to send and finds each loss by three later arrivals. Only what a neighbour feels is
//! here: the window over time.
use beeline_core::time::Time;
use std::{collections::VecDeque, time::Duration};

/// Bytes of a packet on the line.
pub(super) const PACKET: usize = 1500;
const C: f64 = 0.4;
const BETA: f64 = 0.7;

#[derive(Debug)]
pub(super) struct Cubic {
    /// In packets, as all windows here.
    window: f64,
    threshold: f64,
    /// At the last loss.
    peak: f64,
    epoch: Option<Time>,
    next: u64,
    in_flight: VecDeque<(u64, Time)>,
    recover: u64,
    smallest: Duration,
    smoothed: Duration,
    heard: Time,
    /// Packets that arrived.
    pub(super) delivered: u64,
}

impl Cubic {
    pub(super) fn new(now: Time) -> Self {
        Self {
            window: 10.0,
            threshold: f64::MAX,
            peak: 0.0,
            epoch: None,
            next: 0,
            in_flight: VecDeque::new(),
            recover: 0,
            smallest: Duration::MAX,
            smoothed: Duration::from_millis(100),
            heard: now,
            delivered: 0,
        }
    }

    /// The number of a packet that may be sent.
    pub(super) fn poll_transmit(&mut self, now: Time) -> Option<u64> {
        if self.in_flight.len() as f64 >= self.window {
            return None;
        }
        if self.in_flight.is_empty() {
            self.heard = now;
        }
        self.next += 1;
        self.in_flight.push_back((self.next, now));
        Some(self.next)
    }

    /// When silence means that all is lost.
    pub(super) fn timeout(&self) -> Time {
        self.heard + (self.smoothed * 2).max(Duration::from_millis(200))
    }

    pub(super) fn handle_timeout(&mut self, now: Time) {
        if now >= self.timeout() {
            self.in_flight.clear();
            self.threshold = (self.window * BETA).max(2.0);
            (self.peak, self.window, self.epoch) = (self.window, 1.0, None);
            (self.recover, self.heard) = (self.next, now);
        }
    }

    pub(super) fn handle_ack(&mut self, number: u64, now: Time) {
        let Ok(at) = self.in_flight.binary_search_by_key(&number, |(n, _)| *n) else { return };
        let Some((_, sent)) = self.in_flight.remove(at) else { return };
        let rtt = now.since(sent);
        self.heard = now;
        self.delivered += 1;
        self.smallest = self.smallest.min(rtt);
        self.smoothed = (self.smoothed * 7 + rtt) / 8;
        let before = self.in_flight.len();
        self.in_flight.retain(|(n, _)| *n + 3 > number);
        if self.in_flight.len() < before {
            if number > self.recover {
                self.recover = self.next;
                // Fast convergence (§4.7): who lost while still below its peak gives way.
                self.peak =
                    if self.window < self.peak { self.window * (1.0 + BETA) / 2.0 } else { self.window };
                self.window = (self.window * BETA).max(2.0);
                (self.threshold, self.epoch) = (self.window, None);
            }
            return;
        }
        if self.window < self.threshold {
            self.window += 1.0;
            let thresh = (self.smallest / 8).clamp(Duration::from_millis(4), Duration::from_millis(16));
            if self.smoothed > self.smallest + thresh && self.window > 16.0 {
                self.threshold = self.window;
            }
            return;
        }
        let epoch = *self.epoch.get_or_insert(now);
        let k = ((self.peak.max(self.window) - self.window_at_start()).max(0.0) / C).cbrt();
        let t = (now.since(epoch) + self.smoothed).as_secs_f64();
        let cubic = C * (t - k).powi(3) + self.peak.max(self.threshold);
        let rounds = t / self.smoothed.as_secs_f64();
        let friendly = self.threshold + 3.0 * (1.0 - BETA) / (1.0 + BETA) * rounds;
        let target = cubic.max(friendly).min(self.window * 1.5);
        if target > self.window {
            self.window += (target - self.window) / self.window;
        }
    }

    fn window_at_start(&self) -> f64 {
        self.threshold.min(self.window)
    }
}
