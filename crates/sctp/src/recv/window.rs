//! How much the peer may have in flight towards us.
//!
//! A browser's sender fills whatever it is offered, overflows the queue of the path, and then sends a packet a round
//! trip for minutes. So the offer follows what arrives: headroom × rate × smallest round trip. Limited by a window,
//! the rate is window / round trip, and the offer grows by the headroom each round trip; limited by the path, no more
//! than that rate arrives, and the offer stays at the headroom times what the path holds. Never in one jump.
//!
//! Whether a queue stands, only a round trip through it tells: a HEARTBEAT, whose answer waits behind the peer's
//! data. With a queue the offer shrinks slowly towards a smaller headroom, so that a queue of a third of the product
//! takes it with the peer's bursts; not below half of its largest, or somebody else's queue would starve us.
use std::time::Duration;

use crate::{ReceiveWindow, Time};

/// Grows by a quarter a round trip; fits a queue of a third of the product.
const HEADROOM: f64 = 1.25;
/// With a queue.
const HEADROOM_QUEUED: f64 = 1.1;
/// A round trip.
const SHRINK: f64 = 0.95;
/// For a sender that paces: it does not fill what it is offered. What a lost packet holds back takes a round trip for
/// each time it is lost again, and all the while as much must be allowed to come.
const HEADROOM_PACED: f64 = 6.0;
/// Rates over less than this are noise.
const SHORTEST_EPOCH: Duration = Duration::from_millis(2);
/// Round trips are asked for no more often.
const PROBE_PAUSE: Duration = Duration::from_millis(10);
/// An answer that took longer was lost.
const PROBE_LOST: Duration = Duration::from_secs(3);

#[derive(Debug)]
pub(crate) struct Window {
    size: usize,
    max: usize,
    adaptive: bool,
    paced: bool,
    /// Start of the running epoch, and the bytes that arrived in it.
    epoch: Option<(Time, usize)>,
    /// What the last answer waited in the queue.
    queueing: Duration,
    largest: usize,
    probed_at: Option<Time>,
    answered: bool,
}

impl Window {
    pub(crate) fn new(config: ReceiveWindow) -> Self {
        let (size, max, adaptive) = match config {
            ReceiveWindow::Fixed(size) => (size, size, false),
            ReceiveWindow::Adaptive { initial, max } => (initial.min(max), max, true),
        };
        Self {
            size,
            max,
            adaptive,
            paced: false,
            epoch: None,
            queueing: Duration::ZERO,
            largest: size,
            probed_at: None,
            answered: true,
        }
    }

    /// The peer said that its sender paces.
    pub(crate) fn peer_is_paced(&mut self) {
        self.paced = true;
        self.size = self.size.max(1 << 20).min(self.max);
    }

    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// Whether a HEARTBEAT should leave now, to learn of the queue; counts as sent.
    pub(crate) fn take_probe(&mut self, min_rtt: Option<Duration>, now: Time) -> bool {
        if !self.adaptive || self.paced {
            return false;
        }
        let pause = if self.answered { min_rtt.unwrap_or_default().max(PROBE_PAUSE) } else { PROBE_LOST };
        if self.probed_at.is_some_and(|at| now.since(at) < pause) {
            return false;
        }
        (self.probed_at, self.answered) = (Some(now), false);
        true
    }

    /// The answer to a HEARTBEAT came after `rtt`.
    pub(crate) fn probe_answered(&mut self, rtt: Duration, min_rtt: Option<Duration>) {
        self.answered = true;
        self.queueing = rtt.saturating_sub(min_rtt.unwrap_or(rtt));
    }

    /// Counts bytes that arrived for the first time.
    pub(crate) fn arrived(&mut self, bytes: usize, min_rtt: Option<Duration>, now: Time) {
        let Some(min_rtt) = min_rtt.filter(|_| self.adaptive) else { return };
        let (since, sum) = self.epoch.get_or_insert((now, 0));
        let elapsed = now.since(*since);
        if elapsed >= min_rtt.max(SHORTEST_EPOCH) {
            let rate = *sum as f64 / elapsed.as_secs_f64();
            (*since, *sum) = (now, 0);
            self.adapt(rate * min_rtt.as_secs_f64(), min_rtt);
        }
        if let Some((_, sum)) = &mut self.epoch {
            *sum += bytes;
        }
    }

    /// `held`: what the path held at the rate of this epoch, bytes.
    fn adapt(&mut self, held: f64, min_rtt: Duration) {
        let queue = self.queueing > min_rtt / 10 + Duration::from_millis(2);
        let headroom = match (self.paced, queue) {
            (true, _) => HEADROOM_PACED,
            (false, false) => HEADROOM,
            (false, true) => HEADROOM_QUEUED,
        };
        let target = (headroom * held) as usize;
        if target > self.size {
            // What one epoch shows may be a lump; it doubles the offer at most.
            self.size = target.min(2 * self.size).min(self.max);
        } else if queue && !self.paced {
            let least = target.max((self.size as f64 * SHRINK) as usize).max(self.largest / 2);
            self.size = self.size.min(least);
        }
        self.largest = self.largest.max(self.size);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RTT: Duration = Duration::from_millis(50);
    const ADAPTIVE: ReceiveWindow = ReceiveWindow::Adaptive { initial: 32 << 10, max: 64 << 20 };

    /// The given minute at `rate` bytes a second, or at the rate the window allows if that is less.
    fn run(window: &mut Window, minute: u32, rate: f64, queueing: Duration) {
        let step = Duration::from_millis(1);
        for ms in minute * 60_000..(minute + 1) * 60_000 {
            let now = Time::from_origin(step * ms);
            let rate = rate.min(window.size() as f64 / RTT.as_secs_f64());
            window.arrived((rate / 1e3) as usize, Some(RTT), now);
            if window.take_probe(Some(RTT), now) {
                window.probe_answered(RTT + queueing, Some(RTT));
            }
        }
    }

    #[test]
    fn the_offer_grows_to_a_quarter_above_what_the_path_holds_and_no_further() {
        let mut window = Window::new(ADAPTIVE);
        run(&mut window, 0, 2.5e6, Duration::ZERO);
        assert!((150_000..165_000).contains(&window.size()), "{}", window.size());
    }

    #[test]
    fn a_standing_queue_shrinks_the_offer_but_never_below_half() {
        let mut window = Window::new(ADAPTIVE);
        run(&mut window, 0, 2.5e6, Duration::ZERO);
        let before = window.size();

        run(&mut window, 1, 2.5e6, RTT / 3);
        assert!(window.size() < before, "{}", window.size());
        run(&mut window, 2, 2.5e5, RTT / 3);

        assert_eq!(window.size(), before / 2);
    }

    #[test]
    fn a_sender_that_paces_is_not_probed_and_gets_room_for_several_losses() {
        let mut window = Window::new(ADAPTIVE);
        window.peer_is_paced();
        assert!(!window.take_probe(Some(RTT), Time::ZERO));
        run(&mut window, 0, 25e6, Duration::ZERO);
        assert!(window.size() > 6_000_000, "{}", window.size());
    }
}
