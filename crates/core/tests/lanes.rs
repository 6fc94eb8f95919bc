//! Several connections side by side: opened when they help, lost without a loss, and never more than agreed on.
#![allow(clippy::unwrap_used, reason = "a helper of a test may unwrap as the test does")]
mod common;
use beeline_core::{
    manifest::{EntryKind, Manifest},
    output::*,
    rtc::{CandidateType, Channel, LaneId, LaneState, RtcEvent},
    session::{LaneRules, SenderEngine},
    wire::{
        control::{Control, Pong},
        meeting::Sealed,
    },
};
use beeline_sim::{Link, World};
use common::*;
use std::{collections::BTreeSet, time::Duration};

const SECOND: Duration = Duration::from_secs(1);

/// 50 ms there and back, where one connection carries 400 kB/s of 10 MB/s, as with random loss.
fn lossy() -> Link {
    limited(Link::new(10_000_000, Duration::from_millis(25)), 400_000)
}

fn limited(mut link: Link, lane_rate: u64) -> Link {
    link.lane_rate = Some(lane_rate);
    link
}

fn at_least(least: u8) -> LaneRules {
    LaneRules { least, ..LaneRules::default() }
}

fn bytes(world: &World, transfer: TransferId) -> u64 {
    world.peers[1].session.progress(transfer, world.now()).map_or(0, |progress| progress.bytes)
}

#[test]
fn lanes_are_opened_while_each_brings_more() {
    let mut world = World::connected(1, lossy());
    let transfer = send(&mut world, 0, 1, &[("a", 200 * MIB)], any());
    world.run(20 * SECOND);
    let before = bytes(&world, transfer);
    world.run(10 * SECOND);
    let rate = (bytes(&world, transfer) - before) as f64 / 10.0;

    assert_eq!(world.most_lanes, 16);
    assert!(rate > 0.9 * 15.0 * 400e3, "{:.2} MB/s of 15 lanes at 0.4", rate / 1e6);
    arrives(&mut world, 0, 1, transfer, MINUTE);
}

#[test]
fn a_line_that_one_lane_fills_gets_no_other() {
    let mut world = World::new(2, Link::home());
    world.throttled = true; // else nothing tells whether the line is full
    world.meet();
    let start = world.now();
    let transfer = send(&mut world, 0, 1, &[("a", 100 * MIB)], any());
    arrives(&mut world, 0, 1, transfer, MINUTE);
    let rate = 100.0 * MIB as f64 / world.now().since(start).as_secs_f64();
    assert!(rate > 0.95 * 10e6, "{:.1} MB/s of 10", rate / 1e6);
    assert_eq!(world.most_lanes, 1);
}

#[test]
fn a_short_path_and_an_engine_of_our_own_get_no_second_lane() {
    let near = || limited(Link::new(100_000_000, Duration::from_millis(2)), 5_000_000);
    let own = LaneRules { engine: SenderEngine::Own, ..LaneRules::default() };
    // The joiner is ready first, and its first ping waits for the opener.
    for (from, to) in [(0, 1), (1, 0)] {
        for (link, rules) in [(near(), LaneRules::default()), (lossy(), own)] {
            let mut world = World::connected_with(3, link, rules);
            let transfer = send(&mut world, from, to, &[("a", 16 * MIB)], any());
            arrives(&mut world, from, to, transfer, MINUTE);
            assert_eq!(world.most_lanes, 1, "{rules:?}, from {from}");
        }
    }
}

#[test]
fn over_a_relay_there_are_two_at_most() {
    let mut world = World::connected_with(4, lossy(), at_least(5));
    for peer in [0, 1] {
        let (local, remote) = (CandidateType::Host, CandidateType::Relayed);
        let nominated = RtcEvent::Nominated { lane: LaneId::FIRST, local, remote };
        world.with(peer, |session, now| session.handle_rtc(nominated, now));
    }
    let transfer = send(&mut world, 0, 1, &[("a", 8 * MIB)], any());
    arrives(&mut world, 0, 1, transfer, MINUTE);
    assert_eq!(world.most_lanes, 2);
}

#[test]
fn the_first_connection_carries_no_file_bytes_while_there_is_another() {
    let mut world = World::connected_with(5, lossy(), at_least(2));
    let transfer = send(&mut world, 0, 1, &[("a", 100 * MIB)], any());
    world.run(10 * SECOND);
    assert!(world.further_lanes().len() >= 2);
    world.link.slow.insert(LaneId::FIRST, 30_000);
    let before = bytes(&world, transfer);
    world.run(3 * SECOND);
    assert!(bytes(&world, transfer) - before > 1_500_000, "two lanes of 400 kB/s go on");
}

#[test]
fn lanes_that_end_under_way_lose_nothing() {
    for (how, size) in [(any(), Some(())), (sequential(), Some(())), (any(), None), (sequential(), None)] {
        for told_after in [Duration::ZERO, 5 * SECOND, 10 * MINUTE] {
            let mut world = World::connected_with(6, lossy(), at_least(4));
            let mut entries = entries(&mut world, 0, &[("a", 24 * MIB + 5)]);
            entries[0].kind = EntryKind::File { size: size.map(|()| 24 * MIB as u64 + 5) };
            let manifest = Manifest::new(entries).unwrap();
            let transfer = world.with(0, |session, now| session.offer(manifest, now));
            accept(&mut world, 1, transfer, how.clone());
            for _ in 0..4 {
                world.run(3 * SECOND);
                let lanes = world.further_lanes();
                let lane = lanes.iter().find(|lane| !world.dead_lanes.contains(lane));
                world.break_lane(*lane.expect("there are lanes"), told_after);
            }
            arrives(&mut world, 0, 1, transfer, 2 * MINUTE);
            assert_eq!(world.peers[0].blocks.bytes() + world.peers[1].blocks.bytes(), 0);
            assert!(closed(&world, 0).is_none() && closed(&world, 1).is_none());
        }
    }
}

#[test]
fn a_lane_that_collapses_is_replaced_by_a_fresh_one() {
    let mut world = World::connected_with(7, lossy(), at_least(3));
    let transfer = send(&mut world, 0, 1, &[("a", 60 * MIB)], any());
    world.run(8 * SECOND);
    let lane = world.further_lanes()[0];
    world.link.slow.insert(lane, 10_000);
    let gone = |w: &World| !w.further_lanes().contains(&lane);
    assert!(world.run_until(8 * SECOND, gone), "it is still there: {:?}", world.further_lanes());
    assert!(world.further_lanes().len() >= 3);
    arrives(&mut world, 0, 1, transfer, 3 * MINUTE);
}

#[test]
fn a_first_lane_that_collapses_is_relieved() {
    // So short a path that no lane is opened for more goodput.
    let mut world = World::connected(8, Link::new(2_000_000, Duration::from_millis(3)));
    let transfer = send(&mut world, 0, 1, &[("a", 40 * MIB)], any());
    world.run(5 * SECOND);
    world.link.slow.insert(LaneId::FIRST, 100_000);
    // At 100 kB/s it would be five minutes.
    arrives(&mut world, 0, 1, transfer, MINUTE);
    assert_eq!(world.most_lanes, 2);
}

#[test]
fn both_sides_may_open_lanes_in_the_same_instant() {
    let mut world = World::connected_with(9, lossy(), at_least(3));
    let there = offer(&mut world, 0, &[("there", 12 * MIB)]);
    let back = offer(&mut world, 1, &[("back", 12 * MIB)]);
    accept(&mut world, 1, there, any());
    accept(&mut world, 0, back, any());
    world.run(4 * SECOND);
    let lanes: BTreeSet<u8> = world.further_lanes().iter().map(|lane| lane.0).collect();
    assert!(lanes.iter().any(|lane| lane % 2 == 0) && lanes.iter().any(|lane| lane % 2 == 1), "{lanes:?}");
    arrives(&mut world, 0, 1, there, MINUTE);
    arrives(&mut world, 1, 0, back, MINUTE);
}

#[test]
fn no_lane_waits_for_a_slow_one_and_memory_stays_bounded_in_any_order() {
    for how in [any(), sequential()] {
        let mut world = World::connected_with(10, lossy(), at_least(4));
        let transfer = send(&mut world, 0, 1, &[("a", 48 * MIB)], how);
        world.run(2 * SECOND);
        for (lane, rate) in world.further_lanes().into_iter().zip([400_000, 400_000, 100_000, 60_000]) {
            world.link.slow.insert(lane, rate);
        }
        let start = world.now();
        arrives(&mut world, 0, 1, transfer, 3 * MINUTE);
        let took = world.now().since(start);
        assert!(took < Duration::from_secs(65), "two of 400 kB/s alone need 60 s: {took:?}");
        assert!(world.peers[1].peak <= 9 * MIB, "receiver: {} MiB", world.peers[1].peak / MIB);
        assert!(world.peers[0].peak <= 6 * MIB, "sender: {} MiB", world.peers[0].peak / MIB);
    }
}

#[test]
fn on_a_lan_each_lane_has_blocks_of_its_own_and_none_waits_for_one_that_stopped() {
    for told_after in [Duration::ZERO, 10 * MINUTE] {
        let near = limited(Link::new(100_000_000, Duration::from_micros(250)), 10_000_000);
        let mut world = World::new(15, near);
        (world.throttled, world.lanes) = (true, at_least(3)); // else frames are not as long as a LAN's
        world.meet();
        let transfer = send(&mut world, 0, 1, &[("a", 120 * MIB)], sequential());
        world.run(2 * SECOND);
        let lanes = world.further_lanes();
        assert_eq!(lanes.len(), 3, "{lanes:?}");
        let before = bytes(&world, transfer);
        world.run(SECOND);
        let rate = (bytes(&world, transfer) - before) as f64;
        assert!(rate > 0.9 * 30e6, "{:.1} MB/s of three lanes at 10", rate / 1e6);

        world.break_lane(lanes[0], told_after);

        arrives(&mut world, 0, 1, transfer, 5 * SECOND);
    }
}

#[test]
fn lanes_are_closed_when_nothing_moves_and_with_the_session() {
    let mut world = World::connected_with(11, lossy(), at_least(3));
    let transfer = send(&mut world, 0, 1, &[("a", 8 * MIB)], any());
    arrives(&mut world, 0, 1, transfer, MINUTE);
    assert!(world.further_lanes().len() >= 3);
    world.run(40 * SECOND);
    assert_eq!((world.peers[0].further_lanes(), world.peers[1].further_lanes()), (0, 0));

    let transfer = send(&mut world, 0, 1, &[("b", 20 * MIB)], any());
    world.run(5 * SECOND);
    assert!(world.further_lanes().len() >= 3, "and opened again");
    world.with(0, |session, now| session.close(now));
    world.run(5 * SECOND);
    assert_eq!((world.peers[0].further_lanes(), world.peers[1].further_lanes()), (0, 0));
    assert!(world.peers.iter().all(|peer| peer.session.is_closed()));
    assert!(failure(&world, 1).is_some(), "{transfer:?} ended with it");
}

#[test]
fn what_comes_for_lanes_that_do_not_exist_is_ignored_or_refused() {
    let mut world = World::connected(12, Link::home());
    for lane in [LaneId(1), LaneId(2), LaneId(255)] {
        world.inject_on(lane, 1, Channel::Data, vec![0xff; 10]);
        for state in [LaneState::Connected, LaneState::Disconnected, LaneState::Closed, LaneState::Failed] {
            world.with(1, |session, now| session.handle_rtc(RtcEvent::State { lane, state }, now));
        }
        let open = RtcEvent::ChannelOpen { lane, channel: Channel::Data, max_message: 65_536 };
        world.with(1, |session, now| session.handle_rtc(open, now));
        world.with(1, |session, now| session.handle_buffered(lane, Channel::Data, 5, now));
    }
    let transfer = send(&mut world, 0, 1, &[("a", MIB)], any());
    arrives(&mut world, 0, 1, transfer, MINUTE);
    assert_eq!(closed(&world, 1), None);

    let mut on_another = World::connected(13, Link::home());
    on_another.inject_on(LaneId(2), 1, Channel::Control, Control::from(Pong {}).encode());
    let mut not_sealed = World::connected(14, Link::home());
    let sealed = Control::from(Sealed { number: 0, bytes: vec![7; 40] });
    not_sealed.inject(1, Channel::Control, sealed.encode());
    for world in [&mut on_another, &mut not_sealed] {
        world.run(SECOND);
        assert!(matches!(closed(world, 1), Some(Closed::Protocol(_))), "{:?}", closed(world, 1));
    }
}
