//! How many bytes may be on the way on a lane.
//!
//! This one does not hold a lane back; it only measures.
use crate::{time::Time, wire::control::Report};
use std::time::Duration;

/// What a throttle knows of its lane.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Figures {
    /// The smallest round trip so far.
    pub(super) rtt: Option<Duration>,
    /// The lane carries less than it is given: its engine is what holds it back.
    pub(super) engine_limited: bool,
}

/// One lane's.
#[derive(Debug)]
pub(super) struct Throttle {
    figures: Figures,
}

impl Throttle {
    pub(super) fn new(_now: Time) -> Self {
        Self { figures: Figures { rtt: None, engine_limited: true } }
    }

    /// A data frame was given to the lane.
    pub(super) fn sent(&mut self, _bytes: u64, _now: Time) {}

    /// The receiver reported.
    pub(super) fn report(&mut self, report: &Report, now: Time) {
        if let Some(rtt) = super::pump::since_stamp(report.echo, now) {
            self.figures.rtt = Some(self.figures.rtt.map_or(rtt, |smallest| smallest.min(rtt)));
        }
    }

    /// Bytes that may be given to the lane now.
    pub(super) fn room(&self, _now: Time) -> u64 {
        u64::MAX
    }

    /// When there may be room without a report.
    pub(super) fn timeout(&self) -> Option<Time> {
        None
    }

    pub(super) fn figures(&self) -> Figures {
        self.figures
    }
}
