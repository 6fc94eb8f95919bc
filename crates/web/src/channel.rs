//! A data channel, on whichever thread holds it.
//!
//! The page makes the channels, because only a page can make connections. Where the browser can, it gives them to
//! the worker at once, so that file bytes never visit the page's thread; elsewhere it keeps them and passes on what
//! they say and are to send.
use beeline_core::rtc;
use js_sys::{ArrayBuffer, Uint8Array};
use wasm_bindgen::{JsCast, prelude::Closure};
use web_sys::{Event, MessageEvent, RtcDataChannel, RtcDataChannelState, RtcDataChannelType};

/// A channel that held more says so when it holds no more than this many bytes.
///
/// Less than what the core gives a channel at a time (320 KiB, of control 256 KiB), or it would never be heard; of file
/// bytes so much that the line never waits for the next.
pub(crate) const fn low(channel: rtc::Channel) -> u32 {
    match channel {
        rtc::Channel::Control => 64 << 10,
        rtc::Channel::Data => 192 << 10,
    }
}

/// What a channel says.
pub(crate) enum Happened {
    /// It is open in both directions.
    Open,
    /// One message.
    Message(ArrayBuffer),
    /// It holds no more than [`low`] says, and did before.
    Low,
    /// The other side closed: DTLS or SCTP said so.
    Closed,
}

/// An open or opening channel; silent when dropped. Its connection closes it.
pub(crate) struct Channel {
    channel: RtcDataChannel,
    _handlers: [Closure<dyn FnMut(Event)>; 4],
}

impl Channel {
    /// Listens to a channel; it has not opened yet.
    pub(crate) fn new(channel: RtcDataChannel, low: u32, tell: impl Fn(Happened) + Clone + 'static) -> Self {
        // Said on this thread: what was said before a transfer need not have come along.
        channel.set_binary_type(RtcDataChannelType::Arraybuffer);
        channel.set_buffered_amount_low_threshold(low);
        let on = |what: fn(Event) -> Happened| {
            let tell = tell.clone();
            Closure::<dyn FnMut(_)>::new(move |event| tell(what(event)))
        };
        let handlers = [
            on(|_| Happened::Open),
            on(|event| Happened::Message(bytes(event.unchecked_ref()))),
            on(|_| Happened::Low),
            on(|_| Happened::Closed),
        ];
        let [open, message, lowered, closed] = handlers.each_ref().map(|h| Some(h.as_ref().unchecked_ref()));
        channel.set_onopen(open);
        channel.set_onmessage(message);
        channel.set_onbufferedamountlow(lowered);
        channel.set_onclose(closed);
        Self { channel, _handlers: handlers }
    }

    /// Sends one message. One that a closing channel loses is lost: that it closes is said by itself.
    pub(crate) fn send(&self, message: &[u8]) {
        if self.channel.ready_state() == RtcDataChannelState::Open {
            let _ = self.channel.send_with_u8_array(message);
        }
    }

    /// The same for a buffer; whether it was taken.
    pub(crate) fn send_buffer(&self, message: &ArrayBuffer) -> bool {
        self.channel.ready_state() == RtcDataChannelState::Open
            && self.channel.send_with_array_buffer(message).is_ok()
    }

    /// Bytes that were sent and have not left.
    pub(crate) fn buffered(&self) -> u32 {
        self.channel.buffered_amount()
    }

    /// Whether it holds so little that it will not say when it holds less.
    pub(crate) fn is_low(&self) -> bool {
        self.channel.buffered_amount() <= self.channel.buffered_amount_low_threshold()
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        // First, so that closing here is not taken for the other side's.
        self.channel.set_onopen(None);
        self.channel.set_onmessage(None);
        self.channel.set_onbufferedamountlow(None);
        self.channel.set_onclose(None);
    }
}

fn bytes(event: &MessageEvent) -> ArrayBuffer {
    event.data().dyn_into().unwrap_or_else(|other| {
        // A text message is a breach of the protocol; the core says so about its bytes.
        Uint8Array::from(other.as_string().unwrap_or_default().as_bytes()).buffer()
    })
}
