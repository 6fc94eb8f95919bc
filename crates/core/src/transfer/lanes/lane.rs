//! One lane: what it was given, and what of that arrived.
use crate::{
    output::TransferId,
    time::Time,
    transfer::{
        Broken,
        lanes::Runs,
        pump::since_stamp,
        throttle::{Reporter, Throttle},
    },
    wire::{
        control::Report,
        data::{self, Run},
    },
};
use std::{collections::VecDeque, time::Duration};

/// Bytes given to a lane and not reported, at most. A receiver reports far more often, so this only bounds the
/// list of frames: 1 Gbit/s at 128 ms.
const MAX_UNREPORTED: u64 = 16 << 20;
/// A frame that has not arrived after so long, or so many round trips, is late.
const LATE: (Duration, u32) = (Duration::from_secs(1), 3);

/// A frame on its way.
#[derive(Debug)]
pub(super) struct Frame {
    /// Bytes given to the lane up to its end.
    end: u64,
    at: Time,
    pub(super) transfer: TransferId,
    pub(super) runs: Vec<Run>,
    /// It was sent on another lane, too.
    again: bool,
}

#[derive(Debug)]
pub(super) struct Lane {
    pub(super) max_frame: usize,
    pub(super) throttle: Throttle,
    /// Of what comes on it.
    pub(super) reporter: Reporter,
    /// The connection is there; without, it is not known whether it comes back.
    pub(super) is_connected: bool,
    /// Handed to the driver and not known to be sent.
    pub(super) buffered: u64,
    /// Bytes of data frames given to it, and reported as arrived, ever.
    pub(super) given: u64,
    pub(super) delivered: u64,
    frames: VecDeque<Frame>,
    /// Smoothed, with all that waits in the channel.
    round_trip: Option<Duration>,
}

impl Lane {
    /// A lane that is not open yet.
    pub(super) fn new(throttle: Throttle) -> Self {
        Self {
            max_frame: 0,
            throttle,
            reporter: Reporter::default(),
            is_connected: false,
            buffered: 0,
            given: 0,
            delivered: 0,
            frames: VecDeque::new(),
            round_trip: None,
        }
    }

    /// Its data channel is open and takes messages of at most so many bytes.
    pub(super) fn open(&mut self, max_message: usize) {
        self.max_frame = max_message.min(data::MAX_FRAME_LEN);
        self.is_connected = true;
    }

    pub(super) fn is_open(&self) -> bool {
        self.max_frame > 0
    }

    /// Given and not reported as arrived, in bytes.
    pub(super) fn on_the_way(&self) -> u64 {
        self.given - self.delivered
    }

    /// Whether it takes a frame of so many bytes, if its channel is to hold at most `queue`.
    ///
    /// What has arrived is not buffered, whatever the driver said last: a browser's channel that never held much
    /// does not say that it holds less.
    pub(super) fn has_room(&self, queue: u64, frame: usize, now: Time) -> bool {
        self.buffered.min(self.on_the_way()) < queue
            && self.on_the_way() < MAX_UNREPORTED
            && self.throttle.room(now) >= frame as u64
    }

    pub(super) fn sent(&mut self, len: u64, transfer: TransferId, runs: &[Run], now: Time) {
        self.buffered += len;
        self.given += len;
        self.throttle.sent(len, now);
        let frame = Frame { end: self.given, at: now, transfer, runs: runs.to_vec(), again: false };
        self.frames.push_back(frame);
    }

    pub(super) fn handle_report(&mut self, report: &Report, now: Time) -> Result<Runs, Broken> {
        if report.bytes > self.given {
            return Err(Broken("more is reported than was sent".into()));
        }
        self.delivered = self.delivered.max(report.bytes);
        let mut arrived = Runs::new();
        while self.frames.front().is_some_and(|frame| frame.end <= self.delivered)
            && let Some(frame) = self.frames.pop_front()
        {
            arrived.push((frame.transfer, frame.runs));
        }
        if let Some(sample) = since_stamp(report.echo, now) {
            let sample = sample.saturating_sub(Duration::from_micros(u64::from(report.held) * 100));
            self.round_trip = Some(self.round_trip.map_or(sample, |known| known * 7 / 8 + sample / 8));
        }
        self.throttle.report(report, now);
        Ok(arrived)
    }

    /// Whether the oldest frame should have arrived long ago.
    pub(super) fn is_late(&self, now: Time) -> bool {
        self.frames.front().is_some_and(|frame| now >= frame.at + self.late())
    }

    fn late(&self) -> Duration {
        LATE.0.max(self.round_trip.unwrap_or_default() * LATE.1)
    }

    /// Frames that are late, so many times over, and were not sent again yet; at most so many.
    pub(super) fn take_late(&mut self, times: u32, most: usize, now: Time) -> Runs {
        let late = self.late() * times;
        let frames = self.frames.iter_mut().take_while(|frame| now >= frame.at + late);
        let take = |frame: &mut Frame| {
            frame.again = true;
            (frame.transfer, frame.runs.clone())
        };
        frames.filter(|frame| !frame.again).take(most).map(take).collect()
    }

    /// What was on the way when the lane ended.
    pub(super) fn into_frames(self) -> impl Iterator<Item = Frame> {
        self.frames.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_arrived_is_not_buffered_any_more_though_the_driver_is_silent() {
        let now = Time::from_origin(Duration::from_secs(1));
        let mut lane = Lane::new(Throttle::free());
        lane.open(65_536);
        lane.sent(300_000, TransferId(0), &[], now);
        assert!(!lane.has_room(200_000, 65_536, now));

        let report = Report { lane: 2, bytes: 250_000, clock: 0, echo: 0, held: 0 };
        lane.handle_report(&report, now).expect("it was sent");

        assert!(lane.has_room(200_000, 65_536, now));
    }
}
