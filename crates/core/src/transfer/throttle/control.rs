//! How the window follows the path.
//!
//! ```text
//! Startup ──delays spread: careful──> Startup ──they rise, or a loss──> Steady ──two cuts in vain──> Competing
//!                                                                          ^──queue gone, two cuts help──┘
//! ```
//! A decision is made once a round trip, from the smallest delay of at least [`SAMPLES`] reports: a busy CPU makes
//! some reports late, seldom all of them.
use super::{LEAST, MOST, PACKET, SAMPLES, Throttle};
use crate::time::Time;
use std::time::Duration;

/// Whether another's queue still stands is tried again after so long, then twice as long, and so on.
const RETRY: Duration = Duration::from_secs(1);
/// The smallest delay is looked for again after so long.
const STALE: Duration = Duration::from_secs(5);
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Phase {
    /// Half as much again each round trip, until delay or rate say that the line is full.
    Startup { careful: bool },
    /// A short queue of our own.
    Steady,
    /// Somebody else's queue stands whatever we do: grow as TCP does.
    Competing(Other),
}

/// Somebody else on the line, and when it is tried whether he still is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Other {
    next: Time,
    wait: Duration,
    /// Cuts that helped, one after the other.
    helped: u32,
}

/// A cut of the window whose effect is awaited.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trial {
    pub(super) before: f64,
    pub(super) queue: f64,
    pub(super) expected: f64,
    pub(super) rounds: u32,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Round {
    /// It ends when this much is reported.
    pub(super) end: u64,
    pub(super) delays: Vec<f64>,
    pub(super) bytes: u64,
    pub(super) clock: Option<f64>,
    pub(super) last_clock: f64,
    pub(super) limited: bool,
}

impl Round {
    /// A delay by its rank among those of the round.
    pub(super) fn at(&self, rank: usize) -> f64 {
        let mut delays = self.delays.clone();
        delays.sort_by(f64::total_cmp);
        delays.get(rank).copied().unwrap_or(0.0)
    }
}

impl Throttle {
    /// A queue of our own that may stand, in seconds.
    pub(super) fn tolerated(&self) -> f64 {
        (self.path.rtt().unwrap_or(0.0) / 10.0).clamp(0.004, 0.012) + self.path.noise()
    }

    fn rate(&self) -> f64 {
        self.rates.iter().copied().fold(0.0, f64::max)
    }

    fn product(&self) -> f64 {
        self.rate() * (self.path.rtt().unwrap_or(0.0) + self.path.noise())
    }

    fn measure(&mut self) {
        let round = &self.round;
        if let Some(start) = round.clock
            && round.bytes > 0
        {
            let rate = round.bytes as f64 / (round.last_clock - start).max(0.001);
            self.rates = [rate, self.rates[0], self.rates[1]];
        }
    }

    pub(super) fn leave_startup(&mut self, now: Time) {
        self.measure();
        self.phase = Phase::Steady;
        self.queue = self.path.beyond(self.round.at(0));
        self.window = self.product().max(LEAST);
        self.begin_round();
    }

    fn begin_round(&mut self) {
        self.round = Round { end: self.sent, ..Round::default() };
    }

    pub(super) fn end_round(&mut self, now: Time) {
        self.measure();
        let before = self.queue;
        self.queue = self.path.beyond(self.round.at(0));
        let limited = self.round.limited;
        match self.phase {
            _ if self.is_near() => {}
            Phase::Startup { .. } => {}
            _ if self.draining.take().is_some() => {}
            Phase::Steady => self.steady(limited, now),
            Phase::Competing(other) => self.compete(other, before, limited, now),
        }
        self.begin_round();
    }

    fn steady(&mut self, limited: bool, now: Time) {
        let low = self.tolerated();
        if let Some(trial) = &mut self.trial {
            trial.rounds += 1;
            if trial.rounds < 2 {
                return;
            }
            let trial = *trial;
            self.trial = None;
            let fell = trial.queue - self.queue;
            self.failed = if fell < trial.expected / 2.0 { self.failed + 1 } else { 0 };
            if self.failed >= 2 {
                self.failed = 0;
                self.window = self.window.max(trial.before);
                self.phase = Phase::Competing(Other { next: now + RETRY, wait: RETRY, helped: 0 });
                return;
            }
        }
        if self.queue < low {
            if !limited {
                return;
            }
            self.grow(self.window / 8.0);
            if self.path.age(now) > STALE {
                self.path.refreshed(now);
                self.draining = Some(0.5);
            }
        } else {
            (self.step, self.ups) = (PACKET, 0);
            if self.queue > 2.0 * low {
                let rate = self.rates[0].max(1.0);
                let before = self.window;
                let excess = (self.queue - low) * rate;
                self.window = (self.window - excess).max(self.window * 0.5).max(LEAST);
                let expected = (before - self.window) / rate;
                if before > LEAST {
                    self.trial = Some(Trial { before, queue: self.queue, expected, rounds: 0 });
                }
            } else if self.path.age(now) > STALE {
                self.path.refreshed(now);
                self.draining = Some(0.5);
            }
        }
    }

    fn grow(&mut self, most: f64) {
        self.ups += 1;
        if self.ups.is_multiple_of(3) {
            self.step *= 2.0;
        }
        self.step = self.step.min(most.max(PACKET));
        self.window = (self.window + self.step).min(MOST);
    }

    /// `before` is the queue of the round before.
    fn compete(&mut self, other: Other, before: f64, limited: bool, now: Time) {
        if self.queue < self.tolerated() {
            self.phase = Phase::Steady;
            (self.step, self.ups) = (PACKET, 0);
            return;
        }
        if let Some(trial) = &mut self.trial {
            trial.rounds += 1;
            if trial.rounds < 2 {
                return;
            }
            let trial = *trial;
            self.trial = None;
            if trial.queue - self.queue < trial.expected / 2.0 {
                self.window = trial.before;
                let wait = (other.wait * 2).min(2 * STALE);
                self.phase = Phase::Competing(Other { next: now + wait, wait, helped: 0 });
            } else if other.helped > 0 {
                self.phase = Phase::Steady;
            } else {
                self.phase = Phase::Competing(Other { next: now, helped: 1, ..other });
            }
            return;
        }
        if now >= other.next {
            let rate = self.rates[0].max(1.0);
            let before = self.window;
            self.window = (before * 0.7).max(LEAST);
            self.trial = Some(Trial { before, queue: self.queue, expected: (before - self.window) / rate, rounds: 0 });
            return;
        }
        if !limited {
            return;
        }
        if self.queue > before + 0.002 {
            (self.step, self.ups) = (PACKET, 0);
        }
        self.grow(self.window / 8.0);
    }
}
