//! Packets grow to what the path carries, and shrink when it carries less (RFC 8899).
mod common;

use std::time::Duration;

use beeline_sctp::{ChannelConfig, Config, Time, wire};
use bytes::Bytes;
use common::{Pair, numbered};
use proptest::prelude::*;

const SECOND: Duration = Duration::from_secs(1);
/// Around an SCTP packet: IPv4, UDP, a DTLS 1.3 record.
const AROUND: usize = 20 + 8 + 22;
const BASE: usize = 1178;

fn probing() -> Config {
    Config { max_packet_size: 1500 - AROUND, peer_max_message_size: 256 << 10, ..Config::default() }
}

fn browser() -> Config {
    Config { peer_max_message_size: 256 << 10, ..Config::stock_browser() }
}

/// A path with this MTU between `a`, who probes, and `b`.
fn pair(b: Config, mtu: usize) -> Pair {
    let mut pair = Pair::with_channel(probing(), b, ChannelConfig::default());
    pair.carries = mtu - AROUND;
    pair
}

/// Sends so many messages of 64 KiB, one each 100 ms; gives them.
fn send_for(pair: &mut Pair, messages: u32) -> Vec<Bytes> {
    let send = |number| {
        let message = numbered(number, 64 << 10);
        pair.send(0, message.clone());
        pair.run(Duration::from_millis(100));
        message
    };
    (0..messages).map(send).collect()
}

#[test]
fn packets_grow_to_what_the_path_carries_to_us_and_to_a_browser() {
    for peer in [probing, browser] {
        for (mtu, at_least) in [(1280, 1212), (1400, 1336), (1420, 1356), (1492, 1428), (1500, 1448)] {
            let mut pair = pair(peer(), mtu);

            let sent = send_for(&mut pair, 200);
            pair.largest = 0;
            let more = send_for(&mut pair, 10);
            pair.run(SECOND);

            assert!(pair.messages(1) == [sent, more].concat(), "{mtu}");
            assert!(pair.largest >= at_least && pair.largest <= mtu - AROUND, "{mtu}: {}", pair.largest);
        }
    }
}

#[test]
fn a_packet_is_filled_with_as_few_fragments_as_fit_the_base() {
    let mut pair = pair(probing(), 1500);
    for (messages, size, fragments) in [(0, 1176, 1), (10, 1448, 2)] {
        send_for(&mut pair, messages);
        pair.send(0, numbered(0, 64 << 10));
        let mut packet = Vec::new();
        assert!(pair.ends[0].poll_transmit(pair.now, &mut packet));

        let read = wire::Packet::parse(&packet, true).unwrap();
        assert_eq!((packet.len(), read.chunks().count()), (size, fragments));
        pair.run(SECOND);
    }
}

#[test]
fn a_path_of_ethernet_costs_one_probe() {
    let mut pair = pair(browser(), 1500);

    send_for(&mut pair, 300);

    assert!(pair.probes.iter().map(|(_, end, size)| (*end, *size)).eq([(0, 1448)]), "{:?}", pair.probes);
}

#[test]
fn a_path_of_the_least_stays_with_the_base_and_is_asked_rarely() {
    let mut pair = pair(probing(), BASE + AROUND);

    let sent = send_for(&mut pair, 600);

    assert!(pair.messages(1) == sent);
    assert!(pair.largest <= BASE);
    assert!(pair.probes.len() <= 15, "{:?}", pair.probes);
    // One at a time.
    assert!(pair.probes.windows(2).all(|two| two[1].0.since(two[0].0) >= SECOND), "{:?}", pair.probes);
}

#[test]
fn who_has_little_to_send_does_not_probe() {
    let mut pair = pair(probing(), 1500);

    pair.send(0, numbered(0, 1024));
    pair.run(60 * SECOND);
    for number in 0..100 {
        pair.send(0, numbered(number, 10_000));
        pair.run(SECOND);
    }

    assert_eq!(pair.probes, []);
}

#[test]
fn a_black_hole_in_the_middle_costs_a_second_and_nothing_is_lost() {
    for (peer, mtu) in [(probing(), 1280), (browser(), 1280), (probing(), 1400), (browser(), 1228)] {
        let mut pair = pair(peer, 1500);
        let before = send_for(&mut pair, 10);
        assert!(pair.largest > 1400);

        // In the middle of a message, with large packets under way.
        let after: Vec<Bytes> = (10..40).map(|number| numbered(number, 64 << 10)).collect();
        for message in &after {
            pair.send(0, message.clone());
        }
        pair.run(Duration::from_millis(25));
        pair.carries = mtu - AROUND;
        pair.run(Duration::from_millis(1500));
        let arrived = pair.messages(1).len();
        pair.run(20 * SECOND);

        assert!(arrived > before.len(), "{mtu}: {arrived} after 1.5 s");
        assert!(pair.messages(1) == [before, after].concat(), "{mtu}");
        assert!(pair.ends[0].is_drained());
    }
}

#[test]
fn after_a_black_hole_the_path_is_searched_again() {
    let mut pair = pair(probing(), 1500);
    send_for(&mut pair, 10);
    pair.carries = 1400 - AROUND;
    send_for(&mut pair, 50);
    pair.largest = 0;

    send_for(&mut pair, 250);

    assert!(pair.largest > 1330 && pair.largest <= 1350, "{}", pair.largest);
}

#[test]
fn small_messages_that_arrive_do_not_hide_a_black_hole() {
    let mut pair = pair(probing(), 1500);
    pair.ends.iter_mut().for_each(|end| end.open_negotiated(1, ChannelConfig::default()).unwrap());
    send_for(&mut pair, 10);
    pair.carries = 1280 - AROUND;

    for number in 10..14 {
        pair.send(0, numbered(number, 250_000));
    }
    for number in 0..40 {
        pair.ends[0].send(1, true, numbered(100 + number, 40), pair.now).unwrap();
        pair.run(Duration::from_millis(100));
    }
    pair.run(SECOND);

    assert_eq!(pair.messages(1).len(), 10 + 4 + 40);
}

#[test]
fn an_outage_is_survived_with_large_packets() {
    let mut pair = pair(probing(), 1500);
    send_for(&mut pair, 10);
    let lose = std::mem::replace(&mut pair.lose, Box::new(|_, _| true));
    pair.send(0, numbered(10, 200_000));
    pair.run(3 * SECOND);
    pair.lose = lose;

    pair.run(10 * SECOND);
    assert_eq!(pair.messages(1).len(), 11);
    pair.largest = 0;
    send_for(&mut pair, 30);

    assert!(pair.largest > 1400, "{}", pair.largest);
}

#[test]
fn another_path_begins_with_the_base() {
    let mut pair = pair(probing(), 1500);
    send_for(&mut pair, 10);
    assert!(pair.largest > 1400);

    pair.carries = 1300 - AROUND;
    pair.ends[0].handle_path(1280 - AROUND);
    pair.probes.clear();
    pair.largest = 0;
    let sent = pair.messages(1).len() + send_for(&mut pair, 10).len();

    assert_eq!(pair.messages(1).len(), sent);
    assert_eq!((pair.probes.len(), pair.probes[0].2, pair.largest), (1, 1228, 1228));
}

#[test]
fn a_probe_is_a_heartbeat_and_padding_of_the_size_in_question() {
    let mut pair = pair(probing(), 1500);
    pair.send(0, numbered(0, 64 << 10));
    let mut packet = Vec::new();

    assert!(pair.ends[0].poll_probe(pair.now, &mut packet));

    let read = wire::Packet::parse(&packet, true).unwrap();
    let chunks: Vec<_> = read.chunks().map(|raw| wire::Chunk::parse(raw.unwrap()).unwrap()).collect();
    let [wire::Chunk::Heartbeat(heartbeat), wire::Chunk::Pad(pad)] = &chunks[..] else {
        panic!("{chunks:?}")
    };
    assert_eq!(packet.len(), 1448);
    // Header 12; HEARTBEAT 4, its parameter 4, moment 8, size 2, padding 2; PAD 4.
    assert_eq!(pad.len, 1448 - 12 - 20 - 4);
    let moment = pair.now.since_origin().as_nanos() as u64;
    assert_eq!(heartbeat.info[..8], moment.to_be_bytes());
    assert_eq!(heartbeat.info[8..], 1448u16.to_be_bytes());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// Answers nobody asked for, as an authenticated peer could send them, and damaged ones.
    #[test]
    fn made_up_answers_change_nothing(
        infos in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..14), 1..20),
        sizes in prop::collection::vec((any::<u16>(), 0u64..4_000_000_000), 1..20),
    ) {
        let mut pair = pair(probing(), 1280);
        pair.send(0, numbered(0, 64 << 10));
        let mut sample = Vec::new();
        pair.ends[1].open_negotiated(1, ChannelConfig::default()).unwrap();
        pair.ends[1].send(1, true, numbered(1, 4), pair.now).unwrap();
        pair.ends[1].poll_transmit(pair.now, &mut sample);
        let made_up = sizes.iter().map(|(size, nanos)| [&nanos.to_be_bytes()[..], &size.to_be_bytes()].concat());
        for info in infos.iter().cloned().chain(made_up) {
            let mut packet = sample[..12].to_vec();
            packet[8..].fill(0);
            wire::HeartbeatAck { info: &info }.write(&mut packet);
            wire::Pad { len: info.len() }.write(&mut packet);
            pair.ends[0].handle_packet(&packet, pair.now);
        }
        pair.run(Duration::from_millis(500));
        prop_assert!(pair.largest <= BASE, "{}", pair.largest);
        prop_assert_eq!(pair.messages(1).len(), 1);
        prop_assert!(pair.now > Time::ZERO);
    }
}
