//! The lanes of a session, as its transfers see them: what each may carry, holds and has received.
use crate::{
    rtc::LaneId,
    wire::{control::Report, data},
};
use std::collections::BTreeMap;

/// Bytes handed to a lane and not yet sent, at most: enough to keep a fast lane busy between two
/// `handle_buffered`, little enough that a cancel is quick.
const LANE_QUEUE: u64 = 1 << 20;
/// A report goes back for every so many bytes of data frames.
const REPORT_EVERY: u64 = 256 << 10;
/// What the other side has to take in a data frame, whatever it says.
const MIN_FRAME_LEN: usize = 1024;

/// One lane.
#[derive(Debug)]
pub(super) struct Lane {
    max_frame: usize,
    /// Handed to the driver and not known to be sent.
    buffered: u64,
    received: u64,
    reported: u64,
}

/// All lanes that are open.
#[derive(Debug)]
pub(super) struct Lanes {
    /// What the other side takes in a data frame.
    max_frame: usize,
    lanes: BTreeMap<LaneId, Lane>,
}

impl Default for Lanes {
    fn default() -> Self {
        Self { max_frame: data::MAX_FRAME_LEN, lanes: BTreeMap::new() }
    }
}

impl Lanes {
    /// Adds a lane whose data channel takes messages of at most so many bytes.
    pub(super) fn open(&mut self, lane: LaneId, max_message: usize) {
        let max_frame = max_message.min(data::MAX_FRAME_LEN);
        self.lanes.insert(lane, Lane { max_frame, buffered: 0, received: 0, reported: 0 });
    }

    pub(super) fn handle_hello(&mut self, max_frame: u32) {
        self.max_frame = self.max_frame.min(max_frame as usize).max(MIN_FRAME_LEN);
    }

    pub(super) fn handle_buffered(&mut self, lane: LaneId, buffered: u64) {
        if let Some(lane) = self.lanes.get_mut(&lane) {
            lane.buffered = buffered;
        }
    }

    /// Counts a data frame that came; says what is to be reported of it. `clock` is this side's, `stamp` the
    /// frame's.
    pub(super) fn received(&mut self, id: LaneId, len: usize, clock: u32, stamp: u32) -> Option<Report> {
        let lane = self.lanes.get_mut(&id)?;
        lane.received += len as u64;
        if lane.received - lane.reported < REPORT_EVERY {
            return None;
        }
        lane.reported = lane.received;
        Some(Report { lane: id.0, bytes: lane.received, clock, echo: stamp })
    }

    /// A lane with room for a frame, and how long that may be.
    pub(super) fn with_room(&self) -> Option<(LaneId, usize)> {
        let (id, lane) = self.lanes.iter().find(|(_, lane)| lane.buffered < LANE_QUEUE)?;
        Some((*id, lane.max_frame.min(self.max_frame)))
    }

    /// Counts a frame that is given to a lane.
    pub(super) fn sent(&mut self, lane: LaneId, len: u64) {
        if let Some(lane) = self.lanes.get_mut(&lane) {
            lane.buffered += len;
        }
    }
}
