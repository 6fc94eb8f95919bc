//! Two connections, one made-up clock, one thread.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    collections::VecDeque,
    net::SocketAddr,
    time::{Duration, Instant},
};

use beeline_rtc::{
    ChannelConfig, CloseReason, Config, Connection, Event, Reliability, SdpKind, SendError, Transmit,
    candidates,
};
use bytes::Bytes;

const SECOND: Duration = Duration::from_secs(1);

struct Side {
    connection: Connection,
    address: SocketAddr,
    events: Vec<Event>,
}

struct Pair {
    sides: [Side; 2],
    now: Instant,
    delay: Duration,
    /// When they arrive, to whom, from where, the bytes.
    wire: VecDeque<(Instant, usize, SocketAddr, Vec<u8>)>,
    /// Decides by number whether a datagram is lost.
    lose: Box<dyn FnMut(u64) -> bool>,
    /// Larger datagrams are lost, bytes.
    carries: usize,
    count: u64,
    largest_batch: usize,
    /// How many datagrams left at once, and how large the first of them was.
    batches: Vec<(usize, usize)>,
}

impl Pair {
    fn new(config: &Config) -> Self {
        let now = Instant::now();
        let side = |at: usize| {
            let address: SocketAddr = format!("192.0.2.{}:4000", at + 1).parse().unwrap();
            let mut connection = Connection::new(config.clone(), now).unwrap();
            connection.add_host_candidate(address);
            Side { connection, address, events: Vec::new() }
        };
        Self {
            sides: [side(0), side(1)],
            now,
            delay: Duration::from_millis(10),
            wire: VecDeque::new(),
            lose: Box::new(|_| false),
            carries: 1200,
            count: 0,
            largest_batch: 0,
            batches: Vec::new(),
        }
    }

    /// Side `from` offers, the other one answers; candidates are in the descriptions.
    fn negotiate(&mut self, from: usize) {
        let now = self.now;
        let offer = self.sides[from].connection.offer();
        let answer =
            self.sides[1 - from].connection.set_remote(SdpKind::Offer, &offer, now).unwrap().unwrap();
        assert_eq!(self.sides[from].connection.set_remote(SdpKind::Answer, &answer, now), Ok(None));
        for (at, sdp) in [(from, answer), (1 - from, offer)] {
            for candidate in candidates(&sdp) {
                assert!(self.sides[at].connection.add_remote_candidate(candidate));
            }
        }
    }

    fn connected(config: &Config) -> Self {
        let mut pair = Self::new(config);
        pair.negotiate(0);
        pair.run(SECOND);
        for side in &pair.sides {
            assert!(side.events.contains(&Event::Connected), "{:?}", side.events);
        }
        pair
    }

    fn settle(&mut self, at: usize) {
        let side = &mut self.sides[at];
        let mut transmit = Transmit::default();
        while let Some(event) = side.connection.poll_event() {
            side.events.push(event);
        }
        while side.connection.poll_transmit(self.now, &mut transmit) {
            let route = transmit.route().unwrap();
            assert_eq!(route.local, side.address);
            self.largest_batch = self.largest_batch.max(transmit.datagrams().count());
            self.batches.push((transmit.datagrams().count(), transmit.segment()));
            for datagram in transmit.datagrams() {
                self.count += 1;
                if !(self.lose)(self.count) && datagram.len() <= self.carries {
                    self.wire.push_back((self.now + self.delay, 1 - at, side.address, datagram.to_vec()));
                }
            }
        }
        while let Some(event) = side.connection.poll_event() {
            side.events.push(event);
        }
    }

    /// Lets `lasts` pass.
    fn run(&mut self, lasts: Duration) {
        let until = self.now + lasts;
        for _ in 0..200_000 {
            (0..2).for_each(|at| self.settle(at));
            let arrival = self.wire.front().map(|packet| packet.0);
            let timers = self.sides.iter_mut().map(|side| side.connection.poll_timeout());
            let next = timers.chain([arrival]).flatten().min().unwrap_or(until);
            if next > until || (next == until && arrival != Some(next)) {
                self.now = until;
                return;
            }
            self.now = self.now.max(next);
            while let Some((_, at, source, datagram)) = self.wire.pop_front_if(|packet| packet.0 <= self.now)
            {
                let side = &mut self.sides[at];
                side.connection.handle_datagram(source, side.address, &datagram, self.now);
            }
            for side in &mut self.sides {
                side.connection.handle_timeout(self.now);
            }
        }
        panic!("the pair does not come to rest");
    }

    fn send(&mut self, at: usize, stream: u16, payload: impl Into<Bytes>) {
        self.sides[at].connection.send(stream, false, payload.into(), self.now).unwrap();
    }

    fn messages(&self, at: usize) -> Vec<Bytes> {
        let message = |event: &Event| match event {
            Event::Message { payload, .. } => Some(payload.clone()),
            _ => None,
        };
        self.sides[at].events.iter().filter_map(message).collect()
    }
}

fn two_channels() -> Config {
    Config {
        negotiated: vec![(0, ChannelConfig::default()), (1, ChannelConfig::default())],
        ..Config::default()
    }
}

#[test]
fn negotiated_channels_open_on_both_sides_and_carry_messages_of_any_size() {
    let mut pair = Pair::connected(&two_channels());
    let sizes = [0, 1, 1177, 1178, 1179, 65_536, 262_144];

    for size in sizes {
        pair.send(0, 1, vec![size as u8; size]);
        pair.send(1, 0, vec![size as u8; size]);
    }
    pair.run(SECOND);

    for at in 0..2 {
        let opened =
            pair.sides[at].events.iter().filter(|e| matches!(e, Event::ChannelOpened { .. })).count();
        assert_eq!(opened, 2);
        assert!(pair.messages(at).iter().map(Bytes::len).eq(sizes));
        assert!(pair.sides[at].connection.is_drained());
        assert!(pair.sides[at].connection.peer_is_paced());
    }
}

#[test]
fn the_one_who_answers_is_the_dtls_client_and_stays_it() {
    let mut pair = Pair::connected(&Config::default());
    let roles = |pair: &Pair| [0, 1].map(|at| pair.sides[at].connection.is_client());
    assert_eq!(roles(&pair), [Some(false), Some(true)]);

    pair.negotiate(1);

    assert_eq!(roles(&pair), [Some(false), Some(true)]);
}

#[test]
fn a_connection_is_there_after_six_one_way_trips_and_a_half() {
    let mut pair = Pair::new(&two_channels());
    pair.negotiate(0);

    // Check, nomination and hello, server's flight, client's flight, and both INITs: at 10 ms a way.
    pair.run(Duration::from_millis(95));

    for side in &pair.sides {
        assert!(side.events.iter().any(|e| matches!(e, Event::ChannelOpened { .. })), "{:?}", side.events);
    }
}

#[test]
fn a_handshake_survives_the_loss_of_each_of_its_datagrams() {
    for lost in 1..30 {
        let mut pair = Pair::new(&two_channels());
        pair.lose = Box::new(move |count| count == lost);
        pair.negotiate(0);

        pair.run(5 * SECOND);

        for side in &pair.sides {
            let opened = side.events.iter().any(|e| matches!(e, Event::ChannelOpened { .. }));
            assert!(opened, "lost {lost}: {:?}", side.events);
        }
    }
}

#[test]
fn datagrams_leave_in_batches() {
    let mut pair = Pair::connected(&two_channels());

    for _ in 0..64 {
        pair.send(0, 1, vec![7; 65_536]);
    }
    pair.run(5 * SECOND);

    assert_eq!(pair.messages(1).len(), 64);
    assert!(pair.largest_batch > 10, "{}", pair.largest_batch);
}

/// Kernels cut a batch into equal datagrams, and refuse all of one whose datagrams are too large.
#[test]
fn datagrams_grow_to_what_the_path_carries_and_what_is_tried_leaves_alone() {
    for (carries, grown) in [(1472, 1470), (1372, 1350), (1200, 1200)] {
        let mut pair = Pair::connected(&two_channels());
        pair.carries = carries;

        for number in 0..300u32 {
            pair.send(0, 1, vec![number as u8; 65_536]);
            pair.run(Duration::from_millis(100));
        }
        pair.run(SECOND);

        assert!(pair.messages(1).iter().map(|message| message[0]).eq((0..300u32).map(|number| number as u8)));
        let full = |&&(count, size): &&(usize, usize)| count > 1 && size > 1000;
        let (count, size) = *pair.batches.iter().rev().find(full).unwrap();
        assert!(
            size <= carries && size + 22 > grown && count * size <= 60_000,
            "{carries}: {count} of {size}"
        );
        let tried = pair.batches.iter().filter(|(_, size)| *size > carries);
        assert!(tried.clone().all(|(count, _)| *count == 1), "{carries}");
        assert!(tried.count() <= 15, "{carries}");
    }
}

#[test]
fn where_the_system_fragments_datagrams_stay_small() {
    let mut pair = Pair::new(&two_channels());
    pair.carries = usize::MAX;
    pair.sides.iter_mut().for_each(|side| side.connection.forbid_probing());
    pair.negotiate(0);
    pair.run(SECOND);

    for _ in 0..16 {
        pair.send(0, 1, vec![7; 65_536]);
    }
    pair.run(SECOND);

    assert_eq!(pair.messages(1).len(), 16);
    assert!(pair.batches.iter().all(|(_, size)| *size <= 1200));
}

#[test]
fn a_restart_by_either_side_does_not_disturb_the_data() {
    let mut pair = Pair::connected(&two_channels());
    let mut sent = 0;

    for round in 0..8 {
        for _ in 0..16 {
            pair.send(0, 1, vec![sent; 10_000]);
            sent += 1;
        }
        // Every second restart begins before the one before has found anything.
        pair.run(Duration::from_millis(if round % 2 == 0 { 5 } else { 200 }));
        pair.negotiate(round / 2 % 2);
    }
    // Longer than a path lives that nobody answers for.
    pair.run(40 * SECOND);

    assert!(pair.messages(1).iter().map(|message| message[0]).eq(0..sent));
    assert!(!pair.sides.iter().any(|side| side.events.iter().any(|e| matches!(e, Event::Closed(_)))));
    let routes = pair.sides[0].events.iter().filter(|e| matches!(e, Event::Route(_))).count();
    assert!(routes >= 4, "{routes}");
}

#[test]
fn channels_open_in_band_close_and_open_again() {
    let mut pair = Pair::connected(&Config::default());
    let config = ChannelConfig {
        label: "one".into(),
        unordered: true,
        reliability: Reliability::MaxRetransmissions(3),
        ..ChannelConfig::default()
    };

    for _ in 0..3 {
        pair.sides.iter_mut().for_each(|side| side.events.clear());
        let now = pair.now;
        pair.sides[1].connection.open_channel(4, config.clone(), now).unwrap();
        pair.run(SECOND);
        pair.send(0, 4, "hello");
        pair.run(SECOND);
        pair.sides[0].connection.close_channel(4);
        pair.run(SECOND);

        let opened = Event::ChannelOpened { stream: 4, config: config.clone() };
        for side in &pair.sides {
            assert!(side.events.contains(&opened), "{:?}", side.events);
            assert!(side.events.contains(&Event::ChannelClosed { stream: 4 }), "{:?}", side.events);
        }
        assert_eq!(pair.messages(1), ["hello"]);
    }
}

#[test]
fn a_good_bye_comes_after_the_last_message() {
    let mut pair = Pair::connected(&two_channels());

    pair.send(0, 1, vec![1; 100_000]);
    pair.run(SECOND);
    let now = pair.now;
    pair.sides[0].connection.close(now);
    pair.run(SECOND);

    let events = &pair.sides[1].events;
    assert_eq!(events.last(), Some(&Event::Closed(CloseReason::Remote)));
    assert!(matches!(events[events.len() - 2], Event::Message { .. }));
    assert!(pair.sides[1].connection.is_over());
}

#[test]
fn another_certificate_than_announced_gets_no_data() {
    let mut pair = Pair::new(&two_channels());
    let now = pair.now;
    let offer = pair.sides[0].connection.offer();
    let answer = pair.sides[1].connection.set_remote(SdpKind::Offer, &offer, now).unwrap().unwrap();
    let at = answer.find("sha-256 ").unwrap() + 8;
    let other = if &answer[at..at + 2] == "00" { "01" } else { "00" };
    let forged = format!("{}{other}{}", &answer[..at], &answer[at + 2..]);
    pair.sides[0].connection.set_remote(SdpKind::Answer, &forged, now).unwrap();
    for (at, sdp) in [(0, answer), (1, offer)] {
        for candidate in candidates(&sdp) {
            pair.sides[at].connection.add_remote_candidate(candidate);
        }
    }

    pair.run(5 * SECOND);

    let failed = |event: &Event| matches!(event, Event::Closed(CloseReason::Failed(_)));
    assert!(pair.sides[0].events.iter().any(failed), "{:?}", pair.sides[0].events);
    for side in &pair.sides {
        assert!(!side.events.iter().any(|e| matches!(e, Event::ChannelOpened { .. })));
    }
}

#[test]
fn a_message_longer_than_the_other_side_takes_is_refused() {
    let mut pair = Pair::connected(&two_channels());
    let now = pair.now;

    let refused = pair.sides[0].connection.send(1, false, vec![0; 262_145].into(), now);

    assert_eq!(refused, Err(SendError::TooLarge { len: 262_145, max: 262_144 }));
}

#[test]
fn datagrams_of_strangers_and_damaged_ones_change_nothing() {
    let mut pair = Pair::connected(&two_channels());
    let (now, address) = (pair.now, pair.sides[1].address);
    let friend = pair.sides[0].address;
    let stranger: SocketAddr = "198.51.100.1:9".parse().unwrap();

    for first in 0..=255u8 {
        for len in [1, 2, 5, 20, 30, 100, 1200] {
            let mut datagram = vec![first; len];
            datagram[len / 2] = 0;
            for source in [friend, stranger] {
                pair.sides[1].connection.handle_datagram(source, address, &datagram, now);
            }
        }
    }
    pair.send(0, 1, "still here");
    pair.run(SECOND);

    assert_eq!(pair.messages(1), ["still here"]);
}
