//! The round trip and the timeouts that follow from it (RFC 9260 §6.3.1).
use std::time::Duration;

use crate::{Config, Time};

/// The smallest round trip is believed for as long.
const MIN_RTT_LASTS: Duration = Duration::from_secs(120);

#[derive(Debug)]
pub(crate) struct Rtt {
    smoothed: Option<Duration>,
    variance: Duration,
    min: Option<(Duration, Time)>,
    backoff: u32,
    initial: Duration,
    floor: Duration,
    ceiling: Duration,
}

impl Rtt {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            smoothed: None,
            variance: Duration::ZERO,
            min: None,
            backoff: 0,
            initial: config.rto_initial,
            floor: config.rto_min,
            ceiling: config.rto_max,
        }
    }

    pub(crate) fn sample(&mut self, rtt: Duration, now: Time) {
        let rtt = rtt.max(Duration::from_micros(1));
        match self.min {
            Some((min, at)) if rtt > min && now.since(at) < MIN_RTT_LASTS => {}
            _ => self.min = Some((rtt, now)),
        }
        match self.smoothed {
            None => {
                self.smoothed = Some(rtt);
                self.variance = rtt / 2;
            }
            Some(smoothed) => {
                self.variance = self.variance * 3 / 4 + smoothed.abs_diff(rtt) / 4;
                self.smoothed = Some(smoothed * 7 / 8 + rtt / 8);
            }
        }
    }

    pub(crate) fn smoothed(&self) -> Option<Duration> {
        self.smoothed
    }

    pub(crate) fn min(&self) -> Option<Duration> {
        self.min.map(|(min, _)| min)
    }

    /// The retransmission timeout, doubled for every one in a row.
    pub(crate) fn timeout(&self) -> Duration {
        let base = self.smoothed.map_or(self.initial, |smoothed| smoothed + 4 * self.variance);
        (base.max(self.floor) * (1 << self.backoff.min(10))).min(self.ceiling)
    }

    pub(crate) fn back_off(&mut self) {
        self.backoff += 1;
    }

    pub(crate) fn backoffs(&self) -> u32 {
        self.backoff
    }

    pub(crate) fn heard(&mut self) {
        self.backoff = 0;
    }
}
