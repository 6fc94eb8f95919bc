//! The data channels: those that the page gave to this thread, and those that it had to keep.
use super::{
    clock::now,
    driver::{Driver, Machine},
    post_data,
};
use crate::{
    browser,
    channel::{self, Happened, low},
};
use beeline_core::{
    map::Map,
    rtc::{Channel, LaneId, LaneState, RtcEvent},
    wire::signal::PeerId,
};
use js_sys::{ArrayBuffer, Uint8Array};
use litemap::LiteMap;
use std::mem;
use wasm_bindgen::{JsCast, JsValue};

/// Bytes of messages after which the collector is hurried. A buffer of four times as many comes from the system and has
/// no memory yet.
const HURRY: u32 = 1 << 20;

/// A channel by its lane and its stream.
type Place = (u8, u16);

/// All channels of the session.
#[derive(Default)]
pub(super) struct Channels {
    guest: PeerId,
    held: LiteMap<Place, Held>,
    /// Bytes handed to the page for each channel it kept: what is not reported as left is buffered.
    posted: Map<Place, u64>,
    /// How long a message may be, by lane; the page learns it from the descriptions.
    limits: Map<u8, u32>,
    /// Open, but nothing is known of their limit.
    unlimited: Vec<Place>,
    /// Bytes of messages since the collector was hurried.
    heard: u32,
}

/// A channel of this thread.
struct Held {
    channel: channel::Channel,
    /// Something was sent since the session heard how much is buffered.
    sent: bool,
}

impl Channels {
    /// For the session of a guest, or the page's own.
    pub(super) fn new(guest: PeerId) -> Self {
        Self { guest, ..Self::default() }
    }

    /// A message of so many bytes will leave this thread, and nothing of it will be left to collect.
    pub(super) fn handed_on(&mut self, bytes: u32) {
        self.heard = self.heard.saturating_sub(bytes);
    }

    /// So many bytes of messages that were to leave this thread do not.
    pub(super) fn kept_back(&mut self, bytes: u32) {
        self.heard += bytes;
    }

    /// Sends one message.
    pub(super) fn send(&mut self, lane: LaneId, channel: Channel, message: &[u8]) {
        let place = (lane.0, channel.stream());
        if let Some(held) = self.held.get_mut(&place) {
            held.channel.send(message);
            held.sent = true;
        } else {
            *self.posted.get_or_default(place) += message.len() as u64;
            post_data(self.guest, place.0, place.1, &Uint8Array::from(message).buffer());
        }
    }

    /// A channel that was sent on, holds little, and so will not say when it holds less; with what it holds.
    ///
    /// To be asked when nothing is to be sent, because what is still to come does not count yet.
    pub(super) fn quiet(&mut self) -> Option<(LaneId, Channel, u64)> {
        self.held.iter_mut().find_map(|(place, held)| {
            (held.sent && held.channel.is_low()).then(|| {
                held.sent = false;
                (LaneId(place.0), channel_of(place.1), u64::from(held.channel.buffered()))
            })
        })
    }

    /// What waits in the data channels of this thread.
    fn waiting(&self) -> impl Iterator<Item = (LaneId, u64)> {
        let data = self.held.iter().filter(|(place, _)| channel_of(place.1) == Channel::Data);
        data.map(|(place, held)| (LaneId(place.0), u64::from(held.channel.buffered())))
    }

    /// A lane is to be closed: its channels say nothing any more.
    pub(super) fn forget(&mut self, lane: LaneId) {
        self.held.retain(|place, _| place.0 != lane.0);
        self.posted.retain(|place, _| place.0 != lane.0);
        self.unlimited.retain(|place| place.0 != lane.0);
        self.limits.remove(&lane.0);
    }
}

impl Driver {
    /// The page gives a channel away.
    pub(super) fn given(&self, lane: u8, stream: u16, channel: JsValue) {
        let driver = self.clone();
        let tell = move |happened| match happened {
            Happened::Open => driver.opened(lane, stream),
            Happened::Message(bytes) => driver.channel_said(lane, stream, &bytes),
            Happened::Low => driver.low(lane, stream),
            Happened::Closed => {
                driver.rtc(RtcEvent::State { lane: LaneId(lane), state: LaneState::Closed });
            }
        };
        let channel = channel::Channel::new(channel.unchecked_into(), low(channel_of(stream)), tell);
        let held = Held { channel, sent: false };
        self.0.borrow_mut().channels.held.insert((lane, stream), held);
    }

    /// A channel is open, here or with the page.
    pub(super) fn opened(&self, lane: u8, stream: u16) {
        let limit = {
            let channels = &mut self.0.borrow_mut().channels;
            let limit = channels.limits.get(&lane).copied();
            if limit.is_none() {
                channels.unlimited.push((lane, stream));
            }
            limit
        };
        if let Some(max_message) = limit {
            let (lane, channel) = (LaneId(lane), channel_of(stream));
            self.rtc(RtcEvent::ChannelOpen { lane, channel, max_message: max_message as usize });
        }
    }

    /// The page has learnt how long a message may be.
    pub(super) fn limited(&self, lane: u8, max_message: u32) {
        let waiting = {
            let channels = &mut self.0.borrow_mut().channels;
            channels.limits.insert(lane, max_message);
            let open = mem::take(&mut channels.unlimited);
            let (waiting, others) = open.into_iter().partition::<Vec<_>, _>(|place| place.0 == lane);
            channels.unlimited = others;
            waiting
        };
        waiting.into_iter().for_each(|(lane, stream)| self.opened(lane, stream));
    }

    /// One message of a channel.
    pub(super) fn channel_said(&self, lane: u8, stream: u16, bytes: &ArrayBuffer) {
        let mut machine = self.0.borrow_mut();
        let view = Uint8Array::new(bytes);
        let mut message = mem::take(&mut machine.scratch);
        message.resize(view.length() as usize, 0);
        view.copy_to(&mut message);
        let Machine { session, channels, .. } = &mut *machine;
        if let Some(session) = session {
            if channel_of(stream) == Channel::Control {
                for (lane, bytes) in channels.waiting() {
                    session.handle_waiting(lane, bytes);
                }
            }
            session.handle_message(LaneId(lane), channel_of(stream), &message, now());
        }
        machine.channels.heard += bytes.byte_length();
        self.pump_with(&mut machine, &message, Some(bytes));
        machine.scratch = message;
        if machine.channels.heard >= HURRY {
            browser::hurry_collector(mem::take(&mut machine.channels.heard));
        }
    }

    /// So much has left a channel of the page since it was opened.
    pub(super) fn left(&self, lane: u8, stream: u16, left: u64) {
        let posted = self.0.borrow().channels.posted.get(&(lane, stream)).copied().unwrap_or_default();
        let buffered = posted.saturating_sub(left);
        self.act(|s, now| s.handle_buffered(LaneId(lane), channel_of(stream), buffered, now));
    }

    fn low(&self, lane: u8, stream: u16) {
        let buffered = self.0.borrow().channels.held.get(&(lane, stream)).map(|held| held.channel.buffered());
        if let Some(buffered) = buffered {
            let (lane, channel) = (LaneId(lane), channel_of(stream));
            self.act(|s, now| s.handle_buffered(lane, channel, u64::from(buffered), now));
        }
    }
}

impl Machine {
    /// Tells the session of a channel that would not say anything itself; whether there was one.
    pub(super) fn tell_quiet(&mut self) -> bool {
        let (Some((lane, channel, buffered)), Some(session)) = (self.channels.quiet(), &mut self.session)
        else {
            return false;
        };
        session.handle_buffered(lane, channel, buffered, now());
        true
    }
}

/// Only these two are ever opened.
fn channel_of(stream: u16) -> Channel {
    if stream == Channel::Control.stream() { Channel::Control } else { Channel::Data }
}
