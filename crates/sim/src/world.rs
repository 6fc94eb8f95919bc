//! Peers, what is between them, and the time: what a test builds and does.
mod connections;
mod happenings;

use crate::{
    Hub, Link, Peer,
    net::{Flow, Net, Path},
};
use beeline_core::{
    code::Code,
    output::Event,
    rtc::{Channel, LaneId, LaneState, RtcEvent},
    session::{Config, LaneRules, Session},
    time::Time,
    wire::signal::PeerId,
};
use happenings::Happening;
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap},
    time::Duration,
};

/// Which peer of the world.
pub type Id = usize;

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
    /// Over browsers' connections, each program stops twice a second, on average, for up to so long, as on a busy machine.
    pub pauses: Duration,
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
            pauses: Duration::ZERO,
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

    /// Two peers are added, meet and connect.
    pub fn meet(&mut self) {
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
                    match self.paused(id) {
                        Some(until) => self.peers[id].wake = Some(until),
                        None => {
                            self.peers[id].wake = None;
                            self.with(id, |session, now| session.handle_timeout(now));
                        }
                    }
                }
            }
        }
        true
    }
}
