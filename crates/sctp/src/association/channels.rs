//! Channels over streams: opening, closing, and what a message's identifier means (RFC 8831 §6).
use std::collections::BTreeMap;

use bytes::Bytes;

use super::Event;
use crate::{
    ChannelConfig, Message, Reliability, Time,
    dcep::{Dcep, ppid},
    send::Streams,
};

#[derive(Debug)]
struct Channel {
    config: ChannelConfig,
    state: ChannelState,
}

/// ```text
/// Opening ─ACK, or any message─> Open ─close, or the peer's reset─> Closing ─both reset─> (gone)
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ChannelState {
    Opening,
    Open,
    /// Which directions were reset.
    Closing {
        outgoing: bool,
        incoming: bool,
    },
}

#[derive(Debug, Default)]
pub(super) struct Channels {
    channels: BTreeMap<u16, Channel>,
}

impl Channels {
    pub(super) fn open(&mut self, stream: u16, config: ChannelConfig, streams: &mut Streams, now: Time) {
        let open = Dcep::Open(config.clone()).to_bytes().into();
        streams.push(stream, ppid::DCEP, open, false, Reliability::Reliable, now);
        self.channels.insert(stream, Channel { config, state: ChannelState::Opening });
    }

    pub(super) fn open_negotiated(&mut self, stream: u16, config: ChannelConfig) {
        self.channels.insert(stream, Channel { config, state: ChannelState::Open });
    }

    /// How to send a message; `None` if the channel is not open.
    pub(super) fn message(
        &self,
        stream: u16,
        text: bool,
        payload: Bytes,
    ) -> Option<(u32, Bytes, bool, Reliability)> {
        let channel = self.channels.get(&stream)?;
        // RFC 8832 §6: in order until the peer certainly knows the channel.
        let unordered = match channel.state {
            ChannelState::Opening => false,
            ChannelState::Open => channel.config.unordered,
            ChannelState::Closing { .. } => return None,
        };
        // RFC 8831 §6.6: an empty message travels as one zero byte and an identifier that says so.
        let (ppid, payload) = match (text, payload.is_empty()) {
            (true, false) => (ppid::STRING, payload),
            (true, true) => (ppid::STRING_EMPTY, Bytes::from_static(&[0])),
            (false, false) => (ppid::BINARY, payload),
            (false, true) => (ppid::BINARY_EMPTY, Bytes::from_static(&[0])),
        };
        Some((ppid, payload, unordered, channel.config.reliability))
    }

    pub(super) fn handle_message(&mut self, message: Message, streams: &mut Streams) -> Option<Event> {
        let Message { stream, ppid, payload } = message;
        if ppid == ppid::DCEP {
            return self.handle_dcep(stream, &payload, streams);
        }
        let channel = self.channels.get_mut(&stream)?;
        if channel.state == ChannelState::Opening {
            channel.state = ChannelState::Open;
        }
        let (text, payload) = match ppid {
            ppid::STRING | ppid::STRING_PARTIAL => (true, payload),
            ppid::STRING_EMPTY => (true, Bytes::new()),
            ppid::BINARY | ppid::BINARY_PARTIAL => (false, payload),
            ppid::BINARY_EMPTY => (false, Bytes::new()),
            _ => return None,
        };
        Some(Event::Message { stream, text, payload })
    }

    fn handle_dcep(&mut self, stream: u16, payload: &[u8], streams: &mut Streams) -> Option<Event> {
        match Dcep::parse(payload) {
            Ok(Dcep::Open(config)) => {
                if self.channels.contains_key(&stream) {
                    return None; // RFC 8832 §6: an error of the peer; the channel that is there stays
                }
                // The lifetime of an acknowledgement never ends, so the time does not matter.
                let ack = Dcep::Ack.to_bytes().into();
                streams.push(stream, ppid::DCEP, ack, false, Reliability::Reliable, Time::ZERO);
                self.channels.insert(stream, Channel { config: config.clone(), state: ChannelState::Open });
                Some(Event::ChannelOpened { stream, config })
            }
            Ok(Dcep::Ack) => {
                let channel = self.channels.get_mut(&stream)?;
                if matches!(channel.state, ChannelState::Closing { .. }) {
                    return None;
                }
                channel.state = ChannelState::Open;
                Some(Event::ChannelOpened { stream, config: channel.config.clone() })
            }
            Err(error) => {
                tracing::debug!(%error, stream, "DCEP");
                None
            }
        }
    }

    /// We close: true if our direction is to be reset.
    pub(super) fn close(&mut self, stream: u16) -> bool {
        let Some(channel) = self.channels.get_mut(&stream) else { return false };
        let first = !matches!(channel.state, ChannelState::Closing { .. });
        if first {
            channel.state = ChannelState::Closing { outgoing: false, incoming: false };
        }
        first
    }

    /// The peer reset its direction. `(ours must be reset too, the channel is gone)`.
    pub(super) fn handle_incoming_reset(&mut self, stream: u16) -> (bool, bool) {
        let reset_ours = self.close(stream);
        (reset_ours, self.mark(stream, false))
    }

    /// The peer confirmed that our direction is reset. True if the channel is gone.
    pub(super) fn handle_outgoing_reset(&mut self, stream: u16) -> bool {
        self.mark(stream, true)
    }

    fn mark(&mut self, stream: u16, ours: bool) -> bool {
        let Some(Channel { state: ChannelState::Closing { outgoing, incoming }, .. }) =
            self.channels.get_mut(&stream)
        else {
            return false;
        };
        *(if ours { &mut *outgoing } else { &mut *incoming }) = true;
        let gone = *outgoing && *incoming;
        if gone {
            self.channels.remove(&stream);
        }
        gone
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = u16> {
        self.channels.keys().copied()
    }
}
