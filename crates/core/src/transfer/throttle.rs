//! How many bytes may be on the way on a lane whose channel is a browser's.
mod path;
mod reporter;

pub use reporter::Reporter;

use crate::{time::Time, transfer::pump::stamp_of, wire::control::Report};
use path::{PathModel, Sample};
use std::time::Duration;

/// A browser's packet carries about so many bytes of a message.
const PACKET: f64 = 1152.0;
/// The first window: a browser's own.
const FIRST: f64 = 10.0 * PACKET;
const LEAST: f64 = 10.0 * PACKET;
const MOST: f64 = (16 << 20) as f64;
/// Frames: as long as a browser's burst at least.
const SHORTEST: f64 = 2.0 * PACKET;
const LONGEST: usize = 64 << 10;
/// A smallest round trip below this is a LAN's: nothing is held back there below 4 MiB.
const NEAR: f64 = 0.004;
const NEAR_WINDOW: f64 = (4 << 20) as f64;
/// The smallest delay is looked for again after so long.
const STALE: Duration = Duration::from_secs(5);
/// Whether another's queue still stands is tried again after so long, then twice as long, and so on.
const RETRY: Duration = Duration::from_secs(1);
/// Reports that make a round, at least.
const SAMPLES: usize = 6;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Phase {
    /// Half as much again each round trip, until delay or rate say that the line is full.
    Startup { careful: bool },
    /// A short queue of our own.
    Steady,
    /// Somebody else's queue stands whatever we do: grow as TCP does.
    Competing { next: Time, wait: Duration, yielded: u32 },
}

/// A cut of the window whose effect is awaited.
#[derive(Clone, Copy, Debug)]
struct Trial {
    before: f64,
    queue: f64,
    expected: f64,
    rounds: u32,
}

#[derive(Clone, Debug, Default)]
struct Round {
    /// It ends when this much is reported.
    end: u64,
    delays: Vec<f64>,
    bytes: u64,
    clock: Option<f64>,
    last_clock: f64,
    limited: bool,
}

/// What a lane's path seems to be.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Estimate {
    /// Smallest round trip of the last seconds.
    pub rtt: Duration,
    /// Bytes a second, lately.
    pub rate: f64,
    /// The best rate so far, fading by half in a minute.
    pub best: f64,
    /// How long a byte waits, beyond the smallest.
    pub queue: Duration,
    /// Whether the last round trip was held back by the throttle: otherwise by the source, the grant or the channel.
    pub limited: bool,
    /// The rate is a small part of what it was although bytes are waiting: the browser's engine has collapsed.
    pub collapsed: bool,
}

/// The bytes that may be on the way on one lane: handed to the channel and not yet reported.
#[derive(Clone, Debug)]
pub struct Throttle {
    is_free: bool,
    phase: Phase,
    window: f64,
    sent: u64,
    path: PathModel,
    round: Round,
    rates: [f64; 3],
    queue: f64,
    step: f64,
    ups: u32,
    trial: Option<Trial>,
    failed: u32,
    /// Until a round ends, to see the smallest delay.
    draining: Option<f64>,
    tokens: f64,
    tokens_at: Time,
    late: f64,
    /// The latest report.
    heard: Time,
    is_waiting: bool,
    estimate: Estimate,
}

impl Round {
    /// A delay by its rank among those of the round.
    fn at(&self, rank: usize) -> f64 {
        let mut delays = self.delays.clone();
        delays.sort_by(f64::total_cmp);
        delays.get(rank).copied().unwrap_or(0.0)
    }
}

impl Throttle {
    /// For a lane on which nothing was sent yet.
    pub fn new(now: Time) -> Self {
        Self {
            is_free: false,
            phase: Phase::Startup { careful: false },
            window: FIRST,
            sent: 0,
            path: PathModel::default(),
            round: Round::default(),
            rates: [0.0; 3],
            queue: 0.0,
            step: PACKET,
            ups: 0,
            trial: None,
            failed: 0,
            draining: None,
            tokens: 0.0,
            tokens_at: now,
            late: 0.0,
            heard: now,
            is_waiting: false,
            estimate: Estimate::default(),
        }
    }

    /// For a lane whose engine looks after its path by itself: it has always room.
    pub fn free() -> Self {
        Self { is_free: true, ..Self::new(Time::default()) }
    }

    fn in_flight(&self) -> u64 {
        self.sent - self.path.received.min(self.sent)
    }

    fn is_near(&self) -> bool {
        self.path.rtt().is_some_and(|rtt| rtt < NEAR)
    }

    fn allowed(&self) -> f64 {
        let window = self.draining.map_or(self.window, |part| self.window * part);
        let least = if self.is_near() { NEAR_WINDOW } else { LEAST };
        window.max(least)
    }

    /// Bytes a second that may be handed over: the window spread over four fifths of a round trip, so that a late
    /// report does not become a burst.
    fn pace(&self) -> Option<f64> {
        let rtt = self.path.rtt().filter(|rtt| *rtt >= NEAR)?;
        let gain = if self.phase == (Phase::Startup { careful: false }) { 2.0 } else { 1.25 };
        Some(gain * self.allowed() / rtt)
    }

    fn burst(&self, pace: f64) -> f64 {
        let most = (pace * (0.006 + 1.5 * self.late)).min(self.allowed() / 2.0);
        most.max(2.0 * self.frame() as f64)
    }

    /// Bytes of a frame, at most: short where a burst would fill a short queue, long where each costs CPU.
    pub fn frame(&self) -> usize {
        if self.is_free || self.is_near() {
            return LONGEST;
        }
        let packets = (self.window / 32.0 / PACKET).floor();
        ((packets * PACKET).max(SHORTEST) as usize).min(LONGEST)
    }

    /// Bytes that may be handed to the channel now.
    pub fn room(&self, now: Time) -> u64 {
        if self.is_free {
            return u64::MAX;
        }
        let window = (self.allowed() as u64).saturating_sub(self.in_flight());
        match self.pace() {
            Some(pace) => window.min(self.tokens(pace, now).max(0.0) as u64),
            None => window,
        }
    }

    fn tokens(&self, pace: f64, now: Time) -> f64 {
        (self.tokens + pace * now.since(self.tokens_at).as_secs_f64()).min(self.burst(pace))
    }

    /// When there will be room for a frame, if only time is missing: the application may not be waiting for it.
    pub fn timeout(&self) -> Option<Time> {
        if self.is_free {
            return None;
        }
        let pace = self.pace()?;
        let frame = self.frame() as f64;
        let fits = self.in_flight() as f64 + frame <= self.allowed();
        (self.is_waiting && fits)
            .then(|| self.tokens_at + Duration::from_secs_f64(((frame - self.tokens) / pace).max(0.0) + 0.0001))
    }

    /// A frame was handed to the channel.
    pub fn sent(&mut self, bytes: u64, now: Time) {
        if let Some(pace) = self.pace() {
            if let Some(due) = self.timeout().map(|due| due.max(self.heard)) {
                self.late = now.since(due).as_secs_f64().max(self.late * 0.99);
            }
            self.tokens = self.tokens(pace, now) - bytes as f64;
            self.tokens_at = now;
        }
        if self.in_flight() == 0 {
            self.round.limited = false;
        }
        self.sent += bytes;
        self.is_waiting = true;
        if self.in_flight() as f64 + self.frame() as f64 > self.allowed() {
            self.round.limited = true;
        }
    }

    /// A report of the other side.
    pub fn report(&mut self, report: &Report, now: Time) {
        if report.bytes > self.sent {
            return; // it can't have come from here
        }
        let Some(sample) = self.path.report(report, stamp_of(now), now) else { return };
        self.heard = now;
        self.note(sample);
        if let Phase::Startup { careful } = self.phase {
            if self.round.limited {
                self.window = (self.window + sample.bytes as f64 / if careful { 8.0 } else { 2.0 }).min(MOST);
            }
            if self.round.delays.len() >= SAMPLES && !self.is_near() {
                if self.path.beyond(self.round.at(0)) > self.tolerated() {
                    return self.leave_startup(now);
                }
                if self.path.beyond(self.round.at(self.round.delays.len() / 2)) > self.tolerated() {
                    self.phase = Phase::Startup { careful: true };
                }
            }
        }
        if self.path.received >= self.round.end && self.round.delays.len() >= SAMPLES {
            self.end_round(now);
        }
    }

    fn note(&mut self, sample: Sample) {
        let round = &mut self.round;
        round.delays.push(sample.delay);
        match round.clock {
            None => round.clock = Some(sample.clock),
            Some(_) => round.bytes += sample.bytes,
        }
        round.last_clock = sample.clock;
    }

    /// A queue of our own that may stand, in seconds.
    fn tolerated(&self) -> f64 {
        (self.path.rtt().unwrap_or(0.0) / 10.0).clamp(0.004, 0.012)
    }

    fn rate(&self) -> f64 {
        self.rates.iter().copied().fold(0.0, f64::max)
    }

    fn product(&self) -> f64 {
        self.rate() * self.path.rtt().unwrap_or(0.0)
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

    fn leave_startup(&mut self, now: Time) {
        self.measure();
        self.phase = Phase::Steady;
        self.queue = self.path.beyond(self.round.at(0));
        self.window = self.product().max(LEAST);
        self.begin_round(now);
    }

    fn begin_round(&mut self, now: Time) {
        let _ = now;
        self.round = Round { end: self.sent, ..Round::default() };
    }

    fn end_round(&mut self, now: Time) {
        self.measure();
        let before = self.queue;
        self.queue = self.path.beyond(self.round.at(0));
        let limited = self.round.limited;
        match self.phase {
            _ if self.is_near() => {}
            Phase::Startup { .. } => {}
            _ if self.draining.take().is_some() => {}
            Phase::Steady => self.steady(limited, now),
            Phase::Competing { next, wait, yielded } => self.compete(before, limited, (next, wait, yielded), now),
        }
        self.tell(limited);
        self.begin_round(now);
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
                self.phase = Phase::Competing { next: now + RETRY, wait: RETRY, yielded: 0 };
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

    fn compete(&mut self, before: f64, limited: bool, (next, wait, yielded): (Time, Duration, u32), now: Time) {
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
                let wait = (wait * 2).min(2 * STALE);
                self.phase = Phase::Competing { next: now + wait, wait, yielded: 0 };
            } else if yielded > 0 {
                self.phase = Phase::Steady;
            } else {
                self.phase = Phase::Competing { next: now, wait, yielded: yielded + 1 };
            }
            return;
        }
        if now >= next {
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

    fn tell(&mut self, limited: bool) {
        let rate = self.rates[0];
        let best = (self.estimate.best * 0.999).max(rate);
        self.estimate = Estimate {
            rtt: Duration::from_secs_f64(self.path.rtt().unwrap_or(0.0)),
            rate,
            best,
            queue: Duration::from_secs_f64(self.queue),
            limited,
            collapsed: false,
        };
    }

    /// What the path seems to be, for whoever decides about lanes.
    pub fn estimate(&self) -> Estimate {
        self.estimate
    }

    /// For a trace: the window, bytes.
    pub fn window(&self) -> u64 {
        self.allowed() as u64
    }

    /// For a trace.
    pub fn debug(&self) -> String {
        format!("{:?} rate {:.2} rtt {:.1}", self.phase, self.rates[0] * 8e-6, self.path.rtt().unwrap_or(0.0) * 1e3)
    }
}
