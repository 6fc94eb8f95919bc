//! Browsers and a neighbour over one bottleneck, packet by packet, in virtual time.
//!
//! ```text
//! Browser ─┐                                     ┌─ Browser
//! Browser ─┼─> queue ─ rate ─ delay, loss ══════>┼─ Browser
//! CUBIC  ──┘<══════ delay, loss ─ rate ─ queue <─┘
//! ```
//! A [`Net`] knows nothing of sessions; [`crate::World`] and [`crate::lanes`] put theirs on top. Fitted to real
//! browsers over emulated lines: what is compared is in `tests/browser.rs`.
mod browser;
mod cubic;
mod line;

pub use line::{Counts, Path};

use beeline_core::time::Time;
use browser::{Browser, Packet};
use cubic::Cubic;
use line::Direction;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
    sync::Arc,
    time::Duration,
};

/// Which pair of browsers, or which neighbour.
pub type Flow = usize;

/// What an application at one end gets to see.
#[derive(Clone, Debug)]
pub enum Seen {
    /// A whole message, in its channel's order.
    Message {
        /// On which connection.
        flow: Flow,
        /// At which end.
        end: usize,
        /// 0 control, 1 data.
        stream: u8,
        /// As it was given.
        content: Arc<[u8]>,
    },
    /// `bufferedAmount` fell.
    Buffered {
        /// On which connection.
        flow: Flow,
        /// At which end.
        end: usize,
        /// Bytes left.
        bytes: [u64; browser::STREAMS],
    },
}

#[derive(Debug)]
enum Ends {
    Browsers(Box<[Browser; 2]>),
    Cubic(Box<Cubic>),
}

#[derive(Debug)]
enum What {
    Deliver(usize, Packet),
    /// Number of a packet of TCP that arrives at this end.
    Tcp(usize, u64),
    Wake(usize),
}

/// The bottleneck and all that use it.
#[derive(Debug)]
pub struct Net {
    /// Both directions; may be changed at any time.
    pub path: Path,
    now: Time,
    flows: Vec<Ends>,
    wakes: Vec<[Option<Time>; 2]>,
    directions: [Direction; 2],
    order: BinaryHeap<Reverse<(Time, u64)>>,
    events: BTreeMap<u64, (Flow, What)>,
    number: u64,
    seen: Vec<Seen>,
    random: ChaCha20Rng,
}

impl Net {
    /// An empty line; what is lost follows from the seed.
    pub fn new(path: Path, seed: u64, now: Time) -> Self {
        Self {
            path,
            now,
            flows: Vec::new(),
            wakes: Vec::new(),
            directions: Default::default(),
            order: BinaryHeap::new(),
            events: BTreeMap::new(),
            number: 0,
            seen: Vec::new(),
            random: ChaCha20Rng::seed_from_u64(seed),
        }
    }

    /// Adds two browsers with an association between them.
    pub fn browsers(&mut self) -> Flow {
        self.add(Ends::Browsers(Box::new([Browser::new(), Browser::new()])))
    }

    /// Adds a TCP flow that sends from end 0 as much as it can from now on.
    pub fn neighbour(&mut self) -> Flow {
        let flow = self.add(Ends::Cubic(Box::new(Cubic::new(self.now))));
        self.settle(flow, 0);
        flow
    }

    fn add(&mut self, ends: Ends) -> Flow {
        self.flows.push(ends);
        self.wakes.push([None; 2]);
        self.flows.len() - 1
    }

    /// The clock.
    pub fn now(&self) -> Time {
        self.now
    }

    /// What the direction from `end` has done.
    pub fn counts(&self, end: usize) -> Counts {
        self.directions[end].counts
    }

    /// Bytes that a neighbour has brought over.
    pub fn delivered(&self, flow: Flow) -> u64 {
        match &self.flows[flow] {
            Ends::Cubic(cubic) => cubic.delivered * cubic::PACKET as u64,
            Ends::Browsers(_) => 0,
        }
    }

    /// Gives a message of `len` bytes to a browser's channel; `content` is what the other end will see.
    pub fn send(&mut self, flow: Flow, end: usize, stream: u8, len: usize, content: Arc<[u8]>) {
        let now = self.now;
        if let Ends::Browsers(ends) = &mut self.flows[flow] {
            ends[end].send(stream, len, content, now);
        }
        self.settle(flow, end);
        let bytes = self.buffers(flow, end);
        self.seen.push(Seen::Buffered { flow, end, bytes }); // some of it may be out already
    }

    /// Bytes that a browser has taken for a channel and never sent yet.
    pub fn buffered(&self, flow: Flow, end: usize, stream: u8) -> u64 {
        match &self.flows[flow] {
            Ends::Browsers(ends) => ends[end].buffered(stream),
            Ends::Cubic(_) => 0,
        }
    }

    /// A browser's congestion window, in bytes.
    pub fn window(&self, flow: Flow, end: usize) -> usize {
        match &self.flows[flow] {
            Ends::Browsers(ends) => ends[end].window(),
            Ends::Cubic(_) => 0,
        }
    }

    /// When something will happen.
    pub fn next(&self) -> Option<Time> {
        match self.seen.is_empty() {
            true => self.order.peek().map(|Reverse((at, _))| *at),
            false => Some(self.now),
        }
    }

    /// Moves the clock to `to`, or to the first moment at which an application sees something.
    pub fn advance(&mut self, to: Time) -> Vec<Seen> {
        while self.seen.is_empty() {
            let Some(Reverse((at, number))) = self.order.peek().copied().filter(|Reverse((at, _))| *at <= to)
            else {
                self.now = self.now.max(to);
                break;
            };
            self.order.pop();
            self.now = self.now.max(at);
            let (flow, what) = self.events.remove(&number).expect("numbered when it was planned");
            self.happen(flow, what);
        }
        std::mem::take(&mut self.seen)
    }

    /// Moves the clock to `to`, before which nothing happens.
    pub fn advance_idle(&mut self, to: Time) {
        debug_assert!(self.next().is_none_or(|next| next >= to), "nothing is skipped");
        self.now = self.now.max(to);
    }

    fn plan(&mut self, at: Time, flow: Flow, what: What) {
        self.number += 1;
        self.order.push(Reverse((at, self.number)));
        self.events.insert(self.number, (flow, what));
    }

    fn happen(&mut self, flow: Flow, what: What) {
        let now = self.now;
        match (what, &mut self.flows[flow]) {
            (What::Deliver(end, packet), Ends::Browsers(_)) => {
                let was = self.buffers(flow, end);
                let Ends::Browsers(ends) = &mut self.flows[flow] else { return };
                for (stream, content) in ends[end].handle_packet(packet, now) {
                    self.seen.push(Seen::Message { flow, end, stream, content });
                }
                self.note_buffers(flow, end, was);
                self.settle(flow, end);
            }
            (What::Wake(end), ends) => {
                if self.wakes[flow][end] != Some(now) {
                    return;
                }
                self.wakes[flow][end] = None;
                match ends {
                    Ends::Browsers(ends) => ends[end].handle_timeout(now),
                    Ends::Cubic(cubic) => cubic.handle_timeout(now),
                }
                self.settle(flow, end);
            }
            (What::Tcp(1, number), _) => {
                let ack = self.directions[1].carry(&self.path, 60, now, &mut self.random);
                if let Some(at) = ack {
                    self.plan(at, flow, What::Tcp(0, number));
                }
            }
            (What::Tcp(_, number), Ends::Cubic(cubic)) => {
                cubic.handle_ack(number, now);
                self.settle(flow, 0);
            }
            (What::Deliver(..), Ends::Cubic(_)) | (What::Tcp(..), Ends::Browsers(_)) => {}
        }
    }

    fn buffers(&self, flow: Flow, end: usize) -> [u64; browser::STREAMS] {
        std::array::from_fn(|stream| self.buffered(flow, end, stream as u8))
    }

    fn note_buffers(&mut self, flow: Flow, end: usize, was: [u64; browser::STREAMS]) {
        let bytes = self.buffers(flow, end);
        if bytes != was {
            self.seen.push(Seen::Buffered { flow, end, bytes });
        }
    }

    /// Carries what an end wants to send, and notes when it wants to be woken.
    fn settle(&mut self, flow: Flow, end: usize) {
        let now = self.now;
        let wake = match &mut self.flows[flow] {
            Ends::Browsers(ends) => {
                let packets = ends[end].take_packets();
                for packet in packets {
                    let arrives = self.directions[end].carry(&self.path, packet.len(), now, &mut self.random);
                    if let Some(at) = arrives {
                        self.plan(at, flow, What::Deliver(1 - end, packet));
                    }
                }
                let Ends::Browsers(ends) = &self.flows[flow] else { return };
                ends[end].timeout()
            }
            Ends::Cubic(_) => {
                while let Ends::Cubic(cubic) = &mut self.flows[flow]
                    && let Some(number) = cubic.poll_transmit(now)
                {
                    let arrives = self.directions[0].carry(&self.path, cubic::PACKET, now, &mut self.random);
                    if let Some(at) = arrives {
                        self.plan(at, flow, What::Tcp(1, number));
                    }
                }
                let Ends::Cubic(cubic) = &self.flows[flow] else { return };
                Some(cubic.timeout())
            }
        };
        let wake = wake.map(|at| at.max(now + Duration::from_nanos(1)));
        if wake != self.wakes[flow][end] {
            self.wakes[flow][end] = wake;
            if let Some(at) = wake {
                self.plan(at, flow, What::Wake(end));
            }
        }
    }
}
