//! A made-up WebRTC: connections between the peers, and what passes over them.
use super::{Id, World, happenings::Happening};
use crate::{
    net::Seen,
    peer::{Peer, Rtc},
};
use beeline_core::rtc::{Candidate, Channel, Description, LaneId, LaneState, RtcAction, RtcEvent, SdpKind};
use std::time::Duration;

impl World {
    /// The other end of a peer's connection: its partner, or the first that has one.
    fn other(&self, id: Id, lane: LaneId) -> Option<Id> {
        let has = |id: Id| self.peers[id].rtc.contains_key(&lane);
        let is_other = |other: Id| self.peers[id].partner.is_none_or(|partner| partner == other);
        (0..self.peers.len()).find(|other| *other != id && is_other(*other) && has(*other) && has(id))
    }

    /// A made-up WebRTC: descriptions carry a fingerprint, and once both sides have both, channels open.
    pub(super) fn act(&mut self, id: Id, action: RtcAction) {
        let sdp = |world: &World, lane: LaneId| {
            // A camera is a matter of the first connection.
            let sends_media = lane == LaneId::FIRST && world.peers[id].sends_media;
            let media = if sends_media { "m=video 9 UDP/TLS/RTP/SAVPF 96\r\n" } else { "" };
            format!("v=0\r\na=fingerprint:sha-256 {id:02X}\r\n{media}")
        };
        let describe = |world: &mut World, lane: LaneId, kind: SdpKind| {
            let description = Description { kind, sdp: sdp(world, lane) };
            let event = RtcEvent::Description { lane, description };
            world.at(Duration::from_millis(1), Happening::Rtc(id, event));
        };
        match action {
            RtcAction::Open { lane, offerer, .. } => {
                self.peers[id].rtc.insert(lane, Rtc::default());
                for channel in lane.channels() {
                    self.peers[id].buffered.insert((lane, *channel), 0);
                }
                self.most_lanes = self.most_lanes.max(self.peers[id].rtc.len());
                if offerer {
                    describe(self, lane, SdpKind::Offer);
                }
            }
            RtcAction::Offer { lane } | RtcAction::Restart { lane } => describe(self, lane, SdpKind::Offer),
            RtcAction::SetRemote { lane, description } => {
                if description.kind == SdpKind::Offer {
                    if lane == LaneId::FIRST {
                        self.peers[id].sees_media = description.sdp.contains("m=video");
                    }
                    describe(self, lane, SdpKind::Answer);
                }
                let candidate = Candidate(format!("candidate:{id}"));
                let event = RtcEvent::Candidate { lane, candidate };
                self.at(Duration::from_millis(2), Happening::Rtc(id, event));
                if let Some(rtc) = self.peers[id].rtc.get_mut(&lane) {
                    rtc.described = true;
                }
                self.open_channels(id, lane);
            }
            RtcAction::AddCandidate { .. } | RtcAction::Rollback { .. } => {}
            RtcAction::Close { lane } => {
                if let Some(other) = self.other(id, lane) {
                    let state = RtcEvent::State { lane, state: LaneState::Closed };
                    self.at(self.link.delay, Happening::Rtc(other, state));
                }
                self.peers[id].rtc.remove(&lane);
                self.peers[id].buffered.retain(|(of, _), _| *of != lane);
                if self.peers.iter().all(|peer| !peer.rtc.contains_key(&lane)) {
                    self.flows.remove(&lane);
                }
            }
        }
    }

    fn open_channels(&mut self, id: Id, lane: LaneId) {
        let described = |id: &Id| self.peers[*id].rtc.get(&lane).is_some_and(|rtc| rtc.described);
        let pair = [Some(id), self.other(id, lane)];
        let ready: Vec<Id> = pair.into_iter().flatten().filter(described).collect();
        let is_open = |peer: &Peer| peer.rtc.get(&lane).is_some_and(|rtc| rtc.channels);
        if ready.len() == 2 && ready.iter().any(|id| !is_open(&self.peers[*id])) {
            for id in ready {
                if let Some(rtc) = self.peers[id].rtc.get_mut(&lane) {
                    rtc.channels = true;
                }
                for channel in lane.channels().iter().copied() {
                    let event = RtcEvent::ChannelOpen { lane, channel, max_message: 262_144 };
                    self.at(self.link.delay * 3, Happening::Rtc(id, event));
                }
            }
        }
    }

    pub(super) fn advance_net(&mut self) {
        for seen in self.net.as_mut().map_or(Vec::new(), |net| net.advance(self.now)) {
            let (Seen::Message { flow, .. } | Seen::Buffered { flow, .. }) = &seen;
            let Some(lane) = self.flows.iter().find(|(_, known)| *known == flow).map(|(lane, _)| *lane)
            else {
                continue;
            };
            match seen {
                Seen::Message { end, content, .. }
                    if self.peers[end].dead || self.dead_lanes.contains(&lane) =>
                {
                    drop(content);
                }
                Seen::Message { end, stream, content, .. } => {
                    let channel = if stream == 0 { Channel::Control } else { Channel::Data };
                    match self.paused(end) {
                        Some(until) => self.at_time(until, Happening::Received(end, lane, channel, content)),
                        None => self.receive(end, lane, channel, &content),
                    }
                }
                Seen::Buffered { end, bytes, .. } => {
                    for channel in lane.channels() {
                        let left = bytes[usize::from(channel.stream())];
                        self.with_live(end, |s, now| s.handle_buffered(lane, *channel, left, now));
                    }
                }
            }
        }
    }

    /// A program gets a message from its browser.
    pub(super) fn receive(&mut self, id: Id, lane: LaneId, channel: Channel, content: &[u8]) {
        if channel == Channel::Control {
            self.tell_waiting(id);
        }
        self.peers[id].session.handle_message(lane, channel, content, self.now);
        self.drain(id, Some(content));
    }

    /// As browsers' drivers do when a report may come.
    fn tell_waiting(&mut self, end: Id) {
        let Some(net) = &self.net else { return };
        let waiting = self.flows.iter().map(|(lane, flow)| (*lane, net.buffered(*flow, end, 1)));
        for (lane, bytes) in waiting.collect::<Vec<_>>() {
            self.peers[end].session.handle_waiting(lane, bytes);
        }
    }

    pub(super) fn transmit(&mut self, from: Id, lane: LaneId, channel: Channel, mut message: Vec<u8>) {
        let Some(to) = self.other(from, lane) else { return };
        if let Some(mangle) = self.mangle {
            mangle(&mut self.random, channel, &mut message);
        }
        let len = message.len();
        if let Some(net) = &mut self.net {
            let flow = *self.flows.entry(lane).or_insert_with(|| net.browsers());
            net.advance_idle(self.now);
            return net.send(flow, from, channel.stream() as u8, len, message.into());
        }
        let (sent, arrives) = self.link.carry(from, (lane, channel), len, self.now, &mut self.random);
        *self.peers[from].buffered.entry((lane, channel)).or_default() += len as u64;
        if !self.dead_lanes.contains(&lane) {
            self.at_time(sent, Happening::Sent(from, lane, channel, len as u64));
            self.at_time(arrives, Happening::Message(to, lane, channel, message));
        }
    }
}
