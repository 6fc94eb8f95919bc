//! What arrived, over time.

use std::time::{Duration, Instant};

use anyhow::Result;
use e2e::Line;

/// How often is looked: often enough to see a recovery, seldom enough not to disturb a browser.
const INTERVAL: Duration = Duration::from_millis(200);

/// How long is waited for the step of a count after the end.
const LONGEST_STEP: Duration = Duration::from_secs(2);

/// Bytes that had arrived by several times since the start.
#[derive(Clone, Debug, Default)]
pub(crate) struct Arrivals(Vec<(Duration, u64)>);

/// Something to do to the line, or meanwhile, at a time since the start.
pub(crate) type Event = (Duration, Box<dyn FnOnce(&Line)>);

impl Arrivals {
    /// Counts for so long, and meanwhile does what is in `events`, which are in order of time.
    ///
    /// `only_changes` is for a count that moves in large steps: times in between are interpolated from step to step,
    /// and one step more is waited for, so that what came before it in this time counts.
    pub(crate) async fn watch(
        line: &Line,
        length: Duration,
        events: Vec<Event>,
        only_changes: bool,
        mut count: impl AsyncFnMut() -> Result<u64>,
    ) -> Result<Self> {
        let mut found = vec![(Duration::ZERO, 0)];
        let mut events = events.into_iter().peekable();
        let start = Instant::now();
        let is_looking = |found: &[(Duration, u64)], elapsed| {
            let waits = only_changes && found.last().is_some_and(|(at, _)| *at < length);
            elapsed < length + if waits { LONGEST_STEP } else { Duration::ZERO }
        };
        while is_looking(&found, start.elapsed()) {
            while let Some((_, event)) = events.next_if(|(at, _)| *at <= start.elapsed()) {
                event(line);
            }
            let asked = start.elapsed();
            let bytes = count().await?;
            let at = (asked + start.elapsed()) / 2;
            if !only_changes || found.last().is_some_and(|(_, last)| bytes > *last) {
                found.push((at, bytes));
            }
            tokio::time::sleep(INTERVAL.saturating_sub(start.elapsed() - asked)).await;
        }
        Ok(Self(found))
    }

    /// Mbit/s between two times.
    pub(crate) fn mbit(&self, from: Duration, to: Duration) -> f64 {
        (self.at(to) - self.at(from)) * 8.0 / 1e6 / (to - from).as_secs_f64()
    }

    /// Mbit/s in the second half of so long a run.
    pub(crate) fn steady(&self, length: Duration) -> f64 {
        self.mbit(length / 2, length)
    }

    /// From `since` until the beginning of the first second, before `until`, that reached this rate.
    pub(crate) fn recovery(&self, since: Duration, until: Duration, mbit: f64) -> Option<Duration> {
        let second = Duration::from_secs(1);
        let mut start = since;
        while start + second <= until {
            if self.mbit(start, start + second) >= mbit {
                return Some(start - since);
            }
            start += INTERVAL / 2;
        }
        None
    }

    /// Interpolated; what comes after the last look is as it was then.
    fn at(&self, time: Duration) -> f64 {
        let after = self.0.partition_point(|(at, _)| *at <= time);
        let before = after.checked_sub(1).map_or((Duration::ZERO, 0), |index| self.0[index]);
        match self.0.get(after) {
            None => before.1 as f64,
            Some(next) => {
                let part = (time - before.0).as_secs_f64() / (next.0 - before.0).as_secs_f64();
                before.1 as f64 + part * (next.1 as f64 - before.1 as f64)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    /// 1 MB/s for four seconds, nothing for four, 2 MB/s for four.
    fn arrivals() -> Arrivals {
        let bytes = |second: u64| match second {
            0..=4 => second * 1_000_000,
            5..=8 => 4_000_000,
            _ => 4_000_000 + (second - 8) * 2_000_000,
        };
        Arrivals((0..=12).map(|second| (Duration::from_secs(second), bytes(second))).collect())
    }

    #[test]
    fn rates_are_interpolated() {
        let found = arrivals();

        assert_eq!(found.mbit(seconds(0.5), seconds(2.5)), 8.0);
        assert_eq!(found.mbit(seconds(3.0), seconds(5.0)), 4.0);
        assert_eq!(found.steady(seconds(8.0)), 0.0);
    }

    #[test]
    fn a_recovery_is_the_first_second_at_the_rate() {
        let found = arrivals();

        let recovery = found.recovery(seconds(4.0), seconds(12.0), 16.0).expect("it recovers");
        assert!((recovery.as_secs_f64() - 4.0).abs() < 0.11, "{recovery:?}");
        assert_eq!(found.recovery(seconds(4.0), seconds(8.5), 16.0), None);
    }
}
