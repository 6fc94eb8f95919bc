//! The receiver's side: when a lane's report is due, and what is in it.
use crate::{time::Time, transfer::pump::stamp_of, wire::control::Report};
use std::time::Duration;

/// Up to this length a frame belongs to a path whose queue matters more than the CPU.
const SHORT_FRAME: usize = 16 << 10;
/// Frames to a report: short ones, and long ones (of 128 KiB: one report for 512 KiB).
const SHORT_FRAMES: u64 = 2;
const LONG_FRAMES: u64 = 4;
/// What nothing followed is reported after so long.
const TAIL: Duration = Duration::from_millis(25);

/// Counts what a lane brings and says when to tell the sender.
///
/// The sender chooses the length of its frames by the path, and reports go by frames: so they come often where the
/// queue is to be watched, and seldom where they would only cost CPU.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reporter {
    received: u64,
    reported: u64,
    /// Of the newest frame.
    stamp: u32,
    arrived: Time,
}

impl Reporter {
    /// A frame of `len` bytes with the sender's stamp arrived; says whether a report is due at once.
    pub fn received(&mut self, len: usize, stamp: u32, now: Time) -> bool {
        self.received += len as u64;
        (self.stamp, self.arrived) = (stamp, now);
        let frames = if len <= SHORT_FRAME { SHORT_FRAMES } else { LONG_FRAMES };
        self.received - self.reported >= frames * len as u64
    }

    /// When what is not reported yet is to be.
    pub fn timeout(&self) -> Option<Time> {
        (self.received > self.reported).then(|| self.arrived + TAIL)
    }

    /// The report of a lane; it counts as sent.
    pub fn report(&mut self, lane: u8, now: Time) -> Report {
        self.reported = self.received;
        let held = (now.since(self.arrived).as_micros() / 100) as u32;
        Report { lane, bytes: self.received, clock: stamp_of(self.arrived), echo: self.stamp, held }
    }
}
