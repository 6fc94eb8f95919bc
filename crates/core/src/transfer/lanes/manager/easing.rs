//! How many lanes there may be on a line that others fill, too: of those there are, half pause, to see whether it is as
//! full without them.
//!
//! If the queue empties it was their own: they go on at once, and nothing was lost but what fitted into a round trip or two. If it
//! does not, somebody else fills it, or fewer lanes do as well, and they are closed.
use super::{Manager, NEAR, Phase, ago};
use crate::{rtc::LaneId, time::Time};
use std::time::Duration;

/// Where others have a queue standing, more lanes only take from them. But one browser's window grows by a packet a round
/// trip, TCP's by time: so there is one for each such span of a round trip through that queue, within these bounds.
const CONTESTED: (usize, usize, Duration) = (1, 4, Duration::from_millis(60));
/// After lanes whose own queue it was, so long until the next try; twice as long each time.
const REST: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(120));
/// They pause for so long, after what stood in the queue has had time to go.
const LOOK: Duration = Duration::from_millis(1200);

#[derive(Debug)]
pub(super) struct Easing {
    /// Lanes that carry nothing new for the moment.
    pub(super) pausing: Vec<LaneId>,
    /// Not again before.
    pub(super) at: Time,
    rest: Duration,
}

impl Default for Easing {
    fn default() -> Self {
        Self { pausing: Vec::new(), at: Time::default(), rest: REST.0 }
    }
}

impl Manager {
    /// Whether a lane is to carry nothing new for the moment.
    pub(in crate::transfer::lanes) fn pauses(&self, lane: LaneId) -> bool {
        self.easing.pausing.contains(&lane)
    }

    /// Lanes that there may be on a line that others fill, too, if a round trip takes so long there. On a LAN it is programs that
    /// make it longer.
    pub(super) fn most_beside_others(&self, round_trip: Duration) -> usize {
        if self.is_near() {
            return NEAR.1;
        }
        let (least, most, span) = CONTESTED;
        ((round_trip.as_secs_f64() / span.as_secs_f64()) as usize).clamp(least, most)
    }

    /// The slower half pauses; or fewer, if that would leave less than `least`.
    pub(super) fn begin_to_ease(&mut self, well: usize, least: usize, now: Time) {
        let is_well = |lane: &LaneId| self.past.get(lane).is_some_and(|past| !past.has_collapsed);
        let mut left: Vec<LaneId> = self.ours.iter().copied().filter(is_well).collect();
        let mut slowest = Vec::new();
        while slowest.len() < (well / 2).min(well - least)
            && let Some(at) =
                (0..left.len()).min_by(|a, b| self.rate(left[*a]).total_cmp(&self.rate(left[*b])))
        {
            slowest.push(left.swap_remove(at));
        }
        self.easing.pausing = slowest;
        // Half the lanes need twice the time for what stands there.
        let round_trip = self.probes.full(ago(now, LOOK), Duration::ZERO).unwrap_or_default();
        self.phase = Phase::Easing { from: now, until: now + 2 * round_trip + LOOK };
    }

    /// Half of them pause.
    pub(super) fn look_while_easing(&mut self, well: usize, from: Time, until: Time, now: Time) {
        let empty = self.round_trip.unwrap_or_default();
        let is_ours = self.probes.found_none(from, empty) || self.easing.pausing.is_empty();
        if !is_ours && now < until {
            return;
        }
        if !is_ours && self.probes.full(from, empty).is_some() {
            self.target = well.saturating_sub(self.easing.pausing.len());
            self.easing.rest = REST.0;
        } else {
            self.easing.at = now + self.easing.rest;
            self.easing.rest = (self.easing.rest * 2).min(REST.1);
        }
        self.easing.pausing.clear();
        // What is under way still tells of the pause.
        self.phase = Phase::Watching { since: now + 2 * empty };
    }
}
