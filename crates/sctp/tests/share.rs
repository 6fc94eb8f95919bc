//! The share of the link in simulated time: a few cells of what `examples/sim.rs` prints.
mod sim;

use std::time::Duration;

use beeline_sctp::{Config, Congestion, Time};
use sim::{Path, World, alone};

fn share(mbit: f64, rtt_ms: u64, loss: f64, queue: f64, sender: Config, receiver: Config) -> f64 {
    let path = Path { mbit, rtt: Duration::from_millis(rtt_ms), loss, queue };
    alone(path, sender, receiver, Duration::from_secs(if rtt_ms > 100 { 20 } else { 10 }), 1).share
}

#[test]
fn ours_fills_a_link_that_loses_nothing() {
    for (mbit, rtt, queue) in [(20.0, 2, 0.3), (100.0, 50, 1.0), (20.0, 300, 4.0)] {
        let share = share(mbit, rtt, 0.0, queue, Config::default(), Config::default());
        assert!(share > 0.9, "{mbit} Mbit/s {rtt} ms queue {queue}: {share}");
    }
}

/// What start-up found to be safe was so little that the phase which empties the queue never got below it, and never
/// ended.
#[test]
fn a_queue_that_holds_next_to_nothing_is_probed_again() {
    let path = Path { mbit: 1000.0, rtt: Duration::from_millis(2), loss: 0.0, queue: 0.3 };
    let report = alone(path, Config::default(), Config::default(), Duration::from_secs(2), 1);
    assert!(report.share > 0.9, "{report:?}");
}

#[test]
fn ours_fills_a_link_that_loses_three_in_a_hundred() {
    for (mbit, rtt) in [(20.0, 2), (100.0, 2), (100.0, 50), (20.0, 100)] {
        let share = share(mbit, rtt, 0.03, 1.0, Config::default(), Config::default());
        assert!(share > 0.85, "{mbit} Mbit/s {rtt} ms: {share}");
    }
}

#[test]
fn ours_fills_a_lossy_link_to_a_browser() {
    let share = share(20.0, 50, 0.01, 1.0, Config::default(), Config::stock_browser());
    assert!(share > 0.85, "{share}");
}

#[test]
fn a_browser_fills_a_link_to_us() {
    for (mbit, rtt) in [(20.0, 50), (100.0, 50), (20.0, 300)] {
        let share = share(mbit, rtt, 0.0, 1.0, Config::stock_browser(), Config::default());
        assert!(share > 0.85, "{mbit} Mbit/s {rtt} ms: {share}");
    }
}

#[test]
fn alone_on_a_deep_queue_ours_leaves_it_nearly_empty() {
    let path = Path { mbit: 20.0, rtt: Duration::from_millis(50), loss: 0.0, queue: 4.0 };
    let report = alone(path, Config::default(), Config::default(), Duration::from_secs(20), 1);
    assert!(report.queueing < path.rtt, "{report:?}");
}

/// Measured with real browsers: fed with a window of megabytes, 0.2 Mbit/s for many seconds on such a line.
#[test]
fn a_browser_that_collapses_in_a_browsers_window_does_not_in_ours() {
    let path = Path { mbit: 20.0, rtt: Duration::from_millis(50), loss: 0.0, queue: 4.0 };
    let run = |receiver| alone(path, Config::stock_browser(), receiver, Duration::from_secs(8), 1).share;

    let (to_browser, to_us) = (run(Config::stock_browser()), run(Config::default()));

    assert!(to_browser < 0.3, "{to_browser}");
    assert!(to_us > 0.85, "{to_us}");
}

#[test]
fn beside_one_cubic_flow_each_gets_a_quarter() {
    let path = Path { mbit: 100.0, rtt: Duration::from_millis(50), loss: 0.0, queue: 1.0 };
    let mut world = World::new(path, 1);
    world.add_flow(Config::default(), Config::default(), Time::ZERO);
    let cubic = Config { congestion: Congestion::Cubic, ..Config::default() };
    world.add_flow(cubic, Config::default(), Time::ZERO + Duration::from_millis(500));

    let reports = world.run(Duration::from_secs(60));

    assert!(reports.iter().all(|report| report.share > 0.25), "{reports:?}");
}

/// It learned a bound of a twentieth in the first one's overshoot, which once grew by a sixth in a probing cycle only.
#[test]
fn who_begins_in_the_overshoot_of_another_does_not_stay_small() {
    let path = Path { mbit: 100.0, rtt: Duration::from_millis(100), loss: 0.0, queue: 1.0 };
    let mut world = World::new(path, 1);
    world.add_flow(Config::default(), Config::default(), Time::ZERO);
    world.add_flow(Config::default(), Config::default(), Time::ZERO + Duration::from_millis(500));

    let reports = world.run(Duration::from_secs(60));

    assert!(reports.iter().all(|report| report.share > 0.25), "{reports:?}");
}
