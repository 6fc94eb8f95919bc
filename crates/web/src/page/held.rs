//! A channel that the browser cannot give to the worker: the page passes on what it says and is to send.
use crate::{
    channel::{self, Channel, Happened},
    messages::{self, Lane, ToWorker},
};
use beeline_core::{rtc, wire::signal::PeerId};
use js_sys::{Array, ArrayBuffer};
use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};
use wasm_bindgen::JsValue;
use web_sys::{RtcDataChannel, Worker};

/// While the channel holds little, it says nothing: then this many sent bytes are reported together.
const REPORT: f64 = 128.0 * 1024.0;

/// The channel, and the worker that it is for.
pub(super) struct Held {
    worker: Worker,
    guest: PeerId,
    lane: u8,
    number: u16,
    channel: RefCell<Option<Channel>>,
    /// Bytes given to the channel, and how many of those were reported as left.
    sent: Cell<f64>,
    reported: Cell<f64>,
}

impl Held {
    pub(super) fn new(
        worker: Worker,
        (guest, lane): (PeerId, u8),
        kind: rtc::Channel,
        channel: RtcDataChannel,
    ) -> Rc<Self> {
        let held = Rc::new(Self {
            worker,
            guest,
            lane,
            number: kind.stream(),
            channel: RefCell::new(None),
            sent: Cell::default(),
            reported: Cell::default(),
        });
        let weak = Rc::downgrade(&held);
        let tell = move |happened| weak.upgrade().iter().for_each(|held| held.happened(&happened));
        held.channel.replace(Some(Channel::new(channel, channel::low(kind), tell)));
        held
    }

    pub(super) fn send(&self, bytes: &ArrayBuffer) {
        let channel = self.channel.borrow();
        let Some(channel) = channel.as_ref().filter(|channel| channel.send_buffer(bytes)) else { return };
        self.sent.set(self.sent.get() + f64::from(bytes.byte_length()));
        if channel.is_low() && self.sent.get() - self.reported.get() >= REPORT {
            self.left(channel);
        }
    }

    fn happened(&self, happened: &Happened) {
        match happened {
            Happened::Open => self.report(&ToWorker::ChannelOpen { lane: self.lane, channel: self.number }),
            Happened::Message(bytes) => {
                let message = messages::data(self.guest, self.lane, self.number, bytes);
                let _ = self.worker.post_message_with_transfer(&message, &Array::of1(bytes));
            }
            Happened::Low => self.channel.borrow().iter().for_each(|channel| self.left(channel)),
            Happened::Closed => self.report(&ToWorker::Lane { lane: self.lane, state: Lane::Closed }),
        }
    }

    fn left(&self, channel: &Channel) {
        let left = self.sent.get() - f64::from(channel.buffered());
        self.reported.set(left);
        self.report(&ToWorker::Left { lane: self.lane, channel: self.number, bytes: left });
    }

    fn report(&self, message: &ToWorker) {
        let _ = self.worker.post_message(&messages::control(self.guest, message, &JsValue::NULL));
    }
}
