//! How many bytes may be on the way on a lane whose channel is a browser's.
//!
//! `path` understands reports, `control` decides, `estimate` is what lanes are decided by, and here is the window, its pace and
//! the seam.
//! In virtual time (`cargo xtask bench sim-paths`, one lane, no loss, one seed) it fills 0.91 to 0.93 of quiet lines of 10 to
//! 40 Mbit/s, 20 to 100 ms, queues of 0.3 to 4 products, with 2 to 6 ms of queue. Beside programs that see everything late by
//! 3 or 10 ms on average it has 0.83 of them, and of the longest and fastest line with the shortest queue 0.25 and 0.29: what
//! they do late stands in that queue. Whole transfers, with all their lanes, are in `cargo xtask bench sim-sessions`.
mod control;
mod estimate;
mod path;
mod reporter;

pub use estimate::Estimate;
pub use reporter::Reporter;

use crate::{
    digest::BLOCK_LEN,
    time::Time,
    transfer::pump::stamp_of,
    wire::{
        control::Report,
        data::{FRAME_HEADER, LAN_FRAME, RUN_HEADER},
    },
};
use control::{Climb, Phase, Round, Trial};
use path::{PathModel, Recent, SHORT, Sample};
use std::time::Duration;

/// A browser's packet carries about so many bytes of a message.
pub(super) const PACKET: f64 = 1152.0;
/// The first window: a browser's own.
const FIRST: f64 = 10.0 * PACKET;
const LEAST: f64 = 10.0 * PACKET;
const MOST: f64 = (16 << 20) as f64;
/// Frames: as long as a browser's burst at least.
const SHORTEST: f64 = 2.0 * PACKET;
const LONGEST: usize = LAN_FRAME;
/// On a LAN a browser's CPU is the limit, and nothing waits for long behind a long frame: an eighth of a block. To an
/// engine of our own a frame costs next to nothing, and shorter ones keep more at work at the same time.
const LONGEST_NEAR: usize = BLOCK_LEN as usize / 8 + FRAME_HEADER + RUN_HEADER;
/// Nothing is held back on a LAN below this.
const NEAR_WINDOW: f64 = (4 << 20) as f64;
/// Up to so much, start-up grows by half each round trip; then by a quarter.
const SLOWER: f64 = (48 << 10) as f64;
/// A loss is remembered so long.
const REMEMBER: Duration = Duration::from_secs(3);
/// A gap without another so long before comes from a loss, not from busy programs; in seconds.
const RARE: f64 = 1.0;
/// Reports that make a round, at least.
const SAMPLES: usize = 6;

/// The bytes that may be on the way on one lane: handed to the channel and not yet reported.
#[derive(Clone, Debug)]
pub struct Throttle {
    is_free: bool,
    /// Further lanes of the session fill the same path.
    is_beside: bool,
    /// Bytes that the path is known to take at once: so far start-up is fast.
    known: f64,
    phase: Phase,
    window: f64,
    sent: u64,
    path: PathModel,
    round: Round,
    recent: Recent,
    climb: Climb,
    /// In a noisy start-up: clock and bytes when a measurement began, and what the one before brought.
    rise: Option<(f64, u64, f64)>,
    rates: [f64; 3],
    queue: f64,
    /// What it was in the latest rounds.
    queues: [f64; 3],
    step: f64,
    ups: u32,
    trial: Option<Trial>,
    failed: u32,
    /// The window before the first of the cuts that failed.
    uncut: f64,
    /// Rounds with a queue that stands a little too long.
    gentle: u32,
    /// Until a round ends, to see the smallest delay.
    draining: Option<f64>,
    tokens: f64,
    tokens_at: Time,
    /// How late frames are handed over, in seconds: on a short path the largest, slowly forgotten, else smoothed.
    late: f64,
    /// Since when reports are late.
    noisy: Option<Time>,
    /// The latest report.
    heard: Time,
    last_clock: f64,
    /// The queue that may stand since a loss showed how short the path's is, in seconds.
    shallow: Option<f64>,
    /// After a gap: when, by the receiver's clock, and what came then.
    at_once: Option<(f64, u64)>,
    /// When the latest gap ended, by the receiver's clock.
    gap: f64,
    /// After a gap that came alone: from when until when, by the receiver's clock, delays tell of a loss.
    held_back: Option<(f64, f64)>,
    /// The latest sign of a loss.
    stalled: Option<Time>,
    /// Whether bytes waited in the engine in the latest round that tells.
    waits: Option<bool>,
    /// The path's queue in the latest rounds in which none did, in seconds, and when the last of them was.
    in_path: ([f64; 3], Time),
    is_waiting: bool,
}

impl Throttle {
    /// For a lane on which nothing was sent yet.
    pub fn new(now: Time) -> Self {
        Self {
            is_free: false,
            is_beside: false,
            known: 0.0,
            phase: Phase::Startup { careful: false },
            window: FIRST,
            sent: 0,
            path: PathModel::default(),
            round: Round::until(0),
            recent: Recent::default(),
            climb: Climb::default(),
            rise: None,
            rates: [0.0; 3],
            queue: 0.0,
            queues: [0.0; 3],
            step: PACKET,
            ups: 0,
            trial: None,
            failed: 0,
            uncut: 0.0,
            gentle: 0,
            draining: None,
            tokens: 0.0,
            tokens_at: now,
            late: 0.0,
            noisy: None,
            heard: now,
            last_clock: 0.0,
            shallow: None,
            at_once: None,
            gap: 0.0,
            held_back: None,
            stalled: None,
            waits: None,
            in_path: ([0.0; 3], now),
            is_waiting: false,
        }
    }

    /// The same for a lane beside others of the session: together they are to stop before the path's queue overflows. Of one
    /// that takes over from another it is known how many bytes the path takes at once; else that is 0.
    pub fn beside_others(known: u64, now: Time) -> Self {
        Self { is_beside: true, known: known as f64, ..Self::new(now) }
    }

    /// For a lane whose engine looks after its path by itself: it has always room.
    pub fn free() -> Self {
        Self { is_free: true, ..Self::new(Time::default()) }
    }

    /// Bytes that the path takes at once, for a lane that takes over from this one: most of what is on the way, once start-up has
    /// ended.
    pub fn known(&self) -> u64 {
        if matches!(self.phase, Phase::Startup { .. }) { 0 } else { self.in_flight() / 5 * 4 }
    }

    fn in_flight(&self) -> u64 {
        self.sent - self.path.received.min(self.sent)
    }

    fn is_near(&self) -> bool {
        self.path.is_near()
    }

    fn allowed(&self) -> f64 {
        let window = self.draining.map_or(self.window, |part| self.window * part);
        let least = if self.is_near() { NEAR_WINDOW } else { self.least() };
        window.max(least)
    }

    /// Bytes a second that may be handed over: the window spread over four fifths of a round trip, so that a late
    /// report does not become a burst.
    fn pace(&self) -> Option<f64> {
        let rtt = self.path.rtt().filter(|_| !self.is_near())?;
        let is_first =
            self.phase == (Phase::Startup { careful: false }) && self.window < SLOWER.max(self.known);
        let gain = if is_first { 1.5 } else { 1.25 };
        Some(gain * self.allowed() / (rtt + self.path.noise()))
    }

    fn burst(&self, pace: f64) -> f64 {
        // What lateness costs is made up for, but not where the path's queue is known to be too short for it; and on a long
        // path in part: what made up for one long pause overran a queue of 30 ms.
        let part = if self.is_short() { 1.5 } else { 0.5 };
        let late = if self.shallow.is_some() { 0.0 } else { part * self.late };
        let most = (pace * (0.006 + late)).min(self.allowed() / 2.0);
        most.max(2.0 * self.frame() as f64)
    }

    /// Bytes of a frame, at most: short where a burst would fill a short queue, long where each costs CPU.
    pub fn frame(&self) -> usize {
        if self.is_free {
            return LONGEST;
        }
        if self.is_near() {
            return LONGEST_NEAR;
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
        (self.is_waiting && fits).then(|| {
            self.tokens_at + Duration::from_secs_f64(((frame - self.tokens) / pace).max(0.0) + 0.0001)
        })
    }

    /// Says whether the moment of [`Self::timeout`] has come; then the caller sends what it has.
    pub fn handle_timeout(&mut self, now: Time) -> bool {
        let is_due = self.timeout().is_some_and(|at| at <= now);
        self.is_waiting &= !is_due;
        is_due
    }

    /// A frame was handed to the channel.
    pub fn sent(&mut self, bytes: u64, now: Time) {
        if let Some(pace) = self.pace() {
            if let Some(due) = self.timeout().map(|due| due.max(self.heard)) {
                let late = now.since(due).as_secs_f64();
                self.late = match self.is_short() {
                    true => late.max(self.late * 0.99),
                    false => self.late + (late - self.late) / 8.0,
                };
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

    /// So many bytes wait in the engine now, when a report is about to come: those that its own window keeps back. What
    /// was just handed over counts as well, but not for long.
    pub fn waiting(&mut self, bytes: u64) {
        self.round.asked += 1;
        self.round.waiting += u32::from(bytes as f64 >= PACKET);
    }

    /// A report of the other side.
    pub fn report(&mut self, report: &Report, now: Time) {
        if report.bytes > self.sent {
            return; // it can't have come from here
        }
        let Some(sample) = self.path.report(report, stamp_of(now), now) else { return };
        self.heard = now;
        let stalled = self.has_stalled(&sample);
        if self.held_back.is_none_or(|(from, until)| sample.clock < from || sample.clock > until) {
            self.path.see_jitter(&sample);
        }
        self.see_noise();
        if stalled {
            let is_new = self.stalled.is_none_or(|at| now.since(at) > REMEMBER);
            self.stalled = Some(now);
            if is_new && self.phase == Phase::Steady && !self.is_near() {
                self.handle_stall();
            }
        }
        self.note(sample);
        if let Phase::Startup { careful } = self.phase {
            if self.round.limited {
                let part = match careful {
                    true => 8.0,
                    false if self.window < SLOWER.max(self.known) => 2.0,
                    false if self.is_beside => 8.0,
                    false => 4.0,
                };
                self.window = (self.window + sample.bytes as f64 / part).min(MOST);
            }
            if stalled && !self.is_near() {
                return self.leave_startup();
            }
            let newest = self.round.newest(2);
            if self.path.beyond(newest) > self.tolerated() / 2.0 && self.round.delays.len() > 1 {
                self.round.rose = true;
                self.phase = Phase::Startup { careful: true };
            }
            if self.round.delays.len() >= SAMPLES && !self.is_near() {
                let newest = self.round.newest(SAMPLES);
                if self.path.beyond(newest) > self.tolerated() && !self.still_rises() {
                    return self.leave_startup();
                }
            }
        }
        if self.round.delays.len() < SAMPLES {
            return;
        }
        if self.phase == Phase::Steady && self.trial.is_none() {
            // A queue that grows fast is not watched for a whole round.
            let newest = self.round.newest(SAMPLES);
            if self.path.beyond(newest) > (4.0 * self.tolerated()).max(self.path.rtt().unwrap_or(0.0) / 2.0) {
                self.round.delays = vec![newest];
                return self.end_round(now);
            }
        }
        if self.path.received >= self.round.end {
            self.end_round(now);
        }
    }

    /// Nothing for about a round trip, and then much at once: a packet was lost, and what followed waited for it.
    fn has_stalled(&mut self, sample: &Sample) -> bool {
        let gap = sample.clock - self.last_clock;
        let rtt = self.path.rtt().unwrap_or(0.0);
        // A page needs its time for what comes at once. In start-up all comes by the burst anyway, and beside another flow
        // losses are not to be answered with more lanes.
        let is_steady = self.phase == Phase::Steady;
        let together = if is_steady { (rtt / 8.0).clamp(0.001, 0.008) } else { 0.001 };
        if self.last_clock > 0.0 && gap > (0.8 * rtt).max(0.02) + 2.0 * self.path.noise() {
            self.at_once = Some((sample.clock, sample.bytes));
            // Busy programs make gaps, too, and more of them.
            if is_steady && sample.clock > self.gap + RARE {
                self.held_back = Some((sample.clock, sample.clock + rtt));
            }
            self.gap = sample.clock;
        } else if let Some((clock, bytes)) = &mut self.at_once {
            *bytes += sample.bytes;
            if sample.clock > *clock + together {
                self.at_once = None;
            }
        }
        let much = self.in_flight_before() / 3.0;
        self.at_once.take_if(|(_, bytes)| *bytes as f64 > much).is_some()
    }

    /// Bytes that were on the way before what came at once.
    fn in_flight_before(&self) -> f64 {
        (self.in_flight() as f64 + self.at_once.map_or(0.0, |(_, bytes)| bytes as f64)).max(LEAST)
    }

    /// Where delays tell nothing and a loss does little harm: start-up goes on as long as it brings more.
    fn still_rises(&mut self) -> bool {
        if !self.is_noisy() || self.path.rtt().is_none_or(|rtt| rtt > SHORT) {
            return false;
        }
        let (clock, received) = (self.last_clock, self.path.received);
        let (since, before, slower) = *self.rise.get_or_insert((clock, received, 0.0));
        if clock - since < 0.15 {
            return true;
        }
        let rate = (received - before) as f64 / (clock - since);
        self.rise = Some((clock, received, rate));
        rate > 1.2 * slower
    }

    fn note(&mut self, sample: Sample) {
        self.round.delays.push(sample.delay);
        self.last_clock = sample.clock;
        let span = self.path.rtt().unwrap_or(0.0) + self.path.noise();
        self.recent.add(sample.clock, self.path.received, span.max(0.02));
    }

    /// Bytes that may be on the way.
    pub fn window(&self) -> u64 {
        self.allowed() as u64
    }
}
