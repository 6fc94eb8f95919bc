//! File bytes to the lanes, and from them.
use super::{Broken, Transfers};
use crate::{
    output::*,
    rtc::{Channel, LaneId},
    time::Time,
    wire::{
        control,
        data::{self, DataFrame},
    },
};

impl Transfers {
    /// The control channel is open: what was offered before goes out.
    pub(crate) fn handle_connected(&mut self, media: bool, now: Time) {
        self.connected = true;
        let (max_frame, media) = (data::MAX_FRAME_LEN as u32, media.then_some(true));
        let hello = control::Hello { max_frame, lanes: 1, media };
        self.outbox.control(hello);
        for (id, text) in self.texts.clone() {
            self.offer_text(id, text);
        }
        self.pump(now);
    }

    pub(crate) fn handle_lane(&mut self, lane: LaneId, max_message: usize, now: Time) {
        self.lanes.open(lane, max_message, now);
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

    pub(crate) fn handle_data(&mut self, lane: LaneId, message: &[u8], now: Time) -> Result<(), Broken> {
        let Some(DataFrame { transfer, stamp, runs }) =
            data::decode(message).map_err(|error| Broken(error.to_string()))?
        else {
            return Ok(());
        };
        if let Some(report) = self.lanes.received(lane, message.len(), stamp, now) {
            self.outbox.control(report);
        }
        self.receive(transfer.0, |receiving, out| receiving.handle_runs(&runs, out))?;
        self.tidy(now);
        Ok(())
    }

    /// Gives every lane with room something to carry.
    pub(super) fn pump(&mut self, now: Time) {
        if !self.connected {
            return;
        }
        let stamp = stamp_of(now);
        for (id, sending) in &mut self.sending {
            sending.pages(&mut self.outbox);
            sending.read_ahead(&mut self.outbox);
            while let Some((lane, max_frame)) = self.lanes.with_room(now) {
                let Some(runs) = sending.frame(max_frame, &mut self.outbox) else { break };
                let bytes: usize = runs.iter().map(|r| data::RUN_HEADER + usize::from(r.len)).sum();
                self.lanes.sent(lane, (data::FRAME_HEADER + bytes) as u64, now);
                self.outbox.push(Output::Data { lane, transfer: *id, stamp, runs });
                sending.forget_sent(&mut self.outbox);
                sending.read_ahead(&mut self.outbox);
            }
        }
    }

    pub(crate) fn poll_output(&mut self) -> Option<Output> {
        self.outbox.poll(self.connected)
    }
}

/// The clock as it goes on the wire: 0.1 ms, modulo 2^32.
pub(crate) fn stamp_of(now: Time) -> u32 {
    (now.since_origin().as_micros() / 100) as u32
}
