//! What a lane tells of its path: whether the path or the engine is its limit, and whether others are on it.
use super::{
    REMEMBER, Throttle,
    control::{Phase, STALE},
};
use std::time::Duration;

/// What a lane's path seems to be, for whoever decides about lanes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Estimate {
    /// Smallest round trip of the last five to ten seconds.
    pub rtt: Option<Duration>,
    /// Bytes a second in the latest round trip, by the receiver's clock.
    pub rate: f64,
    /// How long a byte waits beyond the smallest delay: in the path, or in the browser.
    pub queue: Duration,
    /// The engine is what holds the lane back, not the throttle: bytes wait in it for its own window. Of a free lane on a
    /// path that is not a LAN's it is always supposed: how much the path could carry is not known there.
    pub engine_limited: bool,
    /// Others have a queue standing in the path.
    pub is_contested: bool,
}

impl Throttle {
    /// What the path seems to be.
    pub fn estimate(&self) -> Estimate {
        Estimate {
            rtt: self.path.rtt().map(Duration::from_secs_f64),
            rate: self.rates[0],
            queue: Duration::from_secs_f64(self.queue),
            engine_limited: match self.is_free {
                true => !self.is_near(),
                false => self.is_engine_limited(),
            },
            is_contested: self.is_contested(),
        }
    }

    /// Bytes wait in the engine most of the time; or, where that is not known, it lost some a short time ago.
    fn is_engine_limited(&self) -> bool {
        let has_stalled = || self.stalled.is_some_and(|at| self.heard.since(at) < REMEMBER);
        !matches!(self.phase, Phase::Startup { .. }) && self.waits.unwrap_or_else(has_stalled)
    }

    /// Others have a queue standing in the path.
    fn is_contested(&self) -> bool {
        // What waited for a lost packet is late for a round or two.
        let (queues, at) = self.in_path;
        let stands =
            queues.iter().all(|queue| *queue > 2.0 * self.share()) && self.heard.since(at) < 2 * STALE;
        stands || matches!(self.phase, Phase::Competing(_))
    }
}
