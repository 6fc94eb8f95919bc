//! What the path is like: how fast it delivers, how long it takes, how lumpy its acknowledgements are.
use std::time::Duration;

use super::super::{Ack, RateSample};
use crate::Time;

/// A stretch of about a round trip, counted by what is delivered (draft §5.5.1).
#[derive(Debug, Default)]
pub(super) struct Round {
    /// It ends when a packet is acknowledged that left after this much was delivered.
    until: u64,
    pub(super) delivered_before: u64,
    pub(super) max_rate: u64,
}

#[derive(Debug)]
pub(super) struct Model {
    pub(super) packet: u64,
    /// Largest rate in the current and the previous probing cycle, bytes a second.
    max_rate: [u64; 2],
    pub(super) min_rtt: Option<Duration>,
    pub(super) min_rtt_seen: Time,
    pub(super) smoothed_rtt: Duration,
    pub(super) round: Round,
    /// How far acknowledgements come in lumps: bytes beyond what the rate explains.
    extra: [u64; 2],
    extra_epoch: (Time, u64),
    extra_rounds: u32,
}

impl Model {
    pub(super) fn new(packet: u64) -> Self {
        Self {
            packet,
            max_rate: [0; 2],
            min_rtt: None,
            min_rtt_seen: Time::ZERO,
            smoothed_rtt: Duration::ZERO,
            round: Round::default(),
            extra: [0; 2],
            extra_epoch: (Time::ZERO, 0),
            extra_rounds: 0,
        }
    }

    /// Bytes a second; zero before the first measurement.
    pub(super) fn max_rate(&self) -> f64 {
        self.max_rate[0].max(self.max_rate[1]) as f64
    }

    /// What the path holds at `rate` without a queue, bytes; four packets at least.
    pub(super) fn bdp(&self, rate: f64) -> f64 {
        let min_rtt = self.min_rtt.unwrap_or(Duration::from_millis(1));
        (rate * min_rtt.as_secs_f64()).max((super::MIN_PACKETS * self.packet) as f64)
    }

    /// The rate was shared, and is no longer ours.
    pub(super) fn limit_rate(&mut self, rate: f64) {
        self.max_rate = self.max_rate.map(|max| max.min(rate as u64));
    }

    /// A new probing cycle: the one before the last is forgotten, unless the application's own pace was all that was
    /// seen since.
    pub(super) fn next_cycle(&mut self) {
        if self.max_rate[0] > 0 {
            self.max_rate = [0, self.max_rate[0]];
        }
    }

    pub(super) fn measure_rate(&mut self, sample: &RateSample) {
        if sample.rate > 0 && (!sample.app_limited || sample.rate as f64 >= self.max_rate()) {
            self.max_rate[0] = self.max_rate[0].max(sample.rate);
        }
        self.round.max_rate = self.round.max_rate.max(sample.rate);
    }

    /// Whether this acknowledgement ends the round.
    pub(super) fn ends_round(&self, sample: &RateSample) -> bool {
        sample.prior_delivered >= self.round.until
    }

    pub(super) fn start_round(&mut self, delivered: u64) {
        self.round = Round { until: delivered, delivered_before: delivered, max_rate: 0 };
    }

    pub(super) fn measure_min_rtt(&mut self, rtt: Duration, now: Time) {
        let min = self.min_rtt.map_or(rtt, |min| min.min(rtt));
        self.min_rtt = Some(min);
        if rtt <= min + min / 16 {
            self.min_rtt_seen = now;
        }
    }

    /// After silence, the path was certainly empty (draft §5.4.1).
    pub(super) fn restart(&mut self, now: Time) {
        self.min_rtt_seen = now;
        self.extra_epoch = (now, 0);
    }

    /// Lumps of acknowledgements need more in flight than the product (draft §5.5.9).
    pub(super) fn measure_lumps(&mut self, ack: &Ack, round_ended: bool, window: u64) {
        if round_ended {
            self.extra_rounds += 1;
            if self.extra_rounds >= 5 {
                self.extra_rounds = 0;
                self.extra = [0, self.extra[0]];
            }
        }
        let rate = self.max_rate();
        let (since, acked) = &mut self.extra_epoch;
        let expected = |since: Time| rate * ack.now.since(since).as_secs_f64();
        if *acked as f64 <= expected(*since) {
            (*since, *acked) = (ack.now, 0);
        }
        *acked += ack.acked;
        let extra = (*acked as f64 - expected(*since)).max(0.0).min(window as f64);
        self.extra[0] = self.extra[0].max(extra as u64);
    }

    pub(super) fn extra(&self) -> f64 {
        self.extra[0].max(self.extra[1]) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measure(model: &mut Model, rate: u64, app_limited: bool) {
        model.measure_rate(&RateSample { rate, prior_delivered: 0, app_limited });
    }

    #[test]
    fn a_rate_is_forgotten_two_cycles_after_it_was_measured() {
        let mut model = Model::new(1200);
        measure(&mut model, 5000, false);
        model.next_cycle();
        measure(&mut model, 3000, false);
        assert_eq!(model.max_rate(), 5000.0);
        model.next_cycle();

        assert_eq!(model.max_rate(), 3000.0);
    }

    #[test]
    fn while_there_is_little_to_send_the_rate_is_kept() {
        let mut model = Model::new(1200);
        measure(&mut model, 5000, false);
        for _ in 0..10 {
            model.next_cycle();
            measure(&mut model, 30, true);
        }

        assert_eq!(model.max_rate(), 5000.0);
    }
}
