//! Transfers between two sessions whose channels are browsers', over lines packet by packet.
#![allow(clippy::unwrap_used, reason = "a helper of a test may unwrap as the test does")]
mod common;
use beeline_core::{throttle::Throttle, time::Time, wire::control::Report};
use beeline_sim::{World, net::Path};
use common::*;
use std::time::Duration;

#[test]
fn a_transfer_over_an_internet_line_fills_it_and_loses_nothing() {
    // 20 Mbit/s, 50 ms, a queue of one product: a channel that is fed as it likes delivers a fiftieth.
    let path = Path::new(20.0, 50, 1.0, 0.0);
    let mut world = World::browsers(7, path);
    let transfer = send(&mut world, 0, 1, &[("big", 24 * MIB)], any());
    let start = world.now();

    arrives(&mut world, 0, 1, transfer, MINUTE);

    let share = 24.0 * MIB as f64 * 8.0 / world.now().since(start).as_secs_f64() / path.rate;
    let dropped = world.net.as_ref().unwrap().counts(0).dropped;
    assert!(share > 0.8 && dropped == 0, "{share:.2} of the line, {dropped} packets dropped");
}

#[test]
fn both_ways_at_once_and_with_loss_all_arrives() {
    let mut world = World::browsers(8, Path::new(20.0, 50, 1.0, 1.0));
    let there = offer(&mut world, 0, &[("there", 2 * MIB)]);
    let back = offer(&mut world, 1, &[("back", 2 * MIB + 5)]);
    accept(&mut world, 1, there, any());
    accept(&mut world, 0, back, sequential());

    arrives(&mut world, 0, 1, there, MINUTE);
    arrives(&mut world, 1, 0, back, MINUTE);
}

#[test]
fn over_a_slow_line_both_sides_see_bytes_long_before_a_block_is_whole() {
    let mut world = World::browsers(8, Path::new(1.0, 50, 1.0, 0.0));
    let transfer = send(&mut world, 0, 1, &[("big", MIB)], any());
    world.run(Duration::from_secs(3));

    let [sender, receiver] =
        [0, 1].map(|peer| world.peers[peer].session.progress(transfer, world.now()).unwrap());

    for progress in [sender, receiver] {
        assert!((200_000..375_000).contains(&progress.bytes), "{progress:?}");
        assert!((80e3..125e3).contains(&progress.bytes_per_s), "{progress:?}");
    }
    assert!(sender.bytes <= receiver.bytes, "{sender:?}, {receiver:?}");
    arrives(&mut world, 0, 1, transfer, MINUTE);
}

#[test]
fn what_comes_twice_counts_once_on_both_sides() {
    let mut world = World::browsers(8, Path::new(20.0, 50, 1.0, 1.0));
    let total = (16 * MIB + 5) as u64;
    let transfer = send(&mut world, 0, 1, &[("big", 16 * MIB), ("small", 5)], any());
    let mut last = [0; 2];
    while let [Some(sender), Some(receiver)] =
        [0, 1].map(|peer| world.peers[peer].session.progress(transfer, world.now()))
    {
        let bytes = [sender.bytes, receiver.bytes];
        assert!(bytes[0] >= last[0] && bytes[1] >= last[1], "{last:?}, then {bytes:?}");
        assert!(bytes[0] <= total && bytes[1] <= total, "{bytes:?} of {total}");
        last = bytes;
        world.run(Duration::from_millis(100));
    }
    arrives(&mut world, 0, 1, transfer, MINUTE);
    assert!(last[0] > total * 9 / 10, "the sender saw {} of {total}", last[0]);
}

#[test]
fn many_small_files_do_not_wait_for_a_report_each() {
    let names: Vec<String> = (0..500).map(|i| format!("f{i}")).collect();
    let list: Vec<(&str, usize)> = names.iter().map(|n| (n.as_str(), 1024)).collect();
    let mut world = World::browsers(9, Path::new(20.0, 50, 1.0, 0.0));
    let transfer = send(&mut world, 0, 1, &list, any());
    let start = world.now();

    arrives(&mut world, 0, 1, transfer, MINUTE);

    let took = world.now().since(start);
    assert!(took.as_secs_f64() < 3.0, "{took:?}");
}

#[test]
fn a_free_lane_is_measured_all_the_same_and_on_a_lan_its_engine_is_no_limit() {
    for (rtt, may_be_limited) in [(50, true), (3, false)] {
        let mut throttle = Throttle::free();
        let start = Time::from_origin(Duration::from_secs(1));
        for frame in 0..40 {
            let sent = start + Duration::from_millis(10 * frame);
            throttle.sent(64 << 10, sent);
            let stamp = |at: Time| (at.since_origin().as_micros() / 100) as u32;
            let clock = stamp(sent + Duration::from_millis(rtt / 2));
            let report = Report { lane: 0, bytes: (frame + 1) << 16, clock, echo: stamp(sent), held: 0 };
            throttle.report(&report, sent + Duration::from_millis(rtt));
        }
        let estimate = throttle.estimate();

        let measured = estimate.rtt.unwrap().as_secs_f64() * 1000.0;
        assert!((measured - rtt as f64).abs() < 0.2, "{measured} ms of {rtt}");
        let share = estimate.rate / (65_536.0 / 0.01);
        assert!((0.5..1.5).contains(&share), "{share:.2} of the rate, {rtt} ms");
        assert_eq!(estimate.engine_limited, may_be_limited, "{rtt} ms");
        assert_eq!(throttle.room(start), u64::MAX);
        assert_eq!(throttle.frame(), 64 << 10);
    }
}

/// A line of 20 Mbit/s and 50 ms that loses one packet after 3 s: nothing comes for 85 ms, and then what waited, as fast
/// as a page can take it. Calls `see` every millisecond.
fn with_one_loss(mut see: impl FnMut(&Throttle, Duration)) {
    const RATE: f64 = 2.5e6;
    let stamp = |at: Duration| (at.as_micros() / 100) as u32;
    let ms = Duration::from_millis;
    let time = |at: Duration| Time::from_origin(ms(1000) + at);
    let mut throttle = Throttle::new(time(ms(0)));
    let (mut frames, mut last, mut seen) = (std::collections::VecDeque::new(), Duration::ZERO, 0);
    let (mut bytes, mut reported) = (0, 0);
    for now in (0..5000).map(ms) {
        while let frame = throttle.frame() as u64
            && throttle.room(time(now)) >= frame
        {
            throttle.sent(frame, time(now));
            let in_turn = (now + ms(25)).max(last + Duration::from_secs_f64(frame as f64 / RATE));
            let held = in_turn > ms(3000) && in_turn < ms(3085);
            last = in_turn;
            // One after the other, a fifth of a millisecond each, is what waited taken.
            let at = if held { ms(3085) + Duration::from_micros(200 * seen) } else { in_turn };
            seen = if held { seen + 1 } else { 0 };
            frames.push_back((at, now, frame));
        }
        while let Some(&(at, sent, frame)) = frames.front()
            && at + ms(25) <= now
        {
            frames.pop_front();
            bytes += frame;
            if bytes - reported >= 2 * frame {
                reported = bytes;
                let report =
                    Report { lane: 0, bytes, clock: stamp(at), echo: stamp(sent + ms(1000)), held: 0 };
                throttle.report(&report, time(now));
            }
        }
        throttle.handle_timeout(time(now));
        see(&throttle, now);
    }
}

#[test]
fn a_loss_is_recognized_by_what_it_held_back_and_is_not_taken_for_busy_programs() {
    let (mut before, mut most) = (0, 0);
    let (mut was_limited, mut is_limited) = (false, false);
    with_one_loss(|throttle, now| match now.as_millis() {
        2000..2990 => {
            before = throttle.window();
            was_limited |= throttle.estimate().engine_limited;
        }
        3200..4500 => {
            most = most.max(throttle.window());
            is_limited |= throttle.estimate().engine_limited;
        }
        _ => {}
    });

    assert!(!was_limited, "lanes may help after the loss, not before");
    assert!(is_limited, "the loss was not seen: {before}, {most}");
    // Busy programs would be answered by a search for a window larger by a quarter, which the short queue could not take.
    assert!(most < before + before / 10, "{before} bytes on the way before the loss, {most} after");
}
