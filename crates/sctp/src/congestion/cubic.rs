//! CUBIC (RFC 9438), paced. For comparison, and as the neighbour in the runs about fairness.
use std::time::Duration;

use super::{Ack, CongestionControl, Loss};
use crate::Time;

/// RFC 9438 §4.6 and §5: multiplicative decrease and the cubic's scale.
const BETA: f64 = 0.7;
const C: f64 = 0.4;

#[derive(Debug)]
pub(super) struct Cubic {
    packet: f64,
    /// Bytes.
    window: f64,
    threshold: f64,
    w_max: f64,
    k: f64,
    epoch: Option<Time>,
    /// What Reno would have (RFC 9438 §4.3).
    w_est: f64,
    recovery_since: Option<Time>,
    smoothed_rtt: Duration,
}

impl Cubic {
    pub(super) fn new(packet: u64) -> Self {
        let packet = packet as f64;
        Self {
            packet,
            window: 10.0 * packet,
            threshold: f64::MAX,
            w_max: 0.0,
            k: 0.0,
            epoch: None,
            w_est: 0.0,
            recovery_since: None,
            smoothed_rtt: Duration::ZERO,
        }
    }

    fn reduce(&mut self) {
        // Fast convergence (RFC 9438 §4.7).
        self.w_max = if self.window < self.w_max { self.window * (1.0 + BETA) / 2.0 } else { self.window };
        self.threshold = (self.window * BETA).max(2.0 * self.packet);
        self.epoch = None;
    }
}

impl CongestionControl for Cubic {
    fn handle_packet_size(&mut self, bytes: u64) {
        self.packet = bytes as f64;
    }

    fn handle_ack(&mut self, ack: &Ack) {
        self.smoothed_rtt = ack.smoothed_rtt;
        if (ack.in_flight_before as f64) + 2.0 * self.packet < self.window {
            return;
        }
        let acked = ack.acked as f64;
        if self.window < self.threshold {
            self.window += acked;
            return;
        }
        let epoch = *self.epoch.get_or_insert_with(|| {
            self.w_est = self.window;
            self.k = ((self.w_max - self.window).max(0.0) / self.packet / C).cbrt();
            self.w_max = self.w_max.max(self.window);
            ack.now
        });
        let t = (ack.now.since(epoch) + ack.smoothed_rtt).as_secs_f64();
        let target =
            (C * (t - self.k).powi(3) * self.packet + self.w_max).clamp(self.window, 1.5 * self.window);
        let alpha = 3.0 * (1.0 - BETA) / (1.0 + BETA);
        self.w_est += alpha * self.packet * acked / self.window;
        self.window += (target - self.window) / self.window * acked;
        self.window = self.window.max(self.w_est);
    }

    fn handle_loss(&mut self, loss: &Loss) {
        if self.recovery_since.is_some_and(|since| loss.sent_at <= since) {
            return;
        }
        self.recovery_since = Some(loss.now);
        self.reduce();
        self.window = self.threshold;
    }

    fn handle_timeout(&mut self, now: Time) {
        self.reduce();
        self.window = self.packet;
        self.recovery_since = Some(now);
    }

    fn window(&self) -> u64 {
        self.window as u64
    }

    fn pacing_rate(&self) -> Option<u64> {
        let gain = if self.window < self.threshold { 2.0 } else { 1.2 };
        (!self.smoothed_rtt.is_zero()).then(|| (gain * self.window / self.smoothed_rtt.as_secs_f64()) as u64)
    }
}
