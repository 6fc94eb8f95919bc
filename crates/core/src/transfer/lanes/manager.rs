//! Decides how many lanes there are: as many as raise the goodput, and a fresh one for one that collapsed.
//!
//! ```text
//! Watching ──the engine holds the lanes back──> Growing ──they are open──> Measuring ──worth it──> Watching
//!    ^  ^                                         └──they do not open──┐      └──not──┐
//!    │  └───────────────────── after a while ── Resting <──────────────┴──closed──────┘
//!    └── Easing <──the line is full with more lanes than there may be then──
//! ```
//!
//! Why: each connection of a browser has a congestion window of its own, and that obeys the old law: with random
//! loss its rate is 1.2 × packet / (round trip × √loss), whatever the line, and n connections have n times that.
//! A line that one lane fills gains nothing; then the throttle says that the path, not the engine, is the limit,
//! and no lane is opened.
//!
//! On a LAN the CPU is the limit, and it does more with a few connections than with one: while the packets of one are
//! under way, those of the others wait, and a browser's threads find more of them each time that they wake. There three
//! lanes are opened, and stay unless they bring less.
//!
//! Losses are no sign that lanes are missing, if another flow's queue brings them: on a full line more lanes only take that
//! flow's part. So first there is one, which leaves control a connection of its own, and that tells of such a queue. Whether
//! there are too many already cannot be seen: half of them pause. If the queue then empties it was their own, and they go on
//! at once; if it does not, they were not needed, and are closed.
//!
//! A browser's lane that lost much at once may crawl for minutes. It carries a fraction of what it carried while
//! data waits, and the other side is heard all the time: only a fresh lane helps.
mod adjust;
mod easing;
mod history;
mod probes;
mod rules;

use crate::{map::Map, rtc::LaneId, time::Time, transfer::throttle::PACKET};
use easing::Easing;
use history::{History, Moment, Past, Seen};
pub(super) use history::{Look, View};
use probes::Probes;
pub use rules::{LaneRules, SenderEngine};
use std::time::Duration;

/// On a shorter path a connection's window is never the limit: 1 % loss at 8 ms is still 1.8 MB/s, and the CPU
/// of a browser ends at some ten.
const SHORTEST: Duration = Duration::from_millis(8);
/// On such a path there are as many lanes as this. From page to page on one machine, in three runs of each, three took 8 %
/// less CPU time than one and were 16 % faster; two, four, six and eight were tried too few times to tell.
const NEAR: (Duration, usize) = (Duration::from_millis(4), 3);
/// They stay if they bring at least this part of what one brought: measurements this short differ by as much.
const STAY: f64 = 0.85;
/// The goodput to compare with is that of this span, and of at least so many round trips.
const BEFORE: (Duration, u32) = (Duration::from_millis(1600), 8);
/// Or of this one, if that is less.
const NEWEST: Duration = Duration::from_millis(800);
/// Fresh lanes are given so long to get going: slow start.
const WARM_UP: (Duration, u32) = (Duration::from_millis(600), 8);
/// Then they are measured.
const MEASURE: (Duration, u32) = (Duration::from_millis(1600), 12);
/// Of the spans, the part in which data has to wait for lanes: else something else is the limit.
const WAITING: f64 = 0.7;
/// So many lanes come for the one that carried all, whose start-up may have been fast and is lost; then twice as many.
const FIRST_STEP: usize = 4;
/// Lanes that bring fewer bytes a round trip than this lose so many packets that four times as many come: 24 packets is what
/// 0.25 % loss leaves of a browser's window.
const SMALL: f64 = 24.0 * PACKET;
/// A lane that loses a packet has half its window, and gets a packet back each round trip. Where that would take so many
/// seconds, others are there before it happens: they make up for it within a round trip or two. And it does happen, on a line
/// that loses nothing: a browser's socket holds 57 packets, which 40 Mbit/s fill while a thread pauses for 14 ms.
const HEAL: f64 = 12.0;
/// Twice as many have to bring this part more; fewer of course less. A fifth is more than a line has left that they nearly fill.
const WORTH: f64 = 0.1;
/// They stay if they bring at least this part of what there was before, and engines are still the limit.
const KEEP: f64 = 0.7;
/// Over such a path a lane that lost much at once crawls for long, and with the first one all control. There that one carries
/// file bytes only until another is open; which is not worth it for less than so many bytes.
const FAR: (Duration, u64) = (Duration::from_millis(80), 100_000);
/// A lane that does not open within this time does not.
const OPENING: Duration = Duration::from_secs(10);
/// After lanes that were not worth it, or did not open: twice as long each time.
const REST: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(120));
/// Between two replacements: twice as long each time, until none is needed for the longer span.
const REPLACE: (Duration, Duration) = (Duration::from_secs(4), Duration::from_secs(60));
/// When nothing was sent for so long, further lanes are closed.
const IDLE: Duration = Duration::from_secs(30);
/// Over a relay: one for control and one for data.
const OVER_RELAY: usize = 2;

/// What the manager wants done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    Open,
    Close(LaneId),
}

#[derive(Debug)]
enum Phase {
    Watching { since: Time },
    Growing { trial: Trial, until: Time },
    Measuring { trial: Trial, from: Time, until: Time },
    Resting { until: Time },
    Easing { from: Time, until: Time },
}

/// More lanes than before, to see what they bring.
#[derive(Clone, Copy, Debug)]
struct Trial {
    /// What was wanted before.
    target: usize,
    /// Lanes that carried file bytes before: the first one if it was alone.
    carrying: usize,
    /// Bytes a second before.
    goodput: f64,
    /// They need not bring more to stay.
    keeps: bool,
}

#[derive(Debug)]
pub(super) struct Manager {
    rules: LaneRules,
    /// Connections that both sides can serve.
    most: usize,
    is_relayed: bool,
    round_trip: Option<Duration>,
    /// Further lanes that are wanted; with none the first one carries file bytes.
    target: usize,
    phase: Phase,
    rest: Duration,
    opening: Map<LaneId, Time>,
    /// Lanes that this side opened.
    ours: Vec<LaneId>,
    failures: u32,
    open_at: Time,
    replace_at: Time,
    replaced: Duration,
    past: Map<LaneId, Past>,
    history: History,
    idle_since: Option<Time>,
    probes: Probes,
    easing: Easing,
}

impl Manager {
    pub(super) fn new(rules: LaneRules) -> Self {
        Self {
            rules,
            most: 1,
            is_relayed: false,
            round_trip: None,
            target: 0,
            phase: Phase::Watching { since: Time::default() },
            rest: REST.0,
            opening: Map::new(),
            ours: Vec::new(),
            failures: 0,
            open_at: Time::default(),
            replace_at: Time::default(),
            replaced: REPLACE.0,
            past: Map::new(),
            history: History::default(),
            idle_since: None,
            probes: Probes::default(),
            easing: Easing::default(),
        }
    }

    pub(super) fn handle_hello(&mut self, lanes: u8) {
        self.most = usize::from(lanes.clamp(1, crate::link::MAX_LANES));
    }

    pub(super) fn handle_path(&mut self, is_relayed: bool) {
        self.is_relayed = is_relayed;
    }

    /// A round trip of control: it is small when nothing else moves.
    pub(super) fn handle_round_trip(&mut self, round_trip: Duration, now: Time) {
        self.round_trip = Some(self.round_trip.map_or(round_trip, |known| known.min(round_trip)));
        self.probes.add(round_trip, now);
        self.round_trip = self.round_trip.max(self.probes.settled(now));
    }

    /// Whether it needs more of them.
    pub(super) fn wants_round_trips(&self) -> bool {
        self.rules.engine == SenderEngine::Stock && self.is_long()
    }

    /// What a wish for another lane became.
    pub(super) fn opening(&mut self, lane: Option<LaneId>, now: Time) {
        match lane {
            Some(lane) => {
                self.opening.insert(lane, now + OPENING);
                self.ours.push(lane);
            }
            None => self.fail(now),
        }
    }

    pub(super) fn opened(&mut self, lane: LaneId, _now: Time) {
        if self.opening.remove(&lane).is_some() {
            self.failures = 0;
        }
        self.past.insert(lane, Past::default());
    }

    pub(super) fn gone(&mut self, lane: LaneId, now: Time) {
        if self.opening.remove(&lane).is_some() {
            self.fail(now);
        }
        self.ours.retain(|ours| *ours != lane);
        self.easing.pausing.retain(|pausing| *pausing != lane);
        self.past.remove(&lane);
    }

    fn fail(&mut self, now: Time) {
        self.failures += 1;
        self.open_at = now + Duration::from_secs(1 << self.failures.min(6));
    }

    pub(super) fn has_failed(&self) -> bool {
        self.failures > 0
    }

    pub(super) fn has_collapsed(&self, lane: LaneId) -> bool {
        self.past.get(&lane).is_some_and(|past| past.has_collapsed)
    }

    /// Bytes a second that a lane carries.
    pub(super) fn rate(&self, lane: LaneId) -> f64 {
        self.past.get(&lane).map_or(0.0, |past| past.rate)
    }

    pub(super) fn timeout(&self) -> Option<Time> {
        self.idle_since.filter(|_| !self.ours.is_empty()).map(|since| since + IDLE)
    }

    /// Nothing is being sent.
    pub(super) fn idle(&mut self, now: Time) -> Vec<Wish> {
        let since = *self.idle_since.get_or_insert(now);
        self.history.clear();
        self.easing.pausing.clear();
        self.phase = Phase::Watching { since: now };
        if now.since(since) < IDLE {
            return Vec::new();
        }
        self.target = 0;
        self.ours.iter().copied().map(Wish::Close).collect()
    }

    /// Something is being sent: what is to be done about the lanes? To be asked a few times a second.
    pub(super) fn look(&mut self, look: &Look) -> Vec<Wish> {
        if self.idle_since.take().is_some() {
            self.phase = Phase::Watching { since: look.now };
        }
        self.remember(look);
        if self.rules.engine == SenderEngine::Own {
            return Vec::new();
        }
        let further = look.lanes.iter().filter(|lane| lane.id != LaneId::FIRST && lane.is_connected);
        let well = further.filter(|lane| !self.has_collapsed(lane.id)).count();
        if well == 0 {
            self.probes.clear(look.now); // what they tell is how long they waited for file bytes
        }
        self.decide(well, look.now);
        self.adjust(well, look)
    }

    /// Further lanes, at most.
    fn most_further(&self) -> usize {
        (if self.is_relayed { self.most.min(OVER_RELAY) } else { self.most }) - 1
    }

    fn is_near(&self) -> bool {
        self.round_trip.is_some_and(|round_trip| round_trip < NEAR.0)
    }

    fn is_long(&self) -> bool {
        self.round_trip.is_some_and(|round_trip| round_trip >= SHORTEST)
    }

    fn remember(&mut self, look: &Look) {
        let now = look.now;
        let (mut total, last) = self.history.last().unwrap_or((0, now));
        let seconds = now.since(last).as_secs_f64();
        let (mut carrying, mut limited, mut contested) = (0, 0, 0);
        for lane in look.lanes {
            let Some(past) = self.past.get_mut(&lane.id) else { continue };
            total += past.see(lane, seconds, look);
            if let Some(round_trip) = lane.round_trip {
                self.round_trip = Some(self.round_trip.map_or(round_trip, |known| known.min(round_trip)));
            }
            if lane.on_the_way > 0 {
                carrying += 1;
                limited += usize::from(lane.is_limited);
                contested += usize::from(lane.is_contested);
            }
        }
        let is_waiting = look.is_waiting;
        let is_limited = carrying > 0 && 2 * limited >= carrying;
        let is_contested = carrying > 0 && 2 * contested >= carrying;
        let span = self.at_least(BEFORE).max(self.at_least(MEASURE)) + Duration::from_secs(1);
        self.history.push(Moment { at: now, total, is_waiting, is_limited, is_contested }, span);
    }

    /// A span of time, and of at least so many round trips.
    fn at_least(&self, (span, round_trips): (Duration, u32)) -> Duration {
        span.max(self.round_trip.unwrap_or_default().min(Duration::from_secs(1)) * round_trips)
    }

    fn decide(&mut self, well: usize, now: Time) {
        let most = self.most_further();
        let crawls = well == 0 && self.has_collapsed(LaneId::FIRST);
        let has_more = self.history.last().is_some_and(|(total, _)| total >= FAR.1);
        let is_far = self.round_trip.is_some_and(|round_trip| round_trip >= FAR.0) && has_more;
        let least = usize::from(self.rules.least).max(usize::from(crawls || is_far));
        self.target = self.target.max(least).min(most);
        match self.phase {
            Phase::Watching { since } => {
                let before = self.at_least(BEFORE);
                let seen = (now.since(since) >= before).then(|| self.history.since(ago(now, before)));
                let Some(Seen { goodput, waiting, limited, contested }) = seen.flatten() else { return };
                let carrying = well.max(1);
                let round_trip = self.round_trip.unwrap_or_default();
                let full = self.probes.full(ago(now, before), round_trip);
                let is_contested = contested >= 0.5 || full.is_some();
                let beside_others = self.most_beside_others(full.unwrap_or(round_trip));
                // Only beside another lane does control tell whether somebody's queue stands there, whose losses hold a
                // lane back as random ones do.
                let is_held_back = limited >= 0.5 && waiting >= WAITING;
                if well == 0 && most > 1 && self.is_long() && (is_held_back || is_contested) {
                    self.target = self.target.max(1);
                }
                if full.is_some() && well > beside_others && now >= self.easing.at {
                    return self.begin_to_ease(well, beside_others, now);
                }
                let most = if is_contested { most.min(beside_others) } else { most };
                let window = goodput / carrying as f64 * round_trip.as_secs_f64();
                let more = if window < SMALL { 4 * carrying } else { 2 * carrying };
                let next = if self.is_near() { NEAR.1 } else { more.max(FIRST_STEP) }.min(most);
                let is_told = self.is_near() || self.probes.tell(ago(now, before), now);
                let may_grow = well >= self.target && next > carrying && is_told;
                let is_frail = window / 2.0 / PACKET * round_trip.as_secs_f64() >= HEAL && !is_contested;
                let may_help =
                    self.is_near() || is_frail || self.is_long() && (limited >= 0.5 || is_contested);
                if may_grow && may_help && waiting >= WAITING {
                    // Of lanes that have lost much only the newest tells what they can still do.
                    let newest = self.history.since(ago(now, NEWEST)).map_or(goodput, |seen| seen.goodput);
                    let keeps = self.is_near() || is_frail || is_contested;
                    let trial = Trial { target: self.target, carrying, goodput: goodput.min(newest), keeps };
                    self.target = next;
                    self.phase = Phase::Growing { trial, until: now + OPENING };
                }
            }
            Phase::Growing { trial, until } if well >= self.target || now >= until => {
                if well > trial.carrying {
                    self.target = well;
                    let from = now + self.at_least(WARM_UP);
                    self.phase = Phase::Measuring { trial, from, until: from + self.at_least(MEASURE) };
                } else {
                    self.shrink(trial, now);
                }
            }
            Phase::Measuring { trial, from, until } if now >= until => {
                let Some(Seen { goodput, waiting, limited, contested }) = self.history.since(from) else {
                    return self.shrink(trial, now);
                };
                let more = well.max(trial.carrying) as f64 / trial.carrying as f64 - 1.0;
                let is_first = trial.carrying == 1;
                let worth = if trial.keeps { STAY } else { 1.0 + WORTH * more.min(1.0) };
                if waiting < WAITING {
                    // Something else is the limit now: as it is, it is enough.
                    self.phase = Phase::Resting { until: now + REST.0 };
                } else if goodput >= trial.goodput * worth {
                    self.rest = REST.0;
                    self.phase = Phase::Watching { since: from };
                } else if limited >= 0.5 && contested < 0.5 && (is_first || goodput >= trial.goodput * KEEP) {
                    // What the first lane had may have been left over from its start-up: nobody gets that back. And where
                    // engines are the limit, more of them only have less while they start, if losses among them cost some.
                    self.phase = Phase::Watching { since: from };
                } else {
                    self.shrink(trial, now);
                }
            }
            Phase::Easing { from, until } => self.look_while_easing(well, from, until, now),
            Phase::Resting { until } if now >= until => self.phase = Phase::Watching { since: now },
            Phase::Growing { .. } | Phase::Measuring { .. } | Phase::Resting { .. } => {}
        }
    }

    /// It was not worth it.
    fn shrink(&mut self, trial: Trial, now: Time) {
        self.target = trial.target;
        self.phase = Phase::Resting { until: now + self.rest };
        self.rest = (self.rest * 2).min(REST.1);
    }
}

fn ago(now: Time, span: Duration) -> Time {
    Time::from_origin(now.since_origin().saturating_sub(span))
}

#[cfg(test)]
mod tests;
