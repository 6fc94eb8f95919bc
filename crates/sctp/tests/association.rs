//! What two associations do together.
mod common;

use std::time::Duration;

use beeline_sctp::{ChannelConfig, CloseReason, Config, Event, Reliability, SendError, ppid};
use bytes::Bytes;
use common::{Pair, numbered};

const SECOND: Duration = Duration::from_secs(1);

fn large() -> Config {
    Config { peer_max_message_size: 256 << 10, ..Config::default() }
}

fn stock() -> Config {
    Config { peer_max_message_size: 256 << 10, ..Config::stock_browser() }
}

#[test]
fn both_sides_may_start_at_once() {
    let mut pair = Pair::new(large(), large());
    pair.ends[0].connect(pair.now);
    pair.ends[1].connect(pair.now);

    pair.run(SECOND);

    assert_eq!(pair.events[0], [Event::Established]);
    assert_eq!(pair.events[1], [Event::Established]);
}

#[test]
fn one_side_may_only_answer() {
    let mut pair = Pair::new(large(), stock());
    pair.ends[1].connect(pair.now);

    pair.run(SECOND);

    assert!(pair.ends[0].is_established() && pair.ends[1].is_established());
}

#[test]
fn a_handshake_survives_the_loss_of_each_of_its_packets() {
    for lost in 1..=10 {
        let mut pair = Pair::new(large(), large());
        pair.lose = Box::new(move |count, _| count == lost);
        pair.ends[0].connect(pair.now);
        pair.ends[1].connect(pair.now);

        pair.run(5 * SECOND);

        assert!(pair.ends[0].is_established() && pair.ends[1].is_established(), "lost {lost}");
    }
}

#[test]
fn a_peer_that_never_answers_is_given_up() {
    let mut pair = Pair::new(large(), large());
    pair.lose = Box::new(|_, _| true);
    pair.ends[0].connect(pair.now);

    pair.run(400 * SECOND);

    assert_eq!(pair.events[0], [Event::Closed(CloseReason::TimedOut)]);
}

#[test]
fn messages_of_every_size_arrive_whole_and_in_order() {
    for (a, b) in [(large(), large()), (large(), stock()), (stock(), large()), (stock(), stock())] {
        let mut pair = Pair::with_channel(a, b, ChannelConfig::default());
        let sizes =
            [0, 1, 3, 4, 5, 1100, 1149, 1150, 1151, 1162, 1163, 1164, 2300, 65_535, 65_536, 256 << 10];
        let sent: Vec<Bytes> = sizes.iter().zip(0..).map(|(&size, number)| numbered(number, size)).collect();
        for end in 0..2 {
            for message in &sent {
                pair.send(end, message.clone());
            }
        }

        pair.run(3 * SECOND);

        assert!(pair.messages(0) == sent && pair.messages(1) == sent);
    }
}

#[test]
fn everything_arrives_in_order_over_a_path_that_loses_a_tenth() {
    for (a, b) in [(large(), large()), (large(), stock()), (stock(), large())] {
        let mut pair = Pair::with_channel(a, b, ChannelConfig::default());
        let mut random = 1u32;
        pair.lose = Box::new(move |_, _| {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            random >> 24 < 26
        });
        let sent: Vec<Bytes> = (0..200).map(|number| numbered(number, 20 + number as usize * 53)).collect();
        for message in &sent {
            pair.send(0, message.clone());
        }

        pair.run(300 * SECOND);

        assert_eq!(pair.messages(1).len(), sent.len());
        assert!(pair.messages(1) == sent);
        assert_eq!(pair.ends[0].in_flight(), 0);
    }
}

#[test]
fn a_lost_tail_is_found_by_a_probe_not_by_the_long_timeout() {
    let mut pair = Pair::with_channel(large(), large(), ChannelConfig::default());
    pair.send(0, &b"warm up"[..]);
    pair.run(SECOND);
    let mut first = true;
    pair.lose = Box::new(move |_, end| end == 0 && std::mem::take(&mut first));
    pair.send(0, &b"the last"[..]);

    // Two round trips of 20 ms and a margin, the packet's own way; the timeout would take 300 ms.
    pair.run(Duration::from_millis(100));

    assert_eq!(pair.messages(1).last().unwrap(), "the last");
}

#[test]
fn an_unordered_message_does_not_wait_for_a_lost_one() {
    let unordered = ChannelConfig { unordered: true, ..ChannelConfig::default() };
    let mut pair = Pair::with_channel(large(), large(), unordered);
    let mut first = true;
    pair.lose = Box::new(move |_, end| end == 0 && std::mem::take(&mut first));
    for number in 0..3 {
        pair.send(0, numbered(number, 1100));
    }

    pair.run(SECOND);

    assert_eq!(pair.messages(1), [numbered(1, 1100), numbered(2, 1100), numbered(0, 1100)]);
}

#[test]
fn a_message_worth_one_sending_is_given_up_and_the_next_go_on() {
    for interleaving in [false, true] {
        let once =
            ChannelConfig { reliability: Reliability::MaxRetransmissions(0), ..ChannelConfig::default() };
        let config = || Config { interleaving, ..large() };
        let mut pair = Pair::with_channel(config(), config(), once);
        let mut count = 0;
        pair.lose = Box::new(move |_, end| {
            count += u32::from(end == 0);
            end == 0 && count == 2
        });
        for number in 0..5 {
            pair.send(0, numbered(number, 3000));
        }

        pair.run(5 * SECOND);

        let arrived: Vec<u8> = pair.messages(1).iter().map(|message| message[3]).collect();
        assert!(arrived.len() >= 3 && arrived.len() < 5, "{arrived:?}");
        assert!(arrived.is_sorted() && arrived.contains(&4), "{arrived:?}");
        assert_eq!(pair.ends[0].in_flight(), 0);
    }
}

/// What was sent of it arrives, but no acknowledgement comes back in time: the rest is never sent, and only a TSN of
/// its own can say so.
#[test]
fn a_message_given_up_half_sent_does_not_hold_up_the_next_though_that_half_arrived() {
    for interleaving in [true, false] {
        let once =
            ChannelConfig { reliability: Reliability::MaxRetransmissions(0), ..ChannelConfig::default() };
        let config = || Config { interleaving, ..large() };
        let mut pair = Pair::with_channel(config(), config(), once);
        pair.lose = Box::new(|_, end| end == 1);
        pair.send(0, numbered(1, 200_000));
        pair.run(SECOND / 2);
        pair.lose = Box::new(|_, _| false);
        pair.send(0, numbered(2, 4));

        pair.run(60 * SECOND);

        assert_eq!(pair.messages(1), [numbered(2, 4)]);
        assert_eq!(pair.ends[0].in_flight(), 0);
        assert_eq!(pair.ends[0].buffered_total(), 0);
    }
}

#[test]
fn a_message_past_its_lifetime_is_not_sent_again() {
    let brief = Reliability::MaxLifetime(Duration::from_millis(5));
    let config = ChannelConfig { reliability: brief, ..ChannelConfig::default() };
    let mut pair = Pair::with_channel(large(), large(), config);
    let mut first = true;
    pair.lose = Box::new(move |_, end| end == 0 && std::mem::take(&mut first));
    pair.send(0, numbered(0, 1100));
    pair.run(2 * SECOND);
    pair.send(0, numbered(1, 1100));

    pair.run(2 * SECOND);

    assert_eq!(pair.messages(1), [numbered(1, 1100)]);
}

#[test]
fn a_channel_opens_carries_text_closes_and_opens_again() {
    let mut pair = Pair::established(large(), stock());
    for round in 0..3 {
        pair.events = [Vec::new(), Vec::new()];
        let config = ChannelConfig { label: format!("round {round}"), ..ChannelConfig::default() };
        pair.ends[0].open_channel(2, config.clone(), pair.now).unwrap();
        pair.ends[0].send(2, true, Bytes::from_static(b"hello"), pair.now).unwrap();
        pair.run(SECOND);
        pair.ends[1].send(2, true, Bytes::new(), pair.now).unwrap();
        pair.run(SECOND);
        pair.ends[round % 2].close_channel(2);
        pair.run(SECOND);

        let opened = Event::ChannelOpened { stream: 2, config };
        let closed = Event::ChannelClosed { stream: 2 };
        let text = |payload: &'static [u8]| Event::Message { stream: 2, text: true, payload: payload.into() };
        assert_eq!(pair.events[1], [opened.clone(), text(b"hello"), closed.clone()]);
        assert_eq!(pair.events[0], [opened, text(b""), closed]);
        let late = pair.ends[0].send(2, true, Bytes::new(), pair.now);
        assert_eq!(late, Err(SendError::NoChannel(2)));
    }
}

#[test]
fn a_channel_closes_after_what_was_sent_on_it() {
    let mut pair = Pair::with_channel(large(), large(), ChannelConfig::default());
    pair.send(0, numbered(1, 200_000));
    pair.ends[0].close_channel(0);

    pair.run(3 * SECOND);

    assert_eq!(pair.messages(1), [numbered(1, 200_000)]);
    assert_eq!(pair.events[1].last(), Some(&Event::ChannelClosed { stream: 0 }));
    assert_eq!(pair.events[0].last(), Some(&Event::ChannelClosed { stream: 0 }));
}

#[test]
fn shutdown_delivers_what_is_queued_and_ends_both_sides() {
    let mut pair = Pair::with_channel(large(), large(), ChannelConfig::default());
    pair.send(0, numbered(1, 250_000));
    pair.ends[0].shutdown();

    pair.run(5 * SECOND);

    assert_eq!(pair.messages(1), [numbered(1, 250_000)]);
    assert_eq!(pair.events[0].last(), Some(&Event::Closed(CloseReason::Shutdown)));
    assert_eq!(pair.events[1].last(), Some(&Event::Closed(CloseReason::Shutdown)));
    assert_eq!(pair.ends[0].poll_timeout(), None);
}

#[test]
fn abort_ends_both_sides_at_once() {
    let mut pair = Pair::established(large(), large());
    pair.ends[0].abort();

    pair.run(SECOND);

    assert_eq!(pair.events[0], [Event::Closed(CloseReason::Aborted)]);
    assert_eq!(pair.events[1], [Event::Closed(CloseReason::PeerAborted(String::new()))]);
}

#[test]
fn a_cut_link_ends_in_a_timeout_not_a_hang() {
    let mut pair = Pair::with_channel(large(), large(), ChannelConfig::default());
    pair.lose = Box::new(|_, _| true);
    pair.send(0, numbered(0, 100_000));

    pair.run(200 * SECOND);

    assert_eq!(pair.events[0].last(), Some(&Event::Closed(CloseReason::TimedOut)));
}

#[test]
fn a_link_that_comes_back_goes_on_where_it_was() {
    let mut pair = Pair::with_channel(large(), large(), ChannelConfig::default());
    let sent: Vec<Bytes> = (0..40).map(|number| numbered(number, 60_000)).collect();
    for message in &sent {
        pair.send(0, message.clone());
    }
    pair.run(Duration::from_millis(30));
    pair.lose = Box::new(|_, _| true);
    pair.run(3 * SECOND);
    pair.lose = Box::new(|_, _| false);

    pair.run(10 * SECOND);

    assert!(pair.messages(1) == sent);
}

/// Of what a link lets through now and then, a rate of nothing was once learned, and all that was lost was sent at once.
#[test]
fn a_link_that_hardly_carries_anything_for_a_while_is_fast_again_afterwards() {
    for one_in in [20, 40, 80] {
        let mut pair = Pair::with_channel(large(), large(), ChannelConfig::default());
        for number in 0..20 {
            pair.send(0, numbered(number, 60_000));
        }
        pair.run(Duration::from_millis(500));
        let mut sent = 0u64;
        pair.lose = Box::new(move |_, end| {
            sent += u64::from(end == 0);
            end == 0 && !sent.is_multiple_of(one_in)
        });
        for number in 20..60 {
            pair.send(0, numbered(number, 60_000));
        }
        pair.run(2 * SECOND);
        pair.lose = Box::new(|_, _| false);

        pair.run(5 * SECOND);

        assert_eq!(pair.messages(1).len(), 60, "one in {one_in}");
    }
}

#[test]
fn a_message_larger_than_the_peer_takes_is_refused_here() {
    let mut pair = Pair::with_channel(Config::default(), Config::default(), ChannelConfig::default());
    let refused = pair.ends[0].send(0, false, numbered(0, 65_537), pair.now);
    assert_eq!(refused, Err(SendError::TooLarge { len: 65_537, max: 65_536 }));
}

#[test]
fn a_peer_that_sends_larger_messages_than_agreed_is_cut_off() {
    let small = Config { max_message_size: 10_000, ..large() };
    let mut pair = Pair::with_channel(large(), small, ChannelConfig::default());
    pair.send(0, numbered(0, 20_000));

    pair.run(SECOND);

    assert!(matches!(pair.events[1].last(), Some(Event::Closed(CloseReason::Violation(_)))));
    assert!(matches!(pair.events[0].last(), Some(Event::Closed(CloseReason::PeerAborted(_)))));
}

#[test]
fn with_interleaving_a_short_message_overtakes_a_long_one() {
    let mut pair = Pair::established(large(), large());
    for end in &mut pair.ends {
        end.open_negotiated(0, ChannelConfig::default()).unwrap();
        end.open_negotiated(1, ChannelConfig::default()).unwrap();
    }
    pair.ends[0].send(0, false, numbered(0, 250_000), pair.now).unwrap();
    pair.ends[0].send(1, false, numbered(1, 10), pair.now).unwrap();

    pair.run(3 * SECOND);

    assert_eq!(pair.messages(1), [numbered(1, 10), numbered(0, 250_000)]);
}

#[test]
fn a_raw_stream_needs_no_channel_here() {
    let mut pair = Pair::established(large(), large());
    let sent = pair.ends[0].send_raw(9, ppid::BINARY, numbered(1, 9), true, Reliability::Reliable, pair.now);
    assert_eq!(sent, Ok(()));

    pair.run(SECOND);

    assert_eq!(pair.ends[0].buffered(9), 0);
    assert_eq!(pair.messages(1), Vec::<Bytes>::new(), "no channel there: nobody hears it");
}
