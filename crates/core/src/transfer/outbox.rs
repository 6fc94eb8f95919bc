//! What the parts of a transfer want done, until the driver asks for it.
use crate::{
    output::{Event, Output},
    rtc::LaneId,
    transfer::Broken,
    wire::control::Control,
};
use std::collections::VecDeque;

/// Control bytes handed to the channel and not yet sent, at most, so that half a million names do not pile up
/// in it.
const CONTROL_QUEUE: u64 = 256 << 10;
/// Control bytes that wait for a side that does not read, at most.
const MAX_UNREAD: usize = 32 << 20;
/// What a waiting frame costs beside its bytes.
const FRAME_COST: usize = 64;

/// Control frames and other outputs, in order.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    pub(crate) outputs: VecDeque<Output>,
    control: VecDeque<Vec<u8>>,
    control_len: usize,
    /// Handed to the control channel and not known to be sent.
    control_buffered: u64,
}

impl Outbox {
    pub(crate) fn control(&mut self, frame: impl Into<Control>) {
        let frame = frame.into().encode();
        self.control_len += frame.len() + FRAME_COST;
        self.control.push_back(frame);
    }

    pub(crate) fn event(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    pub(super) fn push(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    pub(super) fn handle_buffered(&mut self, buffered: u64) {
        self.control_buffered = buffered;
    }

    /// Whether the control channel has room.
    pub(super) fn has_room(&self) -> bool {
        self.control_buffered < CONTROL_QUEUE
    }

    /// Control frames that wait here.
    pub(super) fn waiting(&self) -> usize {
        self.control.len()
    }

    /// A side that asks and asks and never reads the answers is not served for ever.
    pub(super) fn is_read(&self) -> Result<(), Broken> {
        match self.control_len > MAX_UNREAD {
            true => Err(Broken("it does not read what it asks for".into())),
            false => Ok(()),
        }
    }

    /// Control frames come first, once they can be sent: a digest should not wait behind the data it is for.
    pub(super) fn poll(&mut self, connected: bool) -> Option<Output> {
        if connected
            && self.has_room()
            && let Some(message) = self.control.pop_front()
        {
            self.control_buffered += message.len() as u64;
            self.control_len -= message.len() + FRAME_COST;
            return Some(Output::Control { lane: LaneId::FIRST, message });
        }
        self.outputs.pop_front()
    }
}
