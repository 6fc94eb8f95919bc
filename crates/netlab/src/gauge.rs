//! What passed a direction, and how long it stood in the queue.

use std::time::Duration;

/// A quarter of a millisecond: fine enough for a queue that is to stay under 20 ms.
const BUCKET: Duration = Duration::from_micros(250);

/// Two seconds of queue; what waited longer counts as that long.
const BUCKETS: usize = 8000;

/// Counters of one direction since the last [`crate::Line::measure_anew`].
#[derive(Clone, Debug)]
pub struct Measured {
    /// Packets that came out at the other end.
    pub packets: u64,
    /// Their bytes, IP headers included.
    pub bytes: u64,
    /// Packets lost behind the bottleneck: at random, or while the line was cut.
    pub lost: u64,
    /// Packets that found the queue full.
    pub dropped: u64,
    /// The latest that a packet came out after it was due: how far the emulation is to be trusted.
    pub lateness: Duration,
    waits: Vec<u64>,
}

impl Default for Measured {
    fn default() -> Self {
        Self { packets: 0, bytes: 0, lost: 0, dropped: 0, lateness: Duration::ZERO, waits: vec![0; BUCKETS] }
    }
}

impl Measured {
    /// The time in the queue that so many of a hundred packets did not exceed; to a quarter of a millisecond.
    pub fn queue_delay(&self, percentile: f64) -> Duration {
        let all: u64 = self.waits.iter().sum();
        let wanted = (all as f64 * percentile / 100.0).ceil() as u64;
        let mut seen = 0;
        for (bucket, count) in (0..).zip(&self.waits) {
            seen += count;
            if seen >= wanted && seen > 0 {
                return BUCKET * bucket;
            }
        }
        Duration::ZERO
    }

    pub(crate) fn waited(&mut self, wait: Duration) {
        let bucket = (wait.as_micros() / BUCKET.as_micros()) as usize;
        self.waits[bucket.min(BUCKETS - 1)] += 1;
    }

    pub(crate) fn came_out(&mut self, bytes: usize, late: Duration) {
        self.packets += 1;
        self.bytes += bytes as u64;
        self.lateness = self.lateness.max(late);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_packets() {
        let mut measured = Measured::default();
        for milliseconds in 1..=100 {
            measured.waited(Duration::from_millis(milliseconds));
        }

        assert_eq!(measured.queue_delay(50.0), Duration::from_millis(50));
        assert_eq!(measured.queue_delay(95.0), Duration::from_millis(95));
        assert_eq!(measured.queue_delay(100.0), Duration::from_millis(100));
        assert_eq!(Measured::default().queue_delay(95.0), Duration::ZERO, "nothing passed");
    }
}
