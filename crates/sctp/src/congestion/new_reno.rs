//! NewReno as SCTP words it (RFC 9260 §7.2), and as browsers do it. For comparison.
use super::{Ack, CongestionControl, Loss};
use crate::Time;

#[derive(Debug)]
pub(super) struct NewReno {
    packet: u64,
    window: u64,
    threshold: u64,
    /// Bytes acknowledged since the window last grew (RFC 9260 §7.2.2).
    partial: u64,
    /// Packets sent before were lost in an event that was answered already.
    recovery_since: Option<Time>,
}

impl NewReno {
    pub(super) fn new(packet: u64) -> Self {
        Self { packet, window: 10 * packet, threshold: u64::MAX, partial: 0, recovery_since: None }
    }
}

impl CongestionControl for NewReno {
    fn handle_ack(&mut self, ack: &Ack) {
        let full = ack.in_flight_before + self.packet > self.window;
        // RFC 9260 §7.2.1: only while the cumulative TSN moves and the window is used.
        if !ack.cumulative_moved || !full {
            return;
        }
        if self.window <= self.threshold {
            self.window += ack.acked.min(self.packet);
        } else {
            self.partial += ack.acked;
            if self.partial >= self.window {
                self.partial -= self.window;
                self.window += self.packet;
            }
        }
    }

    fn handle_loss(&mut self, loss: &Loss) {
        if self.recovery_since.is_some_and(|since| loss.sent_at <= since) {
            return;
        }
        self.recovery_since = Some(loss.now);
        self.threshold = (self.window / 2).max(4 * self.packet);
        self.window = self.threshold;
        self.partial = 0;
    }

    fn handle_timeout(&mut self, now: Time) {
        // RFC 9260 §7.2.3: one packet, and slow start again.
        self.threshold = (self.window / 2).max(4 * self.packet);
        self.window = self.packet;
        self.partial = 0;
        self.recovery_since = Some(now);
    }

    fn window(&self) -> u64 {
        self.window
    }

    fn pacing_rate(&self) -> Option<u64> {
        None
    }
}
