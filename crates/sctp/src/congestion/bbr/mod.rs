//! The rate model: send at the rate the path delivers, keep in flight what fits (draft-ietf-ccwg-bbr).
//!
//! ```text
//! Startup ── rate stops growing, or a congested round ──> Drain ── in flight ≤ BDP ──┐
//!                                                                                    ↓
//!      ┌── Up <── one round ── Refill <── 2 to 3 s or 63 rounds ── Cruise <── in flight ≤ BDP ── Down
//!      └── the rate stops growing, or a congested round ──────────────────────────────────────────↑
//! any of them ── smallest round trip not seen for 5 s ──> ProbeRtt ── 200 ms and a round ──> Down
//! ```
//!
//! Departures from the draft: what counts as congestion ([`losses`]), because a radio or an ocean loses packets
//! without being full; and a round trip within 1/16 of the smallest counts as having seen it again, so that a path
//! without a queue is never slowed down to be measured. The value itself only ever falls, but for that probe.
mod losses;
mod model;
mod phases;

use std::time::Duration;

use losses::Losses;
use model::Model;
use phases::{Plateau, State};

use super::{Ack, CongestionControl, Loss};
use crate::Time;

/// Slightly under the measured rate, so that a queue drains that nobody meant to build (draft §2.5).
const MARGIN: f64 = 0.99;
/// What stays after a congested round (draft §2.7).
const BETA: f64 = 0.7;
/// Room left for others below the highest safe amount in flight.
const HEADROOM: f64 = 0.85;
const INITIAL_PACKETS: u64 = 10;
const MIN_PACKETS: u64 = 4;

#[derive(Debug)]
pub(super) struct Bbr {
    packet: u64,
    state: State,
    model: Model,
    losses: Losses,
    plateau: Plateau,
    /// The path was full once.
    full: bool,
    /// Lower bounds of the moment, forgotten when probing (draft §2.7).
    rate_lo: f64,
    inflight_lo: f64,
    /// The most in flight that was safe in the long run.
    inflight_hi: f64,
    /// Least in flight when a packet left that the current sample lost.
    inflight_at_loss: u64,
    /// Smallest round trip in the running probe for it.
    probed_rtt: Option<Duration>,
    /// No round ended in this state yet.
    fresh: bool,
    /// A queue stood in the last round before the running probe.
    queue_before: bool,
    delivered: u64,
    cycles: u32,
    window: u64,
    rate: Option<f64>,
}

impl Bbr {
    pub(super) fn new(packet: u64, seed: u32) -> Self {
        Self {
            packet,
            state: State::Startup,
            model: Model::new(packet),
            losses: Losses::default(),
            plateau: Plateau::default(),
            full: false,
            rate_lo: f64::INFINITY,
            inflight_lo: f64::INFINITY,
            inflight_hi: f64::INFINITY,
            inflight_at_loss: u64::MAX,
            probed_rtt: None,
            fresh: true,
            queue_before: false,
            delivered: 0,
            cycles: seed,
            window: INITIAL_PACKETS * packet,
            rate: None,
        }
    }

    fn bandwidth(&self) -> f64 {
        self.model.max_rate().min(self.rate_lo)
    }

    fn floor(&self) -> f64 {
        (MIN_PACKETS * self.packet) as f64
    }

    fn set_pace(&mut self) {
        // A rate that was measured while the application had little to send is a bound from below, and the least window
        // is allowed each round trip whatever was measured. Without this, who only acknowledges a transfer measures its
        // own few bytes, takes them for the path, and holds back the next ones.
        let least = if self.full { MIN_PACKETS } else { INITIAL_PACKETS } * self.packet;
        let least = least as f64 / self.model.smoothed_rtt.as_secs_f64().max(1e-3);
        let rate = self.state.pacing_gain() * (self.bandwidth() * MARGIN).max(least);
        // Before the pipe was full once, the rate only grows (draft §5.6.2).
        if self.full || self.rate.is_none_or(|now| rate > now) {
            self.rate = Some(rate);
        }
    }

    fn set_window(&mut self, ack: &Ack) {
        let bdp = self.model.bdp(self.bandwidth());
        // A burst of the pacer, and one of the peer's delayed acknowledgements.
        let quantum = self.rate.unwrap_or(0.0) * 0.001 + 3.0 * self.packet as f64;
        let extra = if self.full { self.model.extra() } else { 0.0 };
        let mut target = self.state.window_gain() * bdp + extra + quantum;
        let cap = match self.state {
            State::Startup | State::Up { .. } | State::Refill => self.inflight_hi,
            // Down ends below the headroom, which 0.9 of the rate may not reach by itself.
            State::Down | State::Cruise { .. } => (self.inflight_hi * HEADROOM).min(self.inflight_lo),
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
        self.window = target.min(cap).max(self.floor()) as u64;
    }
}

impl CongestionControl for Bbr {
    fn handle_packet_size(&mut self, bytes: u64) {
        self.packet = bytes;
        self.model.packet = bytes;
    }

    fn handle_round_trip(&mut self, smoothed: Duration) {
        self.model.smoothed_rtt = smoothed;
        self.set_pace();
    }

    fn handle_sent(&mut self, now: Time, in_flight: u64, app_limited: bool) {
        if in_flight == 0 && app_limited {
            self.model.restart(now);
        }
    }

    fn handle_ack(&mut self, ack: &Ack) {
        self.model.smoothed_rtt = ack.smoothed_rtt;
        self.delivered = ack.delivered;
        self.losses.add(ack.lost, ack.rtt);
        if let Some(rtt) = ack.rtt {
            self.model.measure_min_rtt(rtt, ack.now);
            // The first round of a probe still shows the queue from before.
            if matches!(self.state, State::ProbeRtt { until: Some(_), .. }) {
                self.probed_rtt = Some(self.probed_rtt.map_or(rtt, |min| min.min(rtt)));
            }
        }
        if let Some(sample) = &ack.sample {
            self.model.measure_rate(sample);
            let ended = self.model.ends_round(sample);
            self.model.measure_lumps(ack, ended, self.window);
            if ended {
                self.end_round(ack, sample);
            }
        }
        self.advance(ack);
        self.set_pace();
        self.set_window(ack);
    }

    fn handle_loss(&mut self, loss: &Loss) {
        self.inflight_at_loss = self.inflight_at_loss.min(loss.in_flight);
    }

    fn handle_timeout(&mut self, _now: Time) {
        // The model of the path stays; how much fits is learned again from half of it.
        self.inflight_lo = (self.window as f64 * BETA).max(self.floor());
    }

    fn window(&self) -> u64 {
        self.window
    }

    fn pacing_rate(&self) -> Option<u64> {
        self.rate.map(|rate| rate as u64)
    }
}
