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
