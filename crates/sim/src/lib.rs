//! Two sessions, one clock, links with rate, delay, loss and cuts: minutes of network in milliseconds.
//!
//! ```text
//! Peer a ─ signal ──> Hub ──> signal ─ Peer b        the hub keeps rooms, and can be told to misbehave
//!    └──── control, data: Link with rate, delay ────┘
//! ```
//!
//! Everything follows from a seed. A [`World`] holds the events to come in a heap and moves its clock from one
//! to the next; nothing sleeps.
mod disk;
mod hub;
pub mod lanes;
mod link;
pub mod net;
mod peer;

pub use disk::{Disk, files};
pub use hub::Hub;
pub use link::Link;
pub use peer::Peer;

use net::{Flow, Net, Path, Seen};

use beeline_core::{
    code::Code,
    output::{Event, Output, ToGuest, ToHost},
    rtc::{Candidate, Channel, Description, LaneId, LaneState, RtcAction, RtcEvent, SdpKind},
    session::{Config, LaneRules, Session},
    time::Time,
    wire::signal::PeerId,
};
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap},
    time::Duration,
};

/// Which peer of the world.
pub type Id = usize;

/// Something that will happen.
#[derive(Debug)]
enum Happening {
    SocketOpen(Id),
    ToHub(Id, Vec<u8>),
    FromHub(Id, Vec<u8>),
    SocketClosed(Id),
    Disconnected(Id),
    Rtc(Id, RtcEvent),
    Message(Id, LaneId, Channel, Vec<u8>),
    Sent(Id, LaneId, Channel, u64),
    Disk(Id, disk::Completion),
    ToGuest(Id, PeerId, ToGuest),
    ToHost(Id, ToHost),
}

/// Peers, what is between them, and the time.
#[derive(Debug)]
pub struct World {
    /// The peers, in the order in which they were added.
    pub peers: Vec<Peer>,
    /// The server.
    pub hub: Hub,
    /// Between the peers, both ways.
    pub link: Link,
    /// Instead of it, once there is one: browsers' connections, packet by packet.
    pub net: Option<Net>,
    flows: BTreeMap<LaneId, Flow>,
    /// One way to the server and back.
    pub server_delay: Duration,
    /// How peers that are added use lanes.
    pub lanes: LaneRules,
    /// Connections over which nothing passes any more.
    pub dead_lanes: BTreeSet<LaneId>,
    /// Connections open at the same time, at most, so far.
    pub most_lanes: usize,
    /// Changes a message between the peers; for what a hostile peer would send.
    pub mangle: Option<fn(&mut ChaCha20Rng, Channel, &mut Vec<u8>)>,
    /// Whether peers that are added can take a call.
    pub media: bool,
    /// Whether the peers' channels are throttled.
    pub throttled: bool,
    now: Time,
    number: u64,
    order: BinaryHeap<Reverse<(Time, u64)>>,
    happenings: BTreeMap<u64, Happening>,
    random: ChaCha20Rng,
}

impl World {
    /// An empty world; everything in it follows from the seed.
    pub fn new(seed: u64, link: Link) -> Self {
        Self {
            peers: Vec::new(),
            hub: Hub::default(),
            link,
            net: None,
            flows: BTreeMap::new(),
            server_delay: Duration::from_millis(5),
            lanes: LaneRules::default(),
            dead_lanes: BTreeSet::new(),
            most_lanes: 0,
            mangle: None,
            media: true,
            throttled: false,
            now: Time::from_origin(Duration::from_secs(100)),
            number: 0,
            order: BinaryHeap::new(),
            happenings: BTreeMap::new(),
            random: ChaCha20Rng::seed_from_u64(seed),
        }
    }

    /// Two peers that have met and are connected: 0 is the opener.
    pub fn connected(seed: u64, link: Link) -> Self {
        Self::connected_with(seed, link, LaneRules::default())
    }

    /// The same, with rules for their lanes.
    pub fn connected_with(seed: u64, link: Link, lanes: LaneRules) -> Self {
        let mut world = Self::new(seed, link);
        world.lanes = lanes;
        world.meet();
        world
    }

    /// Two connected peers whose channels are browsers' over a line.
    pub fn browsers(seed: u64, path: Path) -> Self {
        let mut world = Self::new(seed, Link::new((path.rate / 8.0) as u64, path.rtt / 2));
        world.throttled = true;
        world.meet();
        world.run(Duration::from_secs(1)); // until nothing is on the old link
        world.net = Some(Net::new(path, seed, world.now));
        world
    }

    fn meet(&mut self) {
        let opener = self.open();
        let code = self.code(opener);
        let joiner = self.join(&code);
        let both = |w: &World| [opener, joiner].iter().all(|p| w.peers[*p].has(|e| *e == Event::Connected));
        assert!(self.run_until(Duration::from_secs(60), both), "the peers connect: {:#?}", self.events());
    }

    /// Adds an opener.
    pub fn open(&mut self) -> Id {
        let config = self.config("opener");
        self.add(Session::open(config, self.now))
    }

    /// Adds a joiner.
    pub fn join(&mut self, code: &Code) -> Id {
        let config = self.config("joiner");
        self.add(Session::join(config, code, self.now))
    }

    /// Adds a camera to a peer's connection, or removes it.
    pub fn send_media(&mut self, id: Id, sends: bool) {
        self.peers[id].sends_media = sends;
        self.with(id, |session, now| session.renegotiate(now));
    }

    fn config(&mut self, name: &str) -> Config {
        let mut seed = [0; 32];
        self.random.fill_bytes(&mut seed);
        let (media, throttled, lanes) = (self.media, self.throttled, self.lanes);
        Config { name: name.to_owned(), seed, media, throttled, lanes }
    }

    fn add(&mut self, session: Session) -> Id {
        let id = self.peers.len();
        self.peers.push(Peer::new(session));
        self.drain(id, None);
        id
    }

    fn add_guest(&mut self, host: Id, peer: PeerId) {
        let Some(session) = self.peers[host].session.take_guest() else { return };
        let (id, joiner) = (self.peers.len(), peer as Id); // the hub's numbers are the world's
        self.peers.push(Peer { partner: Some(joiner), host: Some((host, peer)), ..Peer::new(session) });
        self.peers[joiner].partner = Some(id);
        self.drain(id, None);
    }

    /// The session that a host has with one of its guests.
    pub fn guest(&self, host: Id, joiner: PeerId) -> Option<Id> {
        self.peers.iter().position(|peer| peer.host == Some((host, joiner)))
    }

    /// The opener's code, once the server has given its number.
    pub fn code(&mut self, opener: Id) -> Code {
        let code = |w: &World| {
            w.peers[opener].events.iter().find_map(|e| match e {
                Event::Code(code) => Some(code.clone()),
                _ => None,
            })
        };
        assert!(self.run_until(Duration::from_secs(10), |w| code(w).is_some()), "the server gives a code");
        code(self).expect("just seen")
    }

    /// The simulated clock.
    pub fn now(&self) -> Time {
        self.now
    }

    /// What all peers have shown so far, for a failing test's message.
    pub fn events(&self) -> Vec<&[Event]> {
        self.peers.iter().map(|p| p.events.as_slice()).collect()
    }

    /// Acts on a session and carries out what it then wants.
    pub fn with<T>(&mut self, id: Id, act: impl FnOnce(&mut Session, Time) -> T) -> T {
        let result = act(&mut self.peers[id].session, self.now);
        self.drain(id, None);
        result
    }

    /// Ends a peer's process: its sockets close, its packets stop.
    pub fn kill(&mut self, id: Id) {
        self.peers[id].dead = true;
        self.hub.gone(id);
        self.deliver_from_hub();
    }

    /// Breaks a peer's socket to the server.
    pub fn drop_socket(&mut self, id: Id) {
        if self.hub.gone(id) {
            self.at(self.server_delay, Happening::SocketClosed(id));
        }
        self.deliver_from_hub();
    }

    /// Delivers bytes to a peer as if the other had sent them.
    pub fn inject(&mut self, to: Id, channel: Channel, message: Vec<u8>) {
        self.inject_on(LaneId::FIRST, to, channel, message);
    }

    /// The same on another connection than the first, whether there is one or not.
    pub fn inject_on(&mut self, lane: LaneId, to: Id, channel: Channel, message: Vec<u8>) {
        self.at(Duration::ZERO, Happening::Message(to, lane, channel, message));
    }

    /// The connections beside the first one that both peers have.
    pub fn further_lanes(&self) -> Vec<LaneId> {
        let both = |lane: &&LaneId| self.peers.iter().all(|peer| peer.rtc.contains_key(lane));
        let lanes = self.peers.first().into_iter().flat_map(|peer| peer.rtc.keys());
        lanes.filter(|lane| **lane != LaneId::FIRST).filter(both).copied().collect()
    }

    /// Ends a connection: nothing passes any more, and both sides are told so after a while.
    pub fn break_lane(&mut self, lane: LaneId, told_after: Duration) {
        self.dead_lanes.insert(lane);
        for id in 0..self.peers.len() {
            self.at(told_after, Happening::Rtc(id, RtcEvent::State { lane, state: LaneState::Failed }));
        }
    }

    /// Runs for so long.
    pub fn run(&mut self, time: Duration) {
        self.run_until(time, |_| false);
    }

    /// Runs until something is so, or so long; says whether it is.
    pub fn run_until(&mut self, time: Duration, is_so: impl Fn(&World) -> bool) -> bool {
        let end = self.now + time;
        while !is_so(self) {
            let next = self.order.peek().map(|Reverse((at, _))| *at);
            let wake = self.peers.iter().filter(|p| !p.dead).filter_map(|p| p.wake).min();
            let net = self.net.as_ref().and_then(Net::next);
            let Some(at) = [next, wake, net].into_iter().flatten().min().filter(|at| *at <= end) else {
                self.now = end;
                return is_so(self);
            };
            self.now = self.now.max(at);
            if net == Some(at) {
                self.advance_net();
            } else if next == Some(at) {
                let Some(Reverse((_, number))) = self.order.pop() else { continue };
                let happening = self.happenings.remove(&number).expect("numbered when it was planned");
                self.happen(happening);
            } else {
                let due = |p: &Peer| !p.dead && p.wake.is_some_and(|w| w <= self.now);
                let due: Vec<Id> = (0..self.peers.len()).filter(|id| due(&self.peers[*id])).collect();
                for id in due {
                    self.peers[id].wake = None;
                    self.with(id, |session, now| session.handle_timeout(now));
                }
            }
        }
        true
    }

    fn at(&mut self, delay: Duration, happening: Happening) {
        self.at_time(self.now + delay, happening);
    }

    fn at_time(&mut self, at: Time, happening: Happening) {
        self.number += 1;
        self.order.push(Reverse((at, self.number)));
        self.happenings.insert(self.number, happening);
    }

    fn happen(&mut self, happening: Happening) {
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

    fn with_live(&mut self, id: Id, act: impl FnOnce(&mut Session, Time)) {
        if !self.peers[id].dead {
            self.with(id, act);
        }
    }

    fn deliver_from_hub(&mut self) {
        for (to, message) in std::mem::take(&mut self.hub.outbox) {
            let happening = match message {
                Some(message) => Happening::FromHub(to, message),
                None => Happening::SocketClosed(to),
            };
            self.at(self.server_delay, happening);
        }
    }

    fn drain(&mut self, id: Id, message: Option<&[u8]>) {
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

    /// The other end of a peer's connection: its partner, or the first that has one.
    fn other(&self, id: Id, lane: LaneId) -> Option<Id> {
        let has = |id: Id| self.peers[id].rtc.contains_key(&lane);
        let is_other = |other: Id| self.peers[id].partner.is_none_or(|partner| partner == other);
        (0..self.peers.len()).find(|other| *other != id && is_other(*other) && has(*other) && has(id))
    }

    /// A made-up WebRTC: descriptions carry a fingerprint, and once both sides have both, channels open.
    fn act(&mut self, id: Id, action: RtcAction) {
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
                self.peers[id].rtc.insert(lane, peer::Rtc::default());
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

    fn advance_net(&mut self) {
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
                    self.peers[end].session.handle_message(lane, channel, &content, self.now);
                    self.drain(end, Some(&content[..]));
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

    fn transmit(&mut self, from: Id, lane: LaneId, channel: Channel, mut message: Vec<u8>) {
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
