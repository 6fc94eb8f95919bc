//! Two native transports against each other, in a network of their own.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::time::{Duration, Instant};

use beeline_core::rtc::{Channel, LaneState, RtcAction};
use bytes::Bytes;
use common::{
    pair::{LANE, Pair},
    run, sealed,
};

const MESSAGE: usize = 64 << 10;
/// What a driver holds on the way.
const IN_FLIGHT: u64 = 1 << 20;

/// A test is its name, as `sealed` needs it, and what happens in the sealed network.
macro_rules! tests {
    ($($(#[$attribute:meta])* $name:ident: $body:expr;)*) => {
        $(#[test] $(#[$attribute])* fn $name() { sealed(stringify!($name), $body) })*
    };
}

tests! {
    both_channels_open_and_carry_messages_both_ways: messages_both_ways();
    sixteen_mebibytes_arrive_equal_and_in_order_with_bounded_buffering: many_messages();
    an_ice_restart_by_either_side_does_not_disturb_the_data: restarts();
    a_close_is_seen_by_the_other_side_after_the_last_message: close();
    a_dropped_transport_says_good_bye: dropped();
    a_cut_path_is_disconnected_then_heals: cut();
    an_address_beyond_a_nat_is_learned_from_a_stun_server: reflexive();
    ipv6_alone_is_enough: ipv6();
    without_a_way_a_lane_fails_instead_of_hanging: no_way();
    #[ignore = "a measurement"]
    throughput: measure();
}

/// Message number `n`: its bytes tell it.
fn message(n: usize) -> Bytes {
    let mut bytes = vec![n as u8; MESSAGE];
    bytes[..8].copy_from_slice(&(n as u64).to_be_bytes());
    bytes.into()
}

/// Sends `count` messages from a to b on the data channel as a driver does, and checks each.
async fn transfer(pair: &mut Pair, count: usize, mut now_and_then: impl FnMut(&mut Pair, usize)) {
    let (mut sent, mut received) = (0, 0);
    pair.until("all messages", 60, |pair| {
        while sent < count && pair.a.transport.buffered(LANE, Channel::Data) < IN_FLIGHT {
            pair.a.send(Channel::Data, message(sent));
            sent += 1;
        }
        for (channel, got) in std::mem::take(&mut pair.b.messages) {
            assert_eq!(channel, Channel::Data);
            assert!(got == message(received), "message {received} differs");
            received += 1;
            now_and_then(pair, received);
        }
        received == count
    })
    .await;
}

async fn messages_both_ways() {
    let mut pair = Pair::connected(&[]).await;

    assert_eq!(pair.a.open, [(Channel::Control, 262_144), (Channel::Data, 262_144)]);
    for (channel, text) in [(Channel::Control, "hello"), (Channel::Data, "world"), (Channel::Control, "!")] {
        pair.a.send(channel, text);
        pair.b.send(channel, text);
    }
    pair.until("three messages each", 5, |p| p.a.messages.len() == 3 && p.b.messages.len() == 3).await;

    for side in [&pair.a, &pair.b] {
        assert_eq!(side.states, [LaneState::Connected]);
        assert!(side.transport.peer_is_paced(LANE));
        let control: Vec<_> = side.messages.iter().filter(|(c, _)| *c == Channel::Control).collect();
        assert_eq!(control[0].1, "hello");
        assert_eq!(control[1].1, "!");
    }
    pair.until("a path", 5, |p| p.a.paths > 0 && p.b.paths > 0).await;
}

async fn many_messages() {
    let mut pair = Pair::connected(&[]).await;

    transfer(&mut pair, 256, |_, _| {}).await;
    pair.until("nothing on the way", 5, |p| p.a.buffered.last() == Some(&(Channel::Data, 0))).await;

    let most = pair.a.buffered.iter().map(|(_, bytes)| *bytes).max().unwrap();
    assert!(most < IN_FLIGHT + MESSAGE as u64, "{most}");
    assert_eq!(pair.a.transport.buffered(LANE, Channel::Data), 0);
}

async fn restarts() {
    let mut pair = Pair::connected(&[]).await;

    transfer(&mut pair, 512, |pair, received| match received {
        100 => pair.a.transport.act(RtcAction::Restart { lane: LANE }),
        300 => pair.b.transport.act(RtcAction::Restart { lane: LANE }),
        _ => {}
    })
    .await;

    // Longer than a path lives that nobody answers for.
    let healthy = Instant::now() + Duration::from_secs(8);
    pair.a.messages.clear();
    let mut next = Instant::now();
    pair.until("still alive", 20, |pair| {
        if next < Instant::now() {
            next = Instant::now() + Duration::from_millis(500);
            pair.b.send(Channel::Control, "ping");
        }
        healthy < Instant::now()
    })
    .await;
    assert!(pair.a.messages.len() > 10, "{}", pair.a.messages.len());
    assert_eq!(pair.a.states, [LaneState::Connected]);
    assert_eq!(pair.b.states, [LaneState::Connected]);
}

async fn close() {
    let mut pair = Pair::connected(&[]).await;

    pair.a.send(Channel::Data, message(0));
    pair.a.send(Channel::Control, "bye");
    pair.a.transport.act(RtcAction::Close { lane: LANE });
    pair.until("closed", 5, |p| p.b.states.contains(&LaneState::Closed)).await;

    assert_eq!(pair.b.messages.len(), 2);
    assert_eq!(pair.a.states, [LaneState::Connected]);
}

async fn dropped() {
    let Pair { a, mut b } = Pair::connected(&[]).await;

    let start = Instant::now();
    a.transport.shutdown().await;
    let took = start.elapsed();
    while let Some(event) = b.events.recv().await {
        if format!("{event:?}").contains("Closed") {
            break;
        }
    }

    assert!(took < Duration::from_millis(500), "{took:?}");
    assert!(start.elapsed() < Duration::from_secs(2));
}

async fn cut() {
    let mut pair = Pair::connected(&[]).await;

    let start = Instant::now();
    run("ip link set veth0 down; ip link set lo down");
    pair.until("disconnected", 10, |p| {
        [&p.a, &p.b].iter().all(|side| side.states.contains(&LaneState::Disconnected))
    })
    .await;
    assert!(start.elapsed() > Duration::from_secs(4), "{:?}", start.elapsed());
    tokio::time::sleep(Duration::from_secs(10).saturating_sub(start.elapsed())).await;
    run("ip link set lo up; ip link set veth0 up; ip addr replace fd00:2::2/64 dev veth0 nodad");
    pair.a.send(Channel::Control, "still here?");
    pair.until("healed", 10, |p| {
        [&p.a, &p.b]
            .iter()
            .all(|side| side.states.ends_with(&[LaneState::Disconnected, LaneState::Connected]))
    })
    .await;

    pair.until("the message", 30, |p| !p.b.messages.is_empty()).await;
}

/// Answers every Binding with an address that nobody has.
async fn stun_server() -> String {
    run("ip addr add 192.0.2.3/24 dev veth0");
    let socket = tokio::net::UdpSocket::bind("192.0.2.3:0").await.unwrap();
    let url = format!("stun:{}", socket.local_addr().unwrap());
    tokio::spawn(async move {
        let mut request = [0; 100];
        loop {
            let (len, from) = socket.recv_from(&mut request).await.unwrap();
            if len != 20 {
                continue; // a connectivity check
            }
            let mut answer = vec![1, 1, 0, 12];
            answer.extend(&request[4..20]);
            answer.extend([0, 0x20, 0, 8, 0, 1, 0x21 ^ 0x12, 0x12 ^ 0x34]); // port 0x1234, below 198.51.100.7
            answer.extend([198 ^ 0x21, 51 ^ 0x12, 100 ^ 0xa4, 7 ^ 0x42]);
            socket.send_to(&answer, from).await.unwrap();
        }
    });
    url
}

async fn reflexive() {
    let url = stun_server().await;
    let mut pair = Pair::connected(&[&url, "turn:192.0.2.3:1", "stun:nobody.invalid"]).await;

    let found =
        |c: &beeline_core::rtc::Candidate| c.0.contains(" 198.51.100.7 4") && c.0.contains("typ srflx");
    pair.until("a reflexive candidate", 4, |p| p.a.candidates.iter().any(found)).await;
}

async fn ipv6() {
    run("ip addr del 192.0.2.2/24 dev veth0");
    let mut pair = Pair::connected(&[]).await;

    assert!(pair.a.candidates.iter().all(|c| c.0.contains(" fd00:2::2 ")));
    transfer(&mut pair, 16, |_, _| {}).await;
}

async fn no_way() {
    run("ip link set lo down"); // packets of a machine to itself go through it
    let mut pair = Pair::new(&[]);

    let start = Instant::now();
    pair.until("failed", 20, |p| p.a.states == [LaneState::Failed] && p.b.states == [LaneState::Failed])
        .await;

    assert!(start.elapsed() > Duration::from_secs(14));
}

async fn measure() {
    let mut pair = Pair::connected(&[]).await;
    if let Ok(delay) = std::env::var("DELAY") {
        run(&format!("tc qdisc add dev lo root netem delay {delay} limit 100000"));
    }
    for _ in 0..3 {
        let start = Instant::now();
        transfer(&mut pair, 1024, |_, _| {}).await;
        println!("RATE {:.1} MB/s", (64 << 20) as f64 / 1e6 / start.elapsed().as_secs_f64());
    }
}
