//! How much the peer may have in flight towards us.
//!
//! A browser's sender fills whatever it is offered, overflows the queue of the path, and may spend minutes in
//! timeouts. So the offer follows what arrives: headroom × rate × smallest round trip. Limited by a window, the
//! rate is window / round trip, and the offer grows by the headroom each round trip; limited by the path, it
//! stays at the headroom times what the path holds. Never in one jump.
use std::time::Duration;

use crate::{ReceiveWindow, Time};

/// A path with a queue of one bandwidth-delay product holds twice it; half as much again fits with room to spare.
const HEADROOM: f64 = 1.5;
/// For a sender that paces: it does not fill what it is offered. What a lost packet holds back takes a round trip for
/// each time it is lost again, and all the while as much must be allowed to come.
const HEADROOM_PACED: f64 = 6.0;
/// Rates over less than this are noise.
const SHORTEST_EPOCH: Duration = Duration::from_millis(2);

#[derive(Debug)]
pub(crate) struct Window {
    size: usize,
    max: usize,
    headroom: f64,
    /// Start of the running epoch, and the bytes that arrived in it.
    epoch: Option<(Time, usize)>,
}

impl Window {
    pub(crate) fn new(config: ReceiveWindow) -> Self {
        let (size, max) = match config {
            ReceiveWindow::Fixed(size) => (size, size),
            ReceiveWindow::Adaptive { initial, max } => (initial.min(max), max),
        };
        Self { size, max, headroom: HEADROOM, epoch: None }
    }

    /// The peer said that its sender paces.
    pub(crate) fn peer_is_paced(&mut self) {
        self.headroom = HEADROOM_PACED;
        self.size = self.size.max(1 << 20).min(self.max);
    }

    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// Counts bytes that arrived for the first time.
    pub(crate) fn arrived(&mut self, bytes: usize, min_rtt: Option<Duration>, now: Time) {
        let Some(min_rtt) = min_rtt.filter(|_| self.size < self.max) else { return };
        let (since, sum) = self.epoch.get_or_insert((now, 0));
        let elapsed = now.since(*since);
        if elapsed >= min_rtt.max(SHORTEST_EPOCH) {
            let rate = *sum as f64 / elapsed.as_secs_f64();
            let target = (self.headroom * rate * min_rtt.as_secs_f64()) as usize;
            // What one epoch shows may be a lump; it doubles the offer at most.
            self.size = target.clamp(self.size, 2 * self.size).min(self.max);
            (*since, *sum) = (now, 0);
        }
        *sum += bytes;
    }
}
