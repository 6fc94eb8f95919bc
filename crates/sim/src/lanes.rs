//! Lanes of real throttles over browsers' channels, without sessions: for tuning and tables.
//!
//! ```text
//! Throttle ─ messages ─> Net ══ a busy receiver ══> Reporter ─ reports, a busy sender ─> Throttle
//! ```
use crate::net::{Flow, Net, Path, Seen};
use beeline_core::{
    throttle::{Reporter, Throttle},
    time::Time,
    wire::control::{Control, Report},
};
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
    sync::Arc,
    time::Duration,
};

/// How a lane is fed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Feed {
    /// As is usual: messages of 16 KiB whenever the browser holds less than this, in bytes.
    Buffered(u64),
    /// The bytes on the way are held at this.
    Held(u64),
    /// By the throttle.
    Throttled,
}

const MESSAGE: usize = 16 << 10;
/// As the drivers do it: a full channel is not filled further.
const LANE_QUEUE: u64 = 1 << 20;

#[derive(Debug)]
struct Lane {
    flow: Flow,
    feed: Feed,
    sent: u64,
    reported: u64,
    throttle: Throttle,
    reporter: Reporter,
    received: u64,
    wake: [Option<Time>; 2],
}

#[derive(Debug)]
enum What {
    /// A message of so many bytes with a stamp reaches the receiver's program.
    Arrived(usize, u32),
    Reported(Report),
    Wake(usize),
}

/// Some lanes from one end to the other.
#[derive(Debug)]
pub struct Lanes {
    /// What is below.
    pub net: Net,
    /// Programs see what happened late by up to three times this, exponentially distributed.
    pub busy: Duration,
    lanes: Vec<Lane>,
    order: BinaryHeap<Reverse<(Time, u64)>>,
    events: BTreeMap<u64, (usize, What)>,
    number: u64,
    latest: [Time; 2],
    random: ChaCha20Rng,
}

impl Lanes {
    /// Lanes over one line, all from now on.
    pub fn new(path: Path, feeds: &[Feed], seed: u64) -> Self {
        let mut net = Net::new(path, seed, Time::from_origin(Duration::from_secs(1)));
        let lane = |feed: &Feed| Lane {
            flow: net.browsers(),
            feed: *feed,
            sent: 0,
            reported: 0,
            throttle: Throttle::new(Time::from_origin(Duration::from_secs(1))),
            reporter: Reporter::default(),
            received: 0,
            wake: [None; 2],
        };
        let lanes = feeds.iter().map(lane).collect();
        Self {
            net,
            busy: Duration::ZERO,
            lanes,
            order: BinaryHeap::new(),
            events: BTreeMap::new(),
            number: 0,
            latest: [Time::default(); 2],
            random: ChaCha20Rng::seed_from_u64(seed ^ 0xb5),
        }
    }

    /// Bytes that have arrived on a lane.
    pub fn received(&self, lane: usize) -> u64 {
        self.lanes[lane].received
    }

    /// Bytes on all lanes.
    pub fn total(&self) -> u64 {
        self.lanes.iter().map(|lane| lane.received).sum()
    }

    /// A lane's throttle.
    pub fn throttle(&self, lane: usize) -> &Throttle {
        &self.lanes[lane].throttle
    }

    /// Runs for so long.
    pub fn run(&mut self, time: Duration) {
        let end = self.net.now() + time;
        for lane in 0..self.lanes.len() {
            self.fill(lane);
        }
        while self.net.now() < end {
            let next = self.order.peek().map(|Reverse((at, _))| *at).filter(|at| *at <= end);
            let seen = self.net.advance(next.unwrap_or(end));
            if seen.is_empty()
                && next.is_some()
                && let Some(Reverse((_, number))) = self.order.pop()
            {
                let (lane, what) = self.events.remove(&number).expect("numbered when it was planned");
                self.happen(lane, what);
            }
            seen.into_iter().for_each(|seen| self.see(seen));
        }
    }

    /// A program at an end sees something, in order, when its CPU has time for it.
    fn plan_late(&mut self, end: usize, lane: usize, what: What) {
        let at = (self.net.now() + self.late()).max(self.latest[end]);
        self.latest[end] = at;
        self.plan(at, lane, what);
    }

    fn late(&mut self) -> Duration {
        let uniform = (f64::from(self.random.next_u32()) + 1.0) / 4_294_967_296.0;
        self.busy.mul_f64((-uniform.ln()).min(3.0))
    }

    fn plan(&mut self, at: Time, lane: usize, what: What) {
        self.number += 1;
        self.order.push(Reverse((at, self.number)));
        self.events.insert(self.number, (lane, what));
    }

    fn see(&mut self, seen: Seen) {
        match seen {
            Seen::Message { flow, end: 1, content, .. } => {
                let lane = self.at(flow);
                let number =
                    |at: usize| u32::from_be_bytes(content[at..at + 4].try_into().expect("four bytes"));
                self.lanes[lane].received += u64::from(number(0));
                self.plan_late(1, lane, What::Arrived(number(0) as usize, number(4)));
            }
            Seen::Message { flow, content, .. } => {
                let lane = self.at(flow);
                if let Ok(Some(Control::Report(report))) = Control::decode(&content) {
                    self.plan_late(0, lane, What::Reported(report));
                }
            }
            Seen::Buffered { flow, end: 0, bytes } if bytes[1] < LANE_QUEUE => self.fill(self.at(flow)),
            Seen::Buffered { .. } => {}
        }
    }

    fn happen(&mut self, at: usize, what: What) {
        let now = self.net.now();
        match what {
            What::Arrived(len, stamp) => {
                if self.lanes[at].reporter.received(len, stamp, now) {
                    self.report(at);
                }
                self.wake(at, 1, self.lanes[at].reporter.timeout());
            }
            What::Reported(report) => {
                let lane = &mut self.lanes[at];
                lane.reported = report.bytes;
                lane.throttle.waiting(self.net.buffered(lane.flow, 0, 1));
                lane.throttle.report(&report, now);
                self.fill(at);
            }
            What::Wake(end) => {
                if self.lanes[at].wake[end].take_if(|wake| *wake <= now).is_none() {
                    return;
                }
                match end {
                    0 => {
                        self.lanes[at].throttle.handle_timeout(now);
                        self.fill(at);
                    }
                    _ => {
                        if self.lanes[at].reporter.timeout().is_some_and(|due| due <= now) {
                            self.report(at);
                        }
                        self.wake(at, 1, self.lanes[at].reporter.timeout());
                    }
                }
            }
        }
    }

    fn report(&mut self, at: usize) {
        let lane = &mut self.lanes[at];
        let report: Control = lane.reporter.report(at as u8, self.net.now()).into();
        let report = report.encode();
        self.net.send(lane.flow, 1, 0, report.len(), Arc::from(report));
    }

    fn wake(&mut self, lane: usize, end: usize, at: Option<Time>) {
        if self.lanes[lane].wake[end] == at {
            return;
        }
        self.lanes[lane].wake[end] = at;
        if let Some(at) = at {
            let late = self.late();
            self.plan(at + late, lane, What::Wake(end));
        }
    }

    fn at(&self, flow: Flow) -> usize {
        self.lanes.iter().position(|lane| lane.flow == flow).expect("a lane's flow")
    }

    fn fill(&mut self, at: usize) {
        let now = self.net.now();
        loop {
            let lane = &mut self.lanes[at];
            let buffered = self.net.buffered(lane.flow, 0, 1);
            let len = if lane.feed == Feed::Throttled { lane.throttle.frame() } else { MESSAGE };
            let is_open = match lane.feed {
                Feed::Buffered(limit) => buffered < limit,
                Feed::Held(limit) => lane.sent - lane.reported + MESSAGE as u64 <= limit,
                Feed::Throttled => buffered < LANE_QUEUE && lane.throttle.room(now) >= len as u64,
            };
            if !is_open {
                break;
            }
            lane.sent += len as u64;
            lane.throttle.sent(len as u64, now);
            let stamp = (now.since_origin().as_micros() / 100) as u32;
            let content = [(len as u32).to_be_bytes(), stamp.to_be_bytes()].concat();
            self.net.send(lane.flow, 0, 1, len, Arc::from(content));
        }
        if self.lanes[at].feed == Feed::Throttled {
            let timeout = self.lanes[at].throttle.timeout();
            self.wake(at, 0, timeout);
        }
    }
}
