//! Which phase follows which, and what each does to the bounds.
use std::time::Duration;

use super::{BETA, Bbr, HEADROOM, losses::Verdict};
use crate::{
    Time,
    congestion::{Ack, RateSample},
};

const STARTUP_GAIN: f64 = 2.77;
const DRAIN_GAIN: f64 = 0.5;
/// What stays after a loss in somebody else's queue.
const YIELD: f64 = 0.85;
/// A round with a queue that we do not feed, and in a cycle altogether.
const LEAVE_ROOM: f64 = 0.94;
const LEAVE_ROOM_LEAST: f64 = 0.6;
/// A round.
const LOWER_BOUNDS_GROW: f64 = 0.05;
/// In a probing round the rate grows by as much at least, or the path is full.
const GROWTH: f64 = 1.125;
/// The same while what was safe once holds us back: that grows by a sixteenth in the first round, an eighth in the
/// second. A flow that began in somebody's overshoot learned a bound far below its share, and gets out of it so.
const HELD_GROWTH: f64 = 1.1;
const MIN_RTT_STALE: Duration = Duration::from_secs(5);
const PROBE_RTT: Duration = Duration::from_millis(200);
/// At the latest after as many rounds we probe again, for Reno's window would have grown by as many packets, and so
/// would a CUBIC's on a short path (draft §5.3.3.5.1).
const MAX_CRUISE_ROUNDS: u32 = 63;

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum State {
    Startup,
    Drain,
    Down,
    Cruise {
        since: Time,
        lasts: Duration,
        rounds: u32,
    },
    Refill,
    /// `held`: in this round, what was safe once kept us from sending more.
    Up {
        rounds: u32,
        held: bool,
    },
    ProbeRtt {
        until: Option<Time>,
        rounds: u32,
    },
}

impl State {
    pub(super) fn pacing_gain(self) -> f64 {
        match self {
            State::Startup => STARTUP_GAIN,
            State::Drain => DRAIN_GAIN,
            State::Down => 0.9,
            State::Up { .. } => 1.25,
            State::Cruise { .. } | State::Refill | State::ProbeRtt { .. } => 1.0,
        }
    }

    pub(super) fn window_gain(self) -> f64 {
        match self {
            State::Up { .. } => 2.25,
            State::Startup => 2.5,
            State::ProbeRtt { .. } => 0.5,
            _ => 2.0,
        }
    }
}

/// Notices that the rate stopped growing (draft §5.3.1.2).
#[derive(Debug, Default)]
pub(super) struct Plateau {
    rate: f64,
    rounds: u32,
}

impl Plateau {
    /// Rounds in a row in which the rate grew by less than `growth`.
    fn round(&mut self, rate: f64, growth: f64) -> u32 {
        if rate >= self.rate * growth {
            *self = Self { rate, rounds: 0 };
        } else {
            self.rounds += 1;
        }
        self.rounds
    }
}

impl Bbr {
    fn enter(&mut self, state: State) {
        tracing::trace!(from = ?self.state, to = ?state, "congestion");
        self.state = state;
        self.fresh = true;
        // What a probe lost says nothing of what follows it.
        self.losses.restart(self.delivered);
        self.inflight_at_loss = u64::MAX;
    }

    fn forget_lower_bounds(&mut self) {
        (self.rate_lo, self.inflight_lo) = (f64::INFINITY, f64::INFINITY);
    }

    fn enter_down(&mut self) {
        self.model.next_cycle();
        self.enter(State::Down);
    }

    pub(super) fn end_round(&mut self, ack: &Ack, sample: &RateSample) {
        let verdict = self.judge(ack.delivered);
        let congested = verdict == Verdict::Congested;
        if let Verdict::Clear { queue, .. } = verdict
            && matches!(self.state, State::Cruise { .. })
        {
            self.queue_before = queue;
        }
        let delivered = (ack.delivered - self.model.round.delivered_before) as f64;
        let max_rate = self.model.max_rate();
        match &mut self.state {
            State::Startup => {
                let flat = !sample.app_limited && self.plateau.round(max_rate, 1.25) >= 3;
                if congested {
                    self.inflight_hi = self.model.bdp(max_rate).max(delivered);
                }
                if flat || congested {
                    self.full = true;
                    self.enter(State::Drain);
                }
            }
            State::Refill => {
                self.plateau = Plateau::default();
                self.enter(State::Up { rounds: 0, held: false });
            }
            State::Up { rounds, held } => {
                *rounds += 1;
                let growth = if std::mem::take(held) { HELD_GROWTH } else { GROWTH };
                let rounds = *rounds;
                if congested {
                    self.bound_inflight(delivered);
                    self.enter_down();
                } else if !sample.app_limited
                    && self.plateau.round(self.model.round.max_rate as f64, growth) >= 1
                    && rounds >= 2
                {
                    self.enter_down();
                }
            }
            State::ProbeRtt { rounds, .. } => *rounds += 1,
            // What the probe lost is known a round later.
            State::Down if congested => self.bound_inflight(delivered),
            State::Cruise { rounds, .. } => {
                *rounds += 1;
                match verdict {
                    Verdict::Congested => self.yield_some(delivered),
                    // The draft keeps them until the next probe; a wrong verdict would cost seconds.
                    Verdict::Clear { standing: true, .. } => self.leave_room(),
                    Verdict::Clear { queue: false, .. } => {
                        self.rate_lo *= 1.0 + LOWER_BOUNDS_GROW;
                        self.inflight_lo *= 1.0 + LOWER_BOUNDS_GROW;
                    }
                    _ => {}
                }
            }
            State::Drain | State::Down => {}
        }
        if verdict != Verdict::Open {
            self.inflight_at_loss = u64::MAX;
        }
        self.model.start_round(ack.delivered);
    }

    fn judge(&mut self, delivered: u64) -> Verdict {
        let cruising = matches!(self.state, State::Cruise { .. });
        // The first round in a phase acknowledges what the phase before sent, through its queue.
        if std::mem::take(&mut self.fresh) && cruising {
            self.losses.restart(delivered);
            return Verdict::Open;
        }
        self.losses.judge(delivered, self.packet, self.model.min_rtt, !cruising)
    }

    /// A probe found the end: what was in flight when the first packet was lost is what fits (draft §5.5.10.2).
    fn bound_inflight(&mut self, delivered: f64) {
        let least = self.model.bdp(self.model.max_rate()).max(delivered) * BETA;
        self.inflight_hi = (self.inflight_at_loss as f64).min(self.inflight_hi).max(least);
    }

    /// Somebody else needs the room (draft §5.5.10.3).
    fn yield_some(&mut self, delivered: f64) {
        // A round of which next to nothing arrived, in an outage, measures next to nothing.
        let bandwidth = self.bandwidth();
        let rate = (self.model.round.max_rate as f64).clamp(bandwidth * BETA, bandwidth) * YIELD;
        self.model.limit_rate(rate);
        self.rate_lo = rate;
        self.inflight_lo = (delivered * YIELD).max(self.model.bdp(rate));
        self.fresh = true;
    }

    /// A queue stands though we do not feed it: together with somebody we send more than the path carries. As much
    /// less until the next probe keeps it from overflowing, which would hurt a CUBIC far more than us.
    fn leave_room(&mut self) {
        let latest = (self.model.round.max_rate as f64).min(self.rate_lo);
        self.rate_lo = (latest * LEAVE_ROOM).max(self.model.max_rate() * LEAVE_ROOM_LEAST);
    }

    pub(super) fn advance(&mut self, ack: &Ack) {
        let bdp = self.model.bdp(self.bandwidth());
        let in_flight = ack.in_flight as f64;
        match self.state {
            State::Drain if in_flight <= bdp => self.enter_down(),
            State::Down if in_flight <= bdp.min((self.inflight_hi * HEADROOM).max(self.floor())) => {
                self.cycles = self.cycles.wrapping_add(1);
                // Spread over 2 to 3 s (the golden ratio's multiples), and each flow begins elsewhere, so that they do not
                // probe in step.
                let spread = f64::from(self.cycles) * 0.618_033_988 % 1.0;
                let lasts = Duration::from_secs_f64(2.0 + spread);
                self.enter(State::Cruise { since: ack.now, lasts, rounds: 0 });
            }
            State::Cruise { since, lasts, rounds }
                if ack.now.since(since) >= lasts
                    || rounds >= MAX_CRUISE_ROUNDS.min((bdp / self.packet as f64) as u32) =>
            {
                self.forget_lower_bounds();
                self.enter(State::Refill);
            }
            State::Up { rounds, ref mut held } => {
                if ack.in_flight_before as f64 >= self.inflight_hi * 0.95 {
                    // As fast as the window would double in a few rounds, if nothing is lost (draft §5.3.3.6).
                    *held = true;
                    self.inflight_hi += ack.acked as f64 * f64::from(1 << rounds.min(4)) / 16.0;
                }
                // A queue that was not there before is ours, and says that the path is full.
                let queued =
                    in_flight >= 1.25 * self.model.bdp(self.model.max_rate()) + 3.0 * self.packet as f64;
                if queued && !self.queue_before && rounds >= 1 {
                    self.enter_down();
                }
            }
            State::ProbeRtt { until: None, .. } if in_flight <= 0.5 * bdp + self.floor() => {
                let until = ack.now + PROBE_RTT;
                self.enter(State::ProbeRtt { until: Some(until), rounds: 0 });
            }
            State::ProbeRtt { until: Some(until), rounds } if ack.now >= until && rounds >= 1 => {
                self.model.min_rtt_seen = ack.now;
                self.model.min_rtt = self.probed_rtt.or(self.model.min_rtt);
                if self.full {
                    self.forget_lower_bounds();
                    self.enter_down();
                } else {
                    self.enter(State::Startup);
                }
            }
            State::ProbeRtt { .. } => {}
            _ if ack.now.since(self.model.min_rtt_seen) > MIN_RTT_STALE => {
                // The old value still says what to drain to; the probe finds the new one.
                self.probed_rtt = None;
                self.enter(State::ProbeRtt { until: None, rounds: 0 });
            }
            _ => {}
        }
    }
}
