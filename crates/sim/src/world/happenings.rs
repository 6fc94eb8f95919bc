//! What is to happen, in order of time, and what the sessions then want.
use super::{Id, World};
use crate::{Disk, disk};
use beeline_core::{
    output::{Output, ToGuest, ToHost},
    rtc::{Channel, LaneId, RtcEvent},
    session::Session,
    time::Time,
    wire::signal::PeerId,
};
use rand_core::RngCore;
use std::{cmp::Reverse, sync::Arc, time::Duration};

/// From the end of a program's pause to the next, on average.
const BETWEEN: Duration = Duration::from_millis(500);

/// Something that will happen.
#[derive(Debug)]
pub(super) enum Happening {
    SocketOpen(Id),
    ToHub(Id, Vec<u8>),
    FromHub(Id, Vec<u8>),
    SocketClosed(Id),
    Disconnected(Id),
    Rtc(Id, RtcEvent),
    Message(Id, LaneId, Channel, Vec<u8>),
    /// A busy program comes to what a browser has received.
    Received(Id, LaneId, Channel, Arc<[u8]>),
    Sent(Id, LaneId, Channel, u64),
    Disk(Id, disk::Completion),
    ToGuest(Id, PeerId, ToGuest),
    ToHost(Id, ToHost),
}

impl World {
    /// Until when a peer's program has other things to do; nothing if it has not.
    pub(super) fn paused(&mut self, id: Id) -> Option<Time> {
        if self.net.is_none() || self.pauses.is_zero() {
            return None;
        }
        while self.peers[id].pause.1 <= self.now {
            let mut part = || (f64::from(self.random.next_u32()) + 1.0) / 4_294_967_296.0;
            let (gap, length) = (BETWEEN.mul_f64(-part().ln()), self.pauses.mul_f64(part()));
            let from = self.peers[id].pause.1.max(self.now) + gap;
            self.peers[id].pause = (from, from + length);
        }
        let (from, until) = self.peers[id].pause;
        (from <= self.now).then_some(until)
    }

    pub(super) fn at(&mut self, delay: Duration, happening: Happening) {
        self.at_time(self.now + delay, happening);
    }

    pub(super) fn at_time(&mut self, at: Time, happening: Happening) {
        self.number += 1;
        self.order.push(Reverse((at, self.number)));
        self.happenings.insert(self.number, happening);
    }

    pub(super) fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::SocketOpen(id) => {
                self.hub.connected(id);
                self.with_live(id, |s, now| s.handle_socket_open(now));
            }
            Happening::ToHub(id, message) => {
                self.hub.handle(id, &message);
                self.deliver_from_hub();
            }
            Happening::FromHub(id, message) => {
                self.with_live(id, |s, now| s.handle_socket_message(&message, now));
            }
            Happening::SocketClosed(id) => {
                self.with_live(id, |s, now| s.handle_socket_closed("the socket closed", now));
            }
            Happening::Disconnected(id) => {
                self.hub.gone(id);
                self.deliver_from_hub();
            }
            Happening::Rtc(id, event) => {
                if self.peers[id].rtc.contains_key(&event.lane()) {
                    self.with_live(id, |s, now| s.handle_rtc(event, now));
                }
            }
            Happening::Sent(id, lane, channel, len) => {
                if let Some(buffered) = self.peers[id].buffered.get_mut(&(lane, channel)) {
                    *buffered -= len;
                    let buffered = *buffered;
                    self.with_live(id, |s, now| s.handle_buffered(lane, channel, buffered, now));
                }
            }
            Happening::Received(id, lane, channel, content) => self.receive(id, lane, channel, &content),
            Happening::Message(id, lane, channel, message) => {
                if !self.peers[id].dead && !self.dead_lanes.contains(&lane) {
                    let now = self.now;
                    self.peers[id].session.handle_message(lane, channel, &message, now);
                    self.drain(id, Some(&message));
                }
            }
            Happening::ToGuest(host, guest, news) => {
                if let Some(id) = self.guest(host, guest) {
                    self.with_live(id, |s, now| s.handle_to_guest(news, now));
                }
            }
            Happening::ToHost(id, said) => {
                if let Some((host, guest)) = self.peers[id].host {
                    self.with_live(host, |s, now| s.handle_to_host(guest, said, now));
                }
            }
            Happening::Disk(id, completion) => {
                self.with_live(id, |s, now| completion.report(s, now));
            }
        }
    }

    pub(super) fn with_live(&mut self, id: Id, act: impl FnOnce(&mut Session, Time)) {
        if !self.peers[id].dead {
            self.with(id, act);
        }
    }

    pub(super) fn deliver_from_hub(&mut self) {
        for (to, message) in std::mem::take(&mut self.hub.outbox) {
            let happening = match message {
                Some(message) => Happening::FromHub(to, message),
                None => Happening::SocketClosed(to),
            };
            self.at(self.server_delay, happening);
        }
    }

    pub(super) fn drain(&mut self, id: Id, message: Option<&[u8]>) {
        loop {
            match self.peers[id].session.poll_output() {
                Output::Connect => self.at(self.server_delay, Happening::SocketOpen(id)),
                Output::Disconnect => self.at(self.server_delay, Happening::Disconnected(id)),
                Output::Signal(message) => self.at(self.server_delay, Happening::ToHub(id, message)),
                Output::Rtc(action) => self.act(id, action),
                Output::Control { lane, message } => self.transmit(id, lane, Channel::Control, message),
                Output::Data { lane, transfer, stamp, runs } => {
                    let frame = self.peers[id].blocks.frame(transfer, stamp, &runs, Vec::with_capacity);
                    let frame = frame.expect("the session sends what it has read");
                    self.transmit(id, lane, Channel::Data, frame);
                }
                Output::Event(event) => self.peers[id].events.push(event),
                Output::Guest(peer) => self.add_guest(id, peer),
                Output::ToGuest(peer, news) => self.at(Duration::ZERO, Happening::ToGuest(id, peer, news)),
                Output::ToHost(said) => self.at(Duration::ZERO, Happening::ToHost(id, said)),
                Output::Wait(wake) => {
                    self.peers[id].wake = wake;
                    return;
                }
                other => {
                    if let Some(completion) = self.peers[id].disk_output(other, message) {
                        self.at(Disk::LATENCY, Happening::Disk(id, completion));
                    }
                }
            }
        }
    }
}
