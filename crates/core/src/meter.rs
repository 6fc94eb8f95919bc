//! Speed and time left, from acknowledged bytes.
use crate::{output::Progress, time::Time};
use std::{collections::VecDeque, time::Duration};

/// The speed is that of the last so many seconds: steady enough to read, quick enough to believe.
const SPAN: Duration = Duration::from_secs(4);
/// Samples are at least this far apart.
const GRAIN: Duration = Duration::from_millis(100);

/// Counts bytes over time.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    bytes: u64,
    samples: VecDeque<(Time, u64)>,
}

impl Meter {
    /// Begins to measure; waiting for a person is not part of the speed.
    pub(crate) fn start(&mut self, now: Time) {
        self.samples.push_back((now, self.bytes));
    }

    /// Counts bytes that were there before.
    pub(crate) fn credit(&mut self, bytes: u64) {
        self.bytes += bytes;
    }

    pub(crate) fn add(&mut self, bytes: u64, now: Time) {
        self.bytes += bytes;
        if self.samples.back().is_none_or(|(at, _)| now.since(*at) >= GRAIN) {
            self.samples.push_back((now, self.bytes));
        }
        while self.samples.len() > 2 && self.samples.get(1).is_some_and(|(at, _)| now.since(*at) > SPAN) {
            self.samples.pop_front();
        }
    }

    pub(crate) fn progress(&self, total: Option<u64>, files: u32, now: Time) -> Progress {
        let since = self.samples.front().filter(|_| self.samples.len() > 1);
        let bytes_per_s = since.map_or(0.0, |(at, bytes)| {
            let seconds = now.since(*at).as_secs_f64();
            if seconds < 0.05 { 0.0 } else { (self.bytes - bytes) as f64 / seconds }
        });
        let left = total.map(|total| total.saturating_sub(self.bytes));
        let eta_s = left.filter(|_| bytes_per_s > 1.0).map(|left| left as f64 / bytes_per_s);
        Progress { bytes: self.bytes, total, files, bytes_per_s, eta_s }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_speed_is_that_of_the_last_seconds() {
        let at = |ms| Time::from_origin(Duration::from_millis(ms));
        let mut meter = Meter::default();
        meter.start(at(0));
        for ms in (100..=10_000).step_by(100) {
            meter.add(100, at(ms)); // 1000 bytes a second
        }
        for ms in (10_100..=20_000).step_by(100) {
            meter.add(500, at(ms)); // 5000 bytes a second
        }

        let progress = meter.progress(Some(110_000), 0, at(20_000));

        assert!((4900.0..5100.0).contains(&progress.bytes_per_s), "{progress:?}");
        assert_eq!(progress.bytes, 60_000);
        assert!((9.8..10.2).contains(&progress.eta_s.unwrap()), "{progress:?}");
        let stalled = meter.progress(None, 0, at(40_000));
        assert!(stalled.bytes_per_s < 1000.0, "a standstill shows: {stalled:?}");
    }
}
