//! Two associations, one made-up clock, one thread.
use std::{collections::VecDeque, time::Duration};

use beeline_sctp::{Association, ChannelConfig, Config, Entropy, Event, Time};
use bytes::Bytes;

type Damage = dyn FnMut(u64, &mut Vec<u8>);

pub(crate) struct Pair {
    pub(crate) ends: [Association; 2],
    pub(crate) events: [Vec<Event>; 2],
    pub(crate) now: Time,
    /// Packets under way: when they arrive, to whom.
    wire: VecDeque<(Time, usize, Vec<u8>)>,
    pub(crate) delay: Duration,
    /// Decides by number and direction whether a packet is lost.
    pub(crate) lose: Box<dyn FnMut(u64, usize) -> bool>,
    /// Larger packets are lost, bytes.
    pub(crate) carries: usize,
    /// Probes sent: when, by whom, of which size.
    pub(crate) probes: Vec<(Time, usize, usize)>,
    /// The largest packet that arrived with what is not a probe.
    pub(crate) largest: usize,
    /// Touches a packet on its way.
    pub(crate) damage: Box<Damage>,
    count: u64,
}

impl Pair {
    pub(crate) fn new(a: Config, b: Config) -> Self {
        let entropy =
            |n: u8| Entropy(std::array::from_fn(|at| n.wrapping_mul(37).wrapping_add(at as u8 * 11)));
        Self {
            ends: [Association::new(a, entropy(1)), Association::new(b, entropy(2))],
            events: [Vec::new(), Vec::new()],
            now: Time::from_origin(Duration::from_secs(1)),
            wire: VecDeque::new(),
            delay: Duration::from_millis(10),
            lose: Box::new(|_, _| false),
            carries: usize::MAX,
            probes: Vec::new(),
            largest: 0,
            damage: Box::new(|_, _| {}),
            count: 0,
        }
    }

    pub(crate) fn established(a: Config, b: Config) -> Self {
        let mut pair = Self::new(a, b);
        for end in 0..2 {
            pair.ends[end].connect(pair.now);
        }
        pair.run(Duration::from_secs(1));
        assert!(pair.ends.iter().all(Association::is_established));
        pair.events = [Vec::new(), Vec::new()];
        pair
    }

    pub(crate) fn with_channel(a: Config, b: Config, config: ChannelConfig) -> Self {
        let mut pair = Self::established(a, b);
        for end in &mut pair.ends {
            end.open_negotiated(0, config.clone()).expect("it is open");
        }
        pair
    }

    pub(crate) fn send(&mut self, end: usize, payload: impl Into<Bytes>) {
        self.ends[end].send(0, false, payload.into(), self.now).expect("the channel is open");
    }

    fn settle(&mut self, end: usize) {
        let mut batch = Vec::new();
        loop {
            let start = batch.len();
            let probe = self.ends[end].poll_probe(self.now, &mut batch);
            if !probe && !self.ends[end].poll_transmit(self.now, &mut batch) {
                break;
            }
            let mut packet = batch[start..].to_vec();
            if probe {
                self.probes.push((self.now, end, packet.len()));
            }
            self.count += 1;
            if !(self.lose)(self.count, end) && packet.len() <= self.carries {
                if !probe {
                    self.largest = self.largest.max(packet.len());
                }
                (self.damage)(self.count, &mut packet);
                self.wire.push_back((self.now + self.delay, 1 - end, packet));
            }
        }
        while let Some(event) = self.ends[end].poll_event() {
            self.events[end].push(event);
        }
    }

    /// Lets `lasts` pass.
    pub(crate) fn run(&mut self, lasts: Duration) {
        let until = self.now + lasts;
        for _ in 0..200_000 {
            for end in 0..2 {
                self.settle(end);
            }
            let arrival = self.wire.front().map(|packet| packet.0);
            let timers = self.ends.iter().map(Association::poll_timeout);
            let next = timers.chain([arrival]).flatten().min().unwrap_or(until);
            if next > until || (next == until && arrival != Some(next)) {
                self.now = until;
                return;
            }
            self.now = self.now.max(next);
            while let Some((_, end, packet)) = self.wire.pop_front_if(|packet| packet.0 <= self.now) {
                self.ends[end].handle_packet(&packet, self.now);
            }
            for end in &mut self.ends {
                if end.poll_timeout().is_some_and(|at| at <= self.now) {
                    end.handle_timeout(self.now);
                }
            }
        }
        panic!("the pair does not come to rest: {:.4000?}", format!("{:?}", self.ends));
    }

    pub(crate) fn messages(&self, end: usize) -> Vec<Bytes> {
        let message = |event: &Event| match event {
            Event::Message { payload, .. } => Some(payload.clone()),
            _ => None,
        };
        self.events[end].iter().filter_map(message).collect()
    }
}

/// Numbered bytes, so that a swap shows.
#[allow(dead_code)]
pub(crate) fn numbered(number: u32, len: usize) -> Bytes {
    let mut bytes = vec![number as u8; len];
    let head = number.to_be_bytes();
    let head = &head[..len.min(4)];
    bytes[..head.len()].copy_from_slice(head);
    bytes.into()
}
