//! What one direction of a line does to its packets.

use std::time::Duration;

/// One direction of a line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Bits a second, IP headers included; 0 means without limit.
    pub bits_per_s: u64,
    /// How long a packet travels after the bottleneck, one way.
    pub delay: Duration,
    /// Bytes that may wait for the bottleneck, the packet that it is sending included; what comes beyond is dropped.
    pub queue: u64,
    /// The part of the packets that is lost behind the bottleneck, at random: 0 to 1.
    pub loss: f64,
}

impl Settings {
    /// A line without loss, whose queue holds so many bandwidth-delay products, but at least 30 full packets.
    ///
    /// Half the round trip is spent in each direction.
    pub fn symmetric(bits_per_s: u64, round_trip: Duration, queue_in_bdp: f64) -> Self {
        let bdp = bits_per_s as f64 / 8.0 * round_trip.as_secs_f64();
        let queue = ((bdp * queue_in_bdp) as u64).max(30 * crate::MTU as u64);
        Self { bits_per_s, delay: round_trip / 2, queue, loss: 0.0 }
    }

    /// The same with this part of the packets lost.
    pub fn with_loss(self, loss: f64) -> Self {
        Self { loss, ..self }
    }

    /// How long the bottleneck takes to send so many bytes.
    pub(crate) fn transmission(&self, bytes: usize) -> Duration {
        match self.bits_per_s {
            0 => Duration::ZERO,
            rate => Duration::from_nanos((bytes as u64 * 8).saturating_mul(1_000_000_000) / rate),
        }
    }
}
