//! The receiver's side: when a lane's report is due, and what is in it.
use crate::{
    time::Time,
    transfer::pump::{stamp_of, units_of},
    wire::{control::Report, data::LAN_FRAME},
};
use std::time::Duration;

/// Up to this length a frame belongs to a path whose queue matters more than the CPU.
const SHORT_FRAME: usize = 16 << 10;
/// Frames to a report: short ones, long ones, and those of a LAN (of 128 KiB: one report for 2 MiB).
const SHORT_FRAMES: u64 = 2;
const LONG_FRAMES: u64 = 4;
const LAN_FRAMES: u64 = 16;
/// What nothing followed is reported after so long.
const TAIL: Duration = Duration::from_millis(25);
/// The same on a LAN, where each look at the clock costs more than it tells; and what too few have followed, too.
const LAN_TAIL: Duration = Duration::from_millis(150);

/// Counts what a lane brings and says when to tell the sender.
///
/// The sender chooses the length of its frames by the path, and reports go by frames: so they come often where the
/// queue is to be watched, and seldom where they would only cost CPU.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reporter {
    received: u64,
    reported: u64,
    /// When the latest report was made.
    told: Time,
    /// Of the newest frame.
    len: usize,
    stamp: u32,
    arrived: Time,
}

impl Reporter {
    /// A frame of `len` bytes with the sender's stamp arrived; says whether a report is due at once.
    pub fn received(&mut self, len: usize, stamp: u32, now: Time) -> bool {
        self.received += len as u64;
        (self.len, self.stamp, self.arrived) = (len, stamp, now);
        let frames = match len {
            ..=SHORT_FRAME => SHORT_FRAMES,
            _ if self.is_near() => LAN_FRAMES,
            _ => LONG_FRAMES,
        };
        let is_overdue = self.is_near() && now.since(self.told) >= LAN_TAIL;
        is_overdue || self.received - self.reported >= frames * len as u64
    }

    fn is_near(&self) -> bool {
        self.len > LAN_FRAME
    }

    /// When what is not reported yet is to be.
    pub fn timeout(&self) -> Option<Time> {
        let tail = if self.is_near() { LAN_TAIL } else { TAIL };
        (self.received > self.reported).then(|| self.arrived + tail)
    }

    /// Whether there is something to report that need not have a message of its own, when one goes anyway.
    pub fn takes_along(&self) -> bool {
        self.is_near() && self.received > self.reported
    }

    /// The report of a lane; it counts as sent.
    pub fn report(&mut self, lane: u8, now: Time) -> Report {
        (self.reported, self.told) = (self.received, now);
        let held = units_of(now.since(self.arrived));
        Report { lane, bytes: self.received, clock: stamp_of(self.arrived), echo: self.stamp, held }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn the_length_of_frames_decides_how_often_they_are_reported() {
        for (len, frames) in [(2_304, 2), (16 << 10, 2), (20_000, 4), (64 << 10, 4), (128 << 10, 16)] {
            let (mut reporter, now) = (Reporter::default(), Time::from_origin(MS * 100));

            let due = (0..32).filter(|_| {
                let due = reporter.received(len, 0, now);
                if due {
                    reporter.report(0, now);
                }
                due
            });
            assert_eq!(due.count(), 32 / frames, "frames of {len} bytes");
        }
    }

    #[test]
    fn a_frame_of_a_lan_is_reported_with_other_messages_or_after_a_while() {
        let (mut reporter, now) = (Reporter::default(), Time::from_origin(MS * 100));
        assert!(!reporter.received(128 << 10, 0, now));
        assert!(reporter.takes_along());
        assert_eq!(reporter.timeout(), Some(now + LAN_TAIL));
        assert!(
            reporter.received(128 << 10, 0, now + LAN_TAIL),
            "it does not wait for sixteen on a slow line"
        );

        reporter.report(0, now + LAN_TAIL);

        assert!(!reporter.takes_along());
        assert_eq!(reporter.timeout(), None);
    }
}
