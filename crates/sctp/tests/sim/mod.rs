//! Associations over one bottleneck, in virtual time: nothing sleeps, and a seed decides what is lost.
//!
//! ```text
//!  senders ──> [drop-tail queue | rate] ──half a round trip, loss──> receivers
//!     └──<──────────────half a round trip, loss─────────────<──┘
//! ```
use std::{cmp::Reverse, collections::BinaryHeap, time::Duration};

use beeline_sctp::{Association, Config, Entropy, Event, Time};
use bytes::Bytes;

/// IP, UDP and a DTLS record around a packet.
const AROUND: usize = 28 + 22;
const MESSAGE: usize = 64 << 10;

/// The path between all pairs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Path {
    pub(crate) mbit: f64,
    pub(crate) rtt: Duration,
    /// Share of packets lost at random, each way.
    pub(crate) loss: f64,
    /// Bandwidth-delay products that fit the queue.
    pub(crate) queue: f64,
}

impl Path {
    pub(crate) fn rate(&self) -> f64 {
        self.mbit * 1e6 / 8.0
    }

    pub(crate) fn bdp(&self) -> f64 {
        self.rate() * self.rtt.as_secs_f64()
    }

    /// Never less than eight packets: no router has less.
    fn queue_bytes(&self) -> f64 {
        (self.bdp() * self.queue).max(8.0 * 1250.0)
    }
}

/// What a flow achieved in the second half of the run.
#[allow(dead_code)]
#[derive(Debug, Clone, Copy)]
pub(crate) struct Report {
    /// Application bytes over what the link carries.
    pub(crate) share: f64,
    /// Mean time in the bottleneck's queue.
    pub(crate) queueing: Duration,
    pub(crate) packets: u64,
    pub(crate) dropped: u64,
}

struct Flow {
    ends: [Association; 2],
    wake: [Option<Time>; 2],
    received: u64,
    received_half: u64,
    starts: Time,
}

enum What {
    Deliver(Vec<u8>),
    Wake,
}

struct Entry {
    what: What,
    flow: usize,
    end: usize,
}

pub(crate) struct World {
    path: Path,
    flows: Vec<Flow>,
    heap: BinaryHeap<Reverse<(Time, u64, usize)>>,
    entries: Vec<Option<Entry>>,
    free: Vec<usize>,
    spare: Vec<Vec<u8>>,
    count: u64,
    random: u64,
    /// When the bottleneck has sent all it holds.
    busy_until: f64,
    queued: f64,
    packets: u64,
    dropped: u64,
    message: Bytes,
}

impl World {
    pub(crate) fn new(path: Path, seed: u64) -> Self {
        Self {
            path,
            flows: Vec::new(),
            heap: BinaryHeap::new(),
            entries: Vec::new(),
            free: Vec::new(),
            spare: Vec::new(),
            count: 0,
            random: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            busy_until: 0.0,
            queued: 0.0,
            packets: 0,
            dropped: 0,
            message: Bytes::from(vec![7; MESSAGE]),
        }
    }

    fn random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }

    pub(crate) fn add_flow(&mut self, sender: Config, receiver: Config, starts: Time) {
        let mut entropy = || Entropy(std::array::from_fn(|_| self.random() as u8));
        let ends = [sender, receiver].map(|mut config| {
            config.peer_max_message_size = MESSAGE;
            Association::new(config, entropy())
        });
        let flow = self.flows.len();
        self.flows.push(Flow { ends, wake: [None; 2], received: 0, received_half: 0, starts });
        for end in 0..2 {
            self.push(starts, Entry { what: What::Wake, flow, end });
            self.flows[flow].wake[end] = Some(starts);
        }
    }

    fn push(&mut self, at: Time, entry: Entry) {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.entries.push(None);
            self.entries.len() - 1
        });
        self.entries[slot] = Some(entry);
        self.count += 1;
        self.heap.push(Reverse((at, self.count, slot)));
    }

    /// Runs for `lasts`, and reports each flow's second half.
    pub(crate) fn run(&mut self, lasts: Duration) -> Vec<Report> {
        let (half, end) = (Time::ZERO + lasts / 2, Time::ZERO + lasts);
        let mut halved = false;
        while let Some(Reverse((now, _, slot))) = self.heap.pop() {
            if now >= half && !halved {
                halved = true;
                (self.queued, self.packets, self.dropped) = (0.0, 0, 0);
                self.flows.iter_mut().for_each(|flow| flow.received_half = flow.received);
            }
            if now >= end {
                break;
            }
            let Entry { what, flow, end } = self.entries[slot].take().expect("an entry is taken once");
            self.free.push(slot);
            match what {
                What::Deliver(packet) => {
                    self.flows[flow].ends[end].handle_packet(&packet, now);
                    self.spare.push(packet);
                }
                What::Wake => {
                    if self.flows[flow].wake[end] != Some(now) {
                        continue;
                    }
                    self.flows[flow].wake[end] = None;
                    let starts = self.flows[flow].starts;
                    self.flows[flow].ends[end].connect(now.max(starts));
                    self.flows[flow].ends[end].handle_timeout(now);
                }
            }
            self.settle(flow, end, now);
        }
        let seconds = (lasts / 2).as_secs_f64();
        let report = |flow: &Flow| Report {
            share: (flow.received - flow.received_half) as f64 / seconds / self.path.rate(),
            queueing: Duration::from_secs_f64(self.queued / self.packets.max(1) as f64),
            packets: self.packets,
            dropped: self.dropped,
        };
        self.flows.iter().map(report).collect()
    }

    /// Lets an end do all it wants at `now`.
    fn settle(&mut self, flow: usize, end: usize, now: Time) {
        let message = self.message.clone();
        let this = &mut self.flows[flow];
        let association = &mut this.ends[end];
        while let Some(event) = association.poll_event() {
            match event {
                Event::Established => association.open_negotiated(0, Default::default()).expect("it is open"),
                Event::Message { payload, .. } => this.received += payload.len() as u64,
                Event::Closed(reason) => panic!("flow {flow} end {end} closed at {now:?}: {reason}"),
                _ => {}
            }
        }
        if end == 0 && association.is_established() {
            while association.buffered(0) < 4 * MESSAGE {
                association.send(0, false, message.clone(), now).expect("the channel is open");
            }
        }
        loop {
            let mut packet = self.spare.pop().unwrap_or_default();
            packet.clear();
            let association = &mut self.flows[flow].ends[end];
            if !association.poll_transmit(now, &mut packet) {
                self.spare.push(packet);
                break;
            }
            if end == 0 && association.buffered(0) < 2 * MESSAGE && association.is_established() {
                association.send(0, false, message.clone(), now).expect("the channel is open");
            }
            self.carry(packet, flow, end, now);
        }
        let this = &mut self.flows[flow];
        let at = this.ends[end].poll_timeout().map(|at| at.max(now + Duration::from_nanos(1)));
        if let Some(at) = at
            && this.wake[end] != Some(at)
        {
            this.wake[end] = Some(at);
            self.push(at, Entry { what: What::Wake, flow, end });
        }
    }

    fn carry(&mut self, packet: Vec<u8>, flow: usize, end: usize, now: Time) {
        let unlucky = (self.random() >> 11) as f64 / (1u64 << 53) as f64;
        let mut at = now + self.path.rtt / 2;
        if end == 0 {
            let seconds = now.since_origin().as_secs_f64();
            let waits = (self.busy_until - seconds).max(0.0);
            let size = (packet.len() + AROUND) as f64;
            self.packets += 1;
            if waits * self.path.rate() + size > self.path.queue_bytes() {
                self.dropped += 1;
                self.spare.push(packet);
                return;
            }
            self.queued += waits;
            self.busy_until = self.busy_until.max(seconds) + size / self.path.rate();
            at = at + Duration::from_secs_f64(self.busy_until - seconds);
        }
        if unlucky < self.path.loss {
            self.spare.push(packet);
            return;
        }
        self.push(at, Entry { what: What::Deliver(packet), flow, end: 1 - end });
    }
}

/// One flow alone.
pub(crate) fn alone(path: Path, sender: Config, receiver: Config, lasts: Duration, seed: u64) -> Report {
    let mut world = World::new(path, seed);
    world.add_flow(sender, receiver, Time::ZERO);
    world.run(lasts)[0]
}
