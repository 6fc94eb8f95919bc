//! What the parts of a transfer want done, until the driver asks for it.
use crate::{
    output::{Event, Output},
    rtc::LaneId,
    transfer::Broken,
    wire::control::{Control, Together},
};
use std::collections::VecDeque;

/// Control bytes handed to the channel and not yet sent, at most, so that half a million names do not pile up
/// in it.
const CONTROL_QUEUE: u64 = 256 << 10;
/// Control bytes that wait for a side that does not read, at most.
const MAX_UNREAD: usize = 32 << 20;
/// Bytes of frames that go together in one message, at most: a message costs a page far more than its bytes.
const TOGETHER: usize = 4 << 10;
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
            && let Some(message) = self.next_message()
        {
            self.control_buffered += message.len() as u64;
            return Some(Output::Control { lane: LaneId::FIRST, message });
        }
        self.outputs.pop_front()
    }

    /// The next frame, with those behind it that fit in its message.
    fn next_message(&mut self) -> Option<Vec<u8>> {
        let mut frames = vec![self.control.pop_front()?];
        let mut len = frames[0].len();
        while let Some(next) = self.control.pop_front_if(|next| len + next.len() <= TOGETHER) {
            len += next.len();
            frames.push(next);
        }
        self.control_len -= len + frames.len() * FRAME_COST;
        match frames.len() {
            1 => frames.pop(),
            _ => Some(Control::from(Together { frames }).encode()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::control::{Cancel, CancelReason, Done, Ping};

    /// The frames of each message that goes.
    fn messages(outbox: &mut Outbox) -> Vec<Vec<Control>> {
        let whole = |frame: &[u8]| Control::decode(frame).expect("it is right").expect("it is known");
        let messages = std::iter::from_fn(|| match outbox.poll(true) {
            Some(Output::Control { message, .. }) => Some(whole(&message)),
            _ => None,
        });
        let frames = |message| match message {
            Control::Together(together) => together.frames.iter().map(|frame| whole(frame)).collect(),
            frame => vec![frame],
        };
        messages.map(frames).collect()
    }

    #[test]
    fn short_frames_that_wait_go_together_in_order() {
        let mut outbox = Outbox::default();
        let long = |transfer| Cancel { transfer, reason: CancelReason::Source, message: "x".repeat(3000) };
        let said: [Control; 5] =
            [Ping {}.into(), Done { transfer: 1 }.into(), long(2).into(), long(3).into(), Ping {}.into()];
        said.iter().cloned().for_each(|frame| outbox.control(frame));

        let heard = messages(&mut outbox);

        assert_eq!(heard.iter().map(Vec::len).collect::<Vec<_>>(), [3, 2]);
        assert_eq!(heard.concat(), said);
        assert_eq!(outbox.control_len, 0);
    }

    #[test]
    fn a_frame_alone_is_a_message_as_it_is() {
        let mut outbox = Outbox::default();
        outbox.control(Ping {});

        assert_eq!(
            outbox.poll(true),
            Some(Output::Control { lane: LaneId::FIRST, message: vec![0x10, 0xa0] })
        );
    }
}
