//! The lanes of a session, as its transfers see them: which of them takes the next frame, and what becomes of
//! the frames on one that ends, stalls or collapses.
//!
//! No lane waits for another: each takes the next frame when it has room. The first lane takes none while a
//! further one is there, so that control, which it carries, does not wait behind file bytes.
mod lane;
mod manager;

use super::{Broken, throttle::Throttle};
use crate::{
    output::TransferId,
    rtc::LaneId,
    time::Time,
    wire::{
        control::Report,
        data::{self, Run},
    },
};
use lane::Lane;
use litemap::LiteMap;
pub(crate) use manager::Wish;
pub use manager::{LaneRules, SenderEngine};
use manager::{Look, Manager, View};
use std::time::Duration;

/// What the other side has to take in a data frame, whatever it says.
const MIN_FRAME_LEN: usize = 1024;
/// Bytes handed to all lanes and not yet sent, at most: enough to keep fast ones busy between two
/// `handle_buffered`, little enough that a cancel is quick and the receiver's grant is not used up by what waits.
const QUEUE: u64 = 1 << 20;
/// The same for a browser, where more threads share the work: what waits is still in a processor's cache when it is sent.
/// With 1 MiB, and frames twice as long as now, the CPU time of a transfer between two pages was a tenth higher.
const BROWSER_QUEUE: u64 = 320 << 10;
/// One lane's share of it is at least this: 5 MB/s at 50 ms.
const LANE_QUEUE: u64 = 256 << 10;
/// How often the lanes are looked at while bytes move.
const TICK: Duration = Duration::from_millis(200);
/// Late frames that are sent again at once, at most.
const AGAIN: usize = 16;
/// What is late so many times over is stuck. With two or three, what browsers repeat late anyway went twice: at 1 % loss the
/// share of the line was 0.75 and 0.76 for 0.77 (in virtual time).
const STUCK: u32 = 4;
/// Somebody who was heard so long ago is still there.
const ALIVE: Duration = Duration::from_millis(2500);

/// All lanes that are open.
#[derive(Debug)]
pub(super) struct Lanes {
    /// What the other side takes in a data frame.
    max_frame: usize,
    /// What is on the way on a lane is bounded.
    throttled: bool,
    lanes: LiteMap<LaneId, Lane>,
    manager: Manager,
    heard: Time,
    tick_at: Option<Time>,
}

/// What frames carried.
pub(super) type Runs = Vec<(TransferId, Vec<Run>)>;

impl Lanes {
    /// None yet; `throttled` is [`Config`](crate::session::Config)'s, and of no account where the engine is our own.
    pub(super) fn new(throttled: bool, rules: LaneRules) -> Self {
        Self {
            max_frame: data::MAX_FRAME_LEN,
            throttled: throttled && rules.engine == SenderEngine::Stock,
            lanes: LiteMap::new(),
            manager: Manager::new(rules),
            heard: Time::default(),
            tick_at: None,
        }
    }

    /// A lane is open; its data channel takes messages of at most so many bytes.
    pub(super) fn open(&mut self, lane: LaneId, max_message: usize, now: Time) {
        self.entry(lane, now).open(max_message);
        self.manager.opened(lane, now);
    }

    /// A lane, which may be a new one.
    fn entry(&mut self, id: LaneId, now: Time) -> &mut Lane {
        let first =
            self.lanes.get(&LaneId::FIRST).filter(|_| self.lanes.len() == 1 && self.manager.wants_one());
        let known = first.map_or(0, |first| first.throttle.known());
        let throttled = self.throttled;
        self.lanes.entry(id).or_insert_with(|| {
            Lane::new(match throttled {
                true if id == LaneId::FIRST => Throttle::new(now),
                true => Throttle::beside_others(known, now),
                false => Throttle::free(),
            })
        })
    }

    /// A lane is no more; what was on it may be lost.
    pub(super) fn close(&mut self, lane: LaneId, now: Time) -> Runs {
        self.manager.gone(lane, now);
        let frames = self.lanes.remove(&lane).into_iter().flat_map(Lane::into_frames);
        frames.map(|frame| (frame.transfer, frame.runs)).collect()
    }

    /// The connection of a lane is there, or not for the moment.
    pub(super) fn handle_state(&mut self, lane: LaneId, is_connected: bool) {
        if let Some(lane) = self.lanes.get_mut(&lane) {
            lane.is_connected = is_connected && lane.is_open();
        }
    }

    pub(super) fn handle_hello(&mut self, max_frame: u32, lanes: u8) {
        self.max_frame = self.max_frame.min(max_frame as usize).max(MIN_FRAME_LEN);
        self.manager.handle_hello(lanes);
    }

    /// The first lane's path leads over a relay, or not.
    pub(super) fn handle_path(&mut self, is_relayed: bool) {
        self.manager.handle_path(is_relayed);
    }

    /// A round trip of control.
    pub(super) fn handle_round_trip(&mut self, round_trip: Duration, now: Time) {
        self.manager.handle_round_trip(round_trip, now);
    }

    /// Whether more of them should be measured: further lanes carry file bytes, and how many there may be depends on it.
    pub(super) fn wants_round_trips(&self) -> bool {
        let is_further = |(id, lane): (&LaneId, &Lane)| *id != LaneId::FIRST && lane.is_connected;
        self.tick_at.is_some() && self.manager.wants_round_trips() && self.lanes.iter().any(is_further)
    }

    pub(super) fn handle_buffered(&mut self, lane: LaneId, buffered: u64) {
        if let Some(lane) = self.lanes.get_mut(&lane) {
            lane.buffered = buffered;
        }
    }

    pub(super) fn handle_waiting(&mut self, lane: LaneId, bytes: u64) {
        if let Some(lane) = self.lanes.get_mut(&lane).filter(|lane| lane.on_the_way() > 0) {
            lane.throttle.waiting(bytes);
        }
    }

    /// What the other side received, and which frames had not been reported before; of a lane that was closed meanwhile
    /// it does not matter.
    pub(super) fn handle_report(&mut self, report: &Report, now: Time) -> Result<Runs, Broken> {
        self.lanes
            .get_mut(&LaneId(report.lane))
            .map_or(Ok(Runs::new()), |lane| lane.handle_report(report, now))
    }

    /// The other side is heard.
    pub(super) fn heard(&mut self, now: Time) {
        self.heard = now;
    }

    /// Counts a data frame that came; says what is to be reported of its lane. The other side may find a lane open
    /// before this side does.
    pub(super) fn received(&mut self, id: LaneId, len: usize, stamp: u32, now: Time) -> Option<Report> {
        let reporter = &mut self.entry(id, now).reporter;
        reporter.received(len, stamp, now).then(|| reporter.report(id.0, now))
    }

    /// Reports whose time has come; where other messages go just now, those too that can go along.
    pub(super) fn due_reports(&mut self, along: bool, now: Time) -> impl Iterator<Item = Report> {
        let due = move |Lane { reporter, .. }: &Lane| {
            reporter.timeout().is_some_and(|at| at <= now) || along && reporter.takes_along()
        };
        let lanes = self.lanes.iter_mut().filter(move |(_, lane)| due(lane));
        lanes.map(move |(id, lane)| lane.reporter.report(id.0, now))
    }

    /// The moment that a throttle waited for may have come; then there is room.
    pub(super) fn handle_timeout(&mut self, now: Time) {
        for (_, lane) in &mut self.lanes {
            lane.throttle.handle_timeout(now);
        }
    }

    /// The lanes that carry file bytes now.
    fn carriers(&self, now: Time) -> impl Iterator<Item = (LaneId, &Lane)> {
        let is_further =
            |id: LaneId, lane: &Lane| id != LaneId::FIRST && lane.is_connected && !self.manager.pauses(id);
        let is_well = move |id: LaneId, lane: &Lane| !self.manager.has_collapsed(id) && !lane.is_late(now);
        let further = self.lanes.iter().any(|(id, lane)| is_further(*id, lane));
        let well = self.lanes.iter().any(|(id, lane)| is_further(*id, lane) && is_well(*id, lane));
        let lanes = self.lanes.iter().map(|(id, lane)| (*id, lane));
        lanes.filter(move |(id, lane)| match (further, well) {
            (true, true) => is_further(*id, lane) && is_well(*id, lane),
            (true, false) => is_further(*id, lane),
            (false, _) => *id == LaneId::FIRST,
        })
    }

    /// Whether a lane carries file bytes now.
    pub(super) fn carries(&self, lane: LaneId, now: Time) -> bool {
        self.carriers(now).any(|(id, _)| id == lane)
    }

    /// The lane that takes the next frame, and how long that may be: among those with room, save the `idle`, the one that
    /// would deliver it first.
    pub(super) fn next(&self, idle: &[LaneId], now: Time) -> Option<(LaneId, usize)> {
        let queue = if self.throttled { BROWSER_QUEUE } else { QUEUE };
        let queue = (queue / self.carriers(now).count().max(1) as u64).max(LANE_QUEUE);
        let has_room =
            |(id, lane): &(LaneId, &Lane)| !idle.contains(id) && lane.has_room(queue, self.frame(lane), now);
        let wait = |(id, lane): &(LaneId, &Lane)| {
            // What a lane is not known to carry it may yet carry: 64 KiB/s.
            lane.on_the_way() as f64 / self.manager.rate(*id).max(65_536.0)
        };
        let (id, lane) = self.carriers(now).filter(has_room).min_by(|a, b| wait(a).total_cmp(&wait(b)))?;
        Some((id, self.frame(lane)))
    }

    /// Bytes of a frame on a lane, at most.
    fn frame(&self, lane: &Lane) -> usize {
        lane.max_frame.min(self.max_frame).min(lane.throttle.frame())
    }

    /// Counts a frame that is given to a lane.
    pub(super) fn sent(&mut self, lane: LaneId, len: u64, transfer: TransferId, runs: &[Run], now: Time) {
        if let Some(lane) = self.lanes.get_mut(&lane) {
            lane.sent(len, transfer, runs, now);
        }
    }

    /// Frames that are late, while another lane has room and nothing else to carry.
    pub(super) fn take_late(&mut self, now: Time) -> Runs {
        let is_well = |id: LaneId| self.lanes.get(&id).is_some_and(|lane| !lane.is_late(now));
        let is_free = self.lanes.len() > 1 && self.next(&[], now).is_some_and(|(id, _)| is_well(id));
        if is_free { self.late(1, now) } else { Runs::new() }
    }

    /// Frames that are so late that they go before all others: a receiver that needs order has waited for them long enough.
    pub(super) fn take_stuck(&mut self, now: Time) -> Runs {
        // Where all lanes are late, another would be no faster.
        let is_well = |(id, lane): (&LaneId, &Lane)| *id != LaneId::FIRST && !lane.is_late(now);
        if self.lanes.iter().any(is_well) { self.late(STUCK, now) } else { Runs::new() }
    }

    fn late(&mut self, times: u32, now: Time) -> Runs {
        let mut late = Runs::new();
        for (_, lane) in &mut self.lanes {
            late.extend(lane.take_late(times, AGAIN - late.len(), now));
        }
        late
    }

    /// File bytes move, or not.
    pub(super) fn handle_moving(&mut self, is_moving: bool, now: Time) {
        self.tick_at = is_moving.then(|| self.tick_at.unwrap_or(now + TICK));
    }

    /// Looks after the lanes, if it is time. `is_waiting`: there is more to send than they have room for.
    pub(super) fn tend(&mut self, is_waiting: bool, now: Time) -> Vec<Wish> {
        let Some(at) = self.tick_at else { return self.manager.idle(now) };
        if now < at {
            return Vec::new();
        }
        self.tick_at = Some(now + TICK);
        let view = |(id, lane): (&LaneId, &Lane)| {
            let estimate = lane.throttle.estimate();
            View {
                id: *id,
                is_connected: lane.is_connected,
                delivered: lane.delivered,
                on_the_way: lane.on_the_way(),
                round_trip: estimate.rtt,
                is_limited: estimate.engine_limited,
                is_contested: estimate.is_contested,
            }
        };
        let lanes: Vec<View> = self.lanes.iter().map(view).collect();
        let is_alive = now.since(self.heard) < ALIVE;
        self.manager.look(&Look { now, is_waiting, is_alive, lanes: &lanes })
    }

    /// What a wish for another lane became: its number, or nothing.
    pub(super) fn opening(&mut self, lane: Option<LaneId>, now: Time) {
        self.manager.opening(lane, now);
    }

    /// Whether further lanes failed to open, so that they should try every way.
    pub(super) fn has_failed(&self) -> bool {
        self.manager.has_failed()
    }

    pub(super) fn timeout(&self) -> Option<Time> {
        let throttles = self.lanes.values().filter_map(|lane| lane.throttle.timeout());
        let reporters = self.lanes.values().filter_map(|lane| lane.reporter.timeout());
        throttles.chain(reporters).chain(self.tick_at).chain(self.manager.timeout()).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::FileIndex;

    #[test]
    fn what_is_stuck_goes_again_once_and_only_where_another_lane_is_well() {
        let at = |ms: u64| Time::from_origin(Duration::from_millis(1000 + ms));
        let runs = [Run { file: FileIndex(0), offset: 0, len: 1000 }];
        let (stuck, well) = (LaneId(2), LaneId(4));
        let mut lanes = Lanes::new(true, LaneRules::default());
        for lane in [LaneId::FIRST, stuck, well] {
            lanes.open(lane, 65_536, at(0));
        }
        lanes.sent(stuck, 1000, TransferId(1), &runs, at(0));

        assert_eq!(lanes.take_stuck(at(3900)), []);
        let taken = lanes.take_stuck(at(4000));
        assert_eq!(taken, [(TransferId(1), runs.to_vec())]);
        assert_eq!(lanes.take_stuck(at(8000)), []);

        for lane in [stuck, well] {
            lanes.sent(lane, 1000, TransferId(1), &runs, at(8000));
        }
        assert_eq!(lanes.take_stuck(at(13_000)), [], "all are late: the path may be cut");
    }
}
