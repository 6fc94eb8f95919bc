//! The rate model: send at the rate the path delivers, keep in flight what fits (draft-ietf-ccwg-bbr).
//!
//! ```text
//! Startup ── rate stops growing, or a congested round ──> Drain ── in flight ≤ BDP ──┐
//!                                                                                    ↓
//!      ┌── Up <── one round ── Refill <── 2 to 3 s ── Cruise <── in flight ≤ BDP ── Down
//!      └── queue or loss seen ──────────────────────────────────────────────────────↑
//! any of them ── smallest round trip not seen for 5 s ──> ProbeRtt ── 200 ms and a round ──> Down
//! ```
//!
//! Two departures from the draft, both because a radio or an ocean loses packets without being full:
//! - A round is *congested* when more than 2 % was lost **and** even its smallest round trip shows a queue,
//!   or when so much was lost that no other reading is left. The draft takes 2 % alone, and starves at 3 %.
//! - A round trip within 1/16 of the smallest counts as having seen it again, so that a path without a queue is
//!   never slowed down to be measured. The value itself only ever falls.
use std::time::Duration;

use super::{Ack, CongestionControl, Loss, RateSample};
use crate::Time;

const STARTUP_GAIN: f64 = 2.77;
const DRAIN_GAIN: f64 = 0.5;
/// Slightly under the measured rate, so that a queue drains that nobody meant to build (draft §2.5).
const MARGIN: f64 = 0.99;
const LOSS_THRESHOLD: f64 = 0.02;
const LOSS_SHARED: f64 = 0.002;
const LOSS_CERTAIN: f64 = 0.15;
/// Losses are judged over as many packets at least.
const SAMPLE_PACKETS: u64 = 100;
/// What stays after a congested round (draft §2.7).
const BETA: f64 = 0.7;
/// A round.
const LOWER_BOUNDS_GROW: f64 = 0.05;
/// Room left for others below the highest safe amount in flight.
const HEADROOM: f64 = 0.85;
const MIN_RTT_STALE: Duration = Duration::from_secs(5);
const PROBE_RTT: Duration = Duration::from_millis(200);
const INITIAL_PACKETS: u64 = 10;
const MIN_PACKETS: u64 = 4;

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    Startup,
    Drain,
    Down,
    Cruise { since: Time, lasts: Duration },
    Refill { rounds: u32 },
    Up { since: Time, rounds: u32 },
    ProbeRtt { until: Option<Time>, rounds: u32 },
}

#[derive(Debug, Default)]
struct Round {
    /// The round ends when a packet is acknowledged that left after this much was delivered.
    until: u64,
    delivered_before: u64,
    max_rate: u64,
}

/// Losses over one round, or as many as make a sample of the losses.
#[derive(Debug, Default)]
struct Losses {
    delivered_before: u64,
    lost: u64,
    min_rtt: Option<Duration>,
}

#[derive(Debug)]
pub(super) struct Bbr {
    packet: u64,
    state: State,
    /// Largest rate in the current and the previous probing cycle, bytes a second.
    max_rate: [u64; 2],
    /// Lower bounds of the moment, forgotten when probing (draft §2.7).
    rate_lo: f64,
    inflight_lo: f64,
    /// The most in flight that was safe in the long run.
    inflight_hi: f64,
    min_rtt: Option<Duration>,
    min_rtt_seen: Time,
    /// Smallest round trip in the running probe for it.
    probed_rtt: Option<Duration>,
    smoothed_rtt: Duration,
    round: Round,
    losses: Losses,
    /// No round ended in this state yet.
    fresh: bool,
    /// At the last verdict.
    queue_seen: bool,
    delivered: u64,
    full_rate: u64,
    full_rounds: u32,
    full: bool,
    /// How far acknowledgements come in lumps: bytes beyond what the rate explains.
    extra: [u64; 2],
    extra_epoch: (Time, u64),
    extra_rounds: u32,
    cycles: u32,
    window: u64,
    rate: Option<f64>,
}

impl Bbr {
    pub(super) fn new(packet: u64) -> Self {
        Self {
            packet,
            state: State::Startup,
            max_rate: [0; 2],
            rate_lo: f64::INFINITY,
            inflight_lo: f64::INFINITY,
            inflight_hi: f64::INFINITY,
            min_rtt: None,
            min_rtt_seen: Time::ZERO,
            probed_rtt: None,
            smoothed_rtt: Duration::ZERO,
            round: Round::default(),
            losses: Losses::default(),
            fresh: true,
            queue_seen: false,
            delivered: 0,
            full_rate: 0,
            full_rounds: 0,
            full: false,
            extra: [0; 2],
            extra_epoch: (Time::ZERO, 0),
            extra_rounds: 0,
            cycles: 0,
            window: INITIAL_PACKETS * packet,
            rate: None,
        }
    }

    fn max_rate(&self) -> f64 {
        self.max_rate[0].max(self.max_rate[1]) as f64
    }

    fn bandwidth(&self) -> f64 {
        self.max_rate().min(self.rate_lo)
    }

    /// Bandwidth-delay product, bytes.
    fn bdp(&self, rate: f64) -> f64 {
        let min_rtt = self.min_rtt.unwrap_or(Duration::from_millis(1));
        (rate * min_rtt.as_secs_f64()).max((MIN_PACKETS * self.packet) as f64)
    }

    fn enter(&mut self, state: State) {
        tracing::trace!(from = ?self.state, to = ?state, "congestion");
        self.state = state;
        self.fresh = true;
        // What a probe lost says nothing of what follows it.
        self.losses = Losses { delivered_before: self.delivered, ..Losses::default() };
    }

    fn enter_up_cycle(&mut self) {
        (self.rate_lo, self.inflight_lo) = (f64::INFINITY, f64::INFINITY);
        self.enter(State::Refill { rounds: 0 });
    }

    fn enter_down(&mut self) {
        // A new probing cycle: the one before the last is forgotten.
        self.max_rate = [self.max_rate[0], 0];
        self.max_rate.swap(0, 1);
        self.enter(State::Down);
    }

    fn measure_rate(&mut self, sample: &RateSample) {
        if sample.rate > 0 && (!sample.app_limited || sample.rate as f64 >= self.max_rate()) {
            self.max_rate[0] = self.max_rate[0].max(sample.rate);
        }
        self.round.max_rate = self.round.max_rate.max(sample.rate);
    }

    fn measure_min_rtt(&mut self, rtt: Duration, now: Time) {
        self.losses.min_rtt = Some(self.losses.min_rtt.map_or(rtt, |min| min.min(rtt)));
        let min = self.min_rtt.map_or(rtt, |min| min.min(rtt));
        self.min_rtt = Some(min);
        // The first round of a probe still shows the queue from before.
        if matches!(self.state, State::ProbeRtt { until: Some(_), .. }) {
            self.probed_rtt = Some(self.probed_rtt.map_or(rtt, |min| min.min(rtt)));
        }
        if rtt <= min + min / 16 {
            self.min_rtt_seen = now;
        }
    }

    /// Lumps of acknowledgements need more in flight than the product (draft §2.6).
    fn measure_lumps(&mut self, ack: &Ack, round_ended: bool) {
        if round_ended {
            self.extra_rounds += 1;
            if self.extra_rounds >= 5 {
                self.extra_rounds = 0;
                self.extra = [0, self.extra[0]];
            }
        }
        let (since, acked) = &mut self.extra_epoch;
        let expected = self.max_rate[0].max(self.max_rate[1]) as f64 * ack.now.since(*since).as_secs_f64();
        if *acked as f64 <= expected {
            (*since, *acked) = (ack.now, 0);
        }
        *acked += ack.acked;
        let expected = self.max_rate[0].max(self.max_rate[1]) as f64 * ack.now.since(*since).as_secs_f64();
        let extra = (*acked as f64 - expected).max(0.0).min(self.window as f64);
        self.extra[0] = self.extra[0].max(extra as u64);
    }

    /// Whether the path was full in the round that ends.
    fn was_congested(&mut self, delivered: u64) -> bool {
        let delivered_then = (delivered - self.losses.delivered_before) as f64;
        let lost = self.losses.lost as f64;
        // The first round in a phase acknowledges what the phase before sent, through its queue.
        if std::mem::take(&mut self.fresh) && matches!(self.state, State::Cruise { .. }) {
            self.losses = Losses { delivered_before: delivered, ..Losses::default() };
            return false;
        }
        // Few packets make no statistics: at 3 %, one round of twenty in seven loses two or more.
        if lost + delivered_then < (SAMPLE_PACKETS * self.packet) as f64 {
            return false;
        }
        let Losses { min_rtt, .. } =
            std::mem::replace(&mut self.losses, Losses { delivered_before: delivered, ..Losses::default() });
        let share = lost / (lost + delivered_then);
        let queue = match (min_rtt, self.min_rtt) {
            (Some(round), Some(min)) => round > min + min / 10 + Duration::from_micros(200),
            _ => true,
        };
        self.queue_seen = queue;
        // A queue that stands for a round although we do not feed it is somebody's who yields on any loss: so do we.
        let shared = matches!(self.state, State::Cruise { .. })
            && min_rtt.zip(self.min_rtt).is_some_and(|(round, min)| round > min + min / 4);
        share > LOSS_CERTAIN || (share > LOSS_THRESHOLD && queue) || (share > LOSS_SHARED && shared)
    }

    fn end_round(&mut self, ack: &Ack, sample: &RateSample) {
        let congested = self.was_congested(ack.delivered);
        let delivered = (ack.delivered - self.round.delivered_before) as f64;
        if !self.full && !sample.app_limited {
            if self.max_rate() >= self.full_rate as f64 * 1.25 {
                self.full_rate = self.max_rate() as u64;
                self.full_rounds = 0;
            } else {
                self.full_rounds += 1;
            }
        }
        match &mut self.state {
            State::Startup if self.full_rounds >= 3 || congested => {
                self.full = true;
                if congested {
                    self.inflight_hi = self.bdp(self.max_rate()).max(delivered);
                }
                self.enter(State::Drain);
            }
            State::Refill { rounds } => {
                *rounds += 1;
                if *rounds >= 2 {
                    self.enter(State::Up { since: ack.now, rounds: 0 });
                }
            }
            State::Up { rounds, .. } => {
                *rounds += 1;
                if congested {
                    self.inflight_hi = (sample.tx_in_flight as f64)
                        .max(self.bdp(self.max_rate()) * BETA)
                        .max(delivered * BETA);
                    self.enter_down();
                }
            }
            State::ProbeRtt { rounds, .. } => *rounds += 1,
            // What the probe lost is known a round later: the bound is what it probed with, less the excess.
            State::Down if congested => {
                self.inflight_hi =
                    (self.inflight_hi * BETA).max(self.bdp(self.max_rate())).min(self.inflight_hi);
            }
            State::Cruise { .. } if congested => {
                let latest = self.round.max_rate as f64;
                let lo = if self.rate_lo.is_finite() { self.rate_lo } else { self.max_rate() };
                self.rate_lo = latest.max(BETA * lo);
                let lo = if self.inflight_lo.is_finite() { self.inflight_lo } else { self.window as f64 };
                self.inflight_lo = delivered.max(BETA * lo).max(self.bdp(self.rate_lo));
            }
            // The draft keeps them until the next probe; a wrong verdict would cost seconds.
            State::Cruise { .. } if !self.queue_seen => {
                self.rate_lo *= 1.0 + LOWER_BOUNDS_GROW;
                self.inflight_lo *= 1.0 + LOWER_BOUNDS_GROW;
            }
            _ => {}
        }
        self.round = Round { until: ack.delivered, delivered_before: ack.delivered, ..Round::default() };
    }

    fn advance(&mut self, ack: &Ack) {
        let bdp = self.bdp(self.bandwidth());
        let in_flight = ack.in_flight as f64;
        match self.state {
            State::Drain if in_flight <= bdp => self.enter_down(),
            State::Down => {
                let headroom = self.inflight_hi * HEADROOM;
                if in_flight <= bdp.min(headroom.max((MIN_PACKETS * self.packet) as f64)) {
                    self.cycles = self.cycles.wrapping_add(1);
                    // Spread over 2 to 3 s, so that flows do not probe in step (the golden ratio's multiples).
                    let spread = f64::from(self.cycles) * 0.618_033_988 % 1.0;
                    let lasts = Duration::from_secs_f64(2.0 + spread);
                    self.enter(State::Cruise { since: ack.now, lasts });
                }
            }
            State::Cruise { since, lasts } if ack.now.since(since) >= lasts => self.enter_up_cycle(),
            State::Up { since, rounds } => {
                let min_rtt = self.min_rtt.unwrap_or_default();
                if ack.in_flight_before as f64 >= self.inflight_hi * 0.95 {
                    // As fast as the window would double in a few rounds, if nothing is lost (draft §5.3.3.6).
                    self.inflight_hi += ack.acked as f64 * f64::from(1 << rounds.min(4)) / 16.0;
                }
                let queue = in_flight >= 1.25 * self.bdp(self.max_rate()) + 3.0 * self.packet as f64;
                if ack.now.since(since) >= min_rtt && (queue || rounds >= 8) {
                    self.enter_down();
                }
            }
            State::ProbeRtt { until: None, .. }
                if in_flight <= 0.5 * bdp + (MIN_PACKETS * self.packet) as f64 =>
            {
                let until = ack.now + PROBE_RTT;
                self.enter(State::ProbeRtt { until: Some(until), rounds: 0 });
            }
            State::ProbeRtt { until: Some(until), rounds } if ack.now >= until && rounds >= 1 => {
                self.min_rtt_seen = ack.now;
                self.min_rtt = self.probed_rtt.or(self.min_rtt);
                if self.full {
                    (self.rate_lo, self.inflight_lo) = (f64::INFINITY, f64::INFINITY);
                    self.enter_down();
                } else {
                    self.enter(State::Startup);
                }
            }
            State::ProbeRtt { .. } => {}
            _ if ack.now.since(self.min_rtt_seen) > MIN_RTT_STALE => {
                // The old value still says what to drain to; the probe finds the new one.
                self.probed_rtt = None;
                self.enter(State::ProbeRtt { until: None, rounds: 0 });
            }
            _ => {}
        }
    }

    fn extra(&self) -> f64 {
        if self.full { self.extra[0].max(self.extra[1]) as f64 } else { 0.0 }
    }

    fn set_pace(&mut self, ack: &Ack) {
        let gain = match self.state {
            State::Startup => STARTUP_GAIN,
            State::Drain => DRAIN_GAIN,
            State::Down => 0.9,
            State::Up { .. } => 1.25,
            State::Cruise { .. } | State::Refill { .. } | State::ProbeRtt { .. } => 1.0,
        };
        let bandwidth = self.bandwidth();
        let rate = if bandwidth > 0.0 {
            gain * bandwidth * MARGIN
        } else {
            gain * self.window as f64 / self.smoothed_rtt.as_secs_f64().max(1e-3)
        };
        // Before the pipe was full once, the rate only grows (draft §5.6.2).
        if self.full || self.rate.is_none_or(|now| rate > now) {
            self.rate = Some(rate);
        }

        let bdp = self.bdp(bandwidth);
        let floor = (MIN_PACKETS * self.packet) as f64;
        let gain = match self.state {
            State::Up { .. } => 2.25,
            State::Startup => 2.5,
            State::ProbeRtt { .. } => 0.5,
            _ => 2.0,
        };
        // A burst of the pacer, and one of the peer's delayed acknowledgements.
        let quantum = self.rate.unwrap_or(0.0) * 0.001 + 3.0 * self.packet as f64;
        let mut target = gain * bdp + self.extra() + quantum;
        let cap = match self.state {
            State::Startup | State::Up { .. } | State::Refill { .. } => self.inflight_hi,
            State::Cruise { .. } => (self.inflight_hi * HEADROOM).min(self.inflight_lo),
            _ => self.inflight_hi.min(self.inflight_lo),
        };
        let grown = self.window as f64 + ack.acked as f64;
        // Until the pipe was full once, the target only follows what the window allowed: it does not shrink it.
        target =
            if self.full || (self.window as f64) < target { target.min(grown) } else { self.window as f64 };
        if !self.full && ack.delivered < 2 * INITIAL_PACKETS * self.packet {
            target = target.max(grown);
        }
        if matches!(self.state, State::ProbeRtt { .. }) {
            target = 0.5 * bdp;
        }
        self.window = target.min(cap).max(floor) as u64;
    }
}

impl CongestionControl for Bbr {
    fn handle_sent(&mut self, now: Time, in_flight: u64, app_limited: bool) {
        // After silence, the path was certainly empty (draft §5.4.1).
        if in_flight == 0 && app_limited {
            self.min_rtt_seen = now;
            self.extra_epoch = (now, 0);
        }
    }

    fn handle_ack(&mut self, ack: &Ack) {
        self.smoothed_rtt = ack.smoothed_rtt;
        self.delivered = ack.delivered;
        self.losses.lost += ack.lost;
        if let Some(rtt) = ack.rtt {
            self.measure_min_rtt(rtt, ack.now);
        }
        if let Some(sample) = &ack.sample {
            self.measure_rate(sample);
            let ended = sample.prior_delivered >= self.round.until;
            self.measure_lumps(ack, ended);
            if ended {
                self.end_round(ack, sample);
            }
        }
        self.advance(ack);
        self.set_pace(ack);
    }

    fn handle_loss(&mut self, _loss: &Loss) {}

    fn handle_timeout(&mut self, _now: Time) {
        // The model of the path stays; how much fits is learned again from half of it.
        self.inflight_lo = (self.window as f64 * BETA).max((MIN_PACKETS * self.packet) as f64);
    }

    fn window(&self) -> u64 {
        self.window
    }

    fn pacing_rate(&self) -> Option<u64> {
        self.rate.map(|rate| rate as u64)
    }
}
