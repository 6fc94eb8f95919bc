//! File bytes to the lanes, and from them.
use super::{
    Broken, Transfers,
    lanes::{Runs, Wish},
    sending::Sending,
};
use crate::{
    link::MAX_LANES,
    output::*,
    rtc::{Channel, LaneId},
    time::Time,
    wire::{
        control,
        data::{self, DataFrame},
    },
};
use std::time::Duration;

impl Transfers {
    /// The control channel is open: what was offered before goes out.
    pub(crate) fn handle_connected(&mut self, media: bool, now: Time) {
        self.connected = true;
        let (max_frame, media) = (data::MAX_FRAME_LEN as u32, media.then_some(true));
        let hello = control::Hello { max_frame, lanes: MAX_LANES, media };
        self.outbox.control(hello);
        for (id, text) in self.texts.clone() {
            self.offer_text(id, text);
        }
        self.pump(now);
    }

    /// A lane's data channel is open.
    pub(crate) fn handle_lane(&mut self, lane: LaneId, max_message: usize, now: Time) {
        self.lanes.open(lane, max_message, now);
        self.pump(now);
    }

    /// A lane is no more: what was on the way on it goes on others.
    pub(crate) fn handle_lane_closed(&mut self, lane: LaneId, now: Time) {
        let lost = self.lanes.close(lane, now);
        self.send_again(lost);
        self.pump(now);
    }

    pub(crate) fn handle_lane_state(&mut self, lane: LaneId, is_connected: bool, now: Time) {
        self.lanes.handle_state(lane, is_connected);
        self.pump(now);
    }

    pub(crate) fn handle_buffered(&mut self, lane: LaneId, channel: Channel, buffered: u64, now: Time) {
        match channel {
            Channel::Control if lane == LaneId::FIRST => self.outbox.handle_buffered(buffered),
            Channel::Control => {}
            Channel::Data => self.lanes.handle_buffered(lane, buffered),
        }
        self.pump(now);
    }

    pub(crate) fn handle_waiting(&mut self, lane: LaneId, bytes: u64) {
        self.lanes.handle_waiting(lane, bytes);
    }

    /// The other side says what has arrived on a lane.
    pub(super) fn handle_report(&mut self, report: &control::Report, now: Time) -> Result<(), Broken> {
        for (transfer, runs) in self.lanes.handle_report(report, now)? {
            if let Some(sending) = self.sending.get_mut(&transfer) {
                sending.arrived(&runs, now);
            }
        }
        Ok(())
    }

    pub(crate) fn handle_data(&mut self, lane: LaneId, message: &[u8], now: Time) -> Result<(), Broken> {
        let Some(DataFrame { transfer, stamp, runs }) =
            data::decode(message).map_err(|error| Broken(error.to_string()))?
        else {
            return Ok(());
        };
        if let Some(report) = self.lanes.received(lane, message.len(), stamp, now) {
            self.outbox.control(report);
        }
        self.receive(transfer.0, |receiving, out| receiving.handle_runs(&runs, now, out))?;
        self.tidy(now);
        Ok(())
    }

    /// Gives every lane with room something to carry.
    pub(super) fn pump(&mut self, now: Time) {
        if !self.connected {
            return;
        }
        let stuck = self.lanes.take_stuck(now);
        self.send_again(stuck);
        self.fill(now);
        // Room, and nothing else for it: what is late elsewhere.
        let late = self.lanes.take_late(now);
        if !late.is_empty() {
            self.send_again(late);
            self.fill(now);
        }
        let is_moving = self.sending.values().any(Sending::is_moving);
        self.lanes.handle_moving(is_moving, now);
    }

    fn fill(&mut self, now: Time) {
        let stamp = stamp_of(now);
        for (id, sending) in &mut self.sending {
            sending.pages(&mut self.outbox);
            sending.read_ahead(&mut self.outbox);
            let mut idle = Vec::new();
            while let Some((lane, max_frame)) = self.lanes.next(&idle, now) {
                let carries = |other| self.lanes.carries(other, now);
                let Some(runs) = sending.frame(lane, max_frame, carries, &mut self.outbox) else {
                    if !sending.has_frame() {
                        break;
                    }
                    idle.push(lane); // what there is others finish
                    continue;
                };
                let bytes: usize = runs.iter().map(|r| data::RUN_HEADER + r.len as usize).sum();
                self.lanes.sent(lane, (data::FRAME_HEADER + bytes) as u64, *id, &runs, now);
                self.outbox.push(Output::Data { lane, transfer: *id, stamp, runs });
                sending.forget_sent(&mut self.outbox);
                sending.read_ahead(&mut self.outbox);
            }
        }
    }

    fn send_again(&mut self, lost: Runs) {
        for (transfer, runs) in lost {
            if let Some(sending) = self.sending.get_mut(&transfer) {
                sending.send_again(&runs);
            }
        }
    }

    /// What is to be done about the lanes, when it is time.
    pub(crate) fn wishes(&mut self, now: Time) -> Vec<Wish> {
        let is_waiting = self.lanes.next(&[], now).is_none() && self.sending.values().any(Sending::has_frame);
        self.lanes.tend(is_waiting, now)
    }

    pub(crate) fn poll_output(&mut self) -> Option<Output> {
        self.outbox.poll(self.connected)
    }
}

/// The clock as it goes on the wire: 0.1 ms, modulo 2^32.
pub(crate) fn stamp_of(now: Time) -> u32 {
    units_of(now.since_origin())
}

/// A span in those units. Not of `as_micros`: a browser has no division of 128 bits.
pub(crate) fn units_of(span: Duration) -> u32 {
    ((span.as_secs() * 10_000) as u32).wrapping_add(span.subsec_micros() / 100)
}

/// How long ago a stamp was made; `None` if it was not, or too long ago to tell (five days).
pub(super) fn since_stamp(stamp: u32, now: Time) -> Option<Duration> {
    let units = stamp_of(now).wrapping_sub(stamp);
    (units < 1 << 31).then(|| Duration::from_micros(u64::from(units) * 100))
}
