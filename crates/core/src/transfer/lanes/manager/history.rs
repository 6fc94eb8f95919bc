//! What is seen of the lanes, and what is remembered of each and of the last seconds of all.
use crate::{rtc::LaneId, time::Time};
use std::{collections::VecDeque, time::Duration};

/// A lane has collapsed that carries less than this part of its best for so long.
const COLLAPSE: (f64, Duration) = (0.125, Duration::from_millis(2000));
/// And that has carried as much as this before, in bytes a second: else there is nothing to compare with.
const PROVEN: f64 = 50_000.0;

/// A lane, as it is seen.
#[derive(Clone, Copy, Debug)]
pub(in crate::transfer) struct View {
    pub(in crate::transfer) id: LaneId,
    pub(in crate::transfer) is_connected: bool,
    /// Bytes reported as arrived, ever.
    pub(in crate::transfer) delivered: u64,
    /// Bytes given to it and not reported.
    pub(in crate::transfer) on_the_way: u64,
    pub(in crate::transfer) round_trip: Option<Duration>,
    /// Its engine holds it back, not the path.
    pub(in crate::transfer) is_limited: bool,
    /// Others have a queue standing in its path.
    pub(in crate::transfer) is_contested: bool,
}

/// All lanes at one moment.
#[derive(Debug)]
pub(in crate::transfer) struct Look<'a> {
    pub(in crate::transfer) now: Time,
    /// More is to be sent than the lanes have room for.
    pub(in crate::transfer) is_waiting: bool,
    /// The other side was heard just now.
    pub(in crate::transfer) is_alive: bool,
    pub(in crate::transfer) lanes: &'a [View],
}

/// What is remembered of a lane.
#[derive(Debug, Default)]
pub(super) struct Past {
    delivered: u64,
    /// Smoothed over about a second, in bytes a second, and the most that it was.
    pub(super) rate: f64,
    best: f64,
    /// Since when it carries a fraction of that.
    slow_since: Option<Time>,
    pub(super) has_collapsed: bool,
}

impl Past {
    /// Adds what is seen of it now, so many seconds after the last time; returns the bytes that arrived meanwhile.
    pub(super) fn see(&mut self, lane: &View, seconds: f64, look: &Look) -> u64 {
        let new = lane.delivered.saturating_sub(self.delivered);
        self.delivered = lane.delivered;
        if seconds > 0.0 {
            let weight = (2.0 * seconds).min(1.0);
            self.rate += (new as f64 / seconds - self.rate) * weight;
        }
        self.best = self.best.max(self.rate);
        let is_slow = lane.on_the_way > 0 && self.best >= PROVEN && self.rate < self.best * COLLAPSE.0;
        self.slow_since = match self.slow_since {
            _ if !is_slow || !look.is_alive => None,
            since => since.or(Some(look.now)),
        };
        self.has_collapsed = match self.has_collapsed {
            // The first lane cannot be replaced: once it is empty it may be tried again.
            true => lane.id != LaneId::FIRST || lane.on_the_way > 0,
            false => self.slow_since.is_some_and(|since| look.now.since(since) >= COLLAPSE.1),
        };
        new
    }
}

/// A moment of the last seconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) at: Time,
    /// Bytes on all lanes, ever.
    pub(super) total: u64,
    pub(super) is_waiting: bool,
    pub(super) is_limited: bool,
    pub(super) is_contested: bool,
}

/// What went on in a span of time; parts are of its moments.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    /// Bytes a second.
    pub(super) goodput: f64,
    /// The part in which data waited for lanes.
    pub(super) waiting: f64,
    /// The part in which engines held it back.
    pub(super) limited: f64,
    /// The part in which others had a queue standing.
    pub(super) contested: f64,
}

#[derive(Debug, Default)]
pub(super) struct History(VecDeque<Moment>);

impl History {
    /// Adds a moment, and forgets what is older than `span` then.
    pub(super) fn push(&mut self, moment: Moment, span: Duration) {
        self.0.push_back(moment);
        while self.0.front().is_some_and(|old| moment.at.since(old.at) > span) {
            self.0.pop_front();
        }
    }

    /// Bytes on all lanes at the latest moment, and when that was.
    pub(super) fn last(&self) -> Option<(u64, Time)> {
        self.0.back().map(|last| (last.total, last.at))
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// What went on since a time; nothing if there are too few moments.
    pub(super) fn since(&self, since: Time) -> Option<Seen> {
        let moments: Vec<&Moment> = self.0.iter().filter(|moment| moment.at >= since).collect();
        let (first, last) = (moments.first()?, moments.last()?);
        let seconds = last.at.since(first.at).as_secs_f64();
        if moments.len() < 4 || seconds <= 0.0 {
            return None;
        }
        let part = |is: fn(&Moment) -> bool| {
            moments.iter().filter(|moment| is(moment)).count() as f64 / moments.len() as f64
        };
        Some(Seen {
            goodput: (last.total - first.total) as f64 / seconds,
            waiting: part(|moment| moment.is_waiting),
            limited: part(|moment| moment.is_limited),
            contested: part(|moment| moment.is_contested),
        })
    }
}
