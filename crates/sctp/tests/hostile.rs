//! Operations in any order, and packets nobody should send.
mod common;

use std::time::Duration;

use beeline_sctp::{ChannelConfig, Config, Event, Reliability, wire};
use common::{Pair, numbered};
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Operation {
    Send { end: usize, len: usize },
    Wait { ms: u64 },
    Lose { one_in: u64 },
    Outage { ms: u64 },
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        4 => (0usize..2, 0usize..20_000).prop_map(|(end, len)| Operation::Send { end, len }),
        3 => (0u64..300).prop_map(|ms| Operation::Wait { ms }),
        1 => (5u64..50).prop_map(|one_in| Operation::Lose { one_in }),
        1 => (10u64..2000).prop_map(|ms| Operation::Outage { ms }),
    ]
}

fn config(stock: bool, interleaving: bool) -> Config {
    if stock { Config::stock_browser() } else { Config { interleaving, ..Config::default() } }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn whatever_happens_messages_arrive_once_whole_and_in_order(
        operations in prop::collection::vec(operation(), 1..40),
        stock in any::<(bool, bool)>(), interleaving in any::<bool>(), seed in any::<u64>()
    ) {
        let (a, b) = (config(stock.0, interleaving), config(stock.1, interleaving));
        let mut pair = Pair::with_channel(a, b, ChannelConfig::default());
        let mut sent = [Vec::new(), Vec::new()];
        for (number, operation) in (0..).zip(operations) {
            match operation {
                Operation::Send { end, len } => {
                    let message = numbered(number, len);
                    sent[end].push(message.clone());
                    pair.send(end, message);
                }
                Operation::Wait { ms } => pair.run(Duration::from_millis(ms)),
                Operation::Lose { one_in } => {
                    let mut random = seed | 1;
                    pair.lose = Box::new(move |_, _| {
                        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                        (random >> 33) % one_in == 0
                    });
                }
                Operation::Outage { ms } => {
                    let lose = std::mem::replace(&mut pair.lose, Box::new(|_, _| true));
                    pair.run(Duration::from_millis(ms));
                    pair.lose = lose;
                }
            }
        }
        pair.lose = Box::new(|_, _| false);
        pair.run(Duration::from_secs(120));
        for (end, sent) in sent.iter().enumerate() {
            prop_assert!(pair.messages(1 - end) == *sent, "from {end}");
            prop_assert_eq!(pair.ends[end].in_flight(), 0);
            prop_assert_eq!(pair.ends[end].buffered_total(), 0);
        }
    }

    #[test]
    fn partial_reliability_never_stalls_or_repeats(
        lens in prop::collection::vec(1usize..6000, 1..60), unordered in any::<bool>(), interleaving in any::<bool>(),
        max in 0u16..3, one_in in 5u64..20, seed in any::<u64>()
    ) {
        let reliability = Reliability::MaxRetransmissions(max);
        let channel = ChannelConfig { unordered, reliability, ..ChannelConfig::default() };
        let config = || Config { interleaving, ..Config::default() };
        let mut pair = Pair::with_channel(config(), config(), channel);
        let mut random = seed | 1;
        pair.lose = Box::new(move |_, _| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (random >> 33) % one_in == 0
        });
        for (&len, number) in lens.iter().zip(0..) {
            pair.send(0, numbered(number, len.max(4)));
        }
        pair.run(Duration::from_secs(60));
        pair.lose = Box::new(|_, _| false);
        let ends = pair.events.each_ref().map(|events| events.last().cloned());
        prop_assert!(pair.ends[0].is_established() && pair.ends[1].is_established(), "{ends:?}");
        pair.send(0, numbered(9999, 4));
        pair.run(Duration::from_secs(60));
        let numbers: Vec<u32> =
            pair.messages(1).iter().map(|m| u32::from_be_bytes(m[..4].try_into().unwrap())).collect();
        prop_assert!(numbers.contains(&9999), "{numbers:?}");
        let mut sorted = numbers.clone();
        sorted.sort_unstable();
        sorted.dedup();
        prop_assert_eq!(sorted.len(), numbers.len());
        prop_assert!(unordered || numbers.is_sorted());
    }

    /// Past the checksum, as DTLS's authenticated peer could send it.
    #[test]
    fn damaged_packets_do_not_panic_or_spin(
        damage in prop::collection::vec((1u64..60, 12usize..200, any::<u8>()), 1..40), interleaving in any::<bool>()
    ) {
        let config = || Config { interleaving, ..Config::default() };
        let mut pair = Pair::new(config(), config());
        pair.damage = Box::new(move |count, packet| {
            for &(_, at, value) in damage.iter().filter(|(which, ..)| *which == count) {
                let len = packet.len();
                packet[12 + (at - 12) % (len - 12)] = value;
            }
            packet[8..12].fill(0);
            wire::seal(packet, 0);
        });
        pair.ends[0].connect(pair.now);
        pair.ends[1].connect(pair.now);
        pair.run(Duration::from_secs(1));
        for end in 0..2 {
            _ = pair.ends[end].open_channel(end as u16, ChannelConfig::default(), pair.now);
            for number in 0..10 {
                _ = pair.ends[end].send(end as u16, true, numbered(number, 3000), pair.now);
            }
        }
        pair.run(Duration::from_secs(5));
        pair.ends[0].close_channel(0);
        pair.run(Duration::from_secs(100));
    }

    /// Any chunks with the right tag.
    #[test]
    fn any_chunks_do_not_panic(
        chunks in prop::collection::vec(
            (prop::sample::select(vec![0u8, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 14, 0x40, 0x82, 0xc0, 0xc2, 0xff]),
             any::<u8>(), prop::collection::vec(prop_oneof![Just(0u8), Just(1), any::<u8>()], 0..40)), 1..30)
    ) {
        let mut pair = Pair::with_channel(Config::default(), Config::default(), ChannelConfig::default());
        pair.send(0, numbered(0, 5000));
        // The tag the peer writes: read off a packet of its.
        let mut sample = Vec::new();
        pair.ends[0].poll_transmit(pair.now, &mut sample);
        for (kind, flags, value) in chunks {
            let mut packet = sample[..12].to_vec();
            packet[8..].fill(0);
            if kind == 1 {
                packet[4..8].fill(0);
            }
            packet.extend([kind, flags, 0, value.len() as u8 + 4]);
            packet.extend(&value);
            packet.resize(packet.len().next_multiple_of(4), 0);
            pair.ends[1].handle_packet(&packet, pair.now);
            let mut out = Vec::new();
            for _ in 0..100 {
                if !pair.ends[1].poll_transmit(pair.now, &mut out) {
                    break;
                }
            }
            while pair.ends[1].poll_event().is_some_and(|event| !matches!(event, Event::Closed(_))) {}
        }
        pair.run(Duration::from_secs(3));
    }
}
