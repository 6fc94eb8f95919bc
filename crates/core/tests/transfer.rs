//! Transfers between two sessions over simulated links.
#![allow(clippy::unwrap_used, reason = "a helper of a test may unwrap as the test does")]
mod common;
use beeline_core::{
    digest::BlockDigest,
    manifest::{Entry, EntryKind, Manifest},
    output::*,
    path::RelPath,
};
use beeline_sim::{Link, World};
use common::*;
use std::{sync::Mutex, time::Duration};

const TREE: &[(&str, usize)] = &[
    ("tree/", 0),
    ("tree/empty/", 0),
    ("tree/a", 3),
    ("tree/b c.bin", MIB + 1),
    ("tree/none", 0),
    ("tree/d/e/f", 70_000),
];

#[test]
fn files_arrive_whole_in_any_order_and_in_sequence() {
    for how in [any(), sequential()] {
        let mut world = World::connected(1, Link::home());
        let transfer = send(&mut world, 0, 1, TREE, how);
        arrives(&mut world, 0, 1, transfer, MINUTE);
        assert_eq!(world.peers[1].disk.finals.len(), TREE.len(), "folders too");
        assert!(world.peers[1].disk.parts.is_empty());
    }
}

#[test]
fn either_side_may_send_at_any_time_also_both_at_once() {
    let mut world = World::connected(2, Link::home());
    let there = offer(&mut world, 0, &[("there", 3 * MIB)]);
    let back = offer(&mut world, 1, &[("back", 2 * MIB + 5)]);
    accept(&mut world, 1, there, any());
    accept(&mut world, 0, back, any());
    assert_ne!(there, back);
    arrives(&mut world, 0, 1, there, MINUTE);
    arrives(&mut world, 1, 0, back, MINUTE);

    let again = send(&mut world, 1, 0, &[("again", 10)], any());
    arrives(&mut world, 1, 0, again, MINUTE);
}

#[test]
fn an_offer_made_before_anybody_joins_goes_out_when_somebody_does() {
    let mut world = World::new(3, Link::home());
    let opener = world.open();
    let transfer = offer(&mut world, opener, &[("early", 100)]);
    let code = world.code(opener);
    let joiner = world.join(&code);
    accept(&mut world, joiner, transfer, any());
    arrives(&mut world, opener, joiner, transfer, MINUTE);
}

#[test]
fn a_line_is_kept_busy() {
    // 10 MB/s, 20 ms round trip; 64 MiB take 6.7 s at best.
    let mut world = World::connected(4, Link::home());
    let transfer = send(&mut world, 0, 1, &[("big", 64 * MIB)], any());
    let start = world.now();
    arrives(&mut world, 0, 1, transfer, MINUTE);
    let rate = 64.0 * MIB as f64 / world.now().since(start).as_secs_f64();
    assert!(rate > 0.95 * 10e6, "{:.1} MB/s of 10", rate / 1e6);
}

#[test]
fn many_small_files_do_not_wait_for_each_other() {
    // 4,000 files of 1 KiB over 100 ms: a round trip each would take 6 minutes.
    let names: Vec<String> = (0..4000).map(|i| format!("f{i}")).collect();
    let list: Vec<(&str, usize)> = names.iter().map(|n| (n.as_str(), 1024)).collect();
    for how in [any(), sequential()] {
        let mut world = World::connected(5, Link::new(10_000_000, Duration::from_millis(50)));
        let transfer = send(&mut world, 0, 1, &list, how);
        let start = world.now();
        arrives(&mut world, 0, 1, transfer, MINUTE);
        let took = world.now().since(start);
        assert!(took < Duration::from_secs(8), "{took:?}");
    }
}

#[test]
fn memory_stays_bounded_whatever_the_size() {
    for how in [any(), sequential()] {
        let mut world = World::connected(6, Link::new(100_000_000, Duration::from_millis(50)));
        let transfer = send(&mut world, 0, 1, &[("big", 96 * MIB)], how);
        arrives(&mut world, 0, 1, transfer, MINUTE);
        assert!(world.peers[0].peak <= 6 * MIB, "sender: {} MiB", world.peers[0].peak / MIB);
        assert!(world.peers[1].peak <= 9 * MIB, "receiver: {} MiB", world.peers[1].peak / MIB);
    }
}

#[test]
fn a_stream_of_unknown_length_arrives_also_where_it_ends_at_a_block() {
    // Four windows: what is not hashed is not written, and what is not written is not granted.
    for size in [0, 1, MIB - 1, MIB, MIB + 1, 3 * MIB, 32 * MIB] {
        for how in [any(), sequential()] {
            let mut world = World::connected(7, Link::home());
            let mut entries = entries(&mut world, 0, &[("stream", size)]);
            entries[0].kind = EntryKind::File { size: None };
            let manifest = Manifest::new(entries).unwrap();
            let transfer = world.with(0, |session, now| session.offer(manifest, now));
            accept(&mut world, 1, transfer, how);
            arrives(&mut world, 0, 1, transfer, MINUTE);
        }
    }
}

#[test]
fn blocks_held_from_an_earlier_try_are_not_sent_again() {
    let mut world = World::connected(8, Link::home());
    let transfer = offer(&mut world, 0, &[("a", 10 * MIB + 7), ("b", 5)]);
    let path = RelPath::parse("a").unwrap();
    let content = world.peers[0].disk.sources[&path].clone();
    let digests = content.chunks(MIB).enumerate().map(|(i, b)| BlockDigest::of(b, i as u32, false)).collect();
    world.peers[1].disk.parts.insert((transfer, path), content);
    let held = vec![Held { file: FileIndex(0), first: 0, digests }];
    let start = world.now();

    accept(&mut world, 1, transfer, Acceptance { held, ..any() });
    arrives(&mut world, 0, 1, transfer, MINUTE);

    assert!(world.now().since(start) < Duration::from_secs(1), "only five bytes were missing");
}

#[test]
fn a_block_damaged_on_the_way_is_sent_again() {
    let mut world = World::connected(9, Link::home());
    // The last byte of one data frame in two hundred: of about every twelfth block. SCTP's checksum would not let
    // that through; three times in a row for one block would be its end.
    world.mangle = Some(|random, channel, message| {
        if channel == beeline_core::rtc::Channel::Data && rand_core::RngCore::next_u32(random) % 200 == 0 {
            *message.last_mut().unwrap() ^= 1;
        }
    });
    for name in ["a", "b", "c", "d"] {
        let transfer = send(&mut world, 0, 1, &[(name, 8 * MIB)], any());
        arrives(&mut world, 0, 1, transfer, MINUTE);
    }
}

#[test]
fn a_block_that_stays_damaged_is_an_error_on_both_sides() {
    let mut world = World::connected(10, Link::home());
    world.mangle = Some(|_, channel, message| {
        if channel == beeline_core::rtc::Channel::Data {
            *message.last_mut().unwrap() ^= 1;
        }
    });
    send(&mut world, 0, 1, &[("a", MIB)], any());
    assert!(
        world.run_until(MINUTE, |w| failure(w, 0).is_some() && failure(w, 1).is_some()),
        "{:#?}",
        world.events()
    );
    assert_eq!(failure(&world, 1), Some(TransferFailure::Corrupt(FileIndex(0))));
    assert!(world.peers[1].disk.finals.is_empty());
}

#[test]
fn a_source_that_changes_is_an_error_on_both_sides_and_leaves_nothing() {
    let mut world = World::connected(11, Link::home());
    send(&mut world, 0, 1, &[("a", 50 * MIB)], any());
    world.run(Duration::from_secs(1));
    world.peers[0].disk.changed = true;
    assert!(world.run_until(MINUTE, |w| failure(w, 0).is_some() && failure(w, 1).is_some()));
    assert!(failure(&world, 0).unwrap().to_string().contains("a changed"));
    assert!(failure(&world, 1).unwrap().to_string().contains("a changed"));
    assert!(world.peers[1].disk.finals.is_empty() && world.peers[1].disk.parts.is_empty());
    assert!(world.peers[0].blocks.bytes() == 0 && world.peers[1].blocks.bytes() == 0);
}

#[test]
fn a_full_disk_is_an_error_on_both_sides() {
    let mut world = World::connected(12, Link::home());
    send(&mut world, 0, 1, &[("a", 50 * MIB)], any());
    world.run(Duration::from_secs(1));
    world.peers[1].disk.full = true;
    assert!(world.run_until(MINUTE, |w| failure(w, 0).is_some() && failure(w, 1).is_some()));
    assert!(failure(&world, 0).unwrap().to_string().contains("no space left for a"));
    assert!(closed(&world, 0).is_none(), "the session lives on");
}

#[test]
fn declining_and_cancelling_are_heard_and_the_session_lives_on() {
    let mut world = World::connected(13, Link::home());
    let transfer = offer(&mut world, 0, &[("a", MIB)]);
    world.run(Duration::from_secs(1));
    world.with(1, |session, now| session.decline(transfer, "no, thanks", now));
    world.run(Duration::from_secs(1));
    assert!(world.peers[0].has(|e| *e == Event::Declined { transfer, message: "no, thanks".into() }));

    for canceller in [0, 1] {
        let transfer = send(&mut world, 0, 1, &[("b", 50 * MIB)], any());
        world.run(Duration::from_secs(1));
        world.with(canceller, |session, now| session.cancel(transfer, "changed my mind", now));
        world.run(Duration::from_secs(1));
        let there =
            Event::Failed { transfer, failure: TransferFailure::CancelledThere("changed my mind".into()) };
        let here = Event::Failed { transfer, failure: TransferFailure::CancelledHere };
        assert!(world.peers[1 - canceller].has(|e| *e == there));
        assert!(world.peers[canceller].has(|e| *e == here));
    }

    world.peers[0].disk.sources.clear();
    let transfer = send(&mut world, 0, 1, &[("c", MIB)], any());
    arrives(&mut world, 0, 1, transfer, MINUTE);
}

#[test]
fn a_pause_from_either_side_stops_the_bytes_until_it_ends() {
    for pauser in [0, 1] {
        let mut world = World::connected(14, Link::home());
        let transfer = send(&mut world, 0, 1, &[("a", 50 * MIB)], any());
        world.run(Duration::from_secs(1));
        world.with(pauser, |session, now| session.pause(transfer, true, now));
        world.run(Duration::from_secs(2));
        let before = world.peers[1].session.progress(transfer, world.now()).unwrap().bytes;
        world.run(MINUTE * 5);
        let after = world.peers[1].session.progress(transfer, world.now()).unwrap().bytes;
        assert_eq!(before, after);

        world.with(pauser, |session, now| session.pause(transfer, false, now));
        arrives(&mut world, 0, 1, transfer, MINUTE);
    }
}

#[test]
fn a_text_is_shown_and_its_sender_knows() {
    let mut world = World::connected(15, Link::home());
    let transfer = world.with(1, |session, now| session.send_text("안녕 🐝", now)).unwrap();
    world.run(Duration::from_secs(1));
    assert!(world.peers[0].has(|e| *e == Event::Text { text: "안녕 🐝".into() }));
    assert!(world.peers[1].has(|e| *e == Event::Done(transfer)));
    let long = "x".repeat(50_000);
    assert!(world.with(1, |session, now| session.send_text(&long, now)).is_err());
}

#[test]
fn a_path_that_is_silent_for_ten_seconds_goes_on_and_nothing_is_lost() {
    let mut world = World::connected(16, Link::home());
    let transfer = send(&mut world, 0, 1, &[("a", 50 * MIB)], any());
    world.run(Duration::from_secs(2));
    world.link.cut_until = world.now() + Duration::from_secs(10);
    arrives(&mut world, 0, 1, transfer, MINUTE);
    for peer in [0, 1] {
        assert!(world.peers[peer].has(|e| *e == Event::PathLost));
        assert!(world.peers[peer].has(|e| *e == Event::PathBack));
    }
}

#[test]
fn a_killed_peer_is_missed_within_fifteen_seconds_and_nothing_has_a_final_name() {
    for killed in [0, 1] {
        let mut world = World::connected(17, Link::home());
        send(&mut world, 0, 1, &[("a", 200 * MIB)], any());
        world.run(Duration::from_secs(2));
        let start = world.now();
        world.kill(killed);
        assert!(world.run_until(MINUTE, |w| closed(w, 1 - killed).is_some()));
        assert!(world.now().since(start) < Duration::from_secs(15));
        assert_eq!(closed(&world, 1 - killed), Some(Closed::PeerGone));
        assert!(failure(&world, 1 - killed).is_some(), "the transfer failed, too");
        assert!(world.peers[1].disk.finals.is_empty());
        let parts = &world.peers[1 - killed].disk.parts;
        assert!(parts.is_empty(), "what is not complete is removed by the side that lives");
    }
}

#[test]
fn a_server_that_goes_away_does_not_matter_while_the_peers_hear_each_other() {
    let mut world = World::connected(18, Link::home());
    let transfer = send(&mut world, 0, 1, &[("a", 50 * MIB)], any());
    world.run(Duration::from_secs(1));
    world.drop_socket(0);
    world.drop_socket(1);
    arrives(&mut world, 0, 1, transfer, MINUTE);
}

#[test]
fn closing_tells_the_other_side_and_ends_both() {
    for closer in [0, 1] {
        let mut world = World::connected(19, Link::home());
        send(&mut world, 0, 1, &[("a", 50 * MIB)], any());
        world.run(Duration::from_secs(1));
        world.with(closer, |session, now| session.close(now));
        world.run(Duration::from_secs(5));
        assert!(world.peers[0].session.is_closed() && world.peers[1].session.is_closed());
        assert!(
            matches!(failure(&world, 1 - closer), Some(TransferFailure::CancelledThere(_))),
            "{:#?}",
            world.events()
        );
        assert_eq!(closed(&world, closer), Some(Closed::Here));
    }
}

#[test]
fn whose_goodbye_has_arrived_waits_no_longer() {
    let mut world = World::connected(23, Link::home());
    world.with(0, |session, now| session.close(now));
    // Two goodbyes take 20 ms.
    world.run(Duration::from_millis(100));
    assert!(world.peers[0].session.is_closed() && world.peers[1].session.is_closed());
}

#[test]
fn half_a_million_names_are_offered_in_pages() {
    let mut world = World::connected(20, Link::new(100_000_000, Duration::from_millis(1)));
    let entry = |i: u32| Entry {
        path: RelPath::parse(&format!("folder {}/file {i}", i / 1000)).unwrap(),
        kind: EntryKind::File { size: Some(0) },
        modified: None,
        executable: false,
    };
    let manifest = Manifest::new((0..500_000).map(entry).collect()).unwrap();
    let transfer = world.with(0, |session, now| session.offer(manifest, now));
    accept(&mut world, 1, transfer, any());
    assert!(world.run_until(MINUTE * 10, |w| w.peers[0].events.last() == Some(&Event::Done(transfer))));
    assert_eq!(world.peers[1].disk.finals.len(), 500_000);
}

#[test]
fn several_offers_made_before_anybody_joins_all_go_out_and_may_be_paused_or_cancelled_before() {
    let mut world = World::new(21, Link::home());
    let opener = world.open();
    let code = world.code(opener);
    let names: Vec<String> = (0..12).map(|i| format!("f{i}")).collect();
    let offers: Vec<_> = names.iter().map(|name| offer(&mut world, opener, &[(name, 10)])).collect();
    world.with(opener, |session, now| session.pause(offers[0], true, now));
    world.with(opener, |session, now| session.cancel(offers[1], "", now));
    let path = RelPath::parse("f1").unwrap();
    world.peers[opener].disk.sources.remove(&path);

    let joiner = world.join(&code);
    for transfer in offers.iter().filter(|t| **t != offers[1]) {
        accept(&mut world, joiner, *transfer, any());
    }
    world.run(Duration::from_secs(5));
    assert!(!world.peers[opener].has(|e| *e == Event::Done(offers[0])), "it is paused");
    world.with(opener, |session, now| session.pause(offers[0], false, now));
    arrives(&mut world, opener, joiner, offers[0], MINUTE);
}

#[test]
fn the_frames_of_a_block_are_of_one_size_and_none_has_a_rest_of_two() {
    static LENGTHS: Mutex<Vec<usize>> = Mutex::new(Vec::new());
    let mut world = World::connected(10, Link::home());
    world.mangle = Some(|_, channel, message| {
        if channel == beeline_core::rtc::Channel::Data {
            LENGTHS.lock().unwrap().push(message.len());
        }
    });
    let transfer = send(&mut world, 0, 1, &[("a", 8 * MIB)], any());

    arrives(&mut world, 0, 1, transfer, MINUTE);

    let lengths = LENGTHS.lock().unwrap();
    let shortest = lengths.iter().min().unwrap();
    assert!(lengths.len() >= 8 * 5 && *shortest > 48 << 10, "{lengths:?}");
}

#[test]
fn a_damaged_block_is_sent_again_also_while_the_window_is_full() {
    let mut world = World::connected(9, Link::home());
    world.mangle = Some(|random, channel, message| {
        if channel == beeline_core::rtc::Channel::Data && rand_core::RngCore::next_u32(random) % 400 == 0 {
            *message.last_mut().unwrap() ^= 1;
        }
    });
    for name in ["a", "b", "c", "d", "e"] {
        let how = Acceptance { window: 2 << 20, ..any() };
        let transfer = send(&mut world, 0, 1, &[(name, 16 * MIB)], how);
        arrives(&mut world, 0, 1, transfer, MINUTE);
    }
}

#[test]
fn a_failed_lane_does_not_keep_the_driver_awake() {
    use beeline_core::rtc::{LaneId, LaneState, RtcEvent};
    let mut world = World::connected(22, Link::home());
    let failed = RtcEvent::State { lane: LaneId::FIRST, state: LaneState::Failed };
    let now = world.now();
    let session = &mut world.peers[0].session;
    session.handle_rtc(failed, now);
    let later = now + Duration::from_millis(10);
    session.handle_timeout(later);
    let wake = loop {
        if let Output::Wait(wake) = session.poll_output() {
            break wake;
        }
    };
    assert!(wake.unwrap() > later, "asks to be woken at {wake:?}, it is {later:?}");
}
