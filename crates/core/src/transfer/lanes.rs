//! The lanes of a session, as its transfers see them: what each may carry, holds and has received.
use super::throttle::{Reporter, Throttle};
use crate::{
    rtc::LaneId,
    time::Time,
    wire::{control::Report, data},
};
use litemap::LiteMap;

/// Bytes handed to a lane and not yet sent, at most: enough to keep a fast lane busy between two
/// `handle_buffered`, little enough that a cancel is quick.
const LANE_QUEUE: u64 = 1 << 20;
/// What the other side has to take in a data frame, whatever it says.
const MIN_FRAME_LEN: usize = 1024;

/// One lane.
#[derive(Debug)]
pub(super) struct Lane {
    max_frame: usize,
    /// Handed to the driver and not known to be sent.
    buffered: u64,
    throttle: Throttle,
    reporter: Reporter,
}

/// All lanes that are open.
#[derive(Debug)]
pub(super) struct Lanes {
    /// What the other side takes in a data frame.
    max_frame: usize,
    throttled: bool,
    lanes: LiteMap<LaneId, Lane>,
}

impl Lanes {
    /// None yet; `throttled` is [`Config`](crate::session::Config)'s.
    pub(super) fn new(throttled: bool) -> Self {
        Self { max_frame: data::MAX_FRAME_LEN, throttled, lanes: LiteMap::new() }
    }

    /// Adds a lane whose data channel takes messages of at most so many bytes.
    pub(super) fn open(&mut self, lane: LaneId, max_message: usize, now: Time) {
        let max_frame = max_message.min(data::MAX_FRAME_LEN);
        let throttle = if self.throttled { Throttle::new(now) } else { Throttle::free() };
        self.lanes.insert(lane, Lane { max_frame, buffered: 0, throttle, reporter: Reporter::default() });
    }

    pub(super) fn handle_hello(&mut self, max_frame: u32) {
        self.max_frame = self.max_frame.min(max_frame as usize).max(MIN_FRAME_LEN);
    }

    pub(super) fn handle_buffered(&mut self, lane: LaneId, buffered: u64) {
        if let Some(lane) = self.lanes.get_mut(&lane) {
            lane.buffered = buffered;
        }
    }

    /// What the other side received.
    pub(super) fn handle_report(&mut self, report: &Report, now: Time) {
        if let Some(lane) = self.lanes.get_mut(&LaneId(report.lane)) {
            lane.throttle.report(report, now);
        }
    }

    /// Counts a data frame that came, with its stamp; says what is to be reported of its lane.
    pub(super) fn received(&mut self, id: LaneId, len: usize, stamp: u32, now: Time) -> Option<Report> {
        let lane = self.lanes.get_mut(&id)?;
        lane.reporter.received(len, stamp, now).then(|| lane.reporter.report(id.0, now))
    }

    /// Reports whose time has come.
    pub(super) fn due_reports(&mut self, now: Time) -> impl Iterator<Item = Report> {
        let due = move |lane: &Lane| lane.reporter.timeout().is_some_and(|at| at <= now);
        let lanes = self.lanes.iter_mut().filter(move |(_, lane)| due(lane));
        lanes.map(move |(id, lane)| lane.reporter.report(id.0, now))
    }

    /// A lane with room for a frame, and how long that may be.
    pub(super) fn with_room(&self, now: Time) -> Option<(LaneId, usize)> {
        let frame = |lane: &Lane| lane.max_frame.min(self.max_frame).min(lane.throttle.frame());
        let has_room =
            |lane: &Lane| lane.buffered < LANE_QUEUE && lane.throttle.room(now) >= frame(lane) as u64;
        let (id, lane) = self.lanes.iter().find(|(_, lane)| has_room(lane))?;
        Some((*id, frame(lane)))
    }

    /// Counts a frame that is given to a lane.
    pub(super) fn sent(&mut self, lane: LaneId, len: u64, now: Time) {
        if let Some(lane) = self.lanes.get_mut(&lane) {
            lane.buffered += len;
            lane.throttle.sent(len, now);
        }
    }

    /// Whether a throttle waited for a moment that has come.
    pub(super) fn handle_timeout(&mut self, now: Time) -> bool {
        self.lanes.iter_mut().fold(false, |due, (_, lane)| lane.throttle.handle_timeout(now) | due)
    }

    /// When a throttle or a report is due.
    pub(super) fn timeout(&self) -> Option<Time> {
        let throttles = self.lanes.values().filter_map(|lane| lane.throttle.timeout());
        throttles.chain(self.lanes.values().filter_map(|lane| lane.reporter.timeout())).min()
    }
}
