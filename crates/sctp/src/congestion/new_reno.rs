//! NewReno as browsers do it (RFC 9260 §7.2 with the habits of their engine). For comparison, and to see what our
//! receiver has to protect them from.
//!
//! Those habits make the collapse: recovery lasts until everything is acknowledged that was out when it began, a
//! timeout does not end it, and slow start stands still in it. So once a burst of losses was followed by a timeout,
//! one packet a round trip repairs it, hole by hole.
use super::{Ack, CongestionControl, Loss};
use crate::{Time, seq::Tsn};

#[derive(Debug)]
pub(super) struct NewReno {
    packet: u64,
    window: u64,
    /// The peer's first window, until something is lost.
    threshold: u64,
    /// Bytes acknowledged since the window last grew (RFC 9260 §7.2.2).
    partial: u64,
    /// Recovery lasts until this is acknowledged.
    recovery_until: Option<Tsn>,
}

impl NewReno {
    pub(super) fn new(packet: u64) -> Self {
        Self { packet, window: 10 * packet, threshold: u64::MAX, partial: 0, recovery_until: None }
    }
}

impl CongestionControl for NewReno {
    fn handle_peer_window(&mut self, bytes: u64) {
        self.threshold = bytes;
    }

    fn handle_packet_size(&mut self, bytes: u64) {
        self.packet = bytes;
    }

    fn handle_ack(&mut self, ack: &Ack) {
        if self.recovery_until.is_some_and(|until| ack.cumulative >= until) {
            self.recovery_until = None;
        }
        let full = ack.in_flight_before + self.packet >= self.window;
        if !ack.cumulative_moved {
            return;
        }
        if self.window <= self.threshold {
            if full && self.recovery_until.is_none() {
                self.window += ack.acked.min(self.packet);
            }
        } else {
            self.partial += ack.acked;
            if self.partial >= self.window && full {
                self.partial -= self.window;
                self.window += self.packet;
            }
        }
    }

    fn handle_loss(&mut self, loss: &Loss) {
        if self.recovery_until.is_some() {
            return;
        }
        self.recovery_until = Some(loss.last_sent);
        self.threshold = (self.window / 2).max(4 * self.packet);
        self.window = self.threshold;
        self.partial = 0;
    }

    fn handle_timeout(&mut self, _now: Time) {
        // RFC 9260 §7.2.3.
        self.threshold = (self.window / 2).max(4 * self.packet);
        self.window = self.packet;
        self.partial = 0;
    }

    fn in_recovery(&self) -> bool {
        self.recovery_until.is_some()
    }

    fn window(&self) -> u64 {
        self.window
    }

    fn pacing_rate(&self) -> Option<u64> {
        None
    }
}
