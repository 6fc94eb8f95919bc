//! How the window follows the path.
//!
//! ```text
//! Startup ──a delay rises: careful──> Startup ──delays stay up, or a loss──> Steady ──two cuts in vain──> Competing
//!                                                                               ^──queue gone, two cuts help──┘
//! ```
//! On quiet machines a decision is made once a round trip, from the smallest delay of at least
//! [`SAMPLES`](super::SAMPLES) reports. Busy programs make all of them late, and so do packets that are lost at random;
//! then neither a delay nor its smallest means a queue: cuts starve the lane. There [`Climb`] searches by rate alone; and
//! where the smallest is next to nothing, which is no queue whatever else there is, the window grows by a packet. (By
//! more, it overran the queue.) Tried and given up: a floor of 256 KiB on short noisy paths (it came and went with the
//! noise, and overran the queue each time), pacing by the delivery rate (late reports make it fall, and the rate falls
//! with it), rates over the time between two reports (what a loss held back comes at once, and looks like gigabits), a
//! drain of half the window (what refills it is a burst of its own).
use super::{LEAST, MOST, PACKET, Throttle, path::SHORT};
use crate::time::Time;
use std::time::Duration;

/// Whether another's queue still stands is tried again after so long, then twice as long, and so on.
const RETRY: Duration = Duration::from_secs(1);
/// The smallest delay is looked for again after so long.
pub(super) const STALE: Duration = Duration::from_secs(5);
/// A queue that stands a little too long is made shorter little by little in so many rounds, or it is somebody else's.
const GENTLE: u32 = 10;
/// The shortest queue that keeps a slow line busy, in seconds: two packets at 5 Mbit/s.
const SHORTEST_QUEUE: f64 = 0.004;
/// Noise from which on delays are not trusted, in seconds, and how long it has to last if the path is not short: one pause of
/// a program is no noise, and a search by rate in answer to it overran the queue.
const NOISY: (f64, Duration) = (0.004, Duration::from_secs(1));
/// So long after a loss, noise comes from losses, and no pause is taken for it.
const LOSSY: Duration = Duration::from_secs(10);
/// The smallest window of a noisy path that is not short, while no queue stands. At 1 % loss a browser's engine keeps some twelve
/// packets on the way, and reports that wait for a lost packet themselves are late by a round trip or two: with less than that
/// here, nothing would say that the engine is what holds the lane back. (With 20 packets, fifteen lanes had 0.36 to 0.38 of 40
/// Mbit/s over 100 ms at 1 % loss; with 40, 0.37 to 0.40, and 0.38 since it is for paths without a queue.)
const NOISY_LEAST: f64 = 40.0 * PACKET;
/// A rate is measured for so long at least, in seconds.
const MEASURED: f64 = 0.3;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Phase {
    /// Half as much again each round trip, later a quarter, an eighth once a delay rises; until delays stay up.
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

#[derive(Clone, Debug)]
pub(super) struct Round {
    /// It ends when this much is reported.
    pub(super) end: u64,
    pub(super) delays: Vec<f64>,
    pub(super) limited: bool,
    /// How often the engine was asked what waits in it, and how often something did.
    pub(super) asked: u32,
    pub(super) waiting: u32,
    /// A delay rose, in start-up.
    pub(super) rose: bool,
}

/// The search by rate alone, where delays tell nothing.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Climb {
    /// The receiver's clock and bytes received when the measurement began.
    start: Option<(f64, u64)>,
    rounds: u32,
    limited: bool,
    /// What is tried: rate and window before.
    trial: Option<(f64, f64)>,
    /// Measurements until the next trial.
    wait: u32,
    failed: u32,
}

impl Round {
    /// One that ends when so many bytes are reported.
    pub(super) fn until(end: u64) -> Self {
        Self { end, delays: Vec::new(), limited: false, asked: 0, waiting: 0, rose: false }
    }

    /// The smallest delay of all.
    pub(super) fn least(&self) -> f64 {
        self.delays.iter().copied().reduce(f64::min).unwrap_or(0.0)
    }

    /// The smallest of the newest.
    pub(super) fn newest(&self, samples: usize) -> f64 {
        self.delays.iter().rev().take(samples).copied().reduce(f64::min).unwrap_or(0.0)
    }
}

impl Throttle {
    /// A queue of our own that may stand where programs are quiet, in seconds.
    pub(super) fn share(&self) -> f64 {
        (self.path.rtt().unwrap_or(0.0) / 10.0).clamp(SHORTEST_QUEUE, 0.012)
    }

    /// The same where they need not be, and where a loss has shown how short the path's queue is.
    pub(super) fn tolerated(&self) -> f64 {
        let share = self.share();
        share.min(self.shallow.unwrap_or(share)) + self.path.noise()
    }

    /// The queue that is to stand. On long paths it is half of what is tolerated: what is on the way because reports take their
    /// time stands in the queue, too, when they come at once, and a short queue has to take that and the next burst.
    fn wanted(&self) -> f64 {
        let noise = self.path.noise();
        let tolerated = self.tolerated() - noise;
        (tolerated / 2.0).max(SHORTEST_QUEUE).min(tolerated) + noise
    }

    fn rate(&self) -> f64 {
        self.rates.iter().copied().fold(0.0, f64::max)
    }

    fn product(&self) -> f64 {
        self.rate() * (self.path.rtt().unwrap_or(0.0) + self.path.noise())
    }

    fn measure(&mut self) {
        if let Some(rate) = self.recent.rate() {
            self.rates = [rate, self.rates[0], self.rates[1]];
        }
    }

    pub(super) fn leave_startup(&mut self) {
        self.measure();
        self.phase = Phase::Steady;
        self.queue = self.path.beyond(self.round.least());
        let part = if self.is_noisy() { 0.7 } else { 0.0 };
        self.window = self.product().max(LEAST).max(self.window * part);
        self.climb = Climb::default();
        self.begin_round();
    }

    fn begin_round(&mut self) {
        self.round = Round::until(self.sent);
    }

    pub(super) fn end_round(&mut self, now: Time) {
        self.measure();
        let before = self.queue;
        self.queue = self.path.beyond(self.round.least());
        self.queues = [self.queue, self.queues[0], self.queues[1]];
        if self.round.asked >= 2 {
            let waits = 2 * self.round.waiting > self.round.asked;
            self.waits = Some(waits);
            if !waits {
                self.in_path = ([self.queue, self.in_path.0[0], self.in_path.0[1]], now);
            }
        }
        let limited = self.round.limited;
        match self.phase {
            _ if self.is_near() => {}
            Phase::Startup { .. } => {
                // Its own queue would stand for as long as start-up goes on.
                if self.window < self.known && !self.round.rose {
                    self.phase = Phase::Startup { careful: false };
                }
            }
            _ if self.draining.take().is_some() => {}
            _ if self.noisy.is_some() => {
                if limited && self.is_surely_empty() {
                    self.window = (self.window + PACKET).min(MOST);
                }
                if self.is_noisy() {
                    self.climb(limited);
                }
            }
            Phase::Steady => self.steady(limited, now),
            Phase::Competing(other) => self.compete(other, before, limited, now),
        }
        self.begin_round();
    }

    /// Whether reports are late just now.
    pub(super) fn see_noise(&mut self) {
        let heard = self.heard;
        self.noisy = (self.path.noise() > NOISY.0).then(|| self.noisy.unwrap_or(heard));
    }

    /// Programs are busy: reports come late whatever the queue.
    pub(super) fn is_noisy(&self) -> bool {
        let has_lost = || self.stalled.is_some_and(|at| self.heard.since(at) < LOSSY);
        self.noisy.is_some_and(|since| self.is_short() || has_lost() || self.heard.since(since) >= NOISY.1)
    }

    pub(super) fn is_short(&self) -> bool {
        self.path.rtt().is_some_and(|rtt| rtt < SHORT)
    }

    /// The smallest window.
    pub(super) fn least(&self) -> f64 {
        // A round that waited for a lost packet has no small delay; three in a row tell of a queue.
        let stands = self.queues.iter().all(|queue| *queue > self.share());
        if self.is_noisy() && !self.is_short() && !stands { NOISY_LEAST } else { LEAST }
    }

    /// However late programs are, what came this fast met no queue. But what a short one can take is a matter of less, and on
    /// a short path the search is faster.
    fn is_surely_empty(&self) -> bool {
        let is_long = self.path.rtt().is_some_and(|rtt| rtt >= SHORT);
        is_long && self.shallow.is_none() && self.queue <= self.share() / 2.0
    }

    /// Windows that bring more are kept, others are not.
    fn climb(&mut self, limited: bool) {
        self.trial = None;
        let (clock, received) = (self.last_clock, self.path.received);
        self.climb.rounds += 1;
        self.climb.limited |= limited;
        let Some((since, before)) = self.climb.start else {
            self.climb.start = Some((clock, received));
            return;
        };
        if clock - since < MEASURED || self.climb.rounds < 3 {
            return;
        }
        let rate = (received - before) as f64 / (clock - since);
        let factor = if self.is_short() { 1.5 } else { 1.25 };
        let limited = self.climb.limited;
        let mut climb =
            Climb { start: Some((clock, received)), failed: self.climb.failed, ..Climb::default() };
        match self.climb.trial {
            Some((slower, window)) if rate < slower * (1.0 + (factor - 1.0) / 2.5) => {
                self.window = window;
                climb.failed = (self.climb.failed + 1).min(2);
                climb.wait = 1 << climb.failed;
            }
            Some(_) => climb.failed = 0,
            None => climb.wait = self.climb.wait.saturating_sub(1),
        }
        if limited && climb.wait == 0 {
            climb.trial = Some((rate, self.window));
            self.window = (self.window * factor).min(MOST);
        }
        self.climb = climb;
    }

    /// A loss shows how short the queue of the path is.
    pub(super) fn handle_stall(&mut self) {
        let least = self.queue.min(self.tolerated()) / 2.0;
        self.shallow = Some(least.max(0.002));
        self.window = (self.window * 0.9).max(LEAST);
    }

    fn steady(&mut self, limited: bool, now: Time) {
        let low = self.wanted();
        if let Some(trial) = &mut self.trial {
            trial.rounds += 1;
            if trial.rounds < 2 {
                return;
            }
            let trial = *trial;
            self.trial = None;
            let fell = trial.queue - self.queue;
            self.failed = if fell < trial.expected / 2.0 { self.failed + 1 } else { 0 };
            if self.failed >= 2 && self.waits != Some(true) {
                self.failed = 0;
                self.window = self.window.max(self.uncut);
                self.phase = Phase::Competing(Other { next: now + RETRY, wait: RETRY, helped: 0 });
                return;
            }
        }
        if self.queue < low {
            self.gentle = 0;
            if !limited {
                return;
            }
            let room = 1.0 - self.queue / low;
            self.grow(self.window / 8.0 * room * room);
            if self.path.age(now) > STALE {
                self.path.refreshed(now);
                self.drain();
            }
            return;
        }
        (self.step, self.ups) = (PACKET, 0);
        self.gentle += 1;
        if self.queue > 2.0 * low || self.gentle > GENTLE {
            self.cut(self.queue - low);
        } else if self.path.age(now) > STALE {
            self.path.refreshed(now);
            self.drain();
        } else {
            // No more than is tolerated stands for long: a short queue has to take the next burst, too.
            let excess = (self.queue - low) * self.rates[0];
            self.window = (self.window - excess / 4.0).max(LEAST);
        }
    }

    /// Makes the window smaller, so that the queue should become shorter by so many seconds, and looks whether it does.
    fn cut(&mut self, excess: f64) {
        self.gentle = 0;
        let rate = self.rates[0].max(1.0);
        let before = self.window;
        self.window = (before - excess * rate).max(before * 0.5).max(LEAST);
        if self.failed == 0 {
            self.uncut = before;
        }
        if before > LEAST {
            let expected = (before - self.window) / rate;
            self.trial = Some(Trial { before, queue: self.queue, expected, rounds: 0 });
        }
    }

    /// Empties our own queue for a round, to see the smallest delay; not more, since what follows is a burst.
    fn drain(&mut self) {
        let rtt = self.path.rtt().unwrap_or(0.0);
        self.draining = Some((1.0 - 1.3 * self.queue / (rtt + self.queue)).clamp(0.5, 0.9));
    }

    fn grow(&mut self, most: f64) {
        self.ups += 1;
        // Where delays say nothing about the window it has far to go: a path that became longer looks like that, too.
        let rounds = if matches!(self.phase, Phase::Competing(_)) { 1 } else { 3 };
        if self.ups.is_multiple_of(rounds) {
            self.step *= 2.0;
        }
        self.step = self.step.min((self.window / 8.0).max(PACKET));
        self.window = (self.window + self.step.min(most.max(PACKET))).min(MOST);
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
            self.trial =
                Some(Trial { before, queue: self.queue, expected: (before - self.window) / rate, rounds: 0 });
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
