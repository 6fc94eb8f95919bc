//! How far a transfer is, its speed and the time left: from the bytes that have arrived.
//!
//! They count as they come, not block by block: over a slow line a block takes ten seconds.
use crate::{
    map::Map,
    output::{BlockRef, Progress},
    time::Time,
};
use std::{collections::VecDeque, time::Duration};

/// The speed is that of the last so many seconds: steady enough to read, quick enough to believe.
const SPAN: Duration = Duration::from_secs(4);
/// Samples are at least this far apart.
const GRAIN: Duration = Duration::from_millis(100);

/// Blocks that are told of as written in one run, at most: 4 GiB.
const MOST_AT_ONCE: u64 = 4096;

/// Counts bytes over time.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    /// Of blocks that are written.
    written: u64,
    /// Of each block that is not, and of them all.
    arrived: Map<BlockRef, u32>,
    arriving: u64,
    samples: VecDeque<(Time, u64)>,
}

impl Meter {
    /// Begins to measure; waiting for a person is not part of the speed.
    pub(crate) fn start(&mut self, now: Time) {
        self.samples.push_back((now, self.bytes()));
    }

    /// Counts bytes that were there before.
    pub(crate) fn credit(&mut self, bytes: u64) {
        self.written += bytes;
    }

    /// Counts bytes of a block, some of which may have come before: never more than it has.
    pub(crate) fn arrived(&mut self, block: BlockRef, bytes: u32, len: u32) {
        let known = self.arrived.get_or_insert_with(block, || 0);
        let bytes = bytes.min(len.saturating_sub(*known));
        *known += bytes;
        self.arriving += u64::from(bytes);
    }

    /// Blocks of a file are written, this one and those that follow it: `bytes` that were not before.
    pub(crate) fn written(&mut self, first: BlockRef, count: u64, bytes: u64) {
        self.written += bytes;
        // Nobody writes gigabytes before it says so; who pretends to is not looked after for long.
        let count = if bytes > 0 { count.min(MOST_AT_ONCE) } else { 0 };
        for at in 0..count as u32 {
            self.forget(BlockRef { index: first.index.wrapping_add(at), ..first });
        }
    }

    /// A block has to come once more.
    pub(crate) fn forget(&mut self, block: BlockRef) {
        self.arriving -= u64::from(self.arrived.remove(&block).unwrap_or(0));
    }

    fn bytes(&self) -> u64 {
        self.written + self.arriving
    }

    /// Notes how many there are by now.
    pub(crate) fn look(&mut self, now: Time) {
        if self.samples.back().is_none_or(|(at, _)| now.since(*at) >= GRAIN) {
            self.samples.push_back((now, self.bytes()));
        }
        while self.samples.len() > 2 && self.samples.get(1).is_some_and(|(at, _)| now.since(*at) > SPAN) {
            self.samples.pop_front();
        }
    }

    pub(crate) fn progress(&self, total: Option<u64>, files: u32, now: Time) -> Progress {
        let since = self.samples.front().filter(|_| self.samples.len() > 1);
        let bytes_per_s = since.map_or(0.0, |(at, bytes)| {
            let seconds = now.since(*at).as_secs_f64();
            if seconds < 0.05 { 0.0 } else { self.bytes().saturating_sub(*bytes) as f64 / seconds }
        });
        let left = total.map(|total| total.saturating_sub(self.bytes()));
        let eta_s = left.filter(|_| bytes_per_s > 1.0).map(|left| left as f64 / bytes_per_s);
        Progress { bytes: self.bytes(), total, files, bytes_per_s, eta_s }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::{FileIndex, TransferId};

    #[test]
    fn the_speed_is_that_of_the_last_seconds() {
        let at = |ms| Time::from_origin(Duration::from_millis(ms));
        let mut meter = Meter::default();
        meter.start(at(0));
        for ms in (100..=10_000).step_by(100) {
            meter.credit(100); // 1000 bytes a second
            meter.look(at(ms));
        }
        for ms in (10_100..=20_000).step_by(100) {
            meter.credit(500); // 5000 bytes a second
            meter.look(at(ms));
        }

        let progress = meter.progress(Some(110_000), 0, at(20_000));

        assert!((4900.0..5100.0).contains(&progress.bytes_per_s), "{progress:?}");
        assert_eq!(progress.bytes, 60_000);
        assert!((9.8..10.2).contains(&progress.eta_s.unwrap()), "{progress:?}");
        let stalled = meter.progress(None, 0, at(40_000));
        assert!(stalled.bytes_per_s < 1000.0, "a standstill shows: {stalled:?}");
    }

    #[test]
    fn bytes_of_a_block_count_as_they_arrive_and_once() {
        let block = |index| BlockRef { transfer: TransferId(1), file: FileIndex(0), index };
        let bytes = |meter: &Meter| meter.progress(None, 0, Time::default()).bytes;
        let mut meter = Meter::default();

        for index in 0..3 {
            meter.arrived(block(index), 600, 1000);
        }
        assert_eq!(bytes(&meter), 1800);
        meter.arrived(block(0), 600, 1000);
        assert_eq!(bytes(&meter), 2200, "some of it had come on another lane");
        meter.written(block(0), 1, 1000);
        assert_eq!(bytes(&meter), 2200);
        meter.forget(block(1));
        assert_eq!(bytes(&meter), 1600, "it was damaged");
        meter.arrived(block(1), 1000, 1000);
        meter.written(block(1), 2, 2000);
        assert_eq!(bytes(&meter), 3000);
    }
}
