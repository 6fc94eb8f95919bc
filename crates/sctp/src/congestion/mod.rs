//! How much may be in flight, and how fast it leaves.
mod bbr;
mod cubic;
mod new_reno;

use std::{fmt::Debug, time::Duration};

use crate::{Config, Congestion, Time, seq::Tsn};

/// A measurement of how fast the path delivers (draft-cheng-iccrg-delivery-rate-estimation).
#[derive(Debug, Clone, Copy)]
pub(crate) struct RateSample {
    /// Bytes a second; zero if the interval was too short to tell.
    pub(crate) rate: u64,
    /// All that was delivered when the sample's packet left.
    pub(crate) prior_delivered: u64,
    /// The application had no more to send: the rate is a lower bound.
    pub(crate) app_limited: bool,
}

/// What a SACK brought, in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ack {
    pub(crate) now: Time,
    pub(crate) acked: u64,
    pub(crate) lost: u64,
    /// All that was ever delivered.
    pub(crate) delivered: u64,
    pub(crate) in_flight_before: u64,
    pub(crate) in_flight: u64,
    pub(crate) cumulative: Tsn,
    pub(crate) cumulative_moved: bool,
    /// Of a packet sent once.
    pub(crate) rtt: Option<Duration>,
    pub(crate) smoothed_rtt: Duration,
    pub(crate) sample: Option<RateSample>,
}

/// Packets deemed lost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Loss {
    pub(crate) now: Time,
    /// When the last of them left.
    pub(crate) sent_at: Time,
    /// Bytes in flight when that left.
    pub(crate) in_flight: u64,
    /// The last TSN sent so far.
    pub(crate) last_sent: Tsn,
}

pub(crate) trait CongestionControl: Debug + Send {
    /// What the peer's INIT offered, bytes.
    fn handle_peer_window(&mut self, _bytes: u64) {}
    /// The handshake measured a round trip; nothing was sent yet that acknowledgements tell of.
    fn handle_round_trip(&mut self, _smoothed: Duration) {}
    /// Packets are filled to this size from now on, bytes.
    fn handle_packet_size(&mut self, bytes: u64);
    /// A packet left.
    fn handle_sent(&mut self, _now: Time, _in_flight: u64, _app_limited: bool) {}
    fn handle_ack(&mut self, ack: &Ack);
    fn handle_loss(&mut self, loss: &Loss);
    /// Nothing came for a whole retransmission timeout.
    fn handle_timeout(&mut self, now: Time);
    /// Whether an event of losses is being repaired, for recovery by counting.
    fn in_recovery(&self) -> bool {
        false
    }
    /// Bytes in flight, at most.
    fn window(&self) -> u64;
    /// Bytes a second; `None` to send whatever the window allows.
    fn pacing_rate(&self) -> Option<u64>;
}

/// `seed`: what tells flows apart that began together.
pub(crate) fn new(config: &Config, seed: u32) -> Box<dyn CongestionControl> {
    let packet = config.packet_size as u64;
    match config.congestion {
        Congestion::Bbr => Box::new(bbr::Bbr::new(packet, seed)),
        Congestion::Cubic => Box::new(cubic::Cubic::new(packet)),
        Congestion::NewReno => Box::new(new_reno::NewReno::new(packet)),
    }
}
