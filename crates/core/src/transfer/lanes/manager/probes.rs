//! Whether a queue stands in the path: told by round trips of control, while the first lane carries nothing else.
//!
//! Noise, and a lost packet that others wait for, make a round trip longer, never shorter, and a loss of everybody's empties a
//! short queue for a moment. So a line is full if two of three round trips met a queue: more lanes would only take from
//! whoever else is on it.
use crate::time::Time;
use std::{collections::VecDeque, time::Duration};

/// So many tell, at least.
const FEW: usize = 4;
/// No question goes back further. Beside TCP at 20 Mbit/s and 50 ms a queue should change within this time; not varied.
const KEPT: Duration = Duration::from_secs(12);
/// In so many of those seconds there has to be a round trip.
const SECONDS: usize = 11;
/// Part of the smallest round trip from which on a queue stands, and the bounds of that.
const STANDS: (u32, Duration, Duration) = (5, Duration::from_millis(8), Duration::from_millis(24));

/// Round trips, and when each ended.
#[derive(Debug, Default)]
pub(super) struct Probes {
    all: VecDeque<(Time, Duration)>,
    /// None was kept before.
    since: Time,
}

impl Probes {
    pub(super) fn add(&mut self, round_trip: Duration, now: Time) {
        self.all.push_back((now, round_trip));
        while self.all.front().is_some_and(|(at, _)| now.since(*at) > KEPT) {
            self.all.pop_front();
        }
    }

    pub(super) fn clear(&mut self, now: Time) {
        self.all.clear();
        self.since = now;
    }

    /// Whether there are enough since then to tell; or there should have been, some time ago.
    pub(super) fn tell(&self, since: Time, now: Time) -> bool {
        self.after(since).count() >= FEW || now.since(self.since) >= 2 * now.since(since)
    }

    fn after(&self, since: Time) -> impl Iterator<Item = Duration> {
        self.all.iter().filter(move |(at, _)| *at >= since).map(|(_, round_trip)| *round_trip)
    }

    /// If two of three since then met a queue, the least that one took which did: with nobody on it, it takes `empty`.
    pub(super) fn full(&self, since: Time, empty: Duration) -> Option<Duration> {
        let met = || self.after(since).filter(|round_trip| *round_trip >= through_a_queue(empty));
        let (all, others) = (self.after(since).count(), self.after(since).count() - met().count());
        met().min().filter(|_| all >= FEW && 3 * others <= all)
    }

    /// The smallest round trip, if the least of each of the last seconds is about the same: a queue that somebody fills grows
    /// and shrinks, and what does not is the path, which may have become longer.
    pub(super) fn settled(&self, now: Time) -> Option<Duration> {
        let mut seconds = [None::<Duration>; KEPT.as_secs() as usize];
        for (at, round_trip) in &self.all {
            if let Some(least) = seconds.get_mut(now.since(*at).as_secs() as usize) {
                *least = Some(least.map_or(*round_trip, |known| known.min(*round_trip)));
            }
        }
        let known = || seconds.iter().flatten();
        let (least, most) = (*known().min()?, *known().max()?);
        (known().count() >= SECONDS && most < through_a_queue(least)).then_some(least)
    }

    /// Whether one since then found no queue.
    pub(super) fn found_none(&self, since: Time, empty: Duration) -> bool {
        self.after(since).any(|round_trip| round_trip < through_a_queue(empty))
    }
}

fn through_a_queue(empty: Duration) -> Duration {
    let (part, low, high) = STANDS;
    empty + (empty / part).clamp(low, high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_full_if_two_of_three_round_trips_met_a_queue() {
        let at = |ms: u64| Time::from_origin(Duration::from_millis(10_000 + ms));
        let ms = Duration::from_millis;
        let mut probes = Probes::default();
        for step in 0..3 {
            probes.add(ms(80), at(250 * step));
        }
        assert_eq!(probes.full(at(0), ms(50)), None, "too few to tell");
        probes.add(ms(75), at(750));
        probes.add(ms(58), at(1000));
        assert_eq!(probes.full(at(0), ms(50)), Some(ms(75)));
        assert!(probes.found_none(at(1000), ms(50)));
        assert!(!probes.found_none(at(1001), ms(50)));

        probes.add(ms(58), at(1250));
        assert_eq!(probes.full(at(0), ms(50)), Some(ms(75)), "four of six");
        probes.add(ms(58), at(1500));
        assert_eq!(probes.full(at(0), ms(50)), None);
    }

    #[test]
    fn a_longer_path_is_told_from_a_queue_that_comes_and_goes() {
        let path = |round_trip: fn(u64) -> u64| {
            let mut probes = Probes::default();
            let at = |step: u64| Time::from_origin(Duration::from_millis(250 * step));
            (0..50).for_each(|step| probes.add(Duration::from_millis(round_trip(step)), at(step)));
            probes.settled(at(50))
        };
        assert_eq!(path(|step| 150 + 60 * (step % 3)), Some(Duration::from_millis(150)));
        assert_eq!(path(|step| 150 + 2 * step), None);
    }
}
